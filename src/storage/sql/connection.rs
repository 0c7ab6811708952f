//! One statement, two databases.
//!
//! The logic of the ledger is written once. Its statements are written so that both databases
//! understand them: `$1` for parameters, a JSON list through `json_each` for many rows (`PostgreSQL`
//! has a function of that name in our schema), casts where a value leaves JSON. Where the two differ
//! all the same, the texts stand side by side in a [`Text::Each`].

use std::borrow::Cow;
use std::fmt;
use std::ops::DerefMut;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnection, PgPool, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{Arguments as _, AssertSqlSafe, Connection as _, Postgres, Row as _, SqlSafeStr as _, SqlStr, Sqlite};
use tokio::time::timeout;

use super::deadlines::{CLOSING, READING, WRITING, unanswered};

/// A connection to either database: owned by a writer, or lent by a pool.
pub(in crate::storage) enum Connection {
    Sqlite(SqliteConnection),
    SqliteLent(Box<dyn DerefMut<Target = SqliteConnection> + Send>),
    Postgres(PgConnection),
    PostgresLent(Box<dyn DerefMut<Target = PgConnection> + Send>),
    /// The server did not answer in time: whatever it says later is not listened to.
    Gone,
}

enum Raw<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
    Gone,
}

impl Connection {
    fn raw(&mut self) -> Raw<'_> {
        match self {
            Self::Sqlite(connection) => Raw::Sqlite(connection),
            Self::SqliteLent(connection) => Raw::Sqlite(connection),
            Self::Postgres(connection) => Raw::Postgres(connection),
            Self::PostgresLent(connection) => Raw::Postgres(connection),
            Self::Gone => Raw::Gone,
        }
    }

    /// How long the server may take for one statement.
    fn patience(&self) -> Duration {
        if matches!(self, Self::Postgres(_)) { WRITING } else { READING }
    }

    /// Ends a connection whose server did not answer. What was under way may have been done.
    fn give_up(&mut self) -> sqlx::Error {
        *self = Self::Gone;
        unanswered()
    }

    pub(in crate::storage) fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_) | Self::PostgresLent(_) | Self::Gone)
    }

    /// Runs a command that returns nothing and is not worth preparing.
    pub(in crate::storage) async fn command(&mut self, text: &'static str) -> Result<(), sqlx::Error> {
        let patience = self.patience();
        let answered = match self.raw() {
            Raw::Sqlite(connection) => Ok(sqlx::query(text).execute(connection).await.map(drop)),
            Raw::Postgres(connection) => {
                timeout(patience, sqlx::raw_sql(text).execute(connection)).await.map(|answer| answer.map(drop))
            }
            Raw::Gone => Ok(Err(unanswered())),
        };
        answered.unwrap_or_else(|_| Err(self.give_up()))
    }

    /// Runs a statement whose text was made for this database.
    pub(in crate::storage) async fn run_prepared(
        &mut self,
        text: SqlStr,
        arguments: Arguments,
    ) -> Result<(), sqlx::Error> {
        let patience = self.patience();
        let answered = match (self.raw(), arguments) {
            (Raw::Sqlite(raw), Arguments::Sqlite(arguments)) => {
                Ok(sqlx::query_with::<Sqlite, _>(text, arguments).execute(raw).await.map(drop))
            }
            (Raw::Postgres(raw), Arguments::Postgres(arguments)) => {
                let answer = timeout(patience, sqlx::query_with::<Postgres, _>(text, arguments).execute(raw));
                answer.await.map(|answer| answer.map(drop))
            }
            (Raw::Gone, _) => Ok(Err(unanswered())),
            _ => Ok(Err(sqlx::Error::Protocol("values for another database".to_owned()))),
        };
        answered.unwrap_or_else(|_| Err(self.give_up()))
    }

    /// Says good-bye, where the connection is ours to end.
    pub(in crate::storage) async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => {
                timeout(CLOSING, connection.close()).await.unwrap_or_else(|_| Err(unanswered()))
            }
            Self::SqliteLent(_) | Self::PostgresLent(_) | Self::Gone => Ok(()),
        }
    }
}

/// Connections that only read.
pub(in crate::storage) enum Readers {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Readers {
    pub(in crate::storage) async fn acquire(&self) -> Result<Connection, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(pool) => Connection::SqliteLent(Box::new(pool.acquire().await?)),
            Self::Postgres(pool) => Connection::PostgresLent(Box::new(pool.acquire().await?)),
        })
    }

    /// One view of everything that is committed, for as long as the connection is held.
    pub(in crate::storage) async fn snapshot(&self) -> Result<Connection, sqlx::Error> {
        const UNCHANGING: &str = "begin isolation level repeatable read read only";
        Ok(match self {
            Self::Sqlite(pool) => Connection::SqliteLent(Box::new(pool.begin().await?)),
            Self::Postgres(pool) => {
                let begun = timeout(READING, pool.begin_with(UNCHANGING)).await;
                Connection::PostgresLent(Box::new(begun.unwrap_or_else(|_| Err(unanswered()))?))
            }
        })
    }

    pub(in crate::storage) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// The text of a statement.
#[derive(Debug, Clone)]
pub(in crate::storage) enum Text {
    /// Both databases understand it.
    Both(&'static str),
    /// Each has its own.
    Each { sqlite: &'static str, postgres: &'static str },
    /// Both understand it; put together from pieces that stand in our sources. Values are never in it.
    Made(Arc<str>),
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Self::Both(text)
    }
}

impl Text {
    pub(in crate::storage) fn for_sqlite(self) -> SqlStr {
        match self {
            Self::Both(text) | Self::Each { sqlite: text, .. } => text.into_sql_str(),
            Self::Made(text) => AssertSqlSafe(text).into_sql_str(),
        }
    }

    fn for_postgres(self) -> SqlStr {
        match self {
            Self::Both(text) | Self::Each { postgres: text, .. } => match without_hints(text) {
                Cow::Borrowed(_) => text.into_sql_str(),
                Cow::Owned(text) => AssertSqlSafe(text).into_sql_str(),
            },
            Self::Made(text) => AssertSqlSafe(without_hints(&text).into_owned()).into_sql_str(),
        }
    }
}

/// `SQLite` has no statistics and is told which index to use, and in which order to join: a `cross
/// join` with a condition. `PostgreSQL` knows better. No text of ours holds two blanks that matter.
fn without_hints(text: &str) -> Cow<'_, str> {
    if !text.contains("indexed by") && !text.contains("cross join") {
        return Cow::Borrowed(text);
    }
    let mut kept = Vec::new();
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        let mut ahead = words.clone();
        match word {
            "indexed" if ahead.next() == Some("by") => drop(words.nth(1)),
            // cross join TABLE ALIAS on …
            "cross" if ahead.nth(3) == Some("on") => {}
            _ => kept.push(word),
        }
    }
    Cow::Owned(kept.join(" "))
}

/// A value on its way into a statement.
#[derive(Clone)]
pub(in crate::storage) enum Value<'q> {
    Integer(Option<i64>),
    Text(Option<Cow<'q, str>>),
    Bytes(Option<Cow<'q, [u8]>>),
    Flag(bool),
}

macro_rules! values {
    ($( $from:ty => |$value:ident| $into:expr; )+) => { $(
        impl<'q> From<$from> for Value<'q> {
            fn from($value: $from) -> Self {
                $into
            }
        }
    )+ };
}

values! {
    i64 => |value| Self::Integer(Some(value));
    u32 => |value| Self::Integer(Some(value.into()));
    u16 => |value| Self::Integer(Some(value.into()));
    Option<i64> => |value| Self::Integer(value);
    bool => |value| Self::Flag(value);
    &'q str => |value| Self::Text(Some(value.into()));
    &'q String => |value| Self::Text(Some(value.as_str().into()));
    String => |value| Self::Text(Some(value.into()));
    Option<&'q str> => |value| Self::Text(value.map(Cow::Borrowed));
    Option<String> => |value| Self::Text(value.map(Cow::Owned));
    &'q [u8] => |value| Self::Bytes(Some(value.into()));
    &'q Vec<u8> => |value| Self::Bytes(Some(value.as_slice().into()));
    Vec<u8> => |value| Self::Bytes(Some(value.into()));
}

/// The values of one statement, in order, as its database takes them.
pub(in crate::storage) enum Arguments {
    Sqlite(SqliteArguments),
    Postgres(PgArguments),
}

impl Arguments {
    pub(in crate::storage) fn for_connection(connection: &Connection) -> Self {
        if connection.is_postgres() {
            Self::Postgres(PgArguments::default())
        } else {
            Self::Sqlite(SqliteArguments::default())
        }
    }

    pub(in crate::storage) fn reserve(&mut self, values: usize) {
        match self {
            Self::Sqlite(arguments) => arguments.reserve(values, 0),
            Self::Postgres(arguments) => arguments.reserve(values, 0),
        }
    }

    pub(in crate::storage) fn len(&self) -> usize {
        match self {
            Self::Sqlite(arguments) => arguments.len(),
            Self::Postgres(arguments) => arguments.len(),
        }
    }

    pub(in crate::storage) fn add(&mut self, value: Value<'_>) -> Result<(), sqlx::Error> {
        // Owned text and bytes move into the statement: they are not copied once more.
        macro_rules! add_to {
            ($arguments:expr) => {
                match value {
                    Value::Integer(value) => $arguments.add(value),
                    Value::Text(Some(Cow::Owned(value))) => $arguments.add(value),
                    Value::Text(value) => $arguments.add(value.map(Cow::into_owned)),
                    Value::Bytes(Some(Cow::Owned(value))) => $arguments.add(value),
                    Value::Bytes(value) => $arguments.add(value.map(Cow::into_owned)),
                    Value::Flag(value) => $arguments.add(value),
                }
            };
        }
        let added = match self {
            Self::Sqlite(arguments) => add_to!(arguments),
            Self::Postgres(arguments) => add_to!(arguments),
        };
        added.map_err(sqlx::Error::Encode)
    }
}

/// A statement with its values.
pub(in crate::storage) struct Query<'q> {
    text: Text,
    values: Vec<Value<'q>>,
}

/// A statement, to be given its values.
pub(in crate::storage) fn query<'q>(text: impl Into<Text>) -> Query<'q> {
    Query { text: text.into(), values: Vec::new() }
}

/// What a statement changed.
#[derive(Debug, Clone, Copy)]
pub(in crate::storage) struct Done {
    rows: u64,
}

impl Done {
    pub(in crate::storage) fn rows_affected(self) -> u64 {
        self.rows
    }
}

/// Runs something on the connection of either database.
macro_rules! on_either {
    ($query:expr, $connection:expr, |$prepared:ident, $raw:ident| $sqlite:expr, $postgres:expr) => {{
        let Query { text, values } = $query;
        let mut arguments = Arguments::for_connection($connection);
        arguments.reserve(values.len());
        for value in values {
            arguments.add(value)?;
        }
        let patience = $connection.patience();
        let answered = match ($connection.raw(), arguments) {
            (Raw::Sqlite($raw), Arguments::Sqlite(arguments)) => {
                let $prepared = sqlx::query_with::<Sqlite, _>(text.for_sqlite(), arguments);
                Ok($sqlite)
            }
            (Raw::Postgres($raw), Arguments::Postgres(arguments)) => {
                let $prepared = sqlx::query_with::<Postgres, _>(text.for_postgres(), arguments);
                timeout(patience, async { $postgres }).await
            }
            (Raw::Gone, _) => Ok(Err(unanswered())),
            _ => Ok(Err(sqlx::Error::Protocol("values for another database".to_owned()))),
        };
        answered.unwrap_or_else(|_| Err($connection.give_up()))
    }};
}

impl<'q> Query<'q> {
    /// The same, asking how `SQLite` would answer it.
    #[cfg(test)]
    pub(in crate::storage) fn explained(self) -> Self {
        let text = format!("explain query plan {}", self.text.for_sqlite().as_str());
        Self { text: Text::Made(text.into()), values: self.values }
    }

    /// Gives the next value.
    pub(in crate::storage) fn bind(mut self, value: impl Into<Value<'q>>) -> Self {
        self.values.push(value.into());
        self
    }

    pub(in crate::storage) async fn execute(self, connection: &mut Connection) -> Result<Done, sqlx::Error> {
        on_either!(
            self,
            connection,
            |prepared, raw| prepared.execute(raw).await.map(|done| Done { rows: done.rows_affected() }),
            prepared.execute(raw).await.map(|done| Done { rows: done.rows_affected() })
        )
    }

    pub(in crate::storage) async fn fetch_all(self, connection: &mut Connection) -> Result<Vec<Row>, sqlx::Error> {
        on_either!(
            self,
            connection,
            |prepared, raw| prepared.fetch_all(raw).await.map(|rows| rows.into_iter().map(Row::Sqlite).collect()),
            prepared.fetch_all(raw).await.map(|rows| rows.into_iter().map(Row::Postgres).collect())
        )
    }

    pub(in crate::storage) async fn fetch_optional(
        self,
        connection: &mut Connection,
    ) -> Result<Option<Row>, sqlx::Error> {
        on_either!(
            self,
            connection,
            |prepared, raw| prepared.fetch_optional(raw).await.map(|row| row.map(Row::Sqlite)),
            prepared.fetch_optional(raw).await.map(|row| row.map(Row::Postgres))
        )
    }

    pub(in crate::storage) async fn fetch_one(self, connection: &mut Connection) -> Result<Row, sqlx::Error> {
        self.fetch_optional(connection).await?.ok_or(sqlx::Error::RowNotFound)
    }
}

/// A statement that gives one value.
pub(in crate::storage) struct Scalar<'q>(Query<'q>);

/// A statement that gives one value, to be given its own.
pub(in crate::storage) fn query_scalar<'q>(text: impl Into<Text>) -> Scalar<'q> {
    Scalar(query(text))
}

impl<'q> Scalar<'q> {
    pub(in crate::storage) fn bind(self, value: impl Into<Value<'q>>) -> Self {
        Self(self.0.bind(value))
    }

    pub(in crate::storage) async fn fetch_one<T>(self, connection: &mut Connection) -> Result<T, sqlx::Error>
    where
        T: for<'r> Get<'r>,
    {
        self.0.fetch_one(connection).await?.try_get(0)
    }

    pub(in crate::storage) async fn fetch_optional<T>(
        self,
        connection: &mut Connection,
    ) -> Result<Option<T>, sqlx::Error>
    where
        T: for<'r> Get<'r>,
    {
        self.0.fetch_optional(connection).await?.map(|row| row.try_get(0)).transpose()
    }
}

/// A row of either database.
pub(in crate::storage) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    pub(in crate::storage) fn try_get<'r, T: Get<'r>>(&'r self, column: usize) -> Result<T, sqlx::Error> {
        T::get(self, column)
    }
}

/// What can be read from a column.
pub(in crate::storage) trait Get<'r>: Sized {
    fn get(row: &'r Row, column: usize) -> Result<Self, sqlx::Error>;
}

macro_rules! gets {
    ($( $read:ty ),+) => { $(
        impl<'r> Get<'r> for $read {
            fn get(row: &'r Row, column: usize) -> Result<Self, sqlx::Error> {
                match row {
                    Row::Sqlite(row) => row.try_get(column),
                    Row::Postgres(row) => row.try_get(column),
                }
            }
        }
    )+ };
}

gets!(i64, Option<i64>, bool, String, Option<String>, &'r str, Option<&'r str>, &'r [u8], Vec<u8>);

macro_rules! gets_small {
    ($( $read:ty ),+) => { $(
        impl<'r> Get<'r> for $read {
            fn get(row: &'r Row, column: usize) -> Result<Self, sqlx::Error> {
                Self::try_from(i64::get(row, column)?).map_err(|error| sqlx::Error::Decode(Box::new(error)))
            }
        }

        impl<'r> Get<'r> for Option<$read> {
            fn get(row: &'r Row, column: usize) -> Result<Self, sqlx::Error> {
                let value = Option::<i64>::get(row, column)?;
                let value = value.map(<$read>::try_from).transpose();
                value.map_err(|error| sqlx::Error::Decode(Box::new(error)))
            }
        }
    )+ };
}

gets_small!(u16, u32);

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_postgres() { "Connection(PostgreSQL)" } else { "Connection(SQLite)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hints_for_one_planner_are_taken_out_for_the_other() {
        assert_eq!(
            without_hints("select 1 from a indexed by a_b\n cross join c d on d.e = a.e cross join f g where x"),
            "select 1 from a join c d on d.e = a.e cross join f g where x"
        );
        assert!(matches!(without_hints("select 1"), Cow::Borrowed(_)));
    }
}

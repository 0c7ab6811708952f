//! Many rows in one statement, in both directions.
//!
//! A statement costs two wake-ups of a thread, and so may every row that comes back; a row inside a
//! statement costs neither. The texts are of a few sizes only, so that every one of them stays
//! prepared; rows of nulls fill the last statement up.

use std::sync::{Arc, OnceLock};

use serde::de::DeserializeOwned;
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

use super::connection::{Arguments, Connection, Scalar, Value};
use super::trouble::Trouble;

const SIZES: [usize; 5] = [256, 64, 16, 4, 1];

/// A statement that takes any number of rows. The first value of a row is never null.
pub(in crate::storage) struct Bulk {
    head: &'static str,
    columns: usize,
    tail: &'static str,
    sqlite: [OnceLock<Arc<str>>; SIZES.len()],
    postgres: [OnceLock<Arc<str>>; SIZES.len()],
}

impl Bulk {
    /// `head` ends before the rows; `tail` follows the last.
    pub(in crate::storage) const fn new(head: &'static str, columns: usize, tail: &'static str) -> Self {
        let sqlite = [const { OnceLock::new() }; SIZES.len()];
        let postgres = [const { OnceLock::new() }; SIZES.len()];
        Self { head, columns, tail, sqlite, postgres }
    }

    fn text_for_sqlite(&self, size: usize) -> Arc<str> {
        let row = format!("({})", vec!["?"; self.columns].join(", "));
        let rows = vec![row.as_str(); size].join(", ");
        format!("{} select * from (values {rows}) where column1 is not null {}", self.head, self.tail).into()
    }

    fn text_for_postgres(&self, size: usize) -> Arc<str> {
        let row = |row: usize| {
            let values: Vec<_> = (1..=self.columns).map(|column| format!("${}", row * self.columns + column)).collect();
            format!("({})", values.join(", "))
        };
        let rows: Vec<_> = (0..size).map(row).collect();
        format!("{} values {} {}", self.head, rows.join(", "), self.tail).into()
    }

    /// Runs the statement over all rows, in order.
    pub(in crate::storage) async fn run<R>(
        &self,
        connection: &mut Connection,
        rows: Vec<R>,
        bind: impl Fn(R, &mut Values) + Send,
    ) -> Result<(), sqlx::Error>
    where
        R: Send,
    {
        let mut left = rows.len();
        let mut rows = rows.into_iter();
        while left > 0 {
            let is_postgres = connection.is_postgres();
            let which = if is_postgres { filled_by(left) } else { size_for(left) };
            let size = SIZES[which];
            let mut values = Values { arguments: Arguments::for_connection(connection), error: None };
            values.arguments.reserve(size * self.columns);
            rows.by_ref().take(size).for_each(|row| bind(row, &mut values));
            left -= left.min(size);
            let arguments = values.finish(size * self.columns)?;
            let text = if is_postgres {
                self.postgres[which].get_or_init(|| self.text_for_postgres(size))
            } else {
                self.sqlite[which].get_or_init(|| self.text_for_sqlite(size))
            };
            connection.run_prepared(AssertSqlSafe(Arc::clone(text)).into_sql_str(), arguments).await?;
        }
        Ok(())
    }
}

/// The smallest size that takes all rows with at most as many rows of nulls, or the largest that
/// they fill.
fn size_for(rows: usize) -> usize {
    let enough = SIZES.iter().rposition(|size| rows <= *size);
    match enough {
        None => 0,
        Some(which) if rows * 2 >= SIZES[which] => which,
        Some(which) => which + 1,
    }
}

/// The largest size that the rows fill: a null has no type, which `PostgreSQL` would ask for.
fn filled_by(rows: usize) -> usize {
    SIZES.iter().position(|size| rows >= *size).unwrap_or(SIZES.len() - 1)
}

/// Reads rows that the database has put into one JSON array.
pub(super) async fn rows_of_json<R: DeserializeOwned>(
    connection: &mut Connection,
    query: Scalar<'_>,
) -> Result<Vec<R>, Trouble> {
    let json: String = query.fetch_one(connection).await?;
    Ok(serde_json::from_str(&json)?)
}

/// The values of one statement, in order.
pub(in crate::storage) struct Values {
    arguments: Arguments,
    error: Option<sqlx::Error>,
}

impl Values {
    /// Adds one value.
    pub(in crate::storage) fn push<'q>(&mut self, value: impl Into<Value<'q>>) -> &mut Self {
        if let Err(error) = self.arguments.add(value.into()) {
            self.error.get_or_insert(error);
        }
        self
    }

    /// The values, followed by nulls up to a count.
    fn finish(mut self, count: usize) -> Result<Arguments, sqlx::Error> {
        while self.arguments.len() < count && self.error.is_none() {
            self.push(None::<i64>);
        }
        match self.error {
            None => Ok(self.arguments),
            Some(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_rows_of_nulls_and_few_statements() {
        for (rows, size) in [(1, 1), (2, 4), (4, 4), (5, 4), (8, 16), (40, 64), (100, 64), (128, 256), (500, 256)] {
            assert_eq!(SIZES[size_for(rows)], size, "{rows} rows");
        }
    }
}

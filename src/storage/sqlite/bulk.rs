//! Many rows in one statement, in both directions.
//!
//! A statement costs two wake-ups of a thread, and so may every row that comes back; a row inside a
//! statement costs neither. The texts are of a few sizes only, so that every one of them stays
//! prepared; rows of nulls fill the last statement up.

use std::sync::{Arc, OnceLock};

use serde::de::DeserializeOwned;
use sqlx::error::BoxDynError;
use sqlx::query::QueryScalar;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments as _, AssertSqlSafe, Encode, Sqlite, Type};

use super::trouble::Trouble;

const SIZES: [usize; 5] = [256, 64, 16, 4, 1];

/// A statement that takes any number of rows. The first value of a row is never null.
pub(super) struct Bulk {
    head: &'static str,
    columns: usize,
    tail: &'static str,
    texts: [OnceLock<Arc<str>>; SIZES.len()],
}

impl Bulk {
    /// `head` ends before the rows; `tail` follows the last.
    pub(super) const fn new(head: &'static str, columns: usize, tail: &'static str) -> Self {
        Self { head, columns, tail, texts: [const { OnceLock::new() }; SIZES.len()] }
    }

    fn text(&self, size: usize) -> Arc<str> {
        let row = format!("({})", vec!["?"; self.columns].join(", "));
        let rows = vec![row.as_str(); size].join(", ");
        format!("{} select * from (values {rows}) where column1 is not null {}", self.head, self.tail).into()
    }

    /// Runs the statement over all rows, in order.
    pub(super) async fn run<R>(
        &self,
        connection: &mut SqliteConnection,
        rows: Vec<R>,
        bind: impl Fn(R, &mut Values) + Send,
    ) -> Result<(), sqlx::Error>
    where
        R: Send,
    {
        let mut left = rows.len();
        let mut rows = rows.into_iter();
        while left > 0 {
            let which = size_for(left);
            let size = SIZES[which];
            let mut values = Values::default();
            values.arguments.reserve(size * self.columns, 0);
            rows.by_ref().take(size).for_each(|row| bind(row, &mut values));
            left -= left.min(size);
            let text = Arc::clone(self.texts[which].get_or_init(|| self.text(size)));
            let arguments = values.finish(size * self.columns)?;
            sqlx::query_with(AssertSqlSafe(text), arguments).execute(&mut *connection).await?;
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

/// Reads rows that the database has put into one JSON array.
pub(super) async fn rows_of_json<R: DeserializeOwned>(
    connection: &mut SqliteConnection,
    query: QueryScalar<'_, Sqlite, String, SqliteArguments>,
) -> Result<Vec<R>, Trouble> {
    let json = query.fetch_one(connection).await?;
    Ok(serde_json::from_str(&json)?)
}

/// The values of one statement, in order.
#[derive(Default)]
pub(super) struct Values {
    arguments: SqliteArguments,
    error: Option<BoxDynError>,
}

impl Values {
    /// Adds one value.
    pub(super) fn push<'q, T>(&mut self, value: T) -> &mut Self
    where
        T: Encode<'q, Sqlite> + Type<Sqlite>,
    {
        if let Err(error) = self.arguments.add(value) {
            self.error.get_or_insert(error);
        }
        self
    }

    /// The values, followed by nulls up to a count.
    fn finish(mut self, count: usize) -> Result<SqliteArguments, sqlx::Error> {
        while self.arguments.len() < count && self.error.is_none() {
            self.push(None::<i64>);
        }
        match self.error {
            None => Ok(self.arguments),
            Some(error) => Err(sqlx::Error::Encode(error)),
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

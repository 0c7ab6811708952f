//! Many rows in one statement.
//!
//! A statement costs a trip to the thread of the connection; a row inside a statement does not.
//! The texts are of four sizes only, so that every one of them stays prepared.

use std::sync::{Arc, OnceLock};

use sqlx::error::BoxDynError;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments as _, AssertSqlSafe, Encode, Sqlite, Type};

const SIZES: [usize; 4] = [256, 32, 4, 1];

/// A statement that takes any number of rows.
pub(super) struct Bulk {
    head: &'static str,
    columns: usize,
    tail: &'static str,
    texts: OnceLock<[Arc<str>; 4]>,
}

impl Bulk {
    /// `head` ends before the first row of values; `tail` follows the last.
    pub(super) const fn new(head: &'static str, columns: usize, tail: &'static str) -> Self {
        Self { head, columns, tail, texts: OnceLock::new() }
    }

    fn text(&self, size: usize) -> Arc<str> {
        let row = format!("({})", vec!["?"; self.columns].join(", "));
        format!("{} values {} {}", self.head, vec![row.as_str(); size].join(", "), self.tail).into()
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
        let texts = self.texts.get_or_init(|| SIZES.map(|size| self.text(size)));
        let mut left = rows.len();
        let mut rows = rows.into_iter();
        for (size, text) in SIZES.iter().zip(texts) {
            while left >= *size {
                let mut values = Values::default();
                values.arguments.reserve(size * self.columns, 0);
                rows.by_ref().take(*size).for_each(|row| bind(row, &mut values));
                left -= size;
                let arguments = values.finish()?;
                sqlx::query_with(AssertSqlSafe(Arc::clone(text)), arguments).execute(&mut *connection).await?;
            }
        }
        Ok(())
    }
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

    fn finish(self) -> Result<SqliteArguments, sqlx::Error> {
        match self.error {
            None => Ok(self.arguments),
            Some(error) => Err(sqlx::Error::Encode(error)),
        }
    }
}

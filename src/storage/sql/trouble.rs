//! What can go wrong inside a statement, before it is known what was attempted.

use canonical::values::date::UtcInstantError;

use crate::delivery::TransitionRefused;
use crate::storage::StorageError;

/// What SQLite says of a file that is damaged.
const CORRUPT: u32 = 11;
/// What it says of one that is no database.
const NOT_A_DATABASE: u32 = 26;

#[derive(Debug)]
pub(in crate::storage) enum Trouble {
    /// The database said no.
    Database(sqlx::Error),
    /// What was read is not what this program wrote.
    Damaged(String),
    /// The caller asked for what the rules do not admit.
    Refused(String),
}

impl Trouble {
    pub(in crate::storage) fn during(self, attempted: &'static str) -> StorageError {
        match self {
            Self::Database(
                source @ (sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::Decode(_)
                | sqlx::Error::RowNotFound
                | sqlx::Error::ColumnIndexOutOfBounds { .. }),
            ) => StorageError::Damaged { attempted, problem: source.to_string() },
            Self::Database(source) => StorageError::Unavailable { attempted, source: Box::new(source) },
            Self::Damaged(problem) => StorageError::Damaged { attempted, problem },
            Self::Refused(problem) => StorageError::Refused { problem },
        }
    }

    /// The same before anything was done: a file that is no database, or a damaged one, is told as such. Its
    /// cause says what the file is, and is told once.
    pub(in crate::storage) fn on_opening(self, attempted: &'static str) -> StorageError {
        let problem = match self.primary_code() {
            Some(CORRUPT) => "the file is damaged: restore a backup",
            Some(NOT_A_DATABASE) => {
                "the file is no SQLite database, or a damaged one: restore a backup, or name another file"
            }
            _ => return self.during(attempted),
        };
        StorageError::Damaged { attempted, problem: problem.to_owned() }
    }

    /// Whether the file or the disk under it can no longer be trusted with writes.
    pub(super) fn is_fatal(&self) -> bool {
        const IO: u32 = 10;
        self.primary_code().is_some_and(|code| matches!(code, IO | CORRUPT | NOT_A_DATABASE))
    }

    /// Whether there was no room for a transaction, which is then certainly not there: its last page
    /// was not even written.
    pub(super) fn is_full(&self) -> bool {
        const FULL: u32 = 13;
        self.primary_code() == Some(FULL)
    }

    /// The primary result code of `SQLite`. A server keeps its own disk in order, and ends the
    /// connection when it cannot.
    fn primary_code(&self) -> Option<u32> {
        let Self::Database(sqlx::Error::Database(error)) = self else { return None };
        error.try_downcast_ref::<sqlx::sqlite::SqliteError>()?;
        Some(error.code()?.parse::<u32>().ok()? & 0xff)
    }
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<TransitionRefused> for Trouble {
    fn from(refused: TransitionRefused) -> Self {
        Self::Refused(refused.to_string())
    }
}

impl From<serde_json::Error> for Trouble {
    fn from(error: serde_json::Error) -> Self {
        // The words of the error may quote the value, which may be personal.
        Self::Damaged(format!(
            "{:?} error of JSON at line {} column {}",
            error.classify(),
            error.line(),
            error.column()
        ))
    }
}

impl From<UtcInstantError> for Trouble {
    fn from(error: UtcInstantError) -> Self {
        Self::Damaged(error.to_string())
    }
}

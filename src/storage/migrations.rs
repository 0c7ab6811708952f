//! The schema of a database, brought up to date one numbered text after the other.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use super::StorageError;

/// The migrations of a database, from their numbers, names and texts.
pub(super) fn of(texts: &'static [(i64, &'static str, &'static str)]) -> Migrator {
    let migrations = texts.iter().map(|(version, name, sql)| {
        Migration::new(*version, (*name).into(), MigrationType::Simple, (*sql).into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}

/// What to tell whoever opens a database in which another program keeps its tables. Ours would stand
/// among them, and what either does would reach the other.
pub(super) fn of_another_program(table: &str) -> StorageError {
    StorageError::Refused {
        problem: format!(
            "another program made it: it holds the table {table} and none of Raccordo's; nothing was changed. Name \
             an empty one in `[storage]`"
        ),
    }
}

/// What to tell whoever opens a database whose schema cannot be brought up to date.
pub(super) fn refused(error: MigrateError, attempted: &'static str) -> StorageError {
    match error {
        MigrateError::VersionMissing(version) => StorageError::Refused {
            problem: format!("its schema ({version}) is newer than this program: install the newer release again"),
        },
        MigrateError::VersionMismatch(version) => StorageError::Refused {
            problem: format!("its schema {version} is not the one of this program: restore a backup"),
        },
        MigrateError::Dirty(version) => StorageError::Refused {
            problem: format!("its migration {version} was interrupted: restore the backup made before it"),
        },
        error => StorageError::Unavailable { attempted, source: Box::new(error) },
    }
}

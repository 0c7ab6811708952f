//! What is demanded of the file before anything is read or written.
//!
//! The settings stand in the connect options and are asked back on every connection: a setting
//! that silently did not take would cost records at the next power cut.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use crate::storage::StorageError;
use crate::storage::migrations;
use crate::storage::sql::desk::Desk;
use crate::storage::sql::trouble::Trouble;

const ATTEMPTED: &str = "open the database";
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const CHECKPOINT_PAGES: i64 = 20_000;
const READERS: u32 = 4;
/// Older versions can corrupt a file in WAL mode.
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);

const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "ledger", include_str!("migrations/0001_ledger.sql")),
    (2, "signals", include_str!("migrations/0002_signals.sql")),
];

pub(super) struct Opened {
    pub(super) desk: Desk,
    pub(super) readers: SqlitePool,
    pub(super) lock: File,
}

pub(super) async fn open(path: &Path) -> Result<Opened, StorageError> {
    let lock = take_lock(path)?;
    let mut connection = undecided(path).connect().await.map_err(unusable)?;
    check_version(&mut connection).await?;
    // A file of others is not even given another journal.
    check_owner(&mut connection).await?;
    sqlx::query("pragma journal_mode = wal").execute(&mut connection).await.map_err(unusable)?;
    check_settings(&mut connection).await?;
    migrate(&mut connection).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .after_connect(|connection, _| {
            Box::pin(async move {
                demanded(connection).await?.map_or(Ok(()), |problem| Err(sqlx::Error::Protocol(problem)))
            })
        })
        .connect_with(reading(path))
        .await
        .map_err(unusable)?;
    let desk = Desk::of_file(connection).await.map_err(|trouble| trouble.on_opening(ATTEMPTED))?;
    Ok(Opened { desk, readers, lock })
}

/// The options that hold for every connection.
fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string())
        .pragma("temp_store", "memory")
        .statement_cache_capacity(256)
        .row_buffer_size(512)
        .disable_statement_logging()
}

/// Of a file of which it is not known yet whose it is.
fn undecided(path: &Path) -> SqliteConnectOptions {
    options(path).create_if_missing(true).pragma("cache_size", "-65536")
}

pub(super) fn writing(path: &Path) -> SqliteConnectOptions {
    undecided(path).journal_mode(SqliteJournalMode::Wal)
}

pub(super) fn reading(path: &Path) -> SqliteConnectOptions {
    options(path).pragma("cache_size", "-8192").pragma("query_only", "on")
}

/// One process owns the file. The lock goes with the process, however it ends.
fn take_lock(path: &Path) -> Result<File, StorageError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let beside = PathBuf::from(beside);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder
        && !folder.is_dir()
    {
        let problem = format!("folder {} does not exist: create it, or name another file", folder.display());
        return Err(StorageError::Refused { problem });
    }
    let lock =
        OpenOptions::new().create(true).append(true).mode(0o600).open(&beside).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => StorageError::Refused {
                problem: format!(
                    "{} cannot be written: give this user the folder, or name another file",
                    beside.display()
                ),
            },
            _ => unavailable(error),
        })?;
    match lock.try_lock() {
        Ok(()) => keep_private(path, &lock).map(|()| lock).map_err(unavailable),
        Err(TryLockError::WouldBlock) => Err(StorageError::Unavailable {
            attempted: "open it",
            source: format!("another process has {} open: stop it first (is the daemon running?), or name another folder with --folder", path.display()).into(),
        }),
        Err(TryLockError::Error(error)) => Err(unavailable(error)),
    }
}

/// Records name persons: a new file is for its owner alone, and what SQLite puts beside it follows.
/// Whoever may open the lock may hold it, and keep us out.
fn keep_private(path: &Path, lock: &File) -> io::Result<()> {
    if lock.metadata()?.permissions().mode() & 0o077 != 0 {
        lock.set_permissions(Permissions::from_mode(0o600))?;
    }
    match OpenOptions::new().create_new(true).write(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

async fn check_version(connection: &mut SqliteConnection) -> Result<(), StorageError> {
    let version: String =
        sqlx::query_scalar("select sqlite_version()").fetch_one(connection).await.map_err(unusable)?;
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    let mut next = || parts.next().unwrap_or_default();
    if (next(), next(), next()) < OLDEST_SQLITE {
        let (major, minor, patch) = OLDEST_SQLITE;
        let problem = format!("SQLite {version} is too old: at least {major}.{minor}.{patch} is needed");
        return Err(StorageError::Refused { problem });
    }
    Ok(())
}

async fn check_settings(connection: &mut SqliteConnection) -> Result<(), StorageError> {
    match demanded(connection).await.map_err(unusable)? {
        None => Ok(()),
        Some(problem) => Err(StorageError::Refused { problem }),
    }
}

/// What is not as demanded on a connection.
async fn demanded(connection: &mut SqliteConnection) -> Result<Option<String>, sqlx::Error> {
    const FULL: i64 = 2;
    let journal: String = sqlx::query_scalar("pragma journal_mode").fetch_one(&mut *connection).await?;
    if journal != "wal" {
        return Ok(Some(format!("the journal mode is {journal} instead of wal: is the file on a network drive?")));
    }
    let busy = i64::try_from(BUSY_TIMEOUT.as_millis()).unwrap_or(i64::MAX);
    for (question, wanted) in [
        ("pragma synchronous", FULL),
        ("pragma foreign_keys", 1),
        ("pragma busy_timeout", busy),
        ("pragma wal_autocheckpoint", CHECKPOINT_PAGES),
    ] {
        let row = sqlx::query(question).fetch_one(&mut *connection).await?;
        let found: i64 = row.try_get(0)?;
        if found != wanted {
            return Ok(Some(format!("{question} is {found} instead of {wanted}")));
        }
    }
    Ok(None)
}

/// A file with tables that no migration of ours made is not ours.
async fn check_owner(connection: &mut SqliteConnection) -> Result<(), StorageError> {
    const THEIRS: &str =
        "select min(name) from sqlite_schema where type = 'table' and name not like 'sqlite\\_%' escape '\\'
        and not exists (select 1 from sqlite_schema where type = 'table' and name = '_sqlx_migrations')";
    let theirs: Option<String> = sqlx::query_scalar(THEIRS).fetch_one(connection).await.map_err(unusable)?;
    theirs.map_or(Ok(()), |table| Err(migrations::of_another_program(&table)))
}

/// Whether a file is one of ours, without changing it.
pub(super) async fn check(path: &Path) -> Result<(), StorageError> {
    let mut connection = reading(path).connect().await.map_err(unusable)?;
    let checked = check_owner(&mut connection).await;
    connection.close().await.map_err(unusable)?;
    checked
}

async fn migrate(connection: &mut SqliteConnection) -> Result<(), StorageError> {
    let done = migrations::of(MIGRATIONS).run_direct(None, connection, false).await;
    done.map_err(|error| match error {
        MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => unusable(source),
        error => migrations::refused(error, ATTEMPTED),
    })
}

/// A file that is no database, or not a whole one, is no better later.
fn unusable(source: sqlx::Error) -> StorageError {
    Trouble::from(source).on_opening(ATTEMPTED)
}

fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StorageError {
    StorageError::Unavailable { attempted: ATTEMPTED, source: source.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_and_its_lock_are_their_owners_alone_also_where_the_lock_was_open_to_others() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("raccordo.db");
        let beside = folder.path().join("raccordo.db.lock");
        let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        drop(take_lock(&path).expect("nobody holds it"));
        assert_eq!((mode(&path), mode(&beside)), (0o600, 0o600));
        std::fs::set_permissions(&beside, Permissions::from_mode(0o644)).expect("set");
        drop(take_lock(&path).expect("nobody holds it"));
        assert_eq!(mode(&beside), 0o600);
    }
}

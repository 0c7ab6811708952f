//! The ledger in one `SQLite` file: the embedded default, owned by one process.

mod open;
#[doc(hidden)]
pub mod bare;

use std::path::Path;
use std::sync::Arc;

use canonical::values::CalendarDate;
use sqlx::ConnectOptions as _;
use tokio::sync::watch;

use super::StorageError;
use super::calls::CallCount;
use super::sql::SqlStore;
use super::sql::calls;
use super::sql::connection::{Connection, Readers};
use super::sql::trouble::Trouble;
use super::sql::writer::{Home, Writer};

/// Opens the file, makes it when it is absent, and brings its schema up to date. Refused when
/// another process owns it, when its schema is newer than this program, or when its folder is
/// absent.
pub async fn open(path: impl AsRef<Path>) -> Result<Arc<SqlStore>, StorageError> {
    let path = path.as_ref();
    let opened = open::open(path).await?;
    let (woken, wake_ups) = watch::channel(0);
    Ok(SqlStore::new(super::sql::Opened {
        name: path.display().to_string(),
        writer: Writer::start(opened.desk, Home::File(opened.lock), Arc::new(woken)),
        settler: None,
        readers: Readers::Sqlite(opened.readers),
        wake_ups,
        presence: None,
        listener: None,
    }))
}

/// What is counted of the calls of a day, read beside the process that owns the file, where there is one.
/// Nothing is made or changed.
pub async fn calls_of(path: impl AsRef<Path>, day: CalendarDate) -> Result<Vec<CallCount>, StorageError> {
    let path = path.as_ref();
    if !path.is_file() {
        let problem = format!("there is no file {}: start the daemon once, or name another folder", path.display());
        return Err(StorageError::Refused { problem });
    }
    let counts = async {
        let mut connection = Connection::Sqlite(open::reading(path).connect().await?);
        let counts = calls::of_day(&mut connection, day).await;
        connection.close().await?;
        counts
    };
    open::check(path).await?;
    counts.await.map_err(|trouble: Trouble| trouble.on_opening(calls::ATTEMPTED))
}

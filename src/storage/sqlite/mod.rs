//! The ledger in one `SQLite` file: the embedded default, owned by one process.

mod open;
#[doc(hidden)]
pub mod bare;

use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;

use super::StorageError;
use super::sql::SqlStore;
use super::sql::connection::Readers;
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

//! The ledger in one `SQLite` file: the embedded default.
//!
//! Read in this order: `open` (what is demanded of the file), `writer` (the one connection that
//! writes, with group commit), `ledger`, `versions`, `raw_records` and `effects` (what storing a
//! record does), `deliveries`, `queue`, `views`, and `audit` (the chain). The statements stand beside the
//! functions that use them.
//!
//! Absent on purpose: a clock, retries, and any second writer.

mod open;
mod writer;
mod trouble;
mod rows;
mod bulk;
mod ledger;
mod versions;
mod raw_records;
mod effects;
mod rivals;
mod reroute;
mod deliveries;
mod orders;
mod lanes;
mod queue;
mod views;
mod trace;
mod audit;
#[cfg(test)]
mod plans;
#[doc(hidden)]
pub mod bare;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use sqlx::sqlite::SqlitePool;
use sqlx::{Sqlite, Transaction};
use tokio::sync::watch;

pub use audit::AuditReport;

use self::trouble::Trouble;
use self::writer::{Desk, Writer};
use super::{StorageError, Store};

/// A ledger in one file, owned by one process.
pub struct SqliteStore {
    path: PathBuf,
    writer: Writer,
    readers: SqlitePool,
    wake_ups: watch::Receiver<u64>,
}

impl SqliteStore {
    /// Opens the file, makes it when it is absent, and brings its schema up to date. Refused when
    /// another process owns it, when its schema is newer than this program, or when its folder is
    /// absent.
    pub async fn open(path: impl AsRef<Path>) -> Result<Arc<Self>, StorageError> {
        let path = path.as_ref().to_path_buf();
        let opened = open::open(&path).await?;
        let (woken, wake_ups) = watch::channel(0);
        let writer = Writer::start(opened.desk, opened.lock, woken);
        Ok(Arc::new(Self { path, writer, readers: opened.readers, wake_ups }))
    }

    /// Ends the writer after what it has already taken, and gives the file free. Later writes are
    /// refused. Dropping the store does the same, without waiting.
    pub async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }

    /// Why nothing can be written any more, when a commit has failed. Reads go on; only a restart
    /// finds out what reached the disk.
    pub fn failure(&self) -> Option<String> {
        self.writer.failure()
    }

    /// Recomputes the audit chain from its first entry.
    pub async fn verify_audit(&self) -> Result<AuditReport, StorageError> {
        audit::verify(&self.readers).await.map_err(|trouble| trouble.during("verify the audit chain"))
    }

    /// Does some work inside the next transaction of the writer, and returns after its commit.
    async fn write<T, W>(&self, attempted: &'static str, work: W) -> Result<T, StorageError>
    where
        T: Send + 'static,
        W: for<'d> FnOnce(&'d mut Desk) -> BoxFuture<'d, Result<T, Trouble>> + Send + 'static,
    {
        self.writer.write(attempted, work).await
    }

    /// One snapshot of everything that is committed.
    async fn snapshot(&self) -> Result<Transaction<'static, Sqlite>, Trouble> {
        Ok(self.readers.begin().await?)
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn close(&self) {
        Self::close(self).await;
    }

    fn failure(&self) -> Option<String> {
        Self::failure(self)
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).finish_non_exhaustive()
    }
}

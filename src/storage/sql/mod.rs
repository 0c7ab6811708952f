//! The ledger over a database: the same logic for `SQLite` and for `PostgreSQL`.
//!
//! Read in this order: `connection` (how one statement runs on either; how long a server may take is in
//! `deadlines`), `desk` and `writer` (who writes, with group commit), `ledger`, `versions`, `raw_records`
//! and `effects` (what storing a record does), `deliveries`, `queue`, `presence` (which processes are
//! there), `turns`, `views`, and `audit` (the chain). The statements stand beside the functions that use
//! them. How a database is opened, and what is demanded of it, is in `sqlite` and `postgres` beside this
//! folder.
//!
//! Absent on purpose: a clock, and retries.

pub(in crate::storage) mod connection;
pub(in crate::storage) mod deadlines;
pub(in crate::storage) mod desk;
pub(in crate::storage) mod writer;
pub(in crate::storage) mod trouble;
mod rows;
pub(in crate::storage) mod bulk;
mod ledger;
mod versions;
mod mentions;
mod raw_records;
mod effects;
mod rivals;
mod reroute;
mod ranks;
mod deliveries;
mod orders;
mod lanes;
mod queue;
pub(in crate::storage) mod presence;
mod turns;
mod views;
mod families;
mod trace;
mod feed;
mod exchange;
mod webhooks;
mod signals;
mod exports;
pub(in crate::storage) mod calls;
mod parked;
mod work_items;
mod entries;
pub(in crate::storage) mod audit;
#[cfg(test)]
mod plans;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use canonical::values::UtcInstant;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use self::connection::{Connection, Readers, query};
use self::desk::Desk;
use self::presence::Presence;
use self::rows::optional_instant;
use self::trouble::Trouble;
use self::writer::Writer;
use super::{StorageError, Store};

/// A ledger in a database.
pub struct SqlStore {
    name: String,
    writer: Writer,
    /// Where other processes write too, jobs are claimed and settled beside the writer of the
    /// ledger, which holds up everybody.
    settler: Option<Writer>,
    readers: Readers,
    wake_ups: watch::Receiver<u64>,
    /// Whether other processes may be at work on it.
    is_shared: bool,
    /// Which of them are there.
    presence: Option<Presence>,
    listener: Option<AbortHandle>,
}

/// What a database is opened with.
pub(in crate::storage) struct Opened {
    /// What people call it; holds no secret.
    pub(in crate::storage) name: String,
    pub(in crate::storage) writer: Writer,
    pub(in crate::storage) settler: Option<Writer>,
    pub(in crate::storage) readers: Readers,
    pub(in crate::storage) wake_ups: watch::Receiver<u64>,
    pub(in crate::storage) presence: Option<Presence>,
    pub(in crate::storage) listener: Option<AbortHandle>,
}

impl SqlStore {
    pub(in crate::storage) fn new(opened: Opened) -> Arc<Self> {
        let Opened { name, writer, settler, readers, wake_ups, presence, listener } = opened;
        let is_shared = settler.is_some();
        Arc::new(Self { name, writer, settler, readers, wake_ups, is_shared, presence, listener })
    }

    /// Ends the writers after what they have already taken, and gives the database free. Later
    /// writes are refused. Dropping the store does the same, without waiting.
    pub async fn close(&self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
        if let Some(settler) = &self.settler {
            settler.close().await;
        }
        self.writer.close().await;
        self.readers.close().await;
    }

    /// Why nothing can be written any more, when a commit has failed. Reads go on; only a restart
    /// finds out what reached the disk.
    pub fn failure(&self) -> Option<String> {
        self.writer.failure().or_else(|| self.settler.as_ref()?.failure())
    }

    /// Does some work inside the next transaction of the writer, and returns after its commit.
    async fn write<T, W>(&self, attempted: &'static str, work: W) -> Result<T, StorageError>
    where
        T: Send + 'static,
        W: for<'d> FnOnce(&'d mut Desk) -> BoxFuture<'d, Result<T, Trouble>> + Send + 'static,
    {
        self.writer.write(attempted, work).await
    }

    /// As [`Self::write`], for work on jobs alone: it leaves no entry in the chain and makes no ids.
    async fn settle<T, W>(&self, attempted: &'static str, work: W) -> Result<T, StorageError>
    where
        T: Send + 'static,
        W: for<'d> FnOnce(&'d mut Desk) -> BoxFuture<'d, Result<T, Trouble>> + Send + 'static,
    {
        self.settler.as_ref().unwrap_or(&self.writer).write(attempted, work).await
    }

    /// One snapshot of everything that is committed.
    async fn snapshot(&self) -> Result<Connection, Trouble> {
        Ok(self.readers.snapshot().await?)
    }
}

impl Drop for SqlStore {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn close(&self) {
        Self::close(self).await;
    }

    fn failure(&self) -> Option<String> {
        Self::failure(self)
    }

    async fn time(&self) -> Result<Option<UtcInstant>, StorageError> {
        if !self.is_shared {
            return Ok(None);
        }
        let time = async {
            let row = query(
                "select cast(extract(epoch from clock_timestamp()) * 1000000 as bigint),
                        current_setting('transaction_read_only') = 'on'",
            );
            let row = row.fetch_one(&mut self.readers.acquire().await?).await?;
            if row.try_get(1)? {
                // It answers, and is of no more use than one that is silent.
                let problem = "the server takes no writes: it is a copy of another, or was made read-only";
                return Err(sqlx::Error::Io(std::io::Error::other(problem)).into());
            }
            optional_instant(row.try_get(0)?)
        };
        time.await.map_err(|trouble: Trouble| trouble.during("ask the server for the time"))
    }
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore").field("name", &self.name).finish_non_exhaustive()
    }
}

//! The ledger in a `PostgreSQL` database, which several processes may share.
//!
//! Each process has one connection that writes the ledger, one that claims and settles jobs, a pool
//! that reads, and one that listens: whoever makes work ready tells all others. Every open takes a
//! number, by which the others know whether it is still there.

mod listen;
mod open;
#[doc(hidden)]
pub mod bare;

use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;

use super::StorageError;
use super::sql::SqlStore;
use super::sql::connection::Readers;
use super::sql::desk::Desk;
use super::sql::presence::Presence;
use super::sql::writer::{Home, Server, Writer};

/// Opens the database at an address (`postgres://user@host/name`), with the password that stands in
/// a file where the server asks for one, and brings its schema up to date.
/// Refused when its schema is newer than this program, or when the server may lose what it has
/// acknowledged.
pub async fn open(url: &str, password_file: Option<&Path>) -> Result<Arc<SqlStore>, StorageError> {
    let opened = open::open(url, password_file).await?;
    let (woken, wake_ups) = watch::channel(0);
    let woken = Arc::new(woken);
    let node = format!("{:016x}", fastrand::u64(..));
    let start = opened.start;
    let server = |options| Server { options, node: node.clone(), start };
    let ledger = Home::SharedLedger(server(opened.options.clone()));
    let jobs = Home::SharedJobs(server(opened.job_options));
    let listener = tokio::spawn(listen::listen(opened.options, start, node.clone(), Arc::clone(&woken))).abort_handle();
    Ok(SqlStore::new(super::sql::Opened {
        name: opened.name,
        writer: Writer::start(Desk::shared(opened.ledger, start), ledger, Arc::clone(&woken)),
        settler: Some(Writer::start(Desk::shared(opened.jobs, start), jobs, woken)),
        readers: Readers::Postgres(opened.readers),
        wake_ups,
        presence: Some(Presence::of(start)),
        listener: Some(listener),
    }))
}

//! The ledger in a `PostgreSQL` database, which several processes may share.
//!
//! Each process has one connection that writes the ledger, one that claims and settles jobs, a pool
//! that reads, and one that listens: whoever makes work ready tells all others.

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
    let server = |options| Server { options, node: node.clone() };
    let ledger = Home::SharedLedger(server(opened.options.clone()));
    let jobs = Home::SharedJobs(server(opened.job_options));
    let listener = tokio::spawn(listen::listen(opened.options, node.clone(), Arc::clone(&woken))).abort_handle();
    Ok(SqlStore::new(super::sql::Opened {
        name: opened.name,
        writer: Writer::start(Desk::shared(opened.ledger), ledger, Arc::clone(&woken)),
        settler: Some(Writer::start(Desk::shared(opened.jobs), jobs, woken)),
        readers: Readers::Postgres(opened.readers),
        wake_ups,
        listener: Some(listener),
    }))
}

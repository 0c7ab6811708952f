//! The ledger in a `PostgreSQL` database, which several processes may share.
//!
//! Each process has one connection that writes the ledger, one that claims and settles jobs, a pool
//! that reads, and one that listens: whoever makes work ready tells all others. Every open takes a
//! number, by which the others know whether it is still there.

mod listen;
mod open;
#[doc(hidden)]
pub mod bare;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use canonical::values::CalendarDate;
use tokio::sync::watch;

use self::listen::Listener;
use super::StorageError;
use super::calls::CallCount;
use super::sql::SqlStore;
use super::sql::calls;
use super::sql::connection::{Connection, Readers};
use super::sql::desk::Desk;
#[doc(hidden)]
pub use super::sql::presence::Monotonic;
use super::sql::presence::Presence;
use super::sql::trouble::Trouble;
use super::sql::writer::{Home, Server, Writer};

/// Opens the database at an address (`postgres://user@host/name`), with the password that stands in
/// a file where the server asks for one, and brings its schema up to date.
/// Refused when its schema is newer than this program, or when the server may lose what it has
/// acknowledged.
pub async fn open(url: &str, password_file: Option<&Path>) -> Result<Arc<SqlStore>, StorageError> {
    open_given(url, password_file, Given::default()).await
}

/// What a test may give otherwise than life does.
#[doc(hidden)]
#[derive(Clone)]
pub struct Given {
    /// The clock by which others are missed.
    pub monotonic: Monotonic,
    /// How long a silent connection is listened to before it is asked.
    pub proved_after: Duration,
    /// Whether leases and turns end, and attempts begin, by the clock of the server; by what each call
    /// says, where time is told.
    pub goes_by_the_server: bool,
}

impl Default for Given {
    fn default() -> Self {
        Self { monotonic: Arc::new(Instant::now), proved_after: Duration::from_secs(20), goes_by_the_server: true }
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Given").field("goes_by_the_server", &self.goes_by_the_server).finish_non_exhaustive()
    }
}

/// As [`open`], for tests.
#[doc(hidden)]
pub async fn open_given(url: &str, password_file: Option<&Path>, given: Given) -> Result<Arc<SqlStore>, StorageError> {
    let opened = open::open(url, password_file).await?;
    let Given { monotonic, proved_after, goes_by_the_server } = given;
    let (woken, wake_ups) = watch::channel(0);
    let woken = Arc::new(woken);
    let node = format!("{:016x}", fastrand::u64(..));
    let start = opened.start;
    let server = |options| Server { options, node: node.clone(), start };
    let ledger = Home::SharedLedger(server(opened.writing.clone()));
    let jobs = Home::SharedJobs(server(opened.writing));
    let desk = |connection| Desk::shared(connection, start, goes_by_the_server);
    let options = opened.options;
    let listener = Listener { options, start, node: node.clone(), woken: Arc::clone(&woken), proved_after };
    let listener = tokio::spawn(listen::listen(listener)).abort_handle();
    Ok(SqlStore::new(super::sql::Opened {
        name: opened.name,
        writer: Writer::start(desk(opened.ledger), ledger, Arc::clone(&woken)),
        settler: Some(Writer::start(desk(opened.jobs), jobs, woken)),
        readers: Readers::Postgres(opened.readers),
        wake_ups,
        presence: Some(Presence::of(start, monotonic)),
        listener: Some(listener),
    }))
}

/// What is counted of the calls of a day. Nothing is made or changed, and nobody else notices.
pub async fn calls_of(
    url: &str,
    password_file: Option<&Path>,
    day: CalendarDate,
) -> Result<Vec<CallCount>, StorageError> {
    let mut connection = Connection::Postgres(open::connection(url, password_file).await?);
    let counts = calls::of_day(&mut connection, day).await;
    let counts = counts.map_err(|trouble: Trouble| trouble.during(calls::ATTEMPTED))?;
    // What was read was read.
    let _ = connection.close().await;
    Ok(counts)
}

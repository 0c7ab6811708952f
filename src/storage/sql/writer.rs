//! The one writer of a process, with group commit.
//!
//! Work of many callers is drained from a bounded channel and done inside one transaction, each
//! piece within its own savepoint; every caller is answered after COMMIT has returned. A piece that
//! fails takes nothing back but its own. A commit that fails is never tried again: nobody knows what
//! reached the disk. On `SQLite` the writer refuses everything from then on and reads go on; on
//! `PostgreSQL`, which keeps its own disk in order, the next transaction asks the server anew.
//!
//! Where several processes write, each transaction of the ledger begins by taking the one row that
//! holds the last ids and the head of the chain, and ends by leaving it as it made it: the ledger has
//! one writer at a time there too.

use std::fs::File;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::{mpsc, oneshot, watch};

use super::connection::{Connection, query};
use super::deadlines::connect;
use super::desk::{BEGIN_BESIDE_OTHERS, Desk, Memory};
use super::presence;
use super::trouble::Trouble;
use crate::storage::StorageError;

/// Pieces of work that may wait.
const WAITING: usize = 256;
/// Pieces of work in one transaction: above, the first to come would wait too long for its answer.
const GROUP: usize = 64;
/// After this long a transaction takes no more work, for the same reason.
const PATIENCE: Duration = Duration::from_millis(20);
/// Tells the other processes that work became ready. Listened to in `postgres`.
const NOTIFY: &str = "select pg_notify('raccordo_jobs', $1)";

/// Whose desk it is: how its transactions begin and end.
pub(in crate::storage) enum Home {
    /// The only writer of a file, which is locked as long as this stands.
    File(#[allow(dead_code, reason = "held for what happens when it is dropped")] File),
    /// One of the writers of a ledger that processes share.
    SharedLedger(Server),
    /// Claims and settles jobs beside the ledger.
    SharedJobs(Server),
}

/// Where a shared database is, and who we are among those who use it.
#[derive(Clone)]
pub(in crate::storage) struct Server {
    pub(in crate::storage) options: PgConnectOptions,
    /// Told with every notice, so that nobody wakes himself twice.
    pub(in crate::storage) node: String,
    /// Which start of the program we are.
    pub(in crate::storage) start: i64,
}

/// A piece of work: done on the desk and answered after the commit, or refused without being done.
trait Work: Send {
    fn run(self: Box<Self>, desk: &mut Desk) -> BoxFuture<'_, Done>;
    fn refuse(self: Box<Self>, why: String);
}

/// Work that was done, with the way to answer for it: with what came out of it, or with why the
/// whole transaction was lost.
struct Done {
    failed: Option<Failed>,
    answer: Box<dyn FnOnce(Option<String>) + Send>,
}

struct Failed {
    is_fatal: bool,
}

struct Piece<T, W> {
    attempted: &'static str,
    work: W,
    reply: oneshot::Sender<Result<T, StorageError>>,
}

impl<T, W> Work for Piece<T, W>
where
    T: Send + 'static,
    W: for<'d> FnOnce(&'d mut Desk) -> BoxFuture<'d, Result<T, Trouble>> + Send + 'static,
{
    fn run(self: Box<Self>, desk: &mut Desk) -> BoxFuture<'_, Done> {
        let Self { attempted, work, reply } = *self;
        async move {
            let result = work(desk).await;
            let failed = result.as_ref().err().map(|trouble| Failed { is_fatal: trouble.is_fatal() });
            let answer = move |lost: Option<String>| {
                let result = match (result, lost) {
                    (Ok(_), Some(why)) => Err(unavailable(attempted, why)),
                    (result, _) => result.map_err(|trouble| trouble.during(attempted)),
                };
                // The caller may have left; what was written stays written.
                let _ = reply.send(result);
            };
            Done { failed, answer: Box::new(answer) }
        }
        .boxed()
    }

    fn refuse(self: Box<Self>, why: String) {
        let _ = self.reply.send(Err(unavailable(self.attempted, why)));
    }
}

enum Message {
    Work(Box<dyn Work>),
    Close(oneshot::Sender<()>),
}

/// The way to the writer.
pub(in crate::storage) struct Writer {
    messages: mpsc::Sender<Message>,
    failure: Arc<OnceLock<String>>,
}

impl Writer {
    /// Starts the writer. Whoever waits for work is told through `woken`.
    pub(in crate::storage) fn start(desk: Desk, home: Home, woken: Arc<watch::Sender<u64>>) -> Self {
        let (messages, inbox) = mpsc::channel(WAITING);
        let failure = Arc::new(OnceLock::new());
        let task = WriterTask { desk, home, is_lost: false, inbox, failure: Arc::clone(&failure), woken };
        tokio::spawn(async move {
            let failure = Arc::clone(&task.failure);
            let closed = AssertUnwindSafe(task.run()).catch_unwind().await.unwrap_or_else(|_| {
                // Set once: an earlier failure is the one to explain.
                let _ = failure.set("the writer panicked: nothing more is written until a restart".to_owned());
                None
            });
            if let Some(closed) = closed {
                // Nobody waits any more: nothing to tell.
                let _ = closed.send(());
            }
        });
        Self { messages, failure }
    }

    pub(super) fn failure(&self) -> Option<String> {
        self.failure.get().cloned()
    }

    pub(super) async fn close(&self) {
        let (closed, answer) = oneshot::channel();
        // An error on either way means that the writer has already ended.
        if self.messages.send(Message::Close(closed)).await.is_ok() {
            let _ = answer.await;
        }
    }

    pub(super) async fn write<T, W>(&self, attempted: &'static str, work: W) -> Result<T, StorageError>
    where
        T: Send + 'static,
        W: for<'d> FnOnce(&'d mut Desk) -> BoxFuture<'d, Result<T, Trouble>> + Send + 'static,
    {
        if let Some(failure) = self.failure.get() {
            return Err(unavailable(attempted, failure.clone()));
        }
        let (reply, outcome) = oneshot::channel();
        let work = Box::new(Piece { attempted, work, reply });
        let ended = || unavailable(attempted, "the writer has ended".to_owned());
        self.messages.send(Message::Work(work)).await.map_err(|_| ended())?;
        outcome.await.map_err(|_| ended())?
    }
}

fn unavailable(attempted: &'static str, why: String) -> StorageError {
    StorageError::Unavailable { attempted, source: why.into() }
}

struct WriterTask {
    desk: Desk,
    home: Home,
    /// The connection cannot be used any more: the next transaction makes another.
    is_lost: bool,
    inbox: mpsc::Receiver<Message>,
    failure: Arc<OnceLock<String>>,
    woken: Arc<watch::Sender<u64>>,
}

impl WriterTask {
    async fn run(mut self) -> Option<oneshot::Sender<()>> {
        let mut closing = None;
        while closing.is_none() {
            match self.inbox.recv().await {
                Some(Message::Work(first)) => closing = self.transaction(first).await,
                Some(Message::Close(closed)) => closing = Some(closed),
                None => break,
            }
        }
        // Whoever still waits in the channel is told that the writer has ended.
        self.inbox.close();
        if let Err(error) = self.desk.connection.close().await {
            tracing::warn!(%error, "database not closed cleanly");
        }
        closing
    }

    /// One transaction: the first piece of work, and what else waits by the time it is done.
    async fn transaction(&mut self, first: Box<dyn Work>) -> Option<oneshot::Sender<()>> {
        let before = self.desk.memory;
        let begun = Instant::now();
        if let Err(problem) = self.begin().await {
            first.refuse(problem);
            return None;
        }
        let mut closing = None;
        let mut done = Vec::new();
        let mut next = Some(first);
        let mut lost = None;
        while let Some(work) = next.take() {
            match self.piece(work, done.is_empty(), &mut done).await {
                Ok(()) => {}
                Err(why) => {
                    lost = Some(why);
                    break;
                }
            }
            if done.len() < GROUP && begun.elapsed() < PATIENCE {
                match self.inbox.try_recv() {
                    Ok(Message::Work(work)) => next = Some(work),
                    Ok(Message::Close(closed)) => closing = Some(closed),
                    Err(_) => {}
                }
            }
        }
        if lost.is_none() {
            lost = self.commit(&before).await.err();
        }
        if lost.is_some() {
            self.desk.memory.go_back_to(before);
        }
        let has_woken = std::mem::take(&mut self.desk.memory.has_woken);
        if has_woken {
            self.woken.send_modify(|times| *times = times.wrapping_add(1));
        }
        for Done { answer, .. } in done {
            answer(lost.clone());
        }
        closing
    }

    async fn begin(&mut self) -> Result<(), String> {
        if let Some(failure) = self.failure.get() {
            return Err(failure.clone());
        }
        match self.home {
            Home::File(_) => self.desk.command("begin immediate").await.map_err(|trouble| describe(&trouble)),
            Home::SharedLedger(_) | Home::SharedJobs(_) => self.begin_shared().await,
        }
    }

    /// Begins a transaction on a server. Nothing was written yet: a connection that turns out to be
    /// gone is made anew, once.
    async fn begin_shared(&mut self) -> Result<(), String> {
        if !self.is_lost && self.try_to_begin().await.is_ok() {
            return Ok(());
        }
        self.is_lost = true;
        let (Home::SharedLedger(server) | Home::SharedJobs(server)) = &self.home else { return Ok(()) };
        let connection = connect(&server.options).await.map_err(|error| error.to_string())?;
        self.desk.connection = Connection::Postgres(connection);
        if matches!(self.home, Home::SharedJobs(_)) {
            let held = presence::hold(&mut self.desk.connection, server.start).await;
            held.map_err(|error| error.to_string())?;
        }
        self.is_lost = false;
        let begun = self.try_to_begin().await;
        self.is_lost = begun.is_err();
        begun.map_err(|trouble| describe(&trouble))
    }

    async fn try_to_begin(&mut self) -> Result<(), Trouble> {
        self.desk.forget_the_last_transaction();
        match self.home {
            Home::SharedJobs(_) => self.desk.command(BEGIN_BESIDE_OTHERS).await,
            Home::File(_) | Home::SharedLedger(_) => {
                self.desk.command("begin").await?;
                self.desk.take_ledger().await
            }
        }
    }

    /// Does one piece of work. The first of a transaction needs no savepoint: when it fails there
    /// is nothing else to keep. An error means that the whole transaction is gone.
    async fn piece(&mut self, work: Box<dyn Work>, is_first: bool, done: &mut Vec<Done>) -> Result<(), String> {
        let before = self.desk.memory;
        if !is_first && let Err(trouble) = self.desk.command("savepoint piece").await {
            work.refuse(describe(&trouble));
            return self.abandon(describe(&trouble)).await;
        }
        let finished = work.run(&mut self.desk).await;
        let failed = finished.failed.as_ref().map(|failed| failed.is_fatal);
        done.push(finished);
        let Some(is_fatal) = failed else {
            return if is_first { Ok(()) } else { self.settle("release piece").await };
        };
        self.desk.memory.go_back_to(before);
        if is_fatal {
            self.fail("a write failed on the disk").await;
            return Err("a write failed on the disk: nothing more is written until a restart".to_owned());
        }
        if is_first {
            // The rest of the group begins again on clean ground.
            self.roll_back().await;
            return self.begin().await;
        }
        self.settle("rollback to piece").await?;
        self.settle("release piece").await
    }

    async fn settle(&mut self, command: &'static str) -> Result<(), String> {
        match self.desk.command(command).await {
            Ok(()) => Ok(()),
            Err(trouble) => self.abandon(describe(&trouble)).await,
        }
    }

    /// The transaction cannot go on: everything in it is taken back.
    async fn abandon(&mut self, why: String) -> Result<(), String> {
        self.roll_back().await;
        Err(why)
    }

    async fn roll_back(&mut self) {
        // `SQLite` may have rolled back by itself, as it does when the disk is full, which is what
        // we want. A server that does not roll back is not there any more.
        let is_rolled_back = self.desk.command("rollback").await.is_ok();
        self.is_lost |= !is_rolled_back && !matches!(self.home, Home::File(_));
    }

    async fn commit(&mut self, before: &Memory) -> Result<(), String> {
        if !matches!(self.home, Home::File(_)) {
            return self.commit_shared(before).await;
        }
        let Err(trouble) = self.desk.command("commit").await else { return Ok(()) };
        if trouble.is_full() {
            self.roll_back().await;
            return Err(format!("there was no room on the disk: {}", describe(&trouble)));
        }
        let why = format!("a commit failed: {}; nothing more is written until a restart", describe(&trouble));
        self.fail(&why).await;
        Err(why)
    }

    /// Whether a commit reached a server that does not answer is not known. Whoever waits is told
    /// so, does nothing more under his lease, and finds out by looking.
    async fn commit_shared(&mut self, before: &Memory) -> Result<(), String> {
        let committed = async {
            if let (true, Home::SharedLedger(server) | Home::SharedJobs(server)) =
                (self.desk.memory.has_woken, &self.home)
            {
                query(NOTIFY).bind(&server.node).execute(&mut self.desk.connection).await?;
            }
            if matches!(self.home, Home::SharedLedger(_)) && self.desk.memory != *before {
                self.desk.leave_ledger().await?;
            }
            self.desk.command("commit").await
        };
        let Err(trouble) = committed.await else { return Ok(()) };
        tracing::warn!(why = describe(&trouble), "a transaction was lost, the next one asks the server anew");
        self.is_lost = true;
        Err(format!("a commit was not answered: {}", describe(&trouble)))
    }

    async fn fail(&mut self, why: &str) {
        tracing::error!(why, "storage failed: no more writes, reads go on");
        // Set once: the first failure is the one to explain.
        let _ = self.failure.set(why.to_owned());
        self.roll_back().await;
    }
}

fn describe(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Database(error) => error.to_string(),
        Trouble::Damaged(problem) | Trouble::Refused(problem) => problem.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Queue as _;
    use crate::storage::sqlite;

    #[tokio::test]
    async fn a_commit_that_fails_is_never_tried_again_and_reads_go_on() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let store = sqlite::open(folder.path().join("raccordo.db")).await.expect("the store opens");
        let broken = store.write("break a promise at the very end", |desk| {
            async move {
                desk.command("pragma defer_foreign_keys = on").await?;
                desk.command("insert into delivery_member (record, target, delivery) values (1, 'pico', 1)").await
            }
            .boxed()
        });
        let lost = broken.await.expect_err("nothing was written");
        assert!(matches!(lost, StorageError::Unavailable { .. }), "{lost:?}");
        assert!(store.failure().is_some());
        let at = canonical::values::UtcInstant::from_unix_micros(0).expect("the epoch");
        let refused = store.prune(at, 1).await.expect_err("no more writes");
        assert!(matches!(refused, StorageError::Unavailable { .. }), "{refused:?}");
        assert_eq!(store.next_ready().await.expect("reads go on"), None);
    }
}

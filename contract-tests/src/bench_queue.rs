//! Our queue, apalis included, against the barest claim and acknowledge loop, in one database.
//!
//! Both sides are durable (`synchronous = FULL`, or `fsync` and `synchronous_commit`), share the
//! database and its settings, and find as many finished rows as the rounds before have left. Who
//! measures lets the sides alternate, so that a neighbour on the disk disturbs all.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use raccordo::clock::{Clock, SystemClock};
use raccordo::jobs::{Handler, WorkerSettings, Workers};
use raccordo::storage::{ClaimedJob, JobEnd, JobSubject, NewJob, Queue, SqlStore, postgres, sqlite};

/// Jobs that the bare loop claims at once. On `PostgreSQL` the best of several is found by trying.
pub const BARE_BATCH: u32 = 1_000;
/// Jobs that our workers hold at once: they claim when half of it is free.
pub const OUR_WINDOW: usize = 2_000;
/// Jobs that run at once on our side.
pub const OUR_SLOTS: usize = 32;
const ADDED_AT_ONCE: usize = 5_000;
/// Between one job and the next while the time until it starts is measured.
const APART: Duration = Duration::from_millis(20);

/// A database with our queue and the bare one in it.
#[derive(Debug)]
pub struct Place {
    store: Arc<SqlStore>,
    bare: Bare,
}

#[derive(Debug)]
enum Bare {
    Sqlite(sqlite::bare::BareQueue),
    Postgres(postgres::bare::BareQueue),
}

impl Place {
    /// A new file.
    pub async fn on_sqlite(path: &Path) -> Self {
        let store = sqlite::open(path).await.expect("the store opens");
        let bare = sqlite::bare::BareQueue::open(path).await.expect("the bare queue opens");
        Self { store, bare: Bare::Sqlite(bare) }
    }

    /// An empty database of a server.
    pub async fn on_postgres(url: &str) -> Self {
        let store = postgres::open(url, None).await.expect("the store opens");
        let bare = postgres::bare::BareQueue::open(url).await.expect("the bare queue opens");
        Self { store, bare: Bare::Postgres(bare) }
    }

    /// Jobs per second of the bare loop.
    pub async fn bare(&mut self, jobs: u32, batch: u32) -> u64 {
        let drained = match &mut self.bare {
            Bare::Sqlite(bare) => {
                bare.fill(jobs).await.expect("bare jobs are added");
                bare.drain(batch).await
            }
            Bare::Postgres(bare) => {
                bare.fill(jobs).await.expect("bare jobs are added");
                bare.drain(batch).await
            }
        };
        let (done, took) = drained.expect("the bare loop drains");
        assert_eq!(done, jobs, "every job was done once");
        per_second(jobs, took)
    }

    /// Jobs per second of ours.
    pub async fn ours(&self, jobs: u32) -> u64 {
        self.add(jobs).await;
        let (done, took) = work(&self.store).await;
        assert_eq!(done, jobs, "every job ran once");
        per_second(jobs, took)
    }

    /// Adds jobs that are ready, each in a lane of its own.
    pub async fn add(&self, jobs: u32) {
        let now = SystemClock.now();
        let all: Vec<_> = (0..jobs).map(|number| new(number, now)).collect();
        for some in all.chunks(ADDED_AT_ONCE) {
            self.store.enqueue(some, now).await.expect("jobs are added");
        }
    }

    /// How long it takes from asking for a job to be added until it starts, with nothing else to do.
    /// In ascending order.
    pub async fn pickups(&self, jobs: u32) -> Vec<Duration> {
        let starts = Arc::new(Starts::default());
        let workers = Workers::start(
            Arc::<SqlStore>::clone(&self.store),
            Arc::<Starts>::clone(&starts),
            Arc::new(SystemClock),
            WorkerSettings::default(),
        );
        let mut asked = HashMap::new();
        for number in 0..jobs {
            tokio::time::sleep(APART).await;
            let now = SystemClock.now();
            asked.insert(i64::from(number), Instant::now());
            self.store.enqueue(&[new(number, now)], now).await.expect("a job is added");
        }
        workers.until_quiet(Duration::ZERO).await;
        workers.stop().await;
        let starts = starts.0.lock().expect("nobody panicked");
        let mut took: Vec<_> = asked.iter().map(|(number, asked)| starts[number] - *asked).collect();
        took.sort_unstable();
        took
    }

    /// Ends it.
    pub async fn close(self) {
        self.store.close().await;
    }
}

/// Runs what is ready until nothing is. Gives how many and how long.
pub async fn work(store: &Arc<SqlStore>) -> (u32, Duration) {
    let handler = Arc::new(Count(AtomicU32::new(0)));
    let settings = WorkerSettings { slots: OUR_SLOTS, window: OUR_WINDOW, ..WorkerSettings::default() };
    let queue: Arc<dyn Queue> = Arc::<SqlStore>::clone(store);
    let begun = Instant::now();
    let workers = Workers::start(queue, Arc::<Count>::clone(&handler), Arc::new(SystemClock), settings);
    workers.until_quiet(Duration::ZERO).await;
    let took = begun.elapsed();
    workers.stop().await;
    (handler.0.load(Ordering::Relaxed), took)
}

/// Jobs per second.
pub fn per_second(jobs: u32, took: Duration) -> u64 {
    let per_second = u128::from(jobs) * 1_000_000 / took.as_micros().max(1);
    u64::try_from(per_second).unwrap_or(u64::MAX)
}

fn new(number: u32, run_at: canonical::values::UtcInstant) -> NewJob {
    NewJob { subject: JobSubject::Nothing(i64::from(number)), lane: Some(format!("lane-{number}")), run_at }
}

struct Count(AtomicU32);

#[async_trait]
impl Handler for Count {
    async fn run(&self, _: ClaimedJob) -> JobEnd {
        self.0.fetch_add(1, Ordering::Relaxed);
        JobEnd::Done
    }

    async fn panicked(&self, _: ClaimedJob, _: String) -> JobEnd {
        JobEnd::Parked
    }
}

/// When each job started, by its number.
#[derive(Default)]
struct Starts(Mutex<HashMap<i64, Instant>>);

#[async_trait]
impl Handler for Starts {
    async fn run(&self, job: ClaimedJob) -> JobEnd {
        if let JobSubject::Nothing(number) = job.subject {
            self.0.lock().expect("nobody panicked").insert(number, Instant::now());
        }
        JobEnd::Done
    }

    async fn panicked(&self, _: ClaimedJob, _: String) -> JobEnd {
        JobEnd::Parked
    }
}

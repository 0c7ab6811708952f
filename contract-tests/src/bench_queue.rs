//! Our queue, apalis included, against the barest claim and acknowledge loop, on one file.
//!
//! Both sides are durable (`synchronous = FULL`), share the file and its settings, and find as many
//! finished rows as the rounds before have left. Sides alternate, so that a neighbour on the disk
//! disturbs both.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use raccordo::clock::{Clock, SystemClock};
use raccordo::jobs::{Handler, WorkerSettings, Workers};
use raccordo::storage::sqlite;
use raccordo::storage::sqlite::bare::BareQueue;
use raccordo::storage::{ClaimedJob, JobEnd, JobSubject, NewJob, Queue, SqlStore};

/// Jobs that the bare loop claims at once.
pub const BARE_BATCH: u32 = 1_000;
/// Jobs that our workers hold at once: they claim when half of it is free.
pub const OUR_WINDOW: usize = 2_000;
/// Jobs that run at once on our side.
pub const OUR_SLOTS: usize = 32;
const ROUNDS: usize = 5;
const ADDED_AT_ONCE: usize = 5_000;

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueBench {
    /// Jobs of each side in each round.
    pub jobs: u32,
    /// Ours, median of the rounds.
    pub ours_per_s: u64,
    /// The bare loop, median of the rounds.
    pub bare_per_s: u64,
    /// Ours over the bare loop in hundredths, median of the rounds.
    pub ratio_percent: u64,
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

/// Measures in a new file inside a folder.
pub async fn run(folder: &Path, jobs: u32) -> QueueBench {
    let path = folder.join("queue.db");
    let store = sqlite::open(&path).await.expect("the store opens");
    let mut bare = BareQueue::open(&path).await.expect("the bare queue opens");
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        bare.fill(jobs).await.expect("bare jobs are added");
        let (done, bare_took) = bare.drain(BARE_BATCH).await.expect("the bare loop drains");
        assert_eq!(done, jobs);
        let ours_took = ours(&store, jobs).await;
        rounds.push((per_second(jobs, ours_took), per_second(jobs, bare_took)));
    }
    store.close().await;
    QueueBench {
        jobs,
        ours_per_s: median(rounds.iter().map(|(ours, _)| *ours)),
        bare_per_s: median(rounds.iter().map(|(_, bare)| *bare)),
        ratio_percent: median(rounds.iter().map(|(ours, bare)| ours * 100 / bare.max(&1))),
    }
}

async fn ours(store: &Arc<SqlStore>, jobs: u32) -> Duration {
    let clock = Arc::new(SystemClock);
    let now = clock.now();
    let new = |number: u32| NewJob {
        subject: JobSubject::Nothing(i64::from(number)),
        lane: Some(format!("lane-{number}")),
        run_at: now,
    };
    let all: Vec<_> = (0..jobs).map(new).collect();
    for some in all.chunks(ADDED_AT_ONCE) {
        store.enqueue(some, now).await.expect("jobs are added");
    }
    let handler = Arc::new(Count(AtomicU32::new(0)));
    let settings = WorkerSettings { slots: OUR_SLOTS, window: OUR_WINDOW, ..WorkerSettings::default() };
    let queue: Arc<dyn Queue> = Arc::<SqlStore>::clone(store);
    let begun = Instant::now();
    let workers = Workers::start(queue, Arc::<Count>::clone(&handler), clock, settings);
    workers.until_quiet(Duration::ZERO).await;
    let took = begun.elapsed();
    assert_eq!(handler.0.load(Ordering::Relaxed), jobs, "every job ran once");
    workers.stop().await;
    took
}

fn per_second(jobs: u32, took: Duration) -> u64 {
    let per_second = u128::from(jobs) * 1_000_000 / took.as_micros().max(1);
    u64::try_from(per_second).unwrap_or(u64::MAX)
}

fn median(values: impl Iterator<Item = u64>) -> u64 {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

//! The queue with real workers on a real file: every job runs, once, in its lane, in its time.

#[path = "queue/late.rs"]
mod late;
#[path = "queue/server.rs"]
mod server;
#[path = "queue/shared.rs"]
mod shared;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use canonical::values::UtcInstant;
use contract_tests::shared_postgres::SharedDatabase;
use raccordo::clock::{Clock, SystemClock, after};
use raccordo::jobs::{Handler, WorkerSettings, Workers, run_until_quiet};
use raccordo::storage::{
    ClaimRequest, ClaimedJob, JobEnd, JobSubject, Lease, NewJob, Queue, Round, Settlement, SqlStore, StorageError,
    postgres, sqlite,
};
use rstest::rstest;
use tempfile::TempDir;
use tokio::sync::{Notify, watch};

const SETTINGS: WorkerSettings =
    WorkerSettings { slots: 8, window: 32, lease: Duration::from_secs(90), poll: Duration::from_millis(500) };

/// What happened to the jobs, and what each of them does.
#[derive(Default)]
struct Diary {
    runs: Mutex<Vec<(i64, Instant)>>,
    panics: Mutex<Vec<String>>,
    running: Mutex<HashMap<i64, u32>>,
    overlaps: AtomicU32,
    plan: BTreeMap<i64, Plan>,
    /// How many numbers follow each other in one lane; zero for no lanes.
    lane_of: i64,
    pause: Duration,
    stuck: Notify,
}

#[derive(Clone, Copy)]
enum Plan {
    RetryOnce(Duration),
    Panic,
    Stick,
}

impl Diary {
    fn numbers(&self) -> Vec<i64> {
        self.runs.lock().expect("nobody panicked").iter().map(|(number, _)| *number).collect()
    }

    fn enter(&self, lane: i64) {
        let mut running = self.running.lock().expect("nobody panicked");
        let inside = running.entry(lane).or_default();
        *inside += 1;
        if *inside > 1 {
            self.overlaps.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn leave(&self, lane: i64) {
        if let Some(inside) = self.running.lock().expect("nobody panicked").get_mut(&lane) {
            *inside -= 1;
        }
    }
}

#[async_trait]
impl Handler for Diary {
    async fn run(&self, job: ClaimedJob) -> JobEnd {
        let JobSubject::Nothing(number) = job.subject else { return JobEnd::Parked };
        let is_first = !self.numbers().contains(&number);
        self.runs.lock().expect("nobody panicked").push((number, Instant::now()));
        match self.plan.get(&number) {
            Some(Plan::RetryOnce(pause)) if is_first => {
                return JobEnd::RetryAt(after(SystemClock.now(), *pause));
            }
            Some(Plan::Panic) => panic!("job {number} does not like this"),
            Some(Plan::Stick) => self.stuck.notified().await,
            _ => {}
        }
        let lane = if self.lane_of == 0 { number } else { number % self.lane_of };
        self.enter(lane);
        tokio::time::sleep(self.pause).await;
        self.leave(lane);
        JobEnd::Done
    }

    async fn panicked(&self, _: ClaimedJob, message: String) -> JobEnd {
        self.panics.lock().expect("nobody panicked").push(message);
        JobEnd::Parked
    }
}

/// Which database.
#[derive(Debug, Clone, Copy)]
enum Base {
    Sqlite,
    Postgres,
}

/// Where a database is, as long as a test needs it.
enum Place {
    Sqlite(TempDir),
    Postgres(SharedDatabase),
}

struct Queued {
    store: Arc<SqlStore>,
    place: Place,
}

impl Queued {
    async fn with(base: Base, jobs: &[NewJob]) -> Self {
        let (store, place) = match base {
            Base::Sqlite => {
                let folder = TempDir::new().expect("a folder");
                (sqlite::open(file(folder.path())).await, Place::Sqlite(folder))
            }
            Base::Postgres => {
                let database = SharedDatabase::fresh();
                (postgres::open(&database.url, None).await, Place::Postgres(database))
            }
        };
        let store = store.expect("the store opens");
        store.enqueue(jobs, SystemClock.now()).await.expect("jobs are added");
        Self { store, place }
    }

    fn start(&self, diary: &Arc<Diary>, settings: WorkerSettings) -> Workers {
        let diary: Arc<dyn Handler> = Arc::<Diary>::clone(diary);
        Workers::start(self.queue(), diary, Arc::new(SystemClock), settings)
    }

    async fn run(&self, diary: &Arc<Diary>, horizon: Duration) {
        let diary: Arc<dyn Handler> = Arc::<Diary>::clone(diary);
        run_until_quiet(self.queue(), diary, Arc::new(SystemClock), SETTINGS, horizon).await;
    }

    fn queue(&self) -> Arc<dyn Queue> {
        Arc::<SqlStore>::clone(&self.store)
    }

    async fn count(&self, state: &str) -> i64 {
        self.number(&format!("select count(*) from job where state = '{state}'")).await
    }

    async fn execute(&self, statement: &str) {
        let done = match &self.place {
            Place::Sqlite(folder) => sqlite::bare::execute(&file(folder.path()), statement).await,
            Place::Postgres(database) => postgres::bare::execute(&database.url, statement).await,
        };
        done.expect("it is done");
    }

    async fn number(&self, question: &str) -> i64 {
        let number = match &self.place {
            Place::Sqlite(folder) => sqlite::bare::number(&file(folder.path()), question).await,
            Place::Postgres(database) => postgres::bare::number(&database.url, question).await,
        };
        number.expect("a number")
    }
}

fn file(folder: &Path) -> std::path::PathBuf {
    folder.join("raccordo.db")
}

fn jobs(numbers: impl IntoIterator<Item = i64>, lanes: i64) -> Vec<NewJob> {
    let run_at = SystemClock.now();
    let lane = |number: i64| (lanes > 0).then(|| format!("lane-{}", number % lanes));
    let job = |number| NewJob { subject: JobSubject::Nothing(number), lane: lane(number), run_at };
    numbers.into_iter().map(job).collect()
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[rstest]
#[case::sqlite(Base::Sqlite)]
#[case::postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_job_runs_once(#[case] base: Base) {
    let queued = Queued::with(base, &jobs(0..2_000, 0)).await;
    let diary = Arc::new(Diary::default());
    queued.run(&diary, Duration::ZERO).await;
    let mut numbers = diary.numbers();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..2_000).collect::<Vec<_>>());
    assert_eq!(queued.count("done").await, 2_000);
}

#[rstest]
#[case::sqlite(Base::Sqlite)]
#[case::postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lanes_run_in_order_and_one_at_a_time(#[case] base: Base) {
    const LANES: i64 = 7;
    let queued = Queued::with(base, &jobs(0..280, LANES)).await;
    let diary = Arc::new(Diary { lane_of: LANES, pause: Duration::from_millis(1), ..Diary::default() });
    queued.run(&diary, Duration::ZERO).await;
    assert_eq!(diary.overlaps.load(Ordering::SeqCst), 0);
    let numbers = diary.numbers();
    assert_eq!(numbers.len(), 280);
    for lane in 0..LANES {
        let of_lane: Vec<_> = numbers.iter().copied().filter(|number| number % LANES == lane).collect();
        assert!(of_lane.is_sorted(), "lane {lane}: {of_lane:?}");
    }
}

#[rstest]
#[case::sqlite(Base::Sqlite)]
#[case::postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_runs_again_and_not_before_its_time(#[case] base: Base) {
    const PAUSE: Duration = Duration::from_millis(300);
    let queued = Queued::with(base, &jobs(0..3, 1)).await;
    let diary = Arc::new(Diary { plan: [(0, Plan::RetryOnce(PAUSE))].into(), ..Diary::default() });
    queued.run(&diary, Duration::from_secs(10)).await;
    assert_eq!(diary.numbers(), [0, 0, 1, 2]);
    let runs = diary.runs.lock().expect("nobody panicked");
    let waited = runs[1].1 - runs[0].1;
    assert!(waited >= PAUSE, "{waited:?}");
    assert!(waited < PAUSE + Duration::from_millis(400), "{waited:?}");
}

#[rstest]
#[case::sqlite(Base::Sqlite)]
#[case::postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_panics_ends_aside_and_its_neighbours_go_on(#[case] base: Base) {
    let queued = Queued::with(base, &jobs(0..20, 2)).await;
    let diary = Arc::new(Diary { plan: [(4, Plan::Panic)].into(), ..Diary::default() });
    queued.run(&diary, Duration::ZERO).await;
    assert_eq!((queued.count("parked").await, queued.count("done").await), (1, 19));
    assert_eq!(*diary.panics.lock().expect("nobody panicked"), ["job 4 does not like this"]);
}

#[rstest]
#[case::sqlite(Base::Sqlite)]
#[case::postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_gives_back_what_has_not_started_and_waits_for_what_runs(#[case] base: Base) {
    let queued = Queued::with(base, &jobs(0..100, 0)).await;
    let plan = (0..100).map(|number| (number, Plan::Stick)).collect();
    let diary = Arc::new(Diary { plan, ..Diary::default() });
    let workers = queued.start(&diary, SETTINGS);
    eventually("the slots fill", async || diary.numbers().len() == SETTINGS.slots).await;
    eventually("the window fills", async || queued.count("leased").await == 32).await;
    let stopping = tokio::spawn(workers.stop());
    eventually("the buffered jobs are back", async || queued.count("ready").await == 92).await;
    assert!(!stopping.is_finished(), "the running ones are waited for");
    diary.stuck.notify_waiters();
    stopping.await.expect("no panic");
    assert_eq!((queued.count("done").await, queued.count("ready").await), (8, 92));
    assert_eq!(queued.count("leased").await, 0);
    let attempts = queued.number("select cast(sum(attempts) as bigint) from job").await;
    assert_eq!(attempts, 8, "what never started was not counted");
}

/// A queue whose database fails every other round, or answers late.
struct Moody {
    queue: Arc<SqlStore>,
    rounds: Option<AtomicU32>,
    late_by: Duration,
}

impl Moody {
    fn mood(&self) -> Result<(), StorageError> {
        if self.rounds.as_ref().is_some_and(|rounds| rounds.fetch_add(1, Ordering::SeqCst).is_multiple_of(2)) {
            return Err(StorageError::Unavailable { attempted: "be reliable", source: "not today".into() });
        }
        Ok(())
    }
}

#[async_trait]
impl Queue for Moody {
    async fn round(&self, settlements: &[Settlement], claim: ClaimRequest) -> Result<Round, StorageError> {
        self.mood()?;
        let round = self.queue.round(settlements, claim).await;
        tokio::time::sleep(self.late_by).await;
        round
    }

    async fn release(&self, leases: &[Lease]) -> Result<(), StorageError> {
        self.mood()?;
        self.queue.release(leases).await
    }

    async fn renew(&self, leases: &[Lease], at: UtcInstant, until: UtcInstant) -> Result<Vec<Lease>, StorageError> {
        self.queue.renew(leases, at, until).await
    }

    async fn expire(&self, at: UtcInstant, max_attempts: u32) -> Result<u64, StorageError> {
        self.queue.expire(at, max_attempts).await
    }

    async fn take_back(&self, at: UtcInstant, max_attempts: u32) -> Result<u64, StorageError> {
        self.queue.take_back(at, max_attempts).await
    }

    async fn next_ready(&self) -> Result<Option<UtcInstant>, StorageError> {
        self.queue.next_ready().await
    }

    async fn enqueue(&self, jobs: &[NewJob], at: UtcInstant) -> Result<(), StorageError> {
        self.queue.enqueue(jobs, at).await
    }

    async fn prune(&self, before: UtcInstant, limit: u32) -> Result<u64, StorageError> {
        self.queue.prune(before, limit).await
    }

    fn wake_ups(&self) -> watch::Receiver<u64> {
        self.queue.wake_ups()
    }
}

#[rstest]
#[case::sqlite(Base::Sqlite)]
#[case::postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_fails_now_and_then_loses_and_repeats_nothing(#[case] base: Base) {
    let queued = Queued::with(base, &jobs(0..100, 3)).await;
    let diary = Arc::new(Diary { lane_of: 3, pause: Duration::from_millis(1), ..Diary::default() });
    let handler: Arc<dyn Handler> = Arc::<Diary>::clone(&diary);
    let rounds = Some(AtomicU32::new(0));
    let queue = Arc::new(Moody { queue: Arc::clone(&queued.store), rounds, late_by: Duration::ZERO });
    let workers = Workers::start(queue, handler, Arc::new(SystemClock), SETTINGS);
    eventually("all are done", async || queued.count("done").await == 100).await;
    workers.stop().await;
    assert_eq!((diary.numbers().len(), diary.overlaps.load(Ordering::SeqCst)), (100, 0));
}

#[rstest]
#[case::sqlite(Base::Sqlite)]
#[case::postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_takes_ten_seconds_at_most(#[case] base: Base) {
    let queued = Queued::with(base, &jobs(0..1, 0)).await;
    let diary = Arc::new(Diary { plan: [(0, Plan::Stick)].into(), ..Diary::default() });
    let workers = queued.start(&diary, SETTINGS);
    eventually("the job runs", async || diary.numbers().len() == 1).await;
    let begun = Instant::now();
    workers.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(queued.count("leased").await, 1, "its lease ends by itself");
}

#[rstest]
#[case::sqlite(Base::Sqlite)]
#[case::postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_renewed_as_long_as_its_job_runs_or_waits(#[case] base: Base) {
    let queued = Queued::with(base, &jobs(0..4, 0)).await;
    let diary = Arc::new(Diary { pause: Duration::from_millis(700), ..Diary::default() });
    let lease = Duration::from_millis(400);
    let workers = queued.start(&diary, WorkerSettings { slots: 1, window: 4, lease, ..SETTINGS });
    let mut expired = 0;
    eventually("all are done", async || {
        expired += queued.store.expire(SystemClock.now(), 5).await.expect("leases end");
        queued.count("done").await == 4
    })
    .await;
    workers.stop().await;
    assert_eq!((expired, diary.numbers().len()), (0, 4));
}

#[rstest]
#[case::sqlite(Base::Sqlite)]
#[case::postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_job_is_picked_up_at_once(#[case] base: Base) {
    // Fifty milliseconds for the slowest of a hundred are promised and measured (`cargo xtask bench queue`) on a
    // machine that does nothing else; beside other tests the middle one must keep them, and no poll is this quick.
    let mut rounds = Vec::new();
    for _ in 0..3 {
        let (p50, p99) = pick_up_times(base).await;
        if p50 < Duration::from_millis(50) && p99 < Duration::from_millis(250) {
            return;
        }
        rounds.push(format!("p50 {p50:?}, p99 {p99:?}"));
    }
    panic!("{}", rounds.join("; "));
}

/// From adding a job to its run, in the middle and for the slowest of a hundred.
async fn pick_up_times(base: Base) -> (Duration, Duration) {
    const JOBS: i64 = 200;
    let queued = Queued::with(base, &[]).await;
    let diary = Arc::new(Diary::default());
    let workers = queued.start(&diary, SETTINGS);
    let mut waits = Vec::new();
    for number in 0..JOBS {
        tokio::time::sleep(Duration::from_millis(3)).await;
        let added = Instant::now();
        queued.store.enqueue(&jobs([number], 0), SystemClock.now()).await.expect("a job is added");
        eventually("it runs", async || diary.numbers().len() > usize::try_from(number).unwrap_or(0)).await;
        let ran = diary.runs.lock().expect("nobody panicked").last().expect("a run").1;
        waits.push(ran - added);
    }
    workers.stop().await;
    waits.sort_unstable();
    (waits[waits.len() / 2], waits[waits.len() * 99 / 100])
}

#[rstest]
#[case::sqlite(Base::Sqlite)]
#[case::postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_groups_of_workers_never_run_the_same_lane_at_once(#[case] base: Base) {
    const LANES: i64 = 5;
    let queued = Queued::with(base, &jobs(0..200, LANES)).await;
    let diary = Arc::new(Diary { lane_of: LANES, pause: Duration::from_millis(1), ..Diary::default() });
    let groups = [queued.start(&diary, SETTINGS), queued.start(&diary, SETTINGS)];
    eventually("all are done", async || queued.count("done").await == 200).await;
    for group in groups {
        group.stop().await;
    }
    assert_eq!(diary.overlaps.load(Ordering::SeqCst), 0);
    let numbers = diary.numbers();
    assert_eq!(numbers.len(), 200);
    for lane in 0..LANES {
        assert!(numbers.iter().filter(|number| *number % LANES == lane).is_sorted());
    }
}

#[rstest]
#[case::sqlite(Base::Sqlite)]
#[case::postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_job_is_lost_when_workers_come_and_go(#[case] base: Base) {
    let queued = Queued::with(base, &jobs(0..1_500, 11)).await;
    let diary = Arc::new(Diary { lane_of: 11, ..Diary::default() });
    for _ in 0..8 {
        let workers = queued.start(&diary, SETTINGS);
        tokio::time::sleep(Duration::from_millis(15)).await;
        workers.stop().await;
        assert_eq!(queued.count("leased").await, 0);
    }
    queued.run(&diary, Duration::ZERO).await;
    assert_eq!(queued.count("done").await, 1_500);
    assert_eq!(diary.numbers().len(), 1_500, "a stop in order repeats nothing");
    assert_eq!(diary.overlaps.load(Ordering::SeqCst), 0);
}

#[rstest]
#[case::sqlite(Base::Sqlite)]
#[case::postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quiet_waits_for_what_becomes_ready_within_the_horizon_only(#[case] base: Base) {
    let soon = after(SystemClock.now(), Duration::from_millis(200));
    let late = after(SystemClock.now(), Duration::from_hours(1));
    let at = |number, run_at| NewJob { subject: JobSubject::Nothing(number), lane: None, run_at };
    let queued = Queued::with(base, &[at(1, soon), at(2, late)]).await;
    let diary = Arc::new(Diary::default());
    queued.run(&diary, Duration::from_secs(5)).await;
    assert_eq!(diary.numbers(), [1]);
}

#[rstest]
#[case::sqlite(Base::Sqlite)]
#[case::postgres(Base::Postgres)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_lease_was_lost_cannot_end_the_next_claim_of_it(#[case] base: Base) {
    let queued = Queued::with(base, &jobs(0..1, 0)).await;
    let diary = Arc::new(Diary { plan: [(0, Plan::Stick)].into(), ..Diary::default() });
    let workers = queued.start(&diary, SETTINGS);
    eventually("the job runs", async || diary.numbers().len() == 1).await;
    let far = after(SystemClock.now(), Duration::from_hours(1));
    queued.execute("update job set lease_until = 0").await;
    assert_eq!(queued.store.expire(SystemClock.now(), 5).await.expect("leases end"), 1);
    eventually("it runs again", async || diary.numbers().len() == 2).await;
    let claim = ClaimRequest { limit: 10, now: SystemClock.now(), lease_until: far };
    assert!(queued.store.round(&[], claim).await.expect("a round").claimed.is_empty());
    diary.stuck.notify_waiters();
    workers.until_quiet(Duration::ZERO).await;
    workers.stop().await;
    assert_eq!(queued.count("done").await, 1);
}

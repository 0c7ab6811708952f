//! Two stores on one `PostgreSQL` database, as two processes have it open: what happens to the work
//! of one that is gone, and that the two never get in each other's way.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use canonical::values::UtcInstant;
use contract_tests::records::{at, cig, lotto};
use contract_tests::shared_postgres::SharedDatabase;
use contract_tests::storage_suite::Scene;
use contract_tests::storage_suite::scene::{done, intent, receipt, to_lane};
use raccordo::clock::{Clock as _, SystemClock, after, between};
use raccordo::delivery::DeliveryState;
use raccordo::jobs::{Handler, Workers};
use raccordo::storage::postgres::{Given, Monotonic};
use raccordo::storage::{
    AuditChain as _, ClaimRequest, ClaimedJob, Conclusion, JobEnd, JobSubject, Queue as _, Round, RunKind, Settlement,
    SqlStore, Store, postgres, sqlite,
};

use super::{Diary, SETTINGS, eventually, jobs};

/// Between two looks.
const LATER: Duration = Duration::from_secs(2);
/// How the lock of a start shows itself to the server,
/// in this database only: others on the same server have starts with the same numbers.
const LOCKS: &str = "from pg_locks where locktype = 'advisory' and classid = 1918985572 and granted
    and database = (select oid from pg_database where datname = current_database())";

async fn two_stores() -> (SharedDatabase, Arc<SqlStore>, Arc<SqlStore>) {
    let database = SharedDatabase::fresh();
    let one = postgres::open(&database.url, None).await.expect("the first opens");
    let other = postgres::open(&database.url, None).await.expect("the second opens");
    (database, one, other)
}

/// A clock that nobody sets, and that moves when it is told to.
#[derive(Clone)]
struct Passing(Arc<Mutex<Instant>>);

impl Passing {
    fn pass(&self, by: Duration) {
        *self.0.lock().expect("nobody panicked") += by;
    }
}

/// Two stores, of which the second misses others by a clock of its own.
async fn two_stores_and_a_clock() -> (SharedDatabase, Arc<SqlStore>, Arc<SqlStore>, Passing) {
    let database = SharedDatabase::fresh();
    let one = postgres::open(&database.url, None).await.expect("the first opens");
    let passing = Passing(Arc::new(Mutex::new(Instant::now())));
    let tells = passing.clone();
    let monotonic: Monotonic = Arc::new(move || *tells.0.lock().expect("nobody panicked"));
    let given = Given { monotonic, ..Given::default() };
    let other = postgres::open_given(&database.url, None, given).await.expect("the second opens");
    (database, one, other, passing)
}

async fn claim(store: &SqlStore, settlements: &[Settlement]) -> Round {
    let now = SystemClock.now();
    let claim = ClaimRequest { limit: 10, now, lease_until: after(now, Duration::from_hours(1)) };
    store.round(settlements, claim).await.expect("a round")
}

async fn expire(store: &SqlStore, at: UtcInstant) -> u64 {
    store.expire(at, 12).await.expect("leases end")
}

fn start_of(job: &ClaimedJob) -> i64 {
    job.lease.token >> 32
}

async fn locks_of(database: &SharedDatabase, start: i64) -> i64 {
    let count = format!("select count(*) {LOCKS} and objid = {start}");
    postgres::bare::number(&database.url, &count).await.expect("a count")
}

fn done_with(job: &ClaimedJob) -> Settlement {
    Settlement { lease: job.lease, end: JobEnd::Done }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_work_of_a_process_that_is_gone_is_taken_back_when_it_was_missed_for_a_while() {
    let (database, gone, there, clock) = two_stores_and_a_clock().await;
    gone.enqueue(&jobs(0..3, 2), SystemClock.now()).await.expect("jobs are added");
    let held = claim(&gone, &[]).await.claimed;
    assert_eq!(held.len(), 2, "the first of each lane");
    let start = start_of(&held[0]);
    eventually("both connections say that it is there", async || locks_of(&database, start).await == 2).await;
    let look = async || {
        clock.pass(LATER);
        expire(&there, SystemClock.now()).await
    };
    for _ in 0..4 {
        assert_eq!(look().await, 0, "it is there");
    }
    drop(gone);
    eventually("its connections end", async || locks_of(&database, start).await == 0).await;
    assert_eq!([look().await, look().await], [0, 0], "it may come back");
    clock.pass(Duration::from_hours(1));
    assert_eq!([look().await, look().await], [0, 0], "an hour in which nobody looked does not count");
    assert_eq!(look().await, 2);
    let taken = claim(&there, &held.iter().map(done_with).collect::<Vec<_>>()).await;
    assert_eq!(taken.lost, 2, "who is gone ends nothing any more");
    assert_eq!(taken.claimed.len(), 2);
    assert!(taken.claimed.iter().all(|job| job.attempts == 2 && start_of(job) > start), "{:?}", taken.claimed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_whose_connections_were_cut_keeps_its_leases_when_it_comes_back() {
    let (database, cut, there, clock) = two_stores_and_a_clock().await;
    cut.enqueue(&jobs(0..1, 0), SystemClock.now()).await.expect("a job is added");
    let held = claim(&cut, &[]).await.claimed;
    let start = start_of(&held[0]);
    eventually("both connections say that it is there", async || locks_of(&database, start).await == 2).await;
    let end = format!("select pg_terminate_backend(pid) {LOCKS} and objid = {start}");
    postgres::bare::execute(&database.url, &end).await.expect("its connections are cut");
    let look = async || {
        clock.pass(LATER);
        expire(&there, SystemClock.now()).await
    };
    assert_eq!(look().await, 0);
    eventually("who listens is back", async || locks_of(&database, start).await >= 1).await;
    assert_eq!([look().await, look().await, look().await], [0, 0, 0]);
    let ended = claim(&cut, &[done_with(&held[0])]).await;
    assert_eq!((ended.lost, ended.claimed.len()), (0, 0), "its answer counts");
    eventually("both connections are back", async || locks_of(&database, start).await == 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_does_not_end_before_the_clock_of_the_server_says_so() {
    let (_database, one, ahead) = two_stores().await;
    one.enqueue(&jobs(0..2, 0), SystemClock.now()).await.expect("jobs are added");
    let now = SystemClock.now();
    let ends = |lease_until| ClaimRequest { limit: 1, now, lease_until };
    one.round(&[], ends(after(now, Duration::from_mins(1)))).await.expect("one is held for a minute");
    assert_eq!(expire(&ahead, after(now, Duration::from_hours(2))).await, 0, "this clock is two hours ahead");
    one.round(&[], ends(now)).await.expect("the other is held no longer");
    assert_eq!(expire(&ahead, after(now, Duration::from_hours(2))).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_shared_says_what_time_it_is() {
    let (_database, one, _other) = two_stores().await;
    let said = one.time().await.expect("an answer").expect("a time");
    let now = SystemClock.now();
    assert!(between(said, now).max(between(now, said)) < Duration::from_secs(30), "{said} and {now} on one machine");
    let folder = tempfile::TempDir::new().expect("a folder");
    let file = sqlite::open(folder.path().join("raccordo.db")).await.expect("the store opens");
    assert_eq!(file.time().await.expect("an answer"), None, "a file has no clock of its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_run_every_job_once_and_in_the_order_of_its_lane() {
    const LANES: i64 = 13;
    const JOBS: i64 = 1_000;
    let (database, one, other) = two_stores().await;
    one.enqueue(&jobs(0..JOBS, LANES), SystemClock.now()).await.expect("jobs are added");
    let diary = Arc::new(Diary { lane_of: LANES, pause: Duration::from_millis(1), ..Diary::default() });
    let workers = [one, other].map(|store| {
        let handler: Arc<dyn Handler> = Arc::<Diary>::clone(&diary);
        Workers::start(store, handler, Arc::new(SystemClock), SETTINGS)
    });
    let open = "select count(*) from job where state <> 'done'";
    eventually("all are done", async || postgres::bare::number(&database.url, open).await == Ok(0)).await;
    for group in workers {
        group.stop().await;
    }
    assert_eq!(diary.overlaps.load(Ordering::SeqCst), 0);
    let numbers = diary.numbers();
    assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), 1_000, "none is lost");
    assert_eq!(numbers.len(), 1_000, "none ran twice");
    for lane in 0..LANES {
        assert!(numbers.iter().filter(|number| *number % LANES == lane).is_sorted(), "lane {lane}");
    }
    let claims = "select count(distinct attempts) from job where attempts = 1";
    assert_eq!(postgres::bare::number(&database.url, claims).await, Ok(1));
}

const UNITS: u32 = 20;
const LANES: u32 = 4;

fn lane_of(number: u32) -> String {
    format!("lane-{}", number % LANES)
}

/// Delivers what is ready until it is told that nothing comes any more. Returns how many attempts.
async fn deliver(store: Arc<dyn Store>, lanes: &Mutex<HashSet<String>>, is_over: &AtomicBool) -> usize {
    let mut attempts = 0;
    let mut settlements: Vec<Settlement> = Vec::new();
    let mut held: Vec<String> = Vec::new();
    loop {
        let was_over = is_over.load(Ordering::SeqCst);
        for lane in held.drain(..) {
            lanes.lock().expect("nobody panicked").remove(&lane);
        }
        let claim = ClaimRequest { limit: 3, now: at(1), lease_until: at(60) };
        let round = store.round(&settlements, claim).await.expect("a round");
        assert_eq!(round.lost, 0, "nobody else ends this job");
        settlements.clear();
        if round.claimed.is_empty() && was_over {
            return attempts;
        }
        for job in round.claimed {
            let JobSubject::Deliver(id) = job.subject else { panic!("another job") };
            let loaded = store.load(id).await.expect("an answer").expect("a delivery");
            settlements.push(done_with(&job));
            if !loaded.state.is_open() {
                continue;
            }
            let number = (0..UNITS).find(|number| cig(number + 1).as_str() == loaded.unit.as_str());
            let lane = lane_of(number.expect("a unit of ours"));
            assert!(lanes.lock().expect("nobody panicked").insert(lane.clone()), "{lane} is in two hands");
            held.push(lane);
            let revision = loaded.desired_revision;
            let attempt = store.begin_attempt(intent(&loaded, job.lease, revision), at(1)).await;
            let attempt = Some(done(attempt.expect("an attempt begins")));
            let (state, receipt) = (DeliveryState::Acknowledged, Some(receipt()));
            let conclusion = Conclusion { delivery: id, attempt, lease: job.lease, revision, state, receipt };
            done(store.conclude(conclusion, at(1)).await.expect("an attempt ends"));
            attempts += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_stores_while_both_deliver_and_nothing_is_lost() {
    const ROUNDS: u32 = 300;
    let (database, one, other) = two_stores().await;
    let store: Arc<dyn Store> = Arc::<SqlStore>::clone(&one);
    let run = store.begin_run(RunKind::Import, &contract_tests::records::source(), at(0)).await.expect("a run begins");
    let scene = Scene { store, run };
    let (lanes, is_over) = (Mutex::default(), AtomicBool::new(false));
    let import = async {
        for round in 0..ROUNDS {
            let document = scene.document(&format!("{round}"), None).await;
            let numbers = [round % UNITS, (round * 7 + 3) % UNITS];
            let says = numbers.map(|number| {
                let route = to_lane("pico", cig(number + 1).as_str(), &lane_of(number));
                document.says_to(u64::from(number) + 1, lotto(number + 1, &format!("round {round}")), vec![route])
            });
            scene.store(says.into()).await;
        }
        is_over.store(true, Ordering::SeqCst);
    };
    let ((), here, there) =
        tokio::join!(import, deliver(one.clone(), &lanes, &is_over), deliver(other.clone(), &lanes, &is_over));
    // What a lane passed on at the very end, after both had looked.
    let rest = deliver(one, &lanes, &is_over).await;
    assert!(here > 0 && there > 0, "{here} here, {there} there, {rest} at the end");
    for (question, what) in [
        ("select count(*) from job where state <> 'done'", "jobs are open"),
        ("select count(*) from delivery where state <> 'acknowledged' or held_revision <> desired_revision", "owed"),
    ] {
        assert_eq!(postgres::bare::number(&database.url, question).await, Ok(0), "{what}");
    }
    let units = postgres::bare::number(&database.url, "select count(*) from delivery").await;
    assert_eq!(units, Ok(i64::from(UNITS)));
    assert_eq!(other.verify_audit(None).await.expect("a report").broken, None);
}

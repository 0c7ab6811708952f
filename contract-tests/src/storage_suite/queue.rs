//! Claims, leases, lanes.

use raccordo::delivery::DeliveryState;
use raccordo::storage::{ClaimRequest, ClaimedJob, DeliveryId, JobEnd, JobSubject, Lease, NewJob, Settlement};

use super::scene::{LEASE, routed_lotto, to_unit};
use super::{Database, Scene};
use crate::records::{at, cig, lotto};

fn nothing(number: i64, lane: Option<&str>, seconds: i64) -> NewJob {
    NewJob { subject: JobSubject::Nothing(number), lane: lane.map(str::to_owned), run_at: at(seconds) }
}

async fn with_jobs(database: &dyn Database, jobs: &[NewJob]) -> Scene {
    let scene = Scene::open(database).await;
    scene.store.enqueue(jobs, at(0)).await.expect("jobs are added");
    scene
}

fn numbers(claimed: &[ClaimedJob]) -> Vec<i64> {
    let number = |job: &ClaimedJob| match job.subject {
        JobSubject::Nothing(number) => number,
        JobSubject::Deliver(DeliveryId(id)) => panic!("a job about delivery {id}"),
    };
    let mut numbers: Vec<_> = claimed.iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

pub async fn a_job_is_not_claimed_before_its_time(database: &dyn Database) {
    let scene = with_jobs(database, &[nothing(1, None, 10), nothing(2, None, 5)]).await;
    assert!(scene.claim_at(4, 10).await.is_empty());
    assert_eq!(numbers(&scene.claim_at(5, 10).await), [2]);
    let claimed = scene.claim_at(10, 10).await;
    assert_eq!((numbers(&claimed), claimed[0].attempts), (vec![1], 1));
    assert!(scene.claim_at(10, 10).await.is_empty());
}

pub async fn only_the_oldest_open_job_of_a_lane_is_claimed(database: &dyn Database) {
    let jobs = [
        nothing(1, Some("a"), 1),
        nothing(2, Some("a"), 0),
        nothing(3, Some("b"), 0),
        nothing(4, None, 0),
        nothing(5, Some("a"), 0),
    ];
    let scene = with_jobs(database, &jobs).await;
    let free = scene.claim_at(0, 10).await;
    assert_eq!(numbers(&free), [3, 4], "the oldest of lane a is not ready, and nothing passes it");
    for expected in [1, 2, 5] {
        let claimed = scene.claim_at(1, 10).await;
        assert_eq!(numbers(&claimed), [expected]);
        assert!(scene.claim_at(1, 10).await.is_empty());
        let round = scene.round(&[Settlement { lease: claimed[0].lease, end: JobEnd::Done }], 1, 0).await;
        assert_eq!(round.lost, 0);
    }
    let late = [nothing(6, Some("a"), 0)];
    scene.store.enqueue(&late, at(2)).await.expect("jobs are added");
    assert_eq!(numbers(&scene.claim_at(2, 10).await), [6]);
}

pub async fn a_retry_keeps_its_place_in_the_lane(database: &dyn Database) {
    let scene = with_jobs(database, &[nothing(1, Some("a"), 0), nothing(2, Some("a"), 0)]).await;
    let first = scene.claim_one(0).await;
    assert!(scene.settle(first.lease, JobEnd::RetryAt(at(50)), 1).await);
    assert!(scene.claim_at(49, 10).await.is_empty());
    let again = scene.claim_one(50).await;
    assert_eq!((again.subject, again.attempts), (first.subject, 1), "it answered: nothing counts against it");
    assert!(scene.settle(again.lease, JobEnd::Parked, 51).await);
    assert_eq!(numbers(&scene.claim_at(51, 10).await), [2]);
}

pub async fn lanes_of_two_targets_are_free_of_each_other(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    let routes = vec![to_unit("pico", cig(1).as_str()), to_unit("hub", cig(1).as_str())];
    scene.store(vec![document.says_to(1, lotto(1, "x"), routes)]).await;
    assert_eq!(scene.claim_at(1, 10).await.len(), 2);
}

pub async fn an_ending_after_the_lease_changes_nothing(database: &dyn Database) {
    let scene = with_jobs(database, &[nothing(1, Some("a"), 0)]).await;
    let first = scene.claim_one(0).await;
    assert_eq!(scene.store.expire(at(LEASE), 5).await.expect("leases end"), 1);
    let second = scene.claim_one(LEASE).await;
    for end in [JobEnd::Done, JobEnd::Parked, JobEnd::RetryAt(at(1))] {
        assert!(!scene.settle(first.lease, end, LEASE).await);
    }
    assert!(scene.settle(second.lease, JobEnd::Done, LEASE).await);
    assert!(!scene.settle(second.lease, JobEnd::Done, LEASE).await);
}

pub async fn a_claimed_job_comes_back_when_its_lease_ends(database: &dyn Database) {
    let scene = with_jobs(database, &[nothing(1, Some("a"), 0), nothing(2, Some("a"), 0)]).await;
    scene.claim_one(0).await;
    assert_eq!(scene.store.expire(at(LEASE - 1), 5).await.expect("leases end"), 0);
    assert_eq!(scene.store.expire(at(LEASE), 5).await.expect("leases end"), 1);
    let again = scene.claim_at(LEASE, 10).await;
    assert_eq!((numbers(&again), again[0].attempts), (vec![1], 2));
}

pub async fn a_claimed_job_outlives_the_process_that_claimed_it(database: &dyn Database) {
    let scene = with_jobs(database, &[nothing(1, None, 0), nothing(2, None, 0)]).await;
    assert_eq!(scene.claim_at(0, 1).await.len(), 1);
    let scene = scene.restart(database).await;
    assert_eq!(numbers(&scene.claim_at(1, 10).await), [2]);
    assert_eq!(scene.store.expire(at(LEASE), 5).await.expect("leases end"), 1);
    assert_eq!(numbers(&scene.claim_at(LEASE, 10).await), [1]);
}

pub async fn tokens_rise_over_restarts(database: &dyn Database) {
    let mut scene = with_jobs(database, &[nothing(1, None, 0)]).await;
    let mut before = 0;
    for seconds in [0, 100, 200] {
        let job = scene.claim_one(seconds).await;
        assert!(job.lease.token > before, "{} after {before}", job.lease.token);
        before = job.lease.token;
        scene.store.expire(at(seconds + LEASE), 50).await.expect("leases end");
        scene = scene.restart(database).await;
    }
}

pub async fn a_job_that_never_answers_ends_aside_with_its_delivery(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    scene.store_one(routed_lotto(&document, 1, "x")).await;
    for attempt in 1..=3 {
        assert_eq!(scene.claim_one(attempt * 100).await.attempts, u32::try_from(attempt).unwrap_or(0));
        assert_eq!(scene.store.expire(at(attempt * 100 + LEASE), 3).await.expect("leases end"), 1);
    }
    assert!(scene.claim_at(10_000, 10).await.is_empty());
    let delivery = scene.delivery("pico", cig(1).as_str()).await;
    assert!(matches!(delivery.state, DeliveryState::Parked { .. }), "{:?}", delivery.state);
    assert_eq!(scene.store.sweep(at(10_000)).await.expect("a sweep"), 0);
}

pub async fn a_new_process_takes_back_what_the_last_one_held(database: &dyn Database) {
    let scene = with_jobs(database, &[nothing(1, Some("a"), 0), nothing(2, Some("a"), 0)]).await;
    scene.claim_one(0).await;
    let scene = scene.restart(database).await;
    let taken = scene.store.take_back(at(1), 5).await.expect("leases end");
    // Where processes share the database another one may hold the lease: nothing is taken back.
    let is_shared = database.is_shared();
    assert_eq!(taken, u64::from(!is_shared));
    assert_eq!(scene.claim_at(1, 10).await.len(), usize::from(!is_shared));
}

pub async fn a_job_that_ends_the_process_ends_aside_in_doubt(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    scene.store_one(routed_lotto(&document, 1, "x")).await;
    let job = scene.claim_one(1).await;
    let delivery = scene.delivery("pico", cig(1).as_str()).await;
    scene.begin(&delivery, job.lease, 1).await;
    assert_eq!(scene.store.expire(at(1 + LEASE), 1).await.expect("leases end"), 1);
    let delivery = scene.delivery("pico", cig(1).as_str()).await;
    assert!(matches!(delivery.state, DeliveryState::Parked { in_doubt: true, .. }), "{:?}", delivery.state);
}

pub async fn a_released_job_is_ready_at_once_and_not_counted(database: &dyn Database) {
    let scene = with_jobs(database, &[nothing(1, Some("a"), 0), nothing(2, Some("a"), 0)]).await;
    let lease = scene.claim_one(0).await.lease;
    scene.store.release(&[lease]).await.expect("it is released");
    scene.store.release(&[lease]).await.expect("a second time changes nothing");
    let again = scene.claim_one(0).await;
    assert_eq!((again.subject, again.attempts), (JobSubject::Nothing(1), 1));
}

pub async fn a_renewed_lease_holds_and_a_lost_one_is_named(database: &dyn Database) {
    let scene = with_jobs(database, &[nothing(1, None, 0), nothing(2, None, 0)]).await;
    let leases: Vec<_> = scene.claim_at(0, 10).await.iter().map(|job| job.lease).collect();
    let [held, other] = leases[..] else { panic!("two jobs are claimed") };
    assert!(scene.store.renew(&[held], at(0), at(500)).await.expect("it is renewed").is_empty());
    assert_eq!(scene.store.expire(at(LEASE), 5).await.expect("leases end"), 1);
    assert_eq!(scene.store.renew(&[held, other], at(500), at(900)).await.expect("an answer"), [other]);
    assert!(scene.settle(held, JobEnd::Done, LEASE).await);
}

pub async fn one_job_waits_for_a_delivery_and_a_leased_one_does_not_count(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let waiting = async || database.number("select count(*) from job where state in ('ready', 'blocked')").await;
    for (date, waits) in [("2024-01-31", 1), ("2024-02-29", 1)] {
        let document = scene.document(date, Some(date)).await;
        scene.store_one(routed_lotto(&document, 1, date)).await;
        assert_eq!(waiting().await, waits);
    }
    let lease = scene.claim_one(1).await.lease;
    assert_eq!(waiting().await, 0);
    for date in ["2024-03-31", "2024-04-30"] {
        let document = scene.document(date, Some(date)).await;
        scene.store_one(routed_lotto(&document, 1, date)).await;
        assert_eq!(waiting().await, 1);
    }
    let delivery = scene.delivery("pico", cig(1).as_str()).await.id;
    let again = NewJob { subject: JobSubject::Deliver(delivery), lane: None, run_at: at(0) };
    scene.store.enqueue(&[again.clone(), again], at(1)).await.expect("it waits already");
    assert_eq!(waiting().await, 1);
    assert!(scene.claim_at(1, 10).await.is_empty(), "its lane is held");
    assert!(scene.settle(lease, JobEnd::Done, 1).await);
    scene.claim_one(1).await;
}

pub async fn a_retry_beside_a_waiting_job_becomes_that_job(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let change = async |date: &'static str| {
        let document = scene.document(date, Some(date)).await;
        scene.store_one(routed_lotto(&document, 1, date)).await;
    };
    change("2024-01-31").await;
    let first = scene.claim_one(1).await;
    change("2024-02-29").await;
    assert!(scene.settle(first.lease, JobEnd::RetryAt(at(50)), 2).await);
    assert_eq!(database.number("select count(*) from job where state in ('ready', 'blocked', 'leased')").await, 1);
    assert!(scene.claim_at(49, 10).await.is_empty(), "the later of the two instants holds");
    let second = scene.claim_one(50).await;
    assert_ne!(second.lease.job, first.lease.job);
    change("2024-03-31").await;
    scene.store.release(&[second.lease]).await.expect("it is released");
    let third = scene.claim_one(51).await;
    assert_ne!(third.lease.job, second.lease.job);
    change("2024-04-30").await;
    assert_eq!(scene.store.expire(at(51 + LEASE), 1).await.expect("leases end"), 1);
    scene.claim_one(51 + LEASE).await;
}

pub async fn the_next_job_is_announced(database: &dyn Database) {
    let scene = Scene::open(database).await;
    assert_eq!(scene.store.next_ready().await.expect("an answer"), None);
    let jobs = [nothing(1, Some("a"), 20), nothing(2, Some("a"), 5), nothing(3, None, 30)];
    scene.store.enqueue(&jobs, at(0)).await.expect("jobs are added");
    assert_eq!(scene.store.next_ready().await.expect("an answer"), Some(at(20)));
    scene.claim_one(20).await;
    assert_eq!(scene.store.next_ready().await.expect("an answer"), Some(at(30)));
}

pub async fn finished_jobs_are_pruned_and_others_are_not(database: &dyn Database) {
    let jobs: Vec<_> = (1..=40).map(|number| nothing(number, None, number)).collect();
    let scene = with_jobs(database, &jobs).await;
    for number in 1..=30 {
        let end = match number {
            1 | 7 => JobEnd::Parked,
            2 => JobEnd::RetryAt(at(1000)),
            _ => JobEnd::Done,
        };
        let lease: Lease = scene.claim_one(number).await.lease;
        assert!(scene.settle(lease, end, number).await);
    }
    let mut pruned = 0;
    for _ in 0..20 {
        let now = scene.store.prune(at(25), 5).await.expect("jobs are pruned");
        assert!(now <= 5);
        pruned += now;
    }
    assert_eq!(pruned, 21, "of 24 that ended before, two were parked and one runs again");
    assert_eq!(database.number("select count(*) from job").await, 19);
}

pub async fn a_commit_that_makes_work_ready_wakes_the_workers(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let mut wake_ups = scene.store.wake_ups();
    wake_ups.mark_unchanged();
    let document = scene.document("a", None).await;
    scene.store_one(routed_lotto(&document, 1, "x")).await;
    assert!(wake_ups.has_changed().expect("the store lives"));
    wake_ups.mark_unchanged();
    scene.store_one(routed_lotto(&document, 1, "x")).await;
    assert!(!wake_ups.has_changed().expect("the store lives"), "nothing became ready");
    let lease = scene.claim_one(1).await.lease;
    wake_ups.mark_unchanged();
    scene.store.release(&[lease]).await.expect("it is released");
    assert!(wake_ups.has_changed().expect("the store lives"));
}

pub async fn storing_beside_settling_never_fails(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let mut leases: Vec<Lease> = Vec::new();
    for round in 0..150 {
        let name = format!("document {round}");
        let document = scene.document(&name, None).await;
        let says = (1..=4).map(|number| routed_lotto(&document, number, &name)).collect();
        let end = |number: usize| if number.is_multiple_of(2) { JobEnd::Done } else { JobEnd::RetryAt(at(round)) };
        let settlement = |(number, lease): (usize, &Lease)| Settlement { lease: *lease, end: end(number) };
        let settlements: Vec<_> = leases.iter().enumerate().map(settlement).collect();
        let claim = ClaimRequest { limit: 10, now: at(round), lease_until: at(round + LEASE) };
        let (_, settled) = tokio::join!(scene.store(says), scene.store.round(&settlements, claim));
        // A round that met another may be asked to come again, as the workers do.
        if let Ok(settled) = settled {
            leases = settled.claimed.iter().map(|job| job.lease).collect();
        }
    }
}

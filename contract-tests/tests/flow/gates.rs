//! What is an affair of a target and not of the records: illness, pauses, credentials, slowness.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bench::{Simple, TestFlow, lotto};
use crate::wrapped::Wrapped;
use canonical::SourceName;
use contract::Adapter;
use raccordo::clock::{self, Clock, SystemClock};
use raccordo::delivery::DeliveryState;
use raccordo::flow::deliver::doubt::Resend;
use raccordo::flow::deliver::gate::HealthState;
use raccordo::flow::{Flow, Systems, intake};
use raccordo::jobs;
use raccordo::jobs::gate::Gates;
use raccordo::pressure::IntakeGate;
use raccordo::storage::RunKind;
use raccordo::storage::sqlite;
use simulated::{Fault, Simulated, document};

async fn read_lotti(test: &TestFlow, how_many: u32) {
    let lines: Vec<String> = (1..=how_many).map(|number| lotto(number, "una scuola")).collect();
    test.read("a", &lines).await;
}

async fn states(test: &TestFlow, how_many: u32) -> Vec<(DeliveryState, usize)> {
    let mut states = Vec::new();
    for number in 1..=how_many {
        let delivery = test.delivery(number).await;
        states.push((delivery.state, delivery.attempts.len()));
    }
    states
}

fn health(test: &TestFlow) -> (HealthState, Option<&'static str>) {
    let health = test.flow.gates.health();
    assert_eq!(health.len(), 1);
    (health[0].state, health[0].reason)
}

#[tokio::test]
async fn a_target_that_fails_again_and_again_is_left_alone_and_the_other_records_stay_as_they_are() {
    let test = TestFlow::new().await;
    test.target.on_send(vec![Fault::Unavailable; 5]);
    read_lotti(&test, 9).await;
    test.step().await;
    assert_eq!(test.target.attempts(), 5, "then nobody asks");
    assert_eq!(health(&test), (HealthState::Shut, Some("unavailable")));
    let states = states(&test, 9).await;
    let untouched = states.iter().filter(|state| **state == (DeliveryState::Due, 0)).count();
    assert_eq!(untouched, 4, "{states:?}");

    // Before its time nobody tries; then one does, and it fails too.
    test.clock.advance(Duration::from_secs(4));
    test.step().await;
    assert_eq!(test.target.attempts(), 5);
    test.target.on_send([Fault::Unavailable]);
    test.clock.advance(Duration::from_secs(7));
    test.step().await;
    assert_eq!(test.target.attempts(), 6, "one probe");

    test.work().await;
    assert_eq!(test.effects().len(), 9);
    assert_eq!(health(&test), (HealthState::Open, None));
}

#[tokio::test]
async fn refused_records_are_a_sign_of_health() {
    let test = TestFlow::new().await;
    test.target.on_send(vec![Fault::Refuse("no_cpv".to_owned()); 8]);
    read_lotti(&test, 9).await;
    test.work().await;
    assert_eq!((test.target.attempts(), test.effects().len()), (9, 1));
    assert_eq!(health(&test), (HealthState::Open, None));
}

#[tokio::test]
async fn wrong_credentials_stop_the_connection_and_count_against_no_record() {
    let test = TestFlow::new().await;
    test.target.on_send([Fault::Authentication]);
    read_lotti(&test, 3).await;
    test.step().await;
    assert_eq!(test.target.attempts(), 1, "the account is not locked by trying");
    assert_eq!(health(&test), (HealthState::Locked, Some("authentication")));
    let states = states(&test, 3).await;
    let due = states.iter().filter(|state| **state == (DeliveryState::Due, 0)).count();
    let locked_out = |state: &&(DeliveryState, usize)| matches!(&state.0, DeliveryState::Retry { code, .. } if code == "authentication");
    assert_eq!((due, states.iter().filter(locked_out).count()), (2, 1), "{states:?}");

    // Days later somebody mends them.
    for _ in 0..3 {
        test.target.on_send([Fault::Authentication]);
        test.clock.advance(Duration::from_hours(24));
        test.step().await;
    }
    assert_eq!(test.target.attempts(), 4, "one try each time");
    test.work().await;
    assert_eq!(test.effects().len(), 3, "{:?}", self::states(&test, 3).await);
    assert_eq!(health(&test), (HealthState::Open, None));
}

#[tokio::test]
async fn a_record_that_waited_for_credentials_is_not_given_up_for_the_time_that_it_waited() {
    let test = TestFlow::new().await;
    test.target.on_send([Fault::Authentication, Fault::Unavailable]);
    read_lotti(&test, 1).await;
    test.step().await;
    // Longer than any record is tried.
    test.clock.advance(Duration::from_hours(96));
    test.work().await;
    assert_eq!(states(&test, 1).await, [(DeliveryState::Acknowledged, 3)]);
}

#[tokio::test]
async fn a_pause_asked_in_the_answer_about_one_record_is_kept_by_all() {
    let test = TestFlow::new().await;
    test.target.on_send([Fault::RateLimit(Duration::from_secs(90))]);
    read_lotti(&test, 4).await;
    let asked_at = test.clock.now();
    test.step().await;
    assert_eq!(test.target.attempts(), 1);
    assert_eq!(health(&test), (HealthState::AskedForQuiet, Some("rate_limited")));
    test.clock.advance(Duration::from_secs(89));
    test.step().await;
    assert_eq!(test.target.attempts(), 1, "not a second too early");
    test.work().await;
    assert_eq!(test.effects().len(), 4);
    for number in 1..=4 {
        for attempt in test.delivery(number).await.attempts {
            let since = clock::between(asked_at, attempt.started_at);
            assert!(since.is_zero() || since >= Duration::from_secs(90), "{since:?}");
        }
    }
}

#[tokio::test]
async fn a_target_that_gave_its_last_with_a_good_answer_is_left_alone_as_long_as_it_asks() {
    let test = TestFlow::new().await;
    test.target.ask_for_pause(Some(Duration::from_secs(90)));
    read_lotti(&test, 1).await;
    test.step().await;
    test.target.ask_for_pause(None);
    assert_eq!(test.effects().len(), 1, "the answer itself was good");
    assert_eq!(health(&test), (HealthState::AskedForQuiet, Some("rate_limited")));
    test.read("b", &[lotto(2, "un ponte")]).await;
    test.clock.advance(Duration::from_secs(89));
    test.step().await;
    assert_eq!(test.effects().len(), 1, "not a second too early");
    test.work().await;
    assert_eq!(test.effects().len(), 2);
}

#[tokio::test]
async fn what_was_taken_is_not_asked_about_while_the_target_is_left_alone() {
    let test = TestFlow::new().await;
    test.target.decide_later([]);
    read_lotti(&test, 1).await;
    test.work().await;
    test.target.on_send([Fault::RateLimit(Duration::from_mins(5))]);
    test.read("b", &[lotto(2, "un ponte")]).await;
    test.step().await;
    test.clock.advance(Duration::from_mins(1));
    test.flow.store.wake(test.clock.now()).await.expect("a look");
    test.step().await;
    assert!(matches!(test.delivery(1).await.state, DeliveryState::Submitted { .. }));
    test.wait_and_work(Duration::from_mins(5)).await;
    assert_eq!(test.delivery(1).await.state, DeliveryState::Acknowledged);
}

/// How long a target takes for all lots, beside a dead one or alone.
async fn race(lotti: u32, is_beside_a_dead_one: bool) -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    let store = sqlite::open(folder.path().join("test.db")).await.expect("a database");
    let (origin, quick) = (Simulated::new(), Simulated::new());
    let lively = Wrapped { answers_after: Some(Duration::from_millis(20)), ..Wrapped::around(&quick) };
    let dead = Wrapped { hangs_for: Some(Duration::from_secs(2)), ..Wrapped::around(&Simulated::new()) };
    let mut systems: Systems = BTreeMap::from([
        ("origin".to_owned(), Arc::new(origin.clone()) as Arc<dyn Adapter>),
        ("quick".to_owned(), Arc::new(lively) as Arc<dyn Adapter>),
    ]);
    if is_beside_a_dead_one {
        systems.insert("dead".to_owned(), Arc::new(dead));
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let flow = Flow {
        intake_gate: Arc::new(IntakeGate::wide_open()),
        reconciliation: raccordo::flow::reconcile::Policy::default(),
        store,
        systems: Arc::new(systems),
        nodes: Arc::default(),
        gates: Arc::new(Gates::new(Arc::clone(&clock), BTreeMap::new())),
        clock,
        patience: Arc::new(Simple),
        resend: Resend::default(),
        collapse: None,
        ownership: Arc::default(),
        filters: Arc::default(),
    };
    let lines: Vec<String> = (1..=lotti).map(|number| lotto(number, "una scuola")).collect();
    origin.give(document("a", &lines));
    let source = SourceName::parse("origin").expect("a name");
    intake::read_source(&flow, &source, RunKind::Sync, None, &|_| ()).await.expect("read");
    let begun = Instant::now();
    let workers = jobs::start(&flow, 4, Duration::from_secs(75));
    while quick.effects().len() < lotti as usize {
        assert!(begun.elapsed() < Duration::from_mins(1), "{} of {lotti}", quick.effects().len());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = begun.elapsed();
    workers.stop().await;
    flow.store.close().await;
    took
}

/// A tenth at most on a quiet machine. Both sides run one after the other, and others may be busy
/// beside them: a third is allowed here, where without slots of its own a target needs two to three
/// times as long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_target_does_not_slow_another() {
    const LOTTI: u32 = 240;
    let mut pairs = Vec::new();
    for _ in 0..5 {
        let (alone, beside) = (race(LOTTI, false).await, race(LOTTI, true).await);
        pairs.push((alone, beside));
        if alone * 3 >= beside * 2 {
            return;
        }
    }
    panic!("alone, and beside a dead one: {pairs:?}");
}

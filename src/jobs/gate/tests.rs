//! Who is let in, who waits, who is sent away.

use std::collections::HashSet;

use super::*;
use crate::clock::ManualClock;

const ILL: Answered = Answered::Ill("unavailable");

fn gates() -> (Arc<Gates>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(UtcInstant::from_unix_micros(1_000_000_000_000).expect("an instant")));
    (Arc::new(Gates::new(clock.clone(), BTreeMap::new())), clock)
}

async fn open(gates: &Gates, parallel_requests: u16) -> Box<dyn Pass> {
    match gates.enter("pico", parallel_requests).await {
        Entry::Open(pass) => pass,
        Entry::Shut(until) => panic!("sent away until {until}"),
    }
}

async fn shut(gates: &Gates, parallel_requests: u16) -> UtcInstant {
    match gates.enter("pico", parallel_requests).await {
        Entry::Open(_) => panic!("let in"),
        Entry::Shut(until) => until,
    }
}

async fn fall_ill(gates: &Gates) {
    for _ in 0..5 {
        open(gates, 4).await.tell(ILL);
    }
}

#[tokio::test]
async fn no_more_are_in_than_may_be_and_the_next_enters_when_one_leaves() {
    let (gates, _) = gates();
    let (first, _second) = (open(&gates, 2).await, open(&gates, 2).await);
    let third = tokio::spawn({
        let gates = Arc::clone(&gates);
        async move { open(&gates, 2).await }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!third.is_finished(), "it waits at the gate");
    drop(first);
    tokio::time::timeout(Duration::from_secs(1), third).await.expect("at once").expect("let in");
}

#[tokio::test]
async fn when_there_is_room_for_more_all_who_wait_enter() {
    let (gates, _) = gates();
    for _ in 0..2 {
        open(&gates, 4).await.tell(Answered::Busy("rate_limited", None));
    }
    let only = open(&gates, 4).await;
    let wait = || {
        let gates = Arc::clone(&gates);
        tokio::spawn(async move { open(&gates, 4).await })
    };
    let (second, third) = (wait(), wait());
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!second.is_finished() && !third.is_finished(), "one at a time");
    only.tell(Answered::Well);
    let both = async { (second.await.expect("let in"), third.await.expect("let in")) };
    tokio::time::timeout(HOLD / 2, both).await.expect("at once");
}

#[tokio::test]
async fn who_finds_those_who_wait_in_full_number_is_sent_away_to_a_turn_of_its_own() {
    let (gates, clock) = gates();
    let _in = open(&gates, 1).await;
    let waiting = tokio::spawn({
        let gates = Arc::clone(&gates);
        async move { gates.enter("pico", 1).await }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut turns = HashSet::new();
    for _ in 0..10 {
        let turn = shut(&gates, 1).await;
        assert!(turn > clock.now(), "never at once");
        turns.insert(turn);
    }
    assert_eq!(turns.len(), 10);
    waiting.abort();
}

#[tokio::test]
async fn who_waits_too_long_is_sent_away() {
    let (gates, clock) = gates();
    let _in = open(&gates, 1).await;
    assert!(shut(&gates, 1).await > clock.now());
}

#[tokio::test]
async fn a_gate_that_is_full_holds_nobody_back_at_another() {
    let (gates, _) = gates();
    let _in = open(&gates, 1).await;
    assert!(matches!(gates.enter("hub", 1).await, Entry::Open(_)));
}

#[tokio::test]
async fn while_a_target_is_ill_all_are_sent_away_and_then_one_alone_tries() {
    let (gates, clock) = gates();
    fall_ill(&gates).await;
    let health = gates.health();
    assert_eq!((health[0].state, health[0].reason), (HealthState::Shut, Some("unavailable")));
    let until = health[0].next.expect("it is tried again");
    assert_eq!(shut(&gates, 4).await, until, "the first comes back on time");
    assert!(shut(&gates, 4).await > until, "the others a little later");
    clock.advance(between(clock.now(), until));
    let probe = open(&gates, 4).await;
    shut(&gates, 4).await;
    assert_eq!(gates.health()[0].state, HealthState::Trying);
    assert_eq!(probe.tell(Answered::Well), None);
    assert_eq!((gates.health()[0].state, gates.health()[0].parallel_requests), (HealthState::Open, 2));
}

#[tokio::test]
async fn a_pass_that_is_dropped_unused_leaves_the_probe_to_the_next() {
    let (gates, clock) = gates();
    fall_ill(&gates).await;
    clock.advance(Duration::from_hours(1));
    drop(open(&gates, 4).await);
    assert_eq!(gates.health()[0].state, HealthState::Trying, "nothing was learnt");
    open(&gates, 4).await.tell(Answered::Well);
    assert_eq!(gates.health()[0].state, HealthState::Open);
}

#[tokio::test]
async fn a_target_that_says_it_is_too_much_is_given_fewer_at_a_time() {
    let (gates, _) = gates();
    open(&gates, 8).await.tell(Answered::Busy("rate_limited", None));
    assert_eq!(gates.health()[0].parallel_requests, 4);
    for _ in 0..40 {
        open(&gates, 8).await.tell(Answered::Well);
    }
    assert_eq!(gates.health()[0].parallel_requests, 8, "never more than it declares");
}

#[tokio::test]
async fn calls_begin_as_far_apart_as_configured() {
    let limits = Limits { parallel_requests: Some(3), requests_per_minute: std::num::NonZeroU32::new(1200) };
    let (_, clock) = gates();
    let gates = Gates::new(clock, BTreeMap::from([("pico".to_owned(), limits)]));
    let begun = Instant::now();
    for _ in 0..5 {
        open(&gates, 8).await.tell(Answered::Well);
    }
    assert!(begun.elapsed() >= Duration::from_millis(4 * 50), "{:?}", begun.elapsed());
    assert_eq!(gates.health()[0].parallel_requests, 3, "fewer than declared, as configured");
}

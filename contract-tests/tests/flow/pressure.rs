//! Promises under pressure: what is held is held at its source, and nothing is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use canonical::SourceName;
use contract::Received;
use raccordo::config::{ReconciliationConfig, ScheduleConfig};
use raccordo::flow::intake::{self, BATCH, IntakeReport};
use raccordo::flow::{Flow, FlowError};
use raccordo::jobs::{self, schedule};
use raccordo::pressure::{Hold, IntakeGate, PressureLimits};
use raccordo::storage::RunKind;
use simulated::document;

use crate::bench::{TestFlow, lotto};

const LIMITS: PressureLimits =
    PressureLimits { hold_below_bytes: 1000, resume_above_bytes: 2000, hold_above_open: 2, resume_below_open: 2 };
const NO_QUEUE_LIMIT: PressureLimits =
    PressureLimits { hold_above_open: u64::MAX, resume_below_open: u64::MAX, ..LIMITS };
const PLENTY: u64 = 1_000_000;

/// A disk whose free bytes a test sets.
#[derive(Clone)]
struct Disk {
    free: Arc<AtomicU64>,
}

impl Disk {
    fn with(free: u64) -> Self {
        Self { free: Arc::new(AtomicU64::new(free)) }
    }

    fn set(&self, free: u64) {
        self.free.store(free, Ordering::SeqCst);
    }

    fn gate(&self, limits: PressureLimits) -> IntakeGate {
        let free = Arc::clone(&self.free);
        IntakeGate::new(limits, Box::new(move || Ok(free.load(Ordering::SeqCst))))
    }
}

/// A gate whose disk has, at each look, the next of these bytes free, and then the last of them.
fn gate_over_time(free: &'static [u64]) -> IntakeGate {
    let looks = AtomicU64::new(0);
    let look = move || usize::try_from(looks.fetch_add(1, Ordering::SeqCst)).expect("few looks");
    IntakeGate::new(NO_QUEUE_LIMIT, Box::new(move || Ok(free[look().min(free.len() - 1)])))
}

fn with_gate(test: &TestFlow, gate: IntakeGate) -> Flow {
    Flow { intake_gate: Arc::new(gate), ..test.flow.clone() }
}

fn origin() -> SourceName {
    SourceName::parse("origin").expect("a name")
}

async fn read(flow: &Flow) -> Result<IntakeReport, FlowError> {
    intake::read_source(flow, &origin(), RunKind::Sync, None, &|_| ()).await
}

async fn lotti(flow: &Flow) -> u64 {
    flow.store.overview().await.expect("facts").records.get("lotto").copied().unwrap_or_default()
}

/// A document of two batches and a half, and the cursor behind it.
fn long_document() -> Vec<Received> {
    let count = u32::try_from(2 * BATCH + BATCH / 2).expect("a count");
    let lines: Vec<_> = (1..=count).map(|number| lotto(number, "una scuola")).collect();
    let mut items = document("a", &lines);
    items.push(Received::Cursor("the end".to_owned()));
    items
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_holds_a_read_before_it_begins() {
    let test = TestFlow::new().await;
    let disk = Disk::with(999);
    let flow = with_gate(&test, disk.gate(LIMITS));
    test.origin.give(document("a", &[lotto(1, "una scuola")]));
    let held = read(&flow).await.expect_err("no room");
    assert!(matches!(held, FlowError::Held(Hold::Disk { free_bytes: 999, .. })), "{held:?}");
    assert!(flow.store.overview().await.expect("facts").runs.is_empty(), "nothing was begun");

    disk.set(1999);
    assert!(read(&flow).await.is_err(), "not yet");
    disk.set(2000);
    assert_eq!(read(&flow).await.expect("room again").totals.new, 1);
}

#[tokio::test]
async fn a_long_queue_holds_intake_until_deliveries_have_made_it_shorter() {
    let test = TestFlow::new().await;
    let flow = with_gate(&test, Disk::with(PLENTY).gate(LIMITS));
    test.origin.give(document("a", &[lotto(1, "a"), lotto(2, "b"), lotto(3, "c")]));
    read(&flow).await.expect("the queue is empty");
    test.origin.give(document("b", &[lotto(4, "d")]));
    test.clock.advance(Duration::from_secs(5));
    let held = read(&flow).await.expect_err("three deliveries are open");
    assert!(matches!(held, FlowError::Held(Hold::Queue { open: 3, .. })), "{held:?}");

    test.work().await;
    test.clock.advance(Duration::from_secs(5));
    assert_eq!(read(&flow).await.expect("delivered").totals.new, 1);
}

#[tokio::test]
async fn a_read_under_way_waits_for_room_and_loses_nothing() {
    let test = TestFlow::new().await;
    // Looked at before the read and before each batch: it is short from the second batch on.
    let flow = with_gate(&test, gate_over_time(&[PLENTY, PLENTY, 1, 1, PLENTY]));
    test.origin.give(long_document());
    let begun = Instant::now();
    let totals = read(&flow).await.expect("it waited").totals;
    assert!(begun.elapsed() >= Duration::from_secs(2), "it did not wait: {:?}", begun.elapsed());
    assert_eq!(totals.new, 2 * BATCH as u64 + BATCH as u64 / 2);
    assert!(totals.balanced());
}

#[tokio::test]
async fn a_read_whose_patience_ends_is_incomplete_and_begins_again_where_the_last_one_ended() {
    let test = TestFlow::new().await;
    let flow = with_gate(&test, gate_over_time(&[PLENTY, PLENTY, 1]).with_patience(Duration::ZERO));
    test.origin.give(long_document());
    let held = read(&flow).await.expect_err("no room");
    assert!(matches!(held, FlowError::Held(Hold::Disk { .. })), "{held:?}");
    assert_eq!(lotti(&flow).await, BATCH as u64, "what was stored stays");
    assert_eq!(flow.store.cursor(&origin()).await.expect("a look"), None, "the cursor is where it was");

    test.origin.give(long_document());
    let totals = read(&test.flow).await.expect("room again").totals;
    assert_eq!((totals.unchanged, totals.new), (BATCH as u64, BATCH as u64 + BATCH as u64 / 2));
    assert_eq!(flow.store.cursor(&origin()).await.expect("a look").as_deref(), Some("the end"));
}

#[tokio::test]
async fn the_schedule_waits_while_intake_is_held_and_goes_on_by_itself() {
    let test = TestFlow::new().await;
    let disk = Disk::with(1);
    let flow = with_gate(&test, disk.gate(LIMITS));
    test.origin.give(document("a", &[lotto(1, "una scuola")]));
    let schedule = schedule::start(&flow, &ScheduleConfig::default(), &ReconciliationConfig::default());
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(lotti(&flow).await, 0);
    disk.set(PLENTY);
    let end = Instant::now() + Duration::from_secs(20);
    while lotti(&flow).await == 0 {
        assert!(Instant::now() < end, "it never went on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    schedule.stop().await;
}

#[tokio::test]
async fn deliveries_go_on_in_the_reserve_and_stop_only_when_it_ends() {
    let test = TestFlow::new().await;
    test.read("a", &[lotto(1, "una scuola")]).await;
    let disk = Disk::with(249);
    let flow = with_gate(&test, disk.gate(LIMITS));
    let workers = jobs::start(&flow, 2, Duration::from_secs(90));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(test.target.attempts(), 0, "an outcome could not be written");

    disk.set(250);
    assert!(flow.hold().await.expect("a look").is_some(), "intake is held all the same");
    workers.until_quiet(Duration::ZERO).await;
    assert_eq!(test.effects().len(), 1);
    workers.stop().await;
}

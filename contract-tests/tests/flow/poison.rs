//! A record that stops the program stands aside at once, with the reason, and its neighbours go on.
//! What stops the reading of a source is beside the other promises of a source, in `flow.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use crate::bench::{TestFlow, lotto, unit};
use crate::wrapped::Wrapped;
use raccordo::delivery::DeliveryState;
use raccordo::flow::deliver::gate::{Entry, Gate, TargetHealth};
use raccordo::jobs;

/// Delivers three lots to another target in the place of the usual one.
async fn deliver_three(to: impl FnOnce(Wrapped) -> Wrapped) -> TestFlow {
    let mut test = TestFlow::new().await;
    let target = to(Wrapped::around(&test.target));
    let mut systems = (*test.flow.systems).clone();
    systems.insert("target".to_owned(), Arc::new(target));
    test.flow.systems = Arc::new(systems);
    read_three(&test).await;
    test.work().await;
    test
}

async fn read_three(test: &TestFlow) {
    let lines: Vec<String> = (1..=3).map(|number| lotto(number, "una scuola")).collect();
    test.read("a", &lines).await;
}

fn delivered(test: &TestFlow) -> Vec<String> {
    let mut units: Vec<String> = test.effects().into_iter().map(|(unit, _)| unit).collect();
    units.sort();
    units
}

async fn expect_second_parked(test: &TestFlow, because: &str) {
    assert_eq!(delivered(test), [unit(1).0, unit(3).0]);
    let delivery = test.delivery(2).await;
    assert_eq!(delivery.state, DeliveryState::Parked { reason: because.to_owned(), in_doubt: false });
    assert!(delivery.attempts.is_empty(), "nothing was tried again and again");
}

#[tokio::test]
async fn a_record_that_stops_the_composition_is_parked_at_once() {
    let test = deliver_three(|target| Wrapped { panics_in_compose: Some(unit(2)), ..target }).await;
    expect_second_parked(&test, "the mapping stopped on this unit").await;
}

#[tokio::test]
async fn a_record_that_stops_the_check_of_the_order_of_steps_is_parked_at_once() {
    let test = deliver_three(|target| Wrapped { panics_in_admit: Some(unit(2)), ..target }).await;
    expect_second_parked(&test, "the check of the order of steps stopped on this unit").await;
}

#[tokio::test]
async fn a_record_that_stops_the_placement_is_withheld_at_once() {
    let test = deliver_three(|target| Wrapped { panics_in_place: Some(unit(2)), ..target }).await;
    assert_eq!(delivered(&test), [unit(1).0, unit(3).0]);
    let overview = test.flow.store.overview().await.expect("counts");
    assert_eq!(overview.withheld["target"]["mapping_stopped"], 1);
}

/// Stops the worker that comes first.
#[derive(Debug)]
struct Cracked {
    gates: Arc<dyn Gate>,
    is_whole: AtomicBool,
}

#[async_trait]
impl Gate for Cracked {
    async fn enter(&self, target: &str, parallel_requests: u16) -> Entry {
        assert!(self.is_whole.swap(true, Ordering::SeqCst), "a panic was asked for");
        self.gates.enter(target, parallel_requests).await
    }

    fn health(&self) -> Vec<TargetHealth> {
        self.gates.health()
    }
}

#[tokio::test]
async fn a_delivery_that_stops_its_worker_is_parked_at_once() {
    let mut test = TestFlow::new().await;
    test.flow.gates = Arc::new(Cracked { gates: test.flow.gates.clone(), is_whole: AtomicBool::new(false) });
    read_three(&test).await;
    let workers = jobs::start(&test.flow, 2, Duration::from_secs(75));
    workers.until_quiet(Duration::from_mins(1)).await;
    workers.stop().await;
    assert_eq!(delivered(&test).len(), 2, "its neighbours went on");
    let mut parked = Vec::new();
    for number in 1..=3 {
        if let DeliveryState::Parked { reason, .. } = test.delivery(number).await.state {
            parked.push(reason);
        }
    }
    assert_eq!(parked, ["a delivery stopped the program: a developer must look"]);
}

//! What stands in quarantine is read again with other mappings.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use contract::{Adapter, AdapterError, Capability, Normalized, RawRecord, RawSink, ReadRequest, Source};
use raccordo::delivery::DeliveryState;
use raccordo::flow::replay::{Replayed, replay_records};
use raccordo::flow::{Flow, FlowError, Systems};
use raccordo::storage::{ParkedFilter, Person, Stored};
use simulated::{PANIC, SET_ASIDE, Simulated};

use crate::bench::{TestFlow, lotto, unit};

/// The same system with a mapping that understands what the simulated one does not.
struct Improved(Simulated);

#[async_trait]
impl Source for Improved {
    async fn read(&self, request: ReadRequest, sink: RawSink) -> Result<(), AdapterError> {
        self.0.read(request, sink).await
    }

    fn normalize(&self, raw: &RawRecord) -> Normalized {
        assert_eq!(raw.document.format, simulated::header("a", &[]).format, "the document is known");
        let text = raw.text.replace(SET_ASIDE, "").replace(PANIC, "");
        self.0.normalize(&RawRecord { text, ..raw.clone() })
    }
}

impl Adapter for Improved {
    fn capability(&self) -> Capability {
        self.0.capability()
    }

    fn source(&self) -> Option<&dyn Source> {
        Some(self)
    }
}

fn improved(test: &TestFlow) -> Flow {
    let mut systems: Systems = BTreeMap::clone(&test.flow.systems);
    systems.insert("origin".to_owned(), Arc::new(Improved(test.origin.clone())));
    Flow { systems: Arc::new(systems), ..test.flow.clone() }
}

fn maria() -> Person {
    Person { name: "maria".to_owned(), reason: "nuova mappatura".to_owned() }
}

async fn waiting(flow: &Flow) -> Vec<i64> {
    let items = flow.store.parked(&ParkedFilter::default(), None, 100).await.expect("a list");
    items.iter().map(|item| item.id.number).collect()
}

#[tokio::test]
async fn a_record_is_understood_with_better_mappings_and_delivered() {
    let test = TestFlow::new().await;
    let lines = [format!("{} {SET_ASIDE}", lotto(1, "una scuola")), format!("{PANIC} {}", lotto(2, "un ponte"))];
    let totals = test.read("a", &lines).await;
    assert_eq!(totals.quarantined, 2);
    test.work().await;
    assert!(test.effects().is_empty());

    let numbers = waiting(&test.flow).await;
    let still = replay_records(&test.flow, &numbers, &maria()).await.expect("read again");
    assert!(still.iter().all(|replayed| replayed.stored == Stored::Quarantined && replayed.set_aside.is_some()));
    assert_eq!(waiting(&test.flow).await, numbers, "with the same mappings they stay");

    let flow = improved(&test);
    let replayed = replay_records(&flow, &numbers, &maria()).await.expect("read again");
    let new = |number| Replayed { number, stored: Stored::New, set_aside: None };
    assert_eq!(replayed, [new(numbers[0]), new(numbers[1])]);
    assert!(waiting(&flow).await.is_empty());
    test.work().await;
    assert_eq!(test.effects(), [(unit(1).0, 1), (unit(2).0, 1)]);
    assert_eq!(test.delivery(1).await.state, DeliveryState::Acknowledged);
    assert!(replay_records(&flow, &numbers, &maria()).await.expect("nothing to do").is_empty());
}

#[tokio::test]
async fn what_was_said_later_is_not_undone_by_an_older_line() {
    let test = TestFlow::new().await;
    test.read("a", &[format!("{} {SET_ASIDE}", lotto(1, "una scuola"))]).await;
    test.read("b", &[lotto(1, "due scuole")]).await;
    let numbers = waiting(&test.flow).await;
    let replayed = replay_records(&improved(&test), &numbers, &maria()).await.expect("read again");
    assert_eq!(replayed[0].stored, Stored::Unchanged, "understood, and nothing new");
    assert!(waiting(&test.flow).await.is_empty());
    test.work().await;
    assert_eq!(test.effects(), [(unit(1).0, 1)]);
}

#[tokio::test]
async fn a_source_that_is_not_configured_any_more_is_named() {
    let test = TestFlow::new().await;
    test.read("a", &[SET_ASIDE.to_owned()]).await;
    let flow = test.with_systems(&["target"]);
    let error = replay_records(&flow, &waiting(&flow).await, &maria()).await.expect_err("nobody understands it");
    assert!(matches!(error, FlowError::UnknownSystem { system, .. } if system == "origin"));
    assert_eq!(waiting(&flow).await.len(), 1);
}

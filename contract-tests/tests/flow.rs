//! Promises of the whole flow, on a system in memory, with a clock that moves by hand.

#[path = "flow/answers.rs"]
mod answers;
#[path = "flow/bench.rs"]
mod bench;
#[path = "flow/digests.rs"]
mod digests;
#[path = "flow/doubt.rs"]
mod doubt;
#[path = "flow/gates.rs"]
mod gates;
#[path = "flow/liars.rs"]
mod liars;
#[path = "flow/lists.rs"]
mod lists;
#[path = "flow/poison.rs"]
mod poison;
#[path = "flow/pressure.rs"]
mod pressure;
#[path = "flow/replay.rs"]
mod replay;
#[path = "flow/waiting.rs"]
mod waiting;
#[path = "flow/walk.rs"]
mod walk;
#[path = "flow/work_items.rs"]
mod work_items;
#[path = "flow/wrapped.rs"]
mod wrapped;

use std::sync::Arc;
use std::time::Duration;

use bench::{TestFlow, lotto, unit};
use canonical::{Rule, SourceName};
use contract::{FieldValue, RawRecord, Received, Row, UnitKey};
use raccordo::clock::Clock;
use raccordo::delivery::DeliveryState;
use raccordo::discrepancy::Shape;
use raccordo::flow::{deliver, intake, reconcile, route};
use raccordo::storage::{ClaimRequest, Fenced, Intent, JobEnd, JobSubject, RunKind, Verdict};
use simulated::{Fault, PANIC, SET_ASIDE, document, header};

#[tokio::test]
async fn a_new_record_is_delivered_once_and_reading_it_again_changes_nothing() {
    let test = TestFlow::new().await;
    let first = test.read("a", &[lotto(1, "una scuola"), lotto(2, "un ponte")]).await;
    assert_eq!((first.read, first.new), (2, 2));
    test.work().await;
    assert_eq!(test.effects().len(), 2);

    let second = test.read("a", &[lotto(1, "una scuola"), lotto(2, "un ponte")]).await;
    assert_eq!((second.read, second.new, second.unchanged), (2, 0, 2));
    test.work().await;
    assert_eq!(test.effects().len(), 2, "nothing is delivered twice");
    assert_eq!(test.target.attempts(), 2);
}

#[tokio::test]
async fn a_lost_answer_is_observed_and_has_one_effect() {
    let test = TestFlow::new().await;
    test.target.on_send([Fault::LoseAnswer]);
    test.read("a", &[lotto(1, "una scuola")]).await;
    test.work().await;
    assert_eq!(test.effects(), [(unit(1).0, 1)]);
    assert_eq!(test.target.attempts(), 1, "it was asked, not sent again");
    assert_eq!(test.delivery(1).await.state, DeliveryState::Acknowledged);
}

#[tokio::test]
async fn a_lost_request_is_sent_again_only_after_asking() {
    let test = TestFlow::new().await;
    test.target.on_send([Fault::LoseRequest]);
    test.read("a", &[lotto(1, "una scuola")]).await;
    test.work().await;
    assert_eq!(test.effects(), [(unit(1).0, 1)]);
    let attempts = test.delivery(1).await.attempts;
    assert_eq!(attempts.len(), 2);
    assert_eq!(attempts[0].idempotency_key, attempts[1].idempotency_key);
    assert!(attempts.iter().all(|attempt| attempt.finished_at.is_some()));
}

#[tokio::test]
async fn a_target_that_cannot_be_asked_keeps_the_delivery_in_doubt() {
    let test = TestFlow::new().await;
    test.target.on_send([Fault::LoseAnswer]);
    test.target.on_look_up([Fault::Unavailable, Fault::Unavailable]);
    test.read("a", &[lotto(1, "una scuola")]).await;
    test.step().await;
    assert!(matches!(test.delivery(1).await.state, DeliveryState::InDoubt { .. }));
    test.work().await;
    assert_eq!(test.effects(), [(unit(1).0, 1)]);
    assert_eq!(test.target.attempts(), 1);
}

#[tokio::test]
async fn a_process_that_dies_while_sending_leaves_a_doubt_and_no_second_effect() {
    let test = TestFlow::new().await;
    test.read("a", &[lotto(1, "una scuola")]).await;
    // Claim, commit the intent, let the effect happen, and die before the outcome is written.
    let now = test.clock.now();
    let lease_until = raccordo::clock::after(now, Duration::from_secs(90));
    let round = test.flow.store.round(&[], ClaimRequest { limit: 1, now, lease_until }).await.expect("a round");
    let job = &round.claimed[0];
    let JobSubject::Deliver(delivery) = job.subject else { panic!("an unexpected job") };
    let loaded = test.flow.store.load(delivery).await.expect("loaded").expect("it exists");
    let target = test.flow.systems["target"].target().expect("a target");
    let composed = target.compose(&loaded.unit, 1, &loaded.members).expect("composed");
    let shipment = contract::Shipment {
        unit: loaded.unit.clone(),
        revision: 1,
        idempotency_key: deliver::idempotency_key("target", &loaded.unit, 1),
        body: composed.body,
        previous_receipt: None,
    };
    let intent = Intent { delivery, lease: job.lease, shipment: shipment.clone() };
    let begun = test.flow.store.begin_attempt(intent, now).await.expect("begun");
    assert!(matches!(begun, Fenced::Done(_)));
    target.send(&shipment).await.expect("the effect happened");

    test.clock.advance(Duration::from_secs(91));
    assert_eq!(test.flow.store.expire(test.clock.now(), 5).await.expect("expired"), 1);
    test.work().await;
    assert_eq!(test.effects(), [(unit(1).0, 1)]);
    assert_eq!(test.delivery(1).await.state, DeliveryState::Acknowledged);
}

#[tokio::test]
async fn a_refused_delivery_waits_for_a_new_version() {
    let test = TestFlow::new().await;
    test.target.on_send([Fault::Refuse("no_cpv".to_owned())]);
    test.read("a", &[lotto(1, "una scuola"), lotto(2, "un ponte")]).await;
    test.work().await;
    let refused = test.delivery(1).await;
    let other = test.delivery(2).await;
    let states = [refused.state.name(), other.state.name()];
    assert!(states.contains(&"refused") && states.contains(&"acknowledged"), "its neighbour goes on: {states:?}");

    test.read("b", &[lotto(1, "una scuola nuova"), lotto(2, "un ponte nuovo")]).await;
    test.work().await;
    for number in [1, 2] {
        let delivery = test.delivery(number).await;
        assert_eq!(delivery.state, DeliveryState::Acknowledged);
        assert_eq!(delivery.held_revision, 2);
    }
}

#[tokio::test]
async fn several_changes_before_a_delivery_are_one_delivery() {
    let test = TestFlow::new().await;
    test.read("a", &[lotto(1, "una scuola")]).await;
    test.read("b", &[lotto(1, "una scuola media")]).await;
    test.read("c", &[lotto(1, "una scuola superiore")]).await;
    test.work().await;
    assert_eq!(test.effects().len(), 1);
    let body = String::from_utf8(test.target.effects()[0].body.clone()).expect("UTF-8");
    assert!(body.contains("una scuola superiore"), "{body}");
}

#[tokio::test]
async fn a_pause_asked_by_the_target_is_never_undercut() {
    let test = TestFlow::new().await;
    test.target.on_send([Fault::RateLimit(Duration::from_secs(30))]);
    test.read("a", &[lotto(1, "una scuola")]).await;
    test.work().await;
    let attempts = test.delivery(1).await.attempts;
    let pause = raccordo::clock::between(attempts[0].finished_at.expect("ended"), attempts[1].started_at);
    assert!(pause >= Duration::from_secs(30), "{pause:?}");
}

#[tokio::test]
async fn an_adapter_that_panics_while_sending_is_in_doubt_and_its_neighbours_go_on() {
    let test = TestFlow::new().await;
    test.target.on_send([Fault::Panic]);
    test.read("a", &[lotto(1, "una scuola"), lotto(2, "un ponte")]).await;
    test.work().await;
    assert_eq!(test.effects().len(), 2);
}

#[tokio::test]
async fn a_record_that_panics_the_mapping_is_set_aside_not_dropped() {
    let test = TestFlow::new().await;
    let totals =
        test.read("a", &[lotto(1, "una scuola"), PANIC.to_owned(), SET_ASIDE.to_owned(), lotto(2, "un ponte")]).await;
    assert_eq!((totals.read, totals.new, totals.quarantined), (4, 2, 2));
    let again =
        test.read("a", &[lotto(1, "una scuola"), PANIC.to_owned(), SET_ASIDE.to_owned(), lotto(2, "un ponte")]).await;
    assert_eq!((again.unchanged, again.quarantined), (2, 2));
    assert_eq!(test.flow.store.overview().await.expect("facts").quarantined, 2, "once each");
    test.work().await;
    assert_eq!(test.effects().len(), 2);
}

#[tokio::test]
async fn an_interrupted_read_keeps_what_it_read_and_goes_on_later() {
    let test = TestFlow::new().await;
    let lines = [lotto(1, "a"), lotto(2, "b"), lotto(3, "c")];
    test.origin.give(document("a", &lines));
    test.origin.fail_read_after(Some(3));
    let source = SourceName::parse("origin").expect("a name");
    let interrupted = intake::read_source(&test.flow, &source, RunKind::Sync, None, &|_| ()).await;
    assert!(interrupted.is_err(), "the source broke");
    test.origin.fail_read_after(None);
    let totals = test.give(document("a", &lines)).await;
    assert_eq!((totals.read, totals.new, totals.unchanged), (3, 1, 2));
    test.work().await;
    assert_eq!(test.effects().len(), 3);
}

#[tokio::test]
async fn a_settled_job_that_runs_again_does_nothing() {
    let test = TestFlow::new().await;
    test.read("a", &[lotto(1, "una scuola")]).await;
    test.work().await;
    let delivery = test.delivery(1).await;
    let lease = raccordo::storage::Lease { job: raccordo::storage::JobId(1), token: -1 };
    let end = deliver::deliver(&test.flow, delivery.id, lease).await.expect("looked");
    assert_eq!(end, JobEnd::Done);
    assert_eq!(test.target.attempts(), 1);
}

#[tokio::test]
async fn a_new_revision_begins_with_new_patience() {
    let test = TestFlow::new().await;
    test.read("a", &[lotto(1, "una scuola")]).await;
    test.work().await;
    test.clock.advance(Duration::from_hours(80));
    test.target.on_send([Fault::Unreachable]);
    test.read("b", &[lotto(1, "una scuola media")]).await;
    test.work().await;
    assert_eq!(test.delivery(1).await.state, DeliveryState::Acknowledged);
}

#[tokio::test]
async fn a_target_that_is_added_later_receives_what_the_others_hold() {
    let test = TestFlow::new().await;
    let alone = test.with_systems(&["origin"]);
    test.origin.give(document("a", &[lotto(1, "una scuola"), lotto(2, "un ponte")]));
    let source = SourceName::parse("origin").expect("a name");
    route::route_again(&alone).await.expect("routed");
    intake::read_source(&alone, &source, RunKind::Sync, None, &|_| ()).await.expect("read");
    assert_eq!(test.step().await, 0, "nobody to deliver to");

    assert_eq!(route::route_again(&test.flow).await.expect("routed"), 2);
    assert_eq!(route::route_again(&test.flow).await.expect("routed"), 0, "once is enough");
    test.work().await;
    assert_eq!(test.effects().len(), 2);
    let result = reconcile::reconcile(&test.flow, "target", false).await.expect("compared");
    assert_eq!(result.counts.equal, 2);
}

#[tokio::test]
async fn a_target_that_is_not_configured_for_a_while_loses_nothing() {
    let test = TestFlow::new().await;
    test.read("a", &[lotto(1, "una scuola")]).await;
    test.work().await;
    let alone = test.with_systems(&["origin"]);
    test.origin.give(document("b", &[lotto(1, "una scuola media")]));
    let source = SourceName::parse("origin").expect("a name");
    route::route_again(&alone).await.expect("routed");
    intake::read_source(&alone, &source, RunKind::Sync, None, &|_| ()).await.expect("read");

    route::route_again(&test.flow).await.expect("routed");
    test.read("b", &[lotto(1, "una scuola media")]).await;
    test.work().await;
    let result = reconcile::reconcile(&test.flow, "target", false).await.expect("compared");
    assert_eq!((result.counts.expected, result.counts.equal), (1, 1), "{result:?}");
    let held = test.target.held();
    assert!(held[0].1[0].fields.values().any(|value| value.to_string() == "una scuola media"), "{held:?}");
}

#[tokio::test]
async fn what_was_refused_is_a_difference_and_repair_asks_again() {
    let test = TestFlow::new().await;
    test.target.on_send([Fault::Refuse("no_cpv".to_owned())]);
    test.read("a", &[lotto(1, "una scuola")]).await;
    test.work().await;
    let result = reconcile::reconcile(&test.flow, "target", true).await.expect("compared");
    assert_eq!(result.verdict(), Verdict::Differ);
    test.work().await;
    assert_eq!(test.delivery(1).await.state, DeliveryState::Acknowledged);
}

#[tokio::test]
async fn a_document_dated_in_the_future_does_not_freeze_its_records() {
    let test = TestFlow::new().await;
    let mut dated = header("a", &[]);
    dated.as_of = Some(contract_tests::records::day("2099-01-01"));
    let line = lotto(1, "una scuola");
    let record = RawRecord { document: Arc::new(dated.clone()), line: 1, occurrence: 0, text: line };
    test.give(vec![Received::Begin(Arc::new(dated)), Received::Record(record), Received::End]).await;
    let later = test.read("b", &[lotto(1, "una scuola media")]).await;
    assert_eq!(later.new, 1);
    test.work().await;
}

#[tokio::test]
async fn both_sides_agree_after_delivery() {
    let test = TestFlow::new().await;
    test.target.set_page_size(2);
    let lines: Vec<String> = (1..=7).map(|number| lotto(number, "una scuola")).collect();
    test.read("a", &lines).await;
    test.work().await;
    let result = reconcile::reconcile(&test.flow, "target", false).await.expect("compared");
    assert!(result.complete && result.discrepancies.is_empty(), "{result:?}");
    assert_eq!((result.counts.expected, result.counts.equal), (7, 7));
}

#[tokio::test]
async fn what_was_changed_lost_or_added_there_is_found_with_its_rule_and_repaired() {
    let test = TestFlow::new().await;
    let lines: Vec<String> = (1..=5).map(|number| lotto(number, "una scuola")).collect();
    test.read("a", &lines).await;
    test.work().await;
    let key = test.target.held()[0].1[0].fields.keys().find(|key| key.contains("oggetto")).expect("the object").clone();
    assert!(test.target.tamper(&unit(1), &key, Some(&FieldValue::Text("un ponte".to_owned()))));
    assert!(test.target.forget(&unit(2)));
    test.target.plant(UnitKey("lotto/Z".to_owned()), vec![Row::new("Z")]);

    let result = reconcile::reconcile(&test.flow, "target", true).await.expect("compared");
    let found: Vec<_> =
        result.discrepancies.iter().map(|found| (found.rule, found.shape, UnitKey(found.unit.clone()))).collect();
    assert_eq!(
        found,
        [
            (Rule::R12, Shape::Differs, unit(1)),
            (Rule::R01, Shape::MissingThere, unit(2)),
            (Rule::R01, Shape::MissingHere, UnitKey("lotto/Z".to_owned())),
        ]
    );
    test.work().await;
    test.target.forget(&UnitKey("lotto/Z".to_owned()));
    let again = reconcile::reconcile(&test.flow, "target", true).await.expect("compared");
    assert!(again.discrepancies.is_empty(), "{again:?}");
    assert_eq!(again.counts.equal, 5);
}

#[tokio::test]
async fn a_side_that_was_not_read_completely_makes_nothing_missing() {
    for offers_digests in [true, false] {
        let test = TestFlow::new().await;
        test.target.offer_digests(offers_digests);
        test.target.set_page_size(2);
        let lines: Vec<String> = (1..=6).map(|number| lotto(number, "una scuola")).collect();
        test.read("a", &lines).await;
        test.work().await;
        // What equal digests say is said in one answer: something must differ for a second question.
        test.target.forget(&unit(6));
        test.target.fail_inventory_after(Some(1));
        let result = reconcile::reconcile(&test.flow, "target", true).await.expect("compared");
        assert!(!result.complete && result.incomplete_because.is_some(), "digests: {offers_digests}");
        assert_eq!((result.counts.missing_there, result.discrepancies.len()), (0, 0), "digests: {offers_digests}");
        assert_eq!(test.step().await, 0, "nothing is repaired on half a view");
    }
}

#[tokio::test]
async fn a_delivery_on_its_way_is_skipped_and_not_called_missing() {
    let test = TestFlow::new().await;
    test.read("a", &[lotto(1, "una scuola")]).await;
    let result = reconcile::reconcile(&test.flow, "target", false).await.expect("compared");
    assert_eq!((result.counts.on_its_way, result.counts.missing_there), (1, 0));
    test.work().await;
}

//! Discrepancies as work, over whole cycles: they are found, repaired, and gone.

use std::time::Duration;

use canonical::values::Importo;
use contract::{FieldValue, Row, UnitKey};
use contract_tests::shared_postgres::SharedDatabase;
use raccordo::clock::Clock as _;
use raccordo::discrepancy::{SOURCES, State};
use raccordo::flow::reconcile::{self, Policy, repair};
use raccordo::flow::{Flow, FlowError};
use raccordo::storage::work_items::{Act, SILENCE};
use raccordo::storage::{Chosen, Decision, EventKind, ItemFilter, Person, RunKind, StateFilter, Verdict, postgres};

use crate::bench::{TestFlow, lotto, unit};

fn person(name: &str) -> Person {
    Person { name: name.to_owned(), reason: "verificato".to_owned() }
}

fn all() -> Chosen {
    Chosen::Filter(Box::default())
}

async fn delivered(count: u32) -> TestFlow {
    delivered_by(TestFlow::new().await, count).await
}

async fn delivered_by(test: TestFlow, count: u32) -> TestFlow {
    test.target.set_page_size(3);
    let lines: Vec<String> = (1..=count).map(|number| lotto(number, "una scuola")).collect();
    test.read("a", &lines).await;
    test.work().await;
    test
}

fn object_of(test: &TestFlow) -> String {
    test.target.held()[0].1[0].fields.keys().find(|key| key.contains("oggetto")).expect("the object").clone()
}

async fn open(flow: &Flow) -> u64 {
    let filter = ItemFilter { state: StateFilter::Open, ..ItemFilter::default() };
    flow.store.count_items(&filter).await.expect("a count")
}

#[tokio::test]
async fn two_cycles_mend_every_planted_divergence_and_a_third_changes_nothing() {
    converges(TestFlow::new().await).await;
}

#[tokio::test]
async fn two_cycles_converge_on_postgresql_too() {
    let database = SharedDatabase::fresh();
    let store = postgres::open(&database.url, None).await.expect("a database");
    let folder = tempfile::tempdir().expect("a folder");
    converges(TestFlow::over(store.clone(), folder)).await;
    store.close().await;
}

async fn converges(test: TestFlow) {
    let test = delivered_by(test, 20).await;
    let object = object_of(&test);
    for number in 1..=6 {
        assert!(test.target.tamper(&unit(number), &object, Some(&FieldValue::Text(format!("altro {number}")))));
    }
    assert!(test.target.tamper(&unit(7), &object, None));
    for number in 8..=12 {
        assert!(test.target.forget(&unit(number)));
    }
    let first = reconcile::compare(&test.flow, "target", true).await.expect("compared");
    assert_eq!((first.verdict(), first.changes.opened, first.standing.open), (Verdict::Differ, 12, 12));
    test.work().await;
    let second = reconcile::compare(&test.flow, "target", true).await.expect("compared");
    assert_eq!((second.verdict(), second.changes.closed, second.standing.open), (Verdict::Agree, 12, 0));
    let effects = test.effects().len();
    test.work().await;
    let third = reconcile::compare(&test.flow, "target", true).await.expect("compared");
    assert_eq!(third.changes, raccordo::storage::Changes::default());
    assert_eq!((third.verdict(), third.counts.equal), (Verdict::Agree, 20));
    test.work().await;
    assert_eq!(test.effects().len(), effects, "nothing is sent when nothing differs");
}

#[tokio::test]
async fn a_run_that_breaks_off_closes_nothing_and_calls_nothing_missing() {
    let test = delivered(9).await;
    assert!(test.target.forget(&unit(1)));
    reconcile::compare(&test.flow, "target", false).await.expect("compared");
    assert_eq!(open(&test.flow).await, 1);
    test.target.forget(&unit(9));
    test.target.fail_inventory_after(Some(1));
    let broken = reconcile::compare(&test.flow, "target", true).await.expect("compared");
    assert_eq!((broken.verdict(), broken.changes.closed, broken.changes.opened), (Verdict::Incomplete, 0, 0));
    assert_eq!(open(&test.flow).await, 1);
    assert_eq!(test.step().await, 0, "nothing is repaired on half a view");
}

#[tokio::test]
async fn a_killed_run_goes_on_behind_the_last_unit_that_it_noted() {
    let test = delivered(7).await;
    let object = object_of(&test);
    for number in 1..=7 {
        assert!(test.target.tamper(&unit(number), &object, Some(&FieldValue::Text("altro".to_owned()))));
    }
    // What a run leaves that was killed after its third unit, on the second page of the target.
    let held: Vec<_> = test.target.held().into_iter().map(|(key, _)| key).collect();
    let killed = test.flow.store.begin_comparison("target", test.clock.now()).await.expect("it begins");
    let counts = r#"{"expected":3,"observed":3,"equal":0,"different":3,"explained":0,"missing_there":0,"missing_here":0,"on_its_way":0,"stopped":0}"#;
    let progress =
        format!(r#"{{"place":{{"after":"{}","page":null}},"counts":{counts},"rules":{{"R12":3}}}}"#, held[2]);
    test.flow.store.note_discrepancies(&killed, &[], &progress, test.clock.now()).await.expect("noted");
    let early = reconcile::compare(&test.flow, "target", false).await;
    assert!(matches!(early, Err(FlowError::UnderWay { .. })), "{early:?}");
    test.clock.advance(SILENCE);
    let result = reconcile::compare(&test.flow, "target", false).await.expect("compared");
    assert_eq!((result.counts.expected, result.counts.different, result.changes.seen), (7, 7, 4));
    assert_eq!(result.rules.get("R12"), Some(&7));
}

#[tokio::test]
async fn what_is_on_its_way_keeps_its_work_item_until_it_is_seen_again() {
    let test = delivered(3).await;
    assert!(test.target.forget(&unit(1)));
    reconcile::compare(&test.flow, "target", true).await.expect("compared");
    let on_its_way = reconcile::compare(&test.flow, "target", false).await.expect("compared");
    assert_eq!((on_its_way.changes.closed, on_its_way.standing.open, on_its_way.counts.on_its_way), (0, 1, 1));
    test.work().await;
    let mended = reconcile::compare(&test.flow, "target", false).await.expect("compared");
    assert_eq!((mended.changes.closed, mended.verdict()), (1, Verdict::Agree));
}

#[tokio::test]
async fn what_a_person_accepted_is_no_difference_until_it_changes() {
    let test = delivered(2).await;
    let object = object_of(&test);
    assert!(test.target.tamper(&unit(1), &object, Some(&FieldValue::Text("altro".to_owned()))));
    reconcile::compare(&test.flow, "target", false).await.expect("compared");
    let accept = Decision { act: Act::Accept { until: None }, by: person("Anna") };
    test.flow.store.decide(&accept, &all(), test.clock.now()).await.expect("decided");
    let accepted = reconcile::compare(&test.flow, "target", false).await.expect("compared");
    assert_eq!((accepted.verdict(), accepted.standing.accepted), (Verdict::Agree, 1));
    assert!(test.target.tamper(&unit(1), &object, Some(&FieldValue::Text("altro ancora".to_owned()))));
    let changed = reconcile::compare(&test.flow, "target", false).await.expect("compared");
    assert_eq!((changed.verdict(), changed.standing.open), (Verdict::Differ, 1));
}

#[tokio::test]
async fn a_repair_is_shown_field_by_field_and_then_done() {
    let test = delivered(3).await;
    let object = object_of(&test);
    assert!(test.target.tamper(&unit(1), &object, Some(&FieldValue::Text("altro".to_owned()))));
    test.target.plant(UnitKey("lotto/Z".to_owned()), vec![Row::new("Z")]);
    reconcile::compare(&test.flow, "target", false).await.expect("compared");
    let preview = repair::preview(&test.flow, &all()).await.expect("a preview");
    assert_eq!((preview.chosen, preview.for_people, preview.sent_again), (2, 1, 0));
    let [change] = &preview.changes[..] else { panic!("one change: {preview:?}") };
    assert_eq!((change.holds.as_deref(), change.would_hold.as_deref()), (Some("altro"), Some("una scuola")));
    assert_eq!(test.step().await, 0, "nothing is sent by a preview");

    let done = repair::repair(&test.flow, &all(), &person("Anna")).await.expect("repaired");
    assert_eq!((done.sent_again, done.refused.len()), (1, 0), "{done:?}");
    test.work().await;
    let again = repair::repair(&test.flow, &all(), &person("Anna")).await.expect("repaired");
    assert_eq!(again.sent_again, 0, "both sides agree by now: {again:?}");
    let filter = ItemFilter { key: Some(unit(1).0), ..ItemFilter::default() };
    let item = test.flow.store.items(&filter, None, 1).await.expect("a list").remove(0);
    let history = test.flow.store.item_history(item.id).await.expect("a history");
    assert!(history.iter().any(|event| event.kind == EventKind::Repaired && event.who.as_deref() == Some("Anna")));
}

#[tokio::test]
async fn with_four_eyes_nothing_is_sent_before_a_second_person_approves() {
    let test = delivered(3).await;
    assert!(test.target.forget(&unit(1)));
    reconcile::compare(&test.flow, "target", false).await.expect("compared");
    let flow = Flow { reconciliation: Policy { four_eyes: true, ..Policy::default() }, ..test.flow.clone() };
    let asked = repair::repair(&flow, &all(), &person("Anna")).await.expect("asked");
    assert_eq!((asked.to_approve, asked.sent_again), (1, 0));
    let same = repair::approve(&flow, &all(), &person("Anna")).await.expect("an answer");
    assert_eq!((same.sent_again, same.refused.len()), (0, 1), "{same:?}");
    assert_eq!(test.step().await, 0);
    let other = repair::approve(&flow, &all(), &person("Ugo")).await.expect("approved");
    assert_eq!(other.sent_again, 1, "{other:?}");
    test.work().await;
    let mended = reconcile::compare(&flow, "target", false).await.expect("compared");
    assert_eq!(mended.verdict(), Verdict::Agree);
}

#[tokio::test]
async fn what_waits_for_too_many_working_days_is_told_to_somebody_above_once() {
    let test = delivered(2).await;
    assert!(test.target.forget(&unit(1)));
    let policy = Policy { escalate_after_working_days: Some(2), ..Policy::default() };
    let flow = Flow { reconciliation: policy, ..test.flow.clone() };
    let mut told = Vec::new();
    for _ in 0..12 {
        reconcile::compare(&flow, "target", false).await.expect("compared");
        let item = flow.store.items(&ItemFilter::default(), None, 1).await.expect("a list").remove(0);
        told.push(item.escalated_at);
        test.clock.advance(Duration::from_hours(24));
    }
    assert_eq!((told[0], told[1]), (None, None), "two working days have not passed");
    let first = told.iter().flatten().next().expect("somebody was told");
    assert!(told.iter().flatten().all(|at| at == first), "once: {told:?}");
}

#[tokio::test]
async fn sources_that_say_different_things_are_one_work_item_each_and_agree_again() {
    let test = TestFlow::new().await;
    let mut flow = test.flow.clone();
    let mut systems = (*flow.systems).clone();
    let second = simulated::Simulated::new();
    systems.insert("origin2".to_owned(), std::sync::Arc::new(second.clone()));
    flow.systems = std::sync::Arc::new(systems);
    let amount = |cents| {
        let mut lotto = canonical::kinds::Lotto::new(contract_tests::records::cig(1));
        lotto.importo_totale = Some(Importo::from_cents(cents));
        serde_json::to_string(&canonical::Body::Lotto(lotto)).expect("plain data")
    };
    test.read("a", &[amount(10_000_000)]).await;
    let read = async |name: &str, cents| {
        second.give(simulated::document(name, &[amount(cents)]));
        let source = canonical::SourceName::parse("origin2").expect("a name");
        raccordo::flow::intake::read_source(&flow, &source, RunKind::Sync, None, &|_| ()).await.expect("read");
    };
    read("b", 17_345_600).await;
    let result = reconcile::compare(&flow, SOURCES, false).await.expect("compared");
    assert_eq!((result.verdict(), result.counts.expected), (Verdict::Differ, 1), "{result:?}");
    let items = flow.store.items(&ItemFilter::default(), None, 10).await.expect("a list");
    assert!(items.iter().all(|item| item.discrepancy.comparison == SOURCES), "{items:?}");
    assert!(items.iter().any(|item| item.state == State::Open && item.discrepancy.sides.len() == 2), "{items:?}");
    read("c", 10_000_000).await;
    let result = reconcile::compare(&flow, SOURCES, false).await.expect("compared");
    assert_eq!((result.verdict(), result.standing.open), (Verdict::Agree, 0), "{result:?}");
}

/// A second source that is expected to hold every lot.
async fn with_a_whole_source(test: &TestFlow) -> (Flow, simulated::Simulated) {
    let second = simulated::Simulated::new();
    let mut systems = (*test.flow.systems).clone();
    systems.insert("origin2".to_owned(), std::sync::Arc::new(second.clone()));
    let expects = Some([canonical::Kind::Lotto].into());
    let policy = reconcile::sides::SourcePolicy { expects, ..reconcile::sides::SourcePolicy::default() };
    let sources = std::sync::Arc::new([("origin2".to_owned(), policy)].into());
    let reconciliation = Policy { sources, ..Policy::default() };
    (Flow { systems: std::sync::Arc::new(systems), reconciliation, ..test.flow.clone() }, second)
}

async fn read_second(flow: &Flow) -> Result<(), FlowError> {
    let source = canonical::SourceName::parse("origin2").expect("a name");
    raccordo::flow::intake::read_source(flow, &source, RunKind::Sync, None, &|_| ()).await.map(drop)
}

#[tokio::test]
async fn a_source_that_was_not_read_to_its_end_lacks_nothing_new_and_settles_nothing() {
    let test = TestFlow::new().await;
    let (flow, second) = with_a_whole_source(&test).await;
    test.read("a", &[lotto(1, "una scuola"), lotto(2, "un ponte")]).await;
    second.give(simulated::document("b", &[lotto(1, "una scuola")]));
    second.fail_read_after(Some(2));
    read_second(&flow).await.expect_err("the reading breaks off");
    test.clock.advance(Duration::from_hours(24));
    let unread = reconcile::compare(&flow, SOURCES, false).await.expect("compared");
    assert_eq!(unread.standing.open, 0, "{unread:?}");

    second.fail_read_after(None);
    read_second(&flow).await.expect("read");
    let read = reconcile::compare(&flow, SOURCES, false).await.expect("compared");
    assert_eq!((read.standing.open, read.rules.get("R01")), (1, Some(&1)), "{read:?}");
    let item = flow.store.items(&ItemFilter::default(), None, 1).await.expect("a list").remove(0);
    assert!(item.discrepancy.deadline.is_some() && item.discrepancy.act == raccordo::discrepancy::Act::AskPartner);

    // What was missing is settled by nobody who did not look.
    second.fail_read_after(Some(1));
    read_second(&flow).await.expect_err("the reading breaks off");
    let unread = reconcile::compare(&flow, SOURCES, false).await.expect("compared");
    assert_eq!((unread.changes.closed, unread.standing.open), (0, 1), "{unread:?}");

    second.fail_read_after(None);
    second.give(simulated::document("c", &[lotto(2, "un ponte")]));
    read_second(&flow).await.expect("read");
    let settled = reconcile::compare(&flow, SOURCES, false).await.expect("compared");
    assert_eq!((settled.changes.closed, settled.standing.open), (1, 0), "{settled:?}");
}

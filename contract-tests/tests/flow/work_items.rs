//! Discrepancies as work, over whole cycles: they are found, repaired, and gone.

use std::time::Duration;

use canonical::values::Importo;
use contract::{FieldValue, Row, UnitKey};
use contract_tests::shared_postgres::SharedDatabase;
use raccordo::clock::Clock as _;
use raccordo::discrepancy::{SOURCES, State};
use raccordo::flow::reconcile::{self, Policy, repair};
use raccordo::flow::report::gather;
use raccordo::flow::report::words::Language;
use raccordo::flow::{Flow, FlowError};
use raccordo::storage::work_items::{Act, SILENCE};
use raccordo::storage::{
    AuditChain, Chosen, Decision, EventKind, FieldFilter, ItemFilter, Person, RunKind, StateFilter, Verdict, WorkItems,
    postgres,
};

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
async fn what_a_target_lacks_that_is_configured_no_more_is_nobodys_work_until_it_is_again() {
    let test = delivered(3).await;
    let object = object_of(&test);
    assert!(test.target.forget(&unit(1)));
    assert!(test.target.tamper(&unit(2), &object, Some(&FieldValue::Text("altro".to_owned()))));
    reconcile::compare(&test.flow, "target", false).await.expect("compared");
    let one = test.flow.store.items(&ItemFilter::default(), None, 1).await.expect("a list").remove(0);
    let accept = Decision { act: Act::Accept { until: None }, by: person("Anna") };
    test.flow.store.decide(&accept, &Chosen::Ids(vec![one.id]), test.clock.now()).await.expect("decided");
    let about = async || {
        let (store, now) = (&test.flow.store, test.clock.now());
        let sources = (store.as_ref() as &dyn WorkItems, store.as_ref() as &dyn AuditChain);
        gather::about(sources, &ItemFilter::default(), None, Language::Italian, now).await.expect("facts")
    };
    assert_eq!(about().await.runs.len(), 1);

    let mut systems = (*test.flow.systems).clone();
    systems.remove("target");
    let without = Flow { systems: std::sync::Arc::new(systems), ..test.flow.clone() };
    test.clock.advance(Duration::from_hours(24));
    reconcile::compare(&without, SOURCES, false).await.expect("compared");
    let standing = async || without.store.count_items(&ItemFilter::default()).await.expect("a count");
    assert_eq!(standing().await, 2, "another process may have another configuration");
    test.clock.advance(Duration::from_hours(25));
    reconcile::compare(&without, SOURCES, false).await.expect("compared");
    assert_eq!(standing().await, 0);
    let history = without.store.item_history(one.id).await.expect("a history");
    assert_eq!(history.last().map(|event| event.kind), Some(EventKind::Retired));
    let report = about().await;
    assert_eq!(report.runs.iter().map(|run| run.comparison.as_str()).collect::<Vec<_>>(), [SOURCES]);
    assert!(report.is_complete(), "what is compared was compared to its end");
    assert_eq!(report.trend().last().map(|point| point.open), Some(0));

    let again = reconcile::compare(&test.flow, "target", false).await.expect("compared");
    assert_eq!((again.standing.open, again.standing.accepted, again.changes.reopened), (1, 1, 0), "{again:?}");
    assert_eq!(about().await.runs.len(), 2);
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
    assert!(change.seen_now && change.item.is_some());
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
fn with_a_whole_source(test: &TestFlow) -> (Flow, simulated::Simulated) {
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
    let (flow, second) = with_a_whole_source(&test);
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

#[tokio::test]
async fn a_preview_shows_every_field_of_the_unit_that_differs_now_chosen_or_not() {
    let test = delivered(3).await;
    let object = object_of(&test);
    assert!(test.target.tamper(&unit(1), &object, Some(&FieldValue::Text("altro".to_owned()))));
    reconcile::compare(&test.flow, "target", false).await.expect("compared");
    // Since then the target has changed more of the same unit, and some of another.
    assert!(test.target.tamper(&unit(1), "nota", Some(&FieldValue::Text("di là".to_owned()))));
    assert!(test.target.tamper(&unit(2), &object, Some(&FieldValue::Text("altro".to_owned()))));
    let filter = ItemFilter { field: Some(FieldFilter::Is(object.clone())), ..ItemFilter::default() };
    let preview = repair::preview(&test.flow, &Chosen::Filter(Box::new(filter.clone()))).await.expect("a preview");
    assert_eq!((preview.units, preview.changes_in_all, preview.not_chosen), (1, 2, 1), "{preview:?}");
    let shown =
        |field: &str| preview.changes.iter().find(|change| change.field.as_deref() == Some(field)).expect(field);
    assert!(shown(&object).item.is_some() && shown("nota").item.is_none());
    assert_eq!((shown("nota").holds.as_deref(), shown("nota").would_hold.as_deref()), (Some("di là"), None));
    assert!(preview.changes.iter().all(|change| change.unit == unit(1).0), "the other unit is not sent");

    // What was shown is what happens, all of it and nothing else.
    let before = test.target.held();
    repair::repair(&test.flow, &Chosen::Filter(Box::new(filter)), &person("Anna")).await.expect("repaired");
    test.work().await;
    let after = test.target.held();
    let changed: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
    let [((key, was), (_, is))] = &changed[..] else { panic!("one unit: {changed:?}") };
    assert_eq!(*key, unit(1));
    let fields = |rows: &[Row]| rows.iter().flat_map(|row| row.fields.clone()).collect::<Vec<_>>();
    let (was, is) = (fields(was), fields(is));
    let differing: std::collections::BTreeSet<_> = was
        .iter()
        .filter(|field| !is.contains(field))
        .chain(is.iter().filter(|field| !was.contains(field)))
        .map(|(name, _)| name.clone())
        .collect();
    let promised = preview.changes.iter().filter_map(|change| change.field.clone()).collect();
    assert_eq!(differing, promised);
}

#[tokio::test]
async fn a_repair_whose_process_died_after_the_decision_is_taken_up_by_the_next() {
    let test = delivered(3).await;
    assert!(test.target.forget(&unit(1)));
    assert!(test.target.forget(&unit(2)));
    reconcile::compare(&test.flow, "target", false).await.expect("compared");
    // The decision is on disk, and nothing after it happened.
    let decision = Decision { act: Act::Repair, by: person("Anna") };
    let decided = test.flow.store.decide(&decision, &all(), test.clock.now()).await.expect("decided");
    assert_eq!((decided.changed.len(), test.step().await), (2, 0));
    let resumed = repair::resume(&test.flow).await.expect("taken up");
    assert_eq!((resumed.sent_again, resumed.postponed), (2, 0), "{resumed:?}");
    assert_eq!(repair::resume(&test.flow).await.expect("a look"), repair::Repairs::default(), "once");
    test.work().await;
    let mended = reconcile::compare(&test.flow, "target", false).await.expect("compared");
    assert_eq!(mended.verdict(), Verdict::Agree);
}

#[tokio::test]
async fn a_repair_that_died_behind_its_first_delivery_is_finished_and_sends_nothing_twice() {
    let test = delivered(3).await;
    assert!(test.target.forget(&unit(1)));
    reconcile::compare(&test.flow, "target", false).await.expect("compared");
    repair::repair(&test.flow, &all(), &person("Anna")).await.expect("repaired");
    // As if it had died between the delivery and the note that it ended.
    let decision = Decision { act: Act::Repair, by: person("Anna") };
    test.flow.store.decide(&decision, &all(), test.clock.now()).await.expect("decided");
    let resumed = repair::resume(&test.flow).await.expect("taken up");
    assert_eq!((resumed.sent_again, resumed.refused.len()), (0, 1), "it is on its way: {resumed:?}");
    let before = test.effects().len();
    test.work().await;
    assert_eq!(test.effects().len(), before + 1);
}

#[tokio::test]
async fn a_target_that_cannot_be_read_keeps_the_repair_until_it_can() {
    let test = delivered(9).await;
    assert!(test.target.forget(&unit(9)));
    reconcile::compare(&test.flow, "target", false).await.expect("compared");
    test.target.fail_inventory_after(Some(0));
    let preview = repair::preview(&test.flow, &all()).await.expect("a preview");
    assert!(preview.changes.iter().all(|change| !change.seen_now), "it says so: {preview:?}");
    let tried = repair::repair(&test.flow, &all(), &person("Anna")).await.expect("tried");
    assert_eq!((tried.sent_again, tried.postponed), (0, 1), "{tried:?}");
    test.target.fail_inventory_after(None);
    let resumed = repair::resume(&test.flow).await.expect("taken up");
    assert_eq!((resumed.sent_again, resumed.postponed), (1, 0), "{resumed:?}");
}

#[tokio::test]
async fn whatever_is_open_of_a_target_is_sent_by_a_person_and_what_is_accepted_stays() {
    let test = delivered(6).await;
    let object = object_of(&test);
    for number in 1..=3 {
        assert!(test.target.tamper(&unit(number), &object, Some(&FieldValue::Text("altro".to_owned()))));
    }
    reconcile::compare(&test.flow, "target", false).await.expect("compared");
    let key = ItemFilter { key: Some(unit(1).0), ..ItemFilter::default() };
    let accept = Decision { act: Act::Accept { until: None }, by: person("Ugo") };
    test.flow.store.decide(&accept, &Chosen::Filter(Box::new(key)), test.clock.now()).await.expect("decided");
    let done = repair::repair_target(&test.flow, "target", &person("Anna")).await.expect("repaired");
    assert_eq!((done.sent_again, done.refused.len()), (2, 0), "{done:?}");
    test.work().await;
    let after = reconcile::compare(&test.flow, "target", false).await.expect("compared");
    assert_eq!((after.standing.open, after.standing.accepted), (0, 1));
    let filter = ItemFilter { key: Some(unit(2).0), state: StateFilter::Any, ..ItemFilter::default() };
    let item = test.flow.store.items(&filter, None, 1).await.expect("a list").remove(0);
    let history = test.flow.store.item_history(item.id).await.expect("a history");
    assert!(history.iter().any(|event| event.kind == EventKind::Repaired && event.who.as_deref() == Some("Anna")));
}

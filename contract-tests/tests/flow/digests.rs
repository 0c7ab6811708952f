//! A target that offers digests is compared by them: what is found is what a full walk finds, and only
//! what may differ is read in full.

use std::collections::{BTreeMap, BTreeSet};

use contract::{FieldValue, Row, UnitKey};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use raccordo::clock::Clock as _;
use raccordo::discrepancy::Shape;
use raccordo::flow::FlowError;
use raccordo::flow::reconcile::{self, listing};
use raccordo::storage::work_items::SILENCE;
use raccordo::storage::{Changes, Reconciliation, Verdict};

use crate::bench::{TestFlow, lotto, unit};

/// More than are looked ahead at a time.
const LOTS: u32 = 560;

#[derive(Debug, Clone)]
enum Divergence {
    Changes(u32),
    Loses(u32),
    Forgets(u32),
    Adds(u32),
    HasAnother(String),
}

fn divergence() -> impl Strategy<Value = Divergence> {
    // Close together as well as far apart.
    let lot = prop_oneof![1..=LOTS, 1_u32..20, 500..=LOTS];
    prop_oneof![
        lot.clone().prop_map(Divergence::Changes),
        lot.clone().prop_map(Divergence::Loses),
        lot.clone().prop_map(Divergence::Forgets),
        lot.prop_map(Divergence::Adds),
        "(a|lotto/B00000|lotto/Z|z)[0-9]{1,3}".prop_map(Divergence::HasAnother),
    ]
}

/// Does something behind the back of the flow; the unit that is another one now.
fn diverge(test: &TestFlow, object: &str, divergence: &Divergence) -> UnitKey {
    match divergence {
        Divergence::Changes(number) => {
            test.target.tamper(&unit(*number), object, Some(&FieldValue::Text(format!("altro {number}"))));
            unit(*number)
        }
        Divergence::Loses(number) => {
            test.target.tamper(&unit(*number), object, None);
            unit(*number)
        }
        Divergence::Forgets(number) => {
            test.target.forget(&unit(*number));
            unit(*number)
        }
        Divergence::Adds(number) => {
            let held = test.target.held().into_iter().find(|(key, _)| *key == unit(*number));
            let mut rows = held.map(|(_, rows)| rows).unwrap_or_default();
            rows.push(Row::new("un'altra riga"));
            test.target.plant(unit(*number), rows);
            unit(*number)
        }
        Divergence::HasAnother(key) => {
            test.target.plant(UnitKey(key.clone()), vec![Row::new(key)]);
            UnitKey(key.clone())
        }
    }
}

fn restore(test: &TestFlow, before: &[(UnitKey, Vec<Row>)]) {
    for (key, _) in test.target.held() {
        test.target.forget(&key);
    }
    for (key, rows) in before {
        test.target.plant(key.clone(), rows.clone());
    }
}

async fn delivered(count: u32) -> TestFlow {
    let test = TestFlow::new().await;
    let lines: Vec<String> = (1..=count).map(|number| lotto(number, "una scuola")).collect();
    test.read("a", &lines).await;
    test.work().await;
    test
}

fn object_of(test: &TestFlow) -> String {
    test.target.held()[0].1[0].fields.keys().find(|key| key.contains("oggetto")).expect("the object").clone()
}

async fn compare(test: &TestFlow, by_digest: bool) -> (Reconciliation, usize) {
    test.target.offer_digests(by_digest);
    let before = test.target.units_given();
    let result = reconcile::compare(&test.flow, "target", false).await.expect("compared");
    (result, test.target.units_given() - before)
}

/// All that a comparison says of the data.
fn said(result: &Reconciliation) -> String {
    format!(
        "{:?}",
        (&result.complete, &result.incomplete_because, &result.counts, &result.rules, &result.discrepancies)
    )
}

#[test]
fn by_digest_the_same_is_found_and_only_what_may_differ_is_read() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let test = runtime.block_on(delivered(LOTS));
    let object = object_of(&test);
    // On its way: whatever they hold of it must be seen.
    let changed = [7, 300, 559];
    runtime.block_on(test.read("b", &changed.map(|number| lotto(number, "una palestra"))));
    let held = test.target.held();
    let cases = (prop::collection::vec(divergence(), 0..30), 1_usize..200);
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&cases, |(divergences, page)| {
        test.target.set_page_size(page);
        let others: BTreeSet<UnitKey> = divergences.iter().map(|one| diverge(&test, &object, one)).collect();
        let keys: BTreeSet<UnitKey> = test.target.held().into_iter().map(|(key, _)| key).collect();
        let candidates = others.into_iter().chain(changed.map(unit)).filter(|key| keys.contains(key));
        let candidates = candidates.collect::<BTreeSet<_>>().len();
        let (by_digest, read) = runtime.block_on(compare(&test, true));
        let (in_full, read_in_full) = runtime.block_on(compare(&test, false));
        restore(&test, &held);
        prop_assert_eq!(said(&by_digest), said(&in_full));
        prop_assert_eq!((in_full.changes.opened, in_full.changes.closed), (0, 0), "the work items are the same");
        prop_assert!(by_digest.complete);
        prop_assert_eq!((read, read_in_full), (candidates, keys.len()));
        Ok(())
    });
    outcome.expect("both ways find the same");
}

#[tokio::test]
async fn where_nothing_differs_nothing_is_read_in_full() {
    let test = delivered(100).await;
    let (result, read) = compare(&test, true).await;
    assert_eq!((result.verdict(), result.counts.equal, read), (Verdict::Agree, 100, 0));
}

#[tokio::test]
async fn what_is_counted_and_not_shown_is_never_missing() {
    for by_digest in [true, false] {
        for page in [3, 100] {
            let test = delivered(10).await;
            let object = object_of(&test);
            test.target.set_page_size(page);
            test.target.tamper(&unit(5), &object, None);
            assert_eq!(compare(&test, by_digest).await.0.standing.open, 1, "what might be closed");
            // Another unit of its range differs, so that the range is looked into.
            test.target.tamper(&unit(2), &object, None);
            test.target.keep_silent_about([unit(5)]);
            let (result, _) = compare(&test, by_digest).await;
            assert_eq!((result.verdict(), result.changes.closed), (Verdict::Incomplete, 0), "{by_digest} {page}");
            // A list by digests that does not add up is not believed at all, a page shows what it shows.
            let found = (result.changes.opened, result.standing.open);
            assert!(found == (1, 2) || by_digest && found == (0, 1), "{by_digest} {page}: {found:?}");
            assert!(result.discrepancies.iter().all(|found| found.shape != Shape::MissingThere));
            assert_eq!(result.counts.missing_there, 0);
            test.target.keep_silent_about([]);
            let (result, _) = compare(&test, by_digest).await;
            assert_eq!((result.verdict(), result.standing.open), (Verdict::Differ, 2), "and found when all is shown");
        }
    }
}

#[tokio::test]
async fn a_total_that_is_not_reached_is_said_in_the_words_of_people() {
    let test = delivered(10).await;
    test.target.keep_silent_about([unit(10)]);
    let (result, _) = compare(&test, false).await;
    assert_eq!(result.incomplete_because.as_deref(), Some("letti 9 elementi dei 10 annunciati"));
    test.target.announce_totals(false);
    let (result, _) = compare(&test, false).await;
    assert_eq!(result.counts.missing_there, 1, "without a total nobody could know");
}

/// What the target holds, as its operators write it: texts, and the count at the end.
fn listed(test: &TestFlow, as_of: &str) -> String {
    let spelled = |value: &FieldValue| match value {
        FieldValue::Codes(codes) => serde_json::json!(codes),
        value => serde_json::json!(value.to_string()),
    };
    let mut lines = Vec::new();
    for (unit, rows) in test.target.held() {
        for row in rows {
            let fields: BTreeMap<_, _> = row.fields.iter().map(|(name, value)| (name, spelled(value))).collect();
            lines.push(serde_json::json!({ "unita": unit, "riga": row.key, "campi": fields }).to_string());
        }
    }
    lines.reverse();
    lines.push(serde_json::json!({ "inventario": { "al": as_of, "righe": lines.len() } }).to_string());
    lines.join("\n")
}

async fn compare_listed(test: &TestFlow, name: &str, lines: &str) -> Reconciliation {
    let path = test.folder.path().join(name);
    std::fs::write(&path, lines).expect("written");
    let listing = listing::Listing::read(&path, listing::Said::default()).await.expect("a list");
    reconcile::reconcile_listed(&test.flow, "target", &listing).await.expect("compared")
}

fn now(test: &TestFlow) -> String {
    test.clock.now().to_string()
}

#[tokio::test]
async fn a_list_in_a_file_says_what_the_system_itself_says() {
    let test = delivered(80).await;
    let object = object_of(&test);
    for divergence in [
        Divergence::Changes(3),
        Divergence::Loses(4),
        Divergence::Forgets(70),
        Divergence::Adds(71),
        Divergence::HasAnother("lotto/Z".to_owned()),
    ] {
        diverge(&test, &object, &divergence);
    }
    let (asked, _) = compare(&test, true).await;
    assert_eq!((asked.verdict(), asked.standing.open), (Verdict::Differ, 5));
    let listed = compare_listed(&test, "elenco.ndjson", &listed(&test, &now(&test))).await;
    assert_eq!(said(&listed), said(&asked));
    assert_eq!(listed.changes, Changes { seen: 5, ..Changes::default() });
}

#[tokio::test]
async fn what_was_delivered_after_a_list_was_made_is_not_held_against_it() {
    let test = delivered(3).await;
    let list = listed(&test, "2000-01-01T00:00:00Z").replace("una scuola", "un'altra scuola");
    let result = compare_listed(&test, "vecchio.ndjson", &list).await;
    assert_eq!((result.verdict(), result.counts.on_its_way, result.standing.open), (Verdict::NotYet, 3, 0));
}

#[tokio::test]
async fn a_list_that_is_cut_short_calls_nothing_missing_and_closes_nothing() {
    let test = delivered(5).await;
    let object = object_of(&test);
    test.target.tamper(&unit(5), &object, None);
    assert_eq!(compare(&test, true).await.0.standing.open, 1, "what might be closed");
    test.target.tamper(&unit(1), &object, None);
    let whole = listed(&test, &now(&test));
    let cut: Vec<&str> = whole.lines().skip(2).collect();
    let result = compare_listed(&test, "tagliato.ndjson", &cut.join("\n")).await;
    assert_eq!(result.incomplete_because.as_deref(), Some("letti 3 elementi dei 5 annunciati"));
    assert_eq!((result.counts.missing_there, result.changes.opened), (0, 1), "what differs is found all the same");
    assert_eq!((result.counts.not_read, result.counts.on_its_way), (2, 0), "nothing is sent that would bring them");
    assert_eq!((result.changes.closed, result.standing.open), (0, 2));
    let result = compare_listed(&test, "intero.ndjson", &whole).await;
    assert_eq!((result.verdict(), result.standing.open), (Verdict::Differ, 2));
}

#[tokio::test]
async fn a_list_older_than_the_last_complete_comparison_is_refused_and_closes_nothing() {
    let test = delivered(2).await;
    let list = listed(&test, &now(&test));
    test.clock.advance(std::time::Duration::from_hours(1));
    test.target.tamper(&unit(1), &object_of(&test), None);
    assert_eq!(compare(&test, true).await.0.standing.open, 1);
    let path = test.folder.path().join("vecchio.ndjson");
    std::fs::write(&path, list).expect("written");
    let listing = listing::Listing::read(&path, listing::Said::default()).await.expect("a list");
    let refused = reconcile::reconcile_listed(&test.flow, "target", &listing).await;
    assert!(matches!(refused, Err(FlowError::List { .. })), "{refused:?}");
    assert_eq!(test.flow.store.runs(Some("target"), 10).await.expect("runs").len(), 1, "nothing was begun");
}

#[tokio::test]
async fn a_killed_run_of_a_list_is_not_taken_up_by_one_that_asks_the_system() {
    let test = delivered(3).await;
    test.target.forget(&unit(1));
    let missing = compare(&test, true).await.0.discrepancies.remove(0);
    assert_eq!(missing.shape, Shape::MissingThere);
    let held = missing.unit.clone();
    let other = raccordo::discrepancy::Discrepancy { unit: unit(2).0, row: unit(2).0, ..missing };
    // What the killed run of a list leaves: what it did not find, and how far it came.
    let killed = test.flow.store.begin_comparison("target", test.clock.now()).await.expect("it begins");
    let counts = r#"{"expected":3,"observed":2,"equal":2,"different":0,"explained":0,"missing_there":1,"missing_here":0,"on_its_way":0,"stopped":0}"#;
    let progress =
        format!(r#"{{"is_listed":true,"place":{{"after":"{}","page":null}},"counts":{counts},"rules":{{}}}}"#, unit(3));
    test.flow.store.note_discrepancies(&killed, &[other], &progress, test.clock.now()).await.expect("noted");
    test.clock.advance(SILENCE);
    let result = reconcile::compare(&test.flow, "target", false).await.expect("compared");
    assert_eq!((result.complete, result.counts.expected, result.counts.missing_there), (true, 3, 1));
    assert_eq!((result.changes.opened, result.standing.open), (0, 1), "only {held} is missing");
    let runs = test.flow.store.runs(Some("target"), 10).await.expect("runs");
    let ended = runs.iter().find(|run| run.id == killed.id).expect("it is there");
    assert!(!ended.complete && ended.finished_at.is_some() && ended.incomplete_because.is_some());
}

#[tokio::test]
async fn a_table_without_a_column_of_ours_is_compared_and_is_not_complete() {
    let test = delivered(2).await;
    let rows: Vec<String> = test.target.held().iter().map(|(key, _)| format!("{key};una scuola")).collect();
    let table = format!("unita;{}\n{}\n", object_of(&test), rows.join("\n"));
    let path = test.folder.path().join("elenco.csv");
    std::fs::write(&path, table).expect("written");
    let said = listing::Said { as_of: Some(test.clock.now()), rows: Some(2) };
    let listing = listing::Listing::read(&path, said).await.expect("a list");
    let result = reconcile::reconcile_listed(&test.flow, "target", &listing).await.expect("compared");
    assert_eq!((result.verdict(), result.counts.equal), (Verdict::Incomplete, 2));
    assert!(result.incomplete_because.is_some_and(|because| because.starts_with("il file non ha colonne per ")));
}

#[tokio::test]
async fn what_one_node_says_that_a_target_holds_is_compared_by_another() {
    let [one, other] = [delivered(70).await, delivered(70).await];
    other.read("b", &[lotto(5, "una palestra"), lotto(71, "solo là")]).await;
    other.work().await;
    other.clock.advance(std::time::Duration::from_hours(24));
    one.clock.advance(std::time::Duration::from_hours(48));
    let result = compare_listed(&one, "altro.ndjson", &expected(&other).await).await;
    assert_eq!((result.counts.different, result.counts.missing_here, result.counts.missing_there), (1, 1, 0));
    assert_eq!((result.counts.equal, result.complete), (69, true));
    // One is on its way there: by that list it is not missing here either.
    other.clock.advance(std::time::Duration::from_hours(48));
    one.clock.advance(std::time::Duration::from_hours(48));
    other.read("c", &[lotto(6, "un ponte")]).await;
    let result = compare_listed(&one, "in_viaggio.ndjson", &expected(&other).await).await;
    assert_eq!((result.complete, result.counts.missing_there), (false, 0));
}

async fn expected(test: &TestFlow) -> String {
    let mut expected = listing::Expected::of(&test.flow, "target").expect("a target");
    let mut list = String::new();
    while let Some(lines) = expected.next().await.expect("lines") {
        list.push_str(&lines);
    }
    list
}

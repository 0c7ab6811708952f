//! Lists in files: given again, with columns that nobody here knows; and what an incomplete comparison takes
//! back of what it seemed to find.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use canonical::Body;
use canonical::kinds::Lotto;
use canonical::values::Importo;
use contract::{FieldValue, Row, UnitKey};
use contract_tests::records::cig;
use raccordo::clock::Clock as _;
use raccordo::flow::reconcile::listing::{Listing, Said};
use raccordo::flow::{FlowError, reconcile};
use raccordo::storage::work_items::SILENCE;
use raccordo::storage::{Changes, ItemFilter, Reconciliation, StateFilter, Verdict};

use crate::bench::{TestFlow, lotto, unit};

async fn delivered(count: u32) -> TestFlow {
    let test = TestFlow::new().await;
    let lines: Vec<String> = (1..=count).map(|number| lotto(number, "una scuola")).collect();
    test.read("a", &lines).await;
    test.work().await;
    test.clock.advance(Duration::from_secs(1));
    test
}

fn object_of(test: &TestFlow) -> String {
    test.target.held()[0].1[0].fields.keys().find(|key| key.contains("oggetto")).expect("the object").clone()
}

fn tamper(test: &TestFlow, number: u32) {
    let changed = FieldValue::Text("un ponte".to_owned());
    assert!(test.target.tamper(&unit(number), &object_of(test), Some(&changed)));
}

/// What the target holds as a table, with these columns more, each with a value in every row.
fn table(test: &TestFlow, more: &[&str]) -> String {
    let held = test.target.held();
    let rows = || held.iter().flat_map(|(key, rows)| rows.iter().map(move |row| (key, row)));
    let names: BTreeSet<&String> = rows().flat_map(|(_, row)| row.fields.keys()).collect();
    let mut table = String::from("unita;riga");
    for name in names.iter().map(|name| name.as_str()).chain(more.iter().copied()) {
        let _ = write!(table, ";{name}");
    }
    for (key, row) in rows() {
        let _ = write!(table, "\n{key};{}", row.key);
        for name in &names {
            let value = row.fields.get(*name).map(|value| value.to_string().replace('"', "\"\"")).unwrap_or_default();
            let _ = write!(table, ";\"{value}\"");
        }
        table.push_str(&";altro".repeat(more.len()));
    }
    table
}

/// Reads a table as of now.
async fn read(test: &TestFlow, table: &str) -> Listing {
    let path = test.folder.path().join("elenco.csv");
    std::fs::write(&path, table).expect("written");
    let rows = Some(table.lines().count() as u64 - 1);
    Listing::read(&path, Said { as_of: Some(test.clock.now()), rows }).await.expect("a list")
}

async fn compare(test: &TestFlow, listing: &Listing) -> Result<Reconciliation, FlowError> {
    reconcile::reconcile_listed(&test.flow, "target", listing).await
}

#[tokio::test]
async fn a_column_that_nobody_here_knows_is_told_once_and_neither_compared_nor_kept() {
    let test = delivered(40).await;
    let listing = read(&test, &table(&test, &["protocollo", "referente"])).await;
    let result = compare(&test, &listing).await.expect("compared");
    assert_eq!((result.verdict(), result.counts.equal), (Verdict::Agree, 40), "{:?}", result.discrepancies);
    let notice = listing.notice().expect("a notice");
    assert_eq!(notice, "non confrontato: 2 campi del file che il destinatario non ha: protocollo, referente");
    test.clock.advance(Duration::from_hours(1));
    // What differs in a column that is known is found, and nothing else.
    tamper(&test, 7);
    test.target.plant(UnitKey("z".to_owned()), vec![Row::new("z")]);
    let listing = read(&test, &table(&test, &["protocollo"])).await;
    let result = compare(&test, &listing).await.expect("compared");
    assert_eq!((result.counts.different, result.counts.missing_here, result.counts.equal), (1, 1, 39));
    let filter = ItemFilter { state: StateFilter::Standing, ..ItemFilter::default() };
    let items = test.flow.store.items(&filter, None, 100).await.expect("items");
    let fields: Vec<_> = items.iter().filter_map(|item| item.discrepancy.field.clone()).collect();
    assert_eq!((items.len(), fields), (2, vec![object_of(&test)]));
    let told = listing.notice().expect("a notice");
    assert!(told.contains("1 campo") && told.ends_with("protocollo"), "{told}");
}

#[tokio::test]
async fn a_field_that_one_of_our_units_alone_has_is_compared_in_all_of_them() {
    let test = TestFlow::new().await;
    let mut last = Lotto::new(cig(40));
    last.oggetto = Some("una scuola".to_owned());
    last.importo_totale = Some(Importo::from_cents(1_250_000));
    let last = serde_json::to_string(&Body::Lotto(last)).expect("plain data");
    let lines = (1..40).map(|number| lotto(number, "una scuola")).chain([last]);
    test.read("a", &lines.collect::<Vec<_>>()).await;
    test.work().await;
    test.clock.advance(Duration::from_secs(1));
    let held = test.target.held();
    let [first, .., last] = &held[..] else { panic!("forty") };
    let (named, value) =
        last.1[0].fields.iter().find(|(name, _)| !first.1[0].fields.contains_key(*name)).expect("a field more");
    // It stands behind more units than are looked at at a time, and theirs say it of another one.
    assert!(test.target.tamper(&first.0, named, Some(value)));
    let listing = read(&test, &table(&test, &[])).await;
    let result = compare(&test, &listing).await.expect("compared");
    assert_eq!((result.counts.different, result.counts.equal, listing.notice()), (1, 39, None));
}

#[tokio::test]
async fn the_same_list_once_more_says_the_same_and_changes_nothing() {
    let test = delivered(10).await;
    tamper(&test, 3);
    test.target.forget(&unit(5));
    let listing = read(&test, &table(&test, &[])).await;
    let first = compare(&test, &listing).await.expect("compared");
    assert_eq!((first.verdict(), first.standing.open), (Verdict::Differ, 2));
    test.clock.advance(Duration::from_hours(1));
    let again = compare(&test, &listing).await.expect("compared again");
    let said = |result: &Reconciliation| {
        format!("{:?}", (result.verdict(), result.counts, &result.rules, &result.discrepancies, result.standing))
    };
    assert_eq!(said(&again), said(&first));
    assert_eq!(again.changes, Changes { seen: 2, ..Changes::default() });
    // What is delivered after it was made is not held against it, whenever it is read.
    test.clock.advance(Duration::from_hours(1));
    test.read("b", &[lotto(3, "una palestra")]).await;
    test.work().await;
    let later = compare(&test, &listing).await.expect("compared again");
    assert_eq!((later.changes.opened, later.changes.closed, later.standing.open), (0, 0, 2));
}

#[tokio::test]
async fn the_same_list_goes_on_after_a_run_of_it_that_was_killed() {
    let test = delivered(10).await;
    tamper(&test, 3);
    let listing = read(&test, &table(&test, &[])).await;
    let first = compare(&test, &listing).await.expect("compared");
    test.clock.advance(Duration::from_hours(1));
    let store = &test.flow.store;
    let evidence = store.runs(Some("target"), 1).await.expect("runs").remove(0).evidence.expect("a list");
    let killed = store.begin_comparison("target", test.clock.now()).await.expect("it begins");
    store.rest_on(&killed, &evidence, test.clock.now()).await.expect("it rests on the same list");
    let progress = r#"{"is_listed":true,"place":{"after":null,"page":null},"counts":{"expected":0,"observed":0,"equal":0,"different":0,"explained":0,"missing_there":0,"missing_here":0,"on_its_way":0,"stopped":0},"rules":{}}"#;
    store.note_discrepancies(&killed, &[], progress, test.clock.now()).await.expect("noted");
    test.clock.advance(SILENCE);
    let again = compare(&test, &listing).await.expect("compared once more");
    assert_eq!((again.verdict(), again.counts), (first.verdict(), first.counts));
    assert_eq!((again.changes.opened, again.changes.closed), (0, 0));
}

#[tokio::test]
async fn the_same_list_is_stale_once_something_newer_was_seen() {
    for is_complete in [true, false] {
        let test = delivered(10).await;
        let listing = read(&test, &table(&test, &[])).await;
        test.clock.advance(Duration::from_secs(1));
        assert_eq!(compare(&test, &listing).await.expect("compared").verdict(), Verdict::Agree);
        tamper(&test, 3);
        test.target.offer_digests(false);
        if !is_complete {
            test.target.keep_silent_about([unit(9)]);
        }
        let seen = reconcile::compare(&test.flow, "target", false).await.expect("compared");
        assert_eq!((seen.complete, seen.standing.open), (is_complete, 1));
        let refused = compare(&test, &listing).await;
        assert!(matches!(refused, Err(FlowError::List { .. })), "it would close what was seen: {refused:?}");
    }
}

#[tokio::test]
async fn what_an_incomplete_comparison_takes_back_stands_under_no_rule() {
    let test = delivered(10).await;
    tamper(&test, 2);
    test.target.offer_digests(false);
    test.target.keep_silent_about([unit(5), unit(6)]);
    let result = reconcile::compare(&test.flow, "target", false).await.expect("compared");
    let (missing, on_its_way) = (result.counts.missing_there, result.counts.on_its_way);
    assert_eq!((result.verdict(), missing, on_its_way, result.counts.not_read), (Verdict::Incomplete, 0, 0, 2));
    assert_eq!(result.rules.keys().collect::<Vec<_>>(), ["R12"], "nothing is missing");
    // What they hold and nobody here knows is under the same rule, and stays.
    test.target.plant(UnitKey("z".to_owned()), vec![Row::new("z")]);
    let result = reconcile::compare(&test.flow, "target", false).await.expect("compared");
    assert_eq!((result.counts.missing_here, result.rules.get("R01")), (1, Some(&1)), "{:?}", result.rules);
    test.target.keep_silent_about([]);
    test.target.forget(&unit(5));
    let result = reconcile::compare(&test.flow, "target", false).await.expect("compared");
    assert_eq!((result.complete, result.rules.get("R01")), (true, Some(&2)), "a complete one takes nothing back");
}

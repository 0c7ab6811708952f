//! Versions, documents, runs.

use contract::Refusal;
use raccordo::delivery::DeliveryState;
use raccordo::storage::{JobSubject, RunTotals, StorageError, Stored};

use super::scene::routed_lotto;
use super::{Database, Scene};
use crate::records::{at, cig, contratto, lotto, record, source, source_named};

pub async fn a_new_record_makes_a_version_a_delivery_and_a_job(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    assert_eq!(scene.store_one(routed_lotto(&document, 1, "strade")).await, Stored::New);
    assert_eq!(scene.lotto(1).await, ("strade".to_owned(), 1));
    let delivery = scene.delivery("pico", cig(1).as_str()).await;
    assert_eq!((delivery.desired_revision, delivery.held_revision), (1, 0));
    assert_eq!(delivery.state, DeliveryState::Due);
    assert_eq!(delivery.members.len(), 1);
    assert_eq!(scene.claim_one(1).await.subject, JobSubject::Deliver(delivery.id));
}

pub async fn the_same_read_again_changes_nothing(database: &dyn Database) {
    let scene = Scene::open(database).await;
    for (document, answer) in [("a", Stored::New), ("a", Stored::Unchanged), ("b", Stored::Unchanged)] {
        let document = scene.document(document, Some("2024-01-31")).await;
        assert_eq!(scene.store_one(routed_lotto(&document, 1, "strade")).await, answer);
    }
    assert_eq!(scene.lotto(1).await.1, 1);
    assert_eq!(scene.delivery("pico", cig(1).as_str()).await.desired_revision, 1);
    assert_eq!(scene.claim_at(1, 10).await.len(), 1);
    assert_eq!(database.number("select count(*) from raw_record").await, 1);
}

pub async fn a_later_date_of_the_data_replaces_and_an_earlier_one_does_not(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let second = scene.document("second", Some("2024-02-29")).await;
    let third = scene.document("third", Some("2024-03-31")).await;
    let first = scene.document("first", Some("2024-01-31")).await;
    assert_eq!(scene.store_one(second.says(1, lotto(1, "february"))).await, Stored::New);
    assert_eq!(scene.store_one(first.says(1, lotto(1, "january"))).await, Stored::Unchanged);
    assert_eq!(scene.store_one(third.says(1, lotto(1, "march"))).await, Stored::New);
    assert_eq!(scene.lotto(1).await, ("march".to_owned(), 2));
}

pub async fn on_the_same_date_the_later_document_replaces(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let first = scene.document("first", Some("2024-01-31")).await;
    let second = scene.document("second", Some("2024-01-31")).await;
    assert_eq!(scene.store_one(second.says(1, lotto(1, "second"))).await, Stored::New);
    assert_eq!(scene.store_one(first.says(1, lotto(1, "first"))).await, Stored::Unchanged);
    assert_eq!(scene.lotto(1).await, ("second".to_owned(), 1));
}

pub async fn no_date_never_replaces_a_date(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let dated = scene.document("dated", Some("2024-01-31")).await;
    let undated = scene.document("undated", None).await;
    scene.store_one(dated.says(1, lotto(1, "dated"))).await;
    assert_eq!(scene.store_one(undated.says(1, lotto(1, "undated"))).await, Stored::Unchanged);
    assert_eq!(scene.lotto(1).await, ("dated".to_owned(), 1));
}

pub async fn a_key_that_returns_on_another_line_leaves_the_first(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    let answers = scene.store(vec![document.says(1, lotto(1, "first")), document.says(2, lotto(1, "second"))]).await;
    assert_eq!(answers, [Stored::New, Stored::Unchanged]);
    assert_eq!(scene.store_one(document.says(2, lotto(1, "second"))).await, Stored::Unchanged);
    assert_eq!(scene.lotto(1).await, ("first".to_owned(), 1));
}

pub async fn the_same_line_read_with_other_rules_makes_a_version(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    let mut arrival = document.says(1, lotto(1, "STRADE"));
    scene.store_one(arrival.clone()).await;
    arrival.records[0].record = record(lotto(1, "strade"), &source(), 1, None);
    assert_eq!(scene.store_one(arrival).await, Stored::New);
    assert_eq!(scene.lotto(1).await, ("strade".to_owned(), 2));
    assert_eq!(database.number("select count(*) from raw_record").await, 1);
}

pub async fn what_a_newer_document_confirmed_is_not_undone_by_a_late_one(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let january = scene.document("january", Some("2024-01-31")).await;
    let march = scene.document("march", Some("2024-03-31")).await;
    let february = scene.document("february", Some("2024-02-29")).await;
    scene.store_one(january.says(1, lotto(1, "strade"))).await;
    assert_eq!(scene.store_one(march.says(1, lotto(1, "strade"))).await, Stored::Unchanged);
    assert_eq!(scene.store_one(february.says(1, lotto(1, "ponti"))).await, Stored::Unchanged);
    assert_eq!(scene.lotto(1).await, ("strade".to_owned(), 1));
}

pub async fn two_sources_never_write_over_each_other(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let ours = scene.document("a", None).await;
    let theirs = scene.document_of(&source_named("pad"), "a", None).await;
    assert_ne!(ours.id, theirs.id);
    assert_eq!(scene.store_one(ours.says(1, lotto(1, "ours"))).await, Stored::New);
    assert_eq!(scene.store_one(theirs.says(1, lotto(1, "theirs"))).await, Stored::New);
    let trace = scene.store.trace(cig(1).as_str()).await.expect("a trace");
    let said: Vec<_> = trace.versions.iter().map(|version| (version.source.as_str(), version.number)).collect();
    assert_eq!(said, [("file-drop", 1), ("pad", 1)]);
}

pub async fn the_same_bytes_are_one_document(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let first = scene.document("a", None).await;
    let second = scene.document("b", None).await;
    let again = scene.document("a", None).await;
    assert_eq!(first.id, again.id);
    assert!(first.id < second.id, "ids grow in the order of arrival");
}

pub async fn records_on_one_line_are_told_apart(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("minified", None).await;
    let mut twice = document.says(1, lotto(1, "second"));
    twice.occurrence = 1;
    let arrivals = vec![document.says(1, lotto(1, "first")), document.says(1, lotto(2, "other")), twice];
    for answers in [[Stored::New, Stored::New, Stored::Unchanged], [Stored::Unchanged; 3]] {
        assert_eq!(scene.store(arrivals.clone()).await, answers);
    }
    assert_eq!(scene.lotto(1).await, ("first".to_owned(), 1));
    assert_eq!(scene.lotto(2).await, ("other".to_owned(), 1));
}

pub async fn what_stands_aside_is_kept_once_and_counted_each_time(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    let mumbled = document.mumbles(7, "<lotto><cig>0000000000</cig></lotto>");
    assert_eq!(scene.store(vec![mumbled.clone(), mumbled.clone()]).await, [Stored::Quarantined; 2]);
    assert_eq!(scene.store_one(mumbled).await, Stored::Quarantined);
    assert_eq!(scene.store.overview().await.expect("an overview").quarantined, 1);
    assert_eq!(database.number("select count(*) from raw_record").await, 1);
    let totals = scene.store.finish_run(scene.run, at(2)).await.expect("the run balances");
    assert_eq!(totals, RunTotals { read: 3, quarantined: 3, ..RunTotals::default() });
}

pub async fn what_is_understood_later_stands_aside_no_longer(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    let said = document.says(1, lotto(1, "strade"));
    let mumbled = document.mumbles(1, &said.text);
    let aside = async || scene.store.overview().await.expect("an overview").quarantined;
    scene.store_one(mumbled.clone()).await;
    assert_eq!(aside().await, 1);
    assert_eq!(scene.store_one(said.clone()).await, Stored::New);
    assert_eq!(aside().await, 0);
    scene.store_one(mumbled).await;
    assert_eq!(aside().await, 1);
    assert_eq!(scene.store_one(said).await, Stored::Unchanged);
    assert_eq!(aside().await, 0);
}

pub async fn a_finished_run_balances_and_takes_nothing_more(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    let mut arrival = document.says(1, lotto(1, "strade"));
    arrival.records.push(raccordo::storage::RoutedRecord {
        record: record(contratto(1, 1, "rep. 12"), &source(), 1, None),
        rank: 0,
        routes: Vec::new(),
    });
    let arrivals = vec![arrival.clone(), document.mumbles(2, "?"), arrival, document.says(3, lotto(3, "ponti"))];
    scene.store(arrivals).await;
    let totals = scene.store.finish_run(scene.run, at(2)).await.expect("the run balances");
    assert_eq!(totals, RunTotals { read: 4, new: 2, unchanged: 1, quarantined: 1, refused: 0 });
    assert!(totals.balanced());
    let late = scene.store.store(scene.run, vec![document.says(4, lotto(4, "late"))], at(3)).await;
    assert!(matches!(late, Err(StorageError::Refused { .. })), "{late:?}");
    let again = scene.store.finish_run(scene.run, at(3)).await;
    assert!(matches!(again, Err(StorageError::Refused { .. })), "{again:?}");
    assert!(scene.store.trace(cig(4).as_str()).await.expect("a trace").versions.is_empty());
}

pub async fn a_refused_document_is_read_and_refused(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let refusal = Refusal { code: "not_xml".to_owned(), message: "not a document".to_owned(), line: Some(1) };
    scene.store.refuse_document(scene.run, &source(), "x.xml", &refusal, at(1)).await.expect("it is noted");
    let totals = scene.store.finish_run(scene.run, at(2)).await.expect("the run balances");
    assert_eq!(totals, RunTotals { read: 1, refused: 1, ..RunTotals::default() });
}

pub async fn a_cursor_is_remembered(database: &dyn Database) {
    let scene = Scene::open(database).await;
    assert_eq!(scene.store.cursor(&source()).await.expect("a cursor"), None);
    for cursor in ["page-1", "page-2"] {
        scene.store.save_cursor(&source(), cursor, at(1)).await.expect("a cursor is saved");
        assert_eq!(scene.store.cursor(&source()).await.expect("a cursor").as_deref(), Some(cursor));
    }
}

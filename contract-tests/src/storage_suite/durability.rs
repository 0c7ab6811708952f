//! What must hold whatever happens around the store.

use std::sync::Arc;

use raccordo::delivery::DeliveryState;
use raccordo::storage::{RunId, StorageError, Stored};

use super::scene::routed_lotto;
use super::{Database, Scene};
use crate::records::{at, cig, lotto};

pub async fn what_was_answered_is_there_after_a_restart(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    scene.store((1..=50).map(|number| routed_lotto(&document, number, "strade")).collect()).await;
    scene.deliver("pico", cig(7).as_str(), DeliveryState::Acknowledged, 10).await;
    let scene = scene.restart(database).await;
    let document = scene.document("a", None).await;
    assert_eq!(scene.store_one(routed_lotto(&document, 7, "strade")).await, Stored::Unchanged);
    assert_eq!(scene.store_one(routed_lotto(&document, 51, "strade")).await, Stored::New);
    let delivery = scene.delivery("pico", cig(7).as_str()).await;
    assert_eq!((delivery.state, delivery.held_revision), (DeliveryState::Acknowledged, 1));
    assert_eq!(scene.claim_at(20, 100).await.len(), 50);
}

pub async fn a_write_that_fails_takes_nothing_with_it(database: &dyn Database) {
    let scene = Arc::new(Scene::open(database).await);
    let document = scene.document("a", None).await;
    let writes: Vec<_> = (1..=60)
        .map(|number| {
            let (scene, document) = (Arc::clone(&scene), document.clone());
            tokio::spawn(async move {
                // Every third write is for a run that does not exist.
                let run = if number % 3 == 0 { RunId(999) } else { scene.run };
                scene.store.store(run, vec![routed_lotto(&document, number, "x")], at(1)).await
            })
        })
        .collect();
    for (number, write) in (1..).zip(writes) {
        let answer = write.await.expect("no panic");
        if number % 3 == 0 {
            assert!(matches!(answer, Err(StorageError::Refused { .. })), "{answer:?}");
        } else {
            assert_eq!(answer.expect("its neighbours are stored"), [Stored::New]);
        }
    }
    assert_eq!(scene.claim_at(1, 100).await.len(), 40);
    assert_eq!(database.number("select count(*) from record").await, 40);
    let (_, broken) = database.audit().await;
    assert_eq!(broken, None);
    let totals = scene.store.finish_run(scene.run, at(2)).await.expect("the run balances");
    assert_eq!(totals.new, 40);
}

pub async fn a_database_of_another_program_is_refused_and_left_as_it_is(database: &dyn Database) {
    database.execute("create table pratiche (numero integer)").await.expect("another program makes its table");
    let refused = database.open().await.map(|_| ()).expect_err("it is not ours");
    let told = refused.to_string();
    assert!(matches!(refused, StorageError::Refused { .. }) && told.contains("table pratiche"), "{told}");
    assert!(database.execute("select count(*) from record").await.is_err(), "nothing was made in it");
    database.execute("drop table pratiche").await.expect("it goes away");
    database.open().await.expect("what is empty is taken");
    database.end().await;
    database.execute("create table pratiche (numero integer)").await.expect("it comes back");
    database.open().await.expect("a table beside ours changes nothing");
}

pub async fn append_only_tables_refuse_every_change(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    scene.store(vec![routed_lotto(&document, 1, "x")]).await;
    scene.deliver("pico", cig(1).as_str(), DeliveryState::Acknowledged, 10).await;
    for table in ["source_document", "raw_record", "record_version", "shipment", "attempt", "receipt", "audit"] {
        let column = if table == "audit" { "seq" } else { "id" };
        let count = format!("select count(*) from {table}");
        let before = database.number(&count).await;
        assert!(before > 0, "{table} holds something");
        for change in [format!("update {table} set {column} = {column}"), format!("delete from {table}")] {
            let refused = database.execute(&change).await;
            assert!(refused.is_err(), "{change}: {refused:?}");
        }
        assert_eq!(database.number(&count).await, before);
    }
}

pub async fn the_schema_repeats_the_rules(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    scene.store(vec![routed_lotto(&document, 1, "x")]).await;
    for change in [
        "update delivery set state = 'delivered'",
        "update delivery set state = 'retry'",
        "update delivery set held_revision = 9",
        "update job set state = 'leased'",
        "update run set read = 99, finished_at = 1",
        "insert into delivery_member (record, target, delivery) values (1, 'hub', 999)",
    ] {
        let refused = database.execute(change).await;
        assert!(refused.is_err(), "{change}: {refused:?}");
    }
}

pub async fn the_audit_chain_stands(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    scene.store((1..=300).map(|number| routed_lotto(&document, number, "x")).collect()).await;
    scene.store(vec![document.mumbles(400, "?")]).await;
    scene.deliver("pico", cig(1).as_str(), DeliveryState::Acknowledged, 10).await;
    let scene = scene.restart(database).await;
    scene.store.finish_run(scene.run, at(11)).await.expect("the run balances");
    // Two runs begun and one finished, a document, one entry for 300 versions, one for their places
    // and one for their deliveries, one quarantine, and one delivery sent and acknowledged.
    assert_eq!(database.audit().await, (2 + 1 + 1 + 3 + 1 + 2, None));
}

async fn with_a_chain(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    for number in 1..=3 {
        scene.store(vec![document.says(u64::from(number), lotto(number, "x"))]).await;
    }
    assert_eq!(database.audit().await, (5, None));
    for change in ["u", "d"] {
        database.drop_trigger("audit", &format!("audit_is_append_only_{change}")).await;
    }
}

pub async fn a_changed_audit_entry_is_found(database: &dyn Database) {
    with_a_chain(database).await;
    database.execute("update audit set detail = '{}' where seq = 3").await.expect("it is changed");
    let (stand, broken) = database.audit().await;
    assert_eq!((stand, broken.as_deref()), (2, Some("entry 3 was changed")));
}

pub async fn a_removed_audit_entry_is_found(database: &dyn Database) {
    with_a_chain(database).await;
    database.execute("delete from audit where seq = 2").await.expect("it is removed");
    let (stand, broken) = database.audit().await;
    assert_eq!((stand, broken.as_deref()), (1, Some("entry 2 is missing")));
}

//! Repairs between the decision and their end, the life of a work item that people and runs share, and
//! values of which only a digest is kept.

use canonical::Digest;
use raccordo::discrepancy::{Act as Proposed, Discrepancy, Shape, State};
use raccordo::storage::work_items::Act;
use raccordo::storage::{Chosen, EventKind, ItemFilter, StorageError};

use super::lists::served;
use super::work_items::{by, complete, found, kinds, run};
use super::{Database, Scene};
use crate::records::at;

fn ids(ids: &[i64]) -> Chosen {
    Chosen::Ids(ids.to_vec())
}

async fn begun(scene: &Scene) -> Vec<(i64, String)> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = scene.store.begun_repairs(after, 2).await.expect("a list");
        let Some(last) = page.last() else { return all };
        after = Some(last.item.id);
        all.extend(page.into_iter().map(|begun| (begun.item.id, begun.by.name)));
    }
}

pub async fn a_repair_that_was_decided_is_begun_until_it_ends(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let items: Vec<_> = (1..=4).map(|number| found(number, "90.00")).collect();
    run(&scene, 1, &items, &complete()).await;
    scene.store.decide(&by("Anna", Act::RequestRepair), &ids(&[1]), at(2)).await.expect("asked");
    assert!(begun(&scene).await.is_empty(), "what waits for a second person is not begun");
    scene.store.decide(&by("Ugo", Act::ApproveRepair), &ids(&[1]), at(3)).await.expect("approved");
    scene.store.decide(&by("Pia", Act::Repair), &ids(&[2, 3, 4]), at(4)).await.expect("decided");
    let all = [(1, "Ugo".to_owned()), (2, "Pia".to_owned()), (3, "Pia".to_owned()), (4, "Pia".to_owned())];
    assert_eq!(begun(&scene).await, all);
    let first = scene.store.begun_repairs(None, 1).await.expect("a list").remove(0);
    assert_eq!((first.at, first.item.discrepancy.act), (at(3), Proposed::SendAgain));

    // The process dies, and what was decided is still there.
    let scene = scene.restart(database).await;
    assert_eq!(begun(&scene).await, all);
    scene.store.end_repairs(&[1, 3], "sent again", at(5)).await.expect("ended");
    scene.store.end_repairs(&[1, 3], "sent again", at(6)).await.expect("ended once more");
    assert_eq!(begun(&scene).await.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), [2, 4]);
    assert_eq!(database.number("select count(*) from audit where kind = 'repair_ended'").await, 1);
    assert_eq!(database.audit().await.1, None, "the chain stands");
}

pub async fn one_person_under_two_spellings_is_not_two(database: &dyn Database) {
    let scene = Scene::open(database).await;
    run(&scene, 1, &[found(1, "90.00")], &complete()).await;
    scene.store.decide(&by("Anna Rossi", Act::RequestRepair), &ids(&[1]), at(2)).await.expect("asked");
    for same in ["anna rossi", " ANNA  Rossi ", "Rossi Anna", "anna.rossi", "Ànna Rossi"] {
        let refused = scene.store.decide(&by(same, Act::ApproveRepair), &ids(&[1]), at(3)).await.expect("an answer");
        assert!(refused.changed.is_empty() && refused.refused.len() == 1, "{same}: {refused:?}");
    }
    // A letter of another alphabet that looks the same; a sign that nobody sees.
    for hidden in ["\u{410}nna Rossi", "Anna\u{200b} Rossi"] {
        let refused = scene.store.decide(&by(hidden, Act::ApproveRepair), &ids(&[1]), at(4)).await;
        assert!(matches!(refused, Err(StorageError::Refused { .. })), "{hidden:?}: {refused:?}");
    }
    assert!(begun(&scene).await.is_empty());
    let other = scene.store.decide(&by("ugo", Act::ApproveRepair), &ids(&[1]), at(5)).await.expect("approved");
    assert_eq!(other.changed, [1]);
}

pub async fn what_was_escalated_is_told_once_and_anew_when_it_comes_back(database: &dyn Database) {
    let scene = Scene::open(database).await;
    run(&scene, 1, &[found(1, "90.00"), found(2, "90.00")], &complete()).await;
    let late = |seconds| {
        let opened_before = Some(at(seconds));
        let filter = ItemFilter { opened_before, not_escalated: true, ..ItemFilter::default() };
        Chosen::Filter(Box::new(filter))
    };
    let escalate = by("raccordo", Act::Escalate);
    assert!(scene.store.decide(&escalate, &late(1), at(2)).await.expect("decided").changed.is_empty(), "too early");
    assert_eq!(scene.store.decide(&escalate, &late(50), at(60)).await.expect("decided").changed, [1, 2]);
    assert!(scene.store.decide(&escalate, &late(50), at(61)).await.expect("decided").changed.is_empty(), "once");
    // It closes by itself, and comes back: nobody was told of that.
    run(&scene, 100, &[found(2, "90.00")], &complete()).await;
    run(&scene, 200, &[found(1, "90.00"), found(2, "90.00")], &complete()).await;
    let back = scene.store.item(1).await.expect("a look").expect("it is there");
    assert_eq!((back.state, back.reopened, back.escalated_at), (State::Open, 1, None));
    let kept = scene.store.item(2).await.expect("a look").expect("it is there");
    assert_eq!(kept.escalated_at, Some(at(60)));
    assert_eq!(
        kinds(&scene, 1).await,
        [EventKind::Opened, EventKind::Escalated, EventKind::Closed, EventKind::Reopened]
    );
    assert!(scene.store.decide(&escalate, &late(150), at(260)).await.expect("decided").changed.is_empty());
    assert_eq!(scene.store.decide(&escalate, &late(250), at(261)).await.expect("decided").changed, [1]);
}

/// A discrepancy whose value hides somebody.
fn hidden(shape: Shape, person: &str) -> Discrepancy {
    let mut found = found(1, "[omesso]");
    found.shape = shape;
    found.field = None;
    found.sides[1].seen = Some(Digest::of(person.as_bytes()));
    found
}

pub async fn another_person_behind_the_same_mask_is_another_value(database: &dyn Database) {
    for (shape, from) in [(Shape::Differs, 1), (Shape::MissingThere, 1_000)] {
        let scene = Scene::open(database).await;
        run(&scene, from, &[hidden(shape, "RSSMRA85T10A562S")], &complete()).await;
        let (_, same) = run(&scene, from + 100, &[hidden(shape, "RSSMRA85T10A562S")], &complete()).await;
        assert_eq!((same.changes.changed, same.changes.opened), (0, 0), "{shape:?}");
        let (_, other) = run(&scene, from + 200, &[hidden(shape, "VRDLGI60A01H501R")], &complete()).await;
        assert_eq!(other.changes.changed, 1, "{shape:?}");
        drop(scene);
        database.end().await;
    }
    let scene = Scene::open(database).await;
    let mut raw = found(2, "RSSMRA85T10A562S");
    raw.sides[0].value = Some("motivo: RSSMRA85T10A562S assente".to_owned());
    run(&scene, 5_000, &[raw], &complete()).await;
    let told = "select count(*) from discrepancy where sides like '%RSSMRA85T10A562S%'";
    let events = "select count(*) from discrepancy_event where detail like '%RSSMRA85T10A562S%'";
    assert_eq!((database.number(told).await, database.number(events).await), (0, 0), "whoever found it, it is hidden");
}

pub async fn no_personal_code_reaches_a_page_or_an_export(database: &dyn Database) {
    const CODE: &str = "RSSMRA85T10A562S";
    let scene = Scene::open(database).await;
    let mut keyed = found(1, CODE);
    keyed.unit = format!("operatore/{CODE}");
    CODE.clone_into(&mut keyed.row);
    keyed.sides[0].value = Some(format!("motivo di {CODE}, senza CIG"));
    run(&scene, 1, &[keyed], &complete()).await;
    let server = served(&scene).await;
    for address in [
        "/reconciliation?state=any",
        "/reconciliation/items?state=any",
        "/reconciliation/items/1",
        "/reconciliation/export/csv?state=any",
        "/reconciliation/export/json?state=any",
        "/reconciliation/export/html?state=any",
    ] {
        let page = reqwest::get(format!("{server}{address}")).await.expect("an answer").text().await.expect("a page");
        assert!(!page.contains(CODE), "{address}");
        assert!(page.contains("[omesso]") || address == "/reconciliation?state=any", "{address}: {page}");
    }
    // Inside the keys are whole: by them a unit is found again.
    let item = scene.store.item(1).await.expect("a look").expect("it is there");
    assert_eq!(item.discrepancy.row, CODE);
}

//! Several sources that speak of one thing: one of them is believed, target by target.

use super::scene::{to_unit, withheld};
use super::{Database, Scene};
use crate::records::{at, lotto, source_named};

/// What the unit of a target says today, and how many records it holds.
async fn said(scene: &Scene, target: &str, unit: &str) -> (Option<String>, usize) {
    let delivery = scene.delivery(target, unit).await;
    let first = delivery.members.first().map(|member| match &member.body {
        canonical::Body::Lotto(lotto) => lotto.oggetto.clone().unwrap_or_default(),
        other => panic!("a lot is no longer a lot: {other:?}"),
    });
    (first, delivery.members.len())
}

pub async fn the_owner_takes_the_place_of_a_source_that_spoke_first(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let open_data = scene.document_of(&source_named("anac-opendata"), "a", None).await;
    let platform = scene.document_of(&source_named("pad-provincia"), "b", None).await;
    scene.store(vec![open_data.says_with_rank(3, 1, lotto(1, "open data"), vec![to_unit("pico", "2023")])]).await;
    assert_eq!(said(&scene, "pico", "2023").await, (Some("open data".to_owned()), 1));

    // The owner puts the same lot into another unit: the first one is left empty, not doubled.
    scene.store(vec![platform.says_with_rank(0, 1, lotto(1, "platform"), vec![to_unit("pico", "2024")])]).await;
    assert_eq!(said(&scene, "pico", "2024").await, (Some("platform".to_owned()), 1));
    assert_eq!(said(&scene, "pico", "2023").await, (None, 0));
    assert_eq!(database.number("select count(*) from withheld where code = 'owned_elsewhere'").await, 1);
}

pub async fn a_source_that_is_not_the_owner_is_kept_and_not_delivered(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let platform = scene.document_of(&source_named("pad-provincia"), "a", None).await;
    let open_data = scene.document_of(&source_named("anac-opendata"), "b", None).await;
    scene.store(vec![platform.says_with_rank(0, 1, lotto(1, "platform"), vec![to_unit("pico", "2024")])]).await;
    scene.store(vec![open_data.says_with_rank(3, 1, lotto(1, "open data"), vec![to_unit("pico", "2024")])]).await;
    let delivery = scene.delivery("pico", "2024").await;
    assert_eq!((delivery.members.len(), delivery.desired_revision), (1, 1), "nothing new is owed");
    assert_eq!(said(&scene, "pico", "2024").await.0.as_deref(), Some("platform"));
    assert_eq!(scene.lotto(1).await.1, 2, "both sayings are kept");
}

pub async fn where_the_owner_is_not_routed_another_source_speaks(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let file = scene.document_of(&source_named("file-drop"), "a", None).await;
    let execution = scene.document_of(&source_named("scp-esecuzione"), "b", None).await;
    let to_both = vec![to_unit("scp-esecuzione", "1"), to_unit("pico", "2024")];
    scene.store(vec![file.says_with_rank(2, 1, lotto(1, "file"), to_both)]).await;
    // A system is never sent what comes from itself: the draft of the other source stays there.
    scene.store(vec![execution.says_with_rank(0, 1, lotto(1, "own"), vec![to_unit("pico", "2024")])]).await;
    assert_eq!(said(&scene, "scp-esecuzione", "1").await, (Some("file".to_owned()), 1));
    assert_eq!(said(&scene, "pico", "2024").await, (Some("own".to_owned()), 1));
}

pub async fn among_equal_ranks_the_first_source_by_name_is_believed(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let late = scene.document_of(&source_named("zeta"), "a", None).await;
    let early = scene.document_of(&source_named("alfa"), "b", None).await;
    scene.store(vec![late.says_with_rank(9, 1, lotto(1, "zeta"), vec![to_unit("pico", "2024")])]).await;
    scene.store(vec![early.says_with_rank(9, 1, lotto(1, "alfa"), vec![to_unit("pico", "2024")])]).await;
    assert_eq!(said(&scene, "pico", "2024").await, (Some("alfa".to_owned()), 1));
}

pub async fn new_ranks_and_routes_change_who_is_believed(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let (platform, open_data) = (source_named("pad-provincia"), source_named("anac-opendata"));
    let (a, b) = (scene.document_of(&platform, "a", None).await, scene.document_of(&open_data, "b", None).await);
    scene.store(vec![a.says_with_rank(0, 1, lotto(1, "platform"), vec![to_unit("pico", "2024")])]).await;
    scene.store(vec![b.says_with_rank(3, 1, lotto(1, "open data"), vec![to_unit("pico", "2024")])]).await;

    let kinds = scene.store.kinds_and_sources().await.expect("kinds");
    let mut sources: Vec<_> = kinds.iter().map(|(kind, source)| (kind.name(), source.to_string())).collect();
    sources.sort();
    assert_eq!(sources, [("lotto", open_data.to_string()), ("lotto", platform.to_string())]);
    let swapped = kinds.into_iter().map(|(kind, source)| {
        let rank = if source == platform { 3 } else { 0 };
        (kind, source, rank)
    });
    scene.store.rank(swapped.collect(), at(5)).await.expect("ranked");
    // Both are routed again in one transaction, each as if it were alone.
    let standing = scene.store.current_records(None, 10).await.expect("records");
    assert_eq!(standing.len(), 2);
    let routed = standing.into_iter().map(|(id, _)| (id, vec![to_unit("pico", "2024")])).collect();
    scene.store.reroute(routed, at(6)).await.expect("routed again");
    assert_eq!(said(&scene, "pico", "2024").await, (Some("open data".to_owned()), 1));
}

pub async fn an_owner_that_is_withheld_does_not_silence_the_others(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let platform = scene.document_of(&source_named("pad-provincia"), "a", None).await;
    let open_data = scene.document_of(&source_named("anac-opendata"), "b", None).await;
    scene.store(vec![platform.says_with_rank(0, 1, lotto(1, "platform"), vec![withheld("pico", "no_period")])]).await;
    scene.store(vec![open_data.says_with_rank(3, 1, lotto(1, "open data"), vec![to_unit("pico", "2024")])]).await;
    assert_eq!(said(&scene, "pico", "2024").await, (Some("open data".to_owned()), 1));
}

pub async fn a_seat_that_the_owner_leaves_is_offered_to_those_who_waited(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let (owner, other) = (source_named("pad-provincia"), source_named("anac-opendata"));
    let first = scene.document_of(&owner, "a", Some("2024-01-31")).await;
    let waiting = scene.document_of(&other, "b", None).await;
    let second = scene.document_of(&owner, "c", Some("2024-02-29")).await;
    let route = || vec![to_unit("pico", "2024")];
    scene.store(vec![first.says_with_rank(0, 1, lotto(1, "platform"), route())]).await;
    scene.store(vec![waiting.says_with_rank(3, 1, lotto(1, "open data"), route())]).await;
    assert!(scene.store.records_to_route(10).await.expect("a list").is_empty());

    // The owner says something that the target does not take any more.
    scene.store(vec![second.says_with_rank(0, 1, lotto(1, "withdrawn"), vec![withheld("pico", "no_period")])]).await;
    let offered = scene.store.records_to_route(10).await.expect("a list");
    assert_eq!(offered.len(), 1, "one waited");
    assert_eq!(offered[0].1.provenance.source, other);
    // The offer outlives the process that made it.
    let scene = scene.restart(database).await;
    let offered = scene.store.records_to_route(10).await.expect("a list");
    let routed = offered.into_iter().map(|(id, _)| (id, route())).collect();
    scene.store.reroute(routed, at(6)).await.expect("routed");
    assert_eq!(said(&scene, "pico", "2024").await, (Some("open data".to_owned()), 1));
    assert!(scene.store.records_to_route(10).await.expect("a list").is_empty());
}

pub async fn routes_found_for_an_older_version_are_not_taken_and_are_found_again(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let first = scene.document("a", Some("2024-01-31")).await;
    let second = scene.document("b", Some("2024-02-29")).await;
    scene.store(vec![first.says_to(1, lotto(1, "first"), vec![to_unit("pico", "2024")])]).await;
    let read = scene.store.current_records(None, 10).await.expect("records");
    // Another process stores a version that goes elsewhere, before the routes are written.
    scene.store(vec![second.says_to(1, lotto(1, "second"), vec![to_unit("pico", "2025")])]).await;
    let late = read.iter().map(|(standing, _)| (*standing, vec![to_unit("pico", "2023")])).collect();
    assert_eq!(scene.store.reroute(late, at(6)).await.expect("an answer"), 0);
    assert_eq!(said(&scene, "pico", "2025").await.0, Some("second".to_owned()));
    let again = scene.store.records_to_route(10).await.expect("a list");
    assert_eq!(again.len(), 1, "it is looked at again");
    assert_eq!((again[0].0.record, again[0].0.version), (read[0].0.record, 2));
    let routed = again.into_iter().map(|(standing, _)| (standing, vec![to_unit("pico", "2023")])).collect();
    assert_eq!(scene.store.reroute(routed, at(7)).await.expect("routed"), 1);
    assert_eq!(said(&scene, "pico", "2023").await.0, Some("second".to_owned()));
    assert!(scene.store.records_to_route(10).await.expect("a list").is_empty());
}

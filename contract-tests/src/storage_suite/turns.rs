//! Turns: of all processes one at a time, and nobody for ever.

use super::{Database, Scene};
use crate::records::at;

pub async fn of_many_who_want_a_turn_one_gets_it(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let wants = (0..20).map(|_| scene.store.take_turn("sync", at(0), at(60)));
    let taken = futures_util::future::join_all(wants).await;
    let taken: Vec<_> = taken.into_iter().filter_map(|turn| turn.expect("an answer")).collect();
    assert_eq!(taken.len(), 1, "{taken:?}");
    assert!(scene.store.take_turn("reconcile", at(0), at(60)).await.expect("an answer").is_some(), "another turn");
}

pub async fn a_turn_that_is_left_comes_again_when_it_is_due(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let turn = scene.store.take_turn("sync", at(0), at(60)).await.expect("an answer").expect("the first");
    assert!(scene.store.hold_turn(&turn, at(0), at(30)).await.expect("it is left"));
    assert_eq!(scene.store.take_turn("sync", at(29), at(90)).await.expect("an answer"), None);
    assert!(scene.store.take_turn("sync", at(30), at(90)).await.expect("an answer").is_some());
}

pub async fn whoever_falls_silent_loses_the_turn_and_cannot_end_that_of_another(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let asleep = scene.store.take_turn("sync", at(0), at(60)).await.expect("an answer").expect("the first");
    let awake = scene.store.take_turn("sync", at(60), at(120)).await.expect("an answer").expect("the second");
    assert!(!scene.store.hold_turn(&asleep, at(61), at(61)).await.expect("an answer"), "it was lost");
    assert_eq!(scene.store.take_turn("sync", at(119), at(180)).await.expect("an answer"), None);
    assert!(scene.store.hold_turn(&awake, at(119), at(180)).await.expect("an answer"));
}

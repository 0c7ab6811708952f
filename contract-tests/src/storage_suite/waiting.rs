//! Deliveries that wait for somebody else: a decision on the other side, or an earlier step.

use contract::Receipt;
use raccordo::delivery::DeliveryState;
use raccordo::storage::{Conclusion, JobEnd};

use super::scene::{done, receipt, to_lane, to_unit};
use super::{Database, Scene};
use crate::records::{at, cig, contratto, lotto, source_named};

fn submitted(seconds: i64) -> DeliveryState {
    DeliveryState::Submitted { code: "bozza".to_owned(), at: at(seconds) }
}

fn held(seconds: i64) -> DeliveryState {
    DeliveryState::Held { code: "manca_sc1".to_owned(), message: "manca la stipula".to_owned(), at: at(seconds) }
}

pub async fn a_submitted_delivery_has_no_job_until_its_time_comes(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    let unit = cig(1).to_string();
    scene.store(vec![document.says_to(1, lotto(1, "x"), vec![to_unit("pico", &unit)])]).await;
    scene.deliver("pico", &unit, submitted(60), 2).await;
    let delivery = scene.delivery("pico", &unit).await;
    assert_eq!((delivery.state.clone(), delivery.held_revision), (submitted(60), 0));
    assert_eq!(delivery.last_receipt, Some(receipt()));
    assert_eq!(delivery.state_since, at(2));
    assert!(scene.claim_at(30, 10).await.is_empty());
    assert_eq!(scene.store.wake(at(59)).await.expect("a look"), 0);
    assert_eq!(scene.store.sweep(at(100)).await.expect("a sweep"), 0, "nothing was forgotten");
    assert_eq!(scene.store.wake(at(60)).await.expect("a look"), 1);
    assert_eq!(scene.store.wake(at(60)).await.expect("a look"), 0, "one job is enough");

    // It is asked, and stands where it stood: since when does not change.
    let job = scene.claim_one(61).await;
    let conclusion = Conclusion {
        delivery: delivery.id,
        attempt: None,
        lease: job.lease,
        revision: 1,
        state: submitted(120),
        receipt: None,
    };
    done(scene.store.conclude(conclusion.clone(), at(61)).await.expect("still there"));
    assert!(scene.settle(job.lease, JobEnd::Done, 61).await);
    assert_eq!(scene.delivery("pico", &unit).await.state_since, at(2));

    assert_eq!(scene.store.wake(at(120)).await.expect("a look"), 1);
    let job = scene.claim_one(121).await;
    let end =
        Conclusion { lease: job.lease, state: DeliveryState::Acknowledged, receipt: Some(receipt()), ..conclusion };
    done(scene.store.conclude(end, at(121)).await.expect("the end"));
    let delivery = scene.delivery("pico", &unit).await;
    assert_eq!((delivery.state, delivery.held_revision), (DeliveryState::Acknowledged, 1));
}

pub async fn the_receipt_that_decided_is_told_of_the_delivery_and_the_first_of_its_attempt(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    let unit = cig(1).to_string();
    scene.store(vec![document.says_to(1, lotto(1, "x"), vec![to_unit("pico", &unit)])]).await;
    scene.deliver("pico", &unit, submitted(60), 2).await;
    let traced = async || scene.store.trace(&unit).await.expect("a trace").deliveries.remove(0);
    assert!(traced().await.decided_by.is_none(), "it was taken, and nothing is decided");
    assert_eq!(scene.store.wake(at(60)).await.expect("a look"), 1);
    let job = scene.claim_one(61).await;
    let decision = Receipt { status: 200, remote_id: Some("PICO-1/decisa".to_owned()), ..receipt() };
    let end = Conclusion {
        delivery: scene.delivery("pico", &unit).await.id,
        attempt: None,
        lease: job.lease,
        revision: 1,
        state: DeliveryState::Acknowledged,
        receipt: Some(decision.clone()),
    };
    done(scene.store.conclude(end, at(61)).await.expect("the end"));
    let delivery = traced().await;
    let decided = delivery.decided_by.expect("it was decided");
    assert_eq!((decided.receipt, decided.revision, decided.received_at), (decision, 1, at(61)));
    assert_eq!(delivery.attempts[0].receipt, Some(receipt()), "what was answered to the attempt");
}

pub async fn a_new_version_does_not_wait_for_the_decision_on_the_old_one(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let unit = cig(1).to_string();
    let first = scene.document("a", Some("2024-01-31")).await;
    let second = scene.document("b", Some("2024-02-29")).await;
    scene.store(vec![first.says_to(1, lotto(1, "x"), vec![to_unit("pico", &unit)])]).await;
    scene.deliver("pico", &unit, submitted(6000), 2).await;
    scene.store(vec![second.says_to(1, lotto(1, "y"), vec![to_unit("pico", &unit)])]).await;
    let delivery = scene.delivery("pico", &unit).await;
    assert_eq!((delivery.state, delivery.desired_revision), (DeliveryState::Due, 2));
    scene.claim_one(10).await;
}

pub async fn a_held_step_is_looked_at_when_its_lane_moves(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    let (first, second) = ("lotto/1", "contratto/1");
    scene
        .store(vec![
            document.says_to(1, contratto(1, 1, "rep. 1"), vec![to_lane("scp", second, "1")]),
            document.says_to(2, lotto(1, "x"), vec![to_lane("scp", first, "1")]),
        ])
        .await;
    // The contract came first and is not admitted: it gives the lane free.
    let job = scene.claim_one(2).await;
    let delivery = scene.delivery("scp", second).await;
    let conclusion = Conclusion {
        delivery: delivery.id,
        attempt: None,
        lease: job.lease,
        revision: 1,
        state: held(6000),
        receipt: None,
    };
    done(scene.store.conclude(conclusion, at(2)).await.expect("held"));
    assert!(scene.settle(job.lease, JobEnd::Done, 2).await);
    assert_eq!(scene.delivery("scp", second).await.state, held(6000));

    scene.deliver("scp", first, DeliveryState::Acknowledged, 5).await;
    let neighbours = scene.store.neighbours(delivery.id).await.expect("neighbours");
    assert_eq!(neighbours.len(), 1);
    assert_eq!((neighbours[0].unit.as_str(), neighbours[0].is_held, neighbours[0].members.len()), (first, true, 1));
    assert_eq!(scene.store.wake(at(5)).await.expect("a look"), 1, "the lane moved");
    scene.claim_one(6).await;
}

pub async fn neighbours_are_those_of_the_same_lane_and_target(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    scene
        .store(vec![
            document.says_to(1, lotto(1, "x"), vec![to_lane("scp", "a", "1"), to_lane("pico", "p", "1")]),
            document.says_to(2, contratto(1, 1, "r"), vec![to_lane("scp", "b", "1")]),
            document.says_to(3, contratto(1, 2, "s"), vec![to_lane("scp", "c", "1")]),
            document.says_to(4, lotto(2, "y"), vec![to_lane("scp", "d", "2")]),
        ])
        .await;
    let delivery = scene.delivery("scp", "b").await;
    let neighbours = scene.store.neighbours(delivery.id).await.expect("neighbours");
    let units: Vec<_> = neighbours.iter().map(|neighbour| (neighbour.unit.as_str(), neighbour.is_held)).collect();
    assert_eq!(units, [("a", false), ("c", false)]);
}

pub async fn what_a_source_tells_of_a_contract_is_found_by_the_beginning_of_its_keys(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let platform = scene.document_of(&source_named("scp"), "a", None).await;
    let other = scene.document_of(&source_named("file-drop"), "b", None).await;
    scene.store(vec![platform.says(1, contratto(1, 1, "r")), platform.says(2, contratto(2, 1, "s"))]).await;
    scene.store(vec![other.says(1, contratto(1, 2, "t"))]).await;
    let told = scene.store.told_by("scp", cig(1).as_str()).await.expect("records");
    let keys: Vec<_> = told.iter().map(|record| record.key().to_string()).collect();
    assert_eq!(keys, [format!("{}/1", cig(1))]);
}

pub async fn a_question_that_brings_no_news_leaves_no_trace(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    let unit = cig(1).to_string();
    scene.store(vec![document.says_to(1, lotto(1, "x"), vec![to_unit("pico", &unit)])]).await;
    scene.deliver("pico", &unit, submitted(60), 2).await;
    let (before, _) = database.audit().await;
    assert_eq!(scene.store.wake(at(60)).await.expect("a look"), 1);
    let job = scene.claim_one(61).await;
    let delivery = scene.delivery("pico", &unit).await;
    let conclusion = Conclusion {
        delivery: delivery.id,
        attempt: None,
        lease: job.lease,
        revision: 1,
        state: submitted(120),
        receipt: None,
    };
    done(scene.store.conclude(conclusion, at(61)).await.expect("still there"));
    assert_eq!(scene.delivery("pico", &unit).await.state, submitted(120));
    assert_eq!(database.audit().await.0, before, "thousands of drafts are asked about for weeks");
}

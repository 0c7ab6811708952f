//! Attempts, receipts, states.

use raccordo::delivery::DeliveryState;
use raccordo::storage::{AttemptId, Conclusion, Fenced, JobEnd, Lease, LoadedDelivery, StorageError};

use super::scene::{done, intent, receipt, routed_lotto, to_unit};
use super::{Database, Scene};
use crate::records::{at, cig, contratto, lotto};

const KEY: u32 = 1;

/// A scene with one due delivery, and the lease of its job.
async fn due(database: &dyn Database) -> (Scene, LoadedDelivery, Lease) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", Some("2024-01-31")).await;
    scene.store_one(routed_lotto(&document, KEY, "strade")).await;
    let lease = scene.claim_one(1).await.lease;
    let delivery = scene.delivery("pico", cig(KEY).as_str()).await;
    (scene, delivery, lease)
}

/// The same delivery with one more change.
async fn changed(scene: &Scene, name: &str, date: &'static str) -> LoadedDelivery {
    let document = scene.document(name, Some(date)).await;
    scene.store_one(routed_lotto(&document, KEY, name)).await;
    scene.delivery("pico", cig(KEY).as_str()).await
}

fn retry(seconds: i64) -> DeliveryState {
    DeliveryState::Retry { code: "unavailable".to_owned(), at: at(seconds) }
}

fn in_doubt(seconds: i64) -> DeliveryState {
    DeliveryState::InDoubt { code: "timeout".to_owned(), at: at(seconds) }
}

async fn state(scene: &Scene) -> DeliveryState {
    scene.delivery("pico", cig(KEY).as_str()).await.state
}

pub async fn an_attempt_ends_with_a_receipt(database: &dyn Database) {
    let (scene, delivery, lease) = due(database).await;
    let attempt = scene.begin(&delivery, lease, 2).await;
    let sent = scene.delivery("pico", cig(KEY).as_str()).await;
    assert_eq!(sent.state, DeliveryState::Sent);
    assert_eq!((sent.attempts, sent.first_attempt_at), (1, Some(at(2))));
    let shipment = sent.last_shipment.expect("the shipment is stored before it is sent");
    assert_eq!(shipment, intent(&delivery, lease, 1).shipment);
    scene.conclude(&delivery, attempt, lease, DeliveryState::Acknowledged, 3).await;
    assert!(scene.settle(lease, JobEnd::Done, 3).await);
    let held = scene.delivery("pico", cig(KEY).as_str()).await;
    assert_eq!((held.state, held.held_revision), (DeliveryState::Acknowledged, 1));
    let trace = scene.store.trace(cig(KEY).as_str()).await.expect("a trace");
    let attempts = &trace.deliveries[0].attempts;
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].receipt, Some(receipt()));
    assert_eq!(attempts[0].outcome, Some(DeliveryState::Acknowledged));
    assert!(scene.claim_at(10_000, 10).await.is_empty(), "nothing is left to do");
}

pub async fn an_outcome_that_is_written_again_changes_nothing(database: &dyn Database) {
    let (scene, delivery, lease) = due(database).await;
    let attempt = scene.begin(&delivery, lease, 2).await;
    scene.conclude(&delivery, attempt, lease, DeliveryState::Acknowledged, 3).await;
    let (entries, _) = database.audit().await;
    // Whoever wrote it was not told that it is there.
    scene.conclude(&delivery, attempt, lease, DeliveryState::Acknowledged, 4).await;
    assert_eq!(database.audit().await, (entries, None));
    let trace = scene.store.trace(cig(KEY).as_str()).await.expect("a trace");
    assert_eq!(trace.deliveries[0].attempts[0].finished_at, Some(at(3)));
    assert_eq!(database.number("select count(*) from receipt").await, 1);
    let state = DeliveryState::Refused { code: "x".to_owned(), message: "another".to_owned() };
    let (attempt, revision) = (Some(attempt), delivery.desired_revision);
    let other = Conclusion { delivery: delivery.id, attempt, lease, revision, state, receipt: None };
    let refused = scene.store.conclude(other, at(5)).await;
    assert!(matches!(refused, Err(StorageError::Refused { .. })), "another outcome is refused: {refused:?}");
}

pub async fn without_the_lease_nothing_is_written(database: &dyn Database) {
    let (scene, delivery, lost) = due(database).await;
    let attempt = scene.begin(&delivery, lost, 2).await;
    scene.store.expire(at(1000), 5).await.expect("leases end");
    let stale = intent(&delivery, lost, 1);
    assert_eq!(scene.store.begin_attempt(stale, at(1001)).await.expect("an answer"), Fenced::LeaseLost);
    let lease = scene.claim_one(1001).await.lease;
    assert_ne!(lease.token, lost.token);
    let late = |lease| Conclusion {
        delivery: delivery.id,
        attempt: Some(attempt),
        lease,
        revision: 1,
        state: DeliveryState::Acknowledged,
        receipt: Some(receipt()),
    };
    assert_eq!(scene.store.conclude(late(lost), at(1002)).await.expect("an answer"), Fenced::LeaseLost);
    assert_eq!(state(&scene).await, DeliveryState::Sent);
    assert_eq!(database.number("select count(*) from receipt").await, 0);
    done(scene.store.conclude(late(lease), at(1003)).await.expect("an answer"));
    assert_eq!(state(&scene).await, DeliveryState::Acknowledged);
}

pub async fn the_bytes_of_a_revision_never_change(database: &dyn Database) {
    let (scene, delivery, lease) = due(database).await;
    let attempt = scene.begin(&delivery, lease, 2).await;
    scene.conclude(&delivery, attempt, lease, retry(3), 2).await;
    scene.begin(&delivery, lease, 3).await;
    assert_eq!(database.number("select count(*) from shipment").await, 1);
    let again = scene.delivery("pico", cig(KEY).as_str()).await;
    assert_eq!((again.attempts, again.first_attempt_at), (2, Some(at(2))));
    done(
        scene
            .store
            .conclude(
                Conclusion { delivery: delivery.id, attempt: None, lease, revision: 1, state: retry(5), receipt: None },
                at(4),
            )
            .await
            .expect("an answer"),
    );
    let mut other = intent(&delivery, lease, 1);
    other.shipment.body.push(b' ');
    let refused = scene.store.begin_attempt(other, at(5)).await;
    assert!(matches!(refused, Err(StorageError::Refused { .. })), "{refused:?}");
    let beyond = scene.store.begin_attempt(intent(&delivery, lease, 2), at(5)).await;
    assert!(matches!(beyond, Err(StorageError::Refused { .. })), "{beyond:?}");
}

pub async fn changes_during_an_attempt_make_it_due_again(database: &dyn Database) {
    let (scene, delivery, lease) = due(database).await;
    let attempt = scene.begin(&delivery, lease, 2).await;
    let newer = changed(&scene, "b", "2024-02-29").await;
    assert_eq!((newer.state, newer.desired_revision), (DeliveryState::Sent, 2));
    scene.conclude(&delivery, attempt, lease, DeliveryState::Acknowledged, 3).await;
    let due = scene.delivery("pico", cig(KEY).as_str()).await;
    assert_eq!((due.state.clone(), due.held_revision, due.desired_revision), (DeliveryState::Due, 1, 2));
    assert!(scene.claim_at(4, 10).await.is_empty(), "its lane is still held");
    assert!(scene.settle(lease, JobEnd::Done, 4).await);
    let lease = scene.claim_one(5).await.lease;
    scene.begin(&due, lease, 5).await;
}

pub async fn what_the_life_of_a_delivery_does_not_admit_is_refused(database: &dyn Database) {
    let (scene, delivery, lease) = due(database).await;
    let conclusion =
        |state, revision| Conclusion { delivery: delivery.id, attempt: None, lease, revision, state, receipt: None };
    for (state, revision) in [(in_doubt(5), 1), (retry(5), 1), (DeliveryState::Acknowledged, 2)] {
        let refused = scene.store.conclude(conclusion(state, revision), at(2)).await;
        assert!(matches!(refused, Err(StorageError::Refused { .. })), "{refused:?}");
    }
    assert_eq!(state(&scene).await, DeliveryState::Due);
    let strange = Conclusion { attempt: Some(AttemptId(99)), ..conclusion(DeliveryState::Acknowledged, 1) };
    let refused = scene.store.conclude(strange, at(2)).await;
    assert!(matches!(refused, Err(StorageError::Refused { .. })), "{refused:?}");
    done(scene.store.conclude(conclusion(DeliveryState::Acknowledged, 1), at(2)).await.expect("already held"));
    let again = scene.store.begin_attempt(intent(&delivery, lease, 1), at(3)).await;
    assert!(matches!(again, Err(StorageError::Refused { .. })), "{again:?}");
}

pub async fn an_attempt_cut_short_gets_its_outcome_later(database: &dyn Database) {
    let (scene, delivery, lease) = due(database).await;
    scene.begin(&delivery, lease, 2).await;
    let scene = scene.restart(database).await;
    scene.store.expire(at(1000), 5).await.expect("leases end");
    let lease = scene.claim_one(1001).await.lease;
    assert_eq!(state(&scene).await, DeliveryState::Sent);
    for (state, receipt) in [(in_doubt(1002), None), (DeliveryState::Acknowledged, Some(receipt()))] {
        let conclusion = Conclusion { delivery: delivery.id, attempt: None, lease, revision: 1, state, receipt };
        done(scene.store.conclude(conclusion, at(1002)).await.expect("an answer"));
    }
    let trace = scene.store.trace(cig(KEY).as_str()).await.expect("a trace");
    let attempts = &trace.deliveries[0].attempts;
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].outcome, Some(in_doubt(1002)));
    assert_eq!(attempts[0].receipt, Some(receipt()), "found by asking, shown with the attempt it belongs to");
}

pub async fn members_come_in_key_order(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    let route = || vec![to_unit("pico", "2024")];
    scene
        .store(vec![
            document.says_to(1, contratto(2, 1, "x"), route()),
            document.says_to(2, lotto(3, "x"), route()),
            document.says_to(3, lotto(1, "x"), route()),
            document.says_to(4, lotto(2, "x"), route()),
        ])
        .await;
    let delivery = scene.delivery("pico", "2024").await;
    let keys: Vec<_> = delivery.members.iter().map(|member| member.key().to_string()).collect();
    let expected = [cig(1).to_string(), cig(2).to_string(), format!("{}/1", cig(2)), cig(3).to_string()];
    assert_eq!(keys, expected);
}

pub async fn a_parked_delivery_is_due_when_reopened(database: &dyn Database) {
    let (scene, delivery, lease) = due(database).await;
    let attempt = scene.begin(&delivery, lease, 2).await;
    scene
        .conclude(&delivery, attempt, lease, DeliveryState::Parked { reason: "x".to_owned(), in_doubt: false }, 3)
        .await;
    assert!(scene.settle(lease, JobEnd::Parked, 3).await);
    assert!(scene.claim_at(10_000, 10).await.is_empty());
    scene.store.reopen(delivery.id, 0, "corrected by hand", at(4)).await.expect("it is reopened");
    let reopened = scene.delivery("pico", cig(KEY).as_str()).await;
    assert_eq!((reopened.state, reopened.desired_revision), (DeliveryState::Due, 2));
    scene.claim_one(4).await;
}

pub async fn a_repair_goes_beyond_the_revision_that_the_target_holds(database: &dyn Database) {
    let (scene, delivery, lease) = due(database).await;
    let attempt = scene.begin(&delivery, lease, 2).await;
    scene.conclude(&delivery, attempt, lease, DeliveryState::Acknowledged, 3).await;
    assert!(scene.settle(lease, JobEnd::Done, 3).await);
    scene.store.reopen(delivery.id, 7, "somebody else published the seventh", at(4)).await.expect("it is reopened");
    assert_eq!(scene.delivery("pico", cig(KEY).as_str()).await.desired_revision, 8);
}

pub async fn a_delivery_in_doubt_is_not_reopened(database: &dyn Database) {
    let (scene, delivery, lease) = due(database).await;
    let attempt = scene.begin(&delivery, lease, 2).await;
    let sent = scene.store.reopen(delivery.id, 0, "impatient", at(3)).await;
    assert!(matches!(sent, Err(StorageError::Refused { .. })), "{sent:?}");
    scene.conclude(&delivery, attempt, lease, in_doubt(30), 3).await;
    let doubt = scene.store.reopen(delivery.id, 0, "impatient", at(4)).await;
    assert!(matches!(doubt, Err(StorageError::Refused { .. })), "{doubt:?}");
    assert_eq!(scene.delivery("pico", cig(KEY).as_str()).await.desired_revision, 1);
}

pub async fn reopening_wakes_the_job_that_waits_for_a_retry(database: &dyn Database) {
    let (scene, delivery, lease) = due(database).await;
    let attempt = scene.begin(&delivery, lease, 2).await;
    scene.conclude(&delivery, attempt, lease, retry(5000), 3).await;
    assert!(scene.settle(lease, JobEnd::RetryAt(at(5000)), 3).await);
    assert!(scene.claim_at(4, 10).await.is_empty());
    scene.store.reopen(delivery.id, 0, "the target is back", at(4)).await.expect("it is reopened");
    scene.claim_one(4).await;
}

pub async fn a_due_delivery_without_a_job_is_swept_up(database: &dyn Database) {
    let (scene, delivery, lease) = due(database).await;
    assert_eq!(scene.store.sweep(at(2)).await.expect("a sweep"), 0, "its job is leased");
    assert!(scene.settle(lease, JobEnd::Done, 2).await);
    assert_eq!(scene.store.sweep(at(3)).await.expect("a sweep"), 1);
    assert_eq!(scene.store.sweep(at(3)).await.expect("a sweep"), 0);
    let job = scene.claim_one(3).await;
    assert_eq!(job.subject, raccordo::storage::JobSubject::Deliver(delivery.id));
}

pub async fn a_parked_job_is_not_swept_up_before_something_changes(database: &dyn Database) {
    let (scene, _, lease) = due(database).await;
    assert!(scene.settle(lease, JobEnd::Parked, 2).await);
    assert_eq!(scene.store.sweep(at(3)).await.expect("a sweep"), 0);
    changed(&scene, "b", "2024-02-29").await;
    scene.claim_one(4).await;
}

pub async fn what_is_parked_in_doubt_is_observed_when_reopened(database: &dyn Database) {
    let (scene, delivery, lease) = due(database).await;
    let attempt = scene.begin(&delivery, lease, 2).await;
    let parked = DeliveryState::Parked { reason: "no answer for days".to_owned(), in_doubt: true };
    scene.conclude(&delivery, attempt, lease, parked, 3).await;
    assert!(scene.settle(lease, JobEnd::Parked, 3).await);
    scene.store.reopen(delivery.id, 0, "looked at by hand", at(4)).await.expect("it is reopened");
    let reopened = scene.delivery("pico", cig(KEY).as_str()).await;
    assert!(matches!(reopened.state, DeliveryState::InDoubt { .. }), "{:?}", reopened.state);
    assert_eq!(reopened.desired_revision, 1, "the revision that may have arrived");
    scene.claim_one(4).await;
}

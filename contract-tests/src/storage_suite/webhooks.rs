//! Webhooks: what a partner was told is told once, what he did not take keeps its name and its bytes,
//! and whoever was away does not undo what another has done.

use raccordo::storage::Person;
use raccordo::storage::exchange::Position;
use raccordo::storage::webhooks::{WebhookEnding, WebhookMessage, WebhookState, WebhookStop};

use super::{Database, Scene};
use crate::records::at;

const PARTNER: &str = "osservatorio";

fn place(version: i64) -> Position {
    Position { version, anchor: [7, 0, 255, u8::try_from(version).expect("small")] }
}

fn message(version: i64) -> WebhookMessage {
    WebhookMessage {
        id: format!("msg_{version}"),
        until: place(version),
        body: format!("{{\"fino\":{version}}}"),
        made_at: at(10),
        attempts: 0,
        due_at: at(10),
    }
}

async fn state(scene: &Scene) -> WebhookState {
    let mut states = scene.store.webhooks(Some(PARTNER)).await.expect("states");
    assert!(states.len() < 2);
    states.pop().unwrap_or_default()
}

async fn begin(scene: &Scene, from: Position, version: i64) -> bool {
    scene.store.begin_webhook(PARTNER, from, message(version)).await.expect("an answer")
}

async fn attempt(scene: &Scene, version: i64) -> Option<u32> {
    scene.store.attempt_webhook(PARTNER, &message(version).id, at(15)).await.expect("an answer")
}

async fn end(scene: &Scene, version: i64, attempt: u32, ending: WebhookEnding) -> bool {
    let ended = scene.store.end_webhook(PARTNER, &message(version).id, attempt, ending, at(20)).await;
    ended.expect("an answer")
}

fn again() -> WebhookEnding {
    WebhookEnding::Again { code: "status_500".to_owned(), due_at: at(30) }
}

pub async fn what_a_partner_was_told_is_told_once(database: &dyn Database) {
    let scene = Scene::open(database).await;
    assert_eq!(state(&scene).await, WebhookState::default(), "nobody was looked at");
    scene.store.skip_webhook(PARTNER, Position::default(), place(3)).await.expect("nothing for him");
    assert_eq!(state(&scene).await.told, place(3));
    assert!(!begin(&scene, Position::default(), 5).await, "he stands elsewhere");
    assert!(begin(&scene, place(3), 5).await);
    assert!(!begin(&scene, place(3), 6).await, "one at a time");
    scene.store.skip_webhook(PARTNER, place(3), place(9)).await.expect("an answer");
    let under_way = state(&scene).await;
    assert_eq!((under_way.told, under_way.message), (place(3), Some(message(5))), "nothing is skipped meanwhile");
    assert_eq!(attempt(&scene, 5).await, Some(1));
    assert!(end(&scene, 5, 1, WebhookEnding::Taken).await);
    let told = state(&scene).await;
    assert_eq!((told.told, told.message, told.taken_at, told.failed), (place(5), None, Some(at(20)), None));
    assert_eq!(attempt(&scene, 5).await, None, "it was taken");
    assert!(!end(&scene, 5, 1, WebhookEnding::Taken).await, "and is noted once");
    assert_eq!(database.number("select count(*) from audit where kind = 'webhook_taken'").await, 1);
    assert_eq!(database.audit().await.1, None);
}

pub async fn what_was_not_taken_keeps_its_name_and_its_bytes_over_a_restart(database: &dyn Database) {
    let scene = Scene::open(database).await;
    assert!(begin(&scene, Position::default(), 4).await);
    assert_eq!(attempt(&scene, 4).await, Some(1));
    database.end().await;
    // Whoever was to note the answer died: the message is there as it was.
    let scene = Scene::open(database).await;
    assert_eq!(state(&scene).await.message, Some(WebhookMessage { attempts: 1, made_at: at(15), ..message(4) }));
    assert_eq!(attempt(&scene, 4).await, Some(2));
    assert!(!end(&scene, 4, 1, again()).await, "another attempt was begun since");
    assert!(end(&scene, 4, 2, again()).await);
    let failed = state(&scene).await;
    assert_eq!(failed.failed, Some((at(20), "status_500".to_owned())));
    assert_eq!(failed.message, Some(WebhookMessage { attempts: 2, made_at: at(15), due_at: at(30), ..message(4) }));
    assert!(end(&scene, 4, 1, WebhookEnding::Taken).await, "what was taken was taken, whoever sent it");
    assert_eq!(state(&scene).await.told, place(4));
}

pub async fn who_was_stopped_is_told_again_when_a_person_says_so(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let by = Person { name: "anna".to_owned(), reason: "indirizzo corretto".to_owned() };
    assert!(!scene.store.resume_webhook(PARTNER, &by, at(40)).await.expect("an answer"), "nobody was stopped");
    assert!(begin(&scene, Position::default(), 4).await);
    assert_eq!(attempt(&scene, 4).await, Some(1));
    let gone = WebhookEnding::Stopped { code: "status_410".to_owned(), why: WebhookStop::Gone };
    assert!(end(&scene, 4, 1, gone).await);
    let stopped = state(&scene).await;
    assert_eq!(stopped.stopped, Some((at(20), WebhookStop::Gone)));
    assert_eq!(attempt(&scene, 4).await, None, "nothing is sent");
    assert!(scene.store.resume_webhook(PARTNER, &by, at(40)).await.expect("an answer"));
    let resumed = state(&scene).await;
    assert_eq!(resumed.stopped, None);
    assert_eq!(resumed.message, Some(WebhookMessage { made_at: at(40), due_at: at(40), ..message(4) }), "the same");
    for (kind, count) in [("webhook_stopped", 1), ("webhook_resumed", 1), ("webhook_taken", 0)] {
        let found = database.number(&format!("select count(*) from audit where kind = '{kind}'")).await;
        assert_eq!(found, count, "{kind}");
    }
    assert_eq!(database.audit().await.1, None);
}

pub async fn the_schema_keeps_messages_whole(database: &dyn Database) {
    let scene = Scene::open(database).await;
    assert!(begin(&scene, Position::default(), 4).await);
    for wrong in [
        "update webhook set message = null",
        "update webhook set body = null",
        "update webhook set stopped_at = 1",
        "update webhook set stopped_at = 1, stopped_why = 'stanco'",
        "update webhook set failed_at = 1",
        "update webhook set told_version = -1",
    ] {
        assert!(database.execute(wrong).await.is_err(), "{wrong}");
    }
    assert_eq!(state(&scene).await.message, Some(message(4)));
}

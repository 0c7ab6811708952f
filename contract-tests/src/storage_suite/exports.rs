//! Exports that are made while nobody waits: pieces stand where they belong, whoever writes them.

use raccordo::storage::exchange::Position;
use raccordo::storage::exports::{Added, ExportState, ExportTask, NewExport, ReplyEnding};

use super::{Database, Scene};
use crate::records::at;

fn asked(id: &str, request: &str) -> NewExport {
    NewExport {
        id: id.to_owned(),
        partner: "osservatorio".to_owned(),
        request: request.to_owned(),
        correlation: format!("c-{id}"),
        reply_to: Some("https://osservatorio.example/esiti".to_owned()),
        seen: "E".to_owned(),
        feed_cursor: "AAAA".to_owned(),
    }
}

fn place(version: i64) -> Position {
    Position { version, anchor: [1, 2, 3, 4] }
}

async fn add(scene: &Scene, id: &str, request: &str) -> Added {
    scene.store.add_export(asked(id, request), 2, at(1)).await.expect("an answer")
}

async fn task(scene: &Scene, id: &str) -> ExportTask {
    scene.store.export(id).await.expect("an answer").expect("it is there")
}

async fn append(scene: &Scene, begins: u64, text: &str, after: i64) -> bool {
    let piece = text.as_bytes().to_vec();
    scene.store.append_export("a", begins, piece, place(after)).await.expect("an answer")
}

pub async fn the_same_export_is_made_once_and_nobody_has_too_many(database: &dyn Database) {
    let scene = Scene::open(database).await;
    assert_eq!(add(&scene, "a", "lotti").await, Added::New);
    assert_eq!(add(&scene, "b", "lotti").await, Added::Same("a".to_owned()));
    let elsewhere = NewExport { reply_to: None, ..asked("c", "lotti") };
    assert_eq!(scene.store.add_export(elsewhere, 2, at(2)).await.expect("an answer"), Added::New, "told elsewhere");
    assert_eq!(add(&scene, "d", "contratti").await, Added::TooMany);
    let other = NewExport { partner: "altro".to_owned(), ..asked("e", "contratti") };
    assert_eq!(scene.store.add_export(other, 2, at(2)).await.expect("an answer"), Added::New);
    let open = scene.store.open_exports().await.expect("exports");
    assert_eq!(open.iter().map(|task| task.asked.id.as_str()).collect::<Vec<_>>(), ["a", "c", "e"]);
    assert_eq!(open[0].asked, asked("a", "lotti"));
    assert!(scene.store.end_export("a", None, at(3)).await.expect("an answer"));
    assert_eq!(add(&scene, "f", "lotti").await, Added::TooMany, "one that is there counts");
    assert_eq!(scene.store.export("f").await.expect("an answer"), None);
    assert!(scene.store.end_export("c", Some("no_room"), at(4)).await.expect("an answer"));
    assert_eq!(add(&scene, "g", "contratti").await, Added::New, "one that failed does not count");
}

pub async fn what_is_kept_for_a_partner_is_counted_without_what_failed(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let kept = async |partner: &str| scene.store.kept_export_bytes(partner).await.expect("an answer");
    assert_eq!(kept("osservatorio").await, 0);
    assert_eq!(add(&scene, "a", "lotti").await, Added::New);
    assert!(append(&scene, 0, "abc", 5).await);
    assert!(scene.store.end_export("a", None, at(3)).await.expect("an answer"));
    assert_eq!(add(&scene, "b", "contratti").await, Added::New);
    assert!(scene.store.append_export("b", 0, b"defg".to_vec(), place(5)).await.expect("an answer"));
    assert_eq!((kept("osservatorio").await, kept("altro").await), (7, 0));
    assert!(scene.store.end_export("b", Some("too_long"), at(4)).await.expect("an answer"));
    assert_eq!(kept("osservatorio").await, 3);
}

pub async fn an_export_grows_piece_by_piece_over_a_restart(database: &dyn Database) {
    let scene = Scene::open(database).await;
    assert_eq!(add(&scene, "a", "lotti").await, Added::New);
    assert!(append(&scene, 0, "uno\n", 5).await);
    assert!(!append(&scene, 0, "due\n", 6).await, "somebody has written there");
    database.end().await;
    let scene = Scene::open(database).await;
    let half = task(&scene, "a").await;
    assert_eq!((half.bytes, half.after, &half.state), (4, place(5), &ExportState::Processing));
    assert!(append(&scene, 4, "due\n", 9).await);
    assert!(scene.store.end_export("a", None, at(7)).await.expect("an answer"));
    assert!(!append(&scene, 8, "tre\n", 11).await, "it has ended");
    assert!(!scene.store.end_export("a", Some("too_long"), at(8)).await.expect("an answer"));
    assert_eq!(task(&scene, "a").await.state, ExportState::Done(at(7)));
    assert_eq!(database.number("select count(*) from audit where kind = 'export_ended'").await, 1);
    assert_eq!(database.audit().await.1, None);
}

pub async fn a_part_of_an_export_is_read_from_any_byte(database: &dyn Database) {
    let scene = Scene::open(database).await;
    assert_eq!(add(&scene, "a", "lotti").await, Added::New);
    assert_eq!(add(&scene, "z", "contratti").await, Added::New);
    assert!(append(&scene, 0, "abc", 5).await && append(&scene, 3, "defg", 9).await);
    for (from, expected) in [(0, Some("abc")), (2, Some("c")), (3, Some("defg")), (6, Some("g")), (7, None), (99, None)]
    {
        let bytes = scene.store.export_bytes("a", from).await.expect("an answer");
        assert_eq!(bytes.as_deref(), expected.map(str::as_bytes), "{from}");
    }
    assert_eq!(scene.store.export_bytes("z", 0).await.expect("an answer"), None, "of another nothing");
}

pub async fn an_export_that_failed_keeps_no_bytes_and_an_old_one_is_forgotten(database: &dyn Database) {
    let scene = Scene::open(database).await;
    assert_eq!(add(&scene, "a", "lotti").await, Added::New);
    assert_eq!(add(&scene, "z", "contratti").await, Added::New);
    assert!(append(&scene, 0, "abc", 5).await);
    assert!(scene.store.end_export("a", Some("set_back"), at(7)).await.expect("an answer"));
    assert_eq!(task(&scene, "a").await.state, ExportState::Failed(at(7), "set_back".to_owned()));
    assert_eq!(scene.store.export_bytes("a", 0).await.expect("an answer"), None);
    assert_eq!(scene.store.forget_exports(at(7)).await.expect("an answer"), 0);
    assert_eq!(scene.store.forget_exports(at(8)).await.expect("an answer"), 1);
    assert_eq!(scene.store.export("a").await.expect("an answer"), None);
    assert_eq!(task(&scene, "z").await.state, ExportState::Processing, "it is not forgotten before it ends");
    assert_eq!(database.number("select count(*) from export_piece").await, 0);
}

pub async fn who_asked_is_told_once(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let store = &scene.store;
    assert_eq!(add(&scene, "a", "lotti").await, Added::New);
    assert_eq!(store.attempt_reply("a").await.expect("an answer"), None, "there is nothing to tell yet");
    assert!(store.end_export("a", None, at(7)).await.expect("an answer"));
    assert_eq!(task(&scene, "a").await.reply_due_at, Some(at(7)));
    assert_eq!(store.attempt_reply("a").await.expect("an answer"), Some(1));
    assert_eq!(store.attempt_reply("a").await.expect("an answer"), Some(2));
    store.end_reply("a", 1, ReplyEnding::Again(at(90))).await.expect("an answer");
    assert_eq!(task(&scene, "a").await.reply_due_at, Some(at(7)), "another attempt was begun since");
    store.end_reply("a", 2, ReplyEnding::Again(at(90))).await.expect("an answer");
    assert_eq!(task(&scene, "a").await.reply_due_at, Some(at(90)));
    assert_eq!(store.open_exports().await.expect("exports").len(), 1);
    store.end_reply("a", 1, ReplyEnding::Taken).await.expect("an answer");
    assert_eq!(task(&scene, "a").await.reply_due_at, None);
    assert!(store.open_exports().await.expect("exports").is_empty());
    let quiet = NewExport { reply_to: None, ..asked("q", "lotti") };
    assert_eq!(store.add_export(quiet, 2, at(1)).await.expect("an answer"), Added::New);
    assert!(store.end_export("q", None, at(9)).await.expect("an answer"));
    assert_eq!(task(&scene, "q").await.reply_due_at, None, "who named no address is told nothing");
}

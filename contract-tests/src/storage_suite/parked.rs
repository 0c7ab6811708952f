//! What waits for a person, and what a person decides about it.

use canonical::Rule;
use contract::{Refusal, SetAside};
use raccordo::delivery::DeliveryState;
use raccordo::storage::{
    DeliveryId, JobEnd, JobSubject, ParkedFilter, ParkedId, ParkedItem, ParkedKind, Person, Replay, RunId, RunKind,
    Stored,
};

use super::scene::{routed_lotto, to_unit};
use super::{Database, Scene};
use crate::records::{at, cig, lotto, source};

fn maria() -> Person {
    Person { name: "maria".to_owned(), reason: "prot. 4411".to_owned() }
}

fn refused() -> DeliveryState {
    DeliveryState::Refused { code: "SC_007".to_owned(), message: "importo non coerente".to_owned() }
}

fn parked(in_doubt: bool) -> DeliveryState {
    DeliveryState::Parked { reason: "unavailable: given up after 9 attempts".to_owned(), in_doubt }
}

async fn list(scene: &Scene, filter: &ParkedFilter) -> Vec<ParkedItem> {
    let items = scene.store.parked(filter, None, 100).await.expect("a list");
    assert_eq!(scene.store.count_parked(filter).await.expect("a count"), items.len() as u64, "{filter:?}");
    items
}

async fn names(scene: &Scene) -> Vec<String> {
    list(scene, &ParkedFilter::default()).await.iter().map(|item| item.id.to_string()).collect()
}

async fn refuse(scene: &Scene, run: RunId, name: &str, code: &str) {
    let refusal = Refusal { code: code.to_owned(), message: "non è un dataset".to_owned(), line: Some(3) };
    scene.store.refuse_document(run, &source(), name, &refusal, at(5)).await.expect("it is noted");
}

async fn next_run(scene: &Scene) -> RunId {
    scene.store.begin_run(RunKind::Import, &source(), at(6)).await.expect("a run begins")
}

/// The delivery of the first lot to `pico`, brought to a state.
async fn delivered(database: &dyn Database, state: DeliveryState) -> (Scene, DeliveryId) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", Some("2024-01-31")).await;
    scene.store(vec![routed_lotto(&document, 1, "x")]).await;
    scene.deliver("pico", cig(1).as_str(), state, 2).await;
    let id = scene.delivery("pico", cig(1).as_str()).await.id;
    (scene, id)
}

async fn replay(scene: &Scene, delivery: DeliveryId, replay: Replay) -> Result<DeliveryState, String> {
    let answers = scene.store.replay_deliveries(&[delivery], replay, &maria(), at(9)).await.expect("an answer");
    assert_eq!(answers.len(), 1, "one answer for one delivery");
    answers.into_iter().next().expect("one answer")
}

async fn decisions(database: &dyn Database, words: &str) -> i64 {
    let asked = format!(
        "select count(*) from audit where kind = 'decided' and detail like '%maria%' and detail like '%4411%' \
         and detail like '%{words}%'"
    );
    database.number(&asked).await
}

pub async fn what_waits_is_listed_in_order_and_by_filter(database: &dyn Database) {
    let (scene, delivery) = delivered(database, refused()).await;
    let document = scene.document("b", None).await;
    scene.store(vec![document.mumbles(7, "Z000000000?")]).await;
    refuse(&scene, scene.run, "c.xml", "not_xml").await;
    let items = list(&scene, &ParkedFilter::default()).await;
    let kinds: Vec<_> = items.iter().map(|item| item.kind).collect();
    assert_eq!(kinds, ParkedKind::ALL);
    let first = &items[0];
    assert_eq!(first.id, ParkedId { kind: ParkedKind::Delivery, number: delivery.0 });
    assert_eq!((first.system.as_str(), first.key.as_str()), ("pico", cig(1).as_str()));
    assert_eq!((first.code.as_str(), first.message.as_str()), ("SC_007", "importo non coerente"));
    assert_eq!((first.since, first.in_doubt), (at(2), false));
    assert_eq!((items[1].code.as_str(), items[1].key.as_str()), ("R05", "b.xml:7"));
    assert_eq!((items[2].code.as_str(), items[2].key.as_str()), ("not_xml", "c.xml:3"));

    let text = |text: &str| Some(text.to_owned());
    let none = ParkedFilter::default();
    for (filter, expected) in [
        (ParkedFilter { system: text("pico"), ..none.clone() }, vec![0]),
        (ParkedFilter { system: text("file-drop"), ..none.clone() }, vec![1, 2]),
        (ParkedFilter { kind: Some(ParkedKind::Record), ..none.clone() }, vec![1]),
        (ParkedFilter { code: text("SC_007"), ..none.clone() }, vec![0]),
        (ParkedFilter { code: text("refused"), ..none.clone() }, vec![0]),
        (ParkedFilter { code: text("R05"), ..none.clone() }, vec![1]),
        (ParkedFilter { key: text(cig(1).as_str()), ..none.clone() }, vec![0]),
        (ParkedFilter { key: text("Z000000000"), ..none.clone() }, vec![1]),
        (ParkedFilter { key: text("c.xml"), ..none.clone() }, vec![2]),
        (ParkedFilter { code: text("R05"), system: text("pico"), ..none.clone() }, vec![]),
    ] {
        let found: Vec<_> = list(&scene, &filter).await.iter().map(|item| item.id).collect();
        let expected: Vec<_> = expected.into_iter().map(|number: usize| items[number].id).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    for (after, item) in items.iter().enumerate() {
        let page = scene.store.parked(&none, after.checked_sub(1).map(|before| items[before].id), 1).await;
        assert_eq!(page.expect("a page"), std::slice::from_ref(item), "page by page");
        assert_eq!(scene.store.parked_item(item.id).await.expect("a look"), Some(item.clone()));
    }
    let absent = ParkedId { kind: ParkedKind::Delivery, number: 999 };
    assert_eq!(scene.store.parked_item(absent).await.expect("a look"), None);
}

pub async fn what_was_given_up_is_found_by_the_code_of_its_reason(database: &dyn Database) {
    let (scene, _) = delivered(database, parked(false)).await;
    let items = list(&scene, &ParkedFilter { code: Some("unavailable".to_owned()), ..ParkedFilter::default() }).await;
    assert_eq!((items[0].code.as_str(), items[0].message.as_str()), ("unavailable", "given up after 9 attempts"));
    assert!(
        list(&scene, &ParkedFilter { code: Some("unavail".to_owned()), ..ParkedFilter::default() }).await.is_empty()
    );
}

pub async fn a_doubt_waits_for_a_person_when_it_lasts(database: &dyn Database) {
    let doubt = |until| DeliveryState::InDoubt { code: "timeout".to_owned(), at: at(until) };
    let (scene, _) = delivered(database, doubt(2 + 599)).await;
    assert!(names(&scene).await.is_empty(), "the target is asked again soon");
    let document = scene.document("b", None).await;
    scene.store(vec![routed_lotto(&document, 2, "x")]).await;
    scene.deliver("pico", cig(2).as_str(), doubt(10 + 600), 10).await;
    let items = list(&scene, &ParkedFilter::default()).await;
    assert_eq!(items.len(), 1);
    assert_eq!((items[0].key.as_str(), items[0].in_doubt), (cig(2).as_str(), true));
    let answers = scene.store.discard(&[items[0].id], &maria(), at(11)).await.expect("an answer");
    assert!(answers[0].is_err(), "what is still asked about is not discarded: {answers:?}");
    // Asking again does not wait until then.
    let id = DeliveryId(items[0].id.number);
    let state = replay(&scene, id, Replay::Again).await.expect("it is asked again");
    assert!(matches!(state, DeliveryState::InDoubt { .. }), "{state:?}");
    assert!(scene.claim_at(12, 10).await.iter().any(|job| job.subject == JobSubject::Deliver(id)));
}

pub async fn what_was_refused_is_due_again_as_a_new_revision(database: &dyn Database) {
    let (scene, id) = delivered(database, refused()).await;
    assert_eq!(replay(&scene, id, Replay::Again).await, Ok(DeliveryState::Due));
    assert_eq!(scene.delivery("pico", cig(1).as_str()).await.desired_revision, 2);
    assert!(names(&scene).await.is_empty());
    scene.claim_one(10).await;
    assert_eq!(decisions(database, "again").await, 1, "who and why stand in the chain");
    let again = replay(&scene, id, Replay::Again).await;
    assert!(again.is_err(), "it waits for nobody: {again:?}");
    assert_eq!(decisions(database, "again").await, 1);
}

pub async fn a_doubt_that_arrived_is_acknowledged_by_declaration(database: &dyn Database) {
    let (scene, id) = delivered(database, parked(true)).await;
    assert_eq!(replay(&scene, id, Replay::Arrived).await, Ok(DeliveryState::Acknowledged));
    let delivery = scene.delivery("pico", cig(1).as_str()).await;
    assert_eq!((delivery.state, delivery.held_revision), (DeliveryState::Acknowledged, 1));
    assert_eq!(delivery.last_receipt, None, "a declaration is no receipt");
    assert!(scene.claim_at(10, 10).await.is_empty());
    assert_eq!(decisions(database, "arrived").await, 1);
}

pub async fn a_doubt_that_did_not_arrive_is_sent_again_as_it_was(database: &dyn Database) {
    let (scene, id) = delivered(database, parked(true)).await;
    let before = scene.delivery("pico", cig(1).as_str()).await.last_shipment;
    assert_eq!(replay(&scene, id, Replay::NotArrived).await, Ok(DeliveryState::Due));
    let delivery = scene.delivery("pico", cig(1).as_str()).await;
    assert_eq!((delivery.desired_revision, &delivery.last_shipment), (1, &before), "same revision, key and bytes");
    let job = scene.claim_one(10).await;
    let attempt = scene.begin(&delivery, job.lease, 10).await;
    scene.conclude(&delivery, attempt, job.lease, DeliveryState::Acknowledged, 11).await;
    assert_eq!(scene.delivery("pico", cig(1).as_str()).await.held_revision, 1);
    assert_eq!(decisions(database, "not_arrived").await, 1);
}

pub async fn an_attempt_cut_short_ends_with_the_declaration(database: &dyn Database) {
    for (unit, said) in [(1, Replay::Arrived), (2, Replay::NotArrived)] {
        let scene = Scene::open(database).await;
        let document = scene.document(&format!("a{unit}"), None).await;
        scene.store(vec![routed_lotto(&document, unit, "x")]).await;
        let delivery = scene.delivery("pico", cig(unit).as_str()).await;
        let job = scene.claim_one(2).await;
        scene.begin(&delivery, job.lease, 2).await;
        // The process ends, again and again: the delivery stands aside, in doubt.
        assert_eq!(scene.store.expire(at(1000), 1).await.expect("expired"), 1);
        let unfinished = "select count(*) from attempt where finished_at is null";
        assert_eq!(database.number(unfinished).await, 1);
        replay(&scene, delivery.id, said).await.expect("it is declared");
        assert_eq!(database.number(unfinished).await, 0);
        drop(scene);
        database.end().await;
    }
}

pub async fn only_a_doubt_can_be_declared(database: &dyn Database) {
    let (scene, id) = delivered(database, refused()).await;
    for said in [Replay::Arrived, Replay::NotArrived] {
        assert!(replay(&scene, id, said).await.is_err());
    }
    assert_eq!(scene.delivery("pico", cig(1).as_str()).await.state, refused());
    assert_eq!(decisions(database, "").await, 0);
}

pub async fn a_discarded_delivery_comes_back_with_its_next_revision(database: &dyn Database) {
    let (scene, id) = delivered(database, refused()).await;
    let name = ParkedId { kind: ParkedKind::Delivery, number: id.0 };
    let answers = scene.store.discard(&[name, name], &maria(), at(9)).await.expect("answers");
    assert!(answers[0].is_ok() && answers[1].is_err(), "once is enough: {answers:?}");
    assert!(names(&scene).await.is_empty());
    assert_eq!(scene.delivery("pico", cig(1).as_str()).await.state, refused(), "nothing else changed");
    assert_eq!(decisions(database, "discard").await, 1);

    let later = scene.document("b", Some("2024-02-29")).await;
    scene.store(vec![routed_lotto(&later, 1, "y")]).await;
    scene.deliver("pico", cig(1).as_str(), refused(), 20).await;
    assert_eq!(names(&scene).await, [name.to_string()]);
}

pub async fn what_was_discarded_waits_again_when_it_is_reopened(database: &dyn Database) {
    let (scene, id) = delivered(database, parked(true)).await;
    let name = ParkedId { kind: ParkedKind::Delivery, number: id.0 };
    scene.store.discard(&[name], &maria(), at(9)).await.expect("discarded")[0].clone().expect("done");
    scene.store.reopen(id, 0, "reconciliation", at(10)).await.expect("reopened");
    let job = scene.claim_one(11).await;
    let delivery = scene.delivery("pico", cig(1).as_str()).await;
    let attempt = scene.begin(&delivery, job.lease, 12).await;
    scene.conclude(&delivery, attempt, job.lease, parked(true), 13).await;
    assert!(scene.settle(job.lease, JobEnd::Done, 13).await);
    assert_eq!(names(&scene).await, [name.to_string()], "the same revision, and a new doubt");
}

pub async fn a_discarded_record_stays_away_when_its_line_is_read_again(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    scene.store(vec![document.mumbles(1, "?"), document.mumbles(2, "??")]).await;
    let waiting = list(&scene, &ParkedFilter::default()).await;
    scene.store.discard(&[waiting[0].id], &maria(), at(9)).await.expect("discarded")[0].clone().expect("done");
    let answers = scene.store(vec![document.mumbles(1, "?"), document.mumbles(2, "??")]).await;
    assert_eq!(answers, [Stored::Quarantined; 2], "it is counted each time");
    assert_eq!(names(&scene).await, [waiting[1].id.to_string()]);
    assert_eq!(database.number("select count(*) from raw_record").await, 2, "nothing is deleted");
    assert!(scene.store.kept_record(waiting[0].id.number).await.expect("a look").is_none());
    let other = scene.document("b", None).await;
    scene.store(vec![other.mumbles(1, "?")]).await;
    assert_eq!(names(&scene).await.len(), 2, "another document is another matter");
}

pub async fn a_kept_record_is_understood_later_with_its_document(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", Some("2024-01-31")).await;
    scene.store(vec![document.mumbles(1, "?"), document.mumbles(2, "??")]).await;
    let waiting = list(&scene, &ParkedFilter::default()).await;
    let numbers: Vec<_> = waiting.iter().map(|item| item.id.number).collect();
    let kept = scene.store.kept_record(numbers[0]).await.expect("a look").expect("it is kept");
    assert_eq!((kept.raw.text.as_str(), kept.raw.line, kept.document), ("?", 1, document.id));
    assert_eq!((kept.source, kept.raw.document.as_of), (source(), Some(crate::records::day("2024-01-31"))));

    let run = next_run(&scene).await;
    let mut understood = document.says_to(1, lotto(1, "x"), vec![to_unit("pico", "u")]);
    "?".clone_into(&mut understood.text);
    let mut still = document.mumbles(2, "??");
    still.set_aside = Some(SetAside { rule: Rule::N03, reason: "data illeggibile".to_owned() });
    let arrivals = vec![(numbers[0], understood), (numbers[1], still)];
    let stored = scene.store.replay_records(run, arrivals, &maria(), at(9)).await.expect("stored");
    assert_eq!(stored, [Stored::New, Stored::Quarantined]);
    let left = list(&scene, &ParkedFilter::default()).await;
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].code.as_str(), left[0].message.as_str()), ("N03", "data illeggibile"), "today's reason");
    assert_eq!(left[0].since, waiting[1].since, "since when does not change");
    assert_eq!(scene.delivery("pico", "u").await.state, DeliveryState::Due);
    assert_eq!(database.number("select count(*) from raw_record").await, 2, "each text once");
    let totals = scene.store.finish_run(run, at(9)).await.expect("the run balances");
    assert_eq!((totals.read, totals.new, totals.quarantined), (2, 1, 1));
    assert_eq!(decisions(database, "outcome").await, 2);
}

pub async fn a_refused_document_is_one_thing_until_it_is_read(database: &dyn Database) {
    let scene = Scene::open(database).await;
    refuse(&scene, scene.run, "a.xml", "not_xml").await;
    let waiting = list(&scene, &ParkedFilter::default()).await;
    let run = next_run(&scene).await;
    refuse(&scene, run, "a.xml", "not_xml").await;
    let again = list(&scene, &ParkedFilter::default()).await;
    assert_eq!((again.len(), again[0].id, again[0].times), (1, waiting[0].id, 2));

    let discarded = scene.store.discard(&[waiting[0].id], &maria(), at(9)).await.expect("discarded");
    assert!(discarded[0].is_ok());
    let run = next_run(&scene).await;
    refuse(&scene, run, "a.xml", "not_xml").await;
    assert!(names(&scene).await.is_empty(), "the same file, for the same reason");
    let run = next_run(&scene).await;
    refuse(&scene, run, "a.xml", "truncated").await;
    assert_eq!(names(&scene).await.len(), 1, "another reason");

    let scene = Scene { run: next_run(&scene).await, ..scene };
    scene.document("a", None).await;
    assert!(names(&scene).await.is_empty(), "it was read");
    let run = next_run(&scene).await;
    refuse(&scene, run, "a.xml", "not_xml").await;
    assert_eq!(names(&scene).await.len(), 1, "and refused again since");
}

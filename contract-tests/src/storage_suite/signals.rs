//! Signal Hub: readers are told of every change once and in order, a signal keeps its number and its
//! bytes, and what was heard commits with what it is a reason for.

use canonical::Body;
use canonical::identifiers::CodiceFiscale;
use canonical::kinds::Lotto;
use raccordo::storage::exchange::{Position, Scope};
use raccordo::storage::signals::{Heard, Listening, PendingSignal, SignalEnding, Signalling};

use super::{Database, Scene};
use crate::records::{at, cig, lotto};

const SERVICE: &str = "b8c6d7ad-93fc-4eaf-9018-3cd8bf98163f";
const OURS: &str = "00246180590";
const FOREIGN: &str = "01234560991";
const SYSTEM: &str = "pad";

fn of_ours() -> Scope {
    Scope { bodies: vec![CodiceFiscale::parse(OURS).expect("a body")], ..Scope::default() }
}

fn lotto_of(number: u32, oggetto: &str, body: &str) -> Body {
    let Body::Lotto(lot) = lotto(number, oggetto) else { panic!("a lot") };
    Body::Lotto(Lotto { stazione_appaltante: CodiceFiscale::parse(body).ok(), ..lot })
}

fn signal(number: i64, until: Position) -> PendingSignal {
    PendingSignal { number, until, body: format!("{{\"n\":{number}}}"), attempts: 0, due_at: at(10) }
}

/// Begins an attempt: its number, and whether the hub may have the signal already.
async fn attempt(scene: &Scene, number: i64) -> (u32, bool) {
    let attempt = scene.store.attempt_signal(SERVICE, number).await.expect("an answer").expect("under way");
    (attempt.number, attempt.in_doubt)
}

async fn told(scene: &Scene) -> Signalling {
    scene.store.signalling(SERVICE).await.expect("where they stand")
}

/// What is to be told to readers of ours, as far as there is something.
async fn to_tell(scene: &Scene, from: Position) -> Vec<(String, bool)> {
    let (mut after, mut found) = (from, Vec::new());
    loop {
        let next = scene.store.next_change(&of_ours(), after).await.expect("a look").expect("the place stands");
        let is_last = !next.has_more;
        after = next.until;
        found.extend(next.changed.map(|changed| (changed.key, changed.is_new)));
        if is_last {
            return found;
        }
    }
}

pub async fn readers_are_told_of_what_changes_from_now_on_and_may_be_seen(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("prima", None).await;
    scene.store(vec![document.says(1, lotto_of(1, "strade", OURS))]).await;
    let state = told(&scene).await;
    assert_eq!(
        (state.told, state.pending),
        (scene.store.feed_end().await.expect("the end"), None),
        "read, not signalled"
    );
    assert_eq!(to_tell(&scene, state.told).await, []);

    let document = scene.document("dopo", None).await;
    scene
        .store(vec![document.says(1, lotto_of(1, "ponti", OURS)), document.says(2, lotto_of(2, "strade", OURS))])
        .await;
    scene.store(vec![document.says(3, lotto_of(3, "strade", FOREIGN))]).await;
    let document = scene.document("ancora", None).await;
    scene
        .store(vec![document.says(1, lotto_of(1, "scuole", OURS)), document.says(2, lotto_of(2, "scuole", OURS))])
        .await;
    let key = |number| cig(number).as_str().to_owned();
    // Of the first lot the last change alone; of the second that it is new, and what it became.
    let expected = [(key(2), true), (key(1), false), (key(2), false)];
    assert_eq!(to_tell(&scene, state.told).await, expected, "and nothing of another body");
    let gone = Position { version: 1, anchor: [9; 4] };
    assert_eq!(scene.store.next_change(&of_ours(), gone).await.expect("a look"), None, "another ledger");
}

pub async fn a_signal_keeps_its_number_and_its_bytes_until_it_is_taken(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("prima", None).await;
    let begin = told(&scene).await.told;
    scene
        .store(vec![document.says(1, lotto_of(1, "strade", OURS)), document.says(2, lotto_of(2, "strade", OURS))])
        .await;
    let next = scene.store.next_change(&of_ours(), begin).await.expect("a look").expect("the place stands");
    let store = &scene.store;
    let elsewhere = Position { version: 7, anchor: [0; 4] };
    assert!(!store.begin_signal(SERVICE, elsewhere, signal(5, next.until)).await.expect("an answer"));
    assert!(store.begin_signal(SERVICE, begin, signal(5, next.until)).await.expect("an answer"));
    assert!(!store.begin_signal(SERVICE, begin, signal(6, next.until)).await.expect("an answer"), "one at a time");
    store.skip_changes(SERVICE, begin, next.until).await.expect("an answer");
    assert_eq!(store.attempt_signal(SERVICE, 4).await.expect("an answer"), None, "no such signal");
    assert_eq!(attempt(&scene, 5).await, (1, false));

    let scene = scene.restart(database).await;
    let store = &scene.store;
    let pending = told(&scene).await.pending.expect("a signal");
    assert_eq!(pending, PendingSignal { attempts: 1, ..signal(5, next.until) });
    assert_eq!(attempt(&scene, 5).await, (2, true), "nobody noted how the first ended");
    let again = || SignalEnding::Again { code: "hub_busy".to_owned(), due_at: at(40), in_doubt: false };
    let late = store.end_signal(SERVICE, 5, 1, again(), at(20)).await.expect("an answer");
    assert!(!late, "another attempt was begun since");
    assert!(store.end_signal(SERVICE, 5, 2, again(), at(20)).await.expect("an answer"));
    let state = told(&scene).await;
    assert_eq!(
        (state.failed, state.pending.map(|pending| pending.due_at)),
        (Some((at(20), "hub_busy".to_owned())), Some(at(40)))
    );
    assert_eq!(attempt(&scene, 5).await, (3, false), "as it was noted");
    assert!(store.end_signal(SERVICE, 5, 1, SignalEnding::Taken, at(30)).await.expect("an answer"), "whoever sent it");
    assert!(!store.end_signal(SERVICE, 5, 2, SignalEnding::Taken, at(31)).await.expect("an answer"), "once");
    let state = told(&scene).await;
    assert_eq!((state.told, state.taken_at, state.failed, state.pending), (next.until, Some(at(30)), None, None));
    assert!(
        !store.begin_signal(SERVICE, state.told, signal(5, elsewhere)).await.expect("an answer"),
        "its number was given"
    );
    assert!(store.begin_signal(SERVICE, state.told, signal(6, elsewhere)).await.expect("an answer"));
}

pub async fn a_number_that_somebody_else_uses_is_replaced_by_a_higher_one(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let store = &scene.store;
    let (begin, until) = (told(&scene).await.told, Position { version: 3, anchor: [1; 4] });
    assert!(store.begin_signal(SERVICE, begin, signal(5, until)).await.expect("an answer"));
    assert_eq!(attempt(&scene, 5).await, (1, false));
    let renumbered = |number| SignalEnding::Renumbered {
        code: "number_passed".to_owned(),
        due_at: at(30),
        number,
        body: format!("{{\"n\":{number}}}"),
    };
    assert!(!store.end_signal(SERVICE, 5, 1, renumbered(5), at(20)).await.expect("an answer"), "not above");
    assert!(store.end_signal(SERVICE, 5, 1, renumbered(9), at(20)).await.expect("an answer"));
    let pending = told(&scene).await.pending.expect("a signal");
    assert_eq!(pending, PendingSignal { due_at: at(30), ..signal(9, until) }, "the same change, not tried yet");
    assert!(!store.end_signal(SERVICE, 5, 1, SignalEnding::Taken, at(31)).await.expect("an answer"));
    store.signal_only(None, &[]).await.expect("noted");
    let state = told(&scene).await;
    assert!(!state.is_on && state.pending.is_some(), "switched off, and kept");
    store.signal_only(Some(SERVICE), &[]).await.expect("noted");
    assert!(told(&scene).await.is_on);
}

async fn heard(scene: &Scene) -> Option<Listening> {
    scene.store.listening(Some(SYSTEM)).await.expect("states").pop()
}

pub async fn what_was_heard_and_that_there_is_a_reason_to_look_commit_together(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let store = &scene.store;
    let page = |from, to, is_all, is_stale| Heard { from, to, is_all, is_stale };
    let hear = |page, seconds| store.hear(SYSTEM, SERVICE, page, at(seconds));
    assert!(hear(page(0, 100, false, true), 1).await.expect("an answer"));
    assert!(!hear(page(0, 100, false, true), 2).await.expect("an answer"), "somebody else went on");
    assert!(hear(page(100, 103, true, true), 3).await.expect("an answer"));
    let state = heard(&scene).await.expect("a state");
    assert_eq!((state.heard, state.heard_at, state.stale_since), (103, Some(at(3)), Some(at(1))), "since the first");
    store.looked(SYSTEM, 100).await.expect("noted");
    assert_eq!(heard(&scene).await.expect("a state").stale_since, Some(at(1)), "more was heard while it was looked");
    store.not_heard(SYSTEM, SERVICE, "timeout", at(4)).await.expect("noted");
    store.not_looked(SYSTEM, "incomplete", at(4)).await.expect("noted");
    assert!(hear(page(103, 103, true, false), 5).await.expect("an answer"));
    let state = heard(&scene).await.expect("a state");
    let still = Some((at(4), "incomplete".to_owned()));
    assert_eq!((state.failed, state.not_looked, state.stale_since), (None, still, Some(at(1))), "each of its own");
    store.looked(SYSTEM, 103).await.expect("noted");
    let state = heard(&scene).await.expect("a state");
    assert_eq!((state.stale_since, state.not_looked), (None, None));
    store.not_heard(SYSTEM, SERVICE, "timeout", at(5)).await.expect("noted");
    assert_eq!(heard(&scene).await.expect("a state").failed, Some((at(5), "timeout".to_owned())));
    // Another e-service counts from its own beginning; what is to be looked at is to be looked at.
    assert!(hear(page(103, 104, true, true), 6).await.expect("an answer"));
    assert!(store.hear(SYSTEM, "altro", page(0, 2, false, false), at(7)).await.expect("an answer"));
    let state = heard(&scene).await.expect("a state");
    assert_eq!((state.heard, state.heard_at, state.stale_since), (2, None, Some(at(6))));
    store.signal_only(None, &["altro".to_owned()]).await.expect("noted");
    assert_eq!(heard(&scene).await, None, "listened to no more");
}

pub async fn names_of_signals_are_those_of_records_or_begin_them(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("prima", None).await;
    let contract = crate::records::contratto(2, 1, "rep. 7");
    scene.store(vec![document.says(1, lotto(1, "strade")), document.says(2, contract)]).await;
    let is_known = async |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        scene.store.is_any_known(&names).await.expect("an answer")
    };
    let (lot, of_contract) = (cig(1), cig(2));
    assert!(is_known(&["altro", lot.as_str()]).await && is_known(&[of_contract.as_str()]).await);
    assert!(!is_known(&[cig(3).as_str(), "", "-"]).await && !is_known(&[&lot.as_str()[..9]]).await);
    let mut keys = Vec::new();
    while let Some(key) = scene.store.known_keys(keys.last().map_or("", String::as_str), 1).await.expect("keys").pop() {
        keys.push(key);
    }
    assert_eq!(keys, [lot.as_str().to_owned(), format!("{}/1", of_contract.as_str())]);
}

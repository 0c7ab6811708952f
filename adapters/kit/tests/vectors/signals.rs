//! Notifications of change: pseudonyms, pages, what a signal asks for, what an answer means.

use std::time::Duration;

use kit::Secret;
use kit::answer::Answer;
use kit::pdnd::signal_hub::pseudonym::{Encoding, GivenSeed, Hash, KnownObjects, PseudonymRule};
use kit::pdnd::signal_hub::pull::{Action, Lag, Object, Page, action, lag};
use kit::pdnd::signal_hub::push::{Pushed, outcome};
use kit::pdnd::signal_hub::{Signal, SignalType};
use serde_json::Value;

use crate::samples::{bytes, json, text, vectors};

#[test]
fn every_pseudonym_is_that_of_its_producer() {
    let manifest = json("signalhub/pseudonyms.json");
    for vector in vectors(&manifest, 20) {
        let rule = serde_json::json!({ "composition": vector["composition"], "hash": vector["hash"] });
        let rule: PseudonymRule = serde_json::from_value(rule).expect("a rule");
        let seed = Secret::new(text(vector, "seed"));
        let original = text(vector, "original");
        assert_eq!(rule.pseudonym(original, &seed), text(vector, "base64"), "{vector}");
        let hex = PseudonymRule { encoding: Encoding::Hex, ..rule };
        assert_eq!(hex.pseudonym(original, &seed), text(vector, "hex"), "{vector}");
    }
}

#[test]
fn a_seed_comes_with_its_hash_and_is_a_secret() {
    let body = json("signalhub/seed-response.json");
    let given: GivenSeed = serde_json::from_value(body.clone()).expect("a seed");
    assert_eq!((given.seed.expose(), given.crypto_hash_function), (text(&body, "seed"), Hash::Sha256));
    let other = PseudonymRule { hash: Hash::Sha512, ..PseudonymRule::default() };
    let rule = other.with_hash_of(&given);
    assert_ne!(other.pseudonym("RSSMRA80A01H501U", &given.seed), rule.pseudonym("RSSMRA80A01H501U", &given.seed));
    assert_eq!(rule, PseudonymRule::default());
    assert!(!format!("{given:?}").contains(text(&body, "seed")));
}

#[test]
fn pages_read_in_order_ask_for_what_the_samples_say() {
    let expected = json("signalhub/expected-replay.json");
    let seeds = json("signalhub/pseudonyms.json");
    let seeds = vectors(&seeds, 20);
    let (first, second) = (text(&seeds[0], "seed"), text(&seeds[seeds.len() - 1], "seed"));
    let objects = vec!["RSSMRA80A01H501U".to_owned(), "BNCLRD75T41F205X".to_owned()];
    let mut known = KnownObjects::new(PseudonymRule::default(), objects, &Secret::new(first));
    let (mut cursor, mut cursors, mut actions) = (0, Vec::new(), Vec::new());
    for file in ["pull-206", "pull-200", "pull-empty-200"] {
        let page: Page = serde_json::from_value(json(&format!("signalhub/{file}.json"))).expect("a page");
        for signal in &page.signals {
            let asked = action(signal, &known);
            let (word, object) = match &asked {
                Action::Refetch(object) => ("refetch", Some(object)),
                Action::Delete(object) => ("delete", Some(object)),
                Action::ReloadSeed => ("reload-seed-and-recompute", None),
            };
            let mut line = serde_json::json!({ "signalId": signal.signal_id, "action": word });
            if let Some(Object::Known(original)) = object {
                line["original"] = original.as_str().into();
            }
            actions.push(line);
            if asked == Action::ReloadSeed {
                known.recompute(&Secret::new(second));
            }
        }
        cursor = page.cursor_after(cursor);
        cursors.push(Value::from(cursor));
    }
    assert_eq!(Value::from(cursors), expected["cursor_after"]);
    assert_eq!(Value::from(actions), expected["actions"]);
}

#[test]
fn a_signal_is_written_as_the_hub_reads_it() {
    for file in ["push-request", "push-request-seedupdate"] {
        let body = json(&format!("signalhub/{file}.json"));
        let signal: Signal = serde_json::from_value(body.clone()).expect("a signal");
        assert_eq!(serde_json::to_value(&signal).expect("JSON"), body, "{file}");
        if signal.signal_type == SignalType::SeedUpdate {
            assert_eq!(signal, Signal::seed_update(signal.signal_id, signal.eservice_id.clone()));
        }
    }
}

#[test]
fn every_answer_to_a_signal_says_what_to_do() {
    let expected = [
        ("push-response-200", 200, Pushed::Queued),
        ("push-400-validation", 400, Pushed::Invalid),
        ("push-400-duplicate", 400, Pushed::NumberTaken),
        ("push-400-not-sent", 400, Pushed::Retry { after: None }),
        ("push-400-higher", 400, Pushed::NumberPassed),
        ("push-403", 403, Pushed::Stop),
        ("push-429", 429, Pushed::Retry { after: Some(Duration::from_secs(1)) }),
    ];
    for (file, status, pushed) in expected {
        let retry_after = (status == 429).then_some(Duration::from_secs(1));
        let body = bytes(&format!("signalhub/{file}.json")).into();
        assert_eq!(outcome(&Answer { status, retry_after, body, ..Answer::default() }), pushed, "{file}");
    }
    assert_eq!(outcome(&Answer { status: 401, ..Answer::default() }), Pushed::RenewVoucher);
    let page = bytes("errors/gateway-error.html").into();
    assert_eq!(outcome(&Answer { status: 502, body: page, ..Answer::default() }), Pushed::Unknown { after: None });
    let full = Answer { status: 503, retry_after: Some(Duration::from_secs(2)), ..Answer::default() };
    assert_eq!(outcome(&full), Pushed::Retry { after: full.retry_after }, "it says that it is not done");
    assert_eq!(outcome(&Answer { status: 404, ..Answer::default() }), Pushed::NotTheHub);
}

#[test]
fn a_page_is_believed_where_its_signals_are_those_that_were_asked_for() {
    let page: Page = serde_json::from_value(json("signalhub/pull-200.json")).expect("a page");
    let service = page.signals[0].eservice_id.clone();
    let first = page.signals[0].signal_id;
    assert!(page.is_of(&service, first - 1));
    assert!(!page.is_of(&service, first), "heard before");
    assert!(!page.is_of("altro", first - 1), "of another e-service");
    let backwards = Page { signals: page.signals.iter().rev().cloned().collect(), ..page };
    assert!(!backwards.is_of(&service, first - 1));
    let empty = Page { signals: Vec::new(), last_signal_id: Some(i64::MAX) };
    assert_eq!((empty.is_of(&service, 7), empty.cursor_after(7)), (true, 7), "it moves nothing");
    let unknown = serde_json::json!({ "signalId": 9, "objectType": "x", "objectId": "x", "eserviceId": "e",
                                      "signalType": "REVIEW" });
    let unknown: Signal = serde_json::from_value(unknown).expect("a signal of tomorrow");
    assert_eq!(unknown.signal_type, SignalType::Other);
}

#[test]
fn a_cursor_left_behind_is_told_before_signals_are_lost() {
    let days = |days: u64| lag(Duration::from_hours(days * 24 + 1));
    assert_eq!([days(1), days(20), days(30)], [Lag::Fine, Lag::Warn, Lag::Lost]);
}

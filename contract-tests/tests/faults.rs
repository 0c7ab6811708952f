//! The judge of the fault programme is judged: its target counts honestly, and what breaks a promise
//! is found by name. The programme itself is `cargo xtask faults`.

use std::time::{Duration, Instant};

use contract_tests::faults::client::{Client, line};
use contract_tests::faults::oracle::{self, Allowed};
use contract_tests::faults::programme::Figures;
use contract_tests::faults::store::{Entry, Reading};
use contract_tests::faults::target::{Fate, Target, Told};

fn empty() -> Reading {
    Reading {
        versions: Vec::new(),
        deliveries: Vec::new(),
        attempts: Vec::new(),
        receipts: Vec::new(),
        audit: Vec::new(),
        unrouted: 0,
        unbalanced: 0,
        quarantined: 0,
        quarantined_without_reason: 0,
    }
}

fn violations(client: &Client, target: &Target, reading: &Reading) -> Vec<String> {
    let mut figures = Figures::default();
    oracle::judge(client, target, reading, &Allowed::default(), &mut figures);
    figures.violations
}

/// Publishes a revision under a key; the status that came back.
fn publish(target: &Target, key: &str, revision: u64) -> Option<u16> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let url = format!("http://{}/v0/pubblicazioni/risorse/prova/r-1", target.address());
    let body = format!(r#"{{"revisione":{revision},"contenuto":{{"titolo":"T"}}}}"#);
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let sent = client.put(url).header("idempotency-key", key).body(body).send().await;
        sent.ok().map(|answer| answer.status().as_u16())
    })
}

fn has(violations: &[String], invariant: &str, words: &str) -> bool {
    violations.iter().any(|violation| violation.starts_with(invariant) && violation.contains(words))
}

#[test]
fn a_key_that_comes_again_has_no_second_effect_and_a_new_key_has() {
    let target = Target::start().unwrap();
    target.script(|_, before| if before == 0 { Fate::TakeThen(504) } else { Fate::Take });
    assert_eq!(publish(&target, "k", 1), Some(504));
    assert_eq!(publish(&target, "k", 1), Some(200));
    assert_eq!((target.effects().len(), target.puts()[0].told.clone()), (1, Told::Unclear));
    let found = violations(&Client::default(), &target, &empty());
    assert!(!has(&found, "I4", ""), "{found:?}");

    assert_eq!(publish(&target, "k-2", 1), Some(201));
    let found = violations(&Client::default(), &target, &empty());
    assert!(has(&found, "I4", "took effect 2 times") && has(&found, "I4", "another key"), "{found:?}");
}

#[test]
fn an_effect_that_no_attempt_announced_and_a_revision_that_goes_back_are_found() {
    let target = Target::start().unwrap();
    publish(&target, "b", 2);
    publish(&target, "a", 1);
    let found = violations(&Client::default(), &target, &empty());
    assert!(has(&found, "I7", "revision 1 after"), "{found:?}");
    assert!(has(&found, "I6", "1 requests of 0 attempts") && has(&found, "I5", "no delivery knows"), "{found:?}");
}

#[test]
fn a_door_that_is_closed_refuses_and_opens_again() {
    let target = Target::start().unwrap();
    target.close();
    assert_eq!(publish(&target, "k", 1), None);
    target.mend().unwrap();
    assert_eq!(publish(&target, "k", 1), Some(201));
}

#[test]
fn what_was_acknowledged_and_is_not_stored_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut client = Client::default();
    let ids = client.change(&mut fastrand::Rng::with_seed(1), 0, 2);
    let (file, digest) = client.write(folder.path(), "a.ndjson", &ids).unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    assert_eq!(text.lines().next(), Some(line(&ids[0], &client.records[&ids[0]].written[0]).as_str()));
    let target = Target::start().unwrap();
    assert_eq!(violations(&client, &target, &empty()), [""; 0], "nothing was promised yet");
    client.acknowledged(&digest);
    let mut figures = Figures::default();
    oracle::judge(&client, &target, &empty(), &Allowed::default(), &mut figures);
    assert_eq!(figures.lost, 2);
    assert!(has(&figures.violations, "I1", "version 1 was acknowledged and is not stored"), "{figures:?}");
}

#[test]
fn a_chain_is_recomputed_and_a_changed_entry_found() {
    let entry = |seq: i64, previous: Vec<u8>| {
        let mut entry = Entry {
            seq,
            at: 1,
            kind: "x".to_owned(),
            subject: "y".to_owned(),
            detail: "{}".to_owned(),
            previous,
            hash: Vec::new(),
        };
        entry.hash = oracle::hash(&entry.previous.clone(), &entry);
        entry
    };
    let first = entry(1, vec![0; 32]);
    let second = entry(2, first.hash.clone());
    let sound = Reading { audit: vec![first, second], ..empty() };
    let (client, target) = (Client::default(), Target::start().unwrap());
    assert_eq!(violations(&client, &target, &sound), [""; 0]);
    let mut changed = sound.clone();
    changed.audit[0].detail.push(' ');
    assert!(has(&violations(&client, &target, &changed), "I9", "entry 1 was changed"));
    let mut gap = sound;
    gap.audit.remove(0);
    assert!(has(&violations(&client, &target, &gap), "I9", "entry 1 is missing"));
}

/// Asks whether a unit is held; the status that came back.
fn look(target: &Target) -> u16 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let url = format!("http://{}/v0/pubblicazioni/risorse/prova/r-1", target.address());
    let asked = async { reqwest::Client::builder().no_proxy().build().expect("a client").get(url).send().await };
    runtime.block_on(asked).expect("an answer").status().as_u16()
}

#[test]
fn without_keys_what_comes_again_takes_effect_again_and_only_a_look_that_was_answered_allows_it() {
    let target = Target::start().unwrap();
    target.forget_keys();
    target.script(|_, before| if before == 0 { Fate::TakeThen(504) } else { Fate::Take });
    assert_eq!((publish(&target, "k", 1), publish(&target, "k", 1)), (Some(504), Some(201)));
    let found = violations(&Client::default(), &target, &empty());
    assert!(has(&found, "I4", "took effect 2 times") && has(&found, "I4", "without a look"), "{found:?}");

    let target = Target::start().unwrap();
    target.forget_keys();
    target.script(|_, before| if before == 0 { Fate::Break } else { Fate::Take });
    assert_eq!(publish(&target, "k", 1), None);
    target.fail_looks(1);
    assert_eq!(look(&target), 500, "a question without an answer is no look");
    assert_eq!(publish(&target, "k", 1), Some(201));
    assert!(has(&violations(&Client::default(), &target, &empty()), "I4", "without a look"));

    let target = Target::start().unwrap();
    target.forget_keys();
    target.script(|_, before| if before == 0 { Fate::Break } else { Fate::Take });
    assert_eq!((publish(&target, "k", 1), look(&target), publish(&target, "k", 1)), (None, 404, Some(201)));
    assert!(!has(&violations(&Client::default(), &target, &empty()), "I4", ""));
}

/// Publishes, and leaves before the answer comes.
fn publish_and_leave(target: &Target) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let url = format!("http://{}/v0/pubblicazioni/risorse/prova/r-1", target.address());
    let sent = async {
        let client =
            reqwest::Client::builder().no_proxy().timeout(Duration::from_millis(500)).build().expect("a client");
        client.put(url).body(r#"{"revisione":1,"contenuto":{"titolo":"T"}}"#).send().await
    };
    assert!(runtime.block_on(sent).is_err(), "nobody waits for the answer");
}

#[test]
fn a_target_finishes_what_it_has_begun_when_whoever_asked_is_gone() {
    let target = Target::start().unwrap();
    target.forget_keys();
    target.script(|_, before| if before == 0 { Fate::TakeAfter(Duration::from_secs(4)) } else { Fate::Take });
    publish_and_leave(&target);
    assert_eq!(target.effects().len(), 0, "it is at work");
    // A look while it is at work shows nothing, and allows nothing.
    assert_eq!((look(&target), publish(&target, "k", 1)), (404, Some(201)));
    let begun = Instant::now();
    while target.effects().len() < 2 && begun.elapsed() < Duration::from_secs(10) {
        std::thread::yield_now();
    }
    let found = violations(&Client::default(), &target, &empty());
    assert!(has(&found, "I4", "took effect 2 times") && has(&found, "I4", "without a look"), "{found:?}");
    assert!(has(&found, "I7", "two requests at the same time"), "{found:?}");
    assert_eq!(target.puts()[0].told, Told::Nothing);
}

#[test]
fn a_look_that_shows_what_was_sent_allows_no_second_request() {
    let target = Target::start().unwrap();
    target.forget_keys();
    target.script(|_, before| if before == 0 { Fate::TakeThen(504) } else { Fate::Take });
    assert_eq!((publish(&target, "k", 1), look(&target), publish(&target, "k", 1)), (Some(504), 200, Some(201)));
    let found = violations(&Client::default(), &target, &empty());
    assert!(has(&found, "I4", "without a look"), "{found:?}");
}

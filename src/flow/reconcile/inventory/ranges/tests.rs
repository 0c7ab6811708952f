//! Two nodes: what is found, in how many bytes and messages; and peers that do not keep to the form.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::wire::salt_of_opening;
use super::*;
use crate::flow::reconcile::inventory::RunKey;

const SALT: Salt = Salt([5; 16]);

struct Session {
    ours: Outcome,
    theirs: Outcome,
    bytes: usize,
    messages: usize,
}

fn run(ours: &Index, theirs: &Index, limits: SessionLimits) -> Session {
    let mut sides = [ours, theirs].map(|index| Reconciler::new(index, &Completeness::Complete, limits));
    let mut message = sides[0].initiate();
    assert_eq!(salt_of_opening(&message), Ok(SALT));
    let (mut bytes, mut messages) = (0, 0);
    for turn in 1.. {
        assert!(message.len() <= limits.message_bytes);
        (bytes, messages) = (bytes + message.len(), messages + 1);
        match sides[turn % 2].respond(&message).unwrap() {
            Step::Send(next) => message = next,
            Step::Done => break,
        }
    }
    Session { ours: sides[0].outcome(), theirs: sides[1].outcome(), bytes, messages }
}

fn index(items: &BTreeMap<u128, u128>) -> Index {
    Index::of_pairs(SALT, items.iter().map(|(key, row)| Pair { key: *key, row: *row }).collect()).unwrap()
}

/// Checks that both sides know everything, and says what it took.
fn check(ours: &BTreeMap<u128, u128>, theirs: &BTreeMap<u128, u128>, limits: SessionLimits) -> (usize, usize) {
    let session = run(&index(ours), &index(theirs), limits);
    let only = |here: &BTreeMap<u128, u128>, there: &BTreeMap<u128, u128>| -> Vec<u128> {
        here.keys().filter(|key| !there.contains_key(key)).copied().collect()
    };
    let differs = |(key, row): (&u128, &u128)| theirs.get(key).is_some_and(|other| other != row).then_some(*key);
    let different: Vec<u128> = ours.iter().filter_map(differs).collect();
    for (outcome, here, there) in [(session.ours, ours, theirs), (session.theirs, theirs, ours)] {
        assert!(outcome.only_ours.keys() == only(here, there));
        assert!(outcome.only_theirs.keys() == only(there, here));
        assert!(outcome.different == different);
    }
    (session.bytes, session.messages)
}

/// Numbers that look like hashes, always the same.
fn numbers(seed: u64, count: usize) -> BTreeMap<u128, u128> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..count).map(|_| (random.u128(..), random.u128(..))).collect()
}

/// Another content has another hash. Small changes would be no hashes, and their sum could vanish.
fn change(row: &mut u128) {
    *row = RunKey::new([8; 16]).hash(&row.to_le_bytes());
}

/// So many items are changed, taken away or added, in turn, all over the key space.
fn with_differences(items: &BTreeMap<u128, u128>, count: usize) -> BTreeMap<u128, u128> {
    let mut changed = items.clone();
    for (n, key) in items.keys().step_by((items.len() / count.max(1)).max(1)).take(count).enumerate() {
        match n % 3 {
            0 => change(changed.get_mut(key).unwrap()),
            1 => drop(changed.remove(key)),
            _ => drop(changed.insert(key ^ 0xABCD, 7)),
        }
    }
    changed
}

#[test]
fn ten_differences_in_a_million_take_twenty_kib_and_seven_messages() {
    let ours = numbers(1, 1_000_000);
    let (bytes, messages) = check(&ours, &with_differences(&ours, 10), SessionLimits::default());
    assert!(bytes <= 20 * 1024 && messages <= 7, "{bytes} bytes in {messages} messages");
}

#[test]
fn two_equal_nodes_take_one_message_of_some_hundred_bytes() {
    let ours = numbers(1, 100_000);
    let (bytes, messages) = check(&ours, &ours, SessionLimits::default());
    assert!(bytes <= 512 && messages == 1, "{bytes} bytes in {messages} messages");
}

#[test]
fn one_difference_or_a_thousand_are_found_for_a_price_that_grows_with_them() {
    let ours = numbers(1, 200_000);
    for (count, most) in [(1, 3 * 1024), (1_000, 1_400 * 1024)] {
        let (bytes, messages) = check(&ours, &with_differences(&ours, count), SessionLimits::default());
        assert!(bytes <= most && messages <= 12, "{count}: {bytes} bytes in {messages} messages");
    }
}

#[test]
fn an_empty_node_and_a_node_with_other_items_learn_everything() {
    let (ours, theirs) = (numbers(1, 20_000), numbers(2, 20_000));
    let limits = SessionLimits { message_bytes: 64 * 1024, ..SessionLimits::default() };
    for (ours, theirs) in [(&ours, &BTreeMap::new()), (&BTreeMap::new(), &ours), (&ours, &theirs)] {
        let (bytes, messages) = check(ours, theirs, limits);
        let least = 32 * (ours.len() + theirs.len());
        assert!(bytes < 5 * least && messages < 200, "{bytes} bytes in {messages} messages for {least}");
    }
}

proptest! {
    #[test]
    fn whatever_two_nodes_hold_both_learn_it_in_messages_of_any_size(
        common in prop::collection::btree_map(any::<u128>(), any::<u128>(), 0..400),
        mine in prop::collection::btree_map(any::<u128>(), any::<u128>(), 0..200),
        other in prop::collection::btree_map(any::<u128>(), any::<u128>(), 0..200),
        changed in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        message_bytes in SessionLimits::LEAST_BYTES..16 * 1024,
    ) {
        let mut ours = common.clone();
        ours.extend(mine);
        let mut theirs = common.clone();
        theirs.extend(other);
        let keys: Vec<u128> = common.keys().copied().collect();
        for index in changed.iter().filter(|_| !keys.is_empty()) {
            change(theirs.get_mut(index.get(&keys)).unwrap());
        }
        check(&ours, &theirs, SessionLimits { message_bytes, ..SessionLimits::default() });
    }

    #[test]
    fn no_message_makes_a_side_panic_or_say_more_than_it_may(
        mut message in prop::collection::vec(any::<u8>(), 0..200),
        is_headed in any::<bool>(),
    ) {
        if is_headed {
            message.splice(0..0, [1, 0]);
        }
        let index = index(&numbers(3, 2_000));
        let mut side = Reconciler::new(&index, &Completeness::Complete, SessionLimits::default());
        if let Ok(Step::Send(answer)) = side.respond(&message) {
            prop_assert!(answer.len() <= SessionLimits::default().message_bytes);
        }
    }

    #[test]
    fn a_message_that_was_changed_on_its_way_never_makes_a_side_panic(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        end in any::<prop::sample::Index>(),
        rounds in 0_usize..6,
    ) {
        let ours = numbers(3, 2_000);
        let (mine, other) = (index(&ours), index(&with_differences(&ours, 30)));
        let mut sides = [&mine, &other].map(|index| Reconciler::new(index, &Completeness::Complete, SessionLimits::default()));
        let mut message = sides[0].initiate();
        for turn in 1..=rounds {
            let Step::Send(next) = sides[turn % 2].respond(&message).unwrap() else { break };
            message = next;
        }
        let position = at.index(message.len());
        message[position] = byte;
        message.truncate(end.index(message.len()).max(position) + 1);
        for side in &mut sides {
            let _ = side.respond(&message);
        }
    }
}

/// Messages that must be refused, and what is wrong with them.
#[test]
fn a_malformed_message_is_refused_as_a_whole() {
    let index = index(&numbers(3, 100));
    let item = |key: u8| [[key; 16], [1; 16]].concat();
    let cases: Vec<(&str, Vec<u8>, Refused)> = vec![
        ("nothing", vec![], Refused::Malformed("it ends early")),
        ("another version", vec![9, 0], Refused::Version(9)),
        ("unknown flags", vec![1, 4], Refused::Malformed("unknown flags")),
        ("half a salt", vec![1, 1, 0, 0], Refused::Malformed("it ends early")),
        ("another salt", [vec![1, 1], vec![6; 16]].concat(), Refused::OtherSalt),
        ("half a bound", vec![1, 0, 4, 1], Refused::Malformed("it ends early")),
        ("a long bound", vec![1, 0, 17], Refused::Malformed("a bound longer than a key")),
        ("a padded bound", vec![1, 0, 2, 1, 0, 0], Refused::Malformed("a bound that could be shorter")),
        (
            "ranges that overlap",
            vec![1, 0, 1, 9, 0, 1, 8, 0],
            Refused::Malformed("a range that does not come after the one before it"),
        ),
        (
            "a range twice",
            vec![1, 0, 1, 9, 0, 1, 9, 0],
            Refused::Malformed("a range that does not come after the one before it"),
        ),
        (
            "a range after the end",
            vec![1, 0, 0, 0, 1, 9, 0],
            Refused::Malformed("a range that does not come after the one before it"),
        ),
        ("an unknown mode", vec![1, 0, 0, 4], Refused::Malformed("an unknown mode")),
        ("half a fingerprint", vec![1, 0, 0, 1, 7, 7], Refused::Malformed("it ends early")),
        ("a billion items", vec![1, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 3], Refused::Malformed("it ends early")),
        (
            "an endless number",
            vec![1, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0xff],
            Refused::Malformed("a number that is too large"),
        ),
        ("a padded number", vec![1, 0, 0, 2, 0x80, 0], Refused::Malformed("a number that could be shorter")),
        (
            "items in disorder",
            [vec![1, 0, 0, 2, 2], item(9), item(8)].concat(),
            Refused::Malformed("items in disorder"),
        ),
        ("an item twice", [vec![1, 0, 0, 2, 2], item(9), item(9)].concat(), Refused::Malformed("items in disorder")),
        (
            "an item outside its range",
            [vec![1, 0, 1, 8, 2, 1], item(9)].concat(),
            Refused::Malformed("an item outside its range"),
        ),
        ("a number beyond the items", vec![1, 0, 0, 3, 0, 1, 100], Refused::Malformed("a number beyond the items")),
    ];
    for (name, message, refused) in cases {
        let mut side = Reconciler::new(&index, &Completeness::Complete, SessionLimits::default());
        assert_eq!(side.respond(&message), Err(refused), "{name}");
    }
}

#[test]
fn a_peer_that_never_ends_or_claims_without_end_is_refused() {
    let index = index(&numbers(3, 100));
    let limits = SessionLimits { messages: 3, claims: 2, ..SessionLimits::default() };
    let mut side = Reconciler::new(&index, &Completeness::Complete, limits);
    let differs = [&[1, 0, 0, 1][..], &[7; 16]].concat();
    for _ in 0..3 {
        assert!(matches!(side.respond(&differs), Ok(Step::Send(_))));
    }
    assert_eq!(side.respond(&differs), Err(Refused::TooMany));

    let claims: Vec<u8> = (1..=3).flat_map(|key| [[key; 16], [1; 16]].concat()).collect();
    let mut side = Reconciler::new(&index, &Completeness::Complete, limits);
    assert_eq!(side.respond(&[&[1, 0, 0, 2, 3][..], &claims].concat()), Err(Refused::TooManyClaims));

    let mut side = Reconciler::new(&index, &Completeness::Complete, limits);
    assert_eq!(side.respond(&vec![1; limits.message_bytes + 1]), Err(Refused::TooLong));
}

#[test]
fn nothing_is_missing_at_a_peer_that_is_not_complete() {
    let (ours, theirs) = (numbers(1, 50), numbers(2, 50));
    let (ours, theirs) = (index(&ours), index(&theirs));
    let partial = Completeness::Partial(Shortfall::Total { expected: 60, read: 50 });
    let mut mine = Reconciler::new(&ours, &Completeness::Complete, SessionLimits::default());
    let mut other = Reconciler::new(&theirs, &partial, SessionLimits::default());
    let mut message = mine.initiate();
    while let Step::Send(answer) = other.respond(&message).unwrap() {
        let Step::Send(next) = mine.respond(&answer).unwrap() else { break };
        message = next;
    }
    let (mine, other) = (mine.outcome(), other.outcome());
    assert!(matches!(&mine.only_ours, Unmatched::NotSeen(keys) if keys.len() == 50));
    assert!(matches!(&mine.only_theirs, Unmatched::Missing(keys, _) if keys.len() == 50));
    assert!(matches!(&other.only_ours, Unmatched::Missing(keys, _) if keys.len() == 50));
    let keys = |unmatched: &Unmatched| unmatched.keys().iter().copied().collect::<BTreeSet<_>>();
    assert_eq!(keys(&mine.only_ours), keys(&other.only_theirs));
}

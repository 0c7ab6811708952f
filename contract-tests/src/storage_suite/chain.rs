//! The audit chain: what leaves an entry, and what is noticed.

use canonical::Digest;
use raccordo::delivery::DeliveryState;
use raccordo::storage::exchange::ProvenMessage;
use raccordo::storage::{AuditHead, JobEnd, KeptHead};

use super::scene::{nowhere, routed_lotto, to_unit, withheld};
use super::{Database, Scene};
use crate::records::{at, cig, lotto, source};

async fn entries(database: &dyn Database, kind: &str) -> i64 {
    database.number(&format!("select count(*) from audit where kind = '{kind}'")).await
}

pub async fn what_changes_in_passing_leaves_one_entry_for_all_of_it(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let first = scene.document("a", Some("2024-01-31")).await;
    scene.document("a", Some("2024-01-31")).await;
    assert_eq!(entries(database, "document_registered").await, 1, "the same document twice is one");

    let to = |unit: &str, number| first.says_to(u64::from(number), lotto(number, "x"), vec![to_unit("pico", unit)]);
    scene.store(vec![to("a", 1), to("a", 2), to("b", 3)]).await;
    assert_eq!(entries(database, "members_joined").await, 1);
    scene.store(vec![first.mumbles(9, "?"), first.mumbles(10, "??")]).await;
    assert_eq!(entries(database, "quarantine_resolved").await, 0);
    let mut understood = first.says(9, lotto(9, "x"));
    "?".clone_into(&mut understood.text);
    scene.store(vec![understood]).await;
    assert_eq!(entries(database, "quarantine_resolved").await, 1);

    let second = scene.document("b", Some("2024-02-29")).await;
    let says = |number, routes| second.says_to(u64::from(number), lotto(number, "y"), routes);
    scene
        .store(vec![
            says(1, vec![withheld("pico", "smartcig")]),
            says(2, vec![nowhere("pico")]),
            says(3, vec![to_unit("pico", "b")]),
        ])
        .await;
    assert_eq!((entries(database, "members_left").await, entries(database, "records_withheld").await), (1, 1));
    assert_eq!(entries(database, "members_joined").await, 1, "who stays where it is does not join");
    let third = scene.document("c", Some("2024-03-31")).await;
    scene.store(vec![third.says_to(1, lotto(1, "z"), vec![to_unit("pico", "b")])]).await;
    assert_eq!((entries(database, "members_joined").await, entries(database, "records_released").await), (2, 1));

    scene.store.save_routing("pico=v0; 80001234567", at(3)).await.expect("saved");
    scene.store.save_cursor(&source(), "2024-01-01T00:00:00Z", at(3)).await.expect("saved");
    assert_eq!((entries(database, "routing_saved").await, entries(database, "cursor_saved").await), (1, 1));
    let told = "select count(*) from audit where detail like '%80001234567%' or detail like '%T00:00:00Z%'";
    assert_eq!(database.number(told).await, 0, "long texts go in as their digest");

    let proven = ProvenMessage {
        partner: "regione".to_owned(),
        client_id: None,
        purpose_id: Some("p1".to_owned()),
        voucher: None,
        body: Digest::of(b"body"),
        signature: Some(Digest::of(b"signature")),
        evidence: None,
    };
    scene.store.note_message(&proven, at(3)).await.expect("noted");
    assert_eq!(entries(database, "message_proven").await, 1);

    let job = scene.claim_at(10, 1).await.remove(0);
    assert!(scene.settle(job.lease, JobEnd::Parked, 10).await);
    assert!(!scene.settle(job.lease, JobEnd::Parked, 11).await, "the lease is gone");
    assert_eq!(entries(database, "jobs_parked").await, 1);
    assert_eq!(database.audit().await.1, None);
}

/// Columns that a vandal may change to the value of another entry.
const COLUMNS: [&str; 5] = ["kind", "subject", "detail", "previous", "hash"];

/// A random change of the chain, as SQL. `rows` entries are numbered from one.
fn vandalism(random: &mut fastrand::Rng, rows: i64) -> (&'static str, String) {
    let one = random.i64(1..=rows);
    let other = (one + random.i64(1..rows) - 1) % rows + 1;
    match random.u8(0..9) {
        0 => ("time moved", format!("update audit set at = at + {} where seq = {one}", random.i64(1..1_000_000))),
        1 => {
            let column = ["kind", "subject", "detail"][random.usize(0..3)];
            ("text changed", format!("update audit set {column} = {column} || 'x' where seq = {one}"))
        }
        2 => {
            let column = COLUMNS[random.usize(0..COLUMNS.len())];
            // Entries may have equal texts: the value must be another one.
            let value = format!("(select {column} from audit where seq = {other})");
            let text = if matches!(column, "previous" | "hash") { "" } else { " || ' '" };
            ("value taken from another", format!("update audit set {column} = {value}{text} where seq = {one}"))
        }
        3 => ("entry renumbered", format!("update audit set seq = {} where seq = {one}", rows + random.i64(2..50))),
        4 => ("entry deleted", format!("delete from audit where seq = {one}")),
        5 => {
            let last = (one + random.i64(0..5)).min(rows);
            ("entries deleted", format!("delete from audit where seq between {one} and {last}"))
        }
        6 => (
            "entry inserted at the end",
            format!(
                "insert into audit (seq, at, kind, subject, detail, previous, hash) \
                 select {}, at, kind, subject, detail, previous, hash from audit where seq = {one}",
                rows + 1
            ),
        ),
        7 => (
            "entry inserted in the middle",
            format!(
                "update audit set seq = -seq where seq >= {one}; update audit set seq = 1 - seq where seq < 0; \
                 insert into audit (seq, at, kind, subject, detail, previous, hash) \
                 select {one}, at, kind, subject, detail, previous, hash from audit where seq = {}",
                one + 1
            ),
        ),
        _ => (
            "entries swapped",
            format!(
                "update audit set seq = -{one} where seq = {one}; update audit set seq = {one} where seq = {other}; \
                 update audit set seq = {other} where seq = -{one}"
            ),
        ),
    }
}

pub async fn a_thousand_tamperings_are_found(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    for number in 1..=8 {
        scene.store(vec![routed_lotto(&document, number, "x"), document.mumbles(u64::from(number) + 100, "?")]).await;
    }
    scene.deliver("pico", cig(1).as_str(), DeliveryState::Acknowledged, 10).await;
    let head = scene.store.audit_head().await.expect("a head");
    let kept = Digest::from_hex(&head.head).map(KeptHead::from);
    let rows = i64::try_from(head.entries).expect("a few");
    assert!(rows > 20, "a chain to work on: {rows}");
    for guard in ["audit_is_append_only_u", "audit_is_append_only_d"] {
        database.drop_trigger("audit", guard).await;
    }
    database.execute("create table untouched as select * from audit").await.expect("a copy");
    let seed = 20_261_122;
    let mut random = fastrand::Rng::with_seed(seed);
    for round in 0..1000 {
        let (name, change) = vandalism(&mut random, rows);
        let told = format!("round {round} of seed {seed}: {name}: {change}");
        let mend = "delete from audit; insert into audit select * from untouched";
        database.execute(&format!("begin; {mend}; {change}; commit;")).await.expect(&told);
        let report = scene.store.verify_audit(kept).await.expect(&told);
        assert!(report.broken.is_some(), "not found: {told}");
        // Without a kept head a cut tail is the one thing that the chain alone cannot show, unless
        // the last entry is remembered beside it.
        let alone = scene.store.verify_audit(None).await.expect(&told).broken;
        let is_tail = name.ends_with("deleted") && report.broken.as_ref().is_some_and(|why| why.contains("kept head"));
        assert_eq!(alone.is_none(), is_tail && !database.is_shared(), "{told}");
    }
    database.execute("delete from audit; insert into audit select * from untouched").await.expect("mended");
    assert_eq!(scene.store.verify_audit(kept).await.expect("a report").broken, None, "and it stands again");
}

pub async fn a_tail_that_was_cut_off_is_found_by_the_kept_head(database: &dyn Database) {
    let scene = Scene::open(database).await;
    let document = scene.document("a", None).await;
    let early = scene.store.audit_head().await.expect("a head");
    for number in 1..=3 {
        scene.store(vec![document.says(u64::from(number), lotto(number, "x"))]).await;
    }
    let late = scene.store.audit_head().await.expect("a head");
    assert_eq!((early.entries, late.entries), (2, 5));
    let kept = |number, head: &AuditHead| Digest::from_hex(&head.head).map(|hash| KeptHead { number, hash });
    let numbered = kept(Some(5), &late);
    let misnumbered = kept(Some(4), &late);
    let (early, late) = (kept(Some(2), &early), kept(None, &late));
    let report = scene.store.verify_audit(misnumbered).await.expect("a report");
    assert!(report.broken.is_some_and(|why| why.contains("entry 4 has another hash")));
    for kept in [None, early, late, numbered] {
        assert_eq!(scene.store.verify_audit(kept).await.expect("a report").broken, None, "a chain may grow");
    }
    database.drop_trigger("audit", "audit_is_append_only_d").await;
    database.execute("delete from audit where seq >= 4").await.expect("the tail is cut off");
    // A shared ledger remembers its last entry beside the chain.
    let is_silent = !database.is_shared();
    let shorter = scene.store.verify_audit(numbered).await.expect("a report").broken;
    assert!(shorter.is_some_and(|why| why.contains("it was entry 5, and entry 3 is the last")));
    for (kept, stands) in [(None, is_silent), (early, is_silent), (late, false)] {
        let report = scene.store.verify_audit(kept).await.expect("a report");
        assert_eq!((report.broken.is_none(), report.entries), (stands, 3), "{kept:?}");
    }
}

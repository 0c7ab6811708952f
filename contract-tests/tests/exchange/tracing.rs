//! What partners ask with vouchers is counted, as the tracing file of the day wants it.

use std::collections::BTreeMap;
use std::sync::Arc;

use canonical::values::{CalendarDate, UtcInstant};
use kit::jose::sign;
use kit::pdnd::counted::{Call, Counter as _};
use kit::pdnd::tracing_file::{Row, check, of_day};
use raccordo::clock::{Clock as _, ManualClock, SystemClock, days_before, italian_day};
use raccordo::jobs::calls::{KEPT_DAYS, Tally, start};
use raccordo::jobs::sweeper::{SweeperSettings, sweep};
use raccordo::storage::calls::{CallBatch, CallCount};
use raccordo::storage::{Store, sqlite};
use reqwest::StatusCode;
use serde_json::Value;

use super::bench::{Bench, PURPOSE, header, keys, voucher};

const ONE: &str = "00000000-0000-4000-8000-000000000001";
const OTHER: &str = "00000000-0000-4000-8000-000000000002";
const FOREIGN_PURPOSE: &str = "2c361d49-33f4-4f1e-a88b-4e12661f2300";

/// A voucher of this name, with one claim otherwise.
fn named(name: &str, claim: &str, value: impl Into<Value>, key: usize) -> String {
    let mut claims = voucher();
    claims["jti"] = name.into();
    claims[claim] = value.into();
    sign(&keys()[key], &header("at+jwt"), &claims).expect("a token")
}

/// The file of these days, and its counts by what they are of.
async fn counted(bench: Bench, days: &[CalendarDate]) -> BTreeMap<(String, String, u16), u64> {
    let folder = bench.close().await;
    let mut counts = BTreeMap::new();
    for day in days {
        let read = sqlite::calls_of(folder.path().join("raccordo.db"), *day).await.expect("counts");
        let rows = read.into_iter().map(|count| Row {
            purpose_id: count.purpose_id,
            token_id: count.token_id,
            status: count.status,
            requests: count.requests,
        });
        let rows: Vec<Row> = rows.collect();
        assert_eq!(check(of_day(*day, &rows).as_bytes(), *day), [], "the platform takes it");
        for row in rows {
            *counts.entry((row.purpose_id, row.token_id, row.status)).or_default() += row.requests;
        }
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_with_a_voucher_that_was_accepted_is_counted_by_its_status() {
    let bench = Bench::open().await;
    bench.fill().await;
    let begun = italian_day(SystemClock.now());
    let (one, other) = (named(ONE, "sub", "c1", 0), named(OTHER, "sub", "c1", 0));
    let asked = [
        (&one, "/api/v1/changes", StatusCode::OK),
        (&one, "/api/v1/records", StatusCode::OK),
        (&other, "/api/v1/changes", StatusCode::OK),
        (&one, "/api/v1/records/9223372036854775807", StatusCode::NOT_FOUND),
        (&one, "/api/v1/changes?limit=0", StatusCode::BAD_REQUEST),
        (&one, "/api/v1/exports/records.csv?kind=lotto", StatusCode::FORBIDDEN),
    ];
    for (token, path, status) in asked {
        assert_eq!(bench.with_token(Some(token), "get", path).await.status(), status, "{path}");
    }
    // Good vouchers for a purpose that is not agreed here, and of nobody whom we know.
    let agreed_elsewhere = named(ONE, "purposeId", FOREIGN_PURPOSE, 0);
    let of_nobody = named(OTHER, "consumerId", "7ae2865e-65ab-4e48-a638-2037a9ee2ee7", 0);
    for token in [&agreed_elsewhere, &of_nobody] {
        let answer = bench.with_token(Some(token), "get", "/api/v1/changes").await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    }
    // None of these is a voucher that was accepted.
    for (token, status) in [
        (named(ONE, "sub", "c1", 1), StatusCode::UNAUTHORIZED),
        (named(ONE, "exp", 1, 0), StatusCode::UNAUTHORIZED),
        (named(ONE, "eserviceId", "altro", 0), StatusCode::FORBIDDEN),
        (bench.token("legge"), StatusCode::OK),
    ] {
        assert_eq!(bench.with_token(Some(&token), "get", "/api/v1/changes").await.status(), status);
    }
    assert_eq!(bench.with_token(None, "get", "/api/v1/changes").await.status(), StatusCode::UNAUTHORIZED);
    // The name of a voucher that no file may hold.
    let odd = named("j", "sub", "c1", 0);
    assert_eq!(bench.with_token(Some(&odd), "get", "/api/v1/changes").await.status(), StatusCode::OK);

    let ended = italian_day(SystemClock.now());
    let days = if begun == ended { vec![begun] } else { vec![begun, ended] };
    let key = |purpose: &str, token: &str, status: u16| (purpose.to_owned(), token.to_owned(), status);
    let expected = BTreeMap::from([
        (key(PURPOSE, ONE, 200), 2),
        (key(PURPOSE, ONE, 400), 1),
        (key(PURPOSE, ONE, 403), 1),
        (key(PURPOSE, ONE, 404), 1),
        (key(PURPOSE, OTHER, 200), 1),
        (key(PURPOSE, OTHER, 403), 1),
        (key(FOREIGN_PURPOSE, ONE, 403), 1),
    ]);
    assert_eq!(counted(bench, &days).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asked_too_often_is_counted_too() {
    let bench = Bench::with("requests_per_minute = 2\n", true).await;
    let begun = italian_day(SystemClock.now());
    let token = named(ONE, "sub", "c1", 0);
    let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
    for _ in 0..4 {
        let answer = bench.with_token(Some(&token), "get", "/api/v1/changes").await;
        *statuses.entry(answer.status().as_u16()).or_default() += 1;
    }
    // A minute may end in between.
    assert!(statuses[&200] >= 2 && statuses.values().sum::<u64>() == 4, "{statuses:?}");
    let ended = italian_day(SystemClock.now());
    let days = if begun == ended { vec![begun] } else { vec![begun, ended] };
    let expected: BTreeMap<_, _> =
        statuses.into_iter().map(|(status, count)| ((PURPOSE.to_owned(), ONE.to_owned(), status), count)).collect();
    assert_eq!(counted(bench, &days).await, expected);
}

#[tokio::test]
async fn everything_that_was_counted_is_written_at_the_end() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let store: Arc<dyn Store> = sqlite::open(folder.path().join("raccordo.db")).await.expect("the store opens");
    let noon = UtcInstant::parse("2026-11-30T12:00:00Z").expect("an instant");
    let tally = Arc::new(Tally::new(Arc::new(ManualClock::at(noon))));
    let count = |number: u32| {
        let token_id = format!("00000000-0000-4000-8000-{number:012}");
        tally.count(Call { purpose_id: PURPOSE, token_id: &token_id, status: 200 });
    };
    // More than one batch, and then one voucher again, by a second start.
    for numbers in [0..2_500, 0..1] {
        let counting = start(&store, Arc::clone(&tally));
        numbers.for_each(count);
        counting.stop().await;
    }
    let counts = store.calls_of(italian_day(noon)).await.expect("counts");
    assert_eq!((counts.len(), counts[0].requests), (2_500, 2));
    assert!(counts[1..].iter().all(|count| count.requests == 1));
}

#[tokio::test]
async fn what_no_file_can_be_made_of_any_more_is_swept() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let store: Arc<dyn Store> = sqlite::open(folder.path().join("raccordo.db")).await.expect("the store opens");
    let now = UtcInstant::parse("2026-11-30T12:00:00Z").expect("an instant");
    let day = |days| days_before(italian_day(now), days).expect("a day");
    let [kept, old] = [KEPT_DAYS, KEPT_DAYS + 1].map(day);
    for (number, day) in (1..).zip([old, kept]) {
        let (purpose_id, token_id) = (PURPOSE.to_owned(), ONE.to_owned());
        let counts = vec![CallCount { day, purpose_id, token_id, status: 200, requests: 1 }];
        let batch = CallBatch { process: "uno".to_owned(), number, made_on: day, counts };
        assert!(store.add_calls(batch).await.expect("counted"));
    }
    let swept = sweep(&*store, now, &SweeperSettings::default()).await.expect("swept");
    assert_eq!(swept.counts, 1);
    assert_eq!(store.calls_of(old).await.expect("counts"), []);
    assert_eq!(store.calls_of(kept).await.expect("counts").len(), 1);
}

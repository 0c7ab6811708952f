//! The daily file of calls.

use canonical::values::CalendarDate;
use kit::pdnd::tracing_file::{Row, Totals, check, of_day, totals};

use crate::samples::{bytes, json, text, vectors};

#[test]
fn every_tracing_file_has_the_errors_that_the_platform_would_find() {
    let manifest = json("tracing/expected.json");
    let day = CalendarDate::parse(text(&manifest, "date")).expect("a day");
    for vector in vectors(&manifest, 12) {
        let file = text(vector, "file");
        let found: Vec<_> = check(&bytes(&format!("tracing/{file}")), day).iter().map(|error| error.code).collect();
        let expected: Vec<_> =
            vector["errors"].as_array().expect("errors").iter().filter_map(|it| it.as_str()).collect();
        assert_eq!(found, expected, "{file}");
    }
}

#[test]
fn the_calls_of_a_day_become_its_file() {
    let calls = json("tracing/calls.json");
    let day = CalendarDate::parse(text(&calls, "date")).expect("a day");
    let mut rows = Vec::new();
    for summary in calls["calls_summary"].as_array().expect("calls") {
        let row = Row {
            purpose_id: text(summary, "purposeId").to_owned(),
            token_id: text(summary, "voucher_jti").to_owned(),
            status: summary["status"].as_u64().and_then(|status| u16::try_from(status).ok()).expect("a status"),
            requests: summary["count"].as_u64().expect("a count"),
        };
        // The same calls, counted twice a part.
        rows.push(Row { requests: row.requests - 1, ..row.clone() });
        rows.push(Row { requests: 1, ..row });
    }
    let counted = rows[0].clone();
    rows.push(Row { status: 499, ..counted.clone() });
    rows.push(Row { token_id: "j".to_owned(), ..counted });
    let file = of_day(day, &rows);
    assert_eq!(file.as_bytes(), bytes("tracing/tracing-ok.csv"));
    assert_eq!(check(file.as_bytes(), day), []);
    assert_eq!(totals(file.as_bytes()), Totals { rows: 3, requests: 164 });
}

#[test]
fn rows_and_calls_are_added_up_whatever_the_order_of_the_columns() {
    let reordered = bytes("tracing/tracing-ok-columns-reordered.csv");
    assert_eq!(totals(&reordered), Totals { rows: 1, requests: 120 });
    assert_eq!(totals(&[b"\xef\xbb\xbf".as_slice(), &reordered].concat()), Totals { rows: 1, requests: 120 });
    assert_eq!(totals(&bytes("tracing/tracing-ok-header-only.csv")), Totals::default());
}

#[test]
fn a_day_without_calls_is_the_header_alone() {
    let day = CalendarDate::parse("2026-11-30").expect("a day");
    assert_eq!(of_day(day, &[]).as_bytes(), bytes("tracing/tracing-ok-header-only.csv"));
}

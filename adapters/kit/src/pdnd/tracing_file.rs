//! The tracing file: how many calls of a day were made with which voucher, for which purpose, and
//! how they ended. One CSV each day, from producer and consumer alike.
//!
//! Calls that got no HTTP answer stay out, and those whose voucher was not accepted: the purpose
//! may not exist. Whoever counts is not told of them ([`counted`](super::counted)). A day without calls
//! is the header line alone. [`check`] finds what the platform would find in a file, before it is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use canonical::values::CalendarDate;

use super::counted::Call;
use super::preflight::is_uuid;

/// The columns, in the order in which we write them. Their set is what counts.
const COLUMNS: [&str; 5] = ["date", "purpose_id", "status", "token_id", "requests_count"];

/// How many calls of a day were made with a voucher, for its purpose, and ended alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The purpose of the voucher.
    pub purpose_id: String,
    /// The name of the voucher: not that of a signature.
    pub token_id: String,
    /// The status of the answers.
    pub status: u16,
    /// How many.
    pub requests: u64,
}

/// Whether the file may count a call: the platform refuses a file for what it does not know.
pub fn is_counted(call: Call<'_>) -> bool {
    is_uuid(call.purpose_id) && is_uuid(call.token_id) && is_registered(call.status)
}

/// The file of a day, from its rows in any order. Rows of the same calls become one.
pub fn of_day<'a>(day: CalendarDate, rows: impl IntoIterator<Item = &'a Row>) -> String {
    let mut counts: BTreeMap<(&str, &str, u16), u64> = BTreeMap::new();
    for Row { purpose_id, token_id, status, requests } in rows {
        if is_counted(Call { purpose_id, token_id, status: *status }) {
            let count = counts.entry((purpose_id, token_id, *status)).or_default();
            *count = count.saturating_add(*requests);
        }
    }
    let mut file = format!("{}\n", COLUMNS.join(","));
    for ((purpose_id, token_id, status), count) in counts {
        // Writing to a text cannot fail.
        let _ = writeln!(file, "{day},{purpose_id},{status},{token_id},{count}");
    }
    file
}

/// How much stands in a file in which nothing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Its rows, without the header.
    pub rows: u64,
    /// The calls that they count.
    pub requests: u64,
}

/// How much stands in a file.
pub fn totals(file: &[u8]) -> Totals {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
    let is_count = |name: &str| name.trim_start_matches('\u{feff}') == "requests_count";
    let column = reader.headers().ok().and_then(|names| names.iter().position(is_count));
    let counts = reader.records().flatten().map(|record| {
        let count = column.and_then(|column| record.get(column)).and_then(|count| count.trim().parse().ok());
        count.unwrap_or(0_u64)
    });
    counts.fold(Totals::default(), |totals, count| Totals {
        rows: totals.rows + 1,
        requests: totals.requests.saturating_add(count),
    })
}

/// What is wrong with a row, by the platform's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// The line in the file, from 1; the header is line 1.
    pub line: u64,
    /// The code.
    pub code: &'static str,
}

/// What the platform would refuse in the file of a day.
pub fn check(file: &[u8], day: CalendarDate) -> Vec<RowError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
    let headers: Vec<String> = match reader.headers() {
        Ok(headers) => headers.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect(),
        Err(_) => Vec::new(),
    };
    let named: BTreeSet<&str> = headers.iter().map(String::as_str).collect();
    if headers.len() != COLUMNS.len() || named != BTreeSet::from(COLUMNS) {
        return vec![RowError { line: 1, code: "INVALID_CSV_HEADERS" }];
    }
    let mut found = Vec::new();
    let mut lines_of: BTreeMap<(String, String, String), Vec<u64>> = BTreeMap::new();
    for (index, record) in reader.records().enumerate() {
        let line = index as u64 + 2;
        let Ok(record) = record else {
            found.push(RowError { line, code: "INVALID_ROW_SCHEMA" });
            continue;
        };
        if record.len() != COLUMNS.len() {
            let is_other = record.len() == 1 && record.iter().any(|field| field.contains([';', '\t', '|']));
            let code = if is_other { "INVALID_DELIMITER" } else { "INVALID_ROW_SCHEMA" };
            found.push(RowError { line, code });
            continue;
        }
        let field = |column: &str| {
            let place = headers.iter().position(|name| name == column);
            place.and_then(|place| record.get(place)).unwrap_or_default().trim()
        };
        found.extend(row_errors(&field, day).map(|code| RowError { line, code }));
        let key = (field("purpose_id").to_owned(), field("status").to_owned(), field("token_id").to_owned());
        lines_of.entry(key).or_default().push(line);
    }
    for line in lines_of.into_values().filter(|lines| lines.len() > 1).flatten() {
        found.push(RowError { line, code: "PURPOSE_AND_STATUS_AND_TOKEN_NOT_UNIQUE" });
    }
    found.sort_by_key(|error| error.line);
    found
}

fn row_errors<'f>(field: &impl Fn(&str) -> &'f str, day: CalendarDate) -> impl Iterator<Item = &'static str> {
    let is_registered = field("status").parse().is_ok_and(is_registered);
    let checks = [
        (field("date") == day.to_string(), "INVALID_DATE"),
        (is_uuid(field("purpose_id")), "INVALID_PURPOSE"),
        (is_registered, "INVALID_STATUS_CODE"),
        (is_uuid(field("token_id")), "INVALID_TOKEN"),
        (field("requests_count").parse::<u64>().is_ok(), "INVALID_REQUEST_COUNT"),
    ];
    checks.into_iter().filter(|(is_right, _)| !is_right).map(|(_, code)| code)
}

/// Whether a status is in the public registry. Private ones, as 499, stay out of the file.
pub fn is_registered(status: u16) -> bool {
    matches!(
        status,
        100..=103 | 200..=208 | 226 | 300..=305 | 307 | 308 | 400..=417 | 421..=426 | 428 | 429 | 431 | 451 | 500..=508 | 511
    )
}

//! Storing versions, with all that a version brings along, against the barest upsert of one row.
//!
//! The two do not do the same: a version is stored with its raw record, its provenance, its place in
//! the audit chain and the deliveries it causes. The ratio says what that costs.

use std::path::Path;
use std::time::{Duration, Instant};

use canonical::Digest;
use contract::DocumentHeader;
use raccordo::storage::sqlite::{self, bare};
use raccordo::storage::{Arrival, Ledger, RunId, RunKind, SqlStore};

use crate::records::{at, cig, day, lotto, source};
use crate::storage_suite::scene::{Document, to_unit};

/// Records in one transaction, on both sides.
pub const BATCH: usize = 500;
/// Units over which the records are spread.
const UNITS: u32 = 100;

/// What was measured, in records per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreBench {
    /// Records of each pass.
    pub records: u32,
    /// Ours, all new.
    pub new_per_s: u64,
    /// Ours, the same document again.
    pub unchanged_per_s: u64,
    /// Ours, all changed by a later document.
    pub changed_per_s: u64,
    /// The bare upsert, all new.
    pub bare_new_per_s: u64,
    /// The bare upsert, all the same.
    pub bare_unchanged_per_s: u64,
}

/// Measures in new files inside a folder.
pub async fn run(folder: &Path, records: u32) -> StoreBench {
    let text = "lavori di manutenzione ordinaria delle strade provinciali ".repeat(10);
    let rows: Vec<_> = numbers(records).map(|number| bare_row(number, &text)).collect();
    let mut bare_took = Vec::new();
    for _ in 0..2 {
        bare_took.push(bare::upsert(&folder.join("bare.db"), &rows, BATCH).await.expect("the bare upsert works"));
    }
    let store = sqlite::open(folder.join("store.db")).await.expect("the store opens");
    let run = store.begin_run(RunKind::Import, &source(), at(0)).await.expect("a run begins");
    let mut ours_took = Vec::new();
    for (date, text) in [("2024-01-31", text.clone()), ("2024-01-31", text.clone()), ("2024-02-29", text + "!")] {
        ours_took.push(read(&store, run, date, records, &text).await);
    }
    store.close().await;
    let per_second = |took: Duration| {
        let per_second = u128::from(records) * 1_000_000 / took.as_micros().max(1);
        u64::try_from(per_second).unwrap_or(u64::MAX)
    };
    StoreBench {
        records,
        new_per_s: per_second(ours_took[0]),
        unchanged_per_s: per_second(ours_took[1]),
        changed_per_s: per_second(ours_took[2]),
        bare_new_per_s: per_second(bare_took[0]),
        bare_unchanged_per_s: per_second(bare_took[1]),
    }
}

/// Reads a document of that date whose lots all say the same words.
async fn read(store: &SqlStore, run: RunId, date: &'static str, records: u32, text: &str) -> Duration {
    let header = DocumentHeader {
        remote_id: date.to_owned(),
        digest: Digest::of(date.as_bytes()).to_string(),
        format: "l190".to_owned(),
        version: "1.3".to_owned(),
        as_of: Some(day(date)),
        context: serde_json::Value::Null,
    };
    let id = store.register_document(run, &source(), &header, at(0)).await.expect("a document registers");
    let document = Document { id, source: source(), as_of: Some(date) };
    let arrivals: Vec<_> =
        (1..).zip(numbers(records)).map(|(line, number)| arrival(&document, line, number, text)).collect();
    let batches: Vec<_> = arrivals.chunks(BATCH).map(<[Arrival]>::to_vec).collect();
    let begun = Instant::now();
    for batch in batches {
        store.store(run, batch, at(1)).await.expect("arrivals are stored");
    }
    begun.elapsed()
}

fn arrival(document: &Document, line: u64, number: u32, text: &str) -> Arrival {
    let unit = to_unit("pico", &format!("{}/2024", number % UNITS));
    document.says_to(line, lotto(number, text), vec![unit])
}

fn bare_row(number: u32, text: &str) -> (String, Vec<u8>, String) {
    let body = lotto(number, text).to_json();
    (cig(number).to_string(), Digest::of(body.as_bytes()).as_bytes().to_vec(), body)
}

/// The numbers of the records, in an order that favours no index.
fn numbers(records: u32) -> impl Iterator<Item = u32> {
    (0..records).map(move |number| number.wrapping_mul(7_919) % records + 1)
}

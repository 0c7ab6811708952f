//! The adapter as its users see it: files and downloads in, raw records and canonical records out.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test, in its helpers too")]

mod cases;
mod pcp;
mod portal;
mod samples;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anac_opendata::FACTORY;
use contract::{Adapter, AdapterError, DocumentHeader, Normalized, RawRecord, ReadRequest, Received, Refusal};
use serde_json::{Value, json};
use tokio::sync::mpsc;

fn adapter(settings: Value) -> Box<dyn Adapter> {
    (FACTORY.build)(settings).unwrap()
}

/// A file of the repository.
fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// What a read gave.
#[derive(Default)]
struct Read {
    documents: Vec<DocumentHeader>,
    records: Vec<RawRecord>,
    refused: Vec<Refusal>,
    ended: usize,
    cursor: Option<String>,
}

async fn read(adapter: &dyn Adapter, request: ReadRequest) -> (Read, Result<(), AdapterError>) {
    let (sink, mut received) = mpsc::channel(16);
    let collect = async {
        let mut read = Read::default();
        while let Some(one) = received.recv().await {
            match one {
                Received::Begin(document) => read.documents.push((*document).clone()),
                Received::Record(record) => read.records.push(record),
                Received::End => read.ended += 1,
                Received::Refused { refusal, .. } => read.refused.push(refusal),
                Received::Cursor(cursor) => read.cursor = Some(cursor),
            }
        }
        read
    };
    let (outcome, read) = tokio::join!(adapter.source().unwrap().read(request, sink), collect);
    (read, outcome)
}

/// What sources read one beside the other. The registry of authorities is by itself, so that the
/// other tables write authorities too.
const SOURCES: [&[&str]; 6] = [
    &[
        "cig",
        "cup",
        "aggiudicazioni",
        "aggiudicatari",
        "partecipanti",
        "avvio-contratto",
        "stati-avanzamento",
        "sospensioni",
        "varianti",
        "subappalti",
        "fine-contratto",
        "collaudo",
        "codici",
    ],
    &["stazioni-appaltanti"],
    &["cig-json"],
    &["ocds"],
    &["ocds-l190"],
    &["avvisi"],
];

/// Reads one file and understands all of it, in the source that reads its format.
async fn read_file(path: PathBuf) -> (Read, Vec<Normalized>) {
    for formats in SOURCES {
        let read = read_file_as(path.clone(), json!(formats)).await;
        if !read.0.refused.iter().any(|refusal| refusal.code == "other_format") {
            return read;
        }
    }
    panic!("no source reads {}", path.display());
}

async fn read_file_as(path: PathBuf, formats: Value) -> (Read, Vec<Normalized>) {
    let adapter = adapter(json!({"formats": formats}));
    let (read, outcome) = read(&*adapter, ReadRequest { files: Some(vec![path]), cursor: None }).await;
    outcome.unwrap();
    let understood = read.records.iter().map(|raw| adapter.source().unwrap().normalize(raw)).collect();
    (read, understood)
}

/// How many records of each kind, and how many raw records stood aside.
fn count(understood: &[Normalized]) -> (BTreeMap<&'static str, usize>, usize) {
    let mut kinds = BTreeMap::new();
    for record in understood.iter().flat_map(|one| &one.records) {
        *kinds.entry(record.body.kind().name()).or_default() += 1;
    }
    (kinds, understood.iter().filter(|one| one.set_aside.is_some()).count())
}

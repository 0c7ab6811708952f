//! The adapter as its users see it: open data in, packages out.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test, in its helpers too")]

mod contract_document;
mod moving;
mod open_data;
mod packages;
mod privacy;
mod round_trip;
mod strategies;

use std::path::{Path, PathBuf};

use canonical::values::UtcInstant;
use canonical::{Body, Kind, Provenance, Record, SourceName};
use contract::{
    Adapter, AdapterError, DocumentHeader, RawRecord, ReadRequest, Received, Refusal, RunningSimulator, Shipment,
    SimulatorOptions, UnitKey,
};
use osservatorio::FACTORY;
use serde_json::{Value, json};
use tokio::sync::mpsc;

fn adapter(settings: Value) -> Box<dyn Adapter> {
    (FACTORY.build)(settings).unwrap()
}

fn simulator(state: Option<&Path>, faults: Option<Value>) -> RunningSimulator {
    let listen = ([127, 0, 0, 1], 0).into();
    FACTORY.simulate.unwrap()(SimulatorOptions { listen, state: state.map(Path::to_owned), faults }).unwrap()
}

/// A file of the repository.
fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The cases of a folder, by name.
fn cases(folder: &str) -> Vec<(PathBuf, Value)> {
    let folder = at(&format!("contract-tests/systems/osservatorio/{folder}"));
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |file: PathBuf| {
        let case = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        (file, case)
    };
    files.into_iter().map(read).collect()
}

/// Compares what a case expects, or writes it with `AGGIORNA_CASI=1`.
fn check(file: &Path, mut case: Value, given: Value) {
    if std::env::var_os("AGGIORNA_CASI").is_some() {
        case["attesi"] = given;
        std::fs::write(file, serde_json::to_string_pretty(&case).unwrap() + "\n").unwrap();
    } else {
        assert_eq!(case["attesi"], given, "{}: {given:#}", file.display());
    }
}

/// What a read gave.
#[derive(Default)]
struct Read {
    documents: Vec<DocumentHeader>,
    records: Vec<RawRecord>,
    refused: Vec<Refusal>,
    ended: usize,
}

async fn read(adapter: &dyn Adapter, files: Option<Vec<PathBuf>>) -> (Read, Result<(), AdapterError>) {
    let (sink, mut received) = mpsc::channel(4);
    let collect = async {
        let mut read = Read::default();
        while let Some(one) = received.recv().await {
            match one {
                Received::Begin(document) => read.documents.push((*document).clone()),
                Received::Record(record) => read.records.push(record),
                Received::End => read.ended += 1,
                Received::Refused { refusal, .. } => read.refused.push(refusal),
                Received::Cursor(_) => {}
            }
        }
        read
    };
    let request = ReadRequest { files, cursor: None };
    let (outcome, read) = tokio::join!(adapter.source().unwrap().read(request, sink), collect);
    (read, outcome)
}

fn record(member: &Value) -> Record {
    let kind = Kind::from_name(member["kind"].as_str().unwrap()).unwrap();
    let body = Body::from_json(kind, &member["body"].to_string()).unwrap();
    let provenance = Provenance {
        source: SourceName::parse("prova").unwrap(),
        remote_id: "prova".to_owned(),
        document_digest: "0".repeat(64),
        line: None,
        as_of: None,
        read_at: UtcInstant::from_unix_micros(0).unwrap(),
        raw: std::collections::BTreeMap::new(),
    };
    Record::new(body, provenance)
}

fn members(case: &Value) -> Vec<Record> {
    case["membri"].as_array().unwrap().iter().map(record).collect()
}

/// A shipment of these members.
fn shipment(adapter: &dyn Adapter, unit: &str, revision: u64, members: &[Record]) -> Shipment {
    let unit = UnitKey(unit.to_owned());
    let body = adapter.target().unwrap().compose(&unit, revision, members).unwrap().body;
    let idempotency_key = canonical::Digest::of(&body).to_string();
    Shipment { unit, revision, idempotency_key, body, previous_receipt: None }
}

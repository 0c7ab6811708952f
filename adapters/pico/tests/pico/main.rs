//! The adapter from outside: its mapping on readable cases and on generated ones, its client
//! against every kind of answer, and the whole round against its simulator.

mod answers;
mod cases;
mod contract_document;
mod desk;
mod every_dataset;
mod properties;
mod resources;
mod round;
mod round_trip;
mod strategies;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use canonical::values::UtcInstant;
use canonical::{Body, Provenance, Record, SourceName};
use contract::{Adapter, Composed, RunningSimulator, Shipment, SimulatorOptions, UnitKey};
use serde_json::{Value, json};

const ENTE: &str = "00606750131";

fn record(body: Body) -> Record {
    let provenance = Provenance {
        source: SourceName::parse("file-drop").expect("a name"),
        remote_id: "example.xml".to_owned(),
        document_digest: "0".repeat(64),
        line: None,
        as_of: None,
        read_at: UtcInstant::from_unix_micros(0).expect("an instant"),
        raw: BTreeMap::new(),
    };
    Record::new(body, provenance)
}

fn record_of(body: Value) -> Record {
    record(serde_json::from_value(body).expect("a canonical body"))
}

/// Some lots of a year, each with this object.
fn lots(cigs: &[&str], oggetto: &str) -> Vec<Record> {
    let lot = |cig: &&str| record_of(json!({ "kind": "lotto", "body": { "cig": cig, "oggetto": oggetto } }));
    cigs.iter().map(lot).collect()
}

fn unit(anno: u16) -> UnitKey {
    UnitKey(format!("{ENTE}/appalti/{anno}"))
}

/// An adapter with these settings.
fn adapter(settings: Value) -> Box<dyn Adapter> {
    (pico::FACTORY.build)(settings).expect("an adapter")
}

/// An adapter that nobody answers: for the pure functions.
fn offline() -> Box<dyn Adapter> {
    let folder = tempfile::tempdir().expect("a folder");
    adapter(json!({ "base_url": "http://127.0.0.1:9", "key_file": key_file(&folder) }))
}

fn key_file(folder: &tempfile::TempDir) -> PathBuf {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let path = folder.path().join("key");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&path).expect("a file");
    file.write_all(b"s3cret").expect("written");
    path
}

fn compose(adapter: &dyn Adapter, unit: &UnitKey, revision: u64, members: &[Record]) -> Composed {
    adapter.target().expect("a target").compose(unit, revision, members).expect("composed")
}

/// A shipment as the flow would make it.
fn shipment(adapter: &dyn Adapter, unit: &UnitKey, revision: u64, members: &[Record]) -> Shipment {
    let composed = compose(adapter, unit, revision, members);
    let parts = [unit.as_str().as_bytes(), &revision.to_be_bytes(), &composed.body];
    let idempotency_key = canonical::Digest::of_parts(parts).to_string();
    Shipment { unit: unit.clone(), revision, idempotency_key, body: composed.body, previous_receipt: None }
}

fn simulator(state: Option<PathBuf>, faults: Option<Value>) -> RunningSimulator {
    let simulate = pico::FACTORY.simulate.expect("a simulator");
    simulate(SimulatorOptions { listen: SocketAddr::from(([127, 0, 0, 1], 0)), state, faults }).expect("running")
}

/// The NDJSON lines of a composed package, or the one row of a sheet.
fn ndjson_rows(body: &[u8]) -> Vec<Value> {
    let package: Value = serde_json::from_slice(body).expect("a package");
    if !package["contenuto"].is_null() {
        return vec![package["contenuto"].clone()];
    }
    let text = package["file"][1]["contenuto"].as_str().expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect()
}

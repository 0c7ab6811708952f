//! What the tests share: the description of the interface, the cases on file, a running simulator.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use canonical::values::UtcInstant;
use canonical::{Body, Kind, Provenance, Record, SourceName};
use contract::{AdapterError, RawRecord, ReadRequest, Received, RunningSimulator, SimulatorOptions, Source};
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::config::Config;
use crate::{FACTORY, PadMaggioli};

pub(crate) const CIG: &str = "B1A2B3C3B8";

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn document() -> Value {
    let path = repository().join("schemas/upstream/pad-maggioli/v1/openapi.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// One validator for each component schema of the description.
static VALIDATORS: LazyLock<BTreeMap<String, Validator>> = LazyLock::new(|| {
    let components = document()["components"].take();
    let validator = |name: &String| {
        let root = json!({"$ref": format!("#/components/schemas/{name}"), "components": components});
        (name.clone(), jsonschema::validator_for(&root).unwrap())
    };
    components["schemas"].as_object().unwrap().keys().map(validator).collect()
});

/// Fails unless a document follows a component schema of the description.
pub(crate) fn assert_follows(schema: &str, instance: &Value) {
    let validator = &VALIDATORS[schema];
    let problems: Vec<_> =
        validator.iter_errors(instance).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(problems.is_empty(), "{schema}: {problems:#?}\n{instance:#}");
}

/// The cases of a folder that a domain expert can read: name, and text.
pub(crate) fn cases(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = repository().join("contract-tests/systems/pad-maggioli").join(folder);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// The records of a case.
pub(crate) fn records(case: &Value) -> Vec<Record> {
    case["record"].as_array().unwrap().iter().map(record_of).collect()
}

fn record_of(record: &Value) -> Record {
    let kind = Kind::from_name(record["kind"].as_str().unwrap()).unwrap();
    let provenance = Provenance {
        source: SourceName::parse(record["source"].as_str().unwrap_or("prova")).unwrap(),
        remote_id: "prova".to_owned(),
        document_digest: "0".repeat(64),
        line: None,
        as_of: None,
        read_at: UtcInstant::parse("2026-01-01T00:00:00Z").unwrap(),
        raw: BTreeMap::new(),
    };
    Record::new(Body::from_json(kind, &record["body"].to_string()).unwrap(), provenance)
}

/// A record by kind and body.
pub(crate) fn record(kind: &str, body: &Value) -> Record {
    record_of(&json!({"kind": kind, "body": body}))
}

/// Settings that reach nobody.
pub(crate) fn settings(base_url: &str) -> Value {
    json!({
        "base_url": base_url, "username_file": "u", "password_file": "p", "client_key_file": "k", "client_id_file": "i",
    })
}

pub(crate) fn config(base_url: &str) -> Config {
    Config::parse(settings(base_url)).unwrap()
}

/// A simulator, and the adapter that reaches it.
pub(crate) struct Bench {
    pub(crate) running: RunningSimulator,
    pub(crate) adapter: PadMaggioli,
    pub(crate) state: tempfile::TempDir,
}

/// A simulator with these faults, read by this register.
pub(crate) fn bench(register: &str, faults: &Value) -> Bench {
    bench_in(tempfile::tempdir().unwrap(), register, faults)
}

pub(crate) fn bench_in(state: tempfile::TempDir, register: &str, faults: &Value) -> Bench {
    let options = SimulatorOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        state: Some(state.path().to_owned()),
        faults: (!faults.is_null()).then(|| faults.clone()),
    };
    let running = (FACTORY.simulate.unwrap())(options).unwrap();
    let mut settings = running.settings.clone();
    settings["register"] = json!(register);
    settings["page_size"] = json!(2);
    settings["read_seconds"] = json!(5);
    let adapter = PadMaggioli::new(settings).unwrap();
    Bench { running, adapter, state }
}

/// What a read handed over, and how it ended.
pub(crate) async fn read_all(adapter: &PadMaggioli, request: ReadRequest) -> (Vec<Received>, Result<(), AdapterError>) {
    let (sink, mut received) = tokio::sync::mpsc::channel(100);
    let collect = async {
        let mut all = Vec::new();
        while let Some(one) = received.recv().await {
            all.push(one);
        }
        all
    };
    let (ended, all) = tokio::join!(adapter.read(request, sink), collect);
    (all, ended)
}

/// The raw records among what was handed over.
pub(crate) fn raw_records(received: &[Received]) -> Vec<RawRecord> {
    let record = |received: &Received| match received {
        Received::Record(raw) => Some(raw.clone()),
        _ => None,
    };
    received.iter().filter_map(record).collect()
}

/// The cursor among what was handed over.
pub(crate) fn cursor(received: &[Received]) -> Option<String> {
    received.iter().find_map(|received| match received {
        Received::Cursor(cursor) => Some(cursor.clone()),
        _ => None,
    })
}

//! What the tests share: the contract document, the cases on file, records of our own making.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use canonical::values::UtcInstant;
use canonical::{Body, Kind, Provenance, Record, SourceName};
use contract::{Adapter, AdapterError, Placement, ReadRequest, Received, Settings, Shipment};
use jsonschema::Validator;
use serde_json::{Value, json};
use tokio::sync::mpsc;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn document() -> Value {
    serde_json::from_str(include_str!("../../../schemas/upstream/hub/v0/openapi.json")).unwrap()
}

/// One validator for each component schema of the contract.
static VALIDATORS: LazyLock<BTreeMap<String, Validator>> = LazyLock::new(|| {
    let components = document()["components"].take();
    let validator = |name: &String| {
        let root = json!({"$ref": format!("#/components/schemas/{name}"), "components": components});
        (name.clone(), jsonschema::validator_for(&root).unwrap())
    };
    components["schemas"].as_object().unwrap().keys().map(validator).collect()
});

/// Fails unless a value follows a component schema of the contract.
pub(crate) fn assert_follows(schema: &str, instance: &Value) {
    let problems: Vec<_> = VALIDATORS[schema].iter_errors(instance).map(|error| error.to_string()).collect();
    assert!(problems.is_empty(), "{schema}: {problems:#?}\n{instance:#}");
}

/// The cases that a domain expert can read, with their paths.
pub(crate) fn cases(folder: &str) -> Vec<(PathBuf, Value)> {
    let folder = repository().join("contract-tests/systems/hub").join(folder);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let case = |path: PathBuf| {
        let case = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        (path, case)
    };
    paths.into_iter().map(case).collect()
}

/// The records of a case.
pub(crate) fn records(case: &Value) -> Vec<Record> {
    let record = |record: &Value| record_from(record["kind"].as_str().unwrap(), &record["body"]);
    case["record"].as_array().unwrap().iter().map(record).collect()
}

/// A record of another source.
pub(crate) fn record_from(kind: &str, body: &Value) -> Record {
    let provenance = Provenance {
        source: SourceName::parse("file").unwrap(),
        remote_id: "prova".to_owned(),
        document_digest: "0".repeat(64),
        line: None,
        as_of: None,
        read_at: UtcInstant::parse("2026-01-01T00:00:00Z").unwrap(),
        raw: BTreeMap::new(),
    };
    let kind = Kind::from_name(kind).unwrap();
    Record::new(Body::from_json(kind, &body.to_string()).unwrap(), provenance)
}

/// A resource of another origin.
pub(crate) fn risorsa(id: &str, titolo: &str) -> Record {
    record_from("risorsa", &json!({ "origine": "pico", "id": id, "tipo": "modulo", "titolo": titolo }))
}

/// The shipment of one record alone.
pub(crate) fn shipment(record: &Record, revision: u64) -> Shipment {
    let Placement::Unit(unit) = crate::write::place(record) else { panic!("placed nowhere") };
    let composed = crate::write::compose(&unit.key, revision, std::slice::from_ref(record)).unwrap();
    let idempotency_key = format!("{}#{revision}", unit.key);
    Shipment { unit: unit.key, revision, idempotency_key, body: composed.body, previous_receipt: None }
}

pub(crate) fn adapter(settings: Settings) -> Box<dyn Adapter> {
    (crate::FACTORY.build)(settings).unwrap()
}

/// Everything that one read hands over.
pub(crate) async fn read_all(
    adapter: &dyn Adapter,
    files: Option<&[&Path]>,
    cursor: Option<&str>,
) -> (Result<(), AdapterError>, Vec<Received>) {
    let (sink, mut source) = mpsc::channel(4);
    let files = files.map(|files| files.iter().map(|file| file.to_path_buf()).collect());
    let reading = adapter.source().unwrap().read(ReadRequest { files, cursor: cursor.map(str::to_owned) }, sink);
    let taking = async {
        let mut received = Vec::new();
        while let Some(one) = source.recv().await {
            received.push(one);
        }
        received
    };
    tokio::join!(reading, taking)
}

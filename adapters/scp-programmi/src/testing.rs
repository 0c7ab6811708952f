//! What the tests share: the documents of the services, the cases on file, records.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use canonical::values::UtcInstant;
use canonical::{Body, Kind, Provenance, Record, SourceName};
use contract::{Receipt, Shipment, UnitKey};
use serde_json::{Value, json};

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A document of the services: `WSProgrammi` or `WSLogin`.
pub(crate) fn document(name: &str) -> Value {
    let path = repository().join(format!("schemas/upstream/scp-programmi/5.2.0/{name}.json"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Fails unless an instance follows a definition of a document.
pub(crate) fn assert_follows(name: &str, definition: &str, instance: &Value) {
    let definitions = document(name)["definitions"].take();
    let root = json!({
        "$schema": "http://json-schema.org/draft-04/schema#",
        "$ref": format!("#/definitions/{definition}"),
        "definitions": definitions,
    });
    let validator = jsonschema::validator_for(&root).unwrap();
    let problems: Vec<_> =
        validator.iter_errors(instance).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(problems.is_empty(), "{definition}: {problems:#?}\n{instance:#}");
}

/// The definition of the body of a unit.
pub(crate) fn definition_of(unit: &UnitKey) -> &'static str {
    if unit.as_str().starts_with("LP") {
        "PubblicaProgrammaLavoriEntry"
    } else {
        "PubblicaProgrammaFornitureServiziEntry"
    }
}

/// The cases that a domain expert can read, by file name.
pub(crate) fn cases(folder: &str) -> Vec<(String, Value)> {
    let folder = repository().join("contract-tests/systems/scp-programmi").join(folder);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let case = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap())
    };
    paths.into_iter().map(case).collect()
}

/// One case.
pub(crate) fn case(name: &str) -> Value {
    cases("programmi").into_iter().find(|(found, _)| found == name).unwrap().1
}

/// The unit of a case.
pub(crate) fn unit(case: &Value) -> UnitKey {
    UnitKey(case["unita"].as_str().unwrap().to_owned())
}

/// The records of a case.
pub(crate) fn records(case: &Value) -> Vec<Record> {
    case["record"].as_array().unwrap().iter().map(record_of).collect()
}

fn record_of(record: &Value) -> Record {
    let kind = Kind::from_name(record["kind"].as_str().unwrap()).unwrap();
    let provenance = Provenance {
        source: SourceName::parse("programmazione").unwrap(),
        remote_id: "prova".to_owned(),
        document_digest: "0".repeat(64),
        line: None,
        as_of: None,
        read_at: UtcInstant::parse("2026-01-01T00:00:00Z").unwrap(),
        raw: BTreeMap::new(),
    };
    Record::new(Body::from_json(kind, &record["body"].to_string()).unwrap(), provenance)
}

/// The shipment of a case, after a receipt with this identifier.
pub(crate) fn shipment(case: &Value, revision: u64, previous: Option<&str>) -> Shipment {
    let unit = unit(case);
    let composed = crate::write::compose(&unit, &records(case)).unwrap();
    let receipt = |id: &str| Receipt {
        remote_id: Some(id.to_owned()),
        status: 200,
        answer_digest: "0".repeat(64),
        warnings: Vec::new(),
    };
    Shipment {
        idempotency_key: format!("{unit}#{revision}"),
        unit,
        revision,
        body: composed.body,
        previous_receipt: previous.map(receipt),
    }
}

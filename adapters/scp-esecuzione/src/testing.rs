//! What the tests share: the contract document, the cases on file, records of our own making.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use canonical::values::UtcInstant;
use canonical::{Body, Kind, Provenance, Record, SourceName};
use contract::{Shipment, UnitKey};
use jsonschema::Validator;
use serde_json::{Value, json};

pub(crate) const CIG: &str = "B000001279";

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn document() -> Value {
    let path = repository().join("schemas/upstream/scp-esecuzione/v0/openapi.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
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

/// Fails unless a document follows a component schema of the contract.
pub(crate) fn assert_follows(schema: &str, instance: &Value) {
    let validator = &VALIDATORS[schema];
    let problems: Vec<_> =
        validator.iter_errors(instance).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(problems.is_empty(), "{schema}: {problems:#?}\n{instance:#}");
}

/// The cases that a domain expert can read, by file name.
pub(crate) fn cases() -> Vec<(String, Value)> {
    let folder = repository().join("contract-tests/systems/scp-esecuzione/schede");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let case = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap())
    };
    paths.into_iter().map(case).collect()
}

/// A sample of the national platform: the scheda of a request, and its body.
pub(crate) fn sample(file: &str) -> (String, Value) {
    let path = repository().join("schemas/samples/anac/sintetici").join(file);
    let read: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let scheda = read.pointer("/request/scheda").unwrap_or(&read["scheda"]);
    (scheda["codice"]["codice"].as_str().unwrap().to_owned(), scheda["body"].clone())
}

/// The samples of the manifest: file, scheda, schema, whether it is valid by the schema.
pub(crate) fn manifest() -> Vec<(String, String, String, bool)> {
    let path = repository().join("schemas/samples/anac/sintetici/manifest.csv");
    let text = fs::read_to_string(path).unwrap();
    let fields = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
    let rows = text.lines().skip(1).map(fields);
    rows.map(|row| (row[0].clone(), row[2].clone(), row[3].clone(), row[4] == "yes")).collect()
}

/// The scheda of a draft as the archive would give it back.
pub(crate) fn archived(unit: &str, bozza: &Value, id_scheda: &str) -> String {
    let mut parts = unit.split('/');
    let (cig, award) = (parts.next().unwrap(), parts.next().unwrap().parse::<u32>().unwrap());
    let progressivo: u32 = parts.nth(1).unwrap().parse().unwrap();
    let code = bozza["scheda"].as_str().unwrap();
    let nome = if code.starts_with('M') { "M" } else { code };
    let mut scheda = json!({
        "idScheda": id_scheda, "idDocumento": "d1", "scheda": code, "progressivo": progressivo, "stato": "accettata",
        "anacForm": bozza["anacForm"],
    });
    if bozza.get("integrazioni").is_some() {
        scheda["integrazioni"] = bozza["integrazioni"].clone();
    }
    json!({"cig": cig, "idAggiudicazione": award, "nome": nome, "posto": 1, "scheda": scheda}).to_string()
}

/// What a reading says, for the cases on file.
pub(crate) fn told(normalized: &contract::Normalized) -> Value {
    let records = normalized.records.iter().map(|record| {
        let body: Value = serde_json::from_str(&record.body.to_json()).unwrap();
        json!({"kind": record.body.kind().name(), "body": body})
    });
    json!({"record": records.collect::<Vec<_>>(), "rilievi": normalized.findings})
}

/// The records of a case.
pub(crate) fn records(case: &Value) -> Vec<Record> {
    case["record"].as_array().unwrap().iter().map(record_of).collect()
}

fn record_of(record: &Value) -> Record {
    let kind = Kind::from_name(record["kind"].as_str().unwrap()).unwrap();
    record_from(record["source"].as_str().unwrap(), kind, &record["body"])
}

/// A record of a source.
pub(crate) fn record_from(source: &str, kind: Kind, body: &Value) -> Record {
    let provenance = Provenance {
        source: SourceName::parse(source).unwrap(),
        remote_id: "prova".to_owned(),
        document_digest: "0".repeat(64),
        line: None,
        as_of: None,
        read_at: UtcInstant::parse("2026-01-01T00:00:00Z").unwrap(),
        raw: BTreeMap::new(),
    };
    Record::new(Body::from_json(kind, &body.to_string()).unwrap(), provenance)
}

/// A progress of a contract.
pub(crate) fn avanzamento(cig: &str, progressivo: u32, cumulato: &str) -> Record {
    evento(cig, progressivo, &json!({"evento": "avanzamento", "importo_cumulato": cumulato}))
}

/// An event of a contract, without a day.
pub(crate) fn evento(cig: &str, progressivo: u32, dettaglio: &Value) -> Record {
    let body = json!({
        "cig": cig, "id_aggiudicazione": 1, "progressivo": progressivo, "stato": "bozza", "dettaglio": dettaglio,
    });
    record_from("pad", Kind::EventoEsecuzione, &body)
}

/// The shipment of a record alone.
pub(crate) fn shipment(record: &Record, revision: u64) -> Shipment {
    let contract::Placement::Unit(unit) = crate::write::place(record) else { panic!("placed nowhere") };
    shipment_to(&unit.key, record, revision)
}

fn shipment_to(unit: &UnitKey, record: &Record, revision: u64) -> Shipment {
    let composed = crate::write::compose(unit, revision, std::slice::from_ref(record)).unwrap();
    Shipment {
        unit: unit.clone(),
        revision,
        idempotency_key: format!("{unit}#{revision}"),
        body: composed.body,
        previous_receipt: None,
    }
}

/// An official schema, as the repository keeps it.
pub(crate) fn official_schema(code: &str) -> Value {
    let path = repository().join(format!("schemas/upstream/anac-pcp/2026-06/{code}.schema.json"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The records of a file of the repository, one a line, whoever their source.
pub(crate) fn records_of(file: &str) -> Vec<Record> {
    let text = fs::read_to_string(repository().join(file)).unwrap();
    let record = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        record_from("pad", Kind::from_name(value["kind"].as_str().unwrap()).unwrap(), &value["body"])
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(record).collect()
}

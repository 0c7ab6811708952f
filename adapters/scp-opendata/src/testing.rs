//! What the tests share: the samples and cases on file, and a way to read with the adapter.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use contract::{AdapterError, DocumentHeader, Normalized, RawRecord, ReadRequest, Received, Source};
use serde_json::{Value, json};

use crate::ScpOpendata;
use crate::wire::{CKAN, CSV, VERSION};

pub(crate) fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn sample(name: &str) -> PathBuf {
    repository().join("schemas/samples/scp").join(name)
}

pub(crate) fn json_file(path: PathBuf) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The cases that a domain expert can read, by file name.
pub(crate) fn cases() -> Vec<(String, Value)> {
    let folder = repository().join("contract-tests/systems/scp-opendata/righe");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let name = |path: &PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    paths.into_iter().map(|path| (name(&path), json_file(path))).collect()
}

fn raw(format: &str, context: Value, text: String) -> RawRecord {
    let document = DocumentHeader {
        remote_id: "bandi".to_owned(),
        digest: String::new(),
        format: format.to_owned(),
        version: VERSION.to_owned(),
        as_of: None,
        context,
    };
    RawRecord { document: Arc::new(document), line: 2, occurrence: 0, text }
}

/// A row as an object of the API.
pub(crate) fn ckan_row(row: &Value) -> RawRecord {
    raw(CKAN, Value::Null, row.to_string())
}

/// The same row as a line of the daily file.
pub(crate) fn csv_row(row: &Value) -> RawRecord {
    let row = row.as_object().unwrap();
    let quoted = |value: &Value| format!("\"{}\"", value.as_str().unwrap_or_default().replace('"', "\"\""));
    let text: Vec<_> = row.values().map(quoted).collect();
    raw(CSV, json!({"columns": row.keys().collect::<Vec<_>>()}), text.join(","))
}

/// What a normalized row says, in the words of a case.
pub(crate) fn told(normalized: &Normalized) -> Value {
    let records: Vec<_> = normalized
        .records
        .iter()
        .map(|record| {
            let body: Value = serde_json::from_str(&record.body.to_json()).unwrap();
            let body: serde_json::Map<_, _> =
                body.as_object().unwrap().clone().into_iter().filter(|(_, value)| !value.is_null()).collect();
            let raw: serde_json::Map<_, _> =
                record.raw.iter().map(|(path, text)| (path.as_str().to_owned(), json!(text))).collect();
            json!({"kind": record.body.kind().name(), "body": body, "raw": raw})
        })
        .collect();
    let findings: Vec<_> = normalized
        .findings
        .iter()
        .map(|it| json!([it.rule.code(), it.field.as_ref().map(canonical::FieldPath::as_str), it.detail, it.received]))
        .collect();
    json!({
        "record": records,
        "rilievi": findings,
        "da_parte": normalized.set_aside.as_ref().map(|it| json!([it.rule.code(), it.reason])),
    })
}

/// Everything that the adapter hands over.
pub(crate) async fn read(adapter: &ScpOpendata, request: ReadRequest) -> (Vec<Received>, Result<(), AdapterError>) {
    let (sink, mut received) = tokio::sync::mpsc::channel(4);
    let collect = async {
        let mut all = Vec::new();
        while let Some(one) = received.recv().await {
            all.push(one);
        }
        all
    };
    let (outcome, all) = tokio::join!(adapter.read(request, sink), collect);
    (all, outcome)
}

/// The records among what was handed over.
pub(crate) fn records(received: &[Received]) -> Vec<&RawRecord> {
    received.iter().filter_map(|one| if let Received::Record(raw) = one { Some(raw) } else { None }).collect()
}

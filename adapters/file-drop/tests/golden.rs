//! The golden cases: rows and lots as received, and what must come of each. They stand where people
//! who know the domain find them, under `contract-tests/systems/file-drop`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use contract::{DocumentHeader, Normalized, RawRecord, Source};
use file_drop::{FileDrop, PadFile, PadFileSettings, Settings};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What the case shows, in Italian.
    #[serde(rename = "caso")]
    _says: String,
    /// The platform of the mapping, with the rows by column; or the text of a lot.
    #[serde(default)]
    mappatura: String,
    #[serde(default)]
    righe: Vec<BTreeMap<String, String>>,
    #[serde(default)]
    lotto: String,
    #[serde(default)]
    ripetizione: u32,
    atteso: Value,
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contract-tests/systems/file-drop").join(name)
}

fn raw(format: &str, context: Value, occurrence: u32, text: String) -> RawRecord {
    let document = DocumentHeader {
        remote_id: "caso".to_owned(),
        digest: String::new(),
        format: format.to_owned(),
        version: String::new(),
        as_of: None,
        context,
    };
    RawRecord { document: Arc::new(document), line: 2, occurrence, text }
}

fn outcome(normalized: &Normalized) -> Value {
    let bodies: Vec<_> = normalized.records.iter().map(|record| json!(record.body)).collect();
    let set_aside = normalized.set_aside.as_ref().map(|set_aside| set_aside.rule);
    let mut outcome = json!({ "record": bodies, "rilievi": normalized.findings });
    if let (Some(rule), Value::Object(outcome)) = (set_aside, &mut outcome) {
        outcome.insert("da_parte".to_owned(), json!(rule));
    }
    without_nulls(outcome)
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let given = fields.into_iter().filter(|(_, value)| !value.is_null());
            given.map(|(name, value)| (name, without_nulls(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        scalar => scalar,
    }
}

fn run(case: &Case, pad_file: &PadFile) -> Normalized {
    if !case.lotto.is_empty() {
        let raw = raw("l190", json!({"anno_riferimento": 2025}), case.ripetizione, case.lotto.clone());
        return FileDrop::new(Settings::default()).normalize(&raw);
    }
    let mut columns: Vec<_> = case.righe.iter().flat_map(BTreeMap::keys).collect();
    columns.sort();
    columns.dedup();
    let line = |row: &BTreeMap<String, String>| {
        let text = |column: &&String| row.get(*column).map_or(String::new(), |text| text.replace('"', "\"\""));
        columns.iter().map(|column| format!("\"{}\"", text(column))).collect::<Vec<_>>().join(",")
    };
    let text = case.righe.iter().map(line).collect::<Vec<_>>().join("\n");
    let context = json!({"platform": case.mappatura, "columns": columns});
    pad_file.normalize(&raw("pad-file", context, case.ripetizione, text))
}

#[test]
fn every_golden_case_gives_what_is_written_in_it() {
    let mappings = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings"));
    let pad_file = PadFile::new(PadFileSettings { mappings, ..PadFileSettings::default() }).unwrap();
    let mut cases = 0;
    for name in ["pad-file", "l190"] {
        for entry in std::fs::read_dir(folder(name)).expect("the cases are there") {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let case: Case = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let found = outcome(&run(&case, &pad_file));
            assert_eq!(found, case.atteso, "{}: found {found:#}", path.display());
            cases += 1;
        }
    }
    assert!(cases >= 8, "{cases} cases");
}

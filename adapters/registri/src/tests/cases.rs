//! The cases of `contract-tests/systems/registri/righe`: rows as published, and what they become.

use std::fs;
use std::path::Path;

use contract::Received;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{every_format, given};
use crate::read::normalize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[expect(dead_code, reason = "for the reader of the case")]
    caso: String,
    formato: String,
    intestazione: String,
    righe: Vec<String>,
    atteso: Value,
}

fn outcome(case: &Case) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("caso.csv");
    fs::write(&file, format!("{}\n{}\n", case.intestazione, case.righe.join("\n"))).unwrap();
    let records = given(&file, &every_format()).into_iter().filter_map(|received| match received {
        Received::Record(raw) => Some(raw),
        Received::Refused { refusal, .. } => panic!("{refusal}"),
        _ => None,
    });
    let told = records.map(|raw| {
        assert_eq!(raw.document.format, case.formato);
        let normalized = normalize(&raw);
        let record = |record: &contract::DraftRecord| json!({"record": record.body, "ricevuto": record.raw});
        json!({
            "records": normalized.records.iter().map(record).collect::<Vec<_>>(),
            "rilievi": normalized.findings,
            "in_quarantena": normalized.set_aside.map(|aside| json!({"regola": aside.rule, "motivo": aside.reason})),
        })
    });
    told.collect()
}

#[test]
fn each_case_becomes_what_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contract-tests/systems/registri/righe");
    let mut count = 0;
    for file in kit::list_folder(&folder, &["json"]).unwrap() {
        let case: Case = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let outcome = outcome(&case);
        assert!(outcome == case.atteso, "{}\n{}", file.display(), serde_json::to_string_pretty(&outcome).unwrap());
        count += 1;
    }
    assert!(count >= 6, "{count} cases");
}

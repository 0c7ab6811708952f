//! The golden cases of `contract-tests/systems/anac-opendata`: documents in, canonical records out.
//!
//! With `AGGIORNA_CASI=1` what the adapter gives is written into the cases, to be read before it is
//! committed.

use std::fmt::Write as _;

use super::*;

#[tokio::test]
async fn every_case_gives_what_it_says() {
    let mut wrong = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(at("contract-tests/systems/anac-opendata/casi"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 31, "{}", files.len());
    for file in files {
        let mut case: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let given = json!(understood(&case).await);
        if std::env::var_os("AGGIORNA_CASI").is_some() {
            case["attesi"] = given;
            std::fs::write(&file, serde_json::to_string_pretty(&case).unwrap() + "\n").unwrap();
        } else if case["attesi"] != given {
            wrong.push(format!("{}: {given:#}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the adapter makes of the rows or of the document of a case.
async fn understood(case: &Value) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("caso");
    std::fs::write(&file, content(case)).unwrap();
    let (read, understood) = read_file(file).await;
    assert!(read.refused.is_empty() && read.ended == 1, "{}: {:?}", case["titolo"], read.refused);
    understood.iter().map(shown).collect()
}

fn content(case: &Value) -> String {
    let Some(rows) = case["righe"].as_array() else { return case["documento"].to_string() };
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let columns: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
    let mut table = columns.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(";");
    for row in rows {
        let values: Vec<_> = columns.iter().map(|name| quoted(row[name.as_str()].as_str().unwrap())).collect();
        write!(table, "\n{}", values.join(";")).unwrap();
    }
    table
}

fn shown(understood: &Normalized) -> Value {
    let records: Vec<_> = understood
        .records
        .iter()
        .map(|record| {
            let mut shown = serde_json::to_value(&record.body).unwrap();
            shown["raw"] = serde_json::to_value(&record.raw).unwrap();
            shown
        })
        .collect();
    let aside = understood.set_aside.as_ref().map(|aside| json!({"rule": aside.rule, "reason": aside.reason}));
    json!({"records": records, "findings": understood.findings, "set_aside": aside})
}

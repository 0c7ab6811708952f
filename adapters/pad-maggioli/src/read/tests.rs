//! The cases on file, one row each, and what must hold for any row.

use std::sync::Arc;

use canonical::{Body, Kind};
use contract::DocumentHeader;
use proptest::prelude::*;
use rstest::rstest;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::*;
use crate::testing::{assert_follows, cases};

fn raw(register: &str, text: &str, occurrence: u32) -> RawRecord {
    let document = DocumentHeader {
        remote_id: "prova".to_owned(),
        digest: "0".repeat(64),
        format: register.to_owned(),
        version: "v1.0".to_owned(),
        as_of: None,
        context: Value::Null,
    };
    RawRecord { document: Arc::new(document), line: 1, occurrence, text: text.to_owned() }
}

fn body(body: &Body) -> Value {
    json!({"kind": body.kind(), "body": serde_json::from_str::<Value>(&body.to_json()).unwrap()})
}

#[derive(Deserialize)]
struct Case {
    registro: String,
    occorrenza: u32,
    riga: Box<RawValue>,
    #[serde(default)]
    record: Value,
    #[serde(default)]
    rilievi: Value,
    accantonata: Option<String>,
}

#[test]
fn every_case_gives_its_records_and_findings() {
    for (path, text) in cases("letture") {
        let case: Case = serde_json::from_str(&text).unwrap();
        let normalized = normalize(&raw(&case.registro, case.riga.get(), case.occorrenza));
        let records: Value = normalized.records.iter().map(|draft| body(&draft.body)).collect();
        let rilievi = serde_json::to_value(&normalized.findings).unwrap();
        let accantonata =
            normalized.set_aside.map(|set_aside| format!("{}: {}", set_aside.rule.code(), set_aside.reason));
        let name = path.display();
        assert_eq!(records, case.record, "{name}");
        assert_eq!(rilievi, case.rilievi, "{name}");
        assert_eq!(accantonata, case.accantonata, "{name}");
    }
}

#[test]
fn the_rows_of_the_cases_follow_the_description() {
    for (path, text) in cases("letture") {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let case: Value = serde_json::from_str(&text).unwrap();
        let row = case["riga"].get("riga").unwrap_or(&case["riga"]);
        let schema = match case["registro"].as_str().unwrap() {
            "dati" => "RigaDati",
            "contratti" => "RigaContratto",
            _ => "Testata",
        };
        // These two are not in the published shape on purpose.
        if !["dati-altra-forma", "avvisi-senza-riferimento"].contains(&name.as_str()) {
            assert_follows(schema, row);
        }
    }
}

#[test]
fn received_texts_stand_beside_the_values_that_differ_from_them() {
    let row = json!({
        "annoRiferimento": 2025, "cig": " b1a2b3c3b8", "dataInizio": "2025-01-02 00:00:00", "importoSommeLiquidate": 10.5,
        "aggiudicatari": [{"ragioneSociale": "Alfa  srl", "codiceFiscale": "1234567897"}],
    });
    let normalized = normalize(&raw("dati", &row.to_string(), 0));
    let received = |kind: Kind, path: &str| {
        let draft = normalized.records.iter().find(|draft| draft.body.kind() == kind).unwrap();
        draft.raw.get(path).cloned().unwrap_or_default()
    };
    assert_eq!(received(Kind::Lotto, "/cig"), " b1a2b3c3b8");
    assert_eq!(received(Kind::Contratto, "/data_inizio"), "2025-01-02 00:00:00");
    assert_eq!(received(Kind::Contratto, "/somme_liquidate"), "10.5");
    assert_eq!(received(Kind::Aggiudicazione, "/aggiudicatari/0/operatore"), "1234567897");
    assert_eq!(received(Kind::OperatoreEconomico, "/denominazione"), "Alfa  srl");
}

#[rstest]
#[case("dati", json!({"cig": "RSSMRA85T10A562S", "codiceFiscaleProponente": "RSSMRA85T10A562S", "importoAggiudicazione": "RSSMRA85T10A562S", "aggiudicatari": [{"codiceFiscale": "RSSMRA85T10A562X", "ragioneSociale": "Rossi&nbsp;Mario"}]}))]
#[case("contratti", json!({"cig": "B1A2B3C3B8", "datainizio": "RSSMRA85T10A562S", "aggiudicatari": ["Rossi&nbsp;Mario RSSMRA85T10A562S"]}))]
fn persons_are_in_no_finding_and_no_debug(#[case] register: &str, #[case] row: Value) {
    let normalized = normalize(&raw(register, &row.to_string(), 0));
    let told = format!("{:?} {:?} {:?}", normalized.findings, normalized.set_aside, normalized.records);
    assert!(!told.contains("RSSMRA") && !told.contains("Rossi"), "{told}");
    assert!(!normalized.findings.is_empty());
}

#[test]
fn a_group_that_cannot_be_told_is_not_invented() {
    let member = |code: &str, ruolo: &str| json!({"codiceFiscale": code, "ragioneSociale": code, "ruolo": ruolo});
    let row = json!({
        "annoRiferimento": 2025, "cig": "B1A2B3C3B8",
        "aggiudicatari": [member("01234567897", "02-MANDATARIA"), member("02345678904", "04-CAPOGRUPPO")],
    });
    let normalized = normalize(&raw("dati", &row.to_string(), 0));
    let award = normalized.records.iter().find_map(|draft| match &draft.body {
        Body::Aggiudicazione(award) => Some(award),
        _ => None,
    });
    assert!(
        award.unwrap().aggiudicatari.iter().all(|winner| winner.raggruppamento.is_none() && winner.ruolo.is_some())
    );
    assert!(normalized.findings.iter().any(|finding| finding.detail.as_deref() == Some("group_not_given")));
}

#[test]
fn too_many_operators_stand_aside() {
    let many: Vec<_> = (0..5_001).map(|_| json!({"codiceFiscale": "01234567897"})).collect();
    let row = json!({"annoRiferimento": 2025, "cig": "B1A2B3C3B8", "partecipanti": many}).to_string();
    let normalized = normalize(&raw("dati", &row, 0));
    assert!(normalized.records.is_empty() && normalized.set_aside.is_some());
}

proptest! {
    #[test]
    fn any_row_gives_records_or_stands_aside(
        register in prop::sample::select(Register::ALL),
        cig in "[0-9A-Za-z ]{0,12}",
        text in "\\PC{0,30}",
        amount in any::<i64>(),
    ) {
        let row = json!({
            "cig": cig, "riferimentoProcedura": text, "titolo": text, "oggetto": text, "importo": amount,
            "importoAggiudicazione": amount, "dataInizio": text, "datainizio": text, "dataPubblicazione": text,
            "aggiudicatari": null,
        });
        for text in [row.to_string(), json!({"riga": row}).to_string(), text] {
            let normalized = normalize(&raw(register.name(), &text, 0));
            prop_assert!(!normalized.records.is_empty() || normalized.set_aside.is_some());
            prop_assert_eq!(normalize(&raw(register.name(), &text, 0)), normalized);
        }
    }
}

//! Cases that a person who knows contracts can read, from the evidence folder of the system.

use canonical::values::Importo;
use contract::Placement;
use rstest::rstest;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    caso: String,
    unita: String,
    membri: Vec<Value>,
    righe: Vec<Value>,
    /// The keys of the rows, where they are not the CIG.
    chiavi: Option<Vec<String>>,
    aggregati: Option<Value>,
    csv: Option<Vec<String>>,
    segnalazioni: Vec<String>,
}

#[test]
fn every_case_gives_its_rows_and_its_findings() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contract-tests/systems/pico/compose");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("the folder of the cases") {
        let text = std::fs::read_to_string(entry.expect("an entry").path()).expect("a case");
        check(serde_json::from_str(&text).expect("a case"));
        seen += 1;
    }
    assert!(seen >= 16, "only {seen} cases");
}

fn check(case: Case) {
    let members: Vec<Record> = case.membri.into_iter().map(record_of).collect();
    let composed = compose(&*offline(), &UnitKey(case.unita), 1, &members);
    assert_eq!(ndjson_rows(&composed.body), case.righe, "{}", case.caso);
    let keys: Vec<&str> = composed.rows.iter().map(|row| row.key.as_str()).collect();
    let cigs = || case.righe.iter().map(|row| row["cig"].as_str().expect("a CIG").to_owned()).collect();
    assert_eq!(keys, case.chiavi.clone().unwrap_or_else(cigs), "{}", case.caso);
    let findings: Vec<String> = composed
        .findings
        .iter()
        .map(|finding| {
            let field = finding.field.as_ref().map_or("", |field| field.as_str());
            format!("{} {field} {}", finding.rule.code(), finding.detail.as_deref().unwrap_or_default())
        })
        .collect();
    assert_eq!(findings, case.segnalazioni, "{}", case.caso);
    let package: Value = serde_json::from_slice(&composed.body).expect("a package");
    if let Some(aggregati) = case.aggregati {
        assert_eq!(package["manifesto"]["aggregati"], aggregati, "{}", case.caso);
    }
    if let Some(lines) = case.csv {
        assert_eq!(package["file"][0]["contenuto"], lines.join("\r\n") + "\r\n", "{}", case.caso);
    }
}

#[rstest]
#[case(json!({ "kind": "lotto", "body": { "cig": "918052266A", "stazione_appaltante": ENTE, "anno_riferimento": 2024 } }), "00606750131/appalti/2024")]
#[case(json!({ "kind": "contratto", "body": { "cig": "918052266A", "id_aggiudicazione": 1, "stazione_appaltante": ENTE, "anno_riferimento": 2023 } }), "00606750131/appalti/2023")]
#[case(json!({ "kind": "lotto", "body": { "cig": "918052266A", "anno_riferimento": 2024 } }), "withheld no_authority")]
#[case(json!({ "kind": "lotto", "body": { "cig": "918052266A", "stazione_appaltante": "RSSMRA85T10A562S", "anno_riferimento": 2024 } }), "withheld not_a_body")]
#[case(json!({ "kind": "lotto", "body": { "cig": "918052266A", "stazione_appaltante": ENTE } }), "withheld no_period")]
#[case(json!({ "kind": "lotto", "body": { "cig": "918052266A", "stazione_appaltante": ENTE, "anno_riferimento": 24 } }), "withheld no_period")]
#[case(json!({ "kind": "lotto", "body": { "cig": "0000000000", "stazione_appaltante": ENTE, "anno_riferimento": 2024 } }), "withheld null_cig")]
#[case(json!({ "kind": "aggiudicazione", "body": { "cig": "0000000000", "id_aggiudicazione": 1, "stazione_appaltante": ENTE, "anno_riferimento": 2024 } }), "withheld null_cig")]
#[case(json!({ "kind": "contratto", "body": { "cig": "0000000000", "id_aggiudicazione": 1, "stazione_appaltante": ENTE, "anno_riferimento": 2024 } }), "withheld null_cig")]
#[case(json!({ "kind": "evento_esecuzione", "body": { "cig": "0000000000", "id_aggiudicazione": 1, "stazione_appaltante": ENTE, "anno_riferimento": 2024, "progressivo": 1, "stato": "inviato", "dettaglio": { "evento": "sospensione" } } }), "withheld null_cig")]
#[case(json!({ "kind": "collegamento_cup_cig", "body": { "cup": "F41B21000000001", "cig": "0000000000", "ente": ENTE, "piani": ["pnrr"] } }), "withheld null_cig")]
#[case(json!({ "kind": "procedura", "body": { "id": "x/1", "stazione_appaltante": ENTE, "pubblicata_il": "2025-12-31T23:30:00Z" } }), "00606750131/gare/2026")]
#[case(json!({ "kind": "procedura", "body": { "id": "x/1", "stazione_appaltante": ENTE } }), "withheld no_period")]
#[case(json!({ "kind": "procedura", "body": { "id": "x/1", "pubblicata_il": "2025-12-31T23:30:00Z" } }), "withheld no_authority")]
#[case(json!({ "kind": "procedura", "body": { "id": "x/RSSMRA85T10A562S", "stazione_appaltante": ENTE, "pubblicata_il": "2025-06-30T10:00:00Z" } }), "withheld personal_key")]
#[case(json!({ "kind": "progetto", "body": { "cup": "F41B21000000001", "ente": ENTE, "piani": ["pnc", "fondi_europei"] } }), "00606750131/progetti-pnrr-pnc/corrente")]
#[case(json!({ "kind": "progetto", "body": { "cup": "F41B21000000001", "ente": ENTE, "piani": ["fondi_europei"] } }), "00606750131/progetti-europei/corrente")]
#[case(json!({ "kind": "progetto", "body": { "cup": "F41B21000000001", "ente": ENTE, "piani": [{ "altro": "PON" }] } }), "elsewhere")]
#[case(json!({ "kind": "progetto", "body": { "cup": "F41B21000000001", "ente": ENTE } }), "withheld no_plan")]
#[case(json!({ "kind": "collegamento_cup_cig", "body": { "cup": "F41B21000000001", "cig": "918052266A", "ente": ENTE, "piani": ["pnrr"] } }), "00606750131/progetti-pnrr-pnc/corrente")]
#[case(json!({ "kind": "collegamento_cup_cig", "body": { "cup": "F41B21000000001", "cig": "918052266A", "piani": ["pnrr"] } }), "withheld no_authority")]
#[case(json!({ "kind": "collegamento_cup_cig", "body": { "cup": "F41B21000000001", "cig": "918052266A" } }), "withheld no_authority")]
#[case(json!({ "kind": "programma", "body": { "id": "LP006067501312025001", "tipo": "lavori", "ente": ENTE, "anno": 2025, "descrizione": "d" } }), "00606750131/programmazione/2025")]
#[case(json!({ "kind": "programma", "body": { "id": "mio", "tipo": "lavori", "ente": ENTE, "anno": 2026, "descrizione": "d" } }), "00606750131/programmazione/2026")]
#[case(json!({ "kind": "intervento", "body": { "cui": "L00606750131202500001", "id_programma": "LP006067501312026001", "ente": ENTE, "tipo": "lavori", "descrizione": "d", "anno": 2028 } }), "00606750131/programmazione/2026")]
#[case(json!({ "kind": "intervento", "body": { "cui": "L00606750131202500001", "id_programma": "mio", "ente": ENTE, "tipo": "lavori", "descrizione": "d", "anno": 2028 } }), "withheld no_period")]
#[case(json!({ "kind": "qualificazione", "body": { "ente": ENTE, "fase": "esecuzione", "livello": "L1", "valida_dal": "2025-01-01" } }), "00606750131/qualificazione/corrente")]
#[case(json!({ "kind": "servizio_associato", "body": { "ente_erogatore": ENTE, "ente_fruitore": "01894100302", "tipo": "sua" } }), "00606750131/servizi-associati/corrente")]
#[case(json!({ "kind": "servizio_associato", "body": { "ente_erogatore": ENTE, "ente_fruitore": "RSSMRA85T10A562S", "tipo": "sua" } }), "withheld not_a_body")]
#[case(json!({ "kind": "rilevazione", "body": { "ente": ENTE, "tema": "piao", "periodo": "2026-Q1", "indicatore": "x", "valore": 1 } }), "00606750131/piao/2026")]
#[case(json!({ "kind": "rilevazione", "body": { "ente": ENTE, "tema": "progetti_europei", "periodo": "2026", "indicatore": "x", "valore": 1 } }), "00606750131/rilevazioni-progetti-europei/2026")]
#[case(json!({ "kind": "risorsa", "body": { "origine": "hub", "id": "a/b", "tipo": "corso", "titolo": "t" } }), "risorse/hub/a/b")]
#[case(json!({ "kind": "risorsa", "body": { "origine": "pico", "id": "a", "tipo": "corso", "titolo": "t" } }), "elsewhere")]
#[case(json!({ "kind": "risorsa", "body": { "origine": "hub", "id": "..", "tipo": "corso", "titolo": "t" } }), "withheld unusable_id")]
#[case(json!({ "kind": "risorsa", "body": { "origine": "a/b", "id": "c", "tipo": "corso", "titolo": "t" } }), "withheld unusable_id")]
#[case(json!({ "kind": "segnalazione", "body": { "id": "R02-1", "ente": ENTE, "tipo_record": "lotto", "chiave_record": "x", "regola": "R02", "descrizione": "d", "aperta_il": "2026-03-01T09:30:00Z", "stato": "risolta" } }), "segnalazioni/R02-1")]
#[case(json!({ "kind": "adesione", "body": { "ente": ENTE, "tipo": "protocollo", "stato": "attiva", "valida_dal": "2026-01-22" } }), "elsewhere")]
#[case(json!({ "kind": "operatore_economico", "body": { "codice_fiscale": ENTE } }), "elsewhere")]
fn a_record_goes_to_the_dataset_of_its_body_and_year(#[case] body: Value, #[case] expected: &str) {
    let place = match offline().target().expect("a target").place(&record_of(body)) {
        Placement::Unit(unit) => {
            assert_eq!(unit.key.as_str(), unit.lane.0);
            unit.key.0
        }
        Placement::Withheld { code } => format!("withheld {code}"),
        Placement::Elsewhere => "elsewhere".to_owned(),
    };
    assert_eq!(place, expected);
}

#[test]
fn a_unit_without_members_is_an_empty_dataset() {
    let composed = compose(&*offline(), &unit(2024), 3, &[]);
    let package: Value = serde_json::from_slice(&composed.body).expect("a package");
    assert_eq!((&package["manifesto"]["righe"], &package["manifesto"]["versione"]), (&json!(0), &json!(3)));
    assert!(composed.rows.is_empty());
}

#[rstest]
#[case("00606750131/gare/corrente")]
#[case("00606750131/altro/2024")]
#[case("risorse/hub")]
#[case("RSSMRA85T10A562S/appalti/2024")]
#[case("x")]
fn a_unit_of_another_shape_is_parked(#[case] unit: &str) {
    let composed = offline().target().expect("a target").compose(&UnitKey(unit.to_owned()), 1, &[]);
    assert!(composed.expect_err("parked").contains(unit));
}

#[test]
fn totals_that_cannot_be_written_are_parked() {
    let lot = |cig: &str| {
        let importo_totale = Importo::from_cents(i64::MAX);
        record_of(json!({ "kind": "lotto", "body": { "cig": cig, "importo_totale": importo_totale } }))
    };
    let members = [lot("918052266A"), lot("5044003AF1")];
    let composed = offline().target().expect("a target").compose(&unit(2024), 1, &members);
    assert!(composed.expect_err("parked").contains("troppo grande"));
}

#[test]
fn two_versions_of_one_member_give_one_row_and_a_finding() {
    let members = [lots(&["918052266A"], "a"), lots(&["918052266A"], "b"), lots(&["918052266A"], "a")].concat();
    let composed = compose(&*offline(), &unit(2024), 1, &members);
    assert_eq!(composed.rows.len(), 1);
    assert_eq!(composed.findings.len(), 1);
    let reversed: Vec<Record> = members.into_iter().rev().collect();
    assert_eq!(compose(&*offline(), &unit(2024), 1, &reversed).body, composed.body);
}

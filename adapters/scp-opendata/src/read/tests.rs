//! The mapping, on the cases of `contract-tests/systems/scp-opendata` and on any text at all.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::{cases, ckan_row, csv_row, told};

#[test]
fn every_case_gives_its_records_and_findings_both_ways() {
    for (name, case) in cases() {
        for raw in [ckan_row(&case["riga"]), csv_row(&case["riga"])] {
            let told = told(&normalize(&raw));
            let expected = json!({"record": case["record"], "rilievi": case["rilievi"], "da_parte": case["da_parte"]});
            assert_eq!(told, expected, "{name}: {told:#}");
        }
    }
}

#[test]
fn a_repeated_cig_is_told_and_kept() {
    let mut raw = ckan_row(&json!({"id_gara": "1", "cig": "9179733B4E"}));
    raw.occurrence = 1;
    let normalized = normalize(&raw);
    assert_eq!(normalized.records.len(), 2);
    assert_eq!(normalized.findings[0].rule, Rule::R06);
}

#[test]
fn what_is_no_row_stands_aside() {
    let number = json!({"cig": 5});
    assert_eq!(normalize(&ckan_row(&number)).set_aside.unwrap().rule, Rule::N03);
    let mut short = csv_row(&json!({"cig": "9179733B4E", "id_gara": "1"}));
    short.text = "9179733B4E".to_owned();
    assert_eq!(normalize(&short).set_aside.unwrap().rule, Rule::N03);
}

#[test]
fn the_name_of_the_official_goes_nowhere() {
    let row = json!({"id_gara": "1", "cig": "9179733B4E", "rup": "ROSSI MARIO", "ufficio": "RSSMRA85T10A562S"});
    let shown = told(&normalize(&ckan_row(&row))).to_string();
    assert!(!shown.contains("ROSSI") && !shown.contains("RSSMRA"), "{shown}");
}

#[test]
fn a_code_of_a_person_is_kept_and_not_shown() {
    let row = json!({"id_gara": "1", "cig": "9179733B4E", "codice_fiscale_stazione_appaltante": "rssmra85t10a562s"});
    let normalized = normalize(&ckan_row(&row));
    assert!(normalized.findings.iter().all(|finding| finding.received.is_none()), "{:?}", normalized.findings);
}

proptest! {
    #[test]
    fn any_row_gives_records_or_stands_aside(cig in "\\PC{0,12}", amount in "\\PC{0,12}", day in "\\PC{0,20}") {
        for cig in [cig.as_str(), "9179733B4E"] {
            let row: Value = json!({
                "id_gara": "1", "cig": cig, "imp_lotto": amount, "importo_gara": amount,
                "data_pubblicazione_bando": day, "cup": amount, "luogo_esecuzione_istat": day,
            });
            let normalized = normalize(&ckan_row(&row));
            prop_assert!(normalized.records.is_empty() == normalized.set_aside.is_some());
        }
    }
}

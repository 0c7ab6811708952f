//! What the extracts happen not to hold.

use std::sync::Arc;

use canonical::values::Importo;
use canonical::{Body, Rule, Severity};
use contract::{DocumentHeader, Normalized, RawRecord};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use crate::read::normalize;

fn understood(format: &str, version: &str, columns: &str, text: &str) -> Normalized {
    let document = DocumentHeader {
        remote_id: "x.csv".to_owned(),
        digest: String::new(),
        format: format.to_owned(),
        version: version.to_owned(),
        as_of: None,
        context: json!({"columns": columns.split(',').collect::<Vec<_>>()}),
    };
    normalize(&RawRecord { document: Arc::new(document), line: 2, occurrence: 0, text: text.to_owned() })
}

const OPERE: &str = "eu_es,ordinanza_attuale,cup,intervento_nome,importo_programmato,\
                     fase_di_avanzamento_al_22_dicembre_2024,pro_com_t";

fn regis(cig: &str, reason: &str, procedure: &str) -> Normalized {
    let columns = "cup,cig,codice_interno_pda,codice_motivo_assenza_cig";
    understood("regis-gare-universo", "1", columns, &format!("J61B21005830006,{cig},{procedure},{reason}"))
}

#[rstest]
#[case("EU_0928", Some("EU_928"), Some(Rule::R26))]
#[case("EU_928", Some("EU_928"), None)]
#[case("EU_900", Some("EU_900"), None)]
#[case("ES_XX", Some("ES_XX"), Some(Rule::N03))]
fn the_number_of_a_work_has_no_zeros_in_front(
    #[case] received: &str,
    #[case] number: Option<&str>,
    #[case] rule: Option<Rule>,
) {
    let normalized =
        understood("opere", "2024", OPERE, &format!("{received},OC_1,B12C18000160001,x,1,FA_10 - y,057002"));
    let Body::Progetto(project) = &normalized.records[0].body else { panic!("no project") };
    assert_eq!((project.misura.as_deref(), project.fase), (number, Some(10)));
    assert_eq!(normalized.findings.iter().map(|finding| finding.rule).next(), rule);
    let kept = normalized.records[0].raw.get("/misura").map(String::as_str);
    assert_eq!(kept, (Some(received) != number).then_some(received));
}

#[rstest]
#[case("", "019", "5000", &[], Some("J61B21005830006/-/5000"))]
#[case("", "000", "5000", &[(Rule::R05, Severity::Warning)], Some("J61B21005830006/-/5000"))]
#[case("0000000000", "019", "5000", &[], Some("J61B21005830006/-/5000"))]
#[case("", "019", "", &[], None)]
#[case("Z5838FB3DF", "000", "5000", &[(Rule::R09, Severity::Info)], Some("J61B21005830006/Z5838FB3DF"))]
#[case("9424886DF6", "000", "5000", &[(Rule::R04, Severity::Error)], Some("J61B21005830006/9424886DF6"))]
#[case("NOCIG14587", "000", "5000", &[(Rule::R04, Severity::Error)], None)]
fn a_cig_that_is_absent_null_doubtful_or_none(
    #[case] cig: &str,
    #[case] reason: &str,
    #[case] procedure: &str,
    #[case] findings: &[(Rule, Severity)],
    #[case] key: Option<&str>,
) {
    let normalized = regis(cig, reason, procedure);
    let found: Vec<_> = normalized.findings.iter().map(|finding| (finding.rule, finding.severity)).collect();
    assert_eq!(found, findings);
    let keys: Vec<_> = normalized.records.iter().map(|record| record.body.key().as_str().to_owned()).collect();
    assert_eq!(keys, key.into_iter().collect::<Vec<_>>());
    assert_eq!(normalized.set_aside.is_some(), key.is_none());
}

#[test]
fn one_part_that_cannot_be_read_leaves_no_sum() {
    let rows = "B12E20000110001,2025,2501.0\nB12E20000110001,2026,molti";
    let normalized = understood("pagamenti", "1", "cup,anno,importo_pagato", rows);
    let Body::Progetto(project) = &normalized.records[0].body else { panic!("no project") };
    assert_eq!(project.pagato, None);
    assert_eq!(normalized.records[0].raw.get("/pagato").map(String::as_str), Some("2501.0 + molti"));
    assert_eq!(normalized.findings[0].rule, Rule::N03);
}

#[test]
fn the_code_of_a_person_gives_no_operator_and_appears_nowhere() {
    let columns = "cup,cig,codice_intervento,codice_fiscale_p_iva_soggetto_aggiudicatario,\
                   denominazione_soggetto_aggiudicatario";
    let row = "I37H21008430001,9516664791,B.1.1.0,RSSMRA85T10A562S,ROSSI MARIO";
    let normalized = understood("pnc-aggiudicatari", "1", columns, row);
    assert_eq!(normalized.records.len(), 1);
    assert_eq!(normalized.findings[0].rule, Rule::N09);
    let shown = format!("{normalized:?}{}", normalized.records[0].body.to_json());
    assert!(!shown.contains("RSSMRA") && !shown.contains("ROSSI"));
}

#[rstest]
#[case("RSSMRA85T10A56")]
#[case("RSSMRA85T10A562")]
#[case("RSS MRA 85T10 A56")]
#[case("ROSSI MARIO")]
#[case("ROSSI M****")]
fn what_may_be_a_person_in_the_column_of_a_code_is_in_no_finding(#[case] text: &str) {
    let winners = "cup,cig,codice_intervento,codice_fiscale_p_iva_soggetto_aggiudicatario,\
                   denominazione_soggetto_aggiudicatario";
    // A code of the index has few rules: what is typed there may well pass for one.
    let bodies = "cf_piva_soggetto_attuatore,denominazione_ipa,cod_ipa";
    let link = "I37H21008430001,9516664791";
    for (format, columns, row) in [
        ("pnc-aggiudicatari", winners, format!("{link},B.1.1.0,{text},x")),
        ("pnc-aggiudicatari", winners, format!("{text},9516664791,B.1.1.0,,")),
        ("pnc-aggiudicatari", winners, format!("I37H21008430001,{text},B.1.1.0,,")),
        ("enti", bodies, format!("{text},x,y")),
        ("enti", bodies, format!("80004650133,x,{text}")),
    ] {
        let normalized = understood(format, "1", columns, &row);
        assert!(
            normalized.findings.iter().all(|finding| finding.received.is_none()),
            "{row}: {:?}",
            normalized.findings
        );
        assert!(!normalized.set_aside.is_some_and(|aside| aside.reason.contains(text)));
    }
}

#[test]
fn a_document_of_a_format_that_is_not_known_any_more_is_set_aside() {
    assert_eq!(understood("opere", "1999", OPERE, "x").set_aside.map(|aside| aside.rule), Some(Rule::N03));
}

proptest! {
    #[test]
    fn any_row_gives_a_record_or_is_set_aside(values in prop::collection::vec("[ -~]{0,20}", 7), is_project in any::<bool>()) {
        let quoted: Vec<_> = values.iter().map(|value| format!("\"{}\"", value.replace('"', "\"\""))).collect();
        let (format, version, columns) = if is_project { ("opere", "2024", OPERE) } else { ("gare", "1", "cup,cig,oggetto_gara,importo_base_asta,cf_aggiudicatario,aggiudicatario,x") };
        let normalized = understood(format, version, columns, &quoted.join(","));
        prop_assert_ne!(normalized.records.is_empty(), normalized.set_aside.is_none());
    }

    #[test]
    fn any_amount_of_cents_is_read_exactly(cents in 0_i64..1_000_000_000_000) {
        let text = format!("B12E20000110001,2025,{}.{:02}", cents / 100, cents % 100);
        let normalized = understood("pagamenti", "1", "cup,anno,importo_pagato", &text);
        let Body::Progetto(project) = &normalized.records[0].body else { panic!("no project") };
        prop_assert_eq!(project.pagato.map(Importo::cents), Some(cents));
    }
}

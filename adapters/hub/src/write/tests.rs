//! The cases on file, and what must hold for any publication.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::sets::List;
use crate::testing::{assert_follows, cases, document, record_from, records, risorsa};

fn unit(case: &Value) -> UnitKey {
    UnitKey(case["unita"].as_str().unwrap().to_owned())
}

fn servizio() -> Record {
    let body = json!({ "ente_erogatore": "80005210028", "ente_fruitore": "01894100302", "tipo": "sua" });
    record_from("servizio_associato", &body)
}

fn schema(set: Set) -> &'static str {
    match set {
        Set::Progetti => "Progetto",
        Set::Qualificazioni => "Qualificazione",
        Set::Rilevazioni => "Rilevazioni",
        Set::Risorse => "Risorsa",
        Set::Servizi => "Servizi",
    }
}

fn schema_of_element(set: Set) -> &'static str {
    match set {
        Set::Progetti => "Collegamento",
        Set::Rilevazioni => "Indicatore",
        _ => "Servizio",
    }
}

#[test]
fn every_case_gives_its_publication_its_findings_and_follows_the_contract() {
    for (path, case) in cases("pubblicazioni") {
        let (unit, members) = (unit(&case), records(&case));
        let composed = compose(&unit, 7, &members).unwrap();
        let body: Value = serde_json::from_slice(&composed.body).unwrap();
        assert_eq!(body["contenuto"], case["contenuto"], "{}: {body:#}", path.display());
        assert_eq!(json!(composed.findings), case["rilievi"], "{}", path.display());
        assert_follows(&format!("Invio{}", schema(Set::of_key(unit.as_str()).unwrap())), &body);
        assert!(members.iter().all(|member| matches!(place(member), Placement::Unit(placed) if placed.key == unit)));
    }
}

#[test]
fn every_set_and_every_field_appears_in_a_case() {
    let cases = cases("pubblicazioni");
    for set in Set::ALL {
        let of_set = cases.iter().filter(|(_, case)| Set::of_key(unit(case).as_str()) == Some(set));
        let contents: Vec<&Value> = of_set.map(|(_, case)| &case["contenuto"]).collect();
        for field in set.fields() {
            assert!(contents.iter().any(|it| it.get(field.name).is_some()), "{set:?} {} in no case", field.name);
        }
        let Some(list) = set.list() else { continue };
        for field in list.fields {
            let has = |it: &&Value| it[list.name].as_array().unwrap().iter().any(|it| it.get(field.name).is_some());
            assert!(contents.iter().any(has), "{set:?} {} in no case", field.name);
        }
    }
}

#[test]
fn the_document_and_the_tables_name_the_same_fields() {
    let schemas = document()["components"]["schemas"].take();
    let names =
        |schema: &Value| -> BTreeSet<String> { schema["properties"].as_object().unwrap().keys().cloned().collect() };
    let needed = |schema: &Value| -> BTreeSet<String> {
        schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let table = |fields: &[Field]| -> BTreeSet<String> { fields.iter().map(|field| field.name.to_owned()).collect() };
    let owned = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|name| (*name).to_owned()).collect() };
    for set in Set::ALL {
        let content = &schemas[schema(set)];
        let mut expected = table(set.fields());
        if let Some(List { name, fields, required, .. }) = set.list() {
            expected.insert(name.to_owned());
            let element = &schemas[schema_of_element(set)];
            assert_eq!((names(element), needed(element)), (table(fields), owned(required)), "{set:?}");
        }
        assert_eq!((names(content), needed(content)), (expected, owned(set.required())), "{set:?}");
    }
    assert_eq!(document()["info"]["x-status"], "ASSUMED");
}

#[test]
fn every_field_of_every_row_is_explained_with_its_value() {
    for (path, case) in cases("pubblicazioni") {
        let (unit, members) = (unit(&case), records(&case));
        let rows = compose(&unit, 1, &members).unwrap().rows;
        let explanations = explain(&unit, &members);
        let explained = |row: &contract::Row| -> Vec<(String, contract::FieldValue)> {
            let mut of_row: Vec<_> = explanations
                .iter()
                .filter(|explanation| explanation.row == row.key)
                .filter_map(|explanation| Some((explanation.field.clone(), explanation.value.clone()?)))
                .collect();
            of_row.sort_by(|one, other| one.0.cmp(&other.0));
            of_row
        };
        for row in &rows {
            assert_eq!(explained(row), row.fields.clone().into_iter().collect::<Vec<_>>(), "{}", path.display());
        }
        assert!(explanations.iter().all(|it| it.record.is_some() && it.path.starts_with('/') && !it.rule.is_empty()));
        // A field that is left empty is explained too.
        assert!(explanations.len() >= rows.iter().map(|row| row.fields.len()).sum());
    }
}

#[test]
fn what_the_hub_is_the_origin_of_never_goes_back() {
    let mut own = risorsa("lg-1", "Guida");
    let Body::Risorsa(body) = &mut own.body else { panic!("another kind") };
    body.origine = "hub".to_owned();
    assert_eq!(place(&own), Placement::Elsewhere);
    let qualificazione =
        json!({ "ente": "80005210028", "fase": "esecuzione", "livello": "L1", "valida_dal": "2025-07-01" });
    let mut copy = record_from("qualificazione", &qualificazione);
    assert!(matches!(place(&copy), Placement::Unit(_)));
    copy.provenance.remote_id = "hub/qualificazioni/80005210028/inizio".to_owned();
    assert_eq!(place(&copy), Placement::Elsewhere);
    let lotto = record_from("lotto", &json!({ "cig": "B000001279" }));
    assert_eq!(place(&lotto), Placement::Elsewhere);
}

#[rstest]
#[case("rilevazione", json!({ "ente": "RSSMRA85T10A562S", "tema": "gare", "periodo": "2026", "indicatore": "gare", "valore": 1 }), "dato_personale")]
#[case("servizio_associato", json!({ "ente_erogatore": "80005210028", "ente_fruitore": "RSSMRA85T10A562S", "tipo": "sua" }), "dato_personale")]
#[case("risorsa", json!({ "origine": "pico", "id": "RSSMRA85T10A562S", "tipo": "modulo", "titolo": "x" }), "dato_personale")]
#[case("collegamento_cup_cig", json!({ "cup": "F41B21000000001", "cig": "0000000000" }), "null_cig")]
#[case("risorsa", json!({ "origine": "pico", "id": "..", "tipo": "modulo", "titolo": "x" }), "chiave_non_valida")]
#[case("risorsa", json!({ "origine": "pico", "id": "", "tipo": "modulo", "titolo": "x" }), "chiave_non_valida")]
fn what_may_not_be_published_is_withheld(#[case] kind: &str, #[case] body: Value, #[case] code: &'static str) {
    assert_eq!(place(&record_from(kind, &body)), Placement::Withheld { code });
}

#[rstest]
#[case::nobody("risorse/pico/1", &[], "non resta alcun record")]
#[case::a_stranger("risorse/pico/2", &[risorsa("1", "x")], "non appartiene")]
#[case::another_set("altro/1", &[risorsa("1", "x")], "nessun insieme")]
#[case::twice_the_same("servizi/80005210028", &[servizio(), servizio()], "togliere dalla fonte quello ripetuto")]
fn what_cannot_be_composed_is_told(#[case] unit: &str, #[case] members: &[Record], #[case] reason: &str) {
    let told = compose(&UnitKey(unit.to_owned()), 1, members).unwrap_err();
    assert!(told.contains(reason) && told.contains(unit), "{told}");
    if members.is_empty() {
        assert!(explain(&UnitKey(unit.to_owned()), members).is_empty());
    }
}

#[test]
fn an_identifier_with_a_slash_stays_one_part_of_the_key() {
    let Placement::Unit(unit) = place(&risorsa("a/b%c", "x")) else { panic!("placed nowhere") };
    assert_eq!(unit.key.as_str(), "risorse/pico/a%2Fb%25c");
}

proptest! {
    #[test]
    fn the_order_of_members_makes_no_difference_and_rows_come_back(
        values in prop::collection::btree_map("[a-z]{1,4}", any::<u32>(), 1..12),
        revision in 1_u64..1000,
    ) {
        let members: Vec<Record> = values.iter().map(|(indicatore, valore)| record_from("rilevazione", &json!({
            "ente": "80005210028", "tema": "personale", "periodo": "2026", "indicatore": indicatore, "valore": valore,
        }))).collect();
        let unit = UnitKey("rilevazioni/80005210028/personale/2026".to_owned());
        let composed = compose(&unit, revision, &members).unwrap();
        let backwards: Vec<Record> = members.iter().rev().cloned().collect();
        prop_assert_eq!(&compose(&unit, revision, &backwards).unwrap(), &composed);
        let invio: Invio = serde_json::from_slice(&composed.body).unwrap();
        prop_assert_eq!(invio.revisione, revision);
        prop_assert_eq!(Set::Rilevazioni.rows(&invio.contenuto), composed.rows.clone());
        prop_assert_eq!(composed.rows.len(), members.len());
        prop_assert!(composed.rows.is_sorted_by(|one, next| one.key < next.key));
    }

    #[test]
    fn no_code_of_a_person_leaves_whatever_the_text(before in "[a-z ]{0,20}", after in "[a-z ]{0,20}") {
        let titolo = format!("{before} RSSMRA85T10A562S {after}");
        let record = risorsa("1", &titolo);
        let Placement::Unit(unit) = place(&record) else { panic!("placed nowhere") };
        let composed = compose(&unit.key, 1, &[record]).unwrap();
        prop_assert!(!String::from_utf8(composed.body).unwrap().contains("RSSMRA"));
        prop_assert_eq!(composed.findings.len(), 1);
    }
}

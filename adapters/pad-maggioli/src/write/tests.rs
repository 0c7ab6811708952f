//! The cases on file, one CIG each, and what must hold for any of them.

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::testing::{CIG, assert_follows, cases, record, records};

fn unit() -> UnitKey {
    UnitKey(CIG.to_owned())
}

fn contratto(more: &Value) -> Record {
    let mut body = json!({"cig": CIG, "id_aggiudicazione": 1, "stazione_appaltante": "80098765433"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record("contratto", &body)
}

fn mandato(numero: u32, more: &Value) -> Record {
    let mut body = json!({
        "ente": "80098765433", "tipo": "mandato", "esercizio": 2026, "numero": numero.to_string(), "cig": CIG,
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record("pagamento", &body)
}

#[test]
fn every_case_gives_its_update_its_row_and_its_findings() {
    for (path, text) in cases("invii") {
        let (case, name) = (serde_json::from_str::<Value>(&text).unwrap(), path.display());
        let unit = UnitKey(case["unita"].as_str().unwrap().to_owned());
        let composed = compose(&unit, &records(&case)).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&composed.body).unwrap(), case["aggiornamento"], "{name}");
        assert_eq!(json!(composed.rows), case["righe"], "{name}");
        assert_eq!(json!(composed.findings), case["rilievi"], "{name}");
        assert_follows("AggiornamentoCig", &case["aggiornamento"]);
    }
}

#[test]
fn every_value_is_explained_by_the_table_that_makes_it() {
    for (path, text) in cases("invii") {
        let (case, name) = (serde_json::from_str::<Value>(&text).unwrap(), path.display());
        let members = records(&case);
        let composed = compose(&unit(), &members).unwrap();
        let explained = explain(&unit(), &members);
        assert_eq!(
            explained.iter().map(|one| one.field.as_str()).collect::<Vec<_>>(),
            [ENTE, IMPORTO, INIZIO, FINE, OPZIONE]
        );
        for one in explained {
            assert!(!one.rule.is_empty());
            let held = composed.rows[0].fields.get(&one.field);
            let is_held = [IMPORTO, INIZIO, FINE].contains(&one.field.as_str());
            assert_eq!(held, one.value.as_ref().filter(|_| is_held), "{name} {}", one.field);
        }
    }
}

#[rstest]
#[case::contract(contratto(&json!({})), Some(CIG))]
#[case::order(mandato(1, &json!({})), Some(CIG))]
#[case::commitment(mandato(1, &json!({"tipo": "impegno"})), None)]
#[case::order_without_cig(mandato(1, &json!({"cig": null})), None)]
#[case::another_kind(record("lotto", &json!({"cig": CIG})), None)]
fn a_record_goes_to_its_cig_or_nowhere(#[case] record: Record, #[case] cig: Option<&str>) {
    let expected = cig.map_or(Placement::Elsewhere, |cig| {
        Placement::Unit(Unit { key: UnitKey(cig.to_owned()), lane: Lane(cig.to_owned()) })
    });
    assert_eq!(place(&record), expected);
}

#[test]
fn a_null_cig_is_withheld() {
    let record = mandato(1, &json!({"cig": "0000000000"}));
    assert_eq!(place(&record), Placement::Withheld { code: "null_cig" });
}

#[rstest]
#[case::nothing_known(vec![contratto(&json!({}))], "né una somma liquidata né una data")]
#[case::no_authority(vec![contratto(&json!({"stazione_appaltante": null, "data_inizio": "2026-01-02"}))], "nessun record dice la stazione appaltante")]
#[case::two_authorities(vec![contratto(&json!({"data_inizio": "2026-01-02"})), contratto(&json!({"id_aggiudicazione": 2, "stazione_appaltante": "00606750131"}))], "più di una")]
#[case::a_person_in_a_contract(vec![contratto(&json!({"stazione_appaltante": "RSSMRA85T10A562S", "data_inizio": "2026-01-02"}))], "il codice fiscale di una persona")]
#[case::a_person_who_pays(vec![mandato(1, &json!({"ente": "RSSMRA85T10A562S", "importo_netto": "1.00"}))], "il codice fiscale di una persona")]
#[case::an_order_without_amount(vec![contratto(&json!({})), mandato(1, &json!({"importo": "1.00"})), mandato(2, &json!({}))], "sarebbe sbagliato")]
#[case::below_zero(vec![mandato(1, &json!({"importo_netto": "-1.00"}))], "è negativa")]
#[case::no_member(vec![], "non resta alcun record")]
#[case::another_unit(vec![record("lotto", &json!({"cig": CIG}))], "non appartiene al CIG")]
fn what_cannot_be_told_is_parked_with_its_reason(#[case] members: Vec<Record>, #[case] reason: &str) {
    let error = compose(&unit(), &members).unwrap_err();
    assert!(error.contains(reason), "{error}");
    assert!(!canonical::identifiers::holds_personal_code(&error), "{error}");
}

#[test]
fn the_body_that_pays_answers_where_no_contract_says_who_does() {
    let composed = compose(&unit(), &[mandato(1, &json!({"importo_netto": "5.00"}))]).unwrap();
    let update: Aggiornamento = serde_json::from_slice(&composed.body).unwrap();
    assert_eq!(update.codice_fiscale_sa, "80098765433");
    let explained = explain(&unit(), &[mandato(1, &json!({"importo_netto": "5.00"}))]);
    assert_eq!(explained[0].record.as_ref().unwrap().0, Kind::Pagamento);
    assert_eq!(explained[0].path, "/ente");
}

proptest! {
    #[test]
    fn the_order_of_members_changes_nothing_and_the_row_is_what_the_update_leaves(
        cents in prop::collection::vec(0_u32..1_000_000, 1..6),
        day in 1_u8..=28,
    ) {
        let mut members: Vec<_> = (1_u32..).zip(&cents).map(|(numero, cents)| {
            let importo = Importo::from_cents(i64::from(*cents));
            mandato(numero, &json!({"importo_netto": importo}))
        }).collect();
        members.push(contratto(&json!({"data_inizio": format!("2026-01-{day:02}")})));
        let composed = compose(&unit(), &members).unwrap();
        members.reverse();
        prop_assert_eq!(&compose(&unit(), &members).unwrap(), &composed);
        let update: Aggiornamento = serde_json::from_slice(&composed.body).unwrap();
        prop_assert_eq!(&row_of(&update), &composed.rows[0]);
        let total: i64 = cents.iter().map(|cents| i64::from(*cents)).sum();
        prop_assert_eq!(composed.rows[0].fields.get(IMPORTO), Some(&FieldValue::Amount(Importo::from_cents(total))));
    }
}

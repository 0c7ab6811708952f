//! The mapping, on the cases of `contract-tests/systems/scp-programmi` and on variations of them.

use std::collections::BTreeMap;

use canonical::kinds::{Annualita, FonteRisorse, RigaRisorse};
use canonical::values::Importo;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::read;
use crate::testing::{assert_follows, case, cases, definition_of, document, records, unit};

fn body(composed: &Composed) -> Value {
    serde_json::from_slice(&composed.body).unwrap()
}

#[test]
fn every_case_gives_its_body_its_findings_and_follows_the_document() {
    for (name, case) in cases("programmi") {
        let composed = compose(&unit(&case), &records(&case)).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(body(&composed), case["corpo"], "{name}");
        assert_follows("WSProgrammi", definition_of(&unit(&case)), &body(&composed));
        let findings: Vec<_> =
            composed.findings.iter().map(|it| json!([it.rule.code(), it.field, it.detail])).collect();
        assert_eq!(json!(findings), case["rilievi"], "{name}");
    }
}

#[test]
fn every_refused_case_is_parked_with_its_reason() {
    for (name, case) in cases("fermati") {
        // Each case changes one thing of a programme that may be sent.
        let mut whole = crate::testing::case(case["come"].as_str().unwrap());
        for (pointer, value) in case["con"].as_object().unwrap() {
            *whole.pointer_mut(pointer).unwrap_or_else(|| panic!("{name}: {pointer}")) = value.clone();
        }
        let reason = compose(&unit(&whole), &records(&whole)).unwrap_err();
        assert!(reason.contains(case["motivo"].as_str().unwrap()), "{name}: {reason}");
    }
}

#[test]
fn amounts_are_written_to_the_cent_and_never_through_binary_numbers() {
    let mut case = case("lavori");
    // No binary double is this amount.
    case["record"][1]["body"]["risorse"][0]["importo"] = json!("90071992547409.93");
    case["record"][1]["body"]["importo_totale"] = Value::Null;
    let composed = compose(&unit(&case), &records(&case)).unwrap();
    let text = String::from_utf8(composed.body).unwrap();
    assert!(text.contains(r#""risorseBilancio1":90071992547409.93"#), "{text}");
}

#[test]
fn what_is_left_out_of_a_programme_is_told() {
    let mut case = case("forniture-servizi");
    case["record"][0]["body"]["adozione"] = json!({"numero": "12"});
    let composed = compose(&unit(&case), &records(&case)).unwrap();
    assert_eq!(composed.findings[0].detail.as_deref(), Some("not_in_contract"));
}

#[rstest]
#[case::items_without_their_programme(&[1])]
#[case::the_programme_twice(&[0, 0])]
#[case::nobody(&[])]
fn a_unit_is_one_programme_with_its_items(#[case] members: &[usize]) {
    let case = case("lavori");
    let all = records(&case);
    let members: Vec<_> = members.iter().map(|member| all[*member].clone()).collect();
    assert!(compose(&unit(&case), &members).is_err());
    assert!(explain(&unit(&case), &members).is_empty());
}

#[test]
fn a_programme_and_its_items_share_unit_and_lane() {
    let case = case("lavori");
    for record in records(&case) {
        let Placement::Unit(placed) = place(&record) else { panic!("placed nowhere") };
        assert_eq!((&placed.key, placed.lane.0.as_str()), (&unit(&case), unit(&case).as_str()));
    }
}

#[test]
fn an_item_of_no_known_programme_is_withheld() {
    let mut case = case("lavori");
    case["record"][1]["body"]["id_programma"] = json!("2025-001");
    assert_eq!(place(&records(&case)[1]), Placement::Withheld { code: "programme_unknown" });
}

#[test]
fn persons_are_sent_and_never_shown() {
    let case = case("lavori");
    let composed = compose(&unit(&case), &records(&case)).unwrap();
    assert!(String::from_utf8_lossy(&composed.body).contains("ROSSI"));
    let shown = format!("{:?} {:?} {composed:?}", composed.rows, explain(&unit(&case), &records(&case)));
    assert!(!shown.contains("ROSSI") && !shown.contains("RSSMRA"), "{shown}");
}

#[test]
fn every_field_of_a_row_is_explained_with_its_value() {
    for (name, case) in cases("programmi") {
        let members = records(&case);
        let composed = compose(&unit(&case), &members).unwrap();
        let explained = explain(&unit(&case), &members);
        for row in &composed.rows {
            for (field, value) in &row.fields {
                let found = explained.iter().find(|it| it.row == row.key && it.field == *field);
                assert_eq!(found.and_then(|it| it.value.as_ref()), Some(value), "{name} {} {field}", row.key);
            }
        }
        assert!(
            explained
                .iter()
                .all(|it| members.iter().any(|member| { it.record.as_ref() == Some(&(member.kind(), member.key())) }))
        );
    }
}

/// The table against the document: every field is there, with its limit, its type and its duty.
#[test]
fn the_tables_say_what_the_document_says() {
    fn check<T>(definition: &str, campi: &[Campo<T>]) {
        let definition = document("WSProgrammi")["definitions"][definition].take();
        let required: Vec<_> =
            definition["required"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect();
        for campo in campi {
            let property = &definition["properties"][campo.nome];
            let expected = match campo.tipo {
                Tipo::Testo | Tipo::Codice | Tipo::Giorno => "string",
                Tipo::Intero => "integer",
                Tipo::Importo | Tipo::Decimale => "number",
            };
            assert_eq!(property["type"], expected, "{}", campo.nome);
            assert_eq!(property["maxLength"].as_u64().unwrap_or(0), campo.massimo as u64, "{}", campo.nome);
            assert_eq!(required.contains(&campo.nome.to_owned()), campo.obbligatorio, "{}", campo.nome);
        }
    }
    check("PubblicaProgrammaLavoriEntry", PROGRAMMA);
    check("PubblicaProgrammaLavoriEntry", ADOZIONE);
    check("PubblicaProgrammaFornitureServiziEntry", PROGRAMMA);
    check("InterventoEntry", INTERVENTO);
    check("AcquistoEntry", INTERVENTO);
    check("AcquistoEntry", ACQUISTO);
    check("InterventoNonRipropostoEntry", NON_RIPROPOSTO);
    check("AcquistoNonRipropostoEntry", NON_RIPROPOSTO);
    check("OperaIncompiutaEntry", OPERA_INCOMPIUTA);
    check("DatiGeneraliTecnicoEntry", TECNICO);
    let properties = |definition: &str| document("WSProgrammi")["definitions"][definition]["properties"].take();
    for (nome, _, slot) in risorse() {
        assert_eq!(properties("InterventoEntry")[nome]["type"], "number", "{nome}");
        assert_eq!(properties("AcquistoEntry").get(nome).is_some(), slot != Annualita::Terza, "{nome}");
    }
}

/// Programmes like those on file, with other money, other texts and some fields left out.
fn any_members() -> impl Strategy<Value = (UnitKey, Vec<Record>)> {
    let cases: Vec<_> = cases("programmi").into_iter().map(|(_, case)| case).collect();
    let amounts = prop::collection::vec((0_usize..7, 0_usize..4, 0_i64..9_999_999_999), 0..12);
    (prop::sample::select(cases), amounts, any::<bool>(), "[a-zA-Zàèì«»\"\\\\ ]{1,40}").prop_map(
        |(case, amounts, has_total, text)| {
            let unit = unit(&case);
            let mut members = records(&case);
            for member in &mut members {
                let Body::Intervento(it) = &mut member.body else { continue };
                let is_work = unit.as_str().starts_with("LP");
                let row = |&(fonte, slot, cents): &(usize, usize, i64)| RigaRisorse {
                    fonte: SOURCES[fonte],
                    annualita: crate::campi::ANNUALITA[if is_work || slot != 2 { slot } else { 3 }],
                    importo: Importo::from_cents(cents),
                };
                it.risorse = amounts.iter().map(row).collect();
                it.spese_sostenute = has_total.then_some(Importo::from_cents(1));
                let sum = Importo::checked_sum(it.risorse.iter().map(|row| row.importo).chain(it.spese_sostenute));
                it.importo_totale = if has_total { sum } else { None };
                it.descrizione.clone_from(&text);
            }
            (unit, members)
        },
    )
}

const SOURCES: [FonteRisorse; 7] = [
    FonteRisorse::VincolatePerLegge,
    FonteRisorse::Mutuo,
    FonteRisorse::Privati,
    FonteRisorse::Bilancio,
    FonteRisorse::Art3,
    FonteRisorse::Immobili,
    FonteRisorse::Altro,
];

proptest! {
    #[test]
    fn what_both_sides_share_survives_the_round_trip((unit, members) in any_members()) {
        let composed = compose(&unit, &members).unwrap();
        assert_follows("WSProgrammi", definition_of(&unit), &body(&composed));
        let held: BTreeMap<_, _> = serde_json::from_slice(&composed.body).unwrap();
        let held = read::pubblicato(Genere::of_id(unit.as_str()).unwrap(), &held).unwrap();
        prop_assert_eq!(&held.rows, &composed.rows);
    }

    #[test]
    fn the_order_of_members_makes_no_difference((unit, members) in any_members()) {
        let backwards: Vec<_> = members.iter().rev().cloned().collect();
        prop_assert_eq!(compose(&unit, &members), compose(&unit, &backwards));
    }
}

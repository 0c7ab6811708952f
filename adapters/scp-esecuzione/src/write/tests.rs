//! The cases on file, one or more for each scheda, and what must hold for any of them.

use contract::FieldValue;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::testing::{CIG, archived, assert_follows, avanzamento, cases, document, evento, record_from, records, told};
use crate::wire::{BozzaTenuta, PaginaBozze};
use crate::{inventory, read};
use canonical::Kind;

fn unit(case: &Value) -> UnitKey {
    UnitKey(case["unita"].as_str().unwrap().to_owned())
}

fn body(composed: &Composed) -> Value {
    serde_json::from_slice(&composed.body).unwrap()
}

#[test]
fn every_case_gives_its_draft_its_findings_and_follows_the_contract() {
    for (name, case) in cases() {
        let composed = compose(&unit(&case), 1, &records(&case)).unwrap();
        assert_eq!(body(&composed), case["bozza"], "{name}");
        assert_eq!(serde_json::to_value(&composed.findings).unwrap(), case["rilievi"], "{name}");
        assert_follows("BozzaInviata", &case["bozza"]);
    }
}

#[test]
fn every_case_is_read_back_from_the_archive_with_what_the_draft_carries() {
    for (name, case) in cases() {
        let normalized = read::normalize(&archived(&unit(&case).0, &case["bozza"], "B00000001"));
        assert_eq!(told(&normalized), case["rilettura"], "{name}");
        assert_eq!(normalized.set_aside, None, "{name}");
    }
}

#[test]
fn every_scheda_has_its_case_and_every_field_of_it_appears_in_one() {
    let cases = cases();
    for scheda in Scheda::all() {
        let of_scheda = cases.iter().filter(|(_, case)| case["bozza"]["scheda"] == scheda.code);
        let rows = of_scheda.map(|(_, case)| {
            let bozza: BozzaInviata = serde_json::from_value(case["bozza"].clone()).unwrap();
            schede::row("", scheda.code, &bozza.contenuto())
        });
        let seen: Vec<_> = rows.flat_map(|row| row.fields.into_keys()).collect();
        assert!(!seen.is_empty(), "{} has no case", scheda.code);
        for field in scheda.fields.iter().copied().flatten() {
            assert!(seen.iter().any(|seen| seen == field.path), "{} {} in no case", scheda.code, field.path);
        }
    }
}

#[test]
fn the_document_and_the_table_name_the_same_fields_of_ours() {
    let document = document();
    for scheda in Scheda::all() {
        let schema = &document["components"]["schemas"][format!("Integrazioni{}", scheda.code)];
        let documented: Vec<_> = schema["properties"].as_object().unwrap().keys().cloned().collect();
        let ours = scheda.all_fields().filter_map(|field| field.path.strip_prefix(schede::OURS));
        let mut table: Vec<_> = ours.map(str::to_owned).collect();
        table.sort();
        table.dedup();
        assert_eq!(documented, table, "{}", scheda.code);
    }
    assert_eq!(document["info"]["x-status"], "ASSUMED");
}

#[rstest]
#[case::event(avanzamento(CIG, 2, "10.00"), "B000001279/1/3/2")]
#[case::direct_award(evento(CIG, 1, &json!({"evento": "conclusione", "affidamento_diretto": true})), "B000001279/1/19/1")]
#[case::contract(contratto("pad", "100.00"), "B000001279/1/13/1")]
fn a_record_has_its_unit_and_the_lane_of_its_award(#[case] record: Record, #[case] key: &str) {
    let unit = Unit { key: UnitKey(key.to_owned()), lane: Lane("B000001279/1".to_owned()) };
    assert_eq!(place(&record), Placement::Unit(unit));
}

#[test]
fn a_smartcig_is_withheld_and_other_kinds_go_elsewhere() {
    assert_eq!(place(&avanzamento("ZD30000001", 1, "1.00")), Placement::Withheld { code: "smartcig" });
    let lotto = record_from("pad", Kind::Lotto, &json!({"cig": CIG}));
    assert_eq!(place(&lotto), Placement::Elsewhere);
}

#[rstest]
#[case("bozza", true)]
#[case("inviato", true)]
#[case("confermato", true)]
#[case("scartato", false)]
fn a_rejected_event_is_withheld_and_a_draft_travels(#[case] stato: &str, #[case] travels: bool) {
    let dettaglio = json!({"evento": "avanzamento"});
    let body = json!({
        "cig": CIG, "id_aggiudicazione": 1, "progressivo": 1, "stato": stato, "dettaglio": dettaglio,
    });
    let placement = place(&record_from("pad", Kind::EventoEsecuzione, &body));
    assert_eq!(matches!(placement, Placement::Unit(_)), travels);
    assert_eq!(placement == Placement::Withheld { code: "rejected" }, !travels);
}

fn contratto(source: &str, importo: &str) -> Record {
    record_from(source, Kind::Contratto, &json!({"cig": CIG, "id_aggiudicazione": 1, "importo": importo}))
}

#[test]
fn of_two_sources_the_first_by_name_wins_and_the_difference_is_found() {
    let members = [contratto("pad-b", "200.00"), contratto("pad-a", "100.00")];
    let composed = compose(&UnitKey(format!("{CIG}/1/13/1")), 1, &members).unwrap();
    assert_eq!(body(&composed)["integrazioni"]["importo"], 100);
    let finding = &composed.findings[0];
    assert_eq!((finding.rule, finding.severity), (Rule::R02, Severity::Warning));
    assert_eq!(finding.field.as_ref().unwrap().as_str(), "integrazioni.importo");
    assert_eq!(finding.received, None);
}

#[test]
fn two_owners_of_one_event_are_never_mixed() {
    let mut other = avanzamento(CIG, 1, "10.00");
    other.provenance.source = canonical::SourceName::parse("zeta").unwrap();
    let first = evento(CIG, 1, &json!({"evento": "avanzamento", "denominazione": "SAL 1"}));
    let composed = compose(&UnitKey(format!("{CIG}/1/3/1")), 1, &[other, first]).unwrap();
    assert_eq!(body(&composed)["anacForm"], json!({"avanzamento": {"denominazioneAvanzamento": "SAL 1"}}));
}

#[rstest]
#[case::nobody("B000001279/1/3/1", &[])]
#[case::a_stranger("B000001279/1/3/9", &[avanzamento(CIG, 1, "1.00")])]
#[case::another_kind("B000001279/1/3/1", &[record_from("pad", Kind::Lotto, &json!({"cig": CIG}))])]
#[case::no_such_phase("B000001279/1/99/1", &[avanzamento(CIG, 1, "1.00")])]
fn what_cannot_be_composed_is_told(#[case] unit: &str, #[case] members: &[Record]) {
    assert!(compose(&UnitKey(unit.to_owned()), 1, members).is_err());
}

#[test]
fn a_scheda_that_nobody_speaks_of_any_more_tells_a_person_what_to_do() {
    let reason = compose(&UnitKey("B000001279/1/3/1".to_owned()), 1, &[]).unwrap_err();
    assert!(reason.starts_with("nessuna fonte") && reason.contains("la elimini a mano"), "{reason}");
}

const SOGGETTI: &str = "subappalto.operatoreEconomicoSubappaltatore.elencoSoggetti";

#[test]
fn amounts_days_and_personal_codes_are_rows_with_their_types() {
    let (_, case) = cases().into_iter().find(|(name, _)| name == "RSU1").unwrap();
    let composed = compose(&unit(&case), 1, &records(&case)).unwrap();
    let row = &composed.rows[0];
    assert_eq!(row.key, unit(&case).0);
    assert!(matches!(row.fields["subappalto.importoPresunto"], FieldValue::Amount(_)));
    assert!(matches!(row.fields["integrazioni.dataRichiesta"], FieldValue::Date(_)));
    assert!(matches!(&row.fields[SOGGETTI], FieldValue::Code(count) if count == "1"));
    // Rows are shown: whoever is in a list of objects is counted there.
    assert!(!row.fields[SOGGETTI].to_string().contains("RSSMRA"));
    let draft: BozzaInviata = serde_json::from_slice(&composed.body).unwrap();
    assert!(!format!("{draft:?}").contains("RSSMRA"));
}

/// Any of the cases, with some fields left out and with other amounts and days.
fn any_members() -> impl Strategy<Value = (UnitKey, Vec<Record>)> {
    let cases: Vec<_> = cases().into_iter().map(|(_, case)| case).collect();
    let varied = (prop::sample::select(cases), any::<u32>(), 0_u32..9_999_999, 1_u8..=28);
    varied.prop_map(|(mut case, mask, cents, day)| {
        let unit = unit(&case);
        for record in case["record"].as_array_mut().unwrap() {
            let is_event = record["body"].get("dettaglio").is_some();
            let fields = if is_event { &mut record["body"]["dettaglio"] } else { &mut record["body"] };
            let fields = fields.as_object_mut().unwrap();
            let mut n = 0;
            fields.retain(|name, value| {
                n += 1;
                let is_needed = [
                    "evento",
                    "sospensione",
                    "richiesta",
                    "affidamento_diretto",
                    "cig",
                    "id_aggiudicazione",
                    "sopra_soglia",
                    "concessione",
                    "modo",
                    "consegna_frazionata",
                ];
                if name.contains("importo") && value.is_string() {
                    *value = json!(format!("{}.{:02}", cents / 100, cents % 100));
                } else if name.contains("data") && value.is_string() {
                    *value = json!(format!("2026-05-{day:02}"));
                }
                is_needed.contains(&name.as_str()) || mask & (1 << (n % 32)) == 0
            });
        }
        (unit, records(&case))
    })
}

proptest! {
    #[test]
    fn what_both_sides_share_survives_the_round_trip((unit, members) in any_members(), revision in 1_u64..1000) {
        let composed = compose(&unit, revision, &members).unwrap();
        assert_follows("BozzaInviata", &body(&composed));
        let BozzaInviata { versione, scheda, anac_form, integrazioni } =
            serde_json::from_slice(&composed.body).unwrap();
        prop_assert_eq!(versione, revision);
        let held = BozzaTenuta {
            chiave: unit.0.clone(), id_bozza: "B1".to_owned(), stato: "bozza".to_owned(), versione, scheda, anac_form,
            integrazioni,
        };
        let (units, _) = inventory::page(PaginaBozze { bozze: vec![held], dopo: None }, None).unwrap();
        prop_assert_eq!(&units[0].rows, &composed.rows);
    }

    #[test]
    fn what_is_read_back_is_written_again_as_it_was((unit, members) in any_members()) {
        let composed = compose(&unit, 7, &members).unwrap();
        let normalized = read::normalize(&archived(&unit.0, &body(&composed), "B1"));
        prop_assert!(normalized.set_aside.is_none(), "{:?}", normalized.set_aside);
        let again: Vec<_> = normalized.records.into_iter()
            .map(|draft| Record::new(draft.body, members[0].provenance.clone())).collect();
        let again = compose(&unit, 7, &again).unwrap();
        prop_assert_eq!(body(&again), body(&composed));
    }

    #[test]
    fn an_amount_is_exact_up_to_the_largest_contract(cents in 0_i64..1_000_000_000_000_000) {
        let importo = canonical::values::Importo::from_cents(cents).to_string();
        let number = schede::number(&importo).unwrap().to_string();
        let read = canonical::values::Importo::read(&number, canonical::values::importo::NumberFormat::Point);
        prop_assert_eq!(read.value.unwrap().to_string(), importo);
    }

    #[test]
    fn the_order_of_members_makes_no_difference((unit, members) in any_members()) {
        let backwards: Vec<_> = members.iter().rev().cloned().collect();
        prop_assert_eq!(compose(&unit, 7, &members), compose(&unit, 7, &backwards));
    }
}

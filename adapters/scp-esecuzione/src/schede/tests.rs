//! The table is whole: every phase, every field of the official model, no field twice.

use std::collections::BTreeSet;

use canonical::kinds::{Fase, Modifica};
use canonical::values::Importo;
use contract::FieldValue;
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::testing::official_schema;

/// Fields of the official model that have no place here, on purpose: how to reach a person. Texts in
/// other languages end in `Ml`.
const NOT_KEPT: &[&str] = &["telefono", "fax", "email", "indirizzo", "cap", "codIstat"];

#[test]
fn every_phase_has_its_scheda_with_its_published_code() {
    for (_, fase, code) in Fase::ALL {
        let of_fase: Vec<_> = Scheda::of_fase(*fase).map(|scheda| scheda.code).collect();
        assert_eq!(of_fase[0], *code);
        assert_eq!(of_fase.len(), if *code == "M1" { 4 } else { 1 }, "{code}");
    }
    assert_eq!(Scheda::all().count(), 21);
}

#[test]
fn no_field_stands_under_another_and_none_twice_save_in_its_own_case() {
    for scheda in Scheda::all() {
        let fields: Vec<_> = scheda.all_fields().collect();
        for (place, field) in fields.iter().enumerate() {
            for other in &fields[place + 1..] {
                assert!(!other.path.starts_with(&format!("{}.", field.path)), "{}", other.path);
                let twice = other.path == field.path && (field.when == When::Always || other.when == field.when);
                assert!(!twice, "{} {}", scheda.code, field.path);
            }
        }
    }
}

/// The leaves of an official schema, by path; lists of objects go on with their items.
fn leaves(prefix: &str, schema: &Value, out: &mut BTreeSet<String>) {
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let inner = if inner["type"] == "array" { &inner["items"] } else { inner };
        if inner.get("properties").is_some() && inner.get("x-list").is_none() {
            leaves(&path, inner, out);
        } else {
            out.insert(path);
        }
    }
}

fn paths(prefix: &str, fields: &[Field], out: &mut BTreeSet<String>) {
    for field in fields {
        let path = if prefix.is_empty() { field.path.to_owned() } else { format!("{prefix}.{}", field.path) };
        match field.kind {
            FieldType::Items(fields) | FieldType::Itself(fields) => paths(&path, fields, out),
            _ => drop(out.insert(path)),
        }
    }
}

#[test]
fn every_field_of_the_official_model_has_its_place_and_no_other_is_called_official() {
    for scheda in Scheda::all() {
        let (mut official, mut table) = (BTreeSet::new(), BTreeSet::new());
        leaves("", &official_schema(scheda.code)["properties"]["anacForm"], &mut official);
        let fields: Vec<_> = scheda.all_fields().filter(|field| !field.path.starts_with(OURS)).copied().collect();
        paths("", &fields, &mut table);
        let unknown: Vec<_> = table.difference(&official).collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", scheda.code);
        let missing = official.difference(&table).filter(|path| {
            let name = path.rsplit('.').next().unwrap();
            let is_other_language = path.split('.').any(|name| name.ends_with("Ml"));
            let is_of_a_person = scheda.code == "S3" && NOT_KEPT.contains(&name);
            !is_other_language && !is_of_a_person
        });
        assert_eq!(missing.collect::<Vec<_>>(), Vec::<&String>::new(), "{}", scheda.code);
    }
}

#[rstest]
#[case::nobody_says_anything(Modifica::default(), "M1")]
#[case::an_additional_act(Modifica { motivi: vec!["mod-rev".to_owned()], ..Modifica::default() }, "M2")]
#[case::said_above(Modifica { sopra_soglia: Some(true), causa: Some("x".to_owned()), ..Modifica::default() }, "M1")]
#[case::said_below(Modifica { sopra_soglia: Some(false), ..Modifica::default() }, "M2")]
#[case::said_concession(Modifica { concessione: Some(true), ..Modifica::default() }, "M1_40")]
#[case::amounts_of_a_concession(
    Modifica { entrate_utenza: Some(Importo::ZERO), causa: Some("x".to_owned()), ..Modifica::default() }, "M2_40"
)]
#[case::said_no_concession(
    Modifica { entrate_utenza: Some(Importo::ZERO), concessione: Some(false), ..Modifica::default() }, "M1"
)]
fn the_scheda_of_a_modification_is_chosen_from_its_data(#[case] modifica: Modifica, #[case] code: &str) {
    assert_eq!(of_modifica(&modifica), code);
}

fn value(kind: FieldType, received: &Value) -> Option<FieldValue> {
    field("x", kind, "x").value(received)
}

#[rstest]
#[case::an_amount_without_decimals(FieldType::Amount, json!(1000), "1000.00")]
#[case::an_amount_as_text(FieldType::Amount, json!("1000.50"), "1000.50")]
#[case::a_midnight(FieldType::Date, json!("2026-03-01T00:00:00+01:00"), "2026-03-01")]
#[case::a_midnight_in_utc(FieldType::Date, json!("2026-02-28T23:00:00Z"), "2026-03-01")]
#[case::a_day_alone(FieldType::Date, json!("2026-03-01"), "2026-03-01")]
#[case::a_percentage(FieldType::Decimal, json!("6.50"), "6.5")]
#[case::a_number(FieldType::Number, json!(12), "12")]
#[case::a_flag(FieldType::Flag, json!(true), "true")]
#[case::a_coded_value(FieldType::Code("avanzamento"), json!({"idTipologica": "avanzamento", "codice": "11"}), "11")]
#[case::a_list_of_codes(FieldType::List(&FieldType::Id), json!(["b", "a"]), "a,b")]
fn a_value_is_compared_by_its_type(#[case] kind: FieldType, #[case] received: Value, #[case] shown: &str) {
    assert_eq!(value(kind, &received).unwrap().to_string(), shown);
}

#[test]
fn what_does_not_have_its_type_stays_visible() {
    assert_eq!(value(FieldType::Amount, &json!("molto")), Some(FieldValue::Code("molto".to_owned())));
    assert_eq!(value(FieldType::Date, &json!("presto")), Some(FieldValue::Code("presto".to_owned())));
    assert_eq!(value(FieldType::Date, &Value::Null), None);
    assert_eq!(value(FieldType::List(&FieldType::Id), &json!([])), None);
}

#[test]
fn fields_outside_the_table_are_not_compared() {
    let ours = json!({"ritardo": {"impSpese": 10}});
    let theirs = json!({"ritardo": {"impSpese": 10, "protocollo": "7"}, "note": "x"});
    assert_eq!(row("k", "IR1", &ours), row("k", "IR1", &theirs));
    assert_eq!(row("k", "XX9", &theirs).fields.len(), 1);
}

#[rstest]
#[case::in_force("5", "2026-03-01", None)]
#[case::closed_later("3", "2025-03-01", None)]
#[case::closed("3", "2026-03-01", Some("code_not_in_force"))]
#[case::unknown("99", "2026-03-01", Some("unknown_code"))]
fn a_code_is_checked_with_its_window_and_kept(#[case] code: &str, #[case] day: &str, #[case] detail: Option<&str>) {
    let mut learnt = Learnt::default();
    let on = canonical::values::CalendarDate::parse(day).ok();
    let field = field("tipo", FieldType::Code("tipoIncarico"), "tipo");
    let written = field.write(&json!({"tipo": code}), on, &mut learnt).unwrap();
    assert_eq!(written, json!({"idTipologica": "tipoIncarico", "codice": code}));
    assert_eq!(learnt.findings.first().and_then(|finding| finding.detail.as_deref()), detail);
    let mut body = json!({});
    field.read(&written, &mut body, &mut Learnt::default());
    assert_eq!(body["tipo"], code);
}

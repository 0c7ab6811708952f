//! What may not leave: natural persons. Observatories publish, so persons are taken out before a
//! record is written into a package, and every omission is a finding (N09).

use canonical::identifiers::{CodiceFiscale, without_personal_codes};
use canonical::kinds::IdentificativoOperatore;
use canonical::{Body, Finding, Rule};
use serde_json::{Map, Value};

use crate::wire::OMITTED;

/// How canonical records name a word that is in no list of words.
const OTHER_WORD: &str = "altro";

/// The body without persons: named people, operators who may be people, their codes inside texts.
pub(crate) fn without_persons(body: &Body, findings: &mut Vec<Finding>) -> Result<Body, String> {
    let kind = body.kind();
    let mut value: Value = serde_json::from_str(&body.to_json()).map_err(|_| unwritable(body))?;
    let at = format!("{kind}/{}", body.key());
    let before = findings.len();
    clean(&mut value, &at, true, findings);
    if findings.len() == before {
        return Ok(body.clone());
    }
    Body::from_json(kind, &value.to_string()).map_err(|_| unwritable(body))
}

fn unwritable(body: &Body) -> String {
    format!("il record {}/{} non può essere scritto senza i dati personali che contiene", body.kind(), body.key())
}

fn withheld(at: &str, detail: &str, findings: &mut Vec<Finding>) {
    findings.push(Finding::new(Rule::N09).at(at).detail(detail));
}

/// Takes persons out of a value. An element of a list, or the one value of a word that is in no list
/// of words, may not be null: the record would not be one any more.
fn clean(value: &mut Value, at: &str, may_be_null: bool, findings: &mut Vec<Finding>) {
    match value {
        Value::String(text) if CodiceFiscale::parse(text).is_ok_and(CodiceFiscale::is_person) => {
            withheld(at, "codice_fiscale", findings);
            *value = if may_be_null { Value::Null } else { OMITTED.into() };
        }
        Value::String(text) => {
            let cleaned = without_personal_codes(text, OMITTED);
            if cleaned != *text {
                withheld(at, "codice_fiscale", findings);
                *value = cleaned.into_owned().into();
            }
        }
        Value::Array(list) => {
            for (place, one) in list.iter_mut().enumerate() {
                clean(one, &format!("{at}/{place}"), false, findings);
            }
        }
        // A named person: nothing of it stays.
        Value::Object(fields) if fields.contains_key("cognome") => {
            withheld(at, "persona", findings);
            *value = Value::Null;
        }
        Value::Object(fields) => {
            if names_a_person(fields) {
                withheld(at, "operatore", findings);
                let nobody = serde_json::json!({ "tipo": "assente" });
                fields.entry("operatore").and_modify(|it| *it = nobody);
                for name in ["codice_fiscale", "denominazione"] {
                    fields.entry(name).and_modify(|it| *it = Value::Null);
                }
            }
            for (name, one) in fields.iter_mut() {
                clean(one, &format!("{at}/{name}"), name != OTHER_WORD, findings);
            }
        }
        _ => {}
    }
}

/// Whether an object is an operator who may be a person, and says something of it.
fn names_a_person(fields: &Map<String, Value>) -> bool {
    let given = |name: &str| fields.get(name).is_some_and(|value| !value.is_null());
    if let Some(operatore) = fields.get("operatore") {
        let read = serde_json::from_value::<IdentificativoOperatore>(operatore.clone());
        let is_nobody = matches!(read, Ok(IdentificativoOperatore::Assente));
        return read.map_or(true, |it| it.may_be_personal()) && (given("denominazione") || !is_nobody);
    }
    if !fields.contains_key("codice_fiscale") || !fields.contains_key("denominazione") {
        return false;
    }
    let code = fields.get("codice_fiscale").and_then(Value::as_str).and_then(|code| CodiceFiscale::parse(code).ok());
    // A name without the code of a company may be that of a person.
    code.is_none_or(CodiceFiscale::is_person) && (given("denominazione") || given("codice_fiscale"))
}

//! From canonical records to a publication. Pure.
//!
//! A unit is one publication, and is its own lane: publications do not depend on each other. The
//! fields come from the tables of [`crate::fields`]; the explanations from the same.

use canonical::identifiers::{Cig, holds_personal_code};
use canonical::kinds::Body;
use canonical::{Finding, Kind, Record, Rule};
use contract::{Composed, Explanation, Lane, Placement, Unit, UnitKey};
use serde_json::{Map, Value};

use crate::fields::Field;
use crate::read;
use crate::sets::Set;
use crate::wire::{HUB, Invio};

/// The version of the mapping: to be raised when the same records would give other bytes.
pub(crate) const MAPPING_VERSION: &str = "1";

/// Where a record goes. What the HUB is the origin of never goes back to it.
pub(crate) fn place(record: &Record) -> Placement {
    let Some(set) = Set::of_body(&record.body) else { return Placement::Elsewhere };
    let is_own = matches!(&record.body, Body::Risorsa(risorsa) if risorsa.origine == HUB);
    if is_own || read::is_from_hub(&record.provenance) {
        return Placement::Elsewhere;
    }
    if names_a_person(&record.body) {
        return Placement::Withheld { code: "dato_personale" };
    }
    // The null CIG names no lot: a procedure must not be known by it.
    if matches!(&record.body, Body::CollegamentoCupCig(link) if link.cig.is_some_and(Cig::is_null)) {
        return Placement::Withheld { code: "null_cig" };
    }
    let key = set.key(&object(set.fields(), &record.body, &mut |_| {}));
    let Some(key) = key else { return Placement::Withheld { code: "chiave_non_valida" } };
    Placement::Unit(Unit { lane: Lane(key.clone()), key: UnitKey(key) })
}

/// Whether a body or an identifier is that of a person: no publication may be known by one.
fn names_a_person(body: &Body) -> bool {
    let is_person = body.ente().is_some_and(|ente| ente.is_person());
    is_person
        || match body {
            Body::ServizioAssociato(servizio) => servizio.ente_fruitore.is_person(),
            Body::Risorsa(risorsa) => holds_personal_code(&risorsa.id),
            _ => false,
        }
}

/// Composes the publication of a unit.
pub(crate) fn compose(unit: &UnitKey, revision: u64, members: &[Record]) -> Result<Composed, String> {
    let set = Set::of_key(unit.as_str()).ok_or_else(|| {
        format!("«{unit}» non è di nessun insieme che l'HUB accoglie: segnalare il caso a chi mantiene Raccordo")
    })?;
    for member in members {
        match place(member) {
            Placement::Unit(placed) if placed.key == *unit => {}
            _ => {
                let kind = member.kind();
                return Err(format!(
                    "un record di tipo {kind} non appartiene alla pubblicazione {unit}: \
                     segnalare il caso a chi mantiene Raccordo"
                ));
            }
        }
    }
    let head = head(set, members).ok_or_else(|| {
        format!(
            "della pubblicazione {unit} non resta alcun record, e l'HUB non ha un'operazione che la tolga: \
             chiedere all'HUB di ritirarla, o rimettere il record nella sua fonte"
        )
    })?;
    let mut findings = Vec::new();
    if head.kind() != set.kind() {
        findings.push(Finding::new(Rule::N08).at(set.name()).detail("progetto_absent"));
    }
    let mut omitted = |row: &str, field: &Field| {
        findings.push(Finding::new(Rule::N09).at(format!("{row}/{}", field.name)).detail("codice_fiscale"));
    };
    let of_head = set.row_key().unwrap_or_default();
    let mut contenuto = object(set.fields(), &head.body, &mut |field| omitted(of_head, field));
    if let Some(list) = set.list() {
        let mut elements: Vec<(String, Value)> = Vec::new();
        for member in members.iter().filter(|member| member.kind() == list.kind) {
            let mut left_out = Vec::new();
            let element = object(list.fields, &member.body, &mut |field| left_out.push(field));
            let key = list.key(&element);
            for field in left_out {
                omitted(&key, field);
            }
            elements.push((key, Value::Object(element)));
        }
        elements.sort_by(|one, other| one.0.cmp(&other.0));
        if elements.is_sorted_by(|one, other| one.0 < other.0) {
            contenuto.insert(list.name.to_owned(), elements.into_iter().map(|(_, element)| element).collect());
        } else {
            return Err(format!(
                "due record della pubblicazione {unit} sarebbero la stessa riga di «{}»: \
                 togliere dalla fonte quello ripetuto",
                list.name
            ));
        }
    }
    let rows = set.rows(&contenuto);
    let invio = Invio { revisione: revision, contenuto };
    let body = serde_json::to_vec(&invio).map_err(|error| {
        format!("la pubblicazione {unit} non può essere scritta ({error}): segnalare il caso a chi mantiene Raccordo")
    })?;
    Ok(Composed { body, rows, findings })
}

/// Why each field has its value, for every field of every row.
pub(crate) fn explain(unit: &UnitKey, members: &[Record]) -> Vec<Explanation> {
    let Some((set, head)) = Set::of_key(unit.as_str()).and_then(|it| Some((it, head(it, members)?))) else {
        return Vec::new();
    };
    let mut explanations = Vec::new();
    let mut tell = |row: &str, fields: &'static [Field], record: &Record| {
        explanations.extend(fields.iter().map(|field| Explanation {
            row: row.to_owned(),
            field: field.name.to_owned(),
            value: field.of(&record.body).0.and_then(|value| field.shape.read(&value)),
            record: Some((record.kind(), record.key())),
            path: field.path,
            rule: field.rule,
            code_list: None,
        }));
    };
    if let Some(row) = set.row_key() {
        tell(row, set.fields(), head);
    }
    if let Some(list) = set.list() {
        for member in members.iter().filter(|member| member.kind() == list.kind) {
            let key = list.key(&object(list.fields, &member.body, &mut |_| {}));
            tell(&key, list.fields, member);
        }
    }
    explanations.sort_by(|one, other| one.row.cmp(&other.row));
    explanations
}

/// The kinds that the HUB takes.
pub(crate) const ACCEPTED: &[Kind] = &[
    Kind::Risorsa,
    Kind::Qualificazione,
    Kind::Rilevazione,
    Kind::ServizioAssociato,
    Kind::Progetto,
    Kind::CollegamentoCupCig,
];

/// The record from which the content itself is made: of the kind of the set, or else any, for every
/// member says the key.
fn head(set: Set, members: &[Record]) -> Option<&Record> {
    members.iter().find(|member| member.kind() == set.kind()).or(members.first())
}

/// The fields that a record gives. Absent ones are left out.
fn object(fields: &'static [Field], body: &Body, omitted: &mut dyn FnMut(&'static Field)) -> Map<String, Value> {
    let mut object = Map::new();
    for field in fields {
        let (value, has_person) = field.of(body);
        if has_person {
            omitted(field);
        }
        if let Some(value) = value {
            object.insert(field.name.to_owned(), value);
        }
    }
    object
}

#[cfg(test)]
mod tests;

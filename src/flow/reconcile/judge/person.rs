//! R10: the person in charge. Codes are compared first, else the words of the name as a set.

use std::collections::BTreeSet;

use canonical::Rule;
use canonical::kinds::Persona;
use canonical::values::CalendarDate;
use canonical::values::text::read_text;

use super::{Judgement, is_mask};
use crate::discrepancy::Cause;

/// Words that say what somebody is, not who.
const TITLES: &[&str] = &[
    "architetto",
    "arch",
    "avv",
    "avvocato",
    "dirigente",
    "dott",
    "dottor",
    "dottore",
    "dottoressa",
    "dottssa",
    "dr",
    "ssa",
    "geom",
    "geometra",
    "ing",
    "ingegner",
    "ingegnere",
    "per",
    "perito",
    "ind",
    "prof",
    "professor",
    "professore",
    "professoressa",
    "profssa",
    "rag",
    "ragioniere",
    "rup",
    "responsabile",
    "sig",
    "signor",
    "signora",
    "sigra",
    "agr",
    "agronomo",
    "geol",
    "geologo",
    "arch.tto",
];

pub(super) fn persons(owner: &Persona, other: &Persona, changed_on: Option<CalendarDate>) -> Option<Judgement> {
    if owner == other {
        return None;
    }
    if let (Some(owner), Some(other)) = (&owner.codice_fiscale, &other.codice_fiscale) {
        return (owner != other).then(|| differs(changed_on));
    }
    names(&name_of(owner), &name_of(other), changed_on)
}

fn name_of(person: &Persona) -> String {
    match &person.nome {
        Some(name) => format!("{} {name}", person.cognome),
        None => person.cognome.clone(),
    }
}

pub(super) fn names(owner: &str, other: &str, changed_on: Option<CalendarDate>) -> Option<Judgement> {
    if is_mask(owner) || is_mask(other) {
        return Some(Judgement::explained(Rule::R22, Cause::MaskedValue));
    }
    let (owner, other) = (words(owner), words(other));
    if owner == other {
        return None;
    }
    let set = |words: &[String]| -> BTreeSet<String> {
        words.iter().filter(|word| !TITLES.contains(&word.as_str())).cloned().collect()
    };
    let (owner, other) = (set(&owner), set(&other));
    Some(if owner == other && !owner.is_empty() {
        Judgement::explained(Rule::R10, Cause::SamePerson)
    } else {
        differs(changed_on)
    })
}

fn differs(changed_on: Option<CalendarDate>) -> Judgement {
    match changed_on {
        Some(_) => Judgement::explained(Rule::R10, Cause::ChangedWithDate),
        None => Judgement::unexplained(Rule::R10),
    }
}

/// The words of a name in lower case, without marks; an apostrophe stays inside its word.
fn words(name: &str) -> Vec<String> {
    let name = read_text(name).value.unwrap_or_default().to_lowercase();
    let is_mark = |one: char| !(one.is_alphanumeric() || one == '\'');
    name.split(is_mark).map(|word| word.replace('\'', "")).filter(|word| !word.is_empty()).collect()
}

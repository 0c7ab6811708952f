//! R14, R20, R26 and R27: codes that differ, and codes that say the same in two ways.

use canonical::Rule;
use canonical::code_lists::scelta_contraente::{SceltaContraente, from_l190};
use canonical::identifiers::Cui;

use super::{CodeList, Judgement, Known};
use crate::discrepancy::Cause;

/// Procedure types of two lists: the same one after the crosswalk is a code shift, nothing more.
pub(super) fn procedure_type(owner: &str, other: &str, lists: (CodeList, CodeList)) -> Option<Judgement> {
    let (Some(one), Some(two)) = (anac(owner, lists.0), anac(other, lists.1)) else {
        // A code that is in no list is compared as it stands.
        return (owner != other).then(|| Judgement::unexplained(Rule::R14));
    };
    if one != two {
        return Some(Judgement::unexplained(Rule::R14));
    }
    (owner != other).then(|| Judgement::explained(Rule::R14, Cause::Crosswalk))
}

fn anac(code: &str, list: CodeList) -> Option<SceltaContraente> {
    match list {
        CodeList::Anac => SceltaContraente::parse(code).ok(),
        CodeList::L190 => from_l190(code),
    }
}

pub(super) fn territory(owner: &str, other: &str, known: &dyn Known) -> Option<Judgement> {
    if known.are_one_territory(owner, other) {
        return Some(Judgement::explained(Rule::R20, Cause::RecodedTerritory));
    }
    // A municipality and the unit above it do not contradict each other.
    let is_inside = |unit: &str, place: &str| unit.len() == 3 && place.len() == 6 && place.starts_with(unit);
    if is_inside(owner, other) || is_inside(other, owner) {
        return None;
    }
    Some(Judgement::unexplained(Rule::R14))
}

/// Identifiers such as `EU_0928` and `EU_928`: the same after the zeros in front of each number are
/// dropped, whatever the case and the separators.
pub(super) fn identifier(owner: &str, other: &str) -> Option<Judgement> {
    if owner.trim().eq_ignore_ascii_case(other.trim()) {
        return None;
    }
    Some(if is_padded(owner, other) {
        Judgement::explained(Rule::R26, Cause::ZeroPadding)
    } else {
        Judgement::unexplained(Rule::R14)
    })
}

/// Whether two codes differ in the zeros in front of their numbers only.
pub(super) fn is_padded(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (runs(one), runs(other));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(one), Some(other)) => {
                let is_number = one.starts_with(|first: char| first.is_ascii_digit())
                    && other.starts_with(|first: char| first.is_ascii_digit());
                let is_same = if is_number {
                    one.trim_start_matches('0') == other.trim_start_matches('0')
                } else {
                    one.eq_ignore_ascii_case(other)
                };
                if !is_same {
                    return false;
                }
            }
            _ => return false,
        }
    }
}

/// The runs of digits and of other characters, without blanks around them.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text.trim();
    std::iter::from_fn(move || {
        let is_digit = rest.chars().next()?.is_ascii_digit();
        let end = rest.find(|one: char| one.is_ascii_digit() != is_digit).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        Some(run)
    })
}

/// Two CUI. One that is malformed is counted as such, also when one can guess what it meant: a lost
/// letter is never invented.
pub(super) fn cui(owner: &str, other: &str) -> Option<Judgement> {
    if owner.trim().eq_ignore_ascii_case(other.trim()) {
        return None;
    }
    let is_well_formed = |text: &str| Cui::read(text).value.is_some();
    let rule = if is_well_formed(owner) && is_well_formed(other) { Rule::R14 } else { Rule::R27 };
    Some(Judgement::unexplained(rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_in_front_of_a_number_are_padding_and_zeros_inside_it_are_not() {
        assert!(is_padded("EU_0928", "EU_928") && is_padded("0000241862", "241862"));
        assert!(!is_padded("EU_0928", "EU_9208") && !is_padded("EU_0928", "US_928") && !is_padded("928", "928_1"));
    }

    #[test]
    fn the_same_digits_in_two_lists_are_two_codes() {
        let lists = (CodeList::Anac, CodeList::L190);
        assert_eq!(procedure_type("24", "23", lists).and_then(|found| found.cause), Some(Cause::Crosswalk));
        assert_eq!(procedure_type("23", "23", lists), Some(Judgement::unexplained(Rule::R14)));
    }
}

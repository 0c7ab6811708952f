//! R11: the codes of economic operators. Nothing here is ever shown: a code may be a person's.

use canonical::Rule;
use canonical::kinds::IdentificativoOperatore;

use super::code::is_padded;
use super::{Judgement, Known, Operators, is_mask};
use crate::discrepancy::Cause;

pub(super) fn one(owner: &str, other: &str, known: &dyn Known) -> Option<Judgement> {
    pair(owner, other, known)
}

fn pair(owner: &str, other: &str, known: &dyn Known) -> Option<Judgement> {
    let (owner, other) = (owner.trim(), other.trim());
    if owner.eq_ignore_ascii_case(other) {
        return None;
    }
    if is_mask(owner) || is_mask(other) {
        return Some(Judgement::explained(Rule::R22, Cause::MaskedValue));
    }
    Some(if is_padded(owner, other) {
        Judgement::explained(Rule::R26, Cause::ZeroPadding)
    } else if known.are_one_operator(owner, other) {
        Judgement::explained(Rule::R11, Cause::SameOperator)
    } else {
        Judgement::unexplained(Rule::R11)
    })
}

/// The code of an operator; none when it was masked or never given.
fn code(operator: &IdentificativoOperatore) -> Option<&str> {
    match operator {
        IdentificativoOperatore::CodiceFiscale(code) => Some(code.as_str()),
        IdentificativoOperatore::Estero(text) | IdentificativoOperatore::NonValido(text) => {
            Some(text.as_str()).filter(|text| !is_mask(text))
        }
        IdentificativoOperatore::Assente => None,
    }
}

/// Two sets of operators, whatever their order: each must find its like on the other side.
pub(super) fn sets(owner: Operators<'_>, other: Operators<'_>, known: &dyn Known) -> Option<Judgement> {
    if owner.iter().eq(other.iter()) {
        return None;
    }
    // Not awarded, or not given: not an error, and nothing to compare.
    if owner.is_empty() || other.is_empty() {
        return None;
    }
    let mut worst: Option<Judgement> = None;
    for (these, those) in [(owner, other), (other, owner)] {
        // Each masked one may be one of these, not all of them.
        let mut hidden = those.iter().filter(|operator| code(operator).is_none()).count();
        for operator in these.iter() {
            let found = match code(operator) {
                None => Some(Judgement::explained(Rule::R22, Cause::MaskedValue)),
                Some(code) => match nearest(code, those, known) {
                    Some(found) if found.cause.is_none() && hidden > 0 => {
                        hidden -= 1;
                        Some(Judgement::explained(Rule::R22, Cause::MaskedValue))
                    }
                    found => found,
                },
            };
            worst = worse(worst, found);
        }
    }
    worst
}

/// The mildest judgement of a code against all of the other side.
fn nearest(one: &str, those: Operators<'_>, known: &dyn Known) -> Option<Judgement> {
    let mut mildest = Judgement::unexplained(Rule::R11);
    for other in those.iter().filter_map(code) {
        let found = pair(one, other, known)?;
        if rank(found) < rank(mildest) {
            mildest = found;
        }
    }
    Some(mildest)
}

/// A known link says more than a mask, and anything more than nothing.
fn rank(found: Judgement) -> u8 {
    match found.cause {
        Some(Cause::ZeroPadding) => 0,
        Some(Cause::SameOperator) => 1,
        Some(_) => 2,
        None => 3,
    }
}

fn worse(one: Option<Judgement>, other: Option<Judgement>) -> Option<Judgement> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if rank(one) >= rank(other) { one } else { other }),
        (one, other) => one.or(other),
    }
}

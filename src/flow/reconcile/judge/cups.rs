//! R13: sets of CUP. A source that holds one CUP, or those of its plan only, holds a part.

use std::collections::BTreeSet;

use canonical::identifiers::Cup;
use canonical::kinds::Piano;
use canonical::{Rule, Severity};

use super::{Codes, Judgement};
use crate::discrepancy::Cause;

type Plans<'a> = Option<&'a BTreeSet<Piano>>;

pub(super) fn sets(owner: Codes<'_>, other: Codes<'_>, plans: (Plans<'_>, Plans<'_>)) -> Option<Judgement> {
    if owner.is_same(other) {
        return None;
    }
    let is_malformed = |codes: Codes<'_>| codes.iter().any(|code| Cup::read(code).value.is_none());
    if is_malformed(owner) || is_malformed(other) {
        return Some(Judgement::unexplained(Rule::R13).grave(Severity::Error));
    }
    let is_part = |part: Codes<'_>, whole: Codes<'_>| part.iter().all(|code| whole.contains(code));
    // Nothing said is not nothing held.
    if owner.is_empty() || other.is_empty() || is_part(owner, other) || is_part(other, owner) {
        return Some(Judgement::explained(Rule::R13, Cause::CupSubset));
    }
    let has_common = owner.iter().any(|code| other.contains(code));
    let share_a_plan = match plans {
        (Some(owner), Some(other)) => !owner.is_disjoint(other),
        _ => false,
    };
    // Two sources of one plan should name the same projects of it.
    let severity = if !has_common && share_a_plan { Severity::Error } else { Severity::Warning };
    Some(Judgement::unexplained(Rule::R13).grave(severity))
}

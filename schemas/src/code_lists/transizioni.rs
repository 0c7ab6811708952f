//! Which scheda of the execution may follow which, by the national orchestrator.

use std::collections::HashSet;
use std::sync::OnceLock;

use super::table;

/// The schede of the execution that may be the first one after an award: every family of awards
/// has them among its successors, save for CO2, which follows the smallest direct awards only.
pub const AFTER_AWARD: &[&str] = &["SC1", "CO1", "CO2", "S3", "S4", "ID"];

/// True when the orchestrator admits `next` after `last`. An unknown scheda has no successors.
///
/// ```
/// use canonical::code_lists::transizioni::may_follow;
///
/// assert!(may_follow("SC1", "I1"));
/// assert!(!may_follow("SC1", "SA1"));
/// ```
pub fn may_follow(last: &str, next: &str) -> bool {
    pairs().contains(&(Box::from(last), Box::from(next)))
}

fn pairs() -> &'static HashSet<(Box<str>, Box<str>)> {
    static PAIRS: OnceLock<HashSet<(Box<str>, Box<str>)>> = OnceLock::new();
    PAIRS.get_or_init(|| {
        table::rows(include_str!("../../code-lists/transizioni_esecuzione.csv"))
            .filter_map(|fields| match fields.as_slice() {
                [last, next, ..] => Some((last.as_str().into(), next.as_str().into())),
                _ => None,
            })
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code_lists::fasi_esecuzione;

    #[test]
    fn every_pair_is_of_known_schede() {
        assert_eq!(pairs().len(), 322);
        for scheda in pairs().iter().flat_map(|(last, next)| [last, next]) {
            assert!(fasi_esecuzione::by_scheda(scheda).is_some(), "{scheda}");
        }
    }

    #[test]
    fn a_final_scheda_has_no_successors_and_a_contract_begins_before_it_is_tested() {
        assert!(!AFTER_AWARD.iter().any(|next| may_follow("CO2", next)));
        assert!(may_follow("CO1", "CL1") && may_follow("I1", "CL1") && !may_follow("SC1", "CL1"));
        assert!(!may_follow("CO1", "M1") && !may_follow("nosuch", "SC1"));
    }
}

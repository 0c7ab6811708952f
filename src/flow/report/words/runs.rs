//! What people read about a run of a comparison.

use super::{Language, headings};
use crate::flow::report::model::RunFacts;
use crate::storage::{ReconciliationCounts, Verdict};

/// Why a run is not complete; of a complete one, that there was nothing to compare.
pub fn because(run: &RunFacts, language: Language) -> Option<&str> {
    let nothing = run.is_empty().then_some(headings(language).nothing_to_compare);
    run.incomplete_because.as_deref().or(nothing)
}

/// What a comparison says, in a few words.
pub fn verdict(verdict: Verdict, counts: &ReconciliationCounts) -> &'static str {
    match verdict {
        Verdict::Agree if counts.is_empty() => headings(Language::Italian).nothing_to_compare,
        Verdict::Agree => "le due parti concordano",
        Verdict::Differ => "ci sono discordanze",
        Verdict::NotYet => "consegne ancora in viaggio",
        Verdict::Incomplete => "confronto incompleto: l'altra parte non è stata letta tutta",
    }
}

//! The rows of the comparisons, each in one place. Where nothing is known there is no number: a zero would
//! say that there is nothing.

use std::collections::BTreeMap;

use canonical::values::Importo;

use super::{RunFacts, plus};
use crate::discrepancy::{Group, SOURCES, Shape};

/// The rows of the comparisons by what came of them, each in one place, with the amounts of the
/// discrepancies in the report. None: nobody knows, or it is not counted where the sources are compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowNumbers {
    /// Rows equal in every field.
    pub equal: Option<u64>,
    /// Rows that differ for no known cause, and their amounts.
    pub different: (Option<u64>, Importo),
    /// Rows that differ, and known causes account for all of it, and their amounts.
    pub explained: (Option<u64>, Importo),
    /// Rows that only we have, and their amounts.
    pub only_here: (Option<u64>, Importo),
    /// Rows that only the other side has, and their amounts.
    pub only_there: (Option<u64>, Importo),
    /// Rows not compared, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Whether rows that are missing on a side are counted: not where only the sources are compared.
    pub counts_missing: bool,
}

impl RowNumbers {
    /// The rows of the runs, with the amounts of the groups.
    pub fn of<'a>(runs: &[RunFacts], groups: impl Iterator<Item = &'a Group>) -> Self {
        let mut rows = Self::default();
        for group in groups {
            // Between sources a row is all that is said of one thing: it differs where one says nothing of it.
            let is_of_sources = group.comparison == SOURCES;
            let (_, amount) = match (group.shape, group.cause) {
                (Shape::MissingThere, _) if !is_of_sources => &mut rows.only_here,
                (Shape::MissingHere, _) if !is_of_sources => &mut rows.only_there,
                (_, None) => &mut rows.different,
                (_, Some(_)) => &mut rows.explained,
            };
            *amount = plus(*amount, Some(group.at_stake));
        }
        let all: Vec<_> = runs.iter().collect();
        let with_sides: Vec<_> = runs.iter().filter(|run| run.comparison != SOURCES).collect();
        rows.equal = known(&all, |run| run.equal);
        rows.different.0 = known(&all, |run| run.different.saturating_sub(run.different_explained));
        rows.explained.0 = known(&all, |run| run.different_explained);
        rows.only_here.0 = known(&with_sides, |run| run.only_here);
        rows.only_there.0 = known(&with_sides, |run| run.only_there);
        rows.counts_missing = runs.is_empty() || !with_sides.is_empty();
        for run in runs {
            for (reason, count) in run.skipped.iter().filter(|(_, count)| **count > 0) {
                *rows.skipped.entry(reason.clone()).or_default() += count;
            }
        }
        rows
    }

    /// Rows that were not compared.
    pub fn all_skipped(&self) -> u64 {
        self.skipped.values().sum()
    }

    /// All rows that are known: each stands in one of the numbers.
    pub fn all(&self) -> u64 {
        let Self { equal, different, explained, only_here, only_there, .. } = self;
        let known = [*equal, different.0, explained.0, only_here.0, only_there.0];
        known.into_iter().flatten().sum::<u64>() + self.all_skipped()
    }
}

/// The sum over runs. That there is nothing is known only where every one of them read all.
fn known(runs: &[&RunFacts], of: fn(&RunFacts) -> u64) -> Option<u64> {
    let sum: u64 = runs.iter().map(|run| of(run)).sum();
    let is_whole = !runs.is_empty() && runs.iter().all(|run| run.is_whole());
    (sum > 0 || is_whole).then_some(sum)
}

#[cfg(test)]
mod tests {
    use canonical::values::UtcInstant;

    use super::*;

    fn run(comparison: &str, is_complete: bool, equal: u64, only_here: u64) -> RunFacts {
        let at = UtcInstant::parse("2026-11-20T09:30:00Z").expect("an instant");
        RunFacts {
            id: 1,
            comparison: comparison.to_owned(),
            started_at: at,
            finished_at: Some(at),
            rows_here: equal,
            rows_there: equal,
            is_complete,
            incomplete_because: None,
            equal,
            different: 0,
            different_explained: 0,
            only_here,
            only_there: 0,
            skipped: BTreeMap::new(),
            open: 0,
            explained: 0,
            accepted: 0,
        }
    }

    fn of(runs: &[RunFacts]) -> RowNumbers {
        RowNumbers::of(runs, [].iter())
    }

    #[test]
    fn a_zero_is_told_only_where_all_was_read() {
        let rows = of(&[run("hub", true, 3, 0)]);
        assert_eq!((rows.equal, rows.different.0, rows.only_here.0), (Some(3), Some(0), Some(0)));
        let rows = of(&[run("hub", true, 3, 0), run("pico", false, 0, 0)]);
        assert_eq!((rows.equal, rows.different.0, rows.only_here.0), (Some(3), None, None), "pico may lack some");
        assert_eq!(of(&[run("pico", false, 0, 0)]).all(), 0);
        let mut short = run("hub", true, 3, 0);
        short.skipped.insert("not_read".to_owned(), 2);
        assert_eq!(of(&[short]).only_here.0, None, "two rows may be missing");
        assert_eq!(of(&[]).equal, None, "nothing was compared");
    }

    #[test]
    fn between_sources_no_row_is_missing_on_a_side() {
        let rows = of(&[run(SOURCES, true, 3, 0)]);
        assert_eq!((rows.equal, rows.only_here.0, rows.only_there.0), (Some(3), None, None));
        assert!(!rows.counts_missing && of(&[run("hub", true, 3, 0)]).counts_missing);
        let rows = of(&[run(SOURCES, false, 3, 0), run("hub", true, 3, 0)]);
        assert_eq!((rows.only_here.0, rows.different.0), (Some(0), None), "what hub lacks is known");
    }
}

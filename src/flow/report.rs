//! Report: turns what happened into facts that people and machines can read.
//!
//! Comes from: the totals of `intake`, the states of `deliver`, the results of `reconcile`.
//! Goes to: commands and pages, which choose words and form; machines read the same facts as JSON.
//! Safe to repeat because: it only reads.
//! When it fails: nothing is lost; ask again.

pub mod explain;
pub mod model;
pub mod standing;
pub mod gather;
pub mod print;
pub mod columns;
pub mod csv;
pub mod json;
pub mod xlsx;
pub mod words;
pub mod forms;
pub mod file;

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Flow, FlowError};
use crate::discrepancy::SOURCES;
use crate::storage::{Reconciliation, ReconciliationCounts, RunTotals, Verdict};

/// One whole cycle: what was read, where it went, and whether both sides agree.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Cycle {
    /// Totals of all sources.
    #[serde(flatten)]
    pub totals: RunTotals,
    /// Whether read = new + unchanged + quarantined + refused.
    pub balanced: bool,
    /// Totals by source.
    pub sources: BTreeMap<String, RunTotals>,
    /// Deliveries by target, then by state.
    pub deliveries: BTreeMap<String, BTreeMap<String, u64>>,
    /// Reconciliations by target.
    pub reconciliation: BTreeMap<String, Agreement>,
}

/// The result of a reconciliation without its rows.
#[derive(Debug, Clone, Serialize)]
pub struct Agreement {
    /// Whether both sides were read completely.
    pub complete: bool,
    /// What it says, in one word.
    pub verdict: Verdict,
    /// Counts of rows.
    #[serde(flatten)]
    pub counts: ReconciliationCounts,
    /// Discrepancies by rule.
    pub discrepancies: BTreeMap<String, u64>,
}

impl Agreement {
    /// Whether both sides were read completely and agree in every row.
    pub fn is_clean(&self) -> bool {
        self.verdict == Verdict::Agree
    }
}

impl From<&Reconciliation> for Agreement {
    fn from(result: &Reconciliation) -> Self {
        let verdict = result.verdict();
        Self { complete: result.complete, verdict, counts: result.counts, discrepancies: result.rules.clone() }
    }
}

impl Cycle {
    /// A cycle of which some sources were read.
    pub fn of_sources(sources: BTreeMap<String, RunTotals>) -> Self {
        let totals = sources.values().fold(RunTotals::default(), |sum, totals| sum.plus(*totals));
        Self { totals, balanced: totals.balanced(), sources, ..Self::default() }
    }

    /// Adds the deliveries as they stand now.
    pub async fn with_deliveries(mut self, flow: &Flow) -> Result<Self, FlowError> {
        for count in flow.store.delivery_counts().await? {
            self.deliveries.entry(count.target).or_default().insert(count.state, count.count);
        }
        Ok(self)
    }

    /// Adds a reconciliation.
    pub fn add(&mut self, result: &Reconciliation) {
        self.reconciliation.insert(result.target.clone(), result.into());
    }

    /// Whether nothing was dropped, everything was delivered, and every target agrees. What the sources
    /// say of each other is told beside it: no delivery can mend that.
    pub fn is_clean(&self) -> bool {
        let delivered = self.deliveries.values().all(|states| states.keys().all(|state| state == "acknowledged"));
        let targets = self.reconciliation.iter().filter(|(name, _)| *name != SOURCES);
        self.balanced && delivered && targets.into_iter().all(|(_, agreement)| agreement.is_clean())
    }
}

//! What a comparison is about, and what it says in the end.

use std::collections::BTreeMap;

use canonical::Record;
use canonical::values::UtcInstant;
use contract::UnitKey;
use serde::{Deserialize, Serialize};

use super::DeliveryId;
use crate::delivery::DeliveryState;
use crate::discrepancy::Discrepancy;
use crate::storage::Changes;

/// A unit that a target should hold.
#[derive(Debug, Clone)]
pub struct ExpectedUnit {
    /// The delivery behind it.
    pub delivery: DeliveryId,
    /// The unit.
    pub key: UnitKey,
    /// Where the delivery stands.
    pub state: DeliveryState,
    /// The revision that the target should hold.
    pub desired_revision: u64,
    /// The revision that it holds.
    pub held_revision: u64,
    /// Current versions of its members, in key order.
    pub members: Vec<Record>,
}

/// Counts of a reconciliation, in rows of the target's vocabulary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconciliationCounts {
    /// Rows that the target should hold.
    pub expected: u64,
    /// Rows that it holds.
    pub observed: u64,
    /// Rows equal in every field.
    pub equal: u64,
    /// Rows that differ in at least one field, for no known cause.
    pub different: u64,
    /// Rows that differ, and known causes account for all of it.
    pub explained: u64,
    /// Rows that the target should hold and does not.
    pub missing_there: u64,
    /// Rows that the target holds and we do not know.
    pub missing_here: u64,
    /// Rows not compared because their delivery is still on its way.
    pub on_its_way: u64,
    /// Rows not compared because their delivery was refused or stands aside.
    pub stopped: u64,
    /// Rows not compared because the other side was not read so far, or its list does not have them and is
    /// not complete.
    #[serde(default)]
    pub not_read: u64,
}

/// What a comparison says, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Both sides were read completely and hold the same.
    Agree,
    /// Both sides differ, or the target does not take what it should hold.
    Differ,
    /// Nothing differs, but deliveries are still on their way.
    NotYet,
    /// A side could not be read completely.
    Incomplete,
}

impl ReconciliationCounts {
    /// These counts and others.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            expected: self.expected + other.expected,
            observed: self.observed + other.observed,
            equal: self.equal + other.equal,
            different: self.different + other.different,
            explained: self.explained + other.explained,
            missing_there: self.missing_there + other.missing_there,
            missing_here: self.missing_here + other.missing_here,
            on_its_way: self.on_its_way + other.on_its_way,
            stopped: self.stopped + other.stopped,
            not_read: self.not_read + other.not_read,
        }
    }

    /// All rows: each stands in one of the counts, beside what is expected and observed.
    pub fn all(&self) -> u64 {
        let compared = self.equal + self.different + self.explained;
        compared + self.missing_there + self.missing_here + self.on_its_way + self.stopped + self.not_read
    }

    /// Whether there was nothing on either side.
    pub fn is_empty(&self) -> bool {
        self.expected + self.observed + self.all() == 0
    }

    /// One of these counts, where it is known: that there is nothing is known only where all was read.
    pub fn known(&self, count: u64, complete: bool) -> Option<u64> {
        (count > 0 || (complete && self.not_read == 0)).then_some(count)
    }

    /// What these counts say where so many work items are open: what was accepted is no difference.
    pub fn verdict_beside(mut self, open: u64, complete: bool) -> Verdict {
        if open == 0 {
            (self.different, self.missing_there, self.missing_here) = (0, 0, 0);
        }
        self.verdict(complete)
    }

    /// What these counts say. The order matters: what was not read cannot agree.
    pub fn verdict(&self, complete: bool) -> Verdict {
        if !complete || self.not_read > 0 {
            Verdict::Incomplete
        } else if self.different + self.missing_there + self.missing_here + self.stopped > 0 {
            Verdict::Differ
        } else if self.on_its_way > 0 {
            Verdict::NotYet
        } else {
            Verdict::Agree
        }
    }
}

/// The result of comparing the ledger with one target, or of all sources with each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reconciliation {
    /// The target, or `fonti`.
    pub target: String,
    /// When it began.
    pub started_at: UtcInstant,
    /// When it ended.
    pub finished_at: UtcInstant,
    /// Whether both sides were read completely; if not, nothing is called missing.
    pub complete: bool,
    /// Why it is not complete.
    pub incomplete_because: Option<String>,
    /// Counts of rows; of families of records where the sources are compared.
    pub counts: ReconciliationCounts,
    /// What it did to the work items.
    pub changes: Changes,
    /// Work items that are open, explained and accepted after it.
    pub standing: StandingCounts,
    /// What it found, by rule.
    pub rules: BTreeMap<String, u64>,
    /// The first discrepancies, in order of unit, row and field: all stand among the work items.
    pub discrepancies: Vec<Discrepancy>,
}

impl Reconciliation {
    /// What it says, in one word: what is explained or accepted is no difference.
    pub fn verdict(&self) -> Verdict {
        self.counts.verdict_beside(self.standing.open, self.complete)
    }
}

/// Work items by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StandingCounts {
    /// Somebody must act.
    pub open: u64,
    /// A known cause accounts for it.
    pub explained: u64,
    /// A person lives with it.
    pub accepted: u64,
}

//! What people read of the store: counts, runs, the life of a record.

use std::collections::BTreeMap;

use canonical::values::UtcInstant;
use canonical::{Digest, Finding, Kind, Record, RecordKey, SourceName};
use contract::{Receipt, UnitKey};
use serde::Serialize;

use super::{AttemptId, DeliveryId, ReconciliationCounts, ReconciliationId, RunId, RunTotals, Verdict, as_text};
use crate::delivery::DeliveryState;

/// Deliveries of one target in one state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeliveryCount {
    /// The target.
    pub target: String,
    /// Stable name of the state.
    pub state: String,
    /// How many.
    pub count: u64,
    /// Since when the oldest of them waits.
    pub oldest: Option<UtcInstant>,
}

/// Counts for the overview.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Overview {
    /// Current records by kind.
    pub records: BTreeMap<String, u64>,
    /// Versions kept.
    pub versions: u64,
    /// Raw records that stand aside.
    pub quarantined: u64,
    /// The newest of them.
    pub newest_quarantined: Vec<TracedQuarantine>,
    /// Deliveries by target and state.
    pub deliveries: Vec<DeliveryCount>,
    /// Records withheld, by target and code.
    pub withheld: BTreeMap<String, BTreeMap<String, u64>>,
    /// The last run of each source.
    pub runs: Vec<RunView>,
    /// The last reconciliation of each target.
    pub reconciliations: Vec<ReconciliationView>,
    /// Findings of current versions, by rule.
    pub findings: BTreeMap<String, u64>,
}

/// A run as people see it.
#[derive(Debug, Clone, Serialize)]
pub struct RunView {
    /// Which one.
    pub id: RunId,
    /// The source.
    pub source: String,
    /// Why it was made.
    pub kind: String,
    /// When it began.
    pub started_at: UtcInstant,
    /// When it ended; none while it runs or when it was interrupted.
    pub finished_at: Option<UtcInstant>,
    /// Its totals so far.
    pub totals: RunTotals,
}

/// A reconciliation as people see it.
#[derive(Debug, Clone, Serialize)]
pub struct ReconciliationView {
    /// Which one.
    pub id: ReconciliationId,
    /// The target.
    pub target: String,
    /// When it ended.
    pub finished_at: UtcInstant,
    /// Whether both sides were read completely.
    pub complete: bool,
    /// Its counts.
    pub counts: ReconciliationCounts,
    /// Work items that were open after it.
    pub open: u64,
}

impl ReconciliationView {
    /// What it says, in one word.
    pub fn verdict(&self) -> Verdict {
        self.counts.verdict_beside(self.open, self.complete)
    }
}

/// The life of some records.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Trace {
    /// Versions, oldest first.
    pub versions: Vec<TracedVersion>,
    /// Deliveries in which the records take part, with their attempts.
    pub deliveries: Vec<TracedDelivery>,
    /// Raw records with this key that stand aside.
    pub quarantined: Vec<TracedQuarantine>,
}

/// A version in a trace.
#[derive(Debug, Clone, Serialize)]
pub struct TracedVersion {
    /// Kind of the record.
    pub kind: Kind,
    /// Key of the record.
    pub key: RecordKey,
    /// The source that says it.
    pub source: SourceName,
    /// Number of the version, counted from one.
    pub number: u64,
    /// Digest of the body.
    #[serde(serialize_with = "as_text")]
    pub digest: Digest,
    /// When it was stored.
    pub stored_at: UtcInstant,
    /// The record itself.
    pub record: Record,
    /// What its owner should know.
    pub findings: Vec<Finding>,
}

/// A delivery in a trace.
#[derive(Debug, Clone, Serialize)]
pub struct TracedDelivery {
    /// Which one.
    pub id: DeliveryId,
    /// The target.
    pub target: String,
    /// The unit.
    pub unit: UnitKey,
    /// Where it stands.
    pub state: DeliveryState,
    /// The revision that the target should hold.
    pub desired_revision: u64,
    /// The revision that it holds.
    pub held_revision: u64,
    /// The proof by which it stands where it does: the last one, of what the target took. None while the
    /// target decides, where it refused, and where a person said how it ended.
    pub decided_by: Option<TracedReceipt>,
    /// Every attempt, oldest first.
    pub attempts: Vec<TracedAttempt>,
}

/// A receipt in a trace.
#[derive(Debug, Clone, Serialize)]
pub struct TracedReceipt {
    /// Of which revision.
    pub revision: u64,
    /// When it came.
    pub received_at: UtcInstant,
    /// The proof.
    #[serde(flatten)]
    pub receipt: Receipt,
}

/// An attempt in a trace.
#[derive(Debug, Clone, Serialize)]
pub struct TracedAttempt {
    /// Which one.
    pub id: AttemptId,
    /// The revision that was sent.
    pub revision: u64,
    /// The key under which it was sent.
    pub idempotency_key: String,
    /// When it began.
    pub started_at: UtcInstant,
    /// When its outcome was committed.
    pub finished_at: Option<UtcInstant>,
    /// The state it led to, with its reason.
    pub outcome: Option<DeliveryState>,
    /// Proof, when the target took it.
    pub receipt: Option<Receipt>,
}

/// A raw record that stands aside, in a trace.
#[derive(Debug, Clone, Serialize)]
pub struct TracedQuarantine {
    /// The source.
    pub source: SourceName,
    /// The document.
    pub document: String,
    /// The line where it begins.
    pub line: u64,
    /// The rule that decided.
    pub rule: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: UtcInstant,
}

//! Discrepancies as work: runs that write them, people who decide about them.
//!
//! A run of a comparison writes what it finds in batches and closes at its end what it did not see
//! again. It can be killed at any moment: the next one goes on where it stopped. Two runs of the same
//! comparison never overlap: each holds a turn, and what one writes without it is refused.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use canonical::values::{CalendarDate, UtcInstant};
use serde::Serialize;

use super::item_filter::ItemFilter;
use super::{Person, ReconciliationCounts, ReconciliationId, StorageError, Turn};
pub use crate::discrepancy::lifecycle::EventKind;
use crate::discrepancy::{Discrepancy, Group, WorkItem};

/// How long a run holds its turn without a sign of life.
pub const SILENCE: Duration = Duration::from_secs(30);
/// A run that was killed is taken up again within this time; later, what it saw is too old.
pub const TAKEN_UP_WITHIN: Duration = Duration::from_hours(1);

/// Why the last run of a comparison ended that is configured no more. It stands in the ledger.
pub const NOT_CONFIGURED: &str = "il confronto non è più nella configurazione";

/// A run of a comparison that is under way.
#[derive(Debug, Clone)]
pub struct ComparisonRun {
    /// The run.
    pub id: ReconciliationId,
    /// Which comparison.
    pub comparison: String,
    /// When it began, which may be before it was taken up again.
    pub started_at: UtcInstant,
    /// How far it had come when it was killed; none for a new one.
    pub progress: Option<String>,
    /// The turn that it holds, to be held anew through [`super::Turns::hold_turn`].
    pub turn: Turn,
}

/// How a run ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunResult {
    /// Counts of rows.
    pub counts: ReconciliationCounts,
    /// Why a side was not read completely; none when both were.
    pub incomplete_because: Option<String>,
    /// The list that it rests on, by which the same list is known again; none when the system was asked.
    pub evidence: Option<String>,
}

/// What runs did to the work items of their comparison.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Seen for the first time.
    pub opened: u64,
    /// Closed once, and here again.
    pub reopened: u64,
    /// Seen with other values than before.
    pub changed: u64,
    /// Not seen again by a complete run.
    pub closed: u64,
    /// Seen, in all.
    pub seen: u64,
}

/// A run, for lists and trends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunSummary {
    /// The run.
    pub id: ReconciliationId,
    /// Which comparison.
    pub comparison: String,
    /// When it began.
    pub started_at: UtcInstant,
    /// When it ended; none while it is under way, or when it was killed.
    pub finished_at: Option<UtcInstant>,
    /// Whether both sides were read completely.
    pub complete: bool,
    /// Why not.
    pub incomplete_because: Option<String>,
    /// Counts of rows.
    pub counts: ReconciliationCounts,
    /// What it did to the work items.
    pub changes: Changes,
    /// Work items of the comparison that were open when it ended: the unexplained ones.
    pub open: u64,
    /// Those that a known cause accounts for.
    pub explained: u64,
    /// Those that somebody lives with.
    pub accepted: u64,
    /// The list that it rested on; none when the system was asked, or the run has not ended.
    #[serde(skip)]
    pub evidence: Option<String>,
}

impl RunSummary {
    /// Whether it only says that the comparison is configured no more.
    pub fn is_retirement(&self) -> bool {
        self.incomplete_because.as_deref() == Some(NOT_CONFIGURED)
    }
}

/// One thing that happened to a work item. Events are only added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ItemEvent {
    /// When.
    pub at: UtcInstant,
    /// What.
    pub kind: EventKind,
    /// The run that saw it; none for what people did.
    pub run: Option<ReconciliationId>,
    /// Who; none for what runs did.
    pub who: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// The sides as they were seen, as JSON; the office; the day until which it is accepted.
    pub detail: Option<String>,
}

/// What is decided about work items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// To live with it, until a day or until its values change.
    Accept {
        /// Until when.
        until: Option<CalendarDate>,
    },
    /// It is the turn of an office.
    Assign {
        /// Which.
        office: String,
    },
    /// Somebody above is told.
    Escalate,
    /// It is open again: an acceptance ends.
    Reopen,
    /// A repair is asked for, to be approved by a second person.
    RequestRepair,
    /// A repair that somebody else asked for is approved, and begins.
    ApproveRepair,
    /// A repair begins, where one person is enough.
    Repair,
}

impl Act {
    /// Stable name, for the audit chain.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accept { .. } => "accept",
            Self::Assign { .. } => "assign",
            Self::Escalate => "escalate",
            Self::Reopen => "reopen",
            Self::RequestRepair => "request_repair",
            Self::ApproveRepair => "approve_repair",
            Self::Repair => "repair",
        }
    }
}

/// A decision about work items, with who made it and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What.
    pub act: Act,
    /// Who, and why.
    pub by: Person,
}

/// Which work items a decision is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen {
    /// These.
    Ids(Vec<i64>),
    /// All that match.
    Filter(Box<ItemFilter>),
}

/// What came of a decision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DecidedItems {
    /// Work items that it changed.
    pub changed: Vec<i64>,
    /// Work items that it could not change, by reason.
    pub refused: BTreeMap<String, u64>,
}

/// A repair that somebody decided, and that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BegunRepair {
    /// The work item.
    pub item: WorkItem,
    /// Who decided it, and why.
    pub by: Person,
    /// When.
    pub at: UtcInstant,
}

/// A period that somebody signed off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignOff {
    /// The period: a month, `2026-11`, or a year.
    pub period: String,
    /// Who, and why or with which reservation.
    pub who: String,
    /// What he wrote with it.
    pub reason: String,
    /// When.
    pub at: UtcInstant,
    /// Work items that were open then.
    pub open: u64,
    /// Those that a known cause accounted for.
    pub explained: u64,
    /// Those that somebody lived with.
    pub accepted: u64,
}

/// Discrepancies as work.
#[async_trait]
pub trait WorkItems: Send + Sync {
    /// Opens a run of a comparison, or takes up the one that was killed. What ended because the
    /// comparison was not configured stands again as it did. Refused while another run is under way.
    async fn begin_comparison(&self, comparison: &str, at: UtcInstant) -> Result<ComparisonRun, StorageError>;

    /// Notes what a run found, in one transaction with how far it has come: new work items, what
    /// changed of known ones, what is open again. What the other side lacks is held back until the
    /// run ends complete. An empty progress says that there is more to note before the next place.
    /// Refused when the run has lost its turn.
    async fn note_discrepancies(
        &self,
        run: &ComparisonRun,
        found: &[Discrepancy],
        progress: &str,
        at: UtcInstant,
    ) -> Result<Changes, StorageError>;

    /// Leaves the work items of units as they are: nothing can be said of them now, so that the end
    /// of the run does not close them.
    async fn keep_units(&self, run: &ComparisonRun, units: &[String], at: UtcInstant) -> Result<(), StorageError>;

    /// Says on which list a run rests, before it looks at anything: killed, it is known by it.
    async fn rest_on(&self, run: &ComparisonRun, evidence: &str, at: UtcInstant) -> Result<(), StorageError>;

    /// Ends a run. When both sides were read completely, what it did not see again is closed.
    async fn finish_comparison(
        &self,
        run: &ComparisonRun,
        result: &RunResult,
        at: UtcInstant,
    ) -> Result<RunSummary, StorageError>;

    /// Closes what stands of comparisons that are not among these: nobody compares their sides any
    /// more. What people decided is kept until such a comparison begins again. One that is under way is
    /// left alone, and so is one that was heard of after `silent_since`. How many work items were closed, by
    /// comparison.
    async fn retire_all_but(
        &self,
        configured: &[String],
        silent_since: UtcInstant,
        at: UtcInstant,
    ) -> Result<BTreeMap<String, u64>, StorageError>;

    /// Work items with one cause, one line each; the gravest first, then the largest amount.
    async fn groups(&self, filter: &ItemFilter) -> Result<Vec<Group>, StorageError>;

    /// Work items in the order of their numbers, after one of them.
    async fn items(&self, filter: &ItemFilter, after: Option<i64>, limit: u32) -> Result<Vec<WorkItem>, StorageError>;

    /// How many there are.
    async fn count_items(&self, filter: &ItemFilter) -> Result<u64, StorageError>;

    /// One work item.
    async fn item(&self, id: i64) -> Result<Option<WorkItem>, StorageError>;

    /// All that happened to a work item, the oldest first.
    async fn item_history(&self, id: i64) -> Result<Vec<ItemEvent>, StorageError>;

    /// Decides about work items, in one transaction with its entries in the audit chain. A repair that
    /// is decided is begun in the same transaction, until [`Self::end_repairs`].
    async fn decide(&self, decision: &Decision, about: &Chosen, at: UtcInstant) -> Result<DecidedItems, StorageError>;

    /// Repairs that were begun and have not ended, in the order of the work items, after one of them.
    async fn begun_repairs(&self, after: Option<i64>, limit: u32) -> Result<Vec<BegunRepair>, StorageError>;

    /// Repairs of these work items have ended: what came of them stands in the audit chain.
    async fn end_repairs(&self, items: &[i64], outcome: &str, at: UtcInstant) -> Result<(), StorageError>;

    /// The last runs, the newest first.
    async fn runs(&self, comparison: Option<&str>, limit: u32) -> Result<Vec<RunSummary>, StorageError>;

    /// Signs a period off, with how many work items stood open.
    async fn sign_off(&self, period: &str, by: &Person, at: UtcInstant) -> Result<SignOff, StorageError>;

    /// The periods that were signed off, the newest first.
    async fn sign_offs(&self, limit: u32) -> Result<Vec<SignOff>, StorageError>;
}

//! The vocabulary of the storage traits: plain data, no tables.

use std::collections::BTreeMap;

use canonical::values::UtcInstant;
use canonical::{Digest, Finding, Kind, Record, RecordKey, SourceName};
use contract::{Lane, Receipt, SetAside, Shipment, UnitKey};
use serde::{Deserialize, Serialize};

use super::Changes;
use crate::delivery::DeliveryState;
use crate::discrepancy::Discrepancy;

macro_rules! ids {
    ($( $(#[doc = $doc:literal])+ $name:ident; )+) => { $(
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )+ };
}

/// A standing record, at one of its versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StandingId {
    /// Which record.
    pub record: RecordId,
    /// The number of the version.
    pub version: u32,
}

ids! {
    /// A run: one act of reading.
    RunId;
    /// A received document.
    DocumentId;
    /// A record, whatever its version.
    RecordId;
    /// A delivery: one unit of one target.
    DeliveryId;
    /// One attempt to send.
    AttemptId;
    /// A job of the queue.
    JobId;
    /// A reconciliation.
    ReconciliationId;
}

/// Why a run was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    /// A person named the files.
    Import,
    /// The schedule, or `sync`.
    Sync,
}

impl RunKind {
    /// Stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Sync => "sync",
        }
    }
}

/// The totals of a run. They balance: what was read is new, unchanged, quarantined or refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RunTotals {
    /// Raw records read, plus documents refused.
    pub read: u64,
    /// Raw records that gave at least one new version.
    pub new: u64,
    /// Raw records that said nothing new.
    pub unchanged: u64,
    /// Raw records that stand aside with a reason.
    pub quarantined: u64,
    /// Documents refused whole.
    pub refused: u64,
}

impl RunTotals {
    /// Whether nothing was dropped.
    pub fn balanced(&self) -> bool {
        self.read == self.new + self.unchanged + self.quarantined + self.refused
    }

    /// The sum of two totals.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            read: self.read + other.read,
            new: self.new + other.new,
            unchanged: self.unchanged + other.unchanged,
            quarantined: self.quarantined + other.quarantined,
            refused: self.refused + other.refused,
        }
    }
}

/// A raw record, understood and routed, ready to be stored.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The document it stands in.
    pub document: DocumentId,
    /// The line where it begins.
    pub line: u64,
    /// How many earlier records of the document have the same natural key.
    pub occurrence: u32,
    /// The received text.
    pub text: String,
    /// What it says.
    pub records: Vec<RoutedRecord>,
    /// What its owner should know.
    pub findings: Vec<Finding>,
    /// Set when it stands aside.
    pub set_aside: Option<SetAside>,
}

/// A canonical record with the places where it should go.
#[derive(Debug, Clone)]
pub struct RoutedRecord {
    /// The record.
    pub record: Record,
    /// Who is believed when several sources speak of one thing: the smallest, then the first by name.
    pub rank: u16,
    /// Where each configured target should hold it, when this version is stored. Targets that are
    /// not named here were not asked: what they hold of the record stays.
    pub routes: Vec<Route>,
}

/// One target of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The target.
    pub target: String,
    /// The unit it belongs to, or why it is withheld.
    pub destination: Destination,
}

/// Where a routed record goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Nowhere: the target takes no such records. What it held of them leaves its unit.
    Nowhere,
    /// Into a unit, to be delivered not before `due_at`.
    Unit {
        /// The unit.
        key: UnitKey,
        /// Its lane.
        lane: Lane,
        /// Not before.
        due_at: UtcInstant,
    },
    /// Nowhere, for a reason that people should see.
    Withheld {
        /// Stable code.
        code: &'static str,
    },
    /// Not before something outside the record changes. A record that is a member of a unit there
    /// stays one, so that nothing is withdrawn; any other is withheld with this code.
    HeldBack {
        /// Stable code.
        code: &'static str,
    },
}

/// What an arrival turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// At least one of its records has a new version.
    New,
    /// Nothing it says is new.
    Unchanged,
    /// It stands aside.
    Quarantined,
}

impl Stored {
    /// Stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Unchanged => "unchanged",
            Self::Quarantined => "quarantined",
        }
    }
}

/// A write that was refused because the lease behind it is no longer ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fenced<T> {
    /// Written.
    Done(T),
    /// The lease was lost: nothing was written.
    LeaseLost,
}

/// A lease on a job: valid until it ends or another claim takes the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The job.
    pub job: JobId,
    /// Which claim this is.
    pub token: i64,
}

/// A turn that was taken: nobody else has it until it is left, or its time is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// What it is about.
    pub name: String,
    /// Which taking this is.
    pub token: i64,
}

/// A delivery as the delivery station needs it.
#[derive(Debug, Clone)]
pub struct LoadedDelivery {
    /// Which one.
    pub id: DeliveryId,
    /// The target.
    pub target: String,
    /// The unit.
    pub unit: UnitKey,
    /// The revision that the target should hold.
    pub desired_revision: u64,
    /// The revision that it holds; zero for none.
    pub held_revision: u64,
    /// Where it stands.
    pub state: DeliveryState,
    /// Since when, in one way or another. A step that is held stays so from its first look on.
    pub state_since: UtcInstant,
    /// Attempts made for the last shipment.
    pub attempts: u32,
    /// When the first attempt of the last shipment was made.
    pub first_attempt_at: Option<UtcInstant>,
    /// When the last one was.
    pub last_attempt_at: Option<UtcInstant>,
    /// Current versions of its members, in key order.
    pub members: Vec<Record>,
    /// The last shipment that was stored for it.
    pub last_shipment: Option<Shipment>,
    /// The last receipt that the target gave for it.
    pub last_receipt: Option<Receipt>,
}

/// The intent to send, to be committed before sending.
#[derive(Debug, Clone)]
pub struct Intent {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The lease under which it is sent.
    pub lease: Lease,
    /// What is sent.
    pub shipment: Shipment,
}

/// The outcome of an attempt, to be committed after it.
#[derive(Debug, Clone)]
pub struct Conclusion {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The attempt; none when it was settled without sending.
    pub attempt: Option<AttemptId>,
    /// The lease under which it was made.
    pub lease: Lease,
    /// The revision concerned.
    pub revision: u64,
    /// The new state.
    pub state: DeliveryState,
    /// Proof, when the target took it.
    pub receipt: Option<Receipt>,
}

/// What a job is about. A job holds ids only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobSubject {
    /// Bring one delivery one step further.
    Deliver(DeliveryId),
    /// Do nothing: for measurements and tests of the queue.
    Nothing(i64),
}

/// A job to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// What it is about.
    pub subject: JobSubject,
    /// Its lane; none for a job that is free of all others.
    pub lane: Option<String>,
    /// Not before.
    pub run_at: UtcInstant,
}

/// A claimed job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedJob {
    /// The lease.
    pub lease: Lease,
    /// What it is about.
    pub subject: JobSubject,
    /// How often it was claimed since it last answered, this time included.
    pub attempts: u32,
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEnd {
    /// Done.
    Done,
    /// To be run again, not before.
    RetryAt(UtcInstant),
    /// Stands aside until a person acts.
    Parked,
}

/// The end of a claimed job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    /// The lease under which it ran.
    pub lease: Lease,
    /// How it ended.
    pub end: JobEnd,
}

/// How much to claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimRequest {
    /// At most so many; zero claims nothing.
    pub limit: u32,
    /// Jobs ready by now.
    pub now: UtcInstant,
    /// The leases run until then.
    pub lease_until: UtcInstant,
}

/// The answer of a round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// What was claimed.
    pub claimed: Vec<ClaimedJob>,
    /// How many settlements came too late.
    pub lost: u64,
}

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
    /// Every attempt, oldest first.
    pub attempts: Vec<TracedAttempt>,
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
    /// Rows not compared: their delivery is still on its way, or the other side was not read so far.
    pub on_its_way: u64,
    /// Rows not compared because their delivery was refused or stands aside.
    pub stopped: u64,
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
        }
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
        if !complete {
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

fn as_text<S: serde::Serializer>(value: &impl std::fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

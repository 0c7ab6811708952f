//! The vocabulary of the storage traits: plain data, no tables. Here what is written; what people read
//! stands in `views`, what a comparison is about and says in `comparison`.

use canonical::values::UtcInstant;
use canonical::{Finding, Record};
use contract::{Lane, Receipt, SetAside, Shipment, UnitKey};
use serde::Serialize;

use crate::delivery::DeliveryState;

mod comparison;
mod views;

pub use comparison::*;
pub use views::*;

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

fn as_text<S: serde::Serializer>(value: &impl std::fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

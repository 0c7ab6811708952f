//! What the flow needs from a database, and nothing of what the tables are.
//!
//! Five traits, by who asks: [`Ledger`] for intake and versions, [`Deliveries`] for the delivery
//! station, [`Queue`] for the workers, [`Turns`] for schedules and sweeps, [`Views`] for people and for
//! reconciliation, which has [`Families`] too; beside them [`Decisions`] of people, discrepancies as [`WorkItems`], and the
//! [`AuditChain`]. A database implements all
//! of them ([`Store`]); one suite in `contract-tests` runs every promise on each.
//!
//! Every method is atomic and durable: when it returns, what it wrote is on disk.

pub mod model;
pub mod parked;
pub mod work_items;
pub mod item_filter;
pub mod families;
pub mod chain;
pub mod exchange;
pub mod webhooks;
pub mod signals;
pub mod exports;
pub mod calls;
pub mod postgres;
pub mod sqlite;
mod migrations;
mod sql;

use async_trait::async_trait;
use canonical::values::UtcInstant;
use canonical::{Kind, Record, SourceName};
use contract::{DocumentHeader, Neighbour, Refusal, UnitKey};
use tokio::sync::watch;

pub use calls::Calls;
pub use chain::{AuditChain, AuditHead, AuditReport, KeptHead, log_head};
pub use exchange::Exchange;
pub use exports::Exports;
pub use families::{Families, Family, Repeated, SourceState, Things};
pub use item_filter::{CauseFilter, FieldFilter, ItemFilter, NewIn, NotAFilter, StateFilter};
pub use model::*;
pub use parked::{Decided, Decisions, KeptRecord, ParkedFilter, ParkedId, ParkedItem, ParkedKind, Person, Replay};
pub use signals::Signals;
pub use sql::SqlStore;
pub use webhooks::Webhooks;
pub use work_items::{
    BegunRepair, Changes, Chosen, ComparisonRun, DecidedItems, Decision, EventKind, ItemEvent, RunResult, RunSummary,
    SignOff, WorkItems,
};

/// What a database could not do.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The database cannot be reached, is busy or is full.
    #[error("database not available while trying to {attempted}")]
    Unavailable {
        /// What was attempted.
        attempted: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What stands in the database is not what this program wrote.
    #[error("stored data not readable while trying to {attempted}: {problem}")]
    Damaged {
        /// What was attempted.
        attempted: &'static str,
        /// What was found.
        problem: String,
    },
    /// The schema of the database is newer than this program, or another process owns it.
    #[error("database not usable: {problem}")]
    Refused {
        /// Why, and what to do.
        problem: String,
    },
}

/// Records, versions, and the work they cause.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Opens a run: one act of reading, whose totals must balance.
    async fn begin_run(&self, kind: RunKind, source: &SourceName, at: UtcInstant) -> Result<RunId, StorageError>;

    /// Registers a document. The same bytes from the same source always give the same id, and
    /// ids grow in the order of first arrival.
    async fn register_document(
        &self,
        run: RunId,
        source: &SourceName,
        header: &DocumentHeader,
        at: UtcInstant,
    ) -> Result<DocumentId, StorageError>;

    /// Stores understood raw records, in order. In one transaction, for each of them: the new
    /// versions, the deliveries and jobs they cause, the quarantine, the audit entries and the
    /// totals of the run. The answer says, for each, what it turned out to be.
    ///
    /// A version is replaced only by a later one: later date of the data, or same date and a
    /// document that arrived later, or the same line of the same document read with other rules.
    /// A key that returns on another line of the same document leaves the first in place.
    async fn store(&self, run: RunId, arrivals: Vec<Arrival>, at: UtcInstant) -> Result<Vec<Stored>, StorageError>;

    /// Notes that a document was refused whole. It counts as one read and one refused.
    async fn refuse_document(
        &self,
        run: RunId,
        source: &SourceName,
        remote_id: &str,
        refusal: &Refusal,
        at: UtcInstant,
    ) -> Result<(), StorageError>;

    /// Closes a run and returns its totals, which balance or the run stays open.
    async fn finish_run(&self, run: RunId, at: UtcInstant) -> Result<RunTotals, StorageError>;

    /// Gives standing records new routes, without a new version: units and withheld records change
    /// only where the routes say something else than before. Returns how many records moved.
    ///
    /// Here and in [`Ledger::store`], of the records of several sources with one kind and key only
    /// the one with the smallest rank is a member of a unit of a target; the others are withheld
    /// there with the code `owned_elsewhere`.
    /// A record that has another version by now is left for the next time, on the list of
    /// [`Views::records_to_route`].
    async fn reroute(&self, records: Vec<(StandingId, Vec<Route>)>, at: UtcInstant) -> Result<u64, StorageError>;

    /// Sets the ranks of standing records, by kind and source. Those of other kinds and sources stay.
    /// It is done in steps, each atomic: one that was cut short is done again from the beginning.
    async fn rank(&self, ranks: Vec<(Kind, SourceName, u16)>, at: UtcInstant) -> Result<(), StorageError>;

    /// By which targets and rules the standing records were last routed.
    async fn routing(&self) -> Result<Option<String>, StorageError>;

    /// Remembers by which targets and rules all standing records are routed.
    async fn save_routing(&self, routing: &str, at: UtcInstant) -> Result<(), StorageError>;

    /// Where the last complete read of a source ended.
    async fn cursor(&self, source: &SourceName) -> Result<Option<String>, StorageError>;

    /// Remembers where a complete read of a source ended.
    async fn save_cursor(&self, source: &SourceName, cursor: &str, at: UtcInstant) -> Result<(), StorageError>;

    /// Forgets where a read of a source ended: the next one begins at its beginning.
    async fn forget_cursor(&self, source: &SourceName, at: UtcInstant) -> Result<(), StorageError>;
}

/// What each target should hold, what it holds, and every attempt in between.
#[async_trait]
pub trait Deliveries: Send + Sync {
    /// A delivery with the current versions of all its members, in key order, and its last
    /// shipment; none when it does not exist.
    async fn load(&self, delivery: DeliveryId) -> Result<Option<LoadedDelivery>, StorageError>;

    /// Commits the intent to send: shipment and attempt are on disk before the first byte leaves.
    /// A shipment of the same delivery and revision is stored once; its bytes never change.
    /// Refused when the lease is no longer ours.
    async fn begin_attempt(&self, intent: Intent, at: UtcInstant) -> Result<Fenced<AttemptId>, StorageError>;

    /// Commits the outcome of an attempt: receipt, new state, audit entry. When newer changes
    /// arrived meanwhile the delivery is due again. Refused when the lease is no longer ours. The same
    /// outcome of the same attempt may be written again, and changes nothing.
    async fn conclude(&self, conclusion: Conclusion, at: UtcInstant) -> Result<Fenced<()>, StorageError>;

    /// Makes a settled delivery due again as a new revision: repair, or a person's decision. The
    /// revision is greater than `above`, the one that the target was seen to hold.
    async fn reopen(&self, delivery: DeliveryId, above: u64, reason: &str, at: UtcInstant) -> Result<(), StorageError>;

    /// The other units of the lane of a delivery on its target, with the current versions of their
    /// members, in ascending order of unit key.
    async fn neighbours(&self, delivery: DeliveryId) -> Result<Vec<Neighbour>, StorageError>;

    /// Gives a job to deliveries that wait for somebody else and whose time has come. Returns how
    /// many. When a target takes a step, the held ones of its lane have come.
    async fn wake(&self, at: UtcInstant) -> Result<u64, StorageError>;

    /// Finds deliveries that are due and have no open job, and gives them one. Returns how many.
    async fn sweep(&self, at: UtcInstant) -> Result<u64, StorageError>;
}

/// The durable queue: claims with lease and token, settlements, expiry.
#[async_trait]
pub trait Queue: Send + Sync {
    /// One round in one transaction: first settles what finished, then claims what is ready.
    /// Inside a lane only the oldest open job can be claimed. A settlement whose token is no
    /// longer valid changes nothing and is counted as lost.
    async fn round(&self, settlements: &[Settlement], claim: ClaimRequest) -> Result<Round, StorageError>;

    /// Gives back claimed jobs that never started: ready again at once, the attempt not counted.
    async fn release(&self, leases: &[Lease]) -> Result<(), StorageError>;

    /// Extends leases, at an instant until another; returns those that were already lost.
    async fn renew(&self, leases: &[Lease], at: UtcInstant, until: UtcInstant) -> Result<Vec<Lease>, StorageError>;

    /// Makes jobs whose lease expired ready again, or parks them after `max_attempts`. Returns how
    /// many were touched. Where processes share the database, no lease expires before the server's
    /// own clock says so; the leases of a process that is gone end at the second call that finds it
    /// absent, some seconds after the first.
    async fn expire(&self, at: UtcInstant, max_attempts: u32) -> Result<u64, StorageError>;

    /// Ends every lease as [`Queue::expire`] does, where no other process can hold one: those of a
    /// process that died are not waited for. Where processes share the database it does nothing.
    /// To be called once, before work begins.
    async fn take_back(&self, at: UtcInstant, max_attempts: u32) -> Result<u64, StorageError>;

    /// When the next job becomes ready, if any is waiting.
    async fn next_ready(&self) -> Result<Option<UtcInstant>, StorageError>;

    /// Adds jobs, in order. Jobs of the flow are added by [`Ledger::store`] itself; this is for
    /// schedules, repairs and measurements.
    async fn enqueue(&self, jobs: &[NewJob], at: UtcInstant) -> Result<(), StorageError>;

    /// Removes finished jobs older than `before`, at most `limit` of them. Returns how many.
    async fn prune(&self, before: UtcInstant, limit: u32) -> Result<u64, StorageError>;

    /// Changes value after every commit that made work ready. Losing a change is harmless:
    /// workers also look by themselves.
    fn wake_ups(&self) -> watch::Receiver<u64>;
}

/// What only one of all processes that share the database does at a time. There the clock of the
/// server decides: of the instants here only the time between them counts, as it does for leases.
#[async_trait]
pub trait Turns: Send + Sync {
    /// Takes the turn with this name until an instant, when nobody has it. Whoever falls silent loses
    /// it then.
    async fn take_turn(&self, name: &str, at: UtcInstant, until: UtcInstant) -> Result<Option<Turn>, StorageError>;

    /// Holds a turn until another instant, or leaves it until the next is due. False when it was lost
    /// meanwhile: then nothing changes.
    async fn hold_turn(&self, turn: &Turn, at: UtcInstant, until: UtcInstant) -> Result<bool, StorageError>;
}

/// What people and reconciliation read. Nothing here changes anything.
#[async_trait]
pub trait Views: Send + Sync {
    /// Counts for the overview.
    async fn overview(&self) -> Result<Overview, StorageError>;

    /// The life of the records with this key, or whose key begins with it and a slash.
    async fn trace(&self, key: &str) -> Result<Trace, StorageError>;

    /// Current versions of all records, in the order of their ids, after an id.
    async fn current_records(
        &self,
        after: Option<RecordId>,
        limit: u32,
    ) -> Result<Vec<(StandingId, Record)>, StorageError>;

    /// Records that may take a place which another source has left, to be given to
    /// [`Ledger::reroute`], which takes them off this list.
    async fn records_to_route(&self, limit: u32) -> Result<Vec<(StandingId, Record)>, StorageError>;

    /// Standing records of a source with this key, or whose keys begin with it and a slash, in the
    /// order of their keys.
    async fn told_by(&self, source: &str, prefix: &str) -> Result<Vec<Record>, StorageError>;

    /// Which kinds stand, from which sources.
    async fn kinds_and_sources(&self) -> Result<Vec<(Kind, SourceName)>, StorageError>;

    /// The memberships in Pi.Co. that stand.
    async fn adesioni(&self) -> Result<Vec<Record>, StorageError>;

    /// Units of a target with their members, in ascending order of unit key (byte order), after a
    /// key.
    async fn expected_units(
        &self,
        target: &str,
        after: Option<&UnitKey>,
        limit: u32,
    ) -> Result<Vec<ExpectedUnit>, StorageError>;

    /// Deliveries by target and state, for those who wait for quiet.
    async fn delivery_counts(&self) -> Result<Vec<DeliveryCount>, StorageError>;

    /// How many deliveries are owed: due, sent, in doubt or to be tried again.
    async fn open_deliveries(&self) -> Result<u64, StorageError>;
}

/// A database that implements everything.
#[async_trait]
pub trait Store:
    Ledger
    + Deliveries
    + Queue
    + Turns
    + Views
    + Families
    + Decisions
    + WorkItems
    + AuditChain
    + Exchange
    + Webhooks
    + Signals
    + Exports
    + Calls
{
    /// Ends it: what was accepted is written, and nothing is accepted any more.
    async fn close(&self);

    /// Why nothing can be written any more, after a commit failed; reads may go on.
    fn failure(&self) -> Option<String>;

    /// The time of the server, where processes share one: none of them may lag behind it. A server
    /// that takes no writes is not available.
    async fn time(&self) -> Result<Option<UtcInstant>, StorageError>;
}

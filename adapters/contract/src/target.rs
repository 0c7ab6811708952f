//! The target role: from canonical records to a remote system.
//!
//! A delivery concerns a **unit**: what one request replaces on the other side. For a system that
//! takes records one at a time the unit is the record; for a system that takes whole datasets it is
//! the dataset of a body and a period. The flow keeps, for each unit, the revision that the target
//! should hold and the one it holds.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use canonical::identifiers::CodiceFiscale;
use canonical::{Digest, Finding, Kind, Record, RecordKey};
use serde::{Deserialize, Serialize};

use crate::{AdapterError, FieldValue, Row};

/// The key of a unit on one target, in the target's own vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnitKey(pub String);

impl UnitKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UnitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Units of the same lane are delivered one at a time, in order; lanes are free of each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lane(pub String);

/// A unit and its lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// What one request replaces.
    pub key: UnitKey,
    /// What it must stay in order with.
    pub lane: Lane,
}

/// Where a record goes on one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// Into this unit.
    Unit(Unit),
    /// Nowhere: the target does not take such records.
    Elsewhere,
    /// The target takes such records, but not this one, for a reason that people should see.
    Withheld {
        /// Stable code, for instance `smartcig`.
        code: &'static str,
    },
}

/// What is to be sent for a unit: the exact bytes, and the rows they carry.
#[derive(Clone, PartialEq, Eq)]
pub struct Composed {
    /// The body of the request. The same members always give the same bytes.
    pub body: Vec<u8>,
    /// What the target is expected to hold afterwards, in its own vocabulary.
    pub rows: Vec<Row>,
    /// What was left out or changed on the way.
    pub findings: Vec<Finding>,
}

impl fmt::Debug for Composed {
    /// What is sent may be personal: only sizes are told.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Composed")
            .field("bytes", &self.body.len())
            .field("rows", &self.rows.len())
            .field("findings", &self.findings)
            .finish()
    }
}

/// A composed unit ready to be sent. It is stored before it is sent, and sent again unchanged.
#[derive(Clone, PartialEq, Eq)]
pub struct Shipment {
    /// The unit.
    pub unit: UnitKey,
    /// The revision of the unit that these bytes carry, counted from one.
    pub revision: u64,
    /// The same for every attempt of the same revision.
    pub idempotency_key: String,
    /// The body of the request.
    pub body: Vec<u8>,
    /// The last receipt that the target gave for the unit, for targets that want their own
    /// identifier back in every later request.
    pub previous_receipt: Option<Receipt>,
}

impl fmt::Debug for Shipment {
    /// What is sent may be personal: only its size is told.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shipment")
            .field("unit", &self.unit)
            .field("revision", &self.revision)
            .field("idempotency_key", &self.idempotency_key)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Shipment {
    /// SHA-256 of the body.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.body)
    }
}

/// Proof that the target took a shipment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The identifier given by the target, when it gives one.
    pub remote_id: Option<String>,
    /// Status of the answer, by the rules of the protocol (HTTP status for HTTP systems).
    pub status: u16,
    /// SHA-256 of the body of the answer, in hexadecimal.
    pub answer_digest: String,
    /// What the target remarked while it took it, in its own words, without personal data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What the target answered, when it answered something we understand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Taken.
    Acknowledged(Receipt),
    /// Taken, and to be decided later on the other side, by a person or by another system:
    /// [`Target::follow`] asks until it ends.
    Submitted {
        /// Proof that it was taken.
        receipt: Receipt,
        /// Where it stands there, in the target's own word, for instance `in_verifica`.
        state: String,
    },
    /// Refused by the target's rules: sending the same again would be refused again.
    Refused {
        /// The target's own code.
        code: String,
        /// The target's own words, without personal data.
        message: String,
    },
}

/// What the target holds for a unit, as far as it can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// Nothing.
    Nothing,
    /// The very content of the shipment asked about.
    Same(Receipt),
    /// Something else: an older revision, or a stranger's.
    Other,
}

/// Where a submitted shipment stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// Still on its way, in the target's own word.
    Pending(String),
    /// It ended. [`Outcome::Submitted`] is not an end.
    Ended(Outcome),
}

/// Another unit of the same lane on the same target, as the ledger knows it.
#[derive(Debug, Clone)]
pub struct Neighbour {
    /// The unit.
    pub unit: UnitKey,
    /// Its members, one record per kind and key.
    pub members: Vec<Record>,
    /// Whether the target holds it: it was acknowledged or submitted there.
    pub is_held: bool,
}

/// Why a step is not admitted yet. It waits, and is tried again when its lane changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotYet {
    /// Stable code: the target's own where it publishes one.
    pub code: String,
    /// What is missing, in one Italian sentence for people.
    pub reason: String,
}

/// Why one field of a row has its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The row of the unit.
    pub row: String,
    /// The field, in the target's vocabulary.
    pub field: String,
    /// Its value; none when the field is left empty.
    pub value: Option<FieldValue>,
    /// The record from which the value comes; none when it comes from no record.
    pub record: Option<(Kind, RecordKey)>,
    /// The fields of that record which decide it, as in the canonical schema.
    pub path: &'static str,
    /// How the value is made, in one Italian sentence, for instance `copiato senza modifiche`.
    pub rule: &'static str,
    /// The row of a code list by which a code was translated.
    pub code_list: Option<String>,
}

/// The target role.
#[async_trait]
pub trait Target: Send + Sync {
    /// Where a record goes. Pure.
    fn place(&self, record: &Record) -> Placement;

    /// The body to which a unit belongs, where its key says it. Pure. Asked of targets that want a
    /// membership: a unit without members names its body no other way.
    fn body_of(&self, unit: &UnitKey) -> Option<CodiceFiscale> {
        let _ = unit;
        None
    }

    /// Composes the request of a unit from all its members, in key order. Pure. The error is a
    /// reason that people should see: the delivery is parked with it.
    fn compose(&self, unit: &UnitKey, revision: u64, members: &[Record]) -> Result<Composed, String>;

    /// Whether [`Target::admit`] wants to see what else stands in the lane of a unit.
    fn watches_lane(&self) -> bool {
        false
    }

    /// Whether a step may be taken now, given everything else that stands in its lane. Pure. Asked
    /// only of targets that watch their lanes, before anything is sent.
    fn admit(&self, unit: &UnitKey, members: &[Record], lane: &[Neighbour]) -> Result<(), NotYet> {
        let _ = (unit, members, lane);
        Ok(())
    }

    /// Why each field of a unit has its value, from the same table by which it is composed. Pure.
    fn explain(&self, unit: &UnitKey, members: &[Record]) -> Vec<Explanation>;

    /// The version of the mapping: it changes whenever the same records would give other bytes.
    fn mapping_version(&self) -> &'static str;

    /// Sends one shipment once.
    async fn send(&self, shipment: &Shipment) -> Result<Outcome, AdapterError>;

    /// Asks by natural key whether a shipment whose answer was lost has arrived.
    async fn look_up(&self, shipment: &Shipment) -> Result<Held, AdapterError>;

    /// The longest pause that the target asked for since the last question, in whatever answer: one
    /// that was taken may say that it was the last for now (`X-RateLimit-Remaining: 0`). The flow
    /// asks after each operation, and sends nothing more to this target before the pause is over.
    fn pause_asked(&self) -> Option<Duration> {
        None
    }

    /// Asks where a submitted shipment stands. Targets that answer at once are never asked.
    async fn follow(&self, shipment: &Shipment, receipt: &Receipt) -> Result<Followed, AdapterError> {
        let _ = shipment;
        Ok(Followed::Ended(Outcome::Acknowledged(receipt.clone())))
    }
}

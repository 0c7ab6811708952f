//! The target role: from canonical records to a remote system.
//!
//! A delivery concerns a **unit**: what one request replaces on the other side. For a system that
//! takes records one at a time the unit is the record; for a system that takes whole datasets it is
//! the dataset of a body and a period. The flow keeps, for each unit, the revision that the target
//! should hold and the one it holds.

use std::fmt;

use async_trait::async_trait;
use canonical::{Digest, Finding, Record};
use serde::{Deserialize, Serialize};

use crate::{AdapterError, Row};

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
}

impl fmt::Debug for Shipment {
    /// What is sent may be personal: only its size is told.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shipment")
            .field("unit", &self.unit)
            .field("revision", &self.revision)
            .field("idempotency_key", &self.idempotency_key)
            .field("bytes", &self.body.len())
            .finish()
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
}

/// What the target answered, when it answered something we understand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Taken.
    Acknowledged(Receipt),
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

/// The target role.
#[async_trait]
pub trait Target: Send + Sync {
    /// Where a record goes. Pure.
    fn place(&self, record: &Record) -> Placement;

    /// Composes the request of a unit from all its members, in key order. Pure. The error is a
    /// reason that people should see: the delivery is parked with it.
    fn compose(&self, unit: &UnitKey, revision: u64, members: &[Record]) -> Result<Composed, String>;

    /// Sends one shipment once.
    async fn send(&self, shipment: &Shipment) -> Result<Outcome, AdapterError>;

    /// Asks by natural key whether a shipment whose answer was lost has arrived.
    async fn look_up(&self, shipment: &Shipment) -> Result<Held, AdapterError>;
}

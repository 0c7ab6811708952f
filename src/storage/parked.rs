//! What waits for a person, and what a person decides about it.
//!
//! Three kinds of things wait: deliveries that stand aside, that were refused or that nobody can
//! clear of doubt; raw records in quarantine; documents refused whole. Nothing is ever deleted by a
//! decision: what is discarded leaves the list and stays in the ledger, with who did it and why.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use canonical::SourceName;
use canonical::values::UtcInstant;
use contract::{DocumentHeader, RawRecord};
use serde::{Serialize, Serializer};

use super::{Arrival, DeliveryId, DocumentId, RunId, StorageError, Stored};
use crate::delivery::DeliveryState;

/// What kind of thing waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ParkedKind {
    /// A delivery.
    Delivery,
    /// A raw record in quarantine.
    Record,
    /// A document refused whole.
    Document,
}

impl ParkedKind {
    /// Every kind, in the order in which they are listed.
    pub const ALL: [Self; 3] = [Self::Delivery, Self::Record, Self::Document];

    /// Stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delivery => "delivery",
            Self::Record => "record",
            Self::Document => "document",
        }
    }

    /// The letter before its numbers, from the Italian noun: consegna, riga, documento.
    fn letter(self) -> char {
        match self {
            Self::Delivery => 'C',
            Self::Record => 'R',
            Self::Document => 'D',
        }
    }
}

/// Names one thing that waits: `C12`, `R7`, `D3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParkedId {
    /// What kind of thing.
    pub kind: ParkedKind,
    /// Its number among those of its kind.
    pub number: i64,
}

impl fmt::Display for ParkedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.kind.letter(), self.number)
    }
}

impl Serialize for ParkedId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text that names nothing that can wait.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the number of something parked: write C12 for a delivery, R7 for a record, D3 for a document")]
pub struct NotAParkedId;

impl FromStr for ParkedId {
    type Err = NotAParkedId;

    fn from_str(text: &str) -> Result<Self, NotAParkedId> {
        let mut rest = text.chars();
        let letter = rest.next().ok_or(NotAParkedId)?.to_ascii_uppercase();
        let kind = ParkedKind::ALL.into_iter().find(|kind| kind.letter() == letter).ok_or(NotAParkedId)?;
        let number = rest.as_str().parse().ok().filter(|number| *number > 0).ok_or(NotAParkedId)?;
        Ok(Self { kind, number })
    }
}

/// Which of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParkedFilter {
    /// Those of this target or source.
    pub system: Option<String>,
    /// Those of this kind.
    pub kind: Option<ParkedKind>,
    /// Those with this code; a state of deliveries (`parked`, `refused`, `in_doubt`) counts as one.
    pub code: Option<String>,
    /// Those with this text in the key of the unit, the received text or the name of the document,
    /// and the units with a record of this key.
    pub key: Option<String>,
}

/// One thing that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ParkedItem {
    /// What names it.
    pub id: ParkedId,
    /// What kind of thing.
    pub kind: ParkedKind,
    /// The target of a delivery, the source of the others.
    pub system: String,
    /// The unit of a delivery, the name of a document, with the line of a record.
    pub key: String,
    /// Since when.
    pub since: UtcInstant,
    /// Stable code of the reason, or that of the system which refused.
    pub code: String,
    /// The reason, as it was told.
    pub message: String,
    /// The state of a delivery.
    pub state: Option<&'static str>,
    /// Whether an attempt may have arrived: only a person, or the target, knows.
    pub in_doubt: bool,
    /// How often it came: documents are refused again at every read.
    pub times: u64,
}

/// Who decides, and why: both stand in the audit chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// What a person decides of deliveries that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// To be sent again as a new revision; one in doubt is observed first.
    Again,
    /// One in doubt that arrived: it is acknowledged by declaration, without a receipt.
    Arrived,
    /// One in doubt that did not arrive: the same bytes are sent under the same key.
    NotArrived,
}

impl Replay {
    /// Stable name, for the audit chain.
    pub fn name(self) -> &'static str {
        match self {
            Self::Again => "again",
            Self::Arrived => "arrived",
            Self::NotArrived => "not_arrived",
        }
    }
}

/// The text of a raw record in quarantine, with all that is needed to understand it again.
#[derive(Debug, Clone)]
pub struct KeptRecord {
    /// Its source.
    pub source: SourceName,
    /// Its document.
    pub document: DocumentId,
    /// The record as received.
    pub raw: RawRecord,
}

impl KeptRecord {
    /// A record of a document.
    pub fn new(
        source: SourceName,
        document: DocumentId,
        header: DocumentHeader,
        line: u64,
        said: (u32, String),
    ) -> Self {
        let raw = RawRecord { document: Arc::new(header), line, occurrence: said.0, text: said.1 };
        Self { source, document, raw }
    }
}

/// What a person asked for and cannot be done, in words.
pub type Decided<T> = Result<T, String>;

/// What waits for a person, and what a person decides.
#[async_trait]
pub trait Decisions: Send + Sync {
    /// What waits, in the order of kinds and numbers, after one of them. Fewer than `limit` are the
    /// last.
    async fn parked(
        &self,
        filter: &ParkedFilter,
        after: Option<ParkedId>,
        limit: u32,
    ) -> Result<Vec<ParkedItem>, StorageError>;

    /// How many things wait.
    async fn count_parked(&self, filter: &ParkedFilter) -> Result<u64, StorageError>;

    /// One thing that waits; none when nothing of this name waits any more.
    async fn parked_item(&self, id: ParkedId) -> Result<Option<ParkedItem>, StorageError>;

    /// Decides about deliveries, in one transaction with an audit entry for each. The answers come
    /// in order: the new state, or why it cannot be.
    async fn replay_deliveries(
        &self,
        deliveries: &[DeliveryId],
        replay: Replay,
        by: &Person,
        at: UtcInstant,
    ) -> Result<Vec<Decided<DeliveryState>>, StorageError>;

    /// The kept text of a raw record that stands in quarantine.
    async fn kept_record(&self, number: i64) -> Result<Option<KeptRecord>, StorageError>;

    /// Stores raw records that were understood again, as [`super::Ledger::store`] does, with an
    /// audit entry for each. Those that still stand aside do so for today's reason.
    async fn replay_records(
        &self,
        run: RunId,
        arrivals: Vec<(i64, Arrival)>,
        by: &Person,
        at: UtcInstant,
    ) -> Result<Vec<Stored>, StorageError>;

    /// Takes things off the list, in one transaction with an audit entry for each. A delivery comes
    /// back with its next revision; a raw record does not when the same line of the same document is
    /// read again; a document comes back when it is refused after it was read once, or for another
    /// reason.
    async fn discard(&self, ids: &[ParkedId], by: &Person, at: UtcInstant) -> Result<Vec<Decided<()>>, StorageError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_as_a_number_is_read_as_the_same() {
        for kind in ParkedKind::ALL {
            let id = ParkedId { kind, number: 42 };
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(id.to_string().to_lowercase().parse(), Ok(id));
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for text in ["", "C", "12", "C0", "C-1", "X7", "C1x"] {
            assert_eq!(text.parse::<ParkedId>(), Err(NotAParkedId), "{text}");
        }
    }
}

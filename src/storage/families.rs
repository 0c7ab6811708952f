//! What several sources say of one lot, or of one thing: read in pages, in the order of the keys, so that
//! everything is seen once and little of it is in memory at a time.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use canonical::identifiers::{Cig, CodiceFiscale};
use canonical::values::{CalendarDate, UtcInstant};
use canonical::{Kind, Record, RecordKey, SourceName};

use super::{RecordId, StorageError};

/// Records that a source says again on another line of the document that holds now.
pub type Repeated = BTreeSet<(Kind, RecordKey, SourceName)>;

/// What is known under one CIG, from all sources.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// The CIG.
    pub cig: String,
    /// The standing records, in the order of key, kind and source: those of the lot, and those that
    /// speak of it under another key.
    pub records: Vec<Record>,
    /// Which of them are said more than once.
    pub repeated: Repeated,
    /// Kinds and keys of its records, where they are too many to be read: then there are none here.
    pub too_many: Vec<(Kind, RecordKey)>,
}

/// A page of what is not known by a CIG, thing by thing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Things {
    /// The key behind which the next page begins; none at the end.
    pub last: Option<String>,
    /// In the order of key, kind and source. Of a project the photograph before the standing one too.
    pub records: Vec<Record>,
    /// Which of them are said more than once.
    pub repeated: Repeated,
}

/// How far a source was read, and of what it speaks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceState {
    /// Whether its last reading came to the end.
    pub is_read: bool,
    /// Documents that this reading refused.
    pub refused: u64,
    /// Rows that stand aside, of which nobody knows what they are.
    pub unreadable: u64,
    /// The newest day to which its documents date their data.
    pub as_of: Option<CalendarDate>,
    /// When its last reading ended.
    pub read_at: Option<UtcInstant>,
    /// The bodies of which it has ever spoken, by kind.
    pub spoken_of: BTreeMap<Kind, BTreeSet<CodiceFiscale>>,
}

/// What the comparison of the sources reads. Nothing here changes anything.
#[async_trait]
pub trait Families: Send + Sync {
    /// What all sources say, by CIG, in ascending order, after one of them. A page may be shorter than
    /// asked for; the last one is empty.
    async fn families(&self, after: Option<&str>, limit: u32) -> Result<Vec<Family>, StorageError>;

    /// What all sources say of things whose key is no CIG, in the order of their keys, after one of them.
    async fn things(&self, after: Option<&str>, limit: u32) -> Result<Things, StorageError>;

    /// The standing lots with these CIG, and the qualifications of these bodies.
    async fn lots_and_qualifications(
        &self,
        lots: &BTreeSet<Cig>,
        bodies: &BTreeSet<CodiceFiscale>,
    ) -> Result<Vec<Record>, StorageError>;

    /// Bodies, operators and territories, in the order of their ids, after an id.
    async fn registers(&self, after: Option<RecordId>, limit: u32) -> Result<Vec<(RecordId, Record)>, StorageError>;

    /// How far each source was read, by its name.
    async fn source_states(&self) -> Result<BTreeMap<String, SourceState>, StorageError>;
}

//! What partners read of the ledger, and how often they asked to write: the side of the exchange API.
//!
//! Whose records somebody may see is a part of every question: the database filters before it pages,
//! so that nobody learns from a page how much he was not shown.

use async_trait::async_trait;
use canonical::identifiers::{Cig, CodiceFiscale, Cup};
use canonical::values::UtcInstant;
use canonical::{Digest, Kind, Record};
use serde::{Serialize, Serializer};

use super::{RecordId, StorageError};

/// Versions looked at for one page, at most: a page may be short and still not be the last.
pub const WINDOW: i64 = 10_000;

/// Whose records somebody may see. By default nobody's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// Those of every body, and those that belong to none.
    pub everything: bool,
    /// Those of these bodies.
    pub bodies: Vec<CodiceFiscale>,
    /// Those of the bodies in these supra-municipal units: three digits of ISTAT each.
    pub units: Vec<String>,
}

impl Scope {
    /// What this one or the other may see.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        self.everything |= other.everything;
        self.bodies.extend(other.bodies);
        self.units.extend(other.units);
        self
    }
}

/// A place in the order in which versions were committed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    /// The version.
    pub version: i64,
    /// The first bytes of its digest, by which a database that was set back is known.
    pub anchor: [u8; 4],
}

/// A version as it stands in the ledger.
#[derive(Debug, Clone)]
pub struct StoredVersion {
    /// Its number among all versions of all records.
    pub id: i64,
    /// The record.
    pub record: RecordId,
    /// Its number among those of the record, from one.
    pub number: u32,
    /// When it was stored.
    pub stored_at: UtcInstant,
    /// Who is believed when several sources speak of one thing: the smallest.
    pub rank: u16,
    /// What it says.
    pub content: Record,
}

/// A page of versions.
#[derive(Debug, Clone)]
pub struct VersionPage {
    /// In the order in which they were committed.
    pub items: Vec<StoredVersion>,
    /// Where the next page begins.
    pub next: Position,
    /// Whether something was committed behind it.
    pub has_more: bool,
}

/// Which records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordFilter {
    /// Of this kind.
    pub kind: Option<Kind>,
    /// About this lot.
    pub cig: Option<Cig>,
    /// About this project.
    pub cup: Option<Cup>,
    /// Of this body.
    pub ente: Option<CodiceFiscale>,
}

/// What is known of one CIG.
#[derive(Debug, Clone)]
pub struct CigFamily {
    /// The lot.
    pub cig: String,
    /// Its standing records; of several with one kind and key the believed one comes first.
    pub versions: Vec<StoredVersion>,
}

/// A page of families.
#[derive(Debug, Clone)]
pub struct FamilyPage {
    /// In the order of their CIGs.
    pub items: Vec<CigFamily>,
    /// The last CIG that was looked at, when there are others behind it.
    pub next: Option<String>,
}

/// What was asked under a key before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Nothing: it is to be done now.
    New,
    /// The same, and it is being done.
    Running,
    /// The same, and this was answered.
    Answered {
        /// The status.
        status: u16,
        /// The body.
        body: String,
    },
    /// Something else.
    Other,
}

/// A request that writes, with the key by which its sender knows it.
#[derive(Debug, Clone)]
pub struct KeyedRequest {
    /// Who asks.
    pub client: String,
    /// The key.
    pub key: String,
    /// The digest of what is asked.
    pub digest: Digest,
}

/// What was proven of a message that a partner sent: names of the platform and digests, never who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProvenMessage {
    /// The partner.
    #[serde(skip)]
    pub partner: String,
    /// His client of the national platform.
    pub client_id: Option<String>,
    /// Why he sends it.
    pub purpose_id: Option<String>,
    /// The name of the voucher.
    pub voucher: Option<String>,
    /// The digest of its body.
    #[serde(serialize_with = "hexadecimal")]
    pub body: Digest,
    /// That of its signature.
    #[serde(serialize_with = "hexadecimal_or_none")]
    pub signature: Option<Digest>,
    /// That of the evidence of who asked.
    #[serde(serialize_with = "hexadecimal_or_none")]
    pub evidence: Option<Digest>,
}

fn hexadecimal<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(digest)
}

#[expect(clippy::ref_option, reason = "the serializer gives the field as it is")]
fn hexadecimal_or_none<S: Serializer>(digest: &Option<Digest>, serializer: S) -> Result<S::Ok, S::Error> {
    match digest {
        Some(digest) => serializer.collect_str(digest),
        None => serializer.serialize_none(),
    }
}

/// What the exchange API needs from a database.
#[async_trait]
pub trait Exchange: Send + Sync {
    /// Every version that somebody may see, in the order of commit, after a position. None when what
    /// stands there is not what stood there: the database was set back.
    ///
    /// Version ids grow in the order of commit, so a version that a later page could still miss does
    /// not exist: who has read to the end has read everything that was committed.
    async fn changes(&self, scope: &Scope, after: Position, limit: u32) -> Result<Option<VersionPage>, StorageError>;

    /// Where the feed ends now.
    async fn feed_end(&self) -> Result<Position, StorageError>;

    /// Standing versions in the order of commit, after a position. A record that changes meanwhile
    /// comes again, behind.
    async fn standing(
        &self,
        scope: &Scope,
        filter: RecordFilter,
        after: Position,
        limit: u32,
    ) -> Result<Option<VersionPage>, StorageError>;

    /// Versions of one record after a number, oldest first.
    async fn versions_of(
        &self,
        scope: &Scope,
        record: RecordId,
        after: u32,
        limit: u32,
    ) -> Result<Vec<StoredVersion>, StorageError>;

    /// The version of a record that stands.
    async fn standing_of(&self, scope: &Scope, record: RecordId) -> Result<Option<StoredVersion>, StorageError>;

    /// What is known by CIG, after one.
    async fn cig_families(&self, scope: &Scope, after: &str, limit: u32) -> Result<FamilyPage, StorageError>;

    /// The bodies of a scope, those of its units among them.
    async fn bodies(&self, scope: &Scope) -> Result<Vec<CodiceFiscale>, StorageError>;

    /// Notes that a request is being done, unless it was asked before. One that began before
    /// `abandoned` and was never answered is done again: its process died.
    async fn begin_request(
        &self,
        request: &KeyedRequest,
        at: UtcInstant,
        abandoned: UtcInstant,
    ) -> Result<Asked, StorageError>;

    /// Notes what was answered.
    async fn end_request(
        &self,
        request: &KeyedRequest,
        began: UtcInstant,
        status: u16,
        body: String,
    ) -> Result<(), StorageError>;

    /// Forgets that a request was begun: nothing was done, and it may be asked again.
    async fn forget_request(&self, request: &KeyedRequest, began: UtcInstant) -> Result<(), StorageError>;

    /// Notes in the audit chain what was proven of a message.
    async fn note_message(&self, proven: &ProvenMessage, at: UtcInstant) -> Result<(), StorageError>;
}

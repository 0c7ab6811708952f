//! The source role: from a remote system to canonical records.
//!
//! Reading and understanding are apart. [`Source::read`] speaks with the world and hands over raw
//! records, in order, as it meets them; [`Source::normalize`] is a pure function of one raw record,
//! so that a record set aside today can be read again tomorrow with a better mapping.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use canonical::values::CalendarDate;
use canonical::{Body, Digest, FieldPath, Finding, Rule};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::AdapterError;

/// What to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadRequest {
    /// These files only, whatever the settings say.
    pub files: Option<Vec<PathBuf>>,
    /// Where the last complete read ended, in the words of the source.
    pub cursor: Option<String>,
}

/// A document, file or page from which raw records come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentHeader {
    /// File name, address or identifier on the side of the system.
    pub remote_id: String,
    /// SHA-256 of the received bytes, in hexadecimal.
    pub digest: String,
    /// Format, in the adapter's words, for instance `l190`.
    pub format: String,
    /// Version of the format.
    pub version: String,
    /// The day to which the document dates its data, when it says so.
    pub as_of: Option<CalendarDate>,
    /// What else the adapter needs to understand the records, in its own words.
    pub context: serde_json::Value,
}

impl DocumentHeader {
    /// The digest as bytes; documents of our own making always have a valid one.
    pub fn digest(&self) -> Option<Digest> {
        Digest::from_hex(&self.digest)
    }
}

/// One record as received, with all that is needed to understand it again later.
#[derive(Clone, PartialEq, Eq)]
pub struct RawRecord {
    /// The document it stands in.
    pub document: Arc<DocumentHeader>,
    /// The line where it begins, counted from one.
    pub line: u64,
    /// How many earlier records of the same document have the same natural key. It tells the
    /// second award of a CIG from the first where the source numbers neither.
    pub occurrence: u32,
    /// The received text, decoded.
    pub text: String,
}

impl fmt::Debug for RawRecord {
    /// The received text may be personal: only its length is told.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawRecord")
            .field("document", &self.document.remote_id)
            .field("line", &self.line)
            .field("occurrence", &self.occurrence)
            .field("bytes", &self.text.len())
            .finish()
    }
}

/// Why a document was refused whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Stable code, for instance `not_xml`.
    pub code: String,
    /// What was wrong, in one line.
    pub message: String,
    /// The line where it was found, when there is one.
    pub line: Option<u64>,
}

/// What a source hands over, in order. Every `Begin` is followed by its records and by one `End`
/// or one `Refused`; a document may be refused after some of its records were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// A document begins.
    Begin(Arc<DocumentHeader>),
    /// A record of the current document.
    Record(RawRecord),
    /// The current document ends; it was read completely.
    End,
    /// A document, the current one or one that never began, is refused. A source that can know
    /// before it begins gives none of its records.
    Refused {
        /// File name, address or identifier on the side of the system.
        remote_id: String,
        /// Why.
        refusal: Refusal,
    },
    /// Everything up to here was handed over: the next read may start from this point.
    Cursor(String),
}

/// Where a source hands over what it reads. The channel is bounded: a slow flow slows the source.
pub type RawSink = mpsc::Sender<Received>;

/// A body with the received texts of the values that were not already canonical.
#[derive(Clone, PartialEq, Eq)]
pub struct DraftRecord {
    /// What the record says.
    pub body: Body,
    /// Received text by field path of the body.
    pub raw: BTreeMap<FieldPath, String>,
}

impl fmt::Debug for DraftRecord {
    /// Received texts may be personal: only the fields that have one are named.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DraftRecord").field("body", &self.body).field("raw", &self.raw.keys()).finish()
    }
}

/// Why a raw record stands aside: it is kept with its text and can be replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// The rule that decided.
    pub rule: Rule,
    /// What a person should know, in one English line without personal data.
    pub reason: String,
}

/// What one raw record turned out to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Normalized {
    /// The canonical records it holds, in the order in which they must be stored.
    pub records: Vec<DraftRecord>,
    /// What the owner of the data should know.
    pub findings: Vec<Finding>,
    /// Set when the raw record as a whole cannot be used.
    pub set_aside: Option<SetAside>,
}

/// The source role.
#[async_trait]
pub trait Source: Send + Sync {
    /// Reads and hands over raw records in order. A refused document is not an error: its
    /// neighbours are read. An error ends the read; what was handed over before stays valid. A list
    /// that gives fewer rows or pages than it announces was not read completely: that is an error too.
    async fn read(&self, request: ReadRequest, sink: RawSink) -> Result<(), AdapterError>;

    /// Understands one raw record. Pure: the same record always gives the same answer.
    fn normalize(&self, raw: &RawRecord) -> Normalized;
}

//! Provenance: where every value comes from.
//!
//! Most values of a record share one origin: the source, the remote document, the position in it
//! and the time of reading. That origin stands once on the record. A value whose received text
//! was not already canonical adds its own line with the raw text, so that
//! [`Provenance::of`] can answer for any field: who said it, where, when, and in which words.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::values::{CalendarDate, UtcInstant};

/// The configured name of a source: one adapter pointed at one place, for instance `file-drop`.
///
/// Two sources never write over each other: the ledger keeps what each of them says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SourceName(String);

impl SourceName {
    /// A name: lower-case ASCII letters, digits and hyphens, one to sixty-four of them.
    pub fn parse(name: &str) -> Option<Self> {
        let shape = (1..=64).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        shape.then(|| Self(name.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The path of a field inside a record or a received document, for instance `/importo` or
/// `aggiudicatari/2/codiceFiscale`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct FieldPath(String);

impl FieldPath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for FieldPath {
    fn from(path: &str) -> Self {
        Self(path.to_owned())
    }
}

impl From<String> for FieldPath {
    fn from(path: String) -> Self {
        Self(path)
    }
}

impl Borrow<str> for FieldPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The origin of a record, and of each of its values.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Provenance {
    /// Which source said it.
    pub source: SourceName,
    /// The remote document or object: a file name, an address, an identifier given by the system.
    pub remote_id: String,
    /// SHA-256 of the received document, in lower-case hexadecimal.
    pub document_digest: String,
    /// The line of the document where the record begins, counted from one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<u64>,
    /// The day to which the source dates its own data, when it says so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub as_of: Option<CalendarDate>,
    /// When we read it, UTC.
    pub read_at: UtcInstant,
    /// The received text of each value that was not already canonical.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub raw: BTreeMap<FieldPath, String>,
}

impl fmt::Debug for Provenance {
    /// Received texts may be personal: only the fields that have one are named.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provenance")
            .field("source", &self.source)
            .field("remote_id", &self.remote_id)
            .field("line", &self.line)
            .field("as_of", &self.as_of)
            .field("read_at", &self.read_at)
            .field("raw", &self.raw.keys())
            .finish_non_exhaustive()
    }
}

/// The answer of [`Provenance::of`] for one field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ValueOrigin<'a> {
    /// Which source said it.
    pub source: &'a SourceName,
    /// The remote document or object.
    pub remote_id: &'a str,
    /// The line of the document where the record begins.
    pub line: Option<u64>,
    /// When we read it.
    pub read_at: UtcInstant,
    /// The received text, when it differs from the canonical spelling of the value.
    pub raw: Option<&'a str>,
}

impl fmt::Debug for ValueOrigin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueOrigin")
            .field("source", &self.source)
            .field("remote_id", &self.remote_id)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

impl Provenance {
    /// The origin of one field of the record, named by its path.
    pub fn of(&self, field: &str) -> ValueOrigin<'_> {
        ValueOrigin {
            source: &self.source,
            remote_id: &self.remote_id,
            line: self.line,
            read_at: self.read_at,
            raw: self.raw.get(field).map(String::as_str),
        }
    }
}

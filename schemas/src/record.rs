//! The envelope of a canonical record: kind, key, schema version, digest, provenance.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::kinds::{Body, Kind};
use crate::provenance::Provenance;

/// The version of the canonical schemas that this crate writes.
pub const SCHEMA_VERSION: u16 = 1;

/// The key of a record among those of its kind, for instance a CIG, or `CIG/award/phase/number`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct RecordKey(String);

impl RecordKey {
    pub(crate) fn new(key: String) -> Self {
        Self(key)
    }

    /// A key as it was stored. Keys are made by [`Body::key`].
    pub fn from_stored(key: String) -> Self {
        Self(key)
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// SHA-256 of the canonical bytes of a body: the input may be hostile and the digest leaves us.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of several parts, with the length of each mixed in, so that `ab|c` is not `a|bc`.
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A digest from its 32 stored bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// A digest from its 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if text.len() != 64 {
            return None;
        }
        let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// A canonical record: a body, and where every value of it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// The version of the canonical schema of the body.
    pub schema_version: u16,
    /// What the record says.
    #[serde(flatten)]
    pub body: Body,
    /// Where it comes from.
    pub provenance: Provenance,
}

impl Record {
    /// A record of today's schema version.
    pub fn new(body: Body, provenance: Provenance) -> Self {
        Self { schema_version: SCHEMA_VERSION, body, provenance }
    }

    /// The kind of the body.
    pub fn kind(&self) -> Kind {
        self.body.kind()
    }

    /// The key among the records of the same kind.
    pub fn key(&self) -> RecordKey {
        self.body.key()
    }

    /// The digest of what the record says: kind, schema version and body, never its provenance.
    /// Reading the same data again gives the same digest.
    pub fn digest(&self) -> Digest {
        self.body.digest(self.schema_version)
    }
}

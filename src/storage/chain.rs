//! The audit chain as those outside the database see it: its head, and whether it stands.
//!
//! Only a head that is kept elsewhere reveals a tail that was cut off or written anew: the daemon
//! logs it after every reconciliation and when it stops.

use std::fmt;

use async_trait::async_trait;
use canonical::Digest;
use serde::Serialize;

use super::StorageError;

/// The last entry of the chain: to be kept outside the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditHead {
    /// Its number: how many entries there are.
    pub entries: u64,
    /// Its hash, in hexadecimal.
    pub head: String,
}

impl fmt::Display for AuditHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.entries, self.head)
    }
}

/// A head as it was kept outside the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptHead {
    /// Its number, when it was kept too.
    pub number: Option<u64>,
    /// Its hash.
    pub hash: Digest,
}

impl From<Digest> for KeptHead {
    fn from(hash: Digest) -> Self {
        Self { number: None, hash }
    }
}

/// What a recomputation of the chain found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// Entries that stand.
    pub entries: u64,
    /// Hash of the last entry that stands, in hexadecimal.
    pub head: String,
    /// The first entry that does not stand, and why; or that its tail was cut off.
    pub broken: Option<String>,
}

/// The chain of everything that changed.
#[async_trait]
pub trait AuditChain: Send + Sync {
    /// Recomputes the chain from its first entry. With an earlier head, the chain must still hold that
    /// entry, under its number. Where the database remembers the last entry beside the chain, the
    /// chain must end with it.
    async fn verify_audit(&self, kept: Option<KeptHead>) -> Result<AuditReport, StorageError>;

    /// The last entry, as it is stored.
    async fn audit_head(&self) -> Result<AuditHead, StorageError>;
}

/// Writes the head into the log, which is kept outside the database.
pub async fn log_head(chain: &(impl AuditChain + ?Sized)) {
    match chain.audit_head().await {
        Ok(AuditHead { entries, head }) => tracing::info!(entries, head, "head of the audit chain"),
        Err(error) => tracing::warn!(%error, "head of the audit chain not read"),
    }
}

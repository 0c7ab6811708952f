//! Exports that are made while nobody waits: what was asked, how far it is, and the bytes of it.
//!
//! A result is written piece by piece, each with the place where the next begins: whoever is killed goes
//! on from there. Pieces stand in the database, so that every process that shares it can give them.

use async_trait::async_trait;
use canonical::values::UtcInstant;

use super::StorageError;
use super::exchange::Position;

/// The code of an export that failed because what is stored of it, or for it, cannot be read.
pub const DAMAGED: &str = "damaged";

/// An export that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewExport {
    /// Its name.
    pub id: String,
    /// Who asked, by the name of the configuration.
    pub partner: String,
    /// What, in the words of the API.
    pub request: String,
    /// By which id he knows the exchange.
    pub correlation: String,
    /// Where he wants to be told when it is there.
    pub reply_to: Option<String>,
    /// Of whose records it speaks: when that changes, it is not given any more.
    pub seen: String,
    /// With which cursor the change feed goes on after it.
    pub feed_cursor: String,
}

/// What becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportState {
    /// It is being made, or waits for it.
    Processing,
    /// It is there, since then.
    Done(UtcInstant),
    /// It could not be made, for a reason with this code.
    Failed(UtcInstant, String),
}

/// An export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportTask {
    /// What was asked.
    pub asked: NewExport,
    /// When.
    pub made_at: UtcInstant,
    /// What became of it.
    pub state: ExportState,
    /// Behind which version it goes on.
    pub after: Position,
    /// Bytes written.
    pub bytes: u64,
    /// Attempts to tell who asked.
    pub reply_attempts: u32,
    /// When he is to be told next; none when he is owed nothing.
    pub reply_due_at: Option<UtcInstant>,
}

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// It will be made.
    New,
    /// The same is being made already, under this name.
    Same(String),
    /// He has as many as he may have.
    TooMany,
}

/// How an attempt to tell who asked ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyEnding {
    /// He took it.
    Taken,
    /// He did not; the next is due then.
    Again(UtcInstant),
    /// He did not, and is not told any more: the result is there to be asked for.
    GivenUp,
}

/// What exports need from a database.
#[async_trait]
pub trait Exports: Send + Sync {
    /// Adds an export, unless the same partner is waiting for the same or has `most` of them
    /// that did not fail.
    async fn add_export(&self, export: NewExport, most: u32, at: UtcInstant) -> Result<Added, StorageError>;

    /// An export.
    async fn export(&self, id: &str) -> Result<Option<ExportTask>, StorageError>;

    /// Those that are not made yet and those whose partner is to be told, the oldest first; without those
    /// whose row cannot be read.
    async fn open_exports(&self) -> Result<Vec<ExportTask>, StorageError>;

    /// Ends those whose row is not what this program wrote, as failed with [`DAMAGED`]: nobody could go on
    /// with them, and they keep no other waiting. Their names.
    async fn end_damaged_exports(&self, at: UtcInstant) -> Result<Vec<String>, StorageError>;

    /// Appends a piece that begins at a byte, and notes behind which version the next begins. False when
    /// somebody else has written there, or it has ended: then nothing changes.
    async fn append_export(&self, id: &str, begins: u64, piece: Vec<u8>, after: Position)
    -> Result<bool, StorageError>;

    /// Ends an export; one that failed keeps no bytes. False when it had ended.
    async fn end_export(&self, id: &str, failed: Option<&str>, at: UtcInstant) -> Result<bool, StorageError>;

    /// What is written from a byte on, up to the end of a piece. None at the end.
    async fn export_bytes(&self, id: &str, from: u64) -> Result<Option<Vec<u8>>, StorageError>;

    /// Commits the intent to tell who asked: the number of the attempt. None when he is owed nothing.
    async fn attempt_reply(&self, id: &str) -> Result<Option<u32>, StorageError>;

    /// Commits how it ended. What was taken was taken, whoever sent it; anything else counts only for
    /// the last attempt.
    async fn end_reply(&self, id: &str, attempt: u32, ending: ReplyEnding) -> Result<(), StorageError>;

    /// Bytes that are stored for a partner, of all his exports.
    async fn kept_export_bytes(&self, partner: &str) -> Result<u64, StorageError>;

    /// Forgets exports that ended before an instant, with all their bytes. Returns how many.
    async fn forget_exports(&self, before: UtcInstant) -> Result<u64, StorageError>;
}

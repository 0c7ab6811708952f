//! Signal Hub, both sides: how far the readers of our e-service were told of changes, with the signal
//! under way; and how far we heard what others tell of theirs.
//!
//! A signal is on disk before it is sent, with its number: whoever is told again, after an answer that
//! was lost or a process that died, is told the same under the same number.

use async_trait::async_trait;
use canonical::Kind;
use canonical::values::UtcInstant;

use super::exchange::{Position, Scope};
use super::{RecordId, StorageError};

/// A record that changed, of which readers are to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The record.
    pub record: RecordId,
    /// Its kind.
    pub kind: Kind,
    /// Its key.
    pub key: String,
    /// Whether it was not there before.
    pub is_new: bool,
}

/// What lies behind a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextChange {
    /// The first record that changed; none as far as was looked.
    pub changed: Option<Changed>,
    /// Its place; or how far was looked.
    pub until: Position,
    /// Whether something was committed behind it.
    pub has_more: bool,
}

/// A signal that was not taken yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingSignal {
    /// Its number. Above every other that was given before.
    pub number: i64,
    /// The change that it tells of.
    pub until: Position,
    /// What is sent, to the byte.
    pub body: String,
    /// Attempts begun.
    pub attempts: u32,
    /// Not to be tried before.
    pub due_at: UtcInstant,
}

/// How far the readers of an e-service were told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signalling {
    /// The e-service.
    pub eservice: String,
    /// Up to where they were told, or there was nothing for them.
    pub told: Position,
    /// The highest number that was ever given.
    pub last_number: i64,
    /// What is under way.
    pub pending: Option<PendingSignal>,
    /// When the hub last took a signal.
    pub taken_at: Option<UtcInstant>,
    /// Whether they are told at all, as it is configured.
    pub is_on: bool,
    /// When the last attempt ended otherwise, and why: a stable code.
    pub failed: Option<(UtcInstant, String)>,
}

/// An attempt to send a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignalAttempt {
    /// Its number, from one.
    pub number: u32,
    /// Whether the hub may have the signal from an attempt before it.
    pub in_doubt: bool,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignalEnding {
    /// The hub has it.
    Taken,
    /// It has not, for a reason with this code; the next attempt is due then.
    Again {
        /// Why.
        code: String,
        /// When.
        due_at: UtcInstant,
        /// Whether the hub may have it all the same.
        in_doubt: bool,
    },
    /// It never takes this number. The same change is told under another, which is given when it is due.
    Renumbered {
        /// Why.
        code: String,
        /// When.
        due_at: UtcInstant,
        /// The other number.
        number: i64,
        /// What is sent with it, to the byte.
        body: String,
    },
}

/// How far the signals of a system's e-service were heard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listening {
    /// The system, by the name of the configuration.
    pub system: String,
    /// The e-service behind it.
    pub eservice: String,
    /// The number of the last signal that was heard.
    pub heard: i64,
    /// When everything that there was had been heard.
    pub heard_at: Option<UtcInstant>,
    /// Since when something is known to have changed there that was not looked at.
    pub stale_since: Option<UtcInstant>,
    /// When hearing last failed, and why: a stable code.
    pub failed: Option<(UtcInstant, String)>,
    /// When looking last failed, and why: a stable code.
    pub not_looked: Option<(UtcInstant, String)>,
}

/// What was heard in one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// The number from which it was asked for: nothing is noted when somebody else went on since.
    pub from: i64,
    /// The number that it ends with.
    pub to: i64,
    /// Whether nothing is behind it now.
    pub is_all: bool,
    /// Whether something in it is a reason to look.
    pub is_stale: bool,
}

/// What both sides of Signal Hub need from a database.
#[async_trait]
pub trait Signals: Send + Sync {
    /// How far the readers of an e-service were told. Whoever was never told of anything stands at the
    /// end of the feed: what was there before is read, not signalled.
    async fn signalling(&self, eservice: &str) -> Result<Signalling, StorageError>;

    /// How far the readers of every e-service were told that was ever signalled, by name.
    async fn all_signalling(&self) -> Result<Vec<Signalling>, StorageError>;

    /// The first record that somebody may see and that changed after a position. A change that another
    /// one of the same record has overtaken is left out, unless it is the first. None when what stands at
    /// the position is not what stood there.
    async fn next_change(&self, scope: &Scope, after: Position) -> Result<Option<NextChange>, StorageError>;

    /// Notes that up to a position there is nothing to tell. Nothing changes while a signal is under way,
    /// or when they stand elsewhere than `from`.
    async fn skip_changes(&self, eservice: &str, from: Position, to: Position) -> Result<(), StorageError>;

    /// Puts a signal under way, to be sent at once, and returns whether it is: not when there is one, when
    /// its number is not above all others, or they stand elsewhere than `from`.
    async fn begin_signal(&self, eservice: &str, from: Position, signal: PendingSignal) -> Result<bool, StorageError>;

    /// Commits the intent to send. None when that signal is not under way any more. Until its ending is
    /// noted the hub may have it.
    async fn attempt_signal(&self, eservice: &str, number: i64) -> Result<Option<SignalAttempt>, StorageError>;

    /// Commits how an attempt ended. False when another attempt was begun since, and nothing changes:
    /// except that what was taken was taken, whoever sent it.
    async fn end_signal(
        &self,
        eservice: &str,
        number: i64,
        attempt: u32,
        ending: SignalEnding,
        at: UtcInstant,
    ) -> Result<bool, StorageError>;

    /// How far the signals behind every system were heard, by name; or behind this one alone.
    async fn listening(&self, system: Option<&str>) -> Result<Vec<Listening>, StorageError>;

    /// Notes what is still configured: the readers of which e-service are told, and behind which systems
    /// is listened. What was heard behind others is forgotten; where readers stand is kept.
    async fn signal_only(&self, eservice: Option<&str>, systems: &[String]) -> Result<(), StorageError>;

    /// Commits what was heard in a page, with what it is a reason for, in one transaction. Behind another
    /// e-service than before it begins anew. False when somebody else went on since: nothing changes.
    async fn hear(&self, system: &str, eservice: &str, heard: Heard, at: UtcInstant) -> Result<bool, StorageError>;

    /// Notes that hearing failed.
    async fn not_heard(&self, system: &str, eservice: &str, code: &str, at: UtcInstant) -> Result<(), StorageError>;

    /// Notes that looking failed.
    async fn not_looked(&self, system: &str, code: &str, at: UtcInstant) -> Result<(), StorageError>;

    /// Notes that it was looked at what was heard up to a number; what was heard meanwhile is still a reason
    /// to look again.
    async fn looked(&self, system: &str, heard: i64) -> Result<(), StorageError>;

    /// Whether one of these names is the key of a record, or begins one.
    async fn is_any_known(&self, names: &[String]) -> Result<bool, StorageError>;

    /// Keys of records in their order, each once, after one.
    async fn known_keys(&self, after: &str, limit: u32) -> Result<Vec<String>, StorageError>;
}

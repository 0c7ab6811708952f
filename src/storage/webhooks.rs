//! How far each partner was told that there are changes for him, and the message under way.
//!
//! A message is on disk before it is sent, with its name and everything that it says: whoever is told
//! again, after an answer that was lost or a process that died, is told the same under the same name.

use async_trait::async_trait;
use canonical::values::UtcInstant;

use super::exchange::Position;
use super::{Person, StorageError};

/// A message to a partner that was not taken yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookMessage {
    /// Its name: the same at every attempt, another for every message.
    pub id: String,
    /// Up to where there are changes.
    pub until: Position,
    /// What it is signed over, to the byte.
    pub body: String,
    /// When it was made.
    pub made_at: UtcInstant,
    /// Attempts begun.
    pub attempts: u32,
    /// Not to be tried before.
    pub due_at: UtcInstant,
}

/// Why a partner is told nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookStop {
    /// He answered 410: nobody is there.
    Gone,
    /// He took nothing for as long as we try.
    Silent,
}

impl WebhookStop {
    /// Stable name, as it is stored.
    pub fn code(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Silent => "silent",
        }
    }

    /// The one with this name.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Gone, Self::Silent].into_iter().find(|stop| stop.code() == code)
    }
}

/// Where one partner stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookState {
    /// The partner, by the name of the configuration.
    pub partner: String,
    /// Up to where he was told, or there was nothing for him.
    pub told: Position,
    /// What is under way.
    pub message: Option<WebhookMessage>,
    /// When he last took a message.
    pub taken_at: Option<UtcInstant>,
    /// When the last attempt ended otherwise, and why: a stable code.
    pub failed: Option<(UtcInstant, String)>,
    /// Since when he is told nothing any more, and why.
    pub stopped: Option<(UtcInstant, WebhookStop)>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookEnding {
    /// It was taken.
    Taken,
    /// It was not, for a reason with this code; the next attempt is due then.
    Again {
        /// Why.
        code: String,
        /// When.
        due_at: UtcInstant,
    },
    /// It was not, and no more is sent until a person says so.
    Stopped {
        /// Why the attempt failed.
        code: String,
        /// Why there is no other.
        why: WebhookStop,
    },
}

/// What the sender of webhooks needs from a database.
#[async_trait]
pub trait Webhooks: Send + Sync {
    /// Where every partner stands who was ever looked at, by name; or this one alone.
    async fn webhooks(&self, partner: Option<&str>) -> Result<Vec<WebhookState>, StorageError>;

    /// Notes that up to a position there is nothing for a partner. Nothing changes while a message is
    /// under way, and no position moves back unless it stands no more (`from` says which one was read).
    async fn skip_webhook(&self, partner: &str, from: Position, to: Position) -> Result<(), StorageError>;

    /// Puts a message under way, to be sent at once, and returns whether it is: not when there is one,
    /// the partner was stopped, or he stands elsewhere than `from`.
    async fn begin_webhook(&self, partner: &str, from: Position, message: WebhookMessage)
    -> Result<bool, StorageError>;

    /// Commits the intent to send: the number of the attempt, from one. None when that message is not
    /// under way any more. With the first begins the time in which he takes nothing.
    async fn attempt_webhook(&self, partner: &str, message: &str, at: UtcInstant) -> Result<Option<u32>, StorageError>;

    /// Commits how an attempt ended, with an entry in the audit chain when it was taken or was the
    /// last. False when another attempt was begun since, and nothing changes: except that what was
    /// taken was taken, whoever sent it.
    async fn end_webhook(
        &self,
        partner: &str,
        message: &str,
        attempt: u32,
        ending: WebhookEnding,
        at: UtcInstant,
    ) -> Result<bool, StorageError>;

    /// Tells a partner again who was stopped, from the message that he did not take; a person decides
    /// it. False when he was not stopped.
    async fn resume_webhook(&self, partner: &str, by: &Person, at: UtcInstant) -> Result<bool, StorageError>;
}

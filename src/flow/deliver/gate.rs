//! The gate of a target: who may speak with it now. The stations ask; the jobs decide.
//!
//! A target that is ill, that asked for quiet or that does not know us any more is an affair of
//! the connection, not of the records: they keep their state and their attempts, and wait.

use std::num::NonZeroU32;
use std::time::Duration;

use async_trait::async_trait;
use canonical::values::UtcInstant;
use contract::{AdapterError, Advice, ErrorKind, Phase};
use serde::{Deserialize, Serialize};

/// The gates of all targets.
#[async_trait]
pub trait Gate: Send + Sync + std::fmt::Debug {
    /// Asks to speak with a target that says of itself how many requests it takes at a time. May
    /// hold the caller for a moment.
    async fn enter(&self, target: &str, parallel_requests: u16) -> Entry;

    /// How the targets that were asked so far are, by name.
    fn health(&self) -> Vec<TargetHealth>;
}

/// The answer of a gate.
pub enum Entry {
    /// Speak. The place is kept until the pass is used or dropped.
    Open(Box<dyn Pass>),
    /// Not now: come back then, with nothing changed.
    Shut(UtcInstant),
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Open(_) => f.write_str("Open"),
            Self::Shut(until) => f.debug_tuple("Shut").field(until).finish(),
        }
    }
}

/// The permission to speak with a target once. Dropped unused, nothing was learnt of the target.
pub trait Pass: Send + Sync {
    /// Gives the place back, and tells how the target answered. Returns when the target may be
    /// spoken with again, where it may not be at once.
    fn tell(self: Box<Self>, answered: Answered) -> Option<UtcInstant>;
}

/// What an answer says of the target, whatever it says of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// It answers by its own rules. A refused record is a good sign.
    Well,
    /// It answers, and said that for so long no more is left for us.
    Spent(Duration),
    /// It is overloaded or closed, and perhaps said for how long.
    Busy(&'static str, Option<Duration>),
    /// It could not be spoken with.
    Ill(&'static str),
    /// No record will pass before somebody mends the connection: credentials most of all.
    Locked(&'static str),
}

impl Answered {
    /// The same, by a target that beside its answer asked for a pause.
    #[must_use]
    pub fn with_pause(self, asked: Option<Duration>) -> Self {
        match (self, asked) {
            (Self::Well, Some(asked)) if !asked.is_zero() => Self::Spent(asked),
            (answered, _) => answered,
        }
    }

    /// What an answer says of the target.
    pub fn of<T>(answer: &Result<T, AdapterError>) -> Self {
        let Err(error) = answer else { return Self::Well };
        let code = error.kind.code();
        let asked = match error.advice {
            Advice::Retry { after } => after,
            Advice::FixConfiguration | Advice::AskPerson => None,
        };
        match error.kind {
            ErrorKind::Authentication => Self::Locked(code),
            ErrorKind::RateLimited | ErrorKind::Unavailable | ErrorKind::Timeout => match asked {
                None if error.kind != ErrorKind::RateLimited => Self::Ill(code),
                asked => Self::Busy(code, asked),
            },
            ErrorKind::Unreachable | ErrorKind::Broken | ErrorKind::Local => Self::Ill(code),
            // A permission is of one record, or of one body, as far as we can see.
            ErrorKind::Permission => Self::Well,
            ErrorKind::NotUnderstood => match (error.advice, error.phase) {
                (Advice::AskPerson, _) | (Advice::Retry { .. }, Phase::BeforeSending | Phase::Refused) => Self::Well,
                // A page for people, a redirect: somebody else answers in its place.
                (Advice::Retry { .. } | Advice::FixConfiguration, _) => Self::Ill(code),
            },
        }
    }
}

/// What one target is given at most, as configured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests under way at the same time: fewer than the adapter declares, never more.
    pub parallel_requests: Option<u16>,
    /// Requests begun in a minute, evenly apart. Without it only the answers of the target set the
    /// pace.
    pub requests_per_minute: Option<NonZeroU32>,
}

/// How a target is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TargetHealth {
    /// Its configured name.
    pub target: String,
    /// Whether it is spoken with.
    pub state: HealthState,
    /// Why not: the stable code of the last thing that went wrong.
    pub reason: Option<&'static str>,
    /// Since when it is so.
    pub since: UtcInstant,
    /// When it is tried again.
    pub next: Option<UtcInstant>,
    /// How many requests it is given at a time, now.
    pub parallel_requests: u16,
}

/// Whether a target is spoken with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    /// It is.
    Open,
    /// It asked to be left alone until an instant.
    AskedForQuiet,
    /// It fails: nothing is sent until an instant.
    Shut,
    /// It failed, and one request tries whether it is back.
    Trying,
    /// It does not accept our credentials: nothing is sent until an instant.
    Locked,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(error: AdapterError) -> Answered {
        Answered::of::<()>(&Err(error))
    }

    fn kind(kind: ErrorKind) -> AdapterError {
        AdapterError::new(kind, "test")
    }

    #[test]
    fn an_answer_about_the_record_is_a_good_sign_of_the_target() {
        assert_eq!(Answered::of(&Ok(())), Answered::Well);
        assert_eq!(answered(kind(ErrorKind::Permission)), Answered::Well);
        let too_large = kind(ErrorKind::NotUnderstood).phase(Phase::Refused).advice(Advice::AskPerson);
        assert_eq!(answered(too_large), Answered::Well);
    }

    #[test]
    fn what_keeps_every_record_out_is_an_affair_of_the_target() {
        for ill in [ErrorKind::Unreachable, ErrorKind::Timeout, ErrorKind::Broken, ErrorKind::Unavailable] {
            assert_eq!(answered(kind(ill)), Answered::Ill(ill.code()));
        }
        assert_eq!(answered(kind(ErrorKind::NotUnderstood)), Answered::Ill("not_understood"));
        assert_eq!(answered(kind(ErrorKind::Authentication)), Answered::Locked("authentication"));
    }

    #[test]
    fn a_pause_that_was_asked_reaches_the_gate_as_it_was_asked() {
        let asked = Some(Duration::from_secs(17));
        for busy in [ErrorKind::RateLimited, ErrorKind::Unavailable, ErrorKind::Timeout] {
            let error = kind(busy).advice(Advice::Retry { after: asked });
            assert_eq!(answered(error), Answered::Busy(busy.code(), asked));
        }
        assert_eq!(answered(kind(ErrorKind::RateLimited)), Answered::Busy("rate_limited", None));
    }
}

//! What can go wrong between an adapter and its system, told to the machine.
//!
//! A refusal by the rules of the other side is not an error but an outcome
//! ([`crate::Outcome::Refused`]).

use std::fmt;
use std::time::Duration;

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The system could not be reached at all.
    Unreachable,
    /// No complete answer in time.
    Timeout,
    /// The connection broke while the answer was awaited.
    Broken,
    /// The credentials were not accepted.
    Authentication,
    /// The credentials do not permit this.
    Permission,
    /// Too many requests.
    RateLimited,
    /// The system says that it cannot answer now.
    Unavailable,
    /// The answer is not one that the contract admits.
    NotUnderstood,
    /// Something on our own side could not be read or written.
    Local,
}

impl ErrorKind {
    /// Stable name, for logs and stored reasons.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Authentication => "authentication",
            Self::Permission => "permission",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::NotUnderstood => "not_understood",
            Self::Local => "local",
        }
    }
}

/// How far the request got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing was sent: sending again is safe.
    BeforeSending,
    /// The system answered that it did nothing: sending again is safe.
    Refused,
    /// The request may have taken effect: observe before sending again.
    Unknown,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Try again, not before this long when the system said so.
    Retry {
        /// The pause that the system asked for.
        after: Option<Duration>,
    },
    /// Nothing will work until the configuration changes.
    FixConfiguration,
    /// A person must look.
    AskPerson,
}

/// An error of an adapter, with everything the flow needs to decide.
#[derive(Debug, thiserror::Error)]
pub struct AdapterError {
    /// What went wrong.
    pub kind: ErrorKind,
    /// How far the request got.
    pub phase: Phase,
    /// What to do.
    pub advice: Advice,
    /// What was attempted, on what; without secrets and personal data.
    pub attempted: String,
    /// The remote's own code or status.
    pub remote_code: Option<String>,
    /// The cause underneath.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl AdapterError {
    /// An error of this kind, with the phase and the advice that the kind usually carries.
    pub fn new(kind: ErrorKind, attempted: impl Into<String>) -> Self {
        let (phase, advice) = match kind {
            ErrorKind::Unreachable | ErrorKind::Local => (Phase::BeforeSending, Advice::Retry { after: None }),
            ErrorKind::Timeout | ErrorKind::Broken | ErrorKind::NotUnderstood => {
                (Phase::Unknown, Advice::Retry { after: None })
            }
            ErrorKind::RateLimited | ErrorKind::Unavailable => (Phase::Refused, Advice::Retry { after: None }),
            ErrorKind::Authentication | ErrorKind::Permission => (Phase::Refused, Advice::FixConfiguration),
        };
        Self { kind, phase, advice, attempted: attempted.into(), remote_code: None, source: None }
    }

    /// The same error with another phase.
    #[must_use]
    pub fn phase(mut self, phase: Phase) -> Self {
        self.phase = phase;
        self
    }

    /// The same error with other advice.
    #[must_use]
    pub fn advice(mut self, advice: Advice) -> Self {
        self.advice = advice;
        self
    }

    /// The same error with the remote's own code.
    #[must_use]
    pub fn remote_code(mut self, code: impl Into<String>) -> Self {
        self.remote_code = Some(code.into());
        self
    }

    /// The same error with its cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for AdapterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ErrorKind::Unreachable => "system not reachable",
            ErrorKind::Timeout => "no complete answer in time",
            ErrorKind::Broken => "connection broken before the answer",
            ErrorKind::Authentication => "credentials not accepted",
            ErrorKind::Permission => "operation not permitted",
            ErrorKind::RateLimited => "too many requests",
            ErrorKind::Unavailable => "system not available",
            ErrorKind::NotUnderstood => "answer outside the contract",
            ErrorKind::Local => "local input or output failed",
        };
        write!(f, "{}: {what}", self.attempted)?;
        match &self.remote_code {
            Some(code) => write!(f, " ({code})"),
            None => Ok(()),
        }
    }
}

//! Tokens that are good once: who has seen which, until when.
//!
//! Verifying is pure and gives an [`Unclaimed`]: what it holds is to be had only by claiming its
//! name in a memory that all instances share. Claiming comes last, so that a message refused for
//! another reason does not burn the name of an honest one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use canonical::values::UtcInstant;

use super::{Refusal, seconds};

/// A memory of the names of tokens. One for all instances: on a store, a unique index.
#[async_trait]
pub trait Seen: Send + Sync + fmt::Debug {
    /// Claims a name of an issuer until this second; `false` when somebody did before.
    async fn claim(&self, issuer: &str, name: &str, until: i64, now: UtcInstant) -> Result<bool, SeenError>;
}

/// The memory could not answer: nothing is let through.
#[derive(Debug, thiserror::Error)]
#[error("the memory of seen tokens does not answer: {0}")]
pub struct SeenError(pub String);

/// Something verified whose token is good once.
#[must_use = "nothing is accepted before its name is claimed"]
#[derive(Debug)]
pub struct Unclaimed<T> {
    inner: T,
    issuer: String,
    name: Option<String>,
    until: i64,
    replay_code: &'static str,
}

impl<T> Unclaimed<T> {
    /// `name` is none where the rules do not ask for one and the token has none.
    pub(crate) fn new(inner: T, issuer: impl Into<String>, name: Option<String>, until: i64) -> Self {
        Self { inner, issuer: issuer.into(), name, until, replay_code: "jti_replay" }
    }

    /// With another code for what was seen before.
    pub(crate) fn with_replay_code(self, replay_code: &'static str) -> Self {
        Self { replay_code, ..self }
    }

    /// What was verified, for the one token that comes more than once: an evidence beside the voucher
    /// that is bound to it, which is reused as long as the voucher is.
    pub fn reused(self) -> T {
        self.inner
    }

    /// What was verified, to compare it with what must hold before its name is claimed.
    pub fn unclaimed(&self) -> &T {
        &self.inner
    }

    /// What was verified, once its name is ours.
    pub async fn claim(self, seen: &dyn Seen, now: UtcInstant) -> Result<T, Refusal> {
        let Some(name) = &self.name else { return Ok(self.inner) };
        match seen.claim(&self.issuer, name, self.until, now).await {
            Ok(true) => Ok(self.inner),
            Ok(false) => Err(Refusal::unauthorized(self.replay_code, "the token was presented before")),
            Err(error) => Err(Refusal::unavailable("replay_memory", error.to_string())),
        }
    }
}

/// A memory for one process: tests, and installations of one instance.
#[derive(Debug)]
pub struct MemorySeen {
    names: Mutex<BTreeMap<(String, String), i64>>,
    most: usize,
}

impl Default for MemorySeen {
    fn default() -> Self {
        Self::new(100_000)
    }
}

impl MemorySeen {
    /// A memory of at most so many names at a time. When it is full of names still valid it lets
    /// nothing new through: forgetting one would let it through twice.
    pub fn new(most: usize) -> Self {
        Self { names: Mutex::default(), most }
    }
}

#[async_trait]
impl Seen for MemorySeen {
    async fn claim(&self, issuer: &str, name: &str, until: i64, now: UtcInstant) -> Result<bool, SeenError> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (issuer.to_owned(), name.to_owned());
        match names.get(&key) {
            Some(kept) if *kept > seconds(now) => return Ok(false),
            _ => {}
        }
        if names.len() >= self.most {
            names.retain(|_, until| *until > seconds(now));
        }
        if names.len() >= self.most {
            return Err(SeenError(format!("{} names are still valid", names.len())));
        }
        names.insert(key, until);
        Ok(true)
    }
}

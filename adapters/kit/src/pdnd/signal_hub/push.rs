//! Telling of a change: what the answer to a signal means.
//!
//! Numbers only grow: one below another that was stored is refused for ever. So there is one sender
//! for each e-service, in order, and a lost answer is cured by sending the same number again.

use std::time::Duration;

use serde::Deserialize;

use crate::answer::Answer;

/// What became of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// Queued: it is not delivered yet.
    Queued,
    /// The number is taken: by this very signal, whose answer was lost, or by another. Whoever sent
    /// it knows: success when the number was never given to anything else, else a person must look.
    NumberTaken,
    /// A higher number is stored: the change must be told again under a new one.
    NumberPassed,
    /// It was not queued: the same signal, again.
    Retry {
        /// Not before.
        after: Option<Duration>,
    },
    /// It may have been queued before something behind the hub's door failed: the same signal, again.
    Unknown {
        /// Not before.
        after: Option<Duration>,
    },
    /// The voucher was not accepted: a new one, once.
    RenewVoucher,
    /// The e-service is not active, or has no Signal Hub: nothing more until somebody enables it.
    Stop,
    /// The signal itself is refused.
    Invalid,
    /// Whoever answers is not the hub: the address is to be looked at.
    NotTheHub,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    errors: Vec<ProblemError>,
}

#[derive(Deserialize)]
struct ProblemError {
    code: String,
}

/// The codes of a problem of the platform; none when the body is not one.
pub(crate) fn codes(body: &[u8]) -> Vec<String> {
    let problem = serde_json::from_slice(body).unwrap_or(Problem { errors: Vec::new() });
    problem.errors.into_iter().map(|error| error.code).collect()
}

/// Reads the answer to a signal. The status decides; the body is a bonus.
pub fn outcome(answer: &Answer) -> Pushed {
    let codes = codes(&answer.body);
    let has = |code: &str| codes.iter().any(|known| known == code);
    match answer.status {
        200 => Pushed::Queued,
        400 if has("0002") => Pushed::NumberTaken,
        400 if has("0003") => Pushed::Retry { after: answer.retry_after },
        400 if has("0005") => Pushed::NumberPassed,
        401 => Pushed::RenewVoucher,
        403 => Pushed::Stop,
        429 => Pushed::Retry { after: answer.retry_after },
        503 if answer.retry_after.is_some() => Pushed::Retry { after: answer.retry_after },
        408 | 500..=599 => Pushed::Unknown { after: answer.retry_after },
        400 => Pushed::Invalid,
        _ => Pushed::NotTheHub,
    }
}

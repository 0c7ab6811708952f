//! What a gateway at the border of the other administration answers, in place of the service behind it.
//!
//! Such gateways check the patterns of `ModI` and the vouchers themselves, and say so in a problem whose
//! title is a fixed word. An answer of the service itself has none of these words: its adapter reads it.

use std::time::Duration;

use contract::{AdapterError, Advice, ErrorKind, Phase};

use crate::answer::Answer;
use crate::problem::Problem;

/// Until somebody on the other side has done something, asking again soon is of no use.
const SLOWLY: Duration = Duration::from_mins(15);

/// The error behind the word of a gateway; none when it says no word that we know.
///
/// | word | error | phase | what to do |
/// |---|---|---|---|
/// | `InteroperabilityInvalidRequest` | authentication: our tokens or headers | refused | a person: the clock first |
/// | `InteroperabilityInvalidResponse`, `…ResponseManagementFailed` | not understood | unknown | slowly |
/// | `Token…` with 401 | authentication | refused | the configuration, after one other voucher |
/// | `Authorization…` with 403 | permission | refused | the configuration |
/// | `TooManyRequests`, `LimitExceeded` | rate limited | refused | wait |
/// | `APISuspended`, `APIUnavailable` | unavailable | refused: it never reached the service | slowly |
///
/// What breaks a pattern with its answer has done its work before: that is why it is in doubt.
pub fn error_of(answer: &Answer) -> Option<AdapterError> {
    let problem = Problem::read(answer)?;
    let word = problem.title.as_deref()?;
    let error = |kind| AdapterError::new(kind, answer.attempted.clone()).remote_code(code(word, &problem));
    let slowly = Advice::Retry { after: Some(answer.retry_after.unwrap_or(SLOWLY).max(SLOWLY)) };
    Some(match (answer.status, word) {
        (400, "InteroperabilityInvalidRequest") => {
            error(ErrorKind::Authentication).phase(Phase::Refused).advice(Advice::AskPerson)
        }
        (502, "InteroperabilityInvalidResponse" | "InteroperabilityResponseManagementFailed") => {
            error(ErrorKind::NotUnderstood).phase(Phase::Unknown).advice(slowly)
        }
        (401, word) if word.starts_with("Token") => error(ErrorKind::Authentication),
        (403, word) if word.starts_with("Authorization") => error(ErrorKind::Permission),
        (429, "TooManyRequests" | "LimitExceeded") => {
            error(ErrorKind::RateLimited).advice(Advice::Retry { after: answer.retry_after })
        }
        (503, "APISuspended" | "APIUnavailable") => error(ErrorKind::Unavailable).phase(Phase::Refused).advice(slowly),
        _ => return None,
    })
}

/// The word, and the name of the exchange that a support desk asks for.
fn code(word: &str, problem: &Problem) -> String {
    match problem.reference.as_deref().filter(|reference| is_name(reference)) {
        Some(reference) => format!("{word} {reference}"),
        None => word.to_owned(),
    }
}

/// A name that may stand in a log: neither long nor words.
fn is_name(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

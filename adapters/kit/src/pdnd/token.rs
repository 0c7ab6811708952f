//! A request for a voucher, and what its answer means.
//!
//! The platform answers 400 to every mistake without saying which, so that what can be checked is
//! checked before ([`super::preflight`]). Assertions and vouchers appear in no error and no log line.

use std::fmt;
use std::time::Duration;

use canonical::values::UtcInstant;
use contract::{AdapterError, Advice, ErrorKind, Phase};
use serde::Deserialize;

use super::preflight::Mistake;
use super::voucher::Scheme;
use crate::Secret;
use crate::answer::Answer;
use crate::jose::{Compact, seconds};
use crate::problem::Problem;

/// The form of a request.
pub fn form(client_id: &str, assertion: &str) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", client_id)
        .append_pair("client_assertion", assertion)
        .append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        .append_pair("grant_type", "client_credentials")
        .finish()
}

/// A voucher that we hold. In memory only.
#[derive(Clone)]
pub struct Held {
    token: Secret,
    token_id: String,
    purpose_id: Option<String>,
    scheme: Scheme,
    renew_at: i64,
    expires_at: i64,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held")
            .field("token_id", &self.token_id)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl Held {
    /// The voucher, for the header of a call.
    pub fn token(&self) -> &Secret {
        &self.token
    }

    /// Its name: tracing counts calls by it.
    pub fn token_id(&self) -> &str {
        &self.token_id
    }

    /// Its purpose.
    pub fn purpose_id(&self) -> Option<&str> {
        self.purpose_id.as_deref()
    }

    /// How it is presented.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whether it need not be renewed yet.
    pub fn is_fresh(&self, now: UtcInstant) -> bool {
        seconds(now) < self.renew_at
    }

    /// Whether it has not expired yet.
    pub fn is_valid(&self, now: UtcInstant) -> bool {
        seconds(now) < self.expires_at
    }
}

/// Why there is no voucher.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VoucherError {
    /// The settings, or the assertion made from them, have mistakes.
    #[error("the assertion would be refused: {}", sentences(.0))]
    Mistakes(Vec<Mistake>),
    /// The platform refused two assertions, and does not say why.
    #[error(
        "the platform refused the assertion of the client and does not say why ({code}, correlation {correlation_id}): \
             look at the state of client, key, purpose, agreement and e-service, and paste an assertion in its debugger"
    )]
    Refused {
        /// Its code.
        code: String,
        /// Its name for the exchange.
        correlation_id: String,
    },
    /// Too many requests, of any client of the same administration.
    #[error("the platform takes no more requests from this administration for now")]
    RateLimited {
        /// Not before.
        after: Option<Duration>,
    },
    /// It cannot answer now, or could not be reached.
    #[error("the platform does not give vouchers now: {problem}")]
    Unavailable {
        /// What happened.
        problem: String,
        /// The kind of what happened.
        kind: ErrorKind,
        /// Not before, when it said so.
        after: Option<Duration>,
    },
    /// It answered with something that is no voucher for us.
    #[error("the answer is no voucher for this client: {0}")]
    Unusable(&'static str),
    /// We could not sign.
    #[error("the assertion could not be signed")]
    NotSigned,
}

fn sentences(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(Mistake::english).collect::<Vec<_>>().join("; ")
}

impl From<VoucherError> for AdapterError {
    /// Without a voucher nothing was sent to the system itself.
    fn from(error: VoucherError) -> Self {
        let (kind, advice) = match &error {
            VoucherError::Mistakes(_) | VoucherError::Refused { .. } => {
                (ErrorKind::Authentication, Advice::FixConfiguration)
            }
            VoucherError::RateLimited { after } => (ErrorKind::RateLimited, Advice::Retry { after: *after }),
            VoucherError::Unavailable { kind, after, .. } => (*kind, Advice::Retry { after: *after }),
            // It says nothing of the record for which a voucher was wanted: the connection stops, not the record.
            VoucherError::Unusable(_) => (ErrorKind::NotUnderstood, Advice::FixConfiguration),
            VoucherError::NotSigned => (ErrorKind::Local, Advice::FixConfiguration),
        };
        let made = Self::new(kind, "pdnd POST token").phase(Phase::BeforeSending).advice(advice);
        let made = match &error {
            VoucherError::Refused { code, .. } => made.remote_code(code.clone()),
            _ => made,
        };
        made.caused_by(error)
    }
}

/// What one answer means.
#[derive(Debug)]
pub enum Asked {
    /// A voucher.
    Given(Held),
    /// Refused: worth one more assertion, newly minted.
    Refused(VoucherError),
    /// Anything else: the caller waits, or gives up.
    Failed(VoucherError),
}

#[derive(Deserialize)]
struct Given {
    access_token: String,
    token_type: String,
    expires_in: i64,
}

/// What the voucher must be for.
#[derive(Debug, Clone, Copy)]
pub struct For<'a> {
    /// The client.
    pub client_id: &'a str,
    /// The purpose.
    pub purpose_id: Option<&'a str>,
    /// The thumbprint of the key that made the proof.
    pub thumbprint: Option<&'a str>,
}

/// Reads an answer. The status decides, the body is a bonus: gateways answer with pages.
pub fn read(answer: &Answer, wanted: For<'_>, now: UtcInstant) -> Asked {
    match answer.status {
        200 => match given(answer, wanted, now) {
            Ok(held) => Asked::Given(held),
            Err(problem) => Asked::Failed(VoucherError::Unusable(problem)),
        },
        400 | 401 => {
            let problem = Problem::read(answer).unwrap_or_default();
            let code = problem.code().map_or_else(|| answer.status.to_string(), str::to_owned);
            Asked::Refused(VoucherError::Refused { code, correlation_id: problem.reference.unwrap_or_default() })
        }
        429 => Asked::Failed(VoucherError::RateLimited { after: answer.retry_after }),
        408 | 500..=599 => Asked::Failed(VoucherError::Unavailable {
            problem: format!("status {}", answer.status),
            kind: ErrorKind::Unavailable,
            after: answer.retry_after,
        }),
        _ => Asked::Failed(VoucherError::Unusable("a status outside the protocol")),
    }
}

fn given(answer: &Answer, wanted: For<'_>, now: UtcInstant) -> Result<Held, &'static str> {
    let given: Given = serde_json::from_slice(&answer.body).map_err(|_| "the answer is not that of a token")?;
    let scheme = match given.token_type.to_ascii_lowercase().as_str() {
        "bearer" => Scheme::Bearer,
        "dpop" => Scheme::Dpop,
        _ => return Err("token_type is neither Bearer nor DPoP"),
    };
    let token = Compact::parse(&given.access_token).map_err(|_| "the voucher is no signed token")?;
    // We are not its audience, so that nobody asks us to believe it; but it must be the one we asked for.
    let claims = token.unverified_claims();
    let bound_to = claims.get("cnf").and_then(|cnf| cnf.get("jkt")).and_then(serde_json::Value::as_str);
    match (wanted.thumbprint, scheme) {
        (None, Scheme::Bearer) if bound_to.is_none() => {}
        (Some(thumbprint), Scheme::Dpop) if bound_to == Some(thumbprint) => {}
        _ => return Err("the voucher is not bound to our key as it was asked for"),
    }
    if claims.text("client_id").is_some_and(|client| client != wanted.client_id) {
        return Err("the voucher is of another client");
    }
    if claims.text("purposeId") != wanted.purpose_id {
        return Err("the voucher is for another purpose");
    }
    let token_id = claims.text("jti").ok_or("the voucher has no name")?.to_owned();
    if given.expires_in <= 0 {
        return Err("the voucher has expired already");
    }
    let life = given.expires_in.min(LONGEST_LIFE_SECONDS);
    Ok(Held {
        token_id,
        scheme,
        purpose_id: wanted.purpose_id.map(str::to_owned),
        renew_at: seconds(now) + renewal(life),
        expires_at: seconds(now) + life,
        token: Secret::new(given.access_token),
    })
}

/// No voucher is believed to live longer than a day.
const LONGEST_LIFE_SECONDS: i64 = 86_400;

/// After how many seconds a voucher is renewed: at nine tenths of its life, or half a minute before
/// its end, whichever is earlier; one shorter than a minute at half of it.
fn renewal(life: i64) -> i64 {
    (life * 9 / 10).min((life - 30).max(life / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voucher_is_renewed_before_its_end() {
        assert_eq!([renewal(600), renewal(120), renewal(40), renewal(1)], [540, 90, 20, 0]);
    }
}

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
use crate::flight::{Lasting, Life};
use crate::jose::Compact;
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
    life: Life,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held")
            .field("token_id", &self.token_id)
            .field("expires_at", &self.life.expires_at())
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
        self.life.is_fresh(now)
    }

    /// Whether it has not expired yet.
    pub fn is_valid(&self, now: UtcInstant) -> bool {
        self.life.is_valid(now)
    }
}

impl Lasting for Held {
    fn life(&self) -> Life {
        self.life
    }

    fn is_same(&self, other: &Self) -> bool {
        self.token_id == other.token_id
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
    Ok(Held {
        token_id,
        scheme,
        purpose_id: wanted.purpose_id.map(str::to_owned),
        life: Life::of(given.expires_in, now),
        token: Secret::new(given.access_token),
    })
}

//! Who calls: what he may do, whose records he may see, and how often he may ask.
//!
//! Whoever proves who somebody is implements [`Credentials`]. Nobody is believed by default.

use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use canonical::Kind;

use kit::pdnd::settings::AuditPattern;

pub use crate::config::exchange::{Demand, Role};
use crate::storage::exchange::Scope;

/// Tokens longer than this are not read.
pub const LONGEST_TOKEN: usize = 8 * 1024;

/// A caller that proved who he is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The partner, by the name of the configuration.
    pub who: String,
    /// Whose records he may see.
    pub scope: Scope,
    /// What he may do.
    pub roles: BTreeSet<Role>,
    /// What his requests are counted under: the purpose of a voucher, the client of a token.
    pub counted_as: String,
    /// Requests in a minute and in a day.
    pub quota: Quota,
    /// The system as which his records are read.
    pub system: Option<String>,
    /// The kinds of records that are taken from him.
    pub kinds: BTreeSet<Kind>,
    /// The client of the national platform through which he comes, where he brought a voucher.
    pub client: Option<Client>,
    /// What must come with what he sends.
    pub demands: Demands,
}

/// Who holds a voucher, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The client.
    pub client_id: String,
    /// Its purpose.
    pub purpose_id: String,
    /// The name of the voucher.
    pub token_id: String,
    /// Whether the voucher is bound to the evidence that came beside it.
    pub is_bound_to_evidence: bool,
}

/// What must come with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Demands {
    /// A signature of the body.
    pub integrity: Demand,
    /// Evidence of who asks.
    pub audit: AuditPattern,
}

/// How often somebody may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// In a minute.
    pub per_minute: u32,
    /// In a day.
    pub per_day: u32,
}

impl Default for Quota {
    fn default() -> Self {
        Self { per_minute: 120, per_day: 50_000 }
    }
}

/// Why somebody is not let in. What is told to him is the status alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// He proves nothing: 401. The code is for our log.
    Unknown(&'static str),
    /// He is who he says, and this is not for him: 403.
    NotAllowed(&'static str),
    /// His message does not hold together: 400.
    Broken(&'static str),
    /// We cannot tell now: 503.
    Unavailable(&'static str),
}

/// A refusal, and whose voucher was accepted nevertheless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// The client of the national platform, where his voucher is a good one for us: what is refused to
    /// him is counted as a call of his.
    pub client: Option<Client>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, client: None }
    }
}

impl Refusal {
    /// The code for our log.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unknown(code) | Self::NotAllowed(code) | Self::Broken(code) | Self::Unavailable(code) => code,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Proves who calls.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// Who makes this request.
    async fn verify(&self, parts: &Parts) -> Result<Caller, Refused>;
}

/// Nobody: where nothing is configured.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

#[async_trait]
impl Credentials for Nobody {
    async fn verify(&self, parts: &Parts) -> Result<Caller, Refused> {
        authorization(&parts.headers)?;
        Err(Refusal::Unknown("nobody_is_known").into())
    }
}

/// The first that knows somebody. Where one knows and refuses, the others are not asked.
pub struct FirstOf(pub Vec<Box<dyn Credentials>>);

impl fmt::Debug for FirstOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstOf").field("ways", &self.0.len()).finish()
    }
}

#[async_trait]
impl Credentials for FirstOf {
    async fn verify(&self, parts: &Parts) -> Result<Caller, Refused> {
        let mut refusal = Refusal::Unknown("nobody_is_known");
        for way in &self.0 {
            let refused = match way.verify(parts).await {
                Ok(caller) => return Ok(caller),
                Err(refused) => refused,
            };
            match refused.refusal {
                unknown @ Refusal::Unknown(_) if matches!(refusal, Refusal::Unknown(_)) => refusal = unknown,
                Refusal::Unknown(_) => {}
                // Perhaps it is for another way.
                later @ Refusal::Unavailable(_) => refusal = later,
                Refusal::NotAllowed(_) | Refusal::Broken(_) => return Err(refused),
            }
        }
        Err(refusal.into())
    }
}

/// The one `Authorization` header of a request.
pub fn authorization(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    match (given.next(), given.next()) {
        (None, _) => Err(Refusal::Unknown("missing_token")),
        (Some(_), Some(_)) => Err(Refusal::Unknown("multiple_tokens")),
        (Some(value), None) if value.len() > LONGEST_TOKEN + 16 => Err(Refusal::Unknown("token_too_long")),
        (Some(value), None) => value.to_str().map_err(|_| Refusal::Unknown("malformed")),
    }
}

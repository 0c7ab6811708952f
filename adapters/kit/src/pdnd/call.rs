//! A call to an e-service: voucher, proof, digest, signature and evidence beside one body.
//!
//! The body is given as bytes and sent as those bytes. Signatures are made just before sending. A
//! voucher that the e-service refuses is replaced once; the call that follows has a new proof, a new
//! signature, a new name for each.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use canonical::values::UtcInstant;
use contract::{AdapterError, ErrorKind, Phase};
use reqwest::Method;

use super::client::{VoucherClient, Wanted, random_name};
use super::dpop;
use super::settings::AuditPattern;
use super::token::Held;
use super::voucher::{Scheme, evidence_digest};
use crate::answer::Answer;
use crate::http::{HttpClient, Request};
use crate::jose::{KeyError, seconds};
use crate::modi::audit::{self, User};
use crate::modi::sign::{SignedHeaders, Signer};
use crate::modi::tokens::KeyName;

/// An evidence is used again for this long: less than its life, by the time that a call may take.
const EVIDENCE_REUSE_SECONDS: i64 = 240;

/// One call, to be sent as it is.
#[derive(Clone)]
pub struct Outgoing<'a> {
    /// The method.
    pub method: Method,
    /// The path below the address of the e-service.
    pub path: &'a [&'a str],
    /// The query.
    pub query: &'a [(&'a str, &'a str)],
    /// The type of the body, exactly as sent.
    pub content_type: Option<&'a str>,
    /// The encoding of the body, exactly as sent.
    pub content_encoding: Option<&'a str>,
    /// The bytes.
    pub body: Bytes,
    /// On whose behalf.
    pub user: Option<&'a User>,
}

/// Never the body.
impl fmt::Debug for Outgoing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("method", &self.method)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// What came back, with what tracing counts by.
#[derive(Debug)]
pub struct Called {
    /// The answer.
    pub answer: Answer,
    /// The name of the voucher.
    pub token_id: String,
    /// Its purpose.
    pub purpose_id: Option<String>,
}

/// Name, place and assurance of a user.
type UserKey = (String, String, Option<String>);

struct Evidence {
    text: String,
    made_at: i64,
}

/// Calls one e-service with the vouchers of one connection.
pub struct Caller {
    vouchers: VoucherClient,
    target: HttpClient,
    /// Signs bodies, where the connection asks for it.
    signer: Option<Signer>,
    evidences: Mutex<HashMap<UserKey, Evidence>>,
    random: fn() -> u64,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("vouchers", &self.vouchers).finish_non_exhaustive()
    }
}

impl Caller {
    /// Calls this e-service with these vouchers.
    pub fn new(vouchers: VoucherClient, target: HttpClient, signer: Option<Signer>) -> Self {
        Self { vouchers, target, signer, evidences: Mutex::default(), random: random_number }
    }

    /// The vouchers.
    pub fn vouchers(&self) -> &VoucherClient {
        &self.vouchers
    }

    /// Sends a call, and once more with another voucher when the first is refused.
    pub async fn send(&self, outgoing: &Outgoing<'_>, now: impl Fn() -> UtcInstant) -> Result<Called, AdapterError> {
        let evidence = self.evidence(outgoing, now())?;
        let is_bound = self.vouchers.connection().audit == AuditPattern::Rest02;
        let wanted = Wanted {
            evidence_digest: evidence.as_deref().filter(|_| is_bound).map(evidence_digest),
            ..Wanted::default()
        };
        let held = self.vouchers.voucher(&wanted, now()).await?;
        let request = self.request(outgoing, &held, evidence.as_deref(), now())?;
        let answer = self.target.exchange(request).await?;
        if answer.status != 401 {
            return Ok(called(answer, &held));
        }
        let held = self.vouchers.renewed(&wanted, &held, now()).await?;
        let request = self.request(outgoing, &held, evidence.as_deref(), now())?;
        let answer = self.target.exchange(request).await?;
        Ok(called(answer, &held))
    }

    fn request(
        &self,
        outgoing: &Outgoing<'_>,
        held: &Held,
        evidence: Option<&str>,
        now: UtcInstant,
    ) -> Result<Request, AdapterError> {
        let mut request = self.target.request(outgoing.method.clone(), outgoing.path, outgoing.query);
        let attempted = request.attempted().to_owned();
        let unsigned = |error: KeyError| local(&attempted, error);
        match held.scheme() {
            Scheme::Bearer => request = request.bearer(held.token()),
            Scheme::Dpop => {
                let keys = self.vouchers.keys();
                let key = keys.dpop.as_ref().ok_or_else(|| local(&attempted, KeyError::Kind))?;
                let (method, url) = request.target();
                let proof = dpop::prove(key, method, &url, Some(held.token().expose()), &random_name(), now);
                let proof = proof.map_err(unsigned)?;
                request = request.secret_header("authorization", &format!("DPoP {}", held.token().expose()));
                request = request.secret_header("dpop", &proof);
            }
        }
        if let Some(evidence) = evidence {
            request = request.secret_header("agid-jwt-trackingevidence", evidence);
        }
        if let Some(signer) = &self.signer {
            let headers = SignedHeaders {
                content_type: outgoing.content_type,
                content_encoding: outgoing.content_encoding,
                request: None,
            };
            if let Some(signature) = signer.sign(&outgoing.body, headers, &random_name(), now).map_err(unsigned)? {
                request = request.header("digest", &signature.digest);
                request = request.secret_header("agid-jwt-signature", &signature.token);
            }
        }
        if let Some(encoding) = outgoing.content_encoding {
            request = request.header("content-encoding", encoding);
        }
        Ok(match outgoing.content_type {
            Some(content_type) => request.body(content_type, outgoing.body.clone()),
            None => request,
        })
    }

    /// The evidence of a call. The same user within a few minutes has the same one, so that the
    /// voucher bound to it serves again.
    fn evidence(&self, outgoing: &Outgoing<'_>, now: UtcInstant) -> Result<Option<String>, AdapterError> {
        let connection = self.vouchers.connection();
        if connection.audit == AuditPattern::None {
            return Ok(None);
        }
        let attempted = "pdnd evidence of a call";
        let user = outgoing.user.ok_or_else(|| local(attempted, KeyError::Member("user")))?;
        let is_bound = connection.audit == AuditPattern::Rest02;
        let key = (user.id.clone(), user.location.clone(), user.assurance.clone());
        let mut evidences = self.evidences.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = |evidence: &Evidence| seconds(now) - evidence.made_at < EVIDENCE_REUSE_SECONDS;
        if let Some(evidence) = evidences.get(&key).filter(|evidence| is_bound && is_fresh(evidence)) {
            return Ok(Some(evidence.text.clone()));
        }
        let keys = self.vouchers.keys();
        let asked = audit::Asked {
            issuer: &connection.client_id,
            audiences: &connection.message_audience,
            purpose_id: connection.purpose_id.as_deref().unwrap_or_default(),
            user,
            nonce: is_bound.then(|| audit::nonce((self.random)())),
        };
        let made = audit::make(&keys.assertion, &KeyName::Registered, &asked, &random_name(), now);
        let text = made.map_err(|error| local(attempted, error))?;
        if is_bound {
            evidences.retain(|_, evidence| is_fresh(evidence));
            evidences.insert(key, Evidence { text: text.clone(), made_at: seconds(now) });
        }
        Ok(Some(text))
    }
}

fn called(answer: Answer, held: &Held) -> Called {
    let purpose_id = held.purpose_id().map(str::to_owned);
    Called { answer, token_id: held.token_id().to_owned(), purpose_id }
}

fn local(attempted: &str, error: KeyError) -> AdapterError {
    AdapterError::new(ErrorKind::Local, attempted).phase(Phase::BeforeSending).caused_by(error)
}

fn random_number() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().1
}

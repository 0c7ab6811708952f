//! Access to an e-service: what every request carries beside what it says. Voucher, proof, digest,
//! signature and evidence are made here and nowhere else.
//!
//! Signatures are made just before sending, over the bytes that are sent. A request that is sent again
//! has a new proof, a new signature, a new name for each.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use canonical::values::UtcInstant;
use contract::{AdapterError, ErrorKind, Phase};

use super::client::{Quota, VoucherClient, Wanted, random_name};
use super::counted::{self, Call, Counter};
use super::dpop;
use super::settings::{AuditPattern, Connection, ConnectionError, IntegrityPattern};
use super::token::{Held, VoucherError};
use super::voucher::{Scheme, evidence_digest};
use crate::http::Request;
use crate::jose::{KeyError, seconds};
use crate::modi::audit::{self, User};
use crate::modi::sign::{SignedHeaders, Signer};
use crate::modi::tokens::KeyName;

/// An evidence is used again for this long: less than its life, by the time that a call may take.
const EVIDENCE_REUSE_SECONDS: i64 = 240;

const EVIDENCE: &str = "pdnd evidence of a call";

/// Name, place and assurance of a user.
type UserKey = (String, String, Option<String>);

struct Evidence {
    text: String,
    made_at: i64,
}

/// Why a connection gives no access. Each names the setting to change.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Its keys and certificates.
    #[error(transparent)]
    Keys(#[from] ConnectionError),
    /// What the platform would refuse.
    #[error(transparent)]
    Vouchers(#[from] VoucherError),
    /// A setting that another one needs, or that would do nothing.
    #[error("{setting} {why}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Access by one connection.
pub struct Access {
    vouchers: VoucherClient,
    /// Signs bodies, where the connection asks for it.
    signer: Option<Signer>,
    /// On whose behalf, where a request does not say it: a job that nobody attends.
    user: Option<User>,
    evidences: Mutex<HashMap<UserKey, Evidence>>,
    random: fn() -> u64,
    /// Who counts its calls, where somebody does.
    counter: Option<Arc<dyn Counter>>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("vouchers", &self.vouchers).finish_non_exhaustive()
    }
}

impl Access {
    /// Access with these vouchers. Its calls are counted by whom [`counted::counted_by`] has named.
    pub fn new(vouchers: VoucherClient, signer: Option<Signer>, user: Option<User>) -> Self {
        Self { vouchers, signer, user, evidences: Mutex::default(), random: random_number, counter: counted::counter() }
    }

    /// Access to an e-service as the settings have it. Their files are read, nothing is sent.
    pub fn open(connection: &Connection) -> Result<Self, AccessError> {
        check(connection)?;
        let keys = connection.keys()?;
        let signer = connection.signer()?;
        connection.check_identity()?;
        let vouchers = VoucherClient::new(connection.clone(), keys, Quota::of(connection))?;
        let user = connection.user.as_ref().map(|user| User {
            id: user.id.clone(),
            location: user.location.clone(),
            assurance: user.assurance.clone(),
        });
        Ok(Self::new(vouchers, signer, user))
    }

    /// The vouchers.
    pub fn vouchers(&self) -> &VoucherClient {
        &self.vouchers
    }

    /// A request with all that it must carry, and the voucher among it: another one than the one that
    /// was `refused`.
    pub(crate) async fn entitle(
        &self,
        request: Request,
        user: Option<&User>,
        refused: Option<&Held>,
        now: impl Fn() -> Result<UtcInstant, AdapterError>,
    ) -> Result<(Request, Held), AdapterError> {
        let user = user.or(self.user.as_ref());
        let (at, audit) = (now()?, self.vouchers.connection().audit);
        if audit != AuditPattern::None && user.is_none() {
            return Err(local(EVIDENCE, KeyError::Member("user")));
        }
        // The voucher is bound to an evidence that stands before it.
        let is_bound = audit == AuditPattern::Rest02;
        let bound = if is_bound { self.evidence(user, at)? } else { None };
        let wanted = Wanted { evidence_digest: bound.as_deref().map(evidence_digest), ..Wanted::default() };
        let held = match refused {
            None => self.vouchers.voucher(&wanted, at).await?,
            Some(refused) => self.vouchers.renewed(&wanted, refused, at).await?,
        };
        // It may have taken long: who reads what follows may refuse what is older than some seconds.
        let at = now()?;
        let evidence = if is_bound { bound } else { self.evidence(user, at)? };
        Ok((self.dressed(request, &held, evidence.as_deref(), at)?, held))
    }

    /// Tells whoever counts that a call with this voucher was answered. By 401 the voucher was not
    /// accepted, and the call is none of those that count.
    pub(crate) fn answered(&self, held: &Held, status: u16) {
        if let (Some(counter), Some(purpose_id), true) = (&self.counter, held.purpose_id(), status != 401) {
            counter.count(Call { purpose_id, token_id: held.token_id(), status });
        }
    }

    fn dressed(
        &self,
        mut request: Request,
        held: &Held,
        evidence: Option<&str>,
        now: UtcInstant,
    ) -> Result<Request, AdapterError> {
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
        let Some(signer) = &self.signer else { return Ok(request) };
        let headers = SignedHeaders {
            content_type: request.text("content-type"),
            content_encoding: request.text("content-encoding"),
            request: None,
        };
        let signature = signer.sign(request.bytes(), headers, &random_name(), now).map_err(unsigned)?;
        Ok(match signature {
            None => request,
            Some(signature) => {
                request.header("digest", &signature.digest).secret_header("agid-jwt-signature", &signature.token)
            }
        })
    }

    /// The evidence of a call. The same user within a few minutes has the same one, so that the
    /// voucher bound to it serves again.
    fn evidence(&self, user: Option<&User>, now: UtcInstant) -> Result<Option<String>, AdapterError> {
        let connection = self.vouchers.connection();
        if connection.audit == AuditPattern::None {
            return Ok(None);
        }
        let user = user.ok_or_else(|| local(EVIDENCE, KeyError::Member("user")))?;
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
        let text = made.map_err(|error| local(EVIDENCE, error))?;
        if is_bound {
            evidences.retain(|_, evidence| is_fresh(evidence));
            evidences.insert(key, Evidence { text: text.clone(), made_at: seconds(now) });
        }
        Ok(Some(text))
    }
}

/// What is missing, and what would silently do nothing.
fn check(connection: &Connection) -> Result<(), AccessError> {
    let (signs, tells) = (connection.integrity != IntegrityPattern::None, connection.audit != AuditPattern::None);
    let is_by_certificate = connection.integrity == IntegrityPattern::Rest01;
    let problems = [
        (connection.is_api_client, "is_api_client", "is true: an e-service is called for a purpose, with purpose_id"),
        (
            (signs || tells) && connection.message_audience.is_empty(),
            "message_audience",
            "is missing: signatures and evidence are for somebody, as the e-service says",
        ),
        (
            tells && connection.user.is_none(),
            "user",
            "is missing: the evidence says who asks, by the id and the location agreed with the producer",
        ),
        (!tells && connection.user.is_some(), "user", "is told to nobody while audit is none"),
        (
            is_by_certificate && connection.certificate_file.is_none(),
            "certificate_file",
            "is missing: integrity_rest_01 signs by a certificate",
        ),
        (
            !is_by_certificate && connection.certificate_file.is_some(),
            "certificate_file",
            "is used by integrity_rest_01 alone",
        ),
        (!signs && connection.signing_key_file.is_some(), "signing_key_file", "signs nothing while integrity is none"),
        (
            !connection.scheme.is_dpop() && connection.dpop_key_file.is_some(),
            "dpop_key_file",
            "makes no proof while scheme is bearer",
        ),
    ];
    let found = problems.into_iter().find(|(is_wrong, ..)| *is_wrong);
    found.map_or(Ok(()), |(_, setting, why)| Err(AccessError::Setting { setting, why }))
}

fn local(attempted: &str, error: KeyError) -> AdapterError {
    AdapterError::new(ErrorKind::Local, attempted).phase(Phase::BeforeSending).caused_by(error)
}

fn random_number() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().1
}

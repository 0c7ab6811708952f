//! What proves a message that a partner sends: `Agid-JWT-Signature` with `Digest` (it is whole, and his)
//! and `Agid-JWT-TrackingEvidence` (who asks there, and why).
//!
//! Looked at on the bytes as received, before anybody reads them. What comes is verified whether or not
//! it was asked for; what cannot be verified is refused. Who the person is stays in the message: we keep
//! digests.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use axum::http::HeaderMap;
use canonical::Digest;
use canonical::values::UtcInstant;
use kit::jose::{Algorithm, Compact, Keys, Refusal, Seen, SeenError};
use kit::modi::tokens::{Rules, Trust, the_one};
use kit::modi::verify::{Message, verify};
use kit::modi::x509::TrustStore;
use kit::modi::{EVIDENCE_HEADER, SIGNATURE_HEADER, audit, digest};
use kit::pdnd::settings::AuditPattern;

use super::caller::Caller;
use super::credentials::{Named, RegisteredKeys};
use super::problem::{Code, Problem};
use crate::clock::Clock;
use crate::config::Config;
use crate::config::exchange::Demand;
use crate::storage::Store;
use crate::storage::exchange::{Asked, KeyedRequest, ProvenMessage};

/// The digest of a body, which a signature holds. By itself it still must be right.
const DIGEST_HEADER: &str = "digest";

/// Verifies messages.
pub struct Messages {
    keys: Option<RegisteredKeys>,
    /// The authorities of partners who sign by certificate.
    certificates: BTreeMap<String, TrustStore>,
    audiences: Vec<String>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").field("audiences", &self.audiences).finish_non_exhaustive()
    }
}

impl Messages {
    /// As a configuration has it. Files are read here, nothing is sent.
    pub fn of(config: &Config, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Result<Self, contract::SettingsError> {
        let exchange = &config.exchange;
        let pdnd = exchange.pdnd.as_ref();
        let connection = pdnd.and_then(|pdnd| Some((pdnd, config.pdnd.get(pdnd.client.as_ref()?)?)));
        let keys = connection
            .map(|(pdnd, client)| RegisteredKeys::new(client, pdnd.api_url.as_deref(), Arc::clone(&clock)))
            .transpose()?;
        let mut certificates = BTreeMap::new();
        for (name, partner) in &exchange.partners {
            let Some(path) = &partner.certificates_file else { continue };
            let unusable = |problem: &dyn fmt::Display| contract::SettingsError {
                system: "exchange",
                problem: format!("partners.{name}.certificates_file {}: {problem}", path.display()),
            };
            let pem = std::fs::read(path).map_err(|error| unusable(&error))?;
            certificates.insert(name.clone(), TrustStore::from_pem(&pem).map_err(|error| unusable(&error))?);
        }
        let audience = pdnd.map(|pdnd| &pdnd.audience).or(exchange.oidc.as_ref().map(|oidc| &oidc.audience));
        let audiences = audience.into_iter().cloned().collect();
        Ok(Self { keys, certificates, audiences, store, clock })
    }

    /// Where no key is known: what comes signed is refused.
    pub(super) fn none(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { keys: None, certificates: BTreeMap::new(), audiences: Vec::new(), store, clock }
    }

    /// What is proven of a message; none where nothing came with it, and nothing had to.
    pub(super) async fn verify(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Option<ProvenMessage>, Problem> {
        let needs_evidence = caller.demands.audit != AuditPattern::None;
        for (name, is_needed) in
            [(SIGNATURE_HEADER, caller.demands.integrity == Demand::Required), (EVIDENCE_HEADER, needs_evidence)]
        {
            if is_needed && !headers.contains_key(name) {
                tracing::warn!(who = caller.who, header = name, "a message came without what must come with it");
                return Err(Problem::from(Code::NotProven).detail(format!("Serve l'intestazione {name}.")));
            }
        }
        if ![SIGNATURE_HEADER, EVIDENCE_HEADER, DIGEST_HEADER].iter().any(|name| headers.contains_key(*name)) {
            return Ok(None);
        }
        let proven = self.check(caller, headers, body).await;
        // A digest by itself proves nothing of who sent it.
        let proven = proven.map(|proven| Some(proven).filter(|it| it.signature.is_some() || it.evidence.is_some()));
        proven.map_err(|refusal| {
            tracing::warn!(who = caller.who, code = refusal.code(), "a message was refused");
            Problem::from(if refusal.status() == 503 { Code::Unavailable } else { Code::NotProven })
        })
    }

    async fn check(&self, caller: &Caller, headers: &HeaderMap, body: &[u8]) -> Result<ProvenMessage, Refusal> {
        let now = self.clock.now();
        let is_text = |name: &str| headers.get_all(name).iter().all(|value| value.to_str().is_ok());
        if ![SIGNATURE_HEADER, EVIDENCE_HEADER, DIGEST_HEADER].into_iter().all(is_text) {
            return Err(Refusal::bad_request("malformed", "a header is no text"));
        }
        let pairs: Vec<_> =
            headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
        let message = Message { headers: &pairs, body };
        let rules = Rules::for_audiences(self.audiences.clone());
        let (mut signature, mut evidence) = (None, None);
        if headers.contains_key(SIGNATURE_HEADER) {
            let token = the_one(&message.values(SIGNATURE_HEADER))?;
            let key = self.key(caller, token).await?;
            signature = Some((token, verify(&message, self.trust(caller, key.as_ref()), &rules, None, now)?));
        }
        if signature.is_none() && headers.contains_key(DIGEST_HEADER) {
            digest::check(the_one(&message.values(DIGEST_HEADER))?, body)?;
        }
        let client = caller.client.as_ref();
        if headers.contains_key(EVIDENCE_HEADER) {
            let token = the_one(&message.values(EVIDENCE_HEADER))?;
            let no_purpose = || Refusal::bad_request("purpose", "no voucher says the purpose");
            let purpose = &client.ok_or_else(no_purpose)?.purpose_id;
            let key = self.key(caller, token).await?;
            let user = audit::verify(token, self.trust(caller, key.as_ref()), &rules, purpose, now)?;
            evidence = Some((token, user));
        }
        let is_bound = client.is_some_and(|client| client.is_bound_to_evidence);
        if caller.demands.audit == AuditPattern::Rest02 && !is_bound {
            return Err(Refusal::bad_request("digest", "the voucher is bound to no evidence"));
        }
        // Claimed at the end: a message that is refused for another reason burns no name.
        let seen = SeenOf { partner: &caller.who, store: self.store.as_ref() };
        let of = |token: &str| Digest::of(token.as_bytes());
        let signature = match signature {
            None => None,
            Some((token, signed)) => signed.claim(&seen, now).await.map(|_| Some(of(token)))?,
        };
        let evidence = match evidence {
            None => None,
            // As long as the voucher that is bound to it.
            Some((token, user)) if is_bound => {
                let _ = user.reused();
                Some(of(token))
            }
            Some((token, user)) => user.claim(&seen, now).await.map(|_| Some(of(token)))?,
        };
        Ok(ProvenMessage {
            partner: caller.who.clone(),
            client_id: client.map(|client| client.client_id.clone()),
            purpose_id: client.map(|client| client.purpose_id.clone()),
            voucher: client.map(|client| client.token_id.clone()),
            body: Digest::of(body),
            signature,
            evidence,
        })
    }

    /// The registered key that a token names; none where it names a certificate and the partner has any.
    async fn key(&self, caller: &Caller, token: &str) -> Result<Option<Named>, Refusal> {
        let token = Compact::parse(token)?;
        // Nobody is asked for a key before the token is one that could be believed.
        token.algorithm(&Algorithm::ALL)?;
        token.refuse_crit()?;
        let names_certificate = token.header("x5c").is_some() || token.header("x5t#S256").is_some();
        if names_certificate && self.certificates.contains_key(&caller.who) {
            return Ok(None);
        }
        let unknown = || Refusal::unauthorized("unknown_kid", "no key of the partner can be looked up");
        let (keys, client) = self.keys.as_ref().zip(caller.client.as_ref()).ok_or_else(unknown)?;
        let kid = token.header_text("kid").ok_or_else(unknown)?;
        keys.key_of(&client.client_id, kid).await.map(Some)
    }

    fn trust<'a>(&'a self, caller: &Caller, key: Option<&'a Named>) -> Trust<'a> {
        Trust { keys: key.map(|key| key as &dyn Keys), certificates: self.certificates.get(&caller.who) }
    }
}

/// Names of the tokens of one partner: another cannot use them up.
struct SeenOf<'a> {
    partner: &'a str,
    store: &'a dyn Store,
}

impl fmt::Debug for SeenOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeenOf").field("partner", &self.partner).finish_non_exhaustive()
    }
}

#[async_trait]
impl Seen for SeenOf<'_> {
    async fn claim(&self, issuer: &str, name: &str, _until: i64, now: UtcInstant) -> Result<bool, SeenError> {
        let name = Digest::of_parts([issuer.as_bytes(), name.as_bytes()]);
        let request = KeyedRequest { client: format!("message/{}", self.partner), key: name.to_string(), digest: name };
        // It was begun at some time, and never ends: it is not done again.
        let abandoned = UtcInstant::from_unix_micros(0).unwrap_or(now);
        let asked = self.store.begin_request(&request, now, abandoned).await;
        asked.map(|asked| asked == Asked::New).map_err(|error| SeenError(error.to_string()))
    }
}

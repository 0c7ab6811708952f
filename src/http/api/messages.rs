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
use kit::jose::{Compact, KeySet, Keys, MemorySeen, Refusal, Seen, SeenError};
use kit::modi::tokens::{Rules, Trust, the_one};
use kit::modi::verify::{Message, verify};
use kit::modi::x509::TrustStore;
use kit::modi::{EVIDENCE_HEADER, SIGNATURE_HEADER, audit, digest};
use kit::pdnd::api::{PlatformApi, Register};
use kit::pdnd::client::Quota;
use kit::pdnd::registered::{Keeping, Owner, Registered};
use kit::pdnd::settings::{AuditPattern, Connection};

use super::caller::Caller;
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
    keys: Option<Registered>,
    /// The certificates of partners who sign by them.
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
        let keys = connection.map(|(pdnd, client)| registered(client, pdnd.api_url.as_deref())).transpose()?;
        let mut certificates = BTreeMap::new();
        for (name, partner) in &exchange.partners {
            let Some(path) = &partner.certificates_file else { continue };
            let unusable = |problem: &dyn fmt::Display| contract::SettingsError {
                system: "exchange",
                problem: format!("partners.{name}.certificates_file {}: {problem}", path.display()),
            };
            let pem = std::fs::read(path).map_err(|error| unusable(&error))?;
            // An authority vouches for many: only the certificates that the file names are his.
            let store = TrustStore::from_pem(&pem).and_then(TrustStore::pinned).map_err(|error| unusable(&error))?;
            certificates.insert(name.clone(), store);
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
            let keys = self.keys_for(caller, token, &rules).await?;
            signature = Some((token, verify(&message, self.trust(caller, keys.as_ref()), &rules, None, now)?));
        }
        if signature.is_none() && headers.contains_key(DIGEST_HEADER) {
            digest::check(the_one(&message.values(DIGEST_HEADER))?, body)?;
        }
        let client = caller.client.as_ref();
        if headers.contains_key(EVIDENCE_HEADER) {
            let token = the_one(&message.values(EVIDENCE_HEADER))?;
            let no_purpose = || Refusal::bad_request("purpose", "no voucher says the purpose");
            let purpose = &client.ok_or_else(no_purpose)?.purpose_id;
            let keys = self.keys_for(caller, token, &rules).await?;
            let user = audit::verify(token, self.trust(caller, keys.as_ref()), &rules, purpose, now)?;
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
    async fn keys_for(&self, caller: &Caller, token: &str, rules: &Rules) -> Result<Option<KeySet>, Refusal> {
        let parsed = Compact::parse(token)?;
        let names_certificate = parsed.header("x5c").is_some() || parsed.header("x5t#S256").is_some();
        if names_certificate && self.certificates.contains_key(&caller.who) {
            return Ok(None);
        }
        let unknown = || Refusal::unauthorized("unknown_kid", "no key of the partner can be looked up");
        let (keys, client) = self.keys.as_ref().zip(caller.client.as_ref()).ok_or_else(unknown)?;
        let owner = Owner { register: Register::Clients, id: &client.client_id };
        keys.keys_for(token, owner, rules, &|| self.clock.now()).await.map(Some)
    }

    fn trust<'a>(&'a self, caller: &Caller, keys: Option<&'a KeySet>) -> Trust<'a> {
        Trust { keys: keys.map(|keys| keys as &dyn Keys), certificates: self.certificates.get(&caller.who) }
    }
}

/// The keys of partners as a client of the platform's own services sees them. Nothing is sent yet.
/// Nobody follows the events here, so that keys are believed for a shorter time.
fn registered(connection: &Connection, api_url: Option<&str>) -> Result<Registered, contract::SettingsError> {
    let unusable = |error: &dyn std::error::Error| {
        let sources = std::iter::successors(error.source(), |error| error.source());
        let problem = sources.fold(error.to_string(), |told, source| format!("{told}: {source}"));
        contract::SettingsError { system: "pdnd", problem }
    };
    let keys = connection.keys().map_err(|error| unusable(&error))?;
    let api_url = api_url.map(str::to_owned).or_else(|| connection.api_url.clone());
    let connection = Connection { api_url, ..connection.clone() };
    // An answer that was given before is refused in the process that believed it.
    let quota = Quota::of(&connection);
    let api = PlatformApi::new(connection, keys, quota, Arc::new(MemorySeen::default()))?;
    Ok(Registered::keeping(api, Keeping::UNFOLLOWED))
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

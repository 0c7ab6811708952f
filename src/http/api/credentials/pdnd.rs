//! Vouchers of the national platform: bearer ones, and those bound to a key by a `DPoP` proof.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use axum::http::request::Parts;
use canonical::Digest;
use canonical::values::UtcInstant;
use kit::http::{HttpClient, HttpSettings, Method};
use kit::jose::{KeySet, Seen, SeenError, Unclaimed};
use kit::modi::EVIDENCE_HEADER;
use kit::pdnd::dpop;
use kit::pdnd::voucher::{Expectations, Presented, Scheme, Voucher, verify};

use super::published_keys::{Fetch, Fetched, PublishedKeys};
use super::{Partners, refused};
use crate::clock::Clock;
use crate::config::exchange::PdndConfig;
use crate::http::api::caller::{Caller, Client, Credentials, Refusal, Refused, authorization};
use crate::storage::Store;
use crate::storage::exchange::{Asked, KeyedRequest};

/// The answer with the keys is a few kilobytes.
const LONGEST_ANSWER: usize = 256 * 1024;

/// Vouchers.
pub struct Vouchers {
    keys: PublishedKeys,
    expectations: Expectations,
    address: Option<String>,
    partners: Partners,
    seen: SeenInStore,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Vouchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vouchers").field("expectations", &self.expectations).finish_non_exhaustive()
    }
}

impl Vouchers {
    /// Vouchers by a configuration. Nothing is sent yet.
    pub fn new(
        config: &PdndConfig,
        address: Option<String>,
        partners: Partners,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, contract::SettingsError> {
        let settings = HttpSettings {
            max_answer_bytes: LONGEST_ANSWER,
            ca_file: config.ca_file.clone(),
            allow_private: config.allow_private,
            ..HttpSettings::new(config.keys_url.clone())
        };
        let fetch = KeysAt(HttpClient::new("pdnd", &settings)?);
        let expectations = Expectations {
            issuer: config.issuer.clone(),
            audiences: vec![config.audience.clone()],
            producer_id: config.producer_id.clone(),
            eservice_ids: vec![config.eservice_id.clone()],
            descriptor_ids: config.descriptor_ids.iter().cloned().collect(),
            ..Expectations::default()
        };
        let keys = PublishedKeys::new(Box::new(fetch), clock.clone());
        Ok(Self { keys, expectations, address, partners, seen: SeenInStore(store), clock })
    }

    /// The partner who holds a voucher that was verified.
    fn partner(&self, voucher: Voucher) -> Result<Caller, Refused> {
        let caller = self.partners.consumer(&voucher.consumer_id, &voucher.purpose_id);
        let Voucher { client_id, purpose_id, token_id, is_bound_to_evidence, .. } = voucher;
        let client = Some(Client { client_id, purpose_id, token_id, is_bound_to_evidence });
        match caller {
            Ok(caller) => Ok(Caller { client, ..caller }),
            Err(refusal) => Err(Refused { refusal, client }),
        }
    }

    /// The proof that came with a bound voucher. It is claimed when the voucher is believed: a stranger
    /// leaves no trace in the ledger.
    fn proof(&self, parts: &Parts, token: &str, now: UtcInstant) -> Result<Unclaimed<dpop::Proof>, Refusal> {
        let mut given = parts.headers.get_all("dpop").iter();
        let (Some(proof), None) = (given.next(), given.next()) else { return Err(Refusal::Unknown("dpop_header")) };
        let proof = proof.to_str().map_err(|_| Refusal::Unknown("dpop_header"))?;
        // The address is compared whole: without ours being known no proof can be for it.
        let address = self.address.as_deref().ok_or(Refusal::Unavailable("address_unknown"))?;
        let url = format!("{address}{}", parts.uri.path());
        dpop::verify(proof, parts.method.as_str(), &url, Some(token), now).map_err(|error| refused(&error))
    }
}

#[async_trait]
impl Credentials for Vouchers {
    async fn verify(&self, parts: &Parts) -> Result<Caller, Refused> {
        let value = authorization(&parts.headers)?;
        let presented = Presented::from_authorization(&[value]).map_err(|error| refused(&error))?;
        let presented = with_evidence(presented, parts)?;
        let now = self.clock.now();
        let keys = self.keys.known().await.ok_or(Refusal::Unavailable("keys_unavailable"))?;
        let is_bound = presented.scheme() == Scheme::Dpop;
        let unbound = |keys: &KeySet| verify(presented, keys, &self.expectations, now);
        if !is_bound {
            let voucher = match unbound(&keys) {
                Err(refusal) if refusal.code() == "unknown_kid" => match self.keys.anew().await {
                    Some(keys) => unbound(&keys),
                    None => Err(refusal),
                },
                verified => verified,
            };
            let voucher = voucher.map_err(|error| refused(&error))?;
            return self.partner(voucher);
        }
        let proof = self.proof(parts, presented.token(), now)?;
        let bound = presented.with_proof(proof.unclaimed());
        let voucher = match verify(bound, keys.as_ref(), &self.expectations, now) {
            Err(refusal) if refusal.code() == "unknown_kid" => match self.keys.anew().await {
                Some(keys) => verify(bound, keys.as_ref(), &self.expectations, now),
                None => Err(refusal),
            },
            verified => verified,
        };
        let voucher = voucher.map_err(|error| refused(&error))?;
        let caller = self.partner(voucher)?;
        proof.claim(&self.seen, now).await.map_err(|error| refused(&error))?;
        Ok(caller)
    }
}

/// The evidence that came beside a voucher: one that is bound to it comes with no other.
fn with_evidence<'a>(presented: Presented<'a>, parts: &'a Parts) -> Result<Presented<'a>, Refusal> {
    let mut given = parts.headers.get_all(EVIDENCE_HEADER).iter();
    match (given.next(), given.next()) {
        (None, _) => Ok(presented),
        (Some(evidence), None) => {
            let evidence = evidence.to_str().map_err(|_| Refusal::Broken("evidence_header"))?;
            Ok(presented.with_evidence(evidence.trim()))
        }
        (Some(_), Some(_)) => Err(Refusal::Broken("evidence_header")),
    }
}

/// A published set of keys.
struct KeysAt(HttpClient);

#[async_trait]
impl Fetch for KeysAt {
    async fn fetch(&self) -> Fetched {
        let answer = self.0.exchange(self.0.request(Method::GET, &[], &[])).await.map_err(|error| error.to_string())?;
        if answer.status != 200 {
            return Err(format!("the platform answered {}", answer.status));
        }
        KeySet::from_jwks(&answer.body).map_err(|error| error.to_string())
    }
}

/// Names of proofs, in the database: one memory for all processes.
#[derive(Clone)]
struct SeenInStore(Arc<dyn Store>);

impl fmt::Debug for SeenInStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeenInStore")
    }
}

#[async_trait]
impl Seen for SeenInStore {
    async fn claim(&self, issuer: &str, name: &str, _until: i64, now: UtcInstant) -> Result<bool, SeenError> {
        let request = KeyedRequest {
            client: format!("proof/{issuer}"),
            key: Digest::of(name.as_bytes()).to_string(),
            digest: Digest::of(name.as_bytes()),
        };
        // It was begun at some time, and never ends: it is not done again.
        let abandoned = UtcInstant::from_unix_micros(0).unwrap_or(now);
        let asked = self.0.begin_request(&request, now, abandoned).await;
        asked.map(|asked| asked == Asked::New).map_err(|error| SeenError(error.to_string()))
    }
}

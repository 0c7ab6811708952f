//! Vouchers, asked for over HTTP and kept in memory: one request at a time for each, renewed before
//! they end.
//!
//! Nothing here waits or retries, save one newly minted assertion after a mute refusal: when to come
//! back is in the error. While the platform is silent, a voucher that is still valid is still used.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use canonical::values::UtcInstant;
use contract::ErrorKind;
use reqwest::Method;

use super::assertion::{Asked as Assertion, Step, mint};
use super::dpop;
use super::environment::{Endpoints, Environment};
use super::preflight::{self, Expected};
use super::settings::{Connection, ConnectionKeys, authority};
use super::token::{Asked, For, Held, VoucherError, form, read};
use crate::flight::Flight;
use crate::http::HttpClient;
use crate::jose::seconds;

/// What a voucher is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Wanted {
    /// The purpose, when it is not the one of the settings.
    pub purpose_id: Option<String>,
    /// The hash of the evidence that it is bound to.
    pub evidence_digest: Option<String>,
    /// The step of an asynchronous exchange.
    pub step: Option<OwnedStep>,
}

/// A [`Step`] that owns its texts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OwnedStep {
    /// See [`Step::StartInteraction`].
    StartInteraction {
        /// Where to be called back.
        callback_url: String,
    },
    /// See [`Step::CallbackInvocation`].
    CallbackInvocation {
        /// The exchange.
        interaction_id: String,
        /// How many entities are ready.
        entity_number: u32,
    },
    /// See [`Step::GetResource`].
    GetResource {
        /// The exchange.
        interaction_id: String,
    },
    /// See [`Step::Confirmation`].
    Confirmation {
        /// The exchange.
        interaction_id: String,
    },
}

impl OwnedStep {
    fn borrowed(&self) -> Step<'_> {
        match self {
            Self::StartInteraction { callback_url } => Step::StartInteraction { callback_url },
            Self::CallbackInvocation { interaction_id, entity_number } => {
                Step::CallbackInvocation { interaction_id, entity_number: *entity_number }
            }
            Self::GetResource { interaction_id } => Step::GetResource { interaction_id },
            Self::Confirmation { interaction_id } => Step::Confirmation { interaction_id },
        }
    }
}

/// Until when the platform takes no more requests from an administration. All its clients share one.
#[derive(Debug, Clone, Default)]
pub struct Quota(Arc<Mutex<i64>>);

/// The quotas of this process, by environment and host of the token endpoint.
static QUOTAS: Mutex<BTreeMap<(Environment, String), Quota>> = Mutex::new(BTreeMap::new());

impl Quota {
    /// The one of a connection: that of all the connections of this process with the same environment at
    /// the same host. A platform of a test has its own host, and with it a quota of its own.
    pub fn of(connection: &Connection) -> Self {
        let host = authority(&connection.endpoints().token_url).to_ascii_lowercase();
        let mut quotas = QUOTAS.lock().unwrap_or_else(PoisonError::into_inner);
        quotas.entry((connection.environment, host)).or_default().clone()
    }

    /// Closed until then, in microseconds since 1970.
    fn closed_until(&self) -> i64 {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, until: i64) {
        let mut closed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *closed = until.max(*closed);
    }
}

type Key = (String, Option<String>, Wanted);

/// The vouchers of one connection.
pub struct VoucherClient {
    connection: Connection,
    endpoints: Endpoints,
    keys: RwLock<Arc<ConnectionKeys>>,
    http: HttpClient,
    endpoint: String,
    quota: Quota,
    places: Mutex<HashMap<Key, Arc<Flight<Held, VoucherError>>>>,
    new_name: fn() -> String,
}

impl fmt::Debug for VoucherClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VoucherClient").field("client_id", &self.connection.client_id).finish_non_exhaustive()
    }
}

/// The most vouchers that one connection holds; beyond it those that ended are forgotten.
const MOST_PLACES: usize = 10_000;

/// A random name, for tokens that are good once.
pub fn random_name() -> String {
    uuid::Uuid::new_v4().to_string()
}

impl VoucherClient {
    /// A client with these settings, when they have no mistakes. Nothing is sent.
    pub fn new(connection: Connection, keys: ConnectionKeys, quota: Quota) -> Result<Self, VoucherError> {
        let mistakes = preflight::connection(&connection, &keys.assertion, keys.dpop.as_ref(), None);
        if !mistakes.is_empty() {
            return Err(VoucherError::Mistakes(mistakes));
        }
        let endpoints = connection.endpoints();
        let (base, endpoint) =
            endpoints.token_url.rsplit_once('/').ok_or(VoucherError::Unusable("token_url has no path"))?;
        let http = HttpClient::new("pdnd", &connection.http(base)).map_err(|error| VoucherError::Unavailable {
            problem: error.problem,
            kind: ErrorKind::Local,
            after: None,
        })?;
        Ok(Self {
            endpoint: endpoint.to_owned(),
            http,
            endpoints,
            keys: RwLock::new(Arc::new(keys)),
            quota,
            places: Mutex::default(),
            new_name: random_name,
            connection,
        })
    }

    /// Replaces the keys: their `kid` is part of what a voucher is kept under, so that the next call
    /// asks with the new one. Refused when they do not fit the settings.
    pub fn rotate(&self, keys: ConnectionKeys) -> Result<(), VoucherError> {
        let settings = Connection { kid: None, ..self.connection.clone() };
        let mistakes = preflight::connection(&settings, &keys.assertion, keys.dpop.as_ref(), None);
        if !mistakes.is_empty() {
            return Err(VoucherError::Mistakes(mistakes));
        }
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }

    /// The settings.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The keys in use.
    pub fn keys(&self) -> Arc<ConnectionKeys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A voucher for this: the one at hand, or a new one. However many ask, one request is under way.
    pub async fn voucher(&self, wanted: &Wanted, now: UtcInstant) -> Result<Held, VoucherError> {
        self.held(wanted, None, now).await
    }

    /// Another voucher, after the e-service refused this one. Whoever asks second gets the one that
    /// the first fetched. The call is repeated once with it, never more.
    pub async fn renewed(&self, wanted: &Wanted, refused: &Held, now: UtcInstant) -> Result<Held, VoucherError> {
        self.held(wanted, Some(refused), now).await
    }

    async fn held(&self, wanted: &Wanted, refused: Option<&Held>, now: UtcInstant) -> Result<Held, VoucherError> {
        let keys = self.keys();
        let flight = self.flight(&keys, wanted, now);
        flight.held(refused, now, self.ask(&keys, wanted, now)).await
    }

    fn flight(&self, keys: &ConnectionKeys, wanted: &Wanted, now: UtcInstant) -> Arc<Flight<Held, VoucherError>> {
        let dpop = self.proof_key(keys).map(|key| key.thumbprint().to_owned());
        let key = (keys.assertion.thumbprint().to_owned(), dpop, wanted.clone());
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= MOST_PLACES {
            places.retain(|_, flight| Arc::strong_count(flight) > 1 || !flight.is_over(now));
        }
        places.entry(key).or_default().clone()
    }

    fn proof_key<'k>(&self, keys: &'k ConnectionKeys) -> Option<&'k crate::jose::SigningKey> {
        keys.dpop.as_ref().filter(|_| self.connection.scheme.is_dpop())
    }

    async fn ask(&self, keys: &ConnectionKeys, wanted: &Wanted, now: UtcInstant) -> Result<Held, VoucherError> {
        let closed_for = self.quota.closed_until().saturating_sub(now.unix_micros());
        if closed_for > 0 {
            let after = std::time::Duration::from_micros(closed_for.unsigned_abs());
            return Err(VoucherError::RateLimited { after: Some(after) });
        }
        match self.ask_once(keys, wanted, now).await {
            Asked::Given(held) => Ok(held),
            Asked::Failed(error) => Err(error),
            Asked::Refused(_) => match self.ask_once(keys, wanted, now).await {
                Asked::Given(held) => Ok(held),
                Asked::Refused(error) | Asked::Failed(error) => Err(error),
            },
        }
    }

    async fn ask_once(&self, keys: &ConnectionKeys, wanted: &Wanted, now: UtcInstant) -> Asked {
        let (client_id, name) = (self.connection.client_id.as_str(), (self.new_name)());
        let purpose_id = wanted.purpose_id.as_deref().or(self.connection.purpose_id.as_deref());
        let assertion = Assertion {
            client_id,
            audience: &self.endpoints.assertion_audience,
            purpose_id,
            evidence_digest: wanted.evidence_digest.as_deref(),
            step: wanted.step.as_ref().map(OwnedStep::borrowed),
        };
        let Ok(assertion) = mint(&keys.assertion, &assertion, &name, now) else {
            return Asked::Failed(VoucherError::NotSigned);
        };
        let expected = Expected {
            client_id,
            audience: &self.endpoints.assertion_audience,
            is_api_client: purpose_id.is_none(),
            is_asynchronous: wanted.step.is_some(),
        };
        let mistakes = preflight::assertion(&assertion, &expected, None, now);
        if !mistakes.is_empty() {
            return Asked::Failed(VoucherError::Mistakes(mistakes));
        }
        let (endpoint, url) = if wanted.step.is_some() {
            (format!("{}.async", self.endpoint), self.endpoints.asynchronous_token_url())
        } else {
            (self.endpoint.clone(), self.endpoints.token_url.clone())
        };
        let mut request = self
            .http
            .request(Method::POST, &[&endpoint], &[])
            .header("accept", "application/json")
            .body("application/x-www-form-urlencoded", form(client_id, &assertion));
        let proof_key = self.proof_key(keys);
        if let Some(key) = proof_key {
            match dpop::prove(key, "POST", &url, None, &(self.new_name)(), now) {
                Ok(proof) => request = request.secret_header("dpop", &proof),
                Err(_) => return Asked::Failed(VoucherError::NotSigned),
            }
        }
        let answer = match self.http.exchange(request).await {
            Ok(answer) => answer,
            Err(error) => {
                let problem = error.to_string();
                return Asked::Failed(VoucherError::Unavailable { problem, kind: error.kind, after: None });
            }
        };
        let wanted = For { client_id, purpose_id, thumbprint: proof_key.map(crate::jose::SigningKey::thumbprint) };
        let asked = read(&answer, wanted, now);
        self.note(&asked, keys.assertion.thumbprint(), purpose_id, &name, now);
        asked
    }

    /// What a support desk asks for, and the pause that all clients of the administration share.
    fn note(&self, asked: &Asked, kid: &str, purpose_id: Option<&str>, assertion: &str, now: UtcInstant) {
        let client_id = self.connection.client_id.as_str();
        match asked {
            Asked::Given(held) => {
                let (voucher, until) = (held.token_id(), seconds(now));
                tracing::debug!(client_id, kid, purpose_id, assertion, voucher, at = until, "voucher given");
            }
            Asked::Refused(error) | Asked::Failed(error) => {
                if let VoucherError::RateLimited { after: Some(after) } = error {
                    let micros = i64::try_from(after.as_micros()).unwrap_or(i64::MAX);
                    self.quota.close(now.unix_micros().saturating_add(micros));
                }
                tracing::warn!(client_id, kid, purpose_id, assertion, %error, "no voucher");
            }
        }
    }
}

//! The keys that the clients of partners have registered with the national platform: asked for one by
//! one when a signature names it, and kept for a while. A key counts only for the client that it is of.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use canonical::values::UtcInstant;
use kit::http::{HttpClient, HttpSettings, Method};
use kit::jose::{Keys, PublicKey, Refusal, seconds};
use kit::pdnd::call::{Caller, Outgoing};
use kit::pdnd::client::{Quota, VoucherClient};
use kit::pdnd::settings::Connection;
use serde::Deserialize;

use crate::clock::Clock;

/// An answer with one key is short.
const LONGEST_ANSWER: usize = 64 * 1024;
/// A key that was withdrawn is believed for so long at most, while the platform answers.
const KEPT_SECONDS: i64 = 3_600;
/// And for so long while it does not.
const KEPT_IN_SILENCE_SECONDS: i64 = 24 * 3_600;
/// That a key is not there is believed for so long: whoever registers it tries again.
const ABSENT_SECONDS: i64 = 60;
/// Names kept at a time.
const MOST: usize = 10_000;
const LONGEST_KID: usize = 128;

/// Keys by their names, as the platform gives them.
pub struct RegisteredKeys {
    platform: Caller,
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<String, Known>>,
}

impl fmt::Debug for RegisteredKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredKeys").field("platform", &self.platform).finish_non_exhaustive()
    }
}

/// What the platform said of a name, and when. None: nobody has registered it.
#[derive(Clone)]
struct Known {
    key: Option<(String, Arc<PublicKey>)>,
    since: i64,
}

/// The answer of the platform.
#[derive(Deserialize)]
struct Registered {
    #[serde(rename = "clientId")]
    client_id: String,
    jwk: serde_json::Value,
}

/// One key under its name.
#[derive(Debug)]
pub(in crate::http::api) struct Named(pub(in crate::http::api) String, pub(in crate::http::api) Arc<PublicKey>);

impl Keys for Named {
    fn key(&self, kid: &str) -> Option<Arc<PublicKey>> {
        (self.0 == kid).then(|| Arc::clone(&self.1))
    }
}

impl RegisteredKeys {
    /// Keys as a client of the platform's own services sees them. Nothing is sent yet.
    pub fn new(
        connection: &Connection,
        api_url: Option<&str>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, contract::SettingsError> {
        let unusable =
            |error: &dyn std::error::Error| contract::SettingsError { system: "pdnd", problem: chain(error) };
        let keys = connection.keys().map_err(|error| unusable(&error))?;
        let api_url = api_url.map_or_else(|| connection.endpoints().api_url, str::to_owned);
        let settings = HttpSettings { max_answer_bytes: LONGEST_ANSWER, ..connection.http(api_url) };
        let target = HttpClient::new("pdnd", &settings)?;
        let vouchers =
            VoucherClient::new(connection.clone(), keys, Quota::default()).map_err(|error| unusable(&error))?;
        Ok(Self { platform: Caller::new(vouchers, target, None), clock, known: Mutex::default() })
    }

    /// The key of this name, when this client has registered it.
    pub(in crate::http::api) async fn key_of(&self, client: &str, kid: &str) -> Result<Named, Refusal> {
        let now = seconds(self.clock.now());
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(kid).cloned();
        let fresh = known.as_ref().filter(|known| {
            let kept = if known.key.is_some() { KEPT_SECONDS } else { ABSENT_SECONDS };
            now.saturating_sub(known.since) < kept
        });
        let key = match (fresh, kid.len() <= LONGEST_KID) {
            (_, false) => None,
            (Some(known), true) => known.key.clone(),
            (None, true) => match self.ask(kid).await {
                Ok(key) => self.keep(kid, key, now),
                Err(error) => {
                    let old = known.filter(|known| now.saturating_sub(known.since) < KEPT_IN_SILENCE_SECONDS);
                    let old = old.and_then(|known| known.key);
                    tracing::warn!(error = chain(error.as_ref()), "a registered key was not given by the platform");
                    let silent = || Refusal::unavailable("registered_keys", "the platform gives no keys now");
                    Some(old.ok_or_else(silent)?)
                }
            },
        };
        let of_client = key.filter(|(of, _)| of == client).map(|(_, key)| Named(kid.to_owned(), key));
        of_client.ok_or_else(|| Refusal::unauthorized("unknown_kid", "the key is not registered for the client"))
    }

    fn keep(&self, kid: &str, key: Option<(String, Arc<PublicKey>)>, now: i64) -> Option<(String, Arc<PublicKey>)> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, known| known.key.is_some() && now.saturating_sub(known.since) < KEPT_SECONDS);
        }
        if known.len() < MOST {
            known.insert(kid.to_owned(), Known { key: key.clone(), since: now });
        }
        key
    }

    /// What the platform says of a name.
    async fn ask(
        &self,
        kid: &str,
    ) -> Result<Option<(String, Arc<PublicKey>)>, Box<dyn std::error::Error + Send + Sync>> {
        let outgoing = Outgoing {
            method: Method::GET,
            path: &["keys", kid],
            query: &[],
            content_type: None,
            content_encoding: None,
            body: Vec::new().into(),
            user: None,
        };
        let clock = Arc::clone(&self.clock);
        let now = move || -> UtcInstant { clock.now() };
        let answer = self.platform.send(&outgoing, now).await?.answer;
        match answer.status {
            200 => {
                let registered: Registered = answer.json()?;
                let key = PublicKey::from_jwk(&registered.jwk)?;
                Ok(Some((registered.client_id, Arc::new(key))))
            }
            404 => Ok(None),
            status => Err(format!("the platform answered {status}").into()),
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |told, source| format!("{told}: {source}"))
}

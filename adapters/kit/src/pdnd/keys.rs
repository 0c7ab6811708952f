//! The keys that the platform publishes: fetched when a voucher, or an answer of its own services, names
//! one that we do not have.
//!
//! A name that nobody knows refreshes them once, at most every minute; while that fails the old
//! ones still serve.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use canonical::values::UtcInstant;
use contract::{AdapterError, ErrorKind};
use reqwest::Method;

use super::voucher::{Expectations, Presented, Voucher, verify};
use crate::answer::Answer;
use crate::http::{HttpClient, HttpSettings};
use crate::jose::{Algorithm, KeySet, Keys, PublicKey, Refusal, Unclaimed, seconds};
use crate::modi::tokens::{Rules, Trust};
use crate::modi::verify::{self as message, Message, Signed};

/// Not more often than this.
const REFRESH_SECONDS: i64 = 60;

/// The keys of an environment, as last fetched.
pub struct PlatformKeys {
    http: HttpClient,
    document: String,
    keys: RwLock<KeySet>,
    /// When they were last asked for, whether or not an answer came.
    asked_at: tokio::sync::Mutex<Option<i64>>,
}

impl fmt::Debug for PlatformKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlatformKeys").finish_non_exhaustive()
    }
}

impl PlatformKeys {
    /// The keys at this address. Nothing is sent. `settings` are the deadlines and authorities of the
    /// environment; their address is replaced.
    pub fn new(url: &str, settings: &HttpSettings) -> Result<Self, contract::SettingsError> {
        let (base, document) = url.rsplit_once('/').unwrap_or((url, ""));
        let http = HttpClient::new("pdnd", &HttpSettings { base_url: base.to_owned(), ..settings.clone() })?;
        let asked_at = tokio::sync::Mutex::default();
        Ok(Self { http, document: document.to_owned(), keys: RwLock::default(), asked_at })
    }

    /// Verifies a voucher, fetching the keys once when its key is not among those at hand.
    pub async fn verify(
        &self,
        presented: Presented<'_>,
        expectations: &Expectations,
        now: UtcInstant,
    ) -> Result<Voucher, Refusal> {
        self.judge(|keys| verify(presented, keys, expectations, now), now).await
    }

    /// Verifies that this issuer, the platform, signed an answer of its own services. Such an answer
    /// has no audience.
    pub async fn verify_answer(
        &self,
        answer: &Answer,
        issuer: &str,
        now: UtcInstant,
    ) -> Result<Unclaimed<Signed>, Refusal> {
        let mut rules = Rules::for_audiences(Vec::new());
        (rules.audiences, rules.algorithms) = (None, vec![Algorithm::Rs256]);
        rules.issuer = Some(issuer.to_owned());
        let headers = answer.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()));
        let headers: Vec<_> = headers.collect();
        let message = Message { headers: &headers, body: &answer.body };
        let judge =
            |keys: &Self| message::verify(&message, Trust { keys: Some(keys), certificates: None }, &rules, None, now);
        self.judge(judge, now).await
    }

    /// A verdict by the keys at hand, and by those of now when they do not have the key.
    async fn judge<T>(&self, judge: impl Fn(&Self) -> Result<T, Refusal>, now: UtcInstant) -> Result<T, Refusal> {
        match judge(self) {
            Err(refusal) if refusal.code() == "unknown_kid" => {
                // A failure is in the log: with old keys the token is still judged, by those.
                let _ = self.refresh(now).await;
                if self.keys.read().unwrap_or_else(PoisonError::into_inner).is_empty() {
                    let detail = "the keys of the platform could not be fetched";
                    return Err(Refusal::unavailable("platform_keys", detail));
                }
                judge(self)
            }
            verdict => verdict,
        }
    }

    /// Fetches the keys, unless somebody did within a minute.
    pub async fn refresh(&self, now: UtcInstant) -> Result<(), AdapterError> {
        let mut asked_at = self.asked_at.lock().await;
        if asked_at.is_some_and(|asked_at| seconds(now) - asked_at < REFRESH_SECONDS) {
            return Ok(());
        }
        *asked_at = Some(seconds(now));
        let request = self.http.request(Method::GET, &[&self.document], &[]).header("accept", "application/json");
        let answer = self.http.exchange(request).await;
        let answer = answer.inspect_err(|error| tracing::warn!(%error, "the keys of the platform were not given"))?;
        let keys = match answer.status {
            200 => KeySet::from_jwks(&answer.body).ok().filter(|keys| !keys.is_empty()),
            _ => None,
        };
        let Some(keys) = keys else {
            let error = AdapterError::new(ErrorKind::NotUnderstood, answer.attempted.clone());
            tracing::warn!(status = answer.status, "the keys of the platform were not given, the old ones still serve");
            return Err(error.remote_code(answer.status.to_string()));
        };
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }
}

impl Keys for PlatformKeys {
    fn key(&self, kid: &str) -> Option<Arc<PublicKey>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).key(kid)
    }
}

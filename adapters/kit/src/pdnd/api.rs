//! The platform's own services (PDND API, version 3): registered keys and what becomes of them, and the
//! state of a purpose.
//!
//! Every answer that says something is signed by the platform, also the one that says "not there": an
//! answer that is not is believed as little as a page. Vouchers are those of a client api interop, bound
//! to a key: the platform takes no others here. Nothing waits and nothing is kept; see
//! [`registered`](super::registered) for a memory of keys.

mod wire;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use canonical::values::UtcInstant;
use contract::{AdapterError, Advice, ErrorKind, SettingsError};
use reqwest::Method;
use serde::de::DeserializeOwned;

use super::call::{Caller, Outgoing};
use super::client::{Quota, VoucherClient};
use super::keys::PlatformKeys;
use super::preflight::is_kid;
use super::settings::{Connection, ConnectionKeys};
use crate::answer::{Answer, common_error};
use crate::http::HttpClient;
use crate::jose::{PublicKey, Seen};
use crate::modi::gateway;
use crate::modi::service::Standing;

pub use wire::{Agreement, KeyEvent, KeyEventKind, Purpose, PurposeVersion, RemainingCalls};

/// The most events that one page has.
pub const LARGEST_PAGE: u16 = 500;

/// Whose keys: each register of the platform has its own paths and its own events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Register {
    /// Of clients, which sign requests.
    Clients,
    /// Of the keychains of producers, which sign answers and calls back.
    Keychains,
}

impl Register {
    pub(super) fn keys(self) -> &'static str {
        match self {
            Self::Clients => "keys",
            Self::Keychains => "producerKeys",
        }
    }

    fn events(self) -> &'static str {
        match self {
            Self::Clients => "keyEvents",
            Self::Keychains => "producerKeyEvents",
        }
    }
}

/// A key that somebody has registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredKey {
    /// The client, or the keychain.
    pub owner: String,
    /// The key.
    pub key: Arc<PublicKey>,
}

/// The services of one environment, as one client of them.
pub struct PlatformApi {
    caller: Caller,
    keys: PlatformKeys,
    issuer: String,
    seen: Arc<dyn Seen>,
}

impl fmt::Debug for PlatformApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlatformApi").field("caller", &self.caller).finish_non_exhaustive()
    }
}

impl PlatformApi {
    /// The services that a connection reaches. Nothing is sent. An answer is good once, in `seen`.
    pub fn new(
        connection: Connection,
        keys: ConnectionKeys,
        quota: Quota,
        seen: Arc<dyn Seen>,
    ) -> Result<Self, SettingsError> {
        let unusable = |problem: String| SettingsError { system: "pdnd", problem };
        if !connection.is_api_client || !connection.scheme.is_dpop() {
            let problem = "the services of the platform take a client api interop alone, with is_api_client = true and \
                           scheme = \"dpop\"";
            return Err(unusable(problem.to_owned()));
        }
        let endpoints = connection.endpoints();
        let settings = connection.http(&endpoints.api_url);
        let target = HttpClient::new("pdnd", &settings)?;
        let answers = PlatformKeys::new(&endpoints.api_keys_url, &settings)?;
        let vouchers = VoucherClient::new(connection, keys, quota).map_err(|error| unusable(error.to_string()))?;
        Ok(Self { caller: Caller::new(vouchers, target, None), keys: answers, issuer: endpoints.issuer, seen })
    }

    /// The key of this name; none when nobody has registered it. A text that cannot be a name is not
    /// asked for.
    pub async fn key(
        &self,
        register: Register,
        kid: &str,
        now: impl Fn() -> UtcInstant,
    ) -> Result<Option<RegisteredKey>, AdapterError> {
        if !is_kid(kid) {
            return Ok(None);
        }
        let Some((answer, key)) = self.get::<wire::Key>(&[register.keys(), kid], &[], &now).await? else {
            return Ok(None);
        };
        if key.jwk.get("kid").and_then(serde_json::Value::as_str) != Some(kid) {
            return Err(answer.not_understood("the key has another name than the one asked for"));
        }
        let public = PublicKey::from_jwk(&key.jwk).map_err(|error| answer.not_understood(&error.to_string()))?;
        let owner = match register {
            Register::Clients => key.client_id,
            Register::Keychains => key.producer_keychain_id,
        };
        let owner = owner.ok_or_else(|| answer.not_understood("the key has no owner of that register"))?;
        Ok(Some(RegisteredKey { owner, key: Arc::new(public) }))
    }

    /// What became of keys after this event, the oldest first; at most `limit`, of 500.
    pub async fn key_events(
        &self,
        register: Register,
        after: Option<&str>,
        limit: u16,
        now: impl Fn() -> UtcInstant,
    ) -> Result<Vec<KeyEvent>, AdapterError> {
        let limit = limit.clamp(1, LARGEST_PAGE).to_string();
        let mut query = vec![("limit", limit.as_str())];
        query.extend(after.map(|id| ("lastEventId", id)));
        let page = self.get::<wire::KeyEvents>(&[register.events()], &query, &now).await?;
        let (_, page) = page.ok_or_else(|| no_such(&format!("pdnd GET /{}", register.events())))?;
        Ok(page.events)
    }

    /// The purpose; none when the platform knows none of this name, or does not show it to us.
    pub async fn purpose(
        &self,
        purpose_id: &str,
        now: impl Fn() -> UtcInstant,
    ) -> Result<Option<Purpose>, AdapterError> {
        Ok(self.get(&["purposes", purpose_id], &[], &now).await?.map(|(_, purpose)| purpose))
    }

    /// The agreement that a purpose stands on.
    pub async fn agreement(
        &self,
        purpose_id: &str,
        now: impl Fn() -> UtcInstant,
    ) -> Result<Option<Agreement>, AdapterError> {
        Ok(self.get(&["purposes", purpose_id, "agreement"], &[], &now).await?.map(|(_, agreement)| agreement))
    }

    /// How many calls a purpose has left today.
    pub async fn remaining_calls(
        &self,
        purpose_id: &str,
        now: impl Fn() -> UtcInstant,
    ) -> Result<Option<RemainingCalls>, AdapterError> {
        Ok(self.get(&["purposes", purpose_id, "remainingDailyCalls"], &[], &now).await?.map(|(_, calls)| calls))
    }

    /// How the services say they are.
    pub async fn standing(&self, now: impl Fn() -> UtcInstant) -> Result<Standing, AdapterError> {
        let answer = self.ask(&["status"], &[], &now).await?;
        match answer.status {
            200 => self.believe(&answer, now()).await.map(|()| Standing::of(&answer)),
            503 => Ok(Standing::of(&answer)),
            _ => Err(unexpected(&answer)),
        }
    }

    /// The body of a 200, or the none of a 404: both signed.
    async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        now: &impl Fn() -> UtcInstant,
    ) -> Result<Option<(Answer, T)>, AdapterError> {
        let answer = self.ask(path, query, now).await?;
        if !matches!(answer.status, 200 | 404) {
            return Err(unexpected(&answer));
        }
        self.believe(&answer, now()).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let body = answer.object()?;
        Ok(Some((answer, body)))
    }

    async fn ask(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        now: &impl Fn() -> UtcInstant,
    ) -> Result<Answer, AdapterError> {
        let outgoing = Outgoing {
            method: Method::GET,
            path,
            query,
            content_type: None,
            content_encoding: None,
            body: Bytes::new(),
            user: None,
        };
        Ok(self.caller.send(&outgoing, now).await?.answer)
    }

    /// Whether the platform said this, now and to nobody before.
    async fn believe(&self, answer: &Answer, now: UtcInstant) -> Result<(), AdapterError> {
        let verified = self.keys.verify_answer(answer, &self.issuer, now).await;
        let claimed = match verified {
            Ok(signed) => signed.claim(self.seen.as_ref(), now).await,
            Err(refusal) => Err(refusal),
        };
        match claimed {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.status() == 503 => {
                let error = AdapterError::new(ErrorKind::Unavailable, answer.attempted.clone());
                Err(error.remote_code(refusal.code()).caused_by(refusal))
            }
            Err(refusal) => {
                tracing::warn!(
                    code = refusal.code(),
                    attempted = answer.attempted,
                    "an answer the platform did not sign"
                );
                let error = AdapterError::new(ErrorKind::NotUnderstood, answer.attempted.clone());
                Err(error.remote_code(refusal.code()).advice(Advice::Retry { after: None }).caused_by(refusal))
            }
        }
    }
}

fn unexpected(answer: &Answer) -> AdapterError {
    gateway::error_of(answer)
        .or_else(|| common_error(&answer.attempted, answer))
        .unwrap_or_else(|| answer.not_understood("an answer that the services of the platform do not give"))
}

fn no_such(attempted: &str) -> AdapterError {
    AdapterError::new(ErrorKind::NotUnderstood, attempted)
        .remote_code("404")
        .advice(Advice::FixConfiguration)
        .caused_by("no such operation at this address".to_owned())
}

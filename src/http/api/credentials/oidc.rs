//! Access tokens of an OIDC provider, by client credentials (RFC 9068): for partners outside the
//! national platform. Discovery finds the keys; what a token says is checked here, with our clock.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use axum::http::request::Parts;
use canonical::values::UtcInstant;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use kit::http::{HttpClient, HttpSettings, Method};
use kit::jose::{Algorithm, Compact, KeySet, Keys as _, seconds};
use openidconnect::core::CoreProviderMetadata;
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse, IssuerUrl, http};

use super::published_keys::{Fetch, Fetched, PublishedKeys};
use super::{Partners, refused};
use crate::chain::chain;
use crate::clock::Clock;
use crate::config::exchange::OidcConfig;
use crate::http::api::caller::{Caller, Credentials, LONGEST_TOKEN, Refusal, Refused, authorization};

/// What the provider publishes is a few kilobytes.
const LONGEST_ANSWER: usize = 256 * 1024;
/// How far ahead of us the clock of the provider may be.
const TOLERANCE_SECONDS: i64 = 10;
/// No token may live longer.
const LONGEST_LIFE_SECONDS: i64 = 24 * 3_600;
const LONGEST_KID: usize = 128;

/// Access tokens.
pub struct Tokens {
    keys: PublishedKeys,
    config: OidcConfig,
    algorithms: Vec<Algorithm>,
    partners: Partners,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("issuer", &self.config.issuer).finish_non_exhaustive()
    }
}

impl Tokens {
    /// Tokens by a configuration. Nothing is sent yet.
    pub fn new(
        config: &OidcConfig,
        partners: Partners,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, contract::SettingsError> {
        // Whether the address can be asked at all is told at the start.
        settings(config, &config.issuer).and_then(|settings| HttpClient::new("oidc", &settings))?;
        let keys = PublishedKeys::new(Box::new(Provider(config.clone())), clock.clone());
        let algorithms = config.algorithms.iter().filter_map(|name| Algorithm::parse(name)).collect();
        Ok(Self { keys, config: config.clone(), algorithms, partners, clock })
    }

    fn client(&self, token: &str, keys: &KeySet, now: UtcInstant) -> Result<String, kit::jose::Refusal> {
        let refuse = kit::jose::Refusal::unauthorized;
        if token.len() > LONGEST_TOKEN {
            return Err(refuse("malformed", "the token is too long"));
        }
        let token = Compact::parse(token)?;
        token.algorithm(&self.algorithms)?;
        let is_expected = |typ: &str| self.config.types.iter().any(|known| known.eq_ignore_ascii_case(typ));
        if !token.header_text("typ").is_some_and(is_expected) {
            return Err(refuse("typ", "typ is not that of an access token"));
        }
        token.refuse_crit()?;
        let kid = token.header_text("kid").filter(|kid| kid.len() <= LONGEST_KID);
        let key = kid.and_then(|kid| keys.key(kid));
        let key = key.ok_or_else(|| refuse("unknown_kid", "no key of the provider has that kid"))?;
        let claims = token.verify(&key, &self.algorithms)?;
        if claims.text("iss") != Some(self.config.issuer.as_str()) {
            return Err(refuse("issuer", "iss is not the provider"));
        }
        let until = claims.check_exp(now)?;
        claims.check_nbf(now, TOLERANCE_SECONDS)?;
        let since = claims.check_iat(now, TOLERANCE_SECONDS)?;
        if until.saturating_sub(since) > LONGEST_LIFE_SECONDS
            || until.saturating_sub(seconds(now)) > LONGEST_LIFE_SECONDS
        {
            return Err(refuse("lifetime", "the token lives too long"));
        }
        claims.check_audience(std::slice::from_ref(&self.config.audience))?;
        // A nonce belongs to the login of a person: an ID token opens nothing here.
        if claims.get("nonce").is_some() {
            return Err(refuse("typ", "an ID token is no access token"));
        }
        let client = claims.text("client_id").or_else(|| claims.text("azp"));
        client.map(str::to_owned).ok_or_else(|| refuse("client_id", "the token names no client"))
    }
}

#[async_trait]
impl Credentials for Tokens {
    async fn verify(&self, parts: &Parts) -> Result<Caller, Refused> {
        let value = authorization(&parts.headers)?;
        let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refusal::Unknown("scheme").into());
        }
        let (token, now) = (token.trim(), self.clock.now());
        let keys = self.keys.known().await.ok_or(Refusal::Unavailable("keys_unavailable"))?;
        let client = match self.client(token, &keys, now) {
            Err(refusal) if refusal.code() == "unknown_kid" => match self.keys.anew().await {
                Some(keys) => self.client(token, &keys, now),
                None => Err(refusal),
            },
            verified => verified,
        };
        Ok(self.partners.client(&client.map_err(|error| refused(&error))?)?)
    }
}

/// The client for an address that the provider told us. On its own host that is ours to believe;
/// elsewhere it must not lead into our networks, whatever is allowed of the provider itself.
fn client(config: &OidcConfig, address: &str) -> Result<HttpClient, contract::SettingsError> {
    let told = settings(config, address)?;
    if settings(config, &config.issuer)?.base_url == told.base_url {
        HttpClient::new("oidc", &told)
    } else {
        HttpClient::of_others("oidc", &HttpSettings { allow_private: false, ..told })
    }
}

/// The settings of a client for the host of an address.
fn settings(config: &OidcConfig, address: &str) -> Result<HttpSettings, contract::SettingsError> {
    let problem = || contract::SettingsError { system: "oidc", problem: format!("{address} is not an address") };
    let uri: http::Uri = address.parse().map_err(|_| problem())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(problem()) };
    Ok(HttpSettings {
        max_answer_bytes: LONGEST_ANSWER,
        ca_file: config.ca_file.clone(),
        allow_private: config.allow_private,
        ..HttpSettings::new(format!("{scheme}://{authority}/"))
    })
}

struct Provider(OidcConfig);

/// How the library reaches the provider.
struct AsConfigured(OidcConfig);

impl<'c> AsyncHttpClient<'c> for AsConfigured {
    type Error = NotAsked;
    type Future = BoxFuture<'c, Result<HttpResponse, NotAsked>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        ask(&self.0, request).boxed()
    }
}

/// What the library is told when the provider could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NotAsked(String);

#[async_trait]
impl Fetch for Provider {
    async fn fetch(&self) -> Fetched {
        let issuer = IssuerUrl::new(self.0.issuer.clone()).map_err(|error| error.to_string())?;
        let client = AsConfigured(self.0.clone());
        // Discovery compares the issuer with the one it was asked for, and fetches the keys.
        let found = CoreProviderMetadata::discover_async(issuer, &client).await.map_err(|error| chain(&error))?;
        let keys = serde_json::to_vec(found.jwks()).map_err(|error| error.to_string())?;
        KeySet::from_jwks(&keys).map_err(|error| error.to_string())
    }
}

async fn ask(config: &OidcConfig, request: HttpRequest) -> Result<HttpResponse, NotAsked> {
    let told = |error: &dyn std::error::Error| NotAsked(chain(error));
    let address = request.uri().to_string();
    let client = client(config, &address).map_err(|error| told(&error))?;
    let segments: Vec<&str> = request.uri().path().split('/').filter(|segment| !segment.is_empty()).collect();
    let answer = client.exchange(client.request(Method::GET, &segments, &[])).await.map_err(|error| told(&error))?;
    let mut response = http::Response::builder().status(answer.status);
    if let Some(content_type) = &answer.content_type {
        response = response.header(http::header::CONTENT_TYPE, content_type);
    }
    response.body(answer.body.to_vec()).map_err(|error| told(&error))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_allowed_of_the_provider_is_not_allowed_of_whom_it_names() {
        let config = |issuer: &str| {
            let text =
                json!({ "issuer": issuer, "audience": "https://scambio.provincia.example", "allow_private": true });
            serde_json::from_value::<OidcConfig>(text).unwrap()
        };
        let reaches = |issuer: &str, address: &str| client(&config(issuer), address).is_ok();
        assert!(reaches("https://10.0.0.7/realm", "https://10.0.0.7/realm/keys"), "its own host");
        assert!(!reaches("https://10.0.0.7/realm", "https://10.0.0.8/keys"));
        assert!(!reaches("https://10.0.0.7/realm", "https://10.0.0.7:8443/keys"), "another service of that host");
        assert!(!reaches("https://accessi.example", "https://127.0.0.1/keys"));
        assert!(reaches("https://accessi.example", "https://chiavi.example/keys"), "a public name");
    }
}

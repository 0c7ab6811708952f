//! A request for a token, and what its answer means.
//!
//! Secrets, assertions and tokens appear in no error and no log line; of what a server says in refusing,
//! only its code: its sentences may name what they like.

use std::time::Duration;

use canonical::values::UtcInstant;
use contract::{AdapterError, Advice, ErrorKind, Phase};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use openidconnect::core::{CoreClient, CoreErrorResponseType, CoreJsonWebKeySet, CoreTokenResponse, CoreTokenType};
use openidconnect::{
    AsyncHttpClient, ClientId, ClientSecret, HttpRequest, HttpResponse, IssuerUrl, OAuth2TokenResponse as _,
    RequestTokenError, Scope, StandardErrorResponse, TokenUrl, http,
};
use reqwest::Method;
use serde::Serialize;

use super::settings::{Proof, Registration};
use crate::Secret;
use crate::answer::Answer;
use crate::http::HttpClient;
use crate::jose::{KeyError, KeyedHeader, SigningKey, seconds, sign};

/// How long an assertion is good. It is sent at once.
const ASSERTION_LIFE_SECONDS: i64 = 60;
/// How long a token is used whose life the server does not tell.
const UNTOLD_LIFE_SECONDS: i64 = 300;
/// The longest code of an error that is repeated.
const LONGEST_CODE: usize = 64;

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The server does not take the client, or gives it not what it asks for.
    #[error(
        "the authorization server refused the client ({code}): look at client_id, at its secret or key, and at what it asks for"
    )]
    Refused {
        /// Its code: `invalid_client`, `invalid_scope`; the status where it says none.
        code: String,
    },
    /// Too many requests.
    #[error("the authorization server takes no more requests for now")]
    RateLimited {
        /// Not before, when it said so.
        after: Option<Duration>,
    },
    /// It cannot answer now, or could not be reached.
    #[error("the authorization server does not give tokens now: {problem}")]
    Unavailable {
        /// What happened.
        problem: String,
        /// The kind of what happened.
        kind: ErrorKind,
        /// What to do.
        advice: Advice,
    },
    /// It answered with something that is no token for us.
    #[error("the answer of the authorization server is no token that can be used: {0}")]
    Unusable(&'static str),
    /// We could not sign.
    #[error("the assertion of the client could not be signed")]
    NotSigned,
}

impl From<TokenError> for AdapterError {
    /// Without a token nothing was sent to the system itself. No record is to blame for it.
    fn from(error: TokenError) -> Self {
        let (kind, advice) = match &error {
            TokenError::Refused { .. } => (ErrorKind::Authentication, Advice::FixConfiguration),
            TokenError::RateLimited { after } => (ErrorKind::RateLimited, Advice::Retry { after: *after }),
            TokenError::Unavailable { kind, advice, .. } => (*kind, *advice),
            TokenError::Unusable(_) => (ErrorKind::NotUnderstood, Advice::FixConfiguration),
            TokenError::NotSigned => (ErrorKind::Local, Advice::FixConfiguration),
        };
        let made = Self::new(kind, "oauth POST token").phase(Phase::BeforeSending).advice(advice);
        let made = match &error {
            TokenError::Refused { code } => made.remote_code(code.clone()),
            _ => made,
        };
        made.caused_by(error)
    }
}

/// A token as it was given.
pub(super) struct Given {
    pub(super) token: Secret,
    /// How long it is good, in seconds.
    pub(super) life: i64,
}

/// Asks for a token, once. `name` is a new one every time.
pub(super) async fn ask(
    endpoint: &HttpClient,
    registration: &Registration,
    proof: &Proof,
    name: &str,
    now: UtcInstant,
) -> Result<Given, TokenError> {
    let url = &registration.token_url;
    let no_address = |_| TokenError::Unusable("token_url is not an address");
    // Nobody's identity is asked for: whose keys and which issuer these are does not matter.
    let issuer = IssuerUrl::new(url.clone()).map_err(no_address)?;
    let client_id = ClientId::new(registration.client_id.clone());
    let client = CoreClient::new(client_id, issuer, CoreJsonWebKeySet::default())
        .set_token_uri(TokenUrl::new(url.clone()).map_err(no_address)?);
    let client = match proof {
        Proof::Secret(secret) => client.set_client_secret(ClientSecret::new(secret.expose().to_owned())),
        Proof::Key { .. } => client,
    };
    let mut request = client.exchange_client_credentials();
    if let Proof::Key { key, kid, audience } = proof {
        let assertion = assertion(key, kid, &registration.client_id, audience, name, now);
        request = request
            .add_extra_param("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
            .add_extra_param("client_assertion", assertion.map_err(|_| TokenError::NotSigned)?);
    }
    let words = registration.scope.iter().flat_map(|scope| scope.split(' '));
    request = request.add_scopes(words.map(|word| Scope::new(word.to_owned())));
    for (name, value) in [("audience", &registration.audience), ("resource", &registration.resource)] {
        if let Some(value) = value {
            request = request.add_extra_param(name, value.as_str());
        }
    }
    match request.request_async(&Endpoint(endpoint)).await {
        Ok(answer) => given(&answer),
        Err(RequestTokenError::Request(error)) => Err(error),
        // What the library tells has the answer in it, and that may have the token.
        Err(_) => Err(TokenError::Unusable("the answer is not that of a token")),
    }
}

fn given(answer: &CoreTokenResponse) -> Result<Given, TokenError> {
    let token = answer.access_token().secret();
    if *answer.token_type() != CoreTokenType::Bearer {
        return Err(TokenError::Unusable("token_type is not Bearer"));
    }
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(TokenError::Unusable("the token is empty, or has characters that headers do not admit"));
    }
    let life =
        answer.expires_in().map_or(UNTOLD_LIFE_SECONDS, |life| i64::try_from(life.as_secs()).unwrap_or(i64::MAX));
    if life == 0 {
        return Err(TokenError::Unusable("the token has expired already"));
    }
    Ok(Given { token: Secret::new(token), life })
}

#[derive(Serialize)]
struct Payload<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    jti: &'a str,
    iat: i64,
    exp: i64,
}

/// What a client signs to prove itself (RFC 7523).
fn assertion(
    key: &SigningKey,
    kid: &str,
    client_id: &str,
    audience: &str,
    name: &str,
    now: UtcInstant,
) -> Result<String, KeyError> {
    let (iat, exp) = (seconds(now), seconds(now).saturating_add(ASSERTION_LIFE_SECONDS));
    let payload = Payload { iss: client_id, sub: client_id, aud: audience, jti: name, iat, exp };
    sign(key, &KeyedHeader::new(key, kid), &payload)
}

/// How the library reaches the token endpoint: by our client, which speaks with it alone.
struct Endpoint<'a>(&'a HttpClient);

impl<'c> AsyncHttpClient<'c> for Endpoint<'_> {
    type Error = TokenError;
    type Future = BoxFuture<'c, Result<HttpResponse, TokenError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        exchange(self.0, request).boxed()
    }
}

async fn exchange(endpoint: &HttpClient, asked: HttpRequest) -> Result<HttpResponse, TokenError> {
    let mut request = endpoint.request_base(Method::POST).header("accept", "application/json");
    if let Some(value) = asked.headers().get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok()) {
        request = request.secret_header("authorization", value);
    }
    let request = request.body("application/x-www-form-urlencoded", asked.into_body());
    let answer = endpoint.exchange(request).await.map_err(|error| not_asked(&error))?;
    check(&answer)?;
    let mut response = http::Response::builder().status(answer.status);
    if let Some(content_type) = &answer.content_type {
        response = response.header(http::header::CONTENT_TYPE, content_type);
    }
    response.body(answer.body.to_vec()).map_err(|_| TokenError::Unusable("the answer is not that of a token"))
}

/// What became of a request without an answer.
fn not_asked(error: &AdapterError) -> TokenError {
    let sources = std::iter::successors(std::error::Error::source(error), |error| error.source());
    let problem = sources.fold(error.to_string(), |told, source| format!("{told}: {source}"));
    let advice = match error.kind {
        ErrorKind::NotUnderstood | ErrorKind::Local => Advice::FixConfiguration,
        _ => error.advice,
    };
    TokenError::Unavailable { problem, kind: error.kind, advice }
}

/// Refuses every answer that brings no token. The status decides, the body is a bonus.
fn check(answer: &Answer) -> Result<(), TokenError> {
    match answer.status {
        200 => answer.defect.map_or(Ok(()), |defect| Err(TokenError::Unusable(defect))),
        400 | 401 | 403 => Err(TokenError::Refused { code: code(answer) }),
        404 | 405 => Err(TokenError::Unusable("there is no token endpoint at token_url")),
        429 => Err(TokenError::RateLimited { after: answer.retry_after }),
        408 | 500..=599 => Err(TokenError::Unavailable {
            problem: format!("status {}", answer.status),
            kind: ErrorKind::Unavailable,
            advice: Advice::Retry { after: answer.retry_after },
        }),
        300..=399 => Err(TokenError::Unusable("a redirect, never followed: correct token_url")),
        _ => Err(TokenError::Unusable("a status outside the protocol")),
    }
}

/// The code of a refusal, where it looks like one.
fn code(answer: &Answer) -> String {
    let said: Option<StandardErrorResponse<CoreErrorResponseType>> = serde_json::from_slice(&answer.body).ok();
    let is_of_a_code = |byte: u8| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'-' | b'.');
    let code = said.map(|said| said.error().as_ref().to_owned());
    let code = code.filter(|code| !code.is_empty() && code.len() <= LONGEST_CODE && code.bytes().all(is_of_a_code));
    code.unwrap_or_else(|| answer.status.to_string())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(r#"{"error":"invalid_client","error_description":"parola"}"#, "invalid_client")]
    #[case(r#"{"error":"not_on_the_list"}"#, "not_on_the_list")]
    #[case(r#"{"error":"RSSMRA80A01H501U"}"#, "401")]
    #[case(r#"{"error":""}"#, "401")]
    #[case(r#"{"error":7}"#, "401")]
    #[case("<html>", "401")]
    fn a_refusal_is_told_by_its_code_and_by_nothing_else(#[case] body: &'static str, #[case] expected: &str) {
        let answer = Answer { status: 401, body: body.into(), ..Answer::default() };
        let Err(TokenError::Refused { code }) = check(&answer) else { panic!("refused") };
        assert_eq!(code, expected);
    }
}

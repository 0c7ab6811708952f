//! The platform, in this process: gives vouchers to right assertions, and fails on request.

use std::sync::{Arc, Mutex};

use kit::jose::sign;
use kit::pdnd::preflight::{Expected, assertion};
use kit::pdnd::settings::Connection;
use serde_json::{Value, json};
use wiremock::matchers::{method, path_regex};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::samples::{at_seconds, bytes, private, registered};

/// 2026-12-01T09:00:00Z
pub(crate) const NOW: i64 = 1_796_115_600;
pub(crate) const PURPOSE: &str = "1b361d49-33f4-4f1e-a88b-4e12661f2300";
const CLIENT: &str = "9b361d49-33f4-4f1e-a88b-4e12661f2309";
pub(crate) const KID: &str = "5c9a3b1e-2f4d-4c7a-9b6e-8d1f0a2c3e4b";

/// What it does with an assertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Gives {
        expires_in: i64,
    },
    GivesBound {
        expires_in: i64,
    },
    OfAnotherPurpose,
    BoundToAnother,
    Refuses,
    RefusesOnce,
    /// Takes no more requests for so long.
    Limits {
        seconds: u64,
    },
    Fails(u16),
    Page(u16),
}

/// The handle to change its mind by.
#[derive(Debug, Clone)]
pub(crate) struct Platform {
    mode: Arc<Mutex<Mode>>,
    host: Arc<Mutex<String>>,
    given: Arc<Mutex<u32>>,
}

impl Platform {
    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.lock().expect("a mode") = mode;
    }
}

/// A connection to it.
pub(crate) fn connection(server: &MockServer) -> Connection {
    connection_to(&format!("{}/token.oauth2", server.uri()))
}

pub(crate) fn connection_to(token_url: &str) -> Connection {
    let written = json!({
        "environment": "uat",
        "client_id": CLIENT,
        "kid": null,
        "private_key_file": "/nowhere",
        "purpose_id": PURPOSE,
        "token_url": token_url,
        "message_audience": "https://erogatore.example/rest/appalti/v1",
    });
    serde_json::from_value(written).expect("settings")
}

/// A platform at a host that none had before it: what is remembered of a host outlives a test.
pub(crate) async fn start(mode: Mode) -> (MockServer, Platform) {
    let server = MockServer::builder().start().await;
    let host = server.uri().trim_start_matches("http://").to_owned();
    let platform =
        Platform { mode: Arc::new(Mutex::new(mode)), host: Arc::new(Mutex::new(host)), given: Arc::default() };
    Mock::given(method("POST")).and(path_regex("^/token.oauth2")).respond_with(platform.clone()).mount(&server).await;
    (server, platform)
}

/// The assertion of a request.
pub(crate) fn assertion_of(request: &Request) -> Option<String> {
    field(request, "client_assertion")
}

fn field(request: &Request, name: &str) -> Option<String> {
    let mut fields = form_urlencoded::parse(&request.body);
    fields.find(|(field, _)| field == name).map(|(_, value)| value.into_owned())
}

/// The claims of a token, unverified.
pub(crate) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("a payload");
    serde_json::from_slice(&kit::jose::from_base64url(payload).expect("base64url")).expect("JSON")
}

impl Respond for Platform {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mode = *self.mode.lock().expect("a mode");
        let problem = |status: u16, file: &str| {
            ResponseTemplate::new(status).set_body_raw(bytes(&format!("errors/{file}")), "application/problem+json")
        };
        let refused = || problem(400, "pdnd-token-400.json");
        match mode {
            Mode::Refuses => return refused(),
            Mode::RefusesOnce => {
                self.set(Mode::Gives { expires_in: 600 });
                return refused();
            }
            Mode::Limits { seconds } => {
                return problem(429, "pdnd-token-429.json")
                    .insert_header("X-Rate-Limit-Remaining", "0")
                    .insert_header("X-Rate-Limit-Interval", (seconds * 1_000).to_string());
            }
            Mode::Fails(status) => return problem(status, "pdnd-token-500.json"),
            Mode::Page(status) => {
                return ResponseTemplate::new(status).set_body_raw(bytes("errors/gateway-error.html"), "text/html");
            }
            _ => {}
        }
        let text = assertion_of(request).unwrap_or_default();
        let issued = claims(&text);
        let audience = format!("{}/client-assertion", self.host.lock().expect("a host"));
        let is_asynchronous = request.url.path() == "/token.oauth2.async";
        // A client of the platform's own services is the one without a purpose.
        let is_api_client = issued.get("purposeId").is_none();
        let expected = Expected { client_id: CLIENT, audience: &audience, is_api_client, is_asynchronous };
        let keys = registered(&["eservice", "stranger", "api"]);
        let found = assertion(&text, &expected, Some(&keys), at_seconds(issued["iat"].as_i64().unwrap_or(NOW)));
        if !found.is_empty() || field(request, "client_id").as_deref() != Some(CLIENT) {
            return refused();
        }
        self.give(mode, request, &issued)
    }
}

impl Platform {
    fn give(&self, mode: Mode, request: &Request, issued: &Value) -> ResponseTemplate {
        let (expires_in, is_bound) = match mode {
            Mode::Gives { expires_in } => (expires_in, false),
            Mode::GivesBound { expires_in } => (expires_in, true),
            _ => (600, mode == Mode::BoundToAnother),
        };
        let number = {
            let mut given = self.given.lock().expect("a number");
            *given += 1;
            *given
        };
        let iat = issued["iat"].as_i64().unwrap_or(NOW);
        let mut payload = json!({
            "iss": "uat.interop.pagopa.it", "aud": "https://erogatore.example/rest/appalti/v1",
            "client_id": CLIENT, "sub": CLIENT, "iat": iat, "nbf": iat, "exp": iat + expires_in,
            "jti": format!("00000000-0000-4000-8000-{number:012}"), "purposeId": issued["purposeId"],
        });
        if mode == Mode::OfAnotherPurpose {
            payload["purposeId"] = "00000000-0000-4000-8000-000000000000".into();
        }
        if issued.get("digest").is_some() {
            payload["digest"] = issued["digest"].clone();
        }
        if is_bound {
            let proof = request.headers.get("dpop").and_then(|value| value.to_str().ok());
            let url = format!("http://{}{}", self.host.lock().expect("a host"), request.url.path());
            let thumbprint = match proof {
                Some(proof) => match kit::pdnd::dpop::verify(proof, "POST", &url, None, at_seconds(iat)) {
                    Ok(proof) => proof.reused().thumbprint().to_owned(),
                    Err(refusal) => panic!("{refusal} for {url}"),
                },
                None => "another".to_owned(),
            };
            payload["cnf"] = json!({ "jkt": thumbprint });
        }
        let header = json!({ "alg": "RS256", "use": "sig", "typ": "at+jwt", "kid": KID });
        let token = sign(&private("pdndVoucher"), &header, &payload).expect("a voucher");
        let token_type = if is_bound { "DPoP" } else { "Bearer" };
        let body = json!({ "access_token": token, "token_type": token_type, "expires_in": expires_in });
        ResponseTemplate::new(200).set_body_json(body)
    }
}

//! The platform's own services, in this process: bodies by path, each signed as it is sent, for whoever
//! comes with a voucher and a proof.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use canonical::values::UtcInstant;
use kit::jose::{KeyedHeader, MemorySeen, SigningKey};
use kit::modi::digest;
use kit::pdnd::api::PlatformApi;
use kit::pdnd::client::{Quota, random_name};
use kit::pdnd::dpop;
use kit::pdnd::settings::{Connection, ConnectionKeys, SchemeName};
use serde_json::json;
use wiremock::matchers::{method, path, path_regex};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::platform::{self, Mode, NOW, connection};
use crate::samples::{at_seconds, bytes, private};

/// How the services answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Signs,
    SignsNothing,
    /// By a key that is not the platform's, under the name of one that is.
    SignsAsAnother,
    AltersAfterSigning,
    SaysTheSameAgain,
    SignsOfAnotherIssuer,
}

/// Statuses and bodies by path.
type Bodies = HashMap<String, (u16, Vec<u8>)>;

/// The services: bodies by path, each signed as it is sent.
#[derive(Clone)]
pub(crate) struct Services {
    bodies: Arc<Mutex<Bodies>>,
    manner: Arc<Mutex<Manner>>,
    keys: Arc<(SigningKey, SigningKey)>,
}

impl Services {
    pub(crate) fn say(&self, path: &str, status: u16, body: Vec<u8>) {
        self.bodies.lock().expect("bodies").insert(path.to_owned(), (status, body));
    }

    pub(crate) fn be(&self, manner: Manner) {
        *self.manner.lock().expect("a manner") = manner;
    }
}

impl Respond for Services {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (host, voucher) = (header("host"), header("authorization").strip_prefix("DPoP ").unwrap_or_default());
        let url = format!("http://{host}{}", request.url.path());
        // The platform takes vouchers bound to a key, with a proof for this very address. Its clock is ours.
        let proof = header("dpop");
        let now = if proof.is_empty() { NOW } else { platform::claims(proof)["iat"].as_i64().expect("an instant") };
        if let Err(refusal) = dpop::verify(proof, "GET", &url, Some(voucher), at_seconds(now)) {
            return ResponseTemplate::new(401).set_body_string(refusal.to_string());
        }
        let of_path = |path: &str| self.bodies.lock().expect("bodies").get(path).cloned();
        let query = request.url.query().map(|query| format!("{}?{query}", request.url.path()));
        let known = query.and_then(|query| of_path(&query)).or_else(|| of_path(request.url.path()));
        let problem = json!({ "type": "about:blank", "title": "Not found", "status": 404 }).to_string().into_bytes();
        let (status, mut body) = known.unwrap_or((404, problem));
        let manner = *self.manner.lock().expect("a manner");
        let (digest, correlation) = (digest::of(&body), "00000000-0000-4000-8000-000000000066");
        let content_type = "application/json; charset=utf-8";
        let key = if manner == Manner::SignsAsAnother { &self.keys.1 } else { &self.keys.0 };
        let issuer = if manner == Manner::SignsOfAnotherIssuer { "interop.pagopa.it" } else { "uat.interop.pagopa.it" };
        let payload = json!({
            "iss": issuer, "iat": now, "exp": now + 100,
            "jti": if manner == Manner::SaysTheSameAgain { "the-same".to_owned() } else { random_name() },
            "signed_headers": [
                { "digest": digest }, { "x-correlation-id": correlation }, { "content-type": content_type }
            ],
        });
        let header = KeyedHeader::new(key, self.keys.0.thumbprint());
        let token = kit::jose::sign(key, &header, &payload).expect("a signature");
        if manner == Manner::AltersAfterSigning {
            body = String::from_utf8(body).expect("text").replace("ACTIVE", "ARCHIVED").into_bytes();
        }
        let answer = ResponseTemplate::new(status).insert_header("X-Correlation-Id", correlation);
        let answer = answer.insert_header("Digest", digest).set_body_raw(body, content_type);
        if manner == Manner::SignsNothing { answer } else { answer.insert_header("Agid-JWT-Signature", token) }
    }
}

pub(crate) async fn start() -> (MockServer, Services) {
    let (server, _platform) = platform::start(Mode::GivesBound { expires_in: 600 }).await;
    let jwks = ResponseTemplate::new(200).set_body_bytes(bytes("keys/pdnd-api-jwks.json"));
    Mock::given(method("GET")).and(path("/.well-known/jwks.json")).respond_with(jwks).mount(&server).await;
    let services = Services {
        bodies: Arc::default(),
        manner: Arc::new(Mutex::new(Manner::Signs)),
        keys: Arc::new((private("pdndApi"), private("stranger"))),
    };
    Mock::given(method("GET")).and(path_regex("^/v3/")).respond_with(services.clone()).mount(&server).await;
    (server, services)
}

pub(crate) fn client(server: &MockServer) -> Connection {
    Connection {
        purpose_id: None,
        is_api_client: true,
        scheme: SchemeName::Dpop,
        api_url: Some(format!("{}/v3", server.uri())),
        api_keys_url: Some(format!("{}/.well-known/jwks.json", server.uri())),
        ..connection(server)
    }
}

pub(crate) fn api(connection: Connection) -> Result<PlatformApi, contract::SettingsError> {
    let keys = ConnectionKeys { assertion: private("api"), dpop: Some(private("dpopEc")) };
    PlatformApi::new(connection, keys, Quota::default(), Arc::new(MemorySeen::default()))
}

pub(crate) fn now() -> UtcInstant {
    at_seconds(NOW)
}

/// How often this was asked for.
pub(crate) async fn asked(server: &MockServer, of: &str) -> usize {
    server.received_requests().await.expect("recorded").iter().filter(|it| it.url.path() == of).count()
}

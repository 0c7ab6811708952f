//! An authorization server, in this process: gives tokens to clients that prove themselves, and fails
//! on request.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kit::jose::{Algorithm, Compact};
use kit::oauth::settings::Registration;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::samples::{json as manifest, public, text};

pub(crate) const CLIENT: &str = "raccordo:provincia";
/// With what a form must write otherwise.
pub(crate) const SECRET: &str = "pa rola+%/è:";
pub(crate) const KID: &str = "raccordo-2026";

/// What it does with a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Mode {
    /// Gives a token of so many seconds; of an untold life where it is absent.
    Gives { expires_in: Option<u64> },
    /// Says this, whoever asks.
    Says { status: u16, content_type: &'static str, body: Value },
    /// Nothing but a status, and a header.
    Status(u16, Option<(&'static str, &'static str)>),
}

/// The handle to change its mind by.
#[derive(Debug, Clone)]
pub(crate) struct Authority {
    mode: Arc<Mutex<Mode>>,
    url: Arc<str>,
    given: Arc<Mutex<u32>>,
}

impl Authority {
    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.lock().expect("a mode") = mode;
    }

    /// Whether the client proved itself: by its secret, or by a signature of its key.
    fn knows(&self, request: &Request) -> bool {
        let header = request.headers.get("authorization").and_then(|value| value.to_str().ok());
        let Some(header) = header else {
            let Some(assertion) = field(request, "client_assertion") else { return false };
            let kind = field(request, "client_assertion_type");
            let compact = Compact::parse(&assertion).expect("a token");
            let claims = compact.verify(&public("eservice"), &[Algorithm::Rs256]).expect("signed");
            return kind.as_deref() == Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
                && compact.header_text("kid") == Some(KID)
                && [claims.text("iss"), claims.text("sub")] == [Some(CLIENT); 2]
                && claims.audiences() == [&*self.url]
                && claims.number("exp") == claims.number("iat").map(|iat| iat + 60)
                && claims.text("jti").is_some();
        };
        let decoded = header.strip_prefix("Basic ").and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
        let decoded = String::from_utf8(decoded).expect("a text");
        let (id, secret) = decoded.split_once(':').expect("two parts");
        let plain = |text: &str| form_urlencoded::parse(text.as_bytes()).next().map(|(name, _)| name.into_owned());
        plain(id).as_deref() == Some(CLIENT)
            && plain(secret).as_deref() == Some(SECRET)
            && field(request, "client_assertion").is_none()
    }
}

/// A field of the form of a request.
pub(crate) fn field(request: &Request, name: &str) -> Option<String> {
    let mut fields = form_urlencoded::parse(&request.body);
    fields.find(|(field, _)| field == name).map(|(_, value)| value.into_owned())
}

pub(crate) async fn start(mode: Mode) -> (MockServer, Authority) {
    let server = MockServer::start().await;
    let url = format!("{}/token", server.uri()).into();
    let authority = Authority { mode: Arc::new(Mutex::new(mode)), url, given: Arc::default() };
    Mock::given(method("POST")).and(path("/token")).respond_with(authority.clone()).mount(&server).await;
    (server, authority)
}

/// A registration with it, by secret. The files stand in the folder.
pub(crate) fn registration(server: &MockServer, folder: &Path) -> Registration {
    write(folder, "segreto", SECRET);
    let written = json!({
        "token_url": format!("{}/token", server.uri()), "client_id": CLIENT,
        "client_secret_file": folder.join("segreto"),
    });
    serde_json::from_value(written).expect("a registration")
}

/// The same by a key.
pub(crate) fn by_key(server: &MockServer, folder: &Path) -> Registration {
    write(folder, "chiave.pem", text(&manifest("keys/keys.json")["keys"]["eservice"], "private_pem_pkcs8"));
    Registration {
        client_secret_file: None,
        private_key_file: Some(folder.join("chiave.pem")),
        kid: Some(KID.to_owned()),
        ..registration(server, folder)
    }
}

pub(crate) fn write(folder: &Path, name: &str, text: &str) {
    let file = folder.join(name);
    std::fs::write(&file, text).expect("written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("set");
}

impl Respond for Authority {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let expires_in = match self.mode.lock().expect("a mode").clone() {
            Mode::Gives { expires_in } => expires_in,
            Mode::Says { status, content_type, body } => {
                let body = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
                return ResponseTemplate::new(status).set_body_raw(body, content_type);
            }
            Mode::Status(status, header) => {
                let answer = ResponseTemplate::new(status);
                return header.map_or(answer.clone(), |(name, value)| answer.insert_header(name, value));
            }
        };
        let is_right = field(request, "grant_type").as_deref() == Some("client_credentials")
            && request.headers["content-type"] == "application/x-www-form-urlencoded";
        if !is_right || !self.knows(request) {
            let said = json!({ "error": "invalid_client", "error_description": format!("not {SECRET}") });
            return ResponseTemplate::new(401).set_body_json(said);
        }
        let mut given = self.given.lock().expect("a number");
        *given += 1;
        let mut body = json!({ "access_token": format!("token-{given}"), "token_type": "bearer" });
        if let Some(expires_in) = expires_in {
            body["expires_in"] = expires_in.into();
        }
        ResponseTemplate::new(200).set_body_json(body)
    }
}

//! A node with its exchange API on loopback, partners of every sort, and an issuer whose keys are ours.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::OnceLock;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use canonical::SourceName;
use contract_tests::records::cig;
use kit::Secret;
use kit::jose::{SigningKey, sign};
use raccordo::clock::{Clock as _, SystemClock};
use raccordo::config::Config;
use raccordo::flow::intake;
use raccordo::http::api::messages::Messages;
use raccordo::http::api::{Api, credentials};
use raccordo::node::Node;
use raccordo::registry::PARTS;
use raccordo::storage::RunKind;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const OURS: &str = "00246180590";
pub(crate) const FOREIGN: &str = "01234560991";
pub(crate) const AUDIENCE: &str = "https://scambio.provincia.example/api/v1";
/// A person who must never be seen, by name and by code.
pub(crate) const PERSON: &str = "RSSMRA85T10A562S";
pub(crate) const NAME: &str = "CANARINO GIALLO";
pub(crate) const CONSUMER: &str = "69e2865e-65ab-4e48-a638-2037a9ee2ee7";
pub(crate) const PURPOSE: &str = "1b361d49-33f4-4f1e-a88b-4e12661f2300";

/// A key of 2048 bits: the issuer's, and that of somebody else.
pub(crate) fn keys() -> &'static [SigningKey; 2] {
    static KEYS: OnceLock<[SigningKey; 2]> = OnceLock::new();
    KEYS.get_or_init(|| [made(), made()])
}

fn made() -> SigningKey {
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let der: aws_lc_rs::encoding::Pkcs8V1Der = pair.as_der().expect("its bytes");
    let text = STANDARD.encode(der.as_ref());
    SigningKey::from_pem(&Secret::new(format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")))
        .expect("a key")
}

/// The API of a node.
pub(crate) struct Bench {
    pub(crate) url: String,
    pub(crate) issuer: String,
    pub(crate) node: Node,
    client: reqwest::Client,
    folder: TempDir,
}

/// The sets of what partners may do; each is a partner of this name who may see one body.
pub(crate) const PARTNERS: &[(&str, &str)] = &[
    ("senza-ruoli", ""),
    ("legge", "\"read\""),
    ("esporta", "\"export\""),
    ("invia", "\"contribute\""),
    ("fa-tutto", "\"read\", \"export\", \"contribute\""),
];

impl Bench {
    /// With everything configured.
    pub(crate) async fn open() -> Self {
        Self::with("", true).await
    }

    /// With more configuration; without any way of proving who one is, where `is_known` is false.
    pub(crate) async fn with(more: &str, is_known: bool) -> Self {
        Self::made(more, is_known, "").await
    }

    /// With more about vouchers, too.
    pub(crate) async fn made(more: &str, is_known: bool, about_vouchers: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let issuer = issuer().await;
        let mut text = String::from(
            "[systems.file-drop]\n[exchange]\n\
             address = \"https://scambio.provincia.example\"\n\
             [exchange.ocds]\nprefix = \"ocds-prova1\"\npublisher = \"Provincia di prova\"\n",
        );
        if is_known {
            let _ = write!(
                text,
                "[exchange.oidc]\nissuer = \"{issuer}\"\naudience = \"{AUDIENCE}\"\n\
                 [exchange.pdnd]\nissuer = \"uat.interop.pagopa.it\"\nkeys_url = \"{issuer}/pdnd\"\n\
                 audience = \"{AUDIENCE}\"\neservice_id = \"e1\"\nproducer_id = \"p1\"\ndescriptor_ids = [\"d1\"]\n{about_vouchers}"
            );
        }
        for (name, roles) in PARTNERS {
            let _ = write!(
                text,
                "[exchange.partners.{name}]\nclient_id = \"{name}\"\nroles = [{roles}]\nbodies = [\"{OURS}\"]\n\
                 system = \"invii-{name}\"\n[systems.invii-{name}]\nadapter = \"file-drop\"\n"
            );
        }
        text += "[exchange.partners.regione]\nclient_id = \"regione\"\nroles = [\"read\", \"export\"]\nregions = [\"03\"]\n\
                 [exchange.partners.tutto]\nclient_id = \"tutto\"\nroles = [\"read\", \"export\"]\neverything = true\n\
                 [exchange.partners.parco]\nclient_id = \"parco\"\nroles = [\"read\"]\nrequests_per_minute = 2\n";
        let _ = write!(
            text,
            "[exchange.partners.osservatorio]\nconsumer_id = \"{CONSUMER}\"\npurposes = [\"{PURPOSE}\"]\n\
             roles = [\"read\"]\nbodies = [\"{OURS}\"]\n{more}"
        );
        let config = Config::parse(&text, folder.path()).expect("a configuration");
        let node = Node::open(&PARTS, config).await.expect("a node opens");
        let exchange = &node.config.exchange;
        let credentials = credentials::of(exchange, &node.flow.store, &node.flow.clock).expect("credentials");
        let messages = Messages::of(&node.config, node.flow.store.clone(), node.flow.clock.clone()).expect("messages");
        let api = Api::new(node.flow.clone(), exchange, credentials).verifying(messages).counted_by(node.tally.clone());
        let router = raccordo::http::exchange(api);
        let url = served(router).await;
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { url, issuer, node, client, folder }
    }

    /// Ends it as a daemon ends, and leaves its folder.
    pub(crate) async fn close(self) -> TempDir {
        self.node.close().await;
        self.folder
    }

    /// Reads lines of canonical records as a source.
    pub(crate) async fn read(&self, lines: &[Value]) {
        read(&self.node, lines).await;
    }

    /// The usual records.
    pub(crate) async fn fill(&self) {
        self.read(&Self::usual()).await;
    }

    /// Two lots of ours with their awards and contracts, one foreign.
    pub(crate) fn usual() -> Vec<Value> {
        let mut lines = vec![
            line(
                "ente",
                json!({ "codice_fiscale": OURS, "denominazione": "Provincia nostra", "codice_istat": "015146" }),
            ),
            line(
                "ente",
                json!({ "codice_fiscale": FOREIGN, "denominazione": "Provincia altrui", "codice_istat": "063" }),
            ),
            line("operatore_economico", json!({ "codice_fiscale": PERSON, "denominazione": NAME })),
        ];
        for number in 1..=3 {
            let (cig, ente) = (cig(number), if number < 3 { OURS } else { FOREIGN });
            let winner = if number == 1 { PERSON } else { "00606750131" };
            let operator = json!({ "operatore": { "tipo": "codice_fiscale", "valore": winner },
                                   "denominazione": if number == 1 { NAME } else { "Strade s.r.l." } });
            lines.extend([
                line(
                    "lotto",
                    json!({ "cig": cig, "oggetto": format!("=lavori {number} affidati a {PERSON}"),
                    "stazione_appaltante": ente, "cup": ["F41B21000000001"], "importo_totale": "12500.00" }),
                ),
                line(
                    "aggiudicazione",
                    json!({ "cig": cig, "id_aggiudicazione": 1, "stazione_appaltante": ente,
                    "data": "2026-01-31", "importo": "11000.50", "aggiudicatari": [operator] }),
                ),
                line(
                    "contratto",
                    json!({ "cig": cig, "id_aggiudicazione": 1, "stazione_appaltante": ente,
                    "numero": "rep. 7", "data_stipula": "2026-02-15", "importo": "11000.50" }),
                ),
            ]);
        }
        lines
    }

    /// A request of a partner.
    pub(crate) async fn ask(&self, partner: &str, method: &str, path: &str) -> Response {
        self.with_token(Some(&self.token(partner)), method, path).await
    }

    /// What a partner reads, as JSON.
    pub(crate) async fn json(&self, partner: &str, path: &str) -> Value {
        let answer = self.ask(partner, "get", path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.json().await.expect("JSON")
    }

    /// A request with this token.
    pub(crate) async fn with_token(&self, token: Option<&str>, method: &str, path: &str) -> Response {
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if method == Method::POST {
            let lot = line("lotto", json!({ "cig": cig(9), "stazione_appaltante": OURS })).to_string();
            let (media_type, body) = if path.ends_with("export-tasks") {
                ("application/json", json!({ "format": "ndjson" }).to_string())
            } else if path.ends_with("comparisons") {
                ("application/json", json!({ "form": 1, "salt": "0123456789abcdef0123456789abcdef" }).to_string())
            } else {
                ("application/x-ndjson", lot)
            };
            request = request.header("idempotency-key", "prova").header("content-type", media_type).body(body);
        }
        request.send().await.expect("an answer")
    }

    /// A request made by hand.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// What an access token of a client says.
    pub(crate) fn claims(&self, client: &str) -> Value {
        claims(&self.issuer, client)
    }

    /// A token of a client.
    pub(crate) fn token(&self, client: &str) -> String {
        sign(&keys()[0], &header("at+jwt"), &self.claims(client)).expect("a token")
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    SystemClock.now().unix_micros() / 1_000_000
}

/// What an access token of a client says.
fn claims(issuer: &str, client: &str) -> Value {
    let now = now();
    json!({ "iss": issuer, "aud": AUDIENCE, "client_id": client, "sub": client, "iat": now, "nbf": now,
            "exp": now + 300, "jti": "j" })
}

pub(crate) fn header(typ: &str) -> BTreeMap<&'static str, String> {
    BTreeMap::from([("alg", "RS256".to_owned()), ("typ", typ.to_owned()), ("kid", "k1".to_owned())])
}

/// What a voucher says.
pub(crate) fn voucher() -> Value {
    let now = now();
    json!({ "iss": "uat.interop.pagopa.it", "aud": AUDIENCE, "client_id": "c1", "sub": "c1", "iat": now, "nbf": now,
            "exp": now + 300, "jti": "j", "purposeId": PURPOSE, "producerId": "p1", "consumerId": CONSUMER,
            "eserviceId": "e1", "descriptorId": "d1" })
}

#[allow(clippy::needless_pass_by_value, reason = "bodies are written where they are given")]
pub(crate) fn line(kind: &str, body: Value) -> Value {
    json!({ "schema_version": 1, "kind": kind, "body": body })
}

async fn issuer() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let issuer = format!("http://{}", listener.local_addr().expect("an address"));
    let mut jwk = keys()[0].public().jwk();
    jwk["kid"] = "k1".into();
    jwk["use"] = "sig".into();
    jwk["alg"] = "RS256".into();
    let set = json!({ "keys": [jwk] });
    let about = json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/login"), "jwks_uri": format!("{issuer}/jwks"),
        "token_endpoint": format!("{issuer}/token"), "response_types_supported": ["code"],
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"],
    });
    let answer = |value: Value| {
        get(move || {
            let value = value.clone();
            async move { axum::Json(value) }
        })
    };
    let (of, client) = (issuer.clone(), |headers: &axum::http::HeaderMap| {
        let proof = headers["authorization"].to_str().expect("text").trim_start_matches("Basic ").to_owned();
        let proof = String::from_utf8(STANDARD.decode(proof).expect("base64")).expect("text");
        proof.split(':').next().expect("a client").to_owned()
    });
    // Whoever says a name is believed here: what a token opens is what the tests are about.
    let token = axum::routing::post(move |headers: axum::http::HeaderMap| {
        let token = sign(&keys()[0], &header("at+jwt"), &claims(&of, &client(&headers))).expect("a token");
        async move { axum::Json(json!({ "access_token": token, "token_type": "Bearer", "expires_in": 300 })) }
    });
    let router = Router::new()
        .route("/.well-known/openid-configuration", answer(about))
        .route("/token", token)
        .route("/jwks", answer(set.clone()))
        .route("/pdnd", answer(set));
    tokio::spawn(async move { axum::serve(listener, router).await });
    issuer
}

pub(crate) async fn served(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// Reads lines of canonical records as a source of a node.
pub(crate) async fn read(node: &Node, lines: &[Value]) {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("prova.ndjson");
    let text: Vec<String> = lines.iter().map(ToString::to_string).collect();
    std::fs::write(&file, text.join("\n")).expect("a file");
    let source = SourceName::parse("file-drop").expect("a name");
    let read = intake::read_source(&node.flow, &source, RunKind::Import, Some(vec![file]), &|_| ()).await;
    let totals = read.expect("it is read").totals;
    assert_eq!((totals.quarantined, totals.refused), (0, 0), "{totals:?}");
}

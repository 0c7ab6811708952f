//! What partners sign, and what they say of who asks: taken when all of it holds, refused alike when not.

use std::fmt::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode as Status};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use canonical::Digest;
use contract_tests::records::cig;
use kit::Secret;
use kit::jose::{SigningKey, sign};
use kit::modi::digest;
use kit::pdnd::dpop;
use raccordo::clock::{Clock as _, SystemClock};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bench::{AUDIENCE, Bench, OURS, header, keys, line, now, served, voucher};

const KEYS: &str = include_str!("../../../adapters/kit/tests/pdnd/keys/keys.json");
const CLIENT: &str = "9b361d49-33f4-4f1e-a88b-4e12661f2309";
const OTHER_CLIENT: &str = "11111111-33f4-4f1e-a88b-4e12661f2309";
const PURPOSE: &str = "1b361d49-33f4-4f1e-a88b-4e12661f2300";
/// Who must never be found in the ledger.
const USER: &str = "operatore-canarino";
const TYPE: &str = "application/x-ndjson";

fn pem(name: &str) -> String {
    let keys: Value = serde_json::from_str(KEYS).unwrap();
    keys["keys"][name]["private_pem_pkcs8"].as_str().expect("a key").to_owned()
}

fn key(name: &str) -> SigningKey {
    SigningKey::from_pem(&Secret::new(pem(name))).unwrap()
}

/// What the platform knows, and how it answers.
struct Platform {
    /// Keys by name, and the clients that have registered them.
    registered: Vec<(&'static str, &'static str)>,
    /// The key by which it signs its answers, under the name of its own.
    signs_by: &'static str,
    is_silent: bool,
    /// For which keys it was asked.
    asked: Vec<String>,
}

#[derive(Clone)]
struct Known(Arc<Mutex<Platform>>);

impl Known {
    fn change<T>(&self, change: impl FnOnce(&mut Platform) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    /// An answer as the services of the platform give it: signed.
    fn signed(&self, status: Status, body: &Value) -> Response {
        let (body, now) = (body.to_string(), now());
        let signs_by = self.change(|platform| platform.signs_by);
        let (digest, kind) = (digest::of(body.as_bytes()), "application/json");
        let claims = json!({
            "iss": "uat.interop.pagopa.it", "iat": now, "exp": now + 100, "jti": unique(),
            "signed_headers": [{ "digest": digest }, { "content-type": kind }],
        });
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": key("pdndApi").thumbprint() });
        let token = sign(&key(signs_by), &header, &claims).unwrap();
        let headers = [("content-type", kind.to_owned()), ("digest", digest), ("agid-jwt-signature", token)];
        (status, headers, body).into_response()
    }
}

/// The platform as far as it is asked here: a voucher for its own services, and the keys of two clients.
async fn platform() -> (String, Known) {
    let registered = vec![("eservice", CLIENT), ("stranger", OTHER_CLIENT)];
    let platform = Platform { registered, signs_by: "pdndApi", is_silent: false, asked: Vec::new() };
    let known = Known(Arc::new(Mutex::new(platform)));
    let token = |headers: HeaderMap| async move {
        let text = |name: &str| headers[name].to_str().unwrap().to_owned();
        let url = format!("http://{}/token.oauth2", text("host"));
        let proof = dpop::verify(&text("dpop"), "POST", &url, None, SystemClock.now()).unwrap().reused();
        let cnf = json!({ "jkt": proof.thumbprint() });
        let claims = json!({ "client_id": OTHER_CLIENT, "jti": "v1", "cnf": cnf });
        let voucher = sign(&keys()[0], &header("at+jwt"), &claims).unwrap();
        Json(json!({ "access_token": voucher, "token_type": "DPoP", "expires_in": 600 }))
    };
    let key_of = |State(known): State<Known>, Path(kid): Path<String>| async move {
        let found = known.change(|platform| {
            platform.asked.push(kid.clone());
            let registered = platform.registered.clone();
            (!platform.is_silent).then(|| {
                registered
                    .into_iter()
                    .map(|(name, client)| (key(name), client))
                    .find(|(key, _)| key.thumbprint() == kid)
            })
        });
        let Some(found) = found else { return Status::SERVICE_UNAVAILABLE.into_response() };
        let Some((key, client)) = found else {
            return known.signed(Status::NOT_FOUND, &json!({ "title": "Not found", "status": 404 }));
        };
        let mut jwk = key.public().jwk();
        jwk["kid"] = kid.into();
        known.signed(Status::OK, &json!({ "clientId": client, "jwk": jwk }))
    };
    let published = || async {
        let mut jwk = key("pdndApi").public().jwk();
        jwk["kid"] = key("pdndApi").thumbprint().into();
        Json(json!({ "keys": [jwk] }))
    };
    let router = Router::new()
        .route("/token.oauth2", post(token))
        .route("/v3/keys/{kid}", get(key_of))
        .route("/.well-known/jwks.json", get(published))
        .with_state(known.clone());
    (served(router).await, known)
}

/// A node whose partners sign: one who must, one who may, one whose voucher is bound to his evidence.
struct Scene {
    bench: Bench,
    platform: Known,
    _keys: TempDir,
}

impl Scene {
    async fn open() -> Self {
        let (address, platform) = platform().await;
        let folder = TempDir::new().unwrap();
        let written = |name: &str| {
            let path = folder.path().join(format!("{name}.pem"));
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.write(true).create_new(true).mode(0o600).open(&path).unwrap();
            std::io::Write::write_all(&mut file, pem(name).as_bytes()).unwrap();
            path.display().to_string()
        };
        let mut more = format!(
            "[pdnd.interop]\nenvironment = \"uat\"\nclient_id = \"{OTHER_CLIENT}\"\nis_api_client = true\n\
             scheme = \"dpop\"\nprivate_key_file = \"{}\"\ndpop_key_file = \"{}\"\n\
             token_url = \"{address}/token.oauth2\"\napi_keys_url = \"{address}/.well-known/jwks.json\"\n",
            written("api"),
            written("dpopEc")
        );
        let demands = "integrity = \"required\"\naudit = \"audit_rest_01\"\n";
        for (name, demands) in [("firma", demands), ("libero", ""), ("legato", "audit = \"audit_rest_02\"\n")] {
            let _ = write!(
                more,
                "[exchange.partners.{name}]\nconsumer_id = \"{name}\"\nroles = [\"contribute\"]\nbodies = [\"{OURS}\"]\n\
                 system = \"invii-{name}-pdnd\"\n{demands}[systems.invii-{name}-pdnd]\nadapter = \"file-drop\"\n"
            );
        }
        let bench = Bench::made(&more, true, &format!("client = \"interop\"\napi_url = \"{address}/v3\"\n")).await;
        Self { bench, platform, _keys: folder }
    }

    /// Sends a message; gives the status and what is told, without what differs from call to call.
    async fn send(&self, partner: &str, message: &Message) -> (StatusCode, Value) {
        let mut claims = voucher();
        claims["consumerId"] = partner.into();
        claims["client_id"] = CLIENT.into();
        if let Some(evidence) = &message.bound_to {
            claims["digest"] = json!({ "alg": "SHA256", "value": Digest::of(evidence.as_bytes()).to_string() });
        }
        let token = sign(&keys()[0], &header("at+jwt"), &claims).unwrap();
        let mut request = self.bench.request(Method::POST, "/api/v1/submissions");
        request = request.header("authorization", format!("Bearer {token}")).header("idempotency-key", &message.key);
        for (name, value) in &message.headers {
            request = request.header(*name, value);
        }
        let answer = request.body(message.body.clone()).send().await.unwrap();
        let status = answer.status();
        let mut told: Value = answer.json().await.unwrap();
        if let Some(problem) = told.as_object_mut() {
            problem.remove("correlation_id");
        }
        (status, told)
    }

    /// What the audit chain says of messages.
    async fn noted(&self) -> Vec<Value> {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&self.bench.node.config.storage.path);
        let pool = sqlx::SqlitePool::connect_with(options.read_only(true)).await.unwrap();
        let asked =
            sqlx::query_scalar::<_, String>("select detail from audit where kind = 'message_proven' order by seq");
        let found = asked.fetch_all(&pool).await.unwrap();
        found.iter().map(|detail| serde_json::from_str(detail).unwrap()).collect()
    }

    async fn versions(&self) -> i64 {
        self.bench.node.flow.store.feed_end().await.unwrap().version
    }
}

/// A message as it is sent.
#[derive(Clone)]
struct Message {
    key: String,
    headers: Vec<(&'static str, String)>,
    body: String,
    /// The evidence that the voucher is bound to.
    bound_to: Option<String>,
}

impl Message {
    /// The same, with a header set, or taken away.
    fn with(mut self, name: &'static str, value: Option<String>) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.extend(value.map(|value| (name, value)));
        self
    }
}

fn unique() -> String {
    format!("{:032x}", fastrand::u128(..))
}

fn body(text: &str) -> String {
    line("lotto", json!({ "cig": cig(1), "oggetto": text, "stazione_appaltante": OURS })).to_string()
}

/// What a signature of a body says.
fn signature_of(body: &str) -> Value {
    let now = now();
    json!({
        "iss": CLIENT, "sub": CLIENT, "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + 60, "jti": unique(),
        "signed_headers": [{ "digest": digest::of(body.as_bytes()) }, { "content-type": TYPE }],
    })
}

/// What an evidence says.
fn evidence() -> Value {
    let now = now();
    json!({
        "iss": CLIENT, "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + 300, "jti": unique(), "purposeId": PURPOSE,
        "userID": USER, "userLocation": "postazione-12", "LoA": "https://www.spid.gov.it/SpidL2",
    })
}

fn by(name: &str, claims: &Value) -> String {
    let key = key(name);
    let header = json!({ "alg": "RS256", "typ": "JWT", "kid": key.thumbprint() });
    sign(&key, &header, claims).unwrap()
}

fn with(mut claims: Value, name: &str, member: Value) -> Value {
    claims[name] = member;
    claims
}

/// A message to which nothing can be objected.
fn good(text: &str) -> Message {
    let body = body(text);
    let headers = vec![
        ("content-type", TYPE.to_owned()),
        ("digest", digest::of(body.as_bytes())),
        ("agid-jwt-signature", by("eservice", &signature_of(&body))),
        ("agid-jwt-trackingevidence", by("eservice", &evidence())),
    ];
    Message { key: unique(), headers, body, bound_to: None }
}

/// The same, signed throughout by this key.
fn signed_by(name: &str, text: &str) -> Message {
    let message = good(text);
    let signature = by(name, &signature_of(&message.body));
    message.with("agid-jwt-signature", Some(signature)).with("agid-jwt-trackingevidence", Some(by(name, &evidence())))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_message_is_taken_and_its_purpose_is_in_the_audit_chain_without_who_asked() {
    let scene = Scene::open().await;
    let message = good("una scuola");
    let (status, told) = scene.send("firma", &message).await;
    assert_eq!((status, &told["new"]), (StatusCode::OK, &json!(1)), "{told}");
    let noted = scene.noted().await;
    let [noted] = noted.as_slice() else { panic!("{noted:?}") };
    let digest = |name: &str| {
        let header = message.headers.iter().find(|(known, _)| *known == name).unwrap();
        json!(Digest::of(header.1.as_bytes()).to_string())
    };
    assert_eq!((&noted["purpose_id"], &noted["client_id"]), (&json!(PURPOSE), &json!(CLIENT)));
    assert_eq!(noted["signature"], digest("agid-jwt-signature"));
    assert_eq!(noted["evidence"], digest("agid-jwt-trackingevidence"));
    assert_eq!(noted["body"], json!(Digest::of(message.body.as_bytes()).to_string()));
    assert!(!noted.to_string().contains(USER), "{noted}");
    let verified = scene.bench.node.flow.store.verify_audit(None).await.unwrap();
    assert_eq!(verified.broken, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_must_not_sign_may_send_as_before_and_is_verified_when_he_signs() {
    let scene = Scene::open().await;
    let bare = |text: &str| good(text).with("agid-jwt-signature", None).with("agid-jwt-trackingevidence", None);
    assert_eq!(scene.send("libero", &bare("a")).await.0, StatusCode::OK);
    assert_eq!(scene.noted().await, Vec::<Value>::new());
    assert_eq!(scene.send("libero", &good("b")).await.0, StatusCode::OK);
    let altered = Message { body: body("alterato"), ..good("c") };
    assert_eq!(scene.send("libero", &altered).await.0, StatusCode::BAD_REQUEST);
    assert_eq!((scene.noted().await.len(), scene.versions().await), (1, 2));
    for (digest, status) in
        [(digest::of(bare("e").body.as_bytes()), 200), (digest::of(b"x"), 400), ("MD5=x".into(), 400)]
    {
        let told = scene.send("libero", &bare("e").with("digest", Some(digest))).await;
        assert_eq!(told.0.as_u16(), status, "a digest alone must be right, too: {}", told.1);
    }
    assert_eq!(scene.noted().await.len(), 1, "and proves nothing");
    for name in ["agid-jwt-signature", "agid-jwt-trackingevidence"] {
        let (status, told) = scene.send("firma", &good("d").with(name, None)).await;
        assert_eq!((status, &told["code"]), (StatusCode::BAD_REQUEST, &json!("firma_non_valida")), "without {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_that_was_tampered_with_is_taken() {
    let scene = Scene::open().await;
    let signed = |change: fn(Value) -> Value| {
        let message = good("una scuola");
        let claims = change(signature_of(&message.body));
        message.with("agid-jwt-signature", Some(by("eservice", &claims)))
    };
    let told_by = |change: fn(Value) -> Value| {
        good("una scuola").with("agid-jwt-trackingevidence", Some(by("eservice", &change(evidence()))))
    };
    let whole = || good("una scuola");
    let signature = |name: &str| by(name, &signature_of(&whole().body));
    let unsigned = {
        let part = |value: &Value| kit::jose::base64url(value.to_string().as_bytes());
        let header = json!({ "alg": "none", "typ": "JWT", "kid": key("eservice").thumbprint() });
        format!("{}.{}.", part(&header), part(&signature_of(&whole().body)))
    };
    let mut twice = whole();
    twice.headers.push(("agid-jwt-signature", signature("eservice")));
    let attacks: Vec<(&str, Message)> = vec![
        ("another body", Message { body: body("un ponte"), ..whole() }),
        ("another body with its digest", {
            let other = body("un ponte");
            Message { body: other.clone(), ..whole().with("digest", Some(digest::of(other.as_bytes()))) }
        }),
        ("no digest", whole().with("digest", None)),
        ("a digest by MD5", whole().with("digest", Some("MD5=HUXZLQLMuI/KZ5KDcJPcOA==".to_owned()))),
        ("another type", whole().with("content-type", Some("application/x-ndjson; charset=latin1".to_owned()))),
        (
            "the type not signed",
            signed(|claims| {
                let digest = claims["signed_headers"][0].clone();
                with(claims, "signed_headers", json!([digest]))
            }),
        ),
        ("the digest not signed", signed(|claims| with(claims, "signed_headers", json!([{ "content-type": TYPE }])))),
        ("for somebody else", signed(|claims| with(claims, "aud", "https://altrui.example".into()))),
        ("for nobody", signed(|claims| with(claims, "aud", Value::Null))),
        ("expired", signed(|claims| with(claims, "exp", (now() - 1).into()))),
        ("of ten minutes ago", signed(|claims| with(claims, "iat", (now() - 600).into()))),
        ("of tomorrow", signed(|claims| with(claims, "nbf", (now() + 86_400).into()))),
        ("without a name", signed(|claims| with(claims, "jti", Value::Null))),
        ("by a key of another client", whole().with("agid-jwt-signature", Some(signature("stranger")))),
        ("by a key of nobody", whole().with("agid-jwt-signature", Some(signature("api")))),
        ("by nobody", whole().with("agid-jwt-signature", Some(unsigned))),
        ("signed twice", twice),
        ("no signature at all", whole().with("agid-jwt-signature", Some("abc".to_owned()))),
        ("evidence for another purpose", told_by(|claims| with(claims, "purposeId", CLIENT.into()))),
        ("evidence of nobody", told_by(|claims| with(claims, "userID", Value::Null))),
        ("evidence for somebody else", told_by(|claims| with(claims, "aud", "https://altrui.example".into()))),
        ("evidence of yesterday", told_by(|claims| with(claims, "exp", (now() - 1).into()))),
        ("evidence of another client", whole().with("agid-jwt-trackingevidence", Some(by("stranger", &evidence())))),
    ];
    let mut expected = None;
    for (attack, message) in attacks {
        let (status, told) = scene.send("firma", &message).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{attack}: {told}");
        assert_eq!(expected.get_or_insert_with(|| told.clone()), &told, "{attack} is told more than the others");
    }
    assert_eq!((scene.noted().await.len(), scene.versions().await), (0, 0), "nothing was stored or noted");
    assert_eq!(scene.send("firma", &whole()).await.0, StatusCode::OK, "the one they are made from is good");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_and_an_evidence_are_good_once() {
    let scene = Scene::open().await;
    let message = good("una scuola");
    assert_eq!(scene.send("firma", &message).await.0, StatusCode::OK);
    assert_eq!(scene.send("firma", &message).await.0, StatusCode::BAD_REQUEST, "replayed");
    let header = |name: &str| message.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    let other = Message { key: unique(), ..good("un ponte") };
    let old = other.clone().with("agid-jwt-trackingevidence", header("agid-jwt-trackingevidence"));
    assert_eq!(scene.send("firma", &old).await.0, StatusCode::BAD_REQUEST, "with an evidence that was used");
    // The same request, signed anew, is known by its key.
    let anew = Message { key: message.key.clone(), ..good("una scuola") };
    let (status, told) = scene.send("firma", &anew).await;
    assert_eq!((status, &told["new"]), (StatusCode::OK, &json!(1)), "{told}");
    assert_eq!(scene.versions().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voucher_bound_to_an_evidence_comes_with_that_one() {
    let scene = Scene::open().await;
    let bound = |text: &str, evidence: &str| {
        let message = good(text).with("agid-jwt-trackingevidence", Some(evidence.to_owned()));
        Message { bound_to: Some(evidence.to_owned()), ..message }
    };
    let one = by("eservice", &evidence());
    for text in ["a", "b"] {
        let (status, told) = scene.send("legato", &bound(text, &one)).await;
        assert_eq!(status, StatusCode::OK, "as long as the voucher, it comes again: {told}");
    }
    let other = bound("c", &one).with("agid-jwt-trackingevidence", Some(by("eservice", &evidence())));
    assert_eq!(scene.send("legato", &other).await.0, StatusCode::BAD_REQUEST, "another evidence");
    assert_eq!(scene.send("legato", &good("d")).await.0, StatusCode::BAD_REQUEST, "a voucher bound to none");
    assert_eq!(scene.versions().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_platform_gives_no_keys_nothing_is_believed_and_he_comes_again() {
    let scene = Scene::open().await;
    scene.platform.change(|platform| platform.is_silent = true);
    let (status, told) = scene.send("firma", &good("una scuola")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{told}");
    assert_eq!(scene.versions().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_platform_did_not_sign_proves_nothing() {
    let scene = Scene::open().await;
    scene.platform.change(|platform| platform.signs_by = "stranger");
    let (status, told) = scene.send("firma", &good("una scuola")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{told}");
    assert_eq!((scene.noted().await.len(), scene.versions().await), (0, 0));
    // Within a few seconds it is not asked again: who waits behind a silent platform does not wait as long.
    scene.platform.change(|platform| platform.signs_by = "pdndApi");
    assert_eq!(scene.send("firma", &good("una scuola")).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(scene.platform.change(|platform| platform.asked.len()), 1);
    scene.platform.change(|platform| platform.registered.push(("dpopRsa", CLIENT)));
    let (status, told) = scene.send("firma", &signed_by("dpopRsa", "una scuola")).await;
    assert_eq!(status, StatusCode::OK, "what it signs itself is believed: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_is_found_a_known_one_outlives_silence_and_an_absent_one_is_remembered() {
    let scene = Scene::open().await;
    assert_eq!(scene.send("firma", &good("a")).await.0, StatusCode::OK);
    // A key that nobody has registered yet: asked for once.
    for text in ["b", "c"] {
        assert_eq!(scene.send("firma", &signed_by("producer", text)).await.0, StatusCode::BAD_REQUEST);
    }
    let asked = |name: &str| {
        let kid = key(name).thumbprint().to_owned();
        scene.platform.change(|platform| platform.asked.iter().filter(|asked| **asked == kid).count())
    };
    assert_eq!(
        (asked("eservice"), asked("producer")),
        (1, 1),
        "one question for signature, evidence and the next message"
    );
    // The client rotates: the new key has a new name, which is asked for.
    scene.platform.change(|platform| platform.registered.push(("dpopRsa", CLIENT)));
    let (status, told) = scene.send("firma", &signed_by("dpopRsa", "d")).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    // While the platform is silent what is known still serves, and what is not waits.
    scene.platform.change(|platform| platform.is_silent = true);
    for name in ["eservice", "dpopRsa"] {
        assert_eq!(scene.send("firma", &signed_by(name, name)).await.0, StatusCode::OK, "{name}");
    }
    assert_eq!(scene.send("firma", &signed_by("stranger", "e")).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((asked("eservice"), asked("dpopRsa")), (1, 1));
}

//! Tokens that were made to be let in: each is refused with the right status, and all of them alike.

use canonical::Digest;
use kit::jose::{base64url, sign};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::bench::{Bench, header, keys, now, voucher};

fn signed(header: &Value, claims: &Value, which: usize) -> String {
    sign(&keys()[which], header, claims).expect("a token")
}

fn head() -> Value {
    serde_json::to_value(header("at+jwt")).unwrap()
}

fn with(value: &Value, name: &str, member: Value) -> Value {
    let mut value = value.clone();
    value[name] = member;
    value
}

/// Header and claims as they are, with any signature.
fn forged(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let part = |value: &Value| base64url(value.to_string().as_bytes());
    format!("{}.{}.{}", part(header), part(claims), base64url(signature))
}

/// Tokens that nobody may be let in with, by what is wrong with them.
fn attacks(good: &Value) -> Vec<(&'static str, String)> {
    let head = head();
    let valid = signed(&head, good, 0);
    let mut public = keys()[1].public().jwk();
    public["kid"] = "k1".into();
    let later = now();
    let mut flipped = valid.clone().into_bytes();
    let last = flipped.len() - 10;
    flipped[last] = if flipped[last] == b'A' { b'B' } else { b'A' };
    vec![
        ("alg none", forged(&with(&head, "alg", "none".into()), good, b"")),
        ("alg None with a signature", forged(&with(&head, "alg", "None".into()), good, b"x")),
        ("the public key as a secret", forged(&with(&head, "alg", "HS256".into()), good, Digest::of(b"k").as_bytes())),
        ("alg of another kind of key", forged(&with(&head, "alg", "ES256".into()), good, &[7; 64])),
        ("signed by somebody else", signed(&head, good, 1)),
        ("a key of its own", signed(&with(&head, "jwk", public), good, 1)),
        ("keys from elsewhere", signed(&with(&head, "jku", "http://127.0.0.1:1/jwks".into()), good, 1)),
        ("certificates from elsewhere", signed(&with(&head, "x5u", "http://127.0.0.1:1/x".into()), good, 1)),
        ("kid of nobody", signed(&with(&head, "kid", "k9".into()), good, 0)),
        ("kid that is a path", signed(&with(&head, "kid", "../../etc/passwd".into()), good, 1)),
        ("kid that is a statement", signed(&with(&head, "kid", "k1' or '1'='1".into()), good, 1)),
        ("kid without end", signed(&with(&head, "kid", "k".repeat(4_000).into()), good, 1)),
        ("kid that is no text", signed(&with(&head, "kid", json!(["k1"])), good, 0)),
        ("no kid", signed(&with(&head, "kid", Value::Null), good, 0)),
        ("crit", signed(&with(&head, "crit", json!(["b64"])), good, 0)),
        ("crit of nothing", signed(&with(&head, "crit", json!([])), good, 0)),
        ("typ of an ID token", signed(&with(&head, "typ", "ID+JWT".into()), good, 0)),
        ("no typ", signed(&with(&head, "typ", Value::Null), good, 0)),
        ("another audience", signed(&head, &with(good, "aud", "https://altrui.example".into()), 0)),
        ("a part of our audience", signed(&head, &with(good, "aud", "https://scambio.provincia.example".into()), 0)),
        ("no audience", signed(&head, &with(good, "aud", Value::Null), 0)),
        ("another issuer", signed(&head, &with(good, "iss", "https://altrui.example".into()), 0)),
        ("expired", signed(&head, &with(good, "exp", (later - 1).into()), 0)),
        ("expires as a text", signed(&head, &with(good, "exp", (later + 300).to_string().into()), 0)),
        ("never expires", signed(&head, &with(good, "exp", Value::Null), 0)),
        ("not yet valid", signed(&head, &with(good, "nbf", (later + 120).into()), 0)),
        ("issued tomorrow", signed(&head, &with(good, "iat", (later + 120).into()), 0)),
        ("a changed signature", String::from_utf8(flipped).unwrap()),
        ("cut short", valid[..valid.len() - 20].to_owned()),
        ("without a signature", valid.rsplit_once('.').unwrap().0.to_owned()),
        ("an empty signature", format!("{}.", valid.rsplit_once('.').unwrap().0)),
        ("one part", "abc".to_owned()),
        ("four parts", format!("{valid}.x")),
        ("not base64", "%%%.%%%.%%%".to_owned()),
        ("nothing", String::new()),
        ("too long", format!("{valid}{}", "A".repeat(9_000))),
    ]
}

/// Asks with a token; gives the status, and what is told without what differs from call to call.
async fn told(bench: &Bench, token: &str) -> (StatusCode, String) {
    let answer = bench.with_token(Some(token), "get", "/api/v1/changes").await;
    let status = answer.status();
    let mut problem: Value = answer.json().await.unwrap_or_default();
    problem["correlation_id"] = Value::Null;
    (status, problem.to_string())
}

async fn all_refused_alike(bench: &Bench, good: &Value) {
    assert_eq!(told(bench, &signed(&head(), good, 0)).await.0, StatusCode::OK, "the one they are made from is good");
    let expected = {
        let answer = bench.with_token(None, "get", "/api/v1/changes").await;
        let mut problem: Value = answer.json().await.unwrap();
        problem["correlation_id"] = Value::Null;
        problem.to_string()
    };
    for (attack, token) in attacks(good) {
        let (status, text) = told(bench, &token).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{attack}: {text}");
        assert_eq!(text, expected, "{attack} is told more than who brings nothing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_access_token_that_was_tampered_with_lets_in() {
    let bench = Bench::open().await;
    let good = bench.claims("legge");
    all_refused_alike(&bench, &good).await;
    // Those that only an access token of a provider can be.
    let others = [
        ("lives too long", with(&good, "exp", (now() + 48 * 3_600).into())),
        ("an ID token", with(&good, "nonce", "n".into())),
        ("names no client", with(&good, "client_id", Value::Null)),
    ];
    for (attack, claims) in others {
        assert_eq!(told(&bench, &signed(&head(), &claims, 0)).await.0, StatusCode::UNAUTHORIZED, "{attack}");
    }
    let stranger = bench.claims("nessuno");
    assert_eq!(
        told(&bench, &signed(&head(), &stranger, 0)).await.0,
        StatusCode::FORBIDDEN,
        "a client that is no partner"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_voucher_that_was_tampered_with_lets_in() {
    let bench = Bench::open().await;
    let good = voucher();
    all_refused_alike(&bench, &good).await;
    for name in ["producerId", "eserviceId", "descriptorId", "consumerId", "purposeId"] {
        let claims = with(&good, name, "altro".into());
        let (status, text) = told(&bench, &signed(&head(), &claims, 0)).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{name}: {text}");
    }
    let bound = with(&good, "cnf", json!({ "jkt": "x" }));
    assert_eq!(
        told(&bench, &signed(&head(), &bound, 0)).await.0,
        StatusCode::UNAUTHORIZED,
        "bound, and shown as bearer"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_voucher_needs_a_proof_and_a_proof_is_good_once() {
    let bench = Bench::open().await;
    let key = &keys()[1];
    let bound = with(&voucher(), "cnf", json!({ "jkt": key.public().thumbprint() }));
    let token = signed(&head(), &bound, 0);
    let url = "https://scambio.provincia.example/api/v1/changes";
    let now = raccordo::clock::Clock::now(&raccordo::clock::SystemClock);
    let proof = |method: &str, url: &str, name: &str| {
        kit::pdnd::dpop::prove(key, method, url, Some(&token), name, now).unwrap()
    };
    let ask = async |proof: Option<String>| {
        let request = bench.request(Method::GET, "/api/v1/changes").header("authorization", format!("DPoP {token}"));
        let request = if let Some(proof) = proof { request.header("dpop", proof) } else { request };
        request.send().await.unwrap().status()
    };
    // What a stranger claims is not claimed: beside a voucher that nobody issued a proof leaves no trace.
    let forged = signed(&head(), &bound, 1);
    let beside = kit::pdnd::dpop::prove(key, "GET", url, Some(&forged), "p1", now).unwrap();
    let request = bench.request(Method::GET, "/api/v1/changes").header("authorization", format!("DPoP {forged}"));
    assert_eq!(request.header("dpop", beside).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let good = proof("GET", url, "p1");
    assert_eq!(ask(Some(good.clone())).await, StatusCode::OK);
    assert_eq!(ask(Some(good)).await, StatusCode::UNAUTHORIZED, "replayed");
    assert_eq!(ask(None).await, StatusCode::UNAUTHORIZED, "without a proof");
    assert_eq!(ask(Some(proof("POST", url, "p2"))).await, StatusCode::UNAUTHORIZED, "of another method");
    let elsewhere = proof("GET", "https://scambio.provincia.example/api/v1/records", "p3");
    assert_eq!(ask(Some(elsewhere)).await, StatusCode::UNAUTHORIZED, "of another address");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_could_be_read_in_two_ways_are_refused() {
    let bench = Bench::open().await;
    let token = format!("Bearer {}", bench.token("legge"));
    let twice =
        bench.request(Method::GET, "/api/v1/changes").header("authorization", &token).header("authorization", &token);
    assert_eq!(twice.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    for scheme in ["Basic", "Token", "bearer:"] {
        let value = token.replace("Bearer", scheme);
        let other = bench.request(Method::GET, "/api/v1/changes").header("authorization", value);
        assert_eq!(other.send().await.unwrap().status(), StatusCode::UNAUTHORIZED, "{scheme}");
    }
    let in_address =
        bench.with_token(None, "get", &format!("/api/v1/changes?access_token={}", bench.token("legge"))).await;
    assert_eq!(in_address.status(), StatusCode::UNAUTHORIZED);
}

//! The signed headers of `ModI`: integrity, evidence, identity; and the logout token, which is like them.

use kit::jose::{KeySet, MemorySeen, Refusal};
use kit::modi::tokens::{KeyName, Rules, Trust};
use kit::modi::verify::{Message, Signed, verify};
use kit::modi::x509::{TrustStore, TrustStoreError};
use kit::modi::{audit, digest, identity, sign};
use kit::oidc::verify_logout;
use kit::pdnd::voucher::evidence_digest;
use serde_json::Value;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::samples::{at, at_seconds, bytes, json, private, registered, text, vectors};

const OURS: &str = "https://erogatore.example/rest/appalti/v1";
const PURPOSE: &str = "1b361d49-33f4-4f1e-a88b-4e12661f2300";
const CLIENT: &str = "9b361d49-33f4-4f1e-a88b-4e12661f2309";

/// The authority, and the leaf that is found by its hash.
fn store() -> TrustStore {
    let keys = json("keys/keys.json");
    let pem = |name: &str| text(&keys["certificates"][name], "pem").to_owned();
    TrustStore::from_pem(format!("{}\n{}", pem("ca"), pem("leaf")).as_bytes()).expect("a store")
}

struct Received {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Received {
    fn of(vector: &Value) -> Self {
        let headers = vector["message"]["headers"].as_object().expect("headers");
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned()));
        let body = STANDARD.decode(text(&vector["message"], "body_base64")).expect("a body");
        Self { headers: headers.collect(), body }
    }

    async fn judge(&self, vector: &Value, rules: &Rules, seen: &MemorySeen) -> Result<Signed, Refusal> {
        let now = at(&vector["now"]);
        let (store, keys) = (store(), registered(&["eservice", "producer"]));
        let platform = KeySet::from_jwks(&bytes("keys/pdnd-api-jwks.json")).expect("keys");
        let trust = match vector["pattern"].as_str() {
            Some("INTEGRITY_REST_01") => Trust { certificates: Some(&store), keys: None },
            _ if vector["id"] == "pdnd-api-v3-response-ok" => Trust { certificates: None, keys: Some(&platform) },
            _ => Trust { certificates: None, keys: Some(&keys) },
        };
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let sent = vector["jws_payload"]["request_digest"][0]["digest"].as_str();
        let message = Message { headers: &headers, body: &self.body };
        verify(&message, trust, rules, sent, now)?.claim(seen, now).await
    }
}

fn rules(vector: &Value) -> Rules {
    let mut rules = Rules::for_audiences(vec![vector["own_audience"].as_str().unwrap_or(OURS).to_owned()]);
    if vector.get("own_audience").is_some_and(Value::is_null) {
        rules.audiences = None;
    }
    rules
}

#[tokio::test]
async fn every_signed_message_gets_its_verdict() {
    let manifest = json("integrity.json");
    for vector in vectors(&manifest, 34).iter().filter(|vector| vector.get("message").is_some()) {
        let id = text(vector, "id");
        let verdict = Received::of(vector).judge(vector, &rules(vector), &MemorySeen::default()).await;
        let code = verdict.as_ref().map_or_else(Refusal::code, |_| "ok");
        match text(vector, "expect") {
            "accept" => assert_eq!(code, "ok", "{id}: {verdict:?}"),
            "reject" => {
                assert_eq!(Some(code), vector["reason"].as_str(), "{id}");
                assert_eq!(verdict.expect_err(id).status(), 400, "{id}");
            }
            "accept-if-tolerance>=6s" => {
                assert_eq!(code, "issued_in_future", "{id}");
                let tolerant = rules(vector).with_tolerance(6);
                let verdict = Received::of(vector).judge(vector, &tolerant, &MemorySeen::default()).await;
                assert!(verdict.is_ok(), "{id}: {verdict:?}");
            }
            other => panic!("{id}: {other}"),
        }
    }
}

#[tokio::test]
async fn two_signatures_are_none_and_one_is_good_once() {
    let manifest = json("integrity.json");
    let vectors = vectors(&manifest, 34);
    let without_message: Vec<_> = vectors.iter().filter(|it| it.get("message").is_none()).collect();
    let ids: Vec<_> = without_message.iter().map(|vector| text(vector, "id")).collect();
    assert_eq!(ids, ["bad-two-tokens", "bad-replay"]);
    let vector = vectors.iter().find(|vector| vector["id"] == "02-kid-ok").expect("a message");
    let (mut received, rules, seen) = (Received::of(vector), rules(vector), MemorySeen::default());
    assert!(received.judge(vector, &rules, &seen).await.is_ok());
    assert_eq!(received.judge(vector, &rules, &seen).await.expect_err("seen").code(), "jti_replay");
    let token = received.headers.iter().find(|(name, _)| name == "Agid-JWT-Signature").expect("a token").clone();
    received.headers.push(token);
    let refusal = received.judge(vector, &rules, &MemorySeen::default()).await.expect_err("two");
    assert_eq!(refusal.code(), "multiple_tokens");
}

#[tokio::test]
async fn an_answer_to_another_request_is_refused() {
    let manifest = json("integrity.json");
    let vector = vectors(&manifest, 34).iter().find(|vector| vector["id"] == "02-response-ok").expect("an answer");
    let mut of_another = vector.clone();
    of_another["jws_payload"]["request_digest"][0]["digest"] = "SHA-256=AAAA".into();
    let verdict = Received::of(vector).judge(&of_another, &rules(vector), &MemorySeen::default()).await;
    assert_eq!(verdict.expect_err("another request").code(), "request_digest");
}

#[test]
fn the_digest_of_the_samples_is_ours_and_longer_ones_are_read() {
    let digests = &json("integrity.json")["digests"];
    for (name, body) in [("utf8_body", text(&digests["utf8_body"], "body")), ("empty", "")] {
        assert_eq!(digest::of(body.as_bytes()), text(&digests[name], "SHA-256"), "{name}");
        assert!(digest::check(text(&digests[name], "SHA-512"), body.as_bytes()).is_ok(), "{name}");
        let both = format!("{},MD5=x", text(&digests[name], "SHA-256"));
        assert!(digest::check(&both, body.as_bytes()).is_ok(), "{name}");
    }
}

#[test]
fn a_store_that_names_certificates_believes_no_other_of_the_same_authority() {
    let keys = json("keys/keys.json");
    let certificate = |name: &str, form: &str| text(&keys["certificates"][name], form).to_owned();
    let store = |names: &[&str]| {
        let pem: Vec<String> = names.iter().map(|name| certificate(name, "pem")).collect();
        TrustStore::from_pem(pem.join("\n").as_bytes()).and_then(TrustStore::pinned)
    };
    let now = at(&json("tracking-evidence.json")["now"]);
    let leaf = certificate("leaf", "der");
    let code = |store: &TrustStore| store.key_of_chain(&[&leaf], None, now).map_err(|refusal| refusal.code());
    let own = store(&["ca", "leaf"]).expect("his certificate and its authority");
    assert_eq!(code(&own).as_ref(), Ok(private("x5_leaf").public()));
    let anothers = store(&["ca", "producer"]).expect("another certificate of the authority");
    assert_eq!(code(&anothers), Err("untrusted_certificate"));
    assert_eq!(store(&["ca"]).expect_err("anybody's"), TrustStoreError::AuthoritiesAlone);
    assert_eq!(store(&["leaf"]).expect_err("vouched for by nobody"), TrustStoreError::NoAuthority);
}

#[test]
fn a_message_of_ours_is_signed_to_the_byte() {
    let manifest = json("integrity.json");
    let certificate = text(&json("keys/keys.json")["certificates"]["leaf"], "der").to_owned();
    let mut count = 0;
    for id in ["02-kid-ok", "02-gzip-ok", "01-x5c-ok", "02-empty-body-ok", "02-response-ok"] {
        let vector = vectors(&manifest, 34).iter().find(|vector| vector["id"] == id).expect("a message");
        let (payload, headers) = (&vector["jws_payload"], &vector["message"]["headers"]);
        let (key, key_name) = match id {
            "01-x5c-ok" => (private("x5_leaf"), KeyName::Chain(vec![certificate.clone()])),
            "02-response-ok" => (private("producer"), KeyName::Registered),
            _ => (private("eservice"), KeyName::Registered),
        };
        let signer = sign::Signer {
            key,
            key_name,
            issuer: text(payload, "iss").to_owned(),
            subject: payload["sub"].as_str().map(str::to_owned),
            audiences: vec![text(payload, "aud").to_owned()],
            life_seconds: 60,
            signs_empty: true,
        };
        let repeated = payload["request_digest"].as_array().map(|list| {
            let pairs = list.iter().flat_map(|entry| entry.as_object().expect("an object"));
            pairs.map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned())).collect::<Vec<_>>()
        });
        let signed_headers = sign::SignedHeaders {
            content_type: headers["Content-Type"].as_str(),
            content_encoding: headers["Content-Encoding"].as_str(),
            request: repeated.as_deref(),
        };
        let body = STANDARD.decode(text(&vector["message"], "body_base64")).expect("a body");
        let made = signer.sign(&body, signed_headers, text(payload, "jti"), at(&payload["iat"])).expect("signed");
        let made = made.expect("signed");
        assert_eq!(made.digest, text(headers, "Digest"), "{id}");
        assert_eq!(made.token, text(headers, "Agid-JWT-Signature"), "{id}");
        count += 1;
    }
    assert_eq!(count, 5);
}

#[test]
fn an_empty_body_is_signed_only_where_the_producer_wants_it() {
    let signer = sign::Signer {
        key: private("eservice"),
        key_name: KeyName::Registered,
        issuer: CLIENT.to_owned(),
        subject: None,
        audiences: vec![OURS.to_owned()],
        life_seconds: 10,
        signs_empty: false,
    };
    let made = signer.sign(b"", sign::SignedHeaders::default(), "a", at_seconds(1_796_115_600));
    assert_eq!(made, Ok(None));
}

#[tokio::test]
async fn every_evidence_gets_its_verdict_and_its_hash() {
    let manifest = json("tracking-evidence.json");
    let now = at(&manifest["now"]);
    let (store, keys) = (store(), registered(&["eservice"]));
    let rules = Rules::for_audiences(vec![OURS.to_owned()]);
    for vector in vectors(&manifest, 8) {
        let id = text(vector, "id");
        let evidence = text(vector, "compact");
        assert_eq!(evidence_digest(evidence), text(vector, "sha256_hex"), "{id}");
        let trust = Trust { keys: Some(&keys), certificates: Some(&store) };
        let verdict = match audit::verify(evidence, trust, &rules, PURPOSE, now) {
            Ok(user) => user.claim(&MemorySeen::default(), now).await,
            Err(refusal) => Err(refusal),
        };
        let expected = match id {
            "bad-purpose" => "purpose",
            "bad-user-missing" => "user",
            "bad-user-number" => "user_location",
            "bad-aud" => "audience",
            "bad-expired" => "expired",
            _ => "ok",
        };
        assert_eq!(expected == "ok", vector["expect"] == "accept", "{id}");
        assert_eq!(verdict.as_ref().map_or_else(Refusal::code, |_| "ok"), expected, "{id}");
        if let Ok(user) = verdict {
            assert_eq!((user.id.as_str(), user.location.as_str()), ("operatore-7f3a", "postazione-12"));
            assert!(!format!("{user:?}").contains("operatore"));
        }
    }
}

#[test]
fn an_evidence_of_ours_is_made_to_the_byte() {
    let manifest = json("tracking-evidence.json");
    for vector in
        vectors(&manifest, 8).iter().filter(|it| it["expect"] == "accept" && it["header"].get("kid").is_some())
    {
        let payload = &vector["payload"];
        let user = audit::User {
            id: text(payload, "userID").to_owned(),
            location: text(payload, "userLocation").to_owned(),
            assurance: payload["LoA"].as_str().map(str::to_owned),
        };
        let audiences = [text(payload, "aud").to_owned()];
        let asked = audit::Asked {
            issuer: text(payload, "iss"),
            audiences: &audiences,
            purpose_id: text(payload, "purposeId"),
            user: &user,
            nonce: payload["dnonce"].as_u64(),
        };
        let made =
            audit::make(&private("eservice"), &KeyName::Registered, &asked, text(payload, "jti"), at(&payload["iat"]));
        assert_eq!(made.expect("an evidence"), text(vector, "compact"), "{}", vector["id"]);
    }
    for random in [0, u64::MAX, 8_999_999_999_999] {
        assert_eq!(audit::nonce(random).to_string().len(), 13);
    }
}

#[tokio::test]
async fn every_identity_without_the_platform_gets_its_verdict() {
    let manifest = json("id-auth-rest.json");
    let (store, now) = (store(), at(&manifest["now"]));
    let rules = Rules::for_audiences(vec![text(&manifest, "own_audience").to_owned()]);
    for vector in vectors(&manifest, 3) {
        let id = text(vector, "id");
        let trust = Trust { certificates: Some(&store), keys: None };
        let verdict = match identity::verify(text(vector, "compact"), trust, &rules, now) {
            Ok(caller) => caller.claim(&MemorySeen::default(), now).await,
            Err(refusal) => Err(refusal),
        };
        let code = verdict.as_ref().map_or_else(Refusal::code, |_| "ok");
        let expected = vector["reason"].as_str().map_or("ok", |reason| reason.split(' ').next().unwrap_or_default());
        assert_eq!(code, expected, "{id}");
        if vector["expect"] == "accept" {
            let chain = KeyName::Chain(vec![text(&json("keys/keys.json")["certificates"]["leaf"], "der").to_owned()]);
            let payload = &vector["payload"];
            let (caller, audiences) = (text(payload, "iss"), [text(payload, "aud").to_owned()]);
            let key = private("x5_leaf");
            let made = identity::make(&key, &chain, caller, &audiences, 60, text(payload, "jti"), at(&payload["iat"]));
            assert_eq!(made.expect("a token"), text(vector, "compact"));
        }
    }
}

#[tokio::test]
async fn every_logout_token_gets_its_verdict_and_is_good_once() {
    let manifest = json("oidc/logout-tokens.json");
    let now = at(&manifest["now"]);
    let keys = KeySet::from_jwks(manifest["jwks"].to_string().as_bytes()).expect("keys");
    for vector in vectors(&manifest, 9) {
        let id = text(vector, "id");
        let seen = MemorySeen::default();
        let (issuer, client) = (text(&manifest, "issuer"), text(&manifest, "client_id"));
        let judge = || verify_logout(text(vector, "compact"), &keys, issuer, client, now);
        let expected = match id {
            "bad-nonce" => "nonce",
            "bad-events" => "events",
            "bad-no-sid-sub" => "subject",
            "bad-aud" => "audience",
            "bad-signature" => "signature",
            "bad-old" => "expired",
            _ => "ok",
        };
        assert_eq!(expected == "ok", vector["expect"] == "accept-200", "{id}");
        match judge() {
            Ok(logout) => {
                let logout = logout.claim(&seen, now).await.expect("the first time");
                assert_eq!(logout.subject.as_deref(), vector["payload"]["sub"].as_str(), "{id}");
                assert_eq!(expected, "ok", "{id}");
                let again = judge().expect("verified").claim(&seen, now).await.expect_err("seen");
                assert_eq!(again.code(), "jti_replay", "{id}");
            }
            Err(refusal) => assert_eq!((refusal.code(), refusal.status()), (expected, 400), "{id}"),
        }
    }
}

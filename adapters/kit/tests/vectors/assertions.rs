//! Client assertions: minted to the byte, judged as the platform judges them.

use kit::Secret;
use kit::jose::{KeyError, PublicKey, SigningKey};
use kit::pdnd::assertion::{Asked, Step, mint};
use kit::pdnd::preflight::{Expected, assertion};
use serde_json::Value;

use crate::samples::{at, json, private, registered, text, vectors};

const CLIENT: &str = "9b361d49-33f4-4f1e-a88b-4e12661f2309";
const KEYCHAIN: &str = "7a1c5e3f-9b2d-4f60-8e7a-6c5d4b3a2f10";

fn judge(manifest: &Value, vector: &Value, is_asynchronous: bool) {
    let id = text(vector, "id");
    let is_api_client = vector["client_kind"] == "API";
    let is_keychain = vector.get("signed_by").is_some();
    let client = match (is_api_client, is_keychain) {
        (true, _) => text(manifest, "api_client_id"),
        (_, true) => KEYCHAIN,
        _ => CLIENT,
    };
    let audience = text(manifest, "expected_audience");
    // A keychain has no purpose either.
    let expected =
        Expected { client_id: client, audience, is_api_client: is_api_client || is_keychain, is_asynchronous };
    let keys = registered(&["eservice", "api", "producer"]);
    let found = assertion(text(vector, "compact"), &expected, Some(&keys), at(&manifest["now"]));
    let codes: Vec<_> = found.iter().map(kit::pdnd::preflight::Mistake::code).collect();
    match vector["expect"].as_str() {
        Some("accept") => assert!(codes.is_empty(), "{id}: {codes:?}"),
        Some("reject") => assert_eq!(codes.first().copied(), vector["reason"].as_str(), "{id}: {codes:?}"),
        other => panic!("{id}: {other:?}"),
    }
    for mistake in found {
        let unknown = "the assertion is not acceptable";
        assert!(mistake.english() != unknown && mistake.italian() != mistake.english(), "{id}: {mistake:?}");
    }
}

#[test]
fn every_client_assertion_is_judged_as_the_platform_judges_it() {
    let manifest = json("client-assertions.json");
    for vector in vectors(&manifest, 34) {
        judge(&manifest, vector, false);
    }
}

#[test]
fn every_assertion_of_an_asynchronous_exchange_is_judged_as_the_platform_judges_it() {
    let manifest = json("client-assertions-async.json");
    for vector in vectors(&manifest, 11) {
        judge(&manifest, vector, true);
    }
}

#[test]
fn a_minted_assertion_is_the_accepted_one_to_the_byte() {
    let manifest = json("client-assertions.json");
    let minted = ["ok-eservice", "ok-digest", "ok-api-interop"];
    let of_these = vectors(&manifest, 34).iter().filter(|vector| minted.contains(&text(vector, "id")));
    let mut count = 0;
    for vector in of_these {
        let payload = &vector["payload"];
        let asked = Asked {
            client_id: text(payload, "iss"),
            audience: text(payload, "aud"),
            purpose_id: payload["purposeId"].as_str(),
            evidence_digest: payload["digest"]["value"].as_str(),
            step: None,
        };
        let key = private(if vector["client_kind"] == "API" { "api" } else { "eservice" });
        let made = mint(&key, &asked, text(payload, "jti"), at(&payload["iat"])).expect("an assertion");
        assert_eq!(made, text(vector, "compact"), "{}", vector["id"]);
        count += 1;
    }
    assert_eq!(count, minted.len());
}

#[test]
fn a_minted_step_of_an_exchange_is_the_accepted_one_to_the_byte() {
    let manifest = json("client-assertions-async.json");
    let mut count = 0;
    for vector in vectors(&manifest, 11).iter().filter(|vector| vector["expect"] == "accept") {
        let payload = &vector["payload"];
        let interaction_id = payload["interactionId"].as_str().unwrap_or_default();
        let step = match text(payload, "scope") {
            "start_interaction" => Step::StartInteraction { callback_url: text(payload, "urlCallback") },
            "callback_invocation" => {
                let entity_number = payload["entityNumber"].as_u64().expect("a number");
                let entity_number = u32::try_from(entity_number).expect("a number");
                Step::CallbackInvocation { interaction_id, entity_number }
            }
            "get_resource" => Step::GetResource { interaction_id },
            _ => Step::Confirmation { interaction_id },
        };
        let asked = Asked {
            client_id: text(payload, "iss"),
            audience: text(payload, "aud"),
            purpose_id: payload["purposeId"].as_str(),
            evidence_digest: None,
            step: Some(step),
        };
        let key = private(if vector.get("signed_by").is_some() { "producer" } else { "eservice" });
        let made = mint(&key, &asked, text(payload, "jti"), at(&payload["iat"])).expect("an assertion");
        assert_eq!(made, text(vector, "compact"), "{}", vector["id"]);
        count += 1;
    }
    assert_eq!(count, 4);
}

#[test]
fn a_step_follows_only_those_the_exchange_admits() {
    let manifest = json("client-assertions-async.json");
    let steps = [
        Step::StartInteraction { callback_url: "https://broker.example/cb" },
        Step::CallbackInvocation { interaction_id: CLIENT, entity_number: 1 },
        Step::GetResource { interaction_id: CLIENT },
        Step::Confirmation { interaction_id: CLIENT },
    ];
    for step in steps {
        let admitted = manifest["transitions"][step.scope()].as_array().expect("a list");
        assert_eq!(step.may_follow(None), admitted.is_empty(), "{}", step.scope());
        for before in steps {
            let is_admitted = admitted.iter().any(|scope| scope == before.scope());
            assert_eq!(step.may_follow(Some(before.scope())), is_admitted, "{} after {}", step.scope(), before.scope());
        }
    }
}

#[test]
fn a_thumbprint_is_that_of_the_standard_and_of_the_platform() {
    let manifest = json("keys/rfc7638-thumbprints.json");
    for vector in vectors(&manifest, 6) {
        let key = PublicKey::from_jwk(&vector["jwk"]).expect("a key");
        assert_eq!(key.thumbprint(), text(vector, "thumbprint"), "{}", vector["name"]);
    }
}

#[test]
fn a_private_key_knows_its_name_and_its_public_half() {
    let keys = json("keys/keys.json");
    for (name, entry) in keys["keys"].as_object().expect("keys").iter().filter(|(name, _)| *name != "weak") {
        let key = SigningKey::from_pem(&Secret::new(text(entry, "private_pem_pkcs8"))).expect("a key");
        assert_eq!(key.thumbprint(), text(entry, "thumbprint_rfc7638"), "{name}");
        assert_eq!(key.public_pem().expect("PEM").trim(), text(entry, "public_pem_spki").trim(), "{name}");
        assert!(!format!("{key:?}").contains("PRIVATE"), "{name}");
    }
}

#[test]
fn a_key_too_short_is_refused_for_its_length() {
    let keys = json("keys/keys.json");
    let weak = SigningKey::from_pem(&Secret::new(text(&keys["keys"]["weak"], "private_pem_pkcs8")));
    assert_eq!(weak.map(|_| ()), Err(KeyError::TooShort));
    let public = SigningKey::from_pem(&Secret::new(text(&keys["keys"]["api"], "public_pem_spki")));
    assert_eq!(public.map(|_| ()), Err(KeyError::NotPem));
}

//! Vouchers and proofs, as the producer sees them.

use canonical::values::UtcInstant;
use kit::jose::{KeySet, Keys, MemorySeen, Refusal};
use kit::pdnd::dpop;
use kit::pdnd::voucher::{Expectations, Presented, verify, verify_api};
use serde_json::Value;

use crate::samples::{at, at_seconds, bytes, json, private, text, vectors};

const CONSUMER: &str = "69e2865e-65ab-4e48-a638-2037a9ee2ee7";

fn expectations(manifest: &Value) -> Expectations {
    let expected = &manifest["expected"];
    Expectations {
        issuer: text(expected, "iss").to_owned(),
        audiences: vec![text(expected, "own_audience").to_owned()],
        producer_id: text(expected, "producerId").to_owned(),
        eservice_ids: vec![text(expected, "eserviceId").to_owned()],
        descriptor_ids: vec![text(expected, "descriptorId").to_owned()],
        ..Expectations::default()
    }
}

fn platform_keys() -> KeySet {
    KeySet::from_jwks(&bytes("keys/pdnd-jwks.json")).expect("keys")
}

/// The proof of the samples for the bound voucher.
async fn proof(now: UtcInstant) -> dpop::Proof {
    let manifest = json("dpop.json");
    let vector = vectors(&manifest, 15).iter().find(|vector| vector["id"] == "ok-resource-es256").expect("a proof");
    let url = text(&manifest, "resource_url");
    let verified = dpop::verify(text(vector, "compact"), "POST", url, Some(text(vector, "voucher")), now);
    verified.expect("a proof").claim(&MemorySeen::default(), now).await.expect("the first time")
}

#[tokio::test]
async fn every_voucher_is_judged_as_its_producer_must() {
    let manifest = json("vouchers.json");
    let (keys, now) = (platform_keys(), at(&manifest["now"]));
    let proof = proof(now).await;
    for vector in vectors(&manifest, 25) {
        let id = text(vector, "id");
        let authorization = format!("{} {}", text(vector, "scheme"), text(vector, "compact"));
        let mut presented = Presented::from_authorization(&[&authorization]).expect("one header");
        if let Some(evidence) = vector["tracking_evidence"].as_str() {
            presented = presented.with_evidence(evidence);
        }
        if vector["scheme"] == "DPoP" {
            presented = presented.with_proof(&proof);
        }
        let rules =
            Expectations { is_evidence_bound: vector.get("tracking_evidence").is_some(), ..expectations(&manifest) };
        let verdict = if vector["kind"] == "api" {
            let audiences = [text(vector, "own_audience").to_owned()];
            verify_api(presented, &keys, &rules.issuer, &audiences, now).map(|voucher| voucher.client_id)
        } else {
            verify(presented, &keys, &rules, now).map(|voucher| voucher.client_id)
        };
        match vector["expect"].as_str() {
            Some("accept") => assert_eq!(verdict.as_deref(), Ok(text(&vector["payload"], "client_id")), "{id}"),
            Some("reject") => {
                let refusal = verdict.expect_err(id);
                assert_eq!(Some(refusal.code()), vector["reason"].as_str(), "{id}");
                let status = match refusal.code() {
                    "producer" | "eservice" => 403,
                    "digest" => 400,
                    _ => 401,
                };
                assert_eq!(refusal.status(), status, "{id}");
                assert_eq!(refusal.www_authenticate().is_some(), status == 401, "{id}");
            }
            other => panic!("{id}: {other:?}"),
        }
    }
}

#[test]
fn a_voucher_says_who_calls_and_why() {
    let manifest = json("vouchers.json");
    let token = text(&manifest["token_response_bearer"], "access_token");
    let voucher = verify(token, &platform_keys(), &expectations(&manifest), at(&manifest["now"])).expect("a voucher");
    assert_eq!(voucher.consumer_id, CONSUMER);
    assert_eq!(voucher.purpose_id, "1b361d49-33f4-4f1e-a88b-4e12661f2300");
    assert_eq!(voucher.token_id, "00000000-0000-4000-8000-00000000002f");
    assert_eq!((voucher.bound_to, voucher.interaction), (None, None));
}

#[test]
fn a_voucher_expires_to_the_second_and_may_begin_five_seconds_early() {
    let manifest = json("vouchers.json");
    let token = text(&manifest["token_response_bearer"], "access_token");
    let code = |now: i64| {
        let verdict = verify(token, &platform_keys(), &expectations(&manifest), at_seconds(now));
        verdict.map_or_else(|refusal: Refusal| refusal.code(), |_| "ok")
    };
    assert_eq!([code(1_796_116_199), code(1_796_116_200)], ["ok", "expired"]);
    assert_eq!([code(1_796_115_595), code(1_796_115_594)], ["ok", "not_yet_valid"]);
}

#[test]
fn a_consumer_and_a_purpose_that_may_not_are_told_so() {
    let manifest = json("vouchers.json");
    let token = text(&manifest["token_response_bearer"], "access_token");
    let judge = |rules: Expectations| verify(token, &platform_keys(), &rules, at(&manifest["now"]));
    let base = expectations(&manifest);
    let mine = Expectations { consumer_ids: Some(vec![CONSUMER.to_owned()]), ..base.clone() };
    assert!(judge(mine).is_ok());
    let of_others = Expectations { consumer_ids: Some(vec!["another".to_owned()]), ..base.clone() };
    let refusal = judge(of_others).expect_err("refused");
    assert_eq!((refusal.code(), refusal.status()), ("consumer", 403));
    let refusal = judge(Expectations { purpose_ids: Some(Vec::new()), ..base }).expect_err("refused");
    assert_eq!((refusal.code(), refusal.status()), ("purpose", 403));
}

#[test]
fn there_is_one_authorization_and_its_scheme_is_known() {
    let code = |values: &[&str]| Presented::from_authorization(values).map_or_else(|it| it.code(), |_| "ok");
    assert_eq!(code(&["bearer a.b.c"]), "ok");
    assert_eq!(code(&["DPOP a.b.c"]), "ok");
    assert_eq!(code(&[]), "missing_token");
    assert_eq!(code(&["Bearer a", "Bearer a"]), "multiple_tokens");
    assert_eq!(code(&["Basic YTpi"]), "scheme");
}

#[tokio::test]
async fn every_proof_is_judged_as_the_platform_and_the_producer_must() {
    let manifest = json("dpop.json");
    let now = at(&manifest["now"]);
    for vector in vectors(&manifest, 15).iter().filter(|vector| vector["expect"] != "reject-second") {
        let id = text(vector, "id");
        let url = text(&manifest, if vector["at"] == "token" { "token_url" } else { "resource_url" });
        let voucher = vector["voucher"].as_str();
        let seen = MemorySeen::default();
        let verdict = match dpop::verify(text(vector, "compact"), "POST", url, voucher, now) {
            Ok(proof) => proof.claim(&seen, now).await,
            Err(refusal) => Err(refusal),
        };
        // That the proof is of the voucher's own key is found with the voucher.
        let verdict = verdict.and_then(|proof| match voucher {
            Some(token) => {
                let vouchers = json("vouchers.json");
                let header = format!("DPoP {token}");
                let presented = Presented::from_authorization(&[&header])?.with_proof(&proof);
                verify(presented, &platform_keys(), &expectations(&vouchers), now).map(|_| ())
            }
            None => Ok(()),
        });
        let code = verdict.as_ref().map_or_else(Refusal::code, |()| "ok");
        let expected = match vector["reason"].as_str() {
            None => "ok",
            Some("invalidDPoPTyp") => "typ",
            Some(reason) => reason,
        };
        assert_eq!(code, expected, "{id}");
    }
}

#[tokio::test]
async fn a_proof_is_good_once() {
    let manifest = json("dpop.json");
    let (now, url) = (at(&manifest["now"]), text(&manifest, "token_url"));
    assert!(vectors(&manifest, 15).iter().any(|vector| vector["id"] == "bad-replay"));
    let vector = vectors(&manifest, 15).iter().find(|vector| vector["id"] == "ok-token-es256").expect("a proof");
    let seen = MemorySeen::default();
    let judge = || dpop::verify(text(vector, "compact"), "POST", url, None, now).expect("a proof");
    assert!(judge().claim(&seen, now).await.is_ok());
    assert_eq!(judge().claim(&seen, now).await.expect_err("seen").code(), "jti_replay");
}

#[test]
fn a_proof_of_ours_is_one_that_we_accept_of_either_kind_of_key() {
    let (now, url) = (at_seconds(1_796_115_600), "https://erogatore.example/rest/appalti/v1/pratiche");
    for name in ["dpopEc", "dpopRsa"] {
        let key = private(name);
        let made = dpop::prove(&key, "GET", &format!("{url}?cig=1#x"), Some("voucher"), "a", now).expect("a proof");
        assert!(dpop::verify(&made, "GET", url, Some("voucher"), now).is_ok(), "{name}");
        let refusal = dpop::verify(&made, "GET", url, Some("another"), now).expect_err("another voucher");
        assert_eq!(refusal.code(), "ath", "{name}");
        assert!(!made.contains("\"d\""));
    }
}

#[tokio::test]
async fn a_full_memory_lets_nothing_new_through() {
    use kit::jose::Seen as _;
    let (seen, now) = (MemorySeen::new(1), at_seconds(1_000));
    assert!(seen.claim("a", "1", 1_010, now).await.expect("room"));
    assert!(seen.claim("a", "2", 1_010, now).await.is_err());
    assert!(!seen.claim("a", "1", 1_010, now).await.expect("known"));
    assert!(seen.claim("a", "2", 1_030, at_seconds(1_011)).await.expect("the first has expired"));
}

#[test]
fn a_set_of_keys_gives_each_by_its_name() {
    let keys = platform_keys();
    assert!(keys.key("5c9a3b1e-2f4d-4c7a-9b6e-8d1f0a2c3e4b").is_some());
    assert!(keys.key("nobody").is_none());
    assert!(KeySet::from_jwks(b"<html>").is_err());
}

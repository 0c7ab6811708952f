//! SOAP messages with WS-Security, among them a moved body under a valid signature.

use canonical::values::UtcInstant;
use kit::jose::{MemorySeen, Refusal};
use kit::modi::soap::{SignedEnvelope, SoapRules, verify};
use kit::modi::x509::TrustStore;
use serde_json::Value;

use crate::samples::{bytes, json, text, vectors};

pub(crate) fn store() -> TrustStore {
    let keys = json("keys/keys.json");
    TrustStore::from_pem(text(&keys["certificates"]["ca"], "pem").as_bytes()).expect("a store")
}

fn rules(manifest: &Value) -> SoapRules {
    SoapRules { to: text(manifest, "own_to").to_owned(), is_body_signed: true }
}

async fn judge(xml: &str, rules: &SoapRules, now: UtcInstant, seen: &MemorySeen) -> Result<SignedEnvelope, Refusal> {
    verify(xml, &store(), rules, now)?.claim(seen, now).await
}

fn message(file: &str) -> String {
    String::from_utf8(bytes(&format!("soap/{file}"))).expect("text")
}

#[tokio::test]
async fn every_envelope_gets_its_verdict() {
    let manifest = json("soap/vectors.json");
    let now = UtcInstant::parse(text(&manifest, "now")).expect("an instant");
    for vector in vectors(&manifest, 10).iter().filter(|vector| vector.get("file").is_some()) {
        let (id, xml) = (text(vector, "id"), message(text(vector, "file")));
        let verdict = judge(&xml, &rules(&manifest), now, &MemorySeen::default()).await;
        let code = verdict.as_ref().map_or_else(Refusal::code, |_| "ok");
        assert_eq!(code, vector["reason"].as_str().unwrap_or("ok"), "{id}: {verdict:?}");
        if id == "bad-body-not-signed" {
            let identity = SoapRules { is_body_signed: false, ..rules(&manifest) };
            assert!(judge(&xml, &identity, now, &MemorySeen::default()).await.is_ok(), "good for an identity");
        }
    }
}

#[tokio::test]
async fn a_message_is_good_once_and_gives_the_body_that_was_signed() {
    let manifest = json("soap/vectors.json");
    let now = UtcInstant::parse(text(&manifest, "now")).expect("an instant");
    assert!(vectors(&manifest, 10).iter().any(|vector| vector["reason"] == "message_id_replay"));
    let (xml, rules, seen) = (message("ok.xml"), rules(&manifest), MemorySeen::default());
    let envelope = judge(&xml, &rules, now, &seen).await.expect("a message");
    assert_eq!(envelope.action, "http://appalti.example/servizio/inviaPratica");
    assert!(String::from_utf8(envelope.body).expect("text").contains("<p:cig>B1234567AB</p:cig>"));
    assert_eq!(judge(&xml, &rules, now, &seen).await.expect_err("seen").code(), "message_id_replay");
}

#[tokio::test]
async fn what_could_hide_another_message_is_refused() {
    let manifest = json("soap/vectors.json");
    let now = UtcInstant::parse(text(&manifest, "now")).expect("an instant");
    let (xml, rules) = (message("ok.xml"), rules(&manifest));
    let two_bodies = xml.replace("</soap:Body>", "</soap:Body><soap:Body/>");
    let same_id = xml.replace("<p:cig>", "<p:cig wsu:Id=\"BODY-1\">");
    let dtd = xml.replace("<soap:Envelope", "<!DOCTYPE a [<!ENTITY b \"c\">]><soap:Envelope");
    let must = xml.replace("</soap:Header>", "<x:a xmlns:x=\"urn:x\" soap:mustUnderstand=\"1\"/></soap:Header>");
    let cases = [(two_bodies, "malformed"), (same_id, "malformed"), (dtd, "malformed"), (must, "must_understand")];
    for (xml, code) in cases {
        assert_eq!(judge(&xml, &rules, now, &MemorySeen::default()).await.expect_err(code).code(), code);
    }
}

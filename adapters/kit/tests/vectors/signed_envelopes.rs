//! SOAP messages of ours: what we sign, our own verifier admits, and nothing that was changed on the way.

use kit::Secret;
use kit::jose::{MemorySeen, Refusal, SigningKey};
use kit::modi::soap::sign::{SoapError, SoapMessage, SoapSigner, SoapVersion};
use kit::modi::soap::{SignedEnvelope, SoapRules, verify};

use crate::envelopes::store;
use crate::samples::{at_seconds, json, private, text};

const NOW: i64 = 1_796_115_600;
const TO: &str = "https://erogatore.example/soap/appalti/v1?a=1&b=2";
const ACTION: &str = "http://appalti.example/servizio/inviaPratica";
const PAYLOAD: &str = "<p:inviaPratica xmlns:p=\"http://appalti.example/\" xmlns:unused=\"urn:x\" b='2' a=\"1\">\r\n\
                       <p:cig>B1234567AB</p:cig><!-- nota --><p:oggetto>città &amp; <![CDATA[<dintorni>]]></p:oggetto>\
                       <vuoto xmlns=\"\"/></p:inviaPratica>";

fn certificate(name: &str) -> String {
    text(&json("keys/keys.json")["certificates"][name], "pem").to_owned()
}

fn signer() -> SoapSigner {
    SoapSigner::new(private("x5_leaf"), certificate("leaf").as_bytes()).expect("a signer")
}

fn message(payload: &str) -> SoapMessage<'_> {
    let message_id = "urn:uuid:00000000-0000-4000-8000-0000000000b1";
    SoapMessage { to: TO, action: ACTION, message_id, payload }
}

fn rules(is_body_signed: bool) -> SoapRules {
    SoapRules { to: TO.to_owned(), is_body_signed }
}

fn code(xml: &str, is_body_signed: bool, now: i64) -> &'static str {
    let verdict = verify(xml, &store(), &rules(is_body_signed), at_seconds(now));
    verdict.as_ref().map_or_else(Refusal::code, |_| "ok")
}

#[tokio::test]
async fn a_message_of_ours_is_admitted_once_with_the_payload_as_it_was_given() {
    for version in [SoapVersion::V1_1, SoapVersion::V1_2] {
        let mut signer = signer();
        signer.version = version;
        let xml = signer.sign(&message(PAYLOAD), at_seconds(NOW)).expect("a message");
        assert!(xml.contains(PAYLOAD), "not a byte of the payload is written anew");
        let verified = verify(&xml, &store(), &rules(true), at_seconds(NOW)).expect("our own");
        let seen = MemorySeen::default();
        let envelope: SignedEnvelope = verified.claim(&seen, at_seconds(NOW)).await.expect("the first time");
        assert_eq!((envelope.action.as_str(), envelope.message_id.as_str()), (ACTION, message("").message_id));
        assert!(String::from_utf8(envelope.body).expect("text").contains("città &amp; &lt;dintorni&gt;"));
        let again = verify(&xml, &store(), &rules(true), at_seconds(NOW)).expect("our own");
        assert_eq!(again.claim(&seen, at_seconds(NOW)).await.expect_err("seen").code(), "message_id_replay");
    }
}

#[test]
fn a_message_is_good_from_now_until_its_end_and_an_identity_leaves_the_body_alone() {
    let xml = signer().with_life(60).expect("a life").sign(&message(PAYLOAD), at_seconds(NOW)).expect("a message");
    assert_eq!(
        [NOW - 6, NOW - 5, NOW + 59, NOW + 60].map(|now| code(&xml, true, now)),
        ["created_in_future", "ok", "ok", "expired"]
    );
    let mut identity = signer();
    identity.is_body_signed = false;
    let xml = identity.sign(&message(PAYLOAD), at_seconds(NOW)).expect("a message");
    assert_eq!([code(&xml, false, NOW), code(&xml, true, NOW)], ["ok", "body_not_signed"]);
}

#[test]
fn a_message_with_any_signed_byte_changed_is_refused() {
    let xml = signer().sign(&message(PAYLOAD), at_seconds(NOW)).expect("a message");
    assert_eq!(code(&xml, true, NOW), "ok");
    let places = ["<soap:Body", "<wsa:To", "<wsa:Action", "<wsa:MessageID", "<wsu:Timestamp", "<ds:SignedInfo>"];
    let mut changed = 0;
    for place in places {
        let begin = xml.find(place).expect(place);
        let name = place.trim_matches(['<', '>']);
        let end = begin + xml[begin..].find(&format!("</{name}>")).expect(name) + name.len() + 3;
        for at in begin..end {
            let byte = xml.as_bytes()[at];
            if !byte.is_ascii_alphanumeric() {
                continue;
            }
            // Another letter or digit in its place: still XML, save where a tag no longer closes.
            let other = if byte == b'z' || byte == b'9' || byte == b'Z' { byte - 1 } else { byte + 1 };
            let mut bytes = xml.clone().into_bytes();
            bytes[at] = if other.is_ascii_alphanumeric() { other } else { b'a' };
            let altered = String::from_utf8(bytes).expect("text");
            // A comment is no part of the canonical form, nor is a namespace that nothing uses.
            let is_free = altered[begin..end].contains("nota") != xml[begin..end].contains("nota")
                || ["unused=\"urn:x\"", "xmlns:unused"].iter().any(|free| altered.contains(free) != xml.contains(free));
            if is_free {
                continue;
            }
            assert_ne!(
                code(&altered, true, NOW),
                "ok",
                "{place} at {}: {}",
                at - begin,
                &altered[at.saturating_sub(20)..at]
            );
            changed += 1;
        }
    }
    assert!(changed > 800, "{changed}");
    for (from, to) in [("B1234567AB", "B1234567AB "), ("<p:cig>", "<p:cig> "), ("</wsa:To>", "#</wsa:To>")] {
        assert_ne!(code(&xml.replacen(from, to, 1), true, NOW), "ok", "{from}");
    }
}

#[test]
fn the_certificate_is_of_the_key_and_of_an_authority_of_theirs() {
    let of = |key: SigningKey, name: &str| SoapSigner::new(key, certificate(name).as_bytes()).err();
    assert_eq!(of(private("x5_leaf"), "producer"), Some(SoapError::OtherKey));
    assert_eq!(of(private("dpopEc"), "leaf"), Some(SoapError::NotRsa));
    let no_certificate = SoapSigner::new(private("x5_leaf"), b"-----BEGIN NOTHING-----").err();
    assert_eq!(no_certificate, Some(SoapError::Certificate));
    let rogue = SoapSigner::new(private("x5_rogue"), certificate("rogue").as_bytes()).expect("a signer");
    let xml = rogue.sign(&message(PAYLOAD), at_seconds(NOW)).expect("a message");
    assert_eq!(code(&xml, true, NOW), "untrusted_certificate");
    assert_eq!(signer().with_life(301).err(), Some(SoapError::Life));
    assert_eq!(signer().with_life(0).err(), Some(SoapError::Life));
}

#[test]
fn a_payload_that_does_not_stand_alone_is_not_signed() {
    let sign = |payload: &str| signer().sign(&message(payload), at_seconds(NOW)).err();
    let escaping = "<a/></soap:Body><soap:Body>";
    let with_ours = "<a xmlns:wsu=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd\" \
                     wsu:Id=\"TO-1\"/>";
    let declared = "<?xml version=\"1.0\"?><a/>";
    for payload in ["", "text", "<a/><b/>", "<a>", escaping, declared, "<!DOCTYPE a><a/>", with_ours] {
        assert_eq!(sign(payload), Some(SoapError::Payload), "{payload}");
    }
    let odd = SoapMessage { to: "https://e.example/\u{1}", ..message("<a/>") };
    assert_eq!(signer().sign(&odd, at_seconds(NOW)).err(), Some(SoapError::Headers));
    assert!(!format!("{:?}", message("<segreto/>")).contains("segreto"));
    assert!(!format!("{:?}", signer()).contains(Secret::new("BEGIN").expose()));
}

//! SOAP with WS-Security on the sending side: `ID_AUTH_SOAP` and, with the body signed, `INTEGRITY_SOAP`.
//!
//! The payload goes into the envelope as it was given and is never written anew. What is signed is
//! the canonical form of the elements of that envelope; the signature is put between them
//! afterwards, which changes none of them. What this makes, [`super::verify`] admits.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use canonical::values::UtcInstant;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use xml_sec::c14n::{C14nAlgorithm, C14nMode};
use xml_sec::{Document, Node};

use super::{
    ADDRESSING, EXCLUSIVE, LONGEST_LIFE_SECONDS, Parts, RSA_SHA256, SECURITY, SHA256, SIGNATURE, SOAP, UTILITY,
    canonical_of, ids, only,
};
use crate::jose::{KeyError, PublicKey, SigningKey, seconds};
use crate::modi::x509;

const BASE64_BINARY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary";
const X509_V3: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3";

/// A version of SOAP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SoapVersion {
    /// 1.1, of the Basic Profile.
    #[default]
    V1_1,
    /// 1.2.
    V1_2,
}

impl SoapVersion {
    fn namespace(self) -> &'static str {
        match self {
            Self::V1_1 => SOAP[0],
            Self::V1_2 => SOAP[1],
        }
    }

    /// The content type of its messages; 1.2 says the action there, 1.1 in a header of its own.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::V1_1 => "text/xml; charset=utf-8",
            Self::V1_2 => "application/soap+xml; charset=utf-8",
        }
    }
}

/// Why a message is not signed. Never shows the payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SoapError {
    /// Not PEM, or no certificate in it.
    #[error("the certificate cannot be read")]
    Certificate,
    /// A certificate of somebody else.
    #[error("the certificate is not of the key that signs")]
    OtherKey,
    /// The rules ask for rsa-sha256.
    #[error("messages are signed with RSA keys alone")]
    NotRsa,
    /// Five minutes at most.
    #[error("a message is good for one second at least and five minutes at most")]
    Life,
    /// The payload must stand on its own.
    #[error(
        "the payload is not one element of XML with its own namespaces, without declaration, DTD and wsu:Id of ours"
    )]
    Payload,
    /// An address, an action or a name with characters that XML does not admit.
    #[error("the headers of the message have characters that XML does not admit")]
    Headers,
    /// The provider could not sign.
    #[error("the message was not signed")]
    NotSigned(#[from] KeyError),
}

/// Who signs messages.
#[derive(Debug)]
pub struct SoapSigner {
    key: SigningKey,
    /// The certificate of the key: base64 of DER.
    certificate: String,
    life_seconds: i64,
    /// Whether the body is signed too: `INTEGRITY_SOAP_01`.
    pub is_body_signed: bool,
    /// The version that the service speaks.
    pub version: SoapVersion,
}

/// A message to sign.
#[derive(Clone, Copy)]
pub struct SoapMessage<'a> {
    /// The address of the service.
    pub to: &'a str,
    /// The operation.
    pub action: &'a str,
    /// Its name: a new `urn:uuid:…` every time.
    pub message_id: &'a str,
    /// What the body holds: one element.
    pub payload: &'a str,
}

/// Never the payload.
impl std::fmt::Debug for SoapMessage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SoapMessage").field("action", &self.action).field("bytes", &self.payload.len()).finish()
    }
}

impl SoapSigner {
    /// Signs with a key, and the certificate in PEM form that goes with it. Good for five minutes,
    /// with the body.
    pub fn new(key: SigningKey, certificate_pem: &[u8]) -> Result<Self, SoapError> {
        let certificate = CertificateDer::from_pem_slice(certificate_pem).map_err(|_| SoapError::Certificate)?;
        let public = x509::public_key(&certificate).map_err(|_| SoapError::Certificate)?;
        if !matches!(key.public(), PublicKey::Rsa { .. }) {
            return Err(SoapError::NotRsa);
        }
        if public != *key.public() {
            return Err(SoapError::OtherKey);
        }
        Ok(Self {
            key,
            certificate: STANDARD.encode(&certificate),
            life_seconds: LONGEST_LIFE_SECONDS,
            is_body_signed: true,
            version: SoapVersion::default(),
        })
    }

    /// The same signer, of messages that are good for so many seconds.
    pub fn with_life(self, life_seconds: i64) -> Result<Self, SoapError> {
        if (1..=LONGEST_LIFE_SECONDS).contains(&life_seconds) {
            return Ok(Self { life_seconds, ..self });
        }
        Err(SoapError::Life)
    }

    /// Signs a message: the text to send, byte for byte.
    pub fn sign(&self, message: &SoapMessage<'_>, now: UtcInstant) -> Result<String, SoapError> {
        check_payload(message.payload)?;
        let (before, after) = self.envelope(message, now)?;
        let signed_info = self.signed_info(&format!("{before}{after}"))?;
        let signature = format!("<ds:Signature xmlns:ds=\"{SIGNATURE}\" Id=\"SIG-1\">{signed_info}");
        // The canonical form of `SignedInfo` does not depend on what is around it: it uses one namespace.
        let alone = format!("{signature}</ds:Signature>");
        let document = Document::parse(&alone).map_err(|_| SoapError::Headers)?;
        let element = only(document.root_element(), SIGNATURE, "SignedInfo", "signature");
        let canonical = element.and_then(|element| canonical_of(&document, element, &exclusive()));
        let value = STANDARD.encode(self.key.sign(&canonical.map_err(|_| SoapError::Headers)?)?);
        Ok(format!(
            "{before}{signature}<ds:SignatureValue>{value}</ds:SignatureValue><ds:KeyInfo>\
             <wsse:SecurityTokenReference><wsse:Reference URI=\"#X509-1\" ValueType=\"{X509_V3}\"/>\
             </wsse:SecurityTokenReference></ds:KeyInfo></ds:Signature>{after}"
        ))
    }

    /// The envelope, before and after the place of the signature.
    fn envelope(&self, message: &SoapMessage<'_>, now: UtcInstant) -> Result<(String, String), SoapError> {
        let at = |second: i64| UtcInstant::from_unix_micros(second * 1_000_000).map_err(|_| SoapError::Life);
        let (created, expires) = (at(seconds(now))?, at(seconds(now) + self.life_seconds)?);
        let (soap, certificate) = (self.version.namespace(), &self.certificate);
        let before = format!(
            "<soap:Envelope xmlns:soap=\"{soap}\" xmlns:wsu=\"{UTILITY}\" xmlns:wsa=\"{ADDRESSING}\">\
             <soap:Header><wsse:Security xmlns:wsse=\"{SECURITY}\" soap:mustUnderstand=\"1\">\
             <wsse:BinarySecurityToken EncodingType=\"{BASE64_BINARY}\" ValueType=\"{X509_V3}\" wsu:Id=\"X509-1\">\
             {certificate}</wsse:BinarySecurityToken><wsu:Timestamp wsu:Id=\"TS-1\">\
             <wsu:Created>{created}</wsu:Created><wsu:Expires>{expires}</wsu:Expires></wsu:Timestamp>"
        );
        let after = format!(
            "</wsse:Security><wsa:Action wsu:Id=\"ACT-1\">{}</wsa:Action>\
             <wsa:MessageID wsu:Id=\"MID-1\">{}</wsa:MessageID><wsa:To wsu:Id=\"TO-1\">{}</wsa:To></soap:Header>\
             <soap:Body wsu:Id=\"BODY-1\">{}</soap:Body></soap:Envelope>",
            escaped(message.action),
            escaped(message.message_id),
            escaped(message.to),
            message.payload,
        );
        Ok((before, after))
    }

    /// `SignedInfo` over the elements of an envelope.
    fn signed_info(&self, envelope: &str) -> Result<String, SoapError> {
        // The payload was read before: what cannot be read now stands in the headers.
        let document = Document::parse(envelope).map_err(|_| SoapError::Headers)?;
        let parts = Parts::of(&document).map_err(|_| SoapError::Headers)?;
        ids(&document).map_err(|_| SoapError::Payload)?;
        let mut signed =
            vec![("TS-1", parts.timestamp), ("ACT-1", parts.action), ("MID-1", parts.message_id), ("TO-1", parts.to)];
        if self.is_body_signed {
            signed.push(("BODY-1", parts.body));
        }
        let mut text = format!(
            "<ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE}\"/>\
             <ds:SignatureMethod Algorithm=\"{RSA_SHA256}\"/>"
        );
        for (id, element) in signed {
            text.push_str(&reference(&document, id, element)?);
        }
        text.push_str("</ds:SignedInfo>");
        Ok(text)
    }
}

fn reference(document: &Document<'_>, id: &str, element: Node<'_, '_>) -> Result<String, SoapError> {
    let canonical = canonical_of(document, element, &exclusive()).map_err(|_| SoapError::Payload)?;
    let value = STANDARD.encode(digest::digest(&digest::SHA256, &canonical));
    Ok(format!(
        "<ds:Reference URI=\"#{id}\"><ds:Transforms><ds:Transform Algorithm=\"{EXCLUSIVE}\"/></ds:Transforms>\
         <ds:DigestMethod Algorithm=\"{SHA256}\"/><ds:DigestValue>{value}</ds:DigestValue></ds:Reference>"
    ))
}

fn exclusive() -> C14nAlgorithm {
    C14nAlgorithm::new(C14nMode::Exclusive1_0, false)
}

/// A payload must be a document by itself: then it cannot end the body, and its namespaces are its own.
fn check_payload(payload: &str) -> Result<(), SoapError> {
    if payload.contains("<!DOCTYPE") || payload.trim_start().starts_with("<?xml") {
        return Err(SoapError::Payload);
    }
    Document::parse(payload).map(|_| ()).map_err(|_| SoapError::Payload)
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\r' => escaped.push_str("&#13;"),
            other => escaped.push(other),
        }
    }
    escaped
}

//! SOAP with WS-Security: `ID_AUTH_SOAP` and `INTEGRITY_SOAP`, on the receiving side; [`sign`] is the other.
//!
//! A valid signature over a moved body is the classical attack. So what is signed is not looked up
//! by whoever uses it: the elements that are used are found by their place in the envelope first,
//! and each must be among the very elements that the signature covers. The library canonicalises,
//! nothing else: which algorithms and transforms are admitted is decided here.

use std::collections::{HashMap, HashSet};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use canonical::values::UtcInstant;
use rustls_pki_types::CertificateDer;
use xml_sec::c14n::{C14nAlgorithm, C14nMode, canonicalize};
use xml_sec::{Document, Node, NodeId};

use super::x509::TrustStore;
use crate::jose::{Algorithm, Refusal, Unclaimed, seconds};

pub mod sign;
pub mod interaction;

const SOAP: [&str; 2] = ["http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"];
const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
const SECURITY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const UTILITY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const SIGNATURE: &str = "http://www.w3.org/2000/09/xmldsig#";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";

/// A message longer than this is none of ours.
const LONGEST: usize = 20 * 1024 * 1024;
/// How long a message may be good.
const LONGEST_LIFE_SECONDS: i64 = 300;
/// How far ahead of us the clock of the sender may be.
const TOLERANCE_SECONDS: i64 = 5;

/// What a message must be.
#[derive(Debug, Clone)]
pub struct SoapRules {
    /// Our address, as `wsa:To` names it.
    pub to: String,
    /// Whether the body is signed too: `INTEGRITY_SOAP_01`.
    pub is_body_signed: bool,
}

/// A message whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedEnvelope {
    /// The action.
    pub action: String,
    /// The name of the message.
    pub message_id: String,
    /// The body that was signed, in its canonical form; empty where it need not be.
    pub body: Vec<u8>,
}

/// Verifies a message.
pub fn verify(
    xml: &str,
    store: &TrustStore,
    rules: &SoapRules,
    now: UtcInstant,
) -> Result<Unclaimed<SignedEnvelope>, Refusal> {
    if xml.len() > LONGEST || xml.contains("<!DOCTYPE") {
        return Err(malformed("a message too long, or with a DTD"));
    }
    let document = Document::parse(xml).map_err(|_| malformed("the message is not XML"))?;
    let parts = Parts::of(&document)?;
    let ids = ids(&document)?;
    let signature = only(parts.security, SIGNATURE, "Signature", "signature")?;
    let signed_info = only(signature, SIGNATURE, "SignedInfo", "signature")?;
    let key = store.key_of(&certificate(&parts, signature, &ids)?, &[], now)?;
    let covered = covered(&document, signed_info, &ids)?;
    check_coverage(&parts, &covered, rules)?;
    let method = only(signed_info, SIGNATURE, "SignatureMethod", "signature")?;
    if method.attribute("Algorithm") != Some(RSA_SHA256) {
        return Err(Refusal::unauthorized("algorithm", "the signature is not rsa-sha256"));
    }
    let canonicalization = only(signed_info, SIGNATURE, "CanonicalizationMethod", "signature")?;
    let signed = canonical(&document, signed_info, canonicalization)?;
    let value = bytes(only(signature, SIGNATURE, "SignatureValue", "signature")?);
    if !key.is_signed(Algorithm::Rs256, &signed, &value.unwrap_or_default()) {
        return Err(Refusal::unauthorized("signature", "the signature is not of that key"));
    }
    let expires = check_times(parts.timestamp, now)?;
    if text(parts.to) != rules.to {
        return Err(Refusal::unauthorized("audience", "wsa:To is not our address"));
    }
    check_understood(parts.header)?;
    let body = if rules.is_body_signed {
        canonical_of(&document, parts.body, &C14nAlgorithm::new(C14nMode::Exclusive1_0, false))?
    } else {
        Vec::new()
    };
    let message_id = text(parts.message_id);
    let envelope = SignedEnvelope { action: text(parts.action), message_id: message_id.clone(), body };
    let once =
        Unclaimed::new(envelope, key.thumbprint(), Some(message_id), expires).with_replay_code("message_id_replay");
    Ok(once)
}

/// The elements that are used, found by their place alone.
struct Parts<'a, 'input> {
    header: Node<'a, 'input>,
    body: Node<'a, 'input>,
    security: Node<'a, 'input>,
    timestamp: Node<'a, 'input>,
    to: Node<'a, 'input>,
    message_id: Node<'a, 'input>,
    action: Node<'a, 'input>,
}

impl<'a, 'input> Parts<'a, 'input> {
    fn of(document: &'a Document<'input>) -> Result<Self, Refusal> {
        let envelope = document.root_element();
        let namespace = envelope.tag_name().namespace().unwrap_or_default();
        if envelope.tag_name().name() != "Envelope" || !SOAP.contains(&namespace) {
            return Err(malformed("the message is no SOAP envelope"));
        }
        let header = only(envelope, namespace, "Header", "malformed")?;
        let body = only(envelope, namespace, "Body", "malformed")?;
        let security = only(header, SECURITY, "Security", "malformed")?;
        Ok(Self {
            header,
            body,
            security,
            timestamp: only(security, UTILITY, "Timestamp", "timestamp_missing")?,
            to: only(header, ADDRESSING, "To", "to_missing")?,
            message_id: only(header, ADDRESSING, "MessageID", "message_id_missing")?,
            action: only(header, ADDRESSING, "Action", "action_missing")?,
        })
    }
}

/// The one child of this name. None and two are both refused: with two, somebody would use another.
fn only<'a, 'input>(
    parent: Node<'a, 'input>,
    namespace: &str,
    name: &str,
    code: &'static str,
) -> Result<Node<'a, 'input>, Refusal> {
    let mut named = children(parent, namespace, name);
    match (named.next(), named.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(Refusal::bad_request(code, format!("{name} is not there exactly once"))),
    }
}

fn children<'a, 'input>(
    parent: Node<'a, 'input>,
    namespace: &str,
    name: &str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    parent.children().filter(move |child| {
        child.is_element() && child.tag_name().name() == name && child.tag_name().namespace() == Some(namespace)
    })
}

/// The elements by their ids. An id that is there twice is refused.
fn ids(document: &Document<'_>) -> Result<HashMap<String, NodeId>, Refusal> {
    let mut ids = HashMap::new();
    for node in document.descendants().filter(Node::is_element) {
        for attribute in node.attributes() {
            // What the payload calls an id is its own affair: nothing is looked up by it.
            let is_id = attribute.name() == "Id" && attribute.namespace() == Some(UTILITY);
            if is_id && ids.insert(attribute.value().to_owned(), node.id()).is_some() {
                return Err(malformed("an id is there twice"));
            }
        }
    }
    Ok(ids)
}

/// The certificate that the signature names: a token of the same Security header.
fn certificate(
    parts: &Parts<'_, '_>,
    signature: Node<'_, '_>,
    ids: &HashMap<String, NodeId>,
) -> Result<CertificateDer<'static>, Refusal> {
    let info = only(signature, SIGNATURE, "KeyInfo", "signature")?;
    let reference = only(info, SECURITY, "SecurityTokenReference", "signature")?;
    let reference = only(reference, SECURITY, "Reference", "signature")?;
    let named = reference.attribute("URI").and_then(|uri| uri.strip_prefix('#')).and_then(|id| ids.get(id));
    let token = children(parts.security, SECURITY, "BinarySecurityToken").find(|token| named == Some(&token.id()));
    let token = token.and_then(bytes).ok_or_else(|| Refusal::bad_request("signature", "no certificate is named"))?;
    Ok(CertificateDer::from(token))
}

/// The elements that the signature covers, once the hash of each is right.
fn covered(
    document: &Document<'_>,
    signed_info: Node<'_, '_>,
    ids: &HashMap<String, NodeId>,
) -> Result<HashSet<NodeId>, Refusal> {
    let refuse = |detail: &str| Refusal::bad_request("reference", detail);
    let mut covered = HashSet::new();
    for reference in children(signed_info, SIGNATURE, "Reference") {
        let id = reference.attribute("URI").and_then(|uri| uri.strip_prefix('#'));
        let node = id.and_then(|id| ids.get(id)).and_then(|id| document.get_node(*id));
        let node = node.ok_or_else(|| refuse("a reference leads to no element"))?;
        let transforms = only(reference, SIGNATURE, "Transforms", "reference")?;
        let transform = only(transforms, SIGNATURE, "Transform", "reference")?;
        let method = only(reference, SIGNATURE, "DigestMethod", "reference")?;
        if method.attribute("Algorithm") != Some(SHA256) {
            return Err(Refusal::bad_request("unsupported_digest", "a digest is not sha256"));
        }
        let hash = digest::digest(&digest::SHA256, &canonical(document, node, transform)?);
        let value = bytes(only(reference, SIGNATURE, "DigestValue", "reference")?);
        if value.as_deref() != Some(hash.as_ref()) {
            return Err(Refusal::bad_request("digest_mismatch", "an element is not the one that was signed"));
        }
        covered.insert(node.id());
    }
    Ok(covered)
}

fn check_coverage(parts: &Parts<'_, '_>, covered: &HashSet<NodeId>, rules: &SoapRules) -> Result<(), Refusal> {
    let used = [
        (parts.timestamp, "timestamp_not_signed"),
        (parts.to, "to_not_signed"),
        (parts.message_id, "message_id_not_signed"),
        (parts.action, "action_not_signed"),
    ];
    for (node, code) in used {
        if !covered.contains(&node.id()) {
            return Err(Refusal::bad_request(code, "an element that is used is not signed"));
        }
    }
    if !rules.is_body_signed || covered.contains(&parts.body.id()) {
        return Ok(());
    }
    let is_body =
        |id: &NodeId| parts.body.document().get_node(*id).is_some_and(|node| node.tag_name().name() == "Body");
    let code = if covered.iter().any(is_body) { "signed_element_is_not_the_soap_body" } else { "body_not_signed" };
    Err(Refusal::bad_request(code, "the body that is used is not signed"))
}

/// When the message ends, refusing one that has, one from the future and one that lasts too long.
fn check_times(timestamp: Node<'_, '_>, now: UtcInstant) -> Result<i64, Refusal> {
    let instant = |name: &str| {
        let written = text(only(timestamp, UTILITY, name, "timestamp_missing")?);
        UtcInstant::parse(&written).map(seconds).map_err(|_| malformed("an instant of the message cannot be read"))
    };
    let (created, expires, now) = (instant("Created")?, instant("Expires")?, seconds(now));
    if created > now + TOLERANCE_SECONDS {
        return Err(Refusal::unauthorized("created_in_future", "the message is from the future"));
    }
    if expires <= now {
        return Err(Refusal::unauthorized("expired", "the message has expired"));
    }
    if expires - created > LONGEST_LIFE_SECONDS {
        return Err(Refusal::unauthorized("life_too_long", "the message is good for more than five minutes"));
    }
    Ok(expires)
}

/// Headers that must be understood are those of security and addressing alone.
fn check_understood(header: Node<'_, '_>) -> Result<(), Refusal> {
    for child in header.children().filter(Node::is_element) {
        let is_known = matches!(child.tag_name().namespace(), Some(SECURITY | ADDRESSING));
        let must = SOAP.iter().filter_map(|namespace| child.attribute((*namespace, "mustUnderstand")));
        if !is_known && must.into_iter().any(|value| matches!(value.trim(), "1" | "true")) {
            return Err(Refusal::bad_request("must_understand", "a header must be understood and is not"));
        }
    }
    Ok(())
}

/// An element in the form that a transform asks for: exclusive, without comments.
fn canonical(document: &Document<'_>, node: Node<'_, '_>, transform: Node<'_, '_>) -> Result<Vec<u8>, Refusal> {
    if transform.attribute("Algorithm") != Some(EXCLUSIVE) {
        return Err(Refusal::bad_request("reference", "a transform is not exclusive canonicalisation"));
    }
    let mut algorithm = C14nAlgorithm::new(C14nMode::Exclusive1_0, false);
    if let Some(prefixes) = children(transform, EXCLUSIVE, "InclusiveNamespaces").next() {
        algorithm = algorithm.with_prefix_list(prefixes.attribute("PrefixList").unwrap_or_default());
    }
    canonical_of(document, node, &algorithm)
}

fn canonical_of(document: &Document<'_>, node: Node<'_, '_>, algorithm: &C14nAlgorithm) -> Result<Vec<u8>, Refusal> {
    let inside: HashSet<NodeId> = node.descendants().map(Node::id).collect();
    let mut output = Vec::new();
    let made = canonicalize(document, Some(&|inner| inside.contains(&inner.id())), algorithm, &mut output);
    made.map(|()| output).map_err(|_| malformed("an element has no canonical form"))
}

/// The text of an element, of its text nodes alone and without blanks around it.
fn text(node: Node<'_, '_>) -> String {
    let texts = node.children().filter(Node::is_text).filter_map(Node::text);
    texts.collect::<String>().trim().to_owned()
}

fn bytes(node: Node<'_, '_>) -> Option<Vec<u8>> {
    let text: String = text(node).chars().filter(|character| !character.is_ascii_whitespace()).collect();
    STANDARD.decode(text).ok()
}

fn malformed(detail: &str) -> Refusal {
    Refusal::bad_request("malformed", detail)
}

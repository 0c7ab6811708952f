//! The national interaction patterns over SOAP: what an envelope says beside its security.
//!
//! `BLOCK_SOAP` has an operation and an answer or a fault; `NONBLOCK_PUSH_SOAP` adds `X-ReplyTo` and
//! `X-Correlation-ID`, `NONBLOCK_PULL_SOAP` the latter and a state. The headers stand in the namespace
//! of each service, so that they are known by their names alone. Nothing here is believed: an
//! envelope that must be signed is verified first.

use xml_sec::{Document, Node};

use super::sign::SoapVersion;
use super::{LONGEST, SOAP, children, malformed, only, text};
use crate::jose::Refusal;

/// What an envelope says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interaction {
    /// The version of SOAP.
    pub version: SoapVersion,
    /// The name of the element in the body; none for an empty body.
    pub operation: Option<String>,
    /// Where the answer is to be sent.
    pub reply_to: Option<String>,
    /// The exchange that it belongs to.
    pub correlation_id: Option<String>,
    /// The state of a task that was taken in charge, in the words of the service.
    pub state: Option<String>,
    /// The code of a fault, without its prefix: `Client` or `Sender` for a mistake of the caller.
    pub fault: Option<String>,
}

/// Reads an envelope.
pub fn read(xml: &str) -> Result<Interaction, Refusal> {
    if xml.len() > LONGEST || xml.contains("<!DOCTYPE") {
        return Err(malformed("a message too long, or with a DTD"));
    }
    let document = Document::parse(xml).map_err(|_| malformed("the message is not XML"))?;
    let envelope = document.root_element();
    let namespace = envelope.tag_name().namespace().unwrap_or_default();
    let version = match SOAP.iter().position(|known| *known == namespace) {
        Some(0) => SoapVersion::V1_1,
        Some(_) => SoapVersion::V1_2,
        None => return Err(malformed("the message is no SOAP envelope")),
    };
    if envelope.tag_name().name() != "Envelope" {
        return Err(malformed("the message is no SOAP envelope"));
    }
    let body = only(envelope, namespace, "Body", "malformed")?;
    let header = children(envelope, namespace, "Header").next();
    let named = |name: &str| header.map_or(Ok(None), |header| one_text(header, name));
    let content = body.children().find(Node::is_element);
    let fault = children(body, namespace, "Fault").next().map(|fault| fault_code(fault, namespace, version));
    Ok(Interaction {
        version,
        reply_to: named("X-ReplyTo")?,
        correlation_id: named("X-Correlation-ID")?,
        operation: content.filter(|_| fault.is_none()).map(|content| content.tag_name().name().to_owned()),
        state: content.and_then(state),
        fault,
    })
}

/// The text of the one header of this name, in whatever namespace. Two would be read differently by two.
fn one_text(header: Node<'_, '_>, name: &str) -> Result<Option<String>, Refusal> {
    let mut named = header.children().filter(|child| child.is_element() && child.tag_name().name() == name);
    match (named.next(), named.next()) {
        (_, Some(_)) => Err(malformed("a header of the exchange is there twice")),
        (one, None) => Ok(one.map(text).filter(|text| !text.is_empty())),
    }
}

fn state(content: Node<'_, '_>) -> Option<String> {
    let child = |parent: Node<'_, '_>, names: &[&str]| {
        parent.children().find(|child| child.is_element() && names.contains(&child.tag_name().name())).map(Node::id)
    };
    let document = content.document();
    let answer = document.get_node(child(content, &["return"])?)?;
    let state = document.get_node(child(answer, &["status", "outcome"])?)?;
    Some(text(state)).filter(|text| !text.is_empty())
}

fn fault_code(fault: Node<'_, '_>, namespace: &str, version: SoapVersion) -> String {
    let code = match version {
        SoapVersion::V1_1 => fault.children().find(|child| child.tag_name().name() == "faultcode"),
        SoapVersion::V1_2 => {
            let code = children(fault, namespace, "Code").next();
            code.and_then(|code| children(code, namespace, "Value").next())
        }
    };
    let code = code.map(text).unwrap_or_default();
    code.rsplit_once(':').map_or(code.as_str(), |(_, name)| name).to_owned()
}

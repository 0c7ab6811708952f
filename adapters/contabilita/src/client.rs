//! One function for the two operations, and one table from answer to error.
//!
//! | answer | meaning |
//! |---|---|
//! | 200 with an envelope that answers the operation asked | data |
//! | fault `Client…` or `Sender…` with `Auth` in it, whatever the status | credentials not accepted |
//! | other `Client…` or `Sender…` | our question is refused: the settings, or this adapter, are wrong |
//! | `Server…` or `Receiver…` | not available now |
//! | `VersionMismatch`, `MustUnderstand`, `DataEncodingUnknown` | another service, or another version |
//! | 404, 405, 415 | not this service: the address is wrong |
//! | what every system shares | see [`common_error`] |
//! | anything else | outside the contract |
//!
//! The words of a fault are never repeated: .NET puts stack traces and received values there.

use std::fmt;

use bytes::Bytes;
use contract::{AdapterError, Advice, ErrorKind, Phase};
use kit::Secret;
use kit::answer::{Answer, common_error};
use kit::http::{HttpClient, Method};
use quick_xml::escape::escape;

use crate::envelope::{self, Envelope, RowText};
use crate::wire::{NAMESPACE, Question, SOAP};

/// How we present ourselves.
pub(crate) enum Access {
    /// Not at all.
    Nobody,
    /// In the header of the envelope, as the WSDL has it.
    Soap(String, Secret),
    /// By HTTP Basic, where a gateway stands in front of the service.
    Basic(String, Secret),
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "Nobody",
            Self::Soap(..) => "Soap",
            Self::Basic(..) => "Basic",
        })
    }
}

/// A client of the service.
#[derive(Debug)]
pub(crate) struct Client {
    http: HttpClient,
    access: Access,
}

impl Client {
    pub(crate) fn new(http: HttpClient, access: Access) -> Self {
        Self { http, access }
    }

    /// Asks once. The bytes are those received; the rows are cut out of them.
    pub(crate) async fn ask(&self, question: &Question) -> Result<(Bytes, Vec<RowText>), AdapterError> {
        let action = format!("\"{NAMESPACE}{}\"", question.operation.name());
        let body = self.envelope(question);
        let mut request = self.http.request(Method::POST, &[], &[]).header("soapaction", &action);
        if let Access::Basic(user, password) = &self.access {
            let credentials = base64(format!("{user}:{}", password.expose()).as_bytes());
            request = request.header("authorization", &format!("Basic {credentials}"));
        }
        let mut answer = self.http.exchange(request.body("text/xml; charset=utf-8", body)).await?;
        // One address serves every operation: which one was asked tells the errors apart.
        answer.attempted = format!("{} {}", answer.attempted, question.operation.name());
        let rows = understand(&answer, question)?;
        Ok((answer.body, rows))
    }

    fn envelope(&self, question: &Question) -> String {
        let header = match &self.access {
            Access::Soap(user, password) => format!(
                "<soap:Header><AuthenticationDetails xmlns=\"{NAMESPACE}\"><UserName>{}</UserName>\
                 <Password>{}</Password></AuthenticationDetails></soap:Header>",
                escape(user.as_str()),
                escape(password.expose())
            ),
            _ => String::new(),
        };
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><soap:Envelope xmlns:soap=\"{}\">{header}\
             <soap:Body>{}</soap:Body></soap:Envelope>",
            SOAP[0],
            question.element()
        )
    }
}

/// The table.
fn understand(answer: &Answer, question: &Question) -> Result<Vec<RowText>, AdapterError> {
    let is_xml = answer.defect.is_none()
        && answer
            .media_type()
            .is_some_and(|media| ["text/xml", "application/xml", "application/soap+xml"].contains(&media.as_str()));
    // Faults come with 500, with 400 over SOAP 1.2, and with 200 from careless servers.
    let envelope = is_xml.then(|| envelope::read(&answer.body));
    match (answer.status, envelope) {
        (_, Some(Ok(Envelope::Fault(code)))) => Err(fault(answer, &code)),
        (200, Some(Ok(Envelope::Rows(operation, rows)))) if operation == question.operation => Ok(rows),
        (200, Some(Ok(Envelope::Rows(..)))) => Err(answer.not_understood("the answer of another operation")),
        (404 | 405 | 415, _) => {
            let error = answer.not_understood("the service does not stand at this address");
            Err(error.phase(Phase::Refused).advice(Advice::FixConfiguration))
        }
        (status, envelope) => Err(common_error(&answer.attempted, answer).unwrap_or_else(|| match envelope {
            Some(Err(refusal)) if status == 200 => answer.not_understood(&refusal.message),
            Some(_) => answer.not_understood("a status that the contract does not have"),
            None => answer.not_understood("content type is not XML"),
        })),
    }
}

fn fault(answer: &Answer, code: &str) -> AdapterError {
    let begins = |names: [&str; 2]| names.iter().any(|name| code.starts_with(name));
    let (kind, advice) = if begins(["Client", "Sender"]) && code.contains("Auth") {
        (ErrorKind::Authentication, Advice::FixConfiguration)
    } else if begins(["Server", "Receiver"]) {
        (ErrorKind::Unavailable, Advice::Retry { after: answer.retry_after })
    } else {
        (ErrorKind::NotUnderstood, Advice::FixConfiguration)
    };
    let error = AdapterError::new(kind, answer.attempted.clone()).phase(Phase::Refused).advice(advice);
    error.remote_code(format!("soap:{code}")).caused_by("the service answered with a fault")
}

/// Base 64 of RFC 4648, which Basic needs and nothing else here does.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().enumerate().fold(0_usize, |bits, (n, byte)| bits | usize::from(*byte) << (16 - 8 * n));
        for place in 0..4 {
            let is_padding = place > chunk.len();
            text.push(if is_padding { '=' } else { char::from(ALPHABET[bits >> (18 - 6 * place) & 63]) });
        }
    }
    text
}

#[cfg(test)]
mod tests;

//! `Agid-JWT-Signature`: whether a message is the one that was signed.
//!
//! Verify before anybody parses the body, on the bytes as received. The first failure answers; its
//! code goes to the caller, its detail only where one may tell.

use canonical::values::UtcInstant;
use serde_json::Value;

use super::tokens::{Rules, Trust, believe, once, the_one};
use super::{SIGNATURE_HEADER, digest};
use crate::jose::{Claims, Compact, Refusal, Unclaimed};

/// A message as received: its headers in any case and order, its body before decompression.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Name and value of each header; one that came twice is there twice.
    pub headers: &'a [(&'a str, &'a str)],
    /// The bytes.
    pub body: &'a [u8],
}

impl<'a> Message<'a> {
    /// The values of a header.
    pub fn values(&self, name: &str) -> Vec<&'a str> {
        let named = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.trim()).collect()
    }
}

/// A message whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Who signed.
    pub issuer: Option<String>,
    /// On whose behalf.
    pub subject: Option<String>,
    /// The name of the signature.
    pub token_id: Option<String>,
    /// The digest that was signed: what an answer of a non-repudiation exchange repeats.
    pub digest: String,
}

/// Verifies a message. `request_digest` is the `Digest` of the request that this answers, in an
/// exchange with non-repudiation.
pub fn verify(
    message: &Message<'_>,
    trust: Trust<'_>,
    rules: &Rules,
    request_digest: Option<&str>,
    now: UtcInstant,
) -> Result<Unclaimed<Signed>, Refusal> {
    check(message, trust, rules, request_digest, now).map_err(|refusal| refusal.with_status(400))
}

fn check(
    message: &Message<'_>,
    trust: Trust<'_>,
    rules: &Rules,
    request_digest: Option<&str>,
    now: UtcInstant,
) -> Result<Unclaimed<Signed>, Refusal> {
    let token = Compact::parse(the_one(&message.values(SIGNATURE_HEADER))?)?;
    let claims = believe(&token, trust, rules, now)?;
    let digest = check_headers(claims, message)?;
    digest::check(digest, message.body)?;
    if let Some(sent) = request_digest {
        let repeated = pairs(claims.get("request_digest"), "request_digest")?;
        if !repeated.iter().any(|(name, value)| *name == "digest" && *value == sent) {
            return Err(Refusal::bad_request("request_digest", "the answer is to another request"));
        }
    }
    let text = |name| claims.text(name).map(str::to_owned);
    let signed = Signed { issuer: text("iss"), subject: text("sub"), token_id: text("jti"), digest: digest.to_owned() };
    Ok(once(signed, claims))
}

/// Every signed header is in the message with that value, and those that must be signed are.
fn check_headers<'m>(claims: Claims<'_>, message: &Message<'m>) -> Result<&'m str, Refusal> {
    let signed = pairs(claims.get("signed_headers"), "signed_headers")?;
    let is_signed = |name: &str| signed.iter().any(|(signed, _)| *signed == name);
    let digest = match message.values("digest").as_slice() {
        [digest] => *digest,
        [] => return Err(Refusal::bad_request("missing_digest", "the message has no Digest")),
        _ => return Err(Refusal::bad_request("multiple_digests", "the message has several Digest headers")),
    };
    digest::check_is_known(digest)?;
    if !is_signed("digest") {
        return Err(Refusal::bad_request("digest_not_in_signed_headers", "Digest is not signed"));
    }
    for (name, code) in
        [("content-type", "content_type_not_signed"), ("content-encoding", "content_encoding_not_signed")]
    {
        if !message.values(name).is_empty() && !is_signed(name) {
            return Err(Refusal::bad_request(code, format!("{name} is there and not signed")));
        }
    }
    for (name, value) in signed {
        let is_same = match message.values(name).as_slice() {
            [present] if name == "content-type" => media_type(present) == media_type(value),
            [present] => *present == value.trim(),
            _ => false,
        };
        if !is_same {
            return Err(Refusal::bad_request("signed_header_mismatch", format!("{name} is not as it was signed")));
        }
    }
    Ok(digest)
}

/// A list of objects with one member each, as signed headers are written.
fn pairs<'v>(list: Option<&'v Value>, name: &str) -> Result<Vec<(&'v str, &'v str)>, Refusal> {
    let malformed = || Refusal::bad_request("malformed", format!("{name} is not a list of single headers"));
    let list = list.and_then(Value::as_array).ok_or_else(malformed)?;
    let single = |entry: &'v Value| {
        let members = entry.as_object().filter(|members| members.len() == 1)?;
        let (name, value) = members.iter().next()?;
        Some((name.as_str(), value.as_str()?))
    };
    list.iter().map(single).collect::<Option<_>>().ok_or_else(malformed)
}

/// A media type by its meaning: blanks around `;` and `=`, and the case of names and of the charset,
/// say nothing.
fn media_type(text: &str) -> Vec<(String, String)> {
    let mut parts = text.split(';').map(str::trim);
    let essence = (parts.next().unwrap_or_default().to_ascii_lowercase(), String::new());
    let parameters = parts.filter(|part| !part.is_empty()).map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"'));
        let value = if name == "charset" { value.to_ascii_lowercase() } else { value.to_owned() };
        (name, value)
    });
    let mut parameters: Vec<_> = parameters.collect();
    parameters.sort();
    parameters.insert(0, essence);
    parameters
}

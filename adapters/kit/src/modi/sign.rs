//! `Agid-JWT-Signature` and `Digest`: signing a message just before it is sent, after any queue.
//!
//! The bytes given here are the bytes to send: nobody serialises or encodes them afterwards.

use canonical::values::UtcInstant;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::digest;
use super::tokens::{Audience, Header, KeyName};
use crate::jose::{KeyError, SigningKey, seconds, sign};

/// Who signs messages, and for whom.
#[derive(Debug)]
pub struct Signer {
    /// The key.
    pub key: SigningKey,
    /// How the token names it: `INTEGRITY_REST_01` by a chain, `_02` by its thumbprint.
    pub key_name: KeyName,
    /// Who signs, and on whose behalf: usually the client, twice.
    pub issuer: String,
    /// On whose behalf; an answer has none.
    pub subject: Option<String>,
    /// For whom; it may differ from the address that is called.
    pub audiences: Vec<String>,
    /// How long the signature is good. Some producers refuse one older than 10 s.
    pub life_seconds: i64,
    /// Whether an empty body is signed too.
    pub signs_empty: bool,
}

/// What is sent beside the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The value of `Digest`.
    pub digest: String,
    /// The value of `Agid-JWT-Signature`.
    pub token: String,
}

/// The headers of the message that are signed beside its digest.
#[derive(Debug, Clone, Copy, Default)]
pub struct SignedHeaders<'a> {
    /// `Content-Type`, exactly as sent.
    pub content_type: Option<&'a str>,
    /// `Content-Encoding`, exactly as sent.
    pub content_encoding: Option<&'a str>,
    /// For an answer with non-repudiation: the signed headers of the request.
    pub request: Option<&'a [(String, String)]>,
}

/// One header: an object with one member.
struct One<'a>(&'a str, &'a str);

impl Serialize for One<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.0, self.1)?;
        map.end()
    }
}

#[derive(Serialize)]
struct Payload<'a> {
    iss: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    aud: Audience<'a>,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: &'a str,
    signed_headers: Vec<One<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_digest: Option<Vec<One<'a>>>,
}

impl Signer {
    /// Signs these bytes. `name` is a new UUID every time. None for an empty body that is not signed.
    pub fn sign(
        &self,
        body: &[u8],
        headers: SignedHeaders<'_>,
        name: &str,
        now: UtcInstant,
    ) -> Result<Option<Signature>, KeyError> {
        if body.is_empty() && !self.signs_empty {
            return Ok(None);
        }
        let digest = digest::of(body);
        let mut signed = vec![One("digest", &digest)];
        signed.extend(headers.content_type.map(|value| One("content-type", value)));
        signed.extend(headers.content_encoding.map(|value| One("content-encoding", value)));
        let payload = Payload {
            iss: &self.issuer,
            sub: self.subject.as_deref(),
            aud: Audience::from(self.audiences.as_slice()),
            iat: seconds(now),
            nbf: seconds(now),
            exp: seconds(now).saturating_add(self.life_seconds),
            jti: name,
            signed_headers: signed,
            request_digest: headers.request.map(|pairs| pairs.iter().map(|(name, value)| One(name, value)).collect()),
        };
        let token = sign(&self.key, &Header::new(&self.key, &self.key_name), &payload)?;
        Ok(Some(Signature { digest, token }))
    }
}

//! A compact JWS: three parts and two dots.
//!
//! Reading checks the form alone. [`Compact::verify`] asks, in this order: an algorithm of our list,
//! no `crit`, a signature of the key that the caller chose. The claims are given only after it.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Algorithm, Claims, KeyError, PublicKey, Refusal, SigningKey, base64url, from_base64url};

/// A token longer than this is none of ours: chains of certificates take a few kilobytes.
const LONGEST: usize = 64 * 1024;

/// A token that was read and not yet believed.
#[derive(Debug)]
pub struct Compact<'a> {
    signed: &'a str,
    header: Map<String, Value>,
    payload: Map<String, Value>,
    signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    /// Reads a token.
    pub fn parse(token: &'a str) -> Result<Self, Refusal> {
        let malformed = |detail: &str| Refusal::unauthorized("malformed", detail);
        if token.len() > LONGEST {
            return Err(malformed("the token is too long"));
        }
        let (signed, signature) = token.rsplit_once('.').ok_or_else(|| malformed("the token has no parts"))?;
        let (header, payload) = signed.split_once('.').ok_or_else(|| malformed("the token has two parts"))?;
        let object = |part: &str| -> Option<Map<String, Value>> { serde_json::from_slice(&from_base64url(part)?).ok() };
        Ok(Self {
            signed,
            header: object(header).ok_or_else(|| malformed("the header is not an object of JSON"))?,
            payload: object(payload).ok_or_else(|| malformed("the payload is not an object of JSON"))?,
            signature: from_base64url(signature).ok_or_else(|| malformed("the signature is not base64url"))?,
        })
    }

    /// A parameter of the header.
    pub fn header(&self, name: &str) -> Option<&Value> {
        self.header.get(name)
    }

    /// The names of the header's parameters.
    pub fn header_names(&self) -> impl Iterator<Item = &str> {
        self.header.keys().map(String::as_str)
    }

    /// A text of the header.
    pub fn header_text(&self, name: &str) -> Option<&str> {
        self.header.get(name)?.as_str()
    }

    /// The algorithm, when our list has it. The token does not choose.
    pub fn algorithm(&self, allowed: &[Algorithm]) -> Result<Algorithm, Refusal> {
        let known = self.header_text("alg").and_then(Algorithm::parse).filter(|named| allowed.contains(named));
        known.ok_or_else(|| Refusal::unauthorized("algorithm", "alg is not one of those admitted"))
    }

    /// Refuses extensions that must be understood: we understand none.
    pub fn refuse_crit(&self) -> Result<(), Refusal> {
        match self.header.get("crit") {
            None => Ok(()),
            Some(_) => Err(Refusal::unauthorized("unsupported_crit", "the header has crit")),
        }
    }

    /// The claims, before anybody signed for them: to choose a key by, or to explain.
    pub fn unverified_claims(&self) -> Claims<'_> {
        Claims::new(&self.payload)
    }

    /// The claims, once the key has signed them by an algorithm of the list.
    pub fn verify(&self, key: &PublicKey, allowed: &[Algorithm]) -> Result<Claims<'_>, Refusal> {
        let algorithm = self.algorithm(allowed)?;
        self.refuse_crit()?;
        if !key.is_signed(algorithm, self.signed.as_bytes(), &self.signature) {
            return Err(Refusal::unauthorized("signature", "the signature is not of that key"));
        }
        Ok(Claims::new(&self.payload))
    }
}

/// A header that names the key, and says nothing else.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct KeyedHeader<'a> {
    alg: &'static str,
    kid: &'a str,
    typ: &'static str,
}

impl<'a> KeyedHeader<'a> {
    /// The header of what this key signs under that name.
    pub fn new(key: &SigningKey, kid: &'a str) -> Self {
        Self { alg: key.algorithm().name(), kid, typ: "JWT" }
    }
}

/// Signs a header and a payload, each serialised once, in the order of its fields.
pub fn sign(key: &SigningKey, header: &impl Serialize, payload: &impl Serialize) -> Result<String, KeyError> {
    let part = |json: Result<Vec<u8>, serde_json::Error>| json.map(|json| base64url(&json));
    let (Ok(header), Ok(payload)) = (part(serde_json::to_vec(header)), part(serde_json::to_vec(payload))) else {
        return Err(KeyError::NotSigned);
    };
    let signed = format!("{header}.{payload}");
    let signature = key.sign(signed.as_bytes())?;
    Ok(format!("{signed}.{}", base64url(&signature)))
}

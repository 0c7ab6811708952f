//! DPoP (RFC 9449): a proof, for one call, that the caller holds the key its voucher is bound to.
//!
//! The address is compared as an exact text: no query, no fragment, no slash more. A proof is good
//! for 60 s, once, and a retry needs a new one.

use canonical::values::UtcInstant;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::jose::{Algorithm, Compact, KeyError, PublicKey, Refusal, SigningKey, Unclaimed, base64url, seconds, sign};

/// The algorithms of proofs that PDND admits.
const ALGORITHMS: [Algorithm; 2] = [Algorithm::Es256, Algorithm::Rs256];
/// How long a proof is good.
const LIFE_SECONDS: i64 = 60;
/// How far ahead of us the clock of who made it may be.
const TOLERANCE_SECONDS: i64 = 10;

/// A proof that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    thumbprint: String,
    voucher_hash: Option<String>,
}

impl Proof {
    /// The thumbprint of the key that made it.
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// Whether it was made for this voucher.
    pub fn is_for_voucher(&self, voucher: &str) -> bool {
        self.voucher_hash.as_deref() == Some(&voucher_hash(voucher))
    }
}

#[derive(Serialize)]
struct Header {
    typ: &'static str,
    alg: &'static str,
    jwk: Value,
}

#[derive(Serialize)]
struct Payload<'a> {
    htm: &'a str,
    htu: &'a str,
    iat: i64,
    jti: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<String>,
}

/// Makes the proof of one call: to the token endpoint without a voucher, to the e-service with it.
/// `name` is new every time.
pub fn prove(
    key: &SigningKey,
    method: &str,
    url: &str,
    voucher: Option<&str>,
    name: &str,
    now: UtcInstant,
) -> Result<String, KeyError> {
    if !ALGORITHMS.contains(&key.algorithm()) {
        return Err(KeyError::Kind);
    }
    let header = Header { typ: "dpop+jwt", alg: key.algorithm().name(), jwk: key.public().jwk() };
    let htu = url.split(['?', '#']).next().unwrap_or(url);
    let payload = Payload { htm: method, htu, iat: seconds(now), jti: name, ath: voucher.map(voucher_hash) };
    sign(key, &header, &payload)
}

/// Verifies the proof of a call. `voucher` is the one it came with; none at a token endpoint.
pub fn verify(
    proof: &str,
    method: &str,
    url: &str,
    voucher: Option<&str>,
    now: UtcInstant,
) -> Result<Unclaimed<Proof>, Refusal> {
    let refuse = Refusal::unauthorized;
    let token = Compact::parse(proof)?;
    if token.header_text("typ") != Some("dpop+jwt") {
        return Err(refuse("typ", "typ is not dpop+jwt"));
    }
    token.algorithm(&ALGORITHMS)?;
    token.refuse_crit()?;
    let jwk = token.header("jwk").ok_or_else(|| refuse("jwk", "the proof carries no key"))?;
    let key = PublicKey::from_jwk(jwk).map_err(|error| match error {
        KeyError::PrivateMember => refuse("private_key_in_jwk", "the proof carries a private key"),
        _ => refuse("jwk", "the key of the proof cannot be read"),
    })?;
    let claims = token.verify(&key, &ALGORITHMS)?;
    if claims.text("htm") != Some(method) {
        return Err(refuse("htm", "htm is not the method of the call"));
    }
    if claims.text("htu") != Some(url) {
        return Err(refuse("htu", "htu is not the address of the call"));
    }
    let iat = claims.number("iat").ok_or_else(|| refuse("malformed", "iat is absent or no number"))?;
    if seconds(now).saturating_sub(iat) > LIFE_SECONDS {
        return Err(refuse("expired", "the proof is more than 60 s old"));
    }
    if iat.saturating_sub(seconds(now)) > TOLERANCE_SECONDS {
        return Err(refuse("not_yet_valid", "the proof is from the future"));
    }
    let name = claims.text("jti").ok_or_else(|| refuse("jti", "the proof has no jti"))?;
    let carried = claims.text("ath").map(str::to_owned);
    if voucher.is_some_and(|voucher| carried.as_deref() != Some(&voucher_hash(voucher))) {
        return Err(refuse("ath", "ath is not the hash of the voucher"));
    }
    let thumbprint = key.thumbprint();
    let proof = Proof { thumbprint: thumbprint.clone(), voucher_hash: carried };
    Ok(Unclaimed::new(proof, thumbprint, Some(name.to_owned()), iat.saturating_add(LIFE_SECONDS + 1)))
}

fn voucher_hash(voucher: &str) -> String {
    base64url(&Sha256::digest(voucher.as_bytes()))
}

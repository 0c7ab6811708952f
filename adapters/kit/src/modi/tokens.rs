//! What every signed header of `ModI` has in common: whose key, which times, for whom, once.

use std::sync::Arc;

use canonical::values::UtcInstant;
use serde::Serialize;
use serde_json::Value;

use super::x509::TrustStore;
use crate::jose::{Algorithm, Claims, Compact, Keys, PublicKey, Refusal, Unclaimed};

/// Where the key of a token is looked for. A token chooses between them, never outside.
#[derive(Clone, Copy, Default)]
pub struct Trust<'a> {
    /// The keys that the expected client, or keychain, has registered with PDND.
    pub keys: Option<&'a dyn Keys>,
    /// The authorities and certificates of the connection.
    pub certificates: Option<&'a TrustStore>,
}

impl std::fmt::Debug for Trust<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trust").finish_non_exhaustive()
    }
}

/// The rules of one connection about signed headers.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The algorithms that are admitted.
    pub algorithms: Vec<Algorithm>,
    /// Who must have signed, when that is known.
    pub issuer: Option<String>,
    /// What `aud` must name one of. None only for the answers of PDND, which have no audience.
    pub audiences: Option<Vec<String>>,
    tolerance_seconds: i64,
    /// How old a token may be.
    pub longest_age_seconds: i64,
    /// Whether a token must have a name, so that it can be good once.
    pub is_name_required: bool,
}

/// Skews of 6 to 13 s happen in production; beyond this somebody has to set a clock.
const LARGEST_TOLERANCE_SECONDS: i64 = 15;

impl Rules {
    /// The usual rules, for tokens meant for one of these audiences.
    pub fn for_audiences(audiences: Vec<String>) -> Self {
        Self {
            algorithms: Algorithm::ALL.to_vec(),
            issuer: None,
            audiences: Some(audiences),
            tolerance_seconds: 5,
            longest_age_seconds: 300,
            is_name_required: true,
        }
    }

    /// The same rules with another tolerance for clocks ahead of ours, 15 s at most.
    #[must_use]
    pub fn with_tolerance(self, seconds: i64) -> Self {
        Self { tolerance_seconds: seconds.clamp(0, LARGEST_TOLERANCE_SECONDS), ..self }
    }
}

/// Takes the one value of a header that may come once.
pub fn the_one<'a>(values: &[&'a str]) -> Result<&'a str, Refusal> {
    match values {
        [one] => Ok(one),
        [] => Err(Refusal::unauthorized("missing_token", "the signed header is absent")),
        _ => Err(Refusal::unauthorized("multiple_tokens", "the signed header came more than once")),
    }
}

/// Believes a token: algorithm, `crit`, key, signature, times, issuer, audience, name.
pub fn believe<'t>(
    token: &'t Compact<'_>,
    trust: Trust<'_>,
    rules: &Rules,
    now: UtcInstant,
) -> Result<Claims<'t>, Refusal> {
    token.algorithm(&rules.algorithms)?;
    token.refuse_crit()?;
    let key = key(token, trust, now)?;
    let claims = token.verify(&key, &rules.algorithms)?;
    claims.check_exp(now)?;
    claims.check_iat(now, rules.tolerance_seconds)?;
    claims.check_nbf(now, rules.tolerance_seconds)?;
    claims.check_age(now, rules.longest_age_seconds)?;
    if rules.issuer.is_some() && claims.text("iss") != rules.issuer.as_deref() {
        return Err(Refusal::unauthorized("issuer", "iss is not who was expected"));
    }
    if let Some(audiences) = &rules.audiences {
        claims.check_audience(audiences)?;
    }
    if rules.is_name_required && claims.text("jti").is_none() {
        return Err(Refusal::unauthorized("missing_jti", "the token has no jti"));
    }
    Ok(claims)
}

/// What was verified, to be had once the name of its token is claimed.
pub(super) fn once<T>(inner: T, claims: Claims<'_>) -> Unclaimed<T> {
    let issuer = claims.text("iss").unwrap_or_default();
    let until = claims.number("exp").unwrap_or(i64::MAX);
    Unclaimed::new(inner, issuer, claims.text("jti").map(str::to_owned), until)
}

/// A certificate where the connection trusts certificates and the token names one; a registered key
/// otherwise.
fn key(token: &Compact<'_>, trust: Trust<'_>, now: UtcInstant) -> Result<Arc<PublicKey>, Refusal> {
    let hash = token.header_text("x5t#S256");
    match (trust.certificates, token.header("x5c")) {
        (Some(store), Some(x5c)) => {
            let listed = x5c.as_array().map(|list| list.iter().map(|text| text.as_str().unwrap_or_default()));
            let listed = listed.ok_or_else(|| Refusal::unauthorized("malformed", "x5c is no list"))?;
            return store.key_of_chain(&listed.collect::<Vec<_>>(), hash, now).map(Arc::new);
        }
        (Some(store), None) if hash.is_some() => {
            return store.key_of_hash(hash.unwrap_or_default(), now).map(Arc::new);
        }
        _ => {}
    }
    let known = trust.keys.zip(token.header("kid").and_then(Value::as_str)).and_then(|(keys, kid)| keys.key(kid));
    known.ok_or_else(|| Refusal::unauthorized("unknown_kid", "the key is not registered for who should have signed"))
}

/// How a token names the key that signed it.
#[derive(Debug, Clone)]
pub enum KeyName {
    /// By its thumbprint, registered with PDND.
    Registered,
    /// By its chain of certificates: base64 of DER, the signer's first.
    Chain(Vec<String>),
}

#[derive(Serialize)]
pub(super) struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x5c: Option<&'a [String]>,
}

impl<'a> Header<'a> {
    pub(super) fn new(key: &'a crate::jose::SigningKey, name: &'a KeyName) -> Self {
        let (kid, x5c) = match name {
            KeyName::Registered => (Some(key.thumbprint()), None),
            KeyName::Chain(chain) => (None, Some(chain.as_slice())),
        };
        Self { alg: key.algorithm().name(), typ: "JWT", kid, x5c }
    }
}

/// One audience is a text, several are a list.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(super) enum Audience<'a> {
    One(&'a str),
    Many(&'a [String]),
}

impl<'a> From<&'a [String]> for Audience<'a> {
    fn from(audiences: &'a [String]) -> Self {
        match audiences {
            [one] => Self::One(one),
            many => Self::Many(many),
        }
    }
}

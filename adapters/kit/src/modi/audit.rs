//! `Agid-JWT-TrackingEvidence`: who asks, as the administration that asks vouches for it.
//!
//! The user is an opaque name that the administration, and only it, can lead back to a person; a job
//! that nobody attends has a constant agreed with the producer. With `AUDIT_REST_02` the hash of the
//! evidence goes into the assertion, and the voucher is bound to it.

use canonical::values::UtcInstant;
use serde::Serialize;

use super::tokens::{Audience, Header, KeyName, Rules, Trust, believe, once};
use crate::jose::{Compact, KeyError, Refusal, SigningKey, Unclaimed, seconds, sign};

/// How long an evidence is good.
const LIFE_SECONDS: i64 = 300;

/// Who asks, from where.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The opaque name of the user.
    pub id: String,
    /// The station, or the process.
    pub location: String,
    /// The level of assurance of its sign-in.
    pub assurance: Option<String>,
}

/// Never the name: opaque to us, it is a person to somebody.
impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").finish_non_exhaustive()
    }
}

/// An evidence to make.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The client.
    pub issuer: &'a str,
    /// For whom.
    pub audiences: &'a [String],
    /// The purpose of the voucher.
    pub purpose_id: &'a str,
    /// Who asks.
    pub user: &'a User,
    /// Thirteen random digits, when the voucher is to be bound to it.
    pub nonce: Option<u64>,
}

#[derive(Serialize)]
struct Payload<'a> {
    iss: &'a str,
    aud: Audience<'a>,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: &'a str,
    #[serde(rename = "purposeId")]
    purpose_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dnonce: Option<u64>,
    #[serde(rename = "userID")]
    user_id: &'a str,
    #[serde(rename = "userLocation")]
    user_location: &'a str,
    #[serde(rename = "LoA", skip_serializing_if = "Option::is_none")]
    assurance: Option<&'a str>,
}

/// A nonce from a random number: always thirteen digits.
pub fn nonce(random: u64) -> u64 {
    1_000_000_000_000 + random % 9_000_000_000_000
}

/// Makes an evidence. `name` is a new UUID every time.
pub fn make(
    key: &SigningKey,
    key_name: &KeyName,
    asked: &Asked<'_>,
    name: &str,
    now: UtcInstant,
) -> Result<String, KeyError> {
    let payload = Payload {
        iss: asked.issuer,
        aud: Audience::from(asked.audiences),
        iat: seconds(now),
        nbf: seconds(now),
        exp: seconds(now).saturating_add(LIFE_SECONDS),
        jti: name,
        purpose_id: asked.purpose_id,
        dnonce: asked.nonce,
        user_id: &asked.user.id,
        user_location: &asked.user.location,
        assurance: asked.user.assurance.as_deref(),
    };
    sign(key, &Header::new(key, key_name), &payload)
}

/// Verifies an evidence: whose purpose is that of the voucher, whose user has a name and a place.
pub fn verify(
    evidence: &str,
    trust: Trust<'_>,
    rules: &Rules,
    purpose_id: &str,
    now: UtcInstant,
) -> Result<Unclaimed<User>, Refusal> {
    check(evidence, trust, rules, purpose_id, now).map_err(|refusal| refusal.with_status(400))
}

fn check(
    evidence: &str,
    trust: Trust<'_>,
    rules: &Rules,
    purpose_id: &str,
    now: UtcInstant,
) -> Result<Unclaimed<User>, Refusal> {
    let token = Compact::parse(evidence)?;
    let claims = believe(&token, trust, rules, now)?;
    if claims.text("purposeId") != Some(purpose_id) {
        return Err(Refusal::bad_request("purpose", "purposeId is not that of the voucher"));
    }
    let text = |name: &'static str, code: &'static str| {
        let absent = || Refusal::bad_request(code, format!("{name} is absent or no text"));
        claims.text(name).map(str::to_owned).ok_or_else(absent)
    };
    let assurance = match claims.get("LoA") {
        None => None,
        Some(_) => Some(text("LoA", "assurance")?),
    };
    let user = User { id: text("userID", "user")?, location: text("userLocation", "user_location")?, assurance };
    Ok(once(user, claims))
}

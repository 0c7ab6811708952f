//! `ID_AUTH_REST_01` and `_02` without the platform: a token of our own in `Authorization`.
//!
//! `_02` asks for a name, so that the token is good once.

use canonical::values::UtcInstant;
use serde::Serialize;

use super::tokens::{Audience, Header, KeyName, Rules, Trust, believe, once};
use crate::jose::{Compact, KeyError, Refusal, SigningKey, Unclaimed, seconds, sign};

/// Who calls, as its certificate vouches for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who signed.
    pub issuer: Option<String>,
    /// On whose behalf.
    pub subject: Option<String>,
}

#[derive(Serialize)]
struct Payload<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: Audience<'a>,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: &'a str,
}

/// Makes the token of one call. `name` is a new UUID every time.
pub fn make(
    key: &SigningKey,
    key_name: &KeyName,
    caller: &str,
    audiences: &[String],
    life_seconds: i64,
    name: &str,
    now: UtcInstant,
) -> Result<String, KeyError> {
    let payload = Payload {
        iss: caller,
        sub: caller,
        aud: Audience::from(audiences),
        iat: seconds(now),
        nbf: seconds(now),
        exp: seconds(now).saturating_add(life_seconds),
        jti: name,
    };
    sign(key, &Header::new(key, key_name), &payload)
}

/// Verifies the token of a call.
pub fn verify(token: &str, trust: Trust<'_>, rules: &Rules, now: UtcInstant) -> Result<Unclaimed<Caller>, Refusal> {
    let token = Compact::parse(token)?;
    let claims = believe(&token, trust, rules, now)?;
    let text = |name| claims.text(name).map(str::to_owned);
    let caller = Caller { issuer: text("iss"), subject: text("sub") };
    Ok(once(caller, claims))
}

//! The token of a back-channel logout, which no sign-in library reads for us.

use canonical::values::UtcInstant;

use crate::jose::{Algorithm, Compact, Keys, Refusal, Unclaimed};

/// The event that a logout token tells of.
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// How far ahead of us the clock of the provider may be.
const TOLERANCE_SECONDS: i64 = 5;
/// How old a token without `exp` may be.
const LONGEST_AGE_SECONDS: i64 = 300;

/// Whose sessions end: one session, or all of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logout {
    /// The session, as the provider names it.
    pub session: Option<String>,
    /// The subject.
    pub subject: Option<String>,
}

/// Verifies a logout token. A refusal answers 400; both answers carry `Cache-Control: no-store`.
pub fn verify_logout(
    token: &str,
    keys: &dyn Keys,
    issuer: &str,
    client_id: &str,
    now: UtcInstant,
) -> Result<Unclaimed<Logout>, Refusal> {
    check(token, keys, issuer, client_id, now).map_err(|refusal| refusal.with_status(400))
}

fn check(
    token: &str,
    keys: &dyn Keys,
    issuer: &str,
    client_id: &str,
    now: UtcInstant,
) -> Result<Unclaimed<Logout>, Refusal> {
    let refuse = Refusal::bad_request;
    let token = Compact::parse(token)?;
    token.algorithm(&Algorithm::ALL)?;
    token.refuse_crit()?;
    let is_typed = |typ: &str| typ.eq_ignore_ascii_case("logout+jwt") || typ.eq_ignore_ascii_case("jwt");
    if token.header("typ").is_some() && !token.header_text("typ").is_some_and(is_typed) {
        return Err(refuse("typ", "typ is neither logout+jwt nor JWT"));
    }
    let key = token.header_text("kid").and_then(|kid| keys.key(kid));
    let key = key.ok_or_else(|| refuse("unknown_kid", "no key of the provider has that kid"))?;
    let claims = token.verify(&key, &Algorithm::ALL)?;
    if claims.text("iss") != Some(issuer) {
        return Err(refuse("issuer", "iss is not our provider"));
    }
    claims.check_audience(&[client_id.to_owned()])?;
    let until = match claims.get("exp") {
        Some(_) => claims.check_exp(now)?,
        None => crate::jose::seconds(now).saturating_add(LONGEST_AGE_SECONDS),
    };
    claims.check_iat(now, TOLERANCE_SECONDS)?;
    claims.check_age(now, LONGEST_AGE_SECONDS)?;
    if !claims.get("events").and_then(|events| events.get(LOGOUT_EVENT)).is_some_and(serde_json::Value::is_object) {
        return Err(refuse("events", "the token tells of no logout"));
    }
    if claims.get("nonce").is_some() {
        return Err(refuse("nonce", "a logout token has no nonce"));
    }
    let text = |name| claims.text(name).map(str::to_owned);
    let logout = Logout { session: text("sid"), subject: text("sub") };
    if logout.session.is_none() && logout.subject.is_none() {
        return Err(refuse("subject", "neither sid nor sub"));
    }
    let name = claims.required("jti")?;
    Ok(Unclaimed::new(logout, issuer, Some(name), until))
}

//! What PDND would refuse, found here first and said in words.
//!
//! The platform answers 400 to every mistake and never says which. [`connection`] looks at the
//! settings before anything is sent, [`assertion`] at a finished assertion as the platform will; the
//! codes of the latter are those the platform uses inside.

use serde_json::Value;

use canonical::values::UtcInstant;

use super::settings::Connection;
use crate::jose::{Algorithm, Claims, Compact, Keys, PublicKey, SigningKey, seconds};

mod words;

/// The platform's clock and ours may differ by this much before we stop signing.
pub const LARGEST_SKEW_SECONDS: i64 = 10;

const HEADER: [&str; 3] = ["alg", "kid", "typ"];
const CLAIMS: [&str; 8] = ["iss", "sub", "aud", "jti", "iat", "exp", "purposeId", "digest"];
const ASYNCHRONOUS_CLAIMS: [&str; 4] = ["scope", "urlCallback", "interactionId", "entityNumber"];
const SCOPES: [&str; 4] = ["start_interaction", "callback_invocation", "get_resource", "confirmation"];

/// A mistake, with what was found or expected. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    code: &'static str,
    about: String,
}

impl Mistake {
    fn new(code: &'static str, about: impl Into<String>) -> Self {
        Self { code, about: about.into() }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The setting that it is about, where it is about one.
    pub fn setting(&self) -> Option<&'static str> {
        Some(match self.code {
            "mixedEnvironments" => "environment",
            "audienceWithScheme" | "audienceOfAnotherHost" | "invalidAudience" => "assertion_audience",
            "clientIdNotUuid" | "invalidSubjectFormat" => "client_id",
            "purposeIdNotProvided" | "purposeIdNotExpected" | "invalidPurposeIdClaimFormat" => "purpose_id",
            "keyNotRsa" | "algorithmNotAllowed" => "private_key_file",
            "invalidKidFormat" | "kidOfAnotherKey" => "kid",
            "dpopKeyMissing" => "scheme",
            "dpopKeyReused" | "dpopKeyKind" => "dpop_key_file",
            _ => return None,
        })
    }

    /// What is wrong, in English.
    pub fn english(&self) -> String {
        words::of(self.code).0.replace("{}", &self.about)
    }

    /// Che cosa non va, in italiano.
    pub fn italian(&self) -> String {
        words::of(self.code).1.replace("{}", &self.about)
    }
}

/// Who an assertion comes from, and for whom it is.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The client that the form names.
    pub client_id: &'a str,
    /// The audience of the environment.
    pub audience: &'a str,
    /// Whether it is a client of the platform's own services, which has no purpose.
    pub is_api_client: bool,
    /// Whether the request goes to the asynchronous endpoint.
    pub is_asynchronous: bool,
}

/// The mistakes of a connection's settings. `skew` is how many seconds our clock is ahead of a
/// trusted one, when that is known.
pub fn connection(
    connection: &Connection,
    key: &SigningKey,
    dpop: Option<&SigningKey>,
    skew: Option<i64>,
) -> Vec<Mistake> {
    let mut found = Vec::new();
    if let Some(skew) = skew.filter(|skew| skew.abs() >= LARGEST_SKEW_SECONDS) {
        found.push(Mistake::new("clockSkew", skew.to_string()));
    }
    let endpoints = connection.endpoints();
    match endpoints.environment() {
        Err(mixed) => found.push(Mistake::new("mixedEnvironments", format!("{} / {}", mixed.first, mixed.second))),
        Ok(environment) if environment.is_some() && environment != Some(connection.environment) => {
            found.push(Mistake::new("mixedEnvironments", "environment / token_url"));
        }
        Ok(_) => {}
    }
    if endpoints.assertion_audience.contains("://") {
        found.push(Mistake::new("audienceWithScheme", &endpoints.assertion_audience));
    }
    let audience_host = super::environment::host_of(&endpoints.assertion_audience);
    if audience_host != super::environment::host_of(&endpoints.token_url) && !connection.is_audience_foreign {
        found.push(Mistake::new("audienceOfAnotherHost", audience_host));
    }
    if !is_uuid(&connection.client_id) {
        found.push(Mistake::new("clientIdNotUuid", &connection.client_id));
    }
    match (&connection.purpose_id, connection.is_api_client) {
        (None, false) => found.push(Mistake::new("purposeIdNotProvided", "")),
        (Some(_), true) => found.push(Mistake::new("purposeIdNotExpected", "")),
        (Some(purpose), false) if !is_uuid(purpose) => {
            found.push(Mistake::new("invalidPurposeIdClaimFormat", purpose));
        }
        _ => {}
    }
    if key.algorithm() != Algorithm::Rs256 {
        found.push(Mistake::new("keyNotRsa", key.algorithm().name()));
    }
    if let Some(kid) = &connection.kid {
        if !is_kid(kid) {
            found.push(Mistake::new("invalidKidFormat", kid));
        } else if kid != key.thumbprint() {
            found.push(Mistake::new("kidOfAnotherKey", key.thumbprint()));
        }
    }
    match (connection.scheme.is_dpop(), dpop) {
        (true, None) => found.push(Mistake::new("dpopKeyMissing", "")),
        (true, Some(dpop)) if dpop.thumbprint() == key.thumbprint() => found.push(Mistake::new("dpopKeyReused", "")),
        (true, Some(dpop)) if !matches!(dpop.algorithm(), Algorithm::Es256 | Algorithm::Rs256) => {
            found.push(Mistake::new("dpopKeyKind", dpop.algorithm().name()));
        }
        _ => {}
    }
    found
}

/// The mistakes of a finished assertion, the one that the platform would stumble on first. With the
/// `keys` of the client its signature is checked too.
pub fn assertion(text: &str, expected: &Expected<'_>, keys: Option<&dyn Keys>, now: UtcInstant) -> Vec<Mistake> {
    let Ok(token) = Compact::parse(text) else {
        return vec![Mistake::new("invalidAssertionFormat", "")];
    };
    let claims = token.unverified_claims();
    let mut found = header(&token);
    if found.iter().any(|mistake| mistake.code == "algorithmNotAllowed") {
        return found;
    }
    found.extend(shape(&token, claims, expected.is_asynchronous));
    if !found.is_empty() {
        return found;
    }
    found.extend(presence(claims));
    found.extend(values(claims, expected));
    if expected.is_asynchronous {
        found.extend(asynchronous(claims));
    }
    if claims.number("exp").is_some_and(|exp| exp <= seconds(now)) {
        found.push(Mistake::new("tokenExpired", claims.number("exp").unwrap_or_default().to_string()));
    }
    if found.is_empty() {
        let key = keys.map(|keys| token.header_text("kid").and_then(|kid| keys.key(kid)));
        let is_signed = |key: &PublicKey| token.verify(key, &[Algorithm::Rs256]).is_ok();
        if key.is_some_and(|key| !key.is_some_and(|key| is_signed(&key))) {
            found.push(Mistake::new("invalidSignature", ""));
        }
    }
    found
}

fn header(token: &Compact<'_>) -> Vec<Mistake> {
    if token.header_text("alg") != Some("RS256") {
        return vec![Mistake::new("algorithmNotAllowed", token.header_text("alg").unwrap_or_default())];
    }
    match token.header("kid").map(Value::as_str) {
        None => vec![Mistake::new("kidNotFound", "")],
        Some(Some(kid)) if is_kid(kid) => Vec::new(),
        Some(kid) => vec![Mistake::new("invalidKidFormat", kid.unwrap_or_default())],
    }
}

/// Names and types: anything beyond what is allowed makes the request fail.
fn shape(token: &Compact<'_>, claims: Claims<'_>, is_asynchronous: bool) -> Vec<Mistake> {
    let invalid = |name: &str| Mistake::new("clientAssertionInvalidClaims", name);
    let mut found: Vec<_> = token.header_names().filter(|name| !HEADER.contains(name)).map(invalid).collect();
    let may = |name: &str| CLAIMS.contains(&name) || (is_asynchronous && ASYNCHRONOUS_CLAIMS.contains(&name));
    found.extend(claims.names().filter(|name| !may(name)).map(invalid));
    let has_type = |name: &str, value: &Value| match name {
        "iat" | "exp" | "entityNumber" => value.is_i64() || value.is_u64(),
        "aud" => value.is_string() || value.as_array().is_some_and(|list| list.iter().all(Value::is_string)),
        "digest" => value.is_object(),
        _ => value.is_string(),
    };
    let typed = claims.names().filter(|name| may(name));
    found.extend(typed.filter(|name| claims.get(name).is_some_and(|value| !has_type(name, value))).map(invalid));
    found
}

fn presence(claims: Claims<'_>) -> Vec<Mistake> {
    let required = [
        ("iss", "issuerNotFound"),
        ("sub", "subjectNotFound"),
        ("aud", "audienceNotFound"),
        ("jti", "jtiNotFound"),
        ("iat", "issuedAtNotFound"),
        ("exp", "expNotFound"),
    ];
    let absent = required.into_iter().filter(|(name, _)| claims.get(name).is_none());
    absent.map(|(name, code)| Mistake::new(code, name)).collect()
}

fn values(claims: Claims<'_>, expected: &Expected<'_>) -> Vec<Mistake> {
    let mut found = Vec::new();
    match claims.text("sub") {
        Some(sub) if !is_uuid(sub) => found.push(Mistake::new("invalidSubjectFormat", sub)),
        Some(sub) if sub != expected.client_id => found.push(Mistake::new("invalidSubject", sub)),
        _ => {}
    }
    match claims.text("iss") {
        Some(iss) if iss != expected.client_id => found.push(Mistake::new("invalidIssuer", iss)),
        _ => {}
    }
    if claims.get("aud").is_some() && !claims.audiences().contains(&expected.audience) {
        found.push(Mistake::new("invalidAudience", expected.audience));
    }
    match claims.text("purposeId") {
        Some(_) if expected.is_api_client => found.push(Mistake::new("purposeIdNotExpected", "")),
        Some(purpose) if !is_uuid(purpose) => found.push(Mistake::new("invalidPurposeIdClaimFormat", purpose)),
        None if !expected.is_api_client => found.push(Mistake::new("purposeIdNotProvided", "")),
        _ => {}
    }
    found.extend(claims.get("digest").and_then(digest));
    found
}

fn digest(digest: &Value) -> Option<Mistake> {
    let members = digest.as_object()?;
    if members.len() != 2 || !members.contains_key("alg") || !members.contains_key("value") {
        return Some(Mistake::new("invalidDigestClaim", members.keys().cloned().collect::<Vec<_>>().join(", ")));
    }
    if members["alg"] != "SHA256" {
        return Some(Mistake::new("invalidHashAlgorithm", members["alg"].as_str().unwrap_or_default()));
    }
    let value = members["value"].as_str().unwrap_or_default();
    if value.len() != 64 {
        return Some(Mistake::new("invalidHashLength", value.len().to_string()));
    }
    let is_hex = value.bytes().all(|byte| byte.is_ascii_hexdigit());
    (!is_hex).then(|| Mistake::new("invalidDigestFormat", ""))
}

fn asynchronous(claims: Claims<'_>) -> Option<Mistake> {
    let scope = match claims.text("scope") {
        None => return Some(Mistake::new("scopeNotProvided", "")),
        Some(scope) if !SCOPES.contains(&scope) => return Some(Mistake::new("invalidScopeClaimFormat", scope)),
        Some(scope) => scope,
    };
    if scope == "start_interaction" {
        return match claims.text("urlCallback") {
            None => Some(Mistake::new("urlCallbackNotProvided", "")),
            Some(url) if reqwest::Url::parse(url).is_ok_and(|url| url.has_host()) => None,
            Some(url) => Some(Mistake::new("invalidUrlCallbackClaimFormat", url)),
        };
    }
    match claims.text("interactionId") {
        None => return Some(Mistake::new("interactionIdNotProvided", "")),
        Some(id) if !is_uuid(id) => return Some(Mistake::new("invalidInteractionIdClaimFormat", id)),
        Some(_) => {}
    }
    match claims.number("entityNumber") {
        _ if scope != "callback_invocation" => None,
        None => Some(Mistake::new("entityNumberNotProvided", "")),
        Some(number) if number < 1 => Some(Mistake::new("invalidEntityNumber", number.to_string())),
        Some(_) => None,
    }
}

/// Whether a text is a UUID in its usual form, with four hyphens.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

/// Whether a text looks like a thumbprint: 43 characters of base64url.
pub fn is_kid(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

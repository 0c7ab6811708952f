//! A voucher as the producer sees it: who calls, on whose behalf, for which purpose.
//!
//! [`verify`] follows the order of the platform's rules, and the first failure answers: scheme,
//! algorithm, key, signature, times, audience (401), that the e-service is ours (403), the binding
//! to a DPoP proof (401), the evidence (400), who may (403). A voucher is good until it expires, as
//! often as one likes: only proofs and signatures are good once.

use canonical::values::UtcInstant;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::dpop::Proof;
use crate::jose::{Algorithm, Claims, Compact, Keys, Refusal};

/// PDND signs vouchers with this alone.
const ALGORITHMS: [Algorithm; 1] = [Algorithm::Rs256];
/// How far ahead of us the clock of the issuer may be.
const TOLERANCE_SECONDS: i64 = 5;

/// How a voucher is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Whoever holds it.
    Bearer,
    /// Whoever holds the key it is bound to.
    Dpop,
}

/// A voucher as it came with a call, with what came beside it.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    token: &'a str,
    scheme: Scheme,
    proof: Option<&'a Proof>,
    evidence: Option<&'a str>,
}

impl std::fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presented").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

impl<'a> From<&'a str> for Presented<'a> {
    /// A bearer token alone.
    fn from(token: &'a str) -> Self {
        Self { token, scheme: Scheme::Bearer, proof: None, evidence: None }
    }
}

impl<'a> Presented<'a> {
    /// Reads all the `Authorization` headers of a call: there must be exactly one, and its scheme
    /// `Bearer` or `DPoP` in any case.
    pub fn from_authorization(values: &[&'a str]) -> Result<Self, Refusal> {
        let [value] = values else {
            let code = if values.is_empty() { "missing_token" } else { "multiple_tokens" };
            return Err(Refusal::unauthorized(code, format!("{} Authorization headers", values.len())));
        };
        let (scheme, token) = value.trim().split_once(' ').unwrap_or((value, ""));
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "bearer" => Scheme::Bearer,
            "dpop" => Scheme::Dpop,
            _ => return Err(Refusal::unauthorized("scheme", "the scheme is neither Bearer nor DPoP")),
        };
        Ok(Self { token: token.trim(), scheme, proof: None, evidence: None })
    }

    /// With the proof that came in the header `DPoP`, already verified and claimed.
    #[must_use]
    pub fn with_proof(self, proof: &'a Proof) -> Self {
        Self { proof: Some(proof), ..self }
    }

    /// With the `Agid-JWT-TrackingEvidence` that came beside it, as received.
    #[must_use]
    pub fn with_evidence(self, evidence: &'a str) -> Self {
        Self { evidence: Some(evidence), ..self }
    }

    /// The token, for the hash that a proof carries.
    pub fn token(&self) -> &'a str {
        self.token
    }

    /// How it was presented.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }
}

/// What a voucher must say to be for us.
#[derive(Debug, Clone, Default)]
pub struct Expectations {
    /// The issuer of our environment, as `uat.interop.pagopa.it`.
    pub issuer: String,
    /// The audiences that are ours; one of them must be named, whole.
    pub audiences: Vec<String>,
    /// Our own id as producer.
    pub producer_id: String,
    /// The e-services that answer here.
    pub eservice_ids: Vec<String>,
    /// Their versions that answer here.
    pub descriptor_ids: Vec<String>,
    /// Whether `AUDIT_REST_02` is required: the voucher is bound to the evidence beside it.
    pub is_evidence_bound: bool,
    /// The consumers that may; all of them when none is named here.
    pub consumer_ids: Option<Vec<String>>,
    /// The purposes that may; all of them when none is named here.
    pub purpose_ids: Option<Vec<String>>,
}

/// A voucher that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voucher {
    /// The client that holds it.
    pub client_id: String,
    /// The administration that calls.
    pub consumer_id: String,
    /// Why it calls.
    pub purpose_id: String,
    /// The administration that is called: we.
    pub producer_id: String,
    /// The e-service.
    pub eservice_id: String,
    /// Its version.
    pub descriptor_id: String,
    /// The name of the voucher: tracing counts by it.
    pub token_id: String,
    /// When it expires, in seconds since 1970.
    pub expires_at: i64,
    /// The thumbprint of the key it is bound to.
    pub bound_to: Option<String>,
    /// Whether it is bound to the evidence that came beside it.
    pub is_bound_to_evidence: bool,
    /// The scope, the interaction and the address to call back, in an asynchronous exchange.
    pub interaction: Option<Interaction>,
}

/// The asynchronous exchange that a voucher belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interaction {
    /// What the voucher allows in it.
    pub scope: String,
    /// The exchange.
    pub interaction_id: Option<String>,
    /// Where the result is to be sent.
    pub callback_url: Option<String>,
}

/// A voucher for the platform's own services, that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiVoucher {
    /// The client that holds it.
    pub client_id: String,
    /// The administration that calls.
    pub organization_id: String,
    /// `m2m`, or `m2m-admin`.
    pub role: String,
    /// Who answers for an `m2m-admin`.
    pub admin_id: Option<String>,
    /// The name of the voucher.
    pub token_id: String,
    /// When it expires, in seconds since 1970.
    pub expires_at: i64,
}

/// Verifies a voucher presented to us as producer.
///
/// A refusal with the code `unknown_kid` may be cured by fetching the keys of the platform anew,
/// once.
pub fn verify<'a>(
    presented: impl Into<Presented<'a>>,
    keys: &dyn Keys,
    expectations: &Expectations,
    now: UtcInstant,
) -> Result<Voucher, Refusal> {
    let presented = presented.into();
    let token = Compact::parse(presented.token)?;
    let claims = believe(&token, keys, &expectations.issuer, &expectations.audiences, now)?;
    let ours = |name: &'static str, code: &'static str, ids: &[String]| {
        let id = claims.text(name).unwrap_or_default();
        if ids.iter().any(|our| our == id) {
            return Ok(id.to_owned());
        }
        Err(Refusal::forbidden(code, format!("{name} is not ours")))
    };
    let producer_id = ours("producerId", "producer", std::slice::from_ref(&expectations.producer_id))?;
    let eservice_id = ours("eserviceId", "eservice", &expectations.eservice_ids)?;
    let descriptor_id = ours("descriptorId", "descriptor", &expectations.descriptor_ids)?;
    let bound_to = check_binding(claims, &presented)?;
    check_evidence(claims, presented.evidence, expectations.is_evidence_bound)?;
    let allowed = |name: &'static str, code: &'static str, ids: &Option<Vec<String>>| {
        let id = claims.required(name)?;
        if ids.as_ref().is_some_and(|ids| !ids.contains(&id)) {
            return Err(Refusal::forbidden(code, format!("{name} may not do this")));
        }
        Ok(id)
    };
    Ok(Voucher {
        consumer_id: allowed("consumerId", "consumer", &expectations.consumer_ids)?,
        purpose_id: allowed("purposeId", "purpose", &expectations.purpose_ids)?,
        client_id: claims.required("client_id")?,
        token_id: claims.required("jti")?,
        expires_at: claims.number("exp").unwrap_or_default(),
        is_bound_to_evidence: claims.get("digest").is_some() && presented.evidence.is_some(),
        interaction: interaction(claims),
        producer_id,
        eservice_id,
        descriptor_id,
        bound_to,
    })
}

/// Verifies a voucher for the platform's own services.
pub fn verify_api<'a>(
    presented: impl Into<Presented<'a>>,
    keys: &dyn Keys,
    issuer: &str,
    audiences: &[String],
    now: UtcInstant,
) -> Result<ApiVoucher, Refusal> {
    let presented = presented.into();
    let token = Compact::parse(presented.token)?;
    let claims = believe(&token, keys, issuer, audiences, now)?;
    check_binding(claims, &presented)?;
    if claims.get("purposeId").is_some() {
        return Err(Refusal::forbidden("purpose", "a voucher for an e-service"));
    }
    let (role, admin_id) = (claims.required("role")?, claims.text("adminId").map(str::to_owned));
    if !matches!((role.as_str(), &admin_id), ("m2m", _) | ("m2m-admin", Some(_))) {
        return Err(Refusal::forbidden("role", "the role is neither m2m nor m2m-admin with its adminId"));
    }
    Ok(ApiVoucher {
        client_id: claims.required("client_id")?,
        organization_id: claims.required("organizationId")?,
        token_id: claims.required("jti")?,
        expires_at: claims.number("exp").unwrap_or_default(),
        role,
        admin_id,
    })
}

/// The checks that every voucher shares: form, key, signature, issuer, times, audience.
fn believe<'t>(
    token: &'t Compact<'_>,
    keys: &dyn Keys,
    issuer: &str,
    audiences: &[String],
    now: UtcInstant,
) -> Result<Claims<'t>, Refusal> {
    token.algorithm(&ALGORITHMS)?;
    if !token.header_text("typ").is_some_and(|typ| typ.eq_ignore_ascii_case("at+jwt")) {
        return Err(Refusal::unauthorized("typ", "typ is not at+jwt"));
    }
    token.refuse_crit()?;
    let key = token.header_text("kid").and_then(|kid| keys.key(kid));
    let key = key.ok_or_else(|| Refusal::unauthorized("unknown_kid", "no key of the platform has that kid"))?;
    let claims = token.verify(&key, &ALGORITHMS)?;
    if claims.text("iss") != Some(issuer) {
        return Err(Refusal::unauthorized("issuer", "iss is not that of our environment"));
    }
    claims.check_exp(now)?;
    claims.check_nbf(now, TOLERANCE_SECONDS)?;
    claims.check_iat(now, TOLERANCE_SECONDS)?;
    claims.check_voucher_audience(audiences)?;
    Ok(claims)
}

/// A voucher bound to a key comes with a proof of that key, and a proof with a bound voucher.
fn check_binding(claims: Claims<'_>, presented: &Presented<'_>) -> Result<Option<String>, Refusal> {
    let unbound = |detail: &str| Err(Refusal::unauthorized("token_binding", detail));
    let confirmation = claims.get("cnf");
    let bound_to = confirmation.and_then(|cnf| cnf.get("jkt")).and_then(Value::as_str);
    match (presented.scheme, confirmation, bound_to) {
        (Scheme::Bearer, None, _) => Ok(None),
        (Scheme::Bearer, Some(_), _) => unbound("a bound voucher presented as Bearer"),
        (Scheme::Dpop, _, None) => unbound("a voucher bound to no key presented as DPoP"),
        (Scheme::Dpop, _, Some(thumbprint)) => match presented.proof {
            Some(proof) if proof.thumbprint() != thumbprint => unbound("the proof is of another key"),
            Some(proof) if !proof.is_for_voucher(presented.token) => unbound("the proof is for another voucher"),
            Some(_) => Ok(Some(thumbprint.to_owned())),
            None => unbound("no proof came with the voucher"),
        },
    }
}

/// A voucher bound to an evidence comes with that one.
fn check_evidence(claims: Claims<'_>, evidence: Option<&str>, is_required: bool) -> Result<(), Refusal> {
    let unequal = |detail: &str| Err(Refusal::bad_request("digest", detail));
    match (claims.get("digest"), evidence) {
        (Some(digest), Some(evidence)) => {
            let is_sha256 = digest.get("alg").and_then(Value::as_str) == Some("SHA256");
            let value = digest.get("value").and_then(Value::as_str).unwrap_or_default();
            if is_sha256 && value.eq_ignore_ascii_case(&evidence_digest(evidence)) {
                return Ok(());
            }
            unequal("the voucher is bound to another evidence")
        }
        _ if !is_required => Ok(()),
        (None, _) => unequal("the voucher is bound to no evidence"),
        (Some(_), None) => unequal("no evidence came with the voucher"),
    }
}

/// The hash of an evidence: what the assertion and the voucher carry as `digest.value`.
pub fn evidence_digest(evidence: &str) -> String {
    let hash = Sha256::digest(evidence.as_bytes());
    hash.iter().fold(String::with_capacity(64), |text, byte| text + &format!("{byte:02x}"))
}

fn interaction(claims: Claims<'_>) -> Option<Interaction> {
    let text = |name| claims.text(name).map(str::to_owned);
    Some(Interaction {
        scope: text("scope")?,
        interaction_id: text("interactionId"),
        callback_url: text("urlCallback"),
    })
}

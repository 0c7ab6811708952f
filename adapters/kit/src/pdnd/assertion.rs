//! The client assertion: what a client signs to be given a voucher.
//!
//! PDND's validation is strict: claims are exactly these, in this file and nowhere else, and the header
//! names algorithm, key and type. No `nbf`, no `client_id`, no certificate, nothing null. `iat` is now,
//! without subtracting anything.

use canonical::values::UtcInstant;
use serde::Serialize;

use crate::jose::{KeyError, KeyedHeader, SigningKey, seconds, sign};

/// How long an assertion is good. It is sent at once.
pub const LIFE_SECONDS: i64 = 60;

/// What an assertion asks for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// The client: issuer and subject.
    pub client_id: &'a str,
    /// The audience of the environment.
    pub audience: &'a str,
    /// The purpose; none for a client of the platform's own services.
    pub purpose_id: Option<&'a str>,
    /// The hash of the evidence that the voucher is to be bound to: 64 digits.
    pub evidence_digest: Option<&'a str>,
    /// The step of an asynchronous exchange.
    pub step: Option<Step<'a>>,
}

/// A step of an asynchronous exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step<'a> {
    /// The consumer begins, and says where it wants to be called back.
    StartInteraction {
        /// Where.
        callback_url: &'a str,
    },
    /// The producer calls back, with a key of its keychain.
    CallbackInvocation {
        /// The exchange.
        interaction_id: &'a str,
        /// How many entities are ready: one at least.
        entity_number: u32,
    },
    /// The consumer fetches what is ready.
    GetResource {
        /// The exchange.
        interaction_id: &'a str,
    },
    /// The consumer confirms, when the e-service asks for it.
    Confirmation {
        /// The exchange.
        interaction_id: &'a str,
    },
}

impl Step<'_> {
    /// Its name in `scope`.
    pub fn scope(self) -> &'static str {
        match self {
            Self::StartInteraction { .. } => "start_interaction",
            Self::CallbackInvocation { .. } => "callback_invocation",
            Self::GetResource { .. } => "get_resource",
            Self::Confirmation { .. } => "confirmation",
        }
    }

    /// Whether it may follow a step of this scope; none before a beginning.
    pub fn may_follow(self, before: Option<&str>) -> bool {
        let after: &[Option<&str>] = match self {
            Self::StartInteraction { .. } => &[None],
            Self::CallbackInvocation { .. } => &[Some("start_interaction"), Some("callback_invocation")],
            Self::GetResource { .. } => &[Some("callback_invocation"), Some("get_resource")],
            Self::Confirmation { .. } => &[Some("callback_invocation"), Some("get_resource"), Some("confirmation")],
        };
        after.contains(&before)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    jti: &'a str,
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    purpose_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Digest<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url_callback: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interaction_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entity_number: Option<u32>,
}

#[derive(Serialize)]
struct Digest<'a> {
    alg: &'static str,
    value: &'a str,
}

/// Signs an assertion. Its `kid` is the thumbprint of the key; `name` is a new UUID every time.
pub fn mint(key: &SigningKey, asked: &Asked<'_>, name: &str, now: UtcInstant) -> Result<String, KeyError> {
    let (url_callback, interaction_id, entity_number) = match asked.step {
        None => (None, None, None),
        Some(Step::StartInteraction { callback_url }) => (Some(callback_url), None, None),
        Some(Step::CallbackInvocation { interaction_id, entity_number }) => {
            (None, Some(interaction_id), Some(entity_number))
        }
        Some(Step::GetResource { interaction_id } | Step::Confirmation { interaction_id }) => {
            (None, Some(interaction_id), None)
        }
    };
    let payload = Payload {
        iss: asked.client_id,
        sub: asked.client_id,
        aud: asked.audience,
        jti: name,
        iat: seconds(now),
        exp: seconds(now).saturating_add(LIFE_SECONDS),
        purpose_id: asked.purpose_id,
        digest: asked.evidence_digest.map(|value| Digest { alg: "SHA256", value }),
        scope: asked.step.map(Step::scope),
        url_callback,
        interaction_id,
        entity_number,
    };
    sign(key, &KeyedHeader::new(key, key.thumbprint()), &payload)
}

//! Signed notifications by the rules of Standard Webhooks (standardwebhooks.com, version 1.0.0):
//! whoever is told something can verify that we said it, and that it is not an old message.
//!
//! The signature is an HMAC-SHA256 over `id.timestamp.body`. While a secret is replaced there are two,
//! and a message bears a signature by each of them.

use std::fmt;
use std::path::Path;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::{Secret, SecretError};

/// The headers of a message: its name, when it was sent, and the signatures.
pub const ID: &str = "webhook-id";
/// Seconds since 1970.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// One or more, separated by spaces.
pub const SIGNATURE: &str = "webhook-signature";

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// Bytes of a secret, at least and at most, by the specification.
const LENGTH: std::ops::RangeInclusive<usize> = 24..=64;
/// Secrets at the same time: the new one and the one that it replaces, and one more.
const MOST: usize = 3;

/// The secrets that a partner shares with us, the newest first. They print as nothing.
#[derive(Clone)]
pub struct SigningSecrets(Vec<hmac::Key>);

/// Why there is nothing to sign with. No message shows a secret.
#[derive(Debug, thiserror::Error)]
pub enum SigningSecretError {
    /// The file could not be read, or is open to others.
    #[error(transparent)]
    File(#[from] SecretError),
    /// Something in it is none.
    #[error("a secret is `{PREFIX}` and the base64 of 24 to 64 random bytes; one of them is not")]
    NotASecret,
    /// More than are ever needed.
    #[error("at most {MOST} secrets are used at a time: take the old ones away")]
    TooMany,
}

impl fmt::Debug for SigningSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecrets")
    }
}

impl SigningSecrets {
    /// Reads them from a file that only its owner may read: one, or on lines of their own the new one
    /// and those that it replaces.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, SigningSecretError> {
        Self::parse(&Secret::from_file(path)?)
    }

    /// Understands secrets that are at hand, separated by blanks.
    pub fn parse(secrets: &Secret) -> Result<Self, SigningSecretError> {
        let key = |text: &str| {
            let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
            LENGTH.contains(&bytes.len()).then(|| hmac::Key::new(hmac::HMAC_SHA256, &bytes))
        };
        let keys = secrets.expose().split_whitespace().map(key).collect::<Option<Vec<_>>>();
        match keys {
            Some(keys) if keys.len() > MOST => Err(SigningSecretError::TooMany),
            Some(keys) if !keys.is_empty() => Ok(Self(keys)),
            _ => Err(SigningSecretError::NotASecret),
        }
    }

    /// The signatures of a message, one for each secret.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut message = format!("{id}.{timestamp}.").into_bytes();
        message.extend_from_slice(body);
        let signatures = self.0.iter().map(|key| format!("v1,{}", STANDARD.encode(hmac::sign(key, &message))));
        signatures.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the specification and its libraries publish.
    const PUBLISHED: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    fn signed(secrets: &str, id: &str, timestamp: i64, body: &[u8]) -> String {
        SigningSecrets::parse(&Secret::new(secrets)).expect("secrets").sign(id, timestamp, body)
    }

    #[test]
    fn a_message_is_signed_as_the_published_examples_are() {
        let one = signed(PUBLISHED, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(one, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let body = br#"{"email":"test@example.com","username":"test_user"}"#;
        let other = signed(OTHER, "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, body);
        assert_eq!(other, "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
    }

    #[test]
    fn while_a_secret_is_replaced_a_message_bears_both_signatures() {
        let each = |secret: &str| signed(secret, "msg_1", 1, b"{}");
        assert_eq!(
            signed(&format!("{OTHER}\n{PUBLISHED}\n"), "msg_1", 1, b"{}"),
            format!("{} {}", each(OTHER), each(PUBLISHED))
        );
    }

    #[test]
    fn what_is_no_secret_is_refused_and_not_repeated() {
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        for text in ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_dHJvcHBvIGNvcnRv", "whsec_???", &long] {
            let refused = SigningSecrets::parse(&Secret::new(text)).expect_err("no secret");
            assert!(matches!(refused, SigningSecretError::NotASecret), "{text}");
        }
        let four = [PUBLISHED, OTHER, PUBLISHED, OTHER].join(" ");
        assert!(matches!(SigningSecrets::parse(&Secret::new(four)), Err(SigningSecretError::TooMany)));
        assert_eq!(format!("{:?}", SigningSecrets::parse(&Secret::new(OTHER))), "Ok(SigningSecrets)");
    }
}

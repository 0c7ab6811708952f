//! Signed tokens: compact JWS over the keys of one cryptographic provider, and nothing of policy.
//!
//! [`Compact`] reads a token and checks its signature with a key that somebody else chose: an
//! algorithm comes from our list, a key never from the token alone. What the claims must say is the
//! matter of `pdnd` and `modi`. Times come in as `now`; nothing here reads a clock.

mod algorithm;
mod claims;
mod compact;
mod key;
mod public_key;
mod refusal;
mod seen;

pub use algorithm::Algorithm;
pub use claims::Claims;
pub use compact::{Compact, KeyedHeader, sign};
pub use key::{KeyError, SigningKey};
pub use public_key::{KeySet, Keys, PublicKey};
pub use refusal::Refusal;
pub use seen::{MemorySeen, Seen, SeenError, Unclaimed};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use canonical::values::UtcInstant;

/// Bytes as tokens write them: base64url without padding.
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of a text in base64url without padding.
pub fn from_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// An instant in the whole seconds that tokens count in.
pub fn seconds(instant: UtcInstant) -> i64 {
    instant.unix_micros().div_euclid(1_000_000)
}

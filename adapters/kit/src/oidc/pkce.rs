//! PKCE (RFC 7636), method S256: who exchanges a code shows the text whose hash went ahead.
//!
//! The method `plain` is absent on purpose.

use aws_lc_rs::digest;

use crate::Secret;
use crate::jose::base64url;

/// The lengths that the standard admits.
const LENGTHS: std::ops::RangeInclusive<usize> = 43..=128;

/// A verifier from 32 random bytes: 43 characters, kept until the code comes.
pub fn verifier(random: &[u8; 32]) -> Secret {
    Secret::new(base64url(random))
}

/// The challenge of a verifier; none for a text that the standard does not admit as one.
pub fn challenge(verifier: &Secret) -> Option<String> {
    let text = verifier.expose();
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    if !LENGTHS.contains(&text.len()) || !text.bytes().all(is_unreserved) {
        return None;
    }
    Some(base64url(digest::digest(&digest::SHA256, text.as_bytes()).as_ref()))
}

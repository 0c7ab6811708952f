//! The header `Digest` (RFC 3230): the hash of the bytes as sent, after any encoding.
//!
//! `ModI` keeps this header; the newer `Content-Digest` is another one, with another syntax.

use aws_lc_rs::digest::{self, Algorithm};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::jose::Refusal;

/// The `Digest` of a body: `SHA-256=` and base64 with padding.
pub fn of(body: &[u8]) -> String {
    format!("SHA-256={}", STANDARD.encode(digest::digest(&digest::SHA256, body)))
}

/// Refuses a body that is not the one of the header. Of several digests each that we know must be
/// right, and one must be known; MD5 and SHA-1 are not.
pub fn check(header: &str, body: &[u8]) -> Result<(), Refusal> {
    let mut is_known = false;
    for part in header.split(',') {
        let (name, value) = part.trim().split_once('=').unwrap_or_default();
        let Some(algorithm) = known(name) else { continue };
        is_known = true;
        let given = STANDARD.decode(value.trim()).unwrap_or_default();
        if given != digest::digest(algorithm, body).as_ref() {
            return Err(Refusal::bad_request("digest_mismatch", "Digest is not of the bytes received"));
        }
    }
    if is_known { Ok(()) } else { Err(unsupported()) }
}

/// Refuses a header without any digest that we know.
pub fn check_is_known(header: &str) -> Result<(), Refusal> {
    let mut names = header.split(',').filter_map(|part| part.trim().split_once('=')).map(|(name, _)| name);
    if names.any(|name| known(name).is_some()) { Ok(()) } else { Err(unsupported()) }
}

fn unsupported() -> Refusal {
    Refusal::bad_request("unsupported_digest", "Digest is by no algorithm that we know")
}

fn known(name: &str) -> Option<&'static Algorithm> {
    match name.trim().to_ascii_uppercase().as_str() {
        "SHA-256" => Some(&digest::SHA256),
        "SHA-384" => Some(&digest::SHA384),
        "SHA-512" => Some(&digest::SHA512),
        _ => None,
    }
}

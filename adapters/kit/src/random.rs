//! Random bytes that nobody can foresee.

use contract::{AdapterError, ErrorKind};

/// So many bytes from the generator of the cryptographic library.
///
/// ```
/// let [one, other] = [kit::random::bytes::<16>().unwrap(), kit::random::bytes::<16>().unwrap()];
/// assert_ne!(one, other);
/// ```
pub fn bytes<const N: usize>() -> Result<[u8; N], AdapterError> {
    let mut bytes = [0; N];
    // Fails where the machine has no source of randomness.
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| AdapterError::new(ErrorKind::Local, "draw random bytes").caused_by("no randomness".to_owned()))?;
    Ok(bytes)
}

//! Public keys: read from a JWK or a certificate, named by their thumbprint (RFC 7638).
//!
//! A JWK that carries a private member is refused whole: somebody has lost a key, and a verifier
//! that looks away would let it stay lost.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Algorithm, KeyError, base64url, from_base64url};

/// The members that only a private key has.
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A public key.
#[derive(Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// Modulus and exponent, big-endian, without zeros in front.
    Rsa {
        /// The modulus.
        modulus: Vec<u8>,
        /// The exponent.
        exponent: Vec<u8>,
    },
    /// A point, uncompressed: `04`, then the coordinates.
    Ec {
        /// The curve.
        curve: Curve,
        /// The point.
        point: Vec<u8>,
    },
}

/// The curves of ES256, ES384 and ES512.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// Of ES256.
    P256,
    /// Of ES384.
    P384,
    /// Of ES512.
    P521,
}

impl Curve {
    const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    fn coordinate_bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublicKey").field(&self.thumbprint()).finish()
    }
}

impl PublicKey {
    /// The key of a JWK.
    pub fn from_jwk(jwk: &Value) -> Result<Self, KeyError> {
        let member = |name: &'static str| {
            let text = jwk.get(name).and_then(Value::as_str).ok_or(KeyError::Member(name))?;
            from_base64url(text).filter(|bytes| !bytes.is_empty()).ok_or(KeyError::Member(name))
        };
        if PRIVATE_MEMBERS.iter().any(|name| jwk.get(*name).is_some()) {
            return Err(KeyError::PrivateMember);
        }
        match jwk.get("kty").and_then(Value::as_str) {
            Some("RSA") => Ok(Self::rsa(&member("n")?, &member("e")?)),
            Some("EC") => {
                let name = jwk.get("crv").and_then(Value::as_str).unwrap_or_default();
                let curve = Curve::ALL.into_iter().find(|curve| curve.name() == name).ok_or(KeyError::Kind)?;
                let (x, y) = (member("x")?, member("y")?);
                if x.len() != curve.coordinate_bytes() || y.len() != x.len() {
                    return Err(KeyError::Member("x"));
                }
                Ok(Self::Ec { curve, point: [&[4], x.as_slice(), &y].concat() })
            }
            _ => Err(KeyError::Kind),
        }
    }

    /// An RSA key of these numbers.
    pub fn rsa(modulus: &[u8], exponent: &[u8]) -> Self {
        let trimmed = |bytes: &[u8]| {
            let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
            bytes[start..].to_vec()
        };
        Self::Rsa { modulus: trimmed(modulus), exponent: trimmed(exponent) }
    }

    /// A key of a curve, from its uncompressed point.
    pub fn ec(point: &[u8]) -> Result<Self, KeyError> {
        let of_length = |curve: &Curve| point.len() == 1 + 2 * curve.coordinate_bytes();
        let curve = Curve::ALL.into_iter().find(of_length).ok_or(KeyError::Kind)?;
        if point.first() != Some(&4) {
            return Err(KeyError::Kind);
        }
        Ok(Self::Ec { curve, point: point.to_vec() })
    }

    /// The members of its JWK that name the key, in the order of the thumbprint.
    fn required_members(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Rsa { modulus, exponent } => {
                vec![("e", base64url(exponent)), ("kty", "RSA".to_owned()), ("n", base64url(modulus))]
            }
            Self::Ec { curve, point } => {
                let (x, y) = point[1..].split_at(curve.coordinate_bytes());
                vec![
                    ("crv", curve.name().to_owned()),
                    ("kty", "EC".to_owned()),
                    ("x", base64url(x)),
                    ("y", base64url(y)),
                ]
            }
        }
    }

    /// Its public JWK, without use, algorithm or name.
    pub fn jwk(&self) -> Value {
        Value::Object(
            self.required_members().into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect(),
        )
    }

    /// Its thumbprint by SHA-256: the `kid` that PDND expects, and what `cnf.jkt` holds.
    pub fn thumbprint(&self) -> String {
        let members = self.required_members().into_iter().map(|(name, value)| format!("\"{name}\":\"{value}\""));
        let canonical = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
        base64url(&Sha256::digest(canonical.as_bytes()))
    }

    /// Whether the signature is of this key, by this algorithm. An algorithm of another kind of key
    /// is a signature that does not hold; so is an RSA key below 2048 bits.
    #[must_use]
    pub fn is_signed(&self, algorithm: Algorithm, message: &[u8], given: &[u8]) -> bool {
        match (self, algorithm) {
            (Self::Rsa { modulus, exponent }, Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512) => {
                let parameters = match algorithm {
                    Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
                    Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
                    _ => &signature::RSA_PKCS1_2048_8192_SHA256,
                };
                RsaPublicKeyComponents { n: modulus, e: exponent }.verify(parameters, message, given).is_ok()
            }
            (Self::Ec { curve, point }, _) => {
                let of_curve = match (curve, algorithm) {
                    (Curve::P256, Algorithm::Es256) => &signature::ECDSA_P256_SHA256_FIXED,
                    (Curve::P384, Algorithm::Es384) => &signature::ECDSA_P384_SHA384_FIXED,
                    (Curve::P521, Algorithm::Es512) => &signature::ECDSA_P521_SHA512_FIXED,
                    _ => return false,
                };
                UnparsedPublicKey::new(of_curve, point).verify(message, given).is_ok()
            }
            _ => false,
        }
    }
}

/// Keys by the name that a token gives. In memory: whoever keeps them fetches what is missing and
/// asks again.
pub trait Keys {
    /// The key of this name.
    fn key(&self, kid: &str) -> Option<Arc<PublicKey>>;
}

/// A set of keys, as an issuer publishes it.
#[derive(Debug, Clone, Default)]
pub struct KeySet(HashMap<String, Arc<PublicKey>>);

impl KeySet {
    /// The keys of a published set. Keys for encryption, of unknown kinds or without a name are
    /// not of our concern; a text that is no set is an error.
    pub fn from_jwks(text: &[u8]) -> Result<Self, KeyError> {
        let set: Value = serde_json::from_slice(text).map_err(|_| KeyError::NotASet)?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or(KeyError::NotASet)?;
        let signing = keys.iter().filter(|jwk| jwk.get("use").is_none_or(|used| used == "sig"));
        let named = signing.filter_map(|jwk| {
            let kid = jwk.get("kid")?.as_str()?.to_owned();
            Some((kid, Arc::new(PublicKey::from_jwk(jwk).ok()?)))
        });
        Ok(Self(named.collect()))
    }

    /// The same set with one more key.
    #[must_use]
    pub fn with(mut self, kid: impl Into<String>, key: PublicKey) -> Self {
        self.0.insert(kid.into(), Arc::new(key));
        self
    }

    /// Drops a key.
    pub fn remove(&mut self, kid: &str) {
        self.0.remove(kid);
    }

    /// Whether it has no key at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Keys for KeySet {
    fn key(&self, kid: &str) -> Option<Arc<PublicKey>> {
        self.0.get(kid).cloned()
    }
}

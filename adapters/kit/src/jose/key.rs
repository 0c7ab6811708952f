//! Private keys: read from PEM, used to sign, shown as the thumbprint of their public half.
//!
//! RSA from 2048 bits (PKCS#8 and PKCS#1) and the curves P-256, P-384, P-521 (PKCS#8 and SEC 1).

use std::fmt;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair as _};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::RSAPublicKey;

use super::{Algorithm, PublicKey};
use crate::Secret;

/// Why a key cannot be used. Never shows the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No PEM, or PEM of something else.
    #[error("the private key is not in PEM form (PKCS#8, PKCS#1 or SEC 1, not encrypted)")]
    NotPem,
    /// Below 2048 bits.
    #[error("the RSA key is shorter than 2048 bits")]
    TooShort,
    /// The provider refuses it.
    #[error("the private key cannot be used: {0}")]
    Rejected(&'static str),
    /// Neither RSA nor one of our curves.
    #[error("the key is neither RSA nor on P-256, P-384, P-521")]
    Kind,
    /// A member of a JWK is absent or malformed.
    #[error("the member {0} of the key is absent or malformed")]
    Member(&'static str),
    /// A private key where a public one belongs.
    #[error("the key carries private members")]
    PrivateMember,
    /// No set of keys.
    #[error("the text is not a set of keys")]
    NotASet,
    /// The provider could not sign.
    #[error("the provider could not sign")]
    NotSigned,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
}

/// A private key that signs.
pub struct SigningKey {
    pair: Pair,
    public: PublicKey,
    thumbprint: String,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.thumbprint).finish()
    }
}

impl SigningKey {
    /// Reads a key from the PEM text of a secret.
    pub fn from_pem(pem: &Secret) -> Result<Self, KeyError> {
        let der = PrivateKeyDer::from_pem_slice(pem.expose().as_bytes()).map_err(|_| KeyError::NotPem)?;
        match &der {
            PrivateKeyDer::Pkcs1(rsa) => Self::rsa(RsaKeyPair::from_der(rsa.secret_pkcs1_der())),
            PrivateKeyDer::Sec1(ec) => {
                Self::ec(|curve| EcdsaKeyPair::from_private_key_der(curve, ec.secret_sec1_der()))
            }
            PrivateKeyDer::Pkcs8(either) => match RsaKeyPair::from_pkcs8(either.secret_pkcs8_der()) {
                Err(error) if !is_about_size(&error) => {
                    Self::ec(|curve| EcdsaKeyPair::from_pkcs8(curve, either.secret_pkcs8_der()))
                }
                rsa => Self::rsa(rsa),
            },
            _ => Err(KeyError::Kind),
        }
    }

    fn rsa(pair: Result<RsaKeyPair, KeyRejected>) -> Result<Self, KeyError> {
        let pair = pair.map_err(|error| if is_about_size(&error) { KeyError::TooShort } else { rejected(&error) })?;
        let (_, numbers) = RSAPublicKey::from_der(pair.public_key().as_ref()).map_err(|_| KeyError::Kind)?;
        let public = PublicKey::rsa(numbers.modulus, numbers.exponent);
        Ok(Self { thumbprint: public.thumbprint(), pair: Pair::Rsa(pair), public })
    }

    fn ec(
        read: impl Fn(&'static EcdsaSigningAlgorithm) -> Result<EcdsaKeyPair, KeyRejected>,
    ) -> Result<Self, KeyError> {
        let curves = [
            &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
            &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
        ];
        let pair = curves.into_iter().find_map(|curve| read(curve).ok()).ok_or(KeyError::Kind)?;
        let public = PublicKey::ec(pair.public_key().as_ref())?;
        Ok(Self { thumbprint: public.thumbprint(), pair: Pair::Ec(pair), public })
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The thumbprint of the public half: the `kid` of PDND.
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// The public half as the PEM that the back-office of PDND takes.
    pub fn public_pem(&self) -> Option<String> {
        use base64::Engine as _;
        let der = match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_der().ok()?.as_ref().to_vec(),
            Pair::Ec(pair) => pair.public_key().as_der().ok()?.as_ref().to_vec(),
        };
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        Some(format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n")))
    }

    /// The algorithm it signs with: RS256, or the one of its curve.
    pub fn algorithm(&self) -> Algorithm {
        match &self.public {
            PublicKey::Rsa { .. } => Algorithm::Rs256,
            PublicKey::Ec { point, .. } if point.len() == 65 => Algorithm::Es256,
            PublicKey::Ec { point, .. } if point.len() == 97 => Algorithm::Es384,
            PublicKey::Ec { .. } => Algorithm::Es512,
        }
    }

    /// The signature of a message.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut made = vec![0; pair.public_modulus_len()];
                let signed = pair.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut made);
                signed.map(|()| made).map_err(|_| KeyError::NotSigned)
            }
            Pair::Ec(pair) => {
                let made = pair.sign(&random, message).map_err(|_| KeyError::NotSigned)?;
                Ok(made.as_ref().to_vec())
            }
        }
    }
}

fn is_about_size(error: &KeyRejected) -> bool {
    matches!(error.description_(), "TooSmall")
}

fn rejected(error: &KeyRejected) -> KeyError {
    KeyError::Rejected(error.description_())
}

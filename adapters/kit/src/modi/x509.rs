//! Certificates: the chain to the trust store of one connection, and the key at its end.
//!
//! A key is trusted for the chain that leads to it, never because a token carries it. Addresses of
//! certificates (`x5u`) are not fetched: whoever needs them puts the certificate into the store.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use canonical::values::UtcInstant;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use sha2::{Digest as _, Sha256};
use webpki::aws_lc_rs as algorithms;
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::public_key::PublicKey as Parsed;

use crate::jose::{PublicKey, Refusal, base64url, seconds};

/// A chain longer than this is none.
const LONGEST_CHAIN: usize = 6;

static SIGNATURES: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithms::RSA_PKCS1_2048_8192_SHA256,
    algorithms::RSA_PKCS1_2048_8192_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA512,
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ECDSA_P384_SHA384,
];

/// The authorities of a connection, and the certificates known beforehand.
#[derive(Debug, Default)]
pub struct TrustStore {
    anchors: Vec<TrustAnchor<'static>>,
    known: HashMap<String, CertificateDer<'static>>,
    /// Whether it believes the certificates known beforehand and no others.
    is_pinned: bool,
}

/// A trust store cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrustStoreError {
    /// No certificate in it.
    #[error("the file holds no certificate in PEM form")]
    Empty,
    /// One of them cannot be read.
    #[error("certificate number {0} of the file cannot be read")]
    Certificate(usize),
    /// Whoever has a certificate of these authorities would be the one.
    #[error("the file holds authorities alone, and whoever has a certificate of theirs would pass: add his own to it")]
    AuthoritiesAlone,
    /// Nothing leads from the certificates to somebody who vouches for them.
    #[error("the file holds no authority that vouches for its certificates: add theirs to it")]
    NoAuthority,
}

impl TrustStore {
    /// Reads a bundle: authorities begin chains, other certificates are found by their hash.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TrustStoreError> {
        let mut store = Self::default();
        for (index, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let unreadable = TrustStoreError::Certificate(index + 1);
            let certificate = certificate.map_err(|_| unreadable)?;
            let (_, parsed) = X509Certificate::from_der(&certificate).map_err(|_| unreadable)?;
            if parsed.is_ca() {
                let anchor = webpki::anchor_from_trusted_cert(&certificate).map_err(|_| unreadable)?;
                store.anchors.push(anchor.to_owned());
            } else {
                store.known.insert(base64url(&Sha256::digest(&certificate)), certificate);
            }
        }
        if store.anchors.is_empty() && store.known.is_empty() { Err(TrustStoreError::Empty) } else { Ok(store) }
    }

    /// The same store, which believes its own certificates alone, each for the authority in it that vouches
    /// for it: another certificate of the same authority is somebody else's.
    pub fn pinned(self) -> Result<Self, TrustStoreError> {
        if self.known.is_empty() {
            return Err(TrustStoreError::AuthoritiesAlone);
        }
        if self.anchors.is_empty() {
            return Err(TrustStoreError::NoAuthority);
        }
        Ok(Self { is_pinned: true, ..self })
    }

    /// The key of the first certificate of `x5c`, when its chain leads to an authority of ours and it
    /// may sign. `hash` is what `x5t#S256` says beside it.
    pub fn key_of_chain(&self, x5c: &[&str], hash: Option<&str>, now: UtcInstant) -> Result<PublicKey, Refusal> {
        if x5c.is_empty() || x5c.len() > LONGEST_CHAIN {
            return Err(untrusted("the chain is empty or too long"));
        }
        let decoded = x5c.iter().map(|text| STANDARD.decode(text.as_bytes()).map(CertificateDer::from));
        let chain: Vec<_> = decoded.collect::<Result<_, _>>().map_err(|_| untrusted("x5c is not base64"))?;
        let own = base64url(&Sha256::digest(&chain[0]));
        if hash.is_some_and(|hash| hash != own) {
            return Err(untrusted("x5t#S256 is of another certificate than x5c"));
        }
        if self.is_pinned && !self.known.contains_key(&own) {
            return Err(untrusted("the certificate is none of those known beforehand"));
        }
        self.key_of(&chain[0], &chain[1..], now)
    }

    /// The key of a certificate known beforehand, by the hash that the token gives.
    pub fn key_of_hash(&self, hash: &str, now: UtcInstant) -> Result<PublicKey, Refusal> {
        let certificate = self.known.get(hash).ok_or_else(|| untrusted("no certificate of ours has that hash"))?;
        self.key_of(certificate, &[], now)
    }

    /// The key of a certificate, when it may be trusted now.
    pub fn key_of(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UtcInstant,
    ) -> Result<PublicKey, Refusal> {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds(now)).unwrap_or_default()));
        let end = EndEntityCert::try_from(certificate).map_err(|error| refusal(&error))?;
        end.verify_for_usage(SIGNATURES, &self.anchors, between, time, AnyUsage, None, None)
            .map_err(|error| refusal(&error))?;
        let (_, parsed) =
            X509Certificate::from_der(certificate).map_err(|_| untrusted("the certificate cannot be read"))?;
        if let Ok(Some(usage)) = parsed.key_usage()
            && !usage.value.digital_signature()
        {
            return Err(untrusted("the certificate is not for signatures"));
        }
        public_key(certificate)
    }
}

/// The key of a certificate, whoever vouches for it.
pub(crate) fn public_key(certificate: &CertificateDer<'_>) -> Result<PublicKey, Refusal> {
    let (_, parsed) =
        X509Certificate::from_der(certificate).map_err(|_| untrusted("the certificate cannot be read"))?;
    match parsed.public_key().parsed() {
        Ok(Parsed::RSA(rsa)) => Ok(PublicKey::rsa(rsa.modulus, rsa.exponent)),
        Ok(Parsed::EC(point)) => {
            PublicKey::ec(point.data()).map_err(|_| untrusted("the certificate is on an unknown curve"))
        }
        _ => Err(untrusted("the key of the certificate is of an unknown kind")),
    }
}

/// Extended usages are about servers and mail: none of them is asked for here.
struct AnyUsage;

impl ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

fn untrusted(detail: &str) -> Refusal {
    Refusal::unauthorized("untrusted_certificate", detail)
}

fn refusal(error: &webpki::Error) -> Refusal {
    match error {
        webpki::Error::CertExpired { .. } => {
            Refusal::unauthorized("certificate_expired", "a certificate of the chain has expired")
        }
        webpki::Error::CertNotValidYet { .. } => {
            Refusal::unauthorized("certificate_not_yet_valid", "a certificate of the chain is not valid yet")
        }
        _ => untrusted("the chain does not lead to an authority of ours"),
    }
}

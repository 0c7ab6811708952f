//! The settings of one connection with the platform.
//!
//! Keys are named by their files, which only their owner may read. What is not written is that of
//! the environment; what is written may not belong to another.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};

use super::environment::{Endpoints, Environment};
use super::voucher::Scheme;
use crate::http::HttpSettings;
use crate::jose::{KeyError, SigningKey};
use crate::modi::sign::Signer;
use crate::modi::tokens::KeyName;
use crate::modi::x509;
use crate::{Secret, SecretError};

/// Some producers refuse what was signed earlier; it is sent at once.
const SIGNATURE_LIFE_SECONDS: i64 = 60;

/// One connection: a client of the platform, and how its calls are signed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// The environment: `uat`, `att`, `prod`.
    pub environment: Environment,
    /// The client: a UUID.
    pub client_id: String,
    /// The name of its key; when written it is compared with the thumbprint of the private key.
    #[serde(default)]
    pub kid: Option<String>,
    /// PEM file of the private key that signs assertions.
    pub private_key_file: PathBuf,
    /// The purpose: a UUID. A client of the platform's own services has none.
    #[serde(default)]
    pub purpose_id: Option<String>,
    /// Whether it is a client of the platform's own services ("client api interop"), or a keychain of
    /// a producer: neither has a purpose.
    #[serde(default)]
    pub is_api_client: bool,
    /// Where vouchers are asked for, in place of the environment's address.
    #[serde(default)]
    pub token_url: Option<String>,
    /// The audience of assertions, in place of the environment's.
    #[serde(default)]
    pub assertion_audience: Option<String>,
    /// Where the platform's own services answer, in place of the environment's address.
    #[serde(default)]
    pub api_url: Option<String>,
    /// The keys that sign their answers, in place of the environment's.
    #[serde(default)]
    pub api_keys_url: Option<String>,
    /// Where the daily tracing files go: no environment has an address that is published.
    #[serde(default)]
    pub tracing_url: Option<String>,
    /// Whether the audience may be of another host than the token endpoint: behind a test double.
    #[serde(default)]
    pub is_audience_foreign: bool,
    /// How vouchers are presented to the e-service.
    #[serde(default)]
    pub scheme: SchemeName,
    /// PEM file of the private key that makes proofs: another than the one of assertions.
    #[serde(default)]
    pub dpop_key_file: Option<PathBuf>,
    /// The evidence of who asks, beside each call.
    #[serde(default)]
    pub audit: AuditPattern,
    /// The signature of the body.
    #[serde(default)]
    pub integrity: IntegrityPattern,
    /// The audience of evidence and signatures: often the base address of the e-service.
    #[serde(default, deserialize_with = "one_or_many")]
    pub message_audience: Vec<String>,
    /// What is done with an empty body.
    #[serde(default)]
    pub empty_payload: EmptyPayload,
    /// PEM file with the authorities of this connection, instead of those of the machine.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Whether the names of the platform's addresses may lead to a machine of our own networks.
    #[serde(default)]
    pub allow_private: bool,
    /// Who asks, in the evidence of calls that nobody attends: as agreed with the producer.
    #[serde(default)]
    pub user: Option<Unattended>,
    /// PEM file of the private key that signs bodies; the one of assertions where it is absent.
    #[serde(default)]
    pub signing_key_file: Option<PathBuf>,
    /// PEM file with the certificates by which bodies are signed, the signer's first.
    #[serde(default)]
    pub certificate_file: Option<PathBuf>,
    /// PEM file with the certificates that this client shows to the e-service, and their private key:
    /// for mutual TLS (`ID_AUTH_CHANNEL_02`). Only its owner may read it.
    #[serde(default)]
    pub client_certificate_file: Option<PathBuf>,
}

/// Who asks where nobody does: a process.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Unattended {
    /// Its name; not that of a person.
    pub id: String,
    /// Where it runs.
    pub location: String,
    /// The level of assurance, where the producer asks for one.
    #[serde(default)]
    pub assurance: Option<String>,
}

/// `bearer` or `dpop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SchemeName {
    /// Whoever holds the voucher.
    #[default]
    Bearer,
    /// Whoever holds the key it is bound to.
    Dpop,
}

impl SchemeName {
    /// Whether calls carry proofs.
    pub fn is_dpop(self) -> bool {
        self == Self::Dpop
    }
}

impl From<SchemeName> for Scheme {
    fn from(name: SchemeName) -> Self {
        match name {
            SchemeName::Bearer => Self::Bearer,
            SchemeName::Dpop => Self::Dpop,
        }
    }
}

/// The evidence beside a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
pub enum AuditPattern {
    /// None.
    #[default]
    #[serde(rename = "none")]
    None,
    /// An evidence.
    #[serde(rename = "audit_rest_01")]
    Rest01,
    /// An evidence that the voucher is bound to.
    #[serde(rename = "audit_rest_02")]
    Rest02,
}

/// The signature of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
pub enum IntegrityPattern {
    /// None.
    #[default]
    #[serde(rename = "none")]
    None,
    /// By a certificate.
    #[serde(rename = "integrity_rest_01")]
    Rest01,
    /// By a key registered with the platform.
    #[serde(rename = "integrity_rest_02")]
    Rest02,
}

/// What is done with an empty body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EmptyPayload {
    /// No digest, no signature.
    #[default]
    SignNever,
    /// The digest of nothing, signed: some producers want it.
    SignAlways,
}

/// Why the keys of a connection cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The file of a key.
    #[error("{setting} not usable")]
    Secret {
        /// The setting that names the file.
        setting: &'static str,
        /// Why.
        #[source]
        source: SecretError,
    },
    /// The key itself.
    #[error("{setting} not usable")]
    Key {
        /// The setting that names the file.
        setting: &'static str,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// The file of certificates.
    #[error("{setting} not usable: {problem}")]
    Certificate {
        /// The setting that names the file.
        setting: &'static str,
        /// Why.
        problem: String,
    },
}

/// The private keys of a connection.
pub struct ConnectionKeys {
    /// Signs assertions.
    pub assertion: SigningKey,
    /// Makes proofs.
    pub dpop: Option<SigningKey>,
}

impl fmt::Debug for ConnectionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionKeys").field("assertion", &self.assertion).field("dpop", &self.dpop).finish()
    }
}

impl Connection {
    /// The addresses of its environment, with those it has of its own.
    pub fn endpoints(&self) -> Endpoints {
        let mut endpoints = Endpoints::of(self.environment);
        if let Some(url) = &self.token_url {
            url.clone_into(&mut endpoints.token_url);
            // Outside the platform only the two written addresses count.
            if Environment::of_host(super::environment::host_of(url)).is_none() {
                endpoints.assertion_audience = format!("{}/client-assertion", authority(url));
            }
        }
        if let Some(audience) = &self.assertion_audience {
            audience.clone_into(&mut endpoints.assertion_audience);
        }
        let own = [(&self.api_url, &mut endpoints.api_url), (&self.api_keys_url, &mut endpoints.api_keys_url)];
        for (written, address) in own {
            if let Some(written) = written {
                written.clone_into(address);
            }
        }
        endpoints
    }

    /// The settings for one of its addresses: with its own authorities, and allowed to lead where it says.
    pub fn http(&self, url: impl Into<String>) -> HttpSettings {
        let (ca_file, allow_private) = (self.ca_file.clone(), self.allow_private);
        HttpSettings { ca_file, allow_private, ..HttpSettings::new(url) }
    }

    /// Makes the paths of its files relative to the folder of the configuration.
    pub fn be_relative_to(&mut self, folder: &Path) {
        self.private_key_file = folder.join(&self.private_key_file);
        let files = [
            &mut self.dpop_key_file,
            &mut self.ca_file,
            &mut self.signing_key_file,
            &mut self.certificate_file,
            &mut self.client_certificate_file,
        ];
        for path in files.into_iter().flatten() {
            *path = folder.join(&*path);
        }
    }

    /// Reads its keys.
    pub fn keys(&self) -> Result<ConnectionKeys, ConnectionError> {
        Ok(ConnectionKeys {
            assertion: key("private_key_file", &self.private_key_file)?,
            dpop: self.dpop_key_file.as_ref().map(|path| key("dpop_key_file", path)).transpose()?,
        })
    }

    /// What signs its bodies, where they are signed. Reads the key, and the certificates.
    pub fn signer(&self) -> Result<Option<Signer>, ConnectionError> {
        if self.integrity == IntegrityPattern::None {
            return Ok(None);
        }
        let key = match &self.signing_key_file {
            Some(path) => key("signing_key_file", path)?,
            None => key("private_key_file", &self.private_key_file)?,
        };
        let key_name = match (self.integrity, &self.certificate_file) {
            (IntegrityPattern::Rest01, Some(path)) => KeyName::Chain(chain(path, &key)?),
            _ => KeyName::Registered,
        };
        Ok(Some(Signer {
            key,
            key_name,
            issuer: self.client_id.clone(),
            subject: Some(self.client_id.clone()),
            audiences: self.message_audience.clone(),
            life_seconds: SIGNATURE_LIFE_SECONDS,
            signs_empty: self.empty_payload == EmptyPayload::SignAlways,
        }))
    }

    /// What this client shows to the e-service, where it shows something.
    pub(crate) fn identity(&self) -> Result<Option<reqwest::Identity>, ConnectionError> {
        let setting = "client_certificate_file";
        let Some(path) = &self.client_certificate_file else { return Ok(None) };
        let pem = Secret::from_file(path).map_err(|source| ConnectionError::Secret { setting, source })?;
        let problem = || format!("{} does not hold a certificate and its private key, in PEM form", path.display());
        let identity = reqwest::Identity::from_pem(pem.expose().as_bytes());
        let identity = identity.map_err(|_| ConnectionError::Certificate { setting, problem: problem() })?;
        if is_of_another_key(&pem) {
            let problem = format!("{} begins with the certificate of another key than its own", path.display());
            return Err(ConnectionError::Certificate { setting, problem });
        }
        Ok(Some(identity))
    }

    /// Whether what this client shows to the e-service can be shown.
    pub fn check_identity(&self) -> Result<(), ConnectionError> {
        self.identity().map(drop)
    }
}

fn key(setting: &'static str, path: &Path) -> Result<SigningKey, ConnectionError> {
    let pem = Secret::from_file(path).map_err(|source| ConnectionError::Secret { setting, source })?;
    SigningKey::from_pem(&pem).map_err(|source| ConnectionError::Key { setting, source })
}

/// Whether the first certificate of a file is of another key than the private one in it. Of kinds of keys
/// that are not read here nothing is said.
fn is_of_another_key(pem: &Secret) -> bool {
    let first = CertificateDer::pem_slice_iter(pem.expose().as_bytes()).next().and_then(Result::ok);
    let of_certificate = first.and_then(|certificate| x509::public_key(&certificate).ok());
    let own = SigningKey::from_pem(pem).ok();
    of_certificate.zip(own).is_some_and(|(of_certificate, own)| of_certificate != *own.public())
}

/// The certificates of a file as a token names them, the first that of the key.
fn chain(path: &Path, key: &SigningKey) -> Result<Vec<String>, ConnectionError> {
    let unusable = |why: &str| ConnectionError::Certificate {
        setting: "certificate_file",
        problem: format!("{} {why}", path.display()),
    };
    let found = CertificateDer::pem_file_iter(path).map_err(|_| unusable("cannot be read"))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(|_| unusable("is not in PEM form"))?;
    let own = found.first().ok_or_else(|| unusable("holds no certificate in PEM form"))?;
    if x509::public_key(own).ok().as_ref() != Some(key.public()) {
        return Err(unusable("begins with the certificate of another key than the one that signs"));
    }
    Ok(found.iter().map(|certificate| STANDARD.encode(certificate)).collect())
}

/// The host of an address, with its port.
pub(super) fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::One(one) => vec![one],
        Written::Many(many) => many,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_a_connection_is_reached_by_its_own_rules() {
        let text = serde_json::json!({
            "environment": "uat", "client_id": "c1", "private_key_file": "chiave.pem", "ca_file": "prova.pem",
            "allow_private": true,
        });
        let mut connection: Connection = serde_json::from_value(text).expect("a connection");
        let endpoints = connection.endpoints();
        for url in [&endpoints.token_url, &endpoints.api_url, &endpoints.api_keys_url] {
            let settings = connection.http(url);
            assert!(settings.allow_private, "{url}");
            assert_eq!((&settings.base_url, settings.ca_file.as_deref()), (url, Some(Path::new("prova.pem"))));
        }
        connection.allow_private = false;
        assert!(!connection.http(&endpoints.api_url).allow_private);
    }
}

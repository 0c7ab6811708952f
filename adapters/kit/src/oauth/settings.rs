//! How we are registered with an authorization server: `[systems.NAME.oauth]`.
//!
//! Secrets and keys are named by their files, which only their owner may read.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::http::HttpSettings;
use crate::jose::{KeyError, SigningKey};
use crate::{Secret, SecretError};

/// What a token endpoint answers is a few kilobytes.
const LONGEST_ANSWER: usize = 64 * 1024;

/// One registration: a client of an authorization server, how it proves itself, what it asks for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// Where tokens are asked for. Only `https`, save on loopback.
    pub token_url: String,
    /// The client.
    pub client_id: String,
    /// File of the secret that the client proves itself by (`client_secret_basic`).
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
    /// PEM file of the private key that signs assertions, in place of a secret (`private_key_jwt`).
    #[serde(default)]
    pub private_key_file: Option<PathBuf>,
    /// The name under which the server knows that key; its thumbprint where it is absent.
    #[serde(default)]
    pub kid: Option<String>,
    /// The audience of assertions, where it is not `token_url`: some servers want their issuer.
    #[serde(default)]
    pub assertion_audience: Option<String>,
    /// What may be done with the token: words with a blank between them.
    #[serde(default)]
    pub scope: Option<String>,
    /// For whom the token is, as servers with an `audience` of their own ask for it.
    #[serde(default)]
    pub audience: Option<String>,
    /// For which system the token is, as an address (RFC 8707).
    #[serde(default)]
    pub resource: Option<String>,
    /// PEM file with the authorities of the authorization server, instead of those of the machine.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Whether its name may lead to a machine of our own networks.
    #[serde(default)]
    pub allow_private: bool,
}

/// Why a registration gives no access. Each names the setting to change.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// A setting that is absent, malformed, or would do nothing.
    #[error("{setting} {why}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The address of the token endpoint, or the authorities that vouch for it.
    #[error("{0}")]
    Endpoint(String),
    /// A file that only its owner may read.
    #[error("{setting} not usable")]
    Secret {
        /// The setting that names the file.
        setting: &'static str,
        /// Why.
        #[source]
        source: SecretError,
    },
    /// The private key.
    #[error("private_key_file not usable")]
    Key(#[source] KeyError),
}

/// What the client proves itself by.
pub enum Proof {
    /// A secret that both sides know.
    Secret(Secret),
    /// A key of its own.
    Key {
        /// The key.
        key: SigningKey,
        /// Its name.
        kid: String,
        /// For whom assertions are.
        audience: String,
    },
}

/// Never the secret.
impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(_) => f.write_str("Secret"),
            Self::Key { kid, .. } => f.debug_tuple("Key").field(kid).finish(),
        }
    }
}

impl Registration {
    /// Makes the paths of its files relative to the folder of the configuration.
    pub fn be_relative_to(&mut self, folder: &Path) {
        let files = [&mut self.client_secret_file, &mut self.private_key_file, &mut self.ca_file];
        for path in files.into_iter().flatten() {
            *path = folder.join(&*path);
        }
    }

    /// What the client proves itself by. Reads its file.
    pub fn proof(&self) -> Result<Proof, RegistrationError> {
        self.check()?;
        if let Some(path) = &self.client_secret_file {
            return secret("client_secret_file", path).map(Proof::Secret);
        }
        let path = self.private_key_file.as_deref().unwrap_or(Path::new(""));
        let pem = secret("private_key_file", path)?;
        let key = SigningKey::from_pem(&pem).map_err(RegistrationError::Key)?;
        Ok(Proof::Key {
            kid: self.kid.clone().unwrap_or_else(|| key.thumbprint().to_owned()),
            audience: self.assertion_audience.clone().unwrap_or_else(|| self.token_url.clone()),
            key,
        })
    }

    /// The settings for the token endpoint: with its own authorities, and answers that are short.
    pub(crate) fn http(&self) -> HttpSettings {
        HttpSettings {
            ca_file: self.ca_file.clone(),
            allow_private: self.allow_private,
            max_answer_bytes: LONGEST_ANSWER,
            ..HttpSettings::new(&self.token_url)
        }
    }

    /// What is missing, what is malformed, and what would silently do nothing.
    fn check(&self) -> Result<(), RegistrationError> {
        let (by_secret, by_key) = (self.client_secret_file.is_some(), self.private_key_file.is_some());
        let problems = [
            (self.client_id.trim().is_empty(), "client_id", "is empty"),
            (
                !by_secret && !by_key,
                "client_secret_file",
                "is missing, and private_key_file with it: write the one that the server registered the client with",
            ),
            (
                by_secret && by_key,
                "private_key_file",
                "stands beside client_secret_file: the client proves itself in one way; take one of them away",
            ),
            (!by_key && self.kid.is_some(), "kid", "names no key: it goes with private_key_file"),
            (
                !by_key && self.assertion_audience.is_some(),
                "assertion_audience",
                "is of no assertion: it goes with private_key_file",
            ),
            (
                self.scope.as_deref().is_some_and(|scope| !is_scope(scope)),
                "scope",
                "is not made of words with one blank between them",
            ),
            (self.audience.as_deref().is_some_and(str::is_empty), "audience", "is empty: leave it out"),
            (
                self.resource.as_deref().is_some_and(|resource| !is_resource(resource)),
                "resource",
                "is no absolute address without fragment, as in https://osservatorio.example/api",
            ),
        ];
        let found = problems.into_iter().find(|(is_wrong, ..)| *is_wrong);
        found.map_or(Ok(()), |(_, setting, why)| Err(RegistrationError::Setting { setting, why }))
    }
}

fn secret(setting: &'static str, path: &Path) -> Result<Secret, RegistrationError> {
    Secret::from_file(path).map_err(|source| RegistrationError::Secret { setting, source })
}

/// Whether a text is a scope (RFC 6749 3.3).
fn is_scope(text: &str) -> bool {
    let is_of_a_word = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    text.split(' ').all(|word| !word.is_empty() && word.bytes().all(is_of_a_word))
}

/// Whether a text is a resource (RFC 8707 2).
fn is_resource(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| url.fragment().is_none())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn registration(more: Value) -> Result<Registration, serde_json::Error> {
        let mut written = json!({ "token_url": "https://accessi.example/token", "client_id": "raccordo" });
        let Value::Object(more) = more else { panic!("an object") };
        written.as_object_mut().expect("an object").extend(more);
        serde_json::from_value(written)
    }

    #[rstest]
    #[case(json!({}), "client_secret_file is missing")]
    #[case(json!({ "client_secret_file": "a", "private_key_file": "b" }), "one way")]
    #[case(json!({ "client_secret_file": "a", "kid": "k" }), "kid names no key")]
    #[case(json!({ "client_secret_file": "a", "assertion_audience": "k" }), "assertion_audience")]
    #[case(json!({ "client_secret_file": "a", "scope": "" }), "scope")]
    #[case(json!({ "client_secret_file": "a", "scope": "leggi  scrivi" }), "scope")]
    #[case(json!({ "client_secret_file": "a", "scope": "leggi\nscrivi" }), "scope")]
    #[case(json!({ "client_secret_file": "a", "audience": "" }), "audience is empty")]
    #[case(json!({ "client_secret_file": "a", "resource": "/api" }), "resource")]
    #[case(json!({ "client_secret_file": "a", "resource": "https://a.example/#b" }), "resource")]
    #[case(json!({ "client_secret_file": "/nonexistent/a" }), "client_secret_file not usable")]
    #[case(json!({ "private_key_file": "/nonexistent/a" }), "private_key_file not usable")]
    #[case(json!({ "client_secret_file": "a", "client_id": " " }), "client_id is empty")]
    fn what_is_wrong_is_told_by_the_name_of_its_setting(#[case] more: Value, #[case] word: &str) {
        let error = registration(more).expect("a registration").proof().expect_err(word);
        assert!(error.to_string().contains(word), "{error}");
    }

    #[test]
    fn a_word_that_nobody_knows_is_an_error() {
        assert!(registration(json!({ "client_secret": "in chiaro" })).is_err());
    }

    #[test]
    fn files_stand_beside_the_configuration_and_secrets_are_shown_to_nobody() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("segreto");
        std::fs::write(&path, "parola\n").expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("set");
        let mut found = registration(json!({ "client_secret_file": "segreto", "scope": "leggi api://x/.default" }))
            .expect("a registration");
        found.be_relative_to(folder.path());
        let proof = found.proof().expect("a proof");
        assert!(matches!(&proof, Proof::Secret(secret) if secret.expose() == "parola"));
        assert!(!format!("{proof:?} {found:?}").contains("parola"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("set");
        let error = found.proof().expect_err("open to others");
        assert!(matches!(error, RegistrationError::Secret { source: SecretError::Exposed { .. }, .. }), "{error:?}");
    }
}

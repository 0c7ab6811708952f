//! What an operator writes to reach the programmes of SCP.

use std::path::{Path, PathBuf};

use contract::{Settings, SettingsError};
use kit::Secret;
use kit::http::HttpSettings;
use serde::Deserialize;

use crate::SYSTEM;

/// The settings: the address and deadlines of [`HttpSettings`], and these.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Address under which `/Programmi` stands, deadlines, limits.
    #[serde(flatten)]
    pub(crate) http: HttpSettings,
    /// Address under which `/Account` stands: the login is a service of its own.
    pub(crate) login_url: String,
    /// File with the user name.
    username_file: PathBuf,
    /// File with the password.
    password_file: PathBuf,
    /// File with the key that SCP gave to this program.
    client_key_file: PathBuf,
    /// File with the identifier that SCP gave to this program.
    client_id_file: PathBuf,
}

/// What the login asks for.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub(crate) username: Secret,
    pub(crate) password: Secret,
    pub(crate) client_key: Secret,
    pub(crate) client_id: Secret,
}

impl Config {
    /// Reads the settings. An unknown word is an error: it is usually a known one misspelt.
    pub(crate) fn parse(settings: Settings) -> Result<Self, SettingsError> {
        serde_json::from_value(settings).map_err(|error| SettingsError { system: SYSTEM, problem: error.to_string() })
    }

    /// The settings of the login service: the same deadlines at another address.
    pub(crate) fn login(&self) -> HttpSettings {
        self.http.at(&self.login_url)
    }

    /// Reads the four files.
    pub(crate) fn credentials(&self) -> Result<Credentials, SettingsError> {
        Ok(Credentials {
            username: secret(&self.username_file)?,
            password: secret(&self.password_file)?,
            client_key: secret(&self.client_key_file)?,
            client_id: secret(&self.client_id_file)?,
        })
    }
}

fn secret(path: &Path) -> Result<Secret, SettingsError> {
    Secret::from_file(path).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        SettingsError { system: SYSTEM, problem: format!("{error}{cause}") }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn settings() -> Value {
        json!({
            "base_url": "https://scp.example/WSProgrammi/rest", "login_url": "https://scp.example/WSLogin/rest",
            "username_file": "/run/u", "password_file": "/run/p", "client_key_file": "/run/k", "client_id_file": "/run/i",
        })
    }

    #[test]
    fn the_login_has_its_own_address_and_the_same_deadlines() {
        let mut settings = settings();
        settings["total_seconds"] = json!(60);
        let login = Config::parse(settings).unwrap().login();
        assert_eq!((login.base_url.as_str(), login.total_seconds), ("https://scp.example/WSLogin/rest", 60));
    }

    #[test]
    fn a_misspelt_or_missing_word_is_named() {
        for word in ["base_url", "login_url", "username_file", "password_file", "client_key_file", "client_id_file"] {
            let mut settings = settings();
            settings.as_object_mut().unwrap().remove(word);
            assert!(Config::parse(settings).unwrap_err().to_string().contains(word), "{word}");
        }
        let mut settings = settings();
        settings["passwordfile"] = json!("x");
        assert!(Config::parse(settings).unwrap_err().to_string().contains("passwordfile"));
    }

    #[test]
    fn a_missing_file_is_named_and_nothing_else() {
        let error = Config::parse(settings()).unwrap().credentials().unwrap_err().to_string();
        assert!(error.contains("/run/u"), "{error}");
    }
}

//! The settings of the adapter: where Pi.Co. is, and the file that holds the key.
//!
//! ```toml
//! base_url = "https://pico.example.it"
//! key_file = "/etc/raccordo/pico.key"
//! ```
//!
//! Deadlines, limits and own authorities are those of [`HttpSettings`], under the same table.

use std::path::PathBuf;

use contract::{Settings, SettingsError};
use kit::Secret;
use kit::http::{HttpClient, HttpSettings};
use serde::Deserialize;

use crate::SYSTEM;
use crate::client::Client;

/// Makes the client from the settings. The key is read here, once.
pub(crate) fn client(settings: Settings) -> Result<Client, SettingsError> {
    let unusable = |problem: String| SettingsError { system: SYSTEM, problem };
    let Settings::Object(mut settings) = settings else {
        return Err(unusable("write a table with base_url and key_file".to_owned()));
    };
    let Some(key_file) = settings.remove("key_file") else {
        return Err(unusable("key_file is missing: write the path of the file with the key of Pi.Co.".to_owned()));
    };
    let key_file = PathBuf::deserialize(key_file).map_err(|_| unusable("key_file must be a path".to_owned()))?;
    let http = HttpSettings::deserialize(Settings::Object(settings)).map_err(|error| unusable(error.to_string()))?;
    let key = Secret::from_file(&key_file).map_err(|error| match std::error::Error::source(&error) {
        Some(source) => unusable(format!("{error}: {source}")),
        None => unusable(error.to_string()),
    })?;
    Ok(Client::new(HttpClient::new(SYSTEM, &http)?, key))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!("x"), "table")]
    #[case(json!({ "base_url": "https://pico.example.it" }), "key_file")]
    #[case(json!({ "base_url": "https://pico.example.it", "key_file": "/nonexistent/key" }), "/nonexistent/key")]
    #[case(json!({ "base_url": "https://pico.example.it", "key_file": "/nonexistent/key", "key": "x" }), "unknown field `key`")]
    fn settings_that_cannot_work_say_what_to_write(#[case] settings: Settings, #[case] word: &str) {
        let error = client(settings).expect_err("unusable");
        assert!(error.to_string().contains(word), "{error}");
    }
}

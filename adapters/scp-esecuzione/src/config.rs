//! What an operator writes to reach SCP Esecuzione.

use std::num::NonZeroU16;
use std::path::PathBuf;

use contract::{Settings, SettingsError};
use kit::http::HttpSettings;
use serde::Deserialize;

use crate::SYSTEM;

/// The settings: the address and deadlines of [`HttpSettings`], and these.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Address, deadlines, limits.
    #[serde(flatten)]
    pub(crate) http: HttpSettings,
    /// File that holds the bearer key, readable by its owner only.
    pub(crate) key_file: PathBuf,
    /// Drafts in a page of the inventory.
    #[serde(default = "page_size")]
    pub(crate) page_size: NonZeroU16,
}

fn page_size() -> NonZeroU16 {
    NonZeroU16::MIN.saturating_add(499)
}

impl Config {
    /// Reads the settings. An unknown word is an error: it is usually a known one misspelt.
    pub(crate) fn parse(settings: Settings) -> Result<Self, SettingsError> {
        serde_json::from_value(settings).map_err(|error| SettingsError { system: SYSTEM, problem: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn address_and_key_are_enough() {
        let config = Config::parse(json!({"base_url": "https://scp.example", "key_file": "/run/k"})).unwrap();
        assert_eq!((config.page_size.get(), config.http.connect_seconds), (500, 5));
    }

    #[test]
    fn deadlines_stand_beside_the_address() {
        let settings = json!({"base_url": "https://scp.example", "key_file": "/run/k", "total_seconds": 60});
        assert_eq!(Config::parse(settings).unwrap().http.total_seconds, 60);
    }

    #[test]
    fn a_misspelt_or_missing_word_is_named() {
        for (settings, word) in [
            (json!({"base_url": "https://scp.example", "key_file": "k", "pagesize": 5}), "pagesize"),
            (json!({"base_url": "https://scp.example"}), "key_file"),
            (json!({"key_file": "k"}), "base_url"),
            (json!({"base_url": "https://scp.example", "key_file": "k", "page_size": 0}), "nonzero"),
        ] {
            let error = Config::parse(settings).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}

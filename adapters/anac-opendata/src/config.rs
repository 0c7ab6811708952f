//! The settings: what this source reads, and a folder, or what to download from the portal, or both.
//!
//! ```toml
//! formats = ["cig", "cup"]
//! folder = "/var/lib/raccordo/anac"
//! base_url = "https://dati.anticorruzione.it/opendata"
//! paths = ["download/dataset/cig-2023/filesystem/20231001-cig_csv.csv"]
//! ```

use std::path::PathBuf;

use contract::{Settings, SettingsError};
use kit::http::{HttpClient, HttpSettings};
use serde::Deserialize;

use crate::SYSTEM;
use crate::formats::Formats;

/// The settings that are not those of [`HttpSettings`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    formats: Option<Vec<String>>,
    folder: Option<PathBuf>,
    #[serde(default)]
    paths: Vec<String>,
    #[serde(default = "max_bytes")]
    max_bytes: u64,
}

const OWN: [&str; 4] = ["formats", "folder", "paths", "max_bytes"];

fn max_bytes() -> u64 {
    2 << 30
}

/// A yearly dump has hundreds of megabytes: half a minute, the usual deadline, is too short.
const TOTAL_SECONDS: u64 = 3600;

/// What the adapter was told.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// What this source reads; the tables when it was not told.
    pub(crate) formats: Formats,
    /// A folder of downloaded files.
    pub(crate) folder: Option<PathBuf>,
    /// The portal, when it is to be asked.
    pub(crate) portal: Option<HttpClient>,
    /// What to download, below the address of the portal.
    pub(crate) paths: Vec<String>,
    /// The longest file.
    pub(crate) max_bytes: u64,
}

impl Config {
    /// Reads the settings. An unknown word is an error: it is usually a known one misspelt.
    pub(crate) fn parse(settings: Settings) -> Result<Self, SettingsError> {
        let unusable = |problem: String| SettingsError { system: SYSTEM, problem };
        let Settings::Object(mut http) = settings else {
            return Err(unusable("write a table with folder, or with base_url and paths".to_owned()));
        };
        let own = OWN.iter().filter_map(|name| http.remove_entry(*name)).collect();
        let Own { formats, folder, paths, max_bytes } =
            serde_json::from_value(Settings::Object(own)).map_err(|error| unusable(error.to_string()))?;
        let formats = match formats {
            Some(names) => Formats::parse(&names).map_err(unusable)?,
            None => Formats::default(),
        };
        let portal = if http.is_empty() {
            None
        } else {
            http.entry("total_seconds").or_insert(TOTAL_SECONDS.into());
            let http: HttpSettings =
                serde_json::from_value(Settings::Object(http)).map_err(|error| unusable(error.to_string()))?;
            Some(HttpClient::new(SYSTEM, &http)?)
        };
        if portal.is_some() == paths.is_empty() {
            return Err(unusable("base_url and paths go together: write both, or neither".to_owned()));
        }
        Ok(Self { formats, folder, portal, paths, max_bytes })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_is_needed_to_read_named_tables() {
        let config = Config::parse(json!({})).unwrap();
        assert!(config.portal.is_none());
        assert_eq!(config.formats, Formats::default());
    }

    #[rstest]
    #[case(json!([]), "table")]
    #[case(json!({"folder": "/x", "foldr": 1}), "foldr")]
    #[case(json!({"formats": ["cig", "cig-json"]}), "a system of its own")]
    #[case(json!({"formats": ["avvisi", "ocds"]}), "a system of its own")]
    #[case(json!({"formats": ["cigs"]}), "cigs")]
    #[case(json!({"formats": []}), "empty")]
    #[case(json!({"base_url": "https://anac.example"}), "paths")]
    #[case(json!({"paths": ["a"]}), "base_url")]
    #[case(json!({"base_url": "http://anac.example", "paths": ["a"]}), "https")]
    fn settings_that_cannot_work_say_what_to_write(#[case] settings: Settings, #[case] word: &str) {
        let error = Config::parse(settings).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

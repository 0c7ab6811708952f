//! What an operator writes to read the open data of SCP: a folder, a portal, or both.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::PathBuf;

use canonical::identifiers::CodiceFiscale;
use contract::{Settings, SettingsError};
use kit::http::HttpSettings;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::SYSTEM;

/// The settings that are not about HTTP. None is mandatory: explicit files can be imported.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    folder: Option<PathBuf>,
    csv_path: Option<String>,
    resource_id: Option<String>,
    #[serde(default)]
    stazioni_appaltanti: BTreeSet<CodiceFiscale>,
    #[serde(default = "page_rows")]
    page_rows: NonZeroU32,
    #[serde(default = "max_bytes")]
    max_bytes: u64,
}

const WORDS: [&str; 6] = ["folder", "csv_path", "resource_id", "stazioni_appaltanti", "page_rows", "max_bytes"];

fn page_rows() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(999)
}

fn max_bytes() -> u64 {
    2 << 30
}

/// Where the rows are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// A folder in which somebody puts the files.
    pub(crate) folder: Option<PathBuf>,
    /// The portal.
    pub(crate) portal: Option<Portal>,
    /// Rows of these bodies only; of everybody when empty.
    pub(crate) stazioni_appaltanti: BTreeSet<CodiceFiscale>,
    /// Files longer than this are refused.
    pub(crate) max_bytes: u64,
}

/// The portal, and which of its two faces to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Portal {
    pub(crate) http: HttpSettings,
    pub(crate) what: What,
}

/// What to ask the portal for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// The daily file, at this path.
    Csv(String),
    /// The rows of a resource, so many at a time.
    Ckan { resource_id: String, page_rows: NonZeroU32 },
}

impl Config {
    /// Reads the settings. An unknown word is an error: it is usually a known one misspelt.
    pub(crate) fn parse(settings: Settings) -> Result<Self, SettingsError> {
        let unusable = |problem: String| SettingsError { system: SYSTEM, problem };
        let Value::Object(all) = settings else { return Err(unusable("settings are not a table".to_owned())) };
        let (own, http): (Map<_, _>, Map<_, _>) = all.into_iter().partition(|(word, _)| WORDS.contains(&word.as_str()));
        let own: Words = serde_json::from_value(Value::Object(own)).map_err(|error| unusable(error.to_string()))?;
        let what = match (own.csv_path, own.resource_id) {
            (Some(_), Some(_)) => return Err(unusable("csv_path and resource_id exclude each other".to_owned())),
            (Some(path), None) => Some(What::Csv(path)),
            (None, Some(id)) if !is_resource_id(&id) => {
                return Err(unusable("resource_id is not made of hexadecimal digits and hyphens".to_owned()));
            }
            (None, Some(resource_id)) => Some(What::Ckan { resource_id, page_rows: own.page_rows }),
            (None, None) => None,
        };
        let portal = match what {
            Some(what) => {
                let http = serde_json::from_value(Value::Object(http)).map_err(|error| unusable(error.to_string()))?;
                Some(Portal { http, what })
            }
            None if http.is_empty() => None,
            None if http.contains_key("base_url") => {
                return Err(unusable("base_url needs csv_path or resource_id".to_owned()));
            }
            None => {
                let words: Vec<_> = http.keys().map(String::as_str).collect();
                return Err(unusable(format!("{} without base_url: misspelt?", words.join(", "))));
            }
        };
        let (folder, stazioni_appaltanti) = (own.folder, own.stazioni_appaltanti);
        Ok(Self { folder, portal, stazioni_appaltanti, max_bytes: own.max_bytes })
    }
}

/// The identifier goes into a query: nothing else may get in with it.
fn is_resource_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_is_mandatory() {
        let config = Config::parse(json!({})).unwrap();
        assert_eq!((config.folder, config.portal), (None, None));
    }

    #[test]
    fn the_portal_has_its_deadlines_beside_its_address() {
        let settings = json!({"base_url": "https://dati.example", "csv_path": "a/b.csv", "total_seconds": 600});
        let portal = Config::parse(settings).unwrap().portal.unwrap();
        assert_eq!((portal.http.total_seconds, portal.what), (600, What::Csv("a/b.csv".to_owned())));
    }

    #[rstest]
    #[case(json!({"base_url": "https://dati.example"}), "csv_path")]
    #[case(json!({"csv_path": "a.csv"}), "base_url")]
    #[case(json!({"base_url": "https://d.example", "csv_path": "a", "resource_id": "b"}), "exclude")]
    #[case(json!({"base_url": "https://d.example", "resource_id": "x\" OR 1=1"}), "resource_id")]
    #[case(json!({"foldr": "inbox"}), "foldr")]
    #[case(json!({"base_url": "https://d.example", "csv_path": "a", "pagerows": 3}), "pagerows")]
    #[case(json!({"stazioni_appaltanti": ["Provincia"]}), "11")]
    fn what_cannot_work_is_named(#[case] settings: Value, #[case] word: &str) {
        let error = Config::parse(settings).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

//! What an operator writes: which tables this source reads, and where they are.

use std::path::PathBuf;

use contract::{Settings, SettingsError};
use kit::http::HttpSettings;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::SYSTEM;
use crate::wire::Format;

/// The settings: these, and those of [`HttpSettings`] when there is a `base_url`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Names of the formats that this source reads. They must not write the same records.
    #[serde(default = "formats")]
    pub(crate) formats: Vec<String>,
    /// A folder of downloaded tables.
    #[serde(default)]
    pub(crate) folder: Option<PathBuf>,
    /// Paths below `base_url`; the usual one of each format when none is given.
    #[serde(default)]
    pub(crate) paths: Vec<String>,
    /// Longer tables are refused.
    #[serde(default = "max_bytes")]
    pub(crate) max_bytes: u64,
    /// Address, deadlines, limits.
    #[serde(skip)]
    pub(crate) http: Option<HttpSettings>,
}

/// The national complementary plan: what a Province asks for first.
fn formats() -> Vec<String> {
    ["pnc-progetti", "pnc-gare"].map(str::to_owned).into()
}

fn max_bytes() -> u64 {
    2 << 30
}

const OURS: [&str; 4] = ["formats", "folder", "paths", "max_bytes"];

impl Config {
    /// Reads the settings. An unknown word is an error: it is usually a known one misspelt.
    pub(crate) fn parse(settings: Settings) -> Result<Self, SettingsError> {
        Self::read(settings).map_err(|problem| SettingsError { system: SYSTEM, problem })
    }

    fn read(settings: Settings) -> Result<Self, String> {
        let Value::Object(settings) = settings else { return Err("not a table of settings".to_owned()) };
        let (ours, http): (Map<_, _>, Map<_, _>) =
            settings.into_iter().partition(|(word, _)| OURS.contains(&word.as_str()));
        let mut config: Self = serde_json::from_value(ours.into()).map_err(|error| error.to_string())?;
        if !http.is_empty() {
            config.http = Some(serde_json::from_value(http.into()).map_err(|error| error.to_string())?);
        }
        config.check()?;
        if config.http.is_some() && config.paths.is_empty() {
            let formats = config.formats.iter().filter_map(|name| Format::named(name).next());
            config.paths = formats.map(|format| format.path.to_owned()).collect();
        }
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        if self.formats.is_empty() {
            return Err("formats is empty: name at least one".to_owned());
        }
        if self.http.is_none() && !self.paths.is_empty() {
            return Err("paths without base_url: give the address under which they begin".to_owned());
        }
        for (place, name) in self.formats.iter().enumerate() {
            let format = Format::named(name).next().ok_or_else(|| format!("formats: `{name}` is not a format"))?;
            let clash = self.formats[..place]
                .iter()
                .find(|earlier| Format::named(earlier.as_str()).any(|earlier| earlier.clashes_with(format)));
            if let Some(earlier) = clash {
                return Err(format!(
                    "formats `{earlier}` and `{name}` write the same records with different fields: give each a system of its own"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_is_enough() {
        let config = Config::parse(json!({"base_url": "https://dati.example"})).unwrap();
        assert_eq!(config.paths, ["pnc-progetti.csv", "pnc-gare.csv"]);
        assert_eq!(config.http.unwrap().total_seconds, 30);
    }

    #[test]
    fn without_an_address_files_can_be_imported() {
        let config = Config::parse(json!({"formats": ["opere", "gare"], "folder": "mop"})).unwrap();
        assert_eq!((config.http, config.paths.len()), (None, 0));
    }

    #[test]
    fn a_wrong_word_is_named() {
        for (settings, word) in [
            (json!({"formats": ["gare", "cup-cig"]}), "a system of its own"),
            (json!({"formats": ["opencupp"]}), "opencupp"),
            (json!({"formats": []}), "empty"),
            (json!({"paths": ["a.csv"]}), "base_url"),
            (json!({"base_url": "https://dati.example", "foldr": "mop"}), "foldr"),
            (json!({"foldr": "mop"}), "foldr"),
            (json!([]), "not a table"),
        ] {
            let error = Config::parse(settings).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}

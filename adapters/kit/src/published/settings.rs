//! What an operator writes for a source of published tables: which it reads, and where they are.

use std::path::PathBuf;

use contract::{Settings, SettingsError};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Tables;
use crate::http::HttpSettings;

/// The settings: these, and those of [`HttpSettings`] when there is a `base_url`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedSettings {
    /// Names of the formats that the source reads, those of [`Tables::usual`] when absent. They must
    /// not tell the same records.
    #[serde(default)]
    pub formats: Vec<String>,
    /// A folder of downloaded tables.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// Paths below `base_url`; the usual one of each format when none is given.
    #[serde(default)]
    pub paths: Vec<String>,
    /// Longer tables are refused.
    #[serde(default = "max_bytes")]
    pub max_bytes: u64,
    /// Address, deadlines, limits.
    #[serde(skip)]
    pub http: Option<HttpSettings>,
}

fn max_bytes() -> u64 {
    2 << 30
}

const OURS: [&str; 4] = ["formats", "folder", "paths", "max_bytes"];

impl PublishedSettings {
    /// Reads the settings. An unknown word is an error: it is usually a known one misspelt.
    pub fn parse(tables: &Tables, settings: Settings) -> Result<Self, SettingsError> {
        Self::read(tables, settings).map_err(|problem| SettingsError { system: tables.system, problem })
    }

    fn read(tables: &Tables, settings: Settings) -> Result<Self, String> {
        let Value::Object(mut settings) = settings else { return Err("not a table of settings".to_owned()) };
        settings.entry("formats").or_insert_with(|| tables.usual.into());
        let (ours, http): (Map<_, _>, Map<_, _>) =
            settings.into_iter().partition(|(word, _)| OURS.contains(&word.as_str()));
        let mut settings: Self = serde_json::from_value(ours.into()).map_err(|error| error.to_string())?;
        if !http.is_empty() {
            settings.http = Some(serde_json::from_value(http.into()).map_err(|error| error.to_string())?);
        }
        settings.check(tables)?;
        if settings.http.is_some() && settings.paths.is_empty() {
            let usual = settings.formats.iter().filter_map(|name| (tables.path)(name));
            settings.paths = usual.map(str::to_owned).collect();
        }
        Ok(settings)
    }

    fn check(&self, tables: &Tables) -> Result<(), String> {
        if self.formats.is_empty() {
            return Err("formats is empty: name at least one".to_owned());
        }
        if self.http.is_none() && !self.paths.is_empty() {
            return Err("paths without base_url: give the address under which they begin".to_owned());
        }
        for (place, name) in self.formats.iter().enumerate() {
            if (tables.path)(name).is_none() {
                return Err(format!("formats: `{name}` is not a format"));
            }
            if let Some(earlier) = self.formats[..place].iter().find(|earlier| (tables.clash)(earlier, name)) {
                return Err(format!(
                    "formats `{earlier}` and `{name}` tell the same records with different fields: \
                     give each a system of its own"
                ));
            }
        }
        Ok(())
    }
}

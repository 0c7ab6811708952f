//! What an operator writes to read the code tables of SCP.

use std::path::PathBuf;

use contract::{Settings, SettingsError};
use kit::http::HttpSettings;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::SYSTEM;
use crate::wire::Tabella;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    folder: Option<PathBuf>,
    tabelle: Option<Vec<String>>,
}

const WORDS: [&str; 2] = ["folder", "tabelle"];

/// Where the tables are, and which of them are read. None is mandatory: saved answers can be
/// imported by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// A folder of saved answers, each under the name of its table.
    pub(crate) folder: Option<PathBuf>,
    /// The service.
    pub(crate) http: Option<HttpSettings>,
    /// The tables, in the order in which they are asked for.
    pub(crate) tabelle: Vec<Tabella>,
}

impl Config {
    /// Reads the settings. An unknown word is an error: it is usually a known one misspelt.
    pub(crate) fn parse(settings: Settings) -> Result<Self, SettingsError> {
        let unusable = |problem: String| SettingsError { system: SYSTEM, problem };
        let Value::Object(all) = settings else { return Err(unusable("settings are not a table".to_owned())) };
        let (own, http): (Map<_, _>, Map<_, _>) = all.into_iter().partition(|(word, _)| WORDS.contains(&word.as_str()));
        let own: Words = serde_json::from_value(Value::Object(own)).map_err(|error| unusable(error.to_string()))?;
        let http = (!http.is_empty())
            .then(|| serde_json::from_value(Value::Object(http)).map_err(|error| unusable(error.to_string())))
            .transpose()?;
        let tabelle = match own.tabelle {
            None => Tabella::all(),
            Some(names) if names.is_empty() => {
                return Err(unusable("tabelle is empty: leave it out for all".to_owned()));
            }
            Some(names) => names.iter().map(|name| Tabella::named(name)).collect(),
        };
        Ok(Self { folder: own.folder, http, tabelle })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[test]
    fn all_the_tables_are_read_unless_some_are_named() {
        let all = Config::parse(json!({"base_url": "https://scp.example"})).unwrap();
        assert_eq!((all.tabelle.len(), all.http.unwrap().total_seconds), (39, 30));
        let some = Config::parse(json!({"tabelle": ["Priorita", "Regioni"]})).unwrap();
        assert_eq!(some.tabelle.iter().map(Tabella::name).collect::<Vec<_>>(), ["Priorita", "Regioni"]);
    }

    #[rstest]
    #[case(json!({"base_ulr": "https://scp.example"}), "base_ulr")]
    #[case(json!({"total_seconds": 5}), "base_url")]
    #[case(json!({"tabelle": []}), "tabelle")]
    #[case(json!({"tabelle": "Priorita"}), "sequence")]
    fn what_cannot_work_is_named(#[case] settings: Value, #[case] word: &str) {
        let error = Config::parse(settings).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

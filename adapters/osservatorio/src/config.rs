//! The settings: where the open data of the region are, and where packages go. Both are optional.
//!
//! ```toml
//! base_url = "https://www.dati.lombardia.it"
//! resource = "k6cb-4hbm"
//!
//! [packages]
//! base_url = "https://osservatorio.example.it"
//! key_file = "/etc/raccordo/osservatorio.key"
//! ```

use std::path::PathBuf;

use contract::{Settings, SettingsError};
use kit::Secret;
use kit::http::{HttpClient, HttpSettings};
use serde::Deserialize;

use crate::SYSTEM;
use crate::client::{OpenData, Packages};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    folder: Option<PathBuf>,
    resource: Option<String>,
    #[serde(default = "page_rows")]
    page_rows: u32,
    #[serde(default = "max_bytes")]
    max_bytes: u64,
    #[serde(default = "platform")]
    platform: String,
    packages: Option<Settings>,
}

const OWN: [&str; 6] = ["folder", "resource", "page_rows", "max_bytes", "platform", "packages"];

fn page_rows() -> u32 {
    1000
}

fn max_bytes() -> u64 {
    2 << 30
}

fn platform() -> String {
    SYSTEM.to_owned()
}

/// What the adapter was told.
#[derive(Debug)]
pub(crate) struct Config {
    /// A folder of downloaded files.
    pub(crate) folder: Option<PathBuf>,
    /// The open data, when they are to be asked for.
    pub(crate) open_data: Option<OpenData>,
    /// The longest file.
    pub(crate) max_bytes: u64,
    /// The name before the numbers of the procedures, which are unique in one observatory only.
    pub(crate) platform: String,
    /// Where packages go.
    pub(crate) packages: Option<Packages>,
}

impl Config {
    /// Reads the settings. An unknown word is an error: it is usually a known one misspelt.
    pub(crate) fn parse(settings: Settings) -> Result<Self, SettingsError> {
        let Settings::Object(mut http) = settings else {
            return Err(unusable("write a table with folder, base_url and resource, or packages"));
        };
        let own = OWN.iter().filter_map(|name| http.remove_entry(*name)).collect();
        let mut own: Own = serde_json::from_value(Settings::Object(own)).map_err(unusable)?;
        // The packages, and not the open data, are what a voucher or a token opens.
        if let Some(Settings::Object(packages)) = &mut own.packages {
            packages.extend(["pdnd", "oauth"].into_iter().filter_map(|key| http.remove_entry(key)));
        }
        if own.platform.is_empty() || own.platform.contains('/') {
            return Err(unusable("platform is a name without slashes"));
        }
        let page_rows = own.page_rows;
        if page_rows < 2 {
            return Err(unusable("page_rows is 2 at least: a page begins with the last row of the page before"));
        }
        let open_data = match (own.resource, http.is_empty()) {
            (None, true) => None,
            (Some(resource), false) => {
                let http: HttpSettings = serde_json::from_value(Settings::Object(http)).map_err(unusable)?;
                Some(OpenData { http: HttpClient::new(SYSTEM, &http)?, resource, page_rows })
            }
            _ => return Err(unusable("base_url and resource go together: write both, or neither")),
        };
        let packages = own.packages.map(packages).transpose()?;
        let (folder, max_bytes, platform) = (own.folder, own.max_bytes, own.platform);
        Ok(Self { folder, open_data, max_bytes, platform, packages })
    }
}

fn packages(settings: Settings) -> Result<Packages, SettingsError> {
    let Settings::Object(mut http) = settings else {
        return Err(unusable("packages is a table with base_url and key_file"));
    };
    let key_file = http.remove("key_file").ok_or_else(|| unusable("packages.key_file is missing"))?;
    let key_file = PathBuf::deserialize(key_file).map_err(|_| unusable("packages.key_file must be a path"))?;
    let http: HttpSettings = serde_json::from_value(Settings::Object(http)).map_err(unusable)?;
    let key = Secret::from_file(&key_file).map_err(|error| match std::error::Error::source(&error) {
        Some(source) => unusable(format!("{error}: {source}")),
        None => unusable(error),
    })?;
    Ok(Packages { http: HttpClient::new(SYSTEM, &http)?, key })
}

#[expect(clippy::needless_pass_by_value, reason = "it closes chains of `map_err`")]
fn unusable(problem: impl ToString) -> SettingsError {
    SettingsError { system: SYSTEM, problem: problem.to_string() }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_is_needed_to_read_named_files() {
        let config = Config::parse(json!({})).unwrap();
        assert!(config.open_data.is_none() && config.packages.is_none());
        assert_eq!(config.platform, "osservatorio");
    }

    #[rstest]
    #[case(json!(3), "table")]
    #[case(json!({"resurce": "x"}), "resource")]
    #[case(json!({"resource": "x"}), "base_url")]
    #[case(json!({"base_url": "https://dati.example"}), "resource")]
    #[case(json!({"platform": "a/b"}), "platform")]
    #[case(json!({"page_rows": 1}), "page_rows")]
    #[case(json!({"packages": {"base_url": "https://o.example"}}), "key_file")]
    #[case(json!({"packages": {"base_url": "https://o.example", "key_file": "/nonexistent/k"}}), "/nonexistent/k")]
    fn settings_that_cannot_work_say_what_to_write(#[case] settings: Settings, #[case] word: &str) {
        let error = Config::parse(settings).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

//! What an operator writes to reach the HUB.
//!
//! ```toml
//! base_url = "https://hub.example.it/v0"
//! key_file = "/etc/raccordo/hub.key"
//! enti = ["80005210028"]     # whose qualifications are read; none: of every body
//! data = "2026-01-01"        # only those in force on this day; none: all periods
//! page_size = 100
//! ```
//!
//! Deadlines, limits and own authorities are those of [`HttpSettings`], under the same table.

use std::num::NonZeroU16;
use std::path::PathBuf;

use canonical::identifiers::CodiceFiscale;
use canonical::values::CalendarDate;
use contract::{Settings, SettingsError};
use kit::Secret;
use kit::http::{HttpClient, HttpSettings};
use serde::Deserialize;

use crate::SYSTEM;
use crate::client::Client;

/// The longest page that the contract admits.
pub(crate) const LONGEST_PAGE: u16 = 200;

#[derive(Deserialize)]
struct Written {
    key_file: PathBuf,
    #[serde(default)]
    enti: Vec<CodiceFiscale>,
    data: Option<CalendarDate>,
    page_size: Option<NonZeroU16>,
    #[serde(flatten)]
    http: serde_json::Map<String, serde_json::Value>,
}

/// The settings, ready to work with.
#[derive(Debug)]
pub(crate) struct Config {
    /// The HUB.
    pub(crate) client: Client,
    /// Whose qualifications are read; none for those of every body.
    pub(crate) enti: Vec<CodiceFiscale>,
    /// The day on which they are in force; none for all of them.
    pub(crate) data: Option<CalendarDate>,
}

impl Config {
    /// Reads the settings and the key. Nothing is sent.
    pub(crate) fn parse(settings: Settings) -> Result<Self, SettingsError> {
        let unusable = |problem: String| SettingsError { system: SYSTEM, problem };
        let written: Written = serde_json::from_value(settings).map_err(|error| unusable(error.to_string()))?;
        if written.enti.iter().any(|ente| ente.is_person()) {
            return Err(unusable("enti must be fiscal codes of bodies, eleven digits".to_owned()));
        }
        let page_size = written.page_size.map_or(100, NonZeroU16::get);
        if page_size > LONGEST_PAGE {
            return Err(unusable(format!("page_size must not be above {LONGEST_PAGE}")));
        }
        let http = HttpSettings::deserialize(Settings::Object(written.http));
        let http = http.map_err(|error| unusable(error.to_string()))?;
        let key = Secret::from_file(&written.key_file).map_err(|error| match std::error::Error::source(&error) {
            Some(source) => unusable(format!("{error}: {source}")),
            None => unusable(error.to_string()),
        })?;
        let client = Client::new(HttpClient::new(SYSTEM, &http)?, key, page_size);
        Ok(Self { client, enti: written.enti, data: written.data })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!("x"), "struct")]
    #[case(json!({ "base_url": "https://hub.example.it/v0" }), "key_file")]
    #[case(json!({ "base_url": "https://hub.example.it/v0", "key_file": "/nonexistent/key" }), "/nonexistent/key")]
    #[case(json!({ "base_url": "https://hub.example.it/v0", "key_file": "k", "ente": [] }), "unknown field `ente`")]
    #[case(json!({ "key_file": "k" }), "base_url")]
    #[case(json!({ "key_file": "k", "enti": ["RSSMRA85T10A562S"] }), "bodies")]
    #[case(json!({ "key_file": "k", "page_size": 201 }), "200")]
    #[case(json!({ "key_file": "k", "data": "1/1/2026" }), "YYYY-MM-DD")]
    fn settings_that_cannot_work_say_what_to_write(#[case] settings: Settings, #[case] word: &str) {
        let error = Config::parse(settings).expect_err("unusable").to_string();
        assert!(error.contains(word) && !error.contains("RSSMRA"), "{error}");
    }
}

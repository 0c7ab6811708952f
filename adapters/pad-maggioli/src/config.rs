//! What an operator writes to reach a platform, and which of its registers to read.

use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use contract::{Settings, SettingsError};
use kit::http::HttpSettings;
use serde::Deserialize;

use crate::SYSTEM;
use crate::registers::Register;

/// The settings: the address and deadlines of [`HttpSettings`], and these.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Address, deadlines, limits.
    #[serde(flatten)]
    pub(crate) http: HttpSettings,
    /// File with the name of the user.
    pub(crate) username_file: PathBuf,
    /// File with the password.
    pub(crate) password_file: PathBuf,
    /// File with the key of the application.
    pub(crate) client_key_file: PathBuf,
    /// File with the identifier of the application.
    pub(crate) client_id_file: PathBuf,
    /// The register to read. Without it the platform is only written to and observed.
    #[serde(default)]
    pub(crate) register: Option<Register>,
    /// Rows in a page.
    #[serde(default = "page_size")]
    pub(crate) page_size: NonZeroU16,
    /// First year of the register `dati`.
    #[serde(default = "first_year")]
    pub(crate) first_year: u16,
    /// How many years back notices, results and announcements are asked for.
    #[serde(default = "publication_years")]
    pub(crate) publication_years: NonZeroU16,
    /// The most rows that a register may have: beyond, the read is refused.
    #[serde(default = "max_rows")]
    pub(crate) max_rows: NonZeroU32,
    /// The longest saved file that is imported.
    #[serde(default = "max_bytes")]
    pub(crate) max_bytes: NonZeroU64,
}

fn page_size() -> NonZeroU16 {
    NonZeroU16::MIN.saturating_add(99)
}

/// The year of the law that made the register.
fn first_year() -> u16 {
    2012
}

/// What the platform itself takes when nothing is asked.
fn publication_years() -> NonZeroU16 {
    NonZeroU16::MIN.saturating_add(5)
}

fn max_rows() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(499_999)
}

/// A saved file is in memory whole while it is read.
fn max_bytes() -> NonZeroU64 {
    NonZeroU64::MIN.saturating_add((64 << 20) - 1)
}

impl Config {
    /// Reads the settings. An unknown word is an error: it is usually a known one misspelt.
    pub(crate) fn parse(settings: Settings) -> Result<Self, SettingsError> {
        let unusable = |problem: String| SettingsError { system: SYSTEM, problem };
        let config: Self = serde_json::from_value(settings).map_err(|error| unusable(error.to_string()))?;
        if !(1900..=2200).contains(&config.first_year) {
            return Err(unusable("first_year must be a year".to_owned()));
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn settings() -> Value {
        json!({
            "base_url": "https://pad.example/AppaltiRest", "username_file": "u", "password_file": "p",
            "client_key_file": "k", "client_id_file": "i",
        })
    }

    #[test]
    fn address_and_credentials_are_enough() {
        let config = Config::parse(settings()).unwrap();
        assert_eq!((config.register, config.page_size.get(), config.publication_years.get()), (None, 100, 6));
        assert_eq!(config.max_bytes.get(), 64 * 1024 * 1024);
    }

    #[test]
    fn a_register_is_chosen_by_its_name() {
        let mut settings = settings();
        settings["register"] = json!("contratti");
        assert_eq!(Config::parse(settings).unwrap().register, Some(Register::Contratti));
    }

    #[test]
    fn a_misspelt_or_missing_word_is_named() {
        for (word, value) in [
            ("registro", json!("dati")),
            ("register", json!("gare")),
            ("page_size", json!(0)),
            ("max_bytes", json!(0)),
            ("first_year", json!(1)),
        ] {
            let mut settings = settings();
            settings[word] = value;
            assert!(Config::parse(settings).is_err(), "{word}");
        }
        let mut settings = settings();
        settings.as_object_mut().unwrap().remove("password_file");
        assert!(Config::parse(settings).unwrap_err().to_string().contains("password_file"));
    }
}

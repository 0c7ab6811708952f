//! What an operator writes to reach the accounting system, or to read its saved answers.
//!
//! ```toml
//! ente = "80098765433"                 # the body whose accounts these are
//! base_url = "https://contabilita.example.it/FinanziariaAPK_service.asmx"
//! cig = ["B000001279"]                 # the lots to ask about,
//! cig_file = "/etc/raccordo/cig.txt"   # or a file with one CIG a line, read at every reading
//! cup = []                             # projects to ask payment orders about
//! esercizi = [2025, 2026]              # financial years; none: all in one question
//! utente = "raccordo"
//! password_file = "/etc/raccordo/contabilita.password"
//! autenticazione = "soap"              # soap (as published), basic or nessuna
//! folder = "/var/spool/contabilita"    # answers saved on disk, beside the service or in its place
//! ```

use std::path::PathBuf;

use canonical::identifiers::{Cig, CodiceFiscale, Cup};
use contract::{Settings, SettingsError};
use kit::Secret;
use kit::http::{HttpClient, HttpSettings};
use serde::Deserialize;

use crate::SYSTEM;
use crate::client::{Access, Client};

/// The settings as written. What is not named here belongs to [`HttpSettings`].
#[derive(Deserialize)]
struct Written {
    ente: CodiceFiscale,
    #[serde(default)]
    cig: Vec<Cig>,
    cig_file: Option<PathBuf>,
    #[serde(default)]
    cup: Vec<Cup>,
    #[serde(default)]
    esercizi: Vec<u16>,
    autenticazione: Option<Autenticazione>,
    utente: Option<String>,
    password_file: Option<PathBuf>,
    folder: Option<PathBuf>,
    #[serde(default = "max_bytes")]
    max_bytes: u64,
    #[serde(flatten)]
    http: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Autenticazione {
    Soap,
    Basic,
    Nessuna,
}

fn max_bytes() -> u64 {
    20 << 20
}

/// The settings, ready to work with.
#[derive(Debug)]
pub(crate) struct Config {
    /// The body whose accounts these are.
    pub(crate) ente: CodiceFiscale,
    /// Lots to ask about.
    pub(crate) cig: Vec<Cig>,
    /// File with more of them.
    pub(crate) cig_file: Option<PathBuf>,
    /// Projects to ask about.
    pub(crate) cup: Vec<Cup>,
    /// Financial years to ask about; none for all in one question.
    pub(crate) esercizi: Vec<u16>,
    /// Folder with saved answers.
    pub(crate) folder: Option<PathBuf>,
    /// The longest saved answer.
    pub(crate) max_bytes: u64,
    /// The service, when it has an address.
    pub(crate) client: Option<Client>,
}

impl Config {
    /// Reads the settings, and the password when there is one. Nothing is sent.
    pub(crate) fn parse(settings: Settings) -> Result<Self, SettingsError> {
        let unusable = |problem: String| SettingsError { system: SYSTEM, problem };
        let written: Written = serde_json::from_value(settings).map_err(|error| unusable(error.to_string()))?;
        if written.ente.is_person() {
            return Err(unusable("ente must be the fiscal code of a body, eleven digits".to_owned()));
        }
        if let Some(year) = written.esercizi.iter().find(|year| !(1990..=2200).contains(*year)) {
            return Err(unusable(format!("esercizi has {year}: write years as 2026, or leave it out for all of them")));
        }
        if written.cig.iter().any(|cig| cig.is_null()) {
            return Err(unusable("cig has 0000000000, which is no lot".to_owned()));
        }
        let access = access(&written).map_err(unusable)?;
        let client = if written.http.is_empty() {
            None
        } else {
            let http = HttpSettings::deserialize(Settings::Object(written.http));
            let http = http.map_err(|error| unusable(error.to_string()))?;
            if matches!(access, Access::Basic(..)) {
                http.refuse_voucher(SYSTEM)?;
            }
            Some(Client::new(HttpClient::new(SYSTEM, &http)?, access))
        };
        Ok(Self {
            ente: written.ente,
            cig: written.cig,
            cig_file: written.cig_file,
            cup: written.cup,
            esercizi: written.esercizi,
            folder: written.folder,
            max_bytes: written.max_bytes,
            client,
        })
    }
}

fn access(written: &Written) -> Result<Access, String> {
    let how = written.autenticazione.unwrap_or(match written.utente {
        Some(_) => Autenticazione::Soap,
        None => Autenticazione::Nessuna,
    });
    if how == Autenticazione::Nessuna {
        return match (&written.utente, &written.password_file) {
            (None, None) => Ok(Access::Nobody),
            _ => Err("utente and password_file are not used with autenticazione = \"nessuna\"".to_owned()),
        };
    }
    let (Some(user), Some(file)) = (&written.utente, &written.password_file) else {
        return Err("write both utente and password_file, or neither".to_owned());
    };
    let password = Secret::from_file(file).map_err(|error| match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })?;
    Ok(match how {
        Autenticazione::Basic if user.contains(':') => return Err("utente must not have a colon".to_owned()),
        Autenticazione::Basic => Access::Basic(user.clone(), password),
        _ => Access::Soap(user.clone(), password),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    const ENTE: &str = "80098765433";

    #[test]
    fn the_body_alone_is_enough_to_import_files() {
        let config = Config::parse(json!({ "ente": ENTE })).unwrap();
        assert!(config.client.is_none() && config.cig.is_empty() && config.esercizi.is_empty());
    }

    #[rstest]
    #[case::no_body(json!({}), "ente")]
    #[case::a_person(json!({ "ente": "RSSMRA85T10A562S" }), "body")]
    #[case::not_a_cig(json!({ "ente": ENTE, "cig": ["x"] }), "CIG")]
    #[case::null_cig(json!({ "ente": ENTE, "cig": ["0000000000"] }), "0000000000")]
    #[case::not_a_year(json!({ "ente": ENTE, "esercizi": [26] }), "26")]
    #[case::misspelt(json!({ "ente": ENTE, "base_url": "https://c.example", "cigs": [] }), "cigs")]
    #[case::no_password(json!({ "ente": ENTE, "utente": "u" }), "password_file")]
    #[case::no_user(json!({ "ente": ENTE, "autenticazione": "basic" }), "utente")]
    #[case::unused(json!({ "ente": ENTE, "autenticazione": "nessuna", "utente": "u" }), "nessuna")]
    #[case::absent_file(json!({ "ente": ENTE, "utente": "u", "password_file": "/nonexistent/p" }), "/nonexistent/p")]
    fn settings_that_cannot_work_say_what_to_write(#[case] settings: Settings, #[case] word: &str) {
        let error = Config::parse(settings).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
        assert!(!error.contains("RSSMRA"), "{error}");
    }
}

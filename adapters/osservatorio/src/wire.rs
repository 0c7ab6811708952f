//! The shapes of both sides: the rows of the open data, as the region publishes them, and the
//! packages of contract v0 (ASSUMED, ours).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A row of the open data: one lot. Every value is a text, and most may be absent.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct RigaBando(BTreeMap<String, Value>);

impl fmt::Debug for RigaBando {
    /// A row names the person in charge.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RigaBando(…)")
    }
}

impl RigaBando {
    /// A value that is not blank.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str().filter(|text| !text.trim().is_empty())
    }

    /// The names of values that are not texts: the contract has none.
    pub(crate) fn not_texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, value)| !value.is_string() && !value.is_null()).map(|(name, _)| name.as_str())
    }
}

/// The rows of a list of the open data are known by this.
pub(crate) const KEY_FIELD: &str = "codice_bando";

/// What stands in place of the fiscal code of a person inside a text.
pub(crate) const OMITTED: &str = "[codice fiscale omesso]";

/// Media type of the rows of a package.
pub(crate) const NDJSON: &str = "application/x-ndjson";

/// The key of a package: body and year.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PackageKey {
    pub(crate) ente: String,
    pub(crate) periodo: String,
}

impl fmt::Display for PackageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ente, self.periodo)
    }
}

impl PackageKey {
    /// Reads `{codice fiscale}/{anno}`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (ente, periodo) = text.split_once('/')?;
        let is_code = ente.len() == 11 && ente.bytes().all(|b| b.is_ascii_digit());
        let is_year = periodo.len() == 4 && periodo.bytes().all(|b| b.is_ascii_digit());
        (is_code && is_year).then(|| Self { ente: ente.to_owned(), periodo: periodo.to_owned() })
    }
}

/// What a package says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifesto {
    pub(crate) ente: String,
    pub(crate) periodo: String,
    pub(crate) versione: u64,
    pub(crate) righe: u64,
    /// SHA-256 of the rows, in hexadecimal.
    pub(crate) impronta: String,
}

impl Manifesto {
    pub(crate) fn key(&self) -> PackageKey {
        PackageKey { ente: self.ente.clone(), periodo: self.periodo.clone() }
    }
}

/// The body of a delivery.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pacchetto {
    pub(crate) manifesto: Manifesto,
    /// The rows: one canonical record a line.
    pub(crate) contenuto: String,
}

/// One row of a package.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Riga<B> {
    pub(crate) kind: canonical::Kind,
    pub(crate) body: B,
}

/// The answer to a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Accolto {
    pub(crate) id: String,
    pub(crate) versione: u64,
    pub(crate) impronta: String,
}

/// A page of the list of packages, in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Elenco {
    pub(crate) elementi: Vec<Manifesto>,
    pub(crate) successivo: Option<String>,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Problema {
    pub(crate) codice: String,
    pub(crate) messaggio: String,
}

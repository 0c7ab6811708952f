//! The shapes of Pi.Co., in its spelling: packages, sheets, resources, answers, problems.
//!
//! They follow `schemas/upstream/pico/v0/openapi.json`. The rows are tables (`dataset.rs`); fields
//! that we do not know are left alone.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::dataset::TotalValue;

/// The media types of the two files of a package.
pub(crate) const CSV_TYPE: &str = "text/csv";
pub(crate) const NDJSON_TYPE: &str = "application/x-ndjson";
/// The state of a package that is shown.
pub(crate) const PUBBLICATO: &str = "pubblicato";
/// The code of the refusal of what belongs to a body that is not a member.
pub(crate) const ADESIONE_ASSENTE: &str = "adesione_assente";
/// The code of an address where there is nothing.
pub(crate) const NON_TROVATO: &str = "non_trovato";

/// The key of a package: body, dataset, period. Pi.Co. sorts packages by its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackageKey {
    pub(crate) ente: String,
    pub(crate) dataset: String,
    pub(crate) periodo: String,
}

impl PackageKey {
    /// A key from its text; none when it has not three parts.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/').filter(|part| !part.is_empty()).map(str::to_owned);
        let key = Self { ente: parts.next()?, dataset: parts.next()?, periodo: parts.next()? };
        (parts.next().is_none() && key.to_string() == text).then_some(key)
    }
}

impl fmt::Display for PackageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.ente, self.dataset, self.periodo)
    }
}

/// What one publication carries.
#[derive(Serialize, Deserialize)]
pub(crate) struct Pacchetto {
    pub(crate) manifesto: Manifesto,
    pub(crate) file: Vec<FilePacchetto>,
}

/// What a package says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifesto {
    pub(crate) ente: String,
    pub(crate) dataset: String,
    pub(crate) periodo: String,
    pub(crate) versione: u64,
    pub(crate) righe: u64,
    /// SHA-256 of the NDJSON file.
    pub(crate) impronta: String,
    pub(crate) generato_da: String,
    pub(crate) schema: String,
    pub(crate) aggregati: BTreeMap<String, TotalValue>,
}

impl Manifesto {
    pub(crate) fn key(&self) -> PackageKey {
        PackageKey { ente: self.ente.clone(), dataset: self.dataset.clone(), periodo: self.periodo.clone() }
    }

    /// What the list says of the same package.
    pub(crate) fn entry(&self) -> Elemento {
        let PackageKey { ente, dataset, periodo } = self.key();
        let (versione, impronta, righe) = (self.versione, self.impronta.clone(), self.righe);
        Elemento { ente, dataset, periodo, versione, impronta, righe }
    }
}

/// A file of a package.
#[derive(Serialize, Deserialize)]
pub(crate) struct FilePacchetto {
    pub(crate) nome: String,
    pub(crate) tipo: String,
    pub(crate) impronta: String,
    pub(crate) contenuto: String,
}

/// A sheet that travels alone: a resource, or a report to the help desk.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Scheda {
    pub(crate) versione: u64,
    /// SHA-256 of the bytes of the content.
    pub(crate) impronta: String,
    pub(crate) contenuto: Box<RawValue>,
}

/// The answer to a publication: of a package, of a resource, of a report.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pubblicazione {
    pub(crate) id: String,
    pub(crate) stato: String,
    pub(crate) versione: u64,
    /// What the help desk says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parole: Option<String>,
}

/// A package as Pi.Co. holds it, without its rows.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pubblicato {
    pub(crate) id: String,
    pub(crate) stato: String,
    pub(crate) manifesto: Manifesto,
}

/// A sheet as Pi.Co. holds it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SchedaTenuta {
    pub(crate) chiave: String,
    pub(crate) stato: String,
    pub(crate) versione: u64,
    pub(crate) impronta: String,
    pub(crate) contenuto: Box<RawValue>,
}

/// A page of what Pi.Co. holds, in the order of the keys.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Elenco<T> {
    pub(crate) elementi: Vec<T>,
    /// The key after which the next page begins; none on the last one.
    pub(crate) successivo: Option<String>,
}

/// What a list is sorted by.
pub(crate) trait Keyed {
    fn key(&self) -> String;
}

/// One package of the list.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Elemento {
    pub(crate) ente: String,
    pub(crate) dataset: String,
    pub(crate) periodo: String,
    pub(crate) versione: u64,
    pub(crate) impronta: String,
    pub(crate) righe: u64,
}

impl Elemento {
    pub(crate) fn package_key(&self) -> PackageKey {
        PackageKey { ente: self.ente.clone(), dataset: self.dataset.clone(), periodo: self.periodo.clone() }
    }
}

impl Keyed for Elemento {
    fn key(&self) -> String {
        self.package_key().to_string()
    }
}

impl Keyed for SchedaTenuta {
    fn key(&self) -> String {
        self.chiave.clone()
    }
}

/// A page of the resources that Pi.Co. itself publishes, in the order in which they changed.
#[derive(Serialize, Deserialize)]
pub(crate) struct PaginaRisorse {
    pub(crate) elementi: Vec<Box<RawValue>>,
    /// Where the next page begins.
    pub(crate) cursore: String,
    /// Whether there is more today.
    pub(crate) altri: bool,
}

/// A resource that Pi.Co. itself publishes.
#[derive(Deserialize)]
pub(crate) struct RisorsaPubblicata {
    pub(crate) id: String,
    pub(crate) tipo: String,
    #[serde(default)]
    pub(crate) titolo: String,
    pub(crate) descrizione: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) tema: Option<String>,
    pub(crate) data_pubblicazione: Option<String>,
    pub(crate) data_scadenza: Option<String>,
    #[serde(default)]
    pub(crate) ritirata: bool,
}

/// A problem document, as far as we read it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Problema {
    pub(crate) codice: String,
    pub(crate) messaggio: String,
    #[serde(default)]
    pub(crate) dettagli: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_key_has_three_parts() {
        let key = PackageKey::parse("00606750131/appalti/2024").expect("a key");
        assert_eq!(key.to_string(), "00606750131/appalti/2024");
        for text in ["", "a/b", "a/b/c/d", "a//c", "/a/b/c", "a/b/c/"] {
            assert_eq!(PackageKey::parse(text), None, "{text}");
        }
    }
}

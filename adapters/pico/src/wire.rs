//! The shapes of Pi.Co., in its spelling: packages, rows, answers, problems.
//!
//! They follow `schemas/upstream/pico/v0/openapi.json`. Rows are typed, so that a row that cannot
//! be right is refused where it enters; fields that we do not know are left alone.

use std::collections::BTreeSet;
use std::fmt;

use canonical::code_lists::SceltaContraente;
use canonical::identifiers::{Cig, CodiceFiscale, Cpv, Cup};
use canonical::values::{CalendarDate, Importo};
use serde::{Deserialize, Serialize};

/// The dataset that the adapter publishes and observes.
pub(crate) const APPALTI: &str = "appalti";
/// The shape of its rows.
pub(crate) const SCHEMA: &str = "appalti/0";
/// The two files of a package.
pub(crate) const CSV_FILE: (&str, &str) = ("appalti.csv", "text/csv");
pub(crate) const NDJSON_FILE: (&str, &str) = ("appalti.ndjson", "application/x-ndjson");
/// The state of a package that is shown.
pub(crate) const PUBBLICATO: &str = "pubblicato";
/// What stands where the fiscal code of a person was: no natural person leaves towards Pi.Co.
pub(crate) const OMITTED: &str = "[codice fiscale omesso]";

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
    pub(crate) aggregati: Aggregati,
}

impl Manifesto {
    pub(crate) fn key(&self) -> PackageKey {
        PackageKey { ente: self.ente.clone(), dataset: self.dataset.clone(), periodo: self.periodo.clone() }
    }
}

/// Totals that anybody can recompute from the rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Aggregati {
    pub(crate) lotti: u64,
    pub(crate) lotti_con_importo_aggiudicato: u64,
    pub(crate) importo_totale: Importo,
    pub(crate) importo_aggiudicato_totale: Importo,
}

impl Aggregati {
    /// The totals of some rows; none when an amount becomes too large to hold.
    pub(crate) fn of(rows: &[RigaAppalto]) -> Option<Self> {
        let awarded = rows.iter().filter_map(|row| row.importo_aggiudicato);
        Some(Self {
            lotti: rows.len() as u64,
            lotti_con_importo_aggiudicato: awarded.clone().count() as u64,
            importo_totale: Importo::checked_sum(rows.iter().filter_map(|row| row.importo))?,
            importo_aggiudicato_totale: Importo::checked_sum(awarded)?,
        })
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

/// A row of the dataset `appalti`: one lot. The order of the fields is the order of the columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RigaAppalto {
    pub(crate) codice_fiscale_ente: CodiceFiscale,
    pub(crate) cig: Cig,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) cup: BTreeSet<Cup>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) oggetto: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpv: Option<Cpv>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scelta_contraente: Option<SceltaContraente>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) importo: Option<Importo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) importo_aggiudicato: Option<Importo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data_pubblicazione: Option<CalendarDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data_aggiudicazione: Option<CalendarDate>,
    pub(crate) stato: Stato,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) piattaforma_esecuzione: Option<String>,
}

/// The state of a lot, from the least advanced; how it is derived stands in `stato.rs`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stato {
    Pubblicato,
    NonAggiudicato,
    Aggiudicato,
    Stipulato,
    Sospeso,
    InEsecuzione,
    Concluso,
    Collaudato,
    Annullato,
    Sostituito,
    /// A state that is not in the list, as received.
    #[serde(untagged)]
    Altro(String),
}

impl fmt::Display for Stato {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pubblicato => "pubblicato",
            Self::NonAggiudicato => "non_aggiudicato",
            Self::Aggiudicato => "aggiudicato",
            Self::Stipulato => "stipulato",
            Self::Sospeso => "sospeso",
            Self::InEsecuzione => "in_esecuzione",
            Self::Concluso => "concluso",
            Self::Collaudato => "collaudato",
            Self::Annullato => "annullato",
            Self::Sostituito => "sostituito",
            Self::Altro(stato) => stato,
        })
    }
}

/// The answer to a publication.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pubblicazione {
    pub(crate) id: String,
    pub(crate) stato: String,
    pub(crate) versione: u64,
}

/// A package as Pi.Co. holds it, without its rows.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pubblicato {
    pub(crate) id: String,
    pub(crate) stato: String,
    pub(crate) manifesto: Manifesto,
}

/// A page of the packages that Pi.Co. holds, in the order of their keys.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Elenco {
    pub(crate) elementi: Vec<Elemento>,
    /// The key after which the next page begins; none on the last one.
    pub(crate) successivo: Option<String>,
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
    pub(crate) fn key(&self) -> PackageKey {
        PackageKey { ente: self.ente.clone(), dataset: self.dataset.clone(), periodo: self.periodo.clone() }
    }
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

    #[test]
    fn an_unknown_state_is_kept() {
        let stato = |json: &str| serde_json::from_str::<Stato>(json).expect("a state");
        assert_eq!(stato("\"in_esecuzione\""), Stato::InEsecuzione);
        assert_eq!(stato("\"in_volo\""), Stato::Altro("in_volo".to_owned()));
        for known in [Stato::Pubblicato, Stato::NonAggiudicato, Stato::InEsecuzione, Stato::Sostituito] {
            assert_eq!(serde_json::to_string(&known).expect("text"), format!("\"{known}\""));
        }
    }
}

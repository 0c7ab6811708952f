//! The shapes of the service, in its own spelling (`WSTabelleDiContesto` 2.1.0, PUBLIC).
//!
//! The document is under `schemas/upstream/scp-tabelle`. It names the operations; the names of the
//! tables come from the fields that refer to them, and their values only from the service.

use serde::{Deserialize, Serialize};

/// The format of an answer.
pub(crate) const FORMAT: &str = "scp-tabella";
/// The version of the document.
pub(crate) const VERSION: &str = "2.1.0";

/// The tables of `/Tabellati/Valori`.
pub(crate) const VALORI: [&str; 35] = [
    "Situazione",
    "Indizione",
    "TipologiaSA",
    "TipologiaProcedura",
    "SceltaContraente50",
    "SceltaContraente",
    "Area",
    "Fase",
    "TipoInvio",
    "TipoAvviso",
    "SN",
    "TipoAppalto",
    "CriterioAggiudicazione",
    "TipologiaAggiudicatario",
    "RuoloAssociazione",
    "TipoRealizzazione",
    "Categorie",
    "Classe",
    "Settore",
    "TipoProgramma",
    "Determinazioni",
    "Ambito",
    "Causa",
    "StatoRealizzazione",
    "DestinazioneUso",
    "TipologiaIntervento",
    "CategoriaIntervento",
    "Priorita",
    "Finalita",
    "StatoProgettazione",
    "VariatoAcquisti",
    "VariatoInterventi",
    "UnitaMisura",
    "ProceduraAffidamento",
    "AcquistoRicompreso",
];

/// The tables with an operation of their own.
pub(crate) const OPERAZIONI: [&str; 4] = ["Regioni", "Province", "ProvinceIstat", "Atti"];

/// A table: where it is asked for depends on its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tabella(String);

impl Tabella {
    /// Every table known by name.
    pub(crate) fn all() -> Vec<Self> {
        VALORI.into_iter().chain(OPERAZIONI).map(Self::named).collect()
    }

    /// The table with this name. Others than those known may exist: the service says.
    pub(crate) fn named(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// The operation that gives it, and whether it wants the name of the table.
    pub(crate) fn operation(&self) -> (&str, bool) {
        if OPERAZIONI.contains(&self.name()) { (self.name(), false) } else { ("Valori", true) }
    }

    /// Where it is published, below the address of the service.
    pub(crate) fn fonte(name: &str) -> String {
        match Self::named(name).operation() {
            (operation, true) => format!("/Tabellati/{operation}?cod={name}"),
            (operation, false) => format!("/Tabellati/{operation}"),
        }
    }
}

/// The answer with a table.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct TabellatoResult {
    /// What failed, when something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// The values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Vec<TabellatoEntry>>,
}

/// A value of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TabellatoEntry {
    /// The code.
    #[serde(default)]
    pub(crate) code: Option<String>,
    /// What it means.
    #[serde(default)]
    pub(crate) value: Option<String>,
    /// The code of the region, of the provinces of `ProvinceIstat` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) codistat: Option<String>,
}

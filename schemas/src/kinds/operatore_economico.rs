//! An economic operator: a company, a professional, a foreign firm.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identifiers::CodiceFiscale;

/// How an operator is identified. What cannot be verified is kept as received, never corrected.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "tipo", content = "valore", rename_all = "snake_case")]
pub enum IdentificativoOperatore {
    /// Italian fiscal code, of a company or of a person.
    CodiceFiscale(CodiceFiscale),
    /// Foreign fiscal identifier, as received.
    Estero(String),
    /// A text that is not a fiscal code, as received.
    NonValido(String),
    /// No identifier, or a masked one.
    Assente,
}

impl IdentificativoOperatore {
    /// Whether this identifies a natural person, or may do so.
    pub fn may_be_personal(&self) -> bool {
        match self {
            Self::CodiceFiscale(code) => code.is_person(),
            // A person's code often stands in the wrong field: only digits are surely a company's.
            Self::Estero(text) | Self::NonValido(text) => !text.bytes().all(|b| b.is_ascii_digit()),
            Self::Assente => true,
        }
    }
}

impl std::fmt::Debug for IdentificativoOperatore {
    /// Received texts may hold a person's code: they never reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CodiceFiscale(code) => f.debug_tuple("CodiceFiscale").field(code).finish(),
            Self::Estero(_) => f.write_str("Estero(…)"),
            Self::NonValido(_) => f.write_str("NonValido(…)"),
            Self::Assente => f.write_str("Assente"),
        }
    }
}

/// An economic operator.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperatoreEconomico {
    /// Fiscal code.
    pub codice_fiscale: CodiceFiscale,
    /// Name, as the source writes it.
    pub denominazione: Option<String>,
    /// Other codes under which the same operator circulates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub altri_codici: Vec<CodiceFiscale>,
}

impl std::fmt::Debug for OperatoreEconomico {
    /// A name may be a person's: it never reaches a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OperatoreEconomico").field("codice_fiscale", &self.codice_fiscale).finish_non_exhaustive()
    }
}

impl OperatoreEconomico {
    pub(crate) fn key(&self) -> String {
        self.codice_fiscale.as_str().to_owned()
    }
}

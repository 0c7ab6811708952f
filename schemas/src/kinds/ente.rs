//! A public body: a Province, a metropolitan city, a municipality, or another authority.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identifiers::{CodiceAusa, CodiceFiscale, CodiceIpa, CodiceIstat};
use crate::values::CalendarDate;

/// What kind of body it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TipoEnte {
    /// Provincia.
    Provincia,
    /// Città metropolitana.
    CittaMetropolitana,
    /// Libero consorzio comunale.
    LiberoConsorzio,
    /// Comune.
    Comune,
    /// Any other body.
    Altro,
}

/// A public body. It is identified by its fiscal code only, never by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ente {
    /// Fiscal code.
    pub codice_fiscale: CodiceFiscale,
    /// Name, as the source writes it.
    pub denominazione: Option<String>,
    /// Other fiscal codes or VAT numbers under which the same body circulates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub altri_codici: Vec<CodiceFiscale>,
    /// Code in ANAC's registry of contracting authorities.
    pub codice_ausa: Option<CodiceAusa>,
    /// Code in the index of public administrations.
    pub codice_ipa: Option<CodiceIpa>,
    /// Kind of body, when the source says it.
    pub tipo: Option<TipoEnte>,
    /// ISTAT code of the territory.
    pub codice_istat: Option<CodiceIstat>,
    /// First day of existence, when known.
    pub valido_dal: Option<CalendarDate>,
    /// Last day of existence, when it ceased.
    pub valido_al: Option<CalendarDate>,
}

impl Ente {
    pub(crate) fn key(&self) -> String {
        self.codice_fiscale.as_str().to_owned()
    }
}

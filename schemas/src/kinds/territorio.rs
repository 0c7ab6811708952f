//! A territory: a municipality or the unit above it, known by its ISTAT code.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identifiers::{CodiceIstat, CodiceNuts};
use crate::values::CalendarDate;

/// What the territory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TipoTerritorio {
    /// Territory of a Province.
    Provincia,
    /// Territory of a metropolitan city.
    CittaMetropolitana,
    /// Territory of a free consortium of municipalities.
    LiberoConsorzio,
    /// Statistical unit without a body of its own.
    UnitaNonAmministrativa,
    /// Municipality.
    Comune,
}

/// A territory. Codes have a validity: Sardinia was recoded in 2026.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Territorio {
    /// The key.
    pub codice_istat: CodiceIstat,
    /// Name.
    pub denominazione: String,
    /// What it is.
    pub tipo: TipoTerritorio,
    /// Cadastral code, which survives a recoding.
    pub codice_catastale: Option<String>,
    /// Plate of the unit above the municipality.
    pub sigla: Option<String>,
    /// The unit above a municipality.
    pub provincia: Option<CodiceIstat>,
    /// NUTS3 code.
    pub nuts: Option<CodiceNuts>,
    /// First day of validity of the code.
    pub valido_dal: Option<CalendarDate>,
    /// Last day of validity of the code.
    pub valido_al: Option<CalendarDate>,
    /// The code that took its place.
    pub sostituito_da: Option<CodiceIstat>,
}

impl Territorio {
    pub(crate) fn key(&self) -> String {
        self.codice_istat.as_str().to_owned()
    }
}

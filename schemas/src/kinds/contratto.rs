//! A contract: what was signed after an award, and which platform follows its execution.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identifiers::{Cig, CodiceFiscale};
use crate::values::{CalendarDate, Importo};

/// A contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Contratto {
    /// CIG of the lot.
    pub cig: Cig,
    /// Number of the award inside the CIG.
    pub id_aggiudicazione: u32,
    /// Fiscal code of the contracting authority.
    pub stazione_appaltante: Option<CodiceFiscale>,
    /// Year to which the source refers its row.
    pub anno_riferimento: Option<u16>,
    /// Number of the contract.
    pub numero: Option<String>,
    /// Day on which it was signed.
    pub data_stipula: Option<CalendarDate>,
    /// Amount, net of VAT.
    pub importo: Option<Importo>,
    /// First day of the performance.
    pub data_inizio: Option<CalendarDate>,
    /// Last day of the performance, contractual or actual as the source gives it.
    pub data_fine: Option<CalendarDate>,
    /// Sums paid so far, as the source declares them: cumulative and, by law, net of VAT.
    pub somme_liquidate: Option<Importo>,
    /// System that owns the execution of the contract, when the source says it.
    pub piattaforma_esecuzione: Option<String>,
}

impl Contratto {
    pub(crate) fn key(&self) -> String {
        format!("{}/{}", self.cig.as_str(), self.id_aggiudicazione)
    }
}

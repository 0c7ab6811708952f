//! Who does a part of a contract: subcontractors, holders of technical tasks, new winners.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identifiers::CodiceFiscale;

/// A subject that does a part of the work: a company or a person in business.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SoggettoEsecutore {
    /// Fiscal code.
    pub codice_fiscale: Option<CodiceFiscale>,
    /// Name.
    pub denominazione: Option<String>,
    /// Code of list `ruoloOE`.
    pub ruolo: Option<String>,
    /// Code of list `tipoOE`.
    pub tipo: Option<String>,
    /// Established abroad.
    pub estero: Option<bool>,
    /// Identifier on the national platform, for a participant of the procedure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_partecipante: Option<String>,
}

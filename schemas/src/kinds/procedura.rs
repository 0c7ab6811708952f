//! A procurement procedure: what one body tenders, in one or more lots.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::code_lists::SceltaContraente;
use crate::identifiers::{Cig, CodiceFiscale};
use crate::values::{Importo, UtcInstant};

/// A procurement procedure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Procedura {
    /// `idAppalto` of the national platform, or `platform/remote id` where there is none.
    pub id: String,
    /// Object.
    pub oggetto: Option<String>,
    /// Fiscal code of the contracting authority.
    pub stazione_appaltante: Option<CodiceFiscale>,
    /// Fiscal code of the body on whose behalf the authority acts.
    pub ente_delegante: Option<CodiceFiscale>,
    /// Procedure type, as ANAC's code.
    pub scelta_contraente: Option<SceltaContraente>,
    /// Total amount, net of VAT.
    pub importo: Option<Importo>,
    /// Security costs included in the total.
    pub oneri_sicurezza: Option<Importo>,
    /// When it was published, UTC.
    pub pubblicata_il: Option<UtcInstant>,
    /// When offers close, UTC.
    pub scadenza_offerte: Option<UtcInstant>,
    /// The lots.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lotti: Vec<Cig>,
}

impl Procedura {
    pub(crate) fn key(&self) -> String {
        self.id.clone()
    }
}

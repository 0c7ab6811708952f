//! An award of a lot: who took part, who won, for how much.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identifiers::{Cig, CodiceFiscale};
use crate::kinds::IdentificativoOperatore;
use crate::values::{CalendarDate, Importo};

/// The role of an operator inside a group, by the codes of Legge 190/2012.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuoloRaggruppamento {
    /// `01`.
    Mandante,
    /// `02`.
    Mandataria,
    /// `03`.
    Associata,
    /// `04`.
    Capogruppo,
    /// `05`.
    Consorziata,
    /// A code that is not in the list, as received.
    Altro(String),
}

/// An operator that takes part, alone or inside a group.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Partecipazione {
    /// Who.
    pub operatore: IdentificativoOperatore,
    /// Name, as the source writes it.
    pub denominazione: Option<String>,
    /// Number of the group inside the award, counted from one; none for a single operator.
    pub raggruppamento: Option<u32>,
    /// Role inside the group.
    pub ruolo: Option<RuoloRaggruppamento>,
}

impl fmt::Debug for Partecipazione {
    /// A name may be a person's: it never reaches a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partecipazione")
            .field("operatore", &self.operatore)
            .field("raggruppamento", &self.raggruppamento)
            .field("ruolo", &self.ruolo)
            .finish_non_exhaustive()
    }
}

/// An award. A CIG may have several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Aggiudicazione {
    /// CIG of the lot.
    pub cig: Cig,
    /// Number of the award inside the CIG. Where the source gives none: the order in which the
    /// rows of the same CIG stand in its document, counted from one.
    pub id_aggiudicazione: u32,
    /// Fiscal code of the contracting authority.
    pub stazione_appaltante: Option<CodiceFiscale>,
    /// Year to which the source refers its row.
    pub anno_riferimento: Option<u16>,
    /// Day of the award, when given.
    pub data: Option<CalendarDate>,
    /// Amount, net of VAT, security costs included.
    pub importo: Option<Importo>,
    /// Discount in per cent, as an exact decimal text.
    pub ribasso: Option<String>,
    /// Code of the outcome.
    pub esito: Option<String>,
    /// Winners. None: not awarded, or not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aggiudicatari: Vec<Partecipazione>,
    /// Participants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partecipanti: Vec<Partecipazione>,
}

impl Aggiudicazione {
    pub(crate) fn key(&self) -> String {
        format!("{}/{}", self.cig.as_str(), self.id_aggiudicazione)
    }
}

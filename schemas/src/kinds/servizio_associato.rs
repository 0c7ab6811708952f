//! Which Comune uses which service of its Province: central purchasing, territory data, projects.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identifiers::CodiceFiscale;
use crate::kinds::Atto;
use crate::values::CalendarDate;

/// The office of the Province that gives the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TipoServizio {
    /// Stazione unica appaltante: procedures run for others.
    Sua,
    /// Sistema informativo territoriale.
    Sit,
    /// Servizio associato per le politiche europee.
    Sape,
}

impl TipoServizio {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sua => "sua",
            Self::Sit => "sit",
            Self::Sape => "sape",
        }
    }
}

/// A service that a Province gives to a Comune or to another body of its territory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServizioAssociato {
    /// Fiscal code of the Province that gives it.
    pub ente_erogatore: CodiceFiscale,
    /// Fiscal code of the body that uses it.
    pub ente_fruitore: CodiceFiscale,
    /// The office.
    pub tipo: TipoServizio,
    /// The service of that office, as a code of the Province; none for all of them.
    pub servizio: Option<String>,
    /// The agreement.
    #[serde(default, skip_serializing_if = "Atto::is_empty")]
    pub convenzione: Atto,
    /// First day.
    pub valido_dal: Option<CalendarDate>,
    /// Last day.
    pub valido_al: Option<CalendarDate>,
}

impl ServizioAssociato {
    pub(crate) fn key(&self) -> String {
        let servizio = self.servizio.as_deref().unwrap_or("-");
        format!("{}/{}/{}/{servizio}", self.ente_erogatore.as_str(), self.ente_fruitore.as_str(), self.tipo.name())
    }
}

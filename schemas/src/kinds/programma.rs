//! A triennial programme of a body (art. 37 and All. I.5 d.lgs. 36/2023).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identifiers::{CodiceFiscale, Cui, Cup};
use crate::kinds::{Atto, Persona};
use crate::values::Importo;

/// What the programme plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TipoProgramma {
    /// Public works, three years.
    Lavori,
    /// Purchases of supplies and services.
    FornitureServizi,
}

/// An item of the previous programme that is not proposed again (scheda F).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NonRiproposto {
    /// The item.
    pub cui: Cui,
    /// Its project.
    pub cup: Option<Cup>,
    /// What it was.
    pub descrizione: String,
    /// Amount.
    pub importo: Option<Importo>,
    /// Priority code.
    pub priorita: Option<String>,
    /// Why it is not proposed again.
    pub motivo: String,
}

/// An unfinished work (scheda B).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperaIncompiuta {
    /// Its project.
    pub cup: Cup,
    /// What it is.
    pub descrizione: String,
    /// Year of the last economic framework.
    pub anno: Option<u16>,
    /// Amount of the last economic framework.
    pub importo: Option<Importo>,
    /// What is still needed.
    pub oneri: Option<Importo>,
    /// Progress in per cent, as an exact decimal text.
    pub avanzamento: Option<String>,
    /// Code of the cause (table `Causa`).
    pub causa: Option<String>,
    /// Code of the state of realisation (table `StatoRealizzazione`).
    pub stato_realizzazione: Option<String>,
}

/// A programme. Its items are records of their own ([`Intervento`](crate::kinds::Intervento)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Programma {
    /// Identifier: `LP` or `FS`, fiscal code, year, three digits. The key.
    pub id: String,
    /// What it plans.
    pub tipo: TipoProgramma,
    /// Fiscal code of the body.
    pub ente: CodiceFiscale,
    /// First year.
    pub anno: u16,
    /// Description.
    pub descrizione: String,
    /// Act of adoption.
    #[serde(default, skip_serializing_if = "Atto::is_empty")]
    pub adozione: Atto,
    /// Act of approval.
    #[serde(default, skip_serializing_if = "Atto::is_empty")]
    pub approvazione: Atto,
    /// Person in charge of the programme.
    pub referente: Option<Persona>,
    /// Items not proposed again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub non_riproposti: Vec<NonRiproposto>,
    /// Unfinished works.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opere_incompiute: Vec<OperaIncompiuta>,
}

impl Programma {
    pub(crate) fn key(&self) -> String {
        self.id.clone()
    }
}

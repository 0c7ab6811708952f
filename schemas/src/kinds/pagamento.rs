//! A row of the accounting system: a commitment or a payment order.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identifiers::{Cig, CodiceFiscale, Cup};
use crate::kinds::{Atto, IdentificativoOperatore};
use crate::values::{CalendarDate, Importo};

/// What the row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TipoPagamento {
    /// Commitment (impegno): what is bound.
    Impegno,
    /// Payment order (mandato): what is paid.
    Mandato,
}

impl TipoPagamento {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Impegno => "impegno",
            Self::Mandato => "mandato",
        }
    }
}

/// A commitment or a payment order. The owner is the accounting system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pagamento {
    /// Fiscal code of the body that pays.
    pub ente: CodiceFiscale,
    /// What the row is.
    pub tipo: TipoPagamento,
    /// Financial year.
    pub esercizio: u16,
    /// Number in the year.
    pub numero: String,
    /// Number inside the number, when there is one.
    pub subnumero: Option<String>,
    /// Chapter of the budget.
    pub capitolo: Option<String>,
    /// Commitment to which an order belongs, as `year/number/sub`.
    pub impegno: Option<String>,
    /// Day.
    pub data: Option<CalendarDate>,
    /// The act that disposes it.
    #[serde(default, skip_serializing_if = "Atto::is_empty")]
    pub atto: Atto,
    /// Who is paid.
    pub beneficiario: Option<IdentificativoOperatore>,
    /// Lot for which it is paid.
    pub cig: Option<Cig>,
    /// Project for which it is paid.
    pub cup: Option<Cup>,
    /// Amount of the row, as the accounting system counts it.
    pub importo: Option<Importo>,
    /// Part of the amount that is VAT, when known.
    pub iva: Option<Importo>,
    /// Amount without VAT, when known.
    pub importo_netto: Option<Importo>,
    /// Of a commitment: paid so far.
    pub importo_pagato: Option<Importo>,
    /// Of a commitment: still to pay.
    pub importo_da_pagare: Option<Importo>,
    /// Whether VAT goes to the Treasury with an order of its own (art. 17-ter d.P.R. 633/1972).
    pub scissione_pagamenti: Option<bool>,
}

impl Pagamento {
    pub(crate) fn key(&self) -> String {
        let sub = self.subnumero.as_deref().unwrap_or("0");
        format!("{}/{}/{}/{}/{sub}", self.ente.as_str(), self.tipo.name(), self.esercizio, self.numero)
    }
}

//! A row of the accounting system: a commitment or a payment order, or the part of one that is for a
//! lot: one order may pay several, and each part is a record of its own.

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
    /// Body, kind, year, number and sub-number say which order it is. The CIG says which part of
    /// it, or the CUP where there is no CIG, or a hyphen where there is neither.
    pub(crate) fn key(&self) -> String {
        let sub = self.subnumero.as_deref().unwrap_or("0");
        // A null CIG names no lot.
        let cig = self.cig.as_ref().filter(|cig| !cig.is_null()).map(Cig::as_str);
        let code = cig.or(self.cup.as_ref().map(Cup::as_str)).unwrap_or("-");
        format!("{}/{}/{}/{}/{sub}/{code}", self.ente.as_str(), self.tipo.name(), self.esercizio, self.numero)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn key(changes: &Value) -> String {
        let mut body = json!({ "ente": "80098765433", "tipo": "mandato", "esercizio": 2026, "numero": "55" });
        for (field, value) in changes.as_object().unwrap() {
            body[field] = value.clone();
        }
        serde_json::from_value::<Pagamento>(body).unwrap().key()
    }

    #[rstest]
    #[case::a_lot(json!({"cig": "B000001279"}), "55/0/B000001279")]
    #[case::a_lot_of_a_project(json!({"cig": "B000001279", "cup": "F91B21000010001"}), "55/0/B000001279")]
    #[case::a_project(json!({"cup": "F91B21000010001"}), "55/0/F91B21000010001")]
    #[case::a_null_cig(json!({"cig": "0000000000", "cup": "F91B21000010001"}), "55/0/F91B21000010001")]
    #[case::neither(json!({}), "55/0/-")]
    #[case::a_sub_number(json!({"subnumero": "3", "cig": "B000001279"}), "55/3/B000001279")]
    fn the_key_says_which_part_of_which_order_it_is(#[case] changes: Value, #[case] end: &str) {
        assert_eq!(key(&changes), format!("80098765433/mandato/2026/{end}"));
    }

    #[test]
    fn the_parts_of_one_order_for_two_lots_are_two_records() {
        assert_ne!(key(&json!({"cig": "B000001279"})), key(&json!({"cig": "918052266A"})));
    }
}

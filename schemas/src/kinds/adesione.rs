//! The membership of a body in Pi.Co.: the protocol or agreement with the Union of Provinces.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identifiers::CodiceFiscale;
use crate::kinds::Atto;
use crate::values::CalendarDate;

/// By which act a body joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TipoAdesione {
    /// Protocol of understanding (protocollo d'intesa).
    Protocollo,
    /// Agreement (convenzione).
    Convenzione,
}

/// Whether the membership stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatoAdesione {
    /// In force.
    Attiva,
    /// Suspended for a time.
    Sospesa,
    /// Ended.
    Cessata,
}

/// The membership of a body. Without one in force nothing of the body goes to Pi.Co.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Adesione {
    /// Fiscal code of the body: the key.
    pub ente: CodiceFiscale,
    /// By which act it joined.
    pub tipo: TipoAdesione,
    /// The act.
    #[serde(default, skip_serializing_if = "Atto::is_empty")]
    pub atto: Atto,
    /// Whether it stands.
    pub stato: StatoAdesione,
    /// First day in force.
    pub valida_dal: CalendarDate,
    /// Last day in force; none while it has no end.
    pub valida_al: Option<CalendarDate>,
}

impl Adesione {
    pub(crate) fn key(&self) -> String {
        self.ente.as_str().to_owned()
    }

    /// Whether the membership is in force on a day.
    pub fn is_in_force(&self, day: CalendarDate) -> bool {
        self.stato == StatoAdesione::Attiva && self.valida_dal <= day && self.valida_al.is_none_or(|last| day <= last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_membership_is_in_force_between_its_days_and_only_while_active() {
        let day = |text| CalendarDate::parse(text).unwrap();
        let mut adesione = Adesione {
            ente: CodiceFiscale::parse("80004650133").unwrap(),
            tipo: TipoAdesione::Protocollo,
            atto: Atto::default(),
            stato: StatoAdesione::Attiva,
            valida_dal: day("2026-01-22"),
            valida_al: Some(day("2026-12-31")),
        };
        let in_force = |adesione: &Adesione| {
            ["2026-01-21", "2026-01-22", "2026-12-31", "2027-01-01"].map(|text| adesione.is_in_force(day(text)))
        };
        assert_eq!(in_force(&adesione), [false, true, true, false]);
        adesione.valida_al = None;
        assert_eq!(in_force(&adesione), [false, true, true, true]);
        adesione.stato = StatoAdesione::Sospesa;
        assert_eq!(in_force(&adesione), [false; 4]);
    }
}

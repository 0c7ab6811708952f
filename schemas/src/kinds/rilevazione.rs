//! A figure that a body declares for a period: how many people, courses, services, procedures.
//!
//! It cannot carry a person: a figure is a whole number, what it counts is a code in a narrow
//! alphabet, and there is no free text.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::identifiers::CodiceFiscale;

/// What the figures are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TemaRilevazione {
    /// Staff.
    Personale,
    /// Training.
    Formazione,
    /// Digital strategies of the integrated plan (PIAO).
    Piao,
    /// Procedures.
    Gare,
    /// European projects.
    ProgettiEuropei,
}

impl TemaRilevazione {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Personale => "personale",
            Self::Formazione => "formazione",
            Self::Piao => "piao",
            Self::Gare => "gare",
            Self::ProgettiEuropei => "progetti_europei",
        }
    }
}

/// A code of an indicator or of a dimension: lower case letters, digits, `_`, `-` and `.`, at most
/// 64, never the shape of a fiscal code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct CodiceIndicatore(String);

impl CodiceIndicatore {
    /// Reads a code.
    pub fn parse(text: &str) -> Result<Self, CodiceIndicatoreError> {
        let is_code = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.');
        if text.is_empty() || text.len() > 64 || !text.bytes().all(is_code) {
            return Err(CodiceIndicatoreError);
        }
        if crate::identifiers::holds_personal_code(text) {
            return Err(CodiceIndicatoreError);
        }
        Ok(Self(text.to_owned()))
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CodiceIndicatore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CodiceIndicatore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A text that is not the code of an indicator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the code of an indicator: 1 to 64 of a-z, 0-9, `_`, `-`, `.`, and no fiscal code")]
pub struct CodiceIndicatoreError;

/// A period: a year, a half, a quarter or a month.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Periodo(String);

impl Periodo {
    /// Reads `2026`, `2026-S1`, `2026-Q3` or `2026-07`.
    pub fn parse(text: &str) -> Result<Self, PeriodoError> {
        let (year, part) = text.split_once('-').map_or((text, None), |(year, part)| (year, Some(part)));
        let is_year = year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit()) && ("1900".."2200").contains(&year);
        let is_part = part.is_none_or(|part| {
            matches!(part, "S1" | "S2" | "Q1" | "Q2" | "Q3" | "Q4")
                || (part.len() == 2
                    && part.bytes().all(|b| b.is_ascii_digit())
                    && part.parse::<u8>().is_ok_and(|month| (1..=12).contains(&month)))
        });
        if is_year && is_part { Ok(Self(text.to_owned())) } else { Err(PeriodoError) }
    }

    /// The period.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The year to which it belongs.
    pub fn anno(&self) -> u16 {
        self.0.get(..4).and_then(|year| year.parse().ok()).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Periodo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A text that is not a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a period: YYYY, YYYY-S1..S2, YYYY-Q1..Q4 or YYYY-MM")]
pub struct PeriodoError;

/// A figure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rilevazione {
    /// Fiscal code of the body.
    pub ente: CodiceFiscale,
    /// What it is about.
    pub tema: TemaRilevazione,
    /// Period.
    pub periodo: Periodo,
    /// What is counted.
    pub indicatore: CodiceIndicatore,
    /// Class inside what is counted, for instance `categoria-d`; none for the total.
    pub dimensione: Option<CodiceIndicatore>,
    /// How many.
    pub valore: u64,
}

impl Rilevazione {
    pub(crate) fn key(&self) -> String {
        let dimensione = self.dimensione.as_ref().map_or("-", CodiceIndicatore::as_str);
        let (ente, tema) = (self.ente.as_str(), self.tema.name());
        format!("{ente}/{tema}/{}/{}/{dimensione}", self.periodo.as_str(), self.indicatore)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_no_room_for_a_person() {
        for text in ["dipendenti", "ore-formazione.digitale", "categoria_d1"] {
            assert!(CodiceIndicatore::parse(text).is_ok(), "{text}");
        }
        for text in ["", "Mario Rossi", "rssmra85t10a562s", "RSSMRA85T10A562S", "à", &"x".repeat(65)] {
            assert!(CodiceIndicatore::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_period_is_a_year_or_a_part_of_one() {
        for text in ["2026", "2026-S1", "2026-Q4", "2026-07", "2026-12"] {
            assert_eq!(Periodo::parse(text).unwrap().anno(), 2026, "{text}");
        }
        for text in ["26", "2026-13", "2026-00", "2026-Q5", "2026-7", "2026-", "1899", "2026-+1"] {
            assert!(Periodo::parse(text).is_err(), "{text}");
        }
    }
}

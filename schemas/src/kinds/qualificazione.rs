//! The qualification of a contracting authority (art. 62 and 63, All. II.4 d.lgs. 36/2023).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identifiers::{CodiceAusa, CodiceFiscale};
use crate::values::CalendarDate;

/// What the authority is qualified for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AmbitoQualificazione {
    /// Works.
    Lavori,
    /// Services and supplies.
    ServiziForniture,
}

impl AmbitoQualificazione {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lavori => "lavori",
            Self::ServiziForniture => "servizi_forniture",
        }
    }
}

/// The phase for which it is qualified: award and execution are qualified separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaseQualificazione {
    /// Design and award.
    Affidamento,
    /// Execution.
    Esecuzione,
}

impl FaseQualificazione {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Affidamento => "affidamento",
            Self::Esecuzione => "esecuzione",
        }
    }
}

/// The level, from the widest to the narrowest of each ambit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum LivelloQualificazione {
    /// Works of any amount: at least 50 points.
    L1,
    /// Works up to the EU threshold: at least 40 points.
    L2,
    /// Works up to one million euro: at least 30 points.
    L3,
    /// Services and supplies of any amount: at least 50 points.
    SF1,
    /// Services and supplies up to five million euro: at least 40 points.
    SF2,
    /// Services and supplies up to 750,000 euro: at least 30 points.
    SF3,
}

impl LivelloQualificazione {
    /// Every level, with its published code and its lowest score in points.
    pub const ALL: &'static [(Self, &'static str, u8)] = &[
        (Self::L1, "L1", 50),
        (Self::L2, "L2", 40),
        (Self::L3, "L3", 30),
        (Self::SF1, "SF1", 50),
        (Self::SF2, "SF2", 40),
        (Self::SF3, "SF3", 30),
    ];

    /// The published code.
    pub fn code(self) -> &'static str {
        Self::ALL.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }

    /// The level with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.iter().find(|row| row.1.eq_ignore_ascii_case(code.trim())).map(|row| row.0)
    }

    /// The lowest score that gives this level, in points.
    pub fn lowest_score(self) -> u8 {
        Self::ALL.iter().find(|row| row.0 == self).map_or(0, |row| row.2)
    }

    /// The ambit to which the level belongs.
    pub fn ambito(self) -> AmbitoQualificazione {
        match self {
            Self::L1 | Self::L2 | Self::L3 => AmbitoQualificazione::Lavori,
            Self::SF1 | Self::SF2 | Self::SF3 => AmbitoQualificazione::ServiziForniture,
        }
    }
}

/// A qualification. The owner is ANAC; every other system holds a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Qualificazione {
    /// Fiscal code of the authority.
    pub ente: CodiceFiscale,
    /// Its code in ANAC's registry.
    pub codice_ausa: Option<CodiceAusa>,
    /// Phase.
    pub fase: FaseQualificazione,
    /// Level, which says the ambit too.
    pub livello: LivelloQualificazione,
    /// Score in points, as an exact decimal text, for instance `45.5`.
    pub punteggio: Option<String>,
    /// First day in force.
    pub valida_dal: CalendarDate,
    /// Last day in force; none while it has no end.
    pub valida_al: Option<CalendarDate>,
}

impl Qualificazione {
    pub(crate) fn key(&self) -> String {
        let (ambito, fase) = (self.livello.ambito().name(), self.fase.name());
        format!("{}/{ambito}/{fase}/{}", self.ente.as_str(), self.valida_dal)
    }
}

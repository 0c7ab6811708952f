//! An investment project, known by its CUP, and its links with CIGs.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identifiers::{Cig, CodiceFiscale, CodiceIstat, Cup};
use crate::values::{CalendarDate, Importo};

/// The plan that finances a project.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Piano {
    /// National recovery and resilience plan.
    Pnrr,
    /// National complementary plan.
    Pnc,
    /// European funds outside the recovery plan.
    FondiEuropei,
    /// Another plan, as received.
    Altro(String),
}

impl Piano {
    /// The name, as received for another plan.
    pub fn name(&self) -> &str {
        match self {
            Self::Pnrr => "pnrr",
            Self::Pnc => "pnc",
            Self::FondiEuropei => "fondi_europei",
            Self::Altro(text) => text,
        }
    }
}

/// An amount that a source of money gives to a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finanziamento {
    /// The source of money, as received.
    pub fonte: String,
    /// How much.
    pub importo: Importo,
}

/// A project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Progetto {
    /// The key.
    pub cup: Cup,
    /// Title or description.
    pub titolo: Option<String>,
    /// Fiscal code of the body that holds or carries out the project.
    pub ente: Option<CodiceFiscale>,
    /// Plans that finance it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub piani: BTreeSet<Piano>,
    /// Programme.
    pub programma: Option<String>,
    /// Code of the measure, for instance `M4C1I3.3`.
    pub misura: Option<String>,
    /// State of the CUP or of the project, as received.
    pub stato: Option<String>,
    /// Number of the phase, when the source counts phases.
    pub fase: Option<u8>,
    /// Phase, as received.
    pub fase_descrizione: Option<String>,
    /// Nature of the investment, as received.
    pub natura: Option<String>,
    /// Cost.
    pub costo: Option<Importo>,
    /// Financed amount.
    pub finanziamento: Option<Importo>,
    /// Financed amounts by source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub finanziamenti: Vec<Finanziamento>,
    /// Paid so far.
    pub pagato: Option<Importo>,
    /// Day on which the CUP was asked for.
    pub data_generazione: Option<CalendarDate>,
    /// Day on which it was closed or revoked.
    pub data_chiusura: Option<CalendarDate>,
    /// ISTAT codes of the places.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub luoghi: BTreeSet<CodiceIstat>,
}

impl Progetto {
    /// A project of which only the CUP is known.
    pub fn new(cup: Cup) -> Self {
        Self {
            cup,
            titolo: None,
            ente: None,
            piani: BTreeSet::new(),
            programma: None,
            misura: None,
            stato: None,
            fase: None,
            fase_descrizione: None,
            natura: None,
            costo: None,
            finanziamento: None,
            finanziamenti: Vec::new(),
            pagato: None,
            data_generazione: None,
            data_chiusura: None,
            luoghi: BTreeSet::new(),
        }
    }

    pub(crate) fn key(&self) -> String {
        self.cup.as_str().to_owned()
    }
}

/// A procurement procedure of a project: a CUP × CIG link, or the reason why there is no CIG.
///
/// One CUP has many CIG and one CIG many CUP. Sources publish one row for each link, often with
/// amounts of their own, so a link is a record of its own and not a list inside the project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CollegamentoCupCig {
    /// The project.
    pub cup: Cup,
    /// The lot; none when the source gives a reason in its place.
    pub cig: Option<Cig>,
    /// Identifier of the procedure on the side of the source; tells links without CIG apart.
    pub id_procedura: Option<String>,
    /// Code or text of the reason why there is no CIG.
    pub motivo_assenza_cig: Option<String>,
    /// Fiscal code of the contracting authority or of the body that carries out the project.
    pub ente: Option<CodiceFiscale>,
    /// Plans that finance the project, as this row says.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub piani: BTreeSet<Piano>,
    /// Programme.
    pub programma: Option<String>,
    /// Code of the measure.
    pub misura: Option<String>,
    /// Object of the procedure.
    pub oggetto: Option<String>,
    /// Base amount of the procedure.
    pub importo_base: Option<Importo>,
    /// Awarded amount.
    pub importo_aggiudicazione: Option<Importo>,
    /// Amount of the progress so far.
    pub importo_avanzamento: Option<Importo>,
    /// Financed amount of the project, when the row repeats it.
    pub finanziamento: Option<Importo>,
    /// Day of publication.
    pub data_pubblicazione: Option<CalendarDate>,
    /// Day of the award.
    pub data_aggiudicazione: Option<CalendarDate>,
    /// Phase or state, as received.
    pub fase: Option<String>,
}

impl CollegamentoCupCig {
    /// A link of which only the two ends are known.
    pub fn new(cup: Cup, cig: Option<Cig>) -> Self {
        Self {
            cup,
            cig,
            id_procedura: None,
            motivo_assenza_cig: None,
            ente: None,
            piani: BTreeSet::new(),
            programma: None,
            misura: None,
            oggetto: None,
            importo_base: None,
            importo_aggiudicazione: None,
            importo_avanzamento: None,
            finanziamento: None,
            data_pubblicazione: None,
            data_aggiudicazione: None,
            fase: None,
        }
    }

    pub(crate) fn key(&self) -> String {
        match (&self.cig, &self.id_procedura) {
            (Some(cig), _) => format!("{}/{}", self.cup.as_str(), cig.as_str()),
            (None, Some(id)) => format!("{}/-/{id}", self.cup.as_str()),
            (None, None) => format!("{}/-", self.cup.as_str()),
        }
    }
}

//! An item of a programme, known by its CUI: a work to build or something to buy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identifiers::{CodiceAusa, CodiceFiscale, CodiceIstat, CodiceNuts, Cpv, Cui, Cup};
use crate::kinds::Persona;
use crate::values::Importo;

/// What the item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TipoIntervento {
    /// A work (`L`).
    Lavori,
    /// Supplies (`F`).
    Forniture,
    /// Services (`S`).
    Servizi,
}

/// Where money comes from: the seven sources of the programme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FonteRisorse {
    /// Revenue with a destination bound by law.
    VincolatePerLegge,
    /// Debt.
    Mutuo,
    /// Private capital.
    Privati,
    /// Budget of the body.
    Bilancio,
    /// Financing of art. 3 d.l. 310/1990.
    Art3,
    /// Transfer of property.
    Immobili,
    /// Anything else.
    Altro,
}

/// The year of a row of money, counted from the first year of the programme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Annualita {
    /// The first year.
    Prima,
    /// The second.
    Seconda,
    /// The third; works only.
    Terza,
    /// All the following.
    Successive,
}

/// A row of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RigaRisorse {
    /// Where it comes from.
    pub fonte: FonteRisorse,
    /// When.
    pub annualita: Annualita,
    /// How much.
    pub importo: Importo,
}

/// An item of a programme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Intervento {
    /// The key.
    pub cui: Cui,
    /// Programme to which it belongs.
    pub id_programma: String,
    /// Fiscal code of the body.
    pub ente: CodiceFiscale,
    /// What it is.
    pub tipo: TipoIntervento,
    /// Description.
    pub descrizione: String,
    /// Year in which the procedure starts.
    pub anno: u16,
    /// Project; none when exempt or not yet given.
    pub cup: Option<Cup>,
    /// Whether the item needs no CUP.
    #[serde(default)]
    pub esente_cup: bool,
    /// Main CPV.
    pub cpv: Option<Cpv>,
    /// ISTAT code of the place.
    pub luogo_istat: Option<CodiceIstat>,
    /// NUTS code of the place.
    pub luogo_nuts: Option<CodiceNuts>,
    /// Priority code (table `Priorita`).
    pub priorita: Option<String>,
    /// Whether it is a functional lot.
    pub lotto_funzionale: Option<bool>,
    /// Person in charge of the item.
    pub rup: Option<Persona>,
    /// AUSA code of the body that will run the procedure on its behalf.
    pub delegato: Option<CodiceAusa>,
    /// Sources and years.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub risorse: Vec<RigaRisorse>,
    /// What was spent before the programme.
    pub spese_sostenute: Option<Importo>,
    /// Total amount, as the source declares it.
    pub importo_totale: Option<Importo>,
    /// Whether it stands in the annual list (scheda E).
    #[serde(default)]
    pub elenco_annuale: bool,
}

impl Intervento {
    pub(crate) fn key(&self) -> String {
        self.cui.as_str().to_owned()
    }
}

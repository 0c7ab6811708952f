//! A lot: the smallest thing that is tendered, known by its CIG.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::code_lists::SceltaContraente;
use crate::identifiers::{Cig, CodiceFiscale, CodiceIstat, CodiceNuts, Cpv, Cui, Cup};
use crate::values::Importo;

/// The state of a CIG.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "stato", rename_all = "snake_case")]
pub enum StatoCig {
    /// In use, as far as the source says.
    #[default]
    Attivo,
    /// Cancelled, with the code of the reason when given.
    Cancellato {
        /// Code of the reason.
        motivo: Option<String>,
    },
    /// Replaced by another CIG.
    Sostituito {
        /// The CIG that took its place.
        da: Cig,
    },
}

/// A lot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lotto {
    /// CIG: the key. A null CIG never gets here.
    pub cig: Cig,
    /// Object.
    pub oggetto: Option<String>,
    /// Fiscal code of the contracting authority.
    pub stazione_appaltante: Option<CodiceFiscale>,
    /// Procedure type, as ANAC's code.
    pub scelta_contraente: Option<SceltaContraente>,
    /// Year to which the source refers its row.
    pub anno_riferimento: Option<u16>,
    /// Projects financed by the lot.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub cup: BTreeSet<Cup>,
    /// Item of the programme from which the lot comes.
    pub cui: Option<Cui>,
    /// Main CPV.
    pub cpv: Option<Cpv>,
    /// Other CPV.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub altri_cpv: Vec<Cpv>,
    /// Category of works, with its class, for instance `OG 3 IV`.
    pub categoria: Option<String>,
    /// Amount without security costs, net of VAT.
    pub importo_netto: Option<Importo>,
    /// Security costs.
    pub oneri_sicurezza: Option<Importo>,
    /// Total amount, net of VAT, security costs included.
    pub importo_totale: Option<Importo>,
    /// ISTAT code of the place.
    pub luogo_istat: Option<CodiceIstat>,
    /// NUTS code of the place.
    pub luogo_nuts: Option<CodiceNuts>,
    /// State of the CIG.
    #[serde(default)]
    pub stato_cig: StatoCig,
    /// CIG of the framework agreement of which this lot is a child.
    pub cig_accordo_quadro: Option<Cig>,
}

impl Lotto {
    /// A lot of which only the CIG is known.
    pub fn new(cig: Cig) -> Self {
        Self {
            cig,
            oggetto: None,
            stazione_appaltante: None,
            scelta_contraente: None,
            anno_riferimento: None,
            cup: BTreeSet::new(),
            cui: None,
            cpv: None,
            altri_cpv: Vec::new(),
            categoria: None,
            importo_netto: None,
            oneri_sicurezza: None,
            importo_totale: None,
            luogo_istat: None,
            luogo_nuts: None,
            stato_cig: StatoCig::default(),
            cig_accordo_quadro: None,
        }
    }

    pub(crate) fn key(&self) -> String {
        self.cig.as_str().to_owned()
    }
}

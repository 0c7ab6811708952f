//! The shapes of the HUB, in its spelling: pages, publications, problems.
//!
//! They follow `schemas/upstream/hub/v0/openapi.json` (ASSUMED). What a publication holds is in the
//! tables of [`crate::sets`]; what a list holds is kept as received, element by element.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The name by which the HUB calls itself as the origin of what it publishes.
pub(crate) const HUB: &str = "hub";
/// The state of a publication that is shown.
pub(crate) const PUBBLICATA: &str = "pubblicata";

/// A list that the HUB gives to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Elenco {
    /// Qualifications, by body or all.
    Qualificazioni,
    /// Resources, in the order in which they changed.
    Risorse,
}

impl Elenco {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Qualificazioni => "qualificazioni",
            Self::Risorse => "risorse",
        }
    }
}

/// A page of a list. The name of the array says which list it is.
#[derive(Deserialize)]
pub(crate) struct Pagina {
    pub(crate) qualificazioni: Option<Vec<Box<RawValue>>>,
    pub(crate) risorse: Option<Vec<Box<RawValue>>>,
    /// Where the list goes on: after the last element, whether or not there are others now.
    #[serde(default)]
    pub(crate) cursore: Option<String>,
    /// Whether there are others now.
    #[serde(default)]
    pub(crate) altri: bool,
}

impl Pagina {
    /// The list and its elements; none when it is not exactly one.
    pub(crate) fn elementi(self) -> Option<(Elenco, Vec<Box<RawValue>>)> {
        match (self.qualificazioni, self.risorse) {
            (Some(elementi), None) => Some((Elenco::Qualificazioni, elementi)),
            (None, Some(elementi)) => Some((Elenco::Risorse, elementi)),
            _ => None,
        }
    }
}

/// The origin of an element of a list. What has none is the HUB's own.
#[derive(Deserialize)]
pub(crate) struct Origine {
    #[serde(default)]
    origine: Option<String>,
}

impl Origine {
    /// Whether the HUB only shows it for somebody else: what we published comes back so.
    pub(crate) fn is_elsewhere(element: &str) -> bool {
        serde_json::from_str::<Self>(element)
            .is_ok_and(|element| element.origine.is_some_and(|origine| origine.trim() != HUB))
    }
}

/// What one request publishes. Its key is in the path.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Invio {
    /// Our revision of the unit: a publication never goes back to a lower one.
    pub(crate) revisione: u64,
    pub(crate) contenuto: Map<String, Value>,
}

/// The answer to a publication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ricevuta {
    pub(crate) id: String,
    pub(crate) stato: String,
    pub(crate) revisione: u64,
}

/// A publication as the HUB holds it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pubblicazione {
    /// The path of the publication: the key of the unit.
    pub(crate) chiave: String,
    pub(crate) id: String,
    pub(crate) stato: String,
    pub(crate) revisione: u64,
    pub(crate) contenuto: Map<String, Value>,
}

/// A page of what was published with our key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PaginaPubblicazioni {
    pub(crate) pubblicazioni: Vec<Pubblicazione>,
    /// The key after which the next page starts; none on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) successiva: Option<String>,
}

/// How the HUB says no.
#[derive(Deserialize)]
pub(crate) struct Problema {
    pub(crate) codice: String,
    #[serde(default)]
    pub(crate) messaggio: String,
}

/// Never the content.
impl fmt::Debug for Invio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invio(revisione {})", self.revisione)
    }
}

/// Never the content.
impl fmt::Debug for Pubblicazione {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pubblicazione({} revisione {})", self.chiave, self.revisione)
    }
}

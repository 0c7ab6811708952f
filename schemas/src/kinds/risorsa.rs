//! A resource that a platform publishes for public bodies: a guideline, a form, a tool, a course,
//! a piece of news.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::values::CalendarDate;

/// What the resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TipoRisorsa {
    /// Guideline.
    LineaGuida,
    /// Form.
    Modulo,
    /// Tool.
    Strumento,
    /// Course.
    Corso,
    /// News.
    Notizia,
}

/// A resource. The system that publishes it owns it; the others show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Risorsa {
    /// The system that publishes it, by its name among the adapters, for instance `hub`.
    pub origine: String,
    /// Its identifier there.
    pub id: String,
    /// What it is.
    pub tipo: TipoRisorsa,
    /// Title.
    pub titolo: String,
    /// Short description.
    pub descrizione: Option<String>,
    /// Address.
    pub url: Option<String>,
    /// Subject, as the owner writes it.
    pub tema: Option<String>,
    /// First day of publication.
    pub data_pubblicazione: Option<CalendarDate>,
    /// Last day of publication.
    pub data_scadenza: Option<CalendarDate>,
    /// Whether it was withdrawn.
    #[serde(default)]
    pub ritirata: bool,
}

impl Risorsa {
    pub(crate) fn key(&self) -> String {
        format!("{}/{}", self.origine, self.id)
    }
}

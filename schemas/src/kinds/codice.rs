//! A value of a code table that another system keeps: what a code means there, and when.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::values::CalendarDate;

/// A value of a code table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Codice {
    /// Name of the table, as its owner writes it, for instance `TipologiaProcedura`.
    pub lista: String,
    /// The code, exactly as published: zeros and blanks are part of it.
    pub codice: String,
    /// What it means.
    pub descrizione: Option<String>,
    /// First day on which it may be used.
    pub valido_dal: Option<CalendarDate>,
    /// Last day on which it may be used.
    pub valido_al: Option<CalendarDate>,
    /// Where the table is published, when the source says it.
    pub fonte: Option<String>,
}

impl Codice {
    pub(crate) fn key(&self) -> String {
        format!("{}/{}", self.lista, self.codice)
    }
}

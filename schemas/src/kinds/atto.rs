//! An administrative act that other records cite: a resolution, an agreement, a decision.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::values::CalendarDate;

/// An administrative act. At least one field is given wherever an act is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Atto {
    /// Kind of act, as the source writes it.
    pub tipo: Option<String>,
    /// Number, as the source writes it.
    pub numero: Option<String>,
    /// Day of the act.
    pub data: Option<CalendarDate>,
    /// Day of its publication.
    pub data_pubblicazione: Option<CalendarDate>,
    /// Title.
    pub titolo: Option<String>,
    /// Address of the published text.
    pub url: Option<String>,
}

impl Atto {
    /// Whether nothing is known of the act.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

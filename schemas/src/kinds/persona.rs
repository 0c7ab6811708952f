//! A person whom the law wants named: the RUP of an intervention, the contact of a programme.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::identifiers::CodiceFiscale;

/// A named person. Never leaves towards Pi.Co. or the HUB, and prints as nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Persona {
    /// Surname, as the source writes it; the whole name where the source does not part it.
    pub cognome: String,
    /// Name.
    pub nome: Option<String>,
    /// Fiscal code.
    pub codice_fiscale: Option<CodiceFiscale>,
}

impl fmt::Debug for Persona {
    /// A person never reaches a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Persona(…)")
    }
}

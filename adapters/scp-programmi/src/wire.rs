//! The shapes of the services, in their own spelling (`WSProgrammi` 5.2.0, `WSLogin` 1.0.0, PUBLIC).
//!
//! The documents are under `schemas/upstream/scp-programmi`. A programme is kept as raw JSON by
//! field, since its amounts are numbers that must not pass through binary floating point; which
//! fields it has and of which type is in [`crate::campi`].

use std::collections::BTreeMap;

use canonical::kinds::TipoProgramma;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// An object of the service: raw JSON by field.
pub(crate) type Voce = BTreeMap<String, Box<RawValue>>;

/// The identifier that SCP gives to a publication and wants back in every later one.
pub(crate) const ID_RICEVUTO: &str = "idRicevuto";

/// Which of the two programmes a unit is: it decides the operations and the lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Genere {
    /// Public works: `LP…`.
    Lavori,
    /// Purchases of supplies and services: `FS…`.
    FornitureServizi,
}

impl Genere {
    /// The programme with this identifier; none when it begins with neither prefix.
    pub(crate) fn of_id(id: &str) -> Option<Self> {
        [Self::Lavori, Self::FornitureServizi].into_iter().find(|genere| id.starts_with(genere.prefisso()))
    }

    /// The same, in canonical words.
    pub(crate) fn tipo(self) -> TipoProgramma {
        match self {
            Self::Lavori => TipoProgramma::Lavori,
            Self::FornitureServizi => TipoProgramma::FornitureServizi,
        }
    }

    /// How the identifiers of such programmes begin.
    pub(crate) fn prefisso(self) -> &'static str {
        match self {
            Self::Lavori => "LP",
            Self::FornitureServizi => "FS",
        }
    }

    /// The operation that publishes.
    pub(crate) fn pubblica(self) -> &'static str {
        match self {
            Self::Lavori => "PubblicaLavori",
            Self::FornitureServizi => "PubblicaFornitureServizi",
        }
    }

    /// The operation that reads back.
    pub(crate) fn dettaglio(self) -> &'static str {
        match self {
            Self::Lavori => "DettaglioLavori",
            Self::FornitureServizi => "DettaglioFornitureServizi",
        }
    }

    /// The list of the items.
    pub(crate) fn interventi(self) -> &'static str {
        match self {
            Self::Lavori => "interventi",
            Self::FornitureServizi => "acquisti",
        }
    }

    /// The list of the items not proposed again.
    pub(crate) fn non_riproposti(self) -> &'static str {
        match self {
            Self::Lavori => "interventiNonRiproposti",
            Self::FornitureServizi => "acquistiNonRiproposti",
        }
    }
}

/// The list of the unfinished works, of programmes of works only.
pub(crate) const OPERE_INCOMPIUTE: &str = "opereIncompiute";

/// What a publication does. Other values are not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Modalita {
    /// `1`: checks, and changes nothing.
    Controllo,
    /// `2`: checks and publishes.
    Pubblicazione,
}

impl Modalita {
    /// The value of the query.
    pub(crate) fn codice(self) -> &'static str {
        match self {
            Self::Controllo => "1",
            Self::Pubblicazione => "2",
        }
    }
}

/// The answer of the login.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct LoginResult {
    /// Whether the credentials were accepted.
    #[serde(default)]
    pub(crate) esito: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// The token, good for an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
}

/// The token is a secret: only the outcome is told.
impl std::fmt::Debug for LoginResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LoginResult({} {:?})", self.esito, self.error)
    }
}

/// The answer to a check or to a publication.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PubblicazioneResult {
    /// What failed, when something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// Remarks on the fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) validate: Option<Vec<ValidateEntry>>,
    /// The identifier of the publication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<i64>,
}

/// A remark on a field.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ValidateEntry {
    /// The field.
    #[serde(default)]
    pub(crate) nome: Option<String>,
    /// The remark, for people. It may repeat received values.
    #[serde(default)]
    pub(crate) messaggio: Option<String>,
    /// `E` blocks, `W` warns.
    #[serde(default)]
    pub(crate) tipo: Option<String>,
}

/// Never the message: it may repeat personal values.
impl std::fmt::Debug for ValidateEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ValidateEntry({:?} {:?})", self.tipo, self.nome)
    }
}

/// The answer to a question by identifier.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct DettaglioResult {
    /// What failed, when something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// The programme as published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) programma: Option<Voce>,
}

/// Never the content: it holds the names of persons.
impl std::fmt::Debug for DettaglioResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DettaglioResult({:?})", self.programma.as_ref().map(BTreeMap::len))
    }
}

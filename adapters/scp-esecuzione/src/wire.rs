//! The shapes of the platform, in its own spelling (contract v0, ASSUMED).
//!
//! The document is `schemas/upstream/scp-esecuzione/v0/openapi.json`. Adapter and simulator share
//! these types; the tests hold what both of them write against the document.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The draft of a scheda, as sent. Its key is in the path.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BozzaInviata {
    /// Our revision of the unit: a draft never goes back to a lower one.
    pub(crate) versione: u64,
    /// Code of the scheda, for instance `SA1`.
    pub(crate) scheda: String,
    /// The fields of the scheda.
    pub(crate) dati: Value,
}

/// The answer to a draft that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BozzaAccolta {
    /// Identifier given by the platform.
    pub(crate) id_bozza: String,
    /// Where the draft stands.
    pub(crate) stato: String,
    /// The version that the platform now holds.
    pub(crate) versione: u64,
    /// What it has to say about the draft.
    #[serde(default)]
    pub(crate) esiti: Vec<Esito>,
}

/// A remark of the platform.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Esito {
    /// Stable code.
    pub(crate) codice: String,
    /// `avviso` or `errore`.
    pub(crate) tipo: String,
    /// The remark, for people. It may repeat received values.
    pub(crate) messaggio: String,
    /// The field concerned, by path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) campo: Option<String>,
}

/// A draft as the platform holds it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BozzaTenuta {
    /// `cig/award/phase/progressive`.
    pub(crate) chiave: String,
    /// Identifier given by the platform.
    pub(crate) id_bozza: String,
    /// Where the draft stands.
    pub(crate) stato: String,
    /// The version held.
    pub(crate) versione: u64,
    /// Code of the scheda.
    pub(crate) scheda: String,
    /// The fields of the scheda.
    pub(crate) dati: Value,
}

/// A page of the inventory.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PaginaBozze {
    /// Drafts in ascending order of their keys.
    pub(crate) bozze: Vec<BozzaTenuta>,
    /// The key after which the next page starts; none on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dopo: Option<String>,
}

/// How the platform says no: whatever the reason, with HTTP status 500 unless noted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Errore {
    /// Always false.
    pub(crate) esito: bool,
    /// The reason.
    pub(crate) error_data: String,
    /// The reason in detail, for drafts refused by the rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) esiti: Vec<Esito>,
}

/// Never the message: it may repeat personal values.
impl std::fmt::Debug for Esito {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Esito({} {:?})", self.codice, self.campo)
    }
}

/// Never the content: it may hold personal values.
impl std::fmt::Debug for BozzaInviata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BozzaInviata({} versione {})", self.scheda, self.versione)
    }
}

/// Never the content: it may hold personal values.
impl std::fmt::Debug for BozzaTenuta {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BozzaTenuta({} versione {} {})", self.chiave, self.versione, self.stato)
    }
}

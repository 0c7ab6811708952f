//! The shapes of the platform, in its own spelling (contract v0, ASSUMED).
//!
//! The document is `schemas/upstream/scp-esecuzione/v0/openapi.json`. Adapter and simulator share
//! these types; the tests hold what both of them write against the document.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The draft of a scheda, as sent. Its key is in the path.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BozzaInviata {
    /// Our revision of the unit: a draft never goes back to a lower one.
    pub(crate) versione: u64,
    /// Code of the scheda, for instance `SA1`.
    pub(crate) scheda: String,
    /// The form of the national scheda, as far as it is known.
    pub(crate) anac_form: Value,
    /// What the execution platforms keep beside it.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub(crate) integrazioni: Value,
}

impl BozzaInviata {
    /// The whole content, as the table of the schede names its fields.
    pub(crate) fn contenuto(&self) -> Value {
        contenuto(&self.anac_form, &self.integrazioni)
    }
}

/// A form with our fields beside its own.
pub(crate) fn contenuto(anac_form: &Value, integrazioni: &Value) -> Value {
    let mut contenuto = anac_form.clone();
    if let Some(fields) = contenuto.as_object_mut().filter(|_| !is_empty(integrazioni)) {
        fields.insert("integrazioni".to_owned(), integrazioni.clone());
    }
    contenuto
}

/// The form and our fields of a content, each in its place.
pub(crate) fn parti(mut contenuto: Value) -> (Value, Value) {
    let integrazioni = contenuto.as_object_mut().and_then(|fields| fields.remove("integrazioni"));
    (contenuto, integrazioni.unwrap_or_default())
}

fn is_empty(integrazioni: &Value) -> bool {
    integrazioni.as_object().is_none_or(serde_json::Map::is_empty)
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
    /// The form of the national scheda.
    pub(crate) anac_form: Value,
    /// What the execution platforms keep beside it.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub(crate) integrazioni: Value,
}

/// The answer to `getListaCig`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListaCig {
    /// Whether it went well.
    pub(crate) esito: bool,
    /// The CIGs whose schede changed inside the window.
    #[serde(default)]
    pub(crate) data: Option<Vec<String>>,
    /// The server's local time of the answer: where the next window begins. Ours: the original
    /// family does not say it.
    #[serde(default)]
    pub(crate) data_ora: Option<String>,
}

/// The answer to `getJsonListaSchede`. The fiscal code of the RUP is not read: nobody needs it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ListaSchede {
    /// Whether it went well.
    pub(crate) esito: bool,
    /// The awards of the CIG, each with its schede by code.
    #[serde(default)]
    pub(crate) data: Option<Vec<serde_json::Map<String, Value>>>,
}

/// A scheda of the archive, as the source hands it over: the received one and where it stood.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SchedaLetta {
    /// The CIG asked for.
    pub(crate) cig: String,
    /// The award.
    #[serde(default)]
    pub(crate) id_aggiudicazione: Option<u32>,
    /// The name under which it stood, for instance `SA1`, or `M` for the four of a modification.
    pub(crate) nome: String,
    /// Its place among those of the same name, from one.
    pub(crate) posto: u32,
    /// The number of the suspension or of the request that it names by its `idScheda`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) riferita: Option<u32>,
    /// The scheda as received.
    pub(crate) scheda: Value,
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
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// Never the reason: a text may stand there.
impl std::fmt::Debug for Errore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Errore({:?})", self.esiti)
    }
}

/// Never the content: it may hold personal values.
impl std::fmt::Debug for BozzaInviata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BozzaInviata({} versione {})", self.scheda, self.versione)
    }
}

/// Never the content: it may hold personal values.
impl std::fmt::Debug for ListaSchede {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ListaSchede({} awards)", self.data.as_ref().map_or(0, Vec::len))
    }
}

/// Never the content: it may hold personal values.
impl std::fmt::Debug for SchedaLetta {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SchedaLetta({} {} {})", self.cig, self.nome, self.posto)
    }
}

/// Never the content: it may hold personal values.
impl std::fmt::Debug for BozzaTenuta {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BozzaTenuta({} versione {} {})", self.chiave, self.versione, self.stato)
    }
}

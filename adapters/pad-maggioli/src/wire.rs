//! The shapes of the platform, in its spelling, as received: every value is the text that stood in
//! the answer, also where it is a number. Nothing is understood here.
//!
//! They follow `schemas/upstream/pad-maggioli/v1/openapi.json`. Fields that we do not use are left
//! alone; a null is as good as an absence.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// A text, number or truth value as received; empty where there was none.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Testo(String);

impl Testo {
    /// A piece of a received text.
    pub(crate) fn of(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text as received.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The text without the blanks around it.
    pub(crate) fn trimmed(&self) -> &str {
        self.0.trim()
    }

    /// Whether nothing was given.
    pub(crate) fn is_empty(&self) -> bool {
        self.trimmed().is_empty()
    }

    /// This text, or the other where nothing was given.
    pub(crate) fn or<'a>(&'a self, other: &'a Self) -> &'a Self {
        if self.is_empty() { other } else { self }
    }
}

impl fmt::Debug for Testo {
    /// A received text may be personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Testo({} bytes)", self.0.len())
    }
}

impl<'de> Deserialize<'de> for Testo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        match text.as_bytes().first() {
            Some(b'"') => serde_json::from_str(text).map(Self).map_err(serde::de::Error::custom),
            Some(b'{' | b'[') => Err(serde::de::Error::custom("a list or an object where a value was expected")),
            _ if text == "null" => Ok(Self::default()),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

/// A list that may be null.
fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// What `authenticate` answers. The description says `jwttoken`; the published code writes `token`.
#[derive(Deserialize)]
pub(crate) struct Gettone {
    pub(crate) jwttoken: Option<String>,
    pub(crate) token: Option<String>,
}

/// A page of a list. The path counts pages from one, `number` from zero.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pagina {
    #[serde(deserialize_with = "list")]
    pub(crate) content: Vec<Box<RawValue>>,
    pub(crate) total_elements: u64,
    pub(crate) last: bool,
    pub(crate) number: u64,
}

/// How the platform says no.
#[derive(Deserialize)]
pub(crate) struct Errore {
    pub(crate) message: String,
    #[serde(default, deserialize_with = "list")]
    pub(crate) details: Vec<String>,
    /// Written by the server behind the platform, when nobody answers at an address.
    #[serde(default)]
    pub(crate) path: Option<String>,
}

/// A row of `getElencoBandi`, `getElencoEsiti`, `getElencoAvvisi`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Testata {
    pub(crate) titolo: Testo,
    pub(crate) cig: Testo,
    pub(crate) importo: Testo,
    pub(crate) data_pubblicazione: Testo,
    pub(crate) data_scadenza: Testo,
    pub(crate) riferimento_procedura: Testo,
}

/// What `getDettaglioEsito` adds: the lots.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DettaglioEsito {
    pub(crate) dati_generali: Option<DatiGenerali>,
}

/// The general data of a detail.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DatiGenerali {
    #[serde(deserialize_with = "list")]
    pub(crate) dati_proceduralotti: Vec<LottoEsito>,
}

/// A lot of a result.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct LottoEsito {
    pub(crate) titolo: Testo,
    pub(crate) cig: Testo,
    pub(crate) cup: Testo,
    pub(crate) importo_base_gara: Testo,
    pub(crate) importo_aggiudicazione: Testo,
    pub(crate) data_aggiudicazione: Testo,
    pub(crate) esito: Testo,
    #[serde(deserialize_with = "list")]
    pub(crate) aggiudicatari: Vec<Testo>,
}

/// A row of `trasp/getElencoDati`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RigaDati {
    pub(crate) anno_riferimento: Testo,
    pub(crate) codice_fiscale_proponente: Testo,
    pub(crate) denominazione_proponente: Testo,
    pub(crate) cig: Testo,
    pub(crate) oggetto: Testo,
    pub(crate) codsceltacontr: Testo,
    pub(crate) scelta_contraente: Testo,
    pub(crate) importo_aggiudicazione: Testo,
    pub(crate) data_inizio: Testo,
    pub(crate) data_ultimazione: Testo,
    pub(crate) importo_somme_liquidate: Testo,
    #[serde(deserialize_with = "list")]
    pub(crate) partecipanti: Vec<Ditta>,
    #[serde(deserialize_with = "list")]
    pub(crate) aggiudicatari: Vec<Ditta>,
}

/// An operator of a row of `trasp/getElencoDati`.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Ditta {
    pub(crate) ragione_sociale: Testo,
    pub(crate) codice_fiscale: Testo,
    pub(crate) id_fiscale_estero: Testo,
    pub(crate) ruolo: Testo,
}

/// A row of `trasp/getElencoContrattiEsteso`, and its detail, which repeats it with more.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct RigaContratto {
    pub(crate) riferimento_procedura: Testo,
    pub(crate) cig: Testo,
    pub(crate) oggetto: Testo,
    pub(crate) denominazione_proponente: Testo,
    /// The platform misspells its own key.
    pub(crate) scelat_contraente: Testo,
    /// The right spelling, should it come.
    pub(crate) scelta_contraente: Testo,
    #[serde(deserialize_with = "list")]
    pub(crate) aggiudicatari: Vec<Testo>,
    pub(crate) importo_aggiudicazione: Testo,
    pub(crate) importo_somme_liquidate: Testo,
    pub(crate) datainizio: Testo,
    pub(crate) datafine: Testo,
    pub(crate) nrepat: Testo,
    pub(crate) codice_fiscale_proponente: Testo,
    pub(crate) data_aggiudicazione: Testo,
    pub(crate) impultcontr: Testo,
    #[serde(deserialize_with = "list")]
    pub(crate) elenco_partecipanti: Vec<OperatoreContratto>,
    #[serde(deserialize_with = "list")]
    pub(crate) elenco_aggiudicatari: Vec<OperatoreContratto>,
}

/// An operator of the detail of a contract, alone or as a group of others.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct OperatoreContratto {
    pub(crate) ragione_sociale: Testo,
    pub(crate) codice_fiscale: Testo,
    pub(crate) partita_iva: Testo,
    pub(crate) mandataria: Testo,
    #[serde(deserialize_with = "list")]
    pub(crate) componenti_rti: Vec<OperatoreContratto>,
}

/// A row of `getDatiAggiudicazione`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct DatiAggiudicazione {
    pub(crate) codicegara: Testo,
    pub(crate) codicelotto: Testo,
    pub(crate) cig: Testo,
    pub(crate) dtaggiudicazione: Testo,
    pub(crate) impaggiudicazione: Testo,
    pub(crate) impbasegara: Testo,
    pub(crate) imponerisicurezza: Testo,
    pub(crate) ribasso: Testo,
    pub(crate) nrepertorio: Testo,
    pub(crate) ncontratto: Testo,
    pub(crate) dtcontratto: Testo,
    pub(crate) dtconsegna: Testo,
    pub(crate) cup: Testo,
    pub(crate) cui: Testo,
    pub(crate) cpvprincipale: Testo,
    pub(crate) codistatcomune: Testo,
}

/// A row with what other operations say of it, each in the text in which it was received.
#[derive(Serialize)]
pub(crate) struct Fascicolo<'a> {
    pub(crate) riga: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dettaglio: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) aggiudicazioni: &'a [Box<RawValue>],
}

/// The same, as it is read again.
#[derive(Deserialize)]
pub(crate) struct FascicoloLetto<R, D> {
    pub(crate) riga: R,
    pub(crate) dettaglio: Option<D>,
    #[serde(default)]
    pub(crate) aggiudicazioni: Vec<DatiAggiudicazione>,
}

/// What `updateDatiCig` takes. The platform wants it in the query; it is stored in this shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Aggiornamento {
    pub(crate) cig: String,
    #[serde(rename = "codiceFiscaleSA")]
    pub(crate) codice_fiscale_sa: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) importo_liquidato: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) data_inizio: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) data_fine: Option<String>,
    /// `1`: the given values take the place of those held.
    pub(crate) opzione: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_the_text_that_was_received() {
        let row: RigaDati = serde_json::from_str(
            r#"{"importoAggiudicazione": 1.0E7, "cig": "à", "codsceltacontr": 23, "oggetto": null, "partecipanti": null}"#,
        )
        .unwrap();
        assert_eq!(row.importo_aggiudicazione.as_str(), "1.0E7");
        assert_eq!((row.cig.as_str(), row.codsceltacontr.as_str()), ("à", "23"));
        assert!(row.oggetto.is_empty() && row.partecipanti.is_empty());
    }

    #[test]
    fn an_object_is_no_value() {
        assert!(serde_json::from_str::<RigaDati>(r#"{"cig": {}}"#).is_err());
        assert!(serde_json::from_str::<RigaDati>(r#"{"cig": []}"#).is_err());
    }

    #[test]
    fn received_texts_do_not_print() {
        let testo: Testo = serde_json::from_str("\"RSSMRA85T10A562S\"").unwrap();
        assert!(!format!("{testo:?}").contains("RSS"));
    }
}

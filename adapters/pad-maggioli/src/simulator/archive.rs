//! What the simulated platform holds and by which rules. Pure: a decision gives its effect, and the
//! same effects in the same order always give the same archive.

use std::collections::BTreeMap;

use canonical::values::{CalendarDate, Importo};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Invented contracts of an invented Province.
const SAMPLE: &str = include_str!("sample.json");

/// One effect, as the journal keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "effetto", rename_all = "snake_case")]
pub(super) enum Effect {
    /// The values of a CIG were written.
    Aggiornamento(Update),
    /// A contract was added.
    Contratto(NewContract),
}

/// What `updateDatiCig` is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Update {
    #[serde(default)]
    cig: String,
    #[serde(default, rename = "codiceFiscaleSA")]
    codice_fiscale_sa: String,
    importo_liquidato: Option<String>,
    data_inizio: Option<String>,
    data_fine: Option<String>,
    opzione: Option<String>,
}

/// A contract that an officer adds by hand.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewContract {
    riferimento_procedura: String,
    cig: String,
    codice_fiscale_proponente: String,
    oggetto: String,
    aggiudicatario: Option<String>,
}

/// Why the platform says no.
#[derive(Debug)]
pub(super) enum No {
    /// 400 with a message.
    Invalid(String),
    /// 404 with a message.
    Unknown(String),
    /// 404 without a body.
    Absent,
    /// 500.
    Failed,
}

/// The lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Bandi,
    Esiti,
    Avvisi,
    Dati,
    Contratti,
}

/// What a list may be asked for; what a list does not know it ignores.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Filter {
    annorif: Option<u16>,
    codice_stazione_appaltante: Option<String>,
    pub(super) cig: Option<String>,
    stato_in_corso_scaduto: Option<String>,
    #[serde(rename = "dataUltimaModificaDA")]
    data_ultima_modifica_da: Option<String>,
}

/// A contract: what the list shows, and what its detail adds.
#[derive(Debug, Clone, Deserialize)]
struct Contract {
    riga: Value,
    dettaglio: Value,
}

/// What the platform holds, in no order.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Archive {
    bandi: Vec<Value>,
    esiti: Vec<Value>,
    dettagli_esiti: BTreeMap<String, Value>,
    avvisi: Vec<Value>,
    dati: Vec<Value>,
    contratti: Vec<Contract>,
    aggiudicazioni: Vec<Value>,
}

impl Archive {
    /// The archive before anybody touched it.
    pub(super) fn sample() -> std::io::Result<Self> {
        serde_json::from_str(SAMPLE).map_err(std::io::Error::other)
    }

    /// Has an effect.
    pub(super) fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Aggiornamento(update) => {
                for contract in self.contratti.iter_mut().filter(|contract| contract.is_of(&update)) {
                    contract.write(&update);
                }
            }
            Effect::Contratto(new) => self.contratti.insert(0, Contract::new(&new)),
        }
    }

    /// A page, counted from one in the path and from zero in the answer.
    pub(super) fn page(&self, list: List, page: usize, size: usize, filter: &Filter) -> Result<Value, No> {
        let is_missing = match list {
            List::Dati => filter.annorif.is_none(),
            List::Bandi | List::Avvisi => {
                !matches!(filter.stato_in_corso_scaduto.as_deref(), Some("INCORSO" | "SCADUTO"))
            }
            List::Esiti | List::Contratti => false,
        };
        if is_missing || size == 0 {
            return Err(No::Invalid("Error on request".to_owned()));
        }
        let rows: Vec<&Value> = match list {
            List::Bandi => self.bandi.iter().collect(),
            List::Esiti => self.esiti.iter().collect(),
            List::Avvisi => self.avvisi.iter().collect(),
            List::Dati => self.dati.iter().collect(),
            List::Contratti => self.contratti.iter().map(|contract| &contract.riga).collect(),
        };
        let rows: Vec<_> = rows.into_iter().filter(|row| filter.admits(list, row)).collect();
        let number = page.saturating_sub(1);
        let content: Vec<_> = rows.iter().skip(number.saturating_mul(size)).take(size).collect();
        let pages = rows.len().div_ceil(size);
        Ok(json!({
            "content": content, "totalPages": pages, "totalElements": rows.len(), "last": number + 1 >= pages,
            "size": size, "number": number, "first": number == 0, "numberOfElements": content.len(),
            "empty": content.is_empty(),
        }))
    }

    /// The detail of a result.
    pub(super) fn result(&self, reference: &str) -> Result<Value, No> {
        self.dettagli_esiti.get(reference).cloned().ok_or(No::Absent)
    }

    /// The detail of a contract, which repeats its row.
    pub(super) fn contract(&self, reference: &str) -> Result<Value, No> {
        let found = self.contratti.iter().find(|contract| text(&contract.riga, "riferimentoProcedura") == reference);
        let mut detail = found.ok_or(No::Absent)?.clone();
        if let (Some(detail), Value::Object(row)) = (detail.dettaglio.as_object_mut(), detail.riga) {
            detail.extend(row);
        }
        Ok(detail.dettaglio)
    }

    /// The awards of a CIG.
    pub(super) fn awards(&self, cig: Option<&str>) -> Result<Value, No> {
        let cig = cig.ok_or(No::Invalid("Error on request".to_owned()))?;
        Ok(self.aggiudicazioni.iter().filter(|award| text(award, "cig") == cig).cloned().collect())
    }

    /// Decides on an update.
    pub(super) fn update(&self, update: &Update) -> Result<Effect, No> {
        let day_is_valid = |day: &Option<String>| day.as_deref().is_none_or(|day| CalendarDate::parse(day).is_ok());
        let importo_is_valid =
            update.importo_liquidato.as_deref().is_none_or(|importo| Importo::parse(importo).is_ok());
        if update.cig.is_empty()
            || update.codice_fiscale_sa.is_empty()
            || !importo_is_valid
            || !day_is_valid(&update.data_inizio)
            || !day_is_valid(&update.data_fine)
        {
            return Err(No::Invalid("Error on request".to_owned()));
        }
        if update.importo_liquidato.is_none() && update.data_inizio.is_none() && update.data_fine.is_none() {
            let names = "importoLiquidato, dataInizio, dataFine";
            return Err(No::Invalid(format!("Richiesto almeno uno tra i seguenti parametri: {names}")));
        }
        let Update { cig, codice_fiscale_sa, .. } = update;
        let is_of_body =
            |contract: &&Contract| text(&contract.dettaglio, "codiceFiscaleProponente") == codice_fiscale_sa;
        if !self.contratti.iter().any(|contract| is_of_body(&contract)) {
            return Err(No::Unknown(format!("Impossibile trovare il Codice Fiscale '{codice_fiscale_sa}'")));
        }
        let mut of_cig = self.contratti.iter().filter(|contract| contract.is_of(update)).peekable();
        if of_cig.peek().is_none() || !of_cig.any(Contract::is_awarded) {
            return Err(No::Unknown(format!(
                "Il cig '{cig}' non ha aggiudicatari o non fa riferimento al Codice Fiscale '{codice_fiscale_sa}'"
            )));
        }
        if !matches!(update.opzione.as_deref(), None | Some("1" | "2")) {
            return Err(No::Absent);
        }
        Ok(Effect::Aggiornamento(update.clone()))
    }

    /// Puts a new row before all the others of the lists that move.
    pub(super) fn shift(&mut self, number: u64) {
        let base = 9_300_000 + number;
        let cig = format!("{base:07}{:03X}", base * 211 % 4091);
        let new = NewContract {
            riferimento_procedura: format!("N{number:05}"),
            cig: cig.clone(),
            codice_fiscale_proponente: "80098765433".to_owned(),
            oggetto: "Arrivato durante la lettura".to_owned(),
            aggiudicatario: Some("Costruzioni Alfa S.r.l.".to_owned()),
        };
        self.contratti.insert(0, Contract::new(&new));
        if let Some(mut row) = self.dati.last().cloned() {
            row["cig"] = json!(cig);
            row["idanticorlotti"] = json!(1000 + number);
            self.dati.insert(0, row);
        }
    }
}

impl Filter {
    fn admits(&self, list: List, row: &Value) -> bool {
        let holds = |name: &str, wanted: Option<&str>| wanted.is_none_or(|wanted| text(row, name) == wanted);
        let changed = self.data_ultima_modifica_da.as_deref();
        let is_recent = changed.is_none_or(|day| text(row, "dataUltimaModifica") >= day);
        match list {
            List::Dati => {
                // The year asked for is the first, not the only one.
                let year = row["annoRiferimento"].as_u64().unwrap_or_default();
                self.annorif.is_none_or(|first| year >= u64::from(first))
                    && holds("cig", self.cig.as_deref())
                    && holds("codiceFiscaleProponente", self.codice_stazione_appaltante.as_deref())
            }
            List::Contratti => {
                // The CIG asked for may stand anywhere inside.
                let wanted = self.cig.as_deref().unwrap_or_default().to_uppercase();
                text(row, "cig").to_uppercase().contains(&wanted)
            }
            List::Bandi => {
                let wanted =
                    if self.stato_in_corso_scaduto.as_deref() == Some("INCORSO") { "In corso" } else { "Conclusa" };
                is_recent && text(row, "stato") == wanted
            }
            List::Esiti => is_recent,
            // Announcements do not tell their state: all of them are running.
            List::Avvisi => is_recent && self.stato_in_corso_scaduto.as_deref() == Some("INCORSO"),
        }
    }
}

impl Contract {
    fn new(new: &NewContract) -> Self {
        let names: Vec<_> = new.aggiudicatario.iter().collect();
        Self {
            riga: json!({
                "riferimentoProcedura": new.riferimento_procedura, "cig": new.cig, "oggetto": new.oggetto,
                "denominazioneProponente": "Provincia di esempio", "scelatContraente": "23-AFFIDAMENTO DIRETTO",
                "aggiudicatari": names, "importoAggiudicazione": null, "importoSommeLiquidate": null,
                "datapubblicazioneesito": null, "datainizio": null, "datafine": null, "dataacquisizionecig": null,
            }),
            dettaglio: json!({"codiceFiscaleProponente": new.codice_fiscale_proponente}),
        }
    }

    fn is_of(&self, update: &Update) -> bool {
        text(&self.riga, "cig") == update.cig
            && text(&self.dettaglio, "codiceFiscaleProponente") == update.codice_fiscale_sa
    }

    fn is_awarded(&self) -> bool {
        self.riga["aggiudicatari"].as_array().is_some_and(|names| !names.is_empty())
    }

    /// Option 1 writes over what is there; option 2 fills what is missing, and raises the amount.
    fn write(&mut self, update: &Update) {
        let fills = update.opzione.as_deref() == Some("2");
        let held = held_amount(&self.riga["importoSommeLiquidate"]);
        if let Some(text) = &update.importo_liquidato {
            let importo = Importo::parse(text).ok();
            if !fills || held.is_none() || held < importo {
                // The platform keeps and writes binary numbers.
                self.riga["importoSommeLiquidate"] = serde_json::from_str(text).unwrap_or_default();
            }
        }
        for (name, day) in [("datainizio", &update.data_inizio), ("datafine", &update.data_fine)] {
            if let Some(day) = day
                && (!fills || self.riga[name].is_null())
            {
                self.riga[name] = json!(format!("{day} 00:00:00"));
            }
        }
    }
}

fn held_amount(value: &Value) -> Option<Importo> {
    Importo::read(&value.to_string(), canonical::values::importo::NumberFormat::Point).value
}

fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row[name].as_str().unwrap_or_default()
}

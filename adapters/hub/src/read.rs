//! From an element of a list of the HUB to a canonical record. Pure.
//!
//! A qualification is a copy of ANAC's; the level says the ambit, and a score below the lowest of its
//! level is a contradiction that its owner should know. The amounts that a level admits, which change
//! with the EU thresholds, are not used here: they belong to whoever knows the amount of a procedure.

use std::collections::BTreeMap;

use canonical::identifiers::{CodiceAusa, CodiceFiscale};
use canonical::kinds::{FaseQualificazione, LivelloQualificazione, Qualificazione, Risorsa, TipoRisorsa};
use canonical::values::date::DateFormat;
use canonical::values::text::read_text;
use canonical::values::{CalendarDate, Note, Reading};
use canonical::{Body, FieldPath, Finding, Provenance, Rule, Severity};
use contract::{DraftRecord, Normalized, RawRecord, SetAside};
use kit::{showable, shown};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::wire::{Elenco, HUB, Origine};

/// How the identifiers of the documents of the HUB begin: by it a record that comes from the HUB is
/// known wherever it goes.
pub(crate) const REMOTE_ID: &str = "hub/";
/// How many unknown fields of one element are told.
const MOST_STRANGERS: usize = 20;

const CAMPI_QUALIFICAZIONE: &[&str] =
    &["codiceFiscale", "codiceAusa", "ambito", "fase", "livello", "punteggio", "validaDal", "validaAl", "origine"];
const CAMPI_RISORSA: &[&str] =
    &["origine", "id", "tipo", "titolo", "descrizione", "url", "tema", "dataPubblicazione", "dataScadenza", "ritirata"];

/// Whether a record was read from the HUB, whatever the name of the source.
pub(crate) fn is_from_hub(provenance: &Provenance) -> bool {
    provenance.remote_id.starts_with(REMOTE_ID)
}

/// Understands one element.
pub(crate) fn normalize(raw: &RawRecord) -> Normalized {
    let elenco = raw.document.context.get("elenco").and_then(|elenco| Elenco::deserialize(elenco).ok());
    let Some(elenco) = elenco else {
        return alone(aside(Rule::N03, "the document does not say which list it is"));
    };
    let Ok(Value::Object(fields)) = serde_json::from_str(&raw.text) else {
        return alone(aside(Rule::N03, "the element is no JSON object"));
    };
    if Origine::is_elsewhere(&raw.text) {
        return alone(aside(Rule::R06, "the HUB shows it for another origin, from which it is read"));
    }
    let mut reader = Reader { fields: &fields, raw: BTreeMap::new(), findings: Vec::new() };
    if raw.occurrence > 0 {
        reader.findings.push(Finding::new(Rule::R06).detail("repeated_element"));
    }
    let (known, body) = match elenco {
        Elenco::Qualificazioni => (CAMPI_QUALIFICAZIONE, reader.qualificazione().map(Body::from)),
        Elenco::Risorse => (CAMPI_RISORSA, reader.risorsa().map(Body::from)),
    };
    reader.strangers(known);
    let Reader { raw, findings, .. } = reader;
    match body {
        Ok(body) => Normalized { records: vec![DraftRecord { body, raw }], findings, set_aside: None },
        Err(set_aside) => Normalized { records: Vec::new(), findings, set_aside: Some(set_aside) },
    }
}

fn aside(rule: Rule, reason: &str) -> SetAside {
    SetAside { rule, reason: reason.to_owned() }
}

/// A raw record that stands aside with nothing else to say.
fn alone(set_aside: SetAside) -> Normalized {
    Normalized { set_aside: Some(set_aside), ..Normalized::default() }
}

struct Reader<'r> {
    fields: &'r Map<String, Value>,
    raw: BTreeMap<FieldPath, String>,
    findings: Vec<Finding>,
}

impl Reader<'_> {
    fn qualificazione(&mut self) -> Result<Qualificazione, SetAside> {
        let ente = self.value("codiceFiscale", "/ente", CodiceFiscale::read);
        let ente = ente.filter(|ente| !ente.is_person());
        let ente = ente.ok_or_else(|| aside(Rule::N04, "the qualification has no usable fiscal code of a body"))?;
        let livello = self.text("livello").and_then(|text| LivelloQualificazione::from_code(&text));
        let livello = livello.ok_or_else(|| aside(Rule::N05, "the level is not one of L1-L3 and SF1-SF3"))?;
        let fase = self.fields.get("fase").and_then(|fase| FaseQualificazione::deserialize(fase).ok());
        let fase = fase.ok_or_else(|| aside(Rule::N05, "the phase is neither award nor execution"))?;
        let inizio = self.date("validaDal", "/valida_dal");
        let inizio = inizio.ok_or_else(|| aside(Rule::N03, "the qualification has no readable first day"))?;
        let fine = self.date("validaAl", "/valida_al");
        if self.text("ambito").is_some_and(|ambito| ambito != livello.ambito().name()) {
            self.findings.push(self.about(Rule::R14, "/livello", "ambito").detail("ambito_and_livello_disagree"));
        }
        let punteggio = self.punteggio();
        let whole = punteggio.as_deref().and_then(|text| text.split('.').next()?.parse::<u32>().ok());
        if whole.is_some_and(|whole| whole < u32::from(livello.lowest_score())) {
            let finding = self.about(Rule::R14, "/punteggio", "punteggio").detail("score_below_level");
            self.findings.push(finding.severity(Severity::Warning));
        }
        if fine.is_some_and(|fine| fine < inizio) {
            self.findings.push(Finding::new(Rule::R25).at("/valida_al"));
        }
        let codice_ausa = self.value("codiceAusa", "/codice_ausa", CodiceAusa::read);
        Ok(Qualificazione { ente, codice_ausa, fase, livello, punteggio, valida_dal: inizio, valida_al: fine })
    }

    fn risorsa(&mut self) -> Result<Risorsa, SetAside> {
        let id = self.text("id").ok_or_else(|| aside(Rule::N08, "the resource has no identifier"))?;
        let tipo = self.fields.get("tipo").and_then(|tipo| TipoRisorsa::deserialize(tipo).ok());
        let tipo = tipo.ok_or_else(|| aside(Rule::N05, "the resource is of no known type"))?;
        let titolo = self.value("titolo", "/titolo", read_text);
        let titolo = titolo.ok_or_else(|| aside(Rule::N08, "the resource has no title"))?;
        let data_pubblicazione = self.date("dataPubblicazione", "/data_pubblicazione");
        let data_scadenza = self.date("dataScadenza", "/data_scadenza");
        if data_scadenza.zip(data_pubblicazione).is_some_and(|(end, begin)| end < begin) {
            self.findings.push(Finding::new(Rule::R25).at("/data_scadenza"));
        }
        let ritirata = match self.fields.get("ritirata") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(ritirata)) => *ritirata,
            // What may be withdrawn is not shown as if it were not.
            Some(_) => return Err(aside(Rule::N03, "whether the resource is withdrawn cannot be read")),
        };
        Ok(Risorsa {
            origine: HUB.to_owned(),
            id,
            tipo,
            titolo,
            descrizione: self.value("descrizione", "/descrizione", read_text),
            // An address is no prose: an `&` in it is not the beginning of an entity.
            url: self.text("url"),
            tema: self.value("tema", "/tema", read_text),
            data_pubblicazione,
            data_scadenza,
            ritirata,
        })
    }

    /// A score is text with digits and perhaps a point: a number would pass through binary floating
    /// point.
    fn punteggio(&mut self) -> Option<String> {
        let text = match self.fields.get("punteggio")? {
            Value::Null => return None,
            Value::String(text) if text.trim().is_empty() => return None,
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) if number.is_u64() => number.to_string(),
            other => {
                self.raw.insert("/punteggio".into(), other.to_string());
                self.findings.push(Finding::new(Rule::N03).at("/punteggio").detail("not_a_text"));
                return None;
            }
        };
        let score = text.replacen(',', ".", 1);
        let (whole, decimals) = score.split_once('.').unwrap_or((&score, "0"));
        let is_digits = |text: &str, most: usize| {
            (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !is_digits(whole, 3) || !is_digits(decimals, 6) {
            self.findings.push(self.about(Rule::N03, "/punteggio", "punteggio").detail("not_a_score"));
            self.raw.insert("/punteggio".into(), text);
            return None;
        }
        if score != text {
            self.findings.push(self.about(Rule::N01, "/punteggio", "punteggio").detail(Note::DecimalComma.code()));
            self.raw.insert("/punteggio".into(), text);
        }
        Some(score)
    }

    /// The text of a field, without the blanks around it; none when it is absent, null or empty.
    fn text(&self, name: &str) -> Option<String> {
        let text = self.fields.get(name)?.as_str()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn date(&mut self, name: &str, path: &str) -> Option<CalendarDate> {
        self.value(name, path, |text| CalendarDate::read(text, DateFormat::Iso))
    }

    /// Reads a text, notes what was made of it, and keeps it where the value differs.
    fn value<T: ToString>(&mut self, name: &str, path: &str, read: impl Fn(&str) -> Reading<T>) -> Option<T> {
        let text = match self.fields.get(name)? {
            Value::Null => return None,
            Value::String(text) => text,
            _ => {
                self.findings.push(Finding::new(Rule::N03).at(path).detail("not_a_text"));
                return None;
            }
        };
        let Reading { value, note } = read(text);
        if value.as_ref().map(T::to_string).as_deref() != Some(text) && !text.trim().is_empty() {
            self.raw.insert(path.into(), text.clone());
        }
        if let Some(note) = note {
            self.findings.push(self.about(note.rule(), path, name).detail(note.code()));
        }
        value
    }

    /// A finding about a field, with its text where that may be shown. A fiscal code never is.
    fn about(&self, rule: Rule, path: &str, name: &str) -> Finding {
        let finding = Finding::new(rule).at(path);
        let received = self.fields.get(name).and_then(Value::as_str).filter(|_| name != "codiceFiscale");
        match received.and_then(showable) {
            Some(text) => finding.received(text),
            None => finding,
        }
    }

    fn strangers(&mut self, known: &[&str]) {
        let strangers = self.fields.keys().filter(|name| !known.contains(&name.as_str())).take(MOST_STRANGERS);
        let findings =
            strangers.map(|name| Finding::new(Rule::N07).at(shown(name).into_owned()).detail("unknown_field"));
        self.findings.extend(findings);
    }
}

#[cfg(test)]
mod tests;

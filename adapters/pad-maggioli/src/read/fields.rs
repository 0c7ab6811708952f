//! Values of a row: read once, with what is noticed about them, and kept in the words in which they
//! came where these were not already canonical.

use std::collections::BTreeMap;

use canonical::identifiers::{Cig, CigClass, CodiceFiscale, Cup};
use canonical::kinds::Ente;
use canonical::values::date::DateFormat;
use canonical::values::importo::NumberFormat;
use canonical::values::text::read_text;
use canonical::values::{CalendarDate, Importo, Note, Reading};
use canonical::{Body, FieldPath, Finding, Rule};
use contract::DraftRecord;
use kit::showable;

use crate::wire::Testo;

/// The findings of one row; beyond these one says that there were more.
const MOST_FINDINGS: usize = 1_000;

/// A value and the text it was read from.
#[derive(Clone)]
pub(super) struct Valore<T> {
    pub(super) value: Option<T>,
    received: String,
}

impl<T: ToString> Valore<T> {
    fn new(value: Option<T>, received: &Testo) -> Self {
        Self { value, received: received.as_str().to_owned() }
    }
}

/// Reads the values of a row and collects what is noticed.
#[derive(Default)]
pub(super) struct Fields {
    findings: Vec<Finding>,
    left_out: usize,
}

impl Fields {
    /// Notices something.
    pub(super) fn note(&mut self, finding: Finding) {
        if self.findings.len() < MOST_FINDINGS { self.findings.push(finding) } else { self.left_out += 1 }
    }

    /// Notices something about a field, without its text.
    pub(super) fn notice(&mut self, rule: Rule, at: impl Into<FieldPath>, detail: &str) {
        self.note(Finding::new(rule).at(at).detail(detail));
    }

    fn note_reading(&mut self, note: Option<Note>, at: &str, received: Option<&Testo>) {
        if let Some(note) = note {
            let mut finding = Finding::from(note).at(at);
            finding.received = received.and_then(|received| showable(received.as_str()));
            self.note(finding);
        }
    }

    /// The findings.
    pub(super) fn close(mut self) -> Vec<Finding> {
        if self.left_out > 0 {
            self.findings.push(Finding::new(Rule::N03).detail(format!("and_more:{}", self.left_out)));
        }
        self.findings
    }

    /// A CIG.
    pub(super) fn cig(&mut self, at: &str, received: &Testo, occurrence: u32) -> Reading<Cig> {
        let reading = Cig::read(received.as_str());
        let shown = || Finding::new(Rule::R04).at(at);
        match (reading.value, reading.note) {
            (None, None) => self.notice(Rule::R05, at, "absent"),
            (None, Some(_)) => {
                let mut finding = shown().detail("malformed");
                finding.received = showable(received.as_str());
                self.note(finding);
            }
            (Some(cig), _) if cig.is_null() => self.notice(Rule::R05, at, "null_cig"),
            (Some(cig), note) => {
                if cig.as_str() != received.as_str() {
                    self.note_reading(Some(Note::Trimmed), at, Some(received));
                }
                if note == Some(Note::CheckDigit) {
                    self.note(shown().detail("check_digit").received(cig.as_str()));
                } else if cig.class() == CigClass::SmartCig {
                    self.notice(Rule::R09, at, "smartcig");
                }
            }
        }
        if occurrence > 0 {
            self.notice(Rule::R06, at, "repeated_in_document");
        }
        reading
    }

    /// An amount. JSON numbers have a decimal point, whatever they look like.
    pub(super) fn importo(&mut self, at: &str, received: &Testo) -> Valore<Importo> {
        let reading = importo_of(received);
        self.note_reading(reading.note, at, Some(received));
        Valore::new(reading.value, received)
    }

    /// A day. The published form has an hour, which says nothing and is not noticed, save where it
    /// may be midnight of the day after, told in UTC: some fields of the platform have no zone.
    pub(super) fn giorno(&mut self, at: &str, received: &Testo) -> Valore<CalendarDate> {
        let reading = giorno_of(received);
        match published_hour(received.trimmed()) {
            Some("22:00:00" | "23:00:00") => {
                let finding = Finding::new(Rule::N02).at(at).detail("maybe_midnight_of_the_day_after");
                self.note(finding.received(received.trimmed()));
            }
            Some(_) => {}
            None => self.note_reading(reading.note, at, Some(received)),
        }
        Valore::new(reading.value, received)
    }

    /// A text.
    pub(super) fn testo(&mut self, at: &str, received: &Testo) -> Valore<String> {
        let reading = read_text(received.as_str());
        self.note_reading(reading.note, at, None);
        Valore::new(reading.value, received)
    }

    /// The fiscal code of a body. A wrong one is never shown: it may be a person's.
    pub(super) fn codice_fiscale(&mut self, at: &str, received: &Testo) -> Valore<CodiceFiscale> {
        let reading = CodiceFiscale::read(received.as_str());
        match (reading.value, reading.note) {
            (_, Some(note)) => self.note_reading(Some(note), at, None),
            (None, None) => self.notice(Rule::N08, at, "absent"),
            (Some(_), None) => {}
        }
        Valore::new(reading.value, received)
    }

    /// Any other identifier: what is malformed is told, and kept as received.
    pub(super) fn codice<T: ToString>(
        &mut self,
        rule: Rule,
        at: &str,
        received: &Testo,
        read: impl Fn(&str) -> Reading<T>,
    ) -> Valore<T> {
        let reading = read(received.as_str());
        if let Some(note) = reading.note {
            let mut finding =
                Finding::new(if note == Note::Trimmed { Rule::N06 } else { rule }).at(at).detail(note.code());
            finding.received = showable(received.as_str());
            self.note(finding);
        }
        Valore::new(reading.value, received)
    }

    /// Projects: one or more, however they are parted.
    pub(super) fn cup(&mut self, at: &str, received: &Testo) -> Vec<Cup> {
        let mut cups = Vec::new();
        for part in received.as_str().split(|character: char| !character.is_ascii_alphanumeric()) {
            let reading = Cup::read(part);
            cups.extend(reading.value);
            if reading.value.is_none() && !part.is_empty() {
                let mut finding = Finding::new(Rule::R13).at(at).detail("malformed");
                finding.received = showable(part);
                self.note(finding);
            }
        }
        cups
    }

    /// End before start: both are kept.
    pub(super) fn order(&mut self, at: &str, inizio: &Valore<CalendarDate>, fine: &Valore<CalendarDate>) {
        if let (Some(inizio), Some(fine)) = (inizio.value, fine.value)
            && fine < inizio
        {
            self.notice(Rule::R25, at, "end_before_start");
        }
    }

    /// Paid above awarded. Nothing awarded is "not awarded yet", not a limit.
    pub(super) fn paid(&mut self, at: &str, aggiudicato: &Valore<Importo>, liquidato: &Valore<Importo>) {
        if let (Some(aggiudicato), Some(liquidato)) = (aggiudicato.value, liquidato.value)
            && !aggiudicato.is_zero()
            && liquidato > aggiudicato
        {
            self.notice(Rule::R17, at, "paid_above_awarded");
        }
    }
}

/// An amount of the platform.
pub(crate) fn importo_of(received: &Testo) -> Reading<Importo> {
    Importo::read(received.as_str(), NumberFormat::Point)
}

/// A day of the platform.
pub(crate) fn giorno_of(received: &Testo) -> Reading<CalendarDate> {
    CalendarDate::read(received.as_str(), DateFormat::Iso)
}

/// The hour of `yyyy-MM-dd HH:mm:ss`, the published form of a day.
fn published_hour(text: &str) -> Option<&str> {
    let (day, hour) = (text.get(..10)?, text.get(11..)?);
    let is_hour = hour.len() == 8 && hour.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    (CalendarDate::parse(day).is_ok() && text.as_bytes().get(10) == Some(&b' ') && is_hour).then_some(hour)
}

/// The received texts of a record's values, by path, where they differ from the canonical ones.
#[derive(Default)]
pub(super) struct Raw(BTreeMap<FieldPath, String>);

impl Raw {
    /// Keeps a received text, unless it says just what the value says.
    pub(super) fn keep(&mut self, path: impl Into<FieldPath>, received: &str, canonical: &str) {
        if received != canonical && !received.trim().is_empty() {
            self.0.insert(path.into(), received.to_owned());
        }
    }

    /// Takes a value into a record, with the text it was read from.
    pub(super) fn take<T: ToString + Clone>(&mut self, path: &str, valore: &Valore<T>) -> Option<T> {
        let canonical = valore.value.as_ref().map(T::to_string).unwrap_or_default();
        self.keep(path, &valore.received, &canonical);
        valore.value.clone()
    }

    /// The record.
    pub(super) fn record(self, body: impl Into<Body>) -> DraftRecord {
        DraftRecord { body: body.into(), raw: self.0 }
    }
}

/// The body that answers for a row, when its code can be read.
pub(super) fn ente(codice_fiscale: &Valore<CodiceFiscale>, denominazione: &Valore<String>) -> Option<DraftRecord> {
    let mut raw = Raw::default();
    let ente = Ente {
        codice_fiscale: raw.take("/codice_fiscale", codice_fiscale)?,
        denominazione: raw.take("/denominazione", denominazione),
        altri_codici: Vec::new(),
        codice_ausa: None,
        codice_ipa: None,
        tipo: None,
        codice_istat: None,
        valido_dal: None,
        valido_al: None,
    };
    Some(raw.record(ente))
}

//! One row, read value by value into canonical types, with a finding for every value that was not
//! canonical and the received text beside it.

use std::collections::BTreeMap;

use canonical::identifiers::{CodiceIstat, Cup};
use canonical::values::importo::NumberFormat;
use canonical::values::text::read_text;
use canonical::values::{CalendarDate, Importo, Note, Reading};
use canonical::{Body, FieldPath, Finding, Rule};
use contract::{DraftRecord, RawRecord};
use kit::{Cells, CellsError, note_finding, showable, showable_code, with_received};
use serde_json::Value;

use crate::wire::{Campo, Format, is_column};

/// A row whose columns are known.
pub(crate) struct Row<'r> {
    pub(crate) format: &'static Format,
    header: &'r [Value],
    cells: Cells<'r>,
}

impl<'r> Row<'r> {
    pub(crate) fn of(format: &'static Format, raw: &'r RawRecord) -> Result<Self, CellsError> {
        let header = raw.document.context.get("columns").and_then(Value::as_array);
        Ok(Self { format, header: header.map_or(&[], Vec::as_slice), cells: Cells::of(raw)? })
    }

    /// The received text; none when it is empty, or a word that means nothing here.
    pub(crate) fn received(&self, campo: Campo) -> Option<&str> {
        let name = self.format.column(campo)?;
        let text = if name.ends_with('*') {
            let column = self.header.iter().filter_map(Value::as_str).find(|column| is_column(name, column))?;
            self.cells.get(column)?
        } else {
            self.cells.get(name)?
        };
        (!self.format.empty.contains(&text)).then_some(text)
    }

    pub(crate) fn cup(&self) -> Reading<Cup> {
        self.received(Campo::Cup).map_or_else(Reading::absent, Cup::read)
    }

    /// An amount that cannot be below zero.
    pub(crate) fn importo(&self, campo: Campo) -> Reading<Importo> {
        self.received(campo).map_or_else(Reading::absent, |text| Importo::read(text, NumberFormat::Point))
    }

    /// An amount of money that may have come back.
    pub(crate) fn importo_con_segno(&self, campo: Campo) -> Reading<Importo> {
        let Some(positive) = self.received(campo).and_then(|text| text.strip_prefix('-')) else {
            return self.importo(campo);
        };
        let Reading { value, note } = Importo::read(positive, NumberFormat::Point);
        Reading { value: value.and_then(|value| Importo::ZERO.checked_sub(value)), note }
    }

    pub(crate) fn data(&self, campo: Campo) -> Reading<CalendarDate> {
        self.received(campo).map_or_else(Reading::absent, |text| CalendarDate::read(text, self.format.dates))
    }

    /// The number of a phase: `FA_7 - Inizio lavori` is the seventh, whatever its words.
    pub(crate) fn fase(&self) -> Option<u8> {
        let number = self.received(Campo::FaseNumerata)?.strip_prefix("FA_")?;
        number.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
    }

    /// The number of a work without the leading zeros: `EU_0928` is `EU_928`. What is no such
    /// number (`ES_XX`) is kept as received.
    pub(crate) fn opera(&self) -> Option<(String, OperaNote)> {
        let text = self.received(Campo::Opera)?;
        let number = text.split_once('_').filter(|(list, number)| {
            list.len() == 2 && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        });
        Some(match number.map(|(list, number)| (list, number, number.trim_start_matches('0'))) {
            None => (text.to_owned(), OperaNote::NotANumber),
            Some((_, number, bare)) if number == bare => (text.to_owned(), OperaNote::Canonical),
            Some((list, _, bare)) => (format!("{list}_{bare}"), OperaNote::ZerosRemoved),
        })
    }

    /// The municipality, written whole or in two columns.
    pub(crate) fn comune(&self) -> (Reading<CodiceIstat>, Option<String>) {
        let received = match (self.received(Campo::Provincia), self.received(Campo::ComuneNellaProvincia)) {
            (Some(provincia), Some(comune)) => Some(format!("{provincia}{comune}")),
            _ => self.received(Campo::Comune).map(str::to_owned),
        };
        (received.as_deref().map_or_else(Reading::absent, CodiceIstat::read), received)
    }
}

/// How the number of a work was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OperaNote {
    Canonical,
    ZerosRemoved,
    NotANumber,
}

/// The findings of a row.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    /// What the note of a reading deserves.
    pub(crate) fn note(&mut self, path: &str, received: &str, note: Note) {
        // Blanks around a text are no news.
        if note != Note::Trimmed {
            self.0.push(note_finding(note, received).at(path));
        }
    }

    /// A finding, with the received text when it names nobody.
    pub(crate) fn push(&mut self, finding: Finding, path: &str, received: Option<&str>) {
        self.0.push(with_received(finding.at(path), received.and_then(showable)));
    }

    /// A finding about a CIG or a CUP, with the received text when it cannot be something else.
    pub(crate) fn code(&mut self, finding: Finding, path: &str, received: Option<&str>) {
        self.0.push(with_received(finding.at(path), received.and_then(showable_code)));
    }

    pub(crate) fn into_vec(self) -> Vec<Finding> {
        self.0
    }
}

/// The received texts of one record, where they differ from the canonical ones.
#[derive(Debug, Default)]
pub(crate) struct Raw(BTreeMap<FieldPath, String>);

impl Raw {
    /// Keeps a text that is not already the canonical one.
    pub(crate) fn keep(&mut self, path: &str, received: Option<&str>, canonical: Option<&str>) {
        if let Some(received) = received
            && Some(received) != canonical
        {
            self.0.insert(path.into(), received.to_owned());
        }
    }

    /// The value of a reading, with its finding and its received text.
    pub(crate) fn value<T: ToString>(
        &mut self,
        findings: &mut Findings,
        path: &str,
        received: Option<&str>,
        reading: Reading<T>,
    ) -> Option<T> {
        if let Some((received, note)) = received.zip(reading.note) {
            findings.note(path, received, note);
        }
        self.keep(path, received, reading.value.as_ref().map(T::to_string).as_deref());
        reading.value
    }

    /// A text of a row.
    pub(crate) fn text(&mut self, findings: &mut Findings, path: &str, row: &Row<'_>, campo: Campo) -> Option<String> {
        let received = row.received(campo);
        let reading = received.map_or_else(Reading::absent, read_text);
        if reading.note == Some(Note::TextRepaired) {
            // Not the text itself: an object may name a person.
            findings.push(Finding::new(Rule::N06).detail(Note::TextRepaired.code()), path, None);
        }
        self.keep(path, received, reading.value.as_deref());
        reading.value
    }

    /// An amount of a row.
    pub(crate) fn importo(
        &mut self,
        findings: &mut Findings,
        path: &str,
        row: &Row<'_>,
        campo: Campo,
    ) -> Option<Importo> {
        self.value(findings, path, row.received(campo), row.importo(campo))
    }

    /// A day of a row.
    pub(crate) fn data(
        &mut self,
        findings: &mut Findings,
        path: &str,
        row: &Row<'_>,
        campo: Campo,
    ) -> Option<CalendarDate> {
        self.value(findings, path, row.received(campo), row.data(campo))
    }

    pub(crate) fn record(self, body: impl Into<Body>) -> DraftRecord {
        DraftRecord { body: body.into(), raw: self.0 }
    }
}

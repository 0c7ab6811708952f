//! A record in the making: every value is read from a named text, with the finding that the text
//! deserves and the text itself where it was not already canonical.

use std::collections::BTreeMap;

use canonical::code_lists::{self, SceltaContraente};
use canonical::identifiers::{Cig, CodiceAusa, CodiceFiscale, CodiceIstat, CodiceNuts, Cpv, Cui, Cup};
use canonical::values::date::DateFormat;
use canonical::values::importo::NumberFormat;
use canonical::values::text::read_text;
use canonical::values::{CalendarDate, Importo, Note, Reading, UtcInstant};
use canonical::{Body, FieldPath, Finding, Rule};
use contract::DraftRecord;
use kit::showable;

use crate::values::Values;

/// A record in the making.
pub(crate) struct Draft<'v> {
    values: &'v dyn Values,
    /// Where the values stand in the document, for findings: `tender.lots.`.
    prefix: &'static str,
    raw: BTreeMap<FieldPath, String>,
    findings: &'v mut Vec<Finding>,
}

impl<'v> Draft<'v> {
    pub(crate) fn on(values: &'v dyn Values, prefix: &'static str, findings: &'v mut Vec<Finding>) -> Self {
        Self { values, prefix, raw: BTreeMap::new(), findings }
    }

    /// The text of a value, unless it is nothing.
    pub(crate) fn given(&self, name: &str) -> Option<&'v str> {
        self.values.given(name)
    }

    /// Keeps a received text beside the record.
    pub(crate) fn keep(&mut self, path: &str, text: &str) {
        self.raw.insert(path.into(), text.to_owned());
    }

    /// A finding about a value.
    pub(crate) fn find(&mut self, finding: Finding, name: &str) {
        let finding = finding.at(format!("{}{name}", self.prefix));
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// The finished record.
    pub(crate) fn record(self, body: impl Into<Body>) -> DraftRecord {
        DraftRecord { body: body.into(), raw: self.raw }
    }

    /// The texts kept so far, for a record that somebody else finishes.
    pub(crate) fn into_raw(self) -> BTreeMap<FieldPath, String> {
        self.raw
    }

    fn read<T: ToString>(
        &mut self,
        path: &str,
        name: &str,
        malformed: Rule,
        read: impl Fn(&str) -> Reading<T>,
    ) -> Option<T> {
        let text = self.values.given(name)?;
        let reading = read(text);
        if let Some(note) = reading.note {
            self.note(name, text, note, malformed);
        }
        if reading.value.as_ref().is_none_or(|value| value.to_string() != text) {
            self.keep(path, text);
        }
        reading.value
    }

    fn note(&mut self, name: &str, text: &str, note: Note, malformed: Rule) {
        let rule = if matches!(note, Note::Malformed | Note::CheckDigit) { malformed } else { note.rule() };
        let finding = Finding::new(rule).detail(note.code());
        // Texts and fiscal codes may name a person; codes, amounts and days may not.
        let is_harmless = !matches!(rule, Rule::N04 | Rule::N06 | Rule::R22);
        let finding = match showable(text) {
            Some(shown) if is_harmless => finding.received(shown),
            _ => finding,
        };
        self.find(finding, name);
    }

    /// A CIG that names a lot: the null one does not.
    pub(crate) fn cig(&mut self, path: &str, name: &str) -> Option<Cig> {
        self.read(path, name, Rule::R04, Cig::read).filter(|cig| !cig.is_null())
    }

    pub(crate) fn cup(&mut self, path: &str, name: &str) -> Option<Cup> {
        self.read(path, name, Rule::R13, Cup::read)
    }

    pub(crate) fn cui(&mut self, path: &str, name: &str) -> Option<Cui> {
        self.read(path, name, Rule::R27, Cui::read)
    }

    pub(crate) fn cpv(&mut self, path: &str, name: &str) -> Option<Cpv> {
        self.read(path, name, Rule::N05, Cpv::read)
    }

    /// Six digits, or nine when ANAC writes the region before them.
    pub(crate) fn istat(&mut self, path: &str, name: &str) -> Option<CodiceIstat> {
        self.read(path, name, Rule::N05, |text| {
            CodiceIstat::read(text.trim().get(3..).filter(|rest| rest.len() == 6).unwrap_or(text))
        })
    }

    pub(crate) fn nuts(&mut self, path: &str, name: &str) -> Option<CodiceNuts> {
        self.read(path, name, Rule::N05, CodiceNuts::read)
    }

    pub(crate) fn ausa(&mut self, path: &str, name: &str) -> Option<CodiceAusa> {
        self.read(path, name, Rule::N05, CodiceAusa::read)
    }

    pub(crate) fn codice_fiscale(&mut self, path: &str, name: &str) -> Option<CodiceFiscale> {
        self.read(path, name, Rule::N04, |text| CodiceFiscale::read(without_scheme(text)))
    }

    /// The fiscal code of a body: that of a person in its place is a mistake, and is not repeated.
    pub(crate) fn ente(&mut self, path: &str, name: &str) -> Option<CodiceFiscale> {
        let code = self.codice_fiscale(path, name)?;
        if code.is_person() {
            self.find(Finding::new(Rule::N04).detail("person_for_a_body"), name);
            return None;
        }
        Some(code)
    }

    pub(crate) fn words(&mut self, path: &str, name: &str) -> Option<String> {
        self.read(path, name, Rule::N06, read_text)
    }

    pub(crate) fn importo(&mut self, path: &str, name: &str) -> Option<Importo> {
        self.read(path, name, Rule::N03, |text| Importo::read(text, NumberFormat::Point))
    }

    /// The sum of amounts that are given one by one: of all of them or of none. A sum of those that
    /// can be read would pass for the whole.
    pub(crate) fn somma(&mut self, path: &str, name: &str, parts: &[Option<&str>]) -> Option<Importo> {
        let mut amounts = Vec::with_capacity(parts.len());
        for part in parts {
            let reading = part.map(|text| Importo::read(text, NumberFormat::Point));
            if let (Some(text), Some(note)) = (part, reading.as_ref().and_then(|reading| reading.note)) {
                self.note(name, text, note, Rule::N03);
            }
            amounts.push(reading.and_then(|reading| reading.value));
        }
        let written: Vec<_> = parts.iter().map(|part| part.unwrap_or_default().trim()).collect();
        self.keep(path, &written.join(" + "));
        let sum = amounts.into_iter().collect::<Option<Vec<_>>>().and_then(Importo::checked_sum);
        if sum.is_none() {
            self.find(Finding::new(Rule::N03).detail("sum_of_unreadable_parts"), name);
        }
        sum
    }

    pub(crate) fn giorno(&mut self, path: &str, name: &str) -> Option<CalendarDate> {
        self.read(path, name, Rule::N03, read_day)
    }

    /// An instant. A day without an hour is midnight UTC of that day, so that the written day is
    /// what remains when hour and zone are dropped.
    pub(crate) fn istante(&mut self, path: &str, name: &str) -> Option<UtcInstant> {
        self.read(path, name, Rule::N03, |text| {
            let instant = UtcInstant::read(text);
            if instant.value.is_some() {
                // The zone was part of the instant, nothing was dropped.
                return Reading { note: None, ..instant };
            }
            let Reading { value, note } = read_day(text);
            Reading { value: value.and_then(|day| UtcInstant::parse(&format!("{day}T00:00:00Z")).ok()), note }
        })
    }

    /// A whole number, also written `12.0`.
    pub(crate) fn number<T: std::str::FromStr>(&mut self, name: &str) -> Option<T> {
        let text = self.values.given(name)?;
        let number = whole(text.trim()).parse().ok();
        if number.is_none() {
            let finding = Finding::new(Rule::N03).detail("not_a_number");
            self.find(finding, name);
        }
        number
    }

    /// An exact decimal number, as written.
    pub(crate) fn decimal(&mut self, path: &str, name: &str) -> Option<String> {
        let is_decimal = |text: &str| {
            text.bytes().any(|b| b.is_ascii_digit())
                && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
                && text.bytes().filter(|b| *b == b'.').count() <= 1
        };
        self.read(path, name, Rule::N03, |text| match text.trim() {
            text if is_decimal(text) => Reading::canonical(text.to_owned()),
            _ => Reading::unreadable(Note::NotAnAmount),
        })
    }

    /// Yes or no, in the spellings of the portal.
    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        let text = self.values.given(name)?;
        match whole(text.trim()).to_ascii_uppercase().as_str() {
            "1" | "S" | "SI" | "SÌ" | "TRUE" => Some(true),
            "0" | "N" | "NO" | "FALSE" => Some(false),
            _ => {
                self.unknown(name, text, "flag");
                None
            }
        }
    }

    /// A code: opaque, its zeros are never stripped; only the `.0` of a number is.
    pub(crate) fn code(&mut self, path: &str, name: &str) -> Option<String> {
        self.read(path, name, Rule::N05, |text| Reading::canonical(whole(text.trim()).to_owned()))
    }

    /// The codes of a list of objects.
    pub(crate) fn codes_of(&self, list: &str, name: &str) -> Vec<String> {
        let codes = self.values.objects(list).iter().filter_map(|one| one.at(name).text());
        codes.map(|code| whole(code.trim()).to_owned()).collect()
    }

    /// A code of an embedded list; one that is not there is kept, with a finding.
    pub(crate) fn listed(&mut self, path: &str, name: &str, list: &str) -> Option<String> {
        let code = self.code(path, name)?;
        if code_lists::lookup(list, &code, None).is_none() {
            self.unknown(name, &code, list);
        }
        Some(code)
    }

    /// A code of an embedded list, or one that only historical records of SIMOG have.
    pub(crate) fn listed_or_simog(
        &mut self,
        path: &str,
        name: &str,
        list: &str,
        simog: std::ops::RangeInclusive<u8>,
    ) -> Option<String> {
        let code = self.code(path, name)?;
        if code.parse().is_ok_and(|number| simog.contains(&number)) || code_lists::lookup(list, &code, None).is_some() {
            return Some(code);
        }
        self.unknown(name, &code, list);
        Some(code)
    }

    pub(crate) fn scelta_contraente(&mut self, path: &str, name: &str) -> Option<SceltaContraente> {
        let code = self.code(path, name)?;
        self.scelta(name, SceltaContraente::parse(&code).ok(), &code)
    }

    /// A procedure type that was read; one that is not in the list is a finding.
    pub(crate) fn scelta(
        &mut self,
        name: &str,
        read: Option<SceltaContraente>,
        text: &str,
    ) -> Option<SceltaContraente> {
        if read.as_ref().is_none_or(|scelta| !scelta.is_known()) {
            self.unknown(name, text, "tipo_scelta_contraente");
        }
        read
    }

    pub(crate) fn unknown(&mut self, name: &str, text: &str, list: &str) {
        let finding = Finding::new(Rule::N05).detail(format!("not_in_list:{list}"));
        let finding = match showable(text) {
            Some(shown) => finding.received(shown),
            None => finding,
        };
        self.find(finding, name);
    }
}

/// A number without the `.0` that spreadsheets add to whole ones.
pub(crate) fn whole(text: &str) -> &str {
    text.strip_suffix(".0")
        .filter(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        .unwrap_or(text)
}

/// A fiscal code without the scheme that OCDS writes before it.
pub(crate) fn without_scheme(text: &str) -> &str {
    text.trim().strip_prefix("IT-CF-").unwrap_or(text)
}

/// A day; with an hour or a zone after it, however these are written:
/// `2025-01-08 17:31:38.793T12:00:00Z` and `2019-01-02+01:00T09:30:00Z` are published.
///
/// OCDS has no days: it writes each as an instant, and that is no defect of the document.
fn read_day(text: &str) -> Reading<CalendarDate> {
    let reading = CalendarDate::read(text, DateFormat::Iso);
    if reading.value.is_some() && UtcInstant::read(text).value.is_some() {
        return Reading { note: None, ..reading };
    }
    match text.trim().get(..10).map(CalendarDate::parse) {
        Some(Ok(day)) if reading.value.is_none() => Reading::adapted(day, Note::DateNotIso),
        _ => reading,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Node;

    fn check(json: &str, read: impl Fn(&mut Draft<'_>) -> Option<String>, expected: Option<&str>, details: &[&str]) {
        let node = Node::parse(&format!("{{\"x\": {json}}}")).unwrap();
        let mut findings = Vec::new();
        assert_eq!(read(&mut Draft::on(&node, "", &mut findings)).as_deref(), expected, "{json}");
        let found: Vec<_> = findings.iter().filter_map(|finding| finding.detail.as_deref()).collect();
        assert_eq!(found, details, "{json}");
    }

    #[test]
    fn execution_mode_codes_keep_their_zeros_and_numbers_lose_their_decimals() {
        let code = |draft: &mut Draft<'_>| draft.code("/x", "x");
        check("\"01\"", code, Some("01"), &[]);
        check("1.0", code, Some("1"), &[]);
        check("\"-1\"", code, None, &[]);
        check("-1.0", code, None, &[]);
        check("\"17\"", code, Some("17"), &[]);
    }

    #[test]
    fn malformed_days_of_ocds_keep_their_day() {
        let day = |draft: &mut Draft<'_>| draft.giorno("/x", "x").map(|day| day.to_string());
        check("\"2025-01-08 17:31:38.793T12:00:00Z\"", day, Some("2025-01-08"), &["date_with_time"]);
        check("\"2019-01-02+01:00T09:30:00Z\"", day, Some("2019-01-02"), &["date_not_iso"]);
        check("\"2022-08-11T12:00:00Z\"", day, Some("2022-08-11"), &[]);
        check("\"N.A.\"", day, None, &["not_a_date"]);
    }

    #[test]
    fn a_day_as_an_instant_is_midnight_utc() {
        let instant = |draft: &mut Draft<'_>| draft.istante("/x", "x").map(|instant| instant.to_string());
        check("\"2022-05-26\"", instant, Some("2022-05-26T00:00:00Z"), &[]);
        check("\"2026-06-18T09:00:00+02:00\"", instant, Some("2026-06-18T07:00:00Z"), &[]);
    }

    #[test]
    fn a_person_never_stands_in_a_finding() {
        let node = Node::parse(r#"{"x": "rssmra85t10a562s"}"#).unwrap();
        let mut findings = Vec::new();
        assert_eq!(Draft::on(&node, "", &mut findings).ente("/x", "x"), None);
        assert!(findings.iter().all(|finding| finding.received.is_none()), "{findings:?}");
    }
}

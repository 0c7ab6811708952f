//! From a row of the open data to canonical records: the authority, the procedure, the lot. Pure.

use std::collections::BTreeMap;

use canonical::code_lists::SceltaContraente;
use canonical::identifiers::{Cig, CigClass, CodiceFiscale, Cpv, Cup};
use canonical::kinds::{Ente, Lotto, Procedura};
use canonical::values::date::DateFormat;
use canonical::values::importo::NumberFormat;
use canonical::values::text::read_text;
use canonical::values::{CalendarDate, Importo, Note, Reading, UtcInstant};
use canonical::{Body, FieldPath, Finding, Rule, Severity};
use contract::{DraftRecord, Normalized, RawRecord, SetAside};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use kit::showable;
use serde_json::Value;

use crate::SYSTEM;
use crate::rows::PLATFORM;
use crate::wire::{KEY_FIELD, RigaBando};

/// Understands one row.
pub(crate) fn normalize(raw: &RawRecord) -> Normalized {
    let mut findings = Vec::new();
    let platform = raw.document.context.get(PLATFORM).and_then(Value::as_str).unwrap_or(SYSTEM);
    let (records, set_aside) = match row(raw, platform, &mut findings) {
        Ok(records) => (records, None),
        Err(set_aside) => (Vec::new(), Some(set_aside)),
    };
    Normalized { records, findings, set_aside }
}

fn row(raw: &RawRecord, platform: &str, findings: &mut Vec<Finding>) -> Result<Vec<DraftRecord>, SetAside> {
    let aside = |rule, reason: &str| SetAside { rule, reason: reason.to_owned() };
    let row: RigaBando =
        serde_json::from_str(&raw.text).map_err(|_| aside(Rule::N03, "the text is not a row of the observatory"))?;
    for name in row.not_texts() {
        findings.push(Finding::new(Rule::N07).at(name).detail("not_a_text"));
    }
    let text = row.get("cig").ok_or_else(|| aside(Rule::R05, "the row has no CIG"))?;
    let reading = Cig::read(text);
    let cig = reading.value.ok_or_else(|| aside(Rule::R04, "the CIG of the row is malformed"))?;
    if cig.is_null() {
        return Err(aside(Rule::R05, "the row has a null CIG, which is the key of nothing"));
    }
    if let Some(note) = reading.note {
        let rule = if cig.is_verified() { note.rule() } else { Rule::R04 };
        findings.push(Finding::new(rule).at("cig").detail(note.code()).received(text));
    }
    if cig.class() == CigClass::SmartCig {
        findings.push(Finding::new(Rule::R09).at("cig").received(cig.as_str()));
    }
    if raw.occurrence > 0 {
        findings.push(Finding::new(Rule::R06).at("cig").detail("repeated_key"));
    }
    let mut records: Vec<DraftRecord> = ente(&row, findings).into_iter().collect();
    records.extend(procedura(&row, platform, cig, findings));
    records.push(lotto(&row, cig, findings));
    Ok(records)
}

fn ente(row: &RigaBando, findings: &mut Vec<Finding>) -> Option<DraftRecord> {
    let mut draft = Draft::on(row, findings);
    let ente = Ente {
        codice_fiscale: draft.ente("/codice_fiscale")?,
        denominazione: draft.text("/denominazione", "stazione_appaltante"),
        altri_codici: Vec::new(),
        codice_ausa: None,
        codice_ipa: None,
        tipo: None,
        codice_istat: None,
        valido_dal: None,
        valido_al: None,
    };
    Some(draft.record(ente))
}

fn procedura(row: &RigaBando, platform: &str, cig: Cig, findings: &mut Vec<Finding>) -> Option<DraftRecord> {
    let numero = row.get(KEY_FIELD)?.trim();
    let is_single = row.get("numero_lotti").map(str::trim) == Some("1");
    let mut draft = Draft::on(row, findings);
    let procedura = Procedura {
        id: format!("{platform}/{numero}"),
        oggetto: draft.text("/oggetto", "oggetto_dell_appalto"),
        stazione_appaltante: draft.ente("/stazione_appaltante"),
        ente_delegante: None,
        scelta_contraente: draft.scelta_contraente(),
        // Zero is published for "not given" and for zero: it is kept, whoever compares knows both.
        importo: draft.importo("/importo", "importo_complessivo_base"),
        oneri_sicurezza: None,
        pubblicata_il: draft.istante("/pubblicata_il", "data_pubblicazione"),
        scadenza_offerte: draft.istante("/scadenza_offerte", "data_presentazioni_offerte"),
        // A row knows its own lot only.
        lotti: if is_single { vec![cig] } else { Vec::new() },
    };
    if is_single && row.get("importo_lotto").is_some() {
        let of_lot = Importo::read(row.get("importo_lotto")?, NumberFormat::Point).value;
        if procedura.importo.is_some() && of_lot.is_some() && procedura.importo != of_lot {
            let finding = Finding::new(Rule::R02).severity(Severity::Info);
            draft.find(finding.detail("single_lot_differs"), "importo_complessivo_base");
        }
    }
    Some(draft.record(procedura))
}

fn lotto(row: &RigaBando, cig: Cig, findings: &mut Vec<Finding>) -> DraftRecord {
    let mut draft = Draft::on(row, findings);
    let published = row.get("data_pubblicazione").map(|text| CalendarDate::read(text, DateFormat::Iso));
    let lotto = Lotto {
        oggetto: draft.text("/oggetto", "oggetto_dell_appalto"),
        stazione_appaltante: draft.ente("/stazione_appaltante"),
        scelta_contraente: draft.scelta_contraente(),
        anno_riferimento: published.and_then(|day| u16::try_from(day.value?.year()).ok()),
        cup: draft.read("/cup", "cup", Rule::R13, Cup::read).into_iter().collect(),
        cpv: draft.read("/cpv", "codice_cpv", Rule::N05, Cpv::read),
        importo_totale: draft.importo("/importo_totale", "importo_lotto"),
        ..Lotto::new(cig)
    };
    draft.record(lotto)
}

/// A record in the making, with the received texts that were not already canonical.
struct Draft<'r> {
    row: &'r RigaBando,
    raw: BTreeMap<FieldPath, String>,
    findings: &'r mut Vec<Finding>,
}

impl<'r> Draft<'r> {
    fn on(row: &'r RigaBando, findings: &'r mut Vec<Finding>) -> Self {
        Self { row, raw: BTreeMap::new(), findings }
    }

    fn record(self, body: impl Into<Body>) -> DraftRecord {
        DraftRecord { body: body.into(), raw: self.raw }
    }

    /// A finding about a value, once for all the records of the row.
    fn find(&mut self, finding: Finding, name: &str) {
        let finding = finding.at(name);
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn read<T: ToString>(
        &mut self,
        path: &str,
        name: &str,
        malformed: Rule,
        read: impl Fn(&str) -> Reading<T>,
    ) -> Option<T> {
        let text = self.row.get(name)?;
        let reading = read(text);
        if let Some(note) = reading.note {
            let rule = if matches!(note, Note::Malformed | Note::CheckDigit) { malformed } else { note.rule() };
            // Texts and fiscal codes may name a person; codes, amounts and days may not.
            let shown = showable(text).filter(|_| !matches!(rule, Rule::N04 | Rule::N06 | Rule::R22));
            let finding = Finding::new(rule).detail(note.code());
            self.find(shown.into_iter().fold(finding, Finding::received), name);
        }
        if reading.value.as_ref().is_none_or(|value| value.to_string() != text) {
            self.raw.insert(path.into(), text.to_owned());
        }
        reading.value
    }

    fn text(&mut self, path: &str, name: &str) -> Option<String> {
        self.read(path, name, Rule::N06, read_text)
    }

    fn importo(&mut self, path: &str, name: &str) -> Option<Importo> {
        self.read(path, name, Rule::N03, |text| Importo::read(text, NumberFormat::Point))
    }

    fn ente(&mut self, path: &str) -> Option<CodiceFiscale> {
        let code = self.read(path, "codice_fiscale", Rule::N04, CodiceFiscale::read)?;
        if code.is_person() {
            self.find(Finding::new(Rule::N04).detail("person_for_a_body"), "codice_fiscale");
            return None;
        }
        Some(code)
    }

    /// The open data write the hour of Italy without a zone.
    fn istante(&mut self, path: &str, name: &str) -> Option<UtcInstant> {
        self.read(path, name, Rule::N03, |text| match italian(text.trim()) {
            Some(instant) => Reading::canonical(instant),
            None => UtcInstant::read(text),
        })
    }

    /// The code whose official label this is, whatever its letter case: no code is published.
    fn scelta_contraente(&mut self) -> Option<SceltaContraente> {
        let text = self.row.get("procedura_gara")?;
        self.raw.insert("/scelta_contraente".into(), text.to_owned());
        let label = text.split_whitespace().collect::<Vec<_>>().join(" ").to_uppercase();
        let known = (1..=122_u8).filter_map(|code| SceltaContraente::parse(&code.to_string()).ok());
        let found = known.into_iter().find(|scelta| scelta.label() == Some(label.as_str()));
        if found.is_none() {
            let finding = Finding::new(Rule::N05).detail("not_in_list:tipo_scelta_contraente");
            let finding = showable(text).into_iter().fold(finding, Finding::received);
            self.find(finding, "procedura_gara");
        }
        found
    }
}

/// The instant of an Italian hour; of one that comes twice, in October, the first. Midnight is how
/// a day without an hour is written: midnight UTC keeps that day when hour and zone are dropped.
fn italian(text: &str) -> Option<UtcInstant> {
    let written: DateTime = text.parse().ok().filter(|_| !text.ends_with(['Z', 'z']))?;
    if written.time() == jiff::civil::Time::midnight() {
        return UtcInstant::parse(&format!("{}T00:00:00Z", written.date())).ok();
    }
    let zone = TimeZone::get("Europe/Rome").ok()?;
    let instant = zone.to_ambiguous_timestamp(written).compatible().ok()?;
    UtcInstant::from_unix_micros(instant.as_microsecond()).ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("2026-05-27T08:54:34.000", Some("2026-05-27T06:54:34Z"))]
    #[case("2026-01-15T08:00:00.000", Some("2026-01-15T07:00:00Z"))]
    #[case("2026-01-15T00:00:00.000", Some("2026-01-15T00:00:00Z"))]
    #[case("2026-10-25T02:30:00.000", Some("2026-10-25T00:30:00Z"))]
    #[case("2026-01-15", Some("2026-01-15T00:00:00Z"))]
    #[case("15/01/2026", None)]
    #[case("2026-05-27T08:54:34Z", None)]
    fn italian_hours_become_instants(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(italian(text).map(|instant| instant.to_string()).as_deref(), expected, "{text}");
    }

    #[test]
    fn the_labels_of_the_region_are_those_of_anac_in_another_case() {
        for (label, code) in [
            ("Procedura Aperta", Some("1")),
            ("Affidamento  diretto", Some("24")),
            ("Procedura Negoziata senza Previa Pubblicazione", Some("4")),
            ("Altro", None),
        ] {
            let row: RigaBando = serde_json::from_value(serde_json::json!({ "procedura_gara": label })).unwrap();
            let mut findings = Vec::new();
            let found = Draft::on(&row, &mut findings).scelta_contraente();
            assert_eq!(found.as_ref().map(SceltaContraente::as_str), code, "{label}");
            assert_eq!(findings.is_empty(), code.is_some(), "{label}");
        }
    }
}

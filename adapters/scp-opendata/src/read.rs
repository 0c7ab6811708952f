//! From a row to canonical records. Pure: the same row always gives the same records.
//!
//! A row is a lot, with the data of its tender repeated: it gives a `procedura` and a `lotto`.

use std::collections::{BTreeMap, BTreeSet};

use canonical::identifiers::{Cig, CigClass, CodiceFiscale, CodiceIstat, CodiceNuts, Cpv, Cup};
use canonical::kinds::{Lotto, Procedura};
use canonical::values::date::DateFormat;
use canonical::values::importo::NumberFormat;
use canonical::values::text::read_text;
use canonical::values::{CalendarDate, Importo, Note, Reading, UtcInstant};
use canonical::{Body, FieldPath, Finding, Rule, Severity};
use contract::{DraftRecord, Normalized, RawRecord, SetAside};
use kit::showable;

use crate::wire::{Riga, colonna};

/// The name of the platform in the key of a procedure.
const PLATFORM: &str = "scp";

/// Understands one row.
pub(crate) fn normalize(raw: &RawRecord) -> Normalized {
    match Riga::of(raw) {
        Ok(riga) => normalize_row(&riga, raw.occurrence),
        Err(reason) => Normalized {
            findings: vec![Finding::new(Rule::N03).detail("not_a_row")],
            set_aside: Some(SetAside { rule: Rule::N03, reason }),
            records: Vec::new(),
        },
    }
}

fn normalize_row(riga: &Riga<'_>, occurrence: u32) -> Normalized {
    let mut reader = Reader { riga, findings: Vec::new(), raw: BTreeMap::new() };
    let cig = match reader.cig(occurrence) {
        Ok(cig) => cig,
        Err(set_aside) => {
            return Normalized { records: Vec::new(), findings: reader.findings, set_aside: Some(set_aside) };
        }
    };
    // What tender and lot share is read once: its findings too.
    let cig_text = reader.take_raw();
    let stazione_appaltante = reader.stazione_appaltante();
    let shared = reader.take_raw();
    let procedura = reader.procedura(cig, stazione_appaltante);
    let procedura = procedura.map(|it| reader.draft(it, [&shared]));
    let lotto = reader.lotto(cig, stazione_appaltante);
    let lotto = reader.draft(lotto, [&cig_text, &shared]);
    let records = procedura.into_iter().chain([lotto]).collect();
    Normalized { records, findings: reader.findings, set_aside: None }
}

/// The received texts of values that were not already canonical.
type Raw = BTreeMap<FieldPath, String>;

struct Reader<'r> {
    riga: &'r Riga<'r>,
    findings: Vec<Finding>,
    raw: Raw,
}

impl Reader<'_> {
    /// Finishes a record: what was kept since the last one, and what it shares with others.
    fn draft<const N: usize>(&mut self, body: impl Into<Body>, shared: [&Raw; N]) -> DraftRecord {
        let mut raw = self.take_raw();
        raw.extend(shared.into_iter().flatten().map(|(path, text)| (path.clone(), text.clone())));
        DraftRecord { body: body.into(), raw }
    }

    fn take_raw(&mut self) -> Raw {
        std::mem::take(&mut self.raw)
    }

    fn cig(&mut self, occurrence: u32) -> Result<Cig, SetAside> {
        let text = self.riga.get(colonna::CIG).unwrap_or_default();
        let reading = Cig::read(text);
        let aside = |rule, reason: &str| SetAside { rule, reason: reason.to_owned() };
        let Some(cig) = reading.value else {
            if reading.note.is_none() {
                self.find(Finding::new(Rule::R05).detail("absent"), colonna::CIG);
                return Err(aside(Rule::R05, "the row has no CIG"));
            }
            self.find_received(Finding::new(Rule::R04).detail("malformed"), colonna::CIG, text);
            return Err(aside(Rule::R04, "the CIG of the row is malformed"));
        };
        if cig.is_null() {
            self.find(Finding::new(Rule::R05).detail("null_cig"), colonna::CIG);
            return Err(aside(Rule::R05, "the row has a null CIG, which is the key of nothing"));
        }
        match reading.note {
            Some(Note::CheckDigit) => {
                self.find_received(Finding::new(Rule::R04).detail("check_digit"), colonna::CIG, text);
            }
            Some(note) => self.find_received(note.into(), colonna::CIG, text),
            None => {}
        }
        if cig.class() == CigClass::SmartCig {
            self.find(Finding::new(Rule::R09).detail("smartcig"), colonna::CIG);
        }
        if occurrence > 0 {
            self.find(Finding::new(Rule::R06).detail("repeated_in_document"), colonna::CIG);
        }
        self.keep("/cig", text, cig.as_str());
        Ok(cig)
    }

    fn procedura(&mut self, cig: Cig, stazione_appaltante: Option<CodiceFiscale>) -> Option<Procedura> {
        let Some(id) = self.riga.get(colonna::ID_GARA) else {
            self.find(Finding::new(Rule::N08), colonna::ID_GARA);
            return None;
        };
        // The rows of a tender come one by one: only of a tender of one lot is the list known.
        let lotti = if self.riga.get(colonna::LOTTI) == Some("1") { vec![cig] } else { Vec::new() };
        Some(Procedura {
            id: format!("{PLATFORM}/{id}"),
            oggetto: self.text("/oggetto", colonna::OGGETTO_GARA),
            stazione_appaltante,
            ente_delegante: None,
            scelta_contraente: None,
            importo: self.importo("/importo", colonna::IMPORTO_GARA),
            oneri_sicurezza: None,
            pubblicata_il: self.midnight("/pubblicata_il", colonna::PUBBLICAZIONE),
            scadenza_offerte: self.midnight("/scadenza_offerte", colonna::SCADENZA),
            lotti,
        })
    }

    fn lotto(&mut self, cig: Cig, stazione_appaltante: Option<CodiceFiscale>) -> Lotto {
        let importo_netto = self.importo("/importo_netto", colonna::NETTO);
        let oneri_sicurezza = self.importo("/oneri_sicurezza", colonna::SICUREZZA);
        let importo_totale = self.importo("/importo_totale", colonna::TOTALE);
        self.check_total(importo_netto, oneri_sicurezza, importo_totale);
        let cup = self.value("/cup/0", colonna::CUP, Cup::read, Finding::new(Rule::R13).severity(Severity::Error));
        Lotto {
            oggetto: self.text("/oggetto", colonna::OGGETTO_LOTTO),
            stazione_appaltante,
            cup: cup.into_iter().collect::<BTreeSet<_>>(),
            cpv: self.value("/cpv", colonna::CPV, Cpv::read, Finding::new(Rule::N05)),
            categoria: self.categoria(),
            importo_netto,
            oneri_sicurezza,
            importo_totale,
            luogo_istat: self.value("/luogo_istat", colonna::LUOGO_ISTAT, istat, Finding::new(Rule::N05)),
            luogo_nuts: self.value("/luogo_nuts", colonna::LUOGO_NUTS, CodiceNuts::read, Finding::new(Rule::N05)),
            ..Lotto::new(cig)
        }
    }

    /// The total is what is left without security costs, and those.
    fn check_total(&mut self, net: Option<Importo>, security: Option<Importo>, total: Option<Importo>) {
        let sum = net.zip(security).and_then(|(net, security)| net.checked_add(security));
        if let (Some(sum), Some(total)) = (sum, total)
            && sum.cents().abs_diff(total.cents()) > 1
        {
            let finding = Finding::new(Rule::R02).severity(Severity::Warning).detail("not_net_plus_security");
            self.find(finding, colonna::TOTALE);
        }
    }

    /// Category and class, as one.
    fn categoria(&mut self) -> Option<String> {
        let category = self.riga.get(colonna::CATEGORIA).and_then(|text| read_text(text).value)?;
        let class = self.riga.get(colonna::CLASSIFICA).and_then(|text| read_text(text).value);
        Some(class.map_or(category.clone(), |class| format!("{category} {class}")))
    }

    fn stazione_appaltante(&mut self) -> Option<CodiceFiscale> {
        let column = colonna::STAZIONE_APPALTANTE;
        self.value("/stazione_appaltante", column, CodiceFiscale::read, Finding::new(Rule::N04))
    }

    /// A value; `malformed` is the finding when there is a text and no value.
    fn value<T: ToString>(
        &mut self,
        path: &str,
        column: &str,
        read: impl Fn(&str) -> Reading<T>,
        malformed: Finding,
    ) -> Option<T> {
        let text = self.riga.get(column)?;
        let Reading { value, note } = read(text);
        match (&value, note) {
            (None, Some(note)) => self.find_received(malformed.detail(note.code()), column, text),
            (_, Some(note)) => self.find_received(note.into(), column, text),
            (_, None) => {}
        }
        self.keep(path, text, &value.as_ref().map(ToString::to_string).unwrap_or_default());
        value
    }

    fn text(&mut self, path: &str, column: &str) -> Option<String> {
        self.value(path, column, read_text, Finding::new(Rule::N06))
    }

    /// Amounts have five decimals; a point is the decimal one.
    fn importo(&mut self, path: &str, column: &str) -> Option<Importo> {
        let read = |text: &str| Importo::read(text, NumberFormat::Point);
        self.value(path, column, read, Finding::new(Rule::N03))
    }

    /// A day. The portal writes midnight UTC in local time, 01:00 or 02:00: the day is kept, the
    /// hour is dropped, and the instant is that midnight again.
    fn midnight(&mut self, path: &str, column: &str) -> Option<UtcInstant> {
        let read = |text: &str| CalendarDate::read(text, DateFormat::Iso);
        let day = self.value(path, column, read, Finding::new(Rule::N03))?;
        UtcInstant::parse(&format!("{day}T00:00:00Z")).ok()
    }

    /// The received text, where it is not the canonical one.
    fn keep(&mut self, path: &str, received: &str, canonical: &str) {
        if received != canonical {
            self.raw.insert(path.into(), received.to_owned());
        }
    }

    fn find(&mut self, finding: Finding, column: &str) {
        self.findings.push(finding.at(column));
    }

    fn find_received(&mut self, finding: Finding, column: &str, text: &str) {
        let finding = match showable(text) {
            Some(text) => finding.received(text),
            None => finding,
        };
        self.find(finding, column);
    }
}

/// The codes of this portal have the three digits of the region before those of the municipality:
/// `012058091` is `058091`.
fn istat(text: &str) -> Reading<CodiceIstat> {
    let without_region = match text.as_bytes() {
        [b'0', b'0'..=b'2', b'0'..=b'9', rest @ ..] if rest.len() == 6 => &text[3..],
        _ => text,
    };
    CodiceIstat::read(without_region)
}

#[cfg(test)]
mod tests;

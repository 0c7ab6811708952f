//! From Pi.Co. to us: the rows it holds, as rows that can be compared, and the resources that it
//! publishes, as canonical records.
//!
//! The same table types the fields of what we send and of what we read back, so that a difference
//! is never one of spelling.

use std::collections::BTreeMap;

use canonical::identifiers::holds_personal_code;
use canonical::kinds::Risorsa;
use canonical::values::date::DateFormat;
use canonical::values::{CalendarDate, Reading, text::read_text};
use canonical::{Body, Digest, FieldPath, Finding, Rule};
use contract::{DraftRecord, Normalized, ObservedUnit, RawRecord, Row, SetAside, UnitKey};
use serde_json::Value;

use crate::SYSTEM;
use crate::dataset::{Dataset, RISORSA_TYPES, Riga};
use crate::unit::{Collection, Unit};
use crate::wire::{Elemento, RisorsaPubblicata, SchedaTenuta};

/// The rows of NDJSON text. The error names the line, never its content.
pub(crate) fn righe(dataset: &'static Dataset, ndjson: &str) -> Result<Vec<Riga>, String> {
    let not_a_row = |number: usize, why: &str| format!("line {}: {why}", number + 1);
    let read = |(number, line): (usize, &str)| {
        let value: Value = serde_json::from_str(line).map_err(|_| not_a_row(number, "not JSON"))?;
        Riga::read(dataset, &value).map_err(|why| not_a_row(number, &why))
    };
    ndjson.lines().enumerate().map(read).collect()
}

/// The rows of a package, when they are those that its entry in the list announces: all of them,
/// of that body, in the order of their keys, with the same digest.
pub(crate) fn package_rows(dataset: &'static Dataset, elemento: &Elemento, ndjson: &[u8]) -> Result<Vec<Row>, String> {
    if Digest::of(ndjson).to_string() != elemento.impronta {
        return Err("the rows have another digest than the list".to_owned());
    }
    let text = std::str::from_utf8(ndjson).map_err(|_| "the rows are not UTF-8".to_owned())?;
    let righe = righe(dataset, text)?;
    if righe.len() as u64 != elemento.righe {
        return Err(format!("{} rows instead of {}", righe.len(), elemento.righe));
    }
    if !belong_to(&righe, &elemento.ente) {
        return Err("a row belongs to another body".to_owned());
    }
    if !are_in_order(&righe) {
        return Err("the rows are not in the order of their keys".to_owned());
    }
    Ok(righe.iter().map(Riga::row).collect())
}

/// Whether every row is of this body.
pub(crate) fn belong_to(righe: &[Riga], ente: &str) -> bool {
    righe.iter().all(|riga| riga.cell("codice_fiscale_ente").is_some_and(|cell| cell.to_string() == ente))
}

/// Whether the rows stand in the order of their keys, each key once.
pub(crate) fn are_in_order(righe: &[Riga]) -> bool {
    let keys: Vec<String> = righe.iter().map(Riga::key).collect();
    keys.is_sorted_by(|one, next| one < next)
}

/// A sheet as Pi.Co. holds it, when it is what it says to be. None for a collection's neighbour.
pub(crate) fn sheet(collection: Collection, held: &SchedaTenuta) -> Result<ObservedUnit, String> {
    let content = held.contenuto.get();
    if Digest::of(content.as_bytes()).to_string() != held.impronta {
        return Err("a sheet has another digest than it says".to_owned());
    }
    let value: Value = serde_json::from_str(content).map_err(|_| "a sheet is not JSON".to_owned())?;
    let riga = Riga::read(collection.dataset(), &value)?;
    let is_unit = Unit::parse(&held.chiave)
        .is_some_and(|unit| matches!(unit, Unit::Sheet { collection: of, .. } if of == collection));
    if !is_unit || format!("{}{}", collection.prefix(), riga.key()) != held.chiave {
        return Err("a sheet has another key than its content".to_owned());
    }
    Ok(ObservedUnit { key: UnitKey(held.chiave.clone()), revision: Some(held.versione), rows: vec![riga.row()] })
}

/// Understands a resource that Pi.Co. publishes.
pub(crate) fn normalize(raw: &RawRecord) -> Normalized {
    let aside = |rule, reason: &str| Normalized {
        set_aside: Some(SetAside { rule, reason: reason.to_owned() }),
        ..Normalized::default()
    };
    let Ok(received) = serde_json::from_str::<RisorsaPubblicata>(&raw.text) else {
        return aside(Rule::N03, "not a resource of Pi.Co.");
    };
    let mut reader = Reader::default();
    let Some(id) = reader.text("id", Some(&received.id)) else {
        return aside(Rule::N08, "a resource without identifier");
    };
    let tipo = RISORSA_TYPES.iter().find(|row| row.0 == received.tipo.trim()).map(|row| row.1);
    let Some(tipo) = tipo else { return aside(Rule::N05, "a resource of an unknown type") };
    let Some(titolo) = reader.text("titolo", Some(&received.titolo)) else {
        return aside(Rule::N08, "a resource without title");
    };
    let risorsa = Risorsa {
        origine: SYSTEM.to_owned(),
        id,
        tipo,
        titolo,
        descrizione: reader.text("descrizione", received.descrizione.as_deref()),
        url: reader.text("url", received.url.as_deref()),
        tema: reader.text("tema", received.tema.as_deref()),
        data_pubblicazione: reader.date("data_pubblicazione", received.data_pubblicazione.as_deref()),
        data_scadenza: reader.date("data_scadenza", received.data_scadenza.as_deref()),
        ritirata: received.ritirata,
    };
    if let (Some(first), Some(last)) = (risorsa.data_pubblicazione, risorsa.data_scadenza)
        && last < first
    {
        reader.findings.push(Finding::new(Rule::R25).at("data_scadenza"));
    }
    let record = DraftRecord { body: Body::Risorsa(risorsa), raw: reader.raw };
    Normalized { records: vec![record], findings: reader.findings, set_aside: None }
}

/// Reads values and remembers what they looked like where that was not already canonical.
#[derive(Default)]
struct Reader {
    raw: BTreeMap<FieldPath, String>,
    findings: Vec<Finding>,
}

impl Reader {
    fn text(&mut self, field: &str, text: Option<&str>) -> Option<String> {
        self.take(field, text, read_text)
    }

    fn date(&mut self, field: &str, text: Option<&str>) -> Option<CalendarDate> {
        self.take(field, text, |text| CalendarDate::read(text, DateFormat::Iso))
    }

    fn take<T>(&mut self, field: &str, text: Option<&str>, read: impl Fn(&str) -> Reading<T>) -> Option<T> {
        let text = text?;
        let Reading { value, note } = read(text);
        if let Some(note) = note {
            let finding = Finding::from(note).at(field);
            let is_tellable = !holds_personal_code(text);
            self.findings.push(if is_tellable { finding.received(text) } else { finding });
            self.raw.insert(field.into(), text.to_owned());
        }
        value
    }
}

//! From an answer to raw records, and from a value to a canonical code. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use canonical::kinds::Codice;
use canonical::values::text::read_text;
use canonical::{Finding, Rule};
use contract::{DocumentHeader, DraftRecord, Normalized, RawRecord, Received, SetAside};
use kit::{Occurrences, showable};
use serde_json::{Value, json};

use crate::wire::{FORMAT, Tabella, TabellatoEntry, VERSION};

/// A table as a document.
pub(crate) fn document(tabella: &Tabella, digest: String, values: &[TabellatoEntry]) -> Vec<Received> {
    let header = Arc::new(DocumentHeader {
        remote_id: tabella.name().to_owned(),
        digest,
        format: FORMAT.to_owned(),
        version: VERSION.to_owned(),
        as_of: None,
        context: json!({"tabella": tabella.name()}),
    });
    let mut occurrences = Occurrences::default();
    let record = |(line, entry): (u64, &TabellatoEntry)| {
        let text = serde_json::to_string(entry).unwrap_or_else(|never| unreachable!("an object of texts: {never}"));
        // Codes that differ by a blank or by letter case are different codes.
        let code = entry.code.as_deref().unwrap_or_default();
        let occurrence = if code.is_empty() { 0 } else { occurrences.add(code.as_bytes()) };
        Received::Record(RawRecord { document: Arc::clone(&header), line, occurrence, text })
    };
    let records: Vec<_> = (1..).zip(values).map(record).collect();
    [Received::Begin(Arc::clone(&header))].into_iter().chain(records).chain([Received::End]).collect()
}

/// Understands one value. The code is kept exactly as published.
pub(crate) fn normalize(raw: &RawRecord) -> Normalized {
    let aside = |rule, detail: &str, reason: &str| Normalized {
        findings: vec![Finding::new(rule).at("code").detail(detail)],
        set_aside: Some(SetAside { rule, reason: reason.to_owned() }),
        records: Vec::new(),
    };
    let Some(lista) = raw.document.context.get("tabella").and_then(Value::as_str) else {
        return aside(Rule::N03, "no_table", "the document does not say of which table it is");
    };
    let Ok(entry) = serde_json::from_str::<TabellatoEntry>(&raw.text) else {
        return aside(Rule::N03, "not_a_value", "the text is not a value of a table");
    };
    let Some(codice) = entry.code.filter(|code| !code.is_empty()) else {
        return aside(Rule::N08, "no_code", "the value has no code");
    };
    if raw.occurrence > 0 {
        return aside(Rule::N03, "repeated_code", "the table has this code twice: the first is kept");
    }
    let (mut findings, mut kept) = (Vec::new(), BTreeMap::new());
    let reading = entry.value.as_deref().map(read_text);
    if let (Some(received), Some(reading)) = (&entry.value, &reading) {
        findings.extend(reading.note.map(|note| {
            let finding = Finding::from(note).at("value");
            showable(received).map_or(finding.clone(), |text| finding.received(text))
        }));
        if reading.value.as_ref() != Some(received) {
            kept.insert("/descrizione".into(), received.clone());
        }
    }
    let fonte = Some(Tabella::fonte(lista));
    let descrizione = reading.and_then(|reading| reading.value);
    let codice = Codice { lista: lista.to_owned(), codice, descrizione, valido_dal: None, valido_al: None, fonte };
    Normalized { records: vec![DraftRecord { body: codice.into(), raw: kept }], findings, set_aside: None }
}

//! From a file, or an answer of the portal, to raw records. What a row says is for [`crate::read`].

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use canonical::identifiers::CodiceFiscale;
use contract::{DocumentHeader, RawRecord, Received, Refusal};
use kit::documents::{not_readable, refuse};
use kit::{Closed, Document, Give, Links, Looks, Occurrences, TableFormat, give_table};
use serde_json::Value;

use crate::wire::{CKAN, CSV, CkanAnswer, CkanRecord, DIALECT, Riga, VERSION, colonna};

/// An answer of the API is held in memory whole: a saved one must not be longer.
const LONGEST_ANSWER: u64 = 64 << 20;

/// Takes a file: a table, or a saved answer of the API.
pub(crate) fn take(
    path: &Path,
    links: Links,
    of: &BTreeSet<CodiceFiscale>,
    max_bytes: u64,
    give: &mut Give<'_>,
) -> Result<(), Closed> {
    match Document::open(path, links, max_bytes) {
        Ok(document) if document.looks() == Looks::Json => match answer_in(&document) {
            Ok(answer) => {
                let header = header_of_answer(document.name(), document.digest());
                give_answer(&answer, &header, &mut Occurrences::default(), of, give)
            }
            Err(refusal) => give(Received::Refused { remote_id: document.name().to_owned(), refusal }),
        },
        // Anything else is a table, or is refused as one.
        _ => take_table(path, None, links, of, max_bytes, give),
    }
}

/// Takes a table, under the name it has on the portal when that is not the name of the file.
pub(crate) fn take_table(
    path: &Path,
    remote_id: Option<&str>,
    links: Links,
    of: &BTreeSet<CodiceFiscale>,
    max_bytes: u64,
    give: &mut Give<'_>,
) -> Result<(), Closed> {
    let format = TableFormat { remote_id: remote_id.map(str::to_owned), ..TableFormat::new(CSV, VERSION, DIALECT) };
    let mut passed_over = 0;
    give_table(path, links, &format, max_bytes, &mut |received| match &received {
        Received::Record(raw) if !is_wanted(raw, of) => {
            passed_over += 1;
            Ok(())
        }
        _ => give(received),
    })?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    tell_passed_over(remote_id.unwrap_or(&name), passed_over);
    Ok(())
}

/// Says how many rows of other bodies a document has: who expected one of them finds out why it is not here.
fn tell_passed_over(document: &str, rows: u64) {
    if rows > 0 {
        tracing::info!(system = crate::SYSTEM, document, rows, "rows of other bodies passed over");
    }
}

/// The header of an answer of the API.
pub(crate) fn header_of_answer(remote_id: &str, digest: &str) -> Arc<DocumentHeader> {
    Arc::new(DocumentHeader {
        remote_id: remote_id.to_owned(),
        digest: digest.to_owned(),
        format: CKAN.to_owned(),
        version: VERSION.to_owned(),
        as_of: None,
        context: Value::Null,
    })
}

/// Gives an answer of the API as a document.
pub(crate) fn give_answer(
    records: &[CkanRecord],
    header: &Arc<DocumentHeader>,
    occurrences: &mut Occurrences,
    of: &BTreeSet<CodiceFiscale>,
    give: &mut Give<'_>,
) -> Result<(), Closed> {
    give(Received::Begin(Arc::clone(header)))?;
    let mut passed_over = 0;
    for (line, record) in (1..).zip(records) {
        let key = record.get(colonna::CIG).and_then(Value::as_str);
        let occurrence = occurrences.add_values([key.unwrap_or_default()]);
        let raw = RawRecord { document: Arc::clone(header), line, occurrence, text: crate::wire::text_of(record) };
        if is_wanted(&raw, of) {
            give(Received::Record(raw))?;
        } else {
            passed_over += 1;
        }
    }
    tell_passed_over(&header.remote_id, passed_over);
    give(Received::End)
}

/// A row of a body that nobody asked for is not taken. One that names no body, or cannot be read,
/// is: somebody must see it.
fn is_wanted(raw: &RawRecord, of: &BTreeSet<CodiceFiscale>) -> bool {
    if of.is_empty() {
        return true;
    }
    let Ok(row) = Riga::of(raw) else { return true };
    let code = row.get(colonna::STAZIONE_APPALTANTE).and_then(|text| CodiceFiscale::read(text).value);
    code.is_none_or(|code| of.contains(&code))
}

fn answer_in(document: &Document) -> Result<Vec<CkanRecord>, Refusal> {
    let mut text = Vec::new();
    document.bytes()?.take(LONGEST_ANSWER + 1).read_to_end(&mut text).map_err(|error| not_readable(&error))?;
    document.ensure_unchanged()?;
    if text.len() as u64 > LONGEST_ANSWER {
        let message = format!("the file is longer than {LONGEST_ANSWER} bytes: ask the portal for fewer rows");
        return Err(refuse("too_large", message));
    }
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let not_one = || refuse("not_an_answer", "the file is not an answer of datastore_search_sql: save it again");
    let answer: CkanAnswer = serde_json::from_slice(text).map_err(|_| not_one())?;
    match answer.result {
        Some(result) if answer.success => Ok(result.records),
        _ => Err(refuse("no_success", "the file is an answer that says no: ask again and save that")),
    }
}

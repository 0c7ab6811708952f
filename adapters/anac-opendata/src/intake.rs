//! From one file to raw records, whatever it is: the bytes say it, not the name.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use canonical::values::CalendarDate;
use contract::{DocumentHeader, RawRecord, Received, Refusal};
use kit::documents::not_readable;
use kit::{Closed, Document, Give, Links, Looks, Occurrences, TableFormat, give_table, refuse};
use serde_json::json;

use crate::dataset::{self, Dataset};
use crate::elements::{Shape, each, shape};
use crate::formats::{AVVISI, Formats, GREZZO, OCDS, OCDS_L190, SCHEDA, STAZIONI};
use crate::node::Node;
use crate::ocds;

/// How files are read, whichever they are.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    /// The longest file.
    pub(crate) max_bytes: u64,
    /// What is read; other files are refused.
    pub(crate) formats: Formats,
}

impl Reading {
    fn admit(&self, format: &str) -> Result<(), Refusal> {
        if self.formats.has(format) {
            return Ok(());
        }
        let message =
            format!("the document is {format}, which this source does not read: give it to one that has it in formats");
        Err(refuse("other_format", message))
    }

    /// Whether authorities are told by their registry, and by no other document of this source.
    fn has_registry(&self) -> bool {
        self.formats.has(STAZIONI)
    }
}

/// The version of every format: ANAC numbers none.
pub(crate) const VERSION: &str = "1";
/// The context in which documents other than the registry of authorities write none.
pub(crate) const HAS_REGISTRY: &str = "has_registry";

/// Enough of a file to know it: the header of a table must end here.
const BEGINNING: u64 = 1 << 16;

/// Reads a file and gives what it holds, or why it is refused.
pub(crate) fn take(
    path: &Path,
    links: Links,
    remote_id: Option<String>,
    reading: &Reading,
    give: &mut Give<'_>,
) -> Result<(), Closed> {
    let name = || path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let remote_id = remote_id.unwrap_or_else(name);
    match give_document(path, links, &remote_id, reading, give) {
        Ok(()) => Ok(()),
        Err(Stop::Refused(refusal)) => give(Received::Refused { remote_id, refusal }),
        Err(Stop::Closed) => Err(Closed),
    }
}

fn give_document(
    path: &Path,
    links: Links,
    remote_id: &str,
    reading: &Reading,
    give: &mut Give<'_>,
) -> Result<(), Stop> {
    let (document, found) = Document::open_checked(path, links, reading.max_bytes, recognize)?;
    match found {
        Found::Table(dataset, delimiter) => {
            reading.admit(dataset.name)?;
            let mut format = TableFormat::new(dataset.name, VERSION, dataset.dialect(delimiter));
            format.as_of = as_of(remote_id);
            format.context.insert(HAS_REGISTRY.to_owned(), reading.has_registry().into());
            format.remote_id = Some(remote_id.to_owned());
            Ok(give_table(path, links, &format, reading.max_bytes, give)?)
        }
        Found::Elements(shape) => {
            give_elements(&document, shape, remote_id, reading, give)?;
            Ok(give(Received::End)?)
        }
    }
}

/// What a file is, by its bytes.
enum Found {
    Table(&'static Dataset, u8),
    Elements(Shape),
}

fn recognize(looks: Looks, bytes: &mut dyn Read) -> Result<Found, Refusal> {
    match looks {
        Looks::Xml => {
            let message = "the file is XML: ANAC's open data are read as CSV or JSON; for Legge 190 use file-drop";
            Err(refuse("not_a_dataset", message))
        }
        Looks::Text => {
            let mut start = Vec::new();
            bytes.take(BEGINNING).read_to_end(&mut start).map_err(|error| not_readable(&error))?;
            let (dataset, delimiter) = dataset::recognize(&start).ok_or_else(|| {
                let message = "the header is that of no dataset that is read: see the list in the README";
                refuse("unknown_dataset", message)
            })?;
            Ok(Found::Table(dataset, delimiter))
        }
        Looks::Json => shape(bytes).map(Found::Elements),
    }
}

/// The day in the name of a monthly file: `20231001-cig_csv.csv`.
fn as_of(name: &str) -> Option<CalendarDate> {
    let (year, month, day) = (name.get(..4)?, name.get(4..6)?, name.get(6..8)?);
    if name.get(8..).is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_digit())) {
        return None;
    }
    CalendarDate::parse(&format!("{year}-{month}-{day}")).ok()
}

enum Stop {
    Closed,
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Closed> for Stop {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

fn give_elements(
    document: &Document,
    shape: Shape,
    remote_id: &str,
    reading: &Reading,
    give: &mut Give<'_>,
) -> Result<(), Stop> {
    let format = format(document, shape)?;
    reading.admit(format)?;
    let described = Arc::new(DocumentHeader {
        remote_id: remote_id.to_owned(),
        digest: document.digest().to_owned(),
        format: format.to_owned(),
        version: VERSION.to_owned(),
        as_of: as_of(remote_id),
        context: json!({ HAS_REGISTRY: reading.has_registry() }),
    });
    give(Received::Begin(Arc::clone(&described)))?;
    let mut occurrences = Occurrences::default();
    each::<Stop>(document.bytes()?, shape, &mut |line, text| {
        let occurrence = key(format, text).map_or(0, |key| occurrences.add_values([key]));
        let document = Arc::clone(&described);
        give(Received::Record(RawRecord { document, line, occurrence, text: text.to_owned() }))?;
        Ok(())
    })?;
    document.ensure_unchanged()?;
    Ok(())
}

/// Reads a document to its end; its first element says what they all are.
fn format(document: &Document, shape: Shape) -> Result<&'static str, Refusal> {
    let mut format = None;
    each::<Refusal>(document.bytes()?, shape, &mut |_, text| {
        if format.is_none() {
            format = Some(format_of(text).ok_or_else(unknown)?);
        }
        Ok(())
    })?;
    document.ensure_unchanged()?;
    format.ok_or_else(|| refuse("no_record", "the document holds no record: nothing was published"))
}

fn unknown() -> Refusal {
    refuse("unknown_document", "the JSON is none of the documents that are read: see the list in the README")
}

/// What an element is, by what only such elements have.
fn format_of(text: &str) -> Option<&'static str> {
    let node = Node::parse(text).ok()?;
    let has = |path: &str| node.at(path) != &Node::Nothing;
    [("ocid", OCDS), ("idAvviso", AVVISI), ("bando", SCHEDA), ("result", GREZZO)]
        .into_iter()
        .find(|(path, _)| has(path))
        .map(|(_, format)| format)
        .map(|format| if format == OCDS && !ocds::is_of_anac(&node) { OCDS_L190 } else { format })
}

/// The natural key of an element.
fn key(format: &str, text: &str) -> Option<String> {
    let path = match format {
        OCDS | OCDS_L190 => "ocid",
        AVVISI => "idAvviso",
        SCHEDA => "bando.CIG",
        _ => return None,
    };
    Node::parse(text).ok()?.at(path).text().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_of_a_monthly_file_is_in_its_name() {
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(as_of(name).map(|day| day.to_string()).as_deref(), expected, "{name}");
        };
        check("20231001-cig_csv.csv", Some("2023-10-01"));
        check("20231301-cig_csv.csv", None);
        check("cig_csv_2023_10.csv", None);
        check("202310011.csv", None);
        check("", None);
    }
}

//! From one file to raw records, whatever it is: the bytes say it, not the name.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use canonical::values::CalendarDate;
use contract::{DocumentHeader, RawRecord, Received, Refusal};
use kit::documents::{look, not_readable};
use kit::{Closed, Document, Give, Links, Looks, Occurrences, TableFormat, give_table, refuse};
use serde_json::json;

use crate::dataset;
use crate::elements::{each, shape};
use crate::node::Node;

/// How files are read, whichever they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// The longest file.
    pub(crate) max_bytes: u64,
    /// See [`crate::config::Config::mark_replaced`].
    pub(crate) mark_replaced: bool,
}

/// The version of every format: ANAC numbers none.
pub(crate) const VERSION: &str = "1";
/// The context in which a lot marks the one that it takes the place of.
pub(crate) const MARK_REPLACED: &str = "mark_replaced";

/// Names of the formats of JSON documents.
pub(crate) const SCHEDA: &str = "cig-json";
pub(crate) const GREZZO: &str = "cig-grezzo";
pub(crate) const OCDS: &str = "ocds";
pub(crate) const AVVISI: &str = "avvisi";

/// Reads a file and gives what it holds, or why it is refused.
pub(crate) fn take(
    path: &Path,
    links: Links,
    remote_id: Option<String>,
    reading: Reading,
    give: &mut Give<'_>,
) -> Result<(), Closed> {
    let name = || path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let remote_id = remote_id.unwrap_or_else(name);
    let refused = |refusal| Received::Refused { remote_id: remote_id.clone(), refusal };
    let start = match start(path) {
        Ok(start) => start,
        Err(refusal) => return give(refused(refusal)),
    };
    match look(&start) {
        Err(refusal) => give(refused(refusal)),
        Ok(Looks::Xml) => {
            let message = "the file is XML: ANAC's open data are read as CSV or JSON; for Legge 190 use file-drop";
            give(refused(refuse("not_a_dataset", message)))
        }
        Ok(Looks::Text) => match dataset::recognize(&start) {
            None => {
                let message = "the header is that of no dataset that is read: see the list in the README";
                give(refused(refuse("unknown_dataset", message)))
            }
            Some((dataset, delimiter)) => {
                let mut format = TableFormat::new(dataset.name, VERSION, dataset.dialect(delimiter));
                format.as_of = as_of(&remote_id);
                format.context.insert(MARK_REPLACED.to_owned(), reading.mark_replaced.into());
                format.remote_id = Some(remote_id);
                give_table(path, links, &format, reading.max_bytes, give)
            }
        },
        Ok(Looks::Json) => match give_elements(path, links, &remote_id, reading, give) {
            Ok(()) => give(Received::End),
            Err(Stop::Refused(refusal)) => give(refused(refusal)),
            Err(Stop::Closed) => Err(Closed),
        },
    }
}

/// Enough of a file to know it: the header of a table must end here.
fn start(path: &Path) -> Result<Vec<u8>, Refusal> {
    // A pipe would be waited for: what is no file is not even opened.
    if !std::fs::metadata(path).map_err(|error| not_readable(&error))?.is_file() {
        return Err(refuse("not_a_file", "the path is not that of a regular file: give the file itself"));
    }
    let mut start = Vec::new();
    let file = File::open(path).map_err(|error| not_readable(&error))?;
    file.take(1 << 16).read_to_end(&mut start).map_err(|error| not_readable(&error))?;
    Ok(start)
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
    path: &Path,
    links: Links,
    remote_id: &str,
    reading: Reading,
    give: &mut Give<'_>,
) -> Result<(), Stop> {
    let shape = shape(File::open(path).map_err(|error| not_readable(&error))?)?;
    let (document, format) = Document::open_checked(path, links, reading.max_bytes, |_, bytes| {
        let mut format = None;
        each::<Refusal>(bytes, shape, &mut |_, text| {
            // The first element says what they all are.
            if format.is_none() {
                format = Some(format_of(text).ok_or_else(unknown)?);
            }
            Ok(())
        })?;
        format.ok_or_else(|| refuse("no_record", "the document holds no record: nothing was published"))
    })?;
    let described = Arc::new(DocumentHeader {
        remote_id: remote_id.to_owned(),
        digest: document.digest().to_owned(),
        format: format.to_owned(),
        version: VERSION.to_owned(),
        as_of: as_of(remote_id),
        context: json!({ MARK_REPLACED: reading.mark_replaced }),
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
}

/// The natural key of an element.
fn key(format: &str, text: &str) -> Option<String> {
    let path = match format {
        OCDS => "ocid",
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

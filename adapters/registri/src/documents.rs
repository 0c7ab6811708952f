//! From a local table to raw records: which table it is, by its header.

use std::io::Read;
use std::path::Path;

use contract::{Received, Refusal};
use kit::documents::not_readable;
use kit::{Closed, Document, Give, Links, Looks, TableFormat, give_table, refuse};

use crate::wire::{Format, VERSION};

/// The header must end within this many bytes.
const BEGINNING: u64 = 1 << 16;

/// Reads one table and gives what it holds, or why it is refused.
pub(crate) fn give_document(
    path: &Path,
    links: Links,
    remote_id: Option<String>,
    (formats, max_bytes): (&[String], u64),
    give: &mut Give<'_>,
) -> Result<(), Closed> {
    match recognise(path, links, formats, max_bytes) {
        Ok(format) => {
            let table = TableFormat { remote_id, ..TableFormat::new(format.name, VERSION, format.dialect()) };
            give_table(path, links, &table, max_bytes, give)
        }
        Err(refusal) => {
            let name = || path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            give(Received::Refused { remote_id: remote_id.unwrap_or_else(name), refusal })
        }
    }
}

fn recognise(path: &Path, links: Links, formats: &[String], max_bytes: u64) -> Result<&'static Format, Refusal> {
    let document = Document::open(path, links, max_bytes)?;
    if document.looks() != Looks::Text {
        return Err(refuse("not_a_table", "the file is XML or JSON, not a table: download the dataset as CSV"));
    }
    let format = Format::recognise(&header(&document)?).ok_or_else(|| {
        let problem = "the columns are those of no known table: check that the dataset is one of those in the README";
        refuse("unknown_table", problem)
    })?;
    if !formats.iter().any(|name| name == format.name) {
        let problem =
            format!("the table is {}, which this source does not read: give it to one that does", format.name);
        return Err(refuse("other_format", problem));
    }
    Ok(format)
}

fn header(document: &Document) -> Result<Vec<String>, Refusal> {
    let mut bytes = Vec::new();
    document.bytes()?.take(BEGINNING).read_to_end(&mut bytes).map_err(|error| not_readable(&error))?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let count = |delimiter: u8| bytes[..end].split(|byte| *byte == delimiter).count();
    let delimiter = [b',', b';', b'\t'].into_iter().max_by_key(|delimiter| count(*delimiter)).unwrap_or(b';');
    let mut rows = csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(bytes);
    let mut row = csv::ByteRecord::new();
    // A header cut in the middle is recognised as nothing.
    let _ = rows.read_byte_record(&mut row);
    Ok(row.iter().map(|value| String::from_utf8_lossy(value).trim().to_owned()).collect())
}

//! A published table (CSV) as raw records, in memory that does not grow with the table.
//!
//! The first reading finds out whether the table can be read to its end and has the columns it
//! must have: a table that is refused gives no record. The second gives one record a row. A row
//! with more or fewer values than the header is given too: [`crate::Cells`] says so when the
//! adapter asks for its values, and the adapter sets it aside.

use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use canonical::values::CalendarDate;
use contract::{DocumentHeader, RawRecord, Received, Refusal};
use serde_json::{Map, Value};

use crate::cells::{is_same_column, write_row};
use crate::documents::{Document, Links, Looks, not_readable, refuse};
use crate::handover::{Closed, Give};
use crate::occurrences::Occurrences;
use crate::rows::{Row, Rows};

/// What separates two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delimiter {
    /// This byte.
    Byte(u8),
    /// The one of `;`, `,` and tab that the header holds most often outside quotes.
    Sniffed,
}

/// How bytes become text. A byte order mark is dropped in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8; a value that is not is taken for Windows-1252. Value by value, because tables are
    /// published that were put together from both.
    Utf8OrWindows1252,
}

/// How a table is written and what it must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// What separates two values.
    pub delimiter: Delimiter,
    /// How bytes become text.
    pub encoding: Encoding,
    /// Columns without which the table is refused; letter case and blanks around do not matter.
    pub required_columns: &'static [&'static str],
    /// The natural key of a row, for [`RawRecord::occurrence`]. May be empty: no row repeats.
    pub key_columns: &'static [&'static str],
}

/// What the adapter knows of a table before it is opened.
#[derive(Debug, Clone, PartialEq)]
pub struct TableFormat {
    /// Name of the format, for [`DocumentHeader::format`].
    pub name: &'static str,
    /// Version of the format.
    pub version: &'static str,
    /// How it is written.
    pub dialect: Dialect,
    /// What the table is called on the side of the system; the name of the file when not given.
    /// Give it when the file is a temporary one.
    pub remote_id: Option<String>,
    /// The day to which the table dates its data.
    pub as_of: Option<CalendarDate>,
    /// What else `normalize` needs. `columns` and `delimiter` are added here.
    pub context: Map<String, Value>,
}

impl TableFormat {
    /// A format of which nothing else is known.
    pub fn new(name: &'static str, version: &'static str, dialect: Dialect) -> Self {
        Self { name, version, dialect, remote_id: None, as_of: None, context: Map::new() }
    }
}

/// Reads a table and gives what it holds: its beginning, its rows, its end; or why it is refused.
///
/// The text of a record is the row written again with `,` and the quotes of RFC 4180, so that it
/// can be understood with nothing but the columns in the context: see [`crate::Cells::of`].
///
/// ```
/// # use std::path::PathBuf;
/// # use contract::{AdapterError, RawSink};
/// use kit::{Delimiter, Dialect, Encoding, Links, TableFormat, give_table, hand_over, list_folder};
///
/// const CIG: Dialect = Dialect {
///     delimiter: Delimiter::Byte(b';'),
///     encoding: Encoding::Utf8OrWindows1252,
///     required_columns: &["cig", "oggetto_gara"],
///     key_columns: &["cig"],
/// };
///
/// async fn read(folder: PathBuf, sink: RawSink) -> Result<(), AdapterError> {
///     hand_over(sink, move |give| {
///         for file in list_folder(&folder, &["csv"])? {
///             give_table(&file, Links::Refuse, &TableFormat::new("cig", "1", CIG), 2 << 30, give)?;
///         }
///         Ok(())
///     })
///     .await
/// }
/// ```
pub fn give_table(
    path: &Path,
    links: Links,
    format: &TableFormat,
    max_bytes: u64,
    give: &mut Give<'_>,
) -> Result<(), Closed> {
    let name = || path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let remote_id = format.remote_id.clone().unwrap_or_else(name);
    let last = match give_rows(path, links, format, max_bytes, &remote_id, give) {
        Ok(()) => Received::End,
        Err(Stop::Closed) => return Err(Closed),
        Err(Stop::Refused(refusal)) => Received::Refused { remote_id, refusal },
    };
    give(last)
}

/// Why a reading ends early.
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

fn give_rows(
    path: &Path,
    links: Links,
    format: &TableFormat,
    max_bytes: u64,
    remote_id: &str,
    give: &mut Give<'_>,
) -> Result<(), Stop> {
    let (document, header) =
        Document::open_checked(path, links, max_bytes, |looks, bytes| check(looks, bytes, format))?;
    let mut context = format.context.clone();
    context.insert("columns".to_owned(), header.columns.clone().into());
    context.insert("delimiter".to_owned(), char::from(header.delimiter).to_string().into());
    let described = Arc::new(DocumentHeader {
        remote_id: remote_id.to_owned(),
        digest: document.digest().to_owned(),
        format: format.name.to_owned(),
        version: format.version.to_owned(),
        as_of: format.as_of,
        context: context.into(),
    });
    give(Received::Begin(Arc::clone(&described)))?;
    let read = give_records(&document, &described, &header, &format.dialect, give);
    if matches!(read, Err(Stop::Closed)) {
        return read;
    }
    document.ensure_unchanged()?;
    read
}

fn give_records(
    document: &Document,
    described: &Arc<DocumentHeader>,
    header: &Header,
    dialect: &Dialect,
    give: &mut Give<'_>,
) -> Result<(), Stop> {
    let key = header.places(dialect.key_columns);
    let mut occurrences = Occurrences::default();
    let (mut rows, _) = open_rows(document.bytes()?, Delimiter::Byte(header.delimiter))?;
    rows.next()?;
    while let Some(row) = rows.next()? {
        let values: Vec<_> = row.values().map(|value| dialect.encoding.decode(value)).collect();
        let parts = key.iter().map(|place| values.get(*place).map_or("", |value| value.as_ref()));
        let (line, occurrence, text) = (row.line, occurrences.add_values(parts), write_row(&values));
        give(Received::Record(RawRecord { document: Arc::clone(described), line, occurrence, text }))?;
    }
    Ok(())
}

/// What the first row says.
struct Header {
    delimiter: u8,
    columns: Vec<String>,
}

impl Header {
    /// Where these columns stand; those that are not there are left out.
    fn places(&self, names: &[&str]) -> Vec<usize> {
        let place = |name: &&str| self.columns.iter().position(|column| is_same_column(column, name));
        names.iter().filter_map(place).collect()
    }
}

/// Reads a table to its end, and gives its header.
fn check(looks: Looks, bytes: &mut dyn Read, format: &TableFormat) -> Result<Header, Refusal> {
    if looks != Looks::Text {
        return Err(refuse("not_a_table", "the file is XML or JSON, not a table: download the dataset as CSV"));
    }
    let (mut rows, delimiter) = open_rows(bytes, format.dialect.delimiter)?;
    let header = rows.next()?.ok_or_else(|| refuse("no_header", "the table has no header: download it again"))?;
    let columns: Vec<_> = header.values().map(|name| format.dialect.encoding.decode(name).trim().to_owned()).collect();
    check_columns(&columns, header, format)?;
    while rows.next()?.is_some() {}
    Ok(Header { delimiter, columns })
}

fn check_columns(columns: &[String], header: &Row, format: &TableFormat) -> Result<(), Refusal> {
    let count = |name: &str| columns.iter().filter(|column| is_same_column(column, name)).count();
    let required = format.dialect.required_columns;
    let missing: Vec<_> = required.iter().copied().filter(|name| count(name) == 0).collect();
    let repeated: Vec<_> = required.iter().copied().filter(|name| count(name) > 1).collect();
    let refused = |code, message| Err(Refusal { line: Some(header.line), ..refuse(code, message) });
    if !missing.is_empty() {
        let remedy = format!("check that it is the dataset {} and how it is delimited", format.name);
        return refused("missing_columns", format!("the header lacks {}: {remedy}", missing.join(", ")));
    }
    if !repeated.is_empty() {
        return refused("repeated_columns", format!("the header repeats {}: remove all but one", repeated.join(", ")));
    }
    Ok(())
}

/// The header and the first row of a table of which nothing is known yet, without the blanks around
/// their values. Rows that are longer than 64 KiB, and those that are not there, are empty.
pub fn beginning(document: &Document) -> Result<(Vec<String>, Vec<String>), Refusal> {
    let start = document.bytes()?.take(HEADER_BYTES);
    let (mut rows, _) = open_rows(start, Delimiter::Sniffed)?;
    let mut next = || {
        // What is wrong with a row is judged by the reading of the whole table.
        let Ok(Some(row)) = rows.next() else { return Vec::new() };
        row.values().map(|value| Encoding::Utf8OrWindows1252.decode(value).trim().to_owned()).collect()
    };
    Ok((next(), next()))
}

/// The header must end within this many bytes for its delimiter to be found.
const HEADER_BYTES: u64 = 1 << 16;

/// The rows from the first, header included, without the byte order mark.
fn open_rows<R: Read>(mut bytes: R, delimiter: Delimiter) -> Result<(Rows<impl BufRead>, u8), Refusal> {
    let mut start = Vec::new();
    bytes.by_ref().take(HEADER_BYTES).read_to_end(&mut start).map_err(|error| not_readable(&error))?;
    if start.starts_with(b"\xef\xbb\xbf") {
        start.drain(..3);
    }
    let delimiter = match delimiter {
        Delimiter::Byte(byte) => byte,
        Delimiter::Sniffed => sniff(start.trim_ascii_start()),
    };
    let source = BufReader::with_capacity(1 << 16, Cursor::new(start).chain(bytes));
    Ok((Rows::new(source, delimiter), delimiter))
}

fn sniff(start: &[u8]) -> u8 {
    let mut counts = [(b';', 0), (b',', 0), (b'\t', 0)];
    let mut is_quoted = false;
    for &byte in start {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' if !is_quoted => break,
            _ if is_quoted => {}
            _ => counts.iter_mut().filter(|(delimiter, _)| *delimiter == byte).for_each(|(_, count)| *count += 1),
        }
    }
    // The last of equals is taken, hence the order.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b';', |(delimiter, _)| *delimiter)
}

impl Encoding {
    fn decode(self, bytes: &[u8]) -> std::borrow::Cow<'_, str> {
        match (self, std::str::from_utf8(bytes)) {
            (Self::Utf8OrWindows1252, Ok(text)) => text.into(),
            (Self::Utf8OrWindows1252, Err(_)) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0,
        }
    }
}

#[cfg(test)]
mod tests;

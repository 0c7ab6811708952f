//! From a local table to raw records: which format it is, to which day it refers, and which rows
//! belong together.

use std::path::Path;
use std::sync::Arc;

use canonical::values::CalendarDate;
use canonical::values::date::DateFormat;
use contract::{RawRecord, Received, Refusal};
use kit::{Cells, Closed, Document, Give, Links, Looks, Occurrences, TableFormat, give_table, refuse};

use crate::wire::{AsOf, Format, is_column};

/// The header and the first row must end within this many bytes.
const BEGINNING: u64 = 1 << 16;

/// A group of rows is handed over at this size at the latest: memory stays bounded.
const LONGEST_GROUP: usize = 1 << 20;

/// Reads one table and gives what it holds, or why it is refused.
pub(crate) fn give_document(
    path: &Path,
    links: Links,
    remote_id: Option<String>,
    (formats, max_bytes): (&[String], u64),
    give: &mut Give<'_>,
) -> Result<(), Closed> {
    let (format, as_of) = match recognise(path, links, formats, max_bytes) {
        Ok(recognised) => recognised,
        Err(refusal) => {
            let name = || path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            return give(Received::Refused { remote_id: remote_id.unwrap_or_else(name), refusal });
        }
    };
    let table = TableFormat { remote_id, as_of, ..TableFormat::new(format.name, format.version, format.dialect()) };
    match format.grouped_by {
        None => give_table(path, links, &table, max_bytes, give),
        Some(column) => {
            let mut groups = Groups { column, pending: None, occurrences: Occurrences::default() };
            give_table(path, links, &table, max_bytes, &mut |received| groups.take(received, give))
        }
    }
}

fn recognise(
    path: &Path,
    links: Links,
    formats: &[String],
    max_bytes: u64,
) -> Result<(&'static Format, Option<CalendarDate>), Refusal> {
    let document = Document::open(path, links, max_bytes)?;
    if document.looks() != Looks::Text {
        return Err(refuse("not_a_table", "the file is XML or JSON, not a table: download the dataset as CSV"));
    }
    let (header, first) = beginning(&document)?;
    let format = Format::recognise(&header).ok_or_else(|| {
        let problem = "the columns are those of no known table: check that the dataset is one of those in the README";
        refuse("unknown_table", problem)
    })?;
    if !formats.iter().any(|name| name == format.name) {
        let problem =
            format!("the table is {}, which this source does not read: give it to one that does", format.name);
        return Err(refuse("other_format", problem));
    }
    Ok((format, as_of(format, &header, &first)))
}

/// The header and the first row, as far as they are there.
fn beginning(document: &Document) -> Result<(Vec<String>, Vec<String>), Refusal> {
    use std::io::Read;

    let mut bytes = Vec::new();
    let read = document.bytes()?.take(BEGINNING).read_to_end(&mut bytes);
    read.map_err(|error| kit::documents::not_readable(&error))?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let header_end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let count = |delimiter: u8| bytes[..header_end].split(|byte| *byte == delimiter).count();
    let delimiter = [b',', b';', b'\t'].into_iter().max_by_key(|delimiter| count(*delimiter)).unwrap_or(b',');
    let mut rows = csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(bytes);
    let mut next = || {
        let mut row = csv::ByteRecord::new();
        // A row cut in the middle, or none, says nothing here; the reading of the table judges it.
        let _ = rows.read_byte_record(&mut row);
        row.iter().map(|value| String::from_utf8_lossy(value).trim().to_owned()).collect::<Vec<_>>()
    };
    Ok((next(), next()))
}

fn as_of(format: &Format, header: &[String], first: &[String]) -> Option<CalendarDate> {
    match format.as_of {
        AsOf::Nowhere => None,
        AsOf::Column(name) => {
            let place = header.iter().position(|column| is_column(name, column))?;
            CalendarDate::read(first.get(place)?, DateFormat::Iso).value
        }
        AsOf::Header(name) => {
            let column = header.iter().find(|column| is_column(name, column))?;
            written_day(column.get(name.len() - 1..)?)
        }
    }
}

/// `22_dicembre_2024`.
fn written_day(text: &str) -> Option<CalendarDate> {
    const MONTHS: [&str; 12] = [
        "gennaio",
        "febbraio",
        "marzo",
        "aprile",
        "maggio",
        "giugno",
        "luglio",
        "agosto",
        "settembre",
        "ottobre",
        "novembre",
        "dicembre",
    ];
    let mut words = text.split('_');
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let month = (1..).zip(MONTHS).find(|(_, name)| name.eq_ignore_ascii_case(month))?.0;
    CalendarDate::from_numbers(year.parse().ok()?, month, day.parse().ok()?).ok()
}

/// Consecutive rows of one project become one record: they are its parts, and a row alone would
/// be taken for the whole.
struct Groups {
    column: &'static str,
    pending: Option<(String, RawRecord)>,
    occurrences: Occurrences,
}

impl Groups {
    fn take(&mut self, received: Received, give: &mut Give<'_>) -> Result<(), Closed> {
        let Received::Record(row) = received else {
            self.close(give)?;
            if let Received::Begin(_) = received {
                self.occurrences = Occurrences::default();
            }
            return give(received);
        };
        // A row that cannot be read by column stands alone, and will be set aside.
        let key = Cells::of(&row).ok().and_then(|cells| cells.get(self.column).map(str::to_owned));
        match (&mut self.pending, key) {
            (Some((open, group)), Some(key)) if *open == key && group.text.len() + row.text.len() < LONGEST_GROUP => {
                group.text.push('\n');
                group.text.push_str(&row.text);
                Ok(())
            }
            (_, Some(key)) => {
                self.close(give)?;
                let occurrence = self.occurrences.add_values([&key]);
                self.pending = Some((key, RawRecord { occurrence, ..row }));
                Ok(())
            }
            (_, None) => {
                self.close(give)?;
                give(Received::Record(RawRecord { occurrence: 0, ..row }))
            }
        }
    }

    fn close(&mut self, give: &mut Give<'_>) -> Result<(), Closed> {
        self.pending.take().map_or(Ok(()), |(_, group)| give(Received::Record(group)))
    }
}

/// The rows of a record: one, or those of a group.
pub(crate) fn rows_of(raw: &RawRecord) -> Vec<RawRecord> {
    let mut is_quoted = false;
    let ends_row = |character: char| {
        is_quoted ^= character == '"';
        character == '\n' && !is_quoted
    };
    let row = |text: &str| RawRecord { document: Arc::clone(&raw.document), text: text.to_owned(), ..*raw };
    raw.text.split(ends_row).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_of_a_photograph_stands_in_a_column_name() {
        assert_eq!(written_day("22_dicembre_2024"), CalendarDate::parse("2024-12-22").ok());
        assert_eq!(written_day("30_Aprile_2026"), CalendarDate::parse("2026-04-30").ok());
        assert_eq!(written_day("31_aprile_2026"), None);
        assert_eq!(written_day("oggi"), None);
    }
}

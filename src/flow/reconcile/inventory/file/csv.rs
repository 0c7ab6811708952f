//! Records between delimiters, names in the first line.

use std::fs::File;
use std::io;

use contract::Row;
use csv::{ErrorKind, Position, Reader, ReaderBuilder, StringRecord};

use super::{FileSource, Pass, name};
use crate::flow::reconcile::inventory::{InventoryError, Layout};

const BUFFER: usize = 256 * 1024;
/// Where single records are fetched, most of a large buffer would be read in vain.
const SHORT_BUFFER: usize = 4 * 1024;

/// Where the columns stand.
struct Columns {
    /// How many there are.
    count: usize,
    key: usize,
    /// Number of the field and of its column, in order of the fields.
    fields: Vec<(usize, usize)>,
}

pub(super) fn scan(
    source: &FileSource,
    delimiter: u8,
    layout: &Layout,
    pass: &mut Pass<'_>,
) -> Result<(), InventoryError> {
    let mut reader = reader(File::open(&source.path)?, delimiter, BUFFER);
    let columns = columns(&mut reader, source, layout)?;
    let mut record = StringRecord::new();
    loop {
        let place = reader.position().byte();
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) if record.len() == columns.count => {
                let texts = columns.fields.iter().map(|(field, column)| (*field, &record[*column]));
                pass.record(&record[columns.key], place, texts)?;
            }
            // The next record starts at the next line: only this one is lost, and is counted.
            Ok(true) => pass.unreadable(),
            Err(error) if matches!(error.kind(), ErrorKind::Utf8 { .. }) => pass.unreadable(),
            Err(error) => return Err(problem(error)),
        }
    }
}

pub(super) fn records(
    source: &FileSource,
    delimiter: u8,
    layout: &Layout,
    file: File,
    places: impl Iterator<Item = u64>,
) -> Result<Vec<Option<Row>>, InventoryError> {
    let mut reader = reader(file, delimiter, SHORT_BUFFER);
    let columns = columns(&mut reader, source, layout)?;
    let mut record = StringRecord::new();
    let mut rows = Vec::new();
    for place in places {
        let mut position = Position::new();
        position.set_byte(place);
        reader.seek(position).map_err(problem)?;
        let is_there = reader.read_record(&mut record).map_err(problem)? && record.len() == columns.count;
        rows.push(is_there.then(|| row(&record, &columns, layout)));
    }
    Ok(rows)
}

fn row(record: &StringRecord, columns: &Columns, layout: &Layout) -> Row {
    columns.fields.iter().fold(Row::new(record[columns.key].trim()), |row, (field, column)| {
        let (name, kind) = &layout.fields()[*field];
        row.with(name, kind.read(&record[*column]))
    })
}

fn reader(file: File, delimiter: u8, buffer: usize) -> Reader<File> {
    // The names are read by hand: a reader that knows of them reads them again after a seek.
    ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .buffer_capacity(buffer)
        .from_reader(file)
}

fn columns(reader: &mut Reader<File>, source: &FileSource, layout: &Layout) -> Result<Columns, InventoryError> {
    let mut names = StringRecord::new();
    reader.read_record(&mut names).map_err(problem)?;
    let find = |wanted: &str| names.iter().position(|name| name.trim() == wanted);
    let lacks = |what: &str| InventoryError::Format { problem: format!("{} has no column {what}", name(&source.path)) };
    let key = find(&source.key).ok_or_else(|| lacks(&source.key))?;
    let fields = layout.fields().iter().enumerate();
    let fields = fields.filter_map(|(number, (field, _))| Some((number, find(source.column(field))?))).collect();
    Ok(Columns { count: names.len(), key, fields })
}

fn problem(error: csv::Error) -> InventoryError {
    match error.into_kind() {
        ErrorKind::Io(error) => error.into(),
        kind => InventoryError::Io(io::Error::other(format!("{kind:?}"))),
    }
}

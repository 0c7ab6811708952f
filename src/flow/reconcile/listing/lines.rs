//! The rows of a list, one at a time: CSV with a column for each field, or one JSON object a line.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use canonical::values::UtcInstant;
use contract::{FieldValue, Row};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::flow::reconcile::inventory::InventoryError;
use crate::flow::reconcile::lines::{LONGEST_LINE, read_line};

/// The column, or the member, with the key of the unit.
const UNIT: &str = "unita";
/// That with the key of the row; without it, the unit has one row of its own name.
const ROW: &str = "riga";

/// What a list says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) as_of: Option<UtcInstant>,
    pub(super) rows: Option<u64>,
    pub(super) fields: Option<BTreeSet<String>>,
}

/// A row with its unit; none for one that cannot be read.
pub(super) type Line = Option<(String, Row)>;

/// The lines of a file.
pub(super) struct Lines {
    form: Form,
    header: Header,
}

enum Form {
    Json { reader: BufReader<File>, line: Vec<u8> },
    Table { reader: csv::Reader<Bounded>, columns: Vec<String> },
}

impl Lines {
    /// Opens a file; of a table, reads the names of its columns.
    pub(super) fn open(file: File, is_csv: bool) -> Result<Self, InventoryError> {
        let mut reader = BufReader::with_capacity(64 * 1024, file);
        if !is_csv {
            return Ok(Self { form: Form::Json { reader, line: Vec::new() }, header: Header::default() });
        }
        let delimiter = delimiter(reader.fill_buf()?);
        let mut reader =
            csv::ReaderBuilder::new().delimiter(delimiter).from_reader(Bounded { reader, left: LONGEST_LINE });
        let problem = |problem: &str| InventoryError::Format { problem: problem.to_owned() };
        let names = reader.headers().map_err(|_| problem("its first line has no names of columns"))?;
        let columns: Vec<_> = names.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_owned()).collect();
        if !columns.iter().any(|name| name == UNIT) {
            return Err(problem("it has no column `unita`"));
        }
        let fields: BTreeSet<_> = columns.iter().cloned().collect();
        if fields.len() < columns.len() {
            return Err(problem("two of its columns have the same name"));
        }
        let fields = fields.into_iter().filter(|name| name != UNIT && name != ROW && !name.is_empty()).collect();
        let header = Header { fields: Some(fields), ..Header::default() };
        Ok(Self { form: Form::Table { reader, columns }, header })
    }

    /// What the list says of itself, as far as it was read.
    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// The next row; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Line>, InventoryError> {
        match &mut self.form {
            Form::Table { reader, columns } => {
                let mut record = csv::ByteRecord::new();
                reader.get_mut().left = LONGEST_LINE;
                match reader.read_byte_record(&mut record) {
                    Ok(false) => Ok(None),
                    Ok(true) => Ok(Some(of_table(&record, columns))),
                    Err(error) => match error.into_kind() {
                        csv::ErrorKind::Io(error) => Err(error.into()),
                        _ => Ok(Some(None)),
                    },
                }
            }
            Form::Json { reader, line } => loop {
                if read_line(reader, line)? == 0 {
                    return Ok(None);
                }
                if line.trim_ascii().is_empty() {
                    continue;
                }
                let object: Option<Map<String, Value>> = serde_json::from_slice(line).ok();
                match object {
                    Some(object) if object.contains_key("inventario") => {
                        self.header = of_header(object).ok_or_else(|| InventoryError::Format {
                            problem: "what it says of itself (`inventario`) is not understood".to_owned(),
                        })?;
                    }
                    object => return Ok(Some(object.and_then(of_object))),
                }
            },
        }
    }
}

/// Gives no more than a row may have: a quote that is never closed would gather all that follows it.
struct Bounded {
    reader: BufReader<File>,
    left: u64,
}

impl Read for Bounded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a row of the table is too long"));
        }
        let read = self.reader.by_ref().take(self.left).read(into)?;
        self.left -= read as u64;
        Ok(read)
    }
}

fn of_table(record: &csv::ByteRecord, columns: &[String]) -> Line {
    let mut texts = Vec::new();
    for text in record {
        texts.push(std::str::from_utf8(text).ok()?.trim());
    }
    let named = || columns.iter().map(String::as_str).zip(&texts).filter(|(_, text)| !text.is_empty());
    let text = |name: &str| named().find(|(column, _)| *column == name).map(|(_, text)| (*text).to_owned());
    let unit = text(UNIT)?;
    let row = Row::new(text(ROW).unwrap_or_else(|| unit.clone()));
    let fields = named().filter(|(name, _)| ![UNIT, ROW, ""].contains(name));
    let row = fields.fold(row, |row, (name, text)| row.with(name, Some(FieldValue::Text((*text).to_owned()))));
    Some((unit, row))
}

fn of_object(mut object: Map<String, Value>) -> Line {
    let unit = object.remove(UNIT).and_then(text)?;
    let row = match object.remove(ROW) {
        None | Some(Value::Null) => unit.clone(),
        Some(row) => text(row)?,
    };
    let mut row = Row::new(row);
    let fields = object.remove("campi").unwrap_or_else(|| Value::Object(Map::new()));
    let Value::Object(fields) = fields else { return None };
    for (name, value) in fields {
        row = row.with(&name, of_value(value).ok()?);
    }
    // What is not known might be what makes the difference.
    object.is_empty().then_some((unit, row))
}

/// What is written is no value.
struct NoValue;

/// A value, or its absence.
fn of_value(value: Value) -> Result<Option<FieldValue>, NoValue> {
    Ok(match value {
        Value::Null => None,
        Value::String(written) if written.trim().is_empty() => None,
        Value::Array(items) => {
            let codes: Option<BTreeSet<String>> = items.into_iter().map(text).collect();
            Some(FieldValue::Codes(codes.ok_or(NoValue)?))
        }
        value @ Value::Object(_) => Some(serde_json::from_value(value).map_err(|_| NoValue)?),
        value => Some(FieldValue::Text(text(value).ok_or(NoValue)?)),
    })
}

/// A text as it is, a number or a truth as it is written.
fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) if text.trim().is_empty() => None,
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is_true) => Some(is_true.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn of_header(mut object: Map<String, Value>) -> Option<Header> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Said {
        al: Option<UtcInstant>,
        righe: Option<u64>,
        campi: Option<BTreeSet<String>>,
    }
    let said: Said = serde_json::from_value(object.remove("inventario")?).ok()?;
    object.is_empty().then_some(Header { as_of: said.al, rows: said.righe, fields: said.campi })
}

/// The delimiter of a table: whichever of the two its first line has more of.
fn delimiter(start: &[u8]) -> u8 {
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |wanted: u8| memchr::memchr_iter(wanted, line).count();
    if count(b';') > count(b',') { b';' } else { b',' }
}

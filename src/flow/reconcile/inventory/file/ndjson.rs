//! One JSON object a line. A number is compared as the text that it is written with.

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};

use contract::Row;
use serde_json::{Map, Value};

use super::{FileSource, Pass};
use crate::flow::reconcile::inventory::{InventoryError, Layout};
use crate::flow::reconcile::lines::read_line;

const BUFFER: usize = 256 * 1024;
const SHORT_BUFFER: usize = 4 * 1024;

pub(super) fn scan(source: &FileSource, layout: &Layout, pass: &mut Pass<'_>) -> Result<(), InventoryError> {
    let mut reader = BufReader::with_capacity(BUFFER, File::open(&source.path)?);
    let mut line = Vec::new();
    let mut place = 0;
    loop {
        let length = read_line(&mut reader, &mut line)?;
        if length == 0 {
            return Ok(());
        }
        if !line.trim_ascii().is_empty() {
            match record(&line, source, layout) {
                Some((key, texts)) => {
                    let texts = texts.iter().map(|(field, text)| (*field, text.as_str()));
                    pass.record(&key, place, texts)?;
                }
                None => pass.unreadable(),
            }
        }
        place += length;
    }
}

pub(super) fn records(
    source: &FileSource,
    layout: &Layout,
    file: File,
    places: impl Iterator<Item = u64>,
) -> Result<Vec<Option<Row>>, InventoryError> {
    let mut reader = BufReader::with_capacity(SHORT_BUFFER, file);
    let mut line = Vec::new();
    let mut rows = Vec::new();
    for place in places {
        reader.seek(SeekFrom::Start(place))?;
        read_line(&mut reader, &mut line)?;
        rows.push(record(&line, source, layout).map(|(key, texts)| {
            texts.iter().fold(Row::new(key.trim()), |row, (field, text)| {
                let (name, kind) = &layout.fields()[*field];
                row.with(name, kind.read(text))
            })
        }));
    }
    Ok(rows)
}

/// Key and texts of a line, by number of the field, in order.
fn record(line: &[u8], source: &FileSource, layout: &Layout) -> Option<(String, Vec<(usize, String)>)> {
    let object: Map<String, Value> = serde_json::from_slice(line).ok()?;
    let key = text(object.get(&source.key)?)?;
    let fields = layout.fields().iter().enumerate();
    let texts =
        fields.filter_map(|(number, (field, _))| Some((number, text(object.get(source.column(field))?)?))).collect();
    Some((key, texts))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        value => Some(value.to_string()),
    }
}

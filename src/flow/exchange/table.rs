//! The records of one kind as a table: RFC 4180, one column a field, amounts in two columns. What a
//! spreadsheet would take for a formula has an apostrophe before it; numbers are exempt.

use std::borrow::Cow;

use canonical::Kind;
use serde_json::Value;

use super::item::Item;
use super::shape::{Shape, of};
use crate::flow::report::forms::never_a_formula;

/// What every row says before the fields of its kind.
const ENVELOPE: &[&str] =
    &["version_id", "record_id", "version", "key", "stored_at", "source", "remote_id", "line", "as_of", "omitted"];

/// A table of records of one kind.
#[derive(Debug)]
pub struct Table {
    fields: Vec<(String, bool)>,
}

impl Table {
    /// The table of a kind.
    pub fn of(kind: Kind) -> Self {
        let fields = match of(kind) {
            Shape::Fields(fields) => {
                let kept = fields.iter().filter(|(_, shape)| !matches!(shape, Shape::Person));
                kept.map(|(name, shape)| (name.clone(), matches!(shape, Shape::Money))).collect()
            }
            _ => Vec::new(),
        };
        Self { fields }
    }

    /// The line of headings.
    pub fn heading(&self) -> Vec<u8> {
        let own = self.fields.iter().flat_map(|(name, is_money)| {
            if *is_money { vec![format!("{name}_amount"), format!("{name}_currency")] } else { vec![name.clone()] }
        });
        line(ENVELOPE.iter().map(|name| (*name).to_owned()).chain(own))
    }

    /// The line of a record.
    pub fn row(&self, item: &Item) -> Vec<u8> {
        let origin = |name: &str| cell(&item.provenance[name]);
        let mut cells = vec![
            item.version_id.to_string(),
            item.record_id.to_string(),
            item.version.to_string(),
            text(&item.key),
            item.stored_at.clone(),
            origin("source"),
            origin("remote_id"),
            origin("line"),
            origin("as_of"),
            text(&item.omitted.join(" ")),
        ];
        for (name, is_money) in &self.fields {
            let value = &item.body[name];
            if *is_money {
                // A number, which may begin with its sign.
                cells.push(value["amount"].as_str().unwrap_or_default().to_owned());
                cells.push(value["currency"].as_str().unwrap_or_default().to_owned());
            } else {
                cells.push(cell(value));
            }
        }
        line(cells)
    }
}

fn text(text: &str) -> String {
    match never_a_formula(text) {
        Cow::Borrowed(text) => text.to_owned(),
        Cow::Owned(text) => text,
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(string) => text(string),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Array(_) | Value::Object(_) => text(&value.to_string()),
    }
}

fn line(cells: impl IntoIterator<Item = String>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    // Writing to memory fails only where memory does.
    let written = writer.write_record(cells.into_iter().collect::<Vec<_>>());
    written.ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default()
}

//! The rows of a raw record. A record whose rows were gathered holds several rows of RFC 4180.

use std::collections::HashMap;

use contract::RawRecord;
use kit::{Cells, CellsError};

/// The texts of the rows of a raw record, by column.
#[derive(Debug)]
pub(crate) struct RowTexts {
    rows: Vec<HashMap<String, String>>,
}

impl RowTexts {
    /// Reads the text of a raw record.
    pub(crate) fn of(raw: &RawRecord) -> Result<Self, CellsError> {
        let columns = raw.document.context.get("columns").and_then(|columns| columns.as_array());
        let columns: Vec<_> = columns.into_iter().flatten().filter_map(|column| column.as_str()).collect();
        let mut rows = Vec::new();
        for text in split(&raw.text) {
            let row = RawRecord { text: text.to_owned(), ..raw.clone_header() };
            let cells = Cells::of(&row)?;
            let cell = |column: &&str| ((*column).to_owned(), cells.get(column).unwrap_or_default().to_owned());
            rows.push(columns.iter().map(cell).collect());
        }
        Ok(Self { rows })
    }

    /// How many rows.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The text of a column of a row; empty when there is none.
    pub(crate) fn get(&self, row: usize, column: &str) -> &str {
        let Some(row) = self.rows.get(row) else { return "" };
        let exact = row.get(column);
        let any_case = || row.iter().find(|(name, _)| is_same(name, column)).map(|(_, text)| text);
        exact.or_else(any_case).map_or("", String::as_str)
    }

    /// The rows as expressions see them: each text under the name that the header has, and under
    /// the name that the mapping gives to the same column.
    pub(crate) fn by_column(&self, known: &[String]) -> Vec<HashMap<String, String>> {
        let with_known = |(place, row): (usize, &HashMap<String, String>)| {
            let mut row = row.clone();
            for column in known {
                if !row.contains_key(column) {
                    row.insert(column.clone(), self.get(place, column).to_owned());
                }
            }
            row
        };
        self.rows.iter().enumerate().map(with_known).collect()
    }
}

trait CloneHeader {
    /// The same record without its text.
    fn clone_header(&self) -> RawRecord;
}

impl CloneHeader for RawRecord {
    fn clone_header(&self) -> RawRecord {
        RawRecord {
            document: std::sync::Arc::clone(&self.document),
            line: self.line,
            occurrence: self.occurrence,
            text: String::new(),
        }
    }
}

/// The rows of a text: a line feed outside quotes parts two.
pub(crate) fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    text.split(move |character: char| {
        is_quoted ^= character == '"';
        character == '\n' && !is_quoted
    })
}

/// A row with `,`, quoted where RFC 4180 asks for it.
pub(crate) fn write(values: &[String]) -> String {
    let quoted = |value: &String| {
        if value.contains([',', '"', '\r', '\n']) {
            format!("\"{}\"", value.replace('"', "\"\""))
        } else {
            value.clone()
        }
    };
    values.iter().map(quoted).collect::<Vec<_>>().join(",")
}

/// Whether two names are those of the same column.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    one.trim().eq_ignore_ascii_case(other.trim())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use contract::DocumentHeader;
    use serde_json::json;

    use super::*;

    fn raw(text: &str) -> RawRecord {
        let document = DocumentHeader {
            remote_id: "a.csv".to_owned(),
            digest: String::new(),
            format: "pad-file".to_owned(),
            version: String::new(),
            as_of: None,
            context: json!({"columns": ["CIG", "Oggetto"]}),
        };
        RawRecord { document: Arc::new(document), line: 2, occurrence: 0, text: text.to_owned() }
    }

    #[test]
    fn gathered_rows_are_parted_again_whatever_they_hold() {
        let values = ["a", "b\nc", "d,\"e\"", "", "f\r"].map(str::to_owned);
        let rows: Vec<_> = values.iter().map(|value| write(&["X".to_owned(), value.clone()])).collect();
        let raw = raw(&rows.join("\n"));
        let texts = RowTexts::of(&raw).unwrap();
        assert_eq!(texts.len(), values.len());
        for (row, value) in values.iter().enumerate() {
            assert_eq!((texts.get(row, "cig"), texts.get(row, "Oggetto")), ("X", value.trim()));
        }
    }

    #[test]
    fn a_row_with_too_few_values_is_told() {
        assert_eq!(RowTexts::of(&raw("a,b\nc")).unwrap_err(), CellsError::WrongCount { values: 1, columns: 2 });
        assert_eq!(RowTexts::of(&raw("")).unwrap_err(), CellsError::NotOneRow);
    }
}

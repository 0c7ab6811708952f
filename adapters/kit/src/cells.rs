//! The values of one row of a table, by column.

use contract::RawRecord;
use serde_json::Value;

use crate::rows::{Row, Rows};

/// The values of one row.
pub struct Cells<'r> {
    columns: &'r [Value],
    values: Vec<String>,
}

impl std::fmt::Debug for Cells<'_> {
    /// The values may be personal: only their number is told.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cells").field("values", &self.values.len()).finish_non_exhaustive()
    }
}

/// Why a record cannot be read by column. The messages hold nothing of the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CellsError {
    /// The context of the document names no columns.
    #[error("the document of the row names no columns")]
    NoColumns,
    /// The text is not exactly one row.
    #[error("the text is not one row of a table")]
    NotOneRow,
    /// More or fewer values than columns: a delimiter too many, or the rest is missing.
    #[error("the row has {values} values where the header has {columns} columns")]
    WrongCount {
        /// Values of the row.
        values: usize,
        /// Columns of the header.
        columns: usize,
    },
}

impl<'r> Cells<'r> {
    /// Reads the text of a record that [`crate::give_table`] gave.
    pub fn of(raw: &'r RawRecord) -> Result<Self, CellsError> {
        let columns = raw.document.context.get("columns").and_then(Value::as_array).ok_or(CellsError::NoColumns)?;
        let mut rows = Rows::new(raw.text.as_bytes(), b',');
        let row = rows.next().map_err(|_| CellsError::NotOneRow)?.ok_or(CellsError::NotOneRow)?;
        let values = texts(row).ok_or(CellsError::NotOneRow)?;
        if !matches!(rows.next(), Ok(None)) {
            return Err(CellsError::NotOneRow);
        }
        if values.len() != columns.len() {
            return Err(CellsError::WrongCount { values: values.len(), columns: columns.len() });
        }
        Ok(Self { columns, values })
    }

    /// The value of a column without the blanks around it; none when it is empty, or when there is
    /// no such column. The letter case of the name does not matter.
    pub fn get(&self, column: &str) -> Option<&str> {
        let is_it = |name: &Value| name.as_str().is_some_and(|name| is_same_column(name, column));
        let value = self.values.get(self.columns.iter().position(is_it)?)?.trim();
        (!value.is_empty()).then_some(value)
    }
}

fn texts(row: &Row) -> Option<Vec<String>> {
    row.values().map(|value| std::str::from_utf8(value).ok().map(str::to_owned)).collect()
}

pub(crate) fn is_same_column(one: &str, other: &str) -> bool {
    one.trim().eq_ignore_ascii_case(other.trim())
}

/// The values as one row with `,`, quoted where RFC 4180 asks for it.
pub(crate) fn write_row(values: &[impl AsRef<str>]) -> String {
    let mut row = String::with_capacity(values.iter().map(|value| value.as_ref().len() + 1).sum());
    for (place, value) in values.iter().map(AsRef::as_ref).enumerate() {
        if place > 0 {
            row.push(',');
        }
        if value.contains([',', '"', '\r', '\n']) {
            row.push('"');
            row.push_str(&value.replace('"', "\"\""));
            row.push('"');
        } else {
            row.push_str(value);
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use contract::DocumentHeader;
    use serde_json::json;

    use super::*;

    fn raw(context: Value, text: &str) -> RawRecord {
        let document = DocumentHeader {
            remote_id: "cig.csv".to_owned(),
            digest: String::new(),
            format: "cig".to_owned(),
            version: "1".to_owned(),
            as_of: None,
            context,
        };
        RawRecord { document: Arc::new(document), line: 2, occurrence: 0, text: text.to_owned() }
    }

    #[test]
    fn whatever_is_written_is_read_again() {
        let values = ["a", "", " b ", "c,d", "e\"f", "\"", "g\r\nh", "i\r", "à;\t"];
        let columns: Vec<_> = (0..values.len()).map(|number| format!("c{number}")).collect();
        let raw = raw(json!({ "columns": columns }), &write_row(&values));
        assert_eq!(Cells::of(&raw).unwrap().values, values);
    }

    #[test]
    fn a_column_is_found_whatever_its_letter_case() {
        let raw = raw(json!({"columns": ["Cig", "Cup"]}), " 1 , ");
        let cells = Cells::of(&raw).unwrap();
        assert_eq!((cells.get(" CIG "), cells.get("CUP"), cells.get("RUP")), (Some("1"), None, None));
        assert!(!format!("{cells:?}").contains('1'));
    }

    #[test]
    fn what_is_no_row_is_told() {
        let check = |context, text, expected| assert_eq!(Cells::of(&raw(context, text)).unwrap_err(), expected);
        check(json!(null), "1,2", CellsError::NoColumns);
        check(json!({"columns": ["a"]}), "", CellsError::NotOneRow);
        check(json!({"columns": ["a"]}), "1\n2", CellsError::NotOneRow);
        check(json!({"columns": ["a"]}), "\"1", CellsError::NotOneRow);
        check(json!({"columns": ["a", "b"]}), "1", CellsError::WrongCount { values: 1, columns: 2 });
    }
}

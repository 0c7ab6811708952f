//! The two files of a package: NDJSON with the true values, CSV for people and spreadsheets.
//!
//! A spreadsheet takes a cell that begins like a formula for one: in the CSV such texts get a
//! leading apostrophe. Amounts are numbers and stay as they are. The NDJSON is never touched: it
//! is the file that the digest of the manifest and every comparison go by.

use std::io;

use csv::{Terminator, WriterBuilder};

use crate::dataset::{Dataset, Riga};

/// One JSON document a line, in the order of the rows.
pub(crate) fn ndjson(rows: &[Riga]) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    for row in rows {
        text.push_str(&serde_json::to_string(row)?);
        text.push('\n');
    }
    Ok(text)
}

/// RFC 4180, UTF-8, comma, with a header; the codes of a set are separated by blanks.
pub(crate) fn csv(dataset: &Dataset, rows: &[Riga]) -> Result<String, csv::Error> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(dataset.columns.iter().map(|column| column.name))?;
    for row in rows {
        writer.write_record(row.columns().map(|(_, cell)| match cell {
            Some(cell) if cell.is_free() => safe_cell(&cell.to_string()),
            Some(cell) => cell.to_string(),
            None => String::new(),
        }))?;
    }
    let bytes = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
    String::from_utf8(bytes).map_err(|error| io::Error::other(error.utf8_error()).into())
}

/// A cell that no spreadsheet takes for a formula. Blanks, byte order marks and zero-width
/// characters before the first sign do not make it safe, nor do the full-width forms of the signs.
fn safe_cell(text: &str) -> String {
    let begins_with_control = text.starts_with(['\t', '\r', '\n']);
    let is_invisible = |character: char| {
        character.is_whitespace() || matches!(character, '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{ad}')
    };
    let sign = text.trim_start_matches(is_invisible).chars().next();
    let is_sign = sign.is_some_and(|sign| {
        matches!(sign, '=' | '+' | '-' | '@' | '|' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}' | '\u{ff5c}')
    });
    if begins_with_control || is_sign { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("=1+1", "'=1+1")]
    #[case("  -strada", "'  -strada")]
    #[case("\u{feff}@SUM(A1)", "'\u{feff}@SUM(A1)")]
    #[case("\u{200b}+39", "'\u{200b}+39")]
    #[case("\u{ff1d}1", "'\u{ff1d}1")]
    #[case("|cmd", "'|cmd")]
    #[case("\tx", "'\tx")]
    #[case("\r\nx", "'\r\nx")]
    #[case("Lavori = 1", "Lavori = 1")]
    #[case("", "")]
    fn no_cell_is_a_formula(#[case] text: &str, #[case] cell: &str) {
        assert_eq!(safe_cell(text), cell);
    }
}

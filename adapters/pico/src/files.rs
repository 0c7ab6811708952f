//! The two files of a package: NDJSON with the true values, CSV for people and spreadsheets.
//!
//! A spreadsheet takes a cell that begins like a formula for one: in the CSV such texts get a
//! leading apostrophe. Amounts are numbers and stay as they are. The NDJSON is never touched: it
//! is the file that the digest of the manifest and every comparison go by.

use csv::{Terminator, WriterBuilder};

use crate::wire::RigaAppalto;

/// The columns of the CSV, which are the fields of the row.
pub(crate) const COLUMNS: [&str; 12] = [
    "codice_fiscale_ente",
    "cig",
    "cup",
    "oggetto",
    "cpv",
    "scelta_contraente",
    "importo",
    "importo_aggiudicato",
    "data_pubblicazione",
    "data_aggiudicazione",
    "stato",
    "piattaforma_esecuzione",
];

/// One JSON document a line, in the order of the rows.
pub(crate) fn ndjson(rows: &[RigaAppalto]) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    for row in rows {
        text.push_str(&serde_json::to_string(row)?);
        text.push('\n');
    }
    Ok(text)
}

/// RFC 4180, UTF-8, comma, with a header; the CUP of a lot are separated by blanks.
pub(crate) fn csv(rows: &[RigaAppalto]) -> Result<String, csv::Error> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for row in rows {
        let cup: Vec<&str> = row.cup.iter().map(AsRef::as_ref).collect();
        writer.write_record([
            row.codice_fiscale_ente.as_str().to_owned(),
            row.cig.to_string(),
            cup.join(" "),
            safe_cell(row.oggetto.as_deref().unwrap_or_default()),
            text(row.cpv.as_ref()),
            safe_cell(row.scelta_contraente.as_ref().map_or("", |scelta| scelta.as_str())),
            text(row.importo.as_ref()),
            text(row.importo_aggiudicato.as_ref()),
            text(row.data_pubblicazione.as_ref()),
            text(row.data_aggiudicazione.as_ref()),
            safe_cell(&row.stato.to_string()),
            safe_cell(row.piattaforma_esecuzione.as_deref().unwrap_or_default()),
        ])?;
    }
    let bytes = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn text(value: Option<&impl ToString>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
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

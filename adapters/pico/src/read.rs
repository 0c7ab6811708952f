//! From the rows of Pi.Co. to rows that can be compared: what a package must be to be believed.
//!
//! The same function types the fields of what we send and of what we read back, so that a
//! difference is never one of spelling.

use canonical::Digest;
use contract::{FieldValue, Row};

use crate::wire::{Elemento, RigaAppalto};

/// A row in the words of the comparison. Its key is the CIG.
pub(crate) fn row(riga: &RigaAppalto) -> Row {
    let codes = riga.cup.iter().map(ToString::to_string).collect();
    let code = |text: String| FieldValue::Code(text);
    Row::new(riga.cig.as_str())
        .with("codice_fiscale_ente", Some(code(riga.codice_fiscale_ente.to_string())))
        .with("cup", (!riga.cup.is_empty()).then_some(FieldValue::Codes(codes)))
        .with("oggetto", riga.oggetto.clone().map(FieldValue::Text))
        .with("cpv", riga.cpv.map(|cpv| code(cpv.to_string())))
        .with("scelta_contraente", riga.scelta_contraente.as_ref().map(|scelta| code(scelta.as_str().to_owned())))
        .with("importo", riga.importo.map(FieldValue::Amount))
        .with("importo_aggiudicato", riga.importo_aggiudicato.map(FieldValue::Amount))
        .with("data_pubblicazione", riga.data_pubblicazione.map(FieldValue::Date))
        .with("data_aggiudicazione", riga.data_aggiudicazione.map(FieldValue::Date))
        .with("stato", Some(code(riga.stato.to_string())))
        .with("piattaforma_esecuzione", riga.piattaforma_esecuzione.clone().map(FieldValue::Code))
}

/// The rows of NDJSON text. The error names the line, never its content.
pub(crate) fn righe(ndjson: &str) -> Result<Vec<RigaAppalto>, String> {
    let numbered = ndjson.lines().enumerate();
    numbered
        .map(|(n, line)| serde_json::from_str(line).map_err(|_| format!("line {} is not a row of the dataset", n + 1)))
        .collect()
}

/// The rows of a package, when they are those that its entry in the list announces: all of them,
/// of that body, in the order of the CIG, with the same digest.
pub(crate) fn package_rows(elemento: &Elemento, ndjson: &[u8]) -> Result<Vec<Row>, String> {
    if Digest::of(ndjson).to_string() != elemento.impronta {
        return Err("the rows have another digest than the list".to_owned());
    }
    let text = std::str::from_utf8(ndjson).map_err(|_| "the rows are not UTF-8".to_owned())?;
    let righe = righe(text)?;
    if righe.len() as u64 != elemento.righe {
        return Err(format!("{} rows instead of {}", righe.len(), elemento.righe));
    }
    if righe.iter().any(|riga| riga.codice_fiscale_ente.as_str() != elemento.ente) {
        return Err("a row belongs to another body".to_owned());
    }
    if !righe.is_sorted_by(|one, next| one.cig < next.cig) {
        return Err("the rows are not in the order of the CIG".to_owned());
    }
    Ok(righe.iter().map(row).collect())
}

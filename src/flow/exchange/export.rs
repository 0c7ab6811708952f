//! Exports that are made while nobody waits: what may be asked, and what each record becomes.

use canonical::Kind;
use canonical::identifiers::{Cig, CodiceFiscale, Cup};
use serde::{Deserialize, Deserializer, Serialize};

use super::item::Item;
use super::table::Table;
use crate::storage::exchange::RecordFilter;

/// In which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A record on each line, as JSON.
    Ndjson,
    /// A table of one kind.
    Csv,
}

/// What is asked for: the filters of the records, and the form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportRequest {
    /// In which form.
    pub format: Format,
    /// Records of this kind.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Records about this lot.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub cig: Option<String>,
    /// Records about this project.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub cup: Option<String>,
    /// Records of this body.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub ente: Option<String>,
}

/// What is written is not null: a filter that is not meant is left out.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl ExportRequest {
    /// Which records; or the field that is wrong, and why.
    pub fn filter(&self) -> Result<RecordFilter, (&'static str, &'static str)> {
        const INVALID: &str = "valore non valido";
        let cig = |text: &String| Cig::parse(text).ok().filter(|cig| !cig.is_null()).ok_or(("cig", INVALID));
        let cup = |text: &String| Cup::parse(text).ok().ok_or(("cup", INVALID));
        let body = |code: CodiceFiscale| if code.is_person() { None } else { Some(code) };
        let ente = |text: &String| CodiceFiscale::parse(text).ok().and_then(body).ok_or(("ente", INVALID));
        let filter = RecordFilter {
            kind: self.kind,
            cig: self.cig.as_ref().map(cig).transpose()?,
            cup: self.cup.as_ref().map(cup).transpose()?,
            ente: self.ente.as_ref().map(ente).transpose()?,
        };
        match (filter.cig.is_some() && filter.cup.is_some(), self.format, self.kind) {
            (true, ..) => Err(("cup", "cig e cup non si chiedono insieme")),
            (_, Format::Csv, None) => Err(("kind", "una tabella è di un solo genere")),
            _ => Ok(filter),
        }
    }

    /// The type of the result.
    pub fn media_type(&self) -> &'static str {
        match self.format {
            Format::Ndjson => NDJSON,
            Format::Csv => CSV,
        }
    }

    /// How records are written.
    pub fn writer(&self) -> Writer {
        match (self.format, self.kind) {
            (Format::Csv, Some(kind)) => Writer::Table(Table::of(kind)),
            _ => Writer::Lines,
        }
    }
}

/// A record on each line.
pub const NDJSON: &str = "application/x-ndjson";
/// A table with headings.
pub const CSV: &str = "text/csv; charset=utf-8; header=present";

/// How records are written.
#[derive(Debug)]
pub enum Writer {
    /// As lines of JSON.
    Lines,
    /// As rows of a table.
    Table(Table),
}

impl Writer {
    /// What stands before the first record.
    pub fn heading(&self) -> Vec<u8> {
        match self {
            Self::Lines => Vec::new(),
            Self::Table(table) => table.heading(),
        }
    }

    /// A record.
    pub fn record(&self, item: &Item) -> Vec<u8> {
        match self {
            Self::Lines => {
                let mut line = serde_json::to_vec(item).unwrap_or_default();
                line.push(b'\n');
                line
            }
            Self::Table(table) => table.row(item),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> Option<&'static str> {
        let request: ExportRequest = serde_json::from_str(text).expect("a request");
        request.filter().err().map(|(field, _)| field)
    }

    #[test]
    fn what_cannot_be_asked_is_named() {
        assert_eq!(problem(r#"{"format":"ndjson"}"#), None);
        assert_eq!(problem(r#"{"format":"csv","kind":"lotto","ente":"00246180590"}"#), None);
        assert_eq!(problem(r#"{"format":"csv"}"#), Some("kind"));
        assert_eq!(problem(r#"{"format":"ndjson","cig":"1"}"#), Some("cig"));
        assert_eq!(problem(r#"{"format":"ndjson","cig":"5044003AF1","cup":"F41B21000000001"}"#), Some("cup"));
        assert_eq!(problem(r#"{"format":"ndjson","ente":"RSSMRA85T10A562S"}"#), Some("ente"));
        assert!(serde_json::from_str::<ExportRequest>(r#"{"format":"xlsx"}"#).is_err());
        assert!(serde_json::from_str::<ExportRequest>(r#"{"format":"ndjson","cig":null}"#).is_err());
        assert!(serde_json::from_str::<ExportRequest>(r#"{"format":"csv","kinds":["lotto"]}"#).is_err());
    }
}

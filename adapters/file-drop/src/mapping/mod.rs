//! Mapping files: how a table that a platform exports becomes canonical records.
//!
//! A mapping file is data, not code: a person who knows the platform writes it, [`lint`] says what is
//! wrong with it, and [`test()`] reads the examples beside it. What the linter accepts is what the
//! adapter runs, because both come from one function.

mod compile;
mod examples;
mod expression;
mod schema;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(crate) use compile::{FieldPlan, ListPlan, Plan, RecordPlan, Source, compile};
pub use examples::{Example, Report, test};
pub(crate) use expression::{Given, Scope};
pub(crate) use schema::Reader;

/// A mapping file, as written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The platform, by a name of lower case letters, digits and hyphens.
    pub platform: String,
    /// The version of this file: raise it whenever what it says changes. It stands on every document.
    pub version: u32,
    /// What the platform exports.
    pub kind: FileKind,
    /// Columns by which the table is recognised, besides those that the fields take.
    #[serde(default)]
    pub columns: Vec<String>,
    /// Columns that may be absent although a field takes them.
    #[serde(default)]
    pub optional_columns: Vec<String>,
    /// The natural key of what a row says, for instance the CIG: its repetitions are noticed.
    pub key: Vec<String>,
    /// Consecutive rows with the same values here are one record; the key, when not given. Empty:
    /// every row is a record.
    pub gather: Option<Vec<String>>,
    /// What separates two values of a CSV.
    pub separator: Option<char>,
    /// How the bytes of a CSV become text.
    #[serde(default)]
    pub encoding: Encoding,
    /// The sheet of an XLSX; the first when not given.
    pub sheet: Option<String>,
    /// How dates are written.
    pub date_format: Option<DateFormat>,
    /// How amounts are written.
    pub number_format: Option<NumberFormat>,
    /// The records that a row, or some rows together, become; in the order in which they are stored.
    #[serde(rename = "record")]
    pub records: Vec<RecordMapping>,
}

/// What a platform exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// Text with a header and a separator.
    Csv,
    /// A workbook.
    Xlsx,
}

/// How the bytes of a CSV become text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Encoding {
    /// UTF-8. Windows-1252 is read too, with a finding.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// Windows-1252.
    #[serde(rename = "windows-1252")]
    Windows1252,
}

/// How dates are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum DateFormat {
    /// `2026-03-31`.
    #[serde(rename = "yyyy-mm-dd")]
    Iso,
    /// `31/03/2026`.
    #[serde(rename = "dd/mm/yyyy")]
    DayFirst,
    /// `31/03/26`.
    #[serde(rename = "dd/mm/yy")]
    DayFirstShortYear,
}

/// How amounts are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum NumberFormat {
    /// `1234.56`, and perhaps `1,234.56`.
    #[serde(rename = "point")]
    Point,
    /// `1234,56`, and perhaps `1.234,56`.
    #[serde(rename = "comma")]
    Comma,
}

/// A canonical record, and from where its fields come.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordMapping {
    /// The kind of the record, for instance `lotto`.
    pub kind: String,
    /// One record for each row, where rows are gathered; else one for all of them.
    #[serde(default)]
    pub each_row: bool,
    /// An expression: the record is made where it is true.
    pub when: Option<String>,
    /// From where each field comes, by its path: `oggetto`, `cup/0`, `aggiudicatari/*/operatore`.
    #[serde(default)]
    pub fields: BTreeMap<String, FieldMapping>,
}

/// From where a field comes: exactly one of `column`, `value` and `expression`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldMapping {
    /// This column.
    pub column: Option<String>,
    /// This value, in its canonical spelling.
    pub value: Option<Constant>,
    /// What this expression gives (CEL).
    pub expression: Option<String>,
    /// For the identifier of an operator: the column of a foreign identifier, where `column` is empty.
    pub foreign: Option<String>,
    /// Reads a text as a decimal number, for rates in per cent.
    #[serde(default)]
    pub decimal: bool,
    /// How this date is written, when not as the others.
    pub date_format: Option<DateFormat>,
    /// How this number is written, when not as the others.
    pub number_format: Option<NumberFormat>,
    /// What the codes of the platform are here. A code that is not listed is a finding.
    #[serde(default)]
    pub codes: BTreeMap<String, String>,
}

/// A constant.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Constant {
    /// A text, a code, a date, an amount.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Yes or no.
    Truth(bool),
}

/// Something wrong with a mapping file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where in the file, for instance `record.1.fields.importo`.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.path, self.what, self.remedy)
    }
}

/// A mapping file that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// The file or the folder could not be read.
    #[error("{path}: not readable: correct the path or its permissions")]
    NotReadable {
        /// Which.
        path: PathBuf,
        /// The cause underneath.
        #[source]
        source: std::io::Error,
    },
    /// The file is not a mapping.
    #[error("{path}: {problem}")]
    NotAMapping {
        /// Which.
        path: PathBuf,
        /// What is wrong, with its place.
        problem: String,
    },
}

impl Mapping {
    /// Reads the text of a mapping file. The error says what is wrong and where.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())
    }

    /// Reads a mapping file.
    pub fn load(path: &Path) -> Result<Self, MappingError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| MappingError::NotReadable { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|problem| MappingError::NotAMapping { path: path.to_owned(), problem })
    }
}

/// What is wrong with a mapping; nothing when it can be used.
pub fn lint(mapping: &Mapping) -> Vec<Problem> {
    compile(mapping).err().unwrap_or_default()
}

/// The mapping files that a path means: itself, or those of a folder by name.
pub fn files(path: &Path) -> Result<Vec<PathBuf>, MappingError> {
    let not_readable = |source| MappingError::NotReadable { path: path.to_owned(), source };
    if !std::fs::metadata(path).map_err(not_readable)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(not_readable)? {
        let file = entry.map_err(not_readable)?.path();
        if file.is_file() && file.extension().is_some_and(|suffix| suffix == "toml") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

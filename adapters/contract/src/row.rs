//! Rows: what a target holds, in its own vocabulary, with enough type to compare it well.

use std::collections::{BTreeMap, BTreeSet};

use canonical::values::{CalendarDate, Importo};
use serde::{Deserialize, Serialize};

/// A value of a row. The type decides by which rule two values are compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value", rename_all = "snake_case")]
pub enum FieldValue {
    /// An amount: compared to the cent.
    Amount(Importo),
    /// A calendar day: compared without hour and zone.
    Date(CalendarDate),
    /// A free text: compared after normalisation.
    Text(String),
    /// A code or an identifier: compared exactly.
    Code(String),
    /// A set of codes: compared without order.
    Codes(BTreeSet<String>),
}

impl std::fmt::Display for FieldValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Amount(importo) => importo.fmt(f),
            Self::Date(date) => date.fmt(f),
            Self::Text(text) | Self::Code(text) => f.write_str(text),
            Self::Codes(codes) => {
                for (n, code) in codes.iter().enumerate() {
                    let comma = if n == 0 { "" } else { "," };
                    write!(f, "{comma}{code}")?;
                }
                Ok(())
            }
        }
    }
}

/// A row of a unit. Absent fields are absent: there is no null.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The key of the row inside its unit.
    pub key: String,
    /// Values by field name, in the target's vocabulary.
    pub fields: BTreeMap<String, FieldValue>,
}

impl Row {
    /// An empty row.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), fields: BTreeMap::new() }
    }

    /// The same row with one more field, when there is a value.
    #[must_use]
    pub fn with(mut self, field: &str, value: Option<FieldValue>) -> Self {
        if let Some(value) = value {
            self.fields.insert(field.to_owned(), value);
        }
        self
    }
}

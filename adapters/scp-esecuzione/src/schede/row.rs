//! The row of a draft, ours or theirs: what two sides of a comparison look at.
//!
//! Rows are shown, and the objects of a list may be persons: of these a row says only how many they
//! are. A digest of them would be no secret, since codes and names can be guessed one by one. Where
//! both contents are at hand they are compared whole ([`is_same`]).

use std::collections::BTreeSet;

use canonical::values::{CalendarDate, Importo};
use contract::{FieldValue, Row};
use serde_json::Value;

use super::values::{canonical_one, text_of};
use super::{Field, FieldType, Scheda, at};

/// The row of a draft. A draft of an unknown scheda has its code only.
pub(crate) fn row(key: &str, code: &str, draft: &Value) -> Row {
    let fields = Scheda::of_code(code).into_iter().flat_map(Scheda::all_fields);
    let row = Row::new(key).with("scheda", Some(FieldValue::Code(code.to_owned())));
    fields.fold(row, |row, field| {
        let value = at(draft, field.path).and_then(|value| field.value(value));
        row.with(field.path, value)
    })
}

/// Whether two contents say the same in every field of a scheda, persons included.
pub(crate) fn is_same(code: &str, one: &Value, other: &Value) -> bool {
    let fields = || Scheda::of_code(code).into_iter().flat_map(Scheda::all_fields);
    let whole = |draft: &Value, field: &Field| at(draft, field.path).and_then(|value| field.whole(value));
    fields().all(|field| whole(one, field) == whole(other, field))
}

impl Field {
    /// The value to show. Of a list of objects: how many there are; of the record itself as a list:
    /// what each of its fields shows.
    pub(crate) fn value(&self, received: &Value) -> Option<FieldValue> {
        match self.kind {
            FieldType::Items(_) => {
                let count = received.as_array()?.len();
                Some(FieldValue::Code(count.to_string())).filter(|_| count > 0)
            }
            FieldType::Itself(fields) => objects(received, |item| described(fields, item, Self::value)),
            _ => self.whole(received),
        }
    }

    /// The value to compare. What does not have its type stays as a code, so that the difference
    /// shows; null and the empty list are absent.
    fn whole(&self, received: &Value) -> Option<FieldValue> {
        let kind = match self.kind {
            FieldType::Items(fields) | FieldType::Itself(fields) => {
                return objects(received, |item| described(fields, item, Self::whole));
            }
            FieldType::AllCodes => &FieldType::Id,
            FieldType::List(kind) | FieldType::HeadAndTail(kind, _) => kind,
            scalar => return one(scalar, received),
        };
        let codes = received.as_array()?.iter().filter_map(|value| one(*kind, value));
        let codes: BTreeSet<_> = codes.map(|code| code.to_string()).collect();
        Some(codes).filter(|codes| !codes.is_empty()).map(FieldValue::Codes)
    }
}

impl Field {
    /// Whether a value of ours is written as the contract wants it: what we send always is.
    pub(crate) fn admits(&self, value: &Value) -> bool {
        let is_written = |kind: FieldType, value: &Value| match kind {
            FieldType::Amount | FieldType::Decimal => value.is_number(),
            FieldType::Number | FieldType::Signed => value.is_i64(),
            FieldType::Flag => value.is_boolean(),
            FieldType::Day => value.as_str().is_some_and(|text| CalendarDate::parse(text).is_ok()),
            _ => value.is_string(),
        };
        match self.kind {
            FieldType::AllCodes | FieldType::List(_) => {
                value.as_array().is_some_and(|values| values.iter().all(|value| is_written(FieldType::Id, value)))
            }
            kind => is_written(kind, value),
        }
    }
}

fn one(kind: FieldType, received: &Value) -> Option<FieldValue> {
    if received.is_null() || received.as_array().is_some_and(Vec::is_empty) {
        return None;
    }
    let as_received = || text_of(received).unwrap_or_else(|| received.to_string());
    let Some(text) = canonical_one(kind, received).0.as_ref().and_then(text_of) else {
        return Some(FieldValue::Code(as_received())).filter(|_| !as_received().is_empty());
    };
    Some(match kind {
        FieldType::Amount => Importo::parse(&text).map_or(FieldValue::Code(text), FieldValue::Amount),
        FieldType::Date | FieldType::Day => CalendarDate::parse(&text).map_or(FieldValue::Code(text), FieldValue::Date),
        FieldType::Text => FieldValue::Text(text),
        _ => FieldValue::Code(text),
    })
}

fn objects(received: &Value, text: impl Fn(&Value) -> String) -> Option<FieldValue> {
    let objects: BTreeSet<_> = received.as_array()?.iter().map(text).collect();
    Some(objects).filter(|objects| !objects.is_empty()).map(FieldValue::Codes)
}

/// The fields of an object in one text.
fn described(fields: &[Field], item: &Value, value: impl Fn(&Field, &Value) -> Option<FieldValue>) -> String {
    let values = fields.iter().filter_map(|field| Some((field.path, value(field, at(item, field.path)?)?)));
    values.map(|(path, value)| format!("{path}={value}")).collect::<Vec<_>>().join(" ")
}

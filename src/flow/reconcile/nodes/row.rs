//! A record as it leaves a node, as a row: what two nodes hold against each other. Pure.

use canonical::values::{CalendarDate, Importo};
use contract::{FieldValue, Row};
use serde_json::{Map, Value};

/// The row of a body that left its node. Fields inside fields are named by their path, `dettaglio.importo`;
/// what is null or empty is no field.
pub(crate) fn row_of(key: &str, body: &Value) -> Row {
    let mut row = Row::new(key);
    put(&mut row, "", body);
    row
}

fn put(row: &mut Row, path: &str, value: &Value) {
    match value {
        Value::Null => {}
        Value::Object(members) => match amount_of(members) {
            Some(amount) => note(row, path, FieldValue::Amount(amount)),
            None => members.iter().for_each(|(name, value)| put(row, &below(path, name), value)),
        },
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let codes: std::collections::BTreeSet<_> =
                items.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            if !codes.is_empty() {
                note(row, path, FieldValue::Codes(codes));
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                put(row, &below(path, &place.to_string()), item);
            }
        }
        Value::String(text) if text.is_empty() => {}
        Value::String(text) => note(row, path, of_text(text)),
        Value::Bool(_) | Value::Number(_) => note(row, path, FieldValue::Code(value.to_string())),
    }
}

fn note(row: &mut Row, path: &str, value: FieldValue) {
    row.fields.insert(path.to_owned(), value);
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// An amount leaves with its currency, and nothing else does.
fn amount_of(members: &Map<String, Value>) -> Option<Importo> {
    let is_amount = members.len() == 2 && members.contains_key("currency");
    let amount = members.get("amount").filter(|_| is_amount)?;
    Importo::parse(amount.as_str()?).ok()
}

/// Words are compared as words; what has no blank is a code.
fn of_text(text: &str) -> FieldValue {
    match CalendarDate::parse(text) {
        Ok(day) => FieldValue::Date(day),
        Err(_) if text.contains(char::is_whitespace) => FieldValue::Text(text.to_owned()),
        Err(_) => FieldValue::Code(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_inside_fields_have_the_names_of_their_paths() {
        let row = row_of(
            "B0",
            &json!({
                "oggetto": "lavori stradali", "cup": ["B", "A", "B"], "importo": { "amount": "12.50", "currency": "EUR" },
                "data": "2026-01-31", "assente": null, "vuoto": "", "nessuno": [], "attivo": true,
                "parti": [{ "ruolo": "mandante" }, { "ruolo": null }],
            }),
        );
        let fields: Vec<_> = row.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let expected = [
            "attivo=true",
            "cup=A,B",
            "data=2026-01-31",
            "importo=12.50",
            "oggetto=lavori stradali",
            "parti.0.ruolo=mandante",
        ];
        assert_eq!(fields, expected);
        assert!(matches!(row.fields["importo"], FieldValue::Amount(_)));
        assert!(matches!(row.fields["data"], FieldValue::Date(_)));
        assert!(matches!(row.fields["oggetto"], FieldValue::Text(_)));
    }

    #[test]
    fn an_object_that_is_no_amount_is_looked_into() {
        let row = row_of(
            "B0",
            &json!({ "x": { "amount": "1", "currency": "EUR", "altro": "y" }, "z": { "amount": "?", "currency": "EUR" } }),
        );
        assert_eq!(
            row.fields.keys().map(String::as_str).collect::<Vec<_>>(),
            ["x.altro", "x.amount", "x.currency", "z.amount", "z.currency"]
        );
    }
}

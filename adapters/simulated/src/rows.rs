//! Rows of a canonical body: every value by its path, with the type that its text shows.

use std::collections::BTreeSet;

use canonical::values::{CalendarDate, Importo};
use contract::{FieldValue, Row};
use serde_json::Value;

/// The row of a composed body. What is not one of ours has an empty row: everything differs.
pub(crate) fn of_body(unit: &str, body: &[u8]) -> Row {
    let mut row = Row::new(unit);
    let composed: Value = serde_json::from_slice(body).unwrap_or_default();
    add(&mut row, "", composed.get("body").unwrap_or(&Value::Null));
    row
}

fn add(row: &mut Row, path: &str, value: &Value) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
    match value {
        Value::Null => {}
        Value::Object(fields) => fields.iter().for_each(|(name, value)| add(row, &below(name), value)),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let codes: BTreeSet<_> = items.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            row.fields.insert(path.to_owned(), FieldValue::Codes(codes));
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(n, item)| add(row, &below(&n.to_string()), item)),
        Value::String(text) => {
            row.fields.insert(path.to_owned(), typed(path, text));
        }
        other => {
            row.fields.insert(path.to_owned(), FieldValue::Code(other.to_string()));
        }
    }
}

fn typed(path: &str, text: &str) -> FieldValue {
    let is_free = ["oggetto", "denominazione", "motivo"].iter().any(|name| path.ends_with(name));
    match (Importo::parse(text), CalendarDate::parse(text)) {
        (Ok(importo), _) => FieldValue::Amount(importo),
        (_, Ok(date)) => FieldValue::Date(date),
        _ if is_free => FieldValue::Text(text.to_owned()),
        _ => FieldValue::Code(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_path_and_its_type() {
        let body = br#"{"kind":"x","body":{"cig":"B000001279","importo":"10.00","data":null,
            "dettaglio":{"data_stipula":"2026-01-20","oggetto":"Ponte"},"cup":["B","A"],"righe":[{"n":1}]}}"#;
        let row = of_body("u", body);
        let shown: Vec<_> = row.fields.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        assert_eq!(
            shown,
            [
                r#"cig=Code("B000001279")"#,
                r#"cup=Codes({"A", "B"})"#,
                "dettaglio/data_stipula=Date(CalendarDate(2026-01-20))",
                r#"dettaglio/oggetto=Text("Ponte")"#,
                &format!("importo=Amount({:?})", Importo::from_cents(1000)),
                r#"righe/0/n=Code("1")"#,
            ]
        );
    }
}

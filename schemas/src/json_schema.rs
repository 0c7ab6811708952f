//! The JSON Schemas of the canonical model, generated from its types.
//!
//! The documents stand under `json/v1` beside this crate, where other people find them; a test
//! compares them with what this module says. They describe what may be read: every optional field
//! may be absent or null, and an unknown field of a body is refused. Nothing here touches a file.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};

use crate::finding::Finding;
use crate::kinds::{Body, Kind};
use crate::record::{Record, SCHEMA_VERSION};
use crate::report::Report;

/// Every schema: the name of its file and its text, ending with a line feed.
///
/// First each kind of record, then the envelope (`record.schema.json`), the findings
/// (`finding.schema.json`) and the report of a reconciliation (`report.schema.json`). The same types always give the same bytes.
pub fn all() -> Vec<(String, String)> {
    let kinds =
        Kind::ALL.iter().map(|kind| document(kind.name(), Body::json_schema_of(*kind, SchemaSettings::draft2020_12())));
    let envelope =
        [document("record", of::<Record>()), document("finding", of::<Finding>()), document("report", of::<Report>())];
    kinds.chain(envelope).collect()
}

fn of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>()
}

fn document(name: &str, mut schema: Schema) -> (String, String) {
    schema.insert("$id".to_owned(), Value::String(format!("urn:raccordo:schema:v{SCHEMA_VERSION}:{name}")));
    (format!("{name}.schema.json"), format!("{:#}\n", sorted(schema.to_value())))
}

/// The same value with the members of every object in order of name. Whether the JSON library
/// keeps the order of insertion depends on who else is in the build; the committed text must not.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            members.sort_by(|left, right| left.0.cmp(&right.0));
            Value::Object(members.into_iter().collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        scalar => scalar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_schema_that_names_itself() {
        let schemas = all();
        assert_eq!(schemas.len(), Kind::ALL.len() + 3);
        for (file_name, text) in schemas {
            let name = file_name.strip_suffix(".schema.json").unwrap();
            let schema: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(schema["$id"], format!("urn:raccordo:schema:v1:{name}"));
            assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
            assert!(schema["title"].is_string(), "{name} has no title");
            assert!(text.ends_with("}\n"));
        }
    }

    #[test]
    fn members_stand_in_order_of_name() {
        let value = sorted(serde_json::json!({"b": [{"d": 1, "c": 2}], "a": null}));
        assert_eq!(value.to_string(), r#"{"a":null,"b":[{"c":2,"d":1}]}"#);
    }
}

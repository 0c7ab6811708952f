//! The published description says what is there: every operation, every parameter, every answer.

use std::collections::BTreeSet;

use raccordo::http::api::{DOCUMENT, OPERATIONS};
use reqwest::StatusCode;
use serde_json::Value;

use crate::bench::Bench;

fn document() -> Value {
    serde_json::from_str(DOCUMENT).expect("JSON")
}

fn described() -> BTreeSet<(String, String)> {
    let document = document();
    let paths = document["paths"].as_object().expect("paths").iter();
    let each = paths.flat_map(|(path, operations)| {
        let operations = operations.as_object().expect("operations").keys();
        operations.map(move |method| (method.clone(), format!("/api/v1{path}"))).collect::<Vec<_>>()
    });
    each.collect()
}

#[test]
fn every_operation_is_described_and_nothing_else_is() {
    // At the root stands the status that the national rules ask for: the same as under the prefix.
    let operations = OPERATIONS.iter().filter(|(_, path, _)| *path != "/status");
    let there: BTreeSet<_> = operations.map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(described(), there);
}

/// Whether what is asked for is only taken in charge.
fn is_begun(path: &str) -> bool {
    path.ends_with("/export-tasks") || path.ends_with("/comparisons")
}

#[test]
fn what_anybody_may_ask_is_said_to_be_open_and_the_rest_is_not() {
    let document = document();
    for (method, path, role) in OPERATIONS.iter().filter(|(_, path, _)| *path != "/status") {
        let operation = &document["paths"][path.trim_start_matches("/api/v1")][*method];
        assert_eq!(operation["security"] == Value::Array(Vec::new()), role.is_none(), "{path}");
        let answers = operation["responses"].as_object().expect("answers");
        let done = if *method == "delete" { "204" } else { "200" };
        for status in [if is_begun(path) { "202" } else { done }, "429", "503", "default"]
            .iter()
            .chain(role.iter().flat_map(|_| ["400", "401", "403"].iter()))
        {
            assert!(answers.contains_key(*status), "{path} does not say what {status} is");
        }
    }
    assert!(document["security"][0]["bearerAuth"].is_array());
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(value: &Value, document: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                    let found = document.pointer(reference.trim_start_matches('#'));
                    assert!(found.is_some(), "{reference}");
                }
                members.values().for_each(|value| walk(value, document));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(value, document)),
            _ => {}
        }
    }
    let document = document();
    walk(&document, &document);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_is_what_is_described() {
    let bench = Bench::open().await;
    bench.fill().await;
    let served = bench.with_token(None, "get", "/api/v1/openapi.json").await;
    assert_eq!(served.status(), StatusCode::OK);
    let served: Value = served.json().await.unwrap();
    assert_eq!(served["servers"][0]["url"], "https://scambio.provincia.example/api/v1");
    let schema_of = |name: &str| {
        let mut schema = document()["components"]["schemas"][name].clone();
        schema["components"] = document()["components"].clone();
        // OpenAPI 3.0 says of null what JSON Schema says otherwise.
        jsonschema::options().with_draft(jsonschema::Draft::Draft4).build(&nullable(schema)).expect("a schema")
    };
    for (path, name) in [("/api/v1/changes", "VersionFeed"), ("/api/v1/records?limit=2", "VersionPage")] {
        let page = bench.json("tutto", path).await;
        let problems: Vec<String> =
            schema_of(name).iter_errors(&page).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(problems.is_empty(), "{path}: {problems:#?}");
    }
    let problem: Value = bench.ask("tutto", "get", "/api/v1/records?kind=x").await.json().await.unwrap();
    assert!(schema_of("Problem").is_valid(&problem), "{problem}");
}

/// The same schema, with `nullable` in the words of JSON Schema.
fn nullable(schema: Value) -> Value {
    match schema {
        Value::Object(members) => {
            let is_nullable = members.get("nullable") == Some(&Value::Bool(true));
            let members = members.into_iter().map(|(name, value)| (name, nullable(value)));
            let schema = Value::Object(members.collect());
            if is_nullable { serde_json::json!({ "anyOf": [{ "type": "null" }, schema] }) } else { schema }
        }
        Value::Array(items) => Value::Array(items.into_iter().map(nullable).collect()),
        other => other,
    }
}

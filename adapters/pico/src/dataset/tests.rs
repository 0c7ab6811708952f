//! The tables against the contract document and the read me, and against themselves.

use std::fmt::Write;

use super::progetti::PNRR_PNC;
use super::rilevazioni::PERSONALE;
use super::*;

#[test]
fn every_key_and_every_total_names_a_column() {
    for dataset in ALL.into_iter().chain([&RISORSE, &SEGNALAZIONI]) {
        let names: Vec<&str> = dataset.columns.iter().map(|column| column.name).collect();
        let of_totals = dataset.totals.iter().flat_map(|(_, total)| total.columns());
        for column in dataset.key.iter().copied().chain(of_totals) {
            assert!(names.contains(&column), "{}: {column}", dataset.name);
        }
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), names.len(), "{}: a column stands twice", dataset.name);
    }
}

/// The table of a dataset, as it stands in the read me.
fn table(dataset: &Dataset) -> String {
    let mut text = format!("### `{}`\n\n| colonna | da | regola |\n|---|---|---|\n", dataset.name);
    for column in dataset.columns {
        let origin = column.kind.map_or_else(String::new, |kind| format!("`{kind}`: `{}`", column.path));
        let _ = writeln!(text, "| `{}` | {origin} | {} |", column.name, column.rule);
    }
    let key: Vec<String> = dataset.key.iter().map(|column| format!("`{column}`")).collect();
    let _ = write!(text, "\nRow key: {}.", key.join(", "));
    text
}

#[test]
fn the_read_me_has_the_table_of_every_dataset() {
    let read_me = include_str!("../../README.md");
    let same_columns = [
        ("progetti-europei", &PNRR_PNC),
        ("formazione", &PERSONALE),
        ("piao", &PERSONALE),
        ("rilevazioni-gare", &PERSONALE),
        ("rilevazioni-progetti-europei", &PERSONALE),
    ];
    let mut missing = String::new();
    for dataset in ALL.into_iter().chain([&RISORSE, &SEGNALAZIONI]) {
        assert!(read_me.contains(&format!("`{}`", dataset.name)), "{}", dataset.name);
        match same_columns.iter().find(|(name, _)| *name == dataset.name) {
            Some((_, twin)) => assert!(std::ptr::eq(dataset.columns, twin.columns), "{} needs a table", dataset.name),
            None if read_me.contains(&table(dataset)) => {}
            None => missing.push_str(&(table(dataset) + "\n\n")),
        }
    }
    assert!(missing.is_empty(), "write these tables in the read me:\n\n{missing}");
}

#[test]
fn every_rule_is_a_sentence_for_people() {
    for column in ALL.into_iter().chain([&RISORSE, &SEGNALAZIONI]).flat_map(|dataset| dataset.columns) {
        assert!(column.rule.len() > 10 && !column.rule.ends_with('.'), "{}", column.name);
        assert_eq!(column.kind.is_none(), column.path.is_empty(), "{}", column.name);
    }
}

/// The document and the tables say the same: fields, obligation, words, shape.
#[test]
fn the_contract_document_has_the_columns_of_every_dataset() {
    let text = include_str!("../../../../schemas/upstream/pico/v0/openapi.json");
    let document: Value = serde_json::from_str(text).expect("a document");
    let schemas = &document["components"]["schemas"];
    for dataset in ALL.into_iter().chain([&RISORSE, &SEGNALAZIONI]) {
        let schema = &schemas[format!("Riga-{}", dataset.name)];
        let properties = schema["properties"].as_object().unwrap_or_else(|| panic!("{}", dataset.name));
        let mut names: Vec<&str> = dataset.columns.iter().map(|column| column.name).collect();
        names.sort_unstable();
        assert_eq!(properties.keys().map(String::as_str).collect::<Vec<_>>(), names, "{}", dataset.name);
        let required: Vec<&str> =
            schema["required"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        for column in dataset.columns {
            let property = &properties[column.name];
            let place = format!("{}/{}", dataset.name, column.name);
            assert_eq!(required.contains(&column.name), column.is_required, "{place}");
            let (kind, words) = match column.shape {
                Shape::Number => ("integer", None),
                Shape::Cigs | Shape::Cups => ("array", None),
                Shape::Words(words) => ("array", Some((&property["items"]["enum"], words))),
                Shape::Word(words) => ("string", Some((&property["enum"], words))),
                _ => ("string", None),
            };
            assert_eq!(property["type"], kind, "{place}");
            if let Some((listed, words)) = words {
                assert_eq!(*listed, serde_json::json!(words), "{place}");
            }
        }
        if dataset.totals.is_empty() {
            continue;
        }
        let totals = schemas[format!("Aggregati-{}", dataset.name)]["properties"].as_object().expect("totals");
        let mut names: Vec<&str> = dataset.totals.iter().map(|total| total.0).collect();
        names.sort_unstable();
        assert_eq!(totals.keys().map(String::as_str).collect::<Vec<_>>(), names, "{}", dataset.name);
    }
}

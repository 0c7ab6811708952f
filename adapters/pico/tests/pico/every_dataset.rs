//! Every case against the simulator and the contract document: what leaves follows the document,
//! what is observed is what was composed, and each value has its explanation.

use std::collections::BTreeMap;

use contract::{Explanation, Held, ObservedUnit, Outcome, Row};
use serde::Deserialize;

use super::contract_document::check;
use super::*;

#[derive(Deserialize)]
struct Case {
    unita: String,
    membri: Vec<Value>,
}

/// The cases by unit; of two for one unit the first, by name of its file.
fn cases() -> BTreeMap<String, Vec<Record>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contract-tests/systems/pico/compose");
    let entries = std::fs::read_dir(folder).expect("the folder of the cases");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let mut cases = BTreeMap::new();
    for path in paths {
        let case: Case = serde_json::from_str(&std::fs::read_to_string(path).expect("a case")).expect("a case");
        cases.entry(case.unita).or_insert_with(|| case.membri.into_iter().map(record_of).collect());
    }
    cases
}

#[test]
fn what_leaves_follows_the_document() {
    let adapter = offline();
    let mut datasets = Vec::new();
    for (unit, members) in cases() {
        let body = compose(&*adapter, &UnitKey(unit.clone()), 1, &members).body;
        let value: Value = serde_json::from_slice(&body).expect("JSON");
        let dataset = match unit.split('/').collect::<Vec<_>>()[..] {
            ["risorse", ..] => "risorse",
            ["segnalazioni", ..] => "segnalazioni",
            [_, dataset, _] => dataset,
            _ => panic!("{unit}"),
        };
        match dataset {
            "risorse" => check("SchedaRisorsa", &value),
            "segnalazioni" => check("SchedaSegnalazione", &value),
            _ => check("Pacchetto", &value),
        }
        for row in ndjson_rows(&body) {
            check(&format!("Riga-{dataset}"), &row);
        }
        datasets.push(dataset.to_owned());
    }
    datasets.sort();
    datasets.dedup();
    assert_eq!(datasets.len(), 14, "a dataset has no case: {datasets:?}");
}

#[test]
fn every_field_of_every_row_is_explained_and_nothing_else_is() {
    let adapter = offline();
    for (unit, members) in cases() {
        let unit = UnitKey(unit);
        let rows = compose(&*adapter, &unit, 1, &members).rows;
        let explanations = adapter.target().expect("a target").explain(&unit, &members);
        let mut explained: BTreeMap<String, Row> = BTreeMap::new();
        for Explanation { row, field, value, record, rule, .. } in explanations {
            assert!(!rule.is_empty(), "{unit} {field}");
            if let Some((kind, key)) = record {
                assert!(
                    members.iter().any(|member| (member.kind(), member.key()) == (kind, key.clone())),
                    "{unit} {field}"
                );
            }
            let row = explained.entry(row.clone()).or_insert_with(|| Row::new(row));
            assert!(value.is_none_or(|value| row.fields.insert(field, value).is_none()), "{unit}: explained twice");
        }
        assert_eq!(explained.into_values().collect::<Vec<_>>(), rows, "{unit}");
    }
}

#[test]
fn an_explanation_names_the_record_that_decides() {
    let adapter = offline();
    let unit = UnitKey(format!("{ENTE}/progetti-pnrr-pnc/corrente"));
    let members = cases().remove(unit.as_str()).expect("a case");
    let explanations = adapter.target().expect("a target").explain(&unit, &members);
    let of = |row: &str, field: &str| {
        let found = explanations.iter().find(|it| it.row == row && it.field == field).expect("an explanation");
        let record = found.record.as_ref().map(|(kind, key)| format!("{kind} {key}"));
        (record.unwrap_or_default(), found.path)
    };
    let (with, without) = ("F41B21000000001/918052266A", "F41B21000000001/-/8841");
    assert_eq!(of(with, "finanziamento"), ("progetto F41B21000000001".to_owned(), "finanziamento"));
    assert_eq!(of(with, "fase"), (format!("collegamento_cup_cig {with}"), "fase"));
    assert_eq!(of(without, "fase"), ("progetto F41B21000000001".to_owned(), "fase_descrizione"));
    // An empty field is explained by the record that leaves it empty.
    assert_eq!(of(without, "importo_aggiudicato").0, format!("collegamento_cup_cig {without}"));
    assert_eq!(of(with, "codice_fiscale_ente"), (String::new(), ""));
}

async fn inventory(adapter: &dyn Adapter) -> Vec<ObservedUnit> {
    let (mut units, mut from) = (Vec::new(), None);
    loop {
        let page = adapter.observer().expect("an observer").inventory(from.as_deref()).await.expect("a page");
        units.extend(page.units);
        from = page.next;
        if from.is_none() {
            return units;
        }
    }
}

#[tokio::test]
async fn what_is_observed_of_every_dataset_is_what_was_composed() {
    let simulator = simulator(None, None);
    let adapter = adapter(simulator.settings.clone());
    let mut expected = Vec::new();
    for (unit, members) in cases() {
        let unit = UnitKey(unit);
        let shipment = shipment(&*adapter, &unit, 1, &members);
        match adapter.target().unwrap().send(&shipment).await.expect("an outcome") {
            Outcome::Acknowledged(_) | Outcome::Submitted { .. } => {}
            Outcome::Refused { code, message } => panic!("{unit} refused {code}: {message}"),
        }
        assert!(matches!(adapter.target().unwrap().look_up(&shipment).await.unwrap(), Held::Same(_)), "{unit}");
        expected.push(ObservedUnit { revision: Some(1), rows: compose(&*adapter, &unit, 1, &members).rows, key: unit });
    }
    let observed = inventory(&*adapter).await;
    assert!(observed.is_sorted_by(|one, next| one.key < next.key));
    assert_eq!(observed, expected);
    simulator.stop().await;
}

#[tokio::test]
async fn a_resource_that_is_withdrawn_stays_without_its_texts() {
    let simulator = simulator(None, None);
    let adapter = adapter(simulator.settings.clone());
    let unit = UnitKey("risorse/hub/7".to_owned());
    let resource = |ritirata: bool| {
        record_of(json!({ "kind": "risorsa", "body": { "origine": "hub", "id": "7", "tipo": "notizia",
            "titolo": "Avviso", "ritirata": ritirata } }))
    };
    for (revision, members) in [(1, vec![resource(false)]), (2, vec![resource(true)]), (3, vec![])] {
        let shipment = shipment(&*adapter, &unit, revision, &members);
        let taken = adapter.target().unwrap().send(&shipment).await.expect("an outcome");
        assert!(matches!(taken, Outcome::Acknowledged(_)));
        let observed = inventory(&*adapter).await;
        assert_eq!(observed.len(), 1);
        let has_title = observed[0].rows[0].fields.contains_key("titolo");
        assert_eq!(has_title, revision == 1);
    }
    simulator.stop().await;
}

//! The adapter against the simulator, and saved answers against the same adapter.

use std::fs;

use contract::{ErrorKind, Received};
use serde_json::json;

use super::*;
use crate::testing::{adapter, columns, read_all, records};

fn start_with(faults: Option<Value>, state: Option<&Path>) -> RunningSimulator {
    let listen = ([127, 0, 0, 1], 0).into();
    start(&SimulatorOptions { listen, state: state.map(Path::to_owned), faults }).unwrap()
}

/// Everything that a read through these settings understands, by key, with its net and VAT.
async fn pagamenti(settings: Value) -> Vec<Value> {
    let adapter = adapter(settings);
    let (result, received) = read_all(&*adapter, None).await;
    result.unwrap();
    let normalized = records(&received).into_iter().map(|raw| adapter.source().unwrap().normalize(raw));
    let bodies = normalized.flat_map(|one| one.records).map(|record| {
        let body: Value = serde_json::from_str(&record.body.to_json()).unwrap();
        json!([record.body.key(), body["importo"], body["importo_netto"], body["iva"], body["scissione_pagamenti"]])
    });
    bodies.collect()
}

#[tokio::test]
async fn the_story_is_read_with_its_split_payments() {
    let running = start_with(None, None);
    let expected = json!([
        ["80098765433/impegno/2025/120/0/B4A19C3958", "122000.00", null, null, null],
        ["80098765433/impegno/2026/2025-120/0/B4A19C3958", "48800.00", null, null, null],
        ["80098765433/impegno/2026/121/0/B4A19C3958", "1268.80", null, null, null],
        ["80098765433/mandato/2025/310/0/B4A19C3958", "60000.00", "60000.00", "0.00", true],
        ["80098765433/mandato/2025/311/0/B4A19C3958", "13200.00", "0.00", "13200.00", true],
        ["80098765433/mandato/2026/55/0/B4A19C3958", "12000.00", "12000.00", "0.00", true],
        ["80098765433/mandato/2026/56/0/B4A19C3958", "2640.00", "0.00", "2640.00", true],
        ["80098765433/mandato/2026/57/0/B4A19C3958", "1268.80", null, null, null],
    ]);
    assert_eq!(json!(pagamenti(running.settings.clone()).await), expected);
    // One year at a time gives the same rows: a document is paid in one year here.
    let mut by_year = running.settings.clone();
    by_year["esercizi"] = json!([2026, 2025]);
    let mut found = pagamenti(by_year).await;
    found.sort_by_key(ToString::to_string);
    let mut expected = expected.as_array().unwrap().clone();
    expected.sort_by_key(ToString::to_string);
    assert_eq!(found, expected);
    running.stop().await;
}

#[tokio::test]
async fn a_project_is_asked_for_its_orders_only() {
    let running = start_with(None, None);
    let mut settings = running.settings.clone();
    settings["cig"] = json!([]);
    settings["cup"] = json!(["J59J21000150001"]);
    let found = pagamenti(settings).await;
    assert_eq!(found.len(), 5);
    assert!(found.iter().all(|row| row[0].as_str().unwrap().contains("/mandato/")));
}

#[tokio::test]
async fn an_answer_about_a_project_takes_nothing_from_what_the_lots_said() {
    let running = start_with(None, None);
    let alone = pagamenti(running.settings.clone()).await;
    let mut with_project = running.settings.clone();
    with_project["cup"] = json!(["J59J21000150001"]);
    // The proven splits stay: the orders come from the lot, and come once.
    assert_eq!(pagamenti(with_project).await, alone);
    running.stop().await;
}

#[tokio::test]
async fn an_order_that_two_lots_pay_comes_from_both_with_all_its_money() {
    let folder = tempfile::tempdir().unwrap();
    for (cig, importo) in [("B000001279", "300"), ("918052266A", "500")] {
        let row = columns(&json!({ "CodiceCIG": cig, "Importo": importo }));
        fs::write(folder.path().join(cig).with_extension("xml"), envelope(Operation::Mandati, [&row].into_iter()))
            .unwrap();
    }
    let found = pagamenti(json!({ "ente": ENTE, "folder": folder.path() })).await;
    let expected = json!([
        ["80098765433/mandato/2026/55/0/918052266A", "500.00", null, null, null],
        ["80098765433/mandato/2026/55/0/B000001279", "300.00", null, null, null],
    ]);
    assert_eq!(json!(found), expected);
}

#[tokio::test]
async fn a_list_of_lots_gives_each_its_story_and_each_wrong_line_a_refusal() {
    let state = tempfile::tempdir().unwrap();
    fs::write(state.path().join("cig.txt"), "B000001279\n# altro lotto\n918052266A\n").unwrap();
    let running = start_with(None, Some(state.path()));
    let list = state.path().join("elenco.txt");
    fs::write(&list, "\u{feff}# lotti\n918052266a\n\nnon un CIG\n0000000000\nRSSMRA85T10A562S\n").unwrap();
    let mut settings = running.settings.clone();
    settings["cig"] = json!([]);
    settings["cig_file"] = json!(list);
    let adapter = adapter(settings);
    let (result, received) = read_all(&*adapter, None).await;
    result.unwrap();
    let refused: Vec<_> = received
        .iter()
        .filter_map(|one| match one {
            Received::Refused { remote_id, refusal } => Some((remote_id.as_str(), refusal.code.as_str(), refusal.line)),
            _ => None,
        })
        .collect();
    let at = |line| ("not_a_cig", Some(line));
    assert_eq!(refused.iter().map(|(_, code, line)| (*code, *line)).collect::<Vec<_>>(), [at(4), at(5), at(6)]);
    assert_eq!(refused[0].0, "elenco.txt:4");
    assert!(!format!("{received:?}").contains("RSSMRA"));
    assert_eq!(records(&received).len(), 8);
    assert!(records(&received).iter().all(|record| record.text.contains("918052266A")));
    // Nothing changed: every document has the digest it had.
    let digests = |received: &[Received]| -> Vec<String> {
        let begin = received
            .iter()
            .filter_map(|one| if let Received::Begin(it) = one { Some(it.digest.clone()) } else { None });
        begin.collect()
    };
    assert_eq!(digests(&received), digests(&read_all(&*adapter, None).await.1));
}

#[tokio::test]
async fn a_list_that_is_not_there_is_an_error_and_not_an_empty_read() {
    let running = start_with(None, None);
    let mut settings = running.settings.clone();
    settings["cig_file"] = json!("/nonexistent/cig.txt");
    let (result, received) = read_all(&*adapter(settings), None).await;
    assert_eq!((result.unwrap_err().kind, received.len()), (ErrorKind::Local, 0));
}

#[tokio::test]
async fn a_failure_ends_the_read_and_keeps_what_came_before() {
    for (answer, kind) in [
        (json!(500), ErrorKind::Unavailable),
        (json!(503), ErrorKind::Unavailable),
        (json!(404), ErrorKind::NotUnderstood),
        (json!("truncate"), ErrorKind::Broken),
    ] {
        let running = start_with(Some(json!([{ "operation": "GetMandati", "first": 1, "answer": answer }])), None);
        let adapter = adapter(running.settings.clone());
        let (result, received) = read_all(&*adapter, None).await;
        assert_eq!(result.unwrap_err().kind, kind, "{answer}");
        assert_eq!((records(&received).len(), received.last()), (3, Some(&Received::End)));
        // The next read finds everything.
        let (result, received) = read_all(&*adapter, None).await;
        assert!(result.is_ok() && records(&received).len() == 8);
        running.stop().await;
    }
}

#[tokio::test]
async fn an_answer_that_is_not_understood_is_refused_and_the_others_are_read() {
    for answer in ["html", "empty"] {
        // The first question about orders, which are those of 2025.
        let running = start_with(Some(json!([{ "operation": "GetMandati", "first": 1, "answer": answer }])), None);
        let mut settings = running.settings.clone();
        settings["esercizi"] = json!([2025, 2026]);
        let (result, received) = read_all(&*adapter(settings), None).await;
        result.unwrap();
        let refused: Vec<_> = received
            .iter()
            .filter_map(|one| match one {
                Received::Refused { remote_id, refusal } => Some((remote_id.as_str(), refusal.code.as_str())),
                _ => None,
            })
            .collect();
        assert_eq!(refused, [("GetMandati/B4A19C3958/2025", "not_understood")], "{answer}");
        assert_eq!(records(&received).len(), 6);
        running.stop().await;
    }
}

#[tokio::test]
async fn a_service_of_which_nothing_is_understood_was_not_read() {
    let running = start_with(Some(json!([{ "operation": "*", "answer": "html" }])), None);
    let (result, received) = read_all(&*adapter(running.settings.clone()), None).await;
    assert_eq!(result.unwrap_err().kind, ErrorKind::NotUnderstood);
    assert_eq!(received.iter().filter(|one| matches!(one, Received::Refused { .. })).count(), 2);
    running.stop().await;
}

#[tokio::test]
async fn wrong_credentials_are_a_matter_of_configuration() {
    let running = start_with(None, None);
    let mut settings = running.settings.clone();
    settings["utente"] = json!("altro");
    let (result, _) = read_all(&*adapter(settings), None).await;
    assert_eq!(result.unwrap_err().kind, ErrorKind::Authentication);
}

#[tokio::test]
async fn saved_answers_are_read_from_a_folder_and_what_is_none_is_refused() {
    let running = start_with(None, None);
    let folder = tempfile::tempdir().unwrap();
    let sample: Vec<Row> = serde_json::from_str(include_str!("campione.json")).unwrap();
    for operation in Operation::ALL {
        let rows = sample.iter().filter(|row| row.operation == operation).map(|row| &row.campi);
        fs::write(folder.path().join(format!("{}.xml", operation.name())), envelope(operation, rows)).unwrap();
    }
    let whole = fs::read(folder.path().join("GetMandati.xml")).unwrap();
    fs::write(folder.path().join("tagliata.xml"), &whole[..whole.len() / 2]).unwrap();
    fs::write(folder.path().join("pagina.xml"), "<html><body>errore</body></html>").unwrap();
    fs::write(folder.path().join("errore.xml"), wrap("<soap:Fault><faultcode>soap:Server</faultcode></soap:Fault>"))
        .unwrap();
    fs::write(folder.path().join("appunti.txt"), "x").unwrap();
    let adapter = adapter(json!({ "ente": ENTE, "folder": folder.path() }));
    let (result, received) = read_all(&*adapter, None).await;
    result.unwrap();
    assert_eq!(records(&received).len(), 8);
    let mut refused: Vec<_> = received
        .iter()
        .filter_map(|one| match one {
            Received::Refused { remote_id, refusal } => Some((remote_id.as_str(), refusal.code.as_str())),
            _ => None,
        })
        .collect();
    refused.sort_unstable();
    let expected = [("errore.xml", "soap_fault"), ("pagina.xml", "html_page"), ("tagliata.xml", "truncated")];
    assert_eq!(refused, expected);
    running.stop().await;
}

#[tokio::test]
async fn without_service_and_folder_only_files_can_be_read() {
    let (result, _) = read_all(&*adapter(json!({ "ente": ENTE })), None).await;
    assert_eq!(result.unwrap_err().advice, contract::Advice::FixConfiguration);
}

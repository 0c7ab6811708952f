//! The source role: folders, imports, refusals, and the simulator with its faults.

use std::path::PathBuf;
use std::time::Duration;

use contract::{
    Adapter, AdapterError, Advice, ErrorKind, ReadRequest, Received, RunningSimulator, Settings, SimulatorOptions,
};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{every_format, given, sample};
use crate::FACTORY;
use crate::simulator::DOCUMENTS;

fn adapter(settings: Settings) -> Box<dyn Adapter> {
    (FACTORY.build)(settings).unwrap()
}

async fn read(settings: Settings, files: Option<Vec<PathBuf>>) -> (Result<(), AdapterError>, Vec<Received>) {
    let adapter = adapter(settings);
    let (sink, mut received) = mpsc::channel(8);
    let taking = async {
        let mut all = Vec::new();
        while let Some(next) = received.recv().await {
            all.push(next);
        }
        all
    };
    tokio::join!(adapter.source().unwrap().read(ReadRequest { files, cursor: None }, sink), taking)
}

fn simulator(faults: Option<Value>) -> RunningSimulator {
    let options = SimulatorOptions { listen: ([127, 0, 0, 1], 0).into(), state: None, faults };
    (FACTORY.simulate.unwrap())(options).unwrap()
}

fn ends(all: &[Received]) -> usize {
    all.iter().filter(|received| **received == Received::End).count()
}

#[tokio::test]
async fn the_simulator_serves_the_usual_documents() {
    let running = simulator(None);
    let (outcome, all) = read(running.settings.clone(), None).await;
    outcome.unwrap();
    assert_eq!(ends(&all), 2);
    let Some(Received::Begin(header)) = all.first() else { panic!("no document") };
    assert_eq!((header.remote_id.as_str(), header.format.as_str()), ("pnc-progetti.csv", "pnc-progetti"));
    // Reading again gives the same: nothing changed there.
    let (_, again) = read(running.settings.clone(), None).await;
    assert_eq!(all, again);
    running.stop().await;
}

#[tokio::test]
async fn each_served_document_is_the_one_that_its_format_expects() {
    let running = simulator(None);
    for (path, _) in DOCUMENTS {
        let name = path.trim_end_matches(".csv");
        let mut settings = running.settings.clone();
        settings["formats"] = json!([name]);
        let (outcome, all) = read(settings, None).await;
        outcome.unwrap();
        assert_eq!(ends(&all), 1, "{name}");
    }
    running.stop().await;
}

#[rstest]
#[case(json!("html"), ErrorKind::Unavailable, Advice::Retry { after: Some(Duration::from_mins(15)) })]
#[case(json!("truncate"), ErrorKind::Broken, Advice::Retry { after: None })]
#[case(json!("empty"), ErrorKind::NotUnderstood, Advice::Retry { after: None })]
#[case(json!(401), ErrorKind::Authentication, Advice::FixConfiguration)]
#[case(json!(429), ErrorKind::RateLimited, Advice::Retry { after: Some(Duration::from_secs(7)) })]
#[case(json!(503), ErrorKind::Unavailable, Advice::Retry { after: Some(Duration::from_secs(7)) })]
#[case(json!(404), ErrorKind::NotUnderstood, Advice::AskPerson)]
#[tokio::test]
async fn a_bad_answer_is_an_error_and_gives_no_record(
    #[case] answer: Value,
    #[case] kind: ErrorKind,
    #[case] advice: Advice,
) {
    let mut fault = json!({"operation": "download", "every": 2, "answer": answer});
    if fault["answer"].is_u64() && fault["answer"] != 404 && fault["answer"] != 401 {
        fault["retry_after"] = json!(7);
    }
    let running = simulator(Some(json!([fault])));
    let (outcome, all) = read(running.settings.clone(), None).await;
    let error = outcome.unwrap_err();
    assert_eq!((error.kind, error.advice), (kind, advice));
    // The document before it stays valid, whole.
    assert_eq!((ends(&all), all.last()), (1, Some(&Received::End)));
    running.stop().await;
}

#[tokio::test]
async fn named_files_are_read_whatever_the_settings_say() {
    let settings = json!({"base_url": "https://dati.example", "formats": ["opere", "gare"]});
    let files = vec![sample("mop/opere_2024-12-22.csv"), sample("mop/gare.csv")];
    let (outcome, all) = read(settings, Some(files)).await;
    outcome.unwrap();
    assert_eq!(ends(&all), 2);
}

#[tokio::test]
async fn a_folder_is_read_by_name_and_refused_documents_do_not_stop_their_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("a.csv", "<!doctype html><title>Request Rejected</title>");
    write("b.csv", "uno,due\n1,2\n");
    write("c.csv", "cup,cig\nB12C18000160001,A0056E779F\n");
    write("d.csv", "cup,anno,importo_pagato\nB12E20000110001,2025,2501.0\n");
    write("e.csv.part", "cup,cig\n");
    write("f.csv", "");
    let (outcome, all) = read(json!({"formats": ["cup-cig"], "folder": folder.path()}), None).await;
    outcome.unwrap();
    let refused = all.iter().filter_map(|received| match received {
        Received::Refused { remote_id, refusal } => Some((remote_id.as_str(), refusal.code.as_str())),
        _ => None,
    });
    let refused: Vec<_> = refused.collect();
    let expected =
        [("a.csv", "html_page"), ("b.csv", "unknown_table"), ("d.csv", "other_format"), ("f.csv", "empty_file")];
    assert_eq!(refused, expected);
    assert_eq!(ends(&all), 1);
}

#[tokio::test]
async fn without_folder_and_address_there_is_nothing_to_read() {
    let error = read(json!({}), None).await.0.unwrap_err();
    assert_eq!(error.advice, Advice::FixConfiguration);
}

#[test]
fn a_row_with_a_value_too_many_is_set_aside_also_inside_a_group() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.csv");
    let table = "cup,anno,importo_pagato\nB12E20000110001,2025,2501.0\nB12E20000110001,2026,1.0,x\n\
                B12E20000110001,2024,3\n";
    std::fs::write(&file, table).unwrap();
    let all = given(&file, &every_format());
    let records = all.iter().filter_map(|received| match received {
        Received::Record(raw) => Some((raw.occurrence, crate::read::normalize(raw).set_aside.is_some())),
        _ => None,
    });
    // The third row is the same project again, after a stranger: its sum would be half a sum.
    assert_eq!(records.collect::<Vec<_>>(), [(0, false), (0, true), (1, true)]);
}

#[test]
fn what_the_adapter_is_can_be_asked_without_settings() {
    let capability = (FACTORY.capability)();
    assert_eq!(capability, adapter(json!({})).capability());
    assert_eq!((capability.system, capability.reads.len(), capability.observes), ("mop-regis", 4, false));
    assert!(adapter(json!({})).target().is_none());
}

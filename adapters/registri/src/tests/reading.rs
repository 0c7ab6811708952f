//! The source role: folders, imports, refusals, and the simulator with its faults.

use std::path::PathBuf;
use std::time::Duration;

use contract::{
    Adapter, AdapterError, Advice, ErrorKind, ReadRequest, Received, RunningSimulator, Settings, SimulatorOptions,
};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::sample;
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
    assert_eq!(ends(&all), 3);
    let Some(Received::Begin(header)) = all.first() else { panic!("no document") };
    assert_eq!((header.remote_id.as_str(), header.format.as_str()), ("province.csv", "province"));
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
#[tokio::test]
async fn a_bad_answer_is_an_error_and_gives_no_record(
    #[case] answer: Value,
    #[case] kind: ErrorKind,
    #[case] advice: Advice,
) {
    let mut fault = json!({"operation": "download", "every": 2, "answer": answer});
    if fault["answer"].is_u64() && fault["answer"] != 401 {
        fault["retry_after"] = json!(7);
    }
    let running = simulator(Some(json!([fault])));
    let mut settings = running.settings.clone();
    settings["formats"] = json!(["province", "comuni"]);
    let (outcome, all) = read(settings, None).await;
    let error = outcome.unwrap_err();
    assert_eq!((error.kind, error.advice), (kind, advice));
    // The document before it stays valid, whole.
    assert_eq!((ends(&all), all.last()), (1, Some(&Received::End)));
    running.stop().await;
}

#[tokio::test]
async fn a_document_that_is_not_there_is_refused_and_does_not_stop_its_neighbours() {
    let running = simulator(None);
    let mut settings = running.settings.clone();
    settings["paths"] = json!(["absent.csv", "comuni.csv"]);
    let (outcome, all) = read(settings, None).await;
    outcome.unwrap();
    let Some(Received::Refused { remote_id, refusal }) = all.first() else { panic!("{:?}", all.first()) };
    assert_eq!((remote_id.as_str(), refusal.code.as_str(), ends(&all)), ("absent.csv", "not_downloaded", 1));
    running.stop().await;
}

#[tokio::test]
async fn named_files_are_read_whatever_the_settings_say() {
    let settings = json!({"base_url": "https://dati.example"});
    let files = vec![sample("province.csv"), sample("comuni_sardegna_ricodifica.csv")];
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
    write(
        "c.csv",
        "codice_catasto,comune,codice_comune_fino_2025,codice_uts_fino_2025,codice_comune_2026\nA192,Alghero,090003,090,112001\n",
    );
    write("d.csv", "id_ente,codice_ipa,denominazione\nIT-CF-80004650133,p_co,Provincia di Como\n");
    write("e.csv.part", "codice_catasto\n");
    write("f.csv", "");
    let (outcome, all) = read(json!({"formats": ["ricodifica"], "folder": folder.path()}), None).await;
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
fn what_the_adapter_is_can_be_asked_without_settings() {
    let capability = (FACTORY.capability)();
    assert_eq!(capability, adapter(json!({})).capability());
    assert_eq!((capability.system, capability.reads.len(), capability.observes), ("registri", 2, false));
    assert!(adapter(json!({})).target().is_none());
}

//! The source role: folders, imports, refusals, and the simulator with its faults.

use std::path::PathBuf;
use std::time::Duration;

use canonical::{Body, Rule};
use contract::{
    Adapter, AdapterError, Advice, ErrorKind, Normalized, ReadRequest, Received, RunningSimulator, Settings,
    SimulatorOptions,
};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{every_format, given, sample};
use crate::FACTORY;
use crate::read::normalize;
use crate::simulator::DOCUMENTS;
use crate::wire::{Campo, Format};

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
    settings["formats"] = json!(["pnc-progetti", "pnc-gare"]);
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
    settings["paths"] = json!(["absent.csv", "pnc-gare.csv"]);
    let (outcome, all) = read(settings, None).await;
    outcome.unwrap();
    let Some(Received::Refused { remote_id, refusal }) = all.first() else { panic!("{:?}", all.first()) };
    assert_eq!((remote_id.as_str(), refusal.code.as_str(), ends(&all)), ("absent.csv", "not_downloaded", 1));
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
        Received::Record(raw) => Some((raw.occurrence, normalize(raw).set_aside.is_some())),
        _ => None,
    });
    // The third row is the same project again, after a stranger: each sum would be half a sum.
    assert_eq!(records.collect::<Vec<_>>(), [(0, true), (0, true), (1, true)]);
}

/// What was paid for each project of a table of payments, and the rule and detail of what stands aside.
fn paid(table: &str) -> Vec<Result<String, (Rule, Option<String>)>> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.csv");
    std::fs::write(&file, table).unwrap();
    let understood = |received| match received {
        Received::Record(raw) => Some(normalize(&raw)),
        Received::Refused { refusal, .. } => panic!("{refusal}"),
        _ => None,
    };
    let told = |normalized: Normalized| match normalized.set_aside {
        Some(aside) => Err((aside.rule, normalized.findings.last().and_then(|finding| finding.detail.clone()))),
        None => match &normalized.records[0].body {
            Body::Progetto(project) => Ok(project.pagato.unwrap().to_string()),
            other => panic!("{:?}", other.kind()),
        },
    };
    given(&file, &every_format()).into_iter().filter_map(understood).map(told).collect()
}

#[test]
fn a_project_whose_rows_do_not_stand_together_has_no_sum_and_its_neighbours_have() {
    let apart = || Err((Rule::R06, Some("rows_apart".to_owned())));
    let table = "cup,anno,importo_pagato\nB12E20000110001,2025,1.0\nB12C18000160001,2025,2.0\n\
                 B12C18000160001,2026,3.0\nB12E20000110001,2026,4.0\n";
    assert_eq!(paid(table), [apart(), Ok("5.00".to_owned()), apart()]);
}

#[test]
fn one_project_in_two_letter_cases_is_one_project() {
    let table = "cup,anno,importo_pagato\nB12E20000110001,2025,1.0\nb12e20000110001,2026,4.0\n";
    assert_eq!(paid(table), [Ok("5.00".to_owned())]);
}

#[test]
fn a_project_with_more_rows_than_can_be_held_has_no_sum() {
    let apart = || Err((Rule::R06, Some("rows_apart".to_owned())));
    let note = "x".repeat(600_000);
    let row = |cup: &str, year: u16| format!("{cup},{year},1.0,{note}\n");
    let (long, short) = ("B12E20000110001", "B12C18000160001");
    let table = format!("cup,anno,importo_pagato,nota\n{}{}{}", row(long, 2025), row(long, 2026), row(short, 2026));
    assert_eq!(paid(&table), [apart(), apart(), Ok("1.00".to_owned())]);
}

#[test]
fn a_table_that_is_not_sorted_by_project_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.csv");
    let mut table = "cup,anno,importo_pagato\n".to_owned();
    for year in [2025, 2026] {
        table.extend((0..=1000).map(|number| format!("B12E2000{number:04}001,{year},1.0\n")));
    }
    std::fs::write(&file, table).unwrap();
    let all = given(&file, &every_format());
    let [Received::Refused { refusal, .. }] = all.as_slice() else { panic!("{} given", all.len()) };
    assert_eq!((refusal.code.as_str(), refusal.message.contains("sort")), ("rows_apart", true));
}

#[test]
fn of_two_rows_with_the_same_procedure_and_no_cig_the_second_stands_aside() {
    let columns = Format::named("regis-gare-validati").next().unwrap().columns;
    let row = |cig: &str, procedure: &str, amount: &str| {
        let value = |campo| match campo {
            Campo::Cup => "J61B21005830006",
            Campo::Cig => cig,
            Campo::IdProcedura => procedure,
            Campo::MotivoAssenzaCig => "019",
            Campo::ImportoBase => amount,
            _ => "",
        };
        columns.iter().map(|(campo, _)| value(*campo)).collect::<Vec<_>>().join(",")
    };
    let header = columns.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(",");
    let rows = [
        row("", "5000", "1.0"),
        row("0000000000", "5000", "2.0"),
        row("", "5001", "3.0"),
        row("9516664791", "5000", "4.0"),
        row("9516664791", "5002", "5.0"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("g.csv");
    std::fs::write(&file, format!("{header}\n{}\n", rows.join("\n"))).unwrap();
    let all = given(&file, &every_format());
    let aside = all.iter().filter_map(|received| match received {
        Received::Record(raw) => Some(normalize(raw).set_aside.map(|aside| aside.rule)),
        _ => None,
    });
    assert_eq!(aside.collect::<Vec<_>>(), [None, Some(Rule::R06), None, None, Some(Rule::R06)]);
}

#[test]
fn what_the_adapter_is_can_be_asked_without_settings() {
    let capability = (FACTORY.capability)();
    assert_eq!(capability, adapter(json!({})).capability());
    assert_eq!((capability.system, capability.reads.len(), capability.observes), ("mop-regis", 4, false));
    assert!(adapter(json!({})).target().is_none());
}

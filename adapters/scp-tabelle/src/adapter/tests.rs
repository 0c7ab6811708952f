//! The adapter against its simulator, its documents and its cases.

use std::fs;

use canonical::{Body, Rule};
use contract::{RunningSimulator, SimulatorOptions};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::wire::{OPERAZIONI, VALORI};

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn json_file(path: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(repository().join(path)).unwrap()).unwrap()
}

fn start(faults: Option<Value>) -> RunningSimulator {
    let options = SimulatorOptions { listen: ([127, 0, 0, 1], 0).into(), state: None, faults };
    simulator::simulate(options).unwrap()
}

async fn read_all(settings: Value, request: ReadRequest) -> (Vec<Received>, Result<(), AdapterError>) {
    let adapter = ScpTabelle::new(settings).unwrap();
    let (sink, mut received) = tokio::sync::mpsc::channel(4);
    let collect = async {
        let mut all = Vec::new();
        while let Some(one) = received.recv().await {
            all.push(one);
        }
        all
    };
    let (outcome, all) = tokio::join!(adapter.read(request, sink), collect);
    (all, outcome)
}

fn codici(received: &[Received]) -> Vec<canonical::kinds::Codice> {
    let records = received.iter().filter_map(|one| if let Received::Record(raw) = one { Some(raw) } else { None });
    let bodies = records.flat_map(|raw| read::normalize(raw).records);
    bodies.map(|record| if let Body::Codice(codice) = record.body { codice } else { panic!("not a code") }).collect()
}

#[tokio::test]
async fn every_table_becomes_codes() {
    let running = start(None);
    let (received, outcome) = read_all(running.settings.clone(), ReadRequest::default()).await;
    outcome.unwrap();
    assert_eq!(received.iter().filter(|one| matches!(one, Received::Begin(_))).count(), 39);
    assert_eq!(received.iter().filter(|one| matches!(one, Received::End)).count(), 39);
    let codici = codici(&received);
    for name in VALORI.into_iter().chain(OPERAZIONI) {
        assert!(codici.iter().any(|it| it.lista == name), "{name}");
    }
    let find = |lista: &str, codice: &str| codici.iter().find(|it| it.lista == lista && it.codice == codice);
    assert!(find("Priorita", "1").is_some());
    let region = find("Regioni", "003").expect("zeros are kept");
    assert_eq!(region.fonte.as_deref(), Some("/Tabellati/Regioni"));
    running.stop().await;
}

#[tokio::test]
async fn a_table_that_is_not_there_is_refused_and_its_neighbours_are_read() {
    let running = start(None);
    let mut settings = running.settings.clone();
    settings["tabelle"] = json!(["Inventata", "SN"]);
    let (received, outcome) = read_all(settings, ReadRequest::default()).await;
    outcome.unwrap();
    assert!(matches!(&received[0], Received::Refused { remote_id, refusal }
        if remote_id == "Inventata" && refusal.code == "no_such_table"));
    assert_eq!(codici(&received).len(), 2);
    running.stop().await;
}

#[tokio::test]
async fn a_table_that_fails_hides_none_of_the_others() {
    let running = start(Some(json!([{"operation": "tabella", "first": 1, "answer": 500}])));
    let (received, outcome) = read_all(running.settings.clone(), ReadRequest::default()).await;
    assert_eq!(outcome.unwrap_err().kind, ErrorKind::Unavailable);
    assert_eq!(received.iter().filter(|one| matches!(one, Received::End)).count(), 38);
    running.stop().await;
}

#[rstest]
#[case::page("html", ErrorKind::NotUnderstood)]
#[case::cut_short("truncate", ErrorKind::Broken)]
#[case::lost("drop_after_effect", ErrorKind::Broken)]
#[tokio::test]
async fn what_is_not_data_ends_the_read(#[case] answer: &str, #[case] kind: ErrorKind) {
    let running = start(Some(json!([{"operation": "tabella", "every": 3, "answer": answer}])));
    let (received, outcome) = read_all(running.settings.clone(), ReadRequest::default()).await;
    assert_eq!(outcome.unwrap_err().kind, kind);
    assert_eq!(received.iter().filter(|one| matches!(one, Received::End)).count(), 2);
    running.stop().await;
}

#[tokio::test]
async fn saved_answers_are_read_from_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    put("Causa.json", "<html>");
    put("Priorita.json", r#"{"data": [{"code": "1", "value": "massima"}], "error": null}"#);
    put("SN.json", r#"{"data": 5}"#);
    let (received, outcome) = read_all(json!({"folder": folder.path()}), ReadRequest::default()).await;
    outcome.unwrap();
    let refused: Vec<_> = received
        .iter()
        .filter_map(|one| if let Received::Refused { refusal, .. } = one { Some(refusal.code.as_str()) } else { None })
        .collect();
    assert_eq!(refused, ["html_page", "not_a_table"]);
    assert_eq!(codici(&received).len(), 1);
    // Named files are read whatever the settings say.
    let request = ReadRequest { files: Some(vec![folder.path().join("Priorita.json")]), cursor: None };
    assert_eq!(codici(&read_all(json!({}), request).await.0)[0].lista, "Priorita");
}

#[tokio::test]
async fn without_folder_and_service_there_is_nothing_to_read() {
    let (_, outcome) = read_all(json!({}), ReadRequest::default()).await;
    assert_eq!(outcome.unwrap_err().advice, Advice::FixConfiguration);
}

#[test]
fn every_case_gives_its_records_and_findings() {
    let case = json_file("contract-tests/systems/scp-tabelle/valori.json");
    let values: TabellatoResult = serde_json::from_value(case["risposta"].clone()).unwrap();
    let tabella = Tabella::named(case["tabella"].as_str().unwrap());
    let told: Vec<_> = read::document(&tabella, String::new(), &values.data.unwrap())
        .iter()
        .filter_map(|one| if let Received::Record(raw) = one { Some(read::normalize(raw)) } else { None })
        .map(|normalized| {
            let body = normalized.records.first().map(|record| {
                let body: serde_json::Map<_, _> = serde_json::from_str(&record.body.to_json()).unwrap();
                body.into_iter().filter(|(_, value)| !value.is_null()).collect::<Value>()
            });
            let findings: Vec<_> = normalized
                .findings
                .iter()
                .map(|it| json!([it.rule.code(), it.field.as_ref().map(canonical::FieldPath::as_str), it.detail]))
                .collect();
            json!({"codice": body, "rilievi": findings, "da_parte": normalized.set_aside.map(|it| it.reason)})
        })
        .collect();
    assert_eq!(json!(told), case["attesi"], "{:#}", json!(told));
}

#[test]
fn the_simulator_answers_in_the_shapes_of_the_document() {
    let document = json_file("schemas/upstream/scp-tabelle/2.1.0/WSTabelleDiContesto.json");
    for name in OPERAZIONI {
        assert!(document["paths"].get(format!("/Tabellati/{name}")).is_some(), "{name}");
    }
    let follows = |definition: &str, instance: &Value| {
        let root = json!({
            "$schema": "http://json-schema.org/draft-04/schema#",
            "$ref": format!("#/definitions/{definition}"), "definitions": document["definitions"],
        });
        let validator = jsonschema::validator_for(&root).unwrap();
        let problems: Vec<_> = validator.iter_errors(instance).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{definition}: {problems:?}");
    };
    for name in VALORI.into_iter().chain(OPERAZIONI) {
        let answer = json!(TabellatoResult { error: None, data: Some(simulator::values(name)) });
        follows(if name == "ProvinceIstat" { "TabellatoProvinceResult" } else { "TabellatoResult" }, &answer);
    }
    follows("TabellatoResult", &json!(TabellatoResult { error: Some("not-found".to_owned()), data: None }));
}

/// The document of the programmes names, for each field, the table of its codes.
#[test]
fn the_tables_that_the_fields_of_a_programme_name_are_read() {
    let document = json_file("schemas/upstream/scp-programmi/5.2.0/WSProgrammi.json");
    let table_of = |definition: &str, field: &str| {
        let described = document["definitions"][definition]["properties"][field]["description"].as_str().unwrap();
        let (_, name) = described.split_once("cod=").unwrap();
        name.trim_end_matches([')', ' ']).to_owned()
    };
    for (definition, field, expected) in [
        ("InterventoEntry", "priorita", "Priorita"),
        ("AcquistoEntry", "priorita", "Priorita"),
        ("InterventoNonRipropostoEntry", "priorita", "Priorita"),
        ("OperaIncompiutaEntry", "causa", "Causa"),
        ("OperaIncompiutaEntry", "stato", "StatoRealizzazione"),
        ("InterventoEntry", "esenteCup", "SN"),
        ("InterventoEntry", "finalita", "Finalita"),
    ] {
        assert_eq!(table_of(definition, field), expected, "{definition} {field}");
        assert!(VALORI.contains(&expected));
    }
}

proptest! {
    #[test]
    fn a_code_is_kept_exactly_as_published(code in "\\PC{1,8}", value in "\\PC{0,30}") {
        let entry = TabellatoEntry { code: Some(code.clone()), value: Some(value), codistat: None };
        let received = read::document(&Tabella::named("SN"), String::new(), &[entry]);
        prop_assert_eq!(&codici(&received)[0].codice, &code);
    }
}

#[test]
fn a_value_of_no_table_stands_aside() {
    let received = read::document(
        &Tabella::named("SN"),
        String::new(),
        &[TabellatoEntry { code: Some("1".to_owned()), value: None, codistat: None }],
    );
    let Received::Record(raw) = &received[1] else { panic!("no record") };
    let broken = RawRecord { text: "5".to_owned(), ..raw.clone() };
    assert_eq!(read::normalize(&broken).set_aside.unwrap().rule, Rule::N03);
}

//! Settings, and documents of which some cannot be had.

use std::time::Duration;

use contract::SimulatorOptions;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;
use crate::table::{Delimiter, Dialect, Encoding, TableFormat, give_table};

const DIALECT: Dialect = Dialect {
    delimiter: Delimiter::Sniffed,
    encoding: Encoding::Utf8OrWindows1252,
    required_columns: &["a"],
    key_columns: &["a"],
};

static TABLES: Tables = Tables {
    system: "example",
    attempted: "read the tables",
    usual: &["one", "two", "three"],
    path: |name| match name {
        "one" => Some("one.csv"),
        "two" => Some("two.csv"),
        "three" => Some("three.csv"),
        "other" => Some("other.csv"),
        _ => None,
    },
    clash: |one, other| (one == "other") != (other == "other"),
    give,
};

fn give(local: &LocalTable<'_>, give: &mut Give<'_>) -> Result<(), Closed> {
    let find = |header: &[String]| header.first().filter(|name| *name == "a").map(|_| ("one", DIALECT));
    match local.recognise(find) {
        Ok(found) => {
            let remote_id = local.remote_id.map(str::to_owned);
            let format = TableFormat { remote_id, ..TableFormat::new("one", "1", found.format) };
            give_table(local.path, local.links, &format, local.max_bytes, give)
        }
        Err(refusal) => give(local.refused(refusal)),
    }
}

async fn read(settings: Settings) -> (Result<(), AdapterError>, Vec<Received>) {
    let published = Published::new(&TABLES, settings).unwrap();
    let (sink, mut received) = mpsc::channel(1);
    let taking = async {
        let mut all = Vec::new();
        while let Some(next) = received.recv().await {
            all.push(next);
        }
        all
    };
    tokio::join!(published.read(ReadRequest::default(), sink), taking)
}

/// What became of each document, in order.
fn told(all: &[Received]) -> Vec<(&str, &str)> {
    let mut told = Vec::new();
    for received in all {
        match received {
            Received::Begin(header) => told.push((header.remote_id.as_str(), "read")),
            Received::Refused { remote_id, refusal } => told.push((remote_id.as_str(), refusal.code.as_str())),
            _ => {}
        }
    }
    told
}

const DOCUMENTS: &[(&str, &[u8])] = &[("one.csv", b"a\n1\n"), ("two.csv", b"a;b\n1;2\n"), ("three.csv", b"a\n")];

const ONE: (&str, &str) = ("one.csv", "read");
const THREE: (&str, &str) = ("three.csv", "read");
const TWO_REFUSED: (&str, &str) = ("two.csv", "not_downloaded");

#[rstest]
#[case(json!(404), &[ONE, TWO_REFUSED, THREE], None)]
#[case(json!(403), &[ONE, TWO_REFUSED, THREE], None)]
#[case(json!("truncate"), &[ONE, THREE], Some((ErrorKind::Broken, Advice::Retry { after: None })))]
#[case(json!("empty"), &[ONE, THREE], Some((ErrorKind::NotUnderstood, Advice::Retry { after: None })))]
#[case(json!(401), &[ONE], Some((ErrorKind::Authentication, Advice::FixConfiguration)))]
#[case(json!(429), &[ONE], Some((ErrorKind::RateLimited, Advice::Retry { after: None })))]
#[case(json!("html"), &[ONE], Some((ErrorKind::Unavailable, Advice::Retry { after: Some(Duration::from_mins(15)) })))]
#[tokio::test]
async fn a_document_that_cannot_be_had_does_not_stop_the_others_unless_the_system_must_be_left_alone(
    #[case] answer: Value,
    #[case] documents: &[(&str, &str)],
    #[case] error: Option<(ErrorKind, Advice)>,
) {
    let faults = Some(json!([{"operation": "download", "every": 2, "answer": answer}]));
    let options = SimulatorOptions { listen: ([127, 0, 0, 1], 0).into(), state: None, faults };
    let running = simulate(DOCUMENTS, &options).unwrap();
    let mut settings = running.settings.clone();
    settings["formats"] = json!(["one", "two", "three"]);
    let (outcome, all) = read(settings).await;
    assert_eq!(told(&all), documents);
    assert_eq!(outcome.err().map(|error| (error.kind, error.advice)), error);
    running.stop().await;
}

#[tokio::test]
async fn a_document_that_is_too_long_is_refused_alone_and_says_why() {
    let options = SimulatorOptions { listen: ([127, 0, 0, 1], 0).into(), state: None, faults: None };
    let running = simulate(DOCUMENTS, &options).unwrap();
    let mut settings = running.settings.clone();
    settings["max_bytes"] = json!(4);
    let (outcome, all) = read(settings).await;
    outcome.unwrap();
    assert_eq!(told(&all), [ONE, TWO_REFUSED, THREE]);
    let refused = all.iter().find_map(|received| match received {
        Received::Refused { refusal, .. } => Some(refusal.message.clone()),
        _ => None,
    });
    assert!(refused.unwrap().contains("max_bytes"));
    running.stop().await;
}

#[tokio::test]
async fn an_address_where_nobody_answers_is_told_once_at_the_end() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (outcome, all) = read(json!({"base_url": format!("http://{address}")})).await;
    assert_eq!((outcome.unwrap_err().kind, all.len()), (ErrorKind::Unreachable, 0));
}

#[test]
fn an_address_is_enough() {
    let settings = PublishedSettings::parse(&TABLES, json!({"base_url": "https://dati.example"})).unwrap();
    assert_eq!(settings.paths, ["one.csv", "two.csv", "three.csv"]);
    assert_eq!(settings.http.unwrap().total_seconds, 30);
}

#[rstest]
#[case(json!({"formats": ["one", "other"]}), "a system of its own")]
#[case(json!({"formats": ["onne"]}), "onne")]
#[case(json!({"formats": []}), "empty")]
#[case(json!({"paths": ["a.csv"]}), "base_url")]
#[case(json!({"base_url": "https://dati.example", "foldr": "x"}), "foldr")]
#[case(json!({"foldr": "x"}), "foldr")]
#[case(json!([]), "not a table")]
fn a_wrong_word_is_named(#[case] settings: Value, #[case] word: &str) {
    let error = Published::new(&TABLES, settings).unwrap_err().to_string();
    assert!(error.contains(word), "{error}");
}

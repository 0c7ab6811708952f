//! The portal: the simulator end to end, its firewall, and how its answers are classified.

use std::time::Duration;

use contract::{Advice, ErrorKind, SimulatorOptions};
use rstest::rstest;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

fn options(faults: Option<Value>) -> SimulatorOptions {
    SimulatorOptions { listen: ([127, 0, 0, 1], 0).into(), state: None, faults }
}

#[tokio::test]
async fn the_portal_is_read_whole_and_then_only_what_changed() {
    let portal = FACTORY.simulate.unwrap()(options(None)).unwrap();
    let adapter = adapter(portal.settings.clone());
    let (first, outcome) = read(&*adapter, ReadRequest::default()).await;
    outcome.unwrap();
    assert_eq!((first.documents.len(), first.ended, first.records.len()), (5, 5, 20 + 84 + 30 + 12 + 11));
    assert_eq!(first.documents[0].remote_id, "anac_cig_sample.csv");
    let (second, outcome) = read(&*adapter, ReadRequest { files: None, cursor: first.cursor.clone() }).await;
    outcome.unwrap();
    assert_eq!((second.documents.len(), &second.cursor), (0, &first.cursor));
    let (third, _) = read(&*adapter, ReadRequest { files: None, cursor: Some("not a cursor".to_owned()) }).await;
    assert_eq!(third.documents.len(), 5);
    portal.stop().await;
}

#[tokio::test]
async fn the_page_of_the_firewall_means_come_back_much_later() {
    let faults = json!([{ "operation": "scarica", "every": 3, "answer": "html" }]);
    let portal = FACTORY.simulate.unwrap()(options(Some(faults))).unwrap();
    let (read, outcome) = read(&*adapter(portal.settings.clone()), ReadRequest::default()).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(matches!(error.advice, Advice::Retry { after: Some(pause) } if pause >= Duration::from_mins(15)));
    // What came before stays valid; the point where to start again is not told.
    assert_eq!((read.ended, read.cursor), (2, None));
    portal.stop().await;
}

#[rstest]
#[case(ResponseTemplate::new(401), ErrorKind::Authentication)]
#[case(ResponseTemplate::new(403), ErrorKind::Permission)]
#[case(ResponseTemplate::new(404), ErrorKind::NotUnderstood)]
#[case(ResponseTemplate::new(429).insert_header("retry-after", "7"), ErrorKind::RateLimited)]
#[case(ResponseTemplate::new(503), ErrorKind::Unavailable)]
#[case(ResponseTemplate::new(200).set_body_raw("<html>Request Rejected", "text/csv"), ErrorKind::Unavailable)]
#[case(ResponseTemplate::new(200), ErrorKind::NotUnderstood)]
#[tokio::test]
async fn an_answer_that_is_no_file_ends_the_read(#[case] answer: ResponseTemplate, #[case] kind: ErrorKind) {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).expect(1).mount(&server).await;
    let adapter = adapter(json!({"base_url": server.uri(), "paths": ["opendata/cig.csv"]}));
    let (read, outcome) = read(&*adapter, ReadRequest::default()).await;
    let error = outcome.unwrap_err();
    assert_eq!((error.kind, read.records.len(), read.cursor), (kind, 0, None));
    if kind == ErrorKind::RateLimited {
        assert_eq!(error.advice, Advice::Retry { after: Some(Duration::from_secs(7)) });
    }
}

#[tokio::test]
async fn a_download_cut_short_is_broken() {
    let faults = json!([{ "operation": "scarica", "answer": "truncate" }]);
    let portal = FACTORY.simulate.unwrap()(options(Some(faults))).unwrap();
    let (_, outcome) = read(&*adapter(portal.settings.clone()), ReadRequest::default()).await;
    assert_eq!(outcome.unwrap_err().kind, ErrorKind::Broken);
    portal.stop().await;
}

#[tokio::test]
async fn a_folder_is_read_by_name_and_a_bad_file_does_not_stop_its_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("1.csv", "<html><title>Request Rejected</title>"),
        ("2.csv", "nome;cognome\na;b\n"),
        ("3.json", "[{\"bando\": {\"CIG\": \"918052266A\"}}, {\"ban"),
        ("4.json", "{\"x\": 1}"),
        ("5.json", "[]"),
        ("6.zip.csv", "PK\u{3}\u{4}"),
        ("7.csv", "<?xml version=\"1.0\"?><a/>"),
        ("8.csv", "cig;cup\n95338806A9;G45F22000020001\n"),
        ("9.txt", "cig;cup\n"),
    ] {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let adapter = adapter(json!({"folder": folder.path()}));
    let (read, outcome) = read(&*adapter, ReadRequest::default()).await;
    outcome.unwrap();
    let codes: Vec<_> = read.refused.iter().map(|refusal| refusal.code.as_str()).collect();
    let expected =
        ["html_page", "unknown_dataset", "not_json", "unknown_document", "no_record", "zip_archive", "not_a_dataset"];
    assert_eq!(codes, expected);
    assert_eq!((read.records.len(), read.ended), (1, 1));
}

#[tokio::test]
async fn a_path_that_is_no_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let files = Some(vec![folder.path().to_owned(), folder.path().join("absent.csv")]);
    let (read, outcome) = read(&*adapter(json!({})), ReadRequest { files, cursor: None }).await;
    outcome.unwrap();
    let codes: Vec<_> = read.refused.iter().map(|refusal| refusal.code.as_str()).collect();
    assert_eq!(codes, ["not_a_file", "not_readable"]);
}

#[tokio::test]
async fn without_a_place_to_read_from_the_configuration_is_wrong() {
    let (_, outcome) = read(&*adapter(json!({})), ReadRequest::default()).await;
    assert_eq!(outcome.unwrap_err().advice, Advice::FixConfiguration);
}

#[tokio::test]
async fn a_lot_is_not_marked_as_replaced_when_the_settings_say_so() {
    let file = at("schemas/samples/anac_opendata/20231001-cig_csv.parte1.csv");
    for (mark, lots) in [(true, 536), (false, 534)] {
        let adapter = adapter(json!({"mark_replaced": mark}));
        let (read, outcome) = read(&*adapter, ReadRequest { files: Some(vec![file.clone()]), cursor: None }).await;
        outcome.unwrap();
        let understood: Vec<_> = read.records.iter().map(|raw| adapter.source().unwrap().normalize(raw)).collect();
        assert_eq!(count(&understood).0["lotto"], lots);
    }
}

//! The portal: the simulator end to end, its firewall, and how its answers are classified.

use std::time::Duration;

use contract::{Advice, ErrorKind, SimulatorOptions};
use rstest::rstest;
use wiremock::matchers::{any, path};
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
    assert_eq!((first.documents.len(), first.ended, first.records.len()), (2, 2, 30 + 1));
    assert_eq!(first.documents[0].remote_id, "anac-cig-messina.parte1.json");
    let (second, outcome) = read(&*adapter, ReadRequest { files: None, cursor: first.cursor.clone() }).await;
    outcome.unwrap();
    assert_eq!((second.documents.len(), &second.cursor), (0, &None));
    let (third, _) = read(&*adapter, ReadRequest { files: None, cursor: Some("not a cursor".to_owned()) }).await;
    assert_eq!(third.documents.len(), 2);
    portal.stop().await;
}

#[tokio::test]
async fn the_page_of_the_firewall_means_come_back_much_later() {
    let faults = json!([{ "operation": "scarica", "every": 2, "answer": "html" }]);
    let portal = FACTORY.simulate.unwrap()(options(Some(faults))).unwrap();
    let (read, outcome) = read(&*adapter(portal.settings.clone()), ReadRequest::default()).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(matches!(error.advice, Advice::Retry { after: Some(pause) } if pause >= Duration::from_mins(15)));
    // What came before stays valid, and is not read again.
    assert_eq!(read.ended, 1);
    let cursor = read.cursor.unwrap();
    assert!(cursor.contains("parte1.json") && !cursor.contains("918052266A"), "{cursor}");
    portal.stop().await;
}

#[rstest]
#[case(ResponseTemplate::new(401), ErrorKind::Authentication)]
#[case(ResponseTemplate::new(429).insert_header("retry-after", "7"), ErrorKind::RateLimited)]
#[case(ResponseTemplate::new(503), ErrorKind::Unavailable)]
#[case(ResponseTemplate::new(200).set_body_raw("<html>Request Rejected", "text/csv"), ErrorKind::Unavailable)]
#[tokio::test]
async fn an_answer_about_the_whole_portal_ends_the_read(#[case] answer: ResponseTemplate, #[case] kind: ErrorKind) {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).expect(1).mount(&server).await;
    let adapter = adapter(json!({"base_url": server.uri(), "paths": ["opendata/cig.csv", "opendata/cup.csv"]}));
    let (read, outcome) = read(&*adapter, ReadRequest::default()).await;
    let error = outcome.unwrap_err();
    assert_eq!((error.kind, read.records.len(), read.cursor), (kind, 0, None));
    if kind == ErrorKind::RateLimited {
        assert_eq!(error.advice, Advice::Retry { after: Some(Duration::from_secs(7)) });
    }
}

/// A portal that gives one file, and this answer for the one before it.
async fn portal_with(answer: ResponseTemplate) -> (MockServer, Value) {
    let server = MockServer::start().await;
    Mock::given(path("/opendata/cig.csv")).respond_with(answer).expect(1).mount(&server).await;
    let table = ResponseTemplate::new(200).set_body_raw("cig;cup\n95338806A9;G45F22000020001\n", "text/csv");
    Mock::given(path("/opendata/cup.csv")).respond_with(table).expect(1).mount(&server).await;
    let settings =
        json!({"base_url": server.uri(), "max_bytes": 64, "paths": ["opendata/cig.csv", "opendata/cup.csv"]});
    (server, settings)
}

#[rstest]
#[case(ResponseTemplate::new(403))]
#[case(ResponseTemplate::new(404))]
#[case(ResponseTemplate::new(200))]
#[case(ResponseTemplate::new(200).set_body_raw("c".repeat(65), "text/csv"))]
#[tokio::test]
async fn a_file_that_the_portal_does_not_give_is_refused_and_the_others_are_read(#[case] answer: ResponseTemplate) {
    let (_server, settings) = portal_with(answer).await;
    let (read, outcome) = read(&*adapter(settings), ReadRequest::default()).await;
    outcome.unwrap();
    assert_eq!((read.refused.len(), read.refused[0].code.as_str()), (1, "not_downloaded"));
    assert_eq!((read.records.len(), read.ended), (1, 1));
    let cursor = read.cursor.unwrap();
    assert!(cursor.contains("cup.csv") && !cursor.contains("cig.csv"), "{cursor}");
}

#[tokio::test]
async fn a_transfer_that_fails_does_not_stop_the_others_and_is_an_error_in_the_end() {
    let (_server, mut settings) = portal_with(ResponseTemplate::new(200).set_delay(Duration::from_secs(5))).await;
    settings["total_seconds"] = json!(1);
    settings["connect_seconds"] = json!(1);
    settings["read_seconds"] = json!(1);
    let (read, outcome) = read(&*adapter(settings), ReadRequest::default()).await;
    assert_eq!(outcome.unwrap_err().kind, ErrorKind::Timeout);
    assert_eq!((read.records.len(), read.refused.len()), (1, 0));
    assert!(read.cursor.unwrap().contains("cup.csv"));
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
async fn a_document_of_another_format_is_refused() {
    let of = async |file: &str, formats: Value| {
        let (read, _) = read_file_as(at(&format!("schemas/samples/{file}")), formats).await;
        read.refused.first().map(|refusal| refusal.code.clone())
    };
    let other = Some("other_format".to_owned());
    assert_eq!(of("anac_opendata/anac_cig_sample.csv", json!(["cup"])).await, other);
    assert_eq!(of("anac_opendata/cig-918052266A.json", json!(["cig"])).await, other);
    assert_eq!(of("anac_opendata/cig-918052266A-grezzo.json", json!(["cig-json"])).await, None);
    assert_eq!(of("ocds/l190-ocds-palermo.json", json!(["ocds"])).await, other);
    assert_eq!(of("ocds/anac-pvl-avvisi.json", json!(["avvisi", "stazioni-appaltanti"])).await, None);
}

#[tokio::test]
async fn authorities_are_left_to_their_registry_where_the_source_reads_it() {
    for (formats, authorities) in [(json!(["cig"]), 523), (json!(["cig", "stazioni-appaltanti"]), 0)] {
        let file = at("schemas/samples/anac_opendata/20231001-cig_csv.parte1.csv");
        let (_, understood) = read_file_as(file, formats).await;
        assert_eq!(count(&understood).0.get("ente").copied().unwrap_or_default(), authorities);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn neither_a_link_in_the_folder_nor_a_file_that_is_too_long_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(elsewhere.path(), "cig;cup\n95338806A9;G45F22000020001\n").unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("1.csv")).unwrap();
    std::fs::write(folder.path().join("2.json"), format!("[{}]", " ".repeat(64))).unwrap();
    let adapter = adapter(json!({"folder": folder.path(), "max_bytes": 40}));
    let (read, outcome) = read(&*adapter, ReadRequest::default()).await;
    outcome.unwrap();
    let codes: Vec<_> = read.refused.iter().map(|refusal| refusal.code.as_str()).collect();
    assert_eq!((codes, read.records.len()), (vec!["too_large"], 0));
}

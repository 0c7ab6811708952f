//! The reading loop against answers of our own making; the simulator's tests read a whole archive.

use contract::Advice;
use kit::Secret;
use kit::http::{HttpClient, HttpSettings};
use serde_json::json;
use tokio::sync::mpsc;
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::testing::CIG;

const OTHER: &str = "918052266A";

fn client(server: &MockServer) -> Client {
    let http = HttpClient::new(SYSTEM, &HttpSettings::new(server.uri())).unwrap();
    Client { http, key: Secret::new("chiave") }
}

async fn on(server: &MockServer, operation: &str, query: (&str, &str), answer: ResponseTemplate) {
    let mock = Mock::given(method("GET")).and(path(format!("/gestioneContratti/{operation}")));
    mock.and(query_param(query.0, query.1)).respond_with(answer).mount(server).await;
}

fn changed(cigs: &[&str], data_ora: Option<&str>) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"esito": true, "data": cigs, "dataOra": data_ora}))
}

fn schede(id: &str) -> ResponseTemplate {
    let scheda = json!({"idScheda": id, "progressivo": 1, "anacForm": {}});
    let award = json!({"idAggiudicazione": 1, "AC1": [scheda, scheda]});
    ResponseTemplate::new(200).set_body_json(json!({"esito": true, "errorData": null, "data": [award]}))
}

fn no(code: &str) -> ResponseTemplate {
    ResponseTemplate::new(500).set_body_json(json!({"esito": false, "errorData": code}))
}

/// Reads, and tells what was handed over in one word each.
async fn read_all(server: &MockServer, cursor: Option<&str>) -> (Vec<String>, Result<(), AdapterError>) {
    let request = ReadRequest { files: None, cursor: cursor.map(str::to_owned) };
    read_request(server, request).await
}

async fn read_request(server: &MockServer, request: ReadRequest) -> (Vec<String>, Result<(), AdapterError>) {
    let (sink, mut received) = mpsc::channel(100);
    let result = read(&client(server), request, sink).await;
    let mut told = Vec::new();
    while let Some(received) = received.recv().await {
        told.push(match received {
            Received::Begin(document) => format!("begin {}", document.remote_id),
            Received::Record(record) => format!("record {}", record.line),
            Received::End => "end".to_owned(),
            Received::Refused { refusal, .. } => format!("refused {}", refusal.code),
            Received::Cursor(cursor) => format!("cursor {cursor}"),
        });
    }
    (told, result)
}

#[tokio::test]
async fn a_window_has_both_bounds_and_begins_an_hour_earlier() {
    let server = MockServer::start().await;
    on(&server, "getListaCig", ("dataDa", "2026-03-01T09:00:00"), changed(&[], Some("2026-03-02T10:00:00"))).await;
    let (told, result) = read_all(&server, Some("2026-03-01T10:00:00")).await;
    result.unwrap();
    assert_eq!(told, ["cursor 2026-03-02T10:00:00"]);
    let request = &server.received_requests().await.unwrap()[0];
    assert!(request.url.query().unwrap().contains("dataA=2199-12-31T23%3A59%3A59"));
}

#[tokio::test]
async fn what_comes_twice_is_told_once_and_what_is_not_found_stops_nobody() {
    let server = MockServer::start().await;
    on(&server, "getListaCig", ("dataDa", FIRST), changed(&[CIG, OTHER, CIG], Some("2026-03-02T10:00:00"))).await;
    on(&server, "getJsonListaSchede", ("cig", OTHER), no("NOT_FOUND")).await;
    on(&server, "getJsonListaSchede", ("cig", CIG), schede("s1")).await;
    let (told, result) = read_all(&server, None).await;
    result.unwrap();
    let expected =
        ["refused NOT_FOUND", "begin getJsonListaSchede/B000001279", "record 1", "end", "cursor 2026-03-02T10:00:00"];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_server_that_does_not_tell_its_time_gives_no_cursor() {
    let server = MockServer::start().await;
    on(&server, "getListaCig", ("dataDa", FIRST), changed(&[], None)).await;
    let (told, result) = read_all(&server, Some("ieri")).await;
    result.unwrap();
    assert_eq!(told, Vec::<String>::new());
}

#[tokio::test]
async fn a_read_that_breaks_keeps_what_it_gave_and_moves_no_cursor() {
    for broken in [
        no("ERRORE_INTERNO"),
        ResponseTemplate::new(200).set_body_raw("<html>", "text/html"),
        ResponseTemplate::new(200).set_body_raw(r#"{"esito":tr"#, "application/json"),
        ResponseTemplate::new(200).set_body_json(json!({"esito": false})),
    ] {
        let server = MockServer::start().await;
        on(&server, "getListaCig", ("dataDa", FIRST), changed(&[CIG, OTHER], Some("2026-03-02T10:00:00"))).await;
        on(&server, "getJsonListaSchede", ("cig", OTHER), schede("s1")).await;
        on(&server, "getJsonListaSchede", ("cig", CIG), broken).await;
        let (told, result) = read_all(&server, None).await;
        assert!(result.is_err());
        assert_eq!(told, ["begin getJsonListaSchede/918052266A", "record 1", "end"]);
    }
}

#[tokio::test]
async fn a_pause_that_is_asked_for_is_told() {
    let server = MockServer::start().await;
    let busy = ResponseTemplate::new(429).insert_header("retry-after", "7");
    on(&server, "getListaCig", ("dataDa", FIRST), busy).await;
    let (_, result) = read_all(&server, None).await;
    let pause = std::time::Duration::from_secs(7);
    assert_eq!(result.unwrap_err().advice, Advice::Retry { after: Some(pause) });
}

#[tokio::test]
async fn named_files_are_answers_named_after_their_cig() {
    let folder = tempfile::tempdir().unwrap();
    let server = MockServer::start().await;
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let award = json!({"idAggiudicazione": 1, "AC1": [{"idScheda": "s1"}]});
    let files = vec![
        file("B000001279.json", &json!({"esito": true, "data": [award]}).to_string()),
        file("pagina.json", "<html>"),
        file("errore.json", r#"{"esito": false, "errorData": "NOT_FOUND"}"#),
    ];
    let (told, result) = read_request(&server, ReadRequest { files: Some(files), cursor: None }).await;
    result.unwrap();
    assert_eq!(told, ["begin B000001279.json", "record 1", "end", "refused not_schede", "refused failure"]);
    let missing = vec![folder.path().join("assente.json")];
    let (_, result) = read_request(&server, ReadRequest { files: Some(missing), cursor: None }).await;
    assert_eq!(result.unwrap_err().kind, ErrorKind::Local);
}

//! The resources that Pi.Co. publishes: how they are read, page by page, and what they become.

use std::sync::Arc;

use contract::{DocumentHeader, ErrorKind, RawRecord, ReadRequest, Received};
use serde::Deserialize;
use tokio::sync::mpsc;
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    caso: String,
    ricevuto: Value,
    record: Vec<Value>,
    segnalazioni: Vec<String>,
    /// The fields whose received text is kept.
    grezzi: Vec<String>,
    /// The rule by which the resource stands aside.
    da_parte: Option<String>,
}

#[test]
fn every_case_gives_its_resource_or_stands_aside() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contract-tests/systems/pico/risorse");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("the folder of the cases") {
        let text = std::fs::read_to_string(entry.expect("an entry").path()).expect("a case");
        check(&serde_json::from_str(&text).expect("a case"));
        seen += 1;
    }
    assert!(seen >= 7, "only {seen} cases");
}

fn check(case: &Case) {
    let adapter = offline();
    let normalized = adapter.source().expect("a source").normalize(&raw(case.ricevuto.to_string()));
    let bodies: Vec<Value> =
        normalized.records.iter().map(|draft| serde_json::to_value(&draft.body).expect("JSON")).collect();
    assert_eq!(bodies, case.record, "{}", case.caso);
    let kept: Vec<&str> =
        normalized.records.iter().flat_map(|draft| draft.raw.keys()).map(canonical::FieldPath::as_str).collect();
    assert_eq!(kept, case.grezzi, "{}", case.caso);
    let findings: Vec<String> = normalized
        .findings
        .iter()
        .map(|finding| {
            let field = finding.field.as_ref().map_or("", |field| field.as_str());
            let detail = finding.detail.as_deref().unwrap_or_default();
            format!("{} {field} {detail} {}", finding.rule.code(), finding.received.as_deref().unwrap_or("-"))
        })
        .collect();
    assert_eq!(findings, case.segnalazioni, "{}", case.caso);
    assert_eq!(normalized.set_aside.map(|aside| aside.rule.code()), case.da_parte.as_deref(), "{}", case.caso);
}

fn raw(text: String) -> RawRecord {
    let document = Arc::new(DocumentHeader {
        remote_id: "/v0/risorse".to_owned(),
        digest: "0".repeat(64),
        format: "pico-risorse".to_owned(),
        version: "v0".to_owned(),
        as_of: None,
        context: Value::Null,
    });
    RawRecord { document, line: 1, occurrence: 0, text }
}

/// What a read hands over, in one word each, and the last cursor.
async fn read(adapter: &dyn Adapter, request: ReadRequest) -> (Vec<String>, Result<(), ErrorKind>) {
    let (sink, mut received) = mpsc::channel(1);
    let reading = adapter.source().expect("a source").read(request, sink);
    let collecting = async {
        let mut words = Vec::new();
        while let Some(one) = received.recv().await {
            words.push(match one {
                Received::Begin(document) => format!("begin {}", document.remote_id),
                Received::Record(record) => format!("{} {}", record.line, id_of(&record.text)),
                Received::End => "end".to_owned(),
                Received::Refused { refusal, .. } => format!("refused {}", refusal.code),
                Received::Cursor(cursor) => format!("cursor {cursor}"),
            });
        }
        words
    };
    let (read, words) = tokio::join!(reading, collecting);
    (words, read.map_err(|error| error.kind))
}

fn id_of(text: &str) -> String {
    serde_json::from_str::<Value>(text).expect("JSON")["id"].as_str().expect("an id").to_owned()
}

fn from(cursor: &str) -> ReadRequest {
    ReadRequest { files: None, cursor: Some(cursor.to_owned()) }
}

#[tokio::test]
async fn the_resources_of_pico_are_read_once_and_then_only_what_is_new() {
    let simulator =
        simulator(None, Some(json!([{ "risorse": [{ "id": "nuova", "tipo": "notizia", "titolo": "Una in più" }] }])));
    let adapter = adapter(simulator.settings.clone());
    let (words, end) = read(&*adapter, ReadRequest::default()).await;
    assert_eq!(end, Ok(()));
    assert_eq!(words.first().map(String::as_str), Some("begin /v0/risorse?dopo="));
    assert_eq!(words[words.len() - 3..], ["8 nuova", "end", "cursor 8"]);
    assert_eq!(words.len(), 11);
    let (words, end) = read(&*adapter, from("8")).await;
    assert_eq!((words.len(), end), (0, Ok(())));
    let (words, _) = read(&*adapter, from("6")).await;
    assert_eq!(words, ["begin /v0/risorse?dopo=6", "1 hub-protocollo", "2 nuova", "end", "cursor 8"]);
    simulator.stop().await;
}

#[tokio::test]
async fn every_resource_of_the_simulator_can_be_used() {
    let simulator = simulator(None, None);
    let adapter = adapter(simulator.settings.clone());
    let source = adapter.source().expect("a source");
    let (sink, mut received) = mpsc::channel(100);
    source.read(ReadRequest::default(), sink).await.expect("read");
    let mut seen = 0;
    while let Some(one) = received.recv().await {
        if let Received::Record(record) = one {
            let normalized = source.normalize(&record);
            assert_eq!((normalized.records.len(), normalized.findings), (1, Vec::new()));
            seen += 1;
        }
    }
    assert_eq!(seen, 7);
    simulator.stop().await;
}

#[tokio::test]
async fn a_cursor_goes_out_only_after_its_whole_page() {
    let server = MockServer::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let adapter = adapter(json!({ "base_url": server.uri(), "key_file": key_file(&folder) }));
    let page = |id: &str, cursor: &str, altri: bool| {
        let body =
            json!({ "elementi": [{ "id": id, "tipo": "corso", "titolo": "t" }], "cursore": cursor, "altri": altri });
        ResponseTemplate::new(200).set_body_json(body)
    };
    let at = |cursor: &str| Mock::given(method("GET")).and(path("/v0/risorse")).and(query_param("dopo", cursor));
    at("a").respond_with(page("uno", "b", true)).mount(&server).await;
    at("b").respond_with(ResponseTemplate::new(503).insert_header("retry-after", "1")).mount(&server).await;
    let (words, end) = read(&*adapter, from("a")).await;
    assert_eq!(words, ["begin /v0/risorse?dopo=a", "1 uno", "end", "cursor b"]);
    assert_eq!(end, Err(ErrorKind::Unavailable));
    at("c").respond_with(page("due", "c", true)).mount(&server).await;
    assert_eq!(read(&*adapter, from("c")).await, (Vec::new(), Err(ErrorKind::NotUnderstood)));
    let html = ResponseTemplate::new(200).set_body_raw("<html>Accedi", "text/html");
    at("d").respond_with(html).mount(&server).await;
    assert_eq!(read(&*adapter, from("d")).await, (Vec::new(), Err(ErrorKind::NotUnderstood)));
}

#[tokio::test]
async fn a_page_kept_in_a_file_is_imported_and_another_file_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (good, bad) = (folder.path().join("pagina.json"), folder.path().join("altro.txt"));
    let page = json!({ "elementi": [{ "id": "x", "tipo": "corso", "titolo": "t" }], "cursore": "1", "altri": true });
    std::fs::write(&good, page.to_string()).expect("written");
    std::fs::write(&bad, "ciao").expect("written");
    let request = ReadRequest { files: Some(vec![bad, good, folder.path().join("assente")]), cursor: None };
    let (words, end) = read(&*offline(), request).await;
    assert_eq!(words, ["refused not_a_page", "begin pagina.json", "1 x", "end"]);
    assert_eq!(end, Err(ErrorKind::Local));
}

//! The open data: files, pages, and how bad answers are classified.

use std::time::Duration;

use contract::{Advice, ErrorKind};
use rstest::rstest;
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

fn shown(adapter: &dyn Adapter, raw: &RawRecord) -> Value {
    let understood = adapter.source().unwrap().normalize(raw);
    let records: Vec<_> = understood
        .records
        .iter()
        .map(|record| {
            let mut shown = serde_json::to_value(&record.body).unwrap();
            shown["raw"] = serde_json::to_value(&record.raw).unwrap();
            shown
        })
        .collect();
    let aside = understood.set_aside.as_ref().map(|aside| json!({"rule": aside.rule, "reason": aside.reason}));
    json!({"records": records, "findings": understood.findings, "set_aside": aside})
}

#[tokio::test]
async fn every_case_of_a_row_gives_what_it_says() {
    let adapter = adapter(json!({"platform": "lombardia"}));
    let folder = tempfile::tempdir().unwrap();
    let cases = cases("bandi");
    assert!(cases.len() >= 4);
    for (file, case) in cases {
        let document = folder.path().join("bandi.json");
        std::fs::write(&document, case["righe"].to_string()).unwrap();
        let (read, outcome) = read(&*adapter, Some(vec![document])).await;
        outcome.unwrap();
        let given: Vec<_> = read.records.iter().map(|raw| shown(&*adapter, raw)).collect();
        check(&file, case, given.into());
    }
}

#[tokio::test]
async fn the_sample_is_read_whole() {
    let adapter = adapter(json!({}));
    let file = at("schemas/samples/osservatorio_regionale/lombardia-bandi.json");
    let (read, outcome) = read(&*adapter, Some(vec![file])).await;
    outcome.unwrap();
    assert_eq!((read.records.len(), read.ended, read.refused.len()), (8, 1, 0));
    let understood: Vec<_> = read.records.iter().map(|raw| adapter.source().unwrap().normalize(raw)).collect();
    assert!(understood.iter().all(|one| one.set_aside.is_none() && one.records.len() == 3), "{understood:?}");
    let text = format!("{read:?}{understood:?}", read = read.records);
    assert!(!text.contains("PIROVANO"), "the person in charge is nowhere");
    assert!(understood.iter().flat_map(|one| &one.records).all(|one| !one.body.to_json().contains("PIROVANO")));
}

#[tokio::test]
async fn the_pages_of_the_resource_are_read_to_the_last() {
    let running = simulator(None, None);
    for (page_rows, documents) in [(2, 7), (3, 4), (4, 3), (8, 1), (1000, 1)] {
        let mut settings = running.settings.clone();
        settings["page_rows"] = page_rows.into();
        let (read, outcome) = read(&*adapter(settings), None).await;
        outcome.unwrap();
        assert_eq!((read.records.len(), read.documents.len(), read.ended), (8, documents, documents), "{page_rows}");
        assert_eq!(read.documents[0].remote_id, "k6cb-4hbm?offset=0");
    }
    running.stop().await;
}

#[rstest]
#[case(ResponseTemplate::new(401), ErrorKind::Authentication)]
#[case(ResponseTemplate::new(404).set_body_json(json!({"error": true})), ErrorKind::NotUnderstood)]
#[case(ResponseTemplate::new(429).insert_header("retry-after", "9"), ErrorKind::RateLimited)]
#[case(ResponseTemplate::new(502), ErrorKind::Unavailable)]
#[case(ResponseTemplate::new(200).set_body_raw("<!doctype html>", "application/json"), ErrorKind::NotUnderstood)]
#[case(ResponseTemplate::new(200).set_body_raw("[{\"codice_bando\": \"1\"}", "application/json"), ErrorKind::NotUnderstood)]
#[case(ResponseTemplate::new(200).set_body_json(json!({"error": true})), ErrorKind::NotUnderstood)]
#[tokio::test]
async fn an_answer_that_is_no_page_ends_the_read(#[case] answer: ResponseTemplate, #[case] kind: ErrorKind) {
    let server = MockServer::start().await;
    let page = |offset: &str| {
        Mock::given(method("GET")).and(path("/resource/abcd-1234.json")).and(query_param("$offset", offset))
    };
    page("0")
        .respond_with(ResponseTemplate::new(200).set_body_json(json!([{"codice_bando": "1"}, {"codice_bando": "2"}])))
        .mount(&server)
        .await;
    page("1").respond_with(answer).expect(1).mount(&server).await;
    let settings = json!({"base_url": server.uri(), "resource": "abcd-1234", "page_rows": 2});
    let (read, outcome) = read(&*adapter(settings), None).await;
    let error = outcome.unwrap_err();
    // What came before stays valid.
    assert_eq!((error.kind, read.records.len(), read.ended), (kind, 2, 1));
    if kind == ErrorKind::RateLimited {
        assert_eq!(error.advice, Advice::Retry { after: Some(Duration::from_secs(9)) });
    }
}

#[tokio::test]
async fn a_portal_that_does_not_page_ends_the_read() {
    let server = MockServer::start().await;
    let page = json!([{"codice_bando": "1"}, {"codice_bando": "2"}]);
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_json(page))
        .expect(2)
        .mount(&server)
        .await;
    let settings = json!({"base_url": server.uri(), "resource": "abcd-1234", "page_rows": 2});
    let (read, outcome) = read(&*adapter(settings), None).await;
    let error = outcome.unwrap_err();
    assert_eq!((error.kind, error.advice), (ErrorKind::NotUnderstood, Advice::AskPerson));
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("$offset"), "{error:?}");
    // The first page stays valid, and is handed over once.
    assert_eq!((read.records.len(), read.ended), (2, 1));
}

#[tokio::test]
async fn a_folder_is_read_by_name_and_a_bad_file_does_not_stop_its_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("1.json", "{}"),
        ("2.json", "[{\"codice_bando\": \"1\"}"),
        ("3.json", "a;b"),
        ("4.json", "[{\"codice_bando\": \"1\"}]"),
    ] {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let (read, outcome) = read(&*adapter(json!({"folder": folder.path()})), None).await;
    outcome.unwrap();
    let codes: Vec<_> = read.refused.iter().map(|refusal| refusal.code.as_str()).collect();
    assert_eq!((codes, read.records.len(), read.ended), (vec!["not_a_list", "not_json", "not_a_list"], 1, 1));
}

#[tokio::test]
async fn without_settings_nothing_can_be_reached() {
    let adapter = adapter(json!({}));
    assert_eq!(read(&*adapter, None).await.1.unwrap_err().advice, Advice::FixConfiguration);
    let error = adapter.observer().unwrap().inventory(None).await.unwrap_err();
    assert_eq!(error.advice, Advice::FixConfiguration);
}

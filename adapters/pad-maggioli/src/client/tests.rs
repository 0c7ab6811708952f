//! The table from answer to outcome or error, row by row, and the life of a token.

use contract::{Advice, ErrorKind, Outcome};
use kit::http::HttpSettings;
use rstest::rstest;
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::SYSTEM;
use crate::testing::{CIG, assert_follows};

fn client(server: &MockServer) -> Client {
    let http = HttpClient::new(SYSTEM, &HttpSettings::new(server.uri())).unwrap();
    let secret = |text: &str| Secret::new(text);
    let credentials = Credentials {
        username: secret("utente"),
        password: secret("parola"),
        client_key: secret("chiave"),
        client_id: secret("applicazione"),
    };
    Client::new(http, credentials)
}

async fn logs_in(server: &MockServer, answer: Value) {
    Mock::given(method("POST"))
        .and(path("/v1.0/authenticate"))
        .and(header("username", "utente"))
        .and(header("password", "parola"))
        .and(header("clientKey", "chiave"))
        .and(header("clientId", "applicazione"))
        .respond_with(ResponseTemplate::new(200).set_body_json(answer))
        .mount(server)
        .await;
}

async fn answering(answer: ResponseTemplate) -> (MockServer, Client) {
    let server = MockServer::start().await;
    logs_in(&server, json!({"jwttoken": "t1"})).await;
    Mock::given(header("authorization", "Bearer t1")).respond_with(answer).mount(&server).await;
    let client = client(&server);
    (server, client)
}

fn update() -> Aggiornamento {
    Aggiornamento {
        cig: CIG.to_owned(),
        codice_fiscale_sa: "80098765433".to_owned(),
        importo_liquidato: Some("1234.50".to_owned()),
        data_inizio: Some("2026-01-02".to_owned()),
        data_fine: None,
        opzione: 1,
    }
}

fn no(message: &str) -> Value {
    json!({"message": message, "details": null})
}

#[tokio::test]
async fn an_update_travels_in_the_query_and_an_empty_answer_is_its_receipt() {
    let (server, client) = answering(ResponseTemplate::new(200)).await;
    let Outcome::Acknowledged(receipt) = client.update(&update()).await.unwrap() else { panic!("not taken") };
    assert_eq!((receipt.status, receipt.remote_id), (200, None));
    let request = &server.received_requests().await.unwrap()[1];
    assert_eq!((request.method.as_str(), request.url.path()), ("POST", "/v1.1/updateDatiCig"));
    let query: Vec<_> = request.url.query_pairs().map(|(name, value)| format!("{name}={value}")).collect();
    let expected = [
        "cig=B1A2B3C3B8",
        "codiceFiscaleSA=80098765433",
        "importoLiquidato=1234.50",
        "dataInizio=2026-01-02",
        "opzione=1",
    ];
    assert_eq!(query, expected);
}

#[rstest]
#[case::no_value(400, json!({"message": "Richiesto almeno uno", "details": ["importoLiquidato"]}), "Richiesto almeno uno; importoLiquidato")]
#[case::unknown(404, no("Impossibile trovare il cig"), "Impossibile trovare il cig")]
#[case::a_person(404, no("RSSMRA85T10A562S non trovato"), "[…] non trovato")]
#[tokio::test]
async fn a_no_in_the_shape_of_the_platform_is_a_refusal(#[case] status: u16, #[case] body: Value, #[case] words: &str) {
    assert_follows("Errore", &body);
    let (_server, client) = answering(ResponseTemplate::new(status).set_body_json(body)).await;
    let expected = Outcome::Refused { code: status.to_string(), message: words.to_owned() };
    assert_eq!(client.update(&update()).await.unwrap(), expected);
}

#[rstest]
#[case::nobody_at_this_address(ResponseTemplate::new(404).set_body_json(json!({"message": "No message available", "path": "/v1.1/updateDatiCig"})), ErrorKind::NotUnderstood, Phase::Refused)]
#[case::nothing_said(ResponseTemplate::new(404), ErrorKind::NotUnderstood, Phase::Refused)]
#[case::no_such_method(ResponseTemplate::new(405), ErrorKind::NotUnderstood, Phase::Refused)]
#[case::no_reason(ResponseTemplate::new(400).set_body_json(json!({})), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::failed(ResponseTemplate::new(500).set_body_json(no("Internal Server Error")), ErrorKind::Unavailable, Phase::Unknown)]
#[case::bad_gateway(ResponseTemplate::new(502), ErrorKind::Unavailable, Phase::Unknown)]
#[case::page(ResponseTemplate::new(200).set_body_raw("<!doctype html>", "text/html"), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::lost_data(ResponseTemplate::new(200).set_body_raw("", "application/json"), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::data_where_none_is(ResponseTemplate::new(200).set_body_json(json!({})), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::words(ResponseTemplate::new(200).set_body_raw("fatto", "text/plain"), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::taken_in_charge(ResponseTemplate::new(202), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::no_rights(ResponseTemplate::new(403), ErrorKind::Permission, Phase::Refused)]
#[case::too_many(ResponseTemplate::new(429).insert_header("retry-after", "7"), ErrorKind::RateLimited, Phase::Refused)]
#[tokio::test]
async fn anything_else_is_an_error(#[case] answer: ResponseTemplate, #[case] kind: ErrorKind, #[case] phase: Phase) {
    let (_server, client) = answering(answer).await;
    let error = client.update(&update()).await.unwrap_err();
    assert_eq!((error.kind, error.phase), (kind, phase), "{error}");
    if kind == ErrorKind::RateLimited {
        assert_eq!(error.advice, Advice::Retry { after: Some(std::time::Duration::from_secs(7)) });
    }
}

#[rstest]
#[case::page(ResponseTemplate::new(200).set_body_raw("<html>manutenzione", "text/html"))]
#[case::empty(ResponseTemplate::new(200))]
#[case::cut(ResponseTemplate::new(200).set_body_raw(r#"{"content":[{"cig""#, "application/json"))]
#[case::another_shape(ResponseTemplate::new(200).set_body_json(json!([])))]
#[case::a_no(ResponseTemplate::new(400).set_body_json(no("Error on request")))]
#[case::absent(ResponseTemplate::new(404))]
#[tokio::test]
async fn a_page_that_was_not_read_is_an_error(#[case] answer: ResponseTemplate) {
    let (_server, client) = answering(answer).await;
    assert!(client.page(&["v1.0", "getElencoEsiti"], 1, 10, &[]).await.is_err());
}

#[tokio::test]
async fn a_detail_that_is_not_there_is_none_and_a_page_for_people_is_not() {
    let (_server, client) = answering(ResponseTemplate::new(404)).await;
    assert!(client.detail(&["v1.0", "getDettaglioEsito"], "G1").await.unwrap().is_none());
    let page = ResponseTemplate::new(404).set_body_raw("<html>", "text/html");
    let (_server, client) = answering(page).await;
    assert!(client.detail(&["v1.0", "getDettaglioEsito"], "G1").await.is_err());
}

#[tokio::test]
async fn a_reference_with_slashes_goes_as_it_is() {
    let (server, client) = answering(ResponseTemplate::new(404)).await;
    client.detail(&["v1.0", "getDettaglioEsito"], "G1/2").await.unwrap();
    assert_eq!(server.received_requests().await.unwrap()[1].url.path(), "/v1.0/getDettaglioEsito/G1/2");
}

#[rstest]
#[case(json!({"jwttoken": "t1"}))]
#[case(json!({"token": "t1"}))]
#[tokio::test]
async fn a_token_is_asked_for_once_under_either_name(#[case] answer: Value) {
    assert_follows("Gettone", &answer);
    let server = MockServer::start().await;
    logs_in(&server, answer).await;
    Mock::given(header("authorization", "Bearer t1")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let client = client(&server);
    for _ in 0..3 {
        client.update(&update()).await.unwrap();
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 4);
}

#[tokio::test]
async fn a_token_that_ended_is_renewed_once_and_the_request_sent_again() {
    let server = MockServer::start().await;
    let login = |token: &str| ResponseTemplate::new(200).set_body_json(json!({"jwttoken": token}));
    let at_login = || Mock::given(method("POST")).and(path("/v1.0/authenticate"));
    at_login().respond_with(login("t1")).up_to_n_times(1).mount(&server).await;
    at_login().respond_with(login("t2")).mount(&server).await;
    let ended = ResponseTemplate::new(401).set_body_json(no("Token non valido"));
    Mock::given(header("authorization", "Bearer t1")).respond_with(ended).mount(&server).await;
    Mock::given(header("authorization", "Bearer t2")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let client = client(&server);
    assert!(matches!(client.update(&update()).await, Ok(Outcome::Acknowledged(_))));
    client.update(&update()).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    let paths: Vec<_> = requests.iter().map(|request| request.url.path().rsplit('/').next().unwrap()).collect();
    assert_eq!(paths, ["authenticate", "updateDatiCig", "authenticate", "updateDatiCig", "updateDatiCig"]);
}

#[tokio::test]
async fn a_second_401_stops_the_connection() {
    let (server, client) = answering(ResponseTemplate::new(401)).await;
    let error = client.update(&update()).await.unwrap_err();
    assert_eq!((error.kind, error.phase), (ErrorKind::Authentication, Phase::Refused));
    assert_eq!(error.advice, Advice::FixConfiguration);
    assert_eq!(server.received_requests().await.unwrap().len(), 4);
}

#[rstest]
#[case::wrong_credentials(ResponseTemplate::new(401).set_body_json(no("Utente non valido")), ErrorKind::Authentication)]
#[case::no_token(ResponseTemplate::new(200).set_body_json(json!({})), ErrorKind::NotUnderstood)]
#[case::down(ResponseTemplate::new(503), ErrorKind::Unavailable)]
#[tokio::test]
async fn without_a_token_nothing_was_sent(#[case] answer: ResponseTemplate, #[case] kind: ErrorKind) {
    let server = MockServer::start().await;
    Mock::given(path("/v1.0/authenticate")).respond_with(answer).mount(&server).await;
    let error = client(&server).update(&update()).await.unwrap_err();
    assert_eq!((error.kind, error.phase), (kind, Phase::BeforeSending));
    assert!(!format!("{error:?}").contains("parola"));
}

#[tokio::test]
async fn filters_of_a_list_are_its_query() {
    let server = MockServer::start().await;
    logs_in(&server, json!({"jwttoken": "t1"})).await;
    let page = json!({"content": [], "totalElements": 0, "last": true, "number": 0});
    Mock::given(path("/v1.0/trasp/getElencoDati/1/50"))
        .and(query_param("annorif", "2024"))
        .and(query_param_is_missing("cig"))
        .respond_with(ResponseTemplate::new(200).set_body_json(page))
        .mount(&server)
        .await;
    let query = [("annorif", "2024".to_owned())];
    client(&server).page(&["v1.0", "trasp", "getElencoDati"], 1, 50, &query).await.unwrap();
}

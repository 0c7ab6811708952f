//! The table from answer to outcome or error, row by row.

use contract::{Advice, Held, Outcome, Shipment, Target};
use kit::http::HttpSettings;
use rstest::rstest;
use serde_json::{Value, json};
use wiremock::matchers::{body_string, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::ScpProgrammi;
use crate::testing::{case, shipment};

const PUBBLICA: &str = "/Programmi/PubblicaLavori";
const DETTAGLIO: &str = "/Programmi/DettaglioLavori";

fn adapter(server: &MockServer) -> ScpProgrammi {
    let http = || HttpClient::new(crate::SYSTEM, &HttpSettings::new(server.uri())).unwrap();
    let secret = Secret::new;
    let credentials = Credentials {
        username: secret("mario rossi"),
        password: secret("p&ss=wörd"),
        client_key: secret("chiave"),
        client_id: secret("id"),
    };
    ScpProgrammi::over(Client::new(http(), http(), credentials))
}

async fn login(server: &MockServer, token: &str) {
    let form = "username=mario+rossi&password=p%26ss%3Dw%C3%B6rd&clientKey=chiave&clientId=id";
    Mock::given(path("/Account/LoginPubblica"))
        .and(body_string(form))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"esito": true, "token": token})))
        .up_to_n_times(1)
        .mount(server)
        .await;
}

async fn says(server: &MockServer, modalita: &str, answer: ResponseTemplate) {
    Mock::given(method("POST"))
        .and(path(PUBBLICA))
        .and(query_param("modalitaInvio", modalita))
        .and(query_param("token", "gettone"))
        .respond_with(answer)
        .mount(server)
        .await;
}

fn json_answer(status: u16, body: Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(body)
}

/// A service that finds nothing wrong and answers a publication so.
async fn publishing(answer: ResponseTemplate) -> (MockServer, Result<Outcome, AdapterError>) {
    publishing_after(answer, None).await
}

async fn publishing_after(
    answer: ResponseTemplate,
    previous: Option<&str>,
) -> (MockServer, Result<Outcome, AdapterError>) {
    let server = MockServer::start().await;
    login(&server, "gettone").await;
    says(&server, "1", json_answer(200, json!({}))).await;
    says(&server, "2", answer).await;
    let outcome = adapter(&server).send(&shipment(&case("lavori"), 1, previous)).await;
    (server, outcome)
}

fn shown(error: &AdapterError) -> String {
    format!("{error} {error:?} {:?}", error.source)
}

#[tokio::test]
async fn a_programme_is_checked_and_then_published_with_one_login() {
    let warning = json!([{"nome": "cup", "messaggio": "manca", "tipo": "W"}]);
    let (server, outcome) = publishing(json_answer(200, json!({"id": 77, "validate": warning}))).await;
    let Ok(Outcome::Acknowledged(receipt)) = outcome else { panic!("{outcome:?}") };
    assert_eq!((receipt.remote_id.as_deref(), receipt.status), (Some("77"), 200));
    assert_eq!(receipt.warnings, ["cup: manca"], "a remark is kept once");
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 3);
    let sent: Value = serde_json::from_slice(&requests[2].body).unwrap();
    assert_eq!(sent.get("idRicevuto"), None);
    assert_eq!(requests[1].body, requests[2].body);
}

#[tokio::test]
async fn a_later_publication_carries_the_identifier_of_the_first() {
    let (server, outcome) = publishing_after(json_answer(200, json!({"id": 77})), Some("77")).await;
    assert!(matches!(outcome, Ok(Outcome::Acknowledged(_))), "{outcome:?}");
    for request in &server.received_requests().await.unwrap()[1..] {
        let sent: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(sent["idRicevuto"], 77);
    }
}

#[tokio::test]
async fn a_receipt_without_its_number_publishes_nothing() {
    let mut sent = shipment(&case("lavori"), 2, Some("77"));
    sent.previous_receipt.as_mut().unwrap().remote_id = None;
    let server = MockServer::start().await;
    assert_eq!(adapter(&server).send(&sent).await.unwrap_err().advice, Advice::AskPerson);
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn another_identifier_than_the_one_sent_is_kept_and_told() {
    let answer = json!({"id": 78, "validate": [{"nome": "cup", "messaggio": "manca", "tipo": "W"}]});
    let (server, outcome) = publishing_after(json_answer(200, answer), Some("77")).await;
    let Ok(Outcome::Acknowledged(receipt)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(receipt.remote_id.as_deref(), Some("78"));
    let [told, remark] = &receipt.warnings[..] else { panic!("{:?}", receipt.warnings) };
    assert!(told.contains("idRicevuto era 77, ora è 78"), "{told}");
    assert_eq!(remark, "cup: manca");
    // What comes next carries the new one, and finds the publication under it.
    let next = Shipment { previous_receipt: Some(receipt), ..shipment(&case("lavori"), 2, None) };
    let held = json_answer(200, json!({"programma": case("lavori")["corpo"].take()}));
    Mock::given(path(DETTAGLIO)).and(query_param("idRicevuto", "78")).respond_with(held).mount(&server).await;
    login(&server, "gettone").await;
    let adapter = adapter(&server);
    assert!(matches!(adapter.look_up(&next).await, Ok(Held::Same(_))));
    adapter.send(&next).await.unwrap();
    let last: Value = serde_json::from_slice(&server.received_requests().await.unwrap().pop().unwrap().body).unwrap();
    assert_eq!(last["idRicevuto"], 78);
}

#[tokio::test]
async fn a_remark_that_repeats_a_person_is_kept_without_it() {
    let corpo = case("lavori")["corpo"].take();
    let values = ["cfPiva", "cognome", "nome"].map(|field| corpo["referente"][field].as_str().unwrap().to_owned());
    let message = format!("{} {} {} non in anagrafe", values[0], values[1], values[2]);
    let remark = json!([{"nome": "referente.cfPiva", "messaggio": message, "tipo": "W"}]);
    let (_server, outcome) = publishing(json_answer(200, json!({"id": 77, "validate": remark}))).await;
    let Ok(Outcome::Acknowledged(receipt)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(receipt.warnings, ["referente.cfPiva: […] […] […] non in anagrafe"]);
    // The same words as a refusal.
    let blocking = json!({"validate": [{"nome": "referente.cfPiva", "messaggio": message, "tipo": "E"}]});
    let (_server, outcome) = publishing(json_answer(400, blocking)).await;
    let message = "referente.cfPiva: […] […] […] non in anagrafe".to_owned();
    assert_eq!(outcome.unwrap(), Outcome::Refused { code: "validazione".to_owned(), message });
}

#[rstest]
#[case::as_many_as_are_kept(48, 48, None)]
#[case::one_more(49, 49, Some("e un'altra osservazione, che qui non si conserva"))]
#[case::many(900, 49, Some("e altre 852 osservazioni, che qui non si conservano"))]
#[tokio::test]
async fn a_receipt_keeps_some_remarks_of_some_length(
    #[case] given: usize,
    #[case] kept: usize,
    #[case] last: Option<&str>,
) {
    let corpo = case("lavori")["corpo"].take();
    let surname = corpo["referente"]["cognome"].as_str().unwrap().to_owned();
    // The surname stands across the end of what is kept.
    let message = format!("{}{surname}", "x ".repeat(496));
    let remark = |place: usize| json!({"nome": format!("{place:04}"), "messaggio": message, "tipo": "W"});
    let remarks: Vec<_> = (0..given).map(remark).collect();
    let (_server, outcome) = publishing(json_answer(200, json!({"id": 77, "validate": remarks}))).await;
    let Ok(Outcome::Acknowledged(receipt)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(receipt.warnings.len(), kept);
    assert!(receipt.warnings.iter().all(|warning| warning.chars().count() <= 1_000));
    assert!(receipt.warnings[0].ends_with("x […"), "{}", receipt.warnings[0]);
    if let Some(last) = last {
        assert_eq!(receipt.warnings.last().map(String::as_str), Some(last));
    }
}

#[rstest]
#[case::list_in_a_400(400, json!({"validate": [{"nome": "anno", "messaggio": "obbligatorio", "tipo": "E"}]}), "validazione", "anno: obbligatorio")]
#[case::list_in_a_200(200, json!({"validate": [{"nome": "a", "messaggio": "x", "tipo": "W"}, {"nome": "b", "messaggio": "y", "tipo": "E"}]}), "validazione", "b: y")]
#[case::a_remark_without_type_blocks(400, json!({"validate": [{"nome": "b", "messaggio": "y"}]}), "validazione", "b: y")]
#[case::only_words(400, json!({"error": "dati non validi per RSSMRA85T10A562S"}), "400", "dati non validi per […]")]
#[case::no_such_publication(404, json!({"error": "not-found"}), "404", "not-found")]
#[tokio::test]
async fn what_the_rules_do_not_admit_is_refused(
    #[case] status: u16,
    #[case] body: Value,
    #[case] code: &str,
    #[case] message: &str,
) {
    let (_server, outcome) = publishing(json_answer(status, body.clone())).await;
    let refused = Outcome::Refused { code: code.to_owned(), message: message.to_owned() };
    assert_eq!(outcome.unwrap(), refused);
    // What the check refuses is never published.
    let server = MockServer::start().await;
    login(&server, "gettone").await;
    says(&server, "1", json_answer(status, body)).await;
    assert_eq!(adapter(&server).send(&shipment(&case("lavori"), 1, None)).await.unwrap(), refused);
    assert_eq!(server.received_requests().await.unwrap().len(), 2);
}

#[rstest]
#[case::unexpected_error(json_answer(500, json!({"error": "unexpected-error: java.lang"})), ErrorKind::Unavailable, Phase::Unknown)]
#[case::bad_gateway(ResponseTemplate::new(502), ErrorKind::Unavailable, Phase::Unknown)]
#[case::page_with_200(ResponseTemplate::new(200).set_body_raw("<!doctype html>", "text/html"), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::empty(ResponseTemplate::new(200).set_body_raw("", "application/json"), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::cut_short(ResponseTemplate::new(200).set_body_raw(r#"{"id":7"#, "application/json"), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::no_identifier(json_answer(200, json!({})), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::error_and_identifier(json_answer(200, json!({"id": 7, "error": "x"})), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::blocked_and_identifier(json_answer(200, json!({"id": 7, "validate": [{"nome": "a", "tipo": "E"}]})), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::no_reason(json_answer(400, json!({})), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::somebody_elses(json_answer(400, json!({"error": "Non si dispone delle credenziali per questo programma"})), ErrorKind::Permission, Phase::Refused)]
#[case::somebody_elses_with_401(json_answer(401, json!({"error": "Non si possiedono le credenziali per questo programma"})), ErrorKind::Permission, Phase::Refused)]
#[case::wrong_address(ResponseTemplate::new(404), ErrorKind::NotUnderstood, Phase::Refused)]
#[case::too_large(ResponseTemplate::new(413), ErrorKind::NotUnderstood, Phase::Refused)]
#[case::too_many(ResponseTemplate::new(429).insert_header("retry-after", "7"), ErrorKind::RateLimited, Phase::Refused)]
#[tokio::test]
async fn anything_else_is_an_error(#[case] answer: ResponseTemplate, #[case] kind: ErrorKind, #[case] phase: Phase) {
    let (_server, outcome) = publishing(answer).await;
    let error = outcome.unwrap_err();
    assert_eq!((error.kind, error.phase), (kind, phase), "{error}");
    assert!(!shown(&error).contains("gettone"));
    if kind == ErrorKind::RateLimited {
        assert_eq!(error.advice, Advice::Retry { after: Some(std::time::Duration::from_secs(7)) });
    }
}

#[rstest]
#[case::bad_gateway(ResponseTemplate::new(502))]
#[case::page(ResponseTemplate::new(200).set_body_raw("<html>", "text/html"))]
#[case::cut_short(ResponseTemplate::new(200).set_body_raw("{", "application/json"))]
#[tokio::test]
async fn a_check_that_fails_has_sent_nothing(#[case] answer: ResponseTemplate) {
    let server = MockServer::start().await;
    login(&server, "gettone").await;
    says(&server, "1", answer).await;
    let error = adapter(&server).send(&shipment(&case("lavori"), 1, None)).await.unwrap_err();
    assert_eq!(error.phase, Phase::BeforeSending);
}

#[rstest]
#[case::wrong_user(json_answer(404, json!({"esito": false, "error": "not-found"})), ErrorKind::Authentication)]
#[case::wrong_client(json_answer(400, json!({"esito": false, "error": "empty-clientId-clientKey"})), ErrorKind::Authentication)]
#[case::a_no_with_200(json_answer(200, json!({"esito": false, "error": "x"})), ErrorKind::Authentication)]
#[case::unexpected(json_answer(500, json!({"esito": false, "error": "unexpected-error"})), ErrorKind::Unavailable)]
#[case::no_token(json_answer(200, json!({"esito": true})), ErrorKind::NotUnderstood)]
#[case::page(ResponseTemplate::new(200).set_body_raw("<html>", "text/html"), ErrorKind::NotUnderstood)]
#[tokio::test]
async fn a_login_that_fails_has_sent_nothing(#[case] answer: ResponseTemplate, #[case] kind: ErrorKind) {
    let server = MockServer::start().await;
    Mock::given(path("/Account/LoginPubblica")).respond_with(answer).mount(&server).await;
    let error = adapter(&server).send(&shipment(&case("lavori"), 1, None)).await.unwrap_err();
    assert_eq!((error.kind, error.phase), (kind, Phase::BeforeSending), "{error}");
    assert!(!shown(&error).contains("p&ss"));
}

#[tokio::test]
async fn an_expired_token_is_renewed_once_and_the_request_sent_again() {
    let server = MockServer::start().await;
    login(&server, "vecchio").await;
    let adapter = adapter(&server);
    let expired = json_answer(401, json!({"error": "Il token non è valido."}));
    Mock::given(query_param("token", "vecchio")).respond_with(expired).mount(&server).await;
    let sent = shipment(&case("lavori"), 1, None);
    // The first token is no longer good when it is first used: nothing more is tried.
    assert_eq!(adapter.send(&sent).await.unwrap_err().kind, ErrorKind::Authentication);
    login(&server, "gettone").await;
    says(&server, "1", json_answer(200, json!({}))).await;
    says(&server, "2", json_answer(200, json!({"id": 1}))).await;
    assert!(matches!(adapter.send(&sent).await, Ok(Outcome::Acknowledged(_))));
}

#[tokio::test]
async fn a_first_publication_whose_answer_was_lost_is_for_a_person() {
    let server = MockServer::start().await;
    let error = adapter(&server).look_up(&shipment(&case("lavori"), 1, None)).await.unwrap_err();
    assert_eq!((error.phase, error.advice), (Phase::Unknown, Advice::AskPerson));
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[rstest]
#[case::the_same(|_: &mut Value| {}, true)]
#[case::what_the_service_adds_makes_no_difference(|held: &mut Value| held["ultimaModificaSCP"] = json!("2026-01-01T10:00:00Z"), true)]
#[case::midnight_in_local_time_is_the_same_day(|held: &mut Value| held["dataApprovazione"] = json!("2025-03-20T01:00:00.000+0100"), true)]
#[case::zeros_that_nobody_wrote(|held: &mut Value| held["interventi"][0]["risorseAltro3"] = json!(0.0), true)]
#[case::another_amount(|held: &mut Value| held["interventi"][0]["risorseAltro3"] = json!(1), false)]
#[case::another_person(|held: &mut Value| held["referente"]["cognome"] = json!("BIANCHI"), false)]
#[case::an_item_more(|held: &mut Value| held["interventi"][1]["cui"] = json!("L80004650133202500009"), false)]
#[tokio::test]
async fn a_publication_is_read_back_and_compared(#[case] change: fn(&mut Value), #[case] is_same: bool) {
    let server = MockServer::start().await;
    login(&server, "gettone").await;
    let mut held = case("lavori")["corpo"].take();
    change(&mut held);
    Mock::given(method("GET"))
        .and(path(DETTAGLIO))
        .and(query_param("idRicevuto", "77"))
        .respond_with(json_answer(200, json!({"programma": held, "error": null})))
        .mount(&server)
        .await;
    let found = adapter(&server).look_up(&shipment(&case("lavori"), 2, Some("77"))).await.unwrap();
    match found {
        Held::Same(receipt) => assert!(is_same && receipt.remote_id.as_deref() == Some("77")),
        other => assert_eq!((other, is_same), (Held::Other, false)),
    }
}

#[rstest]
#[case::not_there(json_answer(404, json!({"error": "not-found"})), None)]
#[case::wrong_address(ResponseTemplate::new(404), Some(ErrorKind::NotUnderstood))]
#[case::somebody_elses(json_answer(401, json!({"error": "Non si possiedono le credenziali per questo programma"})), Some(ErrorKind::Permission))]
#[case::unreadable(json_answer(200, json!({"programma": {"anno": "duemila"}})), Some(ErrorKind::NotUnderstood))]
#[case::nothing(json_answer(200, json!({})), Some(ErrorKind::NotUnderstood))]
#[case::page(ResponseTemplate::new(200).set_body_raw("<html>", "text/html"), Some(ErrorKind::NotUnderstood))]
#[tokio::test]
async fn a_look_up_never_guesses(#[case] answer: ResponseTemplate, #[case] kind: Option<ErrorKind>) {
    let server = MockServer::start().await;
    login(&server, "gettone").await;
    Mock::given(path(DETTAGLIO)).respond_with(answer).mount(&server).await;
    let found = adapter(&server).look_up(&shipment(&case("lavori"), 2, Some("77"))).await;
    match kind {
        Some(kind) => assert_eq!(found.unwrap_err().kind, kind),
        None => assert_eq!(found.unwrap(), Held::Nothing),
    }
}

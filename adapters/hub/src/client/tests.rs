//! The table from answer to outcome or error, row by row.

use contract::{Advice, ErrorKind, Held, Observer, Phase, Target};
use kit::http::HttpSettings;
use rstest::rstest;
use serde_json::{Value, json};
use wiremock::matchers::header;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::testing::{risorsa, shipment};

async fn answering(answer: ResponseTemplate) -> (MockServer, Client) {
    let server = MockServer::start().await;
    Mock::given(header("authorization", "Bearer chiave")).respond_with(answer).mount(&server).await;
    let http = HttpClient::new(crate::SYSTEM, &HttpSettings::new(format!("{}/v0", server.uri()))).unwrap();
    (server, Client::new(http, Secret::new("chiave"), 2))
}

fn taken(revisione: u64, stato: &str) -> ResponseTemplate {
    ResponseTemplate::new(201).set_body_json(json!({ "id": "P-1", "stato": stato, "revisione": revisione }))
}

fn problem(status: u16, codice: &str) -> ResponseTemplate {
    let body = json!({ "title": "t", "status": status, "codice": codice, "messaggio": "per RSSMRA85T10A562S no" });
    ResponseTemplate::new(status).set_body_raw(body.to_string(), "application/problem+json")
}

#[tokio::test]
async fn a_publication_that_was_taken_is_acknowledged_with_its_receipt() {
    let (server, client) = answering(taken(3, "pubblicata")).await;
    let sent = shipment(&risorsa("a/b", "Modulo"), 3);
    let Outcome::Acknowledged(receipt) = client.publish(&sent).await.unwrap() else { panic!("refused") };
    assert_eq!((receipt.remote_id.as_deref(), receipt.status), (Some("P-1"), 201));
    let request = &server.received_requests().await.unwrap()[0];
    assert_eq!((request.method.as_str(), request.url.path()), ("PUT", "/v0/pubblicazioni/risorse/pico/a%252Fb"));
    assert_eq!(request.headers["idempotency-key"], sent.idempotency_key.as_str());
    assert_eq!(request.body, sent.body);
}

#[rstest]
#[case(400)]
#[case(409)]
#[case(413)]
#[case(422)]
#[tokio::test]
async fn a_no_with_a_problem_is_a_refusal_without_persons(#[case] status: u16) {
    let (_server, client) = answering(problem(status, "dato_personale")).await;
    let outcome = client.publish(&shipment(&risorsa("1", "x"), 1)).await.unwrap();
    let message = format!("per {OMITTED} no");
    assert_eq!(outcome, Outcome::Refused { code: "dato_personale".to_owned(), message });
}

#[rstest]
#[case::another_revision(taken(2, "pubblicata"), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::another_state(taken(1, "in_attesa"), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::page(ResponseTemplate::new(200).set_body_raw("<!DOCTYPE html>", "text/html"), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::empty(ResponseTemplate::new(200).set_body_raw("", "application/json"), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::cut_short(ResponseTemplate::new(201).set_body_raw("{\"id\":", "application/json"), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::no_without_words(ResponseTemplate::new(422).set_body_raw("no", "text/plain"), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::accepted(ResponseTemplate::new(202), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::not_here(ResponseTemplate::new(404), ErrorKind::NotUnderstood, Phase::Refused)]
#[case::rejected(ResponseTemplate::new(401), ErrorKind::Authentication, Phase::Refused)]
#[case::forbidden(ResponseTemplate::new(403), ErrorKind::Permission, Phase::Refused)]
#[case::too_many(ResponseTemplate::new(429).insert_header("retry-after", "7"), ErrorKind::RateLimited, Phase::Refused)]
#[case::failing(ResponseTemplate::new(500), ErrorKind::Unavailable, Phase::Unknown)]
#[case::down(ResponseTemplate::new(503), ErrorKind::Unavailable, Phase::Unknown)]
#[tokio::test]
async fn any_other_answer_is_an_error_with_its_phase(
    #[case] answer: ResponseTemplate,
    #[case] kind: ErrorKind,
    #[case] phase: Phase,
) {
    let (_server, client) = answering(answer).await;
    let error = client.publish(&shipment(&risorsa("1", "x"), 1)).await.unwrap_err();
    assert_eq!((error.kind, error.phase), (kind, phase), "{error:?}");
    if kind == ErrorKind::RateLimited {
        assert_eq!(error.advice, Advice::Retry { after: Some(std::time::Duration::from_secs(7)) });
    }
}

fn held(chiave: &str, revisione: u64, titolo: &str) -> Value {
    json!({
        "chiave": chiave, "id": "P-1", "stato": "pubblicata", "revisione": revisione,
        "contenuto": { "origine": "pico", "id": "1", "tipo": "modulo", "titolo": titolo, "ritirata": false, "altro": 1 },
    })
}

async fn adapter(answer: ResponseTemplate) -> (MockServer, Box<dyn contract::Adapter>) {
    let (server, _) = answering(answer).await;
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "chiave").unwrap();
    let mut permissions = std::fs::metadata(&key).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    std::fs::set_permissions(&key, permissions).unwrap();
    let settings = json!({ "base_url": format!("{}/v0", server.uri()), "key_file": key });
    (server, crate::testing::adapter(settings))
}

fn target(adapter: &dyn contract::Adapter) -> &dyn Target {
    adapter.target().unwrap()
}

fn observer(adapter: &dyn contract::Adapter) -> &dyn Observer {
    adapter.observer().unwrap()
}

#[rstest]
#[case::other_content(held("risorse/pico/1", 2, "y"))]
#[case::older(held("risorse/pico/1", 1, "x"))]
#[tokio::test]
async fn a_look_up_believes_only_the_same_content_in_the_same_revision(#[case] body: Value) {
    let (_server, adapter) = adapter(ResponseTemplate::new(200).set_body_json(body)).await;
    assert_eq!(target(&*adapter).look_up(&shipment(&risorsa("1", "x"), 2)).await.unwrap(), Held::Other);
}

#[tokio::test]
async fn a_look_up_finds_the_same_content_and_nothing_where_nothing_is() {
    let (_server, same) = adapter(ResponseTemplate::new(200).set_body_json(held("risorse/pico/1", 2, "x"))).await;
    let found = target(&*same).look_up(&shipment(&risorsa("1", "x"), 2)).await.unwrap();
    assert!(matches!(found, Held::Same(receipt) if receipt.remote_id.as_deref() == Some("P-1")));
    let (_server, nothing) = adapter(problem(404, "non_trovata")).await;
    assert_eq!(target(&*nothing).look_up(&shipment(&risorsa("1", "x"), 2)).await.unwrap(), Held::Nothing);
}

#[rstest]
#[case::another_publication(ResponseTemplate::new(200).set_body_json(held("risorse/pico/2", 2, "x")))]
#[case::a_page_not_found(ResponseTemplate::new(404).set_body_raw("<html>", "text/html"))]
#[case::another_reason(problem(404, "percorso_sconosciuto"))]
#[tokio::test]
async fn a_look_up_never_guesses(#[case] answer: ResponseTemplate) {
    let (_server, adapter) = adapter(answer).await;
    assert!(target(&*adapter).look_up(&shipment(&risorsa("1", "x"), 2)).await.is_err());
}

#[rstest]
#[case::out_of_order(json!({ "pubblicazioni": [held("risorse/b", 1, "x"), held("risorse/a", 1, "x")] }))]
#[case::repeated(json!({ "pubblicazioni": [held("risorse/a", 1, "x"), held("risorse/a", 1, "x")] }))]
#[case::before_the_start(json!({ "pubblicazioni": [held("progetti/a", 1, "x")] }))]
#[case::standing_still(json!({ "pubblicazioni": [], "successiva": "risorse/a" }))]
#[case::not_a_page(json!([]))]
#[tokio::test]
async fn an_inventory_that_would_hide_units_is_refused(#[case] page: Value) {
    let (_server, adapter) = adapter(ResponseTemplate::new(200).set_body_json(page)).await;
    assert!(observer(&*adapter).inventory(Some("qualificazioni/x")).await.is_err());
}

#[rstest]
#[case::another_list(json!({ "risorse": [], "cursore": "1", "altri": false }))]
#[case::no_list(json!({ "cursore": "1", "altri": false }))]
#[case::standing_still(json!({ "qualificazioni": [], "altri": true }))]
#[tokio::test]
async fn a_list_that_cannot_be_read_to_its_end_is_an_error(#[case] page: Value) {
    let (_server, adapter) = adapter(ResponseTemplate::new(200).set_body_json(page)).await;
    let (result, received) = crate::testing::read_all(&*adapter, None, None).await;
    assert_eq!((result.unwrap_err().kind, received.len()), (ErrorKind::NotUnderstood, 0));
}

#[tokio::test]
async fn the_questions_carry_body_day_and_page() {
    let page =
        |name: &str| ResponseTemplate::new(200).set_body_json(json!({ name: [], "cursore": "9", "altri": false }));
    let (server, client) = answering(page("qualificazioni")).await;
    let filter = [("codiceFiscale", "80005210028"), ("data", "2026-01-01")];
    client.list(Elenco::Qualificazioni, &filter, None).await.unwrap();
    client.list(Elenco::Risorse, &[], Some("4")).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    let asked: Vec<_> = requests.iter().map(|request| (request.url.path(), request.url.query().unwrap())).collect();
    assert_eq!(asked[0], ("/v0/qualificazioni", "codiceFiscale=80005210028&data=2026-01-01&limite=2"));
    assert_eq!(asked[1], ("/v0/risorse", "limite=2&dopo=4"));
}

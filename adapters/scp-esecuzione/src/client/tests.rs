//! The table from answer to outcome or error, row by row.

use contract::{Advice, ErrorKind, Held, Observer, Outcome, Phase, Target};
use kit::http::HttpSettings;
use rstest::rstest;
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::ScpEsecuzione;
use crate::testing::{CIG, avanzamento, evento, shipment};

const UNIT_PATH: &str = "/bozze/B000001279/1/3/1";

fn adapter(server: &MockServer) -> ScpEsecuzione {
    let http = HttpClient::new(crate::SYSTEM, &HttpSettings::new(server.uri())).unwrap();
    ScpEsecuzione::over(Client { http, key: Secret::new("chiave") }, 2)
}

async fn answering(answer: ResponseTemplate) -> (MockServer, ScpEsecuzione) {
    let server = MockServer::start().await;
    Mock::given(header("authorization", "Bearer chiave")).respond_with(answer).mount(&server).await;
    let adapter = adapter(&server);
    (server, adapter)
}

fn taken(versione: u64, esiti: &Value) -> Value {
    json!({"idBozza": "B00000001", "stato": "bozza", "versione": versione, "esiti": esiti})
}

fn no(code: &str) -> Value {
    json!({"esito": false, "errorData": code})
}

#[rstest]
#[case::new(201)]
#[case::again(200)]
#[tokio::test]
async fn a_draft_that_was_taken_is_submitted_with_its_receipt(#[case] status: u16) {
    let body = taken(3, &json!([{"codice": "A1", "tipo": "avviso", "messaggio": "manca la cauzione"}]));
    let (server, adapter) = answering(ResponseTemplate::new(status).set_body_json(&body)).await;
    let sent = shipment(&avanzamento(CIG, 1, "10.00"), 3);
    let Outcome::Submitted { receipt, state } = adapter.send(&sent).await.unwrap() else { panic!("refused") };
    assert_eq!(state, "bozza");
    assert_eq!((receipt.remote_id.as_deref(), receipt.status), (Some("B00000001"), status));
    assert_eq!(receipt.answer_digest, Digest::of(body.to_string().as_bytes()).to_string());
    let request = &server.received_requests().await.unwrap()[0];
    assert_eq!((request.method.as_str(), request.url.path()), ("PUT", UNIT_PATH));
    assert_eq!(request.headers["idempotency-key"], sent.idempotency_key.as_str());
    assert_eq!(request.body, sent.body);
}

#[rstest]
#[case::not_found(500, "NOT_FOUND")]
#[case::sequence(500, "SEQUENZA")]
#[case::mismatch(500, "IDEMPOTENCY_MISMATCH")]
#[case::validation(400, "BOZZA_NON_VALIDA")]
#[case::any_reason_of_a_422(422, "ALTRO_MOTIVO")]
#[tokio::test]
async fn a_permanent_reason_is_a_refusal(#[case] status: u16, #[case] code: &str) {
    let (_server, adapter) = answering(ResponseTemplate::new(status).set_body_json(no(code))).await;
    let outcome = adapter.send(&shipment(&avanzamento(CIG, 1, "10.00"), 1)).await.unwrap();
    assert_eq!(outcome, Outcome::Refused { code: code.to_owned(), message: String::new() });
}

#[tokio::test]
async fn the_words_of_a_refusal_come_without_persons() {
    let mut body = no("BOZZA_NON_VALIDA");
    body["esiti"] = json!([{"codice": "CF", "tipo": "errore", "messaggio": "RSSMRA85T10A562S: non ammesso"}]);
    let (_server, adapter) = answering(ResponseTemplate::new(500).set_body_json(body)).await;
    let Outcome::Refused { message, .. } = adapter.send(&shipment(&avanzamento(CIG, 1, "1.00"), 1)).await.unwrap()
    else {
        panic!("not refused")
    };
    assert_eq!(message, "CF: […]: non ammesso");
}

/// A draft that names a person, and her shipment.
fn of_a_person() -> Shipment {
    let persona = json!({"cognome": "D'Angelo", "nome": "Anna-Maria"});
    shipment(&evento(CIG, 1, &json!({"evento": "elenco_incarichi", "incarichi": [{"persona": persona}]})), 3)
}

#[tokio::test]
async fn nobody_named_in_the_draft_stands_in_what_is_told_of_it() {
    let text = "incarico di ANNA MARIA D'ANGELO non ammesso";
    let esiti = json!([{"codice": "D_ANGELO", "tipo": "errore", "messaggio": text}]);
    let mut refusal = no(text);
    refusal["esiti"] = esiti.clone();
    let rejected = || standing_as("scartata", 3, &esiti);
    for answer in [ResponseTemplate::new(422).set_body_json(&refusal), rejected()] {
        let (_server, adapter) = answering(answer).await;
        let Outcome::Refused { code, message } = adapter.send(&of_a_person()).await.unwrap() else { panic!("taken") };
        assert!(["reason_without_code", "scartata"].contains(&code.as_str()), "{code}");
        assert!(
            message.contains("incarico di […] non ammesso") && !message.to_uppercase().contains("ANGELO"),
            "{message}"
        );
    }
    let taken = Receipt {
        remote_id: Some("B00000001".to_owned()),
        status: 201,
        answer_digest: String::new(),
        warnings: Vec::new(),
    };
    let (_server, adapter) = answering(rejected()).await;
    let followed = adapter.follow(&of_a_person(), &taken).await.unwrap();
    assert!(!format!("{followed:?}").to_uppercase().contains("ANGELO"), "{followed:?}");
    let (_server, adapter) = answering(ResponseTemplate::new(500).set_body_json(no(text))).await;
    let error = adapter.send(&of_a_person()).await.unwrap_err();
    assert!(!format!("{error:?} {error}").to_uppercase().contains("ANGELO"), "{error:?}");
}

#[rstest]
#[case::long("a".repeat(2000), "a".repeat(500))]
#[case::a_code_across_the_cut(format!("{} RSSMRA85T10A562S", "a".repeat(490)), format!("{} […]", "a".repeat(490)))]
#[case::a_code_with_blanks("CF RSS MRA 85T10 A562S no".to_owned(), "CF […] no".to_owned())]
fn a_text_of_the_platform_is_made_bearable(#[case] text: String, #[case] expected: String) {
    assert_eq!(Names::default().bearable(&text), expected);
}

#[rstest]
#[case::unknown_reason(ResponseTemplate::new(500).set_body_json(no("ERRORE_INTERNO")), ErrorKind::Unavailable, Phase::Unknown)]
#[case::page_with_500(ResponseTemplate::new(500).set_body_raw("<html>guasto", "text/html"), ErrorKind::Unavailable, Phase::Unknown)]
#[case::bad_gateway(ResponseTemplate::new(502), ErrorKind::Unavailable, Phase::Unknown)]
#[case::page_with_200(ResponseTemplate::new(200).set_body_raw("<!doctype html>", "text/html"), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::empty(ResponseTemplate::new(200).set_body_raw("", "application/json"), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::truncated(ResponseTemplate::new(200).set_body_raw(r#"{"idBozza":"B0"#, "application/json"), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::error_in_200(ResponseTemplate::new(200).set_body_json(no("SEQUENZA")), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::errors_inside(ResponseTemplate::new(201).set_body_json(taken(1, &json!([{"codice": "E1", "tipo": "errore", "messaggio": ""}]))), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::older_version(ResponseTemplate::new(200).set_body_json(taken(0, &json!([]))), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::taken_in_charge(ResponseTemplate::new(202), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::validation_without_reason(ResponseTemplate::new(400).set_body_json(json!({})), ErrorKind::NotUnderstood, Phase::Unknown)]
#[case::wrong_key(ResponseTemplate::new(401).set_body_json(no("NON_AUTORIZZATO")), ErrorKind::Authentication, Phase::Refused)]
#[case::no_rights(ResponseTemplate::new(403), ErrorKind::Permission, Phase::Refused)]
#[case::wrong_address(ResponseTemplate::new(404), ErrorKind::NotUnderstood, Phase::Refused)]
#[case::too_large(ResponseTemplate::new(413), ErrorKind::NotUnderstood, Phase::Refused)]
#[case::too_many(ResponseTemplate::new(429), ErrorKind::RateLimited, Phase::Refused)]
#[tokio::test]
async fn anything_else_is_an_error(#[case] answer: ResponseTemplate, #[case] kind: ErrorKind, #[case] phase: Phase) {
    let (_server, adapter) = answering(answer).await;
    let error = adapter.send(&shipment(&avanzamento(CIG, 1, "10.00"), 1)).await.unwrap_err();
    assert_eq!((error.kind, error.phase), (kind, phase), "{error}");
}

#[tokio::test]
async fn a_pause_that_is_asked_for_is_told() {
    let answer = ResponseTemplate::new(429).insert_header("retry-after", "7");
    let (_server, adapter) = answering(answer).await;
    let error = adapter.send(&shipment(&avanzamento(CIG, 1, "10.00"), 1)).await.unwrap_err();
    assert_eq!(error.advice, Advice::Retry { after: Some(std::time::Duration::from_secs(7)) });
}

fn held(versione: u64, importo: &str) -> Value {
    json!({
        "chiave": "B000001279/1/3/1", "idBozza": "B00000001", "stato": "bozza", "versione": versione,
        "scheda": "SA1", "anacForm": {"avanzamento": {"impSal": importo}},
    })
}

#[rstest]
#[case::it_is_ours(ResponseTemplate::new(200).set_body_json(held(5, "10.00")), "submitted")]
#[case::it_is_another(ResponseTemplate::new(200).set_body_json(held(5, "99.00")), "newer_draft")]
#[case::it_is_another_of_our_version(ResponseTemplate::new(200).set_body_json(held(4, "99.00")), "newer_draft")]
#[case::it_is_older(ResponseTemplate::new(200).set_body_json(held(3, "99.00")), "in_doubt")]
#[case::it_is_older_with_our_content(ResponseTemplate::new(200).set_body_json(held(3, "10.00")), "in_doubt")]
#[case::it_went_away(ResponseTemplate::new(500).set_body_json(no("NOT_FOUND")), "in_doubt")]
#[case::it_cannot_be_seen(ResponseTemplate::new(403), "in_doubt")]
#[tokio::test]
async fn a_newer_draft_is_looked_at_before_deciding(
    #[values(409, 200)] told_with: u16,
    #[case] look: ResponseTemplate,
    #[case] expected: &str,
) {
    let told = if told_with == 409 { no("VERSIONE_SUPERATA") } else { taken(5, &json!([])) };
    let told = ResponseTemplate::new(told_with).set_body_json(told);
    let server = MockServer::start().await;
    Mock::given(method("PUT")).respond_with(told).mount(&server).await;
    Mock::given(method("GET")).and(path(UNIT_PATH)).respond_with(look).mount(&server).await;
    let seen = match adapter(&server).send(&shipment(&avanzamento(CIG, 1, "10.00"), 4)).await {
        Ok(Outcome::Submitted { .. }) => "submitted".to_owned(),
        Ok(Outcome::Acknowledged(_)) => "acknowledged".to_owned(),
        Ok(Outcome::Refused { code, .. }) => code,
        Err(error) if error.phase == Phase::Unknown => "in_doubt".to_owned(),
        Err(error) => panic!("not in doubt: {error}"),
    };
    assert_eq!(seen, expected);
}

#[rstest]
#[case::no_body(ResponseTemplate::new(409))]
#[case::a_page(ResponseTemplate::new(409).set_body_raw("<html>", "text/html"))]
#[case::another_reason(ResponseTemplate::new(409).set_body_json(no("IN_VERIFICA")))]
#[case::not_a_no(ResponseTemplate::new(409).set_body_json(json!({"esito": true, "errorData": "VERSIONE_SUPERATA"})))]
#[tokio::test]
async fn any_other_409_is_in_doubt_even_where_a_newer_draft_is_held(#[case] conflict: ResponseTemplate) {
    let server = MockServer::start().await;
    Mock::given(method("PUT")).respond_with(conflict).mount(&server).await;
    let newer = ResponseTemplate::new(200).set_body_json(held(5, "99.00"));
    Mock::given(method("GET")).respond_with(newer).mount(&server).await;
    let error = adapter(&server).send(&shipment(&avanzamento(CIG, 1, "10.00"), 4)).await.unwrap_err();
    assert_eq!((error.kind, error.phase), (ErrorKind::NotUnderstood, Phase::Unknown));
}

#[rstest]
#[case::nothing(ResponseTemplate::new(500).set_body_json(no("NOT_FOUND")), Held::Nothing)]
#[case::other(ResponseTemplate::new(200).set_body_json(held(1, "99.00")), Held::Other)]
#[case::older(ResponseTemplate::new(200).set_body_json(held(1, "10.00")), Held::Other)]
#[tokio::test]
async fn a_look_up_says_what_is_held(#[case] answer: ResponseTemplate, #[case] expected: Held) {
    let (_server, adapter) = answering(answer).await;
    assert_eq!(adapter.look_up(&shipment(&avanzamento(CIG, 1, "10.00"), 2)).await.unwrap(), expected);
}

#[rstest]
#[case::another_draft(200, json!({"chiave": "B000001279/1/3/2", "idBozza": "B", "stato": "bozza", "versione": 1, "scheda": "SA1", "anacForm": {}}))]
#[case::an_unknown_reason(500, no("ERRORE_INTERNO"))]
#[case::a_page_not_found(404, json!({}))]
#[tokio::test]
async fn a_look_up_never_guesses(#[case] status: u16, #[case] body: Value) {
    let (_server, adapter) = answering(ResponseTemplate::new(status).set_body_json(body)).await;
    assert!(adapter.look_up(&shipment(&avanzamento(CIG, 1, "10.00"), 2)).await.is_err());
}

#[rstest]
#[case::not_found(ResponseTemplate::new(500).set_body_json(no("NOT_FOUND")))]
#[case::out_of_order(ResponseTemplate::new(200).set_body_json(json!({"bozze": [held(1, "1.00"), held(1, "1.00")]})))]
#[case::not_a_page(ResponseTemplate::new(200).set_body_json(json!([])))]
#[tokio::test]
async fn an_inventory_that_was_not_read_is_an_error(#[case] answer: ResponseTemplate) {
    let (_server, adapter) = answering(answer).await;
    assert!(adapter.inventory(None).await.is_err());
}

fn standing_as(stato: &str, versione: u64, esiti: &Value) -> ResponseTemplate {
    let body = json!({"idBozza": "B00000001", "stato": stato, "versione": versione, "esiti": esiti});
    ResponseTemplate::new(200).set_body_json(body)
}

fn rejection() -> Value {
    json!([
        {"codice": "A1", "tipo": "avviso", "messaggio": "nota"},
        {"codice": "REG77", "tipo": "errore", "messaggio": "scadenza prima della stipula"},
    ])
}

#[rstest]
#[case::draft("bozza", "pending bozza")]
#[case::under_check("in_verifica", "pending in_verifica")]
#[case::confirmed("confermata", "pending confermata")]
#[case::sent("trasmessa", "pending trasmessa")]
#[case::accepted("accettata", "acknowledged")]
#[case::rejected("scartata", "refused REG77")]
#[tokio::test]
async fn a_draft_is_followed_until_it_ends(#[case] stato: &str, #[case] expected: &str) {
    let esiti = if stato == "scartata" { rejection() } else { json!([]) };
    let (server, adapter) = answering(standing_as(stato, 3, &esiti)).await;
    assert_eq!(followed(&adapter, 3).await.unwrap(), expected);
    assert_eq!(server.received_requests().await.unwrap()[0].url.path(), "/bozze/B00000001");
}

async fn followed(adapter: &ScpEsecuzione, versione: u64) -> Result<String, AdapterError> {
    let taken = Receipt {
        remote_id: Some("B00000001".to_owned()),
        status: 201,
        answer_digest: String::new(),
        warnings: Vec::new(),
    };
    let followed = adapter.follow(&shipment(&avanzamento(CIG, 1, "10.00"), versione), &taken).await?;
    Ok(match followed {
        contract::Followed::Pending(state) => format!("pending {state}"),
        contract::Followed::Ended(Outcome::Acknowledged(_)) => "acknowledged".to_owned(),
        contract::Followed::Ended(Outcome::Refused { code, .. }) => format!("refused {code}"),
        contract::Followed::Ended(other) => panic!("not an end: {other:?}"),
    })
}

#[rstest]
#[case::another_took_its_place(standing_as("bozza", 4, &json!([])), "refused newer_draft")]
#[case::it_is_gone(ResponseTemplate::new(500).set_body_json(no("NOT_FOUND")), "refused draft_gone")]
#[case::an_older_version(standing_as("accettata", 2, &json!([])), "error")]
#[case::an_unknown_state(standing_as("sospesa", 3, &json!([])), "error")]
#[case::a_page(ResponseTemplate::new(200).set_body_raw("<html>", "text/html"), "error")]
#[case::unknown_reason(ResponseTemplate::new(500).set_body_json(no("ERRORE_INTERNO")), "error")]
#[tokio::test]
async fn an_end_is_never_guessed(#[case] answer: ResponseTemplate, #[case] expected: &str) {
    let (_server, adapter) = answering(answer).await;
    assert_eq!(followed(&adapter, 3).await.unwrap_or_else(|_| "error".to_owned()), expected);
}

#[rstest]
#[case::already_accepted("accettata", "acknowledged")]
#[case::already_rejected("scartata", "REG77")]
#[case::unknown_state("sospesa", "in_doubt")]
#[tokio::test]
async fn a_draft_sent_again_may_have_ended_already(#[case] stato: &str, #[case] expected: &str) {
    let esiti = if stato == "scartata" { rejection() } else { json!([]) };
    let (_server, adapter) = answering(standing_as(stato, 3, &esiti)).await;
    let seen = match adapter.send(&shipment(&avanzamento(CIG, 1, "10.00"), 3)).await {
        Ok(Outcome::Acknowledged(_)) => "acknowledged".to_owned(),
        Ok(Outcome::Refused { code, .. }) => code,
        Err(error) if error.phase == Phase::Unknown => "in_doubt".to_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(seen, expected);
}

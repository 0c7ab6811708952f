//! The client against every kind of answer: what each of them means to the flow.

use std::time::Duration;

use contract::{Advice, ErrorKind, Held, Outcome, Phase};
use rstest::rstest;
use serde_json::json;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

struct Fixture {
    server: MockServer,
    adapter: Box<dyn Adapter>,
    shipment: Shipment,
    _folder: tempfile::TempDir,
}

async fn fixture() -> Fixture {
    let server = MockServer::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let adapter = adapter(json!({ "base_url": server.uri(), "key_file": key_file(&folder), "max_answer_bytes": 4096 }));
    let shipment = shipment(&*adapter, &unit(2024), 2, &lots(&["918052266A"], "Lavori"));
    Fixture { server, adapter, shipment, _folder: folder }
}

/// The outcome of a delivery, in one line.
async fn sent(fixture: &Fixture, answer: ResponseTemplate) -> String {
    Mock::given(method("PUT"))
        .and(path("/v0/pacchetti/00606750131/appalti/2024/2"))
        .and(header("authorization", "Bearer s3cret"))
        .and(header("idempotency-key", fixture.shipment.idempotency_key.as_str()))
        .respond_with(answer)
        .expect(1)
        .mount(&fixture.server)
        .await;
    match fixture.adapter.target().expect("a target").send(&fixture.shipment).await {
        Ok(Outcome::Acknowledged(receipt)) => {
            format!("taken {} as {}", receipt.status, receipt.remote_id.unwrap_or_default())
        }
        Ok(Outcome::Submitted { state, .. }) => format!("submitted {state}"),
        Ok(Outcome::Refused { code, message }) => format!("refused {code}: {message}"),
        Err(error) => {
            let advice = match error.advice {
                Advice::Retry { after: Some(after) } => format!("retry after {}", after.as_secs()),
                Advice::Retry { after: None } => "retry".to_owned(),
                Advice::FixConfiguration => "fix configuration".to_owned(),
                Advice::AskPerson => "ask a person".to_owned(),
            };
            let phase = match error.phase {
                Phase::BeforeSending => "before sending",
                Phase::Refused => "nothing done",
                Phase::Unknown => "in doubt",
            };
            format!("{}, {phase}, {advice}", error.kind.code())
        }
    }
}

fn json_answer(status: u16, body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body.to_string(), "application/json")
}

fn raw(status: u16, body: &str, content_type: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body, content_type)
}

fn taken() -> Value {
    json!({ "id": "x/2", "stato": "pubblicato", "versione": 2 })
}

fn problem(codice: &str) -> Value {
    json!({ "type": "about:blank", "title": "t", "status": 422, "codice": codice, "messaggio": "CF RSSMRA85T10A562S", "dettagli": [] })
}

#[rstest]
#[case::first(json_answer(201, &taken()), "taken 201 as x/2")]
#[case::again(json_answer(200, &taken()), "taken 200 as x/2")]
#[case::other_version(json_answer(200, &json!({ "id": "x", "stato": "pubblicato", "versione": 1 })), "not_understood, in doubt, retry")]
#[case::not_published(json_answer(200, &json!({ "id": "x", "stato": "in_coda", "versione": 2 })), "not_understood, in doubt, retry")]
#[case::error_in_200(json_answer(200, &json!({ "errore": true })), "not_understood, in doubt, retry")]
#[case::in_charge(json_answer(202, &taken()), "not_understood, in doubt, retry")]
#[case::no_content(ResponseTemplate::new(204), "not_understood, in doubt, retry")]
#[case::conflict(json_answer(409, &problem("versione_superata")), "refused versione_superata: CF [codice fiscale omesso]")]
#[case::content(raw(422, &problem("aggregati_errati").to_string(), "application/problem+json"), "refused aggregati_errati: CF [codice fiscale omesso]")]
#[case::person_in_the_code(json_answer(422, &problem("RSSMRA85T10 A562S")), "refused [codice fiscale omesso]: CF [codice fiscale omesso]")]
#[case::many_words(json_answer(422, &json!({ "type": "about:blank", "title": "t", "status": 422, "codice": "x", "messaggio": "è".repeat(900), "dettagli": [] })), &format!("refused x: {}", "è".repeat(500)))]
#[case::refused_without_words(json_answer(422, &json!({})), "not_understood, in doubt, retry")]
#[case::no_key(json_answer(401, &problem("non_autorizzato")), "authentication, nothing done, fix configuration")]
#[case::no_member(json_answer(403, &problem("adesione_assente")), "refused adesione_assente: CF [codice fiscale omesso]")]
#[case::no_right_page(raw(403, "<html>403", "text/html"), "permission, nothing done, fix configuration")]
#[case::no_right(json_answer(403, &problem("x")), "permission, nothing done, fix configuration")]
#[case::wrong_address(raw(404, "<html>404", "text/html"), "not_understood, nothing done, fix configuration")]
#[case::wrong_path(json_answer(404, &problem("non_trovato")), "not_understood, nothing done, fix configuration")]
#[case::wrong_method(ResponseTemplate::new(405), "not_understood, nothing done, fix configuration")]
#[case::redirect(ResponseTemplate::new(302).insert_header("location", "/login"), "not_understood, in doubt, fix configuration")]
#[case::too_many(ResponseTemplate::new(429).insert_header("retry-after", "120"), "rate_limited, nothing done, retry after 120")]
#[case::failed(json_answer(500, &problem("x")), "unavailable, in doubt, retry")]
#[case::gateway(raw(502, "<html>", "text/html"), "unavailable, in doubt, retry")]
#[case::busy(ResponseTemplate::new(503).insert_header("retry-after", "3"), "unavailable, nothing done, retry after 3")]
#[case::page_in_200(raw(200, "<html>Accedi</html>", "text/html"), "not_understood, in doubt, retry")]
#[case::page_called_json(raw(200, "<html>Accedi</html>", "application/json"), "not_understood, in doubt, retry")]
#[case::empty(raw(200, "", "application/json"), "not_understood, in doubt, retry")]
#[case::truncated(raw(200, r#"{"id":"x/2","stato"#, "application/json"), "not_understood, in doubt, retry")]
#[case::too_long(raw(200, &"x".repeat(5000), "application/json"), "not_understood, in doubt, retry")]
#[tokio::test]
async fn every_answer_to_a_delivery_has_one_meaning(#[case] answer: ResponseTemplate, #[case] meaning: &str) {
    assert_eq!(sent(&fixture().await, answer).await, meaning);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_in_doubt() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = MockServer::start().await;
    let adapter = adapter(json!({ "base_url": server.uri(), "key_file": key_file(&folder),
        "connect_seconds": 1, "read_seconds": 1, "total_seconds": 1 }));
    let shipment = shipment(&*adapter, &unit(2024), 2, &[]);
    let fixture = Fixture { server, adapter, shipment, _folder: folder };
    let late = json_answer(201, &taken()).set_delay(Duration::from_secs(10));
    assert_eq!(sent(&fixture, late).await, "timeout, in doubt, retry");
}

/// What a look-up says when the manifest is answered like this.
async fn held(fixture: &Fixture, answer: ResponseTemplate) -> Result<Held, ErrorKind> {
    let address = path("/v0/pacchetti/00606750131/appalti/2024");
    Mock::given(method("GET")).and(address).respond_with(answer).expect(1).mount(&fixture.server).await;
    fixture.adapter.target().expect("a target").look_up(&fixture.shipment).await.map_err(|error| error.kind)
}

fn published(shipment: &Shipment, change: impl FnOnce(&mut Value)) -> ResponseTemplate {
    let package: Value = serde_json::from_slice(&shipment.body).expect("a package");
    let mut manifesto = package["manifesto"].clone();
    change(&mut manifesto);
    json_answer(200, &json!({ "id": "x/2", "stato": "pubblicato", "manifesto": manifesto }))
}

#[tokio::test]
async fn a_look_up_knows_its_own_package_by_version_and_digest() {
    let fixture = fixture().await;
    let answer = published(&fixture.shipment, |_| ());
    let Ok(Held::Same(receipt)) = held(&fixture, answer).await else { panic!("not the same") };
    assert_eq!((receipt.remote_id.as_deref(), receipt.status), (Some("x/2"), 200));
}

#[rstest]
#[case::older(|manifesto: &mut Value| manifesto["versione"] = json!(1))]
#[case::newer(|manifesto: &mut Value| manifesto["versione"] = json!(3))]
#[case::stranger(|manifesto: &mut Value| manifesto["impronta"] = json!("0".repeat(64)))]
#[tokio::test]
async fn a_look_up_tells_another_package(#[case] change: fn(&mut Value)) {
    let fixture = fixture().await;
    let answer = published(&fixture.shipment, change);
    assert_eq!(held(&fixture, answer).await, Ok(Held::Other));
}

#[rstest]
#[case::absent(json_answer(404, &problem("non_trovato")), Ok(Held::Nothing))]
#[case::unknown_path(json_answer(404, &problem("percorso_sconosciuto")), Err(ErrorKind::NotUnderstood))]
#[case::page(raw(404, "<html>", "text/html"), Err(ErrorKind::NotUnderstood))]
#[case::failed(ResponseTemplate::new(500), Err(ErrorKind::Unavailable))]
#[case::empty(raw(200, "", "application/json"), Err(ErrorKind::NotUnderstood))]
#[tokio::test]
async fn only_an_explicit_absence_is_nothing(
    #[case] answer: ResponseTemplate,
    #[case] expected: Result<Held, ErrorKind>,
) {
    assert_eq!(held(&fixture().await, answer).await, expected);
}

#[tokio::test]
async fn a_look_up_at_a_wrong_address_is_a_matter_of_configuration() {
    let fixture = fixture().await;
    Mock::given(method("GET")).respond_with(raw(404, "<html>", "text/html")).mount(&fixture.server).await;
    let error = fixture.adapter.target().expect("a target").look_up(&fixture.shipment).await.expect_err("no answer");
    assert_eq!((error.phase, error.advice), (Phase::Refused, Advice::FixConfiguration));
}

#[tokio::test]
async fn a_package_that_goes_away_during_an_inventory_is_read_again() {
    let fixture = fixture().await;
    let list = json!({ "elementi": [element(ENTE, "2024", ROW, 1)], "successivo": null });
    let list = json_answer(200, &list);
    Mock::given(method("GET")).and(path("/v0/pacchetti")).respond_with(list).mount(&fixture.server).await;
    Mock::given(method("GET")).respond_with(json_answer(404, &problem("non_trovato"))).mount(&fixture.server).await;
    let error = fixture.adapter.observer().expect("an observer").inventory(None).await.expect_err("no rows");
    assert_eq!((error.kind, error.advice), (ErrorKind::NotUnderstood, Advice::Retry { after: None }));
}

#[tokio::test]
async fn the_manifest_of_another_package_is_not_understood() {
    let fixture = fixture().await;
    let answer = published(&fixture.shipment, |manifesto| manifesto["periodo"] = json!("2023"));
    assert_eq!(held(&fixture, answer).await, Err(ErrorKind::NotUnderstood));
}

const ROW: &str = "{\"codice_fiscale_ente\":\"00606750131\",\"cig\":\"918052266A\",\"stato\":\"pubblicato\"}\n";

fn element(ente: &str, periodo: &str, rows: &str, righe: u64) -> Value {
    json!({ "ente": ente, "dataset": "appalti", "periodo": periodo, "versione": 1, "righe": righe,
        "impronta": canonical::Digest::of(rows.as_bytes()).to_string() })
}

async fn inventory(list: Value, rows: &str, content_type: &str) -> Result<usize, ErrorKind> {
    let fixture = fixture().await;
    let (list, rows) = (json_answer(200, &list), raw(200, rows, content_type));
    Mock::given(method("GET")).and(path("/v0/pacchetti")).respond_with(list).mount(&fixture.server).await;
    Mock::given(method("GET")).respond_with(rows).mount(&fixture.server).await;
    let page = fixture.adapter.observer().expect("an observer").inventory(None).await;
    page.map(|page| page.units.iter().map(|unit| unit.rows.len()).sum()).map_err(|error| error.kind)
}

#[tokio::test]
async fn a_package_that_we_would_never_send_is_given_by_its_key_as_in_the_inventory() {
    let fixture = fixture().await;
    let odd = element(ENTE, "24", ROW, 1);
    let mut manifesto = odd.clone();
    manifesto["generato_da"] = json!("altri");
    manifesto["schema"] = json!("appalti");
    manifesto["aggregati"] = json!({});
    let list = json_answer(200, &json!({ "elementi": [odd], "successivo": null }));
    let held = json_answer(200, &json!({ "id": "x/1", "stato": "pubblicato", "manifesto": manifesto }));
    let rows = raw(200, ROW, "application/x-ndjson");
    let package = "/v0/pacchetti/00606750131/appalti/24";
    Mock::given(method("GET")).and(path("/v0/pacchetti")).respond_with(list).mount(&fixture.server).await;
    Mock::given(method("GET")).and(path(package)).respond_with(held).mount(&fixture.server).await;
    Mock::given(method("GET")).and(path(format!("{package}/righe"))).respond_with(rows).mount(&fixture.server).await;
    let observer = fixture.adapter.observer().expect("an observer");
    let digests = observer.digests().expect("digests");
    let listed = digests.list(&contract::KeyRange::default()).await.expect("a page");
    let keys: Vec<_> = listed.units.into_iter().map(|unit| unit.key).collect();
    assert_eq!(keys, [contract::UnitKey("00606750131/appalti/24".to_owned())]);
    let given = digests.observe(&keys).await.expect("given");
    assert_eq!(given, observer.inventory(None).await.expect("a page").units);
    assert_eq!(given.len(), 1);
}

#[tokio::test]
async fn an_inventory_is_believed_only_when_it_is_complete() {
    let ndjson = "application/x-ndjson";
    let page = |elementi: Value, successivo: Value| json!({ "elementi": elementi, "successivo": successivo });
    let good = page(json!([element(ENTE, "2024", ROW, 1)]), Value::Null);
    assert_eq!(inventory(good.clone(), ROW, ndjson).await, Ok(1));
    let empty = page(json!([element(ENTE, "2024", "", 0)]), Value::Null);
    assert_eq!(inventory(empty, "", ndjson).await, Ok(0));
    let half = &ROW[..20];
    let two = ROW.repeat(2);
    let stranger = ROW.replace(ENTE, "01894100302");
    for (why, list, rows, content_type) in [
        ("truncated rows", good.clone(), half, ndjson),
        ("another type", good.clone(), ROW, "application/json"),
        ("wrong count", page(json!([element(ENTE, "2024", ROW, 2)]), Value::Null), ROW, ndjson),
        ("repeated CIG", page(json!([element(ENTE, "2024", &two, 2)]), Value::Null), &two, ndjson),
        ("another body", page(json!([element(ENTE, "2024", &stranger, 1)]), Value::Null), &stranger, ndjson),
        ("not rows", page(json!([element(ENTE, "2024", "{}\n", 1)]), Value::Null), "{}\n", ndjson),
        (
            "order",
            page(json!([element(ENTE, "2024", ROW, 1), element(ENTE, "2023", ROW, 1)]), Value::Null),
            ROW,
            ndjson,
        ),
        ("wrong next", page(json!([element(ENTE, "2024", ROW, 1)]), json!("00606750131/appalti/2023")), ROW, ndjson),
        ("next of nothing", page(json!([]), json!("00606750131/appalti/2024")), ROW, ndjson),
        ("no list", json!([]), ROW, ndjson),
    ] {
        assert_eq!(inventory(list, rows, content_type).await, Err(ErrorKind::NotUnderstood), "{why}");
    }
}

#[rstest]
#[case::shown(json!({ "id": "risorse/hub/7", "stato": "pubblicata", "versione": 1 }), true)]
#[case::withdrawn(json!({ "id": "risorse/hub/7", "stato": "ritirata", "versione": 1 }), true)]
#[case::other_state(json!({ "id": "risorse/hub/7", "stato": "in_bozza", "versione": 1 }), false)]
#[case::other_version(json!({ "id": "risorse/hub/7", "stato": "pubblicata", "versione": 2 }), false)]
#[tokio::test]
async fn a_resource_is_taken_in_a_state_of_the_contract_alone(#[case] body: Value, #[case] is_taken: bool) {
    let fixture = fixture().await;
    let address = path("/v0/vetrina/hub/7/1");
    Mock::given(method("PUT"))
        .and(address)
        .respond_with(json_answer(201, &body))
        .expect(1)
        .mount(&fixture.server)
        .await;
    let shipment = shipment(&*fixture.adapter, &UnitKey("risorse/hub/7".to_owned()), 1, &[]);
    match fixture.adapter.target().expect("a target").send(&shipment).await {
        Ok(outcome) => assert!(is_taken && matches!(outcome, Outcome::Acknowledged(_))),
        Err(error) => assert_eq!((error.kind, is_taken), (ErrorKind::NotUnderstood, false)),
    }
}

#[tokio::test]
async fn a_sheet_is_believed_only_when_it_is_what_it_says() {
    let content = r#"{"origine":"hub","id":"7","stato":"ritirata"}"#;
    let sheet = |chiave: &str, of: &str, content: &str| {
        let impronta = canonical::Digest::of(of.as_bytes());
        format!(
            r#"{{"chiave":"{chiave}","stato":"ritirata","versione":1,"impronta":"{impronta}","contenuto":{content}}}"#
        )
    };
    let list = |sheets: &[String]| format!(r#"{{"elementi":[{}],"successivo":null}}"#, sheets.join(","));
    let good = sheet("risorse/hub/7", content, content);
    for (why, list, expected) in [
        ("good", list(std::slice::from_ref(&good)), Ok(1)),
        ("another digest", list(&[sheet("risorse/hub/7", "x", content)]), Err(ErrorKind::NotUnderstood)),
        ("another key", list(&[sheet("risorse/hub/8", content, content)]), Err(ErrorKind::NotUnderstood)),
        ("another list", list(&[sheet("segnalazioni/7", content, content)]), Err(ErrorKind::NotUnderstood)),
        ("not a row", list(&[sheet("risorse/hub/7", "{}", "{}")]), Err(ErrorKind::NotUnderstood)),
        ("twice", list(&[good.clone(), good.clone()]), Err(ErrorKind::NotUnderstood)),
        ("cut short", list(&[good])[..60].to_owned(), Err(ErrorKind::NotUnderstood)),
    ] {
        let fixture = fixture().await;
        let answer = raw(200, &list, "application/json");
        Mock::given(method("GET")).and(path("/v0/vetrina")).respond_with(answer).mount(&fixture.server).await;
        let page = fixture.adapter.observer().expect("an observer").inventory(Some("risorse/")).await;
        assert_eq!(page.map(|page| page.units.len()).map_err(|error| error.kind), expected, "{why}");
    }
}

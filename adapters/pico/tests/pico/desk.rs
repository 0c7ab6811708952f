//! The help desk: a report is opened once, followed until it ends, and refused in its own words.

use contract::{ErrorKind, Followed, Held, Outcome, Receipt};
use rstest::rstest;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

fn report(id: &str, descrizione: &str) -> (UnitKey, Vec<Record>) {
    let body = json!({ "kind": "segnalazione", "body": { "id": id, "ente": ENTE, "tipo_record": "lotto",
        "chiave_record": "918052266A", "regola": "R02", "campo": "importo", "descrizione": descrizione,
        "aperta_il": "2026-03-01T09:30:00Z", "stato": "aperta" } });
    (UnitKey(format!("segnalazioni/{id}")), vec![record_of(body)])
}

fn report_shipment(adapter: &dyn Adapter, id: &str, revision: u64, descrizione: &str) -> Shipment {
    let (unit, members) = report(id, descrizione);
    shipment(adapter, &unit, revision, &members)
}

async fn send(adapter: &dyn Adapter, shipment: &Shipment) -> Outcome {
    adapter.target().expect("a target").send(shipment).await.expect("an outcome")
}

async fn opened(adapter: &dyn Adapter, shipment: &Shipment) -> (Receipt, String) {
    match send(adapter, shipment).await {
        Outcome::Submitted { receipt, state } => (receipt, state),
        other => panic!("{other:?}"),
    }
}

async fn follow(adapter: &dyn Adapter, shipment: &Shipment, receipt: &Receipt) -> Followed {
    adapter.target().expect("a target").follow(shipment, receipt).await.expect("an answer")
}

#[tokio::test]
async fn a_report_is_opened_once_and_followed_until_it_is_solved() {
    let folder = tempfile::tempdir().expect("a folder");
    let simulator = simulator(Some(folder.path().to_owned()), None);
    let adapter = adapter(simulator.settings.clone());
    let first = report_shipment(&*adapter, "R02-1", 1, "prima");
    assert_eq!(adapter.target().unwrap().look_up(&first).await.unwrap(), Held::Nothing);
    let (receipt, stato) = opened(&*adapter, &first).await;
    assert_eq!((receipt.status, stato.as_str()), (201, "aperta"));
    assert_eq!(opened(&*adapter, &first).await.0.status, 200);
    assert!(matches!(adapter.target().unwrap().look_up(&first).await.unwrap(), Held::Same(_)));
    assert_eq!(follow(&*adapter, &first, &receipt).await, Followed::Pending("in_lavorazione".to_owned()));
    // Written better, it stays where it stands.
    let second = report_shipment(&*adapter, "R02-1", 2, "seconda");
    assert_eq!(opened(&*adapter, &second).await.1, "in_lavorazione");
    assert_eq!(adapter.target().unwrap().look_up(&first).await.unwrap(), Held::Other);
    let Followed::Ended(Outcome::Acknowledged(end)) = follow(&*adapter, &second, &receipt).await else {
        panic!("open")
    };
    assert_eq!(end.remote_id.as_deref(), Some("segnalazioni/R02-1"));
    // Solved it stays, also when it is sent or asked about again, and after a restart.
    assert!(matches!(send(&*adapter, &second).await, Outcome::Acknowledged(_)));
    assert!(matches!(follow(&*adapter, &second, &receipt).await, Followed::Ended(Outcome::Acknowledged(_))));
    simulator.stop().await;
    let journal = std::fs::read_to_string(folder.path().join("effects.ndjson")).expect("a journal");
    assert_eq!(journal.lines().count(), 4, "two writings, two steps");
    let again = super::simulator(Some(folder.path().to_owned()), None);
    let after = super::adapter(again.settings.clone());
    assert!(matches!(send(&*after, &second).await, Outcome::Acknowledged(_)));
    again.stop().await;
}

#[tokio::test]
async fn a_report_that_the_desk_refuses_ends_in_its_words() {
    let rules = json!([{ "respinge": { "R02-2": "Nulla da correggere, vedi RSSMRA85T10A562S" } }]);
    let simulator = simulator(None, Some(rules));
    let adapter = adapter(simulator.settings.clone());
    let shipment = report_shipment(&*adapter, "R02-2", 1, "x");
    let (receipt, _) = opened(&*adapter, &shipment).await;
    assert!(matches!(follow(&*adapter, &shipment, &receipt).await, Followed::Pending(_)));
    let refused = Outcome::Refused {
        code: "respinta".to_owned(),
        message: "Nulla da correggere, vedi [codice fiscale omesso]".to_owned(),
    };
    assert_eq!(follow(&*adapter, &shipment, &receipt).await, Followed::Ended(refused.clone()));
    assert_eq!(send(&*adapter, &shipment).await, refused);
    simulator.stop().await;
}

#[tokio::test]
async fn an_opening_whose_answer_was_lost_is_found_by_our_identifier() {
    let faults = json!([{ "operation": "pubblica", "first": 1, "answer": "drop_after_effect" }]);
    let simulator = simulator(None, Some(faults));
    let adapter = adapter(simulator.settings.clone());
    let shipment = report_shipment(&*adapter, "R02/a b", 1, "x");
    let error = adapter.target().unwrap().send(&shipment).await.expect_err("no answer");
    assert_eq!(error.kind, ErrorKind::Broken);
    assert!(matches!(adapter.target().unwrap().look_up(&shipment).await.unwrap(), Held::Same(_)));
    assert_eq!(opened(&*adapter, &shipment).await.0.status, 200);
    simulator.stop().await;
}

#[tokio::test]
async fn what_belongs_to_a_body_that_is_not_a_member_is_refused_and_not_a_fault() {
    let simulator = simulator(None, Some(json!([{ "membri": ["01894100302"] }])));
    let adapter = adapter(simulator.settings.clone());
    for shipment in [shipment(&*adapter, &unit(2024), 1, &[]), report_shipment(&*adapter, "x", 1, "x")] {
        let Outcome::Refused { code, .. } = send(&*adapter, &shipment).await else { panic!("taken") };
        assert_eq!(code, "adesione_assente");
    }
    let member = shipment(&*adapter, &UnitKey("01894100302/appalti/2024".to_owned()), 1, &[]);
    assert!(matches!(send(&*adapter, &member).await, Outcome::Acknowledged(_)));
    simulator.stop().await;
}

#[tokio::test]
async fn only_reports_are_followed() {
    let adapter = offline();
    let shipment = shipment(&*adapter, &unit(2024), 1, &[]);
    let receipt = Receipt { remote_id: None, status: 201, answer_digest: String::new(), warnings: Vec::new() };
    assert_eq!(follow(&*adapter, &shipment, &receipt).await, Followed::Ended(Outcome::Acknowledged(receipt)));
}

#[test]
fn a_report_that_no_record_speaks_of_is_parked() {
    let composed = offline().target().unwrap().compose(&UnitKey("segnalazioni/x".to_owned()), 2, &[]);
    assert!(composed.expect_err("parked").contains("segnalazioni/x"));
}

fn esito(id: &str, stato: &str) -> Value {
    json!({ "id": id, "stato": stato, "versione": 1 })
}

fn answer(status: u16, body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(body)
}

#[rstest]
#[case::open(answer(200, &esito("segnalazioni/x", "aperta")), "pending aperta")]
#[case::at_work(answer(200, &esito("segnalazioni/x", "in_lavorazione")), "pending in_lavorazione")]
#[case::solved(answer(200, &esito("segnalazioni/x", "risolta")), "solved")]
#[case::refused(answer(200, &esito("segnalazioni/x", "respinta")), "refused respinta senza spiegazioni")]
#[case::other_state(answer(200, &esito("segnalazioni/x", "archiviata")), "not_understood")]
#[case::other_report(answer(200, &esito("segnalazioni/y", "risolta")), "not_understood")]
#[case::gone(answer(404, &json!({ "codice": "non_trovato", "messaggio": "m" })), "not_understood")]
#[case::page(ResponseTemplate::new(200).set_body_raw("<html>Accedi", "text/html"), "not_understood")]
#[case::cut_short(ResponseTemplate::new(200).set_body_raw("{\"id\":\"seg", "application/json"), "not_understood")]
#[case::no_key(answer(401, &json!({})), "authentication")]
#[case::no_right(answer(403, &json!({})), "permission")]
#[case::too_many(answer(429, &json!({})), "rate_limited")]
#[case::failed(answer(500, &json!({})), "unavailable")]
#[tokio::test]
async fn every_answer_about_a_report_has_one_meaning(#[case] answer: ResponseTemplate, #[case] meaning: &str) {
    let server = MockServer::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let adapter = adapter(json!({ "base_url": server.uri(), "key_file": key_file(&folder) }));
    let address = path("/v0/segnalazioni/x/esito");
    Mock::given(method("GET")).and(address).respond_with(answer).expect(1).mount(&server).await;
    let shipment = report_shipment(&*adapter, "x", 1, "x");
    let receipt = Receipt { remote_id: None, status: 201, answer_digest: String::new(), warnings: Vec::new() };
    let said = match adapter.target().unwrap().follow(&shipment, &receipt).await {
        Ok(Followed::Pending(state)) => format!("pending {state}"),
        Ok(Followed::Ended(Outcome::Acknowledged(_))) => "solved".to_owned(),
        Ok(Followed::Ended(Outcome::Refused { message, .. })) => format!("refused {message}"),
        Ok(Followed::Ended(Outcome::Submitted { .. })) => panic!("not an end"),
        Err(error) => error.kind.code().to_owned(),
    };
    assert_eq!(said, meaning);
}

//! The adapter against the simulator, and the simulator against the contract.

use std::path::Path as FilePath;

use contract::{Adapter, ErrorKind, Held, Outcome, Phase, RawRecord, Received, Row, UnitKey};
use rstest::rstest;

use super::*;
use crate::testing::{adapter, assert_follows, cases, document, read_all, record_from, records, risorsa, shipment};

struct Bench {
    running: RunningSimulator,
    adapter: Box<dyn Adapter>,
    http: reqwest::Client,
    state: Option<tempfile::TempDir>,
}

fn bench_with(faults: Option<Value>, state: Option<&FilePath>, settings: &Value) -> Bench {
    let own = state.is_none().then(|| tempfile::tempdir().unwrap());
    let folder = state.or(own.as_ref().map(tempfile::TempDir::path)).map(FilePath::to_owned);
    let options = SimulatorOptions { listen: ([127, 0, 0, 1], 0).into(), state: folder, faults };
    let running = start(&options).unwrap();
    let mut all = running.settings.clone();
    all["page_size"] = json!(2);
    for (name, value) in settings.as_object().into_iter().flatten() {
        all[name] = value.clone();
    }
    let adapter = adapter(all);
    Bench { running, adapter, http: reqwest::Client::builder().no_proxy().build().unwrap(), state: own }
}

fn bench() -> Bench {
    bench_with(None, None, &json!({}))
}

impl Bench {
    async fn inventory(&self) -> Vec<(String, Vec<Row>)> {
        let (mut units, mut from) = (Vec::new(), None);
        loop {
            let page = self.adapter.observer().unwrap().inventory(from.as_deref()).await.unwrap();
            units.extend(page.units.into_iter().map(|unit| (unit.key.0, unit.rows)));
            match page.next {
                Some(next) => from = Some(next),
                None => return units,
            }
        }
    }

    async fn publish(&self, record: &canonical::Record, revision: u64) -> Outcome {
        self.adapter.target().unwrap().send(&shipment(record, revision)).await.unwrap()
    }

    /// Status and body of one call.
    async fn call(&self, method: &str, path: &str, key: &str, body: &str) -> (u16, Value) {
        let file = self.running.settings["key_file"].as_str().unwrap();
        let bearer = std::fs::read_to_string(file).unwrap();
        let url = format!("{}{path}", self.running.settings["base_url"].as_str().unwrap());
        let request = self.http.request(method.parse().unwrap(), url).bearer_auth(bearer.trim());
        let request = if key.is_empty() { request } else { request.header("idempotency-key", key) };
        let answer = request.body(body.to_owned()).send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
    }
}

fn raw_records(received: &[Received]) -> Vec<&RawRecord> {
    received.iter().filter_map(|one| if let Received::Record(record) = one { Some(record) } else { None }).collect()
}

fn keys(adapter: &dyn Adapter, received: &[Received]) -> Vec<String> {
    let normalized = raw_records(received).into_iter().map(|raw| adapter.source().unwrap().normalize(raw));
    normalized.flat_map(|one| one.records).map(|record| record.body.key().to_string()).collect()
}

fn cursor(received: &[Received]) -> Option<&str> {
    match received.last() {
        Some(Received::Cursor(cursor)) => Some(cursor),
        _ => None,
    }
}

#[tokio::test]
async fn qualifications_and_resources_are_read_page_by_page_and_resumed() {
    let bench = bench();
    let (result, received) = read_all(&*bench.adapter, None, None).await;
    result.unwrap();
    let expected = [
        "80005210028/lavori/affidamento/2025-07-01",
        "80005210028/servizi_forniture/affidamento/2025-07-01",
        "80005210028/lavori/esecuzione/2025-07-01",
        "80026850034/lavori/affidamento/2025-07-01",
        "80026850034/servizi_forniture/affidamento/2023-07-01",
        "hub/lg-2026-01",
        "hub/corso-rup-3",
    ];
    assert_eq!(keys(&*bench.adapter, &received), expected);
    let begins = received.iter().filter(|one| matches!(one, Received::Begin(_))).count();
    assert_eq!((begins, cursor(&received)), (4, Some("7")));
    // From the cursor on there are no resources; qualifications are read again, with the same digests.
    let (result, again) = read_all(&*bench.adapter, None, cursor(&received)).await;
    result.unwrap();
    assert_eq!(keys(&*bench.adapter, &again), expected[..5]);
    assert_eq!(again[..8], received[..8]);
    assert_eq!(cursor(&again), Some("7"));
}

#[tokio::test]
async fn only_the_bodies_and_the_day_of_the_settings_are_asked() {
    let bench = bench_with(None, None, &json!({ "enti": ["80026850034"], "data": "2026-01-01" }));
    let (result, received) = read_all(&*bench.adapter, None, Some("7")).await;
    result.unwrap();
    assert_eq!(keys(&*bench.adapter, &received), ["80026850034/lavori/affidamento/2025-07-01"]);
    let raw = raw_records(&received)[0];
    assert_eq!(raw.document.remote_id, "hub/qualificazioni/80026850034/inizio");
    // 38.5 points are below the 40 of level L2.
    let normalized = bench.adapter.source().unwrap().normalize(raw);
    assert_eq!(normalized.findings[0].detail.as_deref(), Some("score_below_level"));
}

#[tokio::test]
async fn what_we_published_does_not_come_back_as_the_hubs_own() {
    let bench = bench();
    let (_, before) = read_all(&*bench.adapter, None, None).await;
    let qualificazione =
        json!({ "ente": "80005210028", "fase": "esecuzione", "livello": "SF1", "valida_dal": "2026-01-01" });
    assert!(matches!(bench.publish(&risorsa("m-1", "Modulo"), 1).await, Outcome::Acknowledged(_)));
    assert!(matches!(
        bench.publish(&record_from("qualificazione", &qualificazione), 1).await,
        Outcome::Acknowledged(_)
    ));
    let shown = bench.call("GET", "/risorse", "", "").await.1;
    assert_follows("PaginaRisorse", &shown);
    assert_eq!(shown["risorse"][2]["origine"], "pico");
    let (result, after) = read_all(&*bench.adapter, None, None).await;
    result.unwrap();
    assert_eq!(keys(&*bench.adapter, &after), keys(&*bench.adapter, &before));
    assert_eq!(cursor(&after), Some("8"));
}

#[tokio::test]
async fn a_publication_is_taken_once_however_often_it_is_sent() {
    let bench = bench();
    let record = risorsa("m-1", "Modulo");
    let (Outcome::Acknowledged(first), Outcome::Acknowledged(again)) =
        (bench.publish(&record, 1).await, bench.publish(&record, 1).await)
    else {
        panic!("refused")
    };
    assert_eq!((first.status, again.status, &again.remote_id), (201, 200, &first.remote_id));
    let journal = std::fs::read_to_string(bench.state.as_ref().unwrap().path().join("effects.ndjson")).unwrap();
    assert_eq!(journal.lines().count(), 1);
    // A newer revision replaces, an older one is refused.
    assert!(matches!(bench.publish(&risorsa("m-1", "Modulo nuovo"), 3).await, Outcome::Acknowledged(_)));
    let refused = bench.publish(&risorsa("m-1", "Modulo medio"), 2).await;
    assert!(matches!(refused, Outcome::Refused { code, .. } if code == "revisione_superata"));
}

#[tokio::test]
async fn every_case_on_file_is_held_as_it_was_sent_and_a_restart_remembers() {
    let folder = tempfile::tempdir().unwrap();
    let bench = bench_with(None, Some(folder.path()), &json!({}));
    let target = bench.adapter.target().unwrap();
    let mut expected = Vec::new();
    for (_, case) in cases("pubblicazioni") {
        let unit = UnitKey(case["unita"].as_str().unwrap().to_owned());
        let composed = target.compose(&unit, 1, &records(&case)).unwrap();
        let (idempotency_key, body) = (unit.0.clone(), composed.body);
        let shipment =
            contract::Shipment { unit: unit.clone(), revision: 1, idempotency_key, body, previous_receipt: None };
        assert!(matches!(target.send(&shipment).await.unwrap(), Outcome::Acknowledged(_)), "{unit}");
        assert!(matches!(target.look_up(&shipment).await.unwrap(), Held::Same(_)), "{unit}");
        let path = format!("/pubblicazioni/{}", unit.as_str().replace('%', "%25"));
        assert_follows("Pubblicazione", &bench.call("GET", &path, "", "").await.1);
        expected.push((unit.0, composed.rows));
    }
    expected.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(bench.inventory().await, expected);
    assert_follows("PaginaPubblicazioni", &bench.call("GET", "/pubblicazioni?limite=2", "", "").await.1);
    bench.running.stop().await;
    let bench = bench_with(None, Some(folder.path()), &json!({}));
    assert_eq!(bench.inventory().await, expected);
}

#[rstest]
#[case::dropped(json!("drop_after_effect"))]
#[case::page(json!("html"))]
#[case::truncated(json!("truncate"))]
#[case::gateway(json!(502))]
#[tokio::test]
async fn a_lost_answer_is_found_by_looking_and_not_by_sending_again(#[case] answer: Value) {
    let faults = json!([{ "operation": "pubblica", "first": 1, "answer": answer, "after_effect": true }]);
    let bench = bench_with(Some(faults), None, &json!({}));
    let target = bench.adapter.target().unwrap();
    let shipment = shipment(&risorsa("m-1", "Modulo"), 1);
    assert_eq!(target.look_up(&shipment).await.unwrap(), Held::Nothing);
    assert_eq!(target.send(&shipment).await.unwrap_err().phase, Phase::Unknown);
    assert!(matches!(target.look_up(&shipment).await.unwrap(), Held::Same(_)));
}

#[tokio::test]
async fn a_read_that_fails_gives_no_cursor() {
    let faults = json!([{ "operation": "risorse", "first": 1, "answer": 503, "retry_after": 3 }]);
    let bench = bench_with(Some(faults), None, &json!({}));
    let (result, received) = read_all(&*bench.adapter, None, None).await;
    assert_eq!((result.unwrap_err().kind, cursor(&received)), (ErrorKind::Unavailable, None));
    assert_eq!(raw_records(&received).len(), 5);
}

/// A first publication of this content.
fn content(contenuto: &Value) -> Value {
    json!({ "revisione": 1, "contenuto": contenuto })
}

const SERVIZI: &str = "/pubblicazioni/servizi/80005210028";
const RISORSA: &str = "/pubblicazioni/risorse/pico/1";

#[rstest]
#[case::no_key(SERVIZI, "", content(&json!({})), 400, "richiesta_non_valida")]
#[case::not_a_publication(SERVIZI, "k", json!([]), 400, "richiesta_non_valida")]
#[case::unknown_set("/pubblicazioni/altro/1", "k", content(&json!({})), 404, "non_trovata")]
#[case::another_key(SERVIZI, "k", content(&json!({ "codiceFiscale": "80026850034" })), 422, "contenuto_non_valido")]
#[case::unknown_field(SERVIZI, "k", content(&json!({ "codiceFiscale": "80005210028", "altro": 1 })), 422, "contenuto_non_valido")]
#[case::no_revision(SERVIZI, "k", json!({ "revisione": 0, "contenuto": { "codiceFiscale": "80005210028" } }), 422, "contenuto_non_valido")]
#[case::missing_field(RISORSA, "k", content(&json!({ "origine": "pico", "id": "1", "tipo": "modulo" })), 422, "contenuto_non_valido")]
#[case::wrong_type("/pubblicazioni/progetti/F91B21000010001", "k", content(&json!({ "cup": "F91B21000010001", "costo": 10.5 })), 422, "contenuto_non_valido")]
#[case::a_person(RISORSA, "k", content(&json!({ "origine": "pico", "id": "1", "tipo": "modulo", "titolo": "RSSMRA85T10A562S" })), 422, "dato_personale")]
#[case::its_own("/pubblicazioni/risorse/hub/1", "k", content(&json!({ "origine": "hub", "id": "1", "tipo": "modulo", "titolo": "x" })), 422, "origine_propria")]
#[tokio::test]
async fn every_no_has_its_status_and_its_code(
    #[case] path: &str,
    #[case] key: &str,
    #[case] body: Value,
    #[case] status: u16,
    #[case] codice: &str,
) {
    let bench = bench();
    let (received, answer) = bench.call("PUT", path, key, &body.to_string()).await;
    assert_eq!((received, answer["codice"].as_str()), (status, Some(codice)), "{answer}");
    assert_follows("Problema", &answer);
    assert!(bench.inventory().await.is_empty());
}

#[tokio::test]
async fn a_reused_key_and_the_same_revision_with_other_content_are_refused() {
    let bench = bench();
    let path = SERVIZI;
    let body = |servizi: Value| {
        json!({ "revisione": 1, "contenuto": { "codiceFiscale": "80005210028", "servizi": servizi } }).to_string()
    };
    let (empty, one) = (body(json!([])), body(json!([{ "fruitore": "83501790014", "tipo": "sua" }])));
    let (status, taken) = bench.call("PUT", path, "a", &empty).await;
    assert_eq!(status, 201);
    assert_follows("Ricevuta", &taken);
    assert_eq!(bench.call("PUT", path, "a", &one).await.1["codice"], "chiave_riusata");
    let (status, answer) = bench.call("PUT", path, "b", &one).await;
    assert_eq!((status, answer["codice"].as_str()), (409, Some("revisione_diversa")));
    assert_eq!(bench.call("PUT", path, "c", &empty).await.0, 200);
}

#[rstest]
#[case("/qualificazioni?limite=0")]
#[case("/qualificazioni?data=oggi")]
#[case("/risorse?dopo=x")]
#[case("/pubblicazioni?limite=201")]
#[tokio::test]
async fn wrong_parameters_are_refused(#[case] path: &str) {
    let (status, answer) = bench().call("GET", path, "", "").await;
    assert_eq!((status, answer["codice"].as_str()), (400, Some("richiesta_non_valida")));
}

#[tokio::test]
async fn a_wrong_key_is_refused() {
    let bench = bench();
    let url = format!("{}/risorse", bench.running.settings["base_url"].as_str().unwrap());
    let answer = bench.http.get(url).bearer_auth("altra").send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 401);
}

#[tokio::test]
async fn the_lists_follow_the_document_and_saved_pages_are_read_like_them() {
    let bench = bench();
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (name, schema) in [("qualificazioni", "PaginaQualificazioni"), ("risorse", "PaginaRisorse")] {
        let page = bench.call("GET", &format!("/{name}"), "", "").await.1;
        assert_follows(schema, &page);
        files.push(folder.path().join(format!("{name}.json")));
        std::fs::write(files.last().unwrap(), page.to_string()).unwrap();
    }
    files.push(folder.path().join("altro.json"));
    std::fs::write(files.last().unwrap(), "{}").unwrap();
    let files: Vec<&FilePath> = files.iter().map(std::path::PathBuf::as_path).collect();
    let (result, received) = read_all(&*bench.adapter, Some(&files), None).await;
    result.unwrap();
    assert_eq!(keys(&*bench.adapter, &received).len(), 7);
    let refusal = received.last().unwrap();
    assert!(matches!(refusal, Received::Refused { refusal, .. } if refusal.code == "not_a_page"), "{refusal:?}");
    assert_eq!(document()["paths"].as_object().unwrap().len(), 8);
}

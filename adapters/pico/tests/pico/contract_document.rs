//! What is sent and what the simulator answers follow the schemas of the contract document.

use reqwest::{Client, Method};
use serde_json::json;

use super::*;

fn document() -> Value {
    let text = include_str!("../../../../schemas/upstream/pico/v0/openapi.json");
    serde_json::from_str(text).expect("a document")
}

/// Checks a value against a component schema.
pub(crate) fn check(schema: &str, value: &Value) {
    let root = json!({ "$ref": format!("#/components/schemas/{schema}"), "components": document()["components"] });
    let validator = jsonschema::validator_for(&root).expect("a schema");
    let errors: Vec<String> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{schema}: {errors:#?}");
}

struct Caller {
    client: Client,
    base_url: String,
    key: String,
}

impl Caller {
    fn new(settings: &Value) -> Self {
        let key = std::fs::read_to_string(settings["key_file"].as_str().expect("a path")).expect("a key");
        let base_url = settings["base_url"].as_str().expect("an address").to_owned();
        Self { client: Client::builder().no_proxy().build().expect("a client"), base_url, key }
    }

    /// Status, content type and body of one answer.
    async fn call(&self, method: Method, path: &str, body: Option<(&str, &[u8])>) -> (u16, String, String) {
        let mut request = self.client.request(method, format!("{}{path}", self.base_url)).bearer_auth(&self.key);
        if let Some((key, body)) = body {
            request =
                request.header("idempotency-key", key).header("content-type", "application/json").body(body.to_vec());
        }
        let answer = request.send().await.expect("an answer");
        let content_type = answer.headers()["content-type"].to_str().expect("text").to_owned();
        (answer.status().as_u16(), content_type, answer.text().await.expect("text"))
    }

    /// One call whose answer must have this status, and a body of this schema that the document
    /// names for the operation.
    async fn check(&self, operation: &str, method: Method, path: &str, body: Option<(&str, &[u8])>, status: u16) {
        let (received, content_type, text) = self.call(method.clone(), path, body).await;
        assert_eq!(received, status, "{path}: {text}");
        let method = method.as_str().to_lowercase();
        let document = document();
        let response = &document["paths"][operation][&method]["responses"][status.to_string()];
        let response = response["$ref"]
            .as_str()
            .map_or(response, |reference| document.pointer(reference.trim_start_matches('#')).expect("a response"));
        let schema = &response["content"][&content_type]["schema"];
        match schema["$ref"].as_str() {
            Some(reference) => {
                let name = reference.rsplit('/').next().expect("a name");
                check(name, &serde_json::from_str(&text).expect("JSON"));
            }
            None => assert_eq!(schema["type"], "string", "{operation} {status} {content_type} is not in the document"),
        }
    }
}

#[test]
fn the_document_says_that_it_is_assumed() {
    let info = &document()["info"];
    assert_eq!(info["x-status"], "ASSUMED");
    assert!(info["description"].as_str().expect("text").contains("non esiste un'interfaccia pubblicata"));
}

#[tokio::test]
async fn every_operation_follows_the_document() {
    const ONE: &str = "/v0/pacchetti/{ente}/{dataset}/{periodo}";
    const ROWS: &str = "/v0/pacchetti/{ente}/{dataset}/{periodo}/righe";
    const PUT: &str = "/v0/pacchetti/{ente}/{dataset}/{periodo}/{versione}";
    let simulator = simulator(None, None);
    let adapter = adapter(simulator.settings.clone());
    let caller = Caller::new(&simulator.settings);
    let members = [
        lots(&["918052266A", "5044003AF1"], "Lavori"),
        vec![record_of(json!({ "kind": "aggiudicazione", "body": { "cig": "918052266A", "id_aggiudicazione": 1,
            "importo": "-0.50", "data": "2024-01-31" } }))],
    ]
    .concat();
    let shipment = shipment(&*adapter, &unit(2024), 2, &members);
    check("Pacchetto", &serde_json::from_slice(&shipment.body).expect("JSON"));
    for row in ndjson_rows(&shipment.body) {
        check("Riga-appalti", &row);
    }

    let body = Some((shipment.idempotency_key.as_str(), &shipment.body[..]));
    let address = "/v0/pacchetti/00606750131/appalti/2024";
    let (two, one) = (format!("{address}/2"), format!("{address}/1"));
    caller.check(PUT, Method::PUT, &two, body, 201).await;
    caller.check(PUT, Method::PUT, &two, body, 200).await;
    caller.check(PUT, Method::PUT, &two, Some(("k", b"{}")), 400).await;
    caller.check(PUT, Method::PUT, &one, body, 422).await;
    let older = super::shipment(&*adapter, &unit(2024), 1, &[]);
    caller.check(PUT, Method::PUT, &one, Some(("k", &older.body)), 409).await;
    caller.check(ONE, Method::GET, address, None, 200).await;
    caller.check(ONE, Method::GET, "/v0/pacchetti/00606750131/appalti/1999", None, 404).await;
    caller.check(ROWS, Method::GET, &format!("{address}/righe"), None, 200).await;
    caller.check(ROWS, Method::GET, "/v0/pacchetti/00606750131/appalti/1999/righe", None, 404).await;
    caller.check("/v0/pacchetti", Method::GET, "/v0/pacchetti?limite=1", None, 200).await;
    caller.check("/v0/pacchetti", Method::GET, "/v0/pacchetti?limite=0", None, 400).await;
    let row = "/v0/pacchetti/00606750131/gare/2024/1";
    caller.check(PUT, Method::PUT, row, body, 422).await;
    caller.check("/v0/stato", Method::GET, "/v0/stato", None, 200).await;
    let stranger = Caller { key: "wrong".to_owned(), ..caller };
    stranger.check("/v0/pacchetti", Method::GET, "/v0/pacchetti", None, 401).await;
    stranger.check(PUT, Method::PUT, &two, body, 401).await;
    simulator.stop().await;
}

#[tokio::test]
async fn resources_and_reports_follow_the_document() {
    const SHOWN: &str = "/v0/vetrina/{origine}/{id}";
    const SHOW: &str = "/v0/vetrina/{origine}/{id}/{versione}";
    const REPORT: &str = "/v0/segnalazioni/{id}";
    const OUTCOME: &str = "/v0/segnalazioni/{id}/esito";
    const OPEN: &str = "/v0/segnalazioni/{id}/{versione}";
    let rules = json!([{ "membri": [ENTE] }, { "respinge": { "x": "No" } }]);
    let simulator = simulator(None, Some(rules));
    let adapter = adapter(simulator.settings.clone());
    let caller = Caller::new(&simulator.settings);
    let resource = |titolo: &str| {
        let members = [record_of(json!({ "kind": "risorsa", "body": { "origine": "hub", "id": "7", "tipo": "corso",
            "titolo": titolo } }))];
        shipment(&*adapter, &UnitKey("risorse/hub/7".to_owned()), 1, &members)
    };
    let shown = resource("Corso");
    let body = Some((shown.idempotency_key.as_str(), &shown.body[..]));
    caller.check(SHOW, Method::PUT, "/v0/vetrina/hub/7/1", body, 201).await;
    caller.check(SHOW, Method::PUT, "/v0/vetrina/hub/7/1", body, 200).await;
    caller.check(SHOW, Method::PUT, "/v0/vetrina/hub/7/1", Some(("k", &resource("Altro").body)), 409).await;
    caller.check(SHOW, Method::PUT, "/v0/vetrina/hub/8/1", Some(("k", &shown.body)), 422).await;
    caller.check(SHOW, Method::PUT, "/v0/vetrina/hub/7/1", Some(("k", b"[]")), 400).await;
    caller.check(SHOWN, Method::GET, "/v0/vetrina/hub/7", None, 200).await;
    caller.check(SHOWN, Method::GET, "/v0/vetrina/hub/9", None, 404).await;
    caller.check("/v0/vetrina", Method::GET, "/v0/vetrina", None, 200).await;
    caller.check("/v0/vetrina", Method::GET, "/v0/vetrina?limite=x", None, 400).await;
    let report = |ente: &str| {
        let members = [record_of(json!({ "kind": "segnalazione", "body": { "id": "x", "ente": ente,
            "tipo_record": "lotto", "chiave_record": "918052266A", "regola": "R02", "descrizione": "d",
            "aperta_il": "2026-03-01T09:30:00Z", "stato": "aperta" } }))];
        shipment(&*adapter, &UnitKey("segnalazioni/x".to_owned()), 1, &members)
    };
    let opened = report(ENTE);
    let body = Some((opened.idempotency_key.as_str(), &opened.body[..]));
    caller.check(OPEN, Method::PUT, "/v0/segnalazioni/x/1", Some(("k", &report("01894100302").body)), 403).await;
    caller.check(OPEN, Method::PUT, "/v0/segnalazioni/x/1", body, 201).await;
    caller.check(OPEN, Method::PUT, "/v0/segnalazioni/y/1", Some(("k", &opened.body)), 422).await;
    caller.check(REPORT, Method::GET, "/v0/segnalazioni/x", None, 200).await;
    caller.check(REPORT, Method::GET, "/v0/segnalazioni/y", None, 404).await;
    for _ in ["in_lavorazione", "respinta"] {
        caller.check(OUTCOME, Method::GET, "/v0/segnalazioni/x/esito", None, 200).await;
    }
    caller.check(OUTCOME, Method::GET, "/v0/segnalazioni/y/esito", None, 404).await;
    caller.check(OPEN, Method::PUT, "/v0/segnalazioni/x/1", body, 200).await;
    caller.check("/v0/segnalazioni", Method::GET, "/v0/segnalazioni", None, 200).await;
    caller.check("/v0/risorse", Method::GET, "/v0/risorse", None, 200).await;
    caller.check("/v0/risorse", Method::GET, "/v0/risorse?limite=2&dopo=3", None, 200).await;
    caller.check("/v0/risorse", Method::GET, "/v0/risorse?dopo=x", None, 400).await;
    let package = super::shipment(&*adapter, &UnitKey("01894100302/appalti/2024".to_owned()), 1, &[]);
    let put = "/v0/pacchetti/{ente}/{dataset}/{periodo}/{versione}";
    caller.check(put, Method::PUT, "/v0/pacchetti/01894100302/appalti/2024/1", Some(("k", &package.body)), 403).await;
    simulator.stop().await;
}

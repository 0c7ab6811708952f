//! What is sent and what the simulator answers follow the schemas of the contract document.

use reqwest::{Client, Method};

use super::*;

fn check_schema(name: &str, value: &Value) {
    let text = include_str!("../../../../schemas/upstream/osservatorio/v0/openapi.json");
    let document: Value = serde_json::from_str(text).unwrap();
    let root = json!({ "$ref": format!("#/components/schemas/{name}"), "components": document["components"] });
    let validator = jsonschema::validator_for(&root).unwrap();
    let errors: Vec<String> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{name}: {errors:#?}");
}

#[test]
fn the_document_says_that_it_is_assumed() {
    let text = include_str!("../../../../schemas/upstream/osservatorio/v0/openapi.json");
    let document: Value = serde_json::from_str(text).unwrap();
    assert_eq!(document["info"]["x-status"], "ASSUMED");
}

#[tokio::test]
async fn packages_and_answers_follow_the_document() {
    let running = simulator(None, None);
    let adapter = adapter(running.settings.clone());
    let client = Client::builder().no_proxy().build().unwrap();
    let packages = &running.settings["packages"];
    let key = std::fs::read_to_string(packages["key_file"].as_str().unwrap()).unwrap();
    let base_url = packages["base_url"].as_str().unwrap();
    let call = async |method: Method, path: &str, key: &str, body: Vec<u8>| {
        let request = client.request(method, format!("{base_url}/v0/pacchetti{path}")).bearer_auth(key);
        let answer = request.header("idempotency-key", "k").body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let check = |answer: (u16, String), status: u16, schema: &str| {
        assert_eq!(answer.0, status, "{}", answer.1);
        check_schema(schema, &serde_json::from_str(&answer.1).unwrap());
    };
    for (_, case) in cases("pacchetti") {
        let sent = shipment(&*adapter, "80098765433/2025", 1, &members(&case));
        let package: Value = serde_json::from_slice(&sent.body).unwrap();
        check_schema("Pacchetto", &package);
        for line in package["contenuto"].as_str().unwrap().lines() {
            check_schema("Riga", &serde_json::from_str(line).unwrap());
        }
    }
    let sent = shipment(&*adapter, "80098765433/2025", 1, &members(&cases("pacchetti").remove(0).1));
    let at = "/80098765433/2025";
    check(call(Method::GET, at, &key, Vec::new()).await, 404, "Problema");
    check(call(Method::PUT, at, "wrong", sent.body.clone()).await, 401, "Problema");
    check(call(Method::PUT, at, &key, b"{}".to_vec()).await, 400, "Problema");
    check(call(Method::PUT, at, &key, sent.body.clone()).await, 201, "Accolto");
    check(call(Method::PUT, at, &key, sent.body.clone()).await, 200, "Accolto");
    check(call(Method::GET, at, &key, Vec::new()).await, 200, "Manifesto");
    check(call(Method::GET, "", &key, Vec::new()).await, 200, "Elenco");
    check(call(Method::GET, "?limite=0", &key, Vec::new()).await, 400, "Problema");
    running.stop().await;
}

#[test]
fn the_published_rows_follow_the_document_of_the_open_data() {
    let read = |path: &str| -> Value { serde_json::from_str(&std::fs::read_to_string(at(path)).unwrap()).unwrap() };
    let document = read("schemas/upstream/osservatorio/open-data/openapi.json");
    let root = json!({ "$ref": "#/components/schemas/Bando", "components": document["components"] });
    let validator = jsonschema::validator_for(&root).unwrap();
    let rows = read("schemas/samples/osservatorio_regionale/lombardia-bandi.json");
    assert!(rows.as_array().unwrap().iter().all(|row| validator.is_valid(row)));
}

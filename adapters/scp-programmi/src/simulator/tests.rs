//! The adapter against the simulator, end to end.

use std::path::Path;

use contract::{Held, Outcome, Receipt, RunningSimulator, Shipment, SimulatorOptions, Target};
use serde_json::{Value, json};

use super::*;
use crate::ScpProgrammi;
use crate::testing::{assert_follows, case, cases, definition_of, shipment};

fn start(state: Option<&Path>, faults: Option<Value>) -> (RunningSimulator, ScpProgrammi) {
    let options = SimulatorOptions { listen: ([127, 0, 0, 1], 0).into(), state: state.map(Path::to_owned), faults };
    let running = simulate(options).unwrap();
    let adapter = ScpProgrammi::new(running.settings.clone()).unwrap();
    (running, adapter)
}

fn taken(outcome: Outcome) -> Receipt {
    match outcome {
        Outcome::Acknowledged(receipt) => receipt,
        other => panic!("{other:?}"),
    }
}

fn after(mut shipment: Shipment, receipt: Receipt) -> Shipment {
    shipment.previous_receipt = Some(receipt);
    shipment
}

/// Checks a programme and reads one back, as another program would.
async fn by_hand(running: &RunningSimulator, sent: &Shipment, id: &str) -> (Value, Value) {
    let genere = Genere::of_id(sent.unit.as_str()).unwrap();
    let base = running.settings["base_url"].as_str().unwrap();
    let login = running.settings["login_url"].as_str().unwrap();
    let secret = Secret::from_file(running.settings["password_file"].as_str().unwrap()).unwrap();
    let form = ["username", "password", "clientKey", "clientId"].map(|name| format!("{name}={}", secret.expose()));
    let client = reqwest::Client::new();
    let answer = client.post(format!("{login}/Account/LoginPubblica")).body(form.join("&")).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_follows("WSLogin", "LoginResult", &answer);
    let token = answer["token"].as_str().unwrap();
    let check = format!("{base}/Programmi/{}?modalitaInvio=1&token={token}", genere.pubblica());
    let checked = client.post(check).body(sent.body.clone()).send().await.unwrap().json().await.unwrap();
    let question = format!("{base}/Programmi/{}?idRicevuto={id}&token={token}", genere.dettaglio());
    (checked, client.get(question).send().await.unwrap().json().await.unwrap())
}

#[tokio::test]
async fn every_case_is_published_and_read_back_in_the_shapes_of_the_document() {
    let (running, adapter) = start(None, None);
    for (name, case) in cases("programmi") {
        let sent = shipment(&case, 1, None);
        let receipt = taken(adapter.send(&sent).await.unwrap());
        let id = receipt.remote_id.clone().unwrap();
        let held = adapter.look_up(&after(sent.clone(), receipt)).await.unwrap();
        assert!(matches!(held, Held::Same(_)), "{name}: {held:?}");
        let operation = Genere::of_id(sent.unit.as_str()).unwrap().dettaglio();
        let (checked, answer) = by_hand(&running, &sent, &id).await;
        assert_follows("WSProgrammi", "PubblicazioneResult", &checked);
        assert_follows("WSProgrammi", &format!("{operation}Result"), &answer);
        assert_follows("WSProgrammi", definition_of(&sent.unit), &answer["programma"]);
        assert_eq!(answer["programma"]["idRicevuto"].to_string(), id);
    }
    running.stop().await;
}

#[tokio::test]
async fn publishing_twice_with_the_identifier_is_one_publication() {
    let (running, adapter) = start(None, None);
    let sent = shipment(&case("lavori"), 1, None);
    let first = taken(adapter.send(&sent).await.unwrap());
    let again = taken(adapter.send(&after(sent.clone(), first.clone())).await.unwrap());
    assert_eq!(first.remote_id, again.remote_id);
    // Without the identifier the service publishes once more: that is why nothing is sent blindly.
    assert_ne!(taken(adapter.send(&sent).await.unwrap()).remote_id, first.remote_id);
    running.stop().await;
}

#[tokio::test]
async fn a_later_revision_takes_the_place_of_the_one_before() {
    let (running, adapter) = start(None, None);
    let first = shipment(&case("lavori"), 1, None);
    let receipt = taken(adapter.send(&first).await.unwrap());
    let mut changed = case("lavori");
    changed["record"][0]["body"]["descrizione"] = json!("Programma aggiornato");
    let second = after(shipment(&changed, 2, None), receipt.clone());
    assert_eq!(adapter.look_up(&second).await.unwrap(), Held::Other);
    taken(adapter.send(&second).await.unwrap());
    assert!(matches!(adapter.look_up(&second).await.unwrap(), Held::Same(_)));
    assert_eq!(adapter.look_up(&after(first, receipt)).await.unwrap(), Held::Other);
    running.stop().await;
}

#[tokio::test]
async fn a_lost_answer_with_an_identifier_is_found_again() {
    let faults = json!([{"operation": "publish", "first": 2, "every": 2, "answer": "drop_after_effect"}]);
    let (running, adapter) = start(None, Some(faults));
    let receipt = taken(adapter.send(&shipment(&case("lavori"), 1, None)).await.unwrap());
    let mut changed = case("lavori");
    changed["record"][0]["body"]["descrizione"] = json!("Programma aggiornato");
    let second = after(shipment(&changed, 2, None), receipt);
    let error = adapter.send(&second).await.unwrap_err();
    assert_eq!(error.phase, contract::Phase::Unknown);
    assert!(matches!(adapter.look_up(&second).await.unwrap(), Held::Same(_)));
    running.stop().await;
}

#[tokio::test]
async fn an_expired_token_is_not_noticed() {
    let (running, adapter) = start(None, None);
    let sent = shipment(&case("forniture-servizi"), 1, None);
    let receipt = taken(adapter.send(&sent).await.unwrap());
    let expire = format!("http://{}/simulatore/scadenza", running.address);
    reqwest::Client::new().post(expire).send().await.unwrap();
    taken(adapter.send(&after(sent, receipt)).await.unwrap());
    running.stop().await;
}

#[tokio::test]
async fn a_restart_remembers() {
    let folder = tempfile::tempdir().unwrap();
    let sent = shipment(&case("lavori"), 1, None);
    let (running, adapter) = start(Some(folder.path()), None);
    let receipt = taken(adapter.send(&sent).await.unwrap());
    running.stop().await;
    let (running, adapter) = start(Some(folder.path()), None);
    assert!(matches!(adapter.look_up(&after(sent, receipt)).await.unwrap(), Held::Same(_)));
    running.stop().await;
}

#[tokio::test]
async fn the_simulator_is_as_strict_as_the_document() {
    let (running, adapter) = start(None, None);
    // Past our own checks, as another program could send it.
    let mut sent = shipment(&case("lavori"), 1, None);
    let mut body: Value = serde_json::from_slice(&sent.body).unwrap();
    body["descrizione"] = json!("x".repeat(501));
    body["referente"]["nome"] = Value::Null;
    body["interventi"][0]["lottoFunzionale"] = json!("S");
    sent.body = serde_json::to_vec(&body).unwrap();
    let Outcome::Refused { message, .. } = adapter.send(&sent).await.unwrap() else { panic!("not refused") };
    for field in ["descrizione", "referente.nome", "interventi[0].lottoFunzionale"] {
        assert!(message.contains(field), "{field}: {message}");
    }
    let unknown =
        Receipt { remote_id: Some("999".to_owned()), status: 200, answer_digest: String::new(), warnings: Vec::new() };
    let sent = after(shipment(&case("lavori"), 1, None), unknown);
    assert!(matches!(adapter.send(&sent).await.unwrap(), Outcome::Refused { code, .. } if code == "404"));
    assert_eq!(adapter.look_up(&sent).await.unwrap(), Held::Nothing);
    running.stop().await;
}

//! The whole round against the simulator: publish, repeat, replace, lose the answer, restart.

use contract::{ErrorKind, Held, InventoryPage, Outcome, Phase, Receipt};
use rstest::rstest;
use serde_json::json;

use super::*;

async fn send(adapter: &dyn Adapter, shipment: &Shipment) -> Outcome {
    adapter.target().expect("a target").send(shipment).await.expect("an outcome")
}

async fn taken(adapter: &dyn Adapter, shipment: &Shipment) -> Receipt {
    match send(adapter, shipment).await {
        Outcome::Acknowledged(receipt) => receipt,
        Outcome::Submitted { state, .. } => panic!("submitted {state}"),
        Outcome::Refused { code, message } => panic!("refused {code}: {message}"),
    }
}

async fn refusal(adapter: &dyn Adapter, shipment: &Shipment) -> String {
    match send(adapter, shipment).await {
        Outcome::Refused { code, .. } => code,
        Outcome::Acknowledged(_) | Outcome::Submitted { .. } => panic!("taken"),
    }
}

async fn look_up(adapter: &dyn Adapter, shipment: &Shipment) -> Held {
    adapter.target().expect("a target").look_up(shipment).await.expect("an answer")
}

async fn page(adapter: &dyn Adapter, from: Option<&str>) -> InventoryPage {
    adapter.observer().expect("an observer").inventory(from).await.expect("a page")
}

/// The effects in the journal: version and idempotency key of each.
fn effects(state: &std::path::Path) -> Vec<(String, u64)> {
    let journal = std::fs::read_to_string(state.join("effects.ndjson")).expect("a journal");
    let effect = |line: &str| {
        let effect: Value = serde_json::from_str(line).expect("an effect");
        let published = &effect["published"];
        (published["key"].as_str().expect("a key").to_owned(), published["versione"].as_u64().expect("a version"))
    };
    journal.lines().map(effect).collect()
}

#[tokio::test]
async fn a_package_is_published_repeated_and_replaced() {
    let state = tempfile::tempdir().expect("a folder");
    let simulator = simulator(Some(state.path().to_owned()), None);
    let adapter = adapter(simulator.settings.clone());
    let first = shipment(&*adapter, &unit(2024), 1, &lots(&["918052266A"], "prima"));
    let second = shipment(&*adapter, &unit(2024), 2, &lots(&["918052266A", "5044003AF1"], "=seconda"));
    assert_eq!(look_up(&*adapter, &first).await, Held::Nothing);
    assert_eq!(taken(&*adapter, &first).await.status, 201);
    assert_eq!(taken(&*adapter, &first).await.status, 200);
    assert!(matches!(look_up(&*adapter, &first).await, Held::Same(_)));
    assert_eq!(look_up(&*adapter, &second).await, Held::Other);
    assert_eq!(taken(&*adapter, &second).await.status, 201);
    assert_eq!(refusal(&*adapter, &first).await, "versione_superata");
    assert_eq!(look_up(&*adapter, &first).await, Held::Other);
    let other = shipment(&*adapter, &unit(2024), 2, &lots(&["918052266A"], "altra"));
    assert_eq!(refusal(&*adapter, &other).await, "versione_diversa");
    let key = "00606750131/appalti/2024".to_owned();
    assert_eq!(effects(state.path()), [(key.clone(), 1), (key, 2)]);
    simulator.stop().await;
}

#[tokio::test]
async fn what_is_observed_is_what_was_composed() {
    let simulator = simulator(None, None);
    let adapter = adapter(simulator.settings.clone());
    let members = [
        record_of(
            json!({ "kind": "lotto", "body": { "cig": "918052266A", "oggetto": "=Lavori \u{e8} RSSMRA85T10A562S",
            "cup": ["F41B21000000001"], "cpv": "45233141-9", "scelta_contraente": "24", "importo_totale": "10.00" } }),
        ),
        record_of(json!({ "kind": "aggiudicazione", "body": { "cig": "918052266A", "id_aggiudicazione": 1,
            "importo": "9.10", "data": "2024-02-29" } })),
        record_of(json!({ "kind": "contratto", "body": { "cig": "918052266A", "id_aggiudicazione": 1,
            "piattaforma_esecuzione": "scp-esecuzione" } })),
    ];
    let composed = compose(&*adapter, &unit(2024), 1, &members);
    taken(&*adapter, &shipment(&*adapter, &unit(2024), 1, &members)).await;
    let page = page(&*adapter, None).await;
    assert_eq!(page.units.len(), 1);
    assert_eq!(page.units[0].rows, composed.rows);
    assert_eq!(composed.rows[0].fields.len(), 11);
    simulator.stop().await;
}

#[tokio::test]
async fn the_inventory_is_in_order_across_pages() {
    let simulator = simulator(None, None);
    let adapter = adapter(simulator.settings.clone());
    for anno in (2000..2023).rev() {
        taken(&*adapter, &shipment(&*adapter, &unit(anno), 1, &lots(&["918052266A"], "x"))).await;
    }
    let (mut keys, mut from, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = page(&*adapter, from.as_deref()).await;
        keys.extend(page.units.into_iter().map(|unit| unit.key));
        pages += 1;
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    // Five of packages, one of resources, one of reports.
    assert_eq!((keys.len(), pages), (23, 7));
    assert!(keys.is_sorted_by(|one, next| one < next));
    simulator.stop().await;
}

#[rstest]
#[case(json!("drop_after_effect"), false, ErrorKind::Broken)]
#[case(json!("truncate"), true, ErrorKind::Broken)]
#[case(json!("html"), true, ErrorKind::NotUnderstood)]
#[case(json!("empty"), true, ErrorKind::NotUnderstood)]
#[case(json!(504), true, ErrorKind::Unavailable)]
#[tokio::test]
async fn a_lost_answer_is_found_by_looking_up(
    #[case] answer: Value,
    #[case] after_effect: bool,
    #[case] kind: ErrorKind,
) {
    let state = tempfile::tempdir().expect("a folder");
    let faults = json!([{ "operation": "pubblica", "first": 1, "answer": answer, "after_effect": after_effect }]);
    let simulator = simulator(Some(state.path().to_owned()), Some(faults));
    let adapter = adapter(simulator.settings.clone());
    let shipment = shipment(&*adapter, &unit(2024), 1, &lots(&["918052266A"], "x"));
    let error = adapter.target().expect("a target").send(&shipment).await.expect_err("no answer");
    assert_eq!((error.kind, error.phase), (kind, Phase::Unknown));
    assert!(matches!(look_up(&*adapter, &shipment).await, Held::Same(_)));
    assert_eq!(taken(&*adapter, &shipment).await.status, 200);
    assert_eq!(effects(state.path()).len(), 1);
    simulator.stop().await;
}

#[tokio::test]
async fn a_refused_call_had_no_effect() {
    let faults = json!([{ "operation": "pubblica", "first": 1, "answer": 503, "retry_after": 2 }]);
    let simulator = simulator(None, Some(faults));
    let adapter = adapter(simulator.settings.clone());
    let shipment = shipment(&*adapter, &unit(2024), 1, &[]);
    let error = adapter.target().expect("a target").send(&shipment).await.expect_err("busy");
    assert_eq!(error.phase, Phase::Refused);
    assert_eq!(look_up(&*adapter, &shipment).await, Held::Nothing);
    simulator.stop().await;
}

#[tokio::test]
async fn a_restart_remembers_packages_keys_and_key_file() {
    let state = tempfile::tempdir().expect("a folder");
    let before = simulator(Some(state.path().to_owned()), None);
    let members = lots(&["918052266A"], "x");
    let first = {
        let adapter = adapter(before.settings.clone());
        let first = shipment(&*adapter, &unit(2024), 1, &members);
        taken(&*adapter, &first).await;
        first
    };
    let key_file = before.settings["key_file"].clone();
    before.stop().await;
    let after = simulator(Some(state.path().to_owned()), None);
    assert_eq!(after.settings["key_file"], key_file);
    let adapter = adapter(after.settings.clone());
    assert!(matches!(look_up(&*adapter, &first).await, Held::Same(_)));
    assert_eq!(taken(&*adapter, &first).await.status, 200);
    let reused = Shipment { idempotency_key: first.idempotency_key, ..shipment(&*adapter, &unit(2024), 2, &members) };
    assert_eq!(refusal(&*adapter, &reused).await, "chiave_riusata");
    assert_eq!(effects(state.path()).len(), 1);
    after.stop().await;
}

#[tokio::test]
async fn another_key_is_not_admitted() {
    let simulator = simulator(None, None);
    let folder = tempfile::tempdir().expect("a folder");
    let adapter = adapter(json!({ "base_url": simulator.settings["base_url"], "key_file": key_file(&folder) }));
    let shipment = shipment(&*adapter, &unit(2024), 1, &[]);
    let error = adapter.target().expect("a target").send(&shipment).await.expect_err("not admitted");
    assert_eq!((error.kind, error.phase), (ErrorKind::Authentication, Phase::Refused));
    simulator.stop().await;
}

#[rstest]
#[case::digest("/file/1/contenuto", json!(""), "impronta_errata")]
#[case::manifest_digest("/manifesto/impronta", json!("00"), "impronta_errata")]
#[case::rows("/manifesto/righe", json!(9), "manifesto_incoerente")]
#[case::path("/manifesto/periodo", json!("2023"), "manifesto_incoerente")]
#[case::file("/file/0/nome", json!("altro.csv"), "manifesto_incoerente")]
#[case::totals("/manifesto/aggregati/importo_totale", json!("1.00"), "aggregati_errati")]
#[case::shape("/manifesto/versione", json!("uno"), "richiesta_non_valida")]
#[tokio::test]
async fn what_does_not_agree_is_refused(#[case] pointer: &str, #[case] value: Value, #[case] code: &str) {
    let simulator = simulator(None, None);
    let adapter = adapter(simulator.settings.clone());
    let good = shipment(&*adapter, &unit(2024), 1, &lots(&["918052266A"], "x"));
    let mut package: Value = serde_json::from_slice(&good.body).expect("a package");
    *package.pointer_mut(pointer).expect("a place") = value;
    let wrong = Shipment { body: package.to_string().into_bytes(), ..good };
    assert_eq!(refusal(&*adapter, &wrong).await, code);
    simulator.stop().await;
}

#[rstest]
#[case::person("x", "RSSMRA85T10A562S", "dato_personale")]
#[case::spaced_person("x", "rss mra  85t10-a562s", "dato_personale")]
#[case::masked_row("918052266A", "9180522", "riga_non_valida")]
#[tokio::test]
async fn wrong_content_with_right_digests_is_refused(#[case] from: &str, #[case] to: &str, #[case] code: &str) {
    let simulator = simulator(None, None);
    let adapter = adapter(simulator.settings.clone());
    let good = shipment(&*adapter, &unit(2024), 1, &lots(&["918052266A"], "x"));
    let mut package: Value = serde_json::from_slice(&good.body).expect("a package");
    let content = package["file"][1]["contenuto"].as_str().expect("text").replacen(
        &format!("\"{from}\""),
        &format!("\"{to}\""),
        1,
    );
    let impronta = json!(canonical::Digest::of(content.as_bytes()).to_string());
    package["file"][1]["contenuto"] = json!(content);
    package["file"][1]["impronta"] = impronta.clone();
    package["manifesto"]["impronta"] = impronta;
    let wrong = Shipment { body: package.to_string().into_bytes(), ..good };
    assert_eq!(refusal(&*adapter, &wrong).await, code);
    simulator.stop().await;
}

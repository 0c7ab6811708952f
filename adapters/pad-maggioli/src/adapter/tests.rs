//! The adapter against its simulator: every register read whole, updates sent once, what is held.

use canonical::{Body, Kind};
use contract::{ContractStatus, ErrorKind, Phase};
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::testing::{
    Bench, CIG, assert_follows, bench, bench_in, cases, cursor, raw_records, read_all, record, records, settings,
};

fn bodies(bench: &Bench, received: &[Received]) -> Vec<Body> {
    let normalized = raw_records(received).iter().map(|raw| bench.adapter.normalize(raw)).collect::<Vec<_>>();
    normalized.into_iter().flat_map(|normalized| normalized.records).map(|draft| draft.body).collect()
}

fn keys(bodies: &[Body], kind: Kind) -> Vec<String> {
    bodies.iter().filter(|body| body.kind() == kind).map(|body| body.key().as_str().to_owned()).collect()
}

#[rstest]
#[case::bandi("bandi", Kind::Procedura, &["pad-maggioli/G00030", "pad-maggioli/G00050"], Some("2026-02-02"))]
#[case::esiti("esiti", Kind::Aggiudicazione, &["B2C0FFECE8/1"], Some("2025-10-30"))]
#[case::avvisi("avvisi", Kind::Procedura, &["pad-maggioli/A00007"], Some("2026-01-15"))]
#[case::dati("dati", Kind::Contratto, &["B1A2B3C3B8/1", "B1A2B3C3B8/1", "B2C0FFECE8/1"], Some("2025"))]
#[case::contratti("contratti", Kind::Contratto, &["B1A2B3C3B8/1", "B2C0FFECE8/1", "B3D0001D90/1", "B4A19C3958/1"], None)]
#[tokio::test]
async fn a_register_is_read_whole(
    #[case] register: &str,
    #[case] kind: Kind,
    #[case] expected: &[&str],
    #[case] end: Option<&str>,
) {
    let bench = bench(register, &Value::Null);
    let (received, ended) = read_all(&bench.adapter, ReadRequest::default()).await;
    ended.unwrap();
    assert_eq!(keys(&bodies(&bench, &received), kind), expected);
    assert_eq!(cursor(&received).as_deref(), end);
    // The same rows give the same document, whenever they are read.
    let (again, _) = read_all(&bench.adapter, ReadRequest::default()).await;
    assert_eq!(received, again);
}

#[tokio::test]
async fn the_rows_of_a_year_are_a_document_dated_by_their_publication() {
    let bench = bench("dati", &Value::Null);
    let (received, _) = read_all(&bench.adapter, ReadRequest::default()).await;
    let documents: Vec<_> = received
        .iter()
        .filter_map(|received| match received {
            Received::Begin(document) => {
                Some((document.remote_id.clone(), document.as_of.map(|day| day.to_string()).unwrap_or_default()))
            }
            _ => None,
        })
        .collect();
    let expected = [("2024", "2025-01-28"), ("2025", "2026-01-27")]
        .map(|(year, day)| (format!("v1.0/trasp/getElencoDati?annorif={year}"), day.to_owned()));
    assert_eq!(documents, expected);
}

#[tokio::test]
async fn a_read_resumes_from_its_cursor() {
    let bench = bench("dati", &Value::Null);
    let request = ReadRequest { files: None, cursor: Some("2026".to_owned()) };
    let (received, ended) = read_all(&bench.adapter, request).await;
    ended.unwrap();
    assert_eq!(raw_records(&received).len(), 3);
    let request = ReadRequest { files: None, cursor: Some("2030".to_owned()) };
    let (received, _) = read_all(&bench.adapter, request).await;
    assert_eq!(received, [Received::Cursor("2030".to_owned())]);
}

#[rstest]
#[case::once(1)]
#[case::many_times(6)]
#[tokio::test]
async fn rows_that_move_during_a_scan_are_neither_lost_nor_doubled(
    #[case] times: u64,
    #[values("dati", "contratti")] register: &str,
) {
    let bench = bench(register, &json!({"shifts": {"every_pages": 1, "times": times}}));
    let (received, ended) = read_all(&bench.adapter, ReadRequest::default()).await;
    ended.unwrap();
    let raw = raw_records(&received);
    let mut texts: Vec<_> = raw.iter().map(|raw| raw.text.clone()).collect();
    texts.sort();
    texts.dedup();
    let before = 4;
    assert_eq!((raw.len(), texts.len()), (before + usize::try_from(times).unwrap(), raw.len()));
}

#[tokio::test]
async fn a_list_that_never_stands_still_hands_over_nothing() {
    let bench = bench("dati", &json!({"shifts": {"every_pages": 1, "times": 1000}}));
    let (received, ended) = read_all(&bench.adapter, ReadRequest::default()).await;
    assert_eq!(ended.unwrap_err().kind, ErrorKind::Unavailable);
    assert_eq!(received, []);
}

#[rstest]
#[case::page("list", json!("html"))]
#[case::cut("list", json!("truncate"))]
#[case::down("detail", json!(503))]
#[case::awards("awards", json!(500))]
#[tokio::test]
async fn a_read_that_breaks_hands_over_nothing(#[case] operation: &str, #[case] answer: Value) {
    let bench = bench("contratti", &json!([{"operation": operation, "first": 1, "answer": answer}]));
    let (received, ended) = read_all(&bench.adapter, ReadRequest::default()).await;
    assert!(ended.is_err());
    assert_eq!(received, []);
}

#[tokio::test]
async fn a_token_that_ends_during_a_read_is_renewed() {
    let bench = bench("contratti", &json!({"token_requests": 2}));
    let (received, ended) = read_all(&bench.adapter, ReadRequest::default()).await;
    ended.unwrap();
    assert_eq!(raw_records(&received).len(), 4);
}

#[tokio::test]
async fn without_a_register_a_read_says_what_to_set() {
    let mut bench = bench("dati", &Value::Null);
    bench.adapter.config.register = None;
    let (_, ended) = read_all(&bench.adapter, ReadRequest::default()).await;
    let error = ended.unwrap_err();
    assert_eq!(error.advice, Advice::FixConfiguration);
    assert!(error.to_string().contains("contratti"));
}

#[tokio::test]
async fn a_saved_page_is_read_as_a_document_and_another_file_is_refused() {
    let bench = bench("dati", &Value::Null);
    let folder = tempfile::tempdir().unwrap();
    let (page, list, other) = ("pagina.json", "righe.json", "altro.json");
    let row = r#"{"annoRiferimento":2024,"cig":"B1A2B3C3B8","importoAggiudicazione":1.0E7}"#;
    std::fs::write(folder.path().join(page), format!("\u{feff}{{\"content\":[{row}]}}")).unwrap();
    std::fs::write(folder.path().join(list), format!("[{row}]")).unwrap();
    std::fs::write(folder.path().join(other), "<html>").unwrap();
    let files = [page, list, other].map(|name| folder.path().join(name)).to_vec();
    let (received, ended) = read_all(&bench.adapter, ReadRequest { files: Some(files), cursor: None }).await;
    ended.unwrap();
    let raw = raw_records(&received);
    assert_eq!(raw.len(), 2);
    assert!(raw.iter().all(|raw| raw.text == row));
    assert!(matches!(received.last(), Some(Received::Refused { remote_id, .. }) if remote_id == other));
}

#[tokio::test]
async fn a_file_that_is_too_long_or_not_there_is_refused_and_its_neighbours_are_read() {
    let mut bench = bench("dati", &Value::Null);
    let folder = tempfile::tempdir().unwrap();
    let row = r#"{"annoRiferimento":2024,"cig":"B1A2B3C3B8"}"#;
    let (fits, long) = (format!("[{row}]"), format!("[{row},{row}]"));
    let name = "pagina di RSSMRA85T10A562S.json";
    std::fs::write(folder.path().join(name), &long).unwrap();
    std::fs::write(folder.path().join("righe.json"), &fits).unwrap();
    bench.adapter.config.max_bytes = u64::try_from(fits.len()).unwrap().try_into().unwrap();
    let files = [name, "assente.json", "righe.json"].map(|name| folder.path().join(name)).to_vec();
    let (received, ended) = read_all(&bench.adapter, ReadRequest { files: Some(files), cursor: None }).await;
    ended.unwrap();
    let refused: Vec<_> = received
        .iter()
        .filter_map(|received| match received {
            Received::Refused { remote_id, refusal } => Some((remote_id.as_str(), refusal.code.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(refused, [("…", "too_large"), ("assente.json", "not_readable")]);
    assert_eq!(raw_records(&received).len(), 1);
}

fn shipment(bench: &Bench, members: &[Record]) -> Shipment {
    let Placement::Unit(unit) = bench.adapter.place(&members[0]) else { panic!("placed nowhere") };
    let composed = bench.adapter.compose(&unit.key, 1, members).unwrap();
    Shipment {
        unit: unit.key,
        revision: 1,
        idempotency_key: "k".to_owned(),
        body: composed.body,
        previous_receipt: None,
    }
}

fn contratto(cig: &str, somme: &str) -> Record {
    let body = json!({
        "cig": cig, "id_aggiudicazione": 1, "stazione_appaltante": "80098765433", "somme_liquidate": somme,
        "data_inizio": "2026-01-02",
    });
    record("contratto", &body)
}

fn effects(bench: &Bench) -> usize {
    let journal = std::fs::read_to_string(bench.state.path().join("effects.ndjson")).unwrap_or_default();
    journal.lines().filter(|line| line.contains("aggiornamento")).count()
}

#[tokio::test]
async fn an_update_is_taken_and_then_held_and_seen() {
    let bench = bench("dati", &Value::Null);
    for (path, text) in cases("invii") {
        let case: Value = serde_json::from_str(&text).unwrap();
        let members = records(&case);
        let sent = shipment(&bench, &members);
        assert_follows("AggiornamentoCig", &serde_json::from_slice(&sent.body).unwrap());
        let outcome = bench.adapter.send(&sent).await.unwrap();
        assert!(matches!(outcome, Outcome::Acknowledged(_)), "{}", path.display());
        assert!(matches!(bench.adapter.look_up(&sent).await.unwrap(), Held::Same(_)), "{}", path.display());
        // What was sent is typed as what is seen: a difference is never one of spelling.
        let page = bench.adapter.inventory(None).await.unwrap();
        let seen = &page.units.iter().find(|unit| unit.key == sent.unit).unwrap().rows[0];
        for (name, value) in &bench.adapter.compose(&sent.unit, 1, &members).unwrap().rows[0].fields {
            assert_eq!(seen.fields.get(name), Some(value), "{} {name}", path.display());
        }
    }
}

#[tokio::test]
async fn the_same_update_twice_leaves_the_same_values() {
    let bench = bench("dati", &Value::Null);
    let sent = shipment(&bench, &[contratto(CIG, "70000.00")]);
    bench.adapter.send(&sent).await.unwrap();
    let once = bench.adapter.inventory(None).await.unwrap();
    bench.adapter.send(&sent).await.unwrap();
    assert_eq!(bench.adapter.inventory(None).await.unwrap(), once);
}

#[tokio::test]
async fn a_lost_answer_is_found_again() {
    let bench = bench("dati", &json!([{"operation": "update", "first": 1, "answer": "drop_after_effect"}]));
    let sent = shipment(&bench, &[contratto(CIG, "70000.00")]);
    assert_eq!(bench.adapter.look_up(&sent).await.unwrap(), Held::Other);
    assert_eq!(bench.adapter.send(&sent).await.unwrap_err().phase, Phase::Unknown);
    assert!(matches!(bench.adapter.look_up(&sent).await.unwrap(), Held::Same(_)));
    assert_eq!(effects(&bench), 1);
}

#[tokio::test]
async fn a_request_that_never_had_its_effect_is_not_found() {
    let bench = bench("dati", &json!([{"operation": "update", "first": 1, "answer": 500}]));
    let sent = shipment(&bench, &[contratto("B3D0001D90", "70000.00")]);
    assert_eq!(bench.adapter.send(&sent).await.unwrap_err().phase, Phase::Unknown);
    assert_eq!(bench.adapter.look_up(&sent).await.unwrap(), Held::Nothing);
    assert_eq!(effects(&bench), 0);
}

#[tokio::test]
async fn an_unknown_cig_is_refused_for_good() {
    let bench = bench("dati", &Value::Null);
    let sent = shipment(&bench, &[contratto("918052266A", "1.00")]);
    let outcome = bench.adapter.send(&sent).await.unwrap();
    assert!(matches!(outcome, Outcome::Refused { code, .. } if code == "404"));
    assert_eq!(bench.adapter.look_up(&sent).await.unwrap(), Held::Nothing);
}

#[tokio::test]
async fn the_inventory_is_in_ascending_order_and_holds_only_what_has_values() {
    let bench = bench("dati", &Value::Null);
    let page = bench.adapter.inventory(None).await.unwrap();
    let keys: Vec<_> = page.units.iter().map(|unit| unit.key.as_str()).collect();
    assert_eq!((keys, page.next), (vec![CIG, "B2C0FFECE8", "B4A19C3958"], None));
}

#[tokio::test]
async fn an_inventory_that_was_not_read_whole_is_an_error() {
    let bench = bench("dati", &json!([{"operation": "list", "answer": "html"}]));
    assert!(bench.adapter.inventory(None).await.is_err());
}

#[tokio::test]
async fn a_restarted_simulator_remembers() {
    let bench = bench("dati", &Value::Null);
    let sent = shipment(&bench, &[contratto(CIG, "70000.00")]);
    bench.adapter.send(&sent).await.unwrap();
    let Bench { running, state, .. } = bench;
    running.stop().await;
    let bench = bench_in(state, "dati", &Value::Null);
    assert!(matches!(bench.adapter.look_up(&sent).await.unwrap(), Held::Same(_)));
}

#[tokio::test]
async fn what_the_platform_holds_is_read_back_as_the_contract_that_was_sent() {
    let bench = bench("contratti", &Value::Null);
    let sent = contratto(CIG, "70000.00");
    bench.adapter.send(&shipment(&bench, std::slice::from_ref(&sent))).await.unwrap();
    let (received, _) = read_all(&bench.adapter, ReadRequest::default()).await;
    let found = bodies(&bench, &received).into_iter().find_map(|body| match body {
        Body::Contratto(contratto) if contratto.cig.as_str() == CIG => Some(contratto),
        _ => None,
    });
    let (found, Body::Contratto(sent)) = (found.unwrap(), sent.body) else { panic!("not a contract") };
    assert_eq!((found.somme_liquidate, found.data_inizio), (sent.somme_liquidate, sent.data_inizio));
}

#[test]
fn the_roles_are_those_of_the_capability() {
    let capability = (FACTORY.capability)();
    assert_eq!((capability.system, capability.status), (SYSTEM, ContractStatus::Public));
    assert!(capability.observes && !capability.accepts.is_empty() && !capability.reads.is_empty());
}

#[test]
fn a_missing_secret_is_named_without_its_content() {
    let error = PadMaggioli::new(settings("https://pad.example")).unwrap_err();
    assert!(error.to_string().contains("secret file u"));
}

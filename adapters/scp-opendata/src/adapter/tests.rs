//! The adapter on the samples and against its simulator.

use std::path::Path;

use canonical::Body;
use canonical::kinds::{Lotto, Procedura};
use canonical::values::date::DateFormat;
use canonical::values::importo::NumberFormat;
use canonical::values::{CalendarDate, Importo};
use contract::{RunningSimulator, SimulatorOptions};
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::read as mapping;
use crate::testing::{json_file, read, records, sample};

const CSV: &str = "open-data/scp-bandi-messina.csv";
const CKAN: &str = "open-data/ckan-datastore_search_sql-bandi.json";

async fn imported(name: &str) -> Vec<Received> {
    let adapter = ScpOpendata::new(json!({})).unwrap();
    let request = ReadRequest { files: Some(vec![sample(name)]), cursor: None };
    let (received, outcome) = read(&adapter, request).await;
    outcome.unwrap();
    received
}

/// Lots with their procedures.
fn lots(received: &[Received]) -> Vec<(Lotto, Procedura)> {
    let both = |raw: &RawRecord| {
        let normalized = mapping::normalize(raw);
        assert!(normalized.set_aside.is_none());
        let mut bodies = normalized.records.into_iter().map(|record| record.body);
        match (bodies.next(), bodies.next(), bodies.next()) {
            (Some(Body::Procedura(procedura)), Some(Body::Lotto(lotto)), None) => (lotto, procedura),
            other => panic!("{other:?}"),
        }
    };
    records(received).into_iter().map(both).collect()
}

#[tokio::test]
async fn the_daily_file_has_eleven_lots_of_eleven_tenders() {
    let received = imported(CSV).await;
    assert!(matches!(received.first(), Some(Received::Begin(header)) if header.remote_id == "scp-bandi-messina.csv"));
    assert!(matches!(received.last(), Some(Received::End)));
    let lots = lots(&received);
    assert_eq!(lots.len(), 11);
    let tenders: std::collections::BTreeSet<_> = lots.iter().map(|(_, procedura)| &procedura.id).collect();
    assert_eq!(tenders.len(), 11);
    // Every day has an hour to drop, and every amount is the sum of its parts.
    let findings: Vec<_> = records(&received).into_iter().flat_map(|raw| mapping::normalize(raw).findings).collect();
    assert_eq!(findings.len(), 22);
    assert!(findings.iter().all(|finding| finding.rule == canonical::Rule::N02));
}

#[tokio::test]
async fn a_saved_answer_of_the_api_has_one_lot() {
    let lots = lots(&imported(CKAN).await);
    let [(lotto, procedura)] = lots.as_slice() else { panic!("{}", lots.len()) };
    assert_eq!((lotto.cig.as_str(), procedura.id.as_str()), ("918052266A", "scp/1412023"));
    assert_eq!(lotto.importo_totale, Some(Importo::parse("3987864.40").unwrap()));
    assert_eq!(procedura.importo, Some(Importo::parse("23569628.59").unwrap()));
}

/// The side of SCP in the comparison of `attesi_scp_anac.json`, as this adapter reads it.
#[tokio::test]
async fn the_comparison_with_anac_comes_out_as_expected() {
    let lots = lots(&imported(CSV).await);
    let expected = json_file(sample("attesi_scp_anac.json"));
    let (mut compared, mut only_here) = (0, 0);
    for row in expected.as_array().unwrap() {
        let text = |field: &str| row[field].as_str().unwrap();
        let found = lots.iter().find(|(lotto, _)| lotto.cig.as_str() == text("cig"));
        match (text("esito"), found) {
            ("solo_anac", None) => {}
            ("solo_scp", Some(_)) => only_here += 1,
            ("in_entrambi", Some((lotto, procedura))) => {
                compared += 1;
                let amount = |text: &str| Importo::read(text, NumberFormat::Point).value;
                assert_eq!(lotto.importo_totale, amount(text("importo_lotto_scp")));
                let anac = amount(&row["importo_lotto_anac"].to_string());
                assert_eq!(lotto.importo_totale == anac, row["importo_uguale"].as_bool().unwrap());
                assert_eq!(lotto.importo_netto.unwrap().checked_add(lotto.oneri_sicurezza.unwrap()), anac);
                let cup: Vec<_> = lotto.cup.iter().map(ToString::to_string).collect();
                assert_eq!(cup, [text("cup_scp")]);
                let day = |instant: Option<canonical::values::UtcInstant>| {
                    CalendarDate::read(&instant.unwrap().to_string(), DateFormat::Iso).value.unwrap()
                };
                let anac = |field: &str| CalendarDate::parse(text(field)).unwrap();
                let is_same = day(procedura.scadenza_offerte) == anac("scadenza_anac");
                assert_eq!(is_same, row["scadenza_stesso_giorno"].as_bool().unwrap());
                let lag = anac("pubblicazione_anac").days_until(day(procedura.pubblicata_il));
                assert_eq!(Some(lag), row["pubblicazione_giorni_di_differenza"].as_i64());
            }
            (outcome, found) => panic!("{} {outcome} {}", text("cig"), found.is_some()),
        }
    }
    assert_eq!((compared, only_here), (6, 5));
}

fn start(faults: Option<Value>) -> RunningSimulator {
    let options = SimulatorOptions { listen: ([127, 0, 0, 1], 0).into(), state: None, faults };
    simulator::simulate(options).unwrap()
}

fn adapter(running: &RunningSimulator, more: &Value) -> ScpOpendata {
    let mut settings = running.settings.clone();
    for (word, value) in more.as_object().unwrap() {
        settings[word] = value.clone();
    }
    let settings = settings.as_object().unwrap().clone();
    ScpOpendata::new(settings.into_iter().filter(|(_, value)| !value.is_null()).collect()).unwrap()
}

fn ckan(page_rows: u32) -> Value {
    json!({"csv_path": null, "resource_id": simulator::RESOURCE_ID, "page_rows": page_rows})
}

#[tokio::test]
async fn the_daily_file_is_downloaded_and_not_handed_over_twice() {
    let running = start(None);
    let adapter = adapter(&running, &json!({}));
    let (received, outcome) = read(&adapter, ReadRequest::default()).await;
    outcome.unwrap();
    assert_eq!(lots(&received).len(), 11);
    assert!(matches!(received.first(), Some(Received::Begin(header)) if header.remote_id == "bandi.csv"));
    let Some(Received::Cursor(cursor)) = received.last() else { panic!("no cursor") };
    let again = ReadRequest { files: None, cursor: Some(cursor.clone()) };
    let (received, outcome) = read(&adapter, again).await;
    outcome.unwrap();
    assert!(received.is_empty());
    running.stop().await;
}

#[tokio::test]
async fn a_body_that_is_added_later_has_its_rows_of_the_same_file_read() {
    let running = start(None);
    let read_for = async |bodies: Value, cursor: Option<String>| {
        let adapter = adapter(&running, &json!({"stazioni_appaltanti": bodies}));
        let (received, outcome) = read(&adapter, ReadRequest { files: None, cursor }).await;
        outcome.unwrap();
        let cursor = received.last().map(|last| if let Received::Cursor(it) = last { it.clone() } else { panic!() });
        (records(&received).len(), cursor)
    };
    let (rows, first) = read_for(json!(["80004650133"]), None).await;
    assert_eq!(rows, 0);
    let both = json!(["80004650133", "05678721001"]);
    let (rows, second) = read_for(both.clone(), first.clone()).await;
    assert_eq!(rows, 11);
    assert_eq!(read_for(both, second.clone()).await, (0, None));
    // Fewer bodies, or all of them, are another question too.
    assert_eq!(read_for(json!(["80004650133"]), second.clone()).await, (0, first));
    assert_eq!(read_for(json!([]), second).await.0, 11);
    running.stop().await;
}

#[rstest]
#[case::all_at_once(1000, 1)]
#[case::to_the_row(11, 1)]
#[case::in_four_pages(3, 4)]
#[case::one_by_one(1, 11)]
#[tokio::test]
async fn the_rows_of_the_api_are_those_of_the_file(#[case] page_rows: u32, #[case] documents: usize) {
    let running = start(None);
    let adapter = adapter(&running, &ckan(page_rows));
    let (received, outcome) = read(&adapter, ReadRequest::default()).await;
    outcome.unwrap();
    let begun = received.iter().filter(|one| matches!(one, Received::Begin(_))).count();
    assert_eq!(begun, documents);
    assert_eq!(lots(&received), lots(&imported(CSV).await));
    let kept = records(&received).into_iter().any(|raw| raw.text.contains("_full_text") || raw.text.contains("_id\""));
    assert!(!kept);
    running.stop().await;
}

#[rstest]
#[case("05678721001", 11)]
#[case("80004650133", 0)]
#[tokio::test]
async fn only_the_rows_of_the_bodies_asked_for_are_taken(
    #[case] body: &str,
    #[case] expected: usize,
    #[values(true, false)] by_api: bool,
) {
    let running = start(None);
    let mut more = if by_api { ckan(5) } else { json!({}) };
    more["stazioni_appaltanti"] = json!([body]);
    let (received, outcome) = read(&adapter(&running, &more), ReadRequest::default()).await;
    outcome.unwrap();
    assert_eq!(records(&received).len(), expected);
    running.stop().await;
}

#[rstest]
#[case::page("html", ErrorKind::Unavailable)]
#[case::cut_short("truncate", ErrorKind::Broken)]
#[case::lost("drop_after_effect", ErrorKind::Broken)]
#[tokio::test]
async fn what_is_not_data_is_passing_and_gives_no_cursor(
    #[case] answer: &str,
    #[case] kind: ErrorKind,
    #[values(true, false)] by_api: bool,
) {
    let running = start(Some(json!([{"operation": "*", "answer": answer}])));
    let more = if by_api { ckan(5) } else { json!({}) };
    let (received, outcome) = read(&adapter(&running, &more), ReadRequest::default()).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind, kind);
    assert!(matches!(error.advice, Advice::Retry { .. }));
    assert!(received.is_empty());
    running.stop().await;
}

#[tokio::test]
async fn pages_handed_over_before_a_failure_stay_valid() {
    let running = start(Some(json!([{"operation": "sql", "every": 3, "answer": 502}])));
    let (received, outcome) = read(&adapter(&running, &ckan(2)), ReadRequest::default()).await;
    assert_eq!(outcome.unwrap_err().kind, ErrorKind::Unavailable);
    assert_eq!(records(&received).len(), 4);
    assert!(matches!(received.last(), Some(Received::End)));
    running.stop().await;
}

#[tokio::test]
async fn another_table_or_a_page_is_refused_and_its_neighbours_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put("a-esiti.csv", "id_esito;cig\n1;9179733B4E\n");
    put("b-pagina.csv", "<!DOCTYPE html><title>Request Rejected</title>");
    put("c-altro.json", "{\"records\": 3}");
    put("d-no.json", "{\"success\": false}");
    put("appunti.txt", "niente");
    std::fs::copy(sample(CSV), folder.path().join("e-bandi.csv")).unwrap();
    let adapter = ScpOpendata::new(json!({"folder": folder.path()})).unwrap();
    let (received, outcome) = read(&adapter, ReadRequest::default()).await;
    outcome.unwrap();
    let refused: Vec<_> = received
        .iter()
        .filter_map(|one| if let Received::Refused { refusal, .. } = one { Some(refusal.code.as_str()) } else { None })
        .collect();
    assert_eq!(refused, ["missing_columns", "html_page", "not_an_answer", "no_success"]);
    assert_eq!(records(&received).len(), 11);
}

#[tokio::test]
async fn without_folder_and_portal_there_is_nothing_to_read() {
    let (_, outcome) = read(&ScpOpendata::new(json!({})).unwrap(), ReadRequest::default()).await;
    assert_eq!(outcome.unwrap_err().advice, Advice::FixConfiguration);
    let missing = ScpOpendata::new(json!({"folder": Path::new("/nonexistent")})).unwrap();
    assert_eq!(read(&missing, ReadRequest::default()).await.1.unwrap_err().advice, Advice::FixConfiguration);
}

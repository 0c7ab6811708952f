//! The adapter against the simulator, and the habits of the original family.

use std::path::Path;

use canonical::Record;
use contract::{Adapter, AdapterError, Held, Observer, Outcome, Phase, RunningSimulator, Shipment, Target};
use rstest::rstest;
use serde_json::Value;

use super::*;
use crate::testing::{CIG, assert_follows, avanzamento, cases, evento, records, shipment};
use crate::{FACTORY, ScpEsecuzione};

struct Bench {
    running: RunningSimulator,
    adapter: ScpEsecuzione,
    http: reqwest::Client,
    _temporary: tempfile::TempDir,
}

fn bench() -> Bench {
    bench_with(&Value::Null, None)
}

/// A simulator with these faults, on a state folder of its own or on a given one.
fn bench_with(faults: &Value, state: Option<&Path>) -> Bench {
    let temporary = tempfile::tempdir().unwrap();
    let options = SimulatorOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        state: Some(state.unwrap_or(temporary.path()).to_owned()),
        faults: (!faults.is_null()).then(|| faults.clone()),
    };
    let running = (FACTORY.simulate.unwrap())(options).unwrap();
    let mut settings = running.settings.clone();
    settings["page_size"] = json!(2);
    settings["read_seconds"] = json!(5);
    let adapter = ScpEsecuzione::new(settings).unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    Bench { running, adapter, http, _temporary: temporary }
}

impl Bench {
    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let key = std::fs::read_to_string(self.running.settings["key_file"].as_str().unwrap()).unwrap();
        let url = format!("http://{}{path}", self.running.address);
        let mut request = self.http.request(method.parse().unwrap(), url).bearer_auth(key.trim());
        request = request.header("idempotency-key", format!("{path} {body:?}"));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
    }

    async fn send(&self, shipment: &Shipment) -> Result<Outcome, AdapterError> {
        self.adapter.send(shipment).await
    }

    /// Sends a record and brings its draft to a state, step by step.
    async fn bring(&self, record: &Record, states: &[&str], il: &str) {
        let shipment = shipment(record, 1);
        receipt(self.send(&shipment).await);
        for stato in states {
            let step = json!({"chiave": shipment.unit.0, "stato": stato, "il": il});
            assert_follows("Avanza", &step);
            assert_eq!(self.call("POST", "/simulatore/avanza", Some(step)).await.0, 200);
        }
    }

    async fn inventory(&self) -> Vec<(String, contract::Row)> {
        let (mut units, mut from) = (Vec::new(), None);
        loop {
            let page = self.adapter.inventory(from.as_deref()).await.unwrap();
            units.extend(page.units.into_iter().map(|mut unit| (unit.key.0, unit.rows.remove(0))));
            match page.next {
                Some(next) => from = Some(next),
                None => return units,
            }
        }
    }

    /// The drafts written so far, as the journal tells.
    fn effects(&self) -> Vec<Value> {
        let folder = Path::new(self.running.settings["key_file"].as_str().unwrap()).parent().unwrap();
        let journal = std::fs::read_to_string(folder.join("effects.ndjson")).unwrap();
        let lines = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|effect| effect["effetto"] == "bozza").collect()
    }
}

const SENT: &[&str] = &["in_verifica", "confermata", "trasmessa"];

fn receipt(outcome: Result<Outcome, AdapterError>) -> contract::Receipt {
    match outcome {
        Ok(Outcome::Submitted { receipt, .. } | Outcome::Acknowledged(receipt)) => receipt,
        other => panic!("not taken: {other:?}"),
    }
}

fn refusal(outcome: Result<Outcome, AdapterError>) -> String {
    match outcome {
        Ok(Outcome::Refused { code, .. }) => code,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_draft_is_taken_once_however_often_it_is_sent() {
    let bench = bench();
    let shipment = shipment(&avanzamento(CIG, 1, "10.00"), 1);
    let first = receipt(bench.send(&shipment).await);
    assert_eq!((first.status, first.remote_id.as_deref()), (201, Some("B00000001")));
    let again = receipt(bench.send(&shipment).await);
    assert_eq!((again.status, again.remote_id, again.answer_digest), (200, first.remote_id, first.answer_digest));
    let effects = bench.effects();
    assert_eq!(effects.len(), 1);
    assert_eq!(effects[0]["impronta"], shipment.digest().to_string());
    assert_eq!(effects[0]["idempotency_key"], shipment.idempotency_key);
    assert_eq!(effects[0]["key"], shipment.unit.0);
}

#[tokio::test]
async fn every_case_on_file_is_taken_and_held_as_it_was_sent() {
    let bench = bench();
    // A suspension first: the schede that follow it come before it in the order of the files.
    receipt(bench.send(&shipment(&evento(CIG, 1, &json!({"evento": "sospensione"})), 1)).await);
    for (revision, (name, case)) in (2..).zip(cases()) {
        let unit = contract::UnitKey(case["unita"].as_str().unwrap().to_owned());
        let composed = bench.adapter.compose(&unit, revision, &records(&case)).unwrap();
        let shipment = Shipment {
            unit: unit.clone(),
            revision,
            idempotency_key: name,
            body: composed.body,
            previous_receipt: None,
        };
        receipt(bench.send(&shipment).await);
        let held = bench.inventory().await.into_iter().find(|(key, _)| *key == unit.0).unwrap();
        assert_eq!(held.1, composed.rows[0]);
        let (status, draft) = bench.call("GET", &format!("/bozze/{unit}"), None).await;
        assert_eq!(status, 200);
        assert_follows("BozzaTenuta", &draft);
    }
}

#[tokio::test]
async fn a_newer_version_replaces_and_an_older_one_is_refused() {
    let bench = bench();
    receipt(bench.send(&shipment(&avanzamento(CIG, 1, "10.00"), 1)).await);
    let newer = receipt(bench.send(&shipment(&avanzamento(CIG, 1, "30.00"), 3)).await);
    assert_eq!((newer.status, newer.remote_id.as_deref()), (200, Some("B00000001")));
    assert_eq!(refusal(bench.send(&shipment(&avanzamento(CIG, 1, "20.00"), 2)).await), "newer_draft");
    // The same content in an older version is already there.
    receipt(bench.send(&shipment(&avanzamento(CIG, 1, "30.00"), 2)).await);
    assert_eq!(bench.effects().len(), 2);
}

#[tokio::test]
async fn an_idempotency_key_with_another_body_is_refused() {
    let bench = bench();
    receipt(bench.send(&shipment(&avanzamento(CIG, 1, "10.00"), 1)).await);
    let mut other = shipment(&avanzamento(CIG, 1, "20.00"), 2);
    other.idempotency_key = shipment(&avanzamento(CIG, 1, "10.00"), 1).idempotency_key;
    assert_eq!(refusal(bench.send(&other).await), "IDEMPOTENCY_MISMATCH");
    assert_eq!(bench.effects().len(), 1);
}

#[tokio::test]
async fn a_lost_answer_is_found_by_looking_and_not_by_sending_again() {
    let faults = json!([{"operation": "submit", "first": 1, "answer": "drop_after_effect"}]);
    let bench = bench_with(&faults, None);
    let shipment = shipment(&avanzamento(CIG, 1, "10.00"), 1);
    assert_eq!(bench.adapter.look_up(&shipment).await.unwrap(), Held::Nothing);
    assert_eq!(bench.send(&shipment).await.unwrap_err().phase, Phase::Unknown);
    let Held::Same(receipt) = bench.adapter.look_up(&shipment).await.unwrap() else { panic!("not found") };
    assert_eq!(receipt.remote_id.as_deref(), Some("B00000001"));
    assert_eq!(bench.effects().len(), 1);
}

#[rstest]
#[case::page(json!("html"))]
#[case::empty(json!("empty"))]
#[case::truncated(json!("truncate"))]
#[case::gateway(json!(502))]
#[tokio::test]
async fn a_bad_answer_is_in_doubt_and_never_taken_for_a_receipt(#[case] answer: Value) {
    let faults = json!([{"operation": "submit", "first": 1, "answer": answer, "after_effect": true}]);
    let bench = bench_with(&faults, None);
    let shipment = shipment(&avanzamento(CIG, 1, "10.00"), 1);
    assert_eq!(bench.send(&shipment).await.unwrap_err().phase, Phase::Unknown);
    assert!(matches!(bench.adapter.look_up(&shipment).await.unwrap(), Held::Same(_)));
}

#[tokio::test]
async fn a_restart_remembers_drafts_answers_and_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let shipment = shipment(&avanzamento(CIG, 1, "10.00"), 1);
    let bench = bench_with(&Value::Null, Some(folder.path()));
    let first = receipt(bench.send(&shipment).await);
    let before = bench.inventory().await;
    bench.running.stop().await;
    let bench = bench_with(&Value::Null, Some(folder.path()));
    assert_eq!(bench.inventory().await, before);
    assert_eq!(receipt(bench.send(&shipment).await).answer_digest, first.answer_digest);
    assert_eq!(bench.effects().len(), 1);
}

#[tokio::test]
async fn the_inventory_is_in_the_order_of_the_keys_across_pages() {
    let bench = bench();
    for (cig, progressivo) in [(CIG, 10), ("918052266A", 1), (CIG, 2), (CIG, 1), ("A0000011A6", 1)] {
        receipt(bench.send(&shipment(&avanzamento(cig, progressivo, "10.00"), 1)).await);
    }
    let keys: Vec<_> = bench.inventory().await.into_iter().map(|(key, _)| key).collect();
    let expected =
        ["918052266A/1/3/1", "A0000011A6/1/3/1", "B000001279/1/3/1", "B000001279/1/3/10", "B000001279/1/3/2"];
    assert_eq!(keys, expected);
    assert_follows("PaginaBozze", &bench.call("GET", "/bozze?limite=2", None).await.1);
    assert_follows("PaginaBozze", &bench.call("GET", "/bozze?dopo=B000001279/1/3/2", None).await.1);
}

#[rstest]
#[case::ri1(json!({"evento": "ripresa", "sospensione": 1}))]
#[case::sq1(json!({"evento": "superamento_quarto", "sospensione": 1}))]
#[tokio::test]
async fn what_follows_a_suspension_needs_it(#[case] dettaglio: Value) {
    let bench = bench();
    let following = shipment(&evento(CIG, 1, &dettaglio), 1);
    assert_eq!(refusal(bench.send(&following).await), "SEQUENZA");
    receipt(bench.send(&shipment(&evento(CIG, 1, &json!({"evento": "sospensione"})), 1)).await);
    receipt(bench.send(&following).await);
}

#[rstest]
#[case::smartcig("/bozze/ZD30000001/1/3/1", json!({"versione": 1, "scheda": "SA1", "anacForm": {}}), "SMARTCIG")]
#[case::not_a_cig("/bozze/NOCIG14587/1/3/1", json!({"versione": 1, "scheda": "SA1", "anacForm": {}}), "CIG_NON_VALIDO")]
#[case::null_cig("/bozze/0000000000/1/3/1", json!({"versione": 1, "scheda": "SA1", "anacForm": {}}), "CIG_NON_VALIDO")]
#[case::no_such_phase("/bozze/B000001279/1/99/1", json!({"versione": 1, "scheda": "SA1", "anacForm": {}}), "CHIAVE_NON_VALIDA")]
#[case::progressive_with_zeros("/bozze/B000001279/1/3/01", json!({"versione": 1, "scheda": "SA1", "anacForm": {}}), "CHIAVE_NON_VALIDA")]
#[case::other_scheda("/bozze/B000001279/1/3/1", json!({"versione": 1, "scheda": "SO1", "anacForm": {}}), "SCHEDA_NON_COERENTE")]
#[case::no_version("/bozze/B000001279/1/3/1", json!({"versione": 0, "scheda": "SA1", "anacForm": {}}), "BOZZA_NON_VALIDA")]
#[case::not_a_draft("/bozze/B000001279/1/3/1", json!([]), "BOZZA_NON_VALIDA")]
#[case::unknown_field("/bozze/B000001279/1/3/1", json!({"versione": 1, "scheda": "SA1", "anacForm": {"altro": 1}}), "BOZZA_NON_VALIDA")]
#[case::amount_as_text("/bozze/B000001279/1/3/1", json!({"versione": 1, "scheda": "SA1", "anacForm": {"avanzamento": {"impSal": "10.50"}}}), "BOZZA_NON_VALIDA")]
#[case::unknown_field_of_ours("/bozze/B000001279/1/3/1", json!({"versione": 1, "scheda": "SA1", "anacForm": {}, "integrazioni": {"altro": 1}}), "BOZZA_NON_VALIDA")]
#[case::field_of_ours_as_text("/bozze/B000001279/1/3/1", json!({"versione": 1, "scheda": "SA1", "anacForm": {}, "integrazioni": {"impSalSingolo": "1"}}), "BOZZA_NON_VALIDA")]
#[tokio::test]
async fn every_no_has_status_500_and_its_reason(#[case] path: &str, #[case] body: Value, #[case] code: &str) {
    let bench = bench();
    let (status, answer) = bench.call("PUT", path, Some(body)).await;
    assert_eq!((status, &answer["errorData"]), (500, &json!(code)));
    assert_follows("Errore", &answer);
}

#[rstest]
#[case("/bozze/B000001279/1/3/1")]
#[case("/bozze/B00000009")]
#[case("/gestioneContratti/getJsonListaSchede?cig=B000001279")]
#[case("/gestioneContratti/getJsonListaSchede")]
#[tokio::test]
async fn what_is_not_found_has_status_500_too(#[case] path: &str) {
    let (status, answer) = bench().call("GET", path, None).await;
    assert_eq!((status, &answer["errorData"]), (500, &json!("NOT_FOUND")));
    assert_follows("Errore", &answer);
}

#[tokio::test]
async fn a_wrong_key_stops_at_the_gateway() {
    let bench = bench();
    let url = format!("http://{}/bozze", bench.running.address);
    let answer = bench.http.get(url).bearer_auth("altra").send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 401);
    assert_follows("Errore", &serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap());
}

#[tokio::test]
async fn a_draft_advances_step_by_step_and_a_newer_version_opens_it_again() {
    let bench = bench();
    let record = avanzamento(CIG, 1, "10.00");
    bench.bring(&record, SENT, "2026-03-01T10:00:00").await;
    let step = json!({"chiave": "B000001279/1/3/1", "stato": "bozza", "il": "2026-03-02T10:00:00"});
    assert_eq!(bench.call("POST", "/simulatore/avanza", Some(step)).await.0, 500);
    // By its key: asking by identifier where it stands makes it advance.
    let state = async || bench.call("GET", "/bozze/B000001279/1/3/1", None).await.1;
    assert_follows("BozzaTenuta", &state().await);
    assert_eq!(state().await["stato"], "trasmessa");
    let step = json!({"chiave": "B000001279/1/3/1", "il": "2026-03-02T10:00:00"});
    assert_eq!(bench.call("POST", "/simulatore/avanza", Some(step)).await.0, 200);
    assert_eq!(state().await["stato"], "accettata");
    receipt(bench.send(&shipment(&avanzamento(CIG, 1, "11.00"), 2)).await);
    assert_eq!(state().await["stato"], "bozza");
}

#[tokio::test]
async fn only_what_was_sent_is_visible_to_the_original_reads() {
    let bench = bench();
    bench.bring(&avanzamento(CIG, 1, "10.00"), &["in_verifica", "confermata"], "2026-03-01T10:00:00").await;
    assert_eq!(bench.call("GET", "/gestioneContratti/getListaCig", None).await.1["data"], json!(["K00003EC3A"]));
    let step = json!({"chiave": "B000001279/1/3/1", "il": "2026-03-01T10:00:00"});
    bench.call("POST", "/simulatore/avanza", Some(step)).await;
    bench.bring(&evento(CIG, 1, &json!({"evento": "avvio"})), SENT, "2026-03-01T10:00:00").await;
    let (_, schede) = bench.call("GET", "/gestioneContratti/getJsonListaSchede?cig=B000001279", None).await;
    assert_follows("ListaSchede", &schede);
    assert_eq!(schede["data"][0]["SA1"][0]["anacForm"]["avanzamento"]["impSal"], 10);
    assert_eq!(schede["data"][0]["I1"]["idScheda"], "B00000002");
}

#[rstest]
#[case::both_bounds_included("?dataDa=2026-03-01T10:00:00&dataA=2026-03-02T10:00:00", &["918052266A", "B000001279"])]
#[case::before("?dataDa=2026-03-01T10:00:00&dataA=2026-03-01T10:00:00", &["918052266A"])]
#[case::overlapping("?dataDa=2026-03-01T09:00:00&dataA=2026-03-05T00:00:00", &["918052266A", "B000001279"])]
#[case::outside("?dataDa=2026-03-03T00:00:00&dataA=2026-03-04T00:00:00", &[])]
#[case::no_end_no_filter("?dataDa=2026-03-03T00:00:00", &["918052266A", "B000001279", "K00003EC3A"])]
#[case::no_start_no_filter("?dataA=2026-02-01T00:00:00", &["918052266A", "B000001279", "K00003EC3A"])]
#[tokio::test]
async fn the_window_is_ignored_when_a_bound_is_missing(#[case] query: &str, #[case] cigs: &[&str]) {
    let bench = bench();
    bench.bring(&avanzamento("918052266A", 1, "10.00"), SENT, "2026-03-01T10:00:00").await;
    bench.bring(&avanzamento(CIG, 1, "10.00"), SENT, "2026-03-02T10:00:00").await;
    let (status, answer) = bench.call("GET", &format!("/gestioneContratti/getListaCig{query}"), None).await;
    assert_eq!((status, &answer["data"]), (200, &json!(cigs)));
    assert_follows("ListaCig", &answer);
}

#[tokio::test]
async fn a_cig_found_in_two_tenders_gives_only_the_first() {
    let bench = bench();
    for (award, gara) in [(1, "gara-2"), (2, "gara-1")] {
        let body = json!({"cig": CIG, "award": award, "gara": gara});
        assert_follows("AssegnaGara", &body);
        assert_eq!(bench.call("POST", "/simulatore/gare", Some(body)).await.0, 200);
        let mut record = avanzamento(CIG, 1, "10.00");
        if let canonical::Body::EventoEsecuzione(evento) = &mut record.body {
            evento.id_aggiudicazione = award;
        }
        bench.bring(&record, SENT, "2026-03-01T10:00:00").await;
    }
    let (_, answer) = bench.call("GET", "/gestioneContratti/getJsonListaSchede?cig=B000001279", None).await;
    let awards: Vec<_> = answer["data"].as_array().unwrap().iter().map(|award| &award["idAggiudicazione"]).collect();
    assert_eq!(awards, [&json!(2)]);
}

#[test]
fn the_capability_says_that_the_contract_is_assumed() {
    let capability = (FACTORY.capability)();
    assert_eq!((capability.system, capability.status), ("scp-esecuzione", contract::ContractStatus::Assumed));
    assert!(!capability.reads.is_empty() && capability.observes);
}

#[tokio::test]
async fn the_roles_are_those_of_the_capability() {
    let bench = bench();
    assert!(bench.adapter.source().is_some() && bench.adapter.target().is_some() && bench.adapter.observer().is_some());
    assert_eq!(bench.adapter.capability(), (FACTORY.capability)());
}

/// Sends a record, follows its draft, and tells the states seen up to the end.
async fn followed(bench: &Bench, record: &Record) -> Vec<String> {
    let shipment = shipment(record, 1);
    let taken = receipt(bench.send(&shipment).await);
    let mut seen = Vec::new();
    while seen.len() < 8 {
        match bench.adapter.follow(&shipment, &taken).await.unwrap() {
            contract::Followed::Pending(state) => seen.push(state),
            contract::Followed::Ended(Outcome::Refused { code, .. }) => {
                seen.push(format!("refused {code}"));
                break;
            }
            contract::Followed::Ended(_) => {
                seen.push("ended".to_owned());
                break;
            }
        }
    }
    seen
}

#[tokio::test]
async fn a_draft_that_is_followed_ends_accepted() {
    let states = followed(&bench(), &avanzamento(CIG, 1, "10.00")).await;
    assert_eq!(states, ["in_verifica", "confermata", "trasmessa", "ended"]);
}

#[rstest]
#[case::one_scheda("SA1", "scartata", "refused REG64", 4)]
#[case::one_draft("B000001279/1/3/1", "scartata", "refused REG64", 4)]
#[case::it_stays("*", "ferma", "bozza", 8)]
#[case::others_go_on("SO1", "scartata", "ended", 4)]
#[tokio::test]
async fn another_end_may_be_planned(
    #[case] bozza: &str,
    #[case] esito: &str,
    #[case] last: &str,
    #[case] asked: usize,
) {
    let plan = json!([
        {"bozza": bozza, "esito": esito, "codice": "REG64"},
        {"operation": "inventory", "first": 1, "answer": 503},
    ]);
    let states = followed(&bench_with(&plan, None), &avanzamento(CIG, 1, "10.00")).await;
    assert_eq!((states.last().map(String::as_str), states.len()), (Some(last), asked));
}

#[tokio::test]
async fn a_plan_that_nobody_understands_stops_the_simulator() {
    let options = SimulatorOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        state: None,
        faults: Some(json!([{"bozza": "SA1", "esito": "forse"}])),
    };
    assert!((FACTORY.simulate.unwrap())(options).is_err());
}

/// Everything that a read of the archive gives.
async fn archive(bench: &Bench, cursor: Option<&str>) -> (Vec<contract::RawRecord>, Option<String>) {
    use contract::{ReadRequest, Received, Source};
    let (sink, mut received) = tokio::sync::mpsc::channel(1000);
    let request = ReadRequest { files: None, cursor: cursor.map(str::to_owned) };
    Source::read(&bench.adapter, request, sink).await.unwrap();
    let (mut records, mut cursor) = (Vec::new(), None);
    while let Some(received) = received.recv().await {
        match received {
            Received::Record(record) if record.document.remote_id.ends_with(CIG) => records.push(record),
            Received::Cursor(to) => cursor = Some(to),
            _ => {}
        }
    }
    (records, cursor)
}

#[tokio::test]
async fn what_was_sent_and_accepted_is_read_back_as_it_was() {
    use contract::Source;
    let bench = bench();
    receipt(bench.send(&shipment(&evento(CIG, 1, &json!({"evento": "sospensione"})), 1)).await);
    let mut sent = Vec::new();
    for (name, case) in cases().into_iter().filter(|(name, _)| name.ends_with("-completa")) {
        let unit = contract::UnitKey(case["unita"].as_str().unwrap().to_owned());
        let composed = bench.adapter.compose(&unit, 2, &records(&case)).unwrap();
        let shipment =
            Shipment { unit, revision: 2, idempotency_key: name, body: composed.body, previous_receipt: None };
        let taken = receipt(bench.send(&shipment).await);
        while matches!(bench.adapter.follow(&shipment, &taken).await.unwrap(), contract::Followed::Pending(_)) {}
        sent.push((shipment.unit, taken.remote_id.unwrap(), composed.rows));
    }
    let (raw, cursor) = archive(&bench, None).await;
    assert_eq!(raw.len(), sent.len());
    let mut read = Vec::new();
    for raw in &raw {
        let normalized = bench.adapter.normalize(raw);
        assert_eq!(normalized.set_aside, None);
        let draft = normalized.records.last().unwrap();
        let canonical::Body::EventoEsecuzione(evento) = &draft.body else { panic!("not an event") };
        assert_eq!(evento.stato, canonical::kinds::StatoEvento::Confermato);
        let id = evento.id_remoto.clone().unwrap();
        let provenance = avanzamento(CIG, 1, "1.00").provenance;
        let record = Record::new(draft.body.clone(), provenance);
        let contract::Placement::Unit(unit) = bench.adapter.place(&record) else { panic!("placed nowhere") };
        let rows = bench.adapter.compose(&unit.key, 2, &[record]).unwrap().rows;
        read.push((unit.key, id, rows));
    }
    read.sort_by(|a, b| a.0.cmp(&b.0));
    sent.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(read, sent);
    // Nothing changed since, but the window goes back an hour: what it gives again is the same.
    let (again, _) = archive(&bench, cursor.as_deref()).await;
    assert!(again.iter().all(|record| raw.iter().any(|before| before.text == record.text)));
}

#[tokio::test]
async fn what_people_wrote_by_themselves_is_read_too() {
    use contract::{ReadRequest, Received, Source};
    let bench = bench();
    let (sink, mut received) = tokio::sync::mpsc::channel(1000);
    Source::read(&bench.adapter, ReadRequest::default(), sink).await.unwrap();
    let mut keys = Vec::new();
    while let Some(received) = received.recv().await {
        if let Received::Record(raw) = received {
            let normalized = bench.adapter.normalize(&raw);
            assert_eq!(normalized.set_aside, None);
            keys.extend(normalized.records.iter().map(|draft| format!("{} {}", draft.body.kind(), draft.body.key())));
        }
    }
    // The contract and thirteen events of it, and one of its lot.
    assert_eq!(keys.len(), 15);
    assert_eq!(keys[0], "contratto K00003EC3A/1");
    assert!(keys.contains(&"evento_esecuzione K00003EC3A/1/15/1".to_owned()));
    let (_, schede) = bench.call("GET", "/gestioneContratti/getJsonListaSchede?cig=K00003EC3A", None).await;
    assert_follows("ListaSchede", &schede);
    // Nobody sent a draft of it.
    assert!(bench.inventory().await.is_empty());
}

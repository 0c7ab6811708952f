//! Lanes of several units: the steps of a contract's execution, of which one is under way at a time
//! and none before the one that it follows.
//!
//! The HUB's publications stand alone in their lanes, so this is a second target: the drafts of the
//! execution platform, implemented here and nowhere near the product, which takes whatever comes in
//! whatever order and writes it down. The lines travel through the same program and the same kills as
//! those of the HUB.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::place::{Place, text};
use super::programme::Figures;
use crate::rest::rest;

/// How long a request takes effect after it arrived.
const WORK: Duration = Duration::from_millis(15);

/// How long everything in the lanes may take once nothing is wrong any more (I14).
const SETTLED: Duration = Duration::from_secs(30);

/// Steps that are not there.
const OPEN: &str = "select count(*) from delivery where target = 'scp-esecuzione'
    and (state <> 'acknowledged' or held_revision <> desired_revision)";

/// How many progresses a lane gets at most.
const LONGEST: usize = 8;

/// One draft that was sent.
#[derive(Debug, Clone)]
struct Put {
    at: Instant,
    ended: Option<Instant>,
    unit: String,
    key: String,
    versione: u64,
    body: Bytes,
    took_effect: bool,
}

#[derive(Debug, Default)]
struct Ledger {
    puts: Vec<Put>,
    answered: HashMap<String, (String, Bytes)>,
    held: BTreeMap<String, Value>,
}

/// The lanes of a place, and the target that takes their steps.
#[derive(Debug)]
pub(super) struct Lanes {
    ledger: Arc<Mutex<Ledger>>,
    /// The amounts of the steps of each lane as they stand, the signature first, then the start, then
    /// the progresses.
    amounts: BTreeMap<String, Vec<u64>>,
    next: u64,
    _runtime: Runtime,
}

impl Lanes {
    /// Starts the target on a free port, and adds it to the configuration of a place.
    pub(super) fn beside(place: &Place) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let router = Router::new()
            // It is a source too, which has nothing new.
            .route("/gestioneContratti/getListaCig", get(async || answer(200, &json!({ "esito": true, "data": [] }))))
            .route("/bozze", get(inventory))
            .route("/bozze/{*chiave}", get(held).put(submit))
            .with_state(Arc::clone(&ledger));
        let inside = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        drop(inside);
        runtime.spawn(async move { drop(axum::serve(listener, router).await) });
        let configuration = place.path().join("raccordo.toml");
        let written = std::fs::read_to_string(&configuration)?;
        let settings = format!(
            "{written}\n[systems.scp-esecuzione]\nhonours_keys = true\nsettings = {{ base_url = \"http://{address}\", key_file = \"key\" }}\n"
        );
        std::fs::write(configuration, settings)?;
        Ok(Self { ledger, amounts: BTreeMap::new(), next: 0, _runtime: runtime })
    }

    /// Imports, until it is acknowledged, a document with a new lane or two, a step more for some
    /// lanes, and a change of a step for others. Now and then its lines stand in any order.
    pub(super) fn import(&mut self, place: &mut Place, chance: &mut fastrand::Rng, name: &str) -> Result<()> {
        let mut lines = Vec::new();
        let known: Vec<String> = self.amounts.keys().cloned().collect();
        for _ in 0..chance.usize(1..=2) {
            self.next += 1;
            let cig = cig(self.next);
            let steps = 2 + chance.usize(2..=4);
            self.amounts.insert(cig.clone(), vec![10_000; steps]);
            lines.extend((0..steps).map(|step| line(&cig, step, 10_000)));
        }
        for cig in chance.choose_multiple(&known, 2) {
            let Some(amounts) = self.amounts.get_mut(cig) else { continue };
            // A step that is changed and one that is new are two: the lines may be shuffled.
            let changed = chance.usize(..amounts.len());
            if changed != 1 {
                amounts[changed] += 1;
                lines.push(line(cig, changed, amounts[changed]));
            }
            if chance.bool() && amounts.len() < 2 + LONGEST {
                amounts.push(10_000);
                lines.push(line(cig, amounts.len() - 1, 10_000));
            }
        }
        if chance.u8(..4) == 0 {
            chance.shuffle(&mut lines);
        }
        let documents = place.documents();
        let (file, digest) = place.client.write_lines(&documents, name, lines, Vec::new())?;
        let ended = place.run(&["import", "file-drop", text(&file)?])?;
        ensure!(ended.code() == Some(0), "an import of steps ended with {}: {}", ended.status, ended.printed);
        place.client.acknowledged(&digest);
        Ok(())
    }

    /// Whether every step is there.
    pub(super) fn is_settled(place: &Place) -> Result<bool> {
        Ok(place.store.number(OPEN)? == 0)
    }

    /// Lets a daemon work until every step is there, then judges.
    pub(super) fn settle(&self, place: &Place, figures: &mut Figures) -> Result<()> {
        /// How often a lane went back to an older job.
        const TURNS: &str = "select count(*) from (
    select a.job - lag(a.job) over (partition by d.lane order by a.id) as forward
      from attempt a join delivery d on d.id = a.delivery where d.target = 'scp-esecuzione') t
  where forward < 0";
        let begun = Instant::now();
        if place.store.number(OPEN)? > 0 {
            let mut daemon = place.start(&["serve"])?;
            daemon.page()?;
            while place.store.number(OPEN)? > 0 && begun.elapsed() < SETTLED {
                rest(Duration::from_millis(50));
            }
            daemon.signal("TERM")?;
            daemon.wait(Duration::from_secs(20))?;
        }
        let open = place.store.number(OPEN)?;
        if open > 0 {
            figures.stuck += u64::try_from(open).unwrap_or_default();
            figures.violated(format!("I14: {open} steps not there after {} s", SETTLED.as_secs()));
        }
        self.judge(figures);
        let backwards = place.store.number(TURNS)?;
        if backwards > 0 {
            figures.violated(format!("I7: {backwards} times a lane went back to an older piece of work"));
        }
        let facts = place.run(&["reconcile", "scp-esecuzione"])?.json()?;
        let counts = &facts["counts"];
        if facts["complete"] != Value::Bool(true) || counts["equal"] != counts["expected"] {
            figures.violated(format!("I10: reconciliation of the lanes finds differences: {facts}"));
        }
        Ok(())
    }

    /// What the target saw: one request at a time in each lane, steps in their order, one effect for
    /// each version, and in the end the amounts that the client wrote last.
    pub(super) fn judge(&self, figures: &mut Figures) {
        let ledger = lock(&self.ledger);
        let mut lanes: BTreeMap<&str, Vec<&Put>> = BTreeMap::new();
        for put in &ledger.puts {
            lanes.entry(lane(&put.unit)).or_default().push(put);
        }
        for (lane, puts) in &lanes {
            one_at_a_time(lane, puts, figures);
            in_their_order(lane, puts, figures);
        }
        for (cig, amounts) in &self.amounts {
            for (step, amount) in amounts.iter().enumerate() {
                let unit = unit(cig, step);
                let there = ledger.held.get(&unit).map(ToString::to_string);
                // The start of the works has no amount.
                if !there.is_some_and(|there| step == 1 || there.contains(&amount.to_string())) {
                    figures.lost += 1;
                    figures.violated(format!("I5: {unit} was acknowledged, and the target does not hold {amount}"));
                }
            }
        }
    }

    /// How much went through the lanes, for the table.
    pub(super) fn told(&self) -> String {
        let steps: usize = self.amounts.values().map(Vec::len).sum();
        let puts = lock(&self.ledger).puts.len();
        format!("{} lanes of several steps: {steps} steps, {puts} requests, one at a time", self.amounts.len())
    }
}

fn one_at_a_time(lane: &str, puts: &[&Put], figures: &mut Figures) {
    for pair in puts.windows(2) {
        // The same again, under its key, is one request to a target that honours keys.
        let is_same = pair[0].key == pair[1].key;
        if !is_same && pair[0].ended.is_none_or(|ended| ended > pair[1].at) {
            figures
                .violated(format!("I7: lane {lane}: {} was sent while {} was under way", pair[1].unit, pair[0].unit));
        }
    }
}

fn in_their_order(lane: &str, puts: &[&Put], figures: &mut Figures) {
    let mut done: BTreeMap<usize, u64> = BTreeMap::new();
    let mut first: HashMap<(usize, u64), &Put> = HashMap::new();
    for put in puts {
        let Some(step) = place_of(&put.unit) else {
            figures.violated(format!("I5: lane {lane} has no step {}", put.unit));
            continue;
        };
        if step > 0 && !done.contains_key(&(step - 1)) {
            figures.violated(format!("I7: lane {lane}: {} was sent before the step that it follows", put.unit));
        }
        let before = *first.entry((step, put.versione)).or_insert(put);
        if before.key != put.key || before.body != put.body {
            figures.violated(format!("I4: {} was sent with another key or other bytes", put.unit));
        }
        if put.took_effect {
            let last = done.insert(step, put.versione);
            if last.is_some_and(|last| last >= put.versione) {
                figures.duplicated += 1;
                figures.violated(format!("I4: {}: version {} took effect after {last:?}", put.unit, put.versione));
            }
        }
    }
}

/// The CIG of a lane, with the check that ANAC publishes.
fn cig(number: u64) -> String {
    let mut text = String::new();
    // Writing to a string does not fail. B is the second letter.
    let _ = write!(text, "B{number:06X}{:03X}", (number + 2) * 211 % 4091);
    text
}

/// `CIG/award/phase/number`.
fn unit(cig: &str, step: usize) -> String {
    match step {
        0 => format!("{cig}/1/13/1"),
        1 => format!("{cig}/1/2/1"),
        _ => format!("{cig}/1/3/{}", step - 1),
    }
}

fn place_of(unit: &str) -> Option<usize> {
    let mut parts = unit.split('/').skip(2);
    match (parts.next()?, parts.next()?.parse::<usize>().ok()?) {
        ("13", 1) => Some(0),
        ("2", 1) => Some(1),
        ("3", number) => Some(number + 1),
        _ => None,
    }
}

fn lane(unit: &str) -> &str {
    unit.split('/').next().unwrap_or_default()
}

/// A line of the canonical format: an event of the execution.
fn line(cig: &str, step: usize, amount: u64) -> String {
    let day = format!("2025-{:02}-10", step + 1);
    let dettaglio = match step {
        0 => json!({ "evento": "stipula", "data_stipula": day, "data_decorrenza": day,
            "data_scadenza": "2026-12-31", "importo": format!("{amount}.00"), "importo_cauzione": "1000.00" }),
        1 => json!({ "evento": "avvio", "data_verbale_consegna": day, "data_effettivo_inizio": day,
            "data_fine_prevista": "2026-12-31" }),
        _ => json!({ "evento": "avanzamento", "denominazione": format!("SAL {}", step - 1), "data_raggiungimento": day,
            "importo_sal": format!("{amount}.00"), "importo_cumulato": format!("{}.00", amount * step as u64),
            "data_certificato": day, "importo_certificato": format!("{amount}.00"), "avanzamento": "9",
            "giorni_scostamento": 0 }),
    };
    let body = json!({ "cig": cig, "id_aggiudicazione": 1, "stazione_appaltante": "80098765433",
        "anno_riferimento": 2025, "progressivo": step.saturating_sub(1).max(1), "data": day, "stato": "confermato",
        "dettaglio": dettaglio });
    json!({ "schema_version": 1, "kind": "evento_esecuzione", "body": body }).to_string()
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

type Shared = State<Arc<Mutex<Ledger>>>;

async fn submit(State(ledger): Shared, Path(unit): Path<String>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let at = Instant::now();
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default().to_owned();
    let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
    let versione = sent["versione"].as_u64().unwrap_or_default();
    let put = Put { at, ended: None, unit, key, versione, body, took_effect: false };
    let number = {
        let mut ledger = lock(&ledger);
        ledger.puts.push(put.clone());
        ledger.puts.len() - 1
    };
    // It finishes what it has begun, whoever is still there to hear of it.
    tokio::spawn(work(ledger, number, put, sent)).await.unwrap_or_else(|_| answer(500, &Value::Null))
}

/// Works on a draft to its end, and gives the answer.
async fn work(ledger: Arc<Mutex<Ledger>>, number: usize, put: Put, sent: Value) -> Response<Body> {
    tokio::time::sleep(WORK).await;
    let versione = put.versione;
    let mut ledger = lock(&ledger);
    ledger.puts[number].ended = Some(Instant::now());
    let taken = json!({ "idBozza": put.unit.replace('/', "-"), "stato": "accettata", "versione": versione });
    if let Some((unit, body)) = ledger.answered.get(&put.key) {
        return if (unit, body) == (&put.unit, &put.body) {
            answer(200, &taken)
        } else {
            answer(500, &json!({ "esito": false, "errorData": "IDEMPOTENCY_MISMATCH" }))
        };
    }
    ledger.answered.insert(put.key.clone(), (put.unit.clone(), put.body.clone()));
    ledger.puts[number].took_effect = true;
    let mut held = sent;
    for field in ["idBozza", "stato"] {
        held[field] = taken[field].clone();
    }
    held["chiave"] = put.unit.clone().into();
    ledger.held.insert(put.unit, held);
    answer(201, &taken)
}

/// A draft by its key, or where one stands by its identifier.
async fn held(State(ledger): Shared, Path(name): Path<String>) -> Response<Body> {
    let ledger = lock(&ledger);
    let held = if name.contains('/') { ledger.held.get(&name) } else { ledger.held.get(&name.replace('-', "/")) };
    match held {
        Some(held) => answer(200, held),
        None => answer(500, &json!({ "esito": false, "errorData": "NOT_FOUND" })),
    }
}

async fn inventory(State(ledger): Shared, Query(query): Query<HashMap<String, String>>) -> Response<Body> {
    let limit = query.get("limite").and_then(|limit| limit.parse().ok()).unwrap_or(100);
    let ledger = lock(&ledger);
    let after = query.get("dopo");
    let mut rest = ledger.held.iter().filter(|(unit, _)| after.is_none_or(|after| *unit > after));
    let page: Vec<_> = rest.by_ref().take(limit).collect();
    let next = rest.next().and(page.last()).map(|(unit, _)| (*unit).clone());
    let mut body = json!({ "bozze": page.into_iter().map(|(_, held)| held).collect::<Vec<_>>() });
    if let Some(next) = next {
        body["dopo"] = next.into();
    }
    answer(200, &body)
}

fn answer(status: u16, body: &Value) -> Response<Body> {
    let mut answer = Response::new(Body::from(body.to_string()));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    answer.headers_mut().insert("connection", HeaderValue::from_static("close"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(step: usize, versione: u64, from: u64, until: u64, begun: Instant) -> Put {
        let moment = |millis| begun + Duration::from_millis(millis);
        let (unit, key) = (unit("B000001279", step), format!("{step}#{versione}"));
        let body = Bytes::from_static(b"{}");
        Put { at: moment(from), ended: Some(moment(until)), unit, key, versione, body, took_effect: true }
    }

    fn found(puts: &[Put]) -> Vec<String> {
        let mut figures = Figures::default();
        let puts: Vec<_> = puts.iter().collect();
        one_at_a_time("B000001279", &puts, &mut figures);
        in_their_order("B000001279", &puts, &mut figures);
        figures.violations
    }

    #[test]
    fn steps_in_their_order_and_one_at_a_time_are_well() {
        let begun = Instant::now();
        let puts = [put(0, 1, 0, 5, begun), put(1, 1, 5, 9, begun), put(2, 1, 9, 12, begun), put(0, 2, 12, 15, begun)];
        assert_eq!(found(&puts), [""; 0]);
    }

    #[test]
    fn two_at_once_a_step_too_early_and_one_twice_are_found() {
        let begun = Instant::now();
        let has = |puts: &[Put], words: &str| found(puts).iter().any(|violation| violation.contains(words));
        assert!(has(&[put(0, 1, 0, 5, begun), put(1, 1, 4, 9, begun)], "while B000001279/1/13/1 was under way"));
        assert!(has(&[put(0, 1, 0, 5, begun), put(2, 1, 5, 9, begun)], "before the step that it follows"));
        assert!(has(&[put(0, 1, 0, 5, begun), put(0, 1, 5, 9, begun)], "took effect after Some(1)"));
    }

    #[test]
    fn a_lane_has_the_cig_that_the_check_admits() {
        assert_eq!((cig(1).as_str(), place_of("B000001279/1/3/2")), ("B000001279", Some(3)));
    }
}

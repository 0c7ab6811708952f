//! The planted set once more, through the real run: read by the normal intake into a ledger, compared by
//! the run that `raccordo reconcile fonti` makes, found among the work items. On both databases.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use canonical::values::{CalendarDate, UtcInstant};
use canonical::{Body, Digest, FieldPath, Kind, Rule, SourceName};
use contract::{
    Adapter, AdapterError, Capability, ContractStatus, DocumentHeader, DraftRecord, ErrorKind, Normalized, RawRecord,
    RawSink, ReadRequest, Received, Source,
};
use contract_tests::records::cig;
use contract_tests::shared_postgres::SharedDatabase;
use raccordo::clock::ManualClock;
use raccordo::discrepancy::{SOURCES, WorkItem};
use raccordo::flow::reconcile::sides::SourcePolicy;
use raccordo::flow::reconcile::{self, Policy};
use raccordo::flow::route::ownership::Ownership;
use raccordo::flow::{Flow, Systems, intake};
use raccordo::jobs::gate::Gates;
use raccordo::pressure::IntakeGate;
use raccordo::storage::{Changes, ItemFilter, RunKind, Store, postgres, sqlite};
use serde_json::{Value as Json, json};

use super::planted::{Scheda, Schede, line};

/// A source that hands over what a case says, through an adapter with the name of the real one.
struct Fonte {
    system: &'static str,
    given: Mutex<Vec<Received>>,
    breaks_off: bool,
}

impl Adapter for Fonte {
    fn capability(&self) -> Capability {
        Capability {
            system: self.system,
            title: "Fonte di un caso",
            contract: "v0",
            status: ContractStatus::Assumed,
            reads: Kind::ALL,
            accepts: &[],
            observes: false,
            parallel_requests: 1,
            collapse_seconds: 0,
            requires_adesione: false,
        }
    }

    fn source(&self) -> Option<&dyn Source> {
        Some(self)
    }
}

#[async_trait]
impl Source for Fonte {
    async fn read(&self, _: ReadRequest, sink: RawSink) -> Result<(), AdapterError> {
        let given = self.given.lock().unwrap().clone();
        for item in given {
            let _ = sink.send(item).await;
        }
        if self.breaks_off { Err(AdapterError::new(ErrorKind::Broken, "a case")) } else { Ok(()) }
    }

    fn normalize(&self, raw: &RawRecord) -> Normalized {
        let (kind, body, raw): (Kind, String, BTreeMap<FieldPath, String>) = serde_json::from_str(&raw.text).unwrap();
        let body = Body::from_json(kind, &body).unwrap();
        Normalized { records: vec![DraftRecord { body, raw }], ..Normalized::default() }
    }
}

fn header(name: &str, as_of: Option<CalendarDate>) -> Arc<DocumentHeader> {
    Arc::new(DocumentHeader {
        remote_id: name.to_owned(),
        digest: Digest::of(name.as_bytes()).to_string(),
        format: "caso".to_owned(),
        version: "1".to_owned(),
        as_of,
        context: serde_json::Value::Null,
    })
}

/// What a source hands over: its documents in the order of their days, and one that says how far its data
/// reach.
fn documents(schede: &[&Scheda], reaches: CalendarDate) -> Vec<Received> {
    let mut documents: BTreeMap<(Option<CalendarDate>, String), Vec<&Scheda>> = BTreeMap::new();
    for scheda in schede {
        let name = scheda.documento.clone().unwrap_or_else(|| format!("{:?}", scheda.al));
        documents.entry((scheda.al, name)).or_default().push(scheda);
    }
    let mut given = Vec::new();
    for ((al, name), schede) in documents {
        let document = header(&name, al);
        given.push(Received::Begin(Arc::clone(&document)));
        for (number, scheda) in (1_000..).zip(schede) {
            let text = serde_json::to_string(&(scheda.tipo, scheda.dati.to_string(), &scheda.ricevuto)).unwrap();
            let line = scheda.riga.unwrap_or(number);
            let document = Arc::clone(&document);
            given.push(Received::Record(RawRecord { document, line, occurrence: 0, text }));
        }
        given.push(Received::End);
    }
    given.extend([Received::Begin(header("fin qui", Some(reaches))), Received::End]);
    given
}

struct Simple;

impl raccordo::flow::Patience for Simple {
    fn pause(&self, _: u32, _: std::time::Duration, _: Option<std::time::Duration>) -> Option<std::time::Duration> {
        None
    }

    fn longest(&self) -> std::time::Duration {
        std::time::Duration::from_mins(1)
    }

    fn follow(&self, _: std::time::Duration) -> std::time::Duration {
        std::time::Duration::from_mins(1)
    }
}

fn flow_of(case: &Schede, store: Arc<dyn Store>) -> Flow {
    let names: BTreeSet<&str> =
        case.schede.iter().map(|one| one.fonte.as_str()).chain(case.fonti.keys().map(String::as_str)).collect();
    let mut systems: Systems = BTreeMap::new();
    let mut policies = BTreeMap::new();
    for name in names {
        let said = case.fonti.get(name);
        let system = said.and_then(|said| said.adattatore.as_deref()).unwrap_or(name).to_owned();
        let schede: Vec<&Scheda> = case.schede.iter().filter(|one| one.fonte == name).collect();
        let given = documents(&schede, said.and_then(|said| said.dati_al).unwrap_or(case.oggi));
        let breaks_off = said.is_some_and(|said| !said.letta_tutta && !said.attesa_di.is_empty());
        let fonte = Fonte { system: system.leak(), given: Mutex::new(given), breaks_off };
        systems.insert(name.to_owned(), Arc::new(fonte));
        if let Some(said) = said.filter(|said| !said.attesa_di.is_empty()) {
            let expects = Some(said.attesa_di.clone());
            policies.insert(name.to_owned(), SourcePolicy { expects, ..SourcePolicy::default() });
        }
    }
    let now = UtcInstant::parse(&format!("{}T08:00:00Z", case.oggi)).unwrap();
    let clock = Arc::new(ManualClock::at(now));
    Flow {
        store,
        systems: Arc::new(systems),
        nodes: Arc::default(),
        clock: clock.clone(),
        gates: Arc::new(Gates::new(clock, BTreeMap::new())),
        patience: Arc::new(Simple),
        collapse: None,
        ownership: Arc::new(Ownership::of(raccordo::registry::PARTS.ownership)),
        filters: Arc::default(),
        intake_gate: Arc::new(IntakeGate::wide_open()),
        resend: raccordo::flow::deliver::doubt::Resend::default(),
        reconciliation: Policy { sources: Arc::new(policies), ..Policy::default() },
    }
}

async fn items(flow: &Flow) -> Vec<WorkItem> {
    flow.store.items(&ItemFilter::default(), None, 1_000).await.unwrap()
}

/// What is wrong with a case; nothing when all that was planted was found, and no more.
async fn wrong(case: &Schede, store: Arc<dyn Store>) -> Vec<String> {
    let flow = flow_of(case, store);
    for name in flow.systems.keys() {
        let source = SourceName::parse(name).unwrap();
        // One that breaks off is meant to.
        let _ = intake::read_source(&flow, &source, RunKind::Sync, None, &|_| ()).await;
    }
    let run = reconcile::compare(&flow, SOURCES, false).await.unwrap();
    let found: Vec<String> = items(&flow).await.iter().map(|item| line(&item.discrepancy)).collect();
    let count = |lines: &[String], line: &String| lines.iter().filter(|other| *other == line).count();
    let lines: BTreeSet<&String> = found.iter().chain(&case.attesi).collect();
    let mut wrong = Vec::new();
    for line in lines {
        let (seen, planted) = (count(&found, line), count(&case.attesi, line));
        if seen != planted {
            wrong.push(format!("{}: {line}: found {seen} times, planted {planted} times", case.caso));
        }
    }
    if !run.complete || run.counts.stopped > 0 {
        wrong.push(format!("{}: {run:?}", case.caso));
    }
    let again = reconcile::compare(&flow, SOURCES, false).await.unwrap();
    if again.changes != (Changes { seen: again.changes.seen, ..Changes::default() }) {
        wrong.push(format!("{}: the second run changed something: {:?}", case.caso, again.changes));
    }
    flow.store.close().await;
    wrong
}

/// All cases whose surroundings stand in records, as they do in a ledger, as they were written.
fn written() -> Vec<Json> {
    let mut cases: Vec<Json> = serde_json::from_str(include_str!("schede.json")).unwrap();
    cases.extend(serde_json::from_str::<Vec<Json>>(include_str!("giro.json")).unwrap());
    cases.retain(|case| case.get("deleghe").is_none() && case.get("accordi_quadro").is_none());
    cases
}

fn read(case: &Json) -> Schede {
    serde_json::from_value(case.clone()).unwrap()
}

/// A tax code that no other number has, with its check digit.
fn tax_code(number: usize) -> String {
    let digits = format!("{:010}", 3_000_000_000 + number);
    let sum: u32 = digits
        .chars()
        .map(|digit| digit.to_digit(10).unwrap())
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit * 2) {
            (0, _) => digit,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

/// The same case about lots, projects and bodies of its own, from sources of its own.
fn apart(number: usize, case: &Json) -> Json {
    let lot = |which| cig(u32::try_from(2 * number + which).unwrap()).to_string();
    let text = case
        .to_string()
        .replace("918052266A", &lot(1))
        .replace("876543274F", &lot(2))
        .replace("F41B20000460001", &format!("F41B{number:011}"))
        .replace("G34E21000230001", &format!("G34E{number:011}"))
        .replace("80004650133", &tax_code(2 * number))
        .replace("01894100302", &tax_code(2 * number + 1))
        .replace("\"P1\"", &format!("\"P{number}\""));
    let mut case: Json = serde_json::from_str(&text).unwrap();
    let own = |name: &str| format!("c{number}-{name}");
    let mut sources = serde_json::Map::new();
    let mut source = |name: &str, said: &Json| {
        let mut said = said.clone();
        said.as_object_mut().unwrap().entry("adattatore").or_insert_with(|| json!(name));
        sources.entry(own(name)).or_insert(said);
    };
    for (name, said) in case.get("fonti").and_then(Json::as_object).into_iter().flatten() {
        source(name, said);
    }
    for scheda in case["schede"].as_array().unwrap() {
        source(scheda["fonte"].as_str().unwrap(), &json!({}));
    }
    case["fonti"] = Json::Object(sources);
    for scheda in case["schede"].as_array_mut().unwrap() {
        scheda["fonte"] = json!(own(scheda["fonte"].as_str().unwrap()));
    }
    for expected in case["attesi"].as_array_mut().unwrap() {
        let mut words: Vec<String> = expected.as_str().unwrap().split(' ').map(str::to_owned).collect();
        words[4] = own(&words[4]);
        *expected = json!(words.join(" "));
    }
    case
}

/// The codes of lots and projects in a case.
fn codes(value: &Json, codes: &mut BTreeSet<String>) {
    match value {
        Json::String(text) => {
            let is_code = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
            if is_code && matches!(text.len(), 10 | 15) && *text != "0000000000" {
                codes.insert(text.clone());
            }
        }
        Json::Array(values) => values.iter().for_each(|value| self::codes(value, codes)),
        Json::Object(values) => values.values().for_each(|value| self::codes(value, codes)),
        _ => {}
    }
}

/// Most cases in one ledger, where none may disturb another; by themselves those whose sources are expected
/// to hold everything, and those that speak of things of which another speaks.
fn ledgers() -> Vec<Schede> {
    let mut together: Option<Schede> = None;
    let mut alone = Vec::new();
    let mut taken = BTreeSet::new();
    for (number, case) in (1..).zip(written()) {
        let own = apart(number, &case);
        let mut of_case = BTreeSet::new();
        codes(&own["schede"], &mut of_case);
        let said = case.to_string();
        let expects = said.contains("attesa_di") || said.contains("registri") || said.contains("letta_tutta");
        if expects || !of_case.is_disjoint(&taken) {
            alone.push(read(&case));
            continue;
        }
        taken.extend(of_case);
        let own = read(&own);
        match &mut together {
            None => together = Some(own),
            Some(together) => {
                "tutti insieme".clone_into(&mut together.caso);
                together.fonti.extend(own.fonti);
                together.schede.extend(own.schede);
                together.attesi.extend(own.attesi);
            }
        }
    }
    let together = together.unwrap();
    assert!(together.attesi.len() > alone.len() && together.schede.len() > 100, "{}", together.schede.len());
    alone.into_iter().chain([together]).collect()
}

async fn every_case<F: Future<Output = Arc<dyn Store>>>(store: impl Fn(usize) -> F) {
    let mut all = Vec::new();
    for (number, case) in ledgers().iter().enumerate() {
        all.extend(wrong(case, store(number).await).await);
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn every_rule_is_planted_for_the_run_and_there_are_near_misses() {
    let cases: Vec<Schede> = written().iter().map(read).collect();
    let planted: Vec<&String> = cases.iter().flat_map(|case| &case.attesi).collect();
    let clean = cases.iter().filter(|case| case.attesi.is_empty()).count();
    assert!(planted.len() >= 60 && clean >= 40, "{} planted, {clean} clean", planted.len());
    let explained = planted.iter().filter(|line| !line.ends_with(" -")).count();
    assert!(explained >= 20 && planted.len() - explained >= 40, "{explained} explained");
    let rules: BTreeSet<&str> = planted.iter().map(|line| &line[..3]).collect();
    let all: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.code()).filter(|code| code.starts_with('R')).collect();
    assert_eq!(rules, all);
}

#[tokio::test]
async fn the_run_finds_every_planted_discrepancy_and_no_near_miss_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = |number| folder.path().join(format!("{number}.db"));
    every_case(async |number| sqlite::open(path(number)).await.unwrap() as Arc<dyn Store>).await;
}

#[tokio::test]
async fn the_run_finds_every_planted_discrepancy_and_no_near_miss_on_postgresql() {
    let server = SharedDatabase::fresh();
    every_case(async |_| postgres::open(&SharedDatabase::fresh().url, None).await.unwrap() as Arc<dyn Store>).await;
    drop(server);
}

//! What becomes of a delivery when the answer is hostile: raw bytes on a socket, for every target.
//!
//! Each answer of the table is given to the write itself, and again to every request that comes
//! before it (a login, a check). A delivery is taken only on a good answer and refused only in the
//! target's own words; after the write was sent, all the rest is in doubt unless it is certain that
//! nothing was done. Nothing is ever sent twice, and no redirect is followed.

#[path = "hostile_answers/answers.rs"]
mod answers;
#[path = "hostile_answers/server.rs"]
mod server;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use answers::{EXCEPTIONS, Expect, Good, Hostile};
use contract::{
    AdapterError, AdapterFactory, Advice, ErrorKind, Outcome, Phase, RunningSimulator, Settings, Shipment,
    SimulatorOptions,
};
use contract_tests::adapter_suite::Subject;
use raccordo::flow::deliver::idempotency_key;
use raccordo::registry::PARTS;
use server::{Asked, RawServer, Script};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How many cases run side by side.
const AT_ONCE: usize = 32;
/// The longest that a delivery may take here, on however busy a machine. The slow answers take longer.
const PATIENCE: Duration = Duration::from_secs(40);

/// A target, with one shipment and the good answers to all requests that it takes to send it.
struct Case {
    system: &'static str,
    factory: AdapterFactory,
    shipment: Shipment,
    /// The last one is the write.
    exchanges: Vec<(Asked, Good)>,
    /// Lends its settings, and the files with its secrets.
    lender: RunningSimulator,
}

/// What was seen of one delivery.
struct Seen {
    sent: Result<Outcome, AdapterError>,
    pause: Option<Duration>,
    writes: usize,
}

impl Case {
    /// Records one delivery that goes well. None for a system that is no remote target.
    async fn record(factory: &AdapterFactory) -> Option<Self> {
        let simulate = factory.simulate?;
        let system = (factory.capability)().system;
        let subject = Subject::open(factory);
        let running = subject.plain().await;
        let target = running.adapter.target()?;
        let units = subject.units(running.adapter.as_ref());
        let (unit, members) = units.first().unwrap_or_else(|| panic!("{system} was given no records"));
        let body = target.compose(unit, 1, members).unwrap_or_else(|why| panic!("{unit}: {why}")).body;
        let idempotency_key = idempotency_key(system, unit, 1);
        let shipment = Shipment { unit: unit.clone(), revision: 1, idempotency_key, body, previous_receipt: None };
        let sent = target.send(&shipment).await;
        assert!(is_taken(&sent), "{system}: {sent:?}");
        let exchanges = running.proxy.as_ref().expect("a proxy").exchanges().into_iter().map(|exchange| {
            let asked = Asked::new(&exchange.method, &exchange.path, exchange.query);
            let (content_type, body) = (exchange.content_type, exchange.answer.to_vec());
            (asked, Good { status: exchange.status, content_type, body })
        });
        let exchanges = exchanges.collect();
        running.stop().await;
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let lender = simulate(SimulatorOptions { listen, state: None, faults: None });
        let lender = lender.unwrap_or_else(|error| panic!("{system} not simulated: {error}"));
        Some(Self { system, factory: *factory, shipment, exchanges, lender })
    }

    fn settings(&self, address: SocketAddr, is_slow: bool) -> Settings {
        let text = self.lender.settings.to_string().replace(&self.lender.address.to_string(), &address.to_string());
        let mut settings = serde_json::from_str(&text).expect("settings");
        if is_slow {
            hurry(&mut settings);
        }
        settings
    }

    /// Sends the shipment to a server that answers one of the requests so, and the others well.
    async fn send(&self, place: usize, script: Script, is_slow: bool) -> Seen {
        let exchanges = self.exchanges.clone();
        let server = RawServer::start(move |asked| match exchanges.iter().position(|(known, _)| known == asked) {
            Some(position) if position == place => script.clone(),
            Some(position) => Script::bytes(answers::whole(&exchanges[position].1)),
            None => Script::bytes("HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        })
        .await;
        let adapter = (self.factory.build)(self.settings(server.address, is_slow)).expect("an adapter");
        let target = adapter.target().expect("a target");
        let sent = tokio::time::timeout(PATIENCE, target.send(&self.shipment)).await.expect("an end in time");
        let (write, _) = self.exchanges.last().expect("a write");
        let writes = server.asked().iter().filter(|asked| *asked == write).count();
        Seen { sent, pause: target.pause_asked(), writes }
    }

    /// What the answer means here, given to the request in this place.
    fn expect(&self, hostile: &Hostile) -> Expect {
        if hostile.refused_by.contains(&self.system) {
            return Expect::Refused;
        }
        let exception = EXCEPTIONS.iter().find(|(system, name, ..)| (*system, *name) == (self.system, &hostile.name));
        exception.map_or(hostile.expect, |(_, _, expect, _)| *expect)
    }

    /// What is wrong about one delivery; none when all is well.
    async fn check(&self, hostile: &Hostile, place: usize) -> Option<String> {
        let is_write = place + 1 == self.exchanges.len();
        if hostile.of_receipt && !is_write {
            return None;
        }
        let script = hostile.script(&self.exchanges[place].1)?;
        let seen = self.send(place, script, hostile.slow).await;
        let problem = if is_write { self.of_write(hostile, &seen) } else { self.before(hostile, &seen) };
        let request = &self.exchanges[place].0.path;
        problem.map(|problem| format!("{} {request}, {}: {problem}: {:?}", self.system, hostile.name, seen.sent))
    }

    fn of_write(&self, hostile: &Hostile, seen: &Seen) -> Option<String> {
        let expect = self.expect(hostile);
        if meaning(&seen.sent) != expect {
            return Some(format!("not {expect:?}"));
        }
        if hostile.slow && !matches!(&seen.sent, Err(error) if error.kind == ErrorKind::Timeout) {
            return Some("not for want of time".to_owned());
        }
        // A session that ended did nothing: the same request goes once more with a new one.
        let may_renew = self.exchanges.len() > 1 && hostile.name.starts_with("401 ");
        let writes = if may_renew { 2 } else { 1 };
        if seen.writes != writes {
            return Some(format!("written {} times", seen.writes));
        }
        let pause = hostile.pause?.map(Duration::from_secs);
        let advised = match &seen.sent {
            Err(error) => error.advice == Advice::Retry { after: pause },
            Ok(_) => true,
        };
        (seen.pause != pause || !advised).then(|| format!("a pause of {:?} instead of {pause:?}", seen.pause))
    }

    /// Before the write nothing was sent, whatever the answer.
    fn before(&self, hostile: &Hostile, seen: &Seen) -> Option<String> {
        match meaning(&seen.sent) {
            Expect::Taken if hostile.expect == Expect::Taken && seen.writes == 1 => None,
            Expect::Refused if self.expect(hostile) == Expect::Refused && seen.writes == 0 => None,
            Expect::NothingDone(_) if seen.writes == 0 => None,
            _ => Some(format!("written {} times after a request that failed", seen.writes)),
        }
    }
}

fn is_taken(sent: &Result<Outcome, AdapterError>) -> bool {
    matches!(sent, Ok(Outcome::Acknowledged(_) | Outcome::Submitted { .. }))
}

fn meaning(sent: &Result<Outcome, AdapterError>) -> Expect {
    match sent {
        Ok(Outcome::Acknowledged(_) | Outcome::Submitted { .. }) => Expect::Taken,
        Ok(Outcome::Refused { .. }) => Expect::Refused,
        Err(error) if error.phase == Phase::Unknown => Expect::InDoubt,
        Err(error) => Expect::NothingDone(error.kind),
    }
}

/// The shortest deadlines, wherever there is an address.
fn hurry(settings: &mut Settings) {
    if let Some(fields) = settings.as_object_mut() {
        fields.values_mut().for_each(hurry);
        if fields.contains_key("base_url") {
            for (name, seconds) in [("connect_seconds", 1), ("read_seconds", 1), ("total_seconds", 2)] {
                fields.insert(name.to_owned(), seconds.into());
            }
        }
    }
}

async fn cases() -> Vec<Arc<Case>> {
    let mut cases = Vec::new();
    for factory in PARTS.adapters {
        cases.extend(Case::record(factory).await.map(Arc::new));
    }
    assert!(cases.len() >= 6, "only {} targets", cases.len());
    cases
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_hostile_answer_is_taken_for_a_receipt_or_for_a_refusal() {
    let elsewhere = RawServer::start(|_| Script::bytes("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")).await;
    let table = answers::all(&elsewhere.address.to_string());
    for (system, name, _, why) in EXCEPTIONS {
        assert!(table.iter().any(|hostile| hostile.name == *name), "{system}: no answer «{name}» ({why})");
    }
    let cases = cases().await;
    let (side_by_side, mut running) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    // The slow ones first: they only wait.
    for hostile in table.iter().filter(|it| it.slow).chain(table.iter().filter(|it| !it.slow)) {
        for case in &cases {
            for place in 0..case.exchanges.len() {
                let (case, hostile, side_by_side) = (Arc::clone(case), hostile.clone(), Arc::clone(&side_by_side));
                running.spawn(async move {
                    let permit = if hostile.slow { None } else { side_by_side.acquire_owned().await.ok() };
                    let problem = case.check(&hostile, place).await;
                    drop(permit);
                    problem
                });
            }
        }
    }
    let count = running.len();
    let mut problems: Vec<_> = running.join_all().await.into_iter().flatten().collect();
    problems.sort();
    assert!(problems.is_empty(), "{} of {count}:\n{}", problems.len(), problems.join("\n"));
    assert_eq!(elsewhere.asked(), [], "a redirect was followed");
}

#[tokio::test]
async fn nobody_there_is_the_one_failure_that_is_certain_without_an_answer() {
    for case in cases().await {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
        let adapter = (case.factory.build)(case.settings(free, true)).expect("an adapter");
        let sent = adapter.target().expect("a target").send(&case.shipment).await;
        assert_eq!(meaning(&sent), Expect::NothingDone(ErrorKind::Unreachable), "{}: {sent:?}", case.system);
    }
}

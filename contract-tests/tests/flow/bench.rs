//! A flow from one system in memory to another, with a clock that moves by hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use canonical::kinds::Lotto;
use canonical::{Body, SourceName};
use contract::{Adapter, Received, UnitKey};
use contract_tests::records::{at, cig};
use raccordo::clock::{Clock, ManualClock};
use raccordo::flow::deliver::doubt::Resend;
use raccordo::flow::{Flow, Patience, Systems, deliver, intake};
use raccordo::jobs::gate::Gates;
use raccordo::pressure::IntakeGate;
use raccordo::storage::sqlite;
use raccordo::storage::{ClaimRequest, JobSubject, RunKind, RunTotals, Settlement, Store, TracedDelivery};
use simulated::{Simulated, document};

/// One second per attempt, or what was asked; a minute at most.
pub(crate) struct Simple;

impl Patience for Simple {
    fn pause(&self, attempts: u32, since: Duration, asked: Option<Duration>) -> Option<Duration> {
        (since < Duration::from_mins(1)).then(|| asked.unwrap_or(Duration::from_secs(attempts.into())))
    }

    fn longest(&self) -> Duration {
        Duration::from_mins(10)
    }

    fn follow(&self, _since: Duration) -> Duration {
        Duration::from_secs(30)
    }
}

/// A flow from one simulated system to another.
pub(crate) struct TestFlow {
    pub(crate) flow: Flow,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) origin: Simulated,
    pub(crate) target: Simulated,
    pub(crate) folder: tempfile::TempDir,
}

impl TestFlow {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = sqlite::open(folder.path().join("test.db")).await.expect("a database");
        Self::over(store, folder)
    }

    /// The same over another ledger.
    pub(crate) fn over(store: Arc<dyn Store>, folder: tempfile::TempDir) -> Self {
        let clock = Arc::new(ManualClock::at(at(0)));
        let (origin, target) = (Simulated::new(), Simulated::new());
        let systems: Systems = BTreeMap::from([
            ("origin".to_owned(), Arc::new(origin.clone()) as Arc<dyn Adapter>),
            ("target".to_owned(), Arc::new(target.clone()) as Arc<dyn Adapter>),
        ]);
        let flow = Flow {
            store,
            systems: Arc::new(systems),
            nodes: Arc::default(),
            clock: clock.clone(),
            gates: Arc::new(Gates::new(clock.clone(), BTreeMap::new())),
            patience: Arc::new(Simple),
            resend: Resend::default(),
            collapse: None,
            ownership: Arc::default(),
            filters: Arc::default(),
            intake_gate: Arc::new(IntakeGate::wide_open()),
            reconciliation: raccordo::flow::reconcile::Policy::default(),
        };
        Self { flow, clock, origin, target, folder }
    }

    /// The same ledger with another set of systems.
    pub(crate) fn with_systems(&self, names: &[&str]) -> Flow {
        let systems = self.flow.systems.iter().filter(|(name, _)| names.contains(&name.as_str()));
        let systems: Systems = systems.map(|(name, adapter)| (name.clone(), adapter.clone())).collect();
        Flow { systems: Arc::new(systems), ..self.flow.clone() }
    }

    /// Reads a document with these lines from the origin.
    pub(crate) async fn read(&self, name: &str, lines: &[String]) -> RunTotals {
        self.give(document(name, lines)).await
    }

    pub(crate) async fn give(&self, items: Vec<Received>) -> RunTotals {
        self.origin.give(items);
        let source = SourceName::parse("origin").expect("a name");
        let report = intake::read_source(&self.flow, &source, RunKind::Sync, None, &|_| ()).await.expect("read");
        assert!(report.totals.balanced(), "{:?}", report.totals);
        report.totals
    }

    /// Works until nothing is waiting, moving the clock forward to the next job.
    pub(crate) async fn work(&self) {
        for _ in 0..1000 {
            if self.step().await == 0 {
                match self.flow.store.next_ready().await.expect("a look") {
                    None => return,
                    Some(_) => self.clock.advance(Duration::from_secs(1)),
                }
            }
        }
        panic!("work never ends");
    }

    /// Lets time pass, then works on what waited for somebody else and on what follows from it.
    pub(crate) async fn wait_and_work(&self, pause: Duration) {
        self.clock.advance(pause);
        self.flow.store.wake(self.clock.now()).await.expect("a look");
        self.work().await;
    }

    /// Claims what is ready now, runs it, settles it.
    pub(crate) async fn step(&self) -> usize {
        let now = self.clock.now();
        let lease_until = raccordo::clock::after(now, Duration::from_secs(90));
        let claim = ClaimRequest { limit: 10, now, lease_until };
        let round = self.flow.store.round(&[], claim).await.expect("a round");
        let mut settlements = Vec::new();
        for job in &round.claimed {
            let JobSubject::Deliver(delivery) = job.subject else { panic!("an unexpected job") };
            let end = deliver::deliver(&self.flow, delivery, job.lease).await.expect("delivered");
            settlements.push(Settlement { lease: job.lease, end });
        }
        let none = ClaimRequest { limit: 0, now, lease_until };
        let settled = self.flow.store.round(&settlements, none).await.expect("settled");
        assert_eq!(settled.lost, 0);
        round.claimed.len()
    }

    pub(crate) async fn delivery(&self, number: u32) -> TracedDelivery {
        let trace = self.flow.store.trace(cig(number).as_str()).await.expect("a trace");
        let mut deliveries = trace.deliveries;
        assert_eq!(deliveries.len(), 1, "one lot, one target");
        deliveries.remove(0)
    }

    /// What the target did, as (unit, revision).
    pub(crate) fn effects(&self) -> Vec<(String, u64)> {
        self.target.effects().into_iter().map(|effect| (effect.unit.0, effect.revision)).collect()
    }
}

pub(crate) fn unit(number: u32) -> UnitKey {
    UnitKey(format!("lotto/{}", cig(number)))
}

pub(crate) fn lotto(number: u32, oggetto: &str) -> String {
    let mut lotto = Lotto::new(cig(number));
    lotto.oggetto = Some(oggetto.to_owned());
    serde_json::to_string(&Body::Lotto(lotto)).expect("plain data")
}

//! A scene: an open store with a run under way, and short words for what tests do all the time.

use std::sync::Arc;

use canonical::{Body, Digest, Finding, Rule, SourceName};
use contract::{DocumentHeader, Lane, Receipt, SetAside, Shipment, UnitKey};
use raccordo::delivery::DeliveryState;
use raccordo::storage::{
    Arrival, AttemptId, ClaimRequest, ClaimedJob, Conclusion, Destination, DocumentId, Fenced, Intent, JobEnd,
    JobSubject, Lease, LoadedDelivery, Round, Route, RoutedRecord, RunId, RunKind, Settlement, Store, Stored,
};

use super::Database;
use crate::records::{at, cig, day, lotto, record, source};

/// How long leases hold in the scenes, in seconds.
pub const LEASE: i64 = 60;

/// An open store with a run under way.
#[allow(missing_debug_implementations, reason = "a store has nothing to show")]
pub struct Scene {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The run.
    pub run: RunId,
}

/// A document of a source, with the day to which it dates its data.
#[derive(Debug, Clone)]
pub struct Document {
    /// Its id.
    pub id: DocumentId,
    /// Its source.
    pub source: SourceName,
    /// Its day.
    pub as_of: Option<&'static str>,
}

impl Document {
    /// A body on a line of this document, sent nowhere.
    pub fn says(&self, line: u64, body: Body) -> Arrival {
        self.says_to(line, body, Vec::new())
    }

    /// A body on a line of this document, with its routes.
    pub fn says_to(&self, line: u64, body: Body, routes: Vec<Route>) -> Arrival {
        let record = record(body, &self.source, line, self.as_of.map(day));
        Arrival {
            document: self.id,
            line,
            occurrence: 0,
            text: format!("<lotto line=\"{line}\">{}</lotto>", record.body.to_json()),
            records: vec![RoutedRecord { record, rank: 0, routes }],
            findings: Vec::new(),
            set_aside: None,
        }
    }

    /// The same, from a source of this rank.
    pub fn says_with_rank(&self, rank: u16, line: u64, body: Body, routes: Vec<Route>) -> Arrival {
        let mut arrival = self.says_to(line, body, routes);
        arrival.records.iter_mut().for_each(|routed| routed.rank = rank);
        arrival
    }

    /// A line that cannot be understood.
    pub fn mumbles(&self, line: u64, text: &str) -> Arrival {
        Arrival {
            document: self.id,
            line,
            occurrence: 0,
            text: text.to_owned(),
            records: Vec::new(),
            findings: Vec::new(),
            set_aside: Some(SetAside { rule: Rule::R05, reason: "CIG null".to_owned() }),
        }
    }
}

/// A route into a unit, in the lane of the same name, due at once.
pub fn to_unit(target: &str, key: &str) -> Route {
    to_unit_at(target, key, 0)
}

/// A route into a unit, due so many seconds after the beginning.
pub fn to_unit_at(target: &str, key: &str, seconds: i64) -> Route {
    let destination =
        Destination::Unit { key: UnitKey(key.to_owned()), lane: Lane(key.to_owned()), due_at: at(seconds) };
    Route { target: target.to_owned(), destination }
}

/// A route into a unit of a lane that others share, due at once.
pub fn to_lane(target: &str, key: &str, lane: &str) -> Route {
    let destination = Destination::Unit { key: UnitKey(key.to_owned()), lane: Lane(lane.to_owned()), due_at: at(0) };
    Route { target: target.to_owned(), destination }
}

/// A route that is withheld.
pub fn withheld(target: &str, code: &'static str) -> Route {
    Route { target: target.to_owned(), destination: Destination::Withheld { code } }
}

/// A route that leads nowhere.
pub fn nowhere(target: &str) -> Route {
    Route { target: target.to_owned(), destination: Destination::Nowhere }
}

/// The lot with this number, into the unit of its own CIG at the target `pico`.
pub fn routed_lotto(document: &Document, number: u32, oggetto: &str) -> Arrival {
    let route = to_unit("pico", cig(number).as_str());
    document.says_to(u64::from(number), lotto(number, oggetto), vec![route])
}

/// A receipt of a target.
pub fn receipt() -> Receipt {
    Receipt {
        remote_id: Some("PICO-1".to_owned()),
        status: 201,
        answer_digest: Digest::of(b"ok").to_string(),
        warnings: vec!["importo: da verificare".to_owned()],
    }
}

/// A finding to count.
pub fn finding() -> Finding {
    Finding::new(Rule::N01).detail("decimal_comma")
}

/// What a fenced write gave; panics when the lease was lost.
#[track_caller]
pub fn done<T>(fenced: Fenced<T>) -> T {
    match fenced {
        Fenced::Done(value) => value,
        Fenced::LeaseLost => panic!("lease lost"),
    }
}

impl Scene {
    /// Opens the database and begins a run.
    pub async fn open(database: &dyn Database) -> Self {
        let store = database.open().await.expect("the database opens");
        let run = store.begin_run(RunKind::Import, &source(), at(0)).await.expect("a run begins");
        Self { store, run }
    }

    /// Ends the process and opens the database again.
    pub async fn restart(self, database: &dyn Database) -> Self {
        drop(self);
        database.end().await;
        Self::open(database).await
    }

    /// Registers a document of the usual source.
    pub async fn document(&self, name: &str, as_of: Option<&'static str>) -> Document {
        self.document_of(&source(), name, as_of).await
    }

    /// Registers a document of a source.
    pub async fn document_of(&self, source: &SourceName, name: &str, as_of: Option<&'static str>) -> Document {
        let header = DocumentHeader {
            remote_id: format!("{name}.xml"),
            digest: Digest::of(name.as_bytes()).to_string(),
            format: "l190".to_owned(),
            version: "1.3".to_owned(),
            as_of: as_of.map(day),
            context: serde_json::Value::Null,
        };
        let id = self.store.register_document(self.run, source, &header, at(0)).await.expect("a document registers");
        Document { id, source: source.clone(), as_of }
    }

    /// Stores arrivals in one transaction.
    pub async fn store(&self, arrivals: Vec<Arrival>) -> Vec<Stored> {
        self.store.store(self.run, arrivals, at(1)).await.expect("arrivals are stored")
    }

    /// Stores one arrival.
    pub async fn store_one(&self, arrival: Arrival) -> Stored {
        let stored = self.store(vec![arrival]).await;
        assert_eq!(stored.len(), 1, "one answer for one arrival");
        stored[0]
    }

    /// What is said in the current version of a lot, and how many versions it has.
    pub async fn lotto(&self, number: u32) -> (String, usize) {
        let trace = self.store.trace(cig(number).as_str()).await.expect("a trace");
        let versions: Vec<_> = trace.versions.iter().filter(|version| version.kind == canonical::Kind::Lotto).collect();
        let last = versions.iter().max_by_key(|version| version.number).expect("a version");
        let Body::Lotto(lotto) = &last.record.body else { panic!("a lot is no longer a lot") };
        (lotto.oggetto.clone().unwrap_or_default(), versions.len())
    }

    /// The delivery of a unit of a target.
    pub async fn delivery(&self, target: &str, key: &str) -> LoadedDelivery {
        let units = self.store.expected_units(target, None, 10_000).await.expect("units");
        let unit = units.iter().find(|unit| unit.key.as_str() == key).unwrap_or_else(|| panic!("no unit {key}"));
        self.store.load(unit.delivery).await.expect("a delivery loads").expect("the delivery of a unit exists")
    }

    /// Claims what is ready by an instant.
    pub async fn claim_at(&self, seconds: i64, limit: u32) -> Vec<ClaimedJob> {
        self.round(&[], seconds, limit).await.claimed
    }

    /// Claims the one job that is ready.
    pub async fn claim_one(&self, seconds: i64) -> ClaimedJob {
        let claimed = self.claim_at(seconds, 10).await;
        assert_eq!(claimed.len(), 1, "one job is ready: {claimed:?}");
        claimed[0].clone()
    }

    /// One round of the queue.
    pub async fn round(&self, settlements: &[Settlement], seconds: i64, limit: u32) -> Round {
        let claim = ClaimRequest { limit, now: at(seconds), lease_until: at(seconds + LEASE) };
        self.store.round(settlements, claim).await.expect("a round")
    }

    /// Ends a job; true when the ending came in time.
    pub async fn settle(&self, lease: Lease, end: JobEnd, seconds: i64) -> bool {
        self.round(&[Settlement { lease, end }], seconds, 0).await.lost == 0
    }

    /// Begins to send a delivery.
    pub async fn begin(&self, delivery: &LoadedDelivery, lease: Lease, seconds: i64) -> AttemptId {
        let intent = intent(delivery, lease, delivery.desired_revision);
        done(self.store.begin_attempt(intent, at(seconds)).await.expect("an attempt begins"))
    }

    /// Ends an attempt.
    pub async fn conclude(
        &self,
        delivery: &LoadedDelivery,
        attempt: AttemptId,
        lease: Lease,
        state: DeliveryState,
        seconds: i64,
    ) {
        let is_taken = matches!(state, DeliveryState::Acknowledged | DeliveryState::Submitted { .. });
        let receipt = is_taken.then(receipt);
        let attempt = Some(attempt);
        let revision = delivery.desired_revision;
        let conclusion = Conclusion { delivery: delivery.id, attempt, lease, revision, state, receipt };
        done(self.store.conclude(conclusion, at(seconds)).await.expect("an attempt ends"));
    }

    /// Brings the only open delivery of a target to a state, and its job to its end.
    pub async fn deliver(&self, target: &str, key: &str, state: DeliveryState, seconds: i64) {
        let delivery = self.delivery(target, key).await;
        let claimed = self.claim_at(seconds, 100).await;
        let job = claimed.iter().find(|job| job.subject == JobSubject::Deliver(delivery.id)).expect("its job is ready");
        let attempt = self.begin(&delivery, job.lease, seconds).await;
        self.conclude(&delivery, attempt, job.lease, state, seconds).await;
        assert!(self.settle(job.lease, JobEnd::Done, seconds).await);
        let others: Vec<_> = claimed.iter().filter(|other| other.lease != job.lease).map(|job| job.lease).collect();
        self.store.release(&others).await.expect("the others are released");
    }
}

/// The intent to send a revision of a delivery.
pub fn intent(delivery: &LoadedDelivery, lease: Lease, revision: u64) -> Intent {
    let shipment = Shipment {
        unit: delivery.unit.clone(),
        revision,
        idempotency_key: format!("{}-{revision}", delivery.id),
        body: format!("{{\"members\":{}}}", delivery.members.len()).into_bytes(),
        previous_receipt: None,
    };
    Intent { delivery: delivery.id, lease, shipment }
}

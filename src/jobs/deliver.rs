//! The handler of the workers: hands each job to the station of the flow that it is about.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Handler, WorkerSettings, Workers};
use crate::clock::after;
use crate::flow::{Flow, FlowError, deliver};
use crate::storage::{ClaimedJob, DeliveryId, JobEnd, JobSubject, Lease, StorageError};

/// The pause after a failure of our own, of the database most of all: nothing was asked of a target.
const AFTER_OWN_FAILURE: Duration = Duration::from_secs(5);

/// Starts the workers of a flow: so many deliveries at the same time, besides those that speak with
/// a target or wait at its gate, under leases of this length.
pub fn start(flow: &Flow, slots: usize, lease: Duration) -> Workers {
    let handler = Arc::new(FlowHandler(flow.clone()));
    let slots = slots_beside_gates(flow, slots);
    let settings = WorkerSettings { slots, window: slots, lease, ..WorkerSettings::default() };
    Workers::start(flow.store.clone(), handler, flow.clock.clone(), settings)
}

/// Slots enough that all gates may be full, of callers who speak and of callers who wait, and as
/// many are left for everything else: the pump claims only when half of them are free.
fn slots_beside_gates(flow: &Flow, slots: usize) -> usize {
    let targets = flow.systems.values().filter(|adapter| adapter.target().is_some());
    let at_gates: usize = targets.map(|adapter| 2 * usize::from(adapter.capability().parallel_requests.max(1))).sum();
    at_gates + slots.max(at_gates)
}

struct FlowHandler(Flow);

impl FlowHandler {
    /// Our own side failed. The delivery stays as it was written, and the next attempt begins by
    /// reading it; what time cannot mend is set aside, so that its lane goes on.
    async fn interrupted(&self, delivery: DeliveryId, lease: Lease, error: &FlowError) -> JobEnd {
        tracing::error!(%delivery, %error, "delivery interrupted");
        let FlowError::Storage(StorageError::Damaged { .. } | StorageError::Refused { .. }) = error else {
            return self.later();
        };
        let reason = format!("the ledger refused a step: {error}");
        deliver::park(&self.0, delivery, lease, &reason).await.unwrap_or_else(|_| self.later())
    }

    fn later(&self) -> JobEnd {
        JobEnd::RetryAt(after(self.0.clock.now(), AFTER_OWN_FAILURE))
    }
}

#[async_trait]
impl Handler for FlowHandler {
    async fn run(&self, job: ClaimedJob) -> JobEnd {
        match job.subject {
            JobSubject::Nothing(_) => JobEnd::Done,
            JobSubject::Deliver(delivery) => match deliver::deliver(&self.0, delivery, job.lease).await {
                Ok(end) => end,
                Err(error) => self.interrupted(delivery, job.lease, &error).await,
            },
        }
    }

    fn is_held(&self) -> bool {
        !self.0.intake_gate.may_deliver(self.0.store.as_ref())
    }

    async fn panicked(&self, job: ClaimedJob, _message: String) -> JobEnd {
        let JobSubject::Deliver(delivery) = job.subject else { return JobEnd::Parked };
        let reason = "a delivery stopped the program: a developer must look";
        match deliver::park(&self.0, delivery, job.lease, reason).await {
            Ok(end) => end,
            Err(error) => {
                tracing::error!(%delivery, %error, "delivery not set aside");
                self.later()
            }
        }
    }
}

//! Deliver: brings one delivery one step further: compose, commit the intent, send, judge.
//!
//! Comes from: a job, which holds the id of a delivery.
//! Goes to: `receipt`, which turns the answer into the new state.
//! Safe to repeat because: state is read first, the stored bytes and their key never change, and a lost lease writes nothing.
//! When it fails: before sending it is sent again later; after sending it is in doubt, and observed before anything else.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use canonical::Digest;
use contract::{Adapter, AdapterError, ErrorKind, Held, Outcome, Phase, Shipment, Target, UnitKey};
use futures_util::FutureExt;

use super::{Flow, FlowError, receipt};
use crate::clock;
use crate::delivery::DeliveryState;
use crate::storage::{AttemptId, Conclusion, DeliveryId, Fenced, Intent, JobEnd, Lease, LoadedDelivery};

/// Brings a delivery one step further, under a lease.
pub async fn deliver(flow: &Flow, delivery: DeliveryId, lease: Lease) -> Result<JobEnd, FlowError> {
    let Some(loaded) = flow.store.load(delivery).await? else { return Ok(JobEnd::Done) };
    if !loaded.state.is_open() {
        return Ok(JobEnd::Done);
    }
    let step = Step { flow, lease, loaded };
    let Some(adapter) = flow.systems.get(&step.loaded.target) else {
        return Ok(step.wait_for_configuration());
    };
    let Some(target) = adapter.target() else {
        return Ok(step.wait_for_configuration());
    };
    match step.loaded.state {
        DeliveryState::Sent | DeliveryState::InDoubt { .. } => step.observe(target).await,
        _ => step.compose_and_send(adapter.as_ref(), target).await,
    }
}

/// Parks a delivery whose job keeps ending badly, so that its neighbours go on.
pub async fn park(flow: &Flow, delivery: DeliveryId, lease: Lease, reason: &str) -> Result<JobEnd, FlowError> {
    let Some(loaded) = flow.store.load(delivery).await? else { return Ok(JobEnd::Parked) };
    if !loaded.state.is_open() {
        return Ok(JobEnd::Done);
    }
    Step { flow, lease, loaded }.park(reason).await
}

struct Step<'a> {
    flow: &'a Flow,
    lease: Lease,
    loaded: LoadedDelivery,
}

impl Step<'_> {
    /// The target is not configured today: the delivery stays as it is until it is again.
    fn wait_for_configuration(self) -> JobEnd {
        tracing::warn!(target_system = self.loaded.target, unit = %self.loaded.unit, "target not configured");
        JobEnd::RetryAt(clock::after(self.flow.clock.now(), self.flow.patience.longest()))
    }

    /// The answer to an earlier attempt was lost: ask before sending anything.
    async fn observe(self, target: &dyn Target) -> Result<JobEnd, FlowError> {
        let Some(shipment) = self.loaded.last_shipment.clone() else {
            return self.park("in doubt without a stored shipment").await;
        };
        let asked =
            AssertUnwindSafe(target.look_up(&shipment)).catch_unwind().await.unwrap_or_else(|_| Err(panicked()));
        match asked {
            Ok(Held::Same(proof)) => {
                self.conclude(None, shipment.revision, DeliveryState::Acknowledged, Some(proof)).await
            }
            Ok(Held::Nothing | Held::Other) => {
                if matches!(self.loaded.state, DeliveryState::Sent) {
                    let state = DeliveryState::InDoubt { code: "interrupted".into(), at: self.flow.clock.now() };
                    let ended = self.write(None, shipment.revision, state, None).await?;
                    if ended == Fenced::LeaseLost {
                        return Ok(JobEnd::Done);
                    }
                }
                self.send(target, shipment).await
            }
            Err(error) => {
                let state = receipt::in_doubt(&error, self.tried(&shipment, 0), self.flow.patience.as_ref());
                self.conclude(None, shipment.revision, state, None).await
            }
        }
    }

    async fn compose_and_send(self, adapter: &dyn Adapter, target: &dyn Target) -> Result<JobEnd, FlowError> {
        let revision = self.loaded.desired_revision;
        let stored = self.loaded.last_shipment.clone().filter(|shipment| shipment.revision == revision);
        let shipment = match stored {
            Some(shipment) => shipment,
            None => match compose(target, &self.loaded, revision) {
                Ok(shipment) => shipment,
                Err(reason) => return self.park(&reason).await,
            },
        };
        tracing::debug!(target_system = adapter.capability().system, unit = %shipment.unit, revision, "sending");
        self.send(target, shipment).await
    }

    async fn send(self, target: &dyn Target, shipment: Shipment) -> Result<JobEnd, FlowError> {
        let revision = shipment.revision;
        let intent = Intent { delivery: self.loaded.id, lease: self.lease, shipment: shipment.clone() };
        let Fenced::Done(attempt) = self.flow.store.begin_attempt(intent, self.flow.clock.now()).await? else {
            return Ok(JobEnd::Done);
        };
        let answer: Result<Outcome, AdapterError> =
            AssertUnwindSafe(target.send(&shipment)).catch_unwind().await.unwrap_or_else(|_| Err(panicked()));
        let judged = receipt::judge(answer, self.tried(&shipment, 1), self.flow.patience.as_ref());
        self.conclude(Some(attempt), revision, judged.state, judged.receipt).await
    }

    /// How patient this shipment was so far, with `more` attempts than are stored. What was tried
    /// for an earlier revision does not count.
    fn tried(&self, shipment: &Shipment, more: u32) -> receipt::Tried {
        let now = self.flow.clock.now();
        let is_stored = self.loaded.last_shipment.as_ref().is_some_and(|last| last.revision == shipment.revision);
        let first = self.loaded.first_attempt_at.filter(|_| is_stored);
        let attempts = if is_stored { self.loaded.attempts } else { 0 };
        let since = first.map_or(Duration::ZERO, |first| clock::between(first, now));
        receipt::Tried { attempts: attempts + more, since, now }
    }

    async fn park(self, reason: &str) -> Result<JobEnd, FlowError> {
        let in_doubt = self.loaded.state.may_have_arrived();
        let state = DeliveryState::Parked { reason: reason.to_owned(), in_doubt };
        let revision = self.loaded.desired_revision;
        self.conclude(None, revision, state, None).await
    }

    async fn conclude(
        self,
        attempt: Option<AttemptId>,
        revision: u64,
        state: DeliveryState,
        receipt: Option<contract::Receipt>,
    ) -> Result<JobEnd, FlowError> {
        let end = match &state {
            DeliveryState::Retry { at, .. } | DeliveryState::InDoubt { at, .. } => JobEnd::RetryAt(*at),
            _ => JobEnd::Done,
        };
        tracing::info!(
            target_system = self.loaded.target,
            unit = %self.loaded.unit,
            revision,
            state = state.name(),
            "delivery settled"
        );
        match self.write(attempt, revision, state, receipt).await? {
            Fenced::Done(()) => Ok(end),
            // Another worker owns the delivery now: this outcome is its business.
            Fenced::LeaseLost => Ok(JobEnd::Done),
        }
    }

    async fn write(
        &self,
        attempt: Option<AttemptId>,
        revision: u64,
        state: DeliveryState,
        receipt: Option<contract::Receipt>,
    ) -> Result<Fenced<()>, FlowError> {
        let conclusion = Conclusion { delivery: self.loaded.id, attempt, lease: self.lease, revision, state, receipt };
        Ok(self.flow.store.conclude(conclusion, self.flow.clock.now()).await?)
    }
}

fn compose(target: &dyn Target, loaded: &LoadedDelivery, revision: u64) -> Result<Shipment, String> {
    let composed =
        std::panic::catch_unwind(AssertUnwindSafe(|| target.compose(&loaded.unit, revision, &loaded.members)))
            .unwrap_or_else(|_| Err("the mapping stopped on this unit".to_owned()))?;
    Ok(Shipment {
        unit: loaded.unit.clone(),
        revision,
        idempotency_key: idempotency_key(&loaded.target, &loaded.unit, revision),
        body: composed.body,
    })
}

/// The same for every attempt of a revision: no time, no attempt number.
pub fn idempotency_key(target: &str, unit: &UnitKey, revision: u64) -> String {
    Digest::of_parts([target.as_bytes(), unit.as_str().as_bytes(), &revision.to_be_bytes(), b"put"]).to_string()
}

fn panicked() -> AdapterError {
    AdapterError::new(ErrorKind::NotUnderstood, "speaking with a target: the adapter stopped").phase(Phase::Unknown)
}

//! Deliver: brings one delivery one step further: compose, commit the intent, send, judge.
//!
//! Comes from: a job, which holds the id of a delivery.
//! Goes to: `receipt`, which turns the answer into the new state.
//! Safe to repeat because: state is read first, the stored bytes and their key never change, and a lost lease writes nothing.
//! When it fails: a gate that is shut leaves all as it was; before sending it is sent again later; after sending it is in doubt, and observed before anything else.

pub mod doubt;
pub mod gate;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use canonical::Digest;
use canonical::values::UtcInstant;
use contract::{
    Adapter, AdapterError, ErrorKind, Held, Neighbour, NotYet, Outcome, Phase, Placement, Shipment, Target, UnitKey,
};
use futures_util::FutureExt;

use self::gate::{Answered, Entry, Pass};
use super::route::membership::{Members, WITHOUT_MEMBERSHIP};
use super::{Flow, FlowError, receipt};
use crate::clock;
use crate::delivery::DeliveryState;
use crate::failpoints;
use crate::storage::{
    AttemptId, Conclusion, DeliveryId, Fenced, Intent, JobEnd, Lease, LoadedDelivery, StorageError, TracedAttempt,
};

/// The pauses before an outcome is written once more, when the database did not take it: together
/// far shorter than a lease.
const WRITE_AGAIN_AFTER: &[Duration] =
    &[Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(5)];

/// The code of an attempt whose process did not live to hear the answer.
const INTERRUPTED: &str = "interrupted";

/// Where a shipment stands that arrived, as long as the target has not said it.
const TAKEN: &str = "taken";

/// Brings a delivery one step further, under a lease.
pub async fn deliver(flow: &Flow, delivery: DeliveryId, lease: Lease) -> Result<JobEnd, FlowError> {
    let Some(loaded) = flow.store.load(delivery).await? else { return Ok(JobEnd::Done) };
    if !loaded.state.is_open() && !loaded.state.is_waiting() {
        return Ok(JobEnd::Done);
    }
    let mut step = Step { flow, lease, loaded, pass: None };
    let Some(adapter) = flow.systems.get(&step.loaded.target) else {
        return Ok(step.wait_for_configuration());
    };
    let Some(target) = adapter.target() else {
        return Ok(step.wait_for_configuration());
    };
    match flow.gates.enter(&step.loaded.target, adapter.capability().parallel_requests).await {
        Entry::Open(pass) => step.pass = Some(pass),
        // The target is not to be spoken with: the record has no part in it, and stays as it is.
        Entry::Shut(until) => return Ok(JobEnd::RetryAt(until)),
    }
    match step.loaded.state {
        DeliveryState::InDoubt { .. } if failpoints::is_planted("resend_without_look") => {
            step.compose_and_send(adapter.as_ref(), target).await
        }
        DeliveryState::Sent | DeliveryState::InDoubt { .. } => step.observe(adapter.as_ref(), target).await,
        DeliveryState::Submitted { .. } => step.follow(target).await,
        _ => step.compose_and_send(adapter.as_ref(), target).await,
    }
}

/// Parks a delivery whose job keeps ending badly, so that its neighbours go on.
pub async fn park(flow: &Flow, delivery: DeliveryId, lease: Lease, reason: &str) -> Result<JobEnd, FlowError> {
    let Some(loaded) = flow.store.load(delivery).await? else { return Ok(JobEnd::Parked) };
    if !loaded.state.is_open() && !loaded.state.is_waiting() {
        return Ok(JobEnd::Done);
    }
    Step { flow, lease, loaded, pass: None }.park(reason).await
}

struct Step<'a> {
    flow: &'a Flow,
    lease: Lease,
    loaded: LoadedDelivery,
    /// The place at the gate of the target, until its answer is known.
    pass: Option<Box<dyn Pass>>,
}

impl Step<'_> {
    /// The target is not configured today: the delivery stays as it is until it is again.
    fn wait_for_configuration(self) -> JobEnd {
        tracing::warn!(target_system = self.loaded.target, unit = %self.loaded.unit, "target not configured");
        JobEnd::RetryAt(clock::after(self.flow.clock.now(), self.flow.patience.longest()))
    }

    /// Speaks with the target. An adapter that panics says something of the record and nothing of
    /// the target.
    async fn ask<T>(&mut self, call: impl Future<Output = Result<T, AdapterError>>) -> Result<T, AdapterError> {
        AssertUnwindSafe(call).catch_unwind().await.unwrap_or_else(|_| {
            self.pass = None;
            Err(panicked())
        })
    }

    /// The last answer of this step: others may speak with the target now. Returns when, if they
    /// may not at once.
    fn tell<T>(&mut self, target: &dyn Target, answer: &Result<T, AdapterError>) -> Option<UtcInstant> {
        self.pass.take()?.tell(Answered::of(answer).with_pause(target.pause_asked()))
    }

    /// The answer to an earlier attempt was lost: ask before sending anything.
    async fn observe(mut self, adapter: &dyn Adapter, target: &dyn Target) -> Result<JobEnd, FlowError> {
        let Some(shipment) = self.last_shipment() else {
            return self.park("in doubt without a stored shipment").await;
        };
        match self.ask(target.look_up(&shipment)).await {
            Ok(Held::Same(proof)) => self.arrived(target, &shipment, proof).await,
            Ok(Held::Nothing | Held::Other) => {
                let pause = self.pause_while_uncertain().await?;
                if pause.is_none() && matches!(self.loaded.state, DeliveryState::Sent) {
                    let state = DeliveryState::InDoubt { code: INTERRUPTED.to_owned(), at: self.flow.clock.now() };
                    let ended = self.write(None, shipment.revision, state, None).await?;
                    if ended == Fenced::LeaseLost {
                        return Ok(JobEnd::Done);
                    }
                }
                if !self.is_admitted(adapter, target).await? {
                    // It did not arrive, and may not be sent any more: as if it had never been.
                    self.tell(target, &Ok(()));
                    let at = clock::after(self.flow.clock.now(), self.flow.patience.longest());
                    let state = DeliveryState::InDoubt { code: WITHOUT_MEMBERSHIP.to_owned(), at };
                    return self.conclude(None, shipment.revision, state, None).await;
                }
                match pause {
                    Some(pause) => self.ask_again(target, &shipment, pause).await,
                    None => self.send(target, shipment).await,
                }
            }
            Err(error) => {
                let state = receipt::in_doubt(&error, self.tried(&shipment, 0), self.flow.patience.as_ref());
                self.tell::<()>(target, &Err(error));
                self.conclude(None, shipment.revision, state, None).await
            }
        }
    }

    /// How long to wait before the target is asked again, where an attempt that it does not show may
    /// still take effect. The time of a shared database counts: a process that is ahead is not early.
    async fn pause_while_uncertain(&self) -> Result<Option<Duration>, FlowError> {
        let until = self.flow.resend.uncertain_until(&self.loaded.target, self.loaded.last_attempt_at);
        let (Some(until), Some(began)) = (until, self.loaded.last_attempt_at) else { return Ok(None) };
        let here = self.flow.clock.now();
        let now = self.flow.store.time().await?.map_or(here, |server| server.min(here));
        let left = clock::between(now, until);
        if left.is_zero() || failpoints::is_planted("resend_without_waiting") {
            return Ok(None);
        }
        // Often at first: most of what is late is late by little.
        Ok(Some(left.min(self.flow.patience.follow(clock::between(began, now)))))
    }

    /// It stays in doubt as it was, to be observed again.
    async fn ask_again(
        mut self,
        target: &dyn Target,
        shipment: &Shipment,
        pause: Duration,
    ) -> Result<JobEnd, FlowError> {
        self.tell(target, &Ok(()));
        let code = match &self.loaded.state {
            DeliveryState::InDoubt { code, .. } => code.clone(),
            _ => INTERRUPTED.to_owned(),
        };
        let at = clock::after(self.flow.clock.now(), pause);
        self.conclude(None, shipment.revision, DeliveryState::InDoubt { code, at }, None).await
    }

    /// It arrived: where the target decides later it is followed from here on.
    async fn arrived(
        mut self,
        target: &dyn Target,
        shipment: &Shipment,
        proof: contract::Receipt,
    ) -> Result<JobEnd, FlowError> {
        let answer = self.ask(target.follow(shipment, &proof)).await;
        self.tell(target, &answer);
        let judged = receipt::judge_followed(answer, TAKEN, self.tried(shipment, 0), self.flow.patience.as_ref());
        let state = match judged.state {
            DeliveryState::Parked { reason, .. } => DeliveryState::Parked { reason, in_doubt: true },
            state => state,
        };
        self.conclude(None, shipment.revision, state, judged.receipt.or(Some(proof))).await
    }

    /// The target took the shipment and decides later: ask where it stands.
    async fn follow(mut self, target: &dyn Target) -> Result<JobEnd, FlowError> {
        let DeliveryState::Submitted { code, .. } = self.loaded.state.clone() else { return Ok(JobEnd::Done) };
        let last = (self.loaded.last_shipment.clone(), self.loaded.last_receipt.clone());
        let (Some(shipment), Some(receipt)) = last else {
            return self.park("submitted without a stored shipment and receipt").await;
        };
        let answer = self.ask(target.follow(&shipment, &receipt)).await;
        self.tell(target, &answer);
        let judged = receipt::judge_followed(answer, &code, self.tried(&shipment, 0), self.flow.patience.as_ref());
        let revision = shipment.revision;
        // The same proof is kept once.
        let proof = judged.receipt.filter(|proof| *proof != receipt);
        match self.conclude(None, revision, judged.state, proof).await {
            // A newer revision became due meanwhile: where the older one stands matters no more.
            Err(FlowError::Storage(StorageError::Refused { .. })) => Ok(JobEnd::Done),
            end => end,
        }
    }

    /// Why the step may not be taken yet: a membership that is not in force any more, or what is
    /// missing in the lane, asked of targets that watch their lanes.
    async fn not_yet(&self, adapter: &dyn Adapter, target: &dyn Target) -> Result<Option<NotYet>, FlowError> {
        if !self.is_admitted(adapter, target).await? {
            let reason = "l'ente non ha un'adesione in vigore".to_owned();
            return Ok(Some(NotYet { code: WITHOUT_MEMBERSHIP.to_owned(), reason }));
        }
        if !target.watches_lane() {
            return Ok(None);
        }
        let lane = self.lane(target).await?;
        Ok(target.admit(&self.loaded.unit, &self.loaded.members, &lane).err())
    }

    /// Whether the body of the unit has the membership that the target asks for. An empty unit
    /// belongs to the body that its key names.
    async fn is_admitted(&self, adapter: &dyn Adapter, target: &dyn Target) -> Result<bool, FlowError> {
        if !adapter.capability().requires_adesione {
            return Ok(true);
        }
        let members = Members::load(self.flow).await?;
        let of_unit = target.body_of(&self.loaded.unit);
        Ok(of_unit.is_none_or(|ente| members.admit(&ente))
            && self.loaded.members.iter().all(|member| members.admit_record(member)))
    }

    /// What else stands in the lane: the other units that we deliver there, and what the target
    /// itself tells, which is never routed back to it.
    async fn lane(&self, target: &dyn Target) -> Result<Vec<Neighbour>, FlowError> {
        let mut lane = self.flow.store.neighbours(self.loaded.id).await?;
        let Some(first) = self.loaded.members.first() else { return Ok(lane) };
        let Placement::Unit(ours) = target.place(first) else { return Ok(lane) };
        let key = first.key();
        let cig = key.as_str().split('/').next().unwrap_or_default();
        for record in self.flow.store.told_by(&self.loaded.target, cig).await? {
            let Placement::Unit(unit) = target.place(&record) else { continue };
            if unit.lane != ours.lane || unit.key == ours.key {
                continue;
            }
            match lane.iter_mut().find(|neighbour| neighbour.unit == unit.key) {
                Some(neighbour) => neighbour.is_held = true,
                None => lane.push(Neighbour { unit: unit.key, members: vec![record], is_held: true }),
            }
        }
        lane.sort_by(|one, other| one.unit.cmp(&other.unit));
        Ok(lane)
    }

    async fn compose_and_send(self, adapter: &dyn Adapter, target: &dyn Target) -> Result<JobEnd, FlowError> {
        let revision = self.loaded.desired_revision;
        if self.loaded.members.is_empty() && self.loaded.last_shipment.is_none() {
            // Its members left before anything was sent: there is nothing to send, or to take back.
            return self.conclude(None, revision, DeliveryState::Acknowledged, None).await;
        }
        let Ok(checked) = AssertUnwindSafe(self.not_yet(adapter, target)).catch_unwind().await else {
            return self.park("the check of the order of steps stopped on this unit").await;
        };
        if let Some(not_yet) = checked? {
            let (now, patience) = (self.flow.clock.now(), self.flow.patience.as_ref());
            let is_held = matches!(self.loaded.state, DeliveryState::Held { .. });
            let since = if is_held { clock::between(self.loaded.state_since, now) } else { Duration::ZERO };
            let state = receipt::held(not_yet, since, now, patience);
            return self.conclude(None, revision, state, None).await;
        }
        let stored = self.last_shipment().filter(|shipment| shipment.revision == revision);
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

    async fn send(mut self, target: &dyn Target, shipment: Shipment) -> Result<JobEnd, FlowError> {
        let revision = shipment.revision;
        let intent = Intent { delivery: self.loaded.id, lease: self.lease, shipment: shipment.clone() };
        failpoints::pass("intent.before").await?;
        // The time of an attempt counts from here, however long the writing of it takes.
        let attempt_ends = self.flow.resend.attempt_ends();
        let Fenced::Done(attempt) = self.flow.store.begin_attempt(intent, self.flow.clock.now()).await? else {
            return Ok(JobEnd::Done);
        };
        failpoints::pass("intent.after").await?;
        let shipment = if failpoints::is_planted("attempt_number_in_key") {
            let idempotency_key = format!("{}-{}", shipment.idempotency_key, self.loaded.attempts);
            Shipment { idempotency_key, ..shipment }
        } else {
            shipment
        };
        let (flow, name) = (self.flow, self.loaded.target.clone());
        let answer = self.ask(flow.resend.within(&name, attempt_ends, target.send(&shipment))).await;
        failpoints::pass("answer").await?;
        let is_locked_out = matches!(&answer, Err(error) if error.kind == ErrorKind::Authentication);
        let not_before = self.tell(target, &answer);
        let tried = self.tried_in_earnest(&shipment, &answer).await?;
        let mut judged = receipt::judge(answer, tried, self.flow.patience.as_ref());
        if let (true, Some(not_before), DeliveryState::Retry { at, .. }) =
            (is_locked_out, not_before, &mut judged.state)
        {
            // It comes back when the target is tried again.
            *at = not_before;
        }
        self.conclude(Some(attempt), revision, judged.state, judged.receipt).await
    }

    /// How patient this shipment was so far, the attempt that has just failed included. Attempts
    /// that ended with wrong credentials were never about the record, and do not count.
    async fn tried_in_earnest(
        &self,
        shipment: &Shipment,
        answer: &Result<Outcome, AdapterError>,
    ) -> Result<receipt::Tried, FlowError> {
        let tried = self.tried(shipment, 1);
        let (true, true, Some(member)) = (answer.is_err(), tried.attempts > 1, self.loaded.members.first()) else {
            return Ok(tried);
        };
        let trace = self.flow.store.trace(member.key().as_str()).await?;
        let deliveries = trace.deliveries.into_iter().filter(|delivery| delivery.id == self.loaded.id);
        let in_earnest = |attempt: &TracedAttempt| {
            let locked_out = ErrorKind::Authentication.code();
            let was_locked_out =
                matches!(&attempt.outcome, Some(DeliveryState::Retry { code, .. }) if code == locked_out);
            attempt.revision == shipment.revision && !was_locked_out
        };
        let attempts: Vec<_> = deliveries.flat_map(|delivery| delivery.attempts).filter(in_earnest).collect();
        let Some(first) = attempts.iter().map(|attempt| attempt.started_at).min() else { return Ok(tried) };
        let since = clock::between(first, tried.now);
        Ok(receipt::Tried { attempts: u32::try_from(attempts.len()).unwrap_or(u32::MAX), since, now: tried.now })
    }

    /// The last shipment, with the receipt that the target gave before it.
    fn last_shipment(&self) -> Option<Shipment> {
        let shipment = self.loaded.last_shipment.clone()?;
        Some(Shipment { previous_receipt: self.loaded.last_receipt.clone(), ..shipment })
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
        let written = self.write_down(conclusion).await?;
        failpoints::pass("outcome.after").await?;
        Ok(written)
    }

    /// What a target has answered to an attempt is known, and is written again where the database
    /// fails for a moment: otherwise the target would have to be asked. The lease is held meanwhile.
    async fn write_down(&self, conclusion: Conclusion) -> Result<Fenced<()>, StorageError> {
        let again = if conclusion.attempt.is_some() { WRITE_AGAIN_AFTER } else { &[] };
        let mut pauses = again.iter();
        loop {
            let written = async {
                failpoints::pass("outcome.before").await?;
                self.flow.store.conclude(conclusion.clone(), self.flow.clock.now()).await
            };
            match (written.await, pauses.next()) {
                (Err(error @ StorageError::Unavailable { .. }), Some(pause)) if self.flow.store.failure().is_none() => {
                    tracing::warn!(delivery = %conclusion.delivery, %error, "outcome not written, trying again");
                    tokio::time::sleep(*pause).await;
                }
                (written, _) => return written,
            }
        }
    }
}

fn compose(target: &dyn Target, loaded: &LoadedDelivery, revision: u64) -> Result<Shipment, String> {
    let composed = std::panic::catch_unwind(AssertUnwindSafe(|| {
        failpoints::stop_on("compose", loaded.unit.as_str());
        target.compose(&loaded.unit, revision, &loaded.members)
    }))
    .unwrap_or_else(|_| Err("the mapping stopped on this unit".to_owned()))?;
    Ok(Shipment {
        unit: loaded.unit.clone(),
        revision,
        idempotency_key: idempotency_key(&loaded.target, &loaded.unit, revision),
        body: composed.body,
        previous_receipt: loaded.last_receipt.clone(),
    })
}

/// The same for every attempt of a revision: no time, no attempt number.
pub fn idempotency_key(target: &str, unit: &UnitKey, revision: u64) -> String {
    Digest::of_parts([target.as_bytes(), unit.as_str().as_bytes(), &revision.to_be_bytes(), b"put"]).to_string()
}

fn panicked() -> AdapterError {
    AdapterError::new(ErrorKind::NotUnderstood, "speaking with a target: the adapter stopped").phase(Phase::Unknown)
}

//! The gates of the targets: a breaker, a limit of calls under way, and a rate, for each of them.
//!
//! Who finds no room waits a moment without taking anything from other targets, and is then sent
//! away until its turn: a target that is slow or dead costs the others nothing. Whatever happens to
//! a caller, its place comes back when its pass is dropped.

mod breaker;
mod limit;
mod line;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use canonical::values::UtcInstant;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use self::breaker::{Breaker, Call, Say};
use self::limit::{Limit, Place};
use self::line::Line;
use super::retry::Chance;
use crate::clock::{Clock, after, between};
use crate::flow::deliver::gate::{Answered, Entry, Gate, HealthState, Limits, Pass, TargetHealth};

/// How long a caller is held before it is sent away. Short: a stop waits for it.
const HOLD: Duration = Duration::from_secs(2);
/// When to come back after a probe that is under way: its answer takes seconds at most.
const AFTER_PROBE: Duration = Duration::from_secs(1);
/// The shortest and the longest first turn of those who found no room.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(1);
/// What is not known of a target that was never called.
const FIRST_GUESS: Duration = Duration::from_millis(50);

/// The gates of all targets of a process. They forget everything when it ends: an ill target is
/// found out again with a few calls.
#[derive(Debug)]
pub struct Gates {
    clock: Arc<dyn Clock>,
    limits: BTreeMap<String, Limits>,
    known: Mutex<BTreeMap<String, Arc<TargetGate>>>,
}

impl Gates {
    /// Gates with these limits, by the configured names of the targets.
    pub fn new(clock: Arc<dyn Clock>, limits: BTreeMap<String, Limits>) -> Self {
        Self { clock, limits, known: Mutex::default() }
    }

    fn of(&self, target: &str, parallel_requests: u16) -> Arc<TargetGate> {
        let mut gates = locked(&self.known);
        if let Some(gate) = gates.get(target) {
            return Arc::clone(gate);
        }
        let limits = self.limits.get(target).copied().unwrap_or_default();
        let gate = Arc::new(TargetGate::new(target, parallel_requests, limits, Arc::clone(&self.clock)));
        gates.insert(target.to_owned(), Arc::clone(&gate));
        gate
    }
}

#[async_trait]
impl Gate for Gates {
    async fn enter(&self, target: &str, parallel_requests: u16) -> Entry {
        self.of(target, parallel_requests).enter().await
    }

    fn health(&self) -> Vec<TargetHealth> {
        let gates: Vec<_> = locked(&self.known).iter().map(|(name, gate)| (name.clone(), Arc::clone(gate))).collect();
        gates.into_iter().map(|(name, gate)| gate.health(name)).collect()
    }
}

/// The gate of one target.
struct TargetGate {
    name: String,
    clock: Arc<dyn Clock>,
    rate: Option<Rate>,
    state: Mutex<GateState>,
    /// Somebody may have room now.
    has_moved: Notify,
}

struct GateState {
    breaker: Breaker,
    limit: Limit,
    line: Line,
    held: u32,
    /// How long a call takes: a running mean.
    takes: Duration,
}

/// Calls begun, evenly apart. It goes by the clock of the machine that is never set back.
struct Rate {
    limiter: DefaultDirectRateLimiter,
    apart: Duration,
}

/// What a caller is told at once.
enum Try {
    In(OnePass),
    /// No room now: wait at most this long for something to move.
    Full(Duration),
    /// Not before.
    Shut(UtcInstant),
}

impl TargetGate {
    fn new(name: &str, declared: u16, limits: Limits, clock: Arc<dyn Clock>) -> Self {
        let most = limits.parallel_requests.map_or(declared, |configured| configured.min(declared));
        let rate = limits.requests_per_minute.and_then(|per_minute| {
            let apart = Duration::from_mins(1) / per_minute.get();
            Some(Rate { limiter: DefaultDirectRateLimiter::direct(Quota::with_period(apart)?), apart })
        });
        let state = GateState {
            breaker: Breaker::new(clock.now()),
            limit: Limit::new(most),
            line: Line::default(),
            held: 0,
            takes: FIRST_GUESS,
        };
        Self { name: name.to_owned(), clock, rate, state: Mutex::new(state), has_moved: Notify::new() }
    }

    async fn enter(self: Arc<Self>) -> Entry {
        let end = Instant::now() + HOLD;
        let mut held = None;
        loop {
            let moved = self.has_moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            let at_most = match self.try_enter() {
                Try::In(pass) => return Entry::Open(Box::new(pass)),
                Try::Shut(until) => return Entry::Shut(self.turn(until)),
                Try::Full(at_most) => at_most,
            };
            if held.is_none() {
                held = Held::of(&self);
            }
            if held.is_none() || Instant::now() >= end {
                return Entry::Shut(self.turn(self.after_those_who_wait()));
            }
            // Either something moved or time has passed: look again.
            let _ = timeout_at((Instant::now() + at_most).min(end), moved).await;
        }
    }

    fn try_enter(self: &Arc<Self>) -> Try {
        let now = self.clock.now();
        let mut state = locked(&self.state);
        if let Some(until) = state.breaker.not_before(now) {
            return Try::Shut(until);
        }
        if !state.limit.has_room() {
            return Try::Full(HOLD);
        }
        let call = match state.breaker.ask(now) {
            Say::Go(call) => call,
            Say::NotBefore(until) => return Try::Shut(until),
            Say::Probing => return Try::Shut(after(now, AFTER_PROBE)),
        };
        // Last, because what it counts cannot be given back.
        if let Some(Err(not_yet)) = self.rate.as_ref().map(|rate| rate.limiter.check()) {
            state.breaker.gave_back(call);
            return Try::Full(not_yet.wait_time_from(DefaultClock::default().now()));
        }
        let Some(place) = state.limit.take() else {
            state.breaker.gave_back(call);
            return Try::Full(HOLD);
        };
        let has_more_room = state.limit.has_room();
        drop(state);
        if has_more_room {
            // Who leaves wakes one; where there is room for two, the first wakes the second.
            self.has_moved.notify_one();
        }
        Try::In(OnePass { gate: Arc::clone(self), call, place, began: now, is_told: false })
    }

    /// When those who wait at the gate now will be in: never at once, or the next one would be
    /// sent away again and again.
    fn after_those_who_wait(&self) -> UtcInstant {
        let takes = locked(&self.state).takes.clamp(SHORTEST, LONGEST);
        after(self.clock.now(), takes)
    }

    /// When a caller that is sent away should come back.
    fn turn(&self, not_before: UtcInstant) -> UtcInstant {
        let mut state = locked(&self.state);
        // A little closer than the target takes them: it should not wait for them.
        let by_calls = state.takes / state.limit.allowed() * 4 / 5;
        let apart = self.rate.as_ref().map_or(by_calls, |rate| rate.apart.max(by_calls));
        state.line.turn(self.clock.now(), not_before, apart, Chance(fastrand::u64(..)))
    }

    fn told(&self, call: Call, place: Place, began: UtcInstant, answered: Answered) -> Option<UtcInstant> {
        let now = self.clock.now();
        let mut state = locked(&self.state);
        let before = state.breaker.health(now).0;
        state.breaker.told(call, answered, now, Chance(fastrand::u64(..)));
        let (health, reason, _) = state.breaker.health(now);
        match answered {
            Answered::Well | Answered::Spent(_) => state.limit.went_well(),
            Answered::Busy(..) | Answered::Ill(_) => state.limit.was_too_much(place),
            Answered::Locked(_) => {}
        }
        let until = state.breaker.not_before(now);
        if health != before {
            if matches!(health, HealthState::Shut | HealthState::Locked) {
                state.limit.begin_with_one();
            }
            let until = until.map(tracing::field::display);
            tracing::warn!(target_system = self.name, state = ?health, reason, until, "target changed");
        }
        state.takes = (state.takes * 7 + between(began, now)) / 8;
        until
    }

    fn health(&self, target: String) -> TargetHealth {
        let now = self.clock.now();
        let mut state = locked(&self.state);
        let next = state.breaker.not_before(now);
        let (health, reason, since) = state.breaker.health(now);
        let parallel_requests = u16::try_from(state.limit.allowed()).unwrap_or(u16::MAX);
        TargetHealth { target, state: health, reason, since, next, parallel_requests }
    }
}

impl std::fmt::Debug for TargetGate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TargetGate").field("name", &self.name).finish_non_exhaustive()
    }
}

/// One who waits at the gate: as many as may ever be let in, so that the next is at hand.
struct Held<'a>(&'a TargetGate);

impl<'a> Held<'a> {
    fn of(gate: &'a TargetGate) -> Option<Self> {
        let mut state = locked(&gate.state);
        let has_room = state.held < state.limit.most();
        has_room.then(|| {
            state.held += 1;
            Self(gate)
        })
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        locked(&self.0.state).held -= 1;
    }
}

struct OnePass {
    gate: Arc<TargetGate>,
    call: Call,
    place: Place,
    began: UtcInstant,
    is_told: bool,
}

impl Pass for OnePass {
    fn tell(mut self: Box<Self>, answered: Answered) -> Option<UtcInstant> {
        self.is_told = true;
        self.gate.told(self.call, self.place, self.began, answered)
    }
}

impl Drop for OnePass {
    fn drop(&mut self) {
        let mut state = locked(&self.gate.state);
        if !self.is_told {
            state.breaker.gave_back(self.call);
        }
        state.limit.give_back(self.place);
        let is_shut = state.breaker.not_before(self.gate.clock.now()).is_some();
        drop(state);
        if is_shut {
            self.gate.has_moved.notify_waiters();
        } else {
            self.gate.has_moved.notify_one();
        }
    }
}

/// A state is whole between two statements: poison is no news.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

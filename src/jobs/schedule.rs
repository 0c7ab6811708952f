//! The schedule: reads the sources and reconciles the targets from time to time.
//!
//! Each round waits for the one before it, so that two rounds of the same kind never overlap, and is
//! somebody's turn: of all processes that share the database one does it. A round that fails is told
//! in the log, and the next one comes at its time.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use canonical::SourceName;
use canonical::values::UtcInstant;
use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::after;
use crate::config::ScheduleConfig;
use crate::flow::intake::{self, InTurn};
use crate::flow::{Flow, FlowError, reconcile};
use crate::pressure::Hold;
use crate::storage::{Turn, log_head};

/// How long a turn holds without being held anew: whoever falls silent is replaced after it.
const TURN: Duration = Duration::from_mins(1);
/// Between two looks whether it is our turn.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The running schedule.
#[derive(Debug)]
pub struct Schedule {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// Starts it: a read of every source as soon as it is our turn, then at every period. Where several processes share
/// the database, each round is done by one of them.
pub fn start(flow: Flow, config: &ScheduleConfig) -> Schedule {
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let (reads, compares) = (flow.clone(), flow.clone());
    let sync = Round { flow: flow.clone(), name: "sync", period: config.sync_every(), first: Duration::ZERO };
    tasks.spawn(sync.repeat(stopped.clone(), move |turn| read_all(reads.clone(), turn)));
    let period = config.reconcile_every();
    let reconcile = Round { flow, name: "reconcile", period, first: period };
    tasks.spawn(reconcile.repeat(stopped, move |_| reconcile_all(compares.clone())));
    Schedule { stop, tasks }
}

impl Schedule {
    /// Stops it; a round under way is dropped between two of its transactions and begun again later.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Something that is done from time to time.
struct Round {
    flow: Flow,
    name: &'static str,
    period: Duration,
    first: Duration,
}

impl Round {
    async fn repeat<F: Future<Output = ()>>(self, mut stopped: watch::Receiver<bool>, act: impl Fn(Turn) -> F) {
        let forever = async {
            tokio::time::sleep(self.first).await;
            loop {
                match self.flow.store.take_turn(self.name, self.now(), self.later(TURN)).await {
                    Ok(Some(turn)) => self.once(&turn, act(turn.clone())).await,
                    Ok(None) => {}
                    Err(error) => tracing::warn!(%error, round = self.name, "turn not taken, trying again"),
                }
                tokio::time::sleep(LOOK_EVERY.min(self.period)).await;
            }
        };
        tokio::select! {
            () = forever => {}
            _ = stopped.changed() => {}
        }
    }

    /// Does it once, as long as the turn is ours, and leaves the turn until the next is due.
    async fn once(&self, turn: &Turn, act: impl Future<Output = ()>) {
        let next = self.later(self.period);
        // One bad record must not end the schedule for all the others.
        let act = AssertUnwindSafe(act).catch_unwind();
        tokio::select! {
            done = act => {
                if done.is_err() {
                    tracing::error!(round = self.name, "a round of the schedule stopped: the next one comes at its time");
                }
            }
            () = self.hold(turn) => {
                tracing::warn!(round = self.name, "another process has taken the turn: leaving the round to it");
                return;
            }
        }
        if let Err(error) = self.flow.store.hold_turn(turn, next.max(self.now())).await {
            tracing::warn!(%error, round = self.name, "turn not left: it ends by itself");
        }
    }

    /// Returns when the turn is lost.
    async fn hold(&self, turn: &Turn) {
        loop {
            tokio::time::sleep(TURN / 3).await;
            match self.flow.store.hold_turn(turn, self.later(TURN)).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(%error, round = self.name, "turn not held, trying again"),
            }
        }
    }

    fn now(&self) -> UtcInstant {
        self.flow.clock.now()
    }

    fn later(&self, by: Duration) -> UtcInstant {
        after(self.now(), by)
    }
}

async fn read_all(flow: Flow, turn: Turn) {
    for (name, adapter) in flow.systems.iter() {
        let Some(name) = adapter.source().and_then(|_| SourceName::parse(name)) else { continue };
        // Held half-way, it begins again where its last complete read ended.
        while let Err(error) = read_when_admitted(&flow, &name, &turn).await {
            tracing::error!(source = %name, error = %chain(&error), "source not read");
            if !matches!(error, FlowError::Held(_)) {
                break;
            }
        }
    }
}

async fn read_when_admitted(flow: &Flow, name: &SourceName, turn: &Turn) -> Result<(), FlowError> {
    if let Some(why) = flow.hold().await? {
        tracing::warn!(source = %name, %why, "source waits to be read");
        flow.intake_gate.wait_while(flow.store.as_ref(), flow.clock.as_ref(), |_| true).await;
    }
    intake::read_in_turn(flow, name, InTurn { turn, holds: TURN }).await.map(|_| ())
}

async fn reconcile_all(flow: Flow) {
    for (name, adapter) in flow.systems.iter() {
        if adapter.target().is_none() || adapter.observer().is_none() {
            continue;
        }
        // What is found must be written; a long queue is no reason not to look.
        let has_no_room = |hold: &Hold| !matches!(hold, Hold::Queue { .. });
        flow.intake_gate.wait_while(flow.store.as_ref(), flow.clock.as_ref(), has_no_room).await;
        if let Err(error) = reconcile::reconcile(&flow, name, false).await {
            tracing::error!(target_system = name, error = %chain(&error), "target not reconciled");
        }
    }
    // The log is kept outside the database: what is cut off after this is noticed.
    log_head(flow.store.as_ref()).await;
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        line = format!("{line}: {next}");
        cause = next.source();
    }
    line
}

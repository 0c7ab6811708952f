//! The schedule: reads the sources and reconciles the targets from time to time.
//!
//! Each round waits for the one before it, so that two rounds of the same kind never overlap, and is
//! somebody's turn: of all processes that share the database one does it. A round that fails is told
//! in the log, and the next one comes at its time.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use canonical::SourceName;
use canonical::values::UtcInstant;
use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::turn::read_in_its_turn;
use crate::chain::chain;
use crate::clock::{after, between, next_italian_time};
use crate::config::reconciliation::DailyTime;
use crate::config::{ReconciliationConfig, ScheduleConfig};
use crate::flow::{Flow, FlowError, reconcile};
use crate::pressure::Hold;
use crate::storage::work_items::SILENCE;
use crate::storage::{Turn, log_head};

/// How long a turn holds without being held anew: whoever falls silent is replaced after it.
const TURN: Duration = Duration::from_mins(1);
/// For as long as the taking up of repairs is left to one process.
const REPAIRS: Duration = Duration::from_mins(10);
/// Between two looks whether it is our turn.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The running schedule.
#[derive(Debug)]
pub struct Schedule {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// Starts it: a read of every source as soon as it is our turn, then at every period, and the
/// comparisons once a day at their times. Where several processes share the database, each round is
/// done by one of them.
pub fn start(flow: &Flow, config: &ScheduleConfig, comparisons: &ReconciliationConfig) -> Schedule {
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let reads = flow.clone();
    let sync = Round { flow: flow.clone(), name: "sync".to_owned(), due: Due::Every(config.sync_every()) };
    tasks.spawn(sync.repeat(stopped.clone(), move |_| read_all(reads.clone())));
    tasks.spawn(take_up(flow.clone(), stopped.clone()));
    for (at, names) in by_time(flow, comparisons) {
        let DailyTime::At { hour, minute } = at else { continue };
        let (flow, compares) = (flow.clone(), flow.clone());
        let round = Round { flow, name: format!("reconcile at {at}"), due: Due::Daily { hour, minute } };
        tasks.spawn(round.repeat(stopped.clone(), move |_| reconcile_all(compares.clone(), names.clone())));
    }
    Schedule { stop, tasks }
}

/// The comparisons that can be made, by the time of the day at which they are.
fn by_time(flow: &Flow, config: &ReconciliationConfig) -> BTreeMap<DailyTime, Vec<String>> {
    let mut times: BTreeMap<DailyTime, Vec<String>> = BTreeMap::new();
    for name in reconcile::comparisons(flow) {
        times.entry(config.time_of(&name)).or_default().push(name);
    }
    times
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
    name: String,
    due: Due,
}

/// When it is due.
#[derive(Debug, Clone, Copy)]
enum Due {
    /// At once, then after this long.
    Every(Duration),
    /// At a time of the day in Italy.
    Daily { hour: u8, minute: u8 },
}

impl Due {
    /// The pause before the first time.
    fn first(self, now: UtcInstant) -> Duration {
        match self {
            Self::Every(_) => Duration::ZERO,
            Self::Daily { .. } => between(now, self.next(now)),
        }
    }

    /// The next time after an instant.
    fn next(self, now: UtcInstant) -> UtcInstant {
        match self {
            Self::Every(period) => after(now, period),
            // A time of the day comes every day, until the end of what can be written.
            Self::Daily { hour, minute } => {
                next_italian_time(now, hour, minute).unwrap_or_else(|| after(now, Duration::from_hours(24)))
            }
        }
    }
}

impl Round {
    async fn repeat<F: Future<Output = ()>>(self, mut stopped: watch::Receiver<bool>, act: impl Fn(Turn) -> F) {
        let forever = async {
            tokio::time::sleep(self.due.first(self.now())).await;
            loop {
                match self.flow.store.take_turn(&self.name, self.now(), self.later(TURN)).await {
                    Ok(Some(turn)) => self.once(&turn, act(turn.clone())).await,
                    Ok(None) => {}
                    Err(error) => tracing::warn!(%error, round = self.name, "turn not taken, trying again"),
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::select! {
            () = forever => {}
            _ = stopped.changed() => {}
        }
    }

    /// Does it once, as long as the turn is ours, and leaves the turn until the next is due.
    async fn once(&self, turn: &Turn, act: impl Future<Output = ()>) {
        let next = self.due.next(self.now());
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
        if let Err(error) = self.flow.store.hold_turn(turn, self.now(), next.max(self.now())).await {
            tracing::warn!(%error, round = self.name, "turn not left: it ends by itself");
        }
    }

    /// Returns when the turn is lost.
    async fn hold(&self, turn: &Turn) {
        loop {
            tokio::time::sleep(TURN / 3).await;
            match self.flow.store.hold_turn(turn, self.now(), self.later(TURN)).await {
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

async fn read_all(flow: Flow) {
    for (name, adapter) in flow.systems.iter() {
        let Some(name) = adapter.source().and_then(|_| SourceName::parse(name)) else { continue };
        // Held half-way, it begins again where its last complete read ended.
        while let Err(error) = read_when_admitted(&flow, &name).await {
            tracing::error!(source = %name, error = %chain(&error), "source not read");
            if !matches!(error, FlowError::Held(_)) {
                break;
            }
        }
    }
}

async fn read_when_admitted(flow: &Flow, name: &SourceName) -> Result<(), FlowError> {
    if let Some(why) = flow.hold().await? {
        tracing::warn!(source = %name, %why, "source waits to be read");
        flow.intake_gate.wait_while(flow.store.as_ref(), flow.clock.as_ref(), |_| true).await;
    }
    read_in_its_turn(flow, name, &|_| ()).await.map(drop)
}

/// Takes up what another process was comparing when it ended: the next night is too late for it.
async fn take_up(flow: Flow, mut stopped: watch::Receiver<bool>) {
    let all = async {
        take_up_repairs(&flow).await;
        // Whoever is still at work shows a sign of life before.
        tokio::time::sleep(SILENCE + LOOK_EVERY).await;
        for name in reconcile::comparisons(&flow) {
            let last = match flow.store.runs(Some(&name), 1).await {
                Ok(runs) => runs.into_iter().next(),
                Err(error) => {
                    tracing::warn!(%error, comparison = name, "not known whether a comparison was cut short");
                    continue;
                }
            };
            if last.is_some_and(|run| run.finished_at.is_none()) {
                tracing::info!(comparison = name, "taking up a comparison that was cut short");
                match reconcile::compare(&flow, &name, false).await {
                    Ok(_) | Err(FlowError::UnderWay { .. }) => {}
                    Err(error) => {
                        tracing::error!(comparison = name, error = %chain(&error), "not reconciled");
                    }
                }
            }
        }
    };
    tokio::select! {
        () = all => {}
        _ = stopped.changed() => {}
    }
}

/// Does what somebody decided and a process that died, or a target that did not answer, left undone.
async fn take_up_repairs(flow: &Flow) {
    // One process is enough: two would read the same target at once, to find the same done.
    let (now, until) = (flow.clock.now(), after(flow.clock.now(), REPAIRS));
    let turn = match flow.store.take_turn("repairs", now, until).await {
        Ok(Some(turn)) => turn,
        Ok(None) => return,
        Err(error) => {
            tracing::warn!(%error, "turn not taken: repairs that were begun wait");
            return;
        }
    };
    let resumed = reconcile::repair::resume(flow).await;
    if let Err(error) = flow.store.hold_turn(&turn, flow.clock.now(), flow.clock.now()).await {
        tracing::warn!(%error, "turn not left: it ends by itself");
    }
    if let Err(error) = resumed {
        tracing::error!(error = %chain(&error), "repairs that were begun not taken up");
    }
}

async fn reconcile_all(flow: Flow, names: Vec<String>) {
    take_up_repairs(&flow).await;
    for name in names {
        // What is found must be written; a long queue is no reason not to look.
        let has_no_room = |hold: &Hold| !matches!(hold, Hold::Queue { .. });
        flow.intake_gate.wait_while(flow.store.as_ref(), flow.clock.as_ref(), has_no_room).await;
        if let Err(error) = reconcile::compare(&flow, &name, false).await {
            tracing::error!(comparison = name, error = %chain(&error), "not reconciled");
        }
    }
    // The log is kept outside the database: what is cut off after this is noticed.
    log_head(flow.store.as_ref()).await;
}

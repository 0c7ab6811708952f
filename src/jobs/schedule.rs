//! The schedule: reads the sources and reconciles the targets from time to time.
//!
//! Each round waits for the one before it, so that two rounds of the same kind never overlap. A
//! round that fails is told in the log, and the next one comes at its time.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use canonical::SourceName;
use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::ScheduleConfig;
use crate::flow::{Flow, intake, reconcile};
use crate::storage::RunKind;

/// The running schedule.
#[derive(Debug)]
pub struct Schedule {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// Starts it: one read of every source at once, then at every period.
pub fn start(flow: Flow, config: &ScheduleConfig) -> Schedule {
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    {
        let flow = flow.clone();
        tasks.spawn(every(config.sync_every(), Duration::ZERO, stopped.clone(), move || read_all(flow.clone())));
    }
    let period = config.reconcile_every();
    tasks.spawn(every(period, period, stopped, move || reconcile_all(flow.clone())));
    Schedule { stop, tasks }
}

impl Schedule {
    /// Stops it; a round under way is dropped between two of its transactions and begun again later.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn every<F: Future<Output = ()>>(
    period: Duration,
    first: Duration,
    mut stopped: watch::Receiver<bool>,
    round: impl Fn() -> F,
) {
    let mut wait = first;
    loop {
        let once = async {
            tokio::time::sleep(wait).await;
            // One bad record must not end the schedule for all the others.
            if AssertUnwindSafe(round()).catch_unwind().await.is_err() {
                tracing::error!("a round of the schedule stopped: the next one comes at its time");
            }
        };
        tokio::select! {
            () = once => wait = period,
            _ = stopped.changed() => return,
        }
    }
}

async fn read_all(flow: Flow) {
    for (name, adapter) in flow.systems.iter() {
        let Some(name) = adapter.source().and_then(|_| SourceName::parse(name)) else { continue };
        if let Err(error) = intake::read_source(&flow, &name, RunKind::Sync, None, &|_| ()).await {
            tracing::error!(source = %name, error = %chain(&error), "source not read");
        }
    }
}

async fn reconcile_all(flow: Flow) {
    for (name, adapter) in flow.systems.iter() {
        if adapter.target().is_none() || adapter.observer().is_none() {
            continue;
        }
        if let Err(error) = reconcile::reconcile(&flow, name, false).await {
            tracing::error!(target_system = name, error = %chain(&error), "target not reconciled");
        }
    }
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

//! The sweeper: finds what was forgotten. It takes no input and looks at everything, so that a lost
//! wake-up, a killed process or a missing job costs one period at most.

use std::sync::Arc;
use std::time::Duration;

use canonical::values::UtcInstant;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::calls::KEPT_DAYS;
use crate::clock::{Clock, after, days_before, italian_day};
use crate::failpoints;
use crate::storage::{StorageError, Store};

/// Finished jobs removed by one statement: small, so that nobody waits behind it.
const PRUNED_AT_ONCE: u32 = 1_000;
/// Statements in one sweep: the rest waits for the next.
const PRUNES: u32 = 50;

/// How often, and after how long.
#[derive(Debug, Clone, Copy)]
pub struct SweeperSettings {
    /// Between two sweeps.
    pub every: Duration,
    /// Between two looks at what waits for somebody else, and at leases whose holder is gone.
    pub wake_every: Duration,
    /// How often a job may be claimed without an answer before it stands aside.
    pub max_attempts: u32,
    /// How long finished jobs are kept.
    pub keep_finished: Duration,
}

impl Default for SweeperSettings {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(5),
            wake_every: Duration::from_secs(1),
            max_attempts: 12,
            keep_finished: Duration::from_hours(72),
        }
    }
}

/// What one sweep found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Leases that had ended.
    pub expired: u64,
    /// Due deliveries that had no job.
    pub forgotten: u64,
    /// Finished jobs removed.
    pub pruned: u64,
    /// Counts of calls of long ago removed.
    pub counts: u64,
}

/// Sweeps once.
pub async fn sweep(store: &dyn Store, now: UtcInstant, settings: &SweeperSettings) -> Result<Swept, StorageError> {
    failpoints::pass("sweep.before").await?;
    let mut swept = Swept {
        expired: store.expire(now, settings.max_attempts).await?,
        forgotten: store.sweep(now).await?,
        pruned: 0,
        counts: 0,
    };
    failpoints::pass("sweep.after").await?;
    if let Some(first) = days_before(italian_day(now), KEPT_DAYS) {
        swept.counts = store.forget_calls(first, PRUNED_AT_ONCE).await?;
    }
    let keep = i64::try_from(settings.keep_finished.as_micros()).unwrap_or(i64::MAX);
    // Before the beginning of time there is nothing to remove.
    let Ok(before) = UtcInstant::from_unix_micros(now.unix_micros().saturating_sub(keep)) else {
        return Ok(swept);
    };
    for _ in 0..PRUNES {
        let pruned = store.prune(before, PRUNED_AT_ONCE).await?;
        swept.pruned += pruned;
        if pruned < u64::from(PRUNED_AT_ONCE) {
            break;
        }
    }
    Ok(swept)
}

/// Lets the clock hear what the server of the store says the time is.
pub async fn hear(store: &dyn Store, clock: &dyn Clock) {
    match store.time().await {
        Ok(said) => said.into_iter().for_each(|said| clock.hear(said)),
        Err(error) => tracing::warn!(%error, "the server was not asked for the time"),
    }
}

/// A sweeper that is running.
#[derive(Debug)]
pub struct Sweeper {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Sweeper {
    /// Starts to sweep, at once and then by period.
    pub fn start(store: Arc<dyn Store>, clock: Arc<dyn Clock>, settings: SweeperSettings) -> Self {
        let (stop, mut stopping) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut period = interval(settings.every);
            period.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut wake_period = interval(settings.wake_every);
            wake_period.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut turn = None;
            loop {
                let is_time_to_wake = tokio::select! {
                    _ = stopping.wait_for(|stop| *stop) => break,
                    _ = period.tick() => false,
                    _ = wake_period.tick() => true,
                };
                if store.failure().is_some() {
                    // It was said once; nothing can be written until another start.
                    continue;
                }
                if is_time_to_wake {
                    // Whoever sees first that another process is gone takes its work over: no turn.
                    match store.expire(clock.now(), settings.max_attempts).await {
                        Ok(0) => {}
                        Ok(expired) => tracing::info!(expired, "leases ended without an answer"),
                        Err(error) => tracing::warn!(%error, "leases were not looked at, trying again"),
                    }
                    if let Err(error) = store.wake(clock.now()).await {
                        tracing::warn!(%error, "what waits was not looked at, trying again");
                    }
                    continue;
                }
                hear(&*store, &*clock).await;
                match store.take_turn("sweep", clock.now(), after(clock.now(), settings.every * 4 / 5)).await {
                    Ok(Some(taken)) => turn = Some(taken),
                    Ok(None) => continue,
                    Err(error) => {
                        tracing::warn!(%error, "nobody knows whose turn it is to sweep, trying again");
                        continue;
                    }
                }
                match sweep(&*store, clock.now(), &settings).await {
                    Ok(swept) if swept.expired + swept.forgotten > 0 => {
                        tracing::info!(expired = swept.expired, forgotten = swept.forgotten, "work found again");
                    }
                    Ok(_) => {}
                    Err(error) => tracing::warn!(%error, "sweep not finished, trying again"),
                }
            }
            // Whoever comes next need not wait for the end of a turn that nobody uses.
            if let Some(turn) = turn
                && let Err(error) = store.hold_turn(&turn, clock.now(), clock.now()).await
            {
                tracing::warn!(%error, "turn not left: it ends by itself");
            }
        });
        Self { stop, task }
    }

    /// Ends it after the sweep under way.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // An error means that it has ended already.
        let _ = self.task.await;
    }
}

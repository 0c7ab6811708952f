//! Workers: they take jobs from the durable queue, hand them to the flow, and write down how each
//! ended.
//!
//! A job holds ids only and may run twice. The ledger is the memory; what lives here can die at any
//! moment and loses nothing: a lease that is not renewed ends, and the job is ready again.
//! Retry is in [`retry`] and nowhere else.

pub mod retry;
pub mod gate;
pub mod schedule;
pub mod sweeper;
pub mod webhooks;
pub mod signals;
pub mod exports;
pub mod calls;
pub mod tracing_files;
mod signed;
mod turn;
mod apalis;
mod deliver;
mod patience;
mod pump;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::deliver::start;
pub use self::patience::Backoff;
use self::pump::Shared;
pub use self::turn::read_in_its_turn;
use crate::clock::{Clock, after};
use crate::storage::{ClaimedJob, JobEnd, Queue};

/// How long [`Workers::stop`] waits for handlers: a stop takes at most ten seconds in all.
const GRACE: Duration = Duration::from_secs(9);

/// How long [`Workers::until_quiet`] waits for a look before it asks again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What is done with a job: load, call a station, answer.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Runs a job. It may have run before, and it may run again.
    async fn run(&self, job: ClaimedJob) -> JobEnd;

    /// Answers for a job whose handler panicked. A job that panics must end aside, not loop.
    async fn panicked(&self, job: ClaimedJob, message: String) -> JobEnd;

    /// Whether no job may be begun now, because how it ends could not be written.
    fn is_held(&self) -> bool {
        false
    }
}

/// How much at a time.
#[derive(Debug, Clone, Copy)]
pub struct WorkerSettings {
    /// Jobs that run at the same time.
    pub slots: usize,
    /// Jobs claimed and not yet ended, those that run included. Twice the slots for slow work, some
    /// hundreds for short work. Never below the slots.
    pub window: usize,
    /// How long a claim holds without being renewed. Longer than twice the deadline of one request.
    pub lease: Duration,
    /// How often to look when nothing wakes us. A wake-up can be lost; at most a second.
    pub poll: Duration,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self { slots: 16, window: 32, lease: Duration::from_secs(90), poll: Duration::from_secs(1) }
    }
}

/// Workers that are running. Dropping them without [`Workers::stop`] leaves them to the runtime.
#[derive(Debug)]
pub struct Workers {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    stop: watch::Sender<bool>,
    monitor: JoinHandle<()>,
}

impl Workers {
    /// Starts workers on a queue.
    pub fn start(
        queue: Arc<dyn Queue>,
        handler: Arc<dyn Handler>,
        clock: Arc<dyn Clock>,
        settings: WorkerSettings,
    ) -> Self {
        let slots = settings.slots.max(1);
        let settings = WorkerSettings {
            slots,
            window: settings.window.max(slots),
            poll: settings.poll.min(Duration::from_secs(1)),
            ..settings
        };
        let (stop, stopping) = watch::channel(false);
        let shared = Arc::new(Shared::new(queue, Arc::clone(&clock), settings, stopping));
        let monitor = tokio::spawn(apalis::monitor(Arc::clone(&shared), handler));
        Self { shared, clock, stop, monitor }
    }

    /// Claims nothing more, gives back what has not started, and waits for what runs, ten seconds
    /// at most. What runs longer keeps its lease, which then ends by itself.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let mut monitor = self.monitor;
        if tokio::time::timeout(GRACE, &mut monitor).await.is_err() {
            tracing::warn!(
                running = self.shared.in_flight(),
                "handlers still run: their leases will end by themselves"
            );
            self.shared.abandon();
            monitor.abort();
        }
    }

    /// Waits until nothing runs here and nothing becomes ready within `horizon`.
    pub async fn until_quiet(&self, horizon: Duration) {
        let mut looks = self.shared.looks();
        loop {
            let looked = self.shared.look_again();
            let seen = tokio::time::timeout(ASK_AGAIN, looks.wait_for(|look| look.number > looked)).await;
            let look = match seen {
                Ok(Ok(look)) => *look,
                _ if self.monitor.is_finished() => return,
                // The database does not answer: the pump looks again by itself.
                _ => continue,
            };
            let horizon = after(self.clock.now(), horizon);
            if look.is_idle && look.next_ready.is_none_or(|next| next > horizon) {
                return;
            }
            // Something runs or will soon: the next look follows by itself, at the latest by poll.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Runs workers until nothing runs and nothing becomes ready within `horizon`.
pub async fn run_until_quiet(
    queue: Arc<dyn Queue>,
    handler: Arc<dyn Handler>,
    clock: Arc<dyn Clock>,
    settings: WorkerSettings,
    horizon: Duration,
) {
    let workers = Workers::start(queue, handler, clock, settings);
    workers.until_quiet(horizon).await;
    workers.stop().await;
}

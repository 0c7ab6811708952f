//! The pump: the only one who speaks with the queue for a worker.
//!
//! Each round first writes down what has ended, then claims what fits: never more than the window
//! leaves free. A claimed job lies on the shelf until a slot takes it; its lease is renewed by a
//! timer of its own, wherever the job is. When the database does not answer, the pump waits and
//! tries again: no handler is dropped for it, and no ending is forgotten.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use canonical::values::UtcInstant;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{Handler, WorkerSettings};
use crate::clock::{Clock, after};
use crate::failpoints;
use crate::storage::{ClaimRequest, ClaimedJob, JobEnd, Lease, Queue, Round, Settlement, StorageError};

const FIRST_BACK_OFF: Duration = Duration::from_millis(100);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(5);
/// How long the first ending waits for company when many jobs run: one commit serves them all.
const LINGER: Duration = Duration::from_millis(1);

/// What all workers of one start share.
pub(super) struct Shared {
    pub(super) queue: Arc<dyn Queue>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) settings: WorkerSettings,
    stopping: watch::Receiver<bool>,
    leases: Mutex<HashMap<Lease, Instant>>,
    looks: watch::Sender<Look>,
    begun: AtomicU64,
    look_again: Notify,
    is_abandoned: AtomicBool,
}

/// What the pump last saw.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    /// The how-manieth look.
    pub(super) number: u64,
    /// Nothing runs, nothing lies on the shelf, and nothing was ready.
    pub(super) is_idle: bool,
    /// When the next job becomes ready.
    pub(super) next_ready: Option<UtcInstant>,
}

/// How a job that was claimed came back.
#[derive(Debug, Clone, Copy)]
pub(super) enum Returned {
    /// It ran, and ended so.
    Ended(Settlement),
    /// It never started.
    NotStarted(Lease),
    /// Its handler was dropped half-way: the lease is left to end by itself.
    Dropped(Lease),
}

impl Shared {
    pub(super) fn new(
        queue: Arc<dyn Queue>,
        clock: Arc<dyn Clock>,
        settings: WorkerSettings,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self {
            queue,
            clock,
            settings,
            stopping,
            leases: Mutex::default(),
            looks: watch::Sender::default(),
            begun: AtomicU64::new(0),
            look_again: Notify::new(),
            is_abandoned: AtomicBool::new(false),
        }
    }

    pub(super) fn looks(&self) -> watch::Receiver<Look> {
        self.looks.subscribe()
    }

    /// Asks for a new look, and says which looks are too old to answer.
    pub(super) fn look_again(&self) -> u64 {
        let begun = self.begun.load(Ordering::SeqCst);
        self.look_again.notify_one();
        begun
    }

    /// Claimed jobs that have not come back.
    pub(super) fn in_flight(&self) -> usize {
        self.leases().len()
    }

    /// Renews no more leases: nobody waits for the handlers that still run.
    pub(super) fn abandon(&self) {
        self.is_abandoned.store(true, Ordering::SeqCst);
        self.look_again.notify_one();
    }

    pub(super) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.clone()
    }

    fn is_abandoned(&self) -> bool {
        self.is_abandoned.load(Ordering::SeqCst)
    }

    fn leases(&self) -> MutexGuard<'_, HashMap<Lease, Instant>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Renews leases when a third of them has passed, each by its own time.
    pub(super) async fn renew_leases(self: Arc<Self>) {
        let third = self.settings.lease / 3;
        while !self.is_abandoned() {
            sleep(third / 4).await;
            let now = Instant::now();
            let due: Vec<_> =
                self.leases().iter().filter(|(_, renewed)| now - **renewed >= third).map(|(lease, _)| *lease).collect();
            if due.is_empty() {
                continue;
            }
            let renewed = match failpoints::pass("renew").await {
                Ok(()) => {
                    let at = self.clock.now();
                    self.queue.renew(&due, at, after(at, self.settings.lease)).await
                }
                Err(error) => Err(error),
            };
            match renewed {
                Ok(lost) => {
                    let mut leases = self.leases();
                    for lease in &due {
                        if let Some(renewed) = leases.get_mut(lease) {
                            *renewed = now;
                        }
                    }
                    drop(leases);
                    if !lost.is_empty() {
                        tracing::warn!(jobs = lost.len(), "leases lost: what these jobs write is refused");
                    }
                }
                Err(error) => tracing::warn!(%error, "leases not renewed, trying again"),
            }
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Claimed jobs that wait for a slot.
#[derive(Debug, Default)]
pub(super) struct Shelf(Mutex<ShelfState>);

#[derive(Debug, Default)]
struct ShelfState {
    jobs: VecDeque<ClaimedJob>,
    waker: Option<Waker>,
    is_closed: bool,
}

impl Shelf {
    fn state(&self) -> MutexGuard<'_, ShelfState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn poll_take(&self, cx: &Context<'_>) -> Poll<Option<ClaimedJob>> {
        let mut state = self.state();
        if let Some(job) = state.jobs.pop_front() {
            return Poll::Ready(Some(job));
        }
        if state.is_closed {
            return Poll::Ready(None);
        }
        if state.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            state.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Lays jobs on the shelf, or gives them back when nobody takes from it any more.
    fn put(&self, jobs: Vec<ClaimedJob>) -> Vec<ClaimedJob> {
        let mut state = self.state();
        if state.is_closed {
            return jobs;
        }
        state.jobs.extend(jobs);
        if let Some(waker) = &state.waker {
            waker.wake_by_ref();
        }
        Vec::new()
    }

    /// Lets nothing be taken any more, and gives what was not.
    pub(super) fn close(&self) -> Vec<ClaimedJob> {
        let mut state = self.state();
        state.is_closed = true;
        if let Some(waker) = &state.waker {
            waker.wake_by_ref();
        }
        std::mem::take(&mut state.jobs).into()
    }
}

/// One pump, for one worker.
pub(super) struct Pump {
    pub(super) shared: Arc<Shared>,
    pub(super) handler: Arc<dyn Handler>,
    pub(super) shelf: Arc<Shelf>,
    pub(super) returned: mpsc::UnboundedReceiver<Returned>,
    pub(super) wake_ups: watch::Receiver<u64>,
    /// Set by the worker that goes away.
    pub(super) closing: watch::Receiver<bool>,
    pub(super) in_flight: usize,
    pub(super) settlements: Vec<Settlement>,
    pub(super) releases: Vec<Lease>,
}

/// What came of a round.
enum Turn {
    /// Something was claimed or written: look again at once.
    Moved,
    /// Nothing to do until something happens, or until this long has passed.
    Rest(Duration),
    /// The database did not answer.
    Failed(StorageError),
}

impl Pump {
    /// Turns until the worker goes away and everything that was claimed has come back.
    pub(super) async fn run(mut self) {
        let mut back_off = FIRST_BACK_OFF;
        loop {
            self.take_returned();
            let is_closing = self.is_closing();
            if is_closing {
                let unstarted = self.shelf.close();
                self.take_back(&unstarted);
                let is_empty = self.in_flight == 0 && self.settlements.is_empty() && self.releases.is_empty();
                if is_empty || self.shared.is_abandoned() {
                    return;
                }
            }
            match self.turn(is_closing).await {
                Turn::Moved => back_off = FIRST_BACK_OFF,
                Turn::Rest(at_most) => {
                    back_off = FIRST_BACK_OFF;
                    self.rest(at_most, is_closing).await;
                }
                Turn::Failed(error) => {
                    tracing::warn!(%error, "queue not reachable, trying again");
                    // Endings that arrive meanwhile wait in their channel.
                    sleep(back_off).await;
                    back_off = (back_off * 2).min(LONGEST_BACK_OFF);
                }
            }
        }
    }

    fn is_closing(&self) -> bool {
        *self.closing.borrow() || self.closing.has_changed().is_err() || self.shared.is_stopping()
    }

    async fn turn(&mut self, is_closing: bool) -> Turn {
        let number = self.shared.begun.fetch_add(1, Ordering::SeqCst) + 1;
        if !self.releases.is_empty() {
            if let Err(error) = self.shared.queue.release(&self.releases).await {
                return Turn::Failed(error);
            }
            self.releases.clear();
        }
        let window = self.shared.settings.window;
        let free = if is_closing || self.handler.is_held() { 0 } else { window - self.in_flight.min(window) };
        // A few free places are not worth a commit of their own.
        let wanted = if free * 2 >= window || !self.settlements.is_empty() { free } else { 0 };
        if wanted == 0 && self.settlements.is_empty() {
            self.saw(Look { number, ..Look::default() });
            return Turn::Rest(self.shared.settings.poll);
        }
        let now = self.shared.clock.now();
        let claim = ClaimRequest {
            limit: u32::try_from(wanted).unwrap_or(u32::MAX),
            now,
            lease_until: after(now, self.shared.settings.lease),
        };
        // Leases count from here, however long the answer takes.
        let asked = Instant::now();
        let round = match self.round(claim).await {
            Ok(round) => round,
            Err(error) => return Turn::Failed(error),
        };
        if round.lost > 0 {
            tracing::warn!(jobs = round.lost, "jobs ended after their lease: they will run again");
        }
        let has_settled = !std::mem::take(&mut self.settlements).is_empty();
        let has_claimed = !round.claimed.is_empty();
        self.lay_out(round.claimed, asked);
        if has_claimed || has_settled {
            self.saw(Look { number, ..Look::default() });
            return Turn::Moved;
        }
        let next = match self.shared.queue.next_ready().await {
            Ok(next) => next,
            Err(error) => return Turn::Failed(error),
        };
        self.saw(Look { number, is_idle: self.in_flight == 0, next_ready: next });
        let until_next = next.map(|next| next.unix_micros().saturating_sub(self.shared.clock.now().unix_micros()));
        let until_next = until_next.map(|micros| Duration::from_micros(u64::try_from(micros).unwrap_or(0)));
        Turn::Rest(until_next.unwrap_or(self.shared.settings.poll).min(self.shared.settings.poll))
    }

    async fn round(&self, claim: ClaimRequest) -> Result<Round, StorageError> {
        failpoints::pass("round.before").await?;
        let round = self.shared.queue.round(&self.settlements, claim).await?;
        failpoints::pass("round.after").await?;
        Ok(round)
    }

    /// Tells those who wait for quiet what was seen.
    fn saw(&self, look: Look) {
        self.shared.looks.send_replace(look);
    }

    fn lay_out(&mut self, claimed: Vec<ClaimedJob>, asked: Instant) {
        if claimed.is_empty() {
            return;
        }
        self.in_flight += claimed.len();
        self.shared.leases().extend(claimed.iter().map(|job| (job.lease, asked)));
        let refused = self.shelf.put(claimed);
        self.take_back(&refused);
    }

    /// Jobs that will not start here.
    fn take_back(&mut self, jobs: &[ClaimedJob]) {
        for job in jobs {
            self.came_back(Returned::NotStarted(job.lease));
        }
    }

    fn came_back(&mut self, returned: Returned) {
        self.in_flight -= 1;
        let lease = match returned {
            Returned::Ended(settlement) => {
                self.settlements.push(settlement);
                settlement.lease
            }
            Returned::NotStarted(lease) => {
                self.releases.push(lease);
                lease
            }
            Returned::Dropped(lease) => lease,
        };
        self.shared.leases().remove(&lease);
    }

    fn take_returned(&mut self) {
        while let Ok(returned) = self.returned.try_recv() {
            self.came_back(returned);
        }
    }

    /// Waits until something happens, but no longer than this.
    async fn rest(&mut self, at_most: Duration, is_closing: bool) {
        let until = Instant::now() + at_most;
        let mut stopping = self.shared.stopping();
        let is_woken = tokio::select! {
            returned = self.returned.recv() => {
                if let Some(returned) = returned {
                    self.came_back(returned);
                }
                false
            }
            // Senders live as long as the queue and the workers: an error is a stop.
            _ = self.wake_ups.changed() => true,
            () = self.shared.look_again.notified() => true,
            _ = self.closing.changed(), if !is_closing => true,
            _ = stopping.changed(), if !is_closing => true,
            () = sleep_until(until) => true,
        };
        if !is_woken && !is_closing {
            self.linger().await;
        }
    }

    /// Gives the other jobs that run a moment to end too, so that one commit serves many.
    async fn linger(&mut self) {
        let until = Instant::now() + LINGER;
        while self.settlements.len() < self.in_flight {
            let left = until.saturating_duration_since(Instant::now());
            match timeout(left, self.returned.recv()).await {
                Ok(Some(returned)) => self.came_back(returned),
                Ok(None) | Err(_) => return,
            }
        }
    }
}

/// Sends back how a job came to its end, whatever happens to the handler.
#[derive(Debug)]
pub(super) struct Ending {
    lease: Lease,
    returned: mpsc::UnboundedSender<Returned>,
    is_sent: bool,
}

impl Ending {
    pub(super) fn of(lease: Lease, returned: mpsc::UnboundedSender<Returned>) -> Self {
        Self { lease, returned, is_sent: false }
    }

    pub(super) fn send(mut self, end: JobEnd) {
        self.is_sent = true;
        // Without a pump the lease ends by itself.
        let _ = self.returned.send(Returned::Ended(Settlement { lease: self.lease, end }));
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if !self.is_sent {
            let _ = self.returned.send(Returned::Dropped(self.lease));
        }
    }
}

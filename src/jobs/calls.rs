//! Counts calls with vouchers of the national platform, those that we answer and those that we make, for
//! the tracing file of each day.
//!
//! A call is counted in memory and costs nothing but that; what was counted is written every few seconds
//! and at the end. A process that is killed loses what it counted since. A batch whose writing failed
//! is given again as it was, and counts once.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use canonical::values::CalendarDate;
use kit::pdnd::counted::{Call, Counter};
use kit::pdnd::tracing_file::{Row, is_counted};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::{Clock, italian_day};
use crate::storage::calls::{CallBatch, CallCount};
use crate::storage::{StorageError, Store};

/// For how many days what was counted is kept: a file may be asked for again.
pub const KEPT_DAYS: u16 = 90;

/// Between two times of writing.
const WRITE_EVERY: Duration = Duration::from_secs(5);
/// Counts in one batch: small, so that nobody waits behind it.
const BATCH: usize = 1_000;
/// Counts that wait to be written. A database that is away for long does not take our memory too.
const WAITING: usize = 100_000;

/// What is counted, as a row of the tracing file of its day.
pub fn row(CallCount { purpose_id, token_id, status, requests, .. }: CallCount) -> Row {
    Row { purpose_id, token_id, status, requests }
}

/// Day, purpose, voucher, status.
type Key = (CalendarDate, String, String, u16);

/// What was counted and not written yet.
pub struct Tally {
    clock: Arc<dyn Clock>,
    counted: Mutex<Counted>,
}

#[derive(Default)]
struct Counted {
    requests: BTreeMap<Key, u64>,
    /// Calls for which there was no room.
    lost: u64,
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tally").finish_non_exhaustive()
    }
}

impl Tally {
    /// Nothing yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, counted: Mutex::default() }
    }

    /// What was counted since it was taken last, and how many calls found no room.
    fn take(&self) -> Counted {
        std::mem::take(&mut *self.counted.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Counter for Tally {
    fn count(&self, call: Call<'_>) {
        if !is_counted(call) {
            return;
        }
        let day = italian_day(self.clock.now());
        let key = (day, call.purpose_id.to_owned(), call.token_id.to_owned(), call.status);
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = counted.requests.len() < WAITING;
        match counted.requests.get_mut(&key) {
            Some(requests) => *requests += 1,
            None if has_room => drop(counted.requests.insert(key, 1)),
            None => counted.lost += 1,
        }
    }
}

/// Writes what was counted, batch by batch.
struct Writing {
    /// Where nobody else holds it any more it is not held open for this.
    store: Weak<dyn Store>,
    tally: Arc<Tally>,
    process: String,
    number: u64,
    /// What is not known to be written, the oldest first.
    waiting: VecDeque<CallBatch>,
}

impl Writing {
    fn new(store: &Arc<dyn Store>, tally: Arc<Tally>) -> Self {
        let process = format!("{:032x}", fastrand::u128(..));
        Self { store: Arc::downgrade(store), tally, process, number: 0, waiting: VecDeque::new() }
    }

    async fn write(&mut self, store: &dyn Store) -> Result<(), StorageError> {
        // What waits takes the room of what comes: the tally fills up meanwhile, and no further.
        if self.waiting.is_empty() {
            self.take();
        }
        while let Some(batch) = self.waiting.front() {
            store.add_calls(batch.clone()).await?;
            self.waiting.pop_front();
        }
        Ok(())
    }

    /// Makes batches of what was counted.
    fn take(&mut self) {
        let Counted { requests, lost } = self.tally.take();
        if lost > 0 {
            tracing::error!(calls = lost, "calls with vouchers were not counted: too many waited to be written");
        }
        let made_on = italian_day(self.tally.clock.now());
        let counts: Vec<CallCount> = requests
            .into_iter()
            .map(|((day, purpose_id, token_id, status), requests)| CallCount {
                day,
                purpose_id,
                token_id,
                status,
                requests,
            })
            .collect();
        for counts in counts.chunks(BATCH) {
            self.number += 1;
            let (process, number) = (self.process.clone(), self.number);
            self.waiting.push_back(CallBatch { process, number, made_on, counts: counts.to_vec() });
        }
    }

    async fn write_or_tell(&mut self) {
        let Some(store) = self.store.upgrade() else { return };
        if store.failure().is_some() {
            // It was said once; nothing can be written until another start.
            return;
        }
        if let Err(error) = self.write(&*store).await {
            tracing::warn!(%error, "calls counted were not written, trying again");
        }
    }
}

/// Whoever writes what was counted, running.
#[derive(Debug)]
pub struct Counting {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Starts it.
pub fn start(store: &Arc<dyn Store>, tally: Arc<Tally>) -> Counting {
    let (stop, mut stopping) = watch::channel(false);
    let mut writing = Writing::new(store, tally);
    let task = tokio::spawn(async move {
        let mut period = interval(WRITE_EVERY);
        period.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stopping.wait_for(|stop| *stop) => break,
                _ = period.tick() => {}
            }
            writing.write_or_tell().await;
        }
        // Once for what waited, once for what was counted meanwhile.
        writing.write_or_tell().await;
        writing.write_or_tell().await;
        // What came while nothing could be written is lost with the rest, and told with it.
        writing.take();
        let lost: u64 = writing.waiting.iter().flat_map(|batch| &batch.counts).map(|count| count.requests).sum();
        if lost > 0 {
            tracing::error!(calls = lost, "calls with vouchers that were counted could not be written");
        }
    });
    Counting { stop, task }
}

impl Counting {
    /// Stops it, after what was counted is written.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "whoever writes the calls counted ended before");
        }
    }
}

#[cfg(test)]
mod tests {
    use canonical::values::UtcInstant;

    use super::*;
    use crate::clock::ManualClock;

    const PURPOSE: &str = "1b361d49-33f4-4f1e-a88b-4e12661f2300";

    fn tally(at: &str) -> (Arc<Tally>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(UtcInstant::parse(at).expect("an instant")));
        (Arc::new(Tally::new(clock.clone())), clock)
    }

    fn token(number: usize) -> String {
        format!("00000000-0000-4000-8000-{number:012}")
    }

    fn count(tally: &Tally, token_id: &str, status: u16) {
        tally.count(Call { purpose_id: PURPOSE, token_id, status });
    }

    #[test]
    fn a_call_belongs_to_the_day_in_italy() {
        let (tally, clock) = tally("2026-11-30T22:59:59Z");
        count(&tally, &token(1), 200);
        count(&tally, &token(1), 200);
        clock.advance(Duration::from_secs(1));
        count(&tally, &token(1), 200);
        let counted = tally.take().requests.into_iter().map(|(key, requests)| (key.0.to_string(), requests));
        assert_eq!(
            counted.collect::<Vec<_>>(),
            [("2026-11-30".to_owned(), 2), ("2026-12-01".to_owned(), 1)],
            "midnight in Italy is at eleven in the evening"
        );
    }

    #[test]
    fn what_the_platform_would_refuse_the_whole_file_for_is_not_counted() {
        let (tally, _) = tally("2026-11-30T12:00:00Z");
        count(&tally, "j", 200);
        count(&tally, &token(1), 499);
        tally.count(Call { purpose_id: "appalti", token_id: &token(1), status: 200 });
        assert!(tally.take().requests.is_empty());
    }

    #[test]
    fn without_room_a_call_is_told_as_lost_and_known_ones_go_on() {
        let (tally, _) = tally("2026-11-30T12:00:00Z");
        (0..WAITING + 3).for_each(|number| count(&tally, &token(number), 200));
        count(&tally, &token(0), 200);
        let Counted { requests, lost } = tally.take();
        assert_eq!((requests.len(), requests.values().sum::<u64>(), lost), (WAITING, WAITING as u64 + 1, 3));
    }
}

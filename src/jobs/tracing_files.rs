//! Sends the tracing file of each day to the national platform: one process at a time, once a day.
//!
//! What was sent is not written down here: the platform says which days it has, and it is asked before
//! anything is sent. Whoever was killed after sending, or heard no answer, finds the day there; whoever was
//! switched off finds the days that are missing. A file that was refused is told to a person and not sent
//! again.

mod plan;

use std::collections::BTreeSet;
use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use canonical::values::{CalendarDate, UtcInstant};
use contract::{AdapterError, Advice, ErrorKind, Phase, SettingsError};
use futures_util::FutureExt as _;
use kit::pdnd::settings::Connection;
use kit::pdnd::tracing_api::{Sending, Taken, TracingApi};
use kit::pdnd::tracing_file;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::plan::{Due, Listed, plan};
use super::calls::{KEPT_DAYS, row};
use super::turn::do_in_turn;
use crate::chain::chain;
use crate::clock::{after, between, days_before, italian_day, next_italian_time};
use crate::config::Config;
use crate::config::reconciliation::DailyTime;
use crate::flow::Flow;
use crate::storage::StorageError;

/// The name of the turn.
const NAME: &str = "tracing files";
/// Between two looks at the clock.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Before the platform is asked what it made of a file that it took.
const LOOKED_AT: Duration = Duration::from_mins(15);
/// Before it is asked whether it took a file after all: it may still be at work on it.
const SETTLED: Duration = Duration::from_mins(2);
/// Before it is asked again after what time alone does not mend.
const UNMENDED: Duration = Duration::from_hours(1);
/// Days whose fate is in doubt, before everything waits.
const DOUBTS: usize = 3;
/// How many days old what is submitted may be: the platform awaits older ones only where it misses them.
const SUBMITTED_DAYS: u16 = 3;
/// Pages of days, at most: far more than there can be.
const PAGES: usize = 500;

/// Whoever sends, by a configuration.
pub struct Sender {
    client: String,
    api: TracingApi,
    hour: u8,
    minute: u8,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").field("client", &self.client).finish_non_exhaustive()
    }
}

impl Sender {
    /// The one of a configuration, where files are sent. His keys are read, nothing is sent.
    pub fn of(config: &Config) -> Result<Option<Self>, SettingsError> {
        let Some(tracing) = &config.tracing else { return Ok(None) };
        let (Some(connection), DailyTime::At { hour, minute }) = (config.pdnd.get(&tracing.client), tracing.at) else {
            return Ok(None);
        };
        let api = reach(connection).map_err(|SettingsError { system, problem }| {
            let place = config.lines.place_named(&["pdnd", &tracing.client], &problem);
            SettingsError { system, problem: format!("{place}: {problem}") }
        })?;
        Ok(Some(Self { client: tracing.client.clone(), api, hour, minute }))
    }

    /// The last day whose file may be sent: the one before the last time at which files were due.
    fn last_day(&self, now: UtcInstant) -> Option<CalendarDate> {
        days_before(italian_day(self.next(now)), 2)
    }

    /// The next time at which files are due.
    fn next(&self, now: UtcInstant) -> UtcInstant {
        next_italian_time(now, self.hour, self.minute).unwrap_or_else(|| after(now, Duration::from_hours(24)))
    }
}

/// The service, as a client of it. Nothing is sent.
fn reach(connection: &Connection) -> Result<TracingApi, SettingsError> {
    let keys = connection.keys().map_err(|error| SettingsError { system: "pdnd", problem: chain(&error) })?;
    TracingApi::new(connection.clone(), keys)
}

/// Whoever sends, running.
#[derive(Debug)]
pub struct TracingFiles {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Starts it: at once, for what was due meanwhile, and then every day at its time.
pub fn start(flow: &Flow, sender: Option<Sender>) -> TracingFiles {
    let (stop, stopped) = watch::channel(false);
    let flow = flow.clone();
    let task = tokio::spawn(async move {
        if let Some(sender) = sender {
            let work = Work { flow, sender };
            do_in_turn(&work.flow, NAME, stopped, |_| work.every_day()).await;
        }
    });
    TracingFiles { stop, task }
}

impl TracingFiles {
    /// Stops it. A file that is under way is asked about at the next start.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "whoever sends the tracing files ended before");
        }
    }
}

/// Why a look ended early.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Platform(#[from] AdapterError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Failure {
    /// The pause that the platform asks for, where it does.
    fn asked(&self) -> Option<Duration> {
        match self {
            Self::Platform(AdapterError { advice: Advice::Retry { after }, .. }) => *after,
            _ => None,
        }
    }

    /// The least pause before the next look.
    fn least(&self) -> Duration {
        match self {
            _ if self.needs_a_person() => UNMENDED,
            Self::Platform(error) if error.phase == Phase::Unknown => SETTLED,
            _ => Duration::ZERO,
        }
    }

    fn needs_a_person(&self) -> bool {
        matches!(self, Self::Platform(error) if !matches!(error.advice, Advice::Retry { .. }))
    }
}

/// What need not be done or said again before the next day is due.
#[derive(Debug, Default)]
struct Memory {
    last: Option<CalendarDate>,
    /// Days whose file was taken, whatever the list says of them yet, or was refused.
    done: BTreeSet<CalendarDate>,
    /// Days with a refused file that a person was told of.
    told: BTreeSet<CalendarDate>,
    /// Whether a person was told of the days before ours.
    is_reach_told: bool,
    /// Whether it was said how many days nobody awaits.
    is_rest_told: bool,
    /// Whether the last look left a day in doubt: the platform may still be at work on its file.
    is_in_doubt: bool,
}

impl Memory {
    /// The least pause before the next look, whatever ended the last one.
    fn least(&self) -> Duration {
        if self.is_in_doubt { SETTLED } else { Duration::ZERO }
    }
}

struct Work {
    flow: Flow,
    sender: Sender,
}

impl Work {
    async fn every_day(&self) {
        let mut memory = Memory::default();
        let (mut failed, mut since) = (0, self.now());
        loop {
            let looked = AssertUnwindSafe(self.look(&mut memory)).catch_unwind().await;
            let now = self.now();
            let next = self.sender.next(now);
            let due = match looked {
                Ok(Ok(is_pending)) => {
                    failed = 0;
                    if is_pending { next.min(after(now, LOOKED_AT)) } else { next }
                }
                Ok(Err(failure)) => {
                    since = if failed == 0 { now } else { since };
                    failed += 1;
                    let pause = self.flow.patience.pause(failed, between(since, now), failure.asked());
                    if pause.is_none() {
                        failed = 0;
                    }
                    let least = after(now, failure.least().max(memory.least()));
                    let due = pause.map_or(next, |pause| after(now, pause)).max(least);
                    self.tell(&failure, due);
                    due
                }
                Err(_) => {
                    tracing::error!("sending the tracing files stopped: it goes on at its next time");
                    next.max(after(now, memory.least()))
                }
            };
            self.wait_until(due).await;
        }
    }

    /// Asks what the platform has, sends what it lacks, and says what a person must look at. Whether it is
    /// still looking at a file.
    async fn look(&self, memory: &mut Memory) -> Result<bool, Failure> {
        let now = self.now();
        let Some(last) = self.sender.last_day(now) else { return Ok(false) };
        if memory.last != Some(last) {
            *memory = Memory { last: Some(last), ..Memory::default() };
        }
        memory.is_in_doubt = false;
        let since = self.flow.store.counted_since().await?;
        let first = days_before(italian_day(now), KEPT_DAYS).map_or(since, |kept| kept.max(since));
        let submitted = days_before(italian_day(now), SUBMITTED_DAYS).unwrap_or(first);
        let listed = self.listed().await?;
        let plan = plan(&listed, first, last, submitted);
        tell_unawaited(plan.unawaited, memory);
        tell_refused(&plan.refused, memory);
        tell_out_of_reach(&plan.out_of_reach, memory);
        let due: Vec<_> = plan.due.iter().filter(|due| !memory.done.contains(&due.day)).collect();
        let has_sent = self.send(&due, memory).await?;
        Ok(plan.is_pending || has_sent)
    }

    /// All days that the platform has: what it says is not believed where it contradicts itself.
    async fn listed(&self) -> Result<Vec<Listed>, Failure> {
        // Days that were not told would be sent again.
        let odd = |problem: &str| {
            let error = AdapterError::new(ErrorKind::NotUnderstood, "ask which days the platform has");
            error.phase(Phase::Refused).caused_by(problem.to_owned())
        };
        let (mut listed, mut seen, mut total) = (Vec::new(), BTreeSet::new(), None);
        for _ in 0..PAGES {
            let offset = u32::try_from(listed.len()).unwrap_or(u32::MAX);
            let page = self.sender.api.days(&[], offset, || self.now()).await?;
            if *total.get_or_insert(page.total) != page.total {
                return Err(odd("another number of days than on the page before").into());
            }
            for traced in &page.results {
                if !seen.insert(traced.id.clone()) {
                    return Err(odd("a day that it has told before").into());
                }
                listed.push(Listed::of(traced).ok_or_else(|| odd("a day that is no date"))?);
            }
            if listed.len() as u64 >= page.total {
                return Ok(listed);
            }
            if page.results.is_empty() {
                return Err(odd("fewer days than it says that there are").into());
            }
        }
        Err(odd("more pages of days than there can be").into())
    }

    /// Sends what is due. Whether anything was taken.
    async fn send(&self, due: &[&Due<'_>], memory: &mut Memory) -> Result<bool, Failure> {
        let (mut has_sent, mut refused, mut doubts, mut failed) = (false, Vec::new(), 0, None);
        for due in due {
            let day = due.day;
            match self.send_file(due).await {
                Ok(()) => {
                    has_sent = true;
                    memory.done.insert(day);
                }
                Err(Failure::Platform(error)) if error.phase == Phase::Unknown => {
                    tracing::warn!(
                        %day,
                        error = %chain(&error),
                        "not known whether the platform took the tracing file: it is asked before anything is sent again"
                    );
                    memory.is_in_doubt = true;
                    failed = Some(Failure::Platform(error));
                    doubts += 1;
                    if doubts == DOUBTS {
                        break;
                    }
                }
                Err(Failure::Platform(error)) if error.advice == Advice::AskPerson => {
                    memory.done.insert(day);
                    refused.push((day, error));
                }
                // It wants nothing now: neither of this day nor of another.
                Err(failure) => {
                    failed = Some(failure);
                    break;
                }
            }
        }
        self.tell_not_taken(&refused).await;
        failed.map_or(Ok(has_sent), Err)
    }

    /// Sends the file of a day.
    async fn send_file(&self, due: &Due<'_>) -> Result<(), Failure> {
        let day = due.day;
        let rows: Vec<_> = self.flow.store.calls_of(day).await?.into_iter().map(row).collect();
        let file = tracing_file::of_day(day, &rows);
        let sending = due.missing.map_or(Sending::Submit(day), Sending::Recover);
        let taken = self.sender.api.send(sending, file.as_bytes(), || self.now()).await?;
        let calls: u64 = rows.iter().map(|row| row.requests).sum();
        tell_taken(day, due.missing.is_some(), calls, &taken);
        Ok(())
    }

    /// Tells of files that were not taken, save of days that the platform has by now: their first sending
    /// had arrived.
    async fn tell_not_taken(&self, refused: &[(CalendarDate, AdapterError)]) {
        if refused.is_empty() {
            return;
        }
        let listed = self.listed().await;
        for (day, error) in refused {
            let is_there = listed.as_ref().is_ok_and(|listed| {
                let plan = plan(listed, *day, *day, *day);
                plan.due.is_empty() && plan.refused.is_empty()
            });
            if is_there {
                tracing::info!(%day, "the platform has the tracing file of a day already");
                continue;
            }
            tracing::error!(
                %day,
                code = error.remote_code,
                error = %chain(error),
                "the platform does not take the tracing file of a day: look at it with `raccordo pdnd tracing file DAY`, \
                 and ask the platform's support; it is sent again tomorrow, or once it is MISSING"
            );
        }
    }

    fn tell(&self, failure: &Failure, next: UtcInstant) {
        let (client, error) = (&self.sender.client, chain(failure as &dyn Error));
        if failure.needs_a_person() {
            tracing::error!(
                client,
                error,
                %next,
                "the platform does not let this client send tracing files: look at `raccordo pdnd assertion CLIENT`, at \
                 its tracing_url, and whether it takes part; the platform is asked again"
            );
        } else {
            tracing::warn!(client, error, %next, "tracing files not sent yet: the platform is asked again");
        }
    }

    /// Waits for a time of the clock, which may be set meanwhile.
    async fn wait_until(&self, due: UtcInstant) {
        loop {
            let left = between(self.now(), due);
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK_EVERY)).await;
        }
    }

    fn now(&self) -> UtcInstant {
        self.flow.clock.now()
    }
}

fn tell_taken(day: CalendarDate, was_missing: bool, calls: u64, taken: &Taken) {
    let id = &taken.id;
    if taken.has_errors {
        tracing::error!(
            %day,
            id,
            calls,
            "the platform took the tracing file of a day and finds errors in it: see `raccordo pdnd tracing errors ID`"
        );
    } else if was_missing {
        tracing::info!(%day, id, calls, "tracing file of a day that the platform missed sent");
    } else {
        tracing::info!(%day, id, calls, "tracing file of a day sent");
    }
}

fn tell_refused(refused: &[&Listed], memory: &mut Memory) {
    for Listed { id, day, .. } in refused {
        if memory.told.insert(*day) {
            tracing::error!(
                %day,
                id,
                "the platform refused the tracing file of a day: see `raccordo pdnd tracing errors ID`, then send a right \
                 one by `raccordo pdnd tracing recover ID DAY FILE`; it is not sent again by itself"
            );
        }
    }
}

fn tell_unawaited(days: usize, memory: &mut Memory) {
    if days > 0 && !std::mem::replace(&mut memory.is_rest_told, true) {
        tracing::info!(
            days,
            "the platform does not list these older days: their tracing files are sent when it calls them MISSING"
        );
    }
}

fn tell_out_of_reach(out_of_reach: &[&Listed], memory: &mut Memory) {
    let (Some(last), Some(first)) = (out_of_reach.first(), out_of_reach.last()) else { return };
    if !std::mem::replace(&mut memory.is_reach_told, true) {
        tracing::warn!(
            days = out_of_reach.len(),
            first = %first.day,
            last = %last.day,
            "the platform waits for days of which no calls are known here: see `raccordo pdnd tracing days --state \
             MISSING --state ERROR`, and send files of your own by `raccordo pdnd tracing recover ID DAY FILE`"
        );
    }
}

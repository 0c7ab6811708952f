//! Which of the processes that share a database are there.
//!
//! Every start of the program has a number, which is the upper half of all its tokens. As long as a
//! process lives, its connections hold the shared advisory lock of that number: the one that settles
//! jobs, and the one that listens. The server gives the lock free together with the connections, so
//! that a lease whose holder is gone need not run out. A process that is stopped, or cut off without
//! the server knowing, keeps its locks: its leases end by time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::connection::{Connection, query};
use super::desk::Desk;
use super::trouble::Trouble;
use crate::failpoints;

/// Beside the number of the start, as the server takes it. The same number stands in all statements
/// here.
pub(in crate::storage) const HOLD: &str = "select pg_advisory_lock_shared(1918985572, $1::int4)";
/// Locks are taken and given back at once: what is held by others is not waited for.
const FREE: &str = "select s.start
       from (select distinct token >> 32 as start from job where state = 'leased') s
      where s.start between 1 and 2147483647 and s.start <> $1
        and pg_try_advisory_xact_lock(1918985572, s.start::int4)";
const TAKE: &str = "select s.start from (select cast(value as bigint) as start from json_each($1)) s
      where pg_try_advisory_xact_lock(1918985572, s.start::int4)";

/// How long a process may be without its connections before its leases end: a server that was
/// started again, or a line that was cut, is found again sooner.
const GRACE: Duration = Duration::from_secs(4);
/// Looks further apart than this say nothing of the time between them: we slept, or could not look.
const LOOKED_WITHIN: Duration = Duration::from_secs(3);

/// A clock that nobody sets.
pub type Monotonic = Arc<dyn Fn() -> Instant + Send + Sync>;

/// The start of this process, and the ones that were not there when it looked.
pub(in crate::storage) struct Presence {
    start: i64,
    monotonic: Monotonic,
    seen: Mutex<Seen>,
}

/// What the looks so far have shown.
#[derive(Debug, Default)]
struct Seen {
    last_look: Option<Instant>,
    /// Since when each of them was seen to be absent, every time.
    absent: BTreeMap<i64, Instant>,
}

impl Presence {
    pub(in crate::storage) fn of(start: i64, monotonic: Monotonic) -> Self {
        Self { start, monotonic, seen: Mutex::default() }
    }

    /// Holders of leases that are absent, and were at all looks of a while that is long enough.
    pub(super) async fn gone(&self, connection: &mut Connection) -> Result<Vec<i64>, Trouble> {
        if failpoints::is_planted("no_presence") {
            return Ok(Vec::new());
        }
        let rows = query(FREE).bind(self.start).fetch_all(connection).await?;
        let absent = rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<i64>, Trouble>>()?;
        Ok(self.seen().look(&absent, (self.monotonic)()))
    }

    /// A look failed: what was seen before does not count.
    pub(super) fn forget(&self) {
        *self.seen() = Seen::default();
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// Adds a look that found these absent, and names those who have been for long enough.
    fn look(&mut self, absent: &[i64], now: Instant) -> Vec<i64> {
        let is_unbroken = |last: Instant| now.saturating_duration_since(last) <= LOOKED_WITHIN;
        if !self.last_look.is_some_and(is_unbroken) {
            self.absent.clear();
        }
        self.last_look = Some(now);
        self.absent.retain(|start, _| absent.contains(start));
        for start in absent {
            self.absent.entry(*start).or_insert(now);
        }
        let is_long_ago = |since: &Instant| now.saturating_duration_since(*since) >= GRACE;
        self.absent.iter().filter(|(_, since)| is_long_ago(since)).map(|(start, _)| *start).collect()
    }
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presence").field("start", &self.start).finish_non_exhaustive()
    }
}

/// Holds the lock of a start as long as the connection lives. Whoever is ending the leases of this
/// start is waited for.
pub(in crate::storage) async fn hold(connection: &mut Connection, start: i64) -> Result<(), sqlx::Error> {
    query(HOLD).bind(start).fetch_one(connection).await.map(drop)
}

/// Those of them who are absent still: none of them comes back before this transaction ends.
pub(super) async fn keep_out(desk: &mut Desk, gone: &[i64]) -> Result<Vec<i64>, Trouble> {
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    let rows = query(TAKE).bind(super::rows::json(&gone)?).fetch_all(&mut desk.connection).await?;
    let absent = rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<i64>, Trouble>>()?;
    for start in &absent {
        tracing::info!(start, "a process that shares the database is gone: its leases end");
    }
    Ok(absent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(at_millis: &[(u64, &[i64])]) -> Vec<Vec<i64>> {
        let (begun, mut seen) = (Instant::now(), Seen::default());
        let look = |(millis, absent): &(u64, &[i64])| seen.look(absent, begun + Duration::from_millis(*millis));
        at_millis.iter().map(look).collect()
    }

    #[test]
    fn a_process_is_gone_when_it_was_absent_at_every_look_of_the_grace() {
        let found = looks(&[(0, &[2, 3]), (2_000, &[2, 3]), (3_999, &[2, 3]), (4_000, &[2]), (6_000, &[2, 3])]);
        assert_eq!(found, [vec![], vec![], vec![], vec![2], vec![2]], "the other was there meanwhile");
    }

    #[test]
    fn time_in_which_nobody_looked_does_not_count() {
        let found = looks(&[(0, &[2]), (5_000, &[2]), (7_000, &[2]), (9_000, &[2])]);
        assert_eq!(found, [vec![], vec![], vec![], vec![2]]);
    }

    #[test]
    fn a_look_that_failed_makes_the_grace_begin_anew() {
        let now = Arc::new(Mutex::new(Instant::now()));
        let tells = Arc::clone(&now);
        let presence = Presence::of(1, Arc::new(move || *tells.lock().expect("nobody panicked")));
        let look = || presence.seen().look(&[2], (presence.monotonic)());
        let pass = || *now.lock().expect("nobody panicked") += Duration::from_secs(2);
        assert!(look().is_empty());
        pass();
        assert!(look().is_empty());
        presence.forget();
        pass();
        assert!(look().is_empty(), "four seconds after the first look, which is forgotten");
        pass();
        assert!(look().is_empty());
        pass();
        assert_eq!(look(), [2]);
    }
}

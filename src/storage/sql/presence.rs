//! Which of the processes that share a database are there.
//!
//! Every start of the program has a number, which is the upper half of all its tokens. As long as a
//! process lives, its connections hold the shared advisory lock of that number: the one that settles
//! jobs, and the one that listens. The server gives the lock free together with the connections, so
//! that a lease whose holder is gone need not run out. A process that is stopped, or cut off without
//! the server knowing, keeps its locks: its leases end by time.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::connection::{Connection, query};
use super::desk::Desk;
use super::trouble::Trouble;

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
const GRACE_MICROS: i64 = 4_000_000;

/// The start of this process, and the ones that were not there when it looked.
#[derive(Debug)]
pub(in crate::storage) struct Presence {
    start: i64,
    /// Since when each of them was seen to be absent, every time.
    absent: Mutex<BTreeMap<i64, i64>>,
}

impl Presence {
    pub(in crate::storage) fn of(start: i64) -> Self {
        Self { start, absent: Mutex::default() }
    }

    /// Holders of leases that are absent, and were at an earlier look that is long enough ago.
    pub(super) async fn gone(&self, connection: &mut Connection, at: i64) -> Result<Vec<i64>, Trouble> {
        let rows = query(FREE).bind(self.start).fetch_all(connection).await?;
        let absent = rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<i64>, Trouble>>()?;
        Ok(self.since_long(&absent, at))
    }

    fn since_long(&self, seen: &[i64], at: i64) -> Vec<i64> {
        let mut absent = self.absent.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        absent.retain(|start, _| seen.contains(start));
        for start in seen {
            absent.entry(*start).or_insert(at);
        }
        let is_long_ago = |since: &i64| at.saturating_sub(*since) >= GRACE_MICROS;
        absent.iter().filter(|(_, since)| is_long_ago(since)).map(|(start, _)| *start).collect()
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

    #[test]
    fn a_process_is_gone_when_it_was_absent_at_two_looks_with_a_grace_between() {
        let presence = Presence::of(1);
        assert!(presence.since_long(&[2, 3], 0).is_empty(), "the first look");
        assert!(presence.since_long(&[2, 3], GRACE_MICROS - 1).is_empty(), "too soon");
        assert!(presence.since_long(&[2], GRACE_MICROS).contains(&2));
        assert_eq!(presence.since_long(&[2, 3], GRACE_MICROS + 1), [2], "the other was there meanwhile");
        assert_eq!(presence.since_long(&[3], 2 * GRACE_MICROS + 1), [3]);
    }
}

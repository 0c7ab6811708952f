//! Leases that are given back, renewed, or come to their end.

use std::collections::HashSet;

use super::super::connection::{Row, Text, query, query_scalar};
use super::super::desk::Desk;
use super::super::presence;
use super::super::rows::json;
use super::super::trouble::Trouble;
use super::{finish, pairs};
use crate::storage::Lease;

/// What a person reads on a delivery whose work ended the process, or never answered.
const NEVER_ANSWERED: &str = "the work on it ended again and again without an answer";

/// A leased job that is to run again, beside another job that waits for the same delivery.
struct Leased {
    id: i64,
    token: i64,
    attempts: u32,
    delivery: Option<i64>,
    other: Option<i64>,
}

/// Reads leased jobs. The condition names the row `j`, and the JSON array of the first parameter
/// `e`.
fn leased(row: &Row) -> Result<Leased, Trouble> {
    Ok(Leased {
        id: row.try_get(0)?,
        token: row.try_get(1)?,
        attempts: row.try_get(2)?,
        delivery: row.try_get(3)?,
        other: row.try_get(4)?,
    })
}

async fn find_leased(desk: &mut Desk, pairs: &str) -> Result<Vec<Leased>, Trouble> {
    let rows = query(
        "select j.id, j.token, j.attempts, j.delivery,
                (select o.id from job o where o.delivery = j.delivery and o.waits = 1)
           from json_each($1) e cross join job j
          where j.id = cast(e.value ->> 0 as bigint) and j.token = cast(e.value ->> 1 as bigint)
            and j.state = 'leased'",
    )
    .bind(pairs)
    .fetch_all(&mut desk.connection)
    .await?;
    rows.iter().map(leased).collect()
}

/// Makes jobs ready again at an instant. Where another job already waits for the same delivery,
/// one is enough: this one is done and the other waits for the later of the two instants.
pub(super) async fn run_again(
    desk: &mut Desk,
    again: Vec<(i64, i64, i64)>,
    done: &mut Vec<(i64, i64)>,
) -> Result<u64, Trouble> {
    let triples = json(&again)?;
    let found = find_leased(desk, &triples).await?;
    let lost = (again.len() - found.len()) as u64;
    let merged: Vec<_> = found.iter().filter_map(|job| Some((job.id, job.other?))).collect();
    if !merged.is_empty() {
        query(
            "update job set run_at = case when job.run_at < cast(e.value ->> 2 as bigint) then cast(e.value ->> 2 as bigint)
                                     else job.run_at end
               from json_each($1) e, json_each($2) m
              where m.value ->> 0 = e.value ->> 0 and job.id = cast(m.value ->> 1 as bigint)",
        )
        .bind(&triples)
        .bind(json(&merged)?)
        .execute(&mut desk.connection)
        .await?;
        done.extend(found.iter().filter(|job| job.other.is_some()).map(|job| (job.id, job.token)));
    }
    let alone: Vec<_> = found.iter().filter(|job| job.other.is_none()).map(|job| job.id).collect();
    query(
        // It answered: what counts against it begins anew.
        "update job set state = 'ready', run_at = cast(e.value ->> 2 as bigint), token = null, lease_until = null, attempts = 0,
                waits = case when delivery is not null then 1 end
           from json_each($1) e
          where job.id = cast(e.value ->> 0 as bigint) and job.id in (select cast(value as bigint) from json_each($2))",
    )
    .bind(triples)
    .bind(json(&alone)?)
    .execute(&mut desk.connection)
    .await?;
    desk.memory.has_woken = true;
    Ok(lost)
}

/// Gives leased jobs back, to run at once. Where another job already waits for the same delivery
/// this one is done, and the other takes its place in time.
async fn give_back(desk: &mut Desk, jobs: &[Leased], attempts_back: u32) -> Result<(), Trouble> {
    let alone: Vec<_> = jobs.iter().filter(|job| job.other.is_none()).map(|job| job.id).collect();
    query(
        "update job set state = 'ready', token = null, lease_until = null, attempts = attempts - $2,
                waits = case when delivery is not null then 1 end
          where id in (select cast(value as bigint) from json_each($1))",
    )
    .bind(json(&alone)?)
    .bind(attempts_back)
    .execute(&mut desk.connection)
    .await?;
    for job in jobs {
        if let Some(other) = job.other {
            let run_at: i64 = query_scalar(
                "update job set run_at = case when o.run_at < job.run_at then o.run_at else job.run_at end
                   from job o where job.id = $1 and o.id = $2 returning job.run_at",
            )
            .bind(other)
            .bind(job.id)
            .fetch_one(&mut desk.connection)
            .await?;
            finish(desk, "done", vec![(job.id, job.token)], run_at).await?;
        }
    }
    desk.memory.has_woken = true;
    Ok(())
}

pub(super) async fn release(desk: &mut Desk, leases: Vec<(i64, i64)>) -> Result<(), Trouble> {
    let jobs = find_leased(desk, &json(&leases)?).await?;
    give_back(desk, &jobs, 1).await
}

const RENEW: &str = "update job set lease_until = $2 from json_each($1) e
      where job.id = cast(e.value ->> 0 as bigint) and job.token = cast(e.value ->> 1 as bigint) and job.state = 'leased'
     returning job.id";
/// The same, for so long by the clock of the server.
const RENEW_BY_THE_SERVER: &str =
    "update job set lease_until = cast(extract(epoch from clock_timestamp()) * 1000000 as bigint) + $2
       from json_each($1) e
      where job.id = cast(e.value ->> 0 as bigint) and job.token = cast(e.value ->> 1 as bigint) and job.state = 'leased'
     returning job.id";

pub(super) async fn renew(desk: &mut Desk, leases: Vec<Lease>, at: i64, until: i64) -> Result<Vec<Lease>, Trouble> {
    let by_the_server = (RENEW_BY_THE_SERVER, until.saturating_sub(at));
    let (text, until) = if desk.goes_by_the_server { by_the_server } else { (RENEW, until) };
    let rows = query(text).bind(json(&pairs(&leases))?).bind(until).fetch_all(&mut desk.connection).await?;
    let renewed = rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<HashSet<i64>, Trouble>>()?;
    Ok(leases.into_iter().filter(|lease| !renewed.contains(&lease.job.0)).collect())
}

pub(super) async fn take_back(desk: &mut Desk, at: i64, max_attempts: u32) -> Result<u64, Trouble> {
    query("delete from turn").execute(&mut desk.connection).await?;
    expire(desk, i64::MAX, Vec::new(), at, max_attempts).await
}

/// On a shared database no lease ends by time before the clock of the server says so too: one machine
/// whose clock is ahead must not end the leases of all others.
pub(super) const IS_ANY_EXPIRED: Text = Text::Each {
    sqlite: "select 1 from job where state = 'leased' and lease_until <= $1 limit 1",
    postgres:
        "select 1 from job where state = 'leased'
                  and lease_until <= least($1, cast(extract(epoch from clock_timestamp()) * 1000000 as bigint)) limit 1",
};

const ENDED: Text = Text::Each {
    sqlite: "select j.id, j.token, j.attempts, j.delivery,
                    (select o.id from job o where o.delivery = j.delivery and o.waits = 1)
               from job j
              where j.state = 'leased'
                and (j.lease_until <= $1 or j.token >> 32 in (select cast(value as bigint) from json_each($2)))",
    postgres: "select j.id, j.token, j.attempts, j.delivery,
                      (select o.id from job o where o.delivery = j.delivery and o.waits = 1)
                 from job j
                where j.state = 'leased'
                  and (j.lease_until <= least($1, cast(extract(epoch from clock_timestamp()) * 1000000 as bigint))
                       or j.token >> 32 in (select cast(value as bigint) from json_each($2)))",
};

/// Ends the leases that run until `until` at the latest, and those of processes that are gone.
pub(super) async fn expire(
    desk: &mut Desk,
    until: i64,
    gone: Vec<i64>,
    at: i64,
    max_attempts: u32,
) -> Result<u64, Trouble> {
    desk.take_jobs().await?;
    let gone = presence::keep_out(desk, &gone).await?;
    let rows = query(ENDED).bind(until).bind(json(&gone)?).fetch_all(&mut desk.connection).await?;
    let expired = rows.iter().map(leased).collect::<Result<Vec<_>, _>>()?;
    let touched = expired.len() as u64;
    if touched == 0 {
        return Ok(0);
    }
    let (given_up, again): (Vec<_>, Vec<_>) =
        expired.into_iter().partition(|job| job.attempts >= max_attempts && job.other.is_none());
    give_back(desk, &again, 0).await?;
    if !given_up.is_empty() {
        let pairs = given_up.iter().map(|job| (job.id, job.token)).collect();
        finish(desk, "parked", pairs, at).await?;
        let deliveries: Vec<_> = given_up.iter().filter_map(|job| job.delivery).collect();
        desk.park_deliveries(&deliveries, NEVER_ANSWERED, at).await?;
    }
    Ok(touched)
}

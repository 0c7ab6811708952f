//! The durable queue.
//!
//! A lease belongs to a claim, not to a worker: its token rises with every round, and every start
//! of the program begins above all tokens before it. A lane is held by its oldest open job until
//! that job ends; the next one is made ready in the same transaction.

mod leases;

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use canonical::values::UtcInstant;
use futures_util::FutureExt as _;
use tokio::sync::watch;

use self::leases::{IS_ANY_EXPIRED, expire, release, renew, run_again, take_back};
use super::SqlStore;
use super::bulk::rows_of_json;
use super::connection::{Row, Text, query, query_scalar};
use super::desk::Desk;
use super::entries;
use super::orders::{Order, lane_of};
use super::rows::{json, optional_instant, subject};
use super::trouble::Trouble;
use crate::storage::{
    ClaimRequest, ClaimedJob, JobEnd, JobId, JobSubject, Lease, NewJob, Queue, Round, Settlement, StorageError,
};

#[async_trait]
impl Queue for SqlStore {
    async fn round(&self, settlements: &[Settlement], claim: ClaimRequest) -> Result<Round, StorageError> {
        let (aside, others) = settlements.iter().partition::<Vec<_>, _>(|settlement| {
            // What is set aside leaves an entry in the chain: on a shared database that is the writer's.
            self.is_shared && settlement.end == JobEnd::Parked
        });
        let mut lost = 0;
        if !aside.is_empty() {
            let now = claim.now.unix_micros();
            lost = self.write("set jobs aside", move |desk| settle_all(desk, aside, now).boxed()).await?;
        }
        let done = self.settle("run a round of the queue", move |desk| round(desk, others, claim).boxed()).await?;
        Ok(Round { lost: done.lost + lost, ..done })
    }

    async fn release(&self, leases: &[Lease]) -> Result<(), StorageError> {
        let leases = pairs(leases);
        self.settle("release jobs", move |desk| release(desk, leases).boxed()).await
    }

    async fn renew(&self, leases: &[Lease], at: UtcInstant, until: UtcInstant) -> Result<Vec<Lease>, StorageError> {
        let (leases, at, until) = (leases.to_vec(), at.unix_micros(), until.unix_micros());
        self.settle("renew leases", move |desk| renew(desk, leases, at, until).boxed()).await
    }

    async fn expire(&self, at: UtcInstant, max_attempts: u32) -> Result<u64, StorageError> {
        const ATTEMPTED: &str = "expire leases";
        let at = at.unix_micros();
        let ended = async {
            let mut connection = self.readers.acquire().await?;
            let gone = match &self.presence {
                Some(presence) => presence.gone(&mut connection).await?,
                None => Vec::new(),
            };
            let expired = query(IS_ANY_EXPIRED).bind(at).fetch_optional(&mut connection).await?;
            Ok((gone, expired.is_some()))
        };
        let looked: Result<_, Trouble> = ended.await;
        if let (Err(_), Some(presence)) = (&looked, &self.presence) {
            // What was seen before says nothing of the time in which nobody could look.
            presence.forget();
        }
        let (gone, is_any_expired) = looked.map_err(|trouble| trouble.during(ATTEMPTED))?;
        if gone.is_empty() && !is_any_expired {
            return Ok(0);
        }
        self.write(ATTEMPTED, move |desk| expire(desk, at, gone, at, max_attempts).boxed()).await
    }

    async fn take_back(&self, at: UtcInstant, max_attempts: u32) -> Result<u64, StorageError> {
        if self.is_shared {
            return Ok(0);
        }
        // The lock of the file says that nobody else is there.
        let at = at.unix_micros();
        self.write("take back leases", move |desk| take_back(desk, at, max_attempts).boxed()).await
    }

    async fn next_ready(&self) -> Result<Option<UtcInstant>, StorageError> {
        let next = async {
            let next = query_scalar("select min(run_at) from job where state = 'ready'");
            optional_instant(next.fetch_one(&mut self.readers.acquire().await?).await?)
        };
        next.await.map_err(|trouble: Trouble| trouble.during("look for the next job"))
    }

    async fn enqueue(&self, jobs: &[NewJob], _at: UtcInstant) -> Result<(), StorageError> {
        let jobs = jobs.to_vec();
        self.write("add jobs", move |desk| enqueue(desk, jobs).boxed()).await
    }

    async fn prune(&self, before: UtcInstant, limit: u32) -> Result<u64, StorageError> {
        let before = before.unix_micros();
        self.write("prune finished jobs", move |desk| prune(desk, before, limit).boxed()).await
    }

    fn wake_ups(&self) -> watch::Receiver<u64> {
        self.wake_ups.clone()
    }
}

fn pairs(leases: &[Lease]) -> Vec<(i64, i64)> {
    leases.iter().map(|lease| (lease.job.0, lease.token)).collect()
}

async fn round(desk: &mut Desk, settlements: Vec<Settlement>, claim: ClaimRequest) -> Result<Round, Trouble> {
    let lost = settle(desk, &settlements, claim.now.unix_micros()).await?;
    let claimed = if claim.limit == 0 { Vec::new() } else { self::claim(desk, claim).await? };
    Ok(Round { claimed, lost })
}

async fn settle_all(desk: &mut Desk, settlements: Vec<Settlement>, now: i64) -> Result<u64, Trouble> {
    desk.take_jobs().await?;
    settle(desk, &settlements, now).await
}

async fn claim(desk: &mut Desk, claim: ClaimRequest) -> Result<Vec<ClaimedJob>, Trouble> {
    if desk.connection.is_postgres() {
        return claim_beside_others(desk, claim).await;
    }
    let token = desk.memory.token.next_token();
    let lease_until = claim.lease_until.unix_micros();
    let claimed = query(
        "update job set state = 'leased', token = $1, lease_until = $2, attempts = attempts + 1, waits = null
          where id in (select id from job where state = 'ready' and run_at <= $3 order by run_at, id limit $4)",
    )
    .bind(token)
    .bind(lease_until)
    .bind(claim.now.unix_micros())
    .bind(claim.limit)
    .execute(&mut desk.connection)
    .await?
    .rows_affected();
    if claimed == 0 {
        return Ok(Vec::new());
    }
    let query = query_scalar(
        "select json_group_array(json_array(id, attempts, delivery, number)) from job
          where state = 'leased' and lease_until = $1 and token = $2",
    );
    let rows: Vec<ClaimedRow> = rows_of_json(&mut desk.connection, query.bind(lease_until).bind(token)).await?;
    let claimed = |(id, attempts, delivery, number): ClaimedRow| {
        Ok(ClaimedJob { lease: Lease { job: JobId(id), token }, subject: subject(delivery, number)?, attempts })
    };
    rows.into_iter().map(claimed).collect()
}

const CLAIM_BESIDE_OTHERS: &str =
    "update job set state = 'leased', token = $4, lease_until = $1, attempts = attempts + 1, waits = null
      where id in (select id from job where state = 'ready' and run_at <= $2
                    order by run_at, id limit $3 for update skip locked)
     returning id, attempts, delivery, number";
/// The same, with a lease that lasts so long by the clock of the server.
const CLAIM_BY_THE_SERVER: &str = "update job set state = 'leased', token = $4, attempts = attempts + 1, waits = null,
            lease_until = cast(extract(epoch from clock_timestamp()) * 1000000 as bigint) + $1
      where id in (select id from job where state = 'ready' and run_at <= $2
                    order by run_at, id limit $3 for update skip locked)
     returning id, attempts, delivery, number";

/// A claim where other processes claim at the same time: what one of them is taking is passed over.
async fn claim_beside_others(desk: &mut Desk, claim: ClaimRequest) -> Result<Vec<ClaimedJob>, Trouble> {
    let token = desk.memory.token.next_token();
    let (now, until) = (claim.now.unix_micros(), claim.lease_until.unix_micros());
    let by_the_server = (CLAIM_BY_THE_SERVER, until.saturating_sub(now));
    let (text, until) = if desk.goes_by_the_server { by_the_server } else { (CLAIM_BESIDE_OTHERS, until) };
    let rows = query(text).bind(until).bind(now).bind(claim.limit).bind(token).fetch_all(&mut desk.connection).await?;
    let claimed = |row: &Row| {
        let lease = Lease { job: JobId(row.try_get(0)?), token };
        Ok(ClaimedJob { lease, subject: subject(row.try_get(2)?, row.try_get(3)?)?, attempts: row.try_get(1)? })
    };
    rows.iter().map(claimed).collect()
}

/// Id, attempts, delivery, number.
type ClaimedRow = (i64, u32, Option<i64>, Option<i64>);

/// Ends jobs, and says how many had been lost meanwhile.
async fn settle(desk: &mut Desk, settlements: &[Settlement], now: i64) -> Result<u64, Trouble> {
    let mut done = Vec::new();
    let mut parked = Vec::new();
    let mut again = Vec::new();
    for Settlement { lease, end } in settlements {
        let pair = (lease.job.0, lease.token);
        match end {
            JobEnd::Done => done.push(pair),
            JobEnd::Parked => parked.push(pair),
            JobEnd::RetryAt(at) => again.push((pair.0, pair.1, at.unix_micros())),
        }
    }
    let mut lost = 0;
    if !again.is_empty() {
        lost += run_again(desk, again, &mut done).await?;
    }
    for (state, pairs) in [("done", done), ("parked", parked)] {
        if !pairs.is_empty() {
            lost += finish(desk, state, pairs, now).await?;
        }
    }
    Ok(lost)
}

/// Jobs end by their ids and the token of their claim, which no other claim has and which goes with
/// the lease. `PostgreSQL` is not asked for the state: it believes that nothing is leased, and would
/// walk the index of leases for every job.
const END: Text = Text::Each {
    sqlite: "update job set state = $3, token = null, lease_until = null, holds = null, ended_at = $4
              where id in (select cast(value as bigint) from json_each($1)) and token = $2 and state = 'leased'",
    postgres: "update job set state = $3, token = null, lease_until = null, holds = null, ended_at = $4
                where id = any (cast($1 as bigint[])) and token = $2",
};

/// A list of ids as [`END`] takes it. To `PostgreSQL` an array is much cheaper to read than JSON.
fn list(jobs: &[i64], is_postgres: bool) -> Result<String, Trouble> {
    let list = json(&jobs)?;
    Ok(if is_postgres { list.replace('[', "{").replace(']', "}") } else { list })
}

/// Ends jobs as done or parked, and makes the next of their lanes ready. Jobs that were claimed
/// together share a token, and what was claimed together ends more or less together: there is a
/// statement for each token.
async fn finish(desk: &mut Desk, state: &str, pairs: Vec<(i64, i64)>, now: i64) -> Result<u64, Trouble> {
    let mut lost = pairs.len() as u64;
    let all = json(&pairs.iter().map(|(job, _)| *job).collect::<Vec<_>>())?;
    let mut claims = BTreeMap::<i64, Vec<i64>>::new();
    for (job, token) in pairs {
        claims.entry(token).or_default().push(job);
    }
    for (token, jobs) in claims {
        let jobs = list(&jobs, desk.connection.is_postgres())?;
        let ended = query(END).bind(jobs).bind(token).bind(state).bind(now);
        lost -= ended.execute(&mut desk.connection).await?.rows_affected();
    }
    if state == "parked" {
        let rows = query(
            "select j.id from json_each($1) e join job j on j.id = cast(e.value as bigint)
              where j.state = 'parked' and j.ended_at = $2",
        );
        let rows = rows.bind(&all).bind(now).fetch_all(&mut desk.connection).await?;
        let parked = rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<i64>, Trouble>>()?;
        desk.audit(entries::list("jobs_parked", "jobs", parked)?.into_iter().collect(), now).await?;
    }
    pass_lanes_on(desk, all).await?;
    Ok(lost)
}

const IS_ANY_BLOCKED: &str = "select exists (select 1 from job where behind = 1)";

/// Makes ready the oldest blocked job of each lane that these jobs have left.
async fn pass_lanes_on(desk: &mut Desk, jobs: String) -> Result<(), Trouble> {
    if !desk.memory.may_be_blocked {
        return Ok(());
    }
    if desk.connection.is_postgres() {
        let is_any_blocked: bool = query_scalar(IS_ANY_BLOCKED).fetch_one(&mut desk.connection).await?;
        if !is_any_blocked {
            return Ok(());
        }
    }
    let passed = query(
        "update job set state = 'ready', holds = 1, behind = null
          where id in (select (select min(b.id) from job b where b.lane = j.lane and b.behind = 1)
                         from json_each($1) e cross join job j
                        where j.id = cast(e.value as bigint) and j.lane is not null and j.holds is null
                          and not exists (select 1 from job h where h.lane = j.lane and h.holds = 1))",
    )
    .bind(jobs)
    .execute(&mut desk.connection)
    .await?
    .rows_affected();
    if passed > 0 {
        desk.memory.has_woken = true;
        desk.memory.may_be_blocked = query_scalar(IS_ANY_BLOCKED).fetch_one(&mut desk.connection).await?;
    }
    Ok(())
}

async fn enqueue(desk: &mut Desk, jobs: Vec<NewJob>) -> Result<(), Trouble> {
    let mut deliveries: Vec<_> = jobs
        .iter()
        .filter_map(|job| match job.subject {
            JobSubject::Deliver(delivery) => Some(delivery.0),
            JobSubject::Nothing(_) => None,
        })
        .collect();
    let mut waiting = desk.waiting_jobs(&deliveries).await?;
    deliveries.retain(|delivery| !waiting.contains(delivery));
    let mut lanes = HashMap::new();
    if !deliveries.is_empty() {
        let rows = query(
            "select d.id, d.target, d.lane from json_each($1) i cross join delivery d where d.id = cast(i.value as bigint)",
        )
        .bind(json(&deliveries)?)
        .fetch_all(&mut desk.connection)
        .await?;
        for row in rows {
            lanes.insert(row.try_get::<i64>(0)?, lane_of(row.try_get(1)?, row.try_get(2)?));
        }
    }
    let mut orders = Vec::with_capacity(jobs.len());
    for NewJob { subject, lane, run_at } in jobs {
        let run_at = run_at.unix_micros();
        match subject {
            JobSubject::Nothing(number) => {
                orders.push(Order { delivery: None, number: Some(number), lane, run_at });
            }
            // A delivery stays in its own lane, and one job that waits is enough for it.
            JobSubject::Deliver(delivery) if waiting.insert(delivery.0) => {
                let lane = lanes.get(&delivery.0).cloned();
                let lane = lane.ok_or_else(|| Trouble::Refused(format!("delivery {delivery} does not exist")))?;
                orders.push(Order { delivery: Some(delivery.0), number: None, lane: Some(lane), run_at });
            }
            JobSubject::Deliver(_) => {}
        }
    }
    desk.add_jobs(orders).await
}

/// Looks at a window of jobs in order of id, from where the last look ended. Near the first job
/// that is too young to go, the next look begins again.
async fn prune(desk: &mut Desk, before: i64, limit: u32) -> Result<u64, Trouble> {
    let window = i64::from(limit).saturating_mul(4);
    let row = query(
        "select max(id), count(*), count(*) filter (where state = 'done' and ended_at >= $3)
           from (select id, state, ended_at from job where id > $1 order by id limit $2) looked_at",
    )
    .bind(desk.memory.prune_after)
    .bind(window)
    .bind(before)
    .fetch_one(&mut desk.connection)
    .await?;
    let last: Option<i64> = row.try_get(0)?;
    let seen: i64 = row.try_get(1)?;
    let too_young: i64 = row.try_get(2)?;
    let Some(last) = last else {
        desk.memory.prune_after = 0;
        return Ok(0);
    };
    let pruned = query(
        "delete from job where id in (
            select id from job where id > $1 and id <= $2 and state = 'done' and ended_at < $3 order by id limit $4)",
    )
    .bind(desk.memory.prune_after)
    .bind(last)
    .bind(before)
    .bind(limit)
    .execute(&mut desk.connection)
    .await?
    .rows_affected();
    if too_young > 0 || seen < window {
        desk.memory.prune_after = 0;
    } else if pruned < u64::from(limit) {
        desk.memory.prune_after = last;
    }
    Ok(pruned)
}

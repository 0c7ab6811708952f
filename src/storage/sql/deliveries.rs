//! What each target should hold, what it holds, and every attempt in between.
//!
//! Every write here is fenced: it holds only while the lease behind it is the last one given.

pub(super) mod decided;

use async_trait::async_trait;
use canonical::values::UtcInstant;
use contract::{Neighbour, Receipt, Shipment, UnitKey};
use futures_util::FutureExt as _;

use super::SqlStore;
use super::audit::Entry;
use super::connection::{Connection, Row, query, query_scalar};
use super::desk::Desk;
use super::lanes;
use super::orders::{Order, lane_of};
use super::rows::{StateColumns, count, instant, json, optional_instant, record, state, stored};
use super::trouble::Trouble;
use crate::delivery::DeliveryState;
use crate::storage::{
    AttemptId, Conclusion, Deliveries, DeliveryId, Fenced, Intent, Lease, LoadedDelivery, StorageError,
};

/// Deliveries given a job by one sweep: the next one goes on.
const SWEPT_AT_ONCE: u32 = 10_000;

/// The code of what a person sends to be observed again.
const REOPENED: &str = "reopened";

/// Due work without a job. Where a job was parked, nothing happens until something changes.
pub(super) const FORGOTTEN: &str = "
    select d.id, d.target, d.lane, coalesce(d.not_before, d.due_at) from delivery d indexed by delivery_open
     where d.state in ('due', 'sent', 'in_doubt', 'retry')
       and not exists (select 1 from job j
                        where j.delivery = d.id
                          and (j.state in ('ready', 'blocked', 'leased')
                               or (j.state = 'parked' and j.ended_at >= d.state_since)))
     order by d.id limit $1";

pub(super) const LAST_RECEIPT: &str =
    "select remote_id, status, answer_digest, warnings from receipt where delivery = $1 order by id desc limit 1";

const BEGIN: &str =
    "insert into attempt (delivery, shipment, job, token, started_at) values ($1, $2, $3, $4, $5) returning id";
const BEGIN_BY_THE_SERVER: &str = "insert into attempt (delivery, shipment, job, token, started_at)
     values ($1, $2, $3, $4, greatest($5, cast(extract(epoch from clock_timestamp()) * 1000000 as bigint))) returning id";

#[async_trait]
impl Deliveries for SqlStore {
    async fn load(&self, delivery: DeliveryId) -> Result<Option<LoadedDelivery>, StorageError> {
        let load = async {
            let mut snapshot = self.snapshot().await?;
            load(&mut snapshot, delivery).await
        };
        load.await.map_err(|trouble: Trouble| trouble.during("load a delivery"))
    }

    async fn begin_attempt(&self, intent: Intent, at: UtcInstant) -> Result<Fenced<AttemptId>, StorageError> {
        let at = at.unix_micros();
        self.write("begin an attempt", move |desk| begin_attempt(desk, intent, at).boxed()).await
    }

    async fn conclude(&self, conclusion: Conclusion, at: UtcInstant) -> Result<Fenced<()>, StorageError> {
        let at = at.unix_micros();
        self.write("conclude an attempt", move |desk| conclude(desk, conclusion, at).boxed()).await
    }

    async fn reopen(&self, delivery: DeliveryId, above: u64, reason: &str, at: UtcInstant) -> Result<(), StorageError> {
        let (reason, at) = (reason.to_owned(), at.unix_micros());
        self.write("reopen a delivery", move |desk| reopen(desk, delivery, above, reason, at).boxed()).await
    }

    async fn neighbours(&self, delivery: DeliveryId) -> Result<Vec<Neighbour>, StorageError> {
        let neighbours = async { lanes::neighbours(&mut self.snapshot().await?, delivery).await };
        neighbours.await.map_err(|trouble: Trouble| trouble.during("read what stands in a lane"))
    }

    async fn wake(&self, at: UtcInstant) -> Result<u64, StorageError> {
        const ATTEMPTED: &str = "wake the deliveries that wait";
        let is_any = async { lanes::is_any_to_wake(&mut self.readers.acquire().await?, at.unix_micros()).await };
        if !is_any.await.map_err(|trouble: Trouble| trouble.during(ATTEMPTED))? {
            return Ok(0);
        }
        let at = at.unix_micros();
        self.write(ATTEMPTED, move |desk| lanes::wake(desk, at).boxed()).await
    }

    async fn sweep(&self, at: UtcInstant) -> Result<u64, StorageError> {
        const ATTEMPTED: &str = "sweep the deliveries";
        let forgotten = async { query(FORGOTTEN).bind(1_i64).fetch_optional(&mut self.readers.acquire().await?).await };
        if forgotten.await.map_err(|error: sqlx::Error| Trouble::from(error).during(ATTEMPTED))?.is_none() {
            return Ok(0);
        }
        let at = at.unix_micros();
        self.write(ATTEMPTED, move |desk| sweep(desk, at).boxed()).await
    }
}

async fn load(connection: &mut Connection, id: DeliveryId) -> Result<Option<LoadedDelivery>, Trouble> {
    let delivery = query(
        "select target, unit_key, desired_revision, held_revision, state, code, message, not_before, state_since
           from delivery where id = $1",
    )
    .bind(id.0)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(delivery) = delivery else { return Ok(None) };
    let unit = UnitKey(delivery.try_get(1)?);
    let shipment = query(
        "select s.revision, s.idempotency_key, s.body, count(a.id), min(a.started_at), max(a.started_at)
           from shipment s left join attempt a on a.shipment = s.id
          where s.id = (select id from shipment where delivery = $1 order by revision desc limit 1)
          group by s.id",
    )
    .bind(id.0)
    .fetch_optional(&mut *connection)
    .await?;
    let (last_shipment, attempts, first_attempt_at, last_attempt_at) = match shipment {
        None => (None, 0, None, None),
        Some(row) => {
            let shipment = Shipment {
                unit: unit.clone(),
                revision: count(row.try_get(0)?),
                idempotency_key: row.try_get(1)?,
                body: row.try_get(2)?,
                previous_receipt: None,
            };
            let (first, last) = (optional_instant(row.try_get(4)?)?, optional_instant(row.try_get(5)?)?);
            (Some(shipment), row.try_get(3)?, first, last)
        }
    };
    let last_receipt = query(LAST_RECEIPT).bind(id.0).fetch_optional(&mut *connection).await?;
    let last_receipt = last_receipt.map(|row| {
        Ok::<_, Trouble>(Receipt {
            remote_id: row.try_get(0)?,
            status: row.try_get(1)?,
            answer_digest: row.try_get(2)?,
            warnings: serde_json::from_str(row.try_get(3)?)?,
        })
    });
    let last_receipt = last_receipt.transpose()?;
    let members = query(
        "select r.kind, v.schema_version, v.body, v.provenance
           from delivery_member m
           join record r on r.id = m.record
           join record_version v on v.record = r.id and v.number = r.version
          where m.delivery = $1 order by r.key, r.kind, r.source",
    )
    .bind(id.0)
    .fetch_all(&mut *connection)
    .await?;
    Ok(Some(LoadedDelivery {
        id,
        target: delivery.try_get(0)?,
        unit,
        desired_revision: count(delivery.try_get(2)?),
        held_revision: count(delivery.try_get(3)?),
        state: state(&delivery, 4)?,
        state_since: instant(delivery.try_get(8)?)?,
        attempts,
        first_attempt_at,
        last_attempt_at,
        members: members.iter().map(|row| record(row, 0)).collect::<Result<_, _>>()?,
        last_shipment,
        last_receipt,
    }))
}

/// A delivery as the writer needs it.
struct Standing {
    target: String,
    lane: String,
    desired: i64,
    state: DeliveryState,
}

async fn standing(desk: &mut Desk, delivery: DeliveryId) -> Result<Standing, Trouble> {
    let row: Row =
        query("select target, lane, desired_revision, state, code, message, not_before from delivery where id = $1")
            .bind(delivery.0)
            .fetch_optional(&mut desk.connection)
            .await?
            .ok_or_else(|| Trouble::Refused(format!("delivery {delivery} does not exist")))?;
    Ok(Standing { target: row.try_get(0)?, lane: row.try_get(1)?, desired: row.try_get(2)?, state: state(&row, 3)? })
}

/// Whether a lease holds. Only the writer of the ledger ends a lease that is not given back.
async fn is_ours(connection: &mut Connection, lease: Lease) -> Result<bool, Trouble> {
    if crate::failpoints::is_planted("no_fence") {
        return Ok(true);
    }
    let ours = query("select 1 from job where id = $1 and token = $2 and state = 'leased'");
    Ok(ours.bind(lease.job.0).bind(lease.token).fetch_optional(connection).await?.is_some())
}

/// Writes a state. The transition was admitted by [`DeliveryState::to`].
async fn put_state(desk: &mut Desk, delivery: DeliveryId, state: &DeliveryState, at: i64) -> Result<(), Trouble> {
    let columns = StateColumns::from(state);
    // A state that is told again lasts since it was told first.
    query(
        "update delivery set state = $2, code = $3, message = $4, not_before = $5,
                state_since = case when state = $2 and $2 in ('held', 'submitted') then state_since else $6 end
          where id = $1",
    )
    .bind(delivery.0)
    .bind(columns.name)
    .bind(columns.code)
    .bind(columns.message)
    .bind(columns.not_before)
    .bind(at)
    .execute(&mut desk.connection)
    .await?;
    Ok(())
}

async fn begin_attempt(desk: &mut Desk, intent: Intent, at: i64) -> Result<Fenced<AttemptId>, Trouble> {
    let Intent { delivery, lease, shipment } = intent;
    if !is_ours(&mut desk.connection, lease).await? {
        return Ok(Fenced::LeaseLost);
    }
    let standing = standing(desk, delivery).await?;
    let sent = standing.state.to(DeliveryState::Sent)?;
    let revision = stored(shipment.revision);
    if revision > standing.desired {
        let problem = format!("delivery {delivery} has no revision {revision}: the last is {}", standing.desired);
        return Err(Trouble::Refused(problem));
    }
    let shipment = put_shipment(desk, delivery, &shipment, at).await?;
    // From this instant it is reckoned when the same may be sent again, by whatever process.
    let begin = if desk.goes_by_the_server { BEGIN_BY_THE_SERVER } else { BEGIN };
    let attempt: i64 = query_scalar(begin)
        .bind(delivery.0)
        .bind(shipment)
        .bind(lease.job.0)
        .bind(lease.token)
        .bind(at)
        .fetch_one(&mut desk.connection)
        .await?;
    put_state(desk, delivery, &sent, at).await?;
    let detail = format!(r#"{{"state":"sent","revision":{revision},"attempt":{attempt}}}"#);
    desk.audit(vec![Entry::new("delivery_state", format!("delivery/{delivery}"), detail)], at).await?;
    Ok(Fenced::Done(AttemptId(attempt)))
}

/// Stores a shipment, or finds it stored with the very same bytes.
async fn put_shipment(desk: &mut Desk, delivery: DeliveryId, shipment: &Shipment, at: i64) -> Result<i64, Trouble> {
    let digest = shipment.digest();
    let revision = stored(shipment.revision);
    let known = query("select id, idempotency_key, digest from shipment where delivery = $1 and revision = $2")
        .bind(delivery.0)
        .bind(revision)
        .fetch_optional(&mut desk.connection)
        .await?;
    if let Some(row) = known {
        let is_same =
            row.try_get::<&str>(1)? == shipment.idempotency_key && row.try_get::<&[u8]>(2)? == digest.as_bytes();
        return if is_same {
            Ok(row.try_get(0)?)
        } else {
            Err(Trouble::Refused(format!("revision {revision} of delivery {delivery} was stored with other bytes")))
        };
    }
    let stored: i64 = query_scalar(
        "insert into shipment (delivery, revision, idempotency_key, digest, body, stored_at)
         values ($1, $2, $3, $4, $5, $6) returning id",
    )
    .bind(delivery.0)
    .bind(revision)
    .bind(&shipment.idempotency_key)
    .bind(&digest.as_bytes()[..])
    .bind(&shipment.body)
    .bind(at)
    .fetch_one(&mut desk.connection)
    .await?;
    Ok(stored)
}

async fn conclude(desk: &mut Desk, conclusion: Conclusion, at: i64) -> Result<Fenced<()>, Trouble> {
    let Conclusion { delivery, attempt, lease, revision, state, receipt } = conclusion;
    if !is_ours(&mut desk.connection, lease).await? {
        return Ok(Fenced::LeaseLost);
    }
    let standing = standing(desk, delivery).await?;
    if let (Some(attempt), true) = (attempt, standing.state != DeliveryState::Sent)
        && has_outcome(desk, attempt, lease, state.name()).await?
    {
        // It was written before, and the answer of that commit was lost.
        return Ok(Fenced::Done(()));
    }
    let state = standing.state.to(state)?;
    let revision = stored(revision);
    if revision > standing.desired {
        let problem = format!("delivery {delivery} has no revision {revision}: the last is {}", standing.desired);
        return Err(Trouble::Refused(problem));
    }
    if let (DeliveryState::Submitted { code: before, .. }, DeliveryState::Submitted { code, .. }, None, None) =
        (&standing.state, &state, attempt, &receipt)
        && before == code
    {
        // Asked, and nothing new: only the time of the next question changes.
        put_state(desk, delivery, &state, at).await?;
        return Ok(Fenced::Done(()));
    }
    // After a crash nobody remembers the attempt: it is the one without an outcome.
    let forgotten = match (attempt, &standing.state) {
        (None, DeliveryState::Sent) => last_attempt_without_outcome(desk, delivery).await?,
        _ => None,
    };
    if let Some(attempt) = attempt.or(forgotten) {
        put_outcome(desk, delivery, attempt, &state, at).await?;
    }
    if let Some(receipt) = receipt {
        put_receipt(desk, delivery, revision, attempt, receipt, at).await?;
    }
    if state == DeliveryState::Acknowledged {
        query("update delivery set held_revision = $2 where id = $1")
            .bind(delivery.0)
            .bind(revision)
            .execute(&mut desk.connection)
            .await?;
    }
    let mut entries = vec![Entry::new("delivery_state", format!("delivery/{delivery}"), detail(&state, revision)?)];
    put_state(desk, delivery, &state, at).await?;
    let was_taken = matches!(standing.state, DeliveryState::Submitted { .. });
    let is_taken = state == DeliveryState::Acknowledged || matches!(state, DeliveryState::Submitted { .. });
    if is_taken && !was_taken {
        lanes::has_moved(desk, &standing.target, &standing.lane, at).await?;
    }
    if standing.desired > revision && !state.is_open() && !state.may_have_arrived() {
        // Newer changes arrived while this revision was on its way.
        let due = state.to(DeliveryState::Due)?;
        entries.push(Entry::new("delivery_state", format!("delivery/{delivery}"), detail(&due, standing.desired)?));
        put_state(desk, delivery, &due, at).await?;
        give_job(desk, delivery, &standing, at).await?;
    }
    desk.audit(entries, at).await?;
    Ok(Fenced::Done(()))
}

fn detail(state: &DeliveryState, revision: i64) -> Result<String, Trouble> {
    let mut detail = serde_json::to_value(state)?;
    if let Some(fields) = detail.as_object_mut() {
        // Words of the other side stay with the delivery; the chain keeps codes.
        fields.remove("message");
        fields.insert("revision".to_owned(), revision.into());
    }
    json(&detail)
}

/// Writes the outcome of an attempt, once.
async fn put_outcome(
    desk: &mut Desk,
    delivery: DeliveryId,
    attempt: AttemptId,
    state: &DeliveryState,
    at: i64,
) -> Result<(), Trouble> {
    let columns = StateColumns::from(state);
    let touched = query(
        "update attempt set finished_at = $3, outcome = $4, code = $5, message = $6, not_before = $7
          where id = $1 and delivery = $2 and finished_at is null",
    )
    .bind(attempt.0)
    .bind(delivery.0)
    .bind(at)
    .bind(columns.name)
    .bind(columns.code)
    .bind(columns.message)
    .bind(columns.not_before)
    .execute(&mut desk.connection)
    .await?
    .rows_affected();
    if touched == 1 {
        return Ok(());
    }
    Err(Trouble::Refused(format!("attempt {attempt} of delivery {delivery} does not exist, or has its outcome")))
}

async fn has_outcome(desk: &mut Desk, attempt: AttemptId, lease: Lease, outcome: &str) -> Result<bool, Trouble> {
    let found = query("select 1 from attempt where id = $1 and job = $2 and token = $3 and outcome = $4")
        .bind(attempt.0)
        .bind(lease.job.0)
        .bind(lease.token)
        .bind(outcome)
        .fetch_optional(&mut desk.connection)
        .await?;
    Ok(found.is_some())
}

async fn last_attempt_without_outcome(desk: &mut Desk, delivery: DeliveryId) -> Result<Option<AttemptId>, Trouble> {
    let attempt: Option<i64> = query_scalar("select max(id) from attempt where delivery = $1 and finished_at is null")
        .bind(delivery.0)
        .fetch_one(&mut desk.connection)
        .await?;
    Ok(attempt.map(AttemptId))
}

async fn put_receipt(
    desk: &mut Desk,
    delivery: DeliveryId,
    revision: i64,
    attempt: Option<AttemptId>,
    receipt: Receipt,
    at: i64,
) -> Result<(), Trouble> {
    query(
        "insert into receipt (delivery, revision, attempt, remote_id, status, answer_digest, warnings, received_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(delivery.0)
    .bind(revision)
    .bind(attempt.map(|attempt| attempt.0))
    .bind(receipt.remote_id)
    .bind(receipt.status)
    .bind(receipt.answer_digest)
    .bind(json(&receipt.warnings)?)
    .bind(at)
    .execute(&mut desk.connection)
    .await?;
    Ok(())
}

/// Gives a delivery a job that waits, unless it has one.
async fn give_job(desk: &mut Desk, delivery: DeliveryId, standing: &Standing, run_at: i64) -> Result<bool, Trouble> {
    if !desk.waiting_jobs(&[delivery.0]).await?.is_empty() {
        return Ok(false);
    }
    let lane = Some(lane_of(&standing.target, &standing.lane));
    desk.add_jobs(vec![Order { delivery: Some(delivery.0), number: None, lane, run_at }]).await?;
    Ok(true)
}

async fn reopen(desk: &mut Desk, delivery: DeliveryId, above: u64, reason: String, at: i64) -> Result<(), Trouble> {
    let standing = standing(desk, delivery).await?;
    let (state, revision) = if matches!(standing.state, DeliveryState::Parked { in_doubt: true, .. }) {
        // What may have arrived is observed first, as the revision that it is.
        (DeliveryState::InDoubt { code: REOPENED.to_owned(), at: instant(at)? }, standing.desired)
    } else {
        let next = standing.desired.max(stored(above)).checked_add(1);
        let refused = || Trouble::Refused(format!("delivery {delivery}: no revision follows the one held there"));
        (DeliveryState::Due, next.ok_or_else(refused)?)
    };
    let state = standing.state.to(state)?;
    put_state(desk, delivery, &state, at).await?;
    query("update delivery set desired_revision = $2, due_at = $3 where id = $1")
        .bind(delivery.0)
        .bind(revision)
        .bind(at)
        .execute(&mut desk.connection)
        .await?;
    decided::due_now(desk, delivery, &standing, at).await?;
    let detail = json(&serde_json::json!({ "reason": reason, "state": state.name(), "revision": revision }))?;
    desk.audit(vec![Entry::new("delivery_reopened", format!("delivery/{delivery}"), detail)], at).await
}

async fn sweep(desk: &mut Desk, at: i64) -> Result<u64, Trouble> {
    let rows = query(FORGOTTEN).bind(SWEPT_AT_ONCE).fetch_all(&mut desk.connection).await?;
    let orders = rows
        .iter()
        .map(|row| {
            let lane = lane_of(row.try_get(1)?, row.try_get(2)?);
            let run_at: i64 = row.try_get(3)?;
            Ok(Order { delivery: Some(row.try_get(0)?), number: None, lane: Some(lane), run_at: run_at.max(at) })
        })
        .collect::<Result<Vec<_>, Trouble>>()?;
    let swept = orders.len();
    desk.add_jobs(orders).await?;
    Ok(swept as u64)
}

impl Desk {
    /// Parks the deliveries whose jobs ended for good without an answer.
    pub(super) async fn park_deliveries(&mut self, deliveries: &[i64], reason: &str, at: i64) -> Result<(), Trouble> {
        let mut entries = Vec::new();
        for delivery in deliveries.iter().copied().map(DeliveryId) {
            let standing = standing(self, delivery).await?;
            let in_doubt = standing.state.may_have_arrived();
            let Ok(parked) = standing.state.to(DeliveryState::Parked { reason: reason.to_owned(), in_doubt }) else {
                continue;
            };
            put_state(self, delivery, &parked, at).await?;
            let detail = detail(&parked, standing.desired)?;
            entries.push(Entry::new("delivery_state", format!("delivery/{delivery}"), detail));
        }
        self.audit(entries, at).await
    }
}

//! What stands beside a delivery in its lane, and who waits there for somebody else.
//!
//! A delivery that waits has no job: it holds no lane, and costs nothing until its time comes.

use canonical::Record;
use contract::{Neighbour, UnitKey};

use super::connection::{Connection, query};
use super::desk::Desk;
use super::orders::{Order, lane_of};
use super::rows::record;
use super::trouble::Trouble;
use crate::storage::DeliveryId;

/// Deliveries woken by one statement: the next look goes on.
const WOKEN_AT_ONCE: u32 = 10_000;

/// The planner has no statistics: it is told which index is small.
pub(super) const TO_WAKE: &str = "
    select d.id, d.target, d.lane from delivery d indexed by delivery_waiting
     where d.state in ('submitted', 'held') and d.not_before <= $1
       and not exists (select 1 from job j where j.delivery = d.id and j.state in ('ready', 'blocked', 'leased'))
     order by d.not_before, d.id limit $2";

pub(super) const NEIGHBOURS: &str =
    "select o.unit_key, o.held_revision > 0 or o.state = 'submitted', r.kind, v.schema_version, v.body, v.provenance
           from delivery d
           cross join delivery o indexed by delivery_of_lane
           cross join delivery_member m on m.delivery = o.id
           cross join record r on r.id = m.record
           cross join record_version v on v.record = r.id and v.number = r.version
          where d.id = $1 and o.target = d.target and o.lane = d.lane and o.id <> d.id
          order by o.unit_key, r.key, r.kind, r.source";

/// The other units of the lane of a delivery, in ascending order of unit key.
pub(super) async fn neighbours(connection: &mut Connection, delivery: DeliveryId) -> Result<Vec<Neighbour>, Trouble> {
    let rows = query(NEIGHBOURS).bind(delivery.0).fetch_all(connection).await?;
    let mut neighbours: Vec<Neighbour> = Vec::new();
    for row in &rows {
        let unit = UnitKey(row.try_get(0)?);
        let member = record(row, 2)?;
        match neighbours.last_mut() {
            Some(last) if last.unit == unit => last.members.push(member),
            _ => neighbours.push(Neighbour { unit, members: vec![member], is_held: row.try_get(1)? }),
        }
    }
    Ok(neighbours)
}

/// What a source tells of the things with this key, or whose keys begin with it and a slash.
pub(super) async fn told_by(connection: &mut Connection, source: &str, prefix: &str) -> Result<Vec<Record>, Trouble> {
    // `0` is the character after the slash.
    let rows = query(
        "select r.kind, v.schema_version, v.body, v.provenance
           from record r
           cross join record_version v on v.record = r.id and v.number = r.version
          where (r.key = $1 or (r.key > $1 || '/' and r.key < $1 || '0')) and r.source = $2 order by r.key, r.kind",
    )
    .bind(prefix)
    .bind(source)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| record(row, 0)).collect()
}

/// Whether the time of any delivery that waits has come.
pub(super) async fn is_any_to_wake(connection: &mut Connection, at: i64) -> Result<bool, Trouble> {
    Ok(query(TO_WAKE).bind(at).bind(1_i64).fetch_optional(connection).await?.is_some())
}

/// Gives a job to the deliveries whose time has come.
pub(super) async fn wake(desk: &mut Desk, at: i64) -> Result<u64, Trouble> {
    let rows = query(TO_WAKE).bind(at).bind(WOKEN_AT_ONCE).fetch_all(&mut desk.connection).await?;
    let orders = rows
        .iter()
        .map(|row| {
            let lane = lane_of(row.try_get(1)?, row.try_get(2)?);
            Ok(Order { delivery: Some(row.try_get(0)?), number: None, lane: Some(lane), run_at: at })
        })
        .collect::<Result<Vec<_>, Trouble>>()?;
    let woken = orders.len();
    desk.add_jobs(orders).await?;
    Ok(woken as u64)
}

/// The target took a step of a lane: what is held there is looked at again now.
pub(super) async fn has_moved(desk: &mut Desk, target: &str, lane: &str, at: i64) -> Result<(), Trouble> {
    query(
        "update delivery indexed by delivery_held set not_before = $3 where target = $1 and lane = $2 and state = 'held' and not_before > $3",
    )
    .bind(target)
    .bind(lane)
    .bind(at)
    .execute(&mut desk.connection)
    .await?;
    Ok(())
}

//! How jobs come into the queue, whoever causes them.

use std::collections::HashSet;

use super::bulk::Bulk;
use super::connection::query;
use super::desk::Desk;
use super::rows::json;
use super::trouble::Trouble;

/// A job to be added.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) delivery: Option<i64>,
    pub(super) number: Option<i64>,
    pub(super) lane: Option<String>,
    pub(super) run_at: i64,
}

/// The lane of a delivery, which no other target shares: a silent target delays only itself.
pub(super) fn lane_of(target: &str, lane: &str) -> String {
    format!("{target}/{lane}")
}

static INSERT: Bulk =
    Bulk::new("insert into job (id, delivery, waits, number, lane, holds, behind, run_at, state)", 9, "");

impl Desk {
    /// Adds jobs, in order. A job whose lane is taken waits behind the one that holds it.
    pub(super) async fn add_jobs(&mut self, orders: Vec<Order>) -> Result<(), Trouble> {
        if orders.is_empty() {
            return Ok(());
        }
        self.take_jobs().await?;
        let mut taken = self.taken_lanes(&orders).await?;
        let mut rows = Vec::with_capacity(orders.len());
        for order in orders {
            let is_free = order.lane.as_ref().map(|lane| taken.insert(lane.clone()));
            self.memory.may_be_blocked |= is_free == Some(false);
            rows.push((self.memory.job.next(), order, is_free));
        }
        INSERT
            .run(&mut self.connection, rows, |(id, order, is_free), values| {
                let flag = |is_set: bool| is_set.then_some(1_i64);
                let is_behind = is_free == Some(false);
                let state = if is_behind { "blocked" } else { "ready" };
                values.push(id).push(order.delivery).push(flag(order.delivery.is_some())).push(order.number);
                values.push(order.lane).push(flag(is_free == Some(true))).push(flag(is_behind));
                values.push(order.run_at).push(state);
            })
            .await?;
        self.memory.has_woken = true;
        Ok(())
    }

    async fn taken_lanes(&mut self, orders: &[Order]) -> Result<HashSet<String>, Trouble> {
        let lanes: Vec<_> = orders.iter().filter_map(|order| order.lane.as_deref()).map(|lane| [lane]).collect();
        if lanes.is_empty() {
            return Ok(HashSet::new());
        }
        let rows = query("select lane from job where lane in (select value ->> 0 from json_each($1)) and holds = 1")
            .bind(json(&lanes)?)
            .fetch_all(&mut self.connection)
            .await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Which of these deliveries already have a job that waits.
    pub(super) async fn waiting_jobs(&mut self, deliveries: &[i64]) -> Result<HashSet<i64>, Trouble> {
        if deliveries.is_empty() {
            return Ok(HashSet::new());
        }
        self.take_jobs().await?;
        let rows = query(
            "select j.delivery from json_each($1) d cross join job j
              where j.delivery = cast(d.value as bigint) and j.waits = 1",
        )
        .bind(json(&deliveries)?)
        .fetch_all(&mut self.connection)
        .await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }
}

//! Comparisons that are configured no more: what stands of them ends, and comes back as it was when such a
//! comparison begins again.
//!
//! The ending is a run of its own, so that trends and reports see it. What a work item was before stands in
//! its history: a name that is misspelt for a day costs nobody a decision.

use std::collections::BTreeMap;

use canonical::values::UtcInstant;

use super::lists;
use super::notes::{AT_ONCE, EVENTS, cut_short, holds_its_turn, subject};
use crate::discrepancy::{State, lifecycle};
use crate::storage::sql::audit::Entry;
use crate::storage::sql::connection::{Connection, Row, query, query_scalar};
use crate::storage::sql::desk::Desk;
use crate::storage::sql::rows::json;
use crate::storage::sql::trouble::Trouble;
use crate::storage::work_items::NOT_CONFIGURED;
use crate::storage::{ComparisonRun, EventKind, ReconciliationId, Turn};

/// Who ends and restores them.
const OURSELVES: &str = "raccordo";

/// Comparisons with work items that stand, which are not among the configured ones, and of which nobody has
/// heard since: another process may have another configuration.
pub(super) async fn strays(
    connection: &mut Connection,
    configured: &[String],
    silent_since: UtcInstant,
) -> Result<Vec<String>, Trouble> {
    let configured: Vec<_> = configured.iter().map(|name| [name]).collect();
    let rows = query(
        "select c.comparison from (select distinct comparison from comparison_run) c
          where c.comparison not in (select k.value ->> 0 from json_each($1) k)
            and not exists (select 1 from comparison_run r where r.comparison = c.comparison and r.heard_at > $2)
            and exists (select 1 from discrepancy d indexed by discrepancy_group
                         where d.comparison = c.comparison and d.state <> 'closed')
          order by c.comparison",
    )
    .bind(json(&configured)?)
    .bind(silent_since.unix_micros())
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Writes down that a comparison is configured no more, as its last run.
pub(super) async fn begin(
    desk: &mut Desk,
    comparison: String,
    turn: Turn,
    at: UtcInstant,
) -> Result<ComparisonRun, Trouble> {
    let killed = query("select id from comparison_run where comparison = $1 and finished_at is null")
        .bind(&comparison)
        .fetch_optional(&mut desk.connection)
        .await?;
    if let Some(row) = killed {
        cut_short(desk, row.try_get(0)?).await?;
    }
    let id: i64 = query_scalar(
        "insert into comparison_run (comparison, started_at, heard_at, finished_at, incomplete_because)
         values ($1, $2, $2, $2, $3) returning id",
    )
    .bind(&comparison)
    .bind(at.unix_micros())
    .bind(NOT_CONFIGURED)
    .fetch_one(&mut desk.connection)
    .await?;
    let entry = Entry::new("comparison_retired", subject(id), json(&comparison)?);
    desk.audit(vec![entry], at.unix_micros()).await?;
    Ok(ComparisonRun { id: ReconciliationId(id), comparison, started_at: at, progress: None, turn })
}

/// Closes a batch of what stands, and how many. None when nothing is left.
pub(super) async fn close(desk: &mut Desk, run: ComparisonRun, at: UtcInstant) -> Result<Option<u64>, Trouble> {
    holds_its_turn(&mut desk.connection, &run).await?;
    let rows = query(
        "select id, state, accepted_until from discrepancy indexed by discrepancy_group
          where comparison = $1 and state <> 'closed' limit $2",
    )
    .bind(&run.comparison)
    .bind(at_once())
    .fetch_all(&mut desk.connection)
    .await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let before = |row: &Row| {
        let state = lists::state(row.try_get(1)?, row.try_get(2)?)?;
        lifecycle::retired(&state).map_err(|refused| Trouble::Damaged(refused.to_string()))?;
        Ok::<(i64, String), Trouble>((row.try_get(0)?, json(&state)?))
    };
    let mut ended = rows.iter().map(before).collect::<Result<Vec<_>, _>>()?;
    ended.sort_unstable();
    let ids: Vec<i64> = ended.iter().map(|(id, _)| *id).collect();
    // Office, escalation and the repair that waits stay as they are: they count again when it comes back.
    query(
        "update discrepancy set state = 'closed', accepted_until = null, last_run = $2
          where id in (select cast(value as bigint) from json_each($1))",
    )
    .bind(json(&ids)?)
    .bind(run.id.0)
    .execute(&mut desk.connection)
    .await?;
    let count = ids.len() as u64;
    happened(desk, subject(run.id.0), EventKind::Retired, ended, at).await?;
    Ok(Some(count))
}

/// Restores a batch of what ended because this comparison was not configured. None when nothing is left.
pub(super) async fn restore(
    desk: &mut Desk,
    comparison: String,
    turn: Turn,
    at: UtcInstant,
) -> Result<Option<()>, Trouble> {
    let row = query(
        "select coalesce(max(id), 0), coalesce(max(case when incomplete_because = $2 then null else id end), 0)
           from comparison_run where comparison = $1",
    )
    .bind(&comparison)
    .bind(NOT_CONFIGURED)
    .fetch_one(&mut desk.connection)
    .await?;
    let (last, last_compared): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    if last == last_compared {
        return Ok(None);
    }
    let run = ComparisonRun { id: ReconciliationId(last), comparison, started_at: at, progress: None, turn };
    holds_its_turn(&mut desk.connection, &run).await?;
    let rows = query(
        "select d.id, d.cause, e.detail, e.at from discrepancy d indexed by discrepancy_group_closed
           cross join discrepancy_event e on e.discrepancy = d.id and e.id =
                  (select max(l.id) from discrepancy_event l where l.discrepancy = d.id and l.kind = 'retired')
          where d.comparison = $1 and d.state = 'closed' and d.last_run > $2 limit $3",
    )
    .bind(&run.comparison)
    .bind(last_compared)
    .bind(at_once())
    .fetch_all(&mut desk.connection)
    .await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let mut returned = Vec::new();
    let mut alike: BTreeMap<(&str, Option<String>, i64), Vec<i64>> = BTreeMap::new();
    for row in &rows {
        let (id, before): (i64, State) = (row.try_get(0)?, serde_json::from_str(row.try_get(2)?)?);
        let state = lifecycle::restored(before, lists::cause(row.try_get(1)?)?);
        let until = match &state {
            State::Accepted { until } => until.map(|day| day.to_string()),
            _ => None,
        };
        returned.push((id, json(&state)?));
        alike.entry((state.name(), until, row.try_get(3)?)).or_default().push(id);
    }
    for ((state, until, since), ids) in alike {
        // Days on which nobody had to act are not counted against anybody.
        query(
            "update discrepancy set state = $2, accepted_until = $3, opened_at = opened_at + $4
              where id in (select cast(value as bigint) from json_each($1))",
        )
        .bind(json(&ids)?)
        .bind(state)
        .bind(until)
        .bind(at.unix_micros().saturating_sub(since).max(0))
        .execute(&mut desk.connection)
        .await?;
    }
    returned.sort_unstable();
    happened(desk, subject(last), EventKind::Restored, returned, at).await?;
    Ok(Some(()))
}

async fn happened(
    desk: &mut Desk,
    subject: String,
    kind: EventKind,
    states: Vec<(i64, String)>,
    at: UtcInstant,
) -> Result<(), Trouble> {
    let ids: Vec<i64> = states.iter().map(|(id, _)| *id).collect();
    let now = at.unix_micros();
    EVENTS
        .run(&mut desk.connection, states, |(id, state), values| {
            values.push(id).push(now).push(kind.name()).push(None::<i64>).push(OURSELVES.to_owned());
            values.push(None::<String>).push(state);
        })
        .await?;
    let detail = json(&serde_json::json!({ kind.name(): ids }))?;
    desk.audit(vec![Entry::new("discrepancies_noted", subject, detail)], now).await
}

fn at_once() -> i64 {
    i64::try_from(AT_ONCE).unwrap_or(i64::MAX)
}

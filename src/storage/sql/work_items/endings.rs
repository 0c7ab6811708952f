//! The end of a run: what it did not see again is closed, acceptances whose day has passed end.

use canonical::values::{CalendarDate, UtcInstant};

use super::lists::{self, RUN};
use super::notes::{AT_ONCE, counted, holds_its_turn, run_events, subject};
use crate::clock::italian_day;
use crate::discrepancy::lifecycle;
use crate::storage::sql::audit::Entry;
use crate::storage::sql::connection::{Row, query};
use crate::storage::sql::desk::Desk;
use crate::storage::sql::rows::{json, stored};
use crate::storage::sql::trouble::Trouble;
use crate::storage::{Changes, ComparisonRun, EventKind, RunResult, RunSummary};

/// Ends a run.
pub(super) async fn finish(
    desk: &mut Desk,
    run: ComparisonRun,
    result: RunResult,
    at: UtcInstant,
) -> Result<RunSummary, Trouble> {
    holds_its_turn(&mut desk.connection, &run).await?;
    let RunResult { counts, incomplete_because, evidence } = result;
    let complete = incomplete_because.is_none();
    query("delete from held_back where run = $1").bind(run.id.0).execute(&mut desk.connection).await?;
    end_acceptances(desk, &run, at).await?;
    let (open, explained, accepted) = lists::standing_counts(&mut desk.connection, &run.comparison).await?;
    let ended = query(
        "update comparison_run set finished_at = $2, heard_at = $2, progress = null, complete = $3,
                incomplete_because = $4, expected = $5, observed = $6, equal = $7, different = $8, explained = $9,
                missing_there = $10, missing_here = $11, on_its_way = $12, stopped = $13, open_items = $14,
                explained_items = $15, accepted_items = $16, evidence = coalesce($17, evidence), not_read = $18
          where id = $1 and finished_at is null",
    )
    .bind(run.id.0)
    .bind(at.unix_micros())
    .bind(complete)
    .bind(incomplete_because)
    .bind(stored(counts.expected))
    .bind(stored(counts.observed))
    .bind(stored(counts.equal))
    .bind(stored(counts.different))
    .bind(stored(counts.explained))
    .bind(stored(counts.missing_there))
    .bind(stored(counts.missing_here))
    .bind(stored(counts.on_its_way))
    .bind(stored(counts.stopped))
    .bind(stored(open))
    .bind(stored(explained))
    .bind(stored(accepted))
    .bind(evidence)
    .bind(stored(counts.not_read))
    .execute(&mut desk.connection)
    .await?;
    if ended.rows_affected() != 1 {
        return Err(Trouble::Refused(format!("the comparison {} has ended", run.id)));
    }
    let row = query(RUN).bind(run.id.0).fetch_one(&mut desk.connection).await?;
    let summary = lists::run(&row)?;
    let detail = serde_json::json!({
        "comparison": run.comparison, "complete": complete, "counts": counts, "changes": summary.changes,
    });
    desk.audit(vec![Entry::new("reconciled", subject(run.id.0), json(&detail)?)], at.unix_micros()).await?;
    Ok(summary)
}

/// Closes a batch of what a complete run did not see. None when nothing is left.
pub(super) async fn close_unseen(desk: &mut Desk, run: ComparisonRun, at: UtcInstant) -> Result<Option<()>, Trouble> {
    holds_its_turn(&mut desk.connection, &run).await?;
    let rows = query(
        "select id, state, accepted_until from discrepancy indexed by discrepancy_group
          where comparison = $1 and state <> 'closed' and last_run <> $2 limit $3",
    )
    .bind(&run.comparison)
    .bind(run.id.0)
    .bind(i64::try_from(AT_ONCE).unwrap_or(i64::MAX))
    .fetch_all(&mut desk.connection)
    .await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let id = |row: &Row| {
        let state = lists::state(row.try_get(1)?, row.try_get(2)?)?;
        lifecycle::not_seen(&state).map_err(|refused| Trouble::Damaged(refused.to_string()))?;
        Ok::<i64, Trouble>(row.try_get(0)?)
    };
    let mut ids = rows.iter().map(id).collect::<Result<Vec<_>, _>>()?;
    ids.sort_unstable();
    query(
        "update discrepancy set state = 'closed', accepted_until = null, repair_by = null
          where id in (select cast(value as bigint) from json_each($1))",
    )
    .bind(json(&ids)?)
    .execute(&mut desk.connection)
    .await?;
    let changes = Changes { closed: ids.len() as u64, ..Changes::default() };
    happened_to(desk, run.id.0, ids, EventKind::Closed, at.unix_micros()).await?;
    counted(desk, &run, None, changes, at).await?;
    Ok(Some(()))
}

/// Ends the acceptances whose day has passed, of what this run could not see too.
async fn end_acceptances(desk: &mut Desk, run: &ComparisonRun, at: UtcInstant) -> Result<(), Trouble> {
    let today: CalendarDate = italian_day(at);
    let rows = query(
        "select id from discrepancy indexed by discrepancy_group
          where comparison = $1 and state <> 'closed' and state = 'accepted' and accepted_until < $2",
    )
    .bind(&run.comparison)
    .bind(today.to_string())
    .fetch_all(&mut desk.connection)
    .await?;
    let ids = rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<i64>, Trouble>>()?;
    if ids.is_empty() {
        return Ok(());
    }
    query(
        "update discrepancy set state = case when cause is null then 'open' else 'explained' end, accepted_until = null,
                opened_at = $2, escalated_at = null
          where id in (select cast(value as bigint) from json_each($1))",
    )
    .bind(json(&ids)?)
    .bind(at.unix_micros())
    .execute(&mut desk.connection)
    .await?;
    happened_to(desk, run.id.0, ids, EventKind::AcceptanceEnded, at.unix_micros()).await
}

async fn happened_to(desk: &mut Desk, run: i64, ids: Vec<i64>, kind: EventKind, now: i64) -> Result<(), Trouble> {
    let detail = json(&serde_json::json!({ kind.name(): ids }))?;
    let events = ids.into_iter().map(|id| (id, kind, None)).collect();
    run_events(&mut desk.connection, run, events, now).await?;
    desk.audit(vec![Entry::new("discrepancies_noted", subject(run), detail)], now).await
}

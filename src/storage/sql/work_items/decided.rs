//! What people decide about work items, in one transaction with who and why in the chain.

use canonical::values::UtcInstant;

use super::notes::{AT_ONCE, EVENTS};
use super::{lists, persons, repairs};
use crate::clock::italian_day;
use crate::discrepancy::lifecycle::{self, DecisionRefused, EventKind};
use crate::discrepancy::{Cause, State};
use crate::storage::sql::audit::Entry;
use crate::storage::sql::connection::{Row, query};
use crate::storage::sql::desk::Desk;
use crate::storage::sql::rows::{json, stored};
use crate::storage::sql::trouble::Trouble;
use crate::storage::work_items::Act;
use crate::storage::{Chosen, DecidedItems, Decision, ItemFilter, Person, SignOff};

/// What a decision depends on.
struct Standing {
    id: i64,
    state: State,
    cause: Option<Cause>,
    is_escalated: bool,
    repair_by: Option<String>,
}

/// Decides about work items.
pub(super) async fn decide(
    desk: &mut Desk,
    decision: Decision,
    about: Chosen,
    at: UtcInstant,
) -> Result<DecidedItems, Trouble> {
    named(&decision.by)?;
    if matches!(decision.act, Act::RequestRepair | Act::ApproveRepair) && !persons::is_plain(&decision.by.name) {
        let problem = "who asks for a repair, or approves one, is named in plain letters, as the system names users";
        return Err(Trouble::Refused(problem.to_owned()));
    }
    let mut decided = DecidedItems::default();
    match about {
        Chosen::Ids(ids) => {
            for ids in ids.chunks(AT_ONCE) {
                decide_batch(desk, &decision, ids, &mut decided, at).await?;
            }
        }
        Chosen::Filter(filter) => {
            let mut after = None;
            loop {
                let ids = page(desk, &filter, after).await?;
                let Some(last) = ids.last() else { break };
                after = Some(*last);
                decide_batch(desk, &decision, &ids, &mut decided, at).await?;
            }
        }
    }
    Ok(decided)
}

async fn page(desk: &mut Desk, filter: &ItemFilter, after: Option<i64>) -> Result<Vec<i64>, Trouble> {
    let limit = u32::try_from(AT_ONCE).unwrap_or(u32::MAX);
    let items = lists::items(&mut desk.connection, filter, after, limit).await?;
    Ok(items.into_iter().map(|item| item.id).collect())
}

async fn decide_batch(
    desk: &mut Desk,
    decision: &Decision,
    ids: &[i64],
    decided: &mut DecidedItems,
    at: UtcInstant,
) -> Result<(), Trouble> {
    let rows = query(
        "select id, state, accepted_until, cause, escalated_at, repair_by from discrepancy
          where id in (select cast(value as bigint) from json_each($1)) order by id",
    )
    .bind(json(&ids)?)
    .fetch_all(&mut desk.connection)
    .await?;
    let unknown = ids.len().saturating_sub(rows.len());
    if unknown > 0 {
        let count = decided.refused.entry("there is no work item of this number".to_owned()).or_default();
        *count += unknown as u64;
    }
    let mut changed = Vec::new();
    for row in &rows {
        let standing = standing(row)?;
        match admits(&standing, decision, at) {
            Ok(()) => changed.push(standing.id),
            Err(refused) => *decided.refused.entry(refused.to_string()).or_default() += 1,
        }
    }
    if changed.is_empty() {
        return Ok(());
    }
    let now = at.unix_micros();
    if matches!(decision.act, Act::Repair | Act::ApproveRepair) {
        repairs::begin(desk, &changed, &decision.by, now).await?;
    }
    let (kind, detail) = apply(desk, &decision.act, &decision.by, &changed, now).await?;
    let events = changed.clone();
    EVENTS
        .run(&mut desk.connection, events, |id, values| {
            values.push(id).push(now).push(kind.name()).push(None::<i64>).push(decision.by.name.clone());
            values.push(decision.by.reason.clone()).push(detail.clone());
        })
        .await?;
    let told = serde_json::json!({
        "decision": decision.act.name(), "by": decision.by.name, "why": decision.by.reason,
        "detail": detail, "items": changed,
    });
    desk.audit(vec![Entry::new("decided", "discrepancies", json(&told)?)], now).await?;
    decided.changed.extend(changed);
    Ok(())
}

fn standing(row: &Row) -> Result<Standing, Trouble> {
    Ok(Standing {
        id: row.try_get(0)?,
        state: lists::state(row.try_get(1)?, row.try_get(2)?)?,
        cause: lists::cause(row.try_get(3)?)?,
        is_escalated: row.try_get::<Option<i64>>(4)?.is_some(),
        repair_by: row.try_get(5)?,
    })
}

fn admits(item: &Standing, decision: &Decision, at: UtcInstant) -> Result<(), DecisionRefused> {
    match &decision.act {
        Act::Accept { until } => lifecycle::accept(&item.state, *until, italian_day(at)).map(drop),
        Act::Escalate => lifecycle::escalate(&item.state, item.is_escalated),
        Act::Reopen => lifecycle::end_acceptance(&item.state, item.cause).map(drop),
        Act::RequestRepair if item.repair_by.is_some() => Err(DecisionRefused::RepairWaits),
        Act::Assign { .. } | Act::Repair | Act::RequestRepair => lifecycle::act_upon(&item.state),
        Act::ApproveRepair => {
            lifecycle::approve(&item.state, item.repair_by.as_deref(), &decision.by.name)?;
            let is_same = item.repair_by.as_deref().is_some_and(|asked| persons::may_be_one(asked, &decision.by.name));
            if is_same { Err(DecisionRefused::SamePerson) } else { Ok(()) }
        }
    }
}

/// Writes what was decided. The event, and what is to be told with it.
async fn apply(
    desk: &mut Desk,
    act: &Act,
    by: &Person,
    ids: &[i64],
    now: i64,
) -> Result<(EventKind, Option<String>), Trouble> {
    let ids = json(&ids)?;
    let (statement, kind, detail) = match act {
        Act::Accept { until } => (
            query(
                "update discrepancy set state = 'accepted', accepted_until = $2, repair_by = null
                  where id in (select cast(value as bigint) from json_each($1))",
            )
            .bind(&ids)
            .bind(until.map(|day| day.to_string())),
            EventKind::Accepted,
            until.map(|day| day.to_string()),
        ),
        Act::Assign { office } => (
            query(
                "update discrepancy set office = $2
                  where id in (select cast(value as bigint) from json_each($1))",
            )
            .bind(&ids)
            .bind(office),
            EventKind::Assigned,
            Some(office.clone()),
        ),
        Act::Escalate => (
            query(
                "update discrepancy set escalated_at = $2
                  where id in (select cast(value as bigint) from json_each($1))",
            )
            .bind(&ids)
            .bind(now),
            EventKind::Escalated,
            None,
        ),
        Act::Reopen => (
            query(
                "update discrepancy set state = case when cause is null then 'open' else 'explained' end,
                        accepted_until = null, opened_at = $2, escalated_at = null
                  where id in (select cast(value as bigint) from json_each($1))",
            )
            .bind(&ids)
            .bind(now),
            EventKind::AcceptanceEnded,
            None,
        ),
        Act::RequestRepair => (
            query(
                "update discrepancy set repair_by = $2
                  where id in (select cast(value as bigint) from json_each($1))",
            )
            .bind(&ids)
            .bind(&by.name),
            EventKind::RepairRequested,
            None,
        ),
        Act::ApproveRepair | Act::Repair => (
            query(
                "update discrepancy set repair_by = null
                  where id in (select cast(value as bigint) from json_each($1))",
            )
            .bind(&ids),
            EventKind::Repaired,
            None,
        ),
    };
    statement.execute(&mut desk.connection).await?;
    Ok((kind, detail))
}

/// Signs a period off.
pub(super) async fn sign_off(desk: &mut Desk, period: String, by: Person, at: UtcInstant) -> Result<SignOff, Trouble> {
    named(&by)?;
    if !is_period(&period) {
        return Err(Trouble::Refused("a period is a month, 2026-11, or a year, 2026".to_owned()));
    }
    let (open, explained, accepted) = lists::standing_counts(&mut desk.connection, "").await?;
    query(
        "insert into sign_off (period, at, who, reason, open_items, explained_items, accepted_items)
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&period)
    .bind(at.unix_micros())
    .bind(&by.name)
    .bind(&by.reason)
    .bind(stored(open))
    .bind(stored(explained))
    .bind(stored(accepted))
    .execute(&mut desk.connection)
    .await?;
    let signed = SignOff { period, who: by.name, reason: by.reason, at, open, explained, accepted };
    let entry = Entry::new("signed_off", format!("period/{}", signed.period), json(&signed)?);
    desk.audit(vec![entry], at.unix_micros()).await?;
    Ok(signed)
}

fn is_period(text: &str) -> bool {
    let (year, month) = text.split_once('-').map_or((text, None), |(year, month)| (year, Some(month)));
    let is_number = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_month = |text: &str| is_number(text, 2) && ("01"..="12").contains(&text);
    is_number(year, 4) && month.is_none_or(is_month)
}

fn named(by: &Person) -> Result<(), Trouble> {
    if by.name.trim().is_empty() || by.reason.trim().is_empty() {
        return Err(Trouble::Refused("a decision has a name and a reason".to_owned()));
    }
    Ok(())
}

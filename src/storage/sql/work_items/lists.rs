//! What people read of work items: groups, items, history, runs.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use canonical::values::{CalendarDate, Importo};
use canonical::{Digest, Rule, Severity};

use super::filtered::{self, Part};
use super::notes::severity_number;
use crate::discrepancy::{Act, Cause, Discrepancy, Group, Shape, State, WorkItem};
use crate::storage::sql::connection::{Connection, Row, query};
use crate::storage::sql::rows::{count, instant, optional_instant, stored};
use crate::storage::sql::trouble::Trouble;
use crate::storage::{
    Changes, EventKind, ItemEvent, ItemFilter, ReconciliationCounts, ReconciliationId, RunSummary, SignOff,
};

const ITEM: &str = concat!(item_columns!(), " where d.id = $1");

pub(super) async fn groups(connection: &mut Connection, filter: &ItemFilter) -> Result<Vec<Group>, Trouble> {
    let mut groups: Vec<Group> = Vec::new();
    let mut places = HashMap::new();
    for part in Part::of(filter) {
        let rows = filtered::groups(*part, filter).fetch_all(connection).await?;
        for group in rows.iter().map(group) {
            let group = group?;
            let place = (
                group.comparison.clone(),
                group.rule,
                group.cause,
                group.field.clone(),
                group.against.clone(),
                group.shape,
            );
            match places.entry(place) {
                Entry::Vacant(place) => {
                    place.insert(groups.len());
                    groups.push(group);
                }
                Entry::Occupied(place) => add(&mut groups[*place.get()], &group),
            }
        }
    }
    groups.sort_by(|a, b| {
        let weight = |group: &Group| (group.cause.is_none(), group.severity, group.at_stake, group.count);
        weight(b).cmp(&weight(a)).then_with(|| (a.rule, &a.comparison).cmp(&(b.rule, &b.comparison)))
    });
    Ok(groups)
}

/// What is closed of a group, beside what stands of it.
fn add(group: &mut Group, other: &Group) {
    group.severity = group.severity.max(other.severity);
    group.count += other.count;
    group.new += other.new;
    group.at_stake = group.at_stake.checked_add(other.at_stake).unwrap_or(group.at_stake);
    group.oldest = group.oldest.min(other.oldest);
    group.deadline = [group.deadline, other.deadline].into_iter().flatten().min();
}

fn group(row: &Row) -> Result<Group, Trouble> {
    // In two parts, because databases differ in what a sum may be.
    let (millions, cents): (i64, i64) = (row.try_get(9)?, row.try_get(10)?);
    Ok(Group {
        comparison: row.try_get(0)?,
        rule: rule(row.try_get(1)?)?,
        cause: cause(row.try_get(2)?)?,
        field: row.try_get(3)?,
        against: row.try_get(4)?,
        shape: shape(row.try_get(5)?)?,
        severity: severity(row.try_get(6)?)?,
        count: count(row.try_get(7)?),
        new: count(row.try_get(8)?),
        at_stake: Importo::from_cents(millions.saturating_mul(100_000_000).saturating_add(cents)),
        oldest: instant(row.try_get(11)?)?,
        deadline: day(row.try_get(12)?)?,
    })
}

pub(super) async fn items(
    connection: &mut Connection,
    filter: &ItemFilter,
    after: Option<i64>,
    limit: u32,
) -> Result<Vec<WorkItem>, Trouble> {
    let mut listed = Vec::new();
    for part in Part::of(filter) {
        let rows = filtered::items(*part, filter, after.unwrap_or(0), limit).fetch_all(connection).await?;
        listed.extend(rows.iter().map(read_item).collect::<Result<Vec<_>, _>>()?);
    }
    // Of two parts, each in order.
    listed.sort_by_key(|item| item.id);
    listed.truncate(limit as usize);
    Ok(listed)
}

pub(super) async fn count_items(connection: &mut Connection, filter: &ItemFilter) -> Result<u64, Trouble> {
    let mut counted = 0;
    for part in Part::of(filter) {
        let row = filtered::count(*part, filter).fetch_one(connection).await?;
        counted += count(row.try_get(0)?);
    }
    Ok(counted)
}

pub(super) async fn item(connection: &mut Connection, id: i64) -> Result<Option<WorkItem>, Trouble> {
    query(ITEM).bind(id).fetch_optional(connection).await?.as_ref().map(read_item).transpose()
}

/// How many columns [`read_item`] reads.
pub(super) const COLUMNS: usize = 23;

pub(super) fn read_item(row: &Row) -> Result<WorkItem, Trouble> {
    let discrepancy = Discrepancy {
        comparison: row.try_get(1)?,
        unit: row.try_get(2)?,
        row: row.try_get(3)?,
        field: row.try_get(4)?,
        rule: rule(row.try_get(5)?)?,
        severity: severity(row.try_get(6)?)?,
        shape: shape(row.try_get(7)?)?,
        against: row.try_get(8)?,
        cause: cause(row.try_get(9)?)?,
        sides: serde_json::from_str(row.try_get(10)?)?,
        at_stake: row.try_get::<Option<i64>>(11)?.map(Importo::from_cents),
        body: row.try_get(12)?,
        deadline: day(row.try_get(13)?)?,
        act: act(row.try_get(14)?)?,
    };
    Ok(WorkItem {
        id: row.try_get(0)?,
        discrepancy,
        state: state(row.try_get(15)?, row.try_get(16)?)?,
        first_seen: instant(row.try_get(17)?)?,
        last_seen: instant(row.try_get(18)?)?,
        changed_at: instant(row.try_get(19)?)?,
        reopened: row.try_get(20)?,
        office: row.try_get(21)?,
        escalated_at: optional_instant(row.try_get(22)?)?,
    })
}

pub(super) async fn history(connection: &mut Connection, id: i64) -> Result<Vec<ItemEvent>, Trouble> {
    let rows =
        query("select at, kind, run, who, reason, detail from discrepancy_event where discrepancy = $1 order by id")
            .bind(id)
            .fetch_all(connection)
            .await?;
    let event = |row: &Row| {
        let kind: &str = row.try_get(1)?;
        Ok(ItemEvent {
            at: instant(row.try_get(0)?)?,
            kind: EventKind::of_name(kind).ok_or_else(|| unknown("event", kind))?,
            run: row.try_get::<Option<i64>>(2)?.map(ReconciliationId),
            who: row.try_get(3)?,
            reason: row.try_get(4)?,
            detail: row.try_get(5)?,
        })
    };
    rows.iter().map(event).collect()
}

macro_rules! run_columns {
    () => {
        "select id, comparison, started_at, finished_at, complete, incomplete_because, expected, observed, equal,
                different, explained, missing_there, missing_here, on_its_way, stopped, opened, reopened, changed, closed, seen,
                open_items, explained_items, accepted_items, evidence, not_read
           from comparison_run "
    };
}

/// One run.
pub(super) const RUN: &str = concat!(run_columns!(), "where id = $1");
/// The last finished run of each comparison that compared something: beside the one that says that the
/// comparison is configured no more.
pub(in crate::storage::sql) const LAST_RUNS: &str = concat!(
    run_columns!(),
    "where id in (select max(id) from comparison_run
                   where finished_at is not null and coalesce(incomplete_because, '') <> $1 group by comparison)
     order by comparison"
);

pub(super) async fn runs(
    connection: &mut Connection,
    comparison: Option<&str>,
    limit: u32,
) -> Result<Vec<RunSummary>, Trouble> {
    let rows = query(concat!(run_columns!(), "where $1 = '' or comparison = $1 order by id desc limit $2"))
        .bind(comparison.unwrap_or_default())
        .bind(limit)
        .fetch_all(connection)
        .await?;
    rows.iter().map(run).collect()
}

pub(in crate::storage::sql) fn run(row: &Row) -> Result<RunSummary, Trouble> {
    let number = |column| Ok::<u64, Trouble>(count(row.try_get(column)?));
    Ok(RunSummary {
        id: ReconciliationId(row.try_get(0)?),
        comparison: row.try_get(1)?,
        started_at: instant(row.try_get(2)?)?,
        finished_at: optional_instant(row.try_get(3)?)?,
        complete: row.try_get(4)?,
        incomplete_because: row.try_get(5)?,
        counts: ReconciliationCounts {
            expected: number(6)?,
            observed: number(7)?,
            equal: number(8)?,
            different: number(9)?,
            explained: number(10)?,
            missing_there: number(11)?,
            missing_here: number(12)?,
            on_its_way: number(13)?,
            stopped: number(14)?,
            not_read: number(24)?,
        },
        changes: Changes {
            opened: number(15)?,
            reopened: number(16)?,
            changed: number(17)?,
            closed: number(18)?,
            seen: number(19)?,
        },
        open: number(20)?,
        explained: number(21)?,
        accepted: number(22)?,
        evidence: row.try_get(23)?,
    })
}

/// How many are open, explained and accepted; of all comparisons when none is named.
pub(super) async fn standing_counts(connection: &mut Connection, comparison: &str) -> Result<(u64, u64, u64), Trouble> {
    let rows = query(
        "select state, count(*) from discrepancy indexed by discrepancy_group
          where state <> 'closed' and ($1 = '' or comparison = $1) group by state",
    )
    .bind(comparison)
    .fetch_all(connection)
    .await?;
    let mut counts = (0, 0, 0);
    for row in &rows {
        let number = count(row.try_get(1)?);
        match row.try_get::<&str>(0)? {
            "open" => counts.0 = number,
            "explained" => counts.1 = number,
            "accepted" => counts.2 = number,
            other => return Err(unknown("state", other)),
        }
    }
    Ok(counts)
}

pub(super) async fn sign_offs(connection: &mut Connection, limit: u32) -> Result<Vec<SignOff>, Trouble> {
    let rows = query(
        "select period, who, reason, at, open_items, explained_items, accepted_items
           from sign_off order by id desc limit $1",
    )
    .bind(stored(limit.into()))
    .fetch_all(connection)
    .await?;
    let signed = |row: &Row| {
        Ok(SignOff {
            period: row.try_get(0)?,
            who: row.try_get(1)?,
            reason: row.try_get(2)?,
            at: instant(row.try_get(3)?)?,
            open: count(row.try_get(4)?),
            explained: count(row.try_get(5)?),
            accepted: count(row.try_get(6)?),
        })
    };
    rows.iter().map(signed).collect()
}

fn unknown(what: &str, name: &str) -> Trouble {
    Trouble::Damaged(format!("unknown {what} {name}"))
}

fn rule(code: &str) -> Result<Rule, Trouble> {
    Rule::ALL.iter().copied().find(|rule| rule.code() == code).ok_or_else(|| unknown("rule", code))
}

pub(super) fn cause(code: Option<&str>) -> Result<Option<Cause>, Trouble> {
    code.map(|code| Cause::of_code(code).ok_or_else(|| unknown("cause", code))).transpose()
}

fn shape(name: &str) -> Result<Shape, Trouble> {
    Shape::of_name(name).ok_or_else(|| unknown("shape", name))
}

fn act(name: &str) -> Result<Act, Trouble> {
    Act::of_name(name).ok_or_else(|| unknown("act", name))
}

fn severity(number: i64) -> Result<Severity, Trouble> {
    let all = [Severity::Info, Severity::Warning, Severity::Error];
    all.into_iter()
        .find(|severity| severity_number(*severity) == number)
        .ok_or_else(|| unknown("severity", &number.to_string()))
}

fn day(text: Option<&str>) -> Result<Option<CalendarDate>, Trouble> {
    text.map(CalendarDate::parse).transpose().map_err(|error| Trouble::Damaged(error.to_string()))
}

pub(super) fn state(name: &str, until: Option<&str>) -> Result<State, Trouble> {
    match name {
        "open" => Ok(State::Open),
        "explained" => Ok(State::Explained),
        "accepted" => Ok(State::Accepted { until: day(until)? }),
        "closed" => Ok(State::Closed),
        other => Err(unknown("state", other)),
    }
}

pub(super) fn digest(bytes: &[u8]) -> Result<Digest, Trouble> {
    Digest::from_bytes(bytes).ok_or_else(|| Trouble::Damaged("digest of another length".to_owned()))
}

//! What people read of work items: groups, items, history, runs.

use canonical::values::{CalendarDate, Importo};
use canonical::{Digest, Rule, Severity};

use super::notes::severity_number;
use crate::discrepancy::{Act, Cause, Discrepancy, Group, Shape, State, WorkItem};
use crate::storage::sql::connection::{Connection, Query, Row, query};
use crate::storage::sql::rows::{count, instant, optional_instant, stored};
use crate::storage::sql::trouble::Trouble;
use crate::storage::{
    CauseFilter, Changes, EventKind, FieldFilter, ItemEvent, ItemFilter, NewIn, ReconciliationCounts, ReconciliationId,
    RunSummary, SignOff, StateFilter,
};

/// The last run of every comparison: what is new is new in one of these.
macro_rules! last_runs {
    () => {
        "(select max(id) from comparison_run group by comparison)"
    };
}

/// The conditions of a filter, in the order of [`bind`]. The key stands in no index.
macro_rules! matches_filter {
    ($key:literal) => {
        concat!(
            " ($1 = '' or d.comparison = $1) and ($2 = '' or d.rule = $2)
              and ($3 = '' or ($3 = '+' and d.cause is not null) or ($3 = '-' and d.cause is null) or d.cause = $3)
              and ($4 = '' or ($4 = '-' and d.field is null) or d.field = $4)
              and ($5 = '' or d.shape = $5) and ($6 = '' or d.against = $6) and ($7 = '' or d.body = $7)
              and ($8 = '' or d.office = $8) and ($9 = '' or d.state = $9) and d.severity >= $10
              and ($11 = 0 or d.first_run = $11 or ($11 < 0 and d.first_run in ",
            last_runs!(),
            ")) and ($12 = ''",
            $key,
            ") and ($13 = 0 or d.repair_by is not null) and d.opened_at < $14
              and ($15 = 0 or d.escalated_at is null) "
        )
    };
    () => {
        matches_filter!(" or instr(d.unit_key, $12) > 0 or instr(d.row_key, $12) > 0")
    };
}

macro_rules! groups {
    ($from:literal, $filter:expr) => {
        concat!(
            "select d.comparison, d.rule, d.cause, d.field, d.against, d.shape, max(d.severity), count(*),
                    cast(sum(case when d.first_run in ",
            last_runs!(),
            " then 1 else 0 end) as bigint),
                    cast(coalesce(sum(d.at_stake / 100000000), 0) as bigint),
                    cast(coalesce(sum(d.at_stake % 100000000), 0) as bigint), min(d.first_seen), min(d.deadline)
               from discrepancy d ",
            $from,
            $filter,
            " group by d.comparison, d.rule, d.cause, d.field, d.against, d.shape"
        )
    };
}

/// All that a plain list needs stands in one index, in the order of the groups.
pub(in crate::storage::sql) const GROUPS: &str =
    groups!("indexed by discrepancy_group where d.state <> 'closed' and", matches_filter!(""));
const GROUPS_BY_KEY: &str = groups!("indexed by discrepancy_group where d.state <> 'closed' and", matches_filter!());
const GROUPS_WITH_CLOSED: &str = groups!("where", matches_filter!());

macro_rules! item_columns {
    () => {
        "select d.id, d.comparison, d.unit_key, d.row_key, d.field, d.rule, d.severity, d.shape, d.against, d.cause,
                d.sides, d.at_stake, d.body, d.deadline, d.act, d.state, d.accepted_until, d.first_seen, d.last_seen,
                d.changed_at, d.reopened, d.office, d.escalated_at
           from discrepancy d "
    };
}

const ITEMS: &str = concat!(
    item_columns!(),
    "where ($16 = 1 or d.state <> 'closed') and d.id > $17 and ",
    matches_filter!(),
    " order by d.id limit $18"
);
const ITEM: &str = concat!(item_columns!(), "where d.id = $1");
const COUNT: &str =
    concat!("select count(*) from discrepancy d where ($16 = 1 or d.state <> 'closed') and ", matches_filter!());

/// A statement with the values of a filter.
fn bind<'q>(text: &'static str, filter: &'q ItemFilter) -> Query<'q> {
    let text_of = |text: &'q Option<String>| text.as_deref().unwrap_or_default();
    let cause = match filter.cause {
        CauseFilter::Any => "",
        CauseFilter::Explained => "+",
        CauseFilter::Unexplained => "-",
        CauseFilter::Is(cause) => cause.code(),
    };
    let field = match &filter.field {
        None => "",
        Some(FieldFilter::WholeRow) => "-",
        Some(FieldFilter::Is(field)) => field,
    };
    let state = match filter.state {
        StateFilter::Standing | StateFilter::Any => "",
        StateFilter::Open => "open",
        StateFilter::Explained => "explained",
        StateFilter::Accepted => "accepted",
        StateFilter::Closed => "closed",
    };
    let new_in = match filter.new_in {
        None => 0,
        Some(NewIn::Last) => -1,
        Some(NewIn::Run(run)) => run,
    };
    query(text)
        .bind(text_of(&filter.comparison))
        .bind(filter.rule.map_or("", Rule::code))
        .bind(cause)
        .bind(field)
        .bind(filter.shape.map_or("", Shape::name))
        .bind(text_of(&filter.against))
        .bind(text_of(&filter.body))
        .bind(text_of(&filter.office))
        .bind(state)
        .bind(filter.severity.map_or(0, severity_number))
        .bind(new_in)
        .bind(text_of(&filter.key))
        .bind(i64::from(filter.to_approve))
        .bind(filter.opened_before.map_or(i64::MAX, canonical::values::UtcInstant::unix_micros))
        .bind(i64::from(filter.not_escalated))
}

fn takes_closed(filter: &ItemFilter) -> bool {
    matches!(filter.state, StateFilter::Closed | StateFilter::Any)
}

pub(super) async fn groups(connection: &mut Connection, filter: &ItemFilter) -> Result<Vec<Group>, Trouble> {
    let text = match (takes_closed(filter), &filter.key) {
        (true, _) => GROUPS_WITH_CLOSED,
        (false, Some(_)) => GROUPS_BY_KEY,
        (false, None) => GROUPS,
    };
    let rows = bind(text, filter).fetch_all(connection).await?;
    let mut groups = rows.iter().map(group).collect::<Result<Vec<_>, _>>()?;
    groups.sort_by(|a, b| {
        let weight = |group: &Group| (group.cause.is_none(), group.severity, group.at_stake, group.count);
        weight(b).cmp(&weight(a)).then_with(|| (a.rule, &a.comparison).cmp(&(b.rule, &b.comparison)))
    });
    Ok(groups)
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
    let listed = bind(ITEMS, filter).bind(i64::from(takes_closed(filter))).bind(after.unwrap_or(0)).bind(limit);
    listed.fetch_all(connection).await?.iter().map(read_item).collect()
}

pub(super) async fn count_items(connection: &mut Connection, filter: &ItemFilter) -> Result<u64, Trouble> {
    let row = bind(COUNT, filter).bind(i64::from(takes_closed(filter))).fetch_one(connection).await?;
    Ok(count(row.try_get(0)?))
}

pub(super) async fn item(connection: &mut Connection, id: i64) -> Result<Option<WorkItem>, Trouble> {
    query(ITEM).bind(id).fetch_optional(connection).await?.as_ref().map(read_item).transpose()
}

fn read_item(row: &Row) -> Result<WorkItem, Trouble> {
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
                open_items, explained_items, accepted_items
           from comparison_run "
    };
}

/// One run.
pub(super) const RUN: &str = concat!(run_columns!(), "where id = $1");
/// The last finished run of each comparison.
pub(in crate::storage::sql) const LAST_RUNS: &str = concat!(
    run_columns!(),
    "where id in (select max(id) from comparison_run where finished_at is not null group by comparison)
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

//! What runs write: batches of what they found.

use std::collections::{BTreeMap, HashMap, HashSet};

use canonical::values::UtcInstant;
use canonical::{Digest, Severity};

use super::lists;
use crate::clock::{between, italian_day};
use crate::discrepancy::lifecycle::{self, Standing};
use crate::discrepancy::{Discrepancy, Shape, State};
use crate::storage::sql::audit::Entry;
use crate::storage::sql::bulk::Bulk;
use crate::storage::sql::connection::{Connection, query, query_scalar};
use crate::storage::sql::desk::Desk;
use crate::storage::sql::rows::{instant, json, stored};
use crate::storage::sql::trouble::Trouble;
use crate::storage::work_items::TAKEN_UP_WITHIN;
use crate::storage::{Changes, ComparisonRun, EventKind, ReconciliationId, Turn};

/// Work items looked at in one statement: bounded memory, however many there are.
pub(super) const AT_ONCE: usize = 1_000;

/// A new run, or the one that was killed. One that was killed too long ago ends as incomplete.
pub(super) async fn begin(
    desk: &mut Desk,
    comparison: String,
    turn: Turn,
    at: UtcInstant,
) -> Result<ComparisonRun, Trouble> {
    let row = query(
        "select id, started_at, heard_at, progress from comparison_run
          where comparison = $1 and finished_at is null",
    )
    .bind(&comparison)
    .fetch_optional(&mut desk.connection)
    .await?;
    if let Some(row) = row {
        let id: i64 = row.try_get(0)?;
        if between(instant(row.try_get(2)?)?, at) <= TAKEN_UP_WITHIN {
            let entry = Entry::new("comparison_taken_up", subject(id), json(&comparison)?);
            desk.audit(vec![entry], at.unix_micros()).await?;
            let started_at = instant(row.try_get(1)?)?;
            let progress = row.try_get(3)?;
            return Ok(ComparisonRun { id: ReconciliationId(id), comparison, started_at, progress, turn });
        }
        cut_short(desk, id).await?;
    }
    let id: i64 =
        query_scalar("insert into comparison_run (comparison, started_at, heard_at) values ($1, $2, $2) returning id")
            .bind(&comparison)
            .bind(at.unix_micros())
            .fetch_one(&mut desk.connection)
            .await?;
    let entry = Entry::new("comparison_begun", subject(id), json(&comparison)?);
    desk.audit(vec![entry], at.unix_micros()).await?;
    Ok(ComparisonRun { id: ReconciliationId(id), comparison, started_at: at, progress: None, turn })
}

/// Ends a run that was killed and is not taken up.
pub(super) async fn cut_short(desk: &mut Desk, id: i64) -> Result<(), Trouble> {
    query("update comparison_run set finished_at = heard_at, incomplete_because = $2 where id = $1")
        .bind(id)
        .bind("the comparison was killed and not taken up again in time")
        .execute(&mut desk.connection)
        .await?;
    query("delete from held_back where run = $1").bind(id).execute(&mut desk.connection).await?;
    Ok(())
}

/// What is known of a work item before a run sees it again.
struct Known {
    id: i64,
    standing: Standing,
    /// All that is told of it besides its values.
    told: Told,
    changed_at: i64,
    opened_at: i64,
    reopened: i64,
    escalated_at: Option<i64>,
    repair_by: Option<String>,
}

/// A discrepancy that waits for the end of its run, with the digests that no side takes with it.
#[derive(serde::Serialize, serde::Deserialize)]
struct HeldBack {
    found: Discrepancy,
    seen: Vec<Option<String>>,
}

impl HeldBack {
    fn of(found: &Discrepancy) -> Self {
        let seen = found.sides.iter().map(|side| side.seen.as_ref().map(ToString::to_string)).collect();
        Self { found: found.clone(), seen }
    }

    fn found(self) -> Discrepancy {
        let mut found = self.found;
        for (side, seen) in found.sides.iter_mut().zip(self.seen) {
            side.seen = seen.and_then(|seen| Digest::from_hex(&seen));
        }
        found
    }
}

#[derive(PartialEq, Eq)]
struct Told {
    severity: i64,
    cause: Option<String>,
    sides: String,
    at_stake: Option<i64>,
    body: Option<String>,
    deadline: Option<String>,
    act: String,
}

impl Told {
    fn of(found: &Discrepancy) -> Result<Self, Trouble> {
        Ok(Self {
            severity: severity_number(found.severity),
            cause: found.cause.map(|cause| cause.code().to_owned()),
            // Whoever found it: no personal code is kept with what people look at.
            sides: json(&found.for_people().sides)?,
            at_stake: found.at_stake.map(canonical::values::Importo::cents),
            body: found.body.clone(),
            deadline: found.deadline.map(|day| day.to_string()),
            act: found.act.name().to_owned(),
        })
    }
}

/// A work item as it is to be written.
struct Written {
    identity: Digest,
    found: Discrepancy,
    told: Told,
    values: Digest,
    state: State,
    events: Vec<EventKind>,
    changed_at: i64,
    opened_at: i64,
    reopened: i64,
    escalated_at: Option<i64>,
    repair_by: Option<String>,
}

static UPSERT: Bulk = Bulk::new(
    "insert into discrepancy (identity, comparison, unit_key, row_key, field, rule, severity, shape, against, cause,
            sides, at_stake, body, deadline, act, content, state, accepted_until, first_seen, last_seen, changed_at,
            opened_at, reopened, escalated_at, repair_by, first_run, last_run)",
    27,
    "on conflict (identity) do update set
            severity = excluded.severity, cause = excluded.cause, sides = excluded.sides,
            at_stake = excluded.at_stake, body = excluded.body, deadline = excluded.deadline, act = excluded.act,
            content = excluded.content, state = excluded.state, accepted_until = excluded.accepted_until,
            last_seen = excluded.last_seen, changed_at = excluded.changed_at, opened_at = excluded.opened_at,
            reopened = excluded.reopened, escalated_at = excluded.escalated_at, repair_by = excluded.repair_by,
            last_run = excluded.last_run",
);

static HELD_BACK: Bulk = Bulk::new("insert into held_back (run, discrepancy)", 2, "");

pub(super) static EVENTS: Bulk =
    Bulk::new("insert into discrepancy_event (discrepancy, at, kind, run, who, reason, detail)", 7, "");

/// Notes what a run found.
pub(super) async fn note(
    desk: &mut Desk,
    run: ComparisonRun,
    found: Vec<Discrepancy>,
    progress: String,
    at: UtcInstant,
) -> Result<Changes, Trouble> {
    holds_its_turn(&mut desk.connection, &run).await?;
    if let Some(stray) = found.iter().find(|found| found.comparison != run.comparison) {
        return Err(Trouble::Refused(format!("a run of {} does not note {}", run.comparison, stray.comparison)));
    }
    let (missing, found): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| found.shape == Shape::MissingThere);
    let missing = missing.iter().map(HeldBack::of).map(|held| json(&held)).collect::<Result<Vec<_>, _>>()?;
    HELD_BACK
        .run(&mut desk.connection, missing, |missing, values| {
            values.push(run.id.0).push(missing);
        })
        .await?;
    let changes = note_all(desk, run.id.0, found, at).await?;
    counted(desk, &run, (!progress.is_empty()).then_some(progress), changes, at).await?;
    Ok(changes)
}

/// Notes a batch of what was held back. None when nothing is left.
pub(super) async fn note_held_back(desk: &mut Desk, run: ComparisonRun, at: UtcInstant) -> Result<Option<()>, Trouble> {
    holds_its_turn(&mut desk.connection, &run).await?;
    let rows = query("select id, discrepancy from held_back where run = $1 order by id limit $2")
        .bind(run.id.0)
        .bind(i64::try_from(AT_ONCE).unwrap_or(i64::MAX))
        .fetch_all(&mut desk.connection)
        .await?;
    let Some(last) = rows.last() else { return Ok(None) };
    let last: i64 = last.try_get(0)?;
    let found = rows.iter().map(|row| Ok(serde_json::from_str::<HeldBack>(row.try_get(1)?)?.found()));
    let found = found.collect::<Result<Vec<Discrepancy>, Trouble>>()?;
    let changes = note_all(desk, run.id.0, found, at).await?;
    query("delete from held_back where run = $1 and id <= $2")
        .bind(run.id.0)
        .bind(last)
        .execute(&mut desk.connection)
        .await?;
    counted(desk, &run, None, changes, at).await?;
    Ok(Some(()))
}

/// Writes down on which list a run rests.
pub(super) async fn rest_on(desk: &mut Desk, run: ComparisonRun, evidence: String) -> Result<(), Trouble> {
    holds_its_turn(&mut desk.connection, &run).await?;
    query("update comparison_run set evidence = $2 where id = $1 and finished_at is null")
        .bind(run.id.0)
        .bind(evidence)
        .execute(&mut desk.connection)
        .await?;
    Ok(())
}

/// Leaves what is known of units as it is: nothing can be said of them now.
pub(super) async fn keep(desk: &mut Desk, run: ComparisonRun, units: Vec<String>) -> Result<(), Trouble> {
    holds_its_turn(&mut desk.connection, &run).await?;
    let units: Vec<_> = units.into_iter().map(|unit| [unit]).collect();
    query(
        "update discrepancy set last_run = $3
          where id in (select d.id from json_each($2) u
                        cross join discrepancy d on d.comparison = $1 and d.unit_key = u.value ->> 0
                          and d.state <> 'closed')",
    )
    .bind(&run.comparison)
    .bind(json(&units)?)
    .bind(run.id.0)
    .execute(&mut desk.connection)
    .await?;
    Ok(())
}

async fn note_all(desk: &mut Desk, run: i64, found: Vec<Discrepancy>, at: UtcInstant) -> Result<Changes, Trouble> {
    let mut changes = Changes::default();
    let mut found = found.into_iter();
    loop {
        let mut seen = HashSet::new();
        let batch: Vec<_> = found.by_ref().take(AT_ONCE).map(|found| (found.identity(), found)).collect();
        if batch.is_empty() {
            return Ok(changes);
        }
        // The same twice is once; the order in which they were found is that of their numbers.
        let batch = batch.into_iter().filter(|(identity, _)| seen.insert(*identity.as_bytes())).collect();
        let batch = note_batch(desk, run, batch, at).await?;
        changes.opened += batch.opened;
        changes.reopened += batch.reopened;
        changes.changed += batch.changed;
        changes.seen += batch.seen;
    }
}

/// Adds to the counts of a run that is under way, with how far it has come.
pub(super) async fn counted(
    desk: &mut Desk,
    run: &ComparisonRun,
    progress: Option<String>,
    changes: Changes,
    at: UtcInstant,
) -> Result<(), Trouble> {
    let noted = query(
        "update comparison_run set progress = coalesce($2, progress), heard_at = $3, opened = opened + $4, reopened = reopened + $5,
                changed = changed + $6, seen = seen + $7, closed = closed + $8
          where id = $1 and finished_at is null",
    )
    .bind(run.id.0)
    .bind(progress)
    .bind(at.unix_micros())
    .bind(stored(changes.opened))
    .bind(stored(changes.reopened))
    .bind(stored(changes.changed))
    .bind(stored(changes.seen))
    .bind(stored(changes.closed))
    .execute(&mut desk.connection)
    .await?;
    if noted.rows_affected() != 1 {
        return Err(Trouble::Refused(format!("the comparison {} has ended", run.id)));
    }
    Ok(())
}

async fn note_batch(
    desk: &mut Desk,
    run: i64,
    batch: Vec<(Digest, Discrepancy)>,
    at: UtcInstant,
) -> Result<Changes, Trouble> {
    let now = at.unix_micros();
    let today = italian_day(at);
    let mut known = known(&mut desk.connection, &batch).await?;
    let mut changes = Changes { seen: batch.len() as u64, ..Changes::default() };
    let mut as_before = Vec::new();
    let mut written = Vec::new();
    for (identity, found) in batch {
        let before = known.remove(identity.as_bytes());
        let (state, events) = lifecycle::seen(before.as_ref().map(|known| &known.standing), &found, today);
        let told = Told::of(&found)?;
        if let Some(before) = &before
            && events.is_empty()
            && before.told == told
        {
            as_before.push(before.id);
            continue;
        }
        let happened = |kind| events.contains(&kind);
        let (is_new, is_back, is_changed) =
            (happened(EventKind::Opened), happened(EventKind::Reopened), happened(EventKind::Changed));
        changes.opened += u64::from(is_new);
        changes.reopened += u64::from(is_back);
        changes.changed += u64::from(is_changed);
        let last = before.as_ref();
        // Days on which nobody had to act are not counted against anybody.
        let counts_anew =
            is_back || (state == State::Open && last.is_some_and(|last| last.standing.state != State::Open));
        let has_other_values = last.is_none_or(|last| last.standing.values != found.values());
        written.push(Written {
            identity,
            values: found.values(),
            changed_at: last.filter(|_| !has_other_values).map_or(now, |last| last.changed_at),
            opened_at: last.filter(|_| !counts_anew).map_or(now, |last| last.opened_at),
            reopened: last.map_or(0, |last| last.reopened) + i64::from(is_back),
            escalated_at: last.filter(|_| !counts_anew).and_then(|last| last.escalated_at),
            // What was asked for was asked for with other values.
            repair_by: last.filter(|_| !has_other_values && !is_back).and_then(|last| last.repair_by.clone()),
            found,
            told,
            state,
            events,
        });
    }
    if !as_before.is_empty() {
        query(
            "update discrepancy set last_seen = $2, last_run = $3
              where id in (select cast(value as bigint) from json_each($1))",
        )
        .bind(json(&as_before)?)
        .bind(now)
        .bind(run)
        .execute(&mut desk.connection)
        .await?;
    }
    write(desk, run, written, now).await?;
    Ok(changes)
}

async fn known(
    connection: &mut Connection,
    batch: &[(Digest, Discrepancy)],
) -> Result<HashMap<[u8; 32], Known>, Trouble> {
    let identities: Vec<_> = batch.iter().map(|(identity, _)| [identity.to_string()]).collect();
    let rows = query(
        "select d.identity, d.id, d.state, d.accepted_until, d.cause, d.content, d.severity, d.sides, d.at_stake, d.body,
                d.deadline, d.act, d.changed_at, d.opened_at, d.reopened, d.escalated_at, d.repair_by
           from json_each($1) i cross join discrepancy d on d.identity = unhex(i.value ->> 0)",
    )
    .bind(json(&identities)?)
    .fetch_all(connection)
    .await?;
    let mut known = HashMap::with_capacity(rows.len());
    for row in &rows {
        let cause: Option<String> = row.try_get(4)?;
        let standing = Standing {
            state: lists::state(row.try_get(2)?, row.try_get(3)?)?,
            cause: lists::cause(cause.as_deref())?,
            values: lists::digest(row.try_get(5)?)?,
        };
        let told = Told {
            severity: row.try_get(6)?,
            cause,
            sides: row.try_get(7)?,
            at_stake: row.try_get(8)?,
            body: row.try_get(9)?,
            deadline: row.try_get(10)?,
            act: row.try_get(11)?,
        };
        let item = Known {
            id: row.try_get(1)?,
            standing,
            told,
            changed_at: row.try_get(12)?,
            opened_at: row.try_get(13)?,
            reopened: row.try_get(14)?,
            escalated_at: row.try_get(15)?,
            repair_by: row.try_get(16)?,
        };
        known.insert(*lists::digest(row.try_get(0)?)?.as_bytes(), item);
    }
    Ok(known)
}

async fn write(desk: &mut Desk, run: i64, written: Vec<Written>, now: i64) -> Result<(), Trouble> {
    if written.is_empty() {
        return Ok(());
    }
    let identities: Vec<_> = written.iter().map(|item| [item.identity.to_string()]).collect();
    let happened: HashMap<[u8; 32], (Vec<EventKind>, String)> = written
        .iter()
        .map(|item| (*item.identity.as_bytes(), (item.events.clone(), item.told.sides.clone())))
        .collect();
    let until = |state: &State| match state {
        State::Accepted { until } => until.map(|day| day.to_string()),
        _ => None,
    };
    UPSERT
        .run(&mut desk.connection, written, |item, values| {
            let Written { identity, found, told, .. } = item;
            values.push(identity.as_bytes().to_vec()).push(found.comparison).push(found.unit).push(found.row);
            values.push(found.field).push(found.rule.code()).push(told.severity).push(found.shape.name());
            values.push(found.against).push(told.cause).push(told.sides).push(told.at_stake).push(told.body);
            values.push(told.deadline).push(told.act).push(item.values.as_bytes().to_vec());
            values.push(item.state.name()).push(until(&item.state)).push(now).push(now).push(item.changed_at);
            values.push(item.opened_at).push(item.reopened).push(item.escalated_at).push(item.repair_by);
            values.push(run).push(run);
        })
        .await?;
    let rows = query(
        "select d.identity, d.id from json_each($1) i cross join discrepancy d on d.identity = unhex(i.value ->> 0)",
    )
    .bind(json(&identities)?)
    .fetch_all(&mut desk.connection)
    .await?;
    let mut events = Vec::new();
    let mut by_kind: BTreeMap<EventKind, Vec<i64>> = BTreeMap::new();
    for row in &rows {
        let id: i64 = row.try_get(1)?;
        let Some((kinds, sides)) = happened.get(lists::digest(row.try_get(0)?)?.as_bytes()) else { continue };
        for kind in kinds {
            by_kind.entry(*kind).or_default().push(id);
            let tells_values = matches!(kind, EventKind::Opened | EventKind::Changed | EventKind::Reopened);
            events.push((id, *kind, tells_values.then(|| sides.clone())));
        }
    }
    run_events(&mut desk.connection, run, events, now).await?;
    let entries = by_kind.into_iter().map(|(kind, mut ids)| {
        ids.sort_unstable();
        Ok(Entry::new("discrepancies_noted", subject(run), json(&serde_json::json!({ kind.name(): ids }))?))
    });
    let entries = entries.collect::<Result<Vec<_>, Trouble>>()?;
    desk.audit(entries, now).await
}

pub(super) async fn run_events(
    connection: &mut Connection,
    run: i64,
    events: Vec<(i64, EventKind, Option<String>)>,
    now: i64,
) -> Result<(), Trouble> {
    EVENTS
        .run(connection, events, |(id, kind, detail), values| {
            values.push(id).push(now).push(kind.name()).push(run).push(None::<String>).push(None::<String>);
            values.push(detail);
        })
        .await?;
    Ok(())
}

pub(super) async fn holds_its_turn(connection: &mut Connection, run: &ComparisonRun) -> Result<(), Trouble> {
    let row = query("select token from turn where name = $1").bind(&run.turn.name).fetch_optional(connection).await?;
    let token = row.map(|row| row.try_get::<i64>(0)).transpose()?;
    if token == Some(run.turn.token) {
        return Ok(());
    }
    Err(Trouble::Refused(format!("another has taken the turn of the comparison of {}", run.comparison)))
}

pub(super) fn subject(run: i64) -> String {
    format!("comparison_run/{run}")
}

pub(super) fn severity_number(severity: Severity) -> i64 {
    match severity {
        Severity::Info => 0,
        Severity::Warning => 1,
        Severity::Error => 2,
    }
}

//! What people and reconciliation read; the life of a record is in `trace`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use canonical::{Kind, Record, SourceName};
use contract::UnitKey;

use super::connection::{Connection, Row, query, query_scalar};
use super::ledger::totals;
use super::rows::{count, instant, json, optional_instant, record, state};
use super::trouble::Trouble;
use super::work_items::lists::{LAST_RUNS, run as run_of_comparison};
use super::{SqlStore, lanes, reroute, trace};
use crate::storage::work_items::NOT_CONFIGURED;
use crate::storage::{
    DeliveryCount, DeliveryId, ExpectedUnit, Overview, ReconciliationView, RecordId, RunId, RunSummary, RunView,
    StandingId, StorageError, Trace, Views,
};

#[async_trait]
impl Views for SqlStore {
    async fn overview(&self) -> Result<Overview, StorageError> {
        let overview = async { overview(&mut self.snapshot().await?).await };
        overview.await.map_err(|trouble: Trouble| trouble.during("read the overview"))
    }

    async fn trace(&self, key: &str) -> Result<Trace, StorageError> {
        let trace = async { trace::trace(&mut self.snapshot().await?, key).await };
        trace.await.map_err(|trouble: Trouble| trouble.during("trace a record"))
    }

    async fn expected_units(
        &self,
        target: &str,
        after: Option<&UnitKey>,
        limit: u32,
    ) -> Result<Vec<ExpectedUnit>, StorageError> {
        let units = async { expected_units(&mut self.snapshot().await?, target, after, limit).await };
        units.await.map_err(|trouble: Trouble| trouble.during("read the units of a target"))
    }

    async fn current_records(
        &self,
        after: Option<RecordId>,
        limit: u32,
    ) -> Result<Vec<(StandingId, Record)>, StorageError> {
        let records = async { reroute::current_records(&mut self.readers.acquire().await?, after, limit).await };
        records.await.map_err(|trouble: Trouble| trouble.during("read the standing records"))
    }

    async fn kinds_and_sources(&self) -> Result<Vec<(Kind, SourceName)>, StorageError> {
        let kinds = async { reroute::kinds_and_sources(&mut self.readers.acquire().await?).await };
        kinds.await.map_err(|trouble: Trouble| trouble.during("list the kinds and sources"))
    }

    async fn adesioni(&self) -> Result<Vec<Record>, StorageError> {
        let adesioni = async { reroute::adesioni(&mut self.readers.acquire().await?).await };
        adesioni.await.map_err(|trouble: Trouble| trouble.during("read the memberships"))
    }

    async fn records_to_route(&self, limit: u32) -> Result<Vec<(StandingId, Record)>, StorageError> {
        let records = async { reroute::records_to_route(&mut self.readers.acquire().await?, limit).await };
        records.await.map_err(|trouble: Trouble| trouble.during("read the records to route again"))
    }

    async fn told_by(&self, source: &str, prefix: &str) -> Result<Vec<Record>, StorageError> {
        let records = async { lanes::told_by(&mut self.readers.acquire().await?, source, prefix).await };
        records.await.map_err(|trouble: Trouble| trouble.during("read what a system tells of a contract"))
    }

    async fn delivery_counts(&self) -> Result<Vec<DeliveryCount>, StorageError> {
        let counts = async { delivery_counts(&mut self.readers.acquire().await?).await };
        counts.await.map_err(|trouble: Trouble| trouble.during("count the deliveries"))
    }

    async fn open_deliveries(&self) -> Result<u64, StorageError> {
        let open = async {
            let open: i64 = query_scalar(OPEN).fetch_one(&mut self.readers.acquire().await?).await?;
            Ok(count(open))
        };
        open.await.map_err(|trouble: Trouble| trouble.during("count what is owed"))
    }
}

pub(super) const OPEN: &str = "
    select count(*) from delivery indexed by delivery_open where state in ('due', 'sent', 'in_doubt', 'retry')";

/// How many of the raw records that stand aside an overview names.
const SHOWN_ASIDE: u32 = 50;

async fn overview(connection: &mut Connection) -> Result<Overview, Trouble> {
    let mut overview = Overview { deliveries: delivery_counts(connection).await?, ..Overview::default() };
    for row in all(connection, "select kind, count(*) from record group by kind").await? {
        overview.records.insert(row.try_get(0)?, count(row.try_get(1)?));
    }
    let sums = all(
        connection,
        "select (select count(*) from record_version),
                (select count(*) from quarantine where resolved_at is null)",
    )
    .await?;
    if let [row] = sums.as_slice() {
        overview.versions = count(row.try_get(0)?);
        overview.quarantined = count(row.try_get(1)?);
    }
    for row in all(connection, "select target, code, count(*) from withheld group by target, code").await? {
        let codes = overview.withheld.entry(row.try_get(0)?).or_default();
        codes.insert(row.try_get(1)?, count(row.try_get(2)?));
    }
    let runs = "select id, source, kind, started_at, finished_at, read, new, unchanged, quarantined, refused
                  from run where id in (select max(id) from run group by source) order by source";
    for row in all(connection, runs).await? {
        overview.runs.push(run(&row)?);
    }
    for row in query(LAST_RUNS).bind(NOT_CONFIGURED).fetch_all(connection).await? {
        overview.reconciliations.extend(reconciliation(run_of_comparison(&row)?));
    }
    overview.newest_quarantined = trace::newest_quarantined(connection, SHOWN_ASIDE).await?;
    overview.findings = findings(connection).await?;
    Ok(overview)
}

/// Findings of current versions. A raw record that gave several versions is counted once, with
/// what was found when it was last read.
async fn findings(connection: &mut Connection) -> Result<BTreeMap<String, u64>, Trouble> {
    let rows = all(
        connection,
        "with last as (
            select max(v.id) as id
              from record_version v join record r on r.id = v.record and r.version = v.number
             where v.findings is not null group by v.raw_record)
         select f.value ->> 'rule', count(*)
           from last cross join record_version v cross join json_each(v.findings) f
          where v.id = last.id group by 1",
    )
    .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, count(row.try_get(1)?)))).collect()
}

async fn all(connection: &mut Connection, sql: &'static str) -> Result<Vec<Row>, Trouble> {
    Ok(query(sql).fetch_all(connection).await?)
}

fn run(row: &Row) -> Result<RunView, Trouble> {
    Ok(RunView {
        id: RunId(row.try_get(0)?),
        source: row.try_get(1)?,
        kind: row.try_get(2)?,
        started_at: instant(row.try_get(3)?)?,
        finished_at: optional_instant(row.try_get(4)?)?,
        totals: totals(row, 5)?,
    })
}

fn reconciliation(run: RunSummary) -> Option<ReconciliationView> {
    let RunSummary { id, comparison, finished_at, complete, counts, open, .. } = run;
    Some(ReconciliationView { id, target: comparison, finished_at: finished_at?, complete, counts, open })
}

async fn delivery_counts(connection: &mut Connection) -> Result<Vec<DeliveryCount>, Trouble> {
    let rows = all(
        connection,
        "select state, target, count(*), min(state_since) from delivery group by state, target order by target, state",
    )
    .await?;
    let counted = |row: &Row| {
        Ok(DeliveryCount {
            state: row.try_get(0)?,
            target: row.try_get(1)?,
            count: count(row.try_get(2)?),
            oldest: optional_instant(row.try_get(3)?)?,
        })
    };
    rows.iter().map(counted).collect()
}

async fn expected_units(
    connection: &mut Connection,
    target: &str,
    after: Option<&UnitKey>,
    limit: u32,
) -> Result<Vec<ExpectedUnit>, Trouble> {
    let rows = query(
        "select id, unit_key, desired_revision, held_revision, state, code, message, not_before
           from delivery where target = $1 and unit_key > $2 order by unit_key limit $3",
    )
    .bind(target)
    .bind(after.map_or("", UnitKey::as_str))
    .bind(limit)
    .fetch_all(&mut *connection)
    .await?;
    let ids = rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<i64>, Trouble>>()?;
    let mut members = members_of(connection, &ids).await?;
    let unit = |row: &Row| {
        let id: i64 = row.try_get(0)?;
        Ok(ExpectedUnit {
            delivery: DeliveryId(id),
            key: UnitKey(row.try_get(1)?),
            state: state(row, 4)?,
            desired_revision: count(row.try_get(2)?),
            held_revision: count(row.try_get(3)?),
            members: members.remove(&id).unwrap_or_default(),
        })
    };
    rows.iter().map(unit).collect()
}

async fn members_of(connection: &mut Connection, ids: &[i64]) -> Result<BTreeMap<i64, Vec<Record>>, Trouble> {
    let rows = query(
        "select m.delivery, r.kind, v.schema_version, v.body, v.provenance
           from json_each($1) i
           cross join delivery_member m on m.delivery = cast(i.value as bigint)
           cross join record r on r.id = m.record
           cross join record_version v on v.record = r.id and v.number = r.version
          order by i.key, r.key, r.kind, r.source",
    )
    .bind(json(&ids)?)
    .fetch_all(connection)
    .await?;
    let mut members = BTreeMap::<i64, Vec<Record>>::new();
    for row in rows {
        members.entry(row.try_get(0)?).or_default().push(record(&row, 1)?);
    }
    Ok(members)
}

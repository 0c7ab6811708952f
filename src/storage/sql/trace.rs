//! The life of a record: its versions, the deliveries it takes part in, and what stands aside.

use std::collections::BTreeMap;

use canonical::{Digest, RecordKey, SourceName};
use contract::{Receipt, UnitKey};

use super::connection::{Connection, Row, query};
use super::rows::{count, instant, json, kind, optional_instant, record, state};
use super::trouble::Trouble;
use crate::delivery::DeliveryState;
use crate::storage::{
    AttemptId, DeliveryId, Trace, TracedAttempt, TracedDelivery, TracedQuarantine, TracedReceipt, TracedVersion,
};

/// The records whose key is the one asked for, or begins with it and a slash. The character after
/// the slash closes the range.
const RECORDS: &str = "select id from record where key = $1 or (key > $1 || '/' and key < $1 || '0')";

pub(super) async fn trace(connection: &mut Connection, key: &str) -> Result<Trace, Trouble> {
    let rows = query(RECORDS).bind(key).fetch_all(&mut *connection).await?;
    let records = rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<i64>, Trouble>>()?;
    let records = json(&records)?;
    Ok(Trace {
        versions: versions(connection, &records).await?,
        deliveries: deliveries(connection, &records, key).await?,
        quarantined: quarantined(connection, key).await?,
    })
}

async fn versions(connection: &mut Connection, records: &str) -> Result<Vec<TracedVersion>, Trouble> {
    let rows = query(
        "select r.kind, v.schema_version, v.body, v.provenance, r.key, r.source, v.number, v.digest, v.stored_at,
                v.findings
           from json_each($1) i
           cross join record r on r.id = cast(i.value as bigint)
           cross join record_version v on v.record = r.id
          order by v.id",
    )
    .bind(records)
    .fetch_all(connection)
    .await?;
    rows.iter().map(version).collect()
}

fn version(row: &Row) -> Result<TracedVersion, Trouble> {
    let findings = row.try_get::<Option<&str>>(9)?.map(serde_json::from_str).transpose()?;
    Ok(TracedVersion {
        kind: kind(row.try_get(0)?)?,
        key: RecordKey::from_stored(row.try_get(4)?),
        source: source(row.try_get(5)?)?,
        number: count(row.try_get(6)?),
        digest: Digest::from_bytes(row.try_get(7)?)
            .ok_or_else(|| Trouble::Damaged("version digest of another length".to_owned()))?,
        stored_at: instant(row.try_get(8)?)?,
        record: record(row, 0)?,
        findings: findings.unwrap_or_default(),
    })
}

fn source(name: &str) -> Result<SourceName, Trouble> {
    SourceName::parse(name).ok_or_else(|| Trouble::Damaged(format!("{name} is not the name of a source")))
}

async fn deliveries(connection: &mut Connection, records: &str, key: &str) -> Result<Vec<TracedDelivery>, Trouble> {
    // The deliveries of the records, and those whose unit is the key: a payment belongs to no record
    // of the CIG, and is delivered under it.
    let rows = query(
        "select id, target, unit_key, desired_revision, held_revision, state, code, message, not_before
           from delivery
          where id in (select m.delivery from json_each($1) i cross join delivery_member m where m.record = cast(i.value as bigint)
                        union
                       select d.id from (select distinct target from delivery) t cross join delivery d
                        where d.target = t.target and d.unit_key = $2)
          order by target, unit_key",
    )
    .bind(records)
    .bind(key)
    .fetch_all(&mut *connection)
    .await?;
    let ids = rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<i64>, Trouble>>()?;
    let ids = json(&ids)?;
    let mut attempts = attempts(connection, &ids).await?;
    let mut receipts = last_receipts(connection, &ids).await?;
    let delivery = |row: &Row| {
        let id: i64 = row.try_get(0)?;
        let (state, held_revision) = (state(row, 5)?, count(row.try_get(4)?));
        let is_proof = |found: &TracedReceipt| state == DeliveryState::Acknowledged && found.revision == held_revision;
        Ok(TracedDelivery {
            id: DeliveryId(id),
            target: row.try_get(1)?,
            unit: UnitKey(row.try_get(2)?),
            decided_by: receipts.remove(&id).filter(is_proof),
            state,
            desired_revision: count(row.try_get(3)?),
            held_revision,
            attempts: attempts.remove(&id).unwrap_or_default(),
        })
    };
    rows.iter().map(delivery).collect()
}

/// The last receipt of each delivery.
async fn last_receipts(connection: &mut Connection, deliveries: &str) -> Result<BTreeMap<i64, TracedReceipt>, Trouble> {
    let rows = query(
        "select p.delivery, p.revision, p.received_at, p.remote_id, p.status, p.answer_digest, p.warnings
           from json_each($1) d
           cross join receipt p on p.delivery = cast(d.value as bigint)
          order by p.id",
    )
    .bind(deliveries)
    .fetch_all(connection)
    .await?;
    let receipt = |row: &Row| {
        let receipt = Receipt {
            remote_id: row.try_get(3)?,
            status: row.try_get(4)?,
            answer_digest: row.try_get(5)?,
            warnings: serde_json::from_str(row.try_get(6)?)?,
        };
        let (revision, received_at) = (count(row.try_get(1)?), instant(row.try_get(2)?)?);
        Ok((row.try_get(0)?, TracedReceipt { revision, received_at, receipt }))
    };
    rows.iter().map(receipt).collect()
}

/// Attempts by delivery. A receipt that was found by asking afterwards belongs to no attempt of
/// its own: it is shown with the last attempt of its revision.
async fn attempts(connection: &mut Connection, deliveries: &str) -> Result<BTreeMap<i64, Vec<TracedAttempt>>, Trouble> {
    let rows = query(
        "select a.delivery, a.id, s.revision, s.idempotency_key, a.started_at, a.finished_at,
                a.outcome, a.code, a.message, a.not_before, p.remote_id, p.status, p.answer_digest, p.warnings
           from json_each($1) d
           cross join attempt a on a.delivery = cast(d.value as bigint)
           cross join shipment s on s.id = a.shipment
           left join receipt p on p.delivery = a.delivery and p.revision = s.revision
                and a.id = coalesce(p.attempt, (select max(l.id) from attempt l where l.shipment = a.shipment))
          order by a.id, p.id",
    )
    .bind(deliveries)
    .fetch_all(connection)
    .await?;
    let mut attempts = BTreeMap::<i64, Vec<TracedAttempt>>::new();
    for row in rows {
        let of_delivery = attempts.entry(row.try_get(0)?).or_default();
        let attempt = attempt(&row)?;
        match of_delivery.last_mut() {
            // What the target decided later is told of the delivery.
            Some(last) if last.id == attempt.id => {}
            _ => of_delivery.push(attempt),
        }
    }
    Ok(attempts)
}

fn attempt(row: &Row) -> Result<TracedAttempt, Trouble> {
    let has_outcome = row.try_get::<Option<&str>>(6)?.is_some();
    let receipt = match row.try_get::<Option<u16>>(11)? {
        None => None,
        Some(status) => Some(Receipt {
            remote_id: row.try_get(10)?,
            status,
            answer_digest: row.try_get(12)?,
            warnings: serde_json::from_str(row.try_get(13)?)?,
        }),
    };
    Ok(TracedAttempt {
        id: AttemptId(row.try_get(1)?),
        revision: count(row.try_get(2)?),
        idempotency_key: row.try_get(3)?,
        started_at: instant(row.try_get(4)?)?,
        finished_at: optional_instant(row.try_get(5)?)?,
        outcome: if has_outcome { Some(state(row, 6)?) } else { None },
        receipt,
    })
}

/// What could not be understood has no key: its text is searched for the one asked for, without
/// what follows the first slash.
async fn quarantined(connection: &mut Connection, key: &str) -> Result<Vec<TracedQuarantine>, Trouble> {
    let natural = key.split('/').next().unwrap_or(key);
    if natural.is_empty() {
        return Ok(Vec::new());
    }
    let rows = query(
        "select d.source, d.remote_id, r.line, q.rule, q.reason, q.since
           from quarantine q
           join raw_record r on r.id = q.raw_record
           join source_document d on d.id = r.document
          where q.resolved_at is null and instr(r.text, $1) > 0
          order by q.id",
    )
    .bind(natural)
    .fetch_all(connection)
    .await?;
    rows.iter().map(aside).collect()
}

/// The newest raw records that stand aside.
pub(super) async fn newest_quarantined(
    connection: &mut Connection,
    limit: u32,
) -> Result<Vec<TracedQuarantine>, Trouble> {
    let rows = query(
        "select d.source, d.remote_id, r.line, q.rule, q.reason, q.since
           from quarantine q
           join raw_record r on r.id = q.raw_record
           join source_document d on d.id = r.document
          where q.resolved_at is null
          order by q.id desc limit $1",
    )
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(aside).collect()
}

fn aside(row: &Row) -> Result<TracedQuarantine, Trouble> {
    Ok(TracedQuarantine {
        source: source(row.try_get(0)?)?,
        document: row.try_get(1)?,
        line: count(row.try_get(2)?),
        rule: row.try_get(3)?,
        reason: row.try_get(4)?,
        since: instant(row.try_get(5)?)?,
    })
}

//! What waits for a person, and what a person decides: every decision in one transaction with its
//! entry in the chain, which says who and why.

use async_trait::async_trait;
use canonical::SourceName;
use canonical::values::{CalendarDate, UtcInstant};
use contract::DocumentHeader;
use futures_util::FutureExt as _;

use super::SqlStore;
use super::audit::Entry;
use super::connection::{Connection, Query, Row, Text, query};
use super::deliveries::decided;
use super::desk::Desk;
use super::rows::{count, instant, json, state};
use super::trouble::Trouble;
use super::versions::Prepared;
use crate::delivery::DeliveryState;
use crate::storage::{
    Arrival, Decided, Decisions, DeliveryId, DocumentId, KeptRecord, ParkedFilter, ParkedId, ParkedItem, ParkedKind,
    Person, Replay, RunId, StorageError, Stored,
};

/// Deliveries that stand aside, were refused, or are in doubt for so long that only a person can
/// tell: whoever observes them comes back after ten minutes at the earliest.
const DELIVERIES: &str = "
    select d.id, d.target, d.unit_key, d.state, d.code, d.message, d.not_before, d.state_since, d.desired_revision
      from delivery d
     where (d.state in ('parked', 'refused') or (d.state = 'in_doubt' and d.not_before - d.state_since >= 600000000))
       and d.id > $1
       and ($2 = '' or d.target = $2)
       and ($3 = '' or d.code = $3 or d.state = $3 or substr(d.message, 1, length($3) + 1) = $3 || ':')
       and ($4 = '' or replace(d.unit_key, $4, '') <> d.unit_key
            or exists (select 1 from delivery_member m join record r on r.id = m.record
                        where m.delivery = d.id and (r.key = $4 or substr(r.key, 1, length($4) + 1) = $4 || '/')))
       and ($5 = 0 or d.id = $5)
       and not exists (select 1 from discarded x
                        where x.what = 'delivery' and x.number = d.id and x.revision = d.desired_revision)
     order by d.id limit $6";

const RECORDS: &str = "
    select q.raw_record, d.source, d.remote_id, r.line, q.rule, q.reason, q.since
      from quarantine q
      join raw_record r on r.id = q.raw_record
      join source_document d on d.id = q.document
     where q.resolved_at is null and q.raw_record > $1
       and ($2 = '' or d.source = $2)
       and ($3 = '' or q.rule = $3)
       and ($4 = '' or replace(r.text, $4, '') <> r.text or replace(d.remote_id, $4, '') <> d.remote_id)
       and ($5 = 0 or q.raw_record = $5)
     order by q.raw_record limit $6";

/// A document that is refused at every read is one thing, named by its first refusal. It waits no
/// longer when it was read once since, or when it is refused for another reason.
const DOCUMENTS: &str = "
    select g.number, g.source, g.remote_id, g.code, g.message, g.line, g.since, g.times
      from (select min(r.id) as number, r.source, r.remote_id, r.code, max(r.message) as message, max(r.line) as line,
                   min(r.refused_at) as since, count(*) as times
              from refused_document r
             where not exists (select 1 from source_document d
                                where d.source = r.source and d.remote_id = r.remote_id and d.run > r.run)
               and not exists (select 1 from refused_document l
                                where l.source = r.source and l.remote_id = r.remote_id and l.id > r.id
                                  and l.code <> r.code)
             group by r.source, r.remote_id, r.code) g
     where g.number > $1
       and ($2 = '' or g.source = $2)
       and ($3 = '' or g.code = $3)
       and ($4 = '' or replace(g.remote_id, $4, '') <> g.remote_id)
       and ($5 = 0 or g.number = $5)
       and not exists (select 1 from discarded x where x.what = 'document' and x.number = g.number)
     order by g.number limit $6";

#[async_trait]
impl Decisions for SqlStore {
    async fn parked(
        &self,
        filter: &ParkedFilter,
        after: Option<ParkedId>,
        limit: u32,
    ) -> Result<Vec<ParkedItem>, StorageError> {
        let parked = async { parked(&mut self.snapshot().await?, filter, after, limit).await };
        parked.await.map_err(|trouble: Trouble| trouble.during("list what waits for a person"))
    }

    async fn count_parked(&self, filter: &ParkedFilter) -> Result<u64, StorageError> {
        let counted = async { count_parked(&mut self.snapshot().await?, filter).await };
        counted.await.map_err(|trouble: Trouble| trouble.during("count what waits for a person"))
    }

    async fn parked_item(&self, id: ParkedId) -> Result<Option<ParkedItem>, StorageError> {
        let item = async { Ok(item(&mut self.readers.acquire().await?, id).await?.map(|(item, _)| item)) };
        item.await.map_err(|trouble: Trouble| trouble.during("look for what waits for a person"))
    }

    async fn replay_deliveries(
        &self,
        deliveries: &[DeliveryId],
        replay: Replay,
        by: &Person,
        at: UtcInstant,
    ) -> Result<Vec<Decided<DeliveryState>>, StorageError> {
        let (deliveries, by, at) = (deliveries.to_vec(), by.clone(), at.unix_micros());
        self.write("decide about deliveries", move |desk| replay_deliveries(desk, deliveries, replay, by, at).boxed())
            .await
    }

    async fn kept_record(&self, number: i64) -> Result<Option<KeptRecord>, StorageError> {
        let kept = async { kept_record(&mut self.readers.acquire().await?, number).await };
        kept.await.map_err(|trouble: Trouble| trouble.during("read a record in quarantine"))
    }

    async fn replay_records(
        &self,
        run: RunId,
        arrivals: Vec<(i64, Arrival)>,
        by: &Person,
        at: UtcInstant,
    ) -> Result<Vec<Stored>, StorageError> {
        let (by, at) = (by.clone(), at.unix_micros());
        self.write("store records again", move |desk| replay_records(desk, run, arrivals, by, at).boxed()).await
    }

    async fn discard(&self, ids: &[ParkedId], by: &Person, at: UtcInstant) -> Result<Vec<Decided<()>>, StorageError> {
        let (ids, by, at) = (ids.to_vec(), by.clone(), at.unix_micros());
        self.write("discard what waits", move |desk| discard(desk, ids, by, at).boxed()).await
    }
}

async fn parked(
    connection: &mut Connection,
    filter: &ParkedFilter,
    after: Option<ParkedId>,
    limit: u32,
) -> Result<Vec<ParkedItem>, Trouble> {
    let mut items = Vec::new();
    for kind in ParkedKind::ALL {
        let is_wanted = filter.kind.is_none_or(|wanted| wanted == kind);
        let left = i64::from(limit) - i64::try_from(items.len()).unwrap_or(i64::MAX);
        if !is_wanted || after.is_some_and(|after| after.kind > kind) || left <= 0 {
            continue;
        }
        let first = after.filter(|after| after.kind == kind).map_or(0, |after| after.number);
        let rows = rows(connection, kind, first, filter, 0, left).await?;
        items.extend(rows.into_iter().map(|(item, _)| item));
    }
    Ok(items)
}

async fn count_parked(connection: &mut Connection, filter: &ParkedFilter) -> Result<u64, Trouble> {
    let mut all = 0;
    for kind in ParkedKind::ALL {
        if filter.kind.is_none_or(|wanted| wanted == kind) {
            let counting = Text::Made(format!("select count(*) from ({}) as counted", statement(kind)).into());
            let row = asked(counting, 0, filter, 0, i64::MAX).fetch_one(connection).await?;
            all += count(row.try_get::<i64>(0)?);
        }
    }
    Ok(all)
}

fn statement(kind: ParkedKind) -> &'static str {
    match kind {
        ParkedKind::Delivery => DELIVERIES,
        ParkedKind::Record => RECORDS,
        ParkedKind::Document => DOCUMENTS,
    }
}

/// Asks for what waits after a number; for one of them where its own number is not 0.
fn asked(text: impl Into<Text>, after: i64, filter: &ParkedFilter, number: i64, limit: i64) -> Query<'_> {
    query(text)
        .bind(after)
        .bind(filter.system.as_deref().unwrap_or_default())
        .bind(filter.code.as_deref().unwrap_or_default())
        .bind(filter.key.as_deref().unwrap_or_default())
        .bind(number)
        .bind(limit)
}

/// One thing that waits, with its revision.
async fn item(connection: &mut Connection, id: ParkedId) -> Result<Option<(ParkedItem, i64)>, Trouble> {
    Ok(rows(connection, id.kind, 0, &ParkedFilter::default(), id.number, 1).await?.pop())
}

async fn rows(
    connection: &mut Connection,
    kind: ParkedKind,
    after: i64,
    filter: &ParkedFilter,
    number: i64,
    limit: i64,
) -> Result<Vec<(ParkedItem, i64)>, Trouble> {
    let rows = asked(statement(kind), after, filter, number, limit).fetch_all(connection).await?;
    let read = match kind {
        ParkedKind::Delivery => delivery,
        ParkedKind::Record => record,
        ParkedKind::Document => document,
    };
    rows.iter().map(read).collect()
}

fn delivery(row: &Row) -> Result<(ParkedItem, i64), Trouble> {
    let state = state(row, 3)?;
    let (name, in_doubt) = (state.name(), state.may_have_arrived());
    let (code, message) = match state {
        DeliveryState::Refused { code, message } => (code, message),
        DeliveryState::InDoubt { code, .. } => (code, String::new()),
        DeliveryState::Parked { reason, .. } => told(reason, in_doubt),
        other => return Err(Trouble::Damaged(format!("a delivery that waits is {}", other.name()))),
    };
    let item = ParkedItem {
        id: ParkedId { kind: ParkedKind::Delivery, number: row.try_get(0)? },
        kind: ParkedKind::Delivery,
        system: row.try_get(1)?,
        key: row.try_get(2)?,
        since: instant(row.try_get(7)?)?,
        code,
        message,
        state: Some(name),
        in_doubt,
        times: 1,
    };
    Ok((item, row.try_get(8)?))
}

/// A reason to set aside begins with its code, when it has one.
fn told(reason: String, in_doubt: bool) -> (String, String) {
    let is_code = |code: &str| !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    match reason.split_once(": ") {
        Some((code, rest)) if is_code(code) => (code.to_owned(), rest.to_owned()),
        _ if in_doubt => ("in_doubt".to_owned(), reason),
        _ => ("parked".to_owned(), reason),
    }
}

fn record(row: &Row) -> Result<(ParkedItem, i64), Trouble> {
    let (document, line): (String, i64) = (row.try_get(2)?, row.try_get(3)?);
    let item = ParkedItem {
        id: ParkedId { kind: ParkedKind::Record, number: row.try_get(0)? },
        kind: ParkedKind::Record,
        system: row.try_get(1)?,
        key: format!("{document}:{line}"),
        since: instant(row.try_get(6)?)?,
        code: row.try_get(4)?,
        message: row.try_get(5)?,
        state: None,
        in_doubt: false,
        times: 1,
    };
    Ok((item, 0))
}

fn document(row: &Row) -> Result<(ParkedItem, i64), Trouble> {
    let (document, line): (String, Option<i64>) = (row.try_get(2)?, row.try_get(5)?);
    let item = ParkedItem {
        id: ParkedId { kind: ParkedKind::Document, number: row.try_get(0)? },
        kind: ParkedKind::Document,
        system: row.try_get(1)?,
        key: line.map_or(document.clone(), |line| format!("{document}:{line}")),
        since: instant(row.try_get(6)?)?,
        code: row.try_get(3)?,
        message: row.try_get(4)?,
        state: None,
        in_doubt: false,
        times: count(row.try_get(7)?),
    };
    Ok((item, 0))
}

async fn replay_deliveries(
    desk: &mut Desk,
    deliveries: Vec<DeliveryId>,
    replay: Replay,
    by: Person,
    at: i64,
) -> Result<Vec<Decided<DeliveryState>>, Trouble> {
    let mut answers = Vec::with_capacity(deliveries.len());
    let mut entries = Vec::new();
    for delivery in deliveries {
        let decided = decided::replay(desk, delivery, replay, &by.reason, at).await?;
        if let Ok(state) = &decided {
            let more = serde_json::json!({ "state": state.name() });
            entries.push(entry(format!("delivery/{delivery}"), replay.name(), &by, more)?);
        }
        answers.push(decided);
    }
    desk.audit(entries, at).await?;
    Ok(answers)
}

/// What a person decided, for the chain.
fn entry(subject: String, decision: &str, by: &Person, mut more: serde_json::Value) -> Result<Entry, Trouble> {
    if let Some(fields) = more.as_object_mut() {
        fields.insert("decision".to_owned(), decision.into());
        fields.insert("by".to_owned(), by.name.clone().into());
        fields.insert("why".to_owned(), by.reason.clone().into());
    }
    Ok(Entry::new("decided", subject, json(&more)?))
}

async fn kept_record(connection: &mut Connection, number: i64) -> Result<Option<KeptRecord>, Trouble> {
    let row = query(
        "select d.source, d.id, d.remote_id, d.digest, d.format, d.version, d.as_of, d.context, r.line, r.occurrence,
                r.text
           from quarantine q
           join raw_record r on r.id = q.raw_record
           join source_document d on d.id = r.document
          where q.raw_record = $1 and q.resolved_at is null",
    )
    .bind(number)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let damaged = |what: &str| Trouble::Damaged(format!("{what} of raw record {number}"));
    let source = SourceName::parse(row.try_get(0)?).ok_or_else(|| damaged("source"))?;
    let as_of: Option<&str> = row.try_get(6)?;
    let as_of = as_of.map(CalendarDate::parse).transpose().map_err(|_| damaged("day"))?;
    let occurrence: i64 = row.try_get(9)?;
    let header = DocumentHeader {
        remote_id: row.try_get(2)?,
        digest: row.try_get(3)?,
        format: row.try_get(4)?,
        version: row.try_get(5)?,
        as_of,
        context: serde_json::from_str(row.try_get(7)?)?,
    };
    let said = (u32::try_from(occurrence).map_err(|_| damaged("occurrence"))?, row.try_get(10)?);
    Ok(Some(KeptRecord::new(source, DocumentId(row.try_get(1)?), header, count(row.try_get(8)?), said)))
}

async fn replay_records(
    desk: &mut Desk,
    run: RunId,
    arrivals: Vec<(i64, Arrival)>,
    by: Person,
    at: i64,
) -> Result<Vec<Stored>, Trouble> {
    let asides: Vec<_> = arrivals.iter().map(|(number, arrival)| (*number, arrival.set_aside.clone())).collect();
    let prepared = arrivals.into_iter().map(|(_, arrival)| Prepared::from(arrival)).collect();
    let answers = desk.store(run.0, prepared, at).await?;
    let mut entries = Vec::with_capacity(answers.len());
    for ((number, aside), answer) in asides.iter().zip(&answers) {
        if let Some(aside) = aside {
            query("update quarantine set rule = $2, reason = $3 where raw_record = $1 and resolved_at is null")
                .bind(*number)
                .bind(aside.rule.code())
                .bind(aside.reason.as_str())
                .execute(&mut desk.connection)
                .await?;
        }
        let rule = aside.as_ref().map(|aside| aside.rule.code());
        let more = serde_json::json!({ "outcome": answer.name(), "rule": rule });
        entries.push(entry(format!("raw_record/{number}"), Replay::Again.name(), &by, more)?);
    }
    desk.audit(entries, at).await?;
    Ok(answers)
}

async fn discard(desk: &mut Desk, ids: Vec<ParkedId>, by: Person, at: i64) -> Result<Vec<Decided<()>>, Trouble> {
    let mut answers = Vec::with_capacity(ids.len());
    let mut entries = Vec::new();
    for id in ids {
        let Some((item, revision)) = item(&mut desk.connection, id).await? else {
            answers.push(Err("nothing of this name waits for a person".to_owned()));
            continue;
        };
        if item.state == Some("in_doubt") {
            answers.push(Err("the target is still being asked: say whether it arrived".to_owned()));
            continue;
        }
        if id.kind == ParkedKind::Record {
            query("update quarantine set resolved_at = $2 where raw_record = $1 and resolved_at is null")
                .bind(id.number)
                .bind(at)
                .execute(&mut desk.connection)
                .await?;
        }
        query(
            "insert into discarded (what, number, revision, at, who, reason) values ($1, $2, $3, $4, $5, $6)
             on conflict (what, number) do update
                set revision = excluded.revision, at = excluded.at, who = excluded.who, reason = excluded.reason",
        )
        .bind(id.kind.name())
        .bind(id.number)
        .bind(revision)
        .bind(at)
        .bind(&by.name)
        .bind(&by.reason)
        .execute(&mut desk.connection)
        .await?;
        let subject = match id.kind {
            ParkedKind::Delivery => format!("delivery/{}", id.number),
            ParkedKind::Record => format!("raw_record/{}", id.number),
            ParkedKind::Document => format!("refused_document/{}", id.number),
        };
        entries.push(entry(subject, "discard", &by, serde_json::json!({ "code": item.code }))?);
        answers.push(Ok(()));
    }
    desk.audit(entries, at).await?;
    Ok(answers)
}

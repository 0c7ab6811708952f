//! Runs, documents and cursors; storing records is in `versions`.

use async_trait::async_trait;
use canonical::values::UtcInstant;
use canonical::{Kind, SourceName};
use contract::{DocumentHeader, Refusal};
use futures_util::FutureExt as _;

use super::audit::Entry;
use super::connection::{Row, query, query_scalar};
use super::desk::Desk;
use super::ranks::Ranks;
use super::rows::{count, json, stored};
use super::trouble::Trouble;
use super::versions::Prepared;
use super::{SqlStore, entries, reroute};
use crate::storage::{Arrival, DocumentId, Ledger, Route, RunId, RunKind, RunTotals, StandingId, StorageError, Stored};

#[async_trait]
impl Ledger for SqlStore {
    async fn begin_run(&self, kind: RunKind, source: &SourceName, at: UtcInstant) -> Result<RunId, StorageError> {
        let (source, at) = (source.to_string(), at.unix_micros());
        self.write("begin a run", move |desk| begin_run(desk, kind, source, at).boxed()).await
    }

    async fn register_document(
        &self,
        run: RunId,
        source: &SourceName,
        header: &DocumentHeader,
        at: UtcInstant,
    ) -> Result<DocumentId, StorageError> {
        let (source, header, at) = (source.to_string(), header.clone(), at.unix_micros());
        self.write("register a document", move |desk| register_document(desk, run, source, header, at).boxed()).await
    }

    async fn store(&self, run: RunId, arrivals: Vec<Arrival>, at: UtcInstant) -> Result<Vec<Stored>, StorageError> {
        let prepared = arrivals.into_iter().map(Prepared::from).collect();
        let at = at.unix_micros();
        self.write("store records", move |desk| desk.store(run.0, prepared, at).boxed()).await
    }

    async fn refuse_document(
        &self,
        run: RunId,
        source: &SourceName,
        remote_id: &str,
        refusal: &Refusal,
        at: UtcInstant,
    ) -> Result<(), StorageError> {
        let (source, remote_id, refusal) = (source.to_string(), remote_id.to_owned(), refusal.clone());
        let at = at.unix_micros();
        self.write("note a refused document", move |desk| {
            refuse_document(desk, run, source, remote_id, refusal, at).boxed()
        })
        .await
    }

    async fn finish_run(&self, run: RunId, at: UtcInstant) -> Result<RunTotals, StorageError> {
        let at = at.unix_micros();
        self.write("finish a run", move |desk| finish_run(desk, run, at).boxed()).await
    }

    async fn cursor(&self, source: &SourceName) -> Result<Option<String>, StorageError> {
        let cursor = async {
            let cursor = query_scalar("select cursor from source_cursor where source = $1").bind(source.as_str());
            Ok(cursor.fetch_optional(&mut self.readers.acquire().await?).await?)
        };
        cursor.await.map_err(|trouble: Trouble| trouble.during("read the cursor of a source"))
    }

    async fn reroute(&self, records: Vec<(StandingId, Vec<Route>)>, at: UtcInstant) -> Result<u64, StorageError> {
        let at = at.unix_micros();
        self.write("route records again", move |desk| reroute::reroute(desk, records, at).boxed()).await
    }

    async fn rank(&self, ranks: Vec<(Kind, SourceName, u16)>, at: UtcInstant) -> Result<(), StorageError> {
        let (ranks, at) = (Ranks::of(&ranks), at.unix_micros());
        let mut after = Some(0);
        while let Some(from) = after {
            let ranks = ranks.clone();
            after = self.write("rank the standing records", move |desk| ranks.set(desk, from, at).boxed()).await?;
        }
        Ok(())
    }

    async fn routing(&self) -> Result<Option<String>, StorageError> {
        let routing = async {
            let routing = query_scalar("select routing from routing");
            Ok(routing.fetch_optional(&mut self.readers.acquire().await?).await?)
        };
        routing.await.map_err(|trouble: Trouble| trouble.during("read the routing"))
    }

    async fn save_routing(&self, routing: &str, at: UtcInstant) -> Result<(), StorageError> {
        let (routing, at) = (routing.to_owned(), at.unix_micros());
        self.write("save the routing", move |desk| reroute::save_routing(desk, routing, at).boxed()).await
    }

    async fn save_cursor(&self, source: &SourceName, cursor: &str, at: UtcInstant) -> Result<(), StorageError> {
        let (source, cursor, at) = (source.to_string(), cursor.to_owned(), at.unix_micros());
        self.write("save the cursor of a source", move |desk| save_cursor(desk, source, cursor, at).boxed()).await
    }

    async fn forget_cursor(&self, source: &SourceName, at: UtcInstant) -> Result<(), StorageError> {
        let (source, at) = (source.to_string(), at.unix_micros());
        self.write("forget the cursor of a source", move |desk| forget_cursor(desk, source, at).boxed()).await
    }
}

async fn begin_run(desk: &mut Desk, kind: RunKind, source: String, at: i64) -> Result<RunId, Trouble> {
    let id: i64 = query_scalar("insert into run (kind, source, started_at) values ($1, $2, $3) returning id")
        .bind(kind.name())
        .bind(&source)
        .bind(at)
        .fetch_one(&mut desk.connection)
        .await?;
    let detail = json(&serde_json::json!({ "kind": kind.name(), "source": source }))?;
    desk.audit(vec![Entry::new("run_begun", format!("run/{id}"), detail)], at).await?;
    Ok(RunId(id))
}

async fn register_document(
    desk: &mut Desk,
    run: RunId,
    source: String,
    header: DocumentHeader,
    at: i64,
) -> Result<DocumentId, Trouble> {
    let known: Option<i64> = query_scalar("select id from source_document where source = $1 and digest = $2")
        .bind(&source)
        .bind(&header.digest)
        .fetch_optional(&mut desk.connection)
        .await?;
    if let Some(id) = known {
        return Ok(DocumentId(id));
    }
    let (from, digest) = (source.clone(), header.digest.clone());
    let id: i64 = query_scalar(
        "insert into source_document (run, source, digest, remote_id, format, version, as_of, context, arrived_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning id",
    )
    .bind(run.0)
    .bind(source)
    .bind(header.digest)
    .bind(header.remote_id)
    .bind(header.format)
    .bind(header.version)
    .bind(header.as_of.map(|day| day.to_string()))
    .bind(json(&header.context)?)
    .bind(at)
    .fetch_one(&mut desk.connection)
    .await?;
    desk.audit(vec![entries::document_registered(id, run, &from, &digest)?], at).await?;
    Ok(DocumentId(id))
}

async fn refuse_document(
    desk: &mut Desk,
    run: RunId,
    source: String,
    remote_id: String,
    refusal: Refusal,
    at: i64,
) -> Result<(), Trouble> {
    let totals = RunTotals { read: 1, refused: 1, ..RunTotals::default() };
    desk.add_totals(run.0, totals).await?;
    let detail = json(&serde_json::json!({ "run": run, "code": refusal.code, "line": refusal.line }))?;
    let subject = format!("document/{source}/{remote_id}");
    query(
        "insert into refused_document (run, source, remote_id, code, message, line, refused_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(run.0)
    .bind(source)
    .bind(remote_id)
    .bind(refusal.code)
    .bind(refusal.message)
    .bind(refusal.line.map(stored))
    .bind(at)
    .execute(&mut desk.connection)
    .await?;
    desk.audit(vec![Entry::new("document_refused", subject, detail)], at).await
}

async fn finish_run(desk: &mut Desk, run: RunId, at: i64) -> Result<RunTotals, Trouble> {
    let row = query("select read, new, unchanged, quarantined, refused, finished_at from run where id = $1")
        .bind(run.0)
        .fetch_optional(&mut desk.connection)
        .await?
        .ok_or_else(|| Trouble::Refused(format!("run {run} does not exist")))?;
    let totals = totals(&row, 0)?;
    if row.try_get::<Option<i64>>(5)?.is_some() {
        return Err(Trouble::Refused(format!("run {run} is already finished")));
    }
    if !totals.balanced() {
        return Err(Trouble::Refused(format!("run {run} does not balance: {totals:?}")));
    }
    query("update run set finished_at = $2 where id = $1").bind(run.0).bind(at).execute(&mut desk.connection).await?;
    desk.audit(vec![Entry::new("run_finished", format!("run/{run}"), json(&totals)?)], at).await?;
    Ok(totals)
}

async fn save_cursor(desk: &mut Desk, source: String, cursor: String, at: i64) -> Result<(), Trouble> {
    let entry = entries::saved("cursor_saved", format!("source/{source}"), &cursor)?;
    query(
        "insert into source_cursor (source, cursor, saved_at) values ($1, $2, $3)
         on conflict (source) do update set cursor = excluded.cursor, saved_at = excluded.saved_at",
    )
    .bind(source)
    .bind(cursor)
    .bind(at)
    .execute(&mut desk.connection)
    .await?;
    desk.audit(vec![entry], at).await
}

async fn forget_cursor(desk: &mut Desk, source: String, at: i64) -> Result<(), Trouble> {
    query("delete from source_cursor where source = $1").bind(&source).execute(&mut desk.connection).await?;
    desk.audit(vec![Entry::new("cursor_forgotten", format!("source/{source}"), "{}")], at).await
}

impl Desk {
    /// Adds to the totals of a run that is still open.
    pub(super) async fn add_totals(&mut self, run: i64, totals: RunTotals) -> Result<(), Trouble> {
        let touched = query(
            "update run set read = read + $2, new = new + $3, unchanged = unchanged + $4,
                    quarantined = quarantined + $5, refused = refused + $6
              where id = $1 and finished_at is null",
        )
        .bind(run)
        .bind(stored(totals.read))
        .bind(stored(totals.new))
        .bind(stored(totals.unchanged))
        .bind(stored(totals.quarantined))
        .bind(stored(totals.refused))
        .execute(&mut self.connection)
        .await?
        .rows_affected();
        if touched == 1 { Ok(()) } else { Err(Trouble::Refused(format!("run {run} is not open"))) }
    }
}

/// Totals from five columns that follow each other.
pub(super) fn totals(row: &Row, first: usize) -> Result<RunTotals, Trouble> {
    Ok(RunTotals {
        read: count(row.try_get(first)?),
        new: count(row.try_get(first + 1)?),
        unchanged: count(row.try_get(first + 2)?),
        quarantined: count(row.try_get(first + 3)?),
        refused: count(row.try_get(first + 4)?),
    })
}

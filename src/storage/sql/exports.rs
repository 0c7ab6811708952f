//! Exports that are made while nobody waits.

use async_trait::async_trait;
use canonical::values::UtcInstant;
use futures_util::FutureExt as _;

use super::SqlStore;
use super::audit::Entry;
use super::connection::{Row, query, query_scalar};
use super::desk::Desk;
use super::rows::{count, instant, optional_instant, stored};
use super::trouble::Trouble;
use crate::storage::StorageError;
use crate::storage::exchange::Position;
use crate::storage::exports::{Added, DAMAGED, ExportState, ExportTask, Exports, NewExport, ReplyEnding};

macro_rules! columns {
    () => {
        "select id, partner, request, correlation, reply_to, seen, feed_cursor, made_at, state, ended_at, failed_code,
                after_version, after_anchor, bytes, reply_attempts, reply_due_at
           from export_task "
    };
}

const ONE: &str = concat!(columns!(), "where id = $1");
const OPEN: &str = concat!(columns!(), "where state = 'processing' or reply_due_at is not null order by made_at, id");
const SAME: &str = "select id from export_task
     where partner = $1 and state = 'processing' and request = $2 and seen = $3 and coalesce(reply_to, '') = $4
     order by made_at, id limit 1";
const ADD: &str = "
    insert into export_task (id, partner, request, correlation, reply_to, seen, feed_cursor, state, made_at,
                             after_version, after_anchor)
    values ($1, $2, $3, $4, $5, $6, $7, 'processing', $8, 0, $9)";
const APPEND: &str = "update export_task set bytes = bytes + $3, after_version = $4, after_anchor = $5
     where id = $1 and bytes = $2 and state = 'processing'";
const END: &str = "
    update export_task set state = $2, ended_at = $3, failed_code = $4,
                           reply_due_at = case when reply_to is null then null else cast($3 as bigint) end
     where id = $1 and state = 'processing' returning partner";
const END_DAMAGED: &str = "
    update export_task set state = 'failed', ended_at = $2, failed_code = $4, after_version = 0, after_anchor = $3,
                           bytes = 0, reply_attempts = 0, reply_due_at = null,
                           made_at = case when made_at between 0 and $2 then made_at else $2 end
     where id = $1 and (state = 'processing' or reply_due_at is not null) returning partner";
const BYTES: &str =
    "select begins, bytes from export_piece where task = $1 and begins <= $2 order by begins desc limit 1";

#[async_trait]
impl Exports for SqlStore {
    async fn add_export(&self, export: NewExport, most: u32, at: UtcInstant) -> Result<Added, StorageError> {
        let at = at.unix_micros();
        self.write("add an export", move |desk| add(desk, export, most, at).boxed()).await
    }

    async fn export(&self, id: &str) -> Result<Option<ExportTask>, StorageError> {
        let found = async {
            let row = query(ONE).bind(id).fetch_optional(&mut self.readers.acquire().await?).await?;
            row.as_ref().map(task).transpose()
        };
        found.await.map_err(|trouble: Trouble| trouble.during("read an export"))
    }

    async fn open_exports(&self) -> Result<Vec<ExportTask>, StorageError> {
        let found = async {
            let rows = query(OPEN).fetch_all(&mut self.readers.acquire().await?).await?;
            Ok(rows.iter().filter_map(|row| task(row).ok()).collect())
        };
        found.await.map_err(|trouble: Trouble| trouble.during("look for exports to be made"))
    }

    async fn end_damaged_exports(&self, at: UtcInstant) -> Result<Vec<String>, StorageError> {
        let damaged = async {
            let rows = query(OPEN).fetch_all(&mut self.readers.acquire().await?).await?;
            let damaged = rows.iter().filter(|row| task(row).is_err());
            damaged.map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<String>, Trouble>>()
        };
        let damaged = damaged.await.map_err(|trouble: Trouble| trouble.during("look for damaged exports"))?;
        let at = at.unix_micros();
        for id in damaged.clone() {
            self.write("end a damaged export", move |desk| end_damaged(desk, id, at).boxed()).await?;
        }
        Ok(damaged)
    }

    async fn append_export(
        &self,
        id: &str,
        begins: u64,
        piece: Vec<u8>,
        after: Position,
    ) -> Result<bool, StorageError> {
        let (id, begins) = (id.to_owned(), stored(begins));
        self.write("append to an export", move |desk| {
            async move {
                let length = i64::try_from(piece.len()).unwrap_or(i64::MAX);
                let asked = query(APPEND).bind(&id).bind(begins).bind(length);
                let asked = asked.bind(after.version).bind(after.anchor.to_vec());
                if asked.execute(&mut desk.connection).await?.rows_affected() == 0 {
                    return Ok(false);
                }
                let asked = query("insert into export_piece (task, begins, bytes) values ($1, $2, $3)");
                asked.bind(id).bind(begins).bind(piece).execute(&mut desk.connection).await?;
                Ok(true)
            }
            .boxed()
        })
        .await
    }

    async fn end_export(&self, id: &str, failed: Option<&str>, at: UtcInstant) -> Result<bool, StorageError> {
        let (id, failed, at) = (id.to_owned(), failed.map(str::to_owned), at.unix_micros());
        self.write("end an export", move |desk| {
            async move {
                let state = if failed.is_some() { "failed" } else { "done" };
                let ended = query_scalar(END).bind(&id).bind(state).bind(at).bind(failed.as_deref());
                let partner: Option<String> = ended.fetch_optional(&mut desk.connection).await?;
                let Some(partner) = partner else { return Ok(false) };
                if failed.is_some() {
                    let asked = query("delete from export_piece where task = $1").bind(&id);
                    asked.execute(&mut desk.connection).await?;
                }
                let detail = serde_json::json!({ "export": id, "state": state, "code": failed });
                let entry = Entry::new("export_ended", format!("partner/{partner}"), detail.to_string());
                desk.audit(vec![entry], at).await?;
                Ok(true)
            }
            .boxed()
        })
        .await
    }

    async fn export_bytes(&self, id: &str, from: u64) -> Result<Option<Vec<u8>>, StorageError> {
        let found = async {
            let asked = query(BYTES).bind(id).bind(stored(from));
            let Some(row) = asked.fetch_optional(&mut self.readers.acquire().await?).await? else { return Ok(None) };
            let (begins, mut bytes): (i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
            let skipped = usize::try_from(from - count(begins)).unwrap_or(usize::MAX);
            Ok((skipped < bytes.len()).then(|| bytes.split_off(skipped)))
        };
        found.await.map_err(|trouble: Trouble| trouble.during("read the bytes of an export"))
    }

    async fn attempt_reply(&self, id: &str) -> Result<Option<u32>, StorageError> {
        let id = id.to_owned();
        self.write("begin to tell that an export is there", move |desk| {
            async move {
                let asked = query_scalar(
                    "update export_task set reply_attempts = reply_attempts + 1
                      where id = $1 and reply_due_at is not null returning reply_attempts",
                );
                Ok(asked.bind(id).fetch_optional(&mut desk.connection).await?)
            }
            .boxed()
        })
        .await
    }

    async fn end_reply(&self, id: &str, attempt: u32, ending: ReplyEnding) -> Result<(), StorageError> {
        let id = id.to_owned();
        self.write("note whether it was told that an export is there", move |desk| {
            async move {
                let asked = match ending {
                    ReplyEnding::Taken => query("update export_task set reply_due_at = null where id = $1").bind(id),
                    ReplyEnding::Again(due_at) => query(
                        "update export_task set reply_due_at = $3
                          where id = $1 and reply_attempts = $2 and reply_due_at is not null",
                    )
                    .bind(id)
                    .bind(attempt)
                    .bind(due_at.unix_micros()),
                    ReplyEnding::GivenUp => {
                        query("update export_task set reply_due_at = null where id = $1 and reply_attempts = $2")
                            .bind(id)
                            .bind(attempt)
                    }
                };
                asked.execute(&mut desk.connection).await?;
                Ok(())
            }
            .boxed()
        })
        .await
    }

    async fn kept_export_bytes(&self, partner: &str) -> Result<u64, StorageError> {
        const KEPT: &str = "select cast(coalesce(sum(bytes), 0) as bigint) from export_task
             where partner = $1 and state <> 'failed'";
        let kept = async {
            let row = query(KEPT).bind(partner).fetch_one(&mut self.readers.acquire().await?).await?;
            Ok(count(row.try_get(0)?))
        };
        kept.await.map_err(|trouble: Trouble| trouble.during("count the bytes kept for a partner"))
    }

    async fn forget_exports(&self, before: UtcInstant) -> Result<u64, StorageError> {
        const OLD: &str = "select id from export_task where ended_at < $1";
        let before = before.unix_micros();
        // Usually there is nothing to do, and then nobody is held up.
        let old = async { Ok(query(OLD).bind(before).fetch_all(&mut self.readers.acquire().await?).await?) };
        let old = old.await.map_err(|trouble: Trouble| trouble.during("look for exports to be forgotten"))?;
        let mut forgotten = 0;
        for row in old {
            let id: String =
                row.try_get(0).map_err(|error| Trouble::from(error).during("read the name of an export"))?;
            forgotten += self
                .write("forget an export", move |desk| {
                    async move {
                        let pieces = query("delete from export_piece where task = $1").bind(&id);
                        pieces.execute(&mut desk.connection).await?;
                        let task = query("delete from export_task where id = $1").bind(&id);
                        Ok(task.execute(&mut desk.connection).await?.rows_affected())
                    }
                    .boxed()
                })
                .await?;
        }
        Ok(forgotten)
    }
}

async fn add(desk: &mut Desk, export: NewExport, most: u32, at: i64) -> Result<Added, Trouble> {
    let NewExport { id, partner, request, correlation, reply_to, seen, feed_cursor } = export;
    let same =
        query_scalar(SAME).bind(&partner).bind(&request).bind(&seen).bind(reply_to.as_deref().unwrap_or_default());
    if let Some(same) = same.fetch_optional::<String>(&mut desk.connection).await? {
        return Ok(Added::Same(same));
    }
    let has = query_scalar("select count(*) from export_task where partner = $1 and state <> 'failed'").bind(&partner);
    let has: i64 = has.fetch_one(&mut desk.connection).await?;
    if has >= i64::from(most) {
        return Ok(Added::TooMany);
    }
    let asked = query(ADD).bind(id).bind(partner).bind(request).bind(correlation).bind(reply_to).bind(seen);
    let nowhere = Position::default().anchor.to_vec();
    asked.bind(feed_cursor).bind(at).bind(nowhere).execute(&mut desk.connection).await?;
    Ok(Added::New)
}

/// Makes a row readable again: failed, with nothing owed to anybody.
async fn end_damaged(desk: &mut Desk, id: String, at: i64) -> Result<(), Trouble> {
    let nowhere = Position::default().anchor.to_vec();
    let ended = query_scalar(END_DAMAGED).bind(&id).bind(at).bind(nowhere).bind(DAMAGED);
    let Some(partner) = ended.fetch_optional::<String>(&mut desk.connection).await? else { return Ok(()) };
    query("delete from export_piece where task = $1").bind(&id).execute(&mut desk.connection).await?;
    let detail = serde_json::json!({ "export": id, "state": "failed", "code": DAMAGED });
    desk.audit(vec![Entry::new("export_ended", format!("partner/{partner}"), detail.to_string())], at).await
}

fn task(row: &Row) -> Result<ExportTask, Trouble> {
    let anchor = <[u8; 4]>::try_from(row.try_get::<&[u8]>(12)?);
    let anchor = anchor.map_err(|_| Trouble::Damaged("the mark of a position has another length".to_owned()))?;
    let state = match (optional_instant(row.try_get(9)?)?, row.try_get::<Option<String>>(10)?) {
        (None, _) => ExportState::Processing,
        (Some(at), None) => ExportState::Done(at),
        (Some(at), Some(code)) => ExportState::Failed(at, code),
    };
    Ok(ExportTask {
        asked: NewExport {
            id: row.try_get(0)?,
            partner: row.try_get(1)?,
            request: row.try_get(2)?,
            correlation: row.try_get(3)?,
            reply_to: row.try_get(4)?,
            seen: row.try_get(5)?,
            feed_cursor: row.try_get(6)?,
        },
        made_at: instant(row.try_get(7)?)?,
        state,
        after: Position { version: row.try_get(11)?, anchor },
        bytes: count(row.try_get(13)?),
        reply_attempts: row.try_get(14)?,
        reply_due_at: optional_instant(row.try_get(15)?)?,
    })
}

//! How many calls were made with vouchers of the national platform.

use async_trait::async_trait;
use canonical::values::CalendarDate;
use futures_util::FutureExt as _;

use super::SqlStore;
use super::bulk::Bulk;
use super::connection::{Connection, Row, Text, query, query_scalar};
use super::desk::Desk;
use super::rows::{count, instant, stored};
use super::trouble::Trouble;
use crate::clock::italian_day;
use crate::storage::StorageError;
use crate::storage::calls::{CallBatch, CallCount, Calls};

/// A batch that a process has given before, or one before that, changes no row.
const BEGIN: &str = "
    insert into call_batch (process, number, made_on) values ($1, $2, $3)
    on conflict (process) do update set number = excluded.number, made_on = excluded.made_on
     where call_batch.number < excluded.number";
static ADD: Bulk = Bulk::new(
    "insert into call_count (day, purpose_id, token_id, status, requests)",
    5,
    "on conflict (day, purpose_id, token_id, status)
     do update set requests = call_count.requests + excluded.requests",
);
const OF_DAY: &str = "
    select purpose_id, token_id, status, requests from call_count
     where day = $1 order by purpose_id, token_id, status";
/// Who brings the schema up to date notes when it did so first, in seconds since 1970.
const MADE_AT: Text = Text::Each {
    sqlite: "select cast(strftime('%s', min(installed_on)) as integer) from _sqlx_migrations",
    postgres: "select cast(extract(epoch from min(installed_on)) as bigint) from _sqlx_migrations",
};
const FIRST_DAY: &str = "select min(day) from call_count";
const IS_ANY_OLD: &str = "
    select 1 where exists (select 1 from call_count where day < $1)
                or exists (select 1 from call_batch where made_on < $1)";
const FORGET: &str = "
    delete from call_count where (day, purpose_id, token_id, status) in
        (select day, purpose_id, token_id, status from call_count where day < $1 order by day limit $2)";

#[async_trait]
impl Calls for SqlStore {
    async fn add_calls(&self, batch: CallBatch) -> Result<bool, StorageError> {
        self.write("add to the calls counted", move |desk| add(desk, batch).boxed()).await
    }

    async fn calls_of(&self, day: CalendarDate) -> Result<Vec<CallCount>, StorageError> {
        let counts = async { of_day(&mut self.readers.acquire().await?, day).await };
        counts.await.map_err(|trouble: Trouble| trouble.during(ATTEMPTED))
    }

    async fn counted_since(&self) -> Result<CalendarDate, StorageError> {
        let since = async { since(&mut self.readers.acquire().await?).await };
        since.await.map_err(|trouble: Trouble| trouble.during("ask since when calls are counted"))
    }

    async fn forget_calls(&self, before: CalendarDate, limit: u32) -> Result<u64, StorageError> {
        let before = before.to_string();
        // Usually there is nothing to do, and then nobody is held up.
        let old = async {
            Ok(query(IS_ANY_OLD).bind(&before).fetch_optional(&mut self.readers.acquire().await?).await?.is_some())
        };
        if !old.await.map_err(|trouble: Trouble| trouble.during("look for old counts of calls"))? {
            return Ok(0);
        }
        self.write("forget old counts of calls", move |desk| forget(desk, before, limit).boxed()).await
    }
}

/// What is attempted by whoever reads.
pub(in crate::storage) const ATTEMPTED: &str = "read the calls counted of a day";

/// What is counted of a day.
pub(in crate::storage) async fn of_day(
    connection: &mut Connection,
    day: CalendarDate,
) -> Result<Vec<CallCount>, Trouble> {
    let rows = query(OF_DAY).bind(day.to_string()).fetch_all(connection).await?;
    rows.iter().map(|row| read(row, day)).collect()
}

async fn since(connection: &mut Connection) -> Result<CalendarDate, Trouble> {
    let made_at: i64 = query_scalar(MADE_AT).fetch_one(connection).await?;
    let made_on = italian_day(instant(made_at.saturating_mul(1_000_000))?);
    let first: Option<String> = query_scalar(FIRST_DAY).fetch_one(connection).await?;
    // What stands there has been a day before.
    let first = first.and_then(|day| CalendarDate::parse(&day).ok());
    Ok(first.map_or(made_on, |first| first.min(made_on)))
}

fn read(row: &Row, day: CalendarDate) -> Result<CallCount, Trouble> {
    Ok(CallCount {
        day,
        purpose_id: row.try_get(0)?,
        token_id: row.try_get(1)?,
        status: row.try_get(2)?,
        requests: count(row.try_get(3)?),
    })
}

async fn add(desk: &mut Desk, batch: CallBatch) -> Result<bool, Trouble> {
    let CallBatch { process, number, made_on, counts } = batch;
    let asked = query(BEGIN).bind(process).bind(stored(number)).bind(made_on.to_string());
    if asked.execute(&mut desk.connection).await?.rows_affected() == 0 {
        return Ok(false);
    }
    let rows = ADD.run(&mut desk.connection, counts, |count, values| {
        values.push(count.day.to_string()).push(count.purpose_id).push(count.token_id);
        values.push(count.status).push(stored(count.requests));
    });
    rows.await?;
    Ok(true)
}

async fn forget(desk: &mut Desk, before: String, limit: u32) -> Result<u64, Trouble> {
    let batches = query("delete from call_batch where made_on < $1").bind(&before);
    batches.execute(&mut desk.connection).await?;
    let counts = query(FORGET).bind(&before).bind(limit);
    Ok(counts.execute(&mut desk.connection).await?.rows_affected())
}

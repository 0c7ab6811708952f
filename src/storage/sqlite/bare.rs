//! For measurements and tests only: statements behind the back of the store, and the barest durable
//! queue that the same file allows, to measure ours against.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

use super::open::writing;
use crate::storage::sql::bulk::Bulk;
use crate::storage::sql::connection::Connection;

/// Runs one statement behind the back of the store. Gives the number of rows touched, or what the
/// database answered.
pub async fn execute(path: &Path, sql: &str) -> Result<u64, String> {
    let told = |error: sqlx::Error| error.to_string();
    let mut connection = writing(path).connect().await.map_err(told)?;
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.map_err(told)?;
    connection.close().await.map_err(told)?;
    Ok(done.rows_affected())
}

/// Asks for one number behind the back of the store.
pub async fn number(path: &Path, sql: &str) -> Result<i64, String> {
    let told = |error: sqlx::Error| error.to_string();
    let mut connection = writing(path).connect().await.map_err(told)?;
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut connection).await.map_err(told)?;
    connection.close().await.map_err(told)?;
    row.try_get(0).map_err(told)
}

/// A claim and acknowledge loop with nothing around it: no lanes, no handlers, no renewals.
#[derive(Debug)]
pub struct BareQueue {
    connection: SqliteConnection,
    token: i64,
}

impl BareQueue {
    /// Opens it in a file, beside the store.
    pub async fn open(path: &Path) -> Result<Self, sqlx::Error> {
        let mut connection = writing(path).connect().await?;
        sqlx::raw_sql(
            "create table if not exists bare_job (
                id integer primary key, payload integer not null, run_at integer not null, state text not null,
                attempts integer not null default 0, token integer, lease_until integer, done_at integer);
             create index if not exists bare_ready on bare_job (run_at, id) where state = 'ready';
             create index if not exists bare_leased on bare_job (lease_until) where state = 'leased';",
        )
        .execute(&mut connection)
        .await?;
        Ok(Self { connection, token: 0 })
    }

    /// Adds ready jobs.
    pub async fn fill(&mut self, jobs: u32) -> Result<(), sqlx::Error> {
        sqlx::query(
            "insert into bare_job (payload, run_at, state)
             with recursive n(i) as (values (1) union all select i + 1 from n where i < ?1) select i, 0, 'ready' from n",
        )
        .bind(jobs)
        .execute(&mut self.connection)
        .await?;
        Ok(())
    }

    /// Claims and acknowledges in batches until nothing is ready. Gives how many and how long.
    pub async fn drain(&mut self, batch: u32) -> Result<(u32, Duration), sqlx::Error> {
        let begun = Instant::now();
        let mut done = 0;
        let mut held = Vec::new();
        loop {
            sqlx::query("begin immediate").execute(&mut self.connection).await?;
            if !held.is_empty() {
                sqlx::query(
                    "update bare_job set state = 'done', token = null, lease_until = null, done_at = 1
                       from json_each(?1) e
                      where bare_job.id = e.value ->> 0 and bare_job.token = e.value ->> 1
                        and bare_job.state = 'leased'",
                )
                .bind(format!("[{}]", held.join(",")))
                .execute(&mut self.connection)
                .await?;
            }
            self.token += 1;
            let rows = sqlx::query(
                "update bare_job set state = 'leased', token = ?1, lease_until = 2, attempts = attempts + 1
                  where id in (select id from bare_job where state = 'ready' and run_at <= 1
                                order by run_at, id limit ?2)
                 returning id, payload",
            )
            .bind(self.token)
            .bind(batch)
            .fetch_all(&mut self.connection)
            .await?;
            sqlx::query("commit").execute(&mut self.connection).await?;
            held.clear();
            for row in &rows {
                let (id, _payload): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
                held.push(format!("[{id},{}]", self.token));
                done += 1;
            }
            if rows.is_empty() {
                return Ok((done, begun.elapsed()));
            }
        }
    }
}

/// Upserts rows of a key and a body in batches, with the digest test in the statement and nothing
/// around it. Gives how long it took.
pub async fn upsert(path: &Path, rows: &[(String, Vec<u8>, String)], batch: usize) -> Result<Duration, sqlx::Error> {
    static ROWS: Bulk = Bulk::new(
        "insert into bare_record (key, digest, body)",
        3,
        "on conflict (key) do update set digest = excluded.digest, body = excluded.body
          where excluded.digest <> bare_record.digest",
    );
    let mut connection = Connection::Sqlite(writing(path).connect().await?);
    connection
        .command(
            "create table if not exists bare_record (key text primary key, digest blob not null, body text not null)",
        )
        .await?;
    let begun = Instant::now();
    for batch in rows.chunks(batch) {
        let mut batch: Vec<_> = batch.iter().collect();
        batch.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        connection.command("begin immediate").await?;
        ROWS.run(&mut connection, batch, |(key, digest, body), values| {
            values.push(key.as_str()).push(digest.as_slice()).push(body.as_str());
        })
        .await?;
        connection.command("commit").await?;
    }
    let took = begun.elapsed();
    connection.close().await?;
    Ok(took)
}

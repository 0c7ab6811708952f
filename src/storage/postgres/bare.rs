//! For measurements and tests only: statements behind the back of the store, and the barest durable
//! queue that the same server allows, to measure ours against.

use std::str::FromStr as _;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

async fn connect(url: &str) -> Result<PgConnection, sqlx::Error> {
    PgConnectOptions::from_str(url)?.disable_statement_logging().connect().await
}

/// Runs statements behind the back of the store. Gives the number of rows touched, or what the
/// database answered.
pub async fn execute(url: &str, sql: &str) -> Result<u64, String> {
    let told = |error: sqlx::Error| error.to_string();
    let mut connection = connect(url).await.map_err(told)?;
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.map_err(told)?;
    connection.close().await.map_err(told)?;
    Ok(done.rows_affected())
}

/// Asks for one number behind the back of the store.
pub async fn number(url: &str, sql: &str) -> Result<i64, String> {
    let told = |error: sqlx::Error| error.to_string();
    let mut connection = connect(url).await.map_err(told)?;
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut connection).await.map_err(told)?;
    connection.close().await.map_err(told)?;
    row.try_get(0).map_err(told)
}

/// A claim and acknowledge loop with nothing around it: no lanes, no handlers, no renewals. One
/// transaction for each round: first what has finished, then what comes next.
#[derive(Debug)]
pub struct BareQueue {
    connection: PgConnection,
}

impl BareQueue {
    /// Opens it in a database, beside the store.
    pub async fn open(url: &str) -> Result<Self, sqlx::Error> {
        let mut connection = connect(url).await?;
        sqlx::raw_sql(
            "create table if not exists bare_job (
                id bigint generated always as identity primary key, payload bigint not null, run_at bigint not null,
                state text not null, attempts bigint not null default 0, token bigint, lease_until bigint,
                done_at bigint);
             create sequence if not exists bare_token;
             create index if not exists bare_ready on bare_job (run_at, id) where state = 'ready';
             create index if not exists bare_leased on bare_job (lease_until) where state = 'leased';",
        )
        .execute(&mut connection)
        .await?;
        Ok(Self { connection })
    }

    /// Adds ready jobs.
    pub async fn fill(&mut self, jobs: u32) -> Result<(), sqlx::Error> {
        sqlx::query(
            "insert into bare_job (payload, run_at, state) select i, 0, 'ready' from generate_series(1, $1::bigint) i",
        )
        .bind(i64::from(jobs))
        .execute(&mut self.connection)
        .await?;
        Ok(())
    }

    /// Claims and acknowledges in batches until nothing is ready. Gives how many and how long.
    pub async fn drain(&mut self, batch: u32) -> Result<(u32, Duration), sqlx::Error> {
        let begun = Instant::now();
        let mut done = 0;
        let mut ids = Vec::<i64>::new();
        let mut token = 0_i64;
        loop {
            sqlx::raw_sql("begin").execute(&mut self.connection).await?;
            if !ids.is_empty() {
                // Without a test of the state, which would make the planner walk the index of leases.
                let ended = sqlx::query(
                    "update bare_job set state = 'done', token = null, lease_until = null, done_at = 1
                      where id = any ($1) and token = $2",
                )
                .bind(&ids)
                .bind(token)
                .execute(&mut self.connection)
                .await?;
                debug_assert_eq!(ended.rows_affected(), ids.len() as u64);
            }
            let rows = sqlx::query(
                "with t as materialized (select nextval('bare_token') as token)
                 update bare_job set state = 'leased', token = t.token, lease_until = 2, attempts = attempts + 1
                   from t
                  where id in (select id from bare_job where state = 'ready' and run_at <= 1
                                order by run_at, id limit $1 for update skip locked)
                 returning bare_job.id, bare_job.token, payload",
            )
            .bind(i64::from(batch))
            .fetch_all(&mut self.connection)
            .await?;
            sqlx::raw_sql("commit").execute(&mut self.connection).await?;
            ids.clear();
            for row in &rows {
                ids.push(row.try_get(0)?);
                token = row.try_get(1)?;
                let _payload: i64 = row.try_get(2)?;
                done += 1;
            }
            if rows.is_empty() {
                return Ok((done, begun.elapsed()));
            }
        }
    }
}

//! For measurements and tests only: statements behind the back of the store.

use std::str::FromStr as _;

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

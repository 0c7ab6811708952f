//! What is demanded of the server before anything is read or written.

use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions as _, Executor as _};

use crate::storage::sql::deadlines::connect;
use crate::storage::sql::presence::HOLD;
use crate::storage::{StorageError, migrations};

const ATTEMPTED: &str = "open the database";
const READERS: u32 = 4;
/// How long a read may wait for a connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// A process that was stopped in the middle of a transaction must not hold up all others. A write
/// that waits for another one waits less than the lease of the job behind it.
const LIMITS: [(&str, &str); 8] = [
    ("synchronous_commit", "on"),
    ("client_min_messages", "error"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("lock_timeout", "20s"),
    // The server leaves a statement before we leave the server.
    ("statement_timeout", "25s"),
    // A machine that is gone without a word is noticed, and what it held is free.
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
];
/// Whoever writes looks up what has come by its keys, and jobs by small indexes, in the order of these.
/// A planner that has seen a table when it was small, or never, would walk through it for every batch:
/// it is not asked. Reads are planned as the server thinks best.
const BY_INDEX: [(&str, &str); 2] = [("enable_seqscan", "off"), ("enable_bitmapscan", "off")];
/// Without these a server may lose what it has acknowledged.
const DEMANDED: [&str; 3] = ["fsync", "full_page_writes", "synchronous_commit"];

const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "ledger", include_str!("migrations/0001_ledger.sql")),
    (2, "signals", include_str!("migrations/0002_signals.sql")),
];

pub(super) struct Opened {
    pub(super) name: String,
    pub(super) options: PgConnectOptions,
    /// For the connections that write.
    pub(super) writing: PgConnectOptions,
    pub(super) ledger: PgConnection,
    pub(super) jobs: PgConnection,
    /// Which start of the program this is.
    pub(super) start: i64,
    pub(super) readers: PgPool,
}

pub(super) async fn open(url: &str, password_file: Option<&Path>) -> Result<Opened, StorageError> {
    let options = known(url, password_file)?;
    let writing = options.clone().options(BY_INDEX);
    let mut ledger = connect(&writing).await.map_err(unusable)?;
    check_durability(&mut ledger).await?;
    check_owner(&mut ledger).await?;
    let done = migrations::of(MIGRATIONS).run_direct(None, &mut ledger, false).await;
    done.map_err(|error| match error {
        MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => unusable(source),
        error => migrations::refused(error, ATTEMPTED),
    })?;
    let start = sqlx::query_scalar("update program set starts = starts + 1 where id = 1 returning starts");
    let start: i64 = start.fetch_one(&mut ledger).await.map_err(unusable)?;
    let mut jobs = connect(&writing).await.map_err(unusable)?;
    sqlx::query(HOLD).bind(start).execute(&mut jobs).await.map_err(unusable)?;
    let readers = PgPoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(PATIENCE)
        // A transaction that was dropped half-way must not live on in the next one. Where there is none, as
        // nearly always, a rollback alone would leave a warning in the log of the server.
        .after_release(|connection, _| {
            Box::pin(async move {
                let ended = tokio::time::timeout(PATIENCE, connection.execute("begin; rollback")).await;
                ended.map_or(Ok(false), |ended| ended.map(|_| true))
            })
        })
        .connect_with(options.clone().options([("statement_timeout", "55s")]))
        .await
        .map_err(unusable)?;
    let name = format!("{}:{}/{}", options.get_host(), options.get_port(), options.get_database().unwrap_or_default());
    Ok(Opened { name, options, writing, ledger, jobs, start, readers })
}

/// One connection to a database as it is.
pub(super) async fn connection(url: &str, password_file: Option<&Path>) -> Result<PgConnection, StorageError> {
    connect(&known(url, password_file)?).await.map_err(unusable)
}

/// The options of a database, with its password where one is needed.
fn known(url: &str, password_file: Option<&Path>) -> Result<PgConnectOptions, StorageError> {
    let options = options(url)?;
    Ok(match password_file {
        Some(file) => options.password(&password(file)?),
        None => options,
    })
}

/// The options that hold for every connection. The address may hold a password and is never told.
pub(super) fn options(url: &str) -> Result<PgConnectOptions, StorageError> {
    let options = PgConnectOptions::from_str(url).map_err(|_| StorageError::Refused {
        problem: "its address is not understood: write postgres://user@host:5432/name".to_owned(),
    })?;
    let options = if is_here(&options) || url.contains("sslmode=") {
        options
    } else {
        // What travels to another machine is nobody else's: unless the address says otherwise.
        options.ssl_mode(PgSslMode::VerifyFull)
    };
    Ok(options.application_name("raccordo").options(LIMITS).disable_statement_logging())
}

/// Whether the server is on this machine.
fn is_here(options: &PgConnectOptions) -> bool {
    options.get_socket().is_some() || matches!(options.get_host(), "localhost" | "127.0.0.1" | "::1")
}

/// The password in a file, without the end of its line.
fn password(file: &Path) -> Result<String, StorageError> {
    let password = std::fs::read_to_string(file).map_err(|error| StorageError::Refused {
        problem: format!("the file of its password, {}, cannot be read: {error}", file.display()),
    })?;
    Ok(password.trim_end_matches(['\r', '\n']).to_owned())
}

async fn check_durability(connection: &mut PgConnection) -> Result<(), StorageError> {
    for setting in DEMANDED {
        let value: String = sqlx::query_scalar("select current_setting($1)")
            .bind(setting)
            .fetch_one(&mut *connection)
            .await
            .map_err(unusable)?;
        if value == "off" {
            let problem = format!("its server has {setting} = off and may lose what it has acknowledged: turn it on");
            return Err(StorageError::Refused { problem });
        }
    }
    Ok(())
}

/// Why a server cannot be used: what stands wrong until somebody corrects it is refused, and what may go
/// well later is not available now.
fn unusable(source: sqlx::Error) -> StorageError {
    let code = source.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default().into_owned();
    let remedy = match code.get(..2) {
        Some("28") => "correct the user, the file of its password, or who is let in (`pg_hba.conf`)",
        Some("3D") => "make the database, or name another in `[storage]`, `url`",
        Some("42") => "give the user the database, or an empty one of its own",
        _ => return StorageError::Unavailable { attempted: ATTEMPTED, source: Box::new(source) },
    };
    let said = source.as_database_error().map_or("", |error| error.message());
    StorageError::Refused { problem: format!("its server says: {said}; {remedy}") }
}

/// A schema with tables that no migration of ours made is not ours. What an extension brings belongs to the
/// server.
async fn check_owner(connection: &mut PgConnection) -> Result<(), StorageError> {
    const THEIRS: &str = "with ours as (select oid from pg_namespace where nspname = current_schema())
        select min(c.relname::text) from pg_class c join ours on c.relnamespace = ours.oid
         where c.relkind in ('r', 'p', 'f')
           and not exists (select 1 from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
                              and d.deptype = 'e')
           and not exists (select 1 from pg_class m where m.relnamespace = ours.oid and m.relname = '_sqlx_migrations')";
    let theirs: Option<String> = sqlx::query_scalar(THEIRS).fetch_one(connection).await.map_err(unusable)?;
    theirs.map_or(Ok(()), |table| Err(migrations::of_another_program(&table)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_not_understood_is_not_repeated() {
        let refused = options("postgres://utente:segreto@[").expect_err("no address").to_string();
        assert!(!refused.contains("segreto"), "{refused}");
    }
}

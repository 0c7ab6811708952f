//! The database, read with SQL behind the product's back while the product is stopped.
//!
//! Nothing here uses the product's code: a mistake there must not be repeated by its judge.

use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use anyhow::{Context, Result};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, FromRow, SqliteConnection};

/// Where the database is.
#[derive(Debug, Clone)]
pub enum Where {
    /// A SQLite file.
    File(std::path::PathBuf),
    /// A PostgreSQL database, by its address.
    Server(String),
}

enum Connected {
    File(SqliteConnection),
    Server(PgConnection),
}

/// The same on a connection of either kind.
macro_rules! on_either {
    ($connected:expr, |$connection:ident| $work:expr) => {
        match $connected {
            Connected::File(mut $connection) => {
                let done = $work;
                $connection.close().await?;
                Ok(done)
            }
            Connected::Server(mut $connection) => {
                let done = $work;
                $connection.close().await?;
                Ok(done)
            }
        }
    };
}

/// A version of a record, with the raw record and the document that it came from.
#[derive(Debug, Clone, FromRow)]
pub struct Version {
    /// Key of the record.
    pub key: String,
    /// Its kind.
    pub kind: String,
    /// The source that said it.
    pub source: String,
    /// Number of the version.
    pub number: i64,
    /// Number of the version that stands.
    pub standing: i64,
    /// Digest of the body.
    pub digest: Vec<u8>,
    /// The body, as JSON.
    pub body: String,
    /// The received text.
    pub text: String,
    /// The line on which it began.
    pub line: i64,
    /// Digest of the document.
    pub document: String,
}

/// A delivery.
#[derive(Debug, Clone, FromRow)]
pub struct Delivery {
    /// Its id.
    pub id: i64,
    /// The unit.
    pub unit_key: String,
    /// The revision that the target should hold.
    pub desired_revision: i64,
    /// The revision that it holds.
    pub held_revision: i64,
    /// Where it stands.
    pub state: String,
    /// Why, in a word.
    pub code: Option<String>,
    /// Why, for people.
    pub message: Option<String>,
    /// When it is tried again.
    pub not_before: Option<i64>,
}

/// An attempt, with its shipment.
#[derive(Debug, Clone, FromRow)]
pub struct Attempt {
    /// Its id.
    pub id: i64,
    /// The delivery.
    pub delivery: i64,
    /// The revision sent.
    pub revision: i64,
    /// The key under which it was stored.
    pub idempotency_key: String,
    /// When it began.
    pub started_at: i64,
    /// When its outcome was written.
    pub finished_at: Option<i64>,
    /// Its outcome.
    pub outcome: Option<String>,
    /// Why, in a word.
    pub code: Option<String>,
    /// Why, for people.
    pub message: Option<String>,
    /// When it is tried again.
    pub not_before: Option<i64>,
}

/// A receipt.
#[derive(Debug, Clone, FromRow)]
pub struct Receipt {
    /// The delivery.
    pub delivery: i64,
    /// The revision.
    pub revision: i64,
    /// The status of the answer.
    pub status: i64,
    /// The target's name for it.
    pub remote_id: Option<String>,
    /// Digest of the answer.
    pub answer_digest: String,
}

/// An entry of the audit chain.
#[derive(Debug, Clone, FromRow)]
pub struct Entry {
    /// Its number.
    pub seq: i64,
    /// When.
    pub at: i64,
    /// What happened.
    pub kind: String,
    /// To what.
    pub subject: String,
    /// How.
    pub detail: String,
    /// Hash of the one before.
    pub previous: Vec<u8>,
    /// Its own hash.
    pub hash: Vec<u8>,
}

/// Everything that is judged.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Versions.
    pub versions: Vec<Version>,
    /// Deliveries to the target.
    pub deliveries: Vec<Delivery>,
    /// Attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// Receipts, oldest first.
    pub receipts: Vec<Receipt>,
    /// The audit chain.
    pub audit: Vec<Entry>,
    /// Standing records that the target takes and that neither belong to a unit nor are withheld.
    pub unrouted: i64,
    /// Finished runs whose totals do not balance.
    pub unbalanced: i64,
    /// Raw records that stand aside.
    pub quarantined: i64,
    /// Those among them without a reason.
    pub quarantined_without_reason: i64,
}

const VERSIONS: &str = "select r.key, r.kind, r.source, v.number, r.version as standing, v.digest, v.body,
        w.text, w.line, d.digest as document
   from record_version v join record r on r.id = v.record join raw_record w on w.id = v.raw_record
   join source_document d on d.id = w.document where r.id > $1 order by v.id";
const DELIVERIES: &str = "select id, unit_key, desired_revision, held_revision, state, code, message, not_before
   from delivery where target = 'hub' and id > $1 order by id";
const ATTEMPTS: &str = "select a.id, a.delivery, s.revision, s.idempotency_key, a.started_at, a.finished_at, a.outcome,
        a.code, a.message, a.not_before
   from attempt a join shipment s on s.id = a.shipment where a.delivery > $1 order by a.id";
const RECEIPTS: &str =
    "select delivery, revision, status, remote_id, answer_digest from receipt where delivery > $1 order by id";
const AUDIT: &str = "select seq, at, kind, subject, detail, previous, hash from audit order by seq";
const UNROUTED: &str = "select count(*) from record r where r.kind = 'risorsa' and r.source <> 'hub'
    and not exists (select 1 from delivery_member m where m.record = r.id and m.target = 'hub')
    and not exists (select 1 from withheld w where w.record = r.id and w.target = 'hub')";
const UNBALANCED: &str = "select count(*) from run
   where finished_at is not null and read <> new + unchanged + quarantined + refused";
const QUARANTINED: &str = "select count(*) from quarantine where resolved_at is null";
const WITHOUT_REASON: &str = "select count(*) from quarantine where reason = '' or rule = ''";

impl Where {
    /// Reads everything that is judged.
    pub fn read(&self) -> Result<Reading> {
        self.read_after(0)
    }

    /// The same, of records and deliveries with ids above this one; the chain and the totals whole.
    pub fn read_after(&self, first: i64) -> Result<Reading> {
        wait_for(async {
            on_either!(self.connect().await?, |connection| Reading {
                versions: sqlx::query_as(VERSIONS).bind(first).fetch_all(&mut connection).await.context("versions")?,
                deliveries: sqlx::query_as(DELIVERIES)
                    .bind(first)
                    .fetch_all(&mut connection)
                    .await
                    .context("deliveries")?,
                attempts: sqlx::query_as(ATTEMPTS).bind(first).fetch_all(&mut connection).await.context("attempts")?,
                receipts: sqlx::query_as(RECEIPTS).bind(first).fetch_all(&mut connection).await.context("receipts")?,
                audit: sqlx::query_as(AUDIT).fetch_all(&mut connection).await.context("audit")?,
                unrouted: sqlx::query_scalar(UNROUTED).fetch_one(&mut connection).await?,
                unbalanced: sqlx::query_scalar(UNBALANCED).fetch_one(&mut connection).await?,
                quarantined: sqlx::query_scalar(QUARANTINED).fetch_one(&mut connection).await?,
                quarantined_without_reason: sqlx::query_scalar(WITHOUT_REASON).fetch_one(&mut connection).await?,
            })
        })
    }

    /// Standing records that the target takes and that neither belong to a unit nor are withheld.
    pub fn unrouted(&self) -> Result<i64> {
        self.number(UNROUTED)
    }

    /// One number.
    pub fn number(&self, sql: &str) -> Result<i64> {
        wait_for(async {
            on_either!(self.connect().await?, |connection| {
                sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut connection).await?
            })
        })
    }

    /// Runs statements: to plant what a bug would have left.
    pub fn execute(&self, sql: &str) -> Result<()> {
        wait_for(async {
            on_either!(self.connect().await?, |connection| {
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.map(drop)?;
            })
        })
    }

    /// Holds the database for itself, and gives it free after `pause`.
    pub fn hold(&self, pause: Duration) -> Result<()> {
        wait_for(async {
            let Connected::File(mut connection) = self.connect().await? else {
                anyhow::bail!("only a file can be held");
            };
            sqlx::raw_sql("begin exclusive").execute(&mut connection).await?;
            tokio::time::sleep(pause).await;
            sqlx::raw_sql("rollback").execute(&mut connection).await?;
            Ok(connection.close().await?)
        })
    }

    async fn connect(&self) -> Result<Connected> {
        match self {
            Self::File(path) => {
                let options = SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_secs(20));
                Ok(Connected::File(options.connect().await.with_context(|| format!("opening {}", shown(path)))?))
            }
            Self::Server(url) => {
                let options = PgConnectOptions::from_str(url)?;
                Ok(Connected::Server(options.connect().await.context("connecting to the server")?))
            }
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn wait_for<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

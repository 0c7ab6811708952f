//! What a piece of work finds on the desk of the writer: the connection, and what the writer
//! remembers between transactions: the last ids given and the head of the chain.

use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;

use super::audit::Head;
use super::connection::{Connection, Row, query, query_scalar};
use super::trouble::Trouble;

/// The same number stands in [`BEGIN_BESIDE_OTHERS`].
const TAKE_JOBS: &str = "select pg_advisory_xact_lock(1918985571)";
/// How whoever claims and settles begins: beside others who do, and not beside the writer of the
/// ledger once it has come to the jobs.
pub(super) const BEGIN_BESIDE_OTHERS: &str = "begin; select pg_advisory_xact_lock_shared(1918985571)";

/// What a piece of work finds on the desk of the writer.
pub(in crate::storage) struct Desk {
    pub(super) connection: Connection,
    pub(super) memory: Memory,
    /// Leases and turns end, and attempts begin, by the clock of the server.
    pub(super) goes_by_the_server: bool,
}

/// What the writer remembers between transactions. It is taken back together with what failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) raw_record: Ids,
    pub(super) record: Ids,
    pub(super) record_version: Ids,
    pub(super) delivery: Ids,
    pub(super) quarantine: Ids,
    pub(super) job: Ids,
    pub(super) token: Ids,
    pub(super) chain: Head,
    /// False when certainly no job is blocked.
    pub(super) may_be_blocked: bool,
    /// Finished jobs are looked for after this one.
    pub(super) prune_after: i64,
    /// Work became ready in this transaction.
    pub(super) has_woken: bool,
    /// On a shared database: nobody claims or settles until this transaction ends.
    has_taken_jobs: bool,
}

/// Ids in ascending order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ids(i64);

impl Ids {
    pub(super) fn next(&mut self) -> i64 {
        self.0 += 1;
        self.0
    }

    /// The next token: the number of the start above, and the claims of this start below, which
    /// begin anew rather than name another start.
    pub(super) fn next_token(&mut self) -> i64 {
        const CLAIMS: i64 = u32::MAX as i64;
        self.0 = (self.0 & !CLAIMS) | (self.next() & CLAIMS);
        self.0
    }
}

impl Memory {
    /// Takes back what failed. A token is never given again: nobody knows whether the server took it.
    pub(super) fn go_back_to(&mut self, before: Self) {
        *self = Self { token: self.token, ..before };
    }
}

fn first_token(start: i64) -> Ids {
    Ids(start << 32)
}

impl Desk {
    /// A desk over a connection, from the highest ids in use.
    fn new(connection: Connection, highest: &Row, starts: i64, chain: Head) -> Result<Self, Trouble> {
        let ids = |column: usize| Ok::<_, Trouble>(Ids(highest.try_get::<Option<i64>>(column)?.unwrap_or_default()));
        let memory = Memory {
            raw_record: ids(0)?,
            record: ids(1)?,
            record_version: ids(2)?,
            delivery: ids(3)?,
            quarantine: ids(4)?,
            job: ids(5)?,
            // Tokens of an earlier start are lower than all of this one.
            token: first_token(starts),
            chain,
            may_be_blocked: highest.try_get(6)?,
            prune_after: 0,
            has_woken: false,
            has_taken_jobs: false,
        };
        Ok(Self { connection, memory, goes_by_the_server: false })
    }

    pub(super) async fn command(&mut self, sql: &'static str) -> Result<(), Trouble> {
        Ok(self.connection.command(sql).await?)
    }

    /// A desk over the only connection that writes to a file: what the writer must know before its
    /// first transaction.
    pub(in crate::storage) async fn of_file(connection: SqliteConnection) -> Result<Self, Trouble> {
        let mut connection = Connection::Sqlite(connection);
        let starts: i64 =
            query_scalar("update program set starts = starts + 1 returning starts").fetch_one(&mut connection).await?;
        let row = query(
            "select (select max(id) from raw_record), (select max(id) from record),
                    (select max(id) from record_version), (select max(id) from delivery),
                    (select max(id) from quarantine), (select max(id) from job),
                    exists (select 1 from job where behind = 1)",
        )
        .fetch_one(&mut connection)
        .await?;
        let head = Head::load(&mut connection).await?;
        Self::new(connection, &row, starts, head)
    }

    /// A desk over a connection to a database that processes share.
    pub(in crate::storage) fn shared(connection: PgConnection, start: i64, goes_by_the_server: bool) -> Self {
        let memory = Memory { may_be_blocked: true, token: first_token(start), ..Memory::default() };
        Self { connection: Connection::Postgres(connection), memory, goes_by_the_server }
    }

    /// Takes the row that every writer of a shared ledger must take first, and remembers it.
    pub(super) async fn take_ledger(&mut self) -> Result<(), Trouble> {
        let row = query(
            "select raw_record, record, record_version, delivery, quarantine, job, chain_seq, chain_hash
               from program where id = 1 for update",
        )
        .fetch_one(&mut self.connection)
        .await?;
        let ids = |column| Ok::<_, Trouble>(Ids(row.try_get(column)?));
        self.memory = Memory {
            raw_record: ids(0)?,
            record: ids(1)?,
            record_version: ids(2)?,
            delivery: ids(3)?,
            quarantine: ids(4)?,
            job: ids(5)?,
            chain: Head::new(row.try_get(6)?, row.try_get(7)?)?,
            ..self.memory
        };
        Ok(())
    }

    /// Takes the jobs for the rest of the transaction: the writer of the ledger adds to lanes and
    /// ends leases, which whoever claims and settles beside it must see done or not begun. Claims and
    /// settlements go on beside each other.
    pub(super) async fn take_jobs(&mut self) -> Result<(), Trouble> {
        if self.connection.is_postgres() && !self.memory.has_taken_jobs {
            self.command(TAKE_JOBS).await?;
            self.memory.has_taken_jobs = true;
        }
        Ok(())
    }

    /// A transaction begins: what was taken in the last one is free, and others may have blocked a job.
    pub(super) fn forget_the_last_transaction(&mut self) {
        self.memory.has_taken_jobs = false;
        self.memory.may_be_blocked = true;
    }

    /// Leaves that row as this transaction made it.
    pub(super) async fn leave_ledger(&mut self) -> Result<(), Trouble> {
        let Memory { raw_record, record, record_version, delivery, quarantine, job, chain, .. } = self.memory;
        query(
            "update program set raw_record = $1, record = $2, record_version = $3, delivery = $4, quarantine = $5,
                    job = $6, chain_seq = $7, chain_hash = $8
              where id = 1",
        )
        .bind(raw_record.0)
        .bind(record.0)
        .bind(record_version.0)
        .bind(delivery.0)
        .bind(quarantine.0)
        .bind(job.0)
        .bind(chain.seq())
        .bind(chain.hash().to_vec())
        .execute(&mut self.connection)
        .await?;
        Ok(())
    }
}

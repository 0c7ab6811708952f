//! The audit chain: every change leaves an entry that holds the hash of the one before it, in the
//! transaction of the change itself.

use canonical::Digest;
use futures_util::TryStreamExt as _;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqlitePool};

use super::bulk::Bulk;
use super::rows::hex;
use super::trouble::Trouble;
use super::writer::Desk;

/// The last entry of the chain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    seq: i64,
    hash: [u8; 32],
}

impl Head {
    const START: Self = Self { seq: 0, hash: [0; 32] };

    pub(super) async fn load(connection: &mut SqliteConnection) -> Result<Self, Trouble> {
        let last =
            sqlx::query("select seq, hash from audit order by seq desc limit 1").fetch_optional(connection).await?;
        let Some(row) = last else { return Ok(Self::START) };
        let hash: &[u8] = row.try_get(1)?;
        let hash = hash.try_into().map_err(|_| Trouble::Damaged("audit hash of another length".to_owned()))?;
        Ok(Self { seq: row.try_get(0)?, hash })
    }
}

/// What happened, to be chained.
#[derive(Debug)]
pub(super) struct Entry {
    /// Stable name of what happened.
    pub(super) kind: &'static str,
    /// To what.
    pub(super) subject: String,
    /// How, in words that a program can read back.
    pub(super) detail: String,
}

impl Entry {
    pub(super) fn new(kind: &'static str, subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind, subject: subject.into(), detail: detail.into() }
    }
}

static INSERT: Bulk = Bulk::new("insert into audit (seq, at, kind, subject, detail, previous, hash)", 7, "");

impl Desk {
    /// Chains entries inside the current transaction.
    pub(super) async fn audit(&mut self, entries: Vec<Entry>, at: i64) -> Result<(), Trouble> {
        let mut head = self.memory.chain;
        let chained: Vec<_> = entries
            .into_iter()
            .map(|entry| {
                let seq = head.seq + 1;
                let previous = head.hash;
                head = Head { seq, hash: hash_of(&previous, seq, at, entry.kind, &entry.subject, &entry.detail) };
                (seq, entry, previous, head.hash)
            })
            .collect();
        INSERT
            .run(&mut self.connection, chained, |(seq, entry, previous, hash), values| {
                values.push(seq).push(at).push(entry.kind).push(entry.subject).push(entry.detail);
                values.push(previous.to_vec()).push(hash.to_vec());
            })
            .await?;
        self.memory.chain = head;
        Ok(())
    }
}

fn hash_of(previous: &[u8; 32], seq: i64, at: i64, kind: &str, subject: &str, detail: &str) -> [u8; 32] {
    let parts: [&[u8]; 6] =
        [previous, &seq.to_be_bytes(), &at.to_be_bytes(), kind.as_bytes(), subject.as_bytes(), detail.as_bytes()];
    *Digest::of_parts(parts).as_bytes()
}

/// What a recomputation of the chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditReport {
    /// Entries that stand.
    pub entries: u64,
    /// Hash of the last entry that stands, in hexadecimal: to be kept outside the database, since
    /// only that reveals a tail that was cut off.
    pub head: String,
    /// The first entry that does not stand, and why.
    pub broken: Option<String>,
}

pub(super) async fn verify(readers: &SqlitePool) -> Result<AuditReport, Trouble> {
    let mut connection = readers.acquire().await?;
    let mut rows = sqlx::query("select seq, at, kind, subject, detail, previous, hash from audit order by seq")
        .fetch(&mut *connection);
    let mut head = Head::START;
    let mut broken = None;
    while let Some(row) = rows.try_next().await? {
        let seq: i64 = row.try_get(0)?;
        if seq != head.seq + 1 {
            broken = Some(format!("entry {} is missing", head.seq + 1));
            break;
        }
        if row.try_get::<&[u8], _>(5)? != head.hash {
            broken = Some(format!("entry {seq} does not follow the one before it"));
            break;
        }
        let hash = hash_of(&head.hash, seq, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
        if row.try_get::<&[u8], _>(6)? != hash {
            broken = Some(format!("entry {seq} was changed"));
            break;
        }
        head = Head { seq, hash };
    }
    Ok(AuditReport { entries: head.seq.unsigned_abs(), head: hex(&head.hash), broken })
}

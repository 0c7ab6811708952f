//! The audit chain: every change leaves an entry that holds the hash of the one before it, in the
//! transaction of the change itself.

use canonical::Digest;

use super::bulk::Bulk;
use super::connection::{Connection, Row, query};
use super::rows::hex;
use super::trouble::Trouble;
use super::writer::Desk;

/// The last entry of the chain. The default is the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::storage) struct Head {
    seq: i64,
    hash: [u8; 32],
}

impl Head {
    const START: Self = Self { seq: 0, hash: [0; 32] };

    pub(in crate::storage) async fn load(connection: &mut Connection) -> Result<Self, Trouble> {
        let last = query("select seq, hash from audit order by seq desc limit 1").fetch_optional(connection).await?;
        let Some(row) = last else { return Ok(Self::START) };
        Self::new(row.try_get(0)?, row.try_get(1)?)
    }

    pub(super) fn new(seq: i64, hash: &[u8]) -> Result<Self, Trouble> {
        let hash = hash.try_into().map_err(|_| Trouble::Damaged("audit hash of another length".to_owned()))?;
        Ok(Self { seq, hash })
    }

    pub(super) fn seq(&self) -> i64 {
        self.seq
    }

    pub(super) fn hash(&self) -> &[u8; 32] {
        &self.hash
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

/// Entries recomputed after each look: bounded memory, however long the chain.
const LOOKED_AT_ONCE: u32 = 10_000;

pub(super) async fn verify(connection: &mut Connection) -> Result<AuditReport, Trouble> {
    let mut head = Head::START;
    let broken = loop {
        let rows = query(
            "select seq, at, kind, subject, detail, previous, hash from audit where seq > $1 order by seq limit $2",
        )
        .bind(head.seq)
        .bind(LOOKED_AT_ONCE)
        .fetch_all(connection)
        .await?;
        if rows.is_empty() {
            break None;
        }
        if let Some(problem) = follow(&mut head, &rows)? {
            break Some(problem);
        }
    };
    Ok(AuditReport { entries: head.seq.unsigned_abs(), head: hex(&head.hash), broken })
}

/// Moves the head over entries as long as they stand. Gives what is wrong with the first that does
/// not.
fn follow(head: &mut Head, rows: &[Row]) -> Result<Option<String>, Trouble> {
    for row in rows {
        let seq: i64 = row.try_get(0)?;
        if seq != head.seq + 1 {
            return Ok(Some(format!("entry {} is missing", head.seq + 1)));
        }
        if row.try_get::<&[u8]>(5)? != head.hash {
            return Ok(Some(format!("entry {seq} does not follow the one before it")));
        }
        let hash = hash_of(&head.hash, seq, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
        if row.try_get::<&[u8]>(6)? != hash {
            return Ok(Some(format!("entry {seq} was changed")));
        }
        *head = Head { seq, hash };
    }
    Ok(None)
}

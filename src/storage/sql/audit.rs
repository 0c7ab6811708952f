//! The audit chain: every change leaves an entry that holds the hash of the one before it, in the
//! transaction of the change itself.

use async_trait::async_trait;
use canonical::Digest;

use super::SqlStore;
use super::bulk::Bulk;
use super::connection::{Connection, Row, query};
use super::desk::Desk;
use super::rows::hex;
use super::trouble::Trouble;
use crate::storage::{AuditChain, AuditHead, AuditReport, KeptHead, StorageError};

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
        let is_skipped = |entry: &Entry| {
            crate::failpoints::is_planted("skipped_audit_entry") && entry.detail.contains("acknowledged")
        };
        let chained: Vec<_> = entries
            .into_iter()
            .filter(|entry| !is_skipped(entry))
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

#[async_trait]
impl AuditChain for SqlStore {
    async fn verify_audit(&self, kept: Option<KeptHead>) -> Result<AuditReport, StorageError> {
        let verified = async { verify(&mut self.readers.snapshot().await?, kept).await };
        verified.await.map_err(|trouble: Trouble| trouble.during("verify the audit chain"))
    }

    async fn audit_head(&self) -> Result<AuditHead, StorageError> {
        let head = async { Head::load(&mut self.readers.acquire().await?).await };
        let head = head.await.map_err(|trouble: Trouble| trouble.during("read the head of the audit chain"))?;
        Ok(AuditHead { entries: head.seq.unsigned_abs(), head: hex(&head.hash) })
    }
}

/// Entries recomputed after each look: bounded memory, however long the chain.
const LOOKED_AT_ONCE: u32 = 10_000;

async fn verify(connection: &mut Connection, kept: Option<KeptHead>) -> Result<AuditReport, Trouble> {
    let mut head = Head::START;
    let mut is_kept = kept.is_none_or(|kept| is_that(kept, head));
    let mut broken = loop {
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
        let mut problem = None;
        for row in &rows {
            match next(row, head) {
                Ok(Ok(next)) => head = next,
                Ok(Err(found)) => problem = Some(found),
                // A value of another type than this program writes.
                Err(_) => problem = Some(format!("the entry after {} is not readable", head.seq)),
            }
            if problem.is_some() {
                break;
            }
            is_kept |= kept.is_some_and(|kept| is_that(kept, head));
        }
        if problem.is_some() {
            break problem;
        }
    };
    if broken.is_none() && !is_kept {
        broken = Some(lost(kept.and_then(|kept| kept.number), head.seq));
    }
    if broken.is_none() {
        broken = remembered(connection).await?.filter(|last| *last != head).map(|last| {
            format!(
                "the ledger wrote entry {} last, and the chain ends at {}: its tail is not its own",
                last.seq, head.seq
            )
        });
    }
    Ok(AuditReport { entries: head.seq.unsigned_abs(), head: hex(&head.hash), broken })
}

fn is_that(kept: KeptHead, head: Head) -> bool {
    *kept.hash.as_bytes() == head.hash && kept.number.is_none_or(|number| number == head.seq.unsigned_abs())
}

/// What is said when a kept head is not in a chain that ends with this entry.
fn lost(number: Option<u64>, last: i64) -> String {
    let why = match number {
        Some(number) if number > last.unsigned_abs() => {
            format!("it was entry {number}, and entry {last} is the last: what followed was cut off")
        }
        Some(number) => format!("entry {number} has another hash: it was written anew"),
        None => format!("what followed entry {last} was cut off, or all was written anew"),
    };
    format!("the kept head is not in the chain: {why}")
}

/// The last entry as a shared ledger remembers it beside the chain. The one writer of a file finds it
/// in the chain itself.
async fn remembered(connection: &mut Connection) -> Result<Option<Head>, Trouble> {
    if !connection.is_postgres() {
        return Ok(None);
    }
    let row = query("select chain_seq, chain_hash from program where id = 1").fetch_one(connection).await?;
    Ok(Some(Head::new(row.try_get(0)?, row.try_get(1)?)?))
}

/// The head after one more entry, or why the entry does not stand.
fn next(row: &Row, head: Head) -> Result<Result<Head, String>, sqlx::Error> {
    let seq: i64 = row.try_get(0)?;
    if seq != head.seq + 1 {
        return Ok(Err(format!("entry {} is missing", head.seq + 1)));
    }
    if row.try_get::<&[u8]>(5)? != head.hash {
        return Ok(Err(format!("entry {seq} does not follow the one before it")));
    }
    let hash = hash_of(&head.hash, seq, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
    if row.try_get::<&[u8]>(6)? != hash {
        return Ok(Err(format!("entry {seq} was changed")));
    }
    Ok(Ok(Head { seq, hash }))
}

//! What this node holds for somebody, as an index for one session: what leaves for him and nothing
//! else, one record a key. Where several sources speak of one thing, the node says what the believed
//! one says.

use std::sync::Arc;

use canonical::Digest;
use contract::rows_digest;
use tokio::task::spawn_blocking;

use super::row::row_of;
use crate::flow::exchange::item::item;
use crate::flow::reconcile::inventory::Pair;
use crate::flow::reconcile::inventory::ranges::{Index, Salt};
use crate::storage::exchange::{Position, RecordFilter, Scope, StoredVersion};
use crate::storage::{RecordId, StorageError, Store};

/// Records that are read at a time.
const PAGE: u32 = 500;
/// Records of which an index is made, at most: it takes 65 bytes for each, and twice as many while it is
/// made.
pub const MOST: usize = 1_000_000;

/// Why there is no index.
#[derive(Debug, thiserror::Error)]
pub enum HoldingsError {
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// It would take too much memory.
    #[error("more than {MOST} records: compare fewer bodies at a time")]
    TooMany,
    /// The database was set back, or our own task ended, while it was read.
    #[error("the records could not be read to their end")]
    Interrupted,
}

/// What this node holds for somebody.
#[derive(Debug)]
pub struct Holdings {
    index: Arc<Index>,
    /// The record behind each key, in order of the keys.
    records: Vec<(u128, RecordId)>,
}

/// One record among those that may speak for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    key: u128,
    /// The believed source has the smallest.
    rank: u16,
    /// Of two that are believed alike, both nodes take the same.
    row: u128,
    record: i64,
    version: i64,
}

impl Holdings {
    /// Reads all that leaves for this scope, once. What belongs to no body, codes and territories among it,
    /// everybody may read, and each node has its own: it is compared only where everything is.
    pub async fn of(store: &dyn Store, scope: &Scope, salt: Salt) -> Result<Self, HoldingsError> {
        let everything = scope.everything;
        let mut candidates = Vec::new();
        let mut after = Position::default();
        loop {
            let page = store.standing(scope, RecordFilter::default(), after, PAGE).await?;
            let page = page.ok_or(HoldingsError::Interrupted)?;
            after = page.next;
            let read = spawn_blocking(move || {
                let of_bodies = page.items.iter().filter(|one| everything || one.content.body.ente().is_some());
                of_bodies.filter_map(|one| candidate(one, salt)).collect()
            });
            let read: Vec<Candidate> = read.await.map_err(|_| HoldingsError::Interrupted)?;
            candidates.extend(read);
            // Several sources may speak of one thing: what counts is known at the end.
            if candidates.len() > 2 * MOST {
                return Err(HoldingsError::TooMany);
            }
            if !page.has_more {
                break;
            }
        }
        let made = spawn_blocking(move || Self::made(candidates, salt));
        made.await.map_err(|_| HoldingsError::Interrupted)?
    }

    fn made(mut candidates: Vec<Candidate>, salt: Salt) -> Result<Self, HoldingsError> {
        // A record that changed while it was read came twice: the newer one counts.
        candidates.sort_unstable_by_key(|one| (one.record, std::cmp::Reverse(one.version)));
        candidates.dedup_by_key(|one| one.record);
        candidates.sort_unstable();
        candidates.dedup_by_key(|one| one.key);
        if candidates.len() > MOST {
            return Err(HoldingsError::TooMany);
        }
        let records = candidates.iter().map(|one| (one.key, RecordId(one.record))).collect();
        let pairs = candidates.into_iter().map(|one| Pair { key: one.key, row: one.row }).collect();
        let index = Index::of_pairs(salt, pairs).map_err(|_| HoldingsError::Interrupted)?;
        Ok(Self { index: Arc::new(index), records })
    }

    /// The index.
    pub fn index(&self) -> Arc<Index> {
        Arc::clone(&self.index)
    }

    /// How many keys.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The record behind a key.
    pub fn record(&self, key: u128) -> Option<RecordId> {
        let place = self.records.binary_search_by(|(one, _)| one.cmp(&key)).ok()?;
        self.records.get(place).map(|(_, record)| *record)
    }
}

/// By which a record is known to both nodes.
pub fn name_of(kind: canonical::Kind, key: &str) -> String {
    format!("{}/{key}", kind.name())
}

fn candidate(version: &StoredVersion, salt: Salt) -> Option<Candidate> {
    let item = item(version)?;
    let digest: Digest = rows_digest(&[row_of(&item.key, &item.body)]);
    let pair = salt.pair(&name_of(item.kind, &item.key), &digest);
    Some(Candidate { key: pair.key, rank: version.rank, row: pair.row, record: version.record.0, version: version.id })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(key: u128, rank: u16, record: i64, version: i64) -> Candidate {
        Candidate { key, rank, row: u128::from(version.unsigned_abs()), record, version }
    }

    #[test]
    fn the_believed_source_speaks_for_a_key_and_the_newer_version_for_a_record() {
        let read = vec![one(7, 2, 1, 1), one(7, 1, 2, 2), one(9, 1, 3, 3), one(9, 1, 3, 8)];
        let holdings = Holdings::made(read, Salt([1; 16])).unwrap();
        assert_eq!((holdings.len(), holdings.record(7), holdings.record(8)), (2, Some(RecordId(2)), None));
        let pairs = vec![Pair { key: 7, row: 2 }, Pair { key: 9, row: 8 }];
        assert_eq!(format!("{:?}", holdings.index()), format!("{:?}", Index::of_pairs(Salt([1; 16]), pairs).unwrap()));
    }
}

//! The items of a node in order of their hash, with sums every few items: the fingerprint of any
//! range costs two look-ups and some additions. A million items take 33 MB.

use std::ops::Range;

use canonical::Digest;

use super::wire::Bound;
use crate::flow::reconcile::inventory::sum::Sum;
use crate::flow::reconcile::inventory::{Pair, RunKey};

/// Items between two sums.
const STRIDE: usize = 64;

/// Drawn by who opens a session, from a generator that nobody can foresee. Told to the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; 16]);

impl Salt {
    /// The hash under which a key is compared.
    pub fn key(self, key: &str) -> u128 {
        RunKey::new(self.0).hash(key.as_bytes())
    }

    /// A record: its key, and the digest of its content.
    pub fn pair(self, key: &str, digest: &Digest) -> Pair {
        let run = RunKey::new(self.0);
        // With the key in it, a content that moves to another key is another item.
        let mut content = [0; 48];
        let key = run.hash(key.as_bytes());
        content[..16].copy_from_slice(&key.to_le_bytes());
        content[16..].copy_from_slice(digest.as_bytes());
        Pair { key, row: run.hash(&content) }
    }
}

/// Why there is no index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// A node has one record a key.
    #[error("a key comes more than once")]
    Repeated,
}

/// What a node holds, for one session.
#[derive(Debug)]
pub struct Index {
    salt: Salt,
    items: Vec<Pair>,
    /// The sum of all items before each stride.
    sums: Vec<Sum>,
}

impl Index {
    /// An index of records: key, and digest of the canonical content. The digest is cryptographic
    /// and kept by the node; hashing 32 bytes more for each session costs little.
    pub fn new(salt: Salt, records: impl IntoIterator<Item = (impl AsRef<str>, Digest)>) -> Result<Self, IndexError> {
        let pairs = records.into_iter().map(|(name, digest)| salt.pair(name.as_ref(), &digest));
        Self::of_pairs(salt, pairs.collect())
    }

    /// An index of records that were hashed under this salt.
    pub fn of_pairs(salt: Salt, mut items: Vec<Pair>) -> Result<Self, IndexError> {
        items.sort_unstable();
        if items.windows(2).any(|pair| pair[0].key == pair[1].key) {
            return Err(IndexError::Repeated);
        }
        let mut sums = Vec::with_capacity(items.len() / STRIDE + 1);
        let mut sum = Sum::default();
        for stride in items.chunks(STRIDE) {
            sums.push(sum);
            sum = sum.plus(stride.iter().copied().collect());
        }
        sums.push(sum);
        Ok(Self { salt, items, sums })
    }

    /// How many items.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// True without items.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The fingerprint of all of it.
    pub fn whole(&self) -> u128 {
        self.fingerprint(0..self.len())
    }

    pub(super) fn salt(&self) -> Salt {
        self.salt
    }

    pub(super) fn item(&self, number: usize) -> Pair {
        self.items[number]
    }

    pub(super) fn find(&self, key: u128) -> Option<usize> {
        self.items.binary_search_by(|item| item.key.cmp(&key)).ok()
    }

    /// Numbers of the items from one bound to another.
    pub(super) fn between(&self, lower: Bound, upper: Bound) -> Range<usize> {
        let before = |bound: Bound| match bound.key() {
            Some(key) => self.items.partition_point(|item| item.key < key),
            None => self.items.len(),
        };
        let start = before(lower);
        start..before(upper).max(start)
    }

    /// The shortest bound between an item and the one before it.
    pub(super) fn bound_before(&self, number: usize) -> Bound {
        match (number.checked_sub(1).and_then(|before| self.items.get(before)), self.items.get(number)) {
            (Some(before), Some(item)) => Bound::between(before.key, item.key),
            _ => Bound::END,
        }
    }

    /// Of the sum and the number of these items, which differ when the items do.
    pub(super) fn fingerprint(&self, items: Range<usize>) -> u128 {
        let sum = self.sum_before(items.end).minus(self.sum_before(items.start));
        let mut bytes = [0; 40];
        bytes[..32].copy_from_slice(&sum.to_bytes());
        bytes[32..].copy_from_slice(&(items.len() as u64).to_le_bytes());
        RunKey::new(self.salt.0).hash(&bytes)
    }

    fn sum_before(&self, number: usize) -> Sum {
        let stride = number / STRIDE;
        let more = &self.items[stride * STRIDE..number];
        self.sums[stride].plus(more.iter().copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_fingerprint_of_a_range_is_that_of_its_items_alone(
            keys in prop::collection::btree_set(any::<u128>(), 0..300),
            start in 0_usize..300,
            length in 0_usize..300,
        ) {
            let salt = Salt([1; 16]);
            let items: Vec<_> = keys.iter().map(|key| Pair { key: *key, row: key.rotate_left(40) }).collect();
            let start = start.min(items.len());
            let end = (start + length).min(items.len());
            let index = Index::of_pairs(salt, items.clone()).unwrap();
            let alone = Index::of_pairs(salt, items[start..end].to_vec()).unwrap();
            prop_assert_eq!(index.fingerprint(start..end), alone.fingerprint(0..end - start));
        }
    }

    #[test]
    fn a_repeated_key_is_no_index() {
        let digest = Digest::of(b"x");
        assert_eq!(Index::new(Salt([1; 16]), [("a", digest), ("a", digest)]).unwrap_err(), IndexError::Repeated);
    }
}

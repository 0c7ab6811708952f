//! How often each natural key occurred in a document, in little memory however long it is.
//!
//! Keys are remembered by a 64-bit hash: 9 bytes for each distinct key and, because a table doubles
//! when it is seven eighths full, from 10 to 21 bytes of memory. A million distinct CIG take at most
//! 21 MB. The table is split in 64, so that what is copied when one grows is small. Two different
//! keys of one document fall on the same hash once in thirty thousand documents of a million lots;
//! the second would be taken for a repetition, which a person would see as a finding.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_64;

const SHARDS: usize = 64;

/// The keys met so far.
#[derive(Debug)]
pub(crate) struct Occurrences {
    once: Vec<HashSet<u64, BuildHasherDefault<AlreadyHashed>>>,
    /// Earlier occurrences of the keys that were met more than once.
    repeated: HashMap<u64, u32>,
}

impl Default for Occurrences {
    fn default() -> Self {
        Self { once: (0..SHARDS).map(|_| HashSet::default()).collect(), repeated: HashMap::new() }
    }
}

impl Occurrences {
    /// Remembers a key, and says how many times it was met before.
    pub(crate) fn add(&mut self, key: &[u8]) -> u32 {
        let hash = xxh3_64(key);
        // The tables use the low and the high bits, the shards some in the middle.
        let shard = usize::try_from(hash >> 32).unwrap_or_default() % SHARDS;
        if self.once[shard].insert(hash) {
            return 0;
        }
        let earlier = self.repeated.entry(hash).or_insert(0);
        *earlier = earlier.saturating_add(1);
        *earlier
    }

    /// Remembers the text of a CIG, whatever its letter case and the blanks around it. An absent,
    /// empty or null CIG is the key of nothing and never a repetition.
    pub(crate) fn add_cig(&mut self, text: Option<&str>) -> u32 {
        let text = text.unwrap_or_default().trim();
        if text.is_empty() || text == "0000000000" {
            return 0;
        }
        if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
            self.add(text.to_ascii_uppercase().as_bytes())
        } else {
            self.add(text.as_bytes())
        }
    }
}

/// The key of the tables is a hash already.
#[derive(Debug, Default)]
struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64(bytes);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_occurrences_of_a_cig_are_counted() {
        let mut occurrences = Occurrences::default();
        let counted =
            ["ZBD1A4331B", "5044003AF1", " zbd1a4331b", "ZBD1A4331B"].map(|cig| occurrences.add_cig(Some(cig)));
        assert_eq!(counted, [0, 0, 1, 2]);
    }

    #[test]
    fn a_null_or_empty_cig_is_never_a_repetition() {
        let mut occurrences = Occurrences::default();
        for cig in [None, Some(""), Some("  "), Some("0000000000")] {
            assert_eq!((occurrences.add_cig(cig), occurrences.add_cig(cig)), (0, 0));
        }
    }
}

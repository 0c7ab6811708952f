//! How often each natural key occurred in a document, in little memory however long it is.
//!
//! Keys are remembered by a 64-bit hash: 9 bytes for each distinct key and, because a table doubles
//! when it is seven eighths full, from 10 to 21 bytes of memory. A million distinct keys take at
//! most 21 MB. The table is split in 64, so that what is copied when one grows is small. Two
//! different keys of one document fall on the same hash once in thirty thousand documents of a
//! million rows; the second would be taken for a repetition.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_64;

const SHARDS: usize = 64;

/// The keys met so far.
#[derive(Debug)]
pub struct Occurrences {
    once: Vec<HashSet<u64, BuildHasherDefault<AlreadyHashed>>>,
    /// Earlier occurrences of the keys that were met more than once.
    repeated: HashMap<u64, u32>,
    key: String,
}

impl Default for Occurrences {
    fn default() -> Self {
        Self { once: (0..SHARDS).map(|_| HashSet::default()).collect(), repeated: HashMap::new(), key: String::new() }
    }
}

impl Occurrences {
    /// Remembers a key, and says how many times it was met before.
    pub fn add(&mut self, key: &[u8]) -> u32 {
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

    /// Remembers a key of several values, whatever their letter case and the blanks around them.
    /// A key without any value is the key of nothing and never a repetition.
    pub fn add_values<T: AsRef<str>>(&mut self, values: impl IntoIterator<Item = T>) -> u32 {
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        let mut is_empty = true;
        for value in values {
            let value = value.as_ref().trim();
            is_empty &= value.is_empty();
            key.extend(value.chars().flat_map(char::to_uppercase));
            key.push('\u{1f}');
        }
        let earlier = if is_empty { 0 } else { self.add(key.as_bytes()) };
        self.key = key;
        earlier
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
    fn the_earlier_occurrences_of_a_key_are_counted() {
        let mut occurrences = Occurrences::default();
        let keys = [["ZBD1A4331B", "1"], ["ZBD1A4331B", "2"], [" zbd1a4331b", "1 "], ["ZBD1A4331B", "1"]];
        assert_eq!(keys.map(|key| occurrences.add_values(key)), [0, 0, 1, 2]);
    }

    #[test]
    fn values_do_not_run_into_each_other() {
        let mut occurrences = Occurrences::default();
        assert_eq!([["a", "bc"], ["ab", "c"], ["", "abc"]].map(|key| occurrences.add_values(key)), [0, 0, 0]);
    }

    #[test]
    fn an_empty_key_is_never_a_repetition() {
        let mut occurrences = Occurrences::default();
        for _ in 0..2 {
            assert_eq!(occurrences.add_values(["", " "]), 0);
            assert_eq!(occurrences.add_values::<&str>([]), 0);
        }
    }
}

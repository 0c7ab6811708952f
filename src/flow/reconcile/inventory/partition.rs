//! Entries in order, cut into partitions by the first bits of the key's hash.
//!
//! In memory as long as they fit; beyond the limit, sorted runs in temporary files, each with the
//! place where every partition starts, so a partition is a short piece of each run.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use super::Pair;
use super::sum::Sum;

/// A pair, and where its side finds the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    // Halves, the greater one first: a `u128` would cost eight bytes more an entry.
    key: [u64; 2],
    row: [u64; 2],
    /// Where the record stands: a number that only its side understands.
    pub place: u64,
}

const ENTRY_BYTES: usize = 40;

impl Entry {
    /// The entry of a record.
    pub fn new(pair: Pair, place: u64) -> Self {
        Self { key: halves(pair.key), row: halves(pair.row), place }
    }

    /// Hash of the key.
    pub fn key(&self) -> u128 {
        whole(self.key)
    }

    /// Hash of the fields.
    pub fn row(&self) -> u128 {
        whole(self.row)
    }

    fn pair(&self) -> Pair {
        Pair { key: self.key(), row: self.row() }
    }

    fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        let words = [self.key[0], self.key[1], self.row[0], self.row[1], self.place];
        for (bytes, word) in bytes.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let mut words = [0; 5];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Self { key: [words[0], words[1]], row: [words[2], words[3]], place: words[4] }
    }
}

fn halves(number: u128) -> [u64; 2] {
    // The halves, on purpose.
    #[expect(clippy::cast_possible_truncation)]
    [(number >> 64) as u64, number as u64]
}

fn whole([high, low]: [u64; 2]) -> u128 {
    (u128::from(high) << 64) | u128::from(low)
}

/// Count and hash of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// How many records.
    pub count: u64,
    /// How many keys come more than once.
    pub repeated: u64,
    sum: Sum,
}

impl Summary {
    /// True when both hold the same records.
    pub fn is_same(&self, other: &Self) -> bool {
        self.count == other.count && self.sum == other.sum
    }
}

/// How much one side may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The key space is cut into two to this power; at most 16.
    pub partition_bits: u8,
    /// Entries in memory, 40 bytes each, before a run goes to a temporary file.
    pub entries_in_memory: usize,
}

impl Default for Limits {
    /// 4,096 partitions and 80 MB: two million records without a file.
    fn default() -> Self {
        Self { partition_bits: 12, entries_in_memory: 2_000_000 }
    }
}

impl Limits {
    /// How many partitions.
    pub fn partitions(&self) -> usize {
        1 << self.partition_bits.min(16)
    }

    fn partition(&self, key: [u64; 2]) -> usize {
        let bits = u32::from(self.partition_bits.min(16));
        key[0].checked_shr(64 - bits).and_then(|partition| usize::try_from(partition).ok()).unwrap_or_default()
    }
}

/// Takes entries in any order.
#[derive(Debug)]
pub struct Collector {
    limits: Limits,
    entries: Vec<Entry>,
    runs: Vec<Run>,
    summaries: Vec<Summary>,
}

impl Collector {
    /// An empty one.
    pub fn new(limits: Limits) -> Self {
        let summaries = vec![Summary::default(); limits.partitions()];
        Self { limits, entries: Vec::new(), runs: Vec::new(), summaries }
    }

    /// Takes one entry; now and then it sorts what it has and writes it to a file.
    pub fn add(&mut self, entry: Entry) -> io::Result<()> {
        self.entries.push(entry);
        if self.entries.len() >= self.limits.entries_in_memory.max(1) {
            let starts = self.sort();
            self.runs.push(Run::write(&self.entries, starts)?);
            self.entries.clear();
        }
        Ok(())
    }

    /// Changes how much it may take.
    pub(super) fn limit(&mut self, limits: Limits) {
        self.limits.entries_in_memory = limits.entries_in_memory;
    }

    /// Takes what another one has, which has the same partitions.
    pub(super) fn append(&mut self, mut other: Self) {
        self.entries.append(&mut other.entries);
        self.runs.append(&mut other.runs);
        for (mine, other) in self.summaries.iter_mut().zip(&other.summaries) {
            mine.count += other.count;
            mine.sum = mine.sum.plus(other.sum);
        }
    }

    /// Sorts what is in memory and adds it up: where each partition starts. Only in order, because
    /// adding up as they come jumps from one partition to the other.
    fn sort(&mut self) -> Vec<usize> {
        self.entries.sort_unstable();
        let starts = starts(&self.entries, self.limits);
        for (summary, part) in self.summaries.iter_mut().zip(starts.windows(2)) {
            for entry in &self.entries[part[0]..part[1]] {
                summary.count += 1;
                summary.sum.add(entry.pair());
            }
        }
        starts
    }

    /// Everything, in order.
    pub fn finish(mut self) -> io::Result<Sorted> {
        let starts = self.sort();
        let mut sorted = Sorted { starts, entries: self.entries, runs: self.runs, summaries: self.summaries };
        for partition in 0..sorted.summaries.len() {
            sorted.summaries[partition].repeated = repeated(&sorted.entries(partition)?);
        }
        Ok(sorted)
    }
}

fn repeated(sorted: &[Entry]) -> u64 {
    sorted.chunk_by(|a, b| a.key == b.key).filter(|same| same.len() > 1).count() as u64
}

fn starts(sorted: &[Entry], limits: Limits) -> Vec<usize> {
    let mut starts = Vec::with_capacity(limits.partitions() + 1);
    let mut at = 0;
    for partition in 0..limits.partitions() {
        starts.push(at);
        at += sorted[at..].iter().take_while(|entry| limits.partition(entry.key) == partition).count();
    }
    starts.push(at);
    starts
}

/// All entries of a side, by partition.
#[derive(Debug)]
pub struct Sorted {
    entries: Vec<Entry>,
    starts: Vec<usize>,
    runs: Vec<Run>,
    summaries: Vec<Summary>,
}

impl Sorted {
    /// Count and hash of each partition.
    pub fn summaries(&self) -> &[Summary] {
        &self.summaries
    }

    /// The entries of a partition, in order; none where there is no such partition.
    pub fn entries(&self, partition: usize) -> io::Result<Vec<Entry>> {
        let in_memory = match (self.starts.get(partition), self.starts.get(partition + 1)) {
            (Some(start), Some(end)) => &self.entries[*start..*end],
            _ => &[],
        };
        let mut entries = in_memory.to_vec();
        for run in &self.runs {
            run.read(partition, &mut entries)?;
        }
        if !self.runs.is_empty() {
            entries.sort_unstable();
        }
        Ok(entries)
    }

    /// How many records there are.
    pub fn count(&self) -> u64 {
        self.summaries.iter().map(|summary| summary.count).sum()
    }
}

/// A sorted part of a side in a file without a name, which goes with the process.
#[derive(Debug)]
struct Run {
    file: File,
    starts: Vec<usize>,
}

impl Run {
    fn write(entries: &[Entry], starts: Vec<usize>) -> io::Result<Self> {
        let mut out = BufWriter::with_capacity(64 * 1024, tempfile::tempfile()?);
        for entry in entries {
            out.write_all(&entry.to_bytes())?;
        }
        let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(Self { file, starts })
    }

    fn read(&self, partition: usize, entries: &mut Vec<Entry>) -> io::Result<()> {
        let (Some(start), Some(end)) = (self.starts.get(partition), self.starts.get(partition + 1)) else {
            return Ok(());
        };
        let mut bytes = vec![0; (end - start) * ENTRY_BYTES];
        self.file.read_exact_at(&mut bytes, (start * ENTRY_BYTES) as u64)?;
        entries.extend(bytes.chunks_exact(ENTRY_BYTES).map(Entry::from_bytes));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn entries_on_disk_are_those_in_memory(
            numbers in prop::collection::vec((0_u128..40, 0_u128..3), 0..200),
            partition_bits in 0_u8..6,
            entries_in_memory in 1_usize..60,
        ) {
            // Spread over the key space, with repeated keys.
            let entry = |(n, (key, row)): (usize, &(u128, u128))| {
                Entry::new(Pair { key: key.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835), row: *row }, n as u64)
            };
            let entries: Vec<_> = numbers.iter().enumerate().map(entry).collect();
            let sorted = |entries_in_memory| {
                let mut collector = Collector::new(Limits { partition_bits, entries_in_memory });
                for entry in &entries {
                    collector.add(*entry).unwrap();
                }
                collector.finish().unwrap()
            };
            let (on_disk, in_memory) = (sorted(entries_in_memory), sorted(usize::MAX));
            prop_assert_eq!(on_disk.summaries(), in_memory.summaries());
            let mut all = Vec::new();
            for partition in 0..on_disk.summaries().len() {
                let part = on_disk.entries(partition).unwrap();
                prop_assert_eq!(&part, &in_memory.entries(partition).unwrap());
                all.extend(part);
            }
            let mut expected = entries.clone();
            expected.sort();
            prop_assert_eq!(all, expected);
            prop_assert_eq!(on_disk.count(), numbers.len() as u64);
        }
    }
}

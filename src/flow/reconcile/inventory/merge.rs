//! Two inventories against each other: only the partitions that differ are read, only the records
//! that differ are fetched, some hundreds at a time.
//!
//! A key that comes more than once in one side is told as such and not matched with anything: which
//! of its records would be the right one nobody knows. It is never left out.

use std::collections::VecDeque;

use contract::Row;
use futures_util::future::try_join;

use super::digest::differing_fields;
use super::{Complete, Entry, Inventory, InventoryError};

/// Full records in memory at once, for each side.
const BATCH: usize = 512;

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Both have it and differ in these fields.
    Differs {
        /// Ours.
        ours: Row,
        /// Theirs.
        theirs: Row,
        /// Names of the fields, in order.
        fields: Vec<String>,
    },
    /// We have it, they do not: their side was seen completely.
    MissingThere(Row, Complete),
    /// They have it, we do not: our side was seen completely.
    MissingHere(Row, Complete),
    /// We have it and did not see it there, where not everything was seen.
    NotSeenThere(Row),
    /// They have it and we did not see it here, where not everything was seen.
    NotSeenHere(Row),
    /// Its key comes more than once in at least one side (R06).
    Repeated {
        /// All of ours.
        ours: Vec<Row>,
        /// All of theirs.
        theirs: Vec<Row>,
    },
}

/// How many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Records of ours.
    pub ours: u64,
    /// Records of theirs.
    pub theirs: u64,
    /// Keys that both have once, with the same fields.
    pub equal: u64,
    /// Keys that both have once, with different fields.
    pub different: u64,
    /// Keys that only we have.
    pub only_ours: u64,
    /// Keys that only they have.
    pub only_theirs: u64,
    /// Keys that come more than once in a side.
    pub repeated: u64,
    /// Records that went between being counted and being fetched: the next run sees them as they are.
    pub gone: u64,
}

/// A candidate: the entries of one key that need their records.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    ours: Vec<Entry>,
    theirs: Vec<Entry>,
}

/// Compares two inventories, part by part.
pub struct Comparer<'a> {
    ours: &'a dyn Inventory,
    theirs: &'a dyn Inventory,
    /// Partitions that must be looked into, the next one first.
    partitions: VecDeque<usize>,
    candidates: VecDeque<Candidate>,
    found: VecDeque<Difference>,
    counts: Counts,
}

impl std::fmt::Debug for Comparer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Comparer").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl<'a> Comparer<'a> {
    /// Compares the partitions; nothing else is read yet.
    pub async fn new(ours: &'a dyn Inventory, theirs: &'a dyn Inventory) -> Result<Self, InventoryError> {
        let (mine, other) = try_join(ours.partitions(), theirs.partitions()).await?;
        if mine.len() != other.len() {
            return Err(InventoryError::Partitions { ours: mine.len(), theirs: other.len() });
        }
        let mut counts = Counts::default();
        let mut partitions = VecDeque::new();
        for (partition, (mine, other)) in mine.iter().zip(&other).enumerate() {
            counts.ours += mine.count;
            counts.theirs += other.count;
            // A key that both sides repeat in the same way is still a mistake in both.
            if mine.is_same(other) && mine.repeated == 0 && other.repeated == 0 {
                counts.equal += mine.count;
            } else {
                partitions.push_back(partition);
            }
        }
        Ok(Self { ours, theirs, partitions, candidates: VecDeque::new(), found: VecDeque::new(), counts })
    }

    /// The next difference; none when everything was compared.
    pub async fn next(&mut self) -> Result<Option<Difference>, InventoryError> {
        loop {
            if let Some(found) = self.found.pop_front() {
                return Ok(Some(found));
            }
            while self.candidates.len() < BATCH
                && let Some(partition) = self.partitions.pop_front()
            {
                let (mine, other) = try_join(self.ours.pairs(partition), self.theirs.pairs(partition)).await?;
                merge(&mine, &other, &mut self.counts, &mut self.candidates);
            }
            if self.candidates.is_empty() {
                return Ok(None);
            }
            self.fetch().await?;
        }
    }

    /// What was counted so far; final once there is no next difference.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    async fn fetch(&mut self) -> Result<(), InventoryError> {
        // Many records of one key count too.
        let mut records = 0;
        let mut batch = Vec::new();
        while let Some(candidate) = self.candidates.front()
            && (batch.is_empty() || records + candidate.ours.len() + candidate.theirs.len() <= 2 * BATCH)
        {
            records += candidate.ours.len() + candidate.theirs.len();
            batch.extend(self.candidates.pop_front());
        }
        let mine: Vec<_> = batch.iter().flat_map(|candidate| &candidate.ours).copied().collect();
        let other: Vec<_> = batch.iter().flat_map(|candidate| &candidate.theirs).copied().collect();
        let (mine, other) = try_join(self.ours.records(&mine), self.theirs.records(&other)).await?;
        let (mut mine, mut other) = (mine.into_iter(), other.into_iter());
        let (here, there) = (self.ours.completeness().proof(), self.theirs.completeness().proof());
        for candidate in batch {
            let wanted = candidate.ours.len() + candidate.theirs.len();
            let ours: Vec<Row> = mine.by_ref().take(candidate.ours.len()).flatten().collect();
            let theirs: Vec<Row> = other.by_ref().take(candidate.theirs.len()).flatten().collect();
            if ours.len() + theirs.len() < wanted {
                self.counts.gone += (wanted - ours.len() - theirs.len()) as u64;
                continue;
            }
            self.found.push_back(difference(ours, theirs, here, there));
        }
        Ok(())
    }
}

fn difference(mut ours: Vec<Row>, mut theirs: Vec<Row>, here: Option<Complete>, there: Option<Complete>) -> Difference {
    if ours.len() > 1 || theirs.len() > 1 {
        return Difference::Repeated { ours, theirs };
    }
    match (ours.pop(), theirs.pop()) {
        (Some(ours), Some(theirs)) => {
            let fields = differing_fields(&ours, &theirs).into_iter().map(str::to_owned).collect();
            Difference::Differs { ours, theirs, fields }
        }
        (Some(row), None) => {
            there.map_or(Difference::NotSeenThere(row.clone()), |proof| Difference::MissingThere(row, proof))
        }
        (None, Some(row)) => {
            here.map_or(Difference::NotSeenHere(row.clone()), |proof| Difference::MissingHere(row, proof))
        }
        (None, None) => Difference::Repeated { ours, theirs },
    }
}

/// One pass over two sorted partitions.
fn merge(ours: &[Entry], theirs: &[Entry], counts: &mut Counts, candidates: &mut VecDeque<Candidate>) {
    let (mut ours, mut theirs) = (ours, theirs);
    while let Some(key) = ours.first().into_iter().chain(theirs.first()).map(Entry::key).min() {
        let (mine, other) = (take(&mut ours, key), take(&mut theirs, key));
        match (mine, other) {
            ([mine], [other]) if mine.row() == other.row() => {
                counts.equal += 1;
                continue;
            }
            ([_], [_]) => counts.different += 1,
            ([_], []) => counts.only_ours += 1,
            ([], [_]) => counts.only_theirs += 1,
            _ => counts.repeated += 1,
        }
        candidates.push_back(Candidate { ours: mine.to_vec(), theirs: other.to_vec() });
    }
}

/// Takes the entries with this key off the front.
fn take<'e>(entries: &mut &'e [Entry], key: u128) -> &'e [Entry] {
    let (taken, rest) = entries.split_at(entries.iter().take_while(|entry| entry.key() == key).count());
    *entries = rest;
    taken
}

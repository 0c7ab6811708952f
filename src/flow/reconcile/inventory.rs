//! Inventories: what each of two sides holds, told in few words first and in more only where the
//! words differ.
//!
//! Count and hash of each part of the key space, then keys and hashes inside the parts that differ,
//! then full records only for the candidates. `ranges` does the same between two nodes, where the
//! bytes on the wire are what counts.

pub mod digest;
pub mod completeness;
pub mod partition;
mod sum;
pub mod merge;
pub mod memory;
pub mod file;
pub mod ranges;

use std::io;

use async_trait::async_trait;
use contract::Row;

pub use completeness::{Complete, Completeness, Shortfall};
pub use digest::{Digester, Kind, Layout, Pair, RunKey};
pub use merge::{Comparer, Counts, Difference};
pub use partition::{Entry, Limits, Summary};

/// One side of a comparison.
///
/// Both sides are hashed under the same [`RunKey`] and cut into the same number of partitions, by
/// the first bits of the key's hash. In memory and in a file a [`partition::Sorted`] does the work.
/// A database or a remote system reads its records once through a [`Digester`] into a
/// [`partition::Collector`], with its row number as the place; one that keeps digests of its own
/// keeps unkeyed cryptographic ones and hashes those with the key of the run.
#[async_trait]
pub trait Inventory: Send + Sync {
    /// Count and hash of each partition.
    async fn partitions(&self) -> Result<Vec<Summary>, InventoryError>;

    /// What is in a partition, in order.
    async fn pairs(&self, partition: usize) -> Result<Vec<Entry>, InventoryError>;

    /// The records behind these entries, in their order; none for one that has gone meanwhile.
    async fn records(&self, entries: &[Entry]) -> Result<Vec<Option<Row>>, InventoryError>;

    /// Whether all of the side was seen.
    fn completeness(&self) -> Completeness;
}

/// Why a side could not be told.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// The file, or the space for sorting.
    #[error("cannot read or sort an inventory")]
    Io(#[from] io::Error),
    /// The file is not what it was said to be.
    #[error("the file is no inventory: {problem}")]
    Format {
        /// What is wrong with it.
        problem: String,
    },
    /// The two sides were cut differently.
    #[error("one side has {ours} partitions, the other {theirs}")]
    Partitions {
        /// How many we have.
        ours: usize,
        /// How many they have.
        theirs: usize,
    },
    /// A task of ours ended before its time.
    #[error("reading an inventory ended unexpectedly")]
    Interrupted,
}

#[cfg(test)]
mod tests;

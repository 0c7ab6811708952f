//! A side whose records are in memory.

use async_trait::async_trait;
use contract::Row;

use super::partition::{Collector, Sorted};
use super::{Completeness, Digester, Entry, Inventory, InventoryError, Layout, Limits, RunKey, Summary};

/// Records in memory.
#[derive(Debug)]
pub struct MemoryInventory {
    rows: Vec<Row>,
    sorted: Sorted,
    completeness: Completeness,
}

impl MemoryInventory {
    /// An inventory of these rows.
    pub fn new(
        rows: Vec<Row>,
        layout: &Layout,
        key: RunKey,
        limits: Limits,
        completeness: Completeness,
    ) -> Result<Self, InventoryError> {
        let mut digester = Digester::new(key, layout);
        let mut collector = Collector::new(limits);
        for (place, row) in rows.iter().enumerate() {
            collector.add(Entry::new(digester.row(row), place as u64))?;
        }
        Ok(Self { rows, sorted: collector.finish()?, completeness })
    }
}

#[async_trait]
impl Inventory for MemoryInventory {
    async fn partitions(&self) -> Result<Vec<Summary>, InventoryError> {
        Ok(self.sorted.summaries().to_vec())
    }

    async fn pairs(&self, partition: usize) -> Result<Vec<Entry>, InventoryError> {
        Ok(self.sorted.entries(partition)?)
    }

    async fn records(&self, entries: &[Entry]) -> Result<Vec<Option<Row>>, InventoryError> {
        let row = |entry: &Entry| self.rows.get(usize::try_from(entry.place).ok()?).cloned();
        Ok(entries.iter().map(row).collect())
    }

    fn completeness(&self) -> Completeness {
        self.completeness.clone()
    }
}

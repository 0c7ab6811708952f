//! The observer role: what a remote system holds, so that a reconciliation can compare.

use async_trait::async_trait;

use crate::{AdapterError, Digests, Row, UnitKey};

/// A unit as the system holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedUnit {
    /// The unit.
    pub key: UnitKey,
    /// The revision that the system holds, when it counts them: somebody else may have gone further
    /// than we did.
    pub revision: Option<u64>,
    /// Its rows, in key order.
    pub rows: Vec<Row>,
}

/// A page of the inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryPage {
    /// Units in strictly ascending order of their keys, also across pages.
    pub units: Vec<ObservedUnit>,
    /// Where the next page starts; none on the last one.
    pub next: Option<String>,
    /// What the page says of the whole inventory, where the protocol says it.
    pub extent: Option<Extent>,
}

/// What a page says of the whole list that it is a part of. Whoever reads all pages holds it against
/// what was received: a side that gives more or less than it announces was not read completely.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// How many elements this page has, as the totals count them: those that are no units of ours too.
    pub elements: u64,
    /// How many elements there are on all pages.
    pub total: Option<u64>,
    /// How many pages there are.
    pub pages: Option<u64>,
}

/// The observer role.
#[async_trait]
pub trait Observer: Send + Sync {
    /// Whether the system is the home of what others write there too: units, rows and fields that
    /// we do not send are then no differences.
    fn holds_more_than_ours(&self) -> bool {
        false
    }

    /// Reads one page of what the system holds, from the beginning or from where the previous page
    /// ended. An error means that the side was not read completely: nothing may be called missing.
    async fn inventory(&self, from: Option<&str>) -> Result<InventoryPage, AdapterError>;

    /// Digests of what the system holds, where it offers them: only what may differ is then read in
    /// full. Not asked for where the system holds more than ours.
    fn digests(&self) -> Option<&dyn Digests> {
        None
    }
}

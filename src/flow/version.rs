//! Version: gives the ledger what was understood; what is new becomes a version.
//!
//! Comes from: `normalize`, with the routes that `route` decided.
//! Goes to: the ledger, and through its delivery rows to `deliver`.
//! Safe to repeat because: the same body of the same source has the same digest, and gives no new version.
//! When it fails: the whole batch is rolled back; versions, deliveries and audit entries are one transaction.

use canonical::Record;
use canonical::values::UtcInstant;
use contract::RawRecord;

use super::normalize::Understood;
use crate::failpoints;
use crate::storage::{Arrival, DocumentId, Ledger, Route, RoutedRecord, RunId, StorageError, Stored};

/// A raw record, understood and routed, ready to be stored. Records that stand aside go nowhere.
pub fn arrival(
    document: DocumentId,
    raw: RawRecord,
    understood: Understood,
    route: impl Fn(&Record) -> (u16, Vec<Route>),
) -> Arrival {
    let records = match understood.set_aside {
        Some(_) => Vec::new(),
        None => understood
            .records
            .into_iter()
            .map(|record| {
                let (rank, routes) = route(&record);
                RoutedRecord { record, rank, routes }
            })
            .collect(),
    };
    Arrival {
        document,
        line: raw.line,
        occurrence: raw.occurrence,
        text: raw.text,
        records,
        findings: understood.findings,
        set_aside: understood.set_aside,
    }
}

/// Stores a batch in one transaction.
pub async fn store(
    ledger: &(impl Ledger + ?Sized),
    run: RunId,
    arrivals: Vec<Arrival>,
    at: UtcInstant,
) -> Result<Vec<Stored>, StorageError> {
    failpoints::pass("version.before").await?;
    let stored = ledger.store(run, arrivals, at).await?;
    failpoints::pass("version.after").await?;
    Ok(stored)
}

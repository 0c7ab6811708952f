//! How many calls were made with vouchers of the national platform: what the tracing file of a day says,
//! and nothing else.
//!
//! Calls are counted in memory and given here in batches. A batch counts once, however often it is
//! given: whoever does not know whether it arrived gives the same again.

use async_trait::async_trait;
use canonical::values::CalendarDate;

use super::StorageError;

/// How many calls of a day were made with a voucher, and ended alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallCount {
    /// The day, in Italy.
    pub day: CalendarDate,
    /// The purpose of the voucher.
    pub purpose_id: String,
    /// The name of the voucher.
    pub token_id: String,
    /// The status of the answers.
    pub status: u16,
    /// How many; at least one.
    pub requests: u64,
}

/// What a process has counted since the batch before. No two of its counts are of the same calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallBatch {
    /// The process, by a name that no other has.
    pub process: String,
    /// The number of the batch: from one, and each greater than those before.
    pub number: u64,
    /// On which day it was made.
    pub made_on: CalendarDate,
    /// The counts.
    pub counts: Vec<CallCount>,
}

/// What whoever counts calls needs from a database.
#[async_trait]
pub trait Calls: Send + Sync {
    /// Adds a batch to what is counted. False when it was there already, and nothing changes.
    async fn add_calls(&self, batch: CallBatch) -> Result<bool, StorageError>;

    /// What is counted of a day, by purpose, voucher and status.
    async fn calls_of(&self, day: CalendarDate) -> Result<Vec<CallCount>, StorageError>;

    /// The first day of which calls are counted here: the one on which the database was made, or an earlier
    /// one of which something is counted.
    async fn counted_since(&self) -> Result<CalendarDate, StorageError>;

    /// Forgets what was counted of days before this one, at most `limit` counts at once. Returns how many.
    async fn forget_calls(&self, before: CalendarDate, limit: u32) -> Result<u64, StorageError>;
}

//! Suites that several implementations pass, and what they need.
//!
//! `adapter_suite` holds what every adapter promises, by role. `storage_suite` holds every promise of the storage traits, for each database. `bench_queue`
//! measures the queue against the barest loop on the same file, `bench_store` the ledger against the
//! barest upsert.

pub mod records;
pub mod adapter_suite;
pub mod storage_suite;
pub mod bench_queue;
pub mod bench_store;

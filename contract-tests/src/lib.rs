//! Suites that several implementations pass, and what they need.
//!
//! `adapter_suite` holds what every adapter promises, by role. `storage_suite` holds every promise of the storage traits, for each database. `bench_queue`
//! measures the queue against the barest loop on the same file, `bench_store` the ledger against the
//! barest upsert. `signal_hub` is Signal Hub
//! with its limits and its moods. `private_postgres` is a server of one's own for tests that stop, kill and restart it. `faults`
//! makes the real program fail in every way, and judges it from outside. `discrepancies` is what reports and pages are made of.

pub mod records;
pub mod discrepancies;
pub mod adapter_suite;
pub mod storage_suite;
pub mod bench_queue;
pub mod bench_store;
mod rest;
pub mod private_postgres;
pub mod shared_postgres;
pub mod signal_hub;
pub mod faults;

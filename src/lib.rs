//! Raccordo: keeps the records of Italian public contracts in step between platforms.
//!
//! Modules in the order in which a newcomer should read them. The stations of a record are in
//! [`flow`], one file each; [`registry`] is the one place that names adapters and databases.

pub mod clock;
mod chain;
pub mod delivery;
pub mod discrepancy;
pub mod storage;
pub mod failpoints;
pub mod pressure;
pub mod flow;
pub mod jobs;
pub mod config;
pub mod node;
pub mod http;
pub mod cli;
pub mod registry;

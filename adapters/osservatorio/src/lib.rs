#![doc = include_str!("../README.md")]

mod adapter;
mod config;
mod wire;
mod rows;
mod read;
mod privacy;
mod fields;
mod write;
mod client;
mod simulator;

pub use adapter::FACTORY;

/// The stable name of the system.
pub const SYSTEM: &str = "osservatorio";

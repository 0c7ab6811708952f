#![doc = include_str!("../README.md")]

mod adapter;
mod config;
mod wire;
mod envelope;
mod scissione;
mod read;
mod intake;
mod client;
mod simulator;
#[cfg(test)]
mod testing;

pub use adapter::FACTORY;

/// The stable name of the system.
pub const SYSTEM: &str = "contabilita";

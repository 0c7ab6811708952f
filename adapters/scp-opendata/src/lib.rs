#![doc = include_str!("../README.md")]

mod adapter;
mod config;
mod wire;
mod client;
mod intake;
mod read;
mod simulator;
#[cfg(test)]
mod testing;

pub use adapter::{FACTORY, ScpOpendata};

/// The stable name of the system.
pub const SYSTEM: &str = "scp-opendata";

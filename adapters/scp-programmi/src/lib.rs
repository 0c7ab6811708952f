#![doc = include_str!("../README.md")]

mod adapter;
mod client;
mod config;
mod wire;
mod campi;
mod read;
mod checks;
mod write;
mod simulator;
#[cfg(test)]
mod testing;

pub use adapter::{FACTORY, ScpProgrammi};

/// The stable name of the system.
pub const SYSTEM: &str = "scp-programmi";

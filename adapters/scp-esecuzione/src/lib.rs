#![doc = include_str!("../README.md")]

mod config;
mod wire;
mod rome;
mod schede;
mod official;
mod read;
mod write;
mod explain;
mod admit;
mod inventory;
mod names;
mod client;
mod source;
mod adapter;
mod simulator;
#[cfg(test)]
mod testing;

pub use adapter::{FACTORY, ScpEsecuzione};

/// The stable name of the system.
pub const SYSTEM: &str = "scp-esecuzione";

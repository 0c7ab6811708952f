#![doc = include_str!("../README.md")]

mod adapter;
mod client;
mod config;
mod dati;
mod read;
mod schede;
mod simulator;
#[cfg(test)]
mod testing;
mod wire;
mod write;

pub use adapter::{FACTORY, ScpEsecuzione};

/// The stable name of the system.
pub const SYSTEM: &str = "scp-esecuzione";

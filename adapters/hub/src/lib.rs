#![doc = include_str!("../README.md")]

mod adapter;
mod config;
mod wire;
mod sets;
mod fields;
mod read;
mod write;
mod client;
mod simulator;
#[cfg(test)]
mod testing;

pub use adapter::FACTORY;

/// The stable name of the system.
pub const SYSTEM: &str = "hub";

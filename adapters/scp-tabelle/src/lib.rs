#![doc = include_str!("../README.md")]

mod adapter;
mod config;
mod wire;
mod client;
mod read;
mod simulator;

pub use adapter::{FACTORY, ScpTabelle};

/// The stable name of the system.
pub const SYSTEM: &str = "scp-tabelle";

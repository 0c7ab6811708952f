#![doc = include_str!("../README.md")]

mod adapter;
mod config;
mod wire;
mod client;
mod read;
mod codici;
mod simulator;

pub use adapter::{FACTORY, ScpTabelle};
pub use codici::{Codici, Verdict};

/// The stable name of the system.
pub const SYSTEM: &str = "scp-tabelle";

#![doc = include_str!("../README.md")]

mod adapter;
mod client;
mod config;
mod registers;
mod wire;
mod scan;
mod read;
mod write;
mod inventory;
mod simulator;
#[cfg(test)]
mod testing;

pub use adapter::{FACTORY, PadMaggioli};

/// The name of the system.
const SYSTEM: &str = "pad-maggioli";

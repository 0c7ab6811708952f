#![doc = include_str!("../README.md")]

mod adapter;
mod client;
mod config;
mod files;
mod read;
mod simulator;
mod stato;
mod wire;
mod write;

pub use adapter::FACTORY;

/// The stable name of the system.
pub const SYSTEM: &str = "pico";

#![doc = include_str!("../README.md")]

mod adapter;
mod digests;
mod unit;
mod dataset;
mod cell;
mod stato;
mod italian_day;
mod write;
mod files;
mod read;
mod source;
mod wire;
mod client;
mod config;
mod simulator;

pub use adapter::FACTORY;

/// The stable name of the system.
pub const SYSTEM: &str = "pico";

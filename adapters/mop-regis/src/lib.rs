#![doc = include_str!("../README.md")]

mod config;
mod wire;
mod documents;
mod gather;
mod row;
mod read;
mod adapter;
mod simulator;

#[cfg(test)]
mod tests;

pub use adapter::FACTORY;

/// The stable name of the system.
pub(crate) const SYSTEM: &str = "mop-regis";

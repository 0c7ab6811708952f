#![doc = include_str!("../README.md")]

mod adapter;
mod formats;
mod config;
mod client;
mod intake;
mod dataset;
mod elements;
mod node;
mod values;
mod read;
mod draft;
mod scheda;
mod collegamento;
mod operatore;
mod esecuzione;
mod ocds;
mod avvisi;
mod codice;
mod simulator;

pub use adapter::FACTORY;

/// The stable name of the system.
pub const SYSTEM: &str = "anac-opendata";

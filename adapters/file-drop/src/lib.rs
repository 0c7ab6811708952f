#![doc = include_str!("../README.md")]

mod adapter;
mod config;
mod examine;
mod inspect;
mod intake;
mod l190;
mod ndjson;
mod occurrences;
mod read;
mod shown;
mod sniff;
mod strict_xml;
mod wire;

pub use adapter::{FACTORY, FileDrop};
pub use config::Settings;
pub use inspect::{CigCounts, CodiceFiscaleCounts, Counts, Inspection, LottoCounts, inspect};

use contract::Refusal;

/// A refusal of a whole document, without a line.
fn refuse(code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal { code: code.to_owned(), message: message.into(), line: None }
}

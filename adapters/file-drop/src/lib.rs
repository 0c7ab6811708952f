#![doc = include_str!("../README.md")]

mod adapter;
mod config;
mod examine;
mod inspect;
mod intake;
mod l190;
pub mod mapping;
mod ndjson;
mod occurrences;
mod pad_file;
mod read;
mod sniff;
mod strict_xml;
mod wire;

pub use adapter::{FACTORY, FileDrop};
pub use config::Settings;
pub use inspect::{CigCounts, CodiceFiscaleCounts, Counts, Inspection, LottoCounts, inspect};
pub use pad_file::adapter::{PAD_FILE_FACTORY, PadFile};
pub use pad_file::config::PadFileSettings;

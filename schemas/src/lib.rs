#![doc = include_str!("../README.md")]

pub mod identifiers;
pub mod values;
pub mod code_lists;
pub mod kinds;
mod lots;
pub mod finding;
pub mod provenance;
pub mod record;
pub mod report;
pub mod json_schema;

pub use finding::{Finding, Rule, Severity};
pub use kinds::{Body, Kind};
pub use provenance::{FieldPath, Provenance, SourceName};
pub use record::{Digest, Record, RecordKey};

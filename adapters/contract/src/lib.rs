#![doc = include_str!("../README.md")]

mod capability;
mod source;
mod target;
mod observer;
mod digests;
mod row;
mod error;
mod simulator;

pub use capability::{Adapter, AdapterFactory, Capability, ContractStatus, Settings, SettingsError};
pub use digests::{DigestPage, Digests, KeyRange, RangeDigest, UnitDigest, rows_digest};
pub use error::{AdapterError, Advice, ErrorKind, Phase};
pub use observer::{Extent, InventoryPage, ObservedUnit, Observer};
pub use row::{FieldValue, Row};
pub use simulator::{RunningSimulator, SimulatorOptions};
pub use source::{
    DocumentHeader, DraftRecord, Normalized, RawRecord, RawSink, ReadRequest, Received, Refusal, SetAside, Source,
};
pub use target::{
    Composed, Explanation, Followed, Held, Lane, Neighbour, NotYet, Outcome, Placement, Receipt, Shipment, Target,
    Unit, UnitKey,
};

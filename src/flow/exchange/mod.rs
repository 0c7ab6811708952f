//! What leaves through the exchange API, and in which shape: items of JSON, tables, OCDS releases, and the
//! messages that say that there is something to read.
//!
//! Pure, but for the questions of `cursor` and `webhook`: from stored versions to what partners read. No person leaves: what names one is left out and
//! said to be. The shapes of the bodies come from the schemas of the canonical model, so that a new
//! field of a person, or a new amount, is known here without being listed.

pub mod shape;
pub mod item;
pub mod table;
pub mod ocds;
pub mod territory;
pub mod export;
pub mod webhook;
pub mod signal;
pub(crate) mod cursor;

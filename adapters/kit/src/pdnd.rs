//! The national data platform, "Interoperabilità": it carries no data, it issues **vouchers**.
//!
//! Everything here is a function of an input, keys and `now`, save the clients, which speak HTTP.
//! The words are those of the platform: client, finalità (purpose), erogatore (producer), fruitore
//! (consumer).

pub mod environment;
pub mod settings;
pub mod assertion;
pub mod preflight;
pub mod dpop;
pub mod voucher;
pub mod tracing_file;
pub mod counted;
pub mod tracing_api;
pub mod signal_hub;
pub mod token;
pub mod client;
pub mod access;
pub mod call;
pub mod keys;
pub mod api;
pub mod registered;

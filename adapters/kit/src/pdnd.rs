//! The national data platform, "Interoperabilità": it carries no data, it issues **vouchers**.
//!
//! Everything here is a function of an input, keys and `now`. The words are those of the platform: client, finalità (purpose), erogatore
//! (producer), fruitore (consumer).

pub mod dpop;
pub mod voucher;

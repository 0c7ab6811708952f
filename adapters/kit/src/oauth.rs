//! Access by OAuth 2.0 client credentials (RFC 6749 4.4): for partners outside the national platform.
//!
//! A token endpoint gives a **token** for a while to a client that proves who it is, by a secret or by
//! a signature of its own key; every request to the system then bears the token. What it says is the
//! affair of whoever gave it and of the system: here it is opaque.

pub mod settings;
pub mod grant;
pub mod tokens;

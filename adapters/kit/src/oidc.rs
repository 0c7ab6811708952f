//! What an identity provider says of the people who sign in: their roles, the end of their sessions,
//! and the proof that who brings a code is who asked for it.
//!
//! Pure parts; the exchange with a provider is not here.

mod logout;
pub mod pkce;
pub mod roles;

pub use logout::{Logout, verify_logout};

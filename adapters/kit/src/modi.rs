//! The national rules of interoperability (`ModI`): bodies and identities that are signed.
//!
//! One file for each concern. A body is serialised once: those bytes are hashed, those bytes are
//! sent, and those received are hashed before anybody parses them.

pub mod digest;
pub mod x509;
pub mod tokens;
pub mod verify;
pub mod sign;
pub mod audit;
pub mod identity;
pub mod soap;
pub mod gateway;
pub mod service;

/// The header that holds the signature of a message.
pub const SIGNATURE_HEADER: &str = "Agid-JWT-Signature";
/// The header that holds the evidence of who asks.
pub const EVIDENCE_HEADER: &str = "Agid-JWT-TrackingEvidence";

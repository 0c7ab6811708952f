//! Signal Hub: "something changed", never what. A signal only says "fetch that object again", so
//! that applying one twice is harmless.
//!
//! [`push`] and [`pull`] are functions of what was answered. The cursor of
//! a reader and the numbers of a writer are kept by whoever calls, in the transaction of the effects.

pub mod pseudonym;
pub mod push;
pub mod pull;
pub mod client;

use serde::{Deserialize, Serialize};

/// A signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signal {
    /// Its number: chosen by the producer, strictly increasing in an e-service, with gaps or not.
    pub signal_id: i64,
    /// The kind of the object, in the producer's words.
    pub object_type: String,
    /// The object; a pseudonym where its name is personal.
    pub object_id: String,
    /// The e-service.
    pub eservice_id: String,
    /// What happened to it.
    pub signal_type: SignalType,
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SignalType {
    /// It is new.
    Create,
    /// It changed.
    Update,
    /// It is gone.
    Delete,
    /// The seed of the pseudonyms is another: read it again.
    #[serde(rename = "SEEDUPDATE")]
    SeedUpdate,
    /// Something that the hub did not know when this was written: a reason to look, as the others are.
    #[serde(other)]
    Other,
}

impl Signal {
    /// The signal that tells of another seed: it is about no object.
    pub fn seed_update(signal_id: i64, eservice_id: impl Into<String>) -> Self {
        Self {
            signal_id,
            object_type: "-".to_owned(),
            object_id: "-".to_owned(),
            eservice_id: eservice_id.into(),
            signal_type: SignalType::SeedUpdate,
        }
    }
}

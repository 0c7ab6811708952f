//! What the services answer, in their spelling. Members that nothing here asks about are not read.
//!
//! States are kept as they are written: one that the platform adds is not active for us.

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Key {
    pub(super) client_id: Option<String>,
    pub(super) producer_keychain_id: Option<String>,
    pub(super) jwk: Value,
}

#[derive(Deserialize)]
pub(super) struct KeyEvents {
    pub(super) events: Vec<KeyEvent>,
}

/// Something that became of a key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyEvent {
    /// Its name: the next page begins after it.
    pub id: String,
    /// What.
    #[serde(rename = "eventType")]
    pub kind: KeyEventKind,
    /// The key.
    pub kid: String,
    /// The client, or the keychain.
    #[serde(alias = "clientId", alias = "producerKeychainId")]
    pub owner: String,
}

/// What became of a key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum KeyEventKind {
    /// It was registered.
    Added,
    /// It must not be trusted any more.
    Deleted,
    /// Something that the contract does not have.
    Other(String),
}

impl From<String> for KeyEventKind {
    fn from(name: String) -> Self {
        match name.as_str() {
            "CLIENT_KEY_ADDED" | "PRODUCER_KEYCHAIN_KEY_ADDED" => Self::Added,
            "CLIENT_KEY_DELETED" | "PRODUCER_KEYCHAIN_KEY_DELETED" => Self::Deleted,
            _ => Self::Other(name),
        }
    }
}

/// A purpose.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Purpose {
    /// Its name.
    pub id: String,
    /// The e-service that it is for.
    pub eservice_id: String,
    /// Who calls.
    pub consumer_id: String,
    /// The version in force; none before the first activation.
    pub current_version: Option<PurposeVersion>,
    /// A version that waits for the producer: more calls were asked for than it grants by itself.
    pub waiting_for_approval_version: Option<PurposeVersion>,
    /// A version that was refused.
    pub rejected_version: Option<PurposeVersion>,
    /// Suspended by whom calls.
    pub suspended_by_consumer: Option<bool>,
    /// Suspended by whom is called.
    pub suspended_by_producer: Option<bool>,
}

/// A version of a purpose.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PurposeVersion {
    /// `ACTIVE`, `DRAFT`, `SUSPENDED`, `WAITING_FOR_APPROVAL`, `ARCHIVED`, `REJECTED`.
    pub state: String,
    /// How many calls a day.
    pub daily_calls: u32,
}

impl Purpose {
    /// The state that decides whether vouchers are given for it.
    pub fn state(&self) -> &str {
        let versions = [&self.current_version, &self.waiting_for_approval_version, &self.rejected_version];
        versions.into_iter().flatten().next().map_or("DRAFT", |version| version.state.as_str())
    }

    /// Whether vouchers are given for it.
    pub fn is_active(&self) -> bool {
        self.state() == "ACTIVE"
    }
}

/// An agreement between who calls and who is called.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Agreement {
    /// Its name.
    pub id: String,
    /// `ACTIVE`, `DRAFT`, `ARCHIVED`, `PENDING`, `SUSPENDED`, `MISSING_CERTIFIED_ATTRIBUTES`, `REJECTED`.
    pub state: String,
    /// Who is called.
    pub producer_id: String,
    /// Who calls.
    pub consumer_id: String,
    /// The e-service.
    pub eservice_id: String,
    /// Its version.
    pub descriptor_id: String,
    /// Suspended by whom calls.
    pub suspended_by_consumer: Option<bool>,
    /// Suspended by whom is called.
    pub suspended_by_producer: Option<bool>,
    /// Suspended by the platform.
    pub suspended_by_platform: Option<bool>,
}

impl Agreement {
    /// Whether vouchers are given for it.
    pub fn is_active(&self) -> bool {
        self.state == "ACTIVE"
    }
}

/// The calls that are left today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct RemainingCalls {
    /// To this consumer.
    #[serde(rename = "remainingDailyCallsPerConsumer")]
    pub per_consumer: u32,
    /// To all consumers of the e-service.
    #[serde(rename = "remainingDailyCallsTotal")]
    pub total: u32,
}

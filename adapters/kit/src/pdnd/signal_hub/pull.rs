//! Hearing of changes: a page of signals, the cursor after it, and what each one asks for.
//!
//! The cursor is ours: an empty page has none. Save it in the transaction of the effects. Signals
//! are kept for 30 days.

use std::time::Duration;

use serde::Deserialize;

use super::pseudonym::KnownObjects;
use super::{Signal, SignalType};

/// A cursor older than this is told to the operator.
pub const WARN_AFTER: Duration = Duration::from_hours(20 * 24);
/// Beyond this signals were lost: everything must be compared again.
pub const LOST_AFTER: Duration = Duration::from_hours(30 * 24);
/// The largest page.
pub const LARGEST_PAGE: u16 = 100;

/// A page, as received.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    /// The signals, by number.
    pub signals: Vec<Signal>,
    /// The last number of the page; none on an empty one.
    pub last_signal_id: Option<i64>,
}

impl Page {
    /// The cursor after this page: its last signal, whatever else it says. An empty one moves nothing.
    pub fn cursor_after(&self, cursor: i64) -> i64 {
        self.signals.iter().map(|signal| signal.signal_id).fold(cursor, i64::max)
    }

    /// Whether it is what was asked for: signals of this e-service after this number, each above the one
    /// before it. Believed, another would move the cursor beyond signals that nobody has heard.
    pub fn is_of(&self, eservice_id: &str, after: i64) -> bool {
        let numbers = self.signals.iter().map(|signal| signal.signal_id);
        self.signals.iter().all(|signal| signal.eservice_id == eservice_id)
            && std::iter::once(after).chain(numbers.clone()).zip(numbers).all(|(before, number)| before < number)
    }
}

/// What a signal asks for.
#[derive(Clone, PartialEq, Eq)]
pub enum Action {
    /// Fetch the object again.
    Refetch(Object),
    /// The object is gone.
    Delete(Object),
    /// Read the seed again and recompute every known pseudonym, before the next signal.
    ReloadSeed,
}

/// An object that a signal is about.
#[derive(Clone, PartialEq, Eq)]
pub enum Object {
    /// One that we know, by its real name.
    Known(String),
    /// One that we have not seen: its name as in the signal.
    Unknown(String),
}

/// Never the name.
impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Self::Known(_)) { "Known" } else { "Unknown" })
    }
}

impl std::fmt::Debug for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refetch(object) => f.debug_tuple("Refetch").field(object).finish(),
            Self::Delete(object) => f.debug_tuple("Delete").field(object).finish(),
            Self::ReloadSeed => f.write_str("ReloadSeed"),
        }
    }
}

/// What a signal asks for, given what we know under the seed of the moment.
pub fn action(signal: &Signal, known: &KnownObjects) -> Action {
    let object = || match known.identifier(&signal.object_id) {
        Some(identifier) => Object::Known(identifier.to_owned()),
        None => Object::Unknown(signal.object_id.clone()),
    };
    match signal.signal_type {
        SignalType::Create | SignalType::Update | SignalType::Other => Action::Refetch(object()),
        SignalType::Delete => Action::Delete(object()),
        SignalType::SeedUpdate => Action::ReloadSeed,
    }
}

/// How far behind a cursor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lag {
    /// Not far.
    Fine,
    /// Somebody should look before signals are lost.
    Warn,
    /// Signals were lost: everything must be compared again.
    Lost,
}

/// How far behind a cursor is that was last moved, or found at the end, so long ago.
pub fn lag(age: Duration) -> Lag {
    match age {
        _ if age > LOST_AFTER => Lag::Lost,
        _ if age > WARN_AFTER => Lag::Warn,
        _ => Lag::Fine,
    }
}

//! How a record moves, one file per station, in this order:
//! intake → normalize → version → route → deliver → receipt → reconcile → report.
//! Beside them `replay`, where a person sends what stands aside through them again, and `exchange`, the
//! shapes in which partners read what is stored.
//!
//! The stations know the roles of the adapters and what they need from storage. They know no
//! system, no database, no page and no command.

pub mod intake;
pub mod normalize;
pub mod version;
pub mod route;
pub mod deliver;
pub mod receipt;
pub mod reconcile;
pub mod report;
pub mod replay;
pub mod exchange;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use contract::{Adapter, AdapterError};

use self::route::filter::Filter;
use self::route::ownership::Ownership;
use crate::clock::Clock;
use crate::pressure::{Hold, IntakeGate};
use crate::storage::{StorageError, Store};

/// The systems that the flow works with, by configured name.
pub type Systems = BTreeMap<String, Arc<dyn Adapter>>;

/// What every station is given.
#[derive(Clone)]
pub struct Flow {
    /// The database.
    pub store: Arc<dyn Store>,
    /// The systems.
    pub systems: Arc<Systems>,
    /// Other nodes, with which this one compares what both hold.
    pub nodes: Arc<reconcile::nodes::Nodes>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// How long to wait before trying again.
    pub patience: Arc<dyn Patience>,
    /// Who may speak with a target now.
    pub gates: Arc<dyn deliver::gate::Gate>,
    /// When what may have arrived is sent again.
    pub resend: deliver::doubt::Resend,
    /// How long a unit may wait for more changes, in place of what its system asks for.
    pub collapse: Option<Duration>,
    /// Who is believed when several sources speak of the same thing.
    pub ownership: Arc<Ownership>,
    /// What each target is given, by its name. Those that are not named are given everything.
    pub filters: Arc<BTreeMap<String, Filter>>,
    /// Holds intake while there is too much of it.
    pub intake_gate: Arc<IntakeGate>,
    /// What is done about discrepancies that nobody takes care of, and who repairs.
    pub reconciliation: reconcile::Policy,
}

impl Flow {
    /// Whether intake is held now, and why.
    pub async fn hold(&self) -> Result<Option<Hold>, StorageError> {
        self.intake_gate.hold(self.store.as_ref(), self.clock.as_ref()).await
    }

    /// The system with this name.
    pub fn system(&self, name: &str) -> Result<&Arc<dyn Adapter>, FlowError> {
        self.systems.get(name).ok_or_else(|| FlowError::UnknownSystem {
            system: name.to_owned(),
            known: self.systems.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        })
    }
}

/// How long to wait before trying again. The stations ask; the jobs decide.
pub trait Patience: Send + Sync {
    /// The pause after attempt number `attempts`, made `since` the first one, when the other side
    /// asked for a pause of its own. None: enough, give up.
    fn pause(&self, attempts: u32, since: Duration, asked: Option<Duration>) -> Option<Duration>;

    /// The longest pause: for what time alone does not mend.
    fn longest(&self) -> Duration;

    /// The pause before a shipment that was taken `since` is asked about again, or a step that is
    /// not admitted since then is looked at again: often at first, then more and more rarely.
    fn follow(&self, since: Duration) -> Duration;
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flow").field("systems", &self.systems.keys().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

/// Why a station could not finish.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The system.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// Too much is waiting, or there is no room for more.
    #[error(transparent)]
    Held(#[from] Hold),
    /// The configuration has no system of this name.
    #[error("no system is called {system}; the configured ones are: {known}")]
    UnknownSystem {
        /// The name.
        system: String,
        /// The names that exist.
        known: String,
    },
    /// The system has not the role that was asked of it.
    #[error("system {system} has no {role} role")]
    NoRole {
        /// The system.
        system: String,
        /// The role.
        role: &'static str,
    },
    /// Another run of the same comparison is under way.
    #[error("a comparison of {comparison} is under way")]
    UnderWay {
        /// Which comparison.
        comparison: String,
    },
    /// A list in a file that cannot be compared now.
    #[error("the list is of {as_of}, and nothing was compared: {problem}")]
    List {
        /// The moment of which it is.
        as_of: canonical::values::UtcInstant,
        /// Why.
        problem: String,
    },
    /// A task of ours ended before its time.
    #[error("{task} ended unexpectedly")]
    Interrupted {
        /// Which one.
        task: &'static str,
    },
}

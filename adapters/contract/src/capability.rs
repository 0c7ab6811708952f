//! What an adapter is and can do, as one row of the capability table.

use canonical::Kind;
use serde::Serialize;

use crate::{Observer, RunningSimulator, SimulatorOptions, Source, Target};

/// Whether the system publishes the interface that the adapter speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ContractStatus {
    /// A published specification exists and is implemented as written.
    Public,
    /// No published specification exists: the contract is ours, and says so wherever it is shown.
    Assumed,
}

/// One row of the capability table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Capability {
    /// Stable name of the system, in kebab case.
    pub system: &'static str,
    /// What the system is, in one Italian line for people.
    pub title: &'static str,
    /// Which contract the adapter speaks, for instance `Legge 190 XML 1.0, 1.1, 1.3` or `v0`.
    pub contract: &'static str,
    /// Whether that contract is published or ours.
    pub status: ContractStatus,
    /// Kinds that the source reads; empty without the role.
    pub reads: &'static [Kind],
    /// Kinds that the target accepts; empty without the role.
    pub accepts: &'static [Kind],
    /// Whether the adapter can say what the system holds.
    pub observes: bool,
    /// How many requests the system takes at the same time.
    pub parallel_requests: u16,
    /// How many seconds a unit may wait for more changes before it is delivered. Zero for systems
    /// that take one record at a time; more for those that take whole datasets.
    pub collapse_seconds: u16,
    /// Whether the target takes records only of bodies with a membership ([`canonical::kinds::Adesione`])
    /// in force. The flow holds the others back, and says so.
    pub requires_adesione: bool,
}

/// One system, through the roles it has.
pub trait Adapter: Send + Sync {
    /// The row of the capability table.
    fn capability(&self) -> Capability;

    /// The source role, when the adapter has it.
    fn source(&self) -> Option<&dyn Source> {
        None
    }

    /// The target role, when the adapter has it.
    fn target(&self) -> Option<&dyn Target> {
        None
    }

    /// The observer role, when the adapter has it.
    fn observer(&self) -> Option<&dyn Observer> {
        None
    }
}

/// The settings of one adapter, as written in the configuration file.
pub type Settings = serde_json::Value;

/// Settings that an adapter cannot work with.
#[derive(Debug, thiserror::Error)]
#[error("settings of {system} not usable: {problem}")]
pub struct SettingsError {
    /// The system concerned.
    pub system: &'static str,
    /// What is wrong and what to write instead.
    pub problem: String,
}

/// How the daemon makes an adapter: one value of this type per system, listed in one place.
#[derive(Clone, Copy)]
pub struct AdapterFactory {
    /// The row of the capability table, known without settings.
    pub capability: fn() -> Capability,
    /// Makes the adapter from its settings.
    pub build: fn(Settings) -> Result<Box<dyn Adapter>, SettingsError>,
    /// Starts the simulator of the system, when there is one.
    pub simulate: Option<fn(SimulatorOptions) -> std::io::Result<RunningSimulator>>,
}

impl std::fmt::Debug for AdapterFactory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("AdapterFactory").field(&(self.capability)().system).finish()
    }
}

#![doc = include_str!("../README.md")]

mod observer;
mod rows;
mod source;
mod system;
mod target;

use canonical::Kind;
use contract::{Adapter, AdapterFactory, Capability, ContractStatus, Observer, Source, Target};

pub use source::{PANIC, SET_ASIDE, document, header};
pub use system::{Effect, Fault, Simulated};

/// How a test configuration makes this system. Settings are ignored.
pub const FACTORY: AdapterFactory =
    AdapterFactory { capability, build: |_| Ok(Box::new(Simulated::new())), simulate: None };

fn capability() -> Capability {
    Capability {
        system: "simulated",
        title: "Sistema simulato in memoria, solo per le prove",
        contract: "v0",
        status: ContractStatus::Assumed,
        reads: Kind::ALL,
        accepts: &[Kind::Lotto, Kind::Aggiudicazione, Kind::Contratto, Kind::EventoEsecuzione],
        observes: true,
        parallel_requests: 8,
        collapse_seconds: 0,
        requires_adesione: false,
    }
}

impl Adapter for Simulated {
    fn capability(&self) -> Capability {
        Capability { requires_adesione: self.state().is_gated, ..capability() }
    }

    fn source(&self) -> Option<&dyn Source> {
        Some(self)
    }

    fn target(&self) -> Option<&dyn Target> {
        Some(self)
    }

    fn observer(&self) -> Option<&dyn Observer> {
        Some(self)
    }
}

//! The roles of the reference tables: a source, and nothing else.

use async_trait::async_trait;
use contract::{
    Adapter, AdapterError, AdapterFactory, Capability, ContractStatus, Normalized, RawRecord, RawSink, ReadRequest,
    Settings, SettingsError, Source,
};
use kit::published::Published;

use crate::config::TABLES;
use crate::{SYSTEM, read, simulator, wire};

/// How the daemon makes the adapter.
pub const FACTORY: AdapterFactory = AdapterFactory { capability, build, simulate: Some(simulator::simulate) };

fn capability() -> Capability {
    Capability {
        system: SYSTEM,
        title: "Registri di riferimento: Province, Comuni, ricodifica sarda, Indice IPA (dati aperti)",
        contract: "ISTAT, IPA CSV",
        status: ContractStatus::Public,
        reads: wire::KINDS,
        accepts: &[],
        observes: false,
        parallel_requests: 1,
        collapse_seconds: 0,
        requires_adesione: false,
    }
}

fn build(settings: Settings) -> Result<Box<dyn Adapter>, SettingsError> {
    Ok(Box::new(Registri(Published::new(&TABLES, settings)?)))
}

/// The reference tables, in a folder or at an address.
#[derive(Debug)]
struct Registri(Published);

impl Adapter for Registri {
    fn capability(&self) -> Capability {
        capability()
    }

    fn source(&self) -> Option<&dyn Source> {
        Some(self)
    }
}

#[async_trait]
impl Source for Registri {
    async fn read(&self, request: ReadRequest, sink: RawSink) -> Result<(), AdapterError> {
        self.0.read(request, sink).await
    }

    fn normalize(&self, raw: &RawRecord) -> Normalized {
        read::normalize(raw)
    }
}

//! The roles of Pi.Co.: a target that takes whole datasets, and an observer of what it shows.

use async_trait::async_trait;
use bytes::Bytes;
use canonical::{Kind, Record};
use contract::{
    Adapter, AdapterError, AdapterFactory, Advice, Capability, Composed, ContractStatus, ErrorKind, Held,
    InventoryPage, ObservedUnit, Observer, Outcome, Placement, Settings, SettingsError, Shipment, Target, UnitKey,
};
use serde::Deserialize;

use crate::client::Client;
use crate::wire::{APPALTI, Manifesto, PackageKey};
use crate::{SYSTEM, config, read, simulator, write};

/// How the daemon makes the adapter.
pub const FACTORY: AdapterFactory =
    AdapterFactory { capability, build, simulate: Some(|options| simulator::start(&options)) };

fn capability() -> Capability {
    Capability {
        system: SYSTEM,
        title: "Pi.Co., piattaforma collaborativa delle Province (UPI)",
        contract: "v0",
        status: ContractStatus::Assumed,
        reads: &[],
        accepts: &[Kind::Lotto, Kind::Aggiudicazione, Kind::Contratto, Kind::EventoEsecuzione],
        observes: true,
        parallel_requests: 4,
        collapse_seconds: 5,
    }
}

fn build(settings: Settings) -> Result<Box<dyn Adapter>, SettingsError> {
    Ok(Box::new(Pico { client: config::client(settings)? }))
}

#[derive(Debug)]
struct Pico {
    client: Client,
}

impl Adapter for Pico {
    fn capability(&self) -> Capability {
        capability()
    }

    fn target(&self) -> Option<&dyn Target> {
        Some(self)
    }

    fn observer(&self) -> Option<&dyn Observer> {
        Some(self)
    }
}

#[async_trait]
impl Target for Pico {
    fn place(&self, record: &Record) -> Placement {
        write::place(record)
    }

    fn compose(&self, unit: &UnitKey, revision: u64, members: &[Record]) -> Result<Composed, String> {
        write::compose(unit, revision, members)
    }

    async fn send(&self, shipment: &Shipment) -> Result<Outcome, AdapterError> {
        let key = key_of(shipment)?;
        let body = Bytes::copy_from_slice(&shipment.body);
        self.client.publish(&key, shipment.revision, &shipment.idempotency_key, body).await
    }

    async fn look_up(&self, shipment: &Shipment) -> Result<Held, AdapterError> {
        let key = key_of(shipment)?;
        let manifesto = manifest_of(shipment)?;
        let Some((published, receipt)) = self.client.manifest(&key).await? else { return Ok(Held::Nothing) };
        let held = &published.manifesto;
        let is_same = held.versione == shipment.revision && held.impronta == manifesto.impronta;
        Ok(if is_same { Held::Same(receipt) } else { Held::Other })
    }
}

#[async_trait]
impl Observer for Pico {
    async fn inventory(&self, from: Option<&str>) -> Result<InventoryPage, AdapterError> {
        let page = self.client.list(from).await?;
        let mut units = Vec::new();
        // Other datasets are other people's, or a later version's: they are not compared.
        for elemento in page.elementi.iter().filter(|elemento| elemento.dataset == APPALTI) {
            let key = elemento.key();
            let rows = self.client.rows(&key, |ndjson| read::package_rows(elemento, ndjson)).await?;
            units.push(ObservedUnit { key: UnitKey(key.to_string()), rows });
        }
        Ok(InventoryPage { units, next: page.successivo })
    }
}

fn key_of(shipment: &Shipment) -> Result<PackageKey, AdapterError> {
    PackageKey::parse(shipment.unit.as_str()).ok_or_else(|| not_ours(shipment, "the unit is not one of Pi.Co."))
}

fn manifest_of(shipment: &Shipment) -> Result<Manifesto, AdapterError> {
    #[derive(Deserialize)]
    struct ManifestAlone {
        manifesto: Manifesto,
    }
    let package: Result<ManifestAlone, _> = serde_json::from_slice(&shipment.body);
    package.map(|package| package.manifesto).map_err(|_| not_ours(shipment, "the body is not a package of Pi.Co."))
}

fn not_ours(shipment: &Shipment, problem: &str) -> AdapterError {
    let attempted = format!("{SYSTEM} delivery of {}", shipment.unit);
    AdapterError::new(ErrorKind::Local, attempted).advice(Advice::AskPerson).caused_by(problem.to_owned())
}

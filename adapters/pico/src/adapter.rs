//! The roles of Pi.Co.: a target that takes datasets, resources and reports, an observer of what it
//! holds, and a source of the resources that it publishes.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use canonical::identifiers::CodiceFiscale;
use canonical::{Kind, Record};
use contract::{
    Adapter, AdapterError, AdapterFactory, Advice, Capability, Composed, ContractStatus, Digests, ErrorKind,
    Explanation, Followed, Held, InventoryPage, Normalized, ObservedUnit, Observer, Outcome, Placement, RawRecord,
    RawSink, ReadRequest, Receipt, Settings, SettingsError, Shipment, Source, Target, UnitKey,
};
use serde::Deserialize;

use crate::client::{Client, PACKAGES_LIMIT, SHEETS_LIMIT};
use crate::dataset::Dataset;
use crate::unit::{Collection, Unit};
use crate::wire::{Elemento, Elenco, Keyed, PackageKey, SchedaTenuta};
use crate::{SYSTEM, config, dataset, read, simulator, source, write};

/// How the daemon makes the adapter.
pub const FACTORY: AdapterFactory =
    AdapterFactory { capability, build, simulate: Some(|options| simulator::start(&options)) };

fn capability() -> Capability {
    Capability {
        system: SYSTEM,
        title: "Pi.Co., piattaforma collaborativa delle Province (UPI)",
        contract: "v0",
        status: ContractStatus::Assumed,
        reads: &[Kind::Risorsa],
        accepts: &[
            Kind::Procedura,
            Kind::Lotto,
            Kind::Aggiudicazione,
            Kind::Contratto,
            Kind::EventoEsecuzione,
            Kind::Programma,
            Kind::Intervento,
            Kind::Progetto,
            Kind::CollegamentoCupCig,
            Kind::Qualificazione,
            Kind::ServizioAssociato,
            Kind::Rilevazione,
            Kind::Risorsa,
            Kind::Segnalazione,
        ],
        observes: true,
        parallel_requests: 4,
        collapse_seconds: 5,
        requires_adesione: true,
    }
}

fn build(settings: Settings) -> Result<Box<dyn Adapter>, SettingsError> {
    Ok(Box::new(Pico { client: config::client(settings)? }))
}

#[derive(Debug)]
pub(crate) struct Pico {
    pub(crate) client: Client,
}

impl Adapter for Pico {
    fn capability(&self) -> Capability {
        capability()
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

#[async_trait]
impl Source for Pico {
    async fn read(&self, request: ReadRequest, sink: RawSink) -> Result<(), AdapterError> {
        source::read(&self.client, request, &sink).await
    }

    fn normalize(&self, raw: &RawRecord) -> Normalized {
        read::normalize(raw)
    }
}

#[async_trait]
impl Target for Pico {
    fn place(&self, record: &Record) -> Placement {
        write::place(record)
    }

    fn body_of(&self, unit: &UnitKey) -> Option<CodiceFiscale> {
        let (ente, _) = unit.as_str().split_once('/')?;
        CodiceFiscale::parse(ente).ok()
    }

    fn compose(&self, unit: &UnitKey, revision: u64, members: &[Record]) -> Result<Composed, String> {
        write::compose(unit, revision, members)
    }

    fn explain(&self, unit: &UnitKey, members: &[Record]) -> Vec<Explanation> {
        write::explain(unit, members)
    }

    fn mapping_version(&self) -> &'static str {
        "2"
    }

    fn pause_asked(&self) -> Option<Duration> {
        self.client.take_pause()
    }

    async fn send(&self, shipment: &Shipment) -> Result<Outcome, AdapterError> {
        let unit = unit_of(shipment)?;
        let body = Bytes::copy_from_slice(&shipment.body);
        self.client.publish(&unit, shipment.revision, &shipment.idempotency_key, body).await
    }

    async fn look_up(&self, shipment: &Shipment) -> Result<Held, AdapterError> {
        let unit = unit_of(shipment)?;
        let impronta = digest_of(shipment)?;
        let Some(held) = self.client.held(&unit).await? else { return Ok(Held::Nothing) };
        let is_same = held.versione == shipment.revision && held.impronta == impronta;
        Ok(if is_same { Held::Same(held.receipt) } else { Held::Other })
    }

    async fn follow(&self, shipment: &Shipment, receipt: &Receipt) -> Result<Followed, AdapterError> {
        match unit_of(shipment)? {
            unit @ Unit::Sheet { collection: Collection::Segnalazioni, .. } => self.client.follow(&unit).await,
            // Packages and resources are taken, or not, at once.
            _ => Ok(Followed::Ended(Outcome::Acknowledged(receipt.clone()))),
        }
    }
}

#[async_trait]
impl Observer for Pico {
    /// Packages, then resources of others, then reports: the order of the keys. Where a list ends
    /// the next page begins at the prefix of the following one.
    async fn inventory(&self, from: Option<&str>) -> Result<InventoryPage, AdapterError> {
        let begins_in = |collection: Collection| from.is_some_and(|from| from.starts_with(collection.prefix()));
        if begins_in(Collection::Risorse) {
            let end = Collection::Segnalazioni.prefix();
            return self.sheets(Collection::Risorse, from, Some(end)).await;
        }
        if begins_in(Collection::Segnalazioni) {
            return self.sheets(Collection::Segnalazioni, from, None).await;
        }
        let page: Elenco<Elemento> = self.client.list(None, from, PACKAGES_LIMIT).await?;
        let mut units = Vec::new();
        // Other datasets are other people's, or a later version's: they are not compared.
        for elemento in &page.elementi {
            let Some(dataset) = dataset::by_name(&elemento.dataset) else { continue };
            units.push(self.package(elemento, &elemento.package_key(), dataset).await?);
        }
        let next = page.successivo.unwrap_or_else(|| Collection::Risorse.prefix().to_owned());
        Ok(InventoryPage { units, next: Some(next), extent: None })
    }

    fn digests(&self) -> Option<&dyn Digests> {
        Some(self)
    }
}

impl Pico {
    /// A package of the list with its rows.
    pub(crate) async fn package(
        &self,
        elemento: &Elemento,
        key: &PackageKey,
        dataset: &'static Dataset,
    ) -> Result<ObservedUnit, AdapterError> {
        let understand = |ndjson: &[u8]| read::package_rows(dataset, elemento, ndjson);
        let rows = self.client.rows(key, understand).await?;
        Ok(ObservedUnit { key: UnitKey(elemento.key()), revision: Some(elemento.versione), rows })
    }

    async fn sheets(
        &self,
        collection: Collection,
        from: Option<&str>,
        end: Option<&str>,
    ) -> Result<InventoryPage, AdapterError> {
        // The prefix alone is where the list begins.
        let after = from.filter(|from| *from != collection.prefix());
        let page: Elenco<SchedaTenuta> = self.client.list(Some(collection), after, SHEETS_LIMIT).await?;
        let unit = |held: &SchedaTenuta| {
            read::sheet(collection, held).map_err(|problem| {
                let attempted = format!("{SYSTEM} inventory of {}", collection.address());
                AdapterError::new(ErrorKind::NotUnderstood, attempted).caused_by(problem)
            })
        };
        let units = page.elementi.iter().map(unit).collect::<Result<Vec<_>, _>>()?;
        Ok(InventoryPage { units, next: page.successivo.or_else(|| end.map(str::to_owned)), extent: None })
    }
}

fn unit_of(shipment: &Shipment) -> Result<Unit, AdapterError> {
    Unit::parse(shipment.unit.as_str()).ok_or_else(|| not_ours(shipment, "the unit is not one of Pi.Co."))
}

/// The digest by which Pi.Co. knows the content of a shipment.
fn digest_of(shipment: &Shipment) -> Result<String, AdapterError> {
    impronta_of(&shipment.body).ok_or_else(|| not_ours(shipment, "the body is not one of Pi.Co."))
}

/// The digest that a composed package or sheet says of its content.
pub(crate) fn impronta_of(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Digested {
        impronta: String,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Sent {
        Package { manifesto: Digested },
        Sheet(Digested),
    }
    match serde_json::from_slice(body).ok()? {
        Sent::Package { manifesto } | Sent::Sheet(manifesto) => Some(manifesto.impronta),
    }
}

fn not_ours(shipment: &Shipment, problem: &str) -> AdapterError {
    let attempted = format!("{SYSTEM} delivery of {}", shipment.unit);
    AdapterError::new(ErrorKind::Local, attempted).advice(Advice::AskPerson).caused_by(problem.to_owned())
}

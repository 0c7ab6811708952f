//! The roles: a source of open data, a target that takes packages, an observer of what it holds.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use canonical::{Digest, Kind, Record};
use contract::{
    Adapter, AdapterError, AdapterFactory, Advice, Capability, Composed, ContractStatus, DigestPage, Digests,
    ErrorKind, Explanation, Held, InventoryPage, KeyRange, Normalized, ObservedUnit, Observer, Outcome, Placement,
    RawRecord, RawSink, ReadRequest, Received, Shipment, Source, Target, UnitDigest, UnitKey,
};
use kit::{Links, hand_over, list_folder};
use serde::Deserialize;

use crate::client::{DIGESTS_LIMIT, OpenData, PAGE_LIMIT, Packages};
use crate::config::Config;
use crate::wire::{Manifesto, PackageKey};
use crate::{SYSTEM, fields, read, rows, simulator, write};

/// How the daemon makes the adapter.
pub const FACTORY: AdapterFactory = AdapterFactory {
    capability,
    build: |settings| Ok(Box::new(Osservatorio { config: Config::parse(settings)? })),
    simulate: Some(|options| simulator::start(&options)),
};

fn capability() -> Capability {
    Capability {
        system: SYSTEM,
        title: "Osservatorio regionale dei contratti pubblici",
        contract: "open data Lombardia (pubblico); pacchetti v0 (assunto)",
        status: ContractStatus::Assumed,
        reads: &[Kind::Ente, Kind::Procedura, Kind::Lotto],
        accepts: fields::KINDS,
        observes: true,
        parallel_requests: 2,
        collapse_seconds: 60,
        requires_adesione: false,
    }
}

/// How many times the rows of a moving resource are read before the reading is told as incomplete.
const PASSES: u32 = 4;

#[derive(Debug)]
struct Osservatorio {
    config: Config,
}

impl Osservatorio {
    fn packages(&self) -> Result<&Packages, AdapterError> {
        self.config.packages.as_ref().ok_or_else(|| not_set("reach the packages without `packages`"))
    }

    /// Reads the open data whole, from the first row again whenever they move, a few times.
    async fn read_open_data(&self, open_data: &OpenData, sink: &RawSink) -> Result<(), AdapterError> {
        for _ in 0..PASSES {
            if self.pass(open_data, sink).await? {
                return Ok(());
            }
        }
        let attempted = format!("{SYSTEM} read the whole resource {}", open_data.resource);
        let problem = format!("the rows moved while they were read, in each of {PASSES} passes");
        Err(AdapterError::new(ErrorKind::Unavailable, attempted).caused_by(problem))
    }

    /// Reads from the first row to the last, a page at a time; false when the rows moved.
    ///
    /// A page begins with the last row of the page before, which must come again. Rows have an order
    /// that does not change: those that follow that row are then all that are left, whatever came or
    /// went before it.
    async fn pass(&self, open_data: &OpenData, sink: &RawSink) -> Result<bool, AdapterError> {
        let (mut offset, mut before) = (0, None::<Ends>);
        loop {
            let answer = open_data.page(offset).await?;
            let remote_id = format!("{}?offset={offset}", open_data.resource);
            let page = rows::page(&remote_id, &answer.body, &self.config.platform)
                .map_err(|refusal| answer.not_understood(&refusal.message))?;
            let ends = Ends::of(&page);
            if let Some(before) = &before {
                let first = ends.as_ref().map(|ends| &ends.first);
                // The portal would give this page for ever.
                if first == Some(&before.first) {
                    let problem = "the portal ignores $offset, and gave the page before once more";
                    return Err(answer.not_understood(problem).advice(Advice::AskPerson));
                }
                if first != Some(&before.last) {
                    return Ok(false);
                }
            }
            let count = page.len();
            hand_over_page(page.into_iter().skip(usize::from(before.is_some())), sink).await?;
            if count < usize::try_from(open_data.page_rows).unwrap_or(usize::MAX) {
                return Ok(true);
            }
            before = ends;
            offset += (count - 1) as u64;
        }
    }
}

/// The texts of the first and of the last row of a page.
struct Ends {
    first: String,
    last: String,
}

impl Ends {
    fn of(page: &[RawRecord]) -> Option<Self> {
        let (first, last) = page.first().zip(page.last())?;
        Some(Self { first: first.text.clone(), last: last.text.clone() })
    }
}

/// Hands over a page as a document; one that brings no row is none.
async fn hand_over_page(rows: impl Iterator<Item = RawRecord>, sink: &RawSink) -> Result<(), AdapterError> {
    let give = async |one| sink.send(one).await.map_err(|_| AdapterError::from(kit::Closed));
    let mut rows = rows.peekable();
    let Some(first) = rows.peek() else { return Ok(()) };
    give(Received::Begin(Arc::clone(&first.document))).await?;
    for row in rows {
        give(Received::Record(row)).await?;
    }
    give(Received::End).await
}

fn not_set(attempted: &str) -> AdapterError {
    AdapterError::new(ErrorKind::Local, format!("{SYSTEM} {attempted}")).advice(Advice::FixConfiguration)
}

impl Adapter for Osservatorio {
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
impl Source for Osservatorio {
    async fn read(&self, request: ReadRequest, sink: RawSink) -> Result<(), AdapterError> {
        let (max_bytes, platform) = (self.config.max_bytes, self.config.platform.clone());
        if let Some(files) = request.files {
            return hand_over(sink, move |give| {
                files.iter().try_for_each(|file| rows::take(file, Links::Follow, max_bytes, &platform, give))?;
                Ok(())
            })
            .await;
        }
        if self.config.folder.is_none() && self.config.open_data.is_none() {
            return Err(not_set("read without folder and without base_url"));
        }
        if let Some(folder) = self.config.folder.clone() {
            hand_over(sink.clone(), move |give| {
                let files = list_folder(&folder, &["json"])?;
                files.iter().try_for_each(|file| rows::take(file, Links::Refuse, max_bytes, &platform, give))?;
                Ok(())
            })
            .await?;
        }
        // No cursor: the region says of no row when it changed, so every read is a whole one.
        match &self.config.open_data {
            Some(open_data) => self.read_open_data(open_data, &sink).await,
            None => Ok(()),
        }
    }

    fn normalize(&self, raw: &RawRecord) -> Normalized {
        read::normalize(raw)
    }
}

#[async_trait]
impl Target for Osservatorio {
    fn place(&self, record: &Record) -> Placement {
        write::place(record)
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
        self.config.packages.as_ref()?.http.take_pause()
    }

    async fn send(&self, shipment: &Shipment) -> Result<Outcome, AdapterError> {
        let (key, manifesto) = package_of(shipment)?;
        let body = Bytes::copy_from_slice(&shipment.body);
        self.packages()?.put(&key, &manifesto, &shipment.idempotency_key, body).await
    }

    async fn look_up(&self, shipment: &Shipment) -> Result<Held, AdapterError> {
        let (key, manifesto) = package_of(shipment)?;
        Ok(match self.packages()?.manifest(&key).await? {
            None => Held::Nothing,
            Some((held, receipt)) if held == manifesto => Held::Same(receipt),
            Some(_) => Held::Other,
        })
    }
}

#[async_trait]
impl Observer for Osservatorio {
    async fn inventory(&self, from: Option<&str>) -> Result<InventoryPage, AdapterError> {
        let packages = self.packages()?;
        let page = packages.list(from, PAGE_LIMIT).await?;
        let mut units = Vec::new();
        for manifesto in &page.elementi {
            let rows = packages.rows(manifesto, write::rows).await?;
            units.push(ObservedUnit {
                key: UnitKey(manifesto.key().to_string()),
                revision: Some(manifesto.versione),
                rows,
            });
        }
        Ok(InventoryPage { units, next: page.successivo, extent: None })
    }

    fn digests(&self) -> Option<&dyn Digests> {
        Some(self)
    }
}

/// The list says the digest of the rows of each package: only those that differ are fetched.
#[async_trait]
impl Digests for Osservatorio {
    fn digest_of(&self, composed: &Composed) -> Option<Digest> {
        Digest::from_hex(&manifesto_of(&composed.body)?.impronta)
    }

    async fn list(&self, range: &KeyRange) -> Result<DigestPage, AdapterError> {
        let page = self.packages()?.list(range.after.as_ref().map(UnitKey::as_str), DIGESTS_LIMIT).await?;
        let unit = |manifesto: &Manifesto| {
            let digest = Digest::from_hex(&manifesto.impronta)?;
            Some(UnitDigest { key: UnitKey(manifesto.key().to_string()), digest })
        };
        let units: Option<Vec<_>> = page.elementi.iter().map(unit).collect();
        let units = units.ok_or_else(|| {
            AdapterError::new(ErrorKind::NotUnderstood, format!("{SYSTEM} list the packages by digest"))
                .caused_by("a package whose digest is none")
        })?;
        Ok(DigestPage { units, next: page.successivo.map(UnitKey), whole: None })
    }

    async fn observe(&self, keys: &[UnitKey]) -> Result<Vec<ObservedUnit>, AdapterError> {
        let packages = self.packages()?;
        let mut units = Vec::new();
        for key in keys {
            // Whatever stands in the list is given, also for a body or a year that we would never send.
            let Some((ente, periodo)) = key.as_str().split_once('/') else { continue };
            if [ente, periodo].iter().any(|part| matches!(*part, "" | "." | "..")) {
                continue;
            }
            let package = PackageKey { ente: ente.to_owned(), periodo: periodo.to_owned() };
            let Some((manifesto, _)) = packages.manifest(&package).await? else { continue };
            let rows = packages.rows(&manifesto, write::rows).await?;
            units.push(ObservedUnit { key: key.clone(), revision: Some(manifesto.versione), rows });
        }
        Ok(units)
    }
}

/// The package inside a shipment, which is what we composed.
fn package_of(shipment: &Shipment) -> Result<(PackageKey, Manifesto), AdapterError> {
    PackageKey::parse(shipment.unit.as_str()).zip(manifesto_of(&shipment.body)).ok_or_else(|| {
        let attempted = format!("{SYSTEM} read the stored package of {}", shipment.unit);
        AdapterError::new(ErrorKind::Local, attempted).advice(Advice::AskPerson)
    })
}

/// What a composed package says of itself.
fn manifesto_of(body: &[u8]) -> Option<Manifesto> {
    #[derive(Deserialize)]
    struct ManifestAlone {
        manifesto: Manifesto,
    }
    serde_json::from_slice(body).map(|package: ManifestAlone| package.manifesto).ok()
}

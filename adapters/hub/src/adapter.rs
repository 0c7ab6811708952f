//! The roles of the HUB: a source of its qualifications and resources, a target of publications, an
//! observer of what it holds of ours.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canonical::{Digest, Kind, Record};
use contract::{
    Adapter, AdapterError, AdapterFactory, Advice, Capability, Composed, ContractStatus, DocumentHeader, ErrorKind,
    Explanation, Held, InventoryPage, Normalized, ObservedUnit, Observer, Outcome, Placement, RawRecord, RawSink,
    ReadRequest, Received, Refusal, Settings, SettingsError, Shipment, Source, Target, UnitKey,
};
use kit::documents::not_readable;
use kit::{Closed, Document, Give, Links, Looks, Occurrences, hand_over, refuse};
use serde_json::json;
use serde_json::value::RawValue;

use crate::config::Config;
use crate::read::{self, REMOTE_ID};
use crate::sets::Set;
use crate::wire::{Elenco, Invio, Origine, Pagina};
use crate::{SYSTEM, simulator, write};

/// How the daemon makes the adapter.
pub const FACTORY: AdapterFactory =
    AdapterFactory { capability, build, simulate: Some(|options| simulator::start(&options)) };

/// The longest saved page.
const LONGEST_FILE: u64 = 20 << 20;

fn capability() -> Capability {
    Capability {
        system: SYSTEM,
        title: "HUB Contratti Pubblici (MIT), supporto alla qualificazione delle stazioni appaltanti",
        contract: "v0",
        status: ContractStatus::Assumed,
        reads: &[Kind::Qualificazione, Kind::Risorsa],
        accepts: write::ACCEPTED,
        observes: true,
        parallel_requests: 4,
        collapse_seconds: 5,
        requires_adesione: false,
    }
}

fn build(settings: Settings) -> Result<Box<dyn Adapter>, SettingsError> {
    Ok(Box::new(Hub { config: Config::parse(settings)? }))
}

#[derive(Debug)]
struct Hub {
    config: Config,
}

impl Adapter for Hub {
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
impl Source for Hub {
    async fn read(&self, request: ReadRequest, sink: RawSink) -> Result<(), AdapterError> {
        if let Some(files) = request.files {
            let give = move |give: &mut Give<'_>| -> Result<(), AdapterError> {
                files.iter().try_for_each(|file| Ok(give_file(file, give)?))
            };
            return hand_over(sink, give).await;
        }
        let data = self.config.data.map(|data| data.to_string());
        let day = data.as_deref().map(|data| ("data", data));
        if self.config.enti.is_empty() {
            self.read_list(Elenco::Qualificazioni, day.as_slice(), "tutte", None, &sink).await?;
        }
        for ente in &self.config.enti {
            let filter: Vec<_> = [("codiceFiscale", ente.as_str())].into_iter().chain(day).collect();
            self.read_list(Elenco::Qualificazioni, &filter, ente.as_str(), None, &sink).await?;
        }
        // The cursor is that of the resources: qualifications are few, and read whole every time.
        let end = self.read_list(Elenco::Risorse, &[], "modificate", request.cursor, &sink).await?;
        match end {
            Some(cursor) => send(&sink, Received::Cursor(cursor)).await,
            None => Ok(()),
        }
    }

    fn normalize(&self, raw: &RawRecord) -> Normalized {
        read::normalize(raw)
    }
}

impl Hub {
    /// Reads a list from a cursor to its end, one document a page; gives the last cursor.
    async fn read_list(
        &self,
        elenco: Elenco,
        filter: &[(&str, &str)],
        what: &str,
        from: Option<String>,
        sink: &RawSink,
    ) -> Result<Option<String>, AdapterError> {
        let mut after = from;
        loop {
            let (page, answer) = self.config.client.list(elenco, filter, after.as_deref()).await?;
            let (next, has_more) = (page.cursore.clone(), page.altri);
            let Some((_, elements)) = page.elementi().filter(|(received, _)| *received == elenco) else {
                return Err(answer.not_understood("the page of another list"));
            };
            if has_more && (next.is_none() || next == after) {
                return Err(answer.not_understood("the list says that it goes on, and stands still"));
            }
            let from = after.as_deref().unwrap_or("inizio");
            let remote_id = format!("{REMOTE_ID}{}/{what}/{from}", elenco.name());
            let digest = Digest::of(&answer.body).to_string();
            for received in document(remote_id, digest, elenco, &elements) {
                send(sink, received).await?;
            }
            after = next.or(after);
            if !has_more {
                return Ok(after);
            }
        }
    }
}

async fn send(sink: &RawSink, received: Received) -> Result<(), AdapterError> {
    sink.send(received).await.map_err(|_| Closed.into())
}

/// A saved page.
fn give_file(path: &Path, give: &mut Give<'_>) -> Result<(), Closed> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let read = || -> Result<_, Refusal> {
        let document = Document::open(path, Links::Follow, LONGEST_FILE)?;
        if document.looks() != Looks::Json {
            return Err(refuse("not_json", "the file is no JSON: save the whole page of the HUB"));
        }
        let mut bytes = Vec::new();
        document.bytes()?.read_to_end(&mut bytes).map_err(|error| not_readable(&error))?;
        document.ensure_unchanged()?;
        let page: Pagina = serde_json::from_slice(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes))
            .map_err(|error| Refusal { line: Some(error.line() as u64), ..refuse("malformed_json", NOT_A_PAGE) })?;
        let (elenco, elements) = page.elementi().ok_or_else(|| refuse("not_a_page", NOT_A_PAGE))?;
        Ok((document.digest().to_owned(), elenco, elements))
    };
    match read() {
        Ok((digest, elenco, elements)) => {
            document(format!("{REMOTE_ID}{name}"), digest, elenco, &elements).into_iter().try_for_each(give)
        }
        Err(refusal) => give(Received::Refused { remote_id: name, refusal }),
    }
}

const NOT_A_PAGE: &str = "not a page with `qualificazioni` or `risorse`: save the whole page of the HUB";

/// A page as a document. What the HUB only shows for another origin is not read: it is what we and
/// others published there, and would come back as if the HUB had said it.
fn document(remote_id: String, digest: String, elenco: Elenco, elements: &[Box<RawValue>]) -> Vec<Received> {
    let (format, version) = ("hub".to_owned(), "v0".to_owned());
    let context = json!({ "elenco": elenco });
    let header = Arc::new(DocumentHeader { remote_id, digest, format, version, as_of: None, context });
    let mut occurrences = Occurrences::default();
    // An element has no line of its own: its place in the page stands for it.
    let own = (1..).zip(elements).filter(|(_, element)| !Origine::is_elsewhere(element.get()));
    let records = own.map(|(line, element)| {
        let occurrence = occurrences.add(&key(elenco, element.get()));
        Received::Record(RawRecord { document: header.clone(), line, occurrence, text: element.get().to_owned() })
    });
    let records: Vec<_> = records.collect();
    std::iter::once(Received::Begin(header.clone())).chain(records).chain(std::iter::once(Received::End)).collect()
}

/// The natural key of an element, as received.
fn key(elenco: Elenco, element: &str) -> Vec<u8> {
    let fields: &[&str] = match elenco {
        Elenco::Qualificazioni => &["codiceFiscale", "livello", "fase", "validaDal"],
        Elenco::Risorse => &["id"],
    };
    let element: serde_json::Value = serde_json::from_str(element).unwrap_or_default();
    let values: Vec<_> = fields.iter().map(|field| element.get(field)).collect();
    serde_json::to_vec(&values).unwrap_or_default()
}

#[async_trait]
impl Target for Hub {
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
        write::MAPPING_VERSION
    }

    fn pause_asked(&self) -> Option<Duration> {
        self.config.client.take_pause()
    }

    async fn send(&self, shipment: &Shipment) -> Result<Outcome, AdapterError> {
        self.config.client.publish(shipment).await
    }

    async fn look_up(&self, shipment: &Shipment) -> Result<Held, AdapterError> {
        let shipped: Result<Invio, _> = serde_json::from_slice(&shipment.body);
        let (Ok(invio), Some(set)) = (shipped, Set::of_key(shipment.unit.as_str())) else {
            let attempted = format!("{SYSTEM} read the stored publication of {}", shipment.unit);
            return Err(AdapterError::new(ErrorKind::Local, attempted).advice(Advice::AskPerson));
        };
        Ok(match self.config.client.held(&shipment.unit).await? {
            None => Held::Nothing,
            // Fields that the HUB may add make no difference.
            Some((held, receipt))
                if held.revisione == invio.revisione && set.rows(&held.contenuto) == set.rows(&invio.contenuto) =>
            {
                Held::Same(receipt)
            }
            Some(_) => Held::Other,
        })
    }
}

#[async_trait]
impl Observer for Hub {
    async fn inventory(&self, from: Option<&str>) -> Result<InventoryPage, AdapterError> {
        let page = self.config.client.published(from).await?;
        // Sets that are not ours are a later version's: they are not compared.
        let units = page.pubblicazioni.into_iter().filter_map(|held| {
            let rows = Set::of_key(&held.chiave)?.rows(&held.contenuto);
            Some(ObservedUnit { key: UnitKey(held.chiave), revision: Some(held.revisione), rows })
        });
        Ok(InventoryPage { units: units.collect(), next: page.successiva, extent: None })
    }
}

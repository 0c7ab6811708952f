//! The roles of the adapter, by composing the rest.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use canonical::{Kind, Record};
use contract::{
    Adapter, AdapterError, AdapterFactory, Advice, Capability, Composed, ContractStatus, DocumentHeader, ErrorKind,
    Explanation, Held, InventoryPage, Normalized, Observer, Outcome, Placement, RawRecord, RawSink, ReadRequest,
    Receipt, Received, Refusal, Settings, SettingsError, Shipment, Source, Target, UnitKey,
};
use kit::documents::not_readable;
use kit::handover::Closed;
use kit::http::HttpClient;
use kit::{Document, Links, Secret, refuse, shown};
use serde_json::value::RawValue;

use crate::client::{Client, Credentials};
use crate::config::Config;
use crate::registers::{Query, Register, RowKey};
use crate::scan::{Pages, Rows};
use crate::wire::{Aggiornamento, Fascicolo};
use crate::{SYSTEM, inventory, read, simulator, write};

/// How the daemon makes this adapter.
pub const FACTORY: AdapterFactory = AdapterFactory {
    capability,
    build: |settings| Ok(Box::new(PadMaggioli::new(settings)?)),
    simulate: Some(simulator::simulate),
};

fn capability() -> Capability {
    Capability {
        system: SYSTEM,
        title: "Appalti & Contratti, piattaforma provinciale: procedure, aggiudicazioni, contratti",
        contract: "REST v1.0, v1.1",
        status: ContractStatus::Public,
        reads: &[
            Kind::Ente,
            Kind::OperatoreEconomico,
            Kind::Procedura,
            Kind::Lotto,
            Kind::Aggiudicazione,
            Kind::Contratto,
        ],
        accepts: &[Kind::Contratto, Kind::Pagamento],
        observes: true,
        parallel_requests: 2,
        // A payment run touches the same CIG many times in a row.
        collapse_seconds: 60,
        requires_adesione: false,
    }
}

/// A platform "Appalti & Contratti": read register by register, updated CIG by CIG.
#[derive(Debug)]
pub struct PadMaggioli {
    client: Client,
    config: Config,
}

impl PadMaggioli {
    /// The adapter with these settings. Nothing is sent.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let config = Config::parse(settings)?;
        let secret = |path: &Path| {
            Secret::from_file(path).map_err(|error| {
                let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
                SettingsError { system: SYSTEM, problem: format!("{error}{cause}") }
            })
        };
        let credentials = Credentials {
            username: secret(&config.username_file)?,
            password: secret(&config.password_file)?,
            client_key: secret(&config.client_key_file)?,
            client_id: secret(&config.client_id_file)?,
        };
        config.http.refuse_voucher(SYSTEM)?;
        let http = HttpClient::new(SYSTEM, &config.http)?;
        Ok(Self { client: Client::new(http, credentials), config })
    }

    fn pages(&self, register: Register) -> Pages<'_> {
        let (size, most) = (self.config.page_size.get(), self.config.max_rows.get());
        Pages { client: &self.client, register, size, most: most.into() }
    }

    /// Adds to each row what other operations say of it, in the text in which they say it.
    async fn enrich(&self, register: Register, rows: &mut Rows) -> Result<(), AdapterError> {
        let Some(path) = register.detail() else { return Ok(()) };
        // Rows are sorted by CIG: the awards of the last one serve all the rows of it.
        let mut awards: (String, Vec<Box<RawValue>>) = Default::default();
        for key in rows.sorted() {
            let text = rows.text(&key)?;
            let riga: &RawValue = serde_json::from_str(&text).map_err(not_kept)?;
            let dettaglio =
                if key.reference.is_empty() { None } else { self.client.detail(path, &key.reference).await? };
            if register == Register::Contratti && awards.0 != key.natural {
                let cig = canonical::identifiers::Cig::read(&key.natural).value.filter(|cig| !cig.is_null());
                let of_cig = match cig {
                    Some(cig) => self.client.awards(cig.as_str()).await?,
                    None => Vec::new(),
                };
                awards = (key.natural.clone(), of_cig);
            }
            let fascicolo = Fascicolo { riga, dettaglio: dettaglio.as_deref(), aggiudicazioni: &awards.1 };
            rows.put(key, &serde_json::to_string(&fascicolo).map_err(not_kept)?)?;
        }
        Ok(())
    }

    /// Reads one file: a page of the register as the platform answers it, or its rows alone.
    async fn import(&self, register: Register, path: &Path, sink: &RawSink) -> Result<(), AdapterError> {
        let remote_id = shown(&path.file_name().unwrap_or(path.as_os_str()).to_string_lossy()).into_owned();
        let (file, max_bytes) = (path.to_owned(), self.config.max_bytes.get());
        let read = tokio::task::spawn_blocking(move || saved_bytes(&file, max_bytes)).await.map_err(|error| {
            AdapterError::new(ErrorKind::Local, format!("{SYSTEM} read file {remote_id}")).caused_by(error)
        })?;
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(refusal) => return give(sink, Received::Refused { remote_id, refusal }).await,
        };
        let mut rows = Rows::new()?;
        let taken = saved_rows(&bytes).and_then(|saved| {
            saved.iter().map(|row| Ok((register.key(row.get())?, row.get().to_owned()))).collect::<Result<Vec<_>, _>>()
        });
        let Ok(taken) = taken else {
            let message =
                "the file holds neither a page of the platform nor a list of rows: save the answer as it comes";
            let refusal = refuse("not_a_page", message);
            return give(sink, Received::Refused { remote_id, refusal }).await;
        };
        for (key, text) in taken {
            rows.put(key, &text)?;
        }
        hand_over(register, &remote_id, &mut rows, sink).await
    }

    /// What the platform holds, of a CIG or of all.
    async fn held(&self, query: &Query) -> Result<(Vec<inventory::Tenuto>, Rows), AdapterError> {
        let mut rows = Rows::new()?;
        self.pages(Register::Contratti).scan(query, &mut rows).await?;
        let mut tenuti = Vec::new();
        for key in rows.sorted() {
            let row = inventory::held(&rows.text(&key)?);
            tenuti.extend(row.map_err(|_| {
                AdapterError::new(ErrorKind::NotUnderstood, format!("{SYSTEM} read a row of the register contratti"))
            })?);
        }
        Ok((tenuti, rows))
    }
}

impl Adapter for PadMaggioli {
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
impl Source for PadMaggioli {
    async fn read(&self, request: ReadRequest, sink: RawSink) -> Result<(), AdapterError> {
        let register = self.config.register.ok_or_else(|| {
            let names: Vec<_> = Register::ALL.iter().map(|register| register.name()).collect();
            let attempted = format!("{SYSTEM} read (set `register` to one of {})", names.join(", "));
            AdapterError::new(ErrorKind::Local, attempted).advice(Advice::FixConfiguration)
        })?;
        if let Some(files) = &request.files {
            for file in files {
                self.import(register, file, &sink).await?;
            }
            return Ok(());
        }
        let cursor = request.cursor.as_deref();
        let mut rows = Rows::new()?;
        for query in register.scans(&self.config, cursor) {
            self.pages(register).scan(&query, &mut rows).await?;
        }
        self.enrich(register, &mut rows).await?;
        hand_over(register, &register.list().join("/"), &mut rows, &sink).await?;
        match register.cursor(rows.keys(), cursor) {
            Some(cursor) => give(&sink, Received::Cursor(cursor)).await,
            None => Ok(()),
        }
    }

    fn normalize(&self, raw: &RawRecord) -> Normalized {
        read::normalize(raw)
    }
}

#[async_trait]
impl Target for PadMaggioli {
    fn place(&self, record: &Record) -> Placement {
        write::place(record)
    }

    fn compose(&self, unit: &UnitKey, _revision: u64, members: &[Record]) -> Result<Composed, String> {
        write::compose(unit, members)
    }

    fn explain(&self, unit: &UnitKey, members: &[Record]) -> Vec<Explanation> {
        write::explain(unit, members)
    }

    fn mapping_version(&self) -> &'static str {
        "1"
    }

    fn pause_asked(&self) -> Option<Duration> {
        self.client.take_pause()
    }

    async fn send(&self, shipment: &Shipment) -> Result<Outcome, AdapterError> {
        self.client.update(&sent(shipment)?).await
    }

    /// The register that the update writes is that of the contracts; its filter finds also the CIG
    /// that hold the one asked for inside them.
    async fn look_up(&self, shipment: &Shipment) -> Result<Held, AdapterError> {
        let update = sent(shipment)?;
        let (mut tenuti, rows) = self.held(&vec![("cig", update.cig.clone())]).await?;
        tenuti.retain(|tenuto| tenuto.cig.as_str() == update.cig);
        let Some(first) = tenuti.first() else { return Ok(Held::Nothing) };
        if inventory::is_same(&write::row_of(&update), &tenuti) {
            let answer_digest = rows.digest(&rows.sorted()).to_string();
            let remote_id = Some(first.riferimento.clone()).filter(|riferimento| !riferimento.is_empty());
            return Ok(Held::Same(Receipt { remote_id, status: 200, answer_digest, warnings: Vec::new() }));
        }
        let is_empty = tenuti.iter().all(|tenuto| tenuto.row.fields.is_empty());
        Ok(if is_empty { Held::Nothing } else { Held::Other })
    }
}

#[async_trait]
impl Observer for PadMaggioli {
    /// The contracts are the platform's own; we only bring paid amounts and dates up to date.
    fn holds_more_than_ours(&self) -> bool {
        true
    }

    /// One page: the platform sorts nothing, so that nothing less than the whole is in order. What was
    /// read was held against the platform's own totals already: a list that falls short is an error.
    async fn inventory(&self, _from: Option<&str>) -> Result<InventoryPage, AdapterError> {
        let (tenuti, _) = self.held(&Query::new()).await?;
        Ok(InventoryPage { units: inventory::units(tenuti), next: None, extent: None })
    }
}

/// The update inside a shipment, which is what we composed.
fn sent(shipment: &Shipment) -> Result<Aggiornamento, AdapterError> {
    serde_json::from_slice(&shipment.body).map_err(|_| {
        let attempted = format!("{SYSTEM} read the stored update of {}", shipment.unit);
        AdapterError::new(ErrorKind::Local, attempted).advice(Advice::AskPerson)
    })
}

/// A saved answer as it is, unless it is no text, too long, or being written.
fn saved_bytes(path: &Path, max_bytes: u64) -> Result<Vec<u8>, Refusal> {
    let (_, bytes) = Document::open_checked(path, Links::Follow, max_bytes, |_, source| {
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes).map_err(|error| not_readable(&error))?;
        Ok(bytes)
    })?;
    Ok(bytes)
}

/// The rows of a saved answer.
fn saved_rows(bytes: &[u8]) -> Result<Vec<Box<RawValue>>, serde_json::Error> {
    #[derive(serde::Deserialize)]
    struct Saved {
        content: Vec<Box<RawValue>>,
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let is_list = bytes.trim_ascii_start().first() == Some(&b'[');
    if is_list {
        serde_json::from_slice(bytes)
    } else {
        serde_json::from_slice(bytes).map(|saved: Saved| saved.content)
    }
}

/// Hands over the rows, one document for each year where the register has years.
async fn hand_over(register: Register, remote_id: &str, rows: &mut Rows, sink: &RawSink) -> Result<(), AdapterError> {
    let keys = rows.sorted();
    for keys in keys.chunk_by(|a, b| a.document == b.document) {
        let year = &keys[0].document;
        let remote_id = if year.is_empty() { remote_id.to_owned() } else { format!("{remote_id}?annorif={year}") };
        let is_dated = register == Register::Dati;
        let document = Arc::new(DocumentHeader {
            remote_id,
            digest: rows.digest(keys).to_string(),
            format: register.name().to_owned(),
            version: "v1.0".to_owned(),
            as_of: keys.iter().filter_map(|key| key.published).max().filter(|_| is_dated),
            context: serde_json::Value::Null,
        });
        give(sink, Received::Begin(Arc::clone(&document))).await?;
        let (mut line, mut occurrence) = (0, 0);
        let mut before: Option<&RowKey> = None;
        for key in keys {
            line += 1;
            let is_again = before.is_some_and(|before| !key.natural.is_empty() && before.natural == key.natural);
            occurrence = if is_again { occurrence + 1 } else { 0 };
            before = Some(key);
            let text = rows.text(key)?;
            give(sink, Received::Record(RawRecord { document: Arc::clone(&document), line, occurrence, text })).await?;
        }
        give(sink, Received::End).await?;
    }
    Ok(())
}

async fn give(sink: &RawSink, received: Received) -> Result<(), AdapterError> {
    sink.send(received).await.map_err(|_| Closed.into())
}

fn not_kept(_: serde_json::Error) -> AdapterError {
    AdapterError::new(ErrorKind::Local, format!("{SYSTEM} put a row together with its detail"))
}

#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod tests;

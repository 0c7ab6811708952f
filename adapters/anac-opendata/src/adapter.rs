//! The role of the adapter: a source, from files and from the portal.

use std::collections::BTreeMap;

use async_trait::async_trait;
use canonical::Kind;
use contract::{
    Adapter, AdapterError, AdapterFactory, Advice, Capability, ContractStatus, ErrorKind, Normalized, RawRecord,
    RawSink, ReadRequest, Received, Settings, SettingsError, Source,
};
use kit::http::HttpClient;
use kit::{Links, hand_over, list_folder};

use crate::client::Concern;
use crate::config::Config;
use crate::intake::{self, Reading};
use crate::{SYSTEM, client, read, simulator};

/// How the daemon makes the adapter.
pub const FACTORY: AdapterFactory = AdapterFactory {
    capability,
    build: |settings| Ok(Box::new(AnacOpendata::new(settings)?)),
    simulate: Some(|options| simulator::start(&options)),
};

/// What the names of the files may end in.
const SUFFIXES: &[&str] = &["csv", "json", "jsonl", "ndjson"];

fn capability() -> Capability {
    Capability {
        system: SYSTEM,
        title: "ANAC: dati aperti (BDNCP), release OCDS e avvisi di pubblicità legale",
        contract: "CSV BDNCP (61 colonne), JSON per CIG, OCDS 1.1, avvisi PVL",
        status: ContractStatus::Public,
        reads: &[
            Kind::Ente,
            Kind::OperatoreEconomico,
            Kind::Procedura,
            Kind::Lotto,
            Kind::Aggiudicazione,
            Kind::Contratto,
            Kind::EventoEsecuzione,
            Kind::CollegamentoCupCig,
            Kind::Codice,
        ],
        accepts: &[],
        observes: false,
        parallel_requests: 1,
        collapse_seconds: 0,
        requires_adesione: false,
    }
}

#[derive(Debug)]
struct AnacOpendata {
    config: Config,
}

impl AnacOpendata {
    fn new(settings: Settings) -> Result<Self, SettingsError> {
        Ok(Self { config: Config::parse(settings)? })
    }

    fn reading(&self) -> Reading {
        Reading { max_bytes: self.config.max_bytes, formats: self.config.formats.clone() }
    }

    /// Downloads what changed since the last read, one file at a time, and hands it over.
    ///
    /// A file that the portal refuses does not stop the others; nor does one that came damaged,
    /// but the read then ends in an error, so that it is tried again.
    async fn read_portal(&self, portal: &HttpClient, cursor: Option<&str>, sink: &RawSink) -> Result<(), AdapterError> {
        let mut known: BTreeMap<String, String> =
            cursor.and_then(|cursor| serde_json::from_str(cursor).ok()).unwrap_or_default();
        known.retain(|path, _| self.config.paths.contains(path));
        let mut damaged = None;
        for path in &self.config.paths {
            let file = tempfile::NamedTempFile::new()
                .map_err(|error| AdapterError::new(ErrorKind::Local, "make a temporary file").caused_by(error))?;
            let remote_id = path.rsplit('/').next().unwrap_or(path).to_owned();
            let downloaded = match client::download(portal, path, file.path(), self.config.max_bytes).await {
                Ok(downloaded) => downloaded,
                Err(error) => match client::concerns(&error) {
                    Concern::File => {
                        send(sink, Received::Refused { remote_id, refusal: client::refusal(&error) }).await?;
                        continue;
                    }
                    Concern::Transfer => {
                        damaged.get_or_insert(error);
                        continue;
                    }
                    Concern::Portal => return Err(error),
                },
            };
            if known.get(path) == Some(&downloaded.digest) {
                continue;
            }
            let reading = self.reading();
            hand_over(sink.clone(), move |give| {
                Ok(intake::take(file.path(), Links::Follow, Some(remote_id), &reading, give)?)
            })
            .await?;
            known.insert(path.clone(), downloaded.digest);
            send(sink, Received::Cursor(cursor_of(&known)?)).await?;
        }
        damaged.map_or(Ok(()), Err)
    }
}

/// The digest of each file as it was last handed over: true whatever happens to the files after it.
fn cursor_of(known: &BTreeMap<String, String>) -> Result<String, AdapterError> {
    serde_json::to_string(known)
        .map_err(|error| AdapterError::new(ErrorKind::Local, format!("{SYSTEM} write the cursor")).caused_by(error))
}

async fn send(sink: &RawSink, received: Received) -> Result<(), AdapterError> {
    sink.send(received).await.map_err(|_| AdapterError::from(kit::Closed))
}

impl Adapter for AnacOpendata {
    fn capability(&self) -> Capability {
        capability()
    }

    fn source(&self) -> Option<&dyn Source> {
        Some(self)
    }
}

#[async_trait]
impl Source for AnacOpendata {
    async fn read(&self, request: ReadRequest, sink: RawSink) -> Result<(), AdapterError> {
        let reading = self.reading();
        if let Some(files) = request.files {
            return hand_over(sink, move |give| {
                files.iter().try_for_each(|file| intake::take(file, Links::Follow, None, &reading, give))?;
                Ok(())
            })
            .await;
        }
        if self.config.folder.is_none() && self.config.portal.is_none() {
            let attempted = format!("{SYSTEM} read without folder and without base_url");
            return Err(AdapterError::new(ErrorKind::Local, attempted).advice(Advice::FixConfiguration));
        }
        if let Some(folder) = self.config.folder.clone() {
            let reading = reading.clone();
            hand_over(sink.clone(), move |give| {
                let files = list_folder(&folder, SUFFIXES)?;
                files.iter().try_for_each(|file| intake::take(file, Links::Refuse, None, &reading, give))?;
                Ok(())
            })
            .await?;
        }
        if let Some(portal) = &self.config.portal {
            self.read_portal(portal, request.cursor.as_deref(), &sink).await?;
        }
        Ok(())
    }

    fn normalize(&self, raw: &RawRecord) -> Normalized {
        read::normalize(raw)
    }
}

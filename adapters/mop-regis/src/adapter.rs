//! The roles of the open data of public works: a source, and nothing else.

use async_trait::async_trait;
use contract::{
    Adapter, AdapterError, AdapterFactory, Advice, Capability, ContractStatus, ErrorKind, Normalized, RawRecord,
    RawSink, ReadRequest, Settings, SettingsError, Source,
};
use kit::http::{HttpClient, Method};
use kit::{Links, hand_over, list_folder};

use crate::config::Config;
use crate::documents::give_document;
use crate::{SYSTEM, read, simulator, wire};

/// How the daemon makes the adapter.
pub const FACTORY: AdapterFactory = AdapterFactory { capability, build, simulate: Some(simulator::simulate) };

fn capability() -> Capability {
    Capability {
        system: SYSTEM,
        title: "Opere pubbliche e piani: OpenCUP, OpenBDAP, MOP, PNC e ReGiS (dati aperti)",
        contract: "OpenCUP, OpenBDAP, MOP, PNC, ReGiS CSV",
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
    let config = Config::parse(settings)?;
    let client = config.http.as_ref().map(|http| HttpClient::new(SYSTEM, http)).transpose()?;
    Ok(Box::new(MopRegis { config, client }))
}

/// The published tables, in a folder or at an address.
#[derive(Debug)]
struct MopRegis {
    config: Config,
    client: Option<HttpClient>,
}

impl Adapter for MopRegis {
    fn capability(&self) -> Capability {
        capability()
    }

    fn source(&self) -> Option<&dyn Source> {
        Some(self)
    }
}

#[async_trait]
impl Source for MopRegis {
    /// Everything is read each time, without a cursor: a document that did not change is known by
    /// its digest.
    async fn read(&self, request: ReadRequest, sink: RawSink) -> Result<(), AdapterError> {
        let (formats, max_bytes) = (self.config.formats.clone(), self.config.max_bytes);
        let (files, links) = match (request.files, &self.config.folder) {
            (Some(files), _) => (files, Links::Follow),
            (None, Some(folder)) => (list_folder(folder, &["csv"])?, Links::Refuse),
            (None, None) => {
                if self.client.is_none() {
                    let error = AdapterError::new(ErrorKind::Local, "read the open data: neither folder nor base_url");
                    return Err(error.advice(Advice::FixConfiguration));
                }
                return self.download(&sink).await;
            }
        };
        let is_everything = links == Links::Refuse;
        let reading = sink.clone();
        hand_over(reading, move |give| {
            for file in files {
                give_document(&file, links, None, (&formats, max_bytes), give)?;
            }
            Ok(())
        })
        .await?;
        if is_everything && self.client.is_some() { self.download(&sink).await } else { Ok(()) }
    }

    fn normalize(&self, raw: &RawRecord) -> Normalized {
        read::normalize(raw)
    }
}

impl MopRegis {
    /// One document after the other, each downloaded whole before any of it is handed over.
    async fn download(&self, sink: &RawSink) -> Result<(), AdapterError> {
        let Some(client) = &self.client else { return Ok(()) };
        for path in &self.config.paths {
            let failed = |error| AdapterError::new(ErrorKind::Local, "make a temporary folder").caused_by(error);
            let folder = tempfile::tempdir().map_err(|error: std::io::Error| failed(error))?;
            let file = folder.path().join("download.csv");
            let segments: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).collect();
            let request = client.request(Method::GET, &segments, &[]);
            client.download(request, &file, self.config.max_bytes).await?;
            let (formats, max_bytes, remote_id) = (self.config.formats.clone(), self.config.max_bytes, path.clone());
            hand_over(sink.clone(), move |give| {
                // The folder lives as long as its file is read.
                let _folder = folder;
                Ok(give_document(&file, Links::Follow, Some(remote_id), (&formats, max_bytes), give)?)
            })
            .await?;
        }
        Ok(())
    }
}

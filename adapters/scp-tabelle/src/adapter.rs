//! The roles of the adapter: a source, and nothing else.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use canonical::{Digest, Kind};
use contract::{
    Adapter, AdapterError, AdapterFactory, Advice, Capability, ContractStatus, ErrorKind, Normalized, RawRecord,
    RawSink, ReadRequest, Received, Refusal, Settings, SettingsError, Source,
};
use kit::documents::{list_folder, not_readable, refuse};
use kit::http::HttpClient;
use kit::{Closed, Document, Links, Looks, hand_over};

use crate::config::Config;
use crate::wire::{Tabella, TabellatoEntry, TabellatoResult};
use crate::{SYSTEM, client, read, simulator};

/// How the daemon makes this adapter.
pub const FACTORY: AdapterFactory = AdapterFactory {
    capability,
    build: |settings| Ok(Box::new(ScpTabelle::new(settings)?)),
    simulate: Some(simulator::simulate),
};

/// A saved answer longer than this is no table.
const LONGEST_ANSWER: u64 = 64 << 20;

fn capability() -> Capability {
    Capability {
        system: SYSTEM,
        title: "Tabelle di contesto di SCP: i codici che il portale del Ministero ammette",
        contract: "WSTabelleDiContesto 2.1.0",
        status: ContractStatus::Public,
        reads: &[Kind::Codice],
        accepts: &[],
        observes: false,
        parallel_requests: 1,
        collapse_seconds: 0,
        requires_adesione: false,
    }
}

/// The code tables of SCP.
#[derive(Debug)]
pub struct ScpTabelle {
    config: Config,
    http: Option<HttpClient>,
}

impl ScpTabelle {
    /// The adapter with these settings. Nothing is asked.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let config = Config::parse(settings)?;
        let http = config.http.as_ref().map(|http| HttpClient::new(SYSTEM, http)).transpose()?;
        Ok(Self { config, http })
    }

    /// Saved answers, each under the name of its table.
    async fn read_files(&self, files: Option<Vec<PathBuf>>, sink: RawSink) -> Result<(), AdapterError> {
        let folder = self.config.folder.clone();
        hand_over(sink, move |give| {
            let (files, links) = match (files, folder) {
                (Some(files), _) => (files, Links::Follow),
                (None, Some(folder)) => (list_folder(&folder, &["json"])?, Links::Refuse),
                (None, None) => (Vec::new(), Links::Refuse),
            };
            for file in files {
                let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                match saved(&file, links) {
                    Ok((digest, values)) => {
                        read::document(&Tabella::named(&name), digest, &values).into_iter().try_for_each(&mut *give)?;
                    }
                    Err(refusal) => give(Received::Refused { remote_id: name, refusal })?,
                }
            }
            Ok(())
        })
        .await
    }

    /// Every table of the settings, one after the other. A table that fails on the side of the
    /// service does not hide the others: they are read, and the failure is told at the end.
    async fn read_tables(&self, http: &HttpClient, sink: RawSink) -> Result<(), AdapterError> {
        let mut failure = None;
        for tabella in &self.config.tabelle {
            let received = match client::table(http, tabella).await {
                Ok(Some((values, answer))) => read::document(tabella, Digest::of(&answer.body).to_string(), &values),
                Ok(None) => {
                    let refusal = refuse("no_such_table", "the service has no table of this name: correct tabelle");
                    vec![Received::Refused { remote_id: tabella.name().to_owned(), refusal }]
                }
                Err(error) if error.remote_code.as_deref() == Some("500") => {
                    failure.get_or_insert(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            for one in received {
                sink.send(one).await.map_err(|_| Closed)?;
            }
        }
        failure.map_or(Ok(()), Err)
    }
}

/// The values of a saved answer, and its digest.
fn saved(file: &Path, links: Links) -> Result<(String, Vec<TabellatoEntry>), Refusal> {
    let not_one = || refuse("not_a_table", "the file is not an answer of /Tabellati: save it again");
    let document = Document::open(file, links, LONGEST_ANSWER)?;
    if document.looks() != Looks::Json {
        return Err(not_one());
    }
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut document.bytes()?, &mut text).map_err(|error| not_readable(&error))?;
    document.ensure_unchanged()?;
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let answer: TabellatoResult = serde_json::from_slice(text).map_err(|_| not_one())?;
    Ok((document.digest().to_owned(), answer.data.ok_or_else(not_one)?))
}

impl Adapter for ScpTabelle {
    fn capability(&self) -> Capability {
        capability()
    }

    fn source(&self) -> Option<&dyn Source> {
        Some(self)
    }
}

#[async_trait]
impl Source for ScpTabelle {
    async fn read(&self, request: ReadRequest, sink: RawSink) -> Result<(), AdapterError> {
        if request.files.is_some() {
            return self.read_files(request.files, sink).await;
        }
        if self.config.folder.is_none() && self.http.is_none() {
            let attempted = "read the tables of SCP: neither folder nor base_url is set";
            return Err(AdapterError::new(ErrorKind::Local, attempted).advice(Advice::FixConfiguration));
        }
        self.read_files(None, sink.clone()).await?;
        match &self.http {
            Some(http) => self.read_tables(http, sink).await,
            None => Ok(()),
        }
    }

    fn normalize(&self, raw: &RawRecord) -> Normalized {
        read::normalize(raw)
    }
}

#[cfg(test)]
mod tests;

//! The roles of the adapter: a source, and nothing else.

use std::collections::BTreeSet;

use async_trait::async_trait;
use canonical::identifiers::CodiceFiscale;
use canonical::{Digest, Kind};
use contract::{
    Adapter, AdapterError, AdapterFactory, Advice, Capability, ContractStatus, ErrorKind, Normalized, RawRecord,
    RawSink, ReadRequest, Received, Settings, SettingsError, Source,
};
use kit::documents::list_folder;
use kit::http::HttpClient;
use kit::{Closed, Links, Occurrences, hand_over};

use crate::config::{Config, What};
use crate::{SYSTEM, client, intake, read, simulator};

/// How the daemon makes this adapter.
pub const FACTORY: AdapterFactory = AdapterFactory {
    capability,
    build: |settings| Ok(Box::new(ScpOpendata::new(settings)?)),
    simulate: Some(simulator::simulate),
};

fn capability() -> Capability {
    Capability {
        system: SYSTEM,
        title: "Open data di SCP: bandi pubblicati sul portale del Ministero",
        contract: "bandi CSV 2022; CKAN datastore_search_sql, API 3",
        status: ContractStatus::Public,
        reads: &[Kind::Procedura, Kind::Lotto],
        accepts: &[],
        observes: false,
        parallel_requests: 1,
        collapse_seconds: 0,
        requires_adesione: false,
    }
}

/// The open data of SCP.
#[derive(Debug)]
pub struct ScpOpendata {
    config: Config,
    http: Option<HttpClient>,
}

impl ScpOpendata {
    /// The adapter with these settings. Nothing is asked.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let config = Config::parse(settings)?;
        let http = config.portal.as_ref().map(|portal| HttpClient::new(SYSTEM, &portal.http)).transpose()?;
        Ok(Self { config, http })
    }

    /// The files named by a person, or those of the folder.
    async fn read_files(&self, files: Option<Vec<std::path::PathBuf>>, sink: RawSink) -> Result<(), AdapterError> {
        let (folder, of, max_bytes) =
            (self.config.folder.clone(), self.config.stazioni_appaltanti.clone(), self.config.max_bytes);
        hand_over(sink, move |give| {
            let (files, links) = match (files, folder) {
                (Some(files), _) => (files, Links::Follow),
                (None, Some(folder)) => (list_folder(&folder, &["csv", "json"])?, Links::Refuse),
                (None, None) => (Vec::new(), Links::Refuse),
            };
            for file in files {
                intake::take(&file, links, &of, max_bytes, give)?;
            }
            Ok(())
        })
        .await
    }

    /// The daily file. The same file for the same bodies is not handed over again.
    async fn read_csv(
        &self,
        http: &HttpClient,
        path: &str,
        cursor: Option<String>,
        sink: RawSink,
    ) -> Result<(), AdapterError> {
        let file = tempfile::NamedTempFile::new()
            .map_err(|error| AdapterError::new(ErrorKind::Local, "make a temporary file").caused_by(error))?;
        let downloaded = client::download(http, path, file.path(), self.config.max_bytes).await?;
        let (of, max_bytes, name) = (self.config.stazioni_appaltanti.clone(), self.config.max_bytes, path.to_owned());
        let here = cursor_of(&downloaded.digest, &of);
        if cursor.as_ref() == Some(&here) {
            return Ok(());
        }
        hand_over(sink, move |give| {
            intake::take_table(file.path(), Some(&name), Links::Follow, &of, max_bytes, give)?;
            give(Received::Cursor(here))?;
            Ok(())
        })
        .await
    }

    /// The rows of a resource, page by page, each a document. There is no cursor: the numbers of
    /// the rows change with every load, so every read begins from the first.
    async fn read_ckan(
        &self,
        http: &HttpClient,
        resource_id: &str,
        page_rows: std::num::NonZeroU32,
        sink: RawSink,
    ) -> Result<(), AdapterError> {
        let (mut after, mut occurrences) = (0, Occurrences::default());
        let of = &self.config.stazioni_appaltanti;
        loop {
            let page = client::page(http, &client::sql(resource_id, after, of, page_rows)).await?;
            let Some(last) = page.last else { return Ok(()) };
            if last <= after {
                return Err(page.answer.not_understood("the rows of a page are not after those of the one before"));
            }
            let digest = Digest::of(&page.answer.body).to_string();
            let header = intake::header_of_answer(&format!("{resource_id}#{after}"), &digest);
            // A page is in memory already: what it holds is given from here.
            let mut held = Vec::new();
            intake::give_answer(&page.records, &header, &mut occurrences, of, &mut |received| {
                held.push(received);
                Ok(())
            })?;
            for received in held {
                sink.send(received).await.map_err(|_| Closed)?;
            }
            if page.records.len() < usize::try_from(page_rows.get()).unwrap_or(usize::MAX) {
                return Ok(());
            }
            after = last;
        }
    }
}

/// Where a read of the daily file ended: which file, and for which bodies. A body that is added later
/// has rows in a file that was read already. The bodies are a digest, since they may be many.
fn cursor_of(file: &str, of: &BTreeSet<CodiceFiscale>) -> String {
    let codes: Vec<_> = of.iter().map(CodiceFiscale::as_str).collect();
    match codes.as_slice() {
        [] => format!("{file}/tutti"),
        codes => format!("{file}/{}", Digest::of(codes.join(",").as_bytes())),
    }
}

impl Adapter for ScpOpendata {
    fn capability(&self) -> Capability {
        capability()
    }

    fn source(&self) -> Option<&dyn Source> {
        Some(self)
    }
}

#[async_trait]
impl Source for ScpOpendata {
    async fn read(&self, request: ReadRequest, sink: RawSink) -> Result<(), AdapterError> {
        if request.files.is_some() {
            return self.read_files(request.files, sink).await;
        }
        if self.config.folder.is_none() && self.config.portal.is_none() {
            let attempted = "read the open data of SCP: neither folder nor base_url is set";
            return Err(AdapterError::new(ErrorKind::Local, attempted).advice(Advice::FixConfiguration));
        }
        self.read_files(None, sink.clone()).await?;
        let Some((http, portal)) = self.http.as_ref().zip(self.config.portal.as_ref()) else { return Ok(()) };
        match &portal.what {
            What::Csv(path) => self.read_csv(http, path, request.cursor, sink).await,
            What::Ckan { resource_id, page_rows } => self.read_ckan(http, resource_id, *page_rows, sink).await,
        }
    }

    fn normalize(&self, raw: &RawRecord) -> Normalized {
        read::normalize(raw)
    }
}

#[cfg(test)]
mod tests;

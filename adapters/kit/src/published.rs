//! A source of published tables: files in a folder, named files, or documents at an address.
//!
//! What a table is and what its rows say stays with the adapter, which declares its [`Tables`] once.
//! Everything is read each time, without a cursor: a document that did not change is known by its
//! digest.

use std::path::Path;

use contract::{AdapterError, Advice, ErrorKind, RawSink, ReadRequest, Received, Refusal, Settings, SettingsError};

use crate::documents::{Document, Links, Looks, list_folder, refuse};
use crate::handover::{Closed, Give, hand_over};
use crate::http::{HttpClient, Method};
use crate::table::beginning;

mod settings;
mod simulator;

pub use settings::PublishedSettings;
pub use simulator::simulate;

/// The tables of one adapter.
#[derive(Debug)]
pub struct Tables {
    /// Stable name of the system.
    pub system: &'static str,
    /// What reading them is called in an error, for instance `read the open data`.
    pub attempted: &'static str,
    /// Names of the formats that are read when the settings name none.
    pub usual: &'static [&'static str],
    /// The usual path of a format below the address; none when there is no such format.
    pub path: fn(&str) -> Option<&'static str>,
    /// Whether two formats tell the same record with different fields: in one source the later
    /// would wipe out what the earlier said.
    pub clash: fn(&str, &str) -> bool,
    /// Reads one table and gives what it holds, or why it is refused.
    pub give: GiveTable,
}

/// Reads one table and gives what it holds, or why it is refused.
pub type GiveTable = fn(&LocalTable<'_>, &mut Give<'_>) -> Result<(), Closed>;

/// A table on the disk, not yet opened.
#[derive(Debug, Clone, Copy)]
pub struct LocalTable<'t> {
    /// Where it is.
    pub path: &'t Path,
    /// Whether the path may be a link.
    pub links: Links,
    /// What it is called where it was downloaded; the name of the file when it was not.
    pub remote_id: Option<&'t str>,
    /// Names of the formats that the source reads.
    pub formats: &'t [String],
    /// Longer tables are refused.
    pub max_bytes: u64,
}

/// What a table turned out to be, by its first rows.
#[derive(Debug)]
pub struct Recognised<F> {
    /// Its format.
    pub format: F,
    /// The names of its columns.
    pub header: Vec<String>,
    /// The values of its first row; none when there is none.
    pub first: Vec<String>,
}

impl LocalTable<'_> {
    /// Finds the format by the header. `find` gives the name of the format with the format itself.
    pub fn recognise<F>(
        &self,
        find: impl FnOnce(&[String]) -> Option<(&'static str, F)>,
    ) -> Result<Recognised<F>, Refusal> {
        let document = Document::open(self.path, self.links, self.max_bytes)?;
        if document.looks() != Looks::Text {
            return Err(refuse("not_a_table", "the file is XML or JSON, not a table: download the dataset as CSV"));
        }
        let (header, first) = beginning(&document)?;
        let (name, format) = find(&header).ok_or_else(|| {
            let problem =
                "the columns are those of no known table: check that the dataset is one of those in the README";
            refuse("unknown_table", problem)
        })?;
        if !self.formats.iter().any(|read| read == name) {
            let problem = format!("the table is {name}, which this source does not read: give it to one that does");
            return Err(refuse("other_format", problem));
        }
        Ok(Recognised { format, header, first })
    }

    /// The table is refused.
    pub fn refused(&self, refusal: Refusal) -> Received {
        let name = || self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned();
        Received::Refused { remote_id: self.remote_id.map_or_else(name, str::to_owned), refusal }
    }
}

/// A source of published tables.
#[derive(Debug)]
pub struct Published {
    tables: &'static Tables,
    settings: PublishedSettings,
    client: Option<HttpClient>,
}

impl Published {
    /// The source that these settings describe.
    pub fn new(tables: &'static Tables, settings: Settings) -> Result<Self, SettingsError> {
        let settings = PublishedSettings::parse(tables, settings)?;
        let client = settings.http.as_ref().map(|http| HttpClient::new(tables.system, http)).transpose()?;
        Ok(Self { tables, settings, client })
    }

    /// Reads the named files; else the folder, then the address.
    pub async fn read(&self, request: ReadRequest, sink: RawSink) -> Result<(), AdapterError> {
        let (files, links) = match (request.files, &self.settings.folder) {
            (Some(files), _) => (files, Links::Follow),
            (None, Some(folder)) => (list_folder(folder, &["csv"])?, Links::Refuse),
            (None, None) => {
                let attempted = format!("{}: neither folder nor base_url", self.tables.attempted);
                let error = AdapterError::new(ErrorKind::Local, attempted).advice(Advice::FixConfiguration);
                let client = self.client.as_ref().ok_or(error)?;
                return self.download(client, &sink).await;
            }
        };
        let (give_table, formats, max_bytes) =
            (self.tables.give, self.settings.formats.clone(), self.settings.max_bytes);
        hand_over(sink.clone(), move |give| {
            for path in &files {
                give_table(&LocalTable { path, links, remote_id: None, formats: &formats, max_bytes }, give)?;
            }
            Ok(())
        })
        .await?;
        match &self.client {
            Some(client) if links == Links::Refuse => self.download(client, &sink).await,
            _ => Ok(()),
        }
    }

    /// One document after the other, each downloaded whole before any of it is handed over. One
    /// that cannot be had does not stop its neighbours; the first error is told at the end.
    async fn download(&self, client: &HttpClient, sink: &RawSink) -> Result<(), AdapterError> {
        let mut outcome = Ok(());
        for path in &self.settings.paths {
            let Err(error) = self.download_one(client, path, sink).await else { continue };
            if let Some(refusal) = refusal(&error) {
                let refused = Received::Refused { remote_id: path.clone(), refusal };
                sink.send(refused).await.map_err(|_| Closed)?;
            } else if stops(&error) {
                return outcome.and(Err(error));
            } else {
                outcome = outcome.and(Err(error));
            }
        }
        outcome
    }

    async fn download_one(&self, client: &HttpClient, path: &str, sink: &RawSink) -> Result<(), AdapterError> {
        let folder = tempfile::tempdir()
            .map_err(|error| AdapterError::new(ErrorKind::Local, "make a temporary folder").caused_by(error))?;
        let file = folder.path().join("download.csv");
        let segments: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let max_bytes = self.settings.max_bytes;
        client.download(client.request(Method::GET, &segments, &[]), &file, max_bytes).await?;
        let (give_table, formats, remote_id) = (self.tables.give, self.settings.formats.clone(), path.to_owned());
        hand_over(sink.clone(), move |give| {
            // The folder lives as long as its file is read.
            let _folder = folder;
            let (path, links, remote_id) = (file.as_path(), Links::Follow, Some(remote_id.as_str()));
            Ok(give_table(&LocalTable { path, links, remote_id, formats: &formats, max_bytes }, give)?)
        })
        .await
    }
}

/// The refusal of a document that the system will not give, whoever asks and however often: not
/// there, not permitted, moved, too long.
fn refusal(error: &AdapterError) -> Option<Refusal> {
    let is_its_own = matches!(error.kind, ErrorKind::NotUnderstood | ErrorKind::Permission);
    let comes_again = matches!(error.advice, Advice::Retry { .. });
    let cause = error.source.as_ref().map(|cause| format!(", {cause}")).unwrap_or_default();
    let refused = || refuse("not_downloaded", format!("{error}{cause}: check the paths and limits in the settings"));
    (is_its_own && !comes_again).then(refused)
}

/// Whether the next document would get the same answer, or the system asked to be left alone.
fn stops(error: &AdapterError) -> bool {
    matches!(error.kind, ErrorKind::Local | ErrorKind::Authentication | ErrorKind::RateLimited)
        || matches!(error.advice, Advice::Retry { after: Some(_) })
}

#[cfg(test)]
mod tests;

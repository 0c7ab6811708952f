//! The roles of the file drop: a source, and nothing else.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use canonical::Kind;
use contract::{
    Adapter, AdapterError, AdapterFactory, Advice, Capability, ContractStatus, ErrorKind, Normalized, RawRecord,
    RawSink, ReadRequest, Settings as RawSettings, SettingsError, Source,
};

use crate::config::Settings;
use crate::intake::{self, Closed, Links};
use crate::{ndjson, read};

const SYSTEM: &str = "file-drop";

/// How the daemon makes the adapter.
pub const FACTORY: AdapterFactory = AdapterFactory { capability, build, simulate: None };

fn capability() -> Capability {
    Capability {
        system: SYSTEM,
        title: "Cartella di scambio: dataset della Legge 190/2012 e record canonici",
        contract: "Legge 190 XML 1.0, 1.1, 1.3; canonical NDJSON v1",
        status: ContractStatus::Public,
        reads: Kind::ALL,
        accepts: &[],
        observes: false,
        parallel_requests: 1,
        collapse_seconds: 0,
    }
}

fn build(settings: RawSettings) -> Result<Box<dyn Adapter>, SettingsError> {
    let settings = serde_json::from_value(settings).map_err(|error| SettingsError {
        system: SYSTEM,
        problem: format!("{error}; folder and max_bytes are known"),
    })?;
    Ok(Box::new(FileDrop::new(settings)))
}

/// A folder where files are dropped.
#[derive(Debug, Clone)]
pub struct FileDrop {
    settings: Settings,
}

impl FileDrop {
    /// An adapter with these settings.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// The files to read, in the order in which they are read.
    fn files(settings: &Settings, request: ReadRequest) -> Result<(Vec<PathBuf>, Links), AdapterError> {
        if let Some(files) = request.files {
            return Ok((files, Links::Follow));
        }
        let folder = settings.folder.as_deref().ok_or_else(|| {
            AdapterError::new(ErrorKind::Local, "list the folder of file-drop, which is not set")
                .advice(Advice::FixConfiguration)
        })?;
        Ok((list(folder)?, Links::Refuse))
    }
}

impl Adapter for FileDrop {
    fn capability(&self) -> Capability {
        capability()
    }

    fn source(&self) -> Option<&dyn Source> {
        Some(self)
    }
}

#[async_trait]
impl Source for FileDrop {
    async fn read(&self, request: ReadRequest, sink: RawSink) -> Result<(), AdapterError> {
        let settings = self.settings.clone();
        // The bounded channel makes this thread wait for the flow, never the runtime.
        let reading = tokio::task::spawn_blocking(move || {
            let (files, links) = Self::files(&settings, request)?;
            let mut give = |received| sink.blocking_send(received).map_err(|_| Closed);
            for file in files {
                if intake::take(&file, links, settings.max_bytes, &mut give).is_err() {
                    return Err(AdapterError::new(ErrorKind::Local, "hand over records that nobody takes any more"));
                }
            }
            Ok(())
        });
        reading.await.map_err(|error| AdapterError::new(ErrorKind::Local, "read the dropped files").caused_by(error))?
    }

    fn normalize(&self, raw: &RawRecord) -> Normalized {
        if raw.document.format == ndjson::FORMAT {
            return ndjson::normalize_line(&raw.text, raw.occurrence);
        }
        let context = serde_json::from_value(raw.document.context.clone()).unwrap_or_default();
        read::normalize_text(&raw.text, context, raw.occurrence)
    }
}

/// The regular files of a folder, by name, without those that are still being written.
fn list(folder: &Path) -> Result<Vec<PathBuf>, AdapterError> {
    let failed = |error: std::io::Error| {
        let attempted = format!("list folder {} (create it, or correct `folder`)", folder.display());
        AdapterError::new(ErrorKind::Local, attempted).advice(Advice::FixConfiguration).caused_by(error)
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // The type is that of the entry itself: links are not followed.
        if entry.file_type().map_err(failed)?.is_file() && is_complete(&entry.path()) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

fn is_complete(path: &Path) -> bool {
    let is_hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    let is_temporary = path
        .extension()
        .is_some_and(|suffix| ["part", "tmp"].iter().any(|temporary| suffix.eq_ignore_ascii_case(temporary)));
    !is_hidden && !is_temporary
}

//! The roles of the file drop: a source, and nothing else.

use std::path::PathBuf;

use async_trait::async_trait;
use canonical::Kind;
use contract::{
    Adapter, AdapterError, AdapterFactory, Advice, Capability, ContractStatus, ErrorKind, Normalized, RawRecord,
    RawSink, ReadRequest, Settings as RawSettings, SettingsError, Source,
};
use kit::{Links, hand_over, list_folder};

use crate::config::Settings;
use crate::{intake, ndjson, read};

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
        requires_adesione: false,
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
        Ok((list_folder(folder, &[])?, Links::Refuse))
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
        hand_over(sink, move |mut give| {
            let (files, links) = Self::files(&settings, request)?;
            for file in files {
                intake::take(&file, links, settings.max_bytes, &mut give)?;
            }
            Ok(())
        })
        .await
    }

    fn normalize(&self, raw: &RawRecord) -> Normalized {
        if raw.document.format == ndjson::FORMAT {
            return ndjson::normalize_line(&raw.text, raw.occurrence);
        }
        let context = serde_json::from_value(raw.document.context.clone()).unwrap_or_default();
        read::normalize_text(&raw.text, context, raw.occurrence)
    }
}

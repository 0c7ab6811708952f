//! The roles of `pad-file`: a source, and nothing else.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use canonical::Kind;
use contract::{
    Adapter, AdapterError, AdapterFactory, Advice, Capability, ContractStatus, ErrorKind, Normalized, RawRecord,
    RawSink, ReadRequest, Settings as RawSettings, SettingsError, Source,
};
use kit::{Links, hand_over, list_folder};

use super::config::PadFileSettings;
use super::{intake, read};
use crate::mapping::{self, Mapping, Plan};

const SYSTEM: &str = "pad-file";

/// How the daemon makes the adapter.
pub const PAD_FILE_FACTORY: AdapterFactory = AdapterFactory { capability, build, simulate: None };

fn capability() -> Capability {
    Capability {
        system: SYSTEM,
        title: "Tabelle esportate dalle piattaforme di approvvigionamento (CSV e XLSX con file di mappatura)",
        contract: "CSV and XLSX by mapping file v1",
        status: ContractStatus::Assumed,
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
        problem: format!("{error}; folder, mappings, max_bytes and max_xlsx_bytes are known"),
    })?;
    Ok(Box::new(PadFile::new(settings)?))
}

/// A folder where tables are dropped, and the mappings that read them.
#[derive(Debug, Clone)]
pub struct PadFile {
    settings: PadFileSettings,
    plans: Arc<[Plan]>,
}

impl PadFile {
    /// An adapter with these settings. The mappings are read now: a changed one is used from the
    /// next start on, so that all the records of a run are understood alike.
    pub fn new(settings: PadFileSettings) -> Result<Self, SettingsError> {
        let refused = |problem: String| SettingsError { system: SYSTEM, problem };
        let mut plans: Vec<Plan> = Vec::new();
        if let Some(path) = &settings.mappings {
            for file in mapping::files(path).map_err(|error| refused(format!("mappings: {error}")))? {
                let mapping = Mapping::load(&file).map_err(|error| refused(error.to_string()))?;
                let plan = mapping::compile(&mapping).map_err(|problems| {
                    let first = problems.first().map(ToString::to_string).unwrap_or_default();
                    let more = problems.len().saturating_sub(1);
                    refused(format!("{}: {first} (and {more} more problems: see `map test`)", file.display()))
                })?;
                if plans.iter().any(|other| other.platform == plan.platform) {
                    let what = format!("{}: another mapping is of {}", file.display(), plan.platform);
                    return Err(refused(format!("{what}: keep one file a platform")));
                }
                plans.push(plan);
            }
        }
        Ok(Self { settings, plans: plans.into() })
    }

    /// The files to read, in the order in which they are read.
    fn files(settings: &PadFileSettings, request: ReadRequest) -> Result<(Vec<PathBuf>, Links), AdapterError> {
        let not_set = |what: &str| {
            AdapterError::new(ErrorKind::Local, format!("read pad-file, whose setting `{what}` is not set"))
                .advice(Advice::FixConfiguration)
        };
        if settings.mappings.is_none() {
            return Err(not_set("mappings"));
        }
        if let Some(files) = request.files {
            return Ok((files, Links::Follow));
        }
        let folder = settings.folder.as_deref().ok_or_else(|| not_set("folder"))?;
        Ok((list_folder(folder, &[])?, Links::Refuse))
    }
}

impl Adapter for PadFile {
    fn capability(&self) -> Capability {
        capability()
    }

    fn source(&self) -> Option<&dyn Source> {
        Some(self)
    }
}

#[async_trait]
impl Source for PadFile {
    async fn read(&self, request: ReadRequest, sink: RawSink) -> Result<(), AdapterError> {
        let (settings, plans) = (self.settings.clone(), Arc::clone(&self.plans));
        hand_over(sink, move |give| {
            let (files, links) = Self::files(&settings, request)?;
            for file in files {
                intake::take(&file, links, &settings, &plans, give)?;
            }
            Ok(())
        })
        .await
    }

    fn normalize(&self, raw: &RawRecord) -> Normalized {
        let platform = raw.document.context.get("platform").and_then(|platform| platform.as_str());
        match self.plans.iter().find(|plan| Some(plan.platform.as_str()) == platform) {
            Some(plan) => read::normalize(plan, raw),
            None => read::without_mapping(),
        }
    }
}

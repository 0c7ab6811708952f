//! One system, as the configuration has it.

use std::path::Path;

use contract::Settings;
use serde::Deserialize;

use crate::flow::deliver::gate::Limits;
use crate::flow::route::filter::Filter;

/// One system.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SystemConfig {
    /// The adapter that speaks with it; the name of the system when absent.
    pub adapter: Option<String>,
    /// Starts the simulator of the system in this process, instead of speaking with the real one.
    /// What it receives is kept under `simulators/` beside the configuration.
    pub simulated: bool,
    /// Whether the system was shown to take what comes again under its `Idempotency-Key` once, also
    /// while the first is under way. Then what may have arrived is sent again without waiting.
    pub honours_keys: bool,
    /// What is delivered to it, of all that it takes: everything, unless conditions are written.
    pub deliver: Filter,
    /// How much it is given at a time: `parallel_requests`, never more than its adapter declares,
    /// and `requests_per_minute`. Without them what the adapter declares, and fewer when the system
    /// shows that it is too much.
    pub limits: Limits,
    /// The client of the national platform through which it is reached, where it is an e-service.
    pub pdnd: Option<kit::pdnd::settings::Connection>,
    /// The authorization server that gives tokens for it, where one stands before it.
    pub oauth: Option<kit::oauth::settings::Registration>,
    /// The settings of the adapter, in its own words.
    pub settings: toml::Table,
}

impl SystemConfig {
    /// The settings as the adapter takes them, with paths made relative to `folder`.
    pub fn settings(&self, folder: &Path) -> Settings {
        let mut settings = serde_json::to_value(&self.settings).unwrap_or_default();
        if let Some(settings) = settings.as_object_mut() {
            for (key, value) in settings {
                let is_path = matches!(key.as_str(), "folder" | "mappings") || key.ends_with("_file");
                if let (true, Some(path)) = (is_path, value.as_str()) {
                    *value = folder.join(path).to_string_lossy().into_owned().into();
                }
            }
        }
        settings
    }
    /// What opens the system, as its adapter takes it: by the name of its table.
    pub(crate) fn openings(&self) -> impl Iterator<Item = (&'static str, serde_json::Result<Settings>)> {
        let pdnd = self.pdnd.as_ref().map(|connection| ("pdnd", serde_json::to_value(connection)));
        let oauth = self.oauth.as_ref().map(|registration| ("oauth", serde_json::to_value(registration)));
        pdnd.into_iter().chain(oauth)
    }
}

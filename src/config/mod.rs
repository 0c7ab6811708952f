//! The configuration: one TOML file, read once at the start.
//!
//! An unknown key is an error with its line, because a key that is silently ignored is worse than
//! none. Secrets never stand here: a setting that ends in `_file` names the file that holds one.
//! Relative paths are relative to the folder of the configuration file.

mod access;
mod lines;
mod storage;
mod system;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use canonical::{Kind, SourceName};
use serde::Deserialize;

use crate::flow::deliver::doubt::Resend;
use crate::pressure::PressureLimits;

pub use lines::Lines;
pub use system::SystemConfig;

/// The name of the configuration file inside a folder.
pub const FILE_NAME: &str = "raccordo.toml";

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration file {path} not readable; write one, or name its folder with --folder")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not what we expect.
    #[error("configuration file {path} not valid:\n{problem}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What and where.
        problem: String,
    },
}

pub mod exchange;
pub mod nodes;
pub mod reconciliation;
pub mod signal_hub;
pub mod tracing;

pub use exchange::ExchangeConfig;
pub use nodes::NodeConfig;
pub use reconciliation::ReconciliationConfig;
pub use signal_hub::SignalHubConfig;
pub use storage::StorageConfig;
pub use tracing::TracingConfig;

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the records are kept.
    #[serde(default)]
    pub storage: StorageConfig,
    /// Where the pages are served.
    #[serde(default)]
    pub http: HttpConfig,
    /// How work is done.
    #[serde(default)]
    pub work: WorkConfig,
    /// When work is done.
    #[serde(default)]
    pub schedule: ScheduleConfig,
    /// When both sides are compared, and who repairs.
    #[serde(default)]
    pub reconciliation: ReconciliationConfig,
    /// What partners may read and send.
    #[serde(default)]
    pub exchange: ExchangeConfig,
    /// Who is believed about a kind of record, the first before the others: names of systems or of
    /// adapters, in place of the default order of that kind.
    #[serde(default)]
    pub ownership: BTreeMap<Kind, Vec<String>>,
    /// The systems, by name. The name is that of the source in every record it gives.
    #[serde(default)]
    pub systems: BTreeMap<String, SystemConfig>,
    /// Other nodes, by a name of ours, with which this one compares what both hold.
    #[serde(default)]
    pub nodes: BTreeMap<String, NodeConfig>,
    /// The clients of the national platform, by name.
    #[serde(default)]
    pub pdnd: BTreeMap<String, kit::pdnd::settings::Connection>,
    /// Changes told to others, and heard of, through Signal Hub.
    #[serde(default)]
    pub signal_hub: Option<SignalHubConfig>,
    /// Who sends the daily tracing files by itself, where somebody does.
    #[serde(default)]
    pub tracing: Option<TracingConfig>,
    /// The folder of the configuration file.
    #[serde(skip)]
    pub folder: PathBuf,
    /// Where its keys stand.
    #[serde(skip)]
    pub lines: Lines,
}

/// Where the pages are served.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Address and port; port zero takes a free one.
    pub listen: SocketAddr,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8470)) }
    }
}

/// How work is done.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkConfig {
    /// Deliveries worked on at the same time, besides those that wait for the answer of a target:
    /// how many of these there may be is an affair of each target.
    pub slots: u16,
    /// Seconds after which the work of a process that fell silent is given to another. More than
    /// twice the longest request.
    pub lease_seconds: u16,
    /// Seconds after the start of an attempt whose outcome is not known, before which a system without
    /// `honours_keys` is not sent the same again: it may still be at work on it. At least half as
    /// long again as the `total_seconds` of its requests.
    pub resend_after_seconds: u16,
    /// Seconds that a unit may wait for more changes, in place of what its system asks for.
    pub collapse_seconds: Option<u16>,
    /// Sources are not read while more deliveries than this are open.
    pub hold_above_open: u32,
    /// They are read again when fewer than this are.
    pub resume_below_open: u32,
}

impl Default for WorkConfig {
    fn default() -> Self {
        Self {
            slots: 16,
            lease_seconds: 75,
            resend_after_seconds: 90,
            collapse_seconds: None,
            hold_above_open: 1_000_000,
            resume_below_open: 800_000,
        }
    }
}

/// When work is done.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// Minutes between two reads of the sources.
    pub sync_minutes: u16,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self { sync_minutes: 15 }
    }
}

impl ScheduleConfig {
    /// Time between two reads of the sources.
    pub fn sync_every(&self) -> Duration {
        Duration::from_secs(u64::from(self.sync_minutes.max(1)) * 60)
    }
}

impl Config {
    /// Reads the configuration: a file, or a folder that holds a `raccordo.toml`.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file = if path.is_dir() { path.join(FILE_NAME) } else { path.to_owned() };
        let text =
            std::fs::read_to_string(&file).map_err(|source| ConfigError::Unreadable { path: file.clone(), source })?;
        let folder = file.parent().map(Path::to_owned).unwrap_or_default();
        let invalid = |problem| ConfigError::Invalid { path: file.clone(), problem };
        let mut config = Self::parse(&text, &folder).map_err(invalid)?;
        storage::check_files(&config.storage, &config.lines).map_err(invalid)?;
        config.lines = config.lines.in_file(&file);
        Ok(config)
    }

    /// Understands the text of a configuration file that stands in `folder`.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, String> {
        let mut config: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        config.lines = Lines::of(text);
        folder.clone_into(&mut config.folder);
        config.storage.path = folder.join(&config.storage.path);
        config.storage.password_file = config.storage.password_file.map(|file| folder.join(file));
        access::be_relative(&mut config, folder);
        storage::check(&config.storage, &config.lines)?;
        config.check_systems()?;
        config.check_numbers()?;
        config.exchange.in_folder(folder);
        config.nodes.values_mut().for_each(|node| node.in_folder(folder));
        let wrong =
            tracing::problem(&config).or_else(|| signal_hub::problem(&config)).or_else(|| nodes::problem(&config));
        if let Some((keys, problem)) = wrong {
            return Err(config.lines.at(&keys, &problem));
        }
        let systems: Vec<&str> = config.systems.keys().map(String::as_str).collect();
        if let Some((keys, problem)) = config.exchange.problem(&systems, &config.pdnd) {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            return Err(config.lines.at(&keys, &problem));
        }
        Ok(config)
    }

    fn check_systems(&self) -> Result<(), String> {
        let Self { lines, storage, .. } = self;
        for (name, system) in &self.systems {
            if SourceName::parse(name).is_none() {
                let problem = format!(
                    "system name `{name}`: use 1 to 64 lower-case letters, digits and hyphens, for instance `pad-provincia`"
                );
                return Err(lines.at(&["systems", name], &problem));
            }
            if system.limits.parallel_requests == Some(0) {
                let problem = format!(
                    "systems.{name}.limits.parallel_requests is 0: nothing would ever be delivered to it; write at least 1"
                );
                return Err(lines.at(&["systems", name, "limits", "parallel_requests"], &problem));
            }
            if let Some((keys, problem)) = access::problem(self, name, system) {
                return Err(lines.at(&keys, &problem));
            }
            if system.simulated && storage.url.is_some() {
                let adapter = system.adapter.as_deref().unwrap_or(name);
                let problem = format!(
                    "systems.{name}.simulated together with storage.url: several processes may share that database, and \
                     each would have a simulator of its own, which knows nothing of what the others delivered; start \
                     one with `raccordo simulate {adapter}`, and write the settings that it prints here in place of \
                     `simulated = true`, or take storage.url away"
                );
                return Err(lines.at(&["systems", name, "simulated"], &problem));
            }
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<(), String> {
        let Self { storage, work, lines, .. } = self;
        if work.slots == 0 {
            let problem = "work.slots is 0: nothing would ever be delivered; write at least 1";
            return Err(lines.at(&["work", "slots"], problem));
        }
        if work.lease_seconds <= 60 {
            let problem = format!(
                "work.lease_seconds is {}: a request may last 30 seconds, and a lease must be longer than two; write at least 61",
                work.lease_seconds
            );
            return Err(lines.at(&["work", "lease_seconds"], &problem));
        }
        if storage.resume_above_mebibytes < storage.hold_below_mebibytes {
            let problem = format!(
                "storage.resume_above_mebibytes is {}: reading would be held again at once; write at least {}",
                storage.resume_above_mebibytes, storage.hold_below_mebibytes
            );
            return Err(lines.at(&["storage", "resume_above_mebibytes"], &problem));
        }
        if !(1..=work.hold_above_open).contains(&work.resume_below_open) {
            let problem = format!(
                "work.resume_below_open is {}: write 1 to {}, which is work.hold_above_open",
                work.resume_below_open, work.hold_above_open
            );
            return Err(lines.at(&["work", "resume_below_open"], &problem));
        }
        Ok(())
    }

    /// When what may have arrived is sent again.
    pub fn resend(&self) -> Resend {
        // A simulator in this process ends with it, and is at work on nothing when it is back.
        let is_keyed = |system: &SystemConfig| system.honours_keys || system.simulated;
        let keyed = self.systems.iter().filter(|(_, system)| is_keyed(system)).map(|(name, _)| name.clone());
        Resend::new(Duration::from_secs(self.work.resend_after_seconds.into()), keyed.collect())
    }

    /// When intake is held.
    pub fn pressure_limits(&self) -> PressureLimits {
        let bytes = |mebibytes: u32| u64::from(mebibytes) * 1024 * 1024;
        PressureLimits {
            hold_below_bytes: bytes(self.storage.hold_below_mebibytes),
            resume_above_bytes: bytes(self.storage.resume_above_mebibytes),
            hold_above_open: self.work.hold_above_open.into(),
            resume_below_open: self.work.resume_below_open.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("/srv/raccordo"))
    }

    #[test]
    fn an_empty_file_is_a_valid_configuration() {
        let config = parse("").expect("all has a default");
        assert_eq!(config.storage.path, Path::new("/srv/raccordo/raccordo.db"));
    }

    #[test]
    fn a_password_in_the_address_of_the_database_is_refused_and_not_repeated() {
        for url in ["postgres://utente:segreto@host/raccordo", "postgres://host/raccordo?password=segreto"] {
            let problem = parse(&format!("[storage]\nurl = \"{url}\"")).expect_err("a password in the open");
            assert!(problem.contains("password_file") && !problem.contains("segreto"), "{problem}");
        }
        let config = parse("[storage]\nurl = \"postgres://utente@host/raccordo\"\npassword_file = \"segreto\"");
        let file = config.expect("valid").storage.password_file;
        assert_eq!(file.as_deref(), Some(Path::new("/srv/raccordo/segreto")));
    }

    #[test]
    fn two_databases_are_refused_and_so_is_a_simulator_beside_a_shared_one() {
        let both = parse("[storage]\npath = \"a.db\"\nurl = \"postgres://u@h/d\"").expect_err("two databases");
        assert!(both.starts_with("line 2: ") && both.contains("take the other away"), "{both}");
        let shared = "[storage]\nurl = \"postgres://u@h/d\"\n[systems.prova]\nadapter = \"pico\"\nsimulated = true";
        let problem = parse(shared).expect_err("a simulator in every process");
        assert!(problem.starts_with("line 5: ") && problem.contains("`raccordo simulate pico`"), "{problem}");
        assert!(parse(&shared.replace("true", "false")).is_ok());
    }

    #[test]
    fn a_password_file_is_there_and_its_owners_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let load = || Config::load(folder.path()).map_err(|error| error.to_string());
        let text = "[storage]\nurl = \"postgres://u@h/d\"\npassword_file = \"parola\"\n";
        std::fs::write(path(FILE_NAME), text).expect("written");
        let absent = load().expect_err("no file");
        assert!(absent.contains("line 3: ") && absent.contains("cannot be read"), "{absent}");
        std::fs::write(path("parola"), "segreta").expect("written");
        let mode = |mode| std::fs::set_permissions(path("parola"), std::fs::Permissions::from_mode(mode)).expect("set");
        mode(0o640);
        let open = load().expect_err("open to the group");
        assert!(open.contains("0600") && !open.contains("segreta"), "{open}");
        mode(0o600);
        assert!(load().is_ok());
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line() {
        let problem = parse("[http]\nlissen = \"127.0.0.1:1\"").expect_err("the key is misspelt");
        assert!(problem.contains("line 2") && problem.contains("lissen"), "{problem}");
    }

    #[test]
    fn a_lease_shorter_than_two_requests_is_refused_at_the_start() {
        let problem = parse("[work]\nlease_seconds = 30").expect_err("too short");
        assert!(problem.contains("at least 61"), "{problem}");
    }

    #[test]
    fn limits_that_would_make_reading_flutter_are_refused() {
        let problem = parse("[storage]\nresume_above_mebibytes = 100").expect_err("below 256");
        assert!(problem.contains("at least 256"), "{problem}");
        for open in [0, 2_000_000] {
            let problem = parse(&format!("[work]\nresume_below_open = {open}")).expect_err("not between");
            assert!(problem.contains("1 to 1000000"), "{problem}");
        }
        assert_eq!(parse("").expect("valid").pressure_limits(), PressureLimits::default());
    }

    #[test]
    fn the_limits_of_a_system_are_read_and_none_may_be_nothing() {
        let limits = |text: &str| parse(&format!("[systems.pico.limits]\n{text}"));
        let config = limits("parallel_requests = 2\nrequests_per_minute = 90").expect("valid");
        let read = config.systems["pico"].limits;
        assert_eq!((read.parallel_requests, read.requests_per_minute.map(u32::from)), (Some(2), Some(90)));
        assert!(limits("parallel_requests = 0").expect_err("nothing").contains("at least 1"));
        assert!(limits("requests_per_minute = 0").is_err());
    }

    #[test]
    fn paths_in_settings_are_relative_to_the_configuration() {
        let config = parse("[systems.pad]\nadapter = \"file-drop\"\nsettings = { folder = \"in-arrivo\", x = \"y\" }")
            .expect("valid");
        let settings = config.systems["pad"].settings(&config.folder);
        assert_eq!(settings, serde_json::json!({ "folder": "/srv/raccordo/in-arrivo", "x": "y" }));
    }

    #[test]
    fn a_system_name_that_is_no_name_is_refused() {
        assert!(parse("[systems.\"Pi.Co.\"]").is_err());
    }
}

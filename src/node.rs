//! A node: the database opened, the systems built, the simulators and the workers started.
//!
//! Commands ask for a node and use its flow; they never name an adapter or a database. What a
//! node is made of is given by the registry.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use canonical::values::CalendarDate;
use contract::{Adapter, AdapterFactory, Capability, RunningSimulator, SettingsError, SimulatorOptions};
use futures_util::future::BoxFuture;
use kit::pdnd::counted::counted_by;
use serde::Serialize;

use crate::clock::{Clock, SystemClock};
use crate::config::{Config, StorageConfig, SystemConfig};
use crate::discrepancy::SOURCES;
use crate::flow::deliver::doubt::Resend;
use crate::flow::reconcile::nodes::Nodes;
use crate::flow::reconcile::nodes::remote::RemoteNode;
use crate::flow::route::ownership::{Order, Ownership};
use crate::flow::{Flow, FlowError, Systems, route};
use crate::jobs::calls::{self, Counting, Tally};
use crate::jobs::sweeper::{self, Sweeper, SweeperSettings};
use crate::jobs::{self, Workers, signals};
use crate::pressure::{IntakeGate, free_space_of};
use crate::storage::calls::CallCount;
use crate::storage::{StorageError, Store, log_head};

/// The answer of opening a database.
pub type OpenStore = Result<Arc<dyn Store>, StorageError>;

/// The answer of reading what is counted of a day.
pub type CallsOfDay = Result<Vec<CallCount>, StorageError>;

/// What a node is made of.
#[derive(Debug, Clone, Copy)]
pub struct Parts {
    /// The adapters.
    pub adapters: &'static [AdapterFactory],
    /// Opens the database.
    pub open_store: fn(StorageConfig) -> BoxFuture<'static, OpenStore>,
    /// Reads what is counted of the calls of a day, beside whoever has the database open.
    pub calls_of: fn(StorageConfig, CalendarDate) -> BoxFuture<'static, CallsOfDay>,
    /// Reads a file and says what it is, without a database.
    pub inspect: fn(&mut dyn Read, &str) -> Inspected,
    /// Who is believed about each kind, unless the configuration says otherwise.
    pub ownership: &'static [Order],
    /// Checks the mapping files of a path and runs the examples beside them.
    pub test_mappings: fn(&Path) -> Vec<TestedMapping>,
}

/// A mapping file that was checked, and its examples.
#[derive(Debug, Clone, Serialize)]
pub struct TestedMapping {
    /// The file.
    pub mapping: String,
    /// What is wrong with it: where, what, what to write instead.
    pub problems: Vec<String>,
    /// Its examples by name, each with what came out otherwise than expected.
    pub examples: BTreeMap<String, Vec<String>>,
}

impl TestedMapping {
    /// Whether nothing is wrong, and every example came out as expected.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty() && self.examples.values().all(Vec::is_empty)
    }
}

/// What a file is, and what would be read from it.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// The facts, as one JSON object.
    pub facts: serde_json::Value,
    /// Whether the file was refused.
    pub refused: bool,
    /// Whether it has findings of severity error.
    pub has_errors: bool,
}

/// Why a node could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Something that the configuration says does not work.
    #[error("configuration not usable: {place}")]
    At {
        /// The file, and the line where it says so.
        place: String,
        /// What does not work.
        #[source]
        source: Box<Self>,
    },
    /// The configuration names an adapter that does not exist.
    #[error("system {system}: there is no adapter {adapter}; the adapters are {known}")]
    UnknownAdapter {
        /// The system.
        system: String,
        /// The adapter named.
        adapter: String,
        /// Those that exist.
        known: String,
    },
    /// The settings of a system do not work.
    #[error("system {system} not built")]
    Settings {
        /// The system.
        system: String,
        /// Why.
        #[source]
        source: contract::SettingsError,
    },
    /// The settings of another node do not work.
    #[error("node {node} not built")]
    OtherNode {
        /// The node.
        node: String,
        /// Why.
        #[source]
        source: SettingsError,
    },
    /// The configuration names a source that is none.
    #[error("{place} names `{name}`, which is unknown; known are: {known}")]
    UnknownName {
        /// Where in the configuration.
        place: String,
        /// The name.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// The system has no simulator.
    #[error("adapter {adapter} has no simulator: take `simulated = true` away")]
    NoSimulator {
        /// The adapter.
        adapter: String,
    },
    /// The simulator could not start.
    #[error("simulator of {adapter} not started")]
    Simulator {
        /// The adapter.
        adapter: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The same would be sent again too soon.
    #[error(
        "work.resend_after_seconds is {resend_after}: a request to {system} may last {longest} seconds, and what it \
         began may take effect later; write at least {at_least}, or a smaller total_seconds in its settings"
    )]
    Resend {
        /// The system.
        system: String,
        /// How long a request to it may last, in seconds.
        longest: u64,
        /// What is configured.
        resend_after: u16,
        /// What would be enough.
        at_least: u64,
    },
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Parts {
    /// The rows of the capability table.
    pub fn capabilities(&self) -> Vec<Capability> {
        self.adapters.iter().map(|factory| (factory.capability)()).collect()
    }

    /// The adapter with this name.
    pub fn adapter(&self, name: &str) -> Option<&AdapterFactory> {
        self.adapters.iter().find(|factory| (factory.capability)().system == name)
    }

    /// Starts the simulator of an adapter.
    pub fn simulate(&self, adapter: &str, options: SimulatorOptions) -> Result<RunningSimulator, NodeError> {
        let factory = self.adapter(adapter).ok_or_else(|| self.unknown(adapter, adapter))?;
        let start = factory.simulate.ok_or_else(|| NodeError::NoSimulator { adapter: adapter.to_owned() })?;
        start(options).map_err(|source| NodeError::Simulator { adapter: adapter.to_owned(), source })
    }

    fn unknown(&self, system: &str, adapter: &str) -> NodeError {
        let known: Vec<_> = self.capabilities().iter().map(|capability| capability.system).collect();
        NodeError::UnknownAdapter { system: system.to_owned(), adapter: adapter.to_owned(), known: known.join(", ") }
    }
}

/// How long a request may last where the settings of a system do not say it.
const LONGEST_REQUEST: Duration = Duration::from_secs(30);

/// How long whoever gives up is heard.
const LAST_WORD: Duration = Duration::from_secs(5);

/// An open node.
pub struct Node {
    /// What it was configured with.
    pub config: Config,
    /// The stations, with everything they need.
    pub flow: Flow,
    /// Who counts the calls with vouchers: those that its systems make, and those that are given to it.
    pub tally: Arc<Tally>,
    counting: Counting,
    work: Option<(Workers, Sweeper)>,
    simulators: Vec<RunningSimulator>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("flow", &self.flow).finish_non_exhaustive()
    }
}

impl Node {
    /// Opens the database, starts the simulators that the configuration asks for, builds the
    /// systems. No work is done until [`Node::start_work`].
    pub async fn open(parts: &Parts, config: Config) -> Result<Self, NodeError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        check_names(parts, &config)?;
        let store = (parts.open_store)(config.storage.clone()).await?;
        sweeper::hear(store.as_ref(), clock.as_ref()).await;
        let taken_back = store.take_back(clock.now(), SweeperSettings::default().max_attempts).await?;
        if taken_back > 0 {
            tracing::info!(jobs = taken_back, "work of an earlier process taken back");
        }
        let tally = Arc::new(Tally::new(Arc::clone(&clock)));
        let mut simulators = Vec::new();
        let mut systems: Systems = BTreeMap::new();
        for (name, system) in &config.systems {
            let built = || build(parts, &config, name, system, &mut simulators);
            let adapter = counted_by(tally.clone(), built)?;
            check_resend(&config, name, adapter.as_ref())?;
            systems.insert(name.clone(), Arc::from(adapter));
        }
        let nodes = counted_by(tally.clone(), || other_nodes(&config))?;
        let collapse = config.work.collapse_seconds.map(|seconds| Duration::from_secs(seconds.into()));
        let ownership = Arc::new(Ownership::of(parts.ownership).with(config.ownership.clone()));
        let systems = Arc::new(systems);
        // The disk of a server is its keeper's affair.
        let free_space = match config.storage.url {
            None => free_space_of(config.storage.path.parent().map(Path::to_owned).unwrap_or_default()),
            Some(_) => Box::new(|| Ok(u64::MAX)),
        };
        let filters = config.systems.iter().map(|(name, system)| (name.clone(), system.deliver.clone())).collect();
        let limits = config.systems.iter().map(|(name, system)| (name.clone(), system.limits));
        let limits = limits.chain(config.signal_hub.iter().map(signals::limits)).collect();
        let flow = Flow {
            store,
            systems,
            nodes: Arc::new(nodes),
            gates: Arc::new(jobs::gate::Gates::new(Arc::clone(&clock), limits)),
            clock,
            patience: Arc::new(jobs::Backoff),
            resend: config.resend(),
            collapse,
            ownership,
            filters: Arc::new(filters),
            intake_gate: Arc::new(IntakeGate::new(config.pressure_limits(), free_space)),
            reconciliation: config.reconciliation.policy(),
        };
        let counting = calls::start(&flow.store, Arc::clone(&tally));
        Ok(Self { config, flow, tally, counting, work: None, simulators })
    }

    /// Routes again what was routed by other rules, then starts delivering, and looking for what
    /// was forgotten.
    pub async fn start_work(&mut self) -> Result<(), FlowError> {
        route::route_again(&self.flow).await?;
        self.work.get_or_insert_with(|| {
            let work = &self.config.work;
            let workers = jobs::start(&self.flow, work.slots.into(), Duration::from_secs(work.lease_seconds.into()));
            let (store, clock) = (self.flow.store.clone(), self.flow.clock.clone());
            (workers, Sweeper::start(store, clock, SweeperSettings::default()))
        });
        Ok(())
    }

    /// Ends where the database can no longer be written: says what was counted and is lost, and waits for
    /// nothing else.
    pub async fn give_up(self) {
        if tokio::time::timeout(LAST_WORD, self.counting.stop()).await.is_err() {
            tracing::error!("calls with vouchers that were counted could not be written");
        }
    }

    /// Stops workers, database and simulators. What is under way is finished or given back.
    pub async fn close(self) {
        if let Some((workers, sweeper)) = self.work {
            sweeper.stop().await;
            workers.stop().await;
        }
        self.counting.stop().await;
        log_head(self.flow.store.as_ref()).await;
        self.flow.store.close().await;
        for simulator in self.simulators {
            simulator.stop().await;
        }
    }
}

impl NodeError {
    /// The same, with the place in the configuration.
    fn at(self, place: String) -> Self {
        Self::At { place, source: Box::new(self) }
    }
}

/// A misspelt name would silently give a target nothing, or believe nobody.
fn check_names(parts: &Parts, config: &Config) -> Result<(), NodeError> {
    let systems: BTreeSet<&str> = config.systems.keys().map(String::as_str).collect();
    let adapters = parts.capabilities().into_iter().map(|capability| capability.system);
    let owners: BTreeSet<&str> = systems.iter().copied().chain(adapters).collect();
    let check = |path: &[&str], name: &str, known: &BTreeSet<&str>| {
        if known.contains(name) {
            return Ok(());
        }
        let known = known.iter().copied().collect::<Vec<_>>().join(", ");
        let unknown = NodeError::UnknownName { place: path.join("."), name: name.to_owned(), known };
        Err(unknown.at(config.lines.place(path)))
    };
    for (system, settings) in &config.systems {
        for name in settings.deliver.from.iter().flatten() {
            check(&["systems", system, "deliver", "from"], name, &systems)?;
        }
    }
    let comparisons = systems.iter().copied().chain(config.nodes.keys().map(String::as_str)).chain([SOURCES]).collect();
    for name in config.reconciliation.pairs.keys() {
        check(&["reconciliation", "pairs", name], name, &comparisons)?;
    }
    for name in config.reconciliation.sources.keys() {
        check(&["reconciliation", "sources", name], name, &owners)?;
    }
    for (kind, names) in &config.ownership {
        for name in names {
            check(&["ownership", &kind.to_string()], name, &owners)?;
        }
    }
    Ok(())
}

/// A target that honours no keys would be sent the same again while it may still be at work on it.
fn check_resend(config: &Config, name: &str, adapter: &dyn Adapter) -> Result<(), NodeError> {
    let resend = config.resend();
    if adapter.target().is_none() || resend.honours_keys(name) {
        return Ok(());
    }
    let written = config.systems.get(name).and_then(|system| system.settings.get("total_seconds"));
    let seconds = written.and_then(toml::Value::as_integer).and_then(|seconds| u64::try_from(seconds).ok());
    let longest = seconds.map_or(LONGEST_REQUEST, Duration::from_secs);
    if resend.longest_attempt() >= longest {
        return Ok(());
    }
    let problem = NodeError::Resend {
        system: name.to_owned(),
        longest: longest.as_secs(),
        resend_after: config.work.resend_after_seconds,
        at_least: Resend::at_least(longest).as_secs(),
    };
    Err(problem.at(config.lines.place(&["work", "resend_after_seconds"])))
}

/// The other nodes, with which this one compares what both hold.
fn other_nodes(config: &Config) -> Result<Nodes, NodeError> {
    let built = config.nodes.iter().map(|(name, node)| {
        let grace = Duration::from_secs(u64::from(node.grace_hours) * 3_600);
        let remote = RemoteNode::new(&node.http(), node.bodies.clone(), grace).map_err(|source| {
            let keys = ["pdnd", "oauth"].into_iter().find(|key| source.problem.starts_with(&format!("{key}: ")));
            let place = match keys {
                Some(key) => config.lines.place_named(&["nodes", name, key], &source.problem),
                None => config.lines.place(&["nodes", name, "address"]),
            };
            // The name that it has among the settings of a system.
            let problem = source.problem.replace("base_url", "address");
            NodeError::OtherNode { node: name.clone(), source: SettingsError { problem, ..source } }.at(place)
        })?;
        Ok((name.clone(), remote))
    });
    built.collect()
}

fn build(
    parts: &Parts,
    config: &Config,
    name: &str,
    system: &SystemConfig,
    simulators: &mut Vec<RunningSimulator>,
) -> Result<Box<dyn Adapter>, NodeError> {
    let adapter = system.adapter.as_deref().unwrap_or(name);
    let key = if system.adapter.is_some() { "adapter" } else { "settings" };
    let unknown = || parts.unknown(name, adapter).at(config.lines.place(&["systems", name, key]));
    let factory = parts.adapter(adapter).ok_or_else(unknown)?;
    let mut settings = system.settings(&config.folder);
    if system.simulated {
        let options = SimulatorOptions {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            state: Some(config.folder.join("simulators").join(name)),
            faults: None,
        };
        let simulator = parts.simulate(adapter, options).map_err(|error| match error {
            NodeError::NoSimulator { .. } => error.at(config.lines.place(&["systems", name, "simulated"])),
            other => other,
        })?;
        // The simulator knows its own address and key; what the configuration adds stays.
        if let (Some(settings), Some(theirs)) = (settings.as_object_mut(), simulator.settings.as_object()) {
            settings.extend(theirs.clone());
        }
        simulators.push(simulator);
    }
    let about = |key: &str, source: SettingsError| {
        let place = config.lines.place_named(&["systems", name, key], &source.problem);
        NodeError::Settings { system: name.to_owned(), source }.at(place)
    };
    let mut openings = Vec::new();
    for (key, written) in system.openings() {
        let not_usable = |error| SettingsError { system: key, problem: format!("{key}: not usable: {error}") };
        let written = written.map_err(|error| about(key, not_usable(error)))?;
        if let Some(settings) = settings.as_object_mut() {
            settings.insert(key.to_owned(), written);
        }
        openings.push(key);
    }
    (factory.build)(settings).map_err(|source| {
        for key in openings {
            if source.problem.contains(&format!("unknown field `{key}`")) {
                let what = if key == "pdnd" { "voucher" } else { "token" };
                let problem =
                    format!("{adapter} is reached in no way that a {what} opens: take [systems.{name}.{key}] away");
                return about(key, SettingsError { problem, ..source });
            }
            if source.problem.starts_with(&format!("{key}: ")) {
                return about(key, source);
            }
        }
        let place = config.lines.setting_place(name, &source.problem);
        NodeError::Settings { system: name.to_owned(), source }.at(place)
    })
}

//! An adapter under test: its simulator, the proxy in front of it, and the records it is given.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use canonical::{Body, Record};
use contract::{Adapter, AdapterFactory, Placement, RunningSimulator, Settings, SimulatorOptions, UnitKey};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::Waiver;
use super::evidence::Holds;
use super::proxy::{Exchange, Proxy};
use crate::records::{record, source_named};

/// What the suite knows of one adapter.
#[derive(Debug)]
pub struct Subject {
    /// The system.
    pub system: &'static str,
    factory: AdapterFactory,
    folder: PathBuf,
    exchanges: Mutex<Vec<Exchange>>,
}

/// An adapter that speaks with a fresh simulator through a proxy.
pub struct Running {
    /// The adapter.
    pub adapter: Box<dyn Adapter>,
    /// What stands between; none for systems that are folders.
    pub proxy: Option<Proxy>,
    simulator: Option<RunningSimulator>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("proxy", &self.proxy).finish_non_exhaustive()
    }
}

impl Running {
    /// Stops everything.
    pub async fn stop(self) {
        drop(self.adapter);
        if let Some(simulator) = self.simulator {
            simulator.stop().await;
        }
    }
}

impl Subject {
    /// The subject of an adapter.
    pub fn open(factory: &AdapterFactory) -> Self {
        let system = (factory.capability)().system;
        Self::in_folder(factory, &Path::new(env!("CARGO_MANIFEST_DIR")).join("systems").join(system))
    }

    /// The subject of an adapter whose evidence is in this folder.
    pub fn in_folder(factory: &AdapterFactory, folder: &Path) -> Self {
        let system = (factory.capability)().system;
        Self { system, factory: *factory, folder: folder.to_owned(), exchanges: Mutex::default() }
    }

    /// A file of the evidence of this system; none when it is absent.
    pub fn evidence(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.folder.join(name)).ok()
    }

    /// The promises that this adapter does not keep.
    pub fn waivers(&self) -> Vec<Waiver> {
        let text = self
            .evidence("waivers.json")
            .unwrap_or_else(|| panic!("{}/waivers.json is missing", self.folder.display()));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}/waivers.json: {error}", self.folder.display()))
    }

    /// What the system holds, and how it gives it.
    pub fn holds(&self) -> Holds {
        let text = self.evidence("holds.json").unwrap_or_else(|| {
            panic!(
                "{}/holds.json is missing: a source is counted and tried by what stands there",
                self.folder.display()
            )
        });
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}/holds.json: {error}", self.folder.display()))
    }

    /// The bytes of a file of the evidence. Panics when it is not there: the evidence names it.
    pub fn file(&self, name: &str) -> Vec<u8> {
        let path = self.folder.join(name);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Whether the system is reached over HTTP, and has a simulator.
    pub fn is_remote(&self) -> bool {
        self.factory.simulate.is_some()
    }

    /// The adapter with a fresh simulator and nothing going wrong.
    pub async fn plain(&self) -> Running {
        self.with(&Settings::Null).await
    }

    /// The same with other settings beside those of the simulator: null takes one away.
    pub async fn with(&self, others: &Settings) -> Running {
        let Some(simulate) = self.factory.simulate else {
            let adapter = (self.factory.build)(self.local_settings()).unwrap_or_else(|error| panic!("{error}"));
            return Running { adapter, proxy: None, simulator: None };
        };
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let options = SimulatorOptions { listen, state: None, faults: None };
        let simulator = simulate(options).unwrap_or_else(|error| panic!("{} not simulated: {error}", self.system));
        let proxy = Proxy::start(simulator.address).await;
        let mut settings = self.with_own(moved(&simulator.settings, simulator.address, proxy.address()));
        if let (Some(settings), Some(others)) = (settings.as_object_mut(), others.as_object()) {
            settings.extend(others.clone());
            settings.retain(|_, value| !value.is_null());
        }
        let adapter = (self.factory.build)(settings).unwrap_or_else(|error| panic!("{error}"));
        Running { adapter, proxy: Some(proxy), simulator: Some(simulator) }
    }

    /// The adapter towards a server that answers everything with this. The simulator only lends
    /// its settings, and the files with its secrets.
    pub async fn towards(&self, answer: ResponseTemplate) -> (Running, MockServer) {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(answer).mount(&server).await;
        let simulate = self.factory.simulate.unwrap_or_else(|| panic!("{} is not remote", self.system));
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let simulator = simulate(SimulatorOptions { listen, state: None, faults: None })
            .unwrap_or_else(|error| panic!("{} not simulated: {error}", self.system));
        let settings = self.with_own(moved(&simulator.settings, simulator.address, *server.address()));
        let adapter = (self.factory.build)(settings).unwrap_or_else(|error| panic!("{error}"));
        (Running { adapter, proxy: None, simulator: Some(simulator) }, server)
    }

    /// Keeps the exchanges of a run, to be held against the contract.
    pub fn keep_exchanges(&self, running: &Running) {
        let new = running.proxy.as_ref().map(Proxy::exchanges).unwrap_or_default();
        self.exchanges.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(new);
    }

    /// The exchanges kept so far.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.exchanges.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// The records that the target is given.
    pub fn records(&self) -> Vec<Record> {
        let text = self.evidence("records.ndjson").unwrap_or_else(|| {
            panic!("{}/records.ndjson is missing: a target needs records to be tried with", self.folder.display())
        });
        let source = source_named("evidence");
        text.lines()
            .filter(|line| !line.trim().is_empty())
            .zip(1..)
            .map(|(line, number)| {
                let body: Body = serde_json::from_str(line)
                    .unwrap_or_else(|error| panic!("{}/records.ndjson:{number}: {error}", self.folder.display()));
                record(body, &source, number, None)
            })
            .collect()
    }

    /// The units into which a target places the records, in the order in which they stand: that of
    /// the life of a contract, for systems which admit no other.
    pub fn units(&self, adapter: &dyn Adapter) -> Vec<(UnitKey, Vec<Record>)> {
        let target = adapter.target().unwrap_or_else(|| panic!("{} is no target", self.system));
        let mut units: Vec<(UnitKey, Vec<Record>)> = Vec::new();
        for record in self.records() {
            match target.place(&record) {
                Placement::Unit(unit) => match units.iter_mut().find(|(key, _)| *key == unit.key) {
                    Some((_, members)) => members.push(record),
                    None => units.push((unit.key, vec![record])),
                },
                other => panic!("{} does not take {}/{}: {other:?}", self.system, record.kind(), record.key()),
            }
        }
        for (_, members) in &mut units {
            members.sort_by_key(|member| (member.key(), member.kind()));
        }
        units
    }

    /// The settings of the simulator with those of the evidence, if there are any.
    fn with_own(&self, mut settings: Settings) -> Settings {
        let own = self.evidence("settings.json").map(|_| self.local_settings());
        if let (Some(settings), Some(own)) = (settings.as_object_mut(), own.as_ref().and_then(Settings::as_object)) {
            settings.extend(own.clone());
        }
        settings
    }

    /// The settings of a system that is a folder: those of the evidence, with `.` for its folder.
    fn local_settings(&self) -> Settings {
        let text = self.evidence("settings.json").unwrap_or_else(|| {
            panic!("{}/settings.json is missing: a system without a simulator needs settings", self.folder.display())
        });
        let folder = self.folder.to_string_lossy();
        let text = text.replace("\"./", &format!("\"{folder}/"));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}/settings.json: {error}", self.folder.display()))
    }
}

/// The same settings towards another address.
fn moved(settings: &Settings, from: SocketAddr, to: SocketAddr) -> Settings {
    let text = settings.to_string().replace(&from.to_string(), &to.to_string());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("settings that are no JSON any more: {error}"))
}

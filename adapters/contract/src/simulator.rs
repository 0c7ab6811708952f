//! Simulators: stateful stand-ins for systems that publish no test environment.

use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Settings;

/// How to start a simulator.
#[derive(Debug, Clone)]
pub struct SimulatorOptions {
    /// Where to listen; port zero takes a free one.
    pub listen: SocketAddr,
    /// Folder for the journal of effects, so that a restart remembers. Without it: memory only.
    pub state: Option<PathBuf>,
    /// Faults on request, as a JSON document in the simulator's words.
    pub faults: Option<serde_json::Value>,
}

/// A simulator that is running. Dropping it without [`RunningSimulator::stop`] leaves its task to
/// the runtime.
#[derive(Debug)]
pub struct RunningSimulator {
    /// Where it listens.
    pub address: SocketAddr,
    /// Settings with which an adapter reaches it.
    pub settings: Settings,
    /// Tells the server to stop.
    pub shutdown: watch::Sender<bool>,
    /// The server task.
    pub task: JoinHandle<()>,
}

impl RunningSimulator {
    /// Stops the server and waits for it.
    pub async fn stop(self) {
        // An error means that the server has already ended, which is what we want.
        let _ = self.shutdown.send(true);
        let _ = self.task.await;
    }
}

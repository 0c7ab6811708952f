//! Signal Hub: tells the readers of our e-service that something changed, and hears what others tell of
//! theirs. One process at a time does both, because the hub counts by organisation and takes the signals
//! of an e-service in the order of their numbers.

mod listen;
mod tell;

use std::num::NonZeroU32;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use contract::SettingsError;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use kit::http::HttpClient;
use kit::pdnd::call::Caller;
use kit::pdnd::client::{Quota, VoucherClient};
use kit::pdnd::settings::Connection;
use kit::pdnd::signal_hub::client::SignalHub;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::listen::Listener;
use self::tell::Teller;
use super::turn::{TURN, do_in_turn, leave};
use crate::chain::chain;
use crate::clock::{after, between};
use crate::config::{Config, SignalHubConfig};
use crate::flow::deliver::gate::{Entry, Limits, Pass};
use crate::flow::{Flow, FlowError, Systems};
use crate::storage::StorageError;

/// The name of the turn.
const NAME: &str = "signals";
/// The name of the gate before the hub. No system is called so.
const GATE: &str = "signal hub";
/// Requests under way to it.
const AT_ONCE: u16 = 2;
/// Between two looks for something to do.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After what passes only when a person mends it.
const MENDED_WITHIN: Duration = Duration::from_hours(1);

/// What the gate before the hub lets through, by its name.
pub fn limits(hub: &SignalHubConfig) -> (String, Limits) {
    (GATE.to_owned(), Limits { requests_per_minute: NonZeroU32::new(hub.requests_per_minute()), ..Limits::default() })
}

/// The hub, with what is told there and heard of there.
#[derive(Debug)]
pub struct Hub {
    api: SignalHub,
    teller: Option<Teller>,
    listeners: Vec<Listener>,
}

impl Hub {
    /// As it is configured; none where it is not. The keys of its clients are read, nothing is sent.
    pub fn of(config: &Config, systems: &Systems) -> Result<Option<Self>, SettingsError> {
        let Some(settings) = &config.signal_hub else { return Ok(None) };
        let wrong = |problem: String| SettingsError { system: "signal-hub", problem };
        // Both were looked at when the configuration was read.
        let client = config.pdnd.get(&settings.client);
        let client = client.ok_or_else(|| wrong(format!("signal_hub.client: no [pdnd.{}]", settings.client)))?;
        let url = settings.url(client).ok_or_else(|| wrong("signal_hub.url is missing".to_owned()))?;
        let caller = caller(client, &url, "signal-hub")
            .map_err(|problem| wrong(format!("the client pdnd.{}: {problem}", settings.client)))?;
        let ours = config.exchange.pdnd.as_ref().filter(|_| settings.tell);
        let teller = ours.map(|ours| Teller::new(ours.eservice_id.clone(), &config.exchange));
        let listeners = settings.listen.iter().map(|(name, listen)| {
            let adapter = systems.get(name).ok_or_else(|| wrong(format!("no system is called {name}")))?;
            let client = config.systems.get(name).and_then(|system| system.pdnd.as_ref());
            Listener::new(name, listen, adapter.as_ref(), client)
                .map_err(|problem| wrong(format!("signal_hub.listen.{name}: {problem}")))
        });
        let listeners = listeners.collect::<Result<_, _>>()?;
        Ok(Some(Self { api: SignalHub::new(caller), teller, listeners }))
    }
}

impl Hub {
    /// Marks where readers begin who were never told of anything, at the end of what stands now: called
    /// before anything is read.
    pub async fn mark(&self, flow: &Flow) -> Result<(), StorageError> {
        if let Some(teller) = &self.teller {
            flow.store.signalling(teller.eservice()).await?;
        }
        Ok(())
    }
}

/// Calls an address with the vouchers of a client. What does not work is told as a sentence.
fn caller(client: &Connection, url: &str, system: &'static str) -> Result<Caller, String> {
    let keys = client.keys().map_err(|error| chain(&error))?;
    let vouchers = VoucherClient::new(client.clone(), keys, Quota::of(client)).map_err(|error| chain(&error))?;
    let target = HttpClient::new(system, &client.http(url)).map_err(|error| error.problem)?;
    Ok(Caller::new(vouchers, target, None))
}

/// Whoever tells and listens, running.
#[derive(Debug)]
pub struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Starts it.
pub fn start(flow: &Flow, hub: Option<Hub>) -> Running {
    let (stop, stopped) = watch::channel(false);
    let flow = flow.clone();
    let task = tokio::spawn(async move {
        match hub {
            Some(hub) => do_in_turn(&flow, NAME, stopped, |_| hub.work(&flow)).await,
            None => configured_nothing(&flow).await,
        }
    });
    Running { stop, task }
}

impl Running {
    /// Stops it. A signal that is under way is sent again later, under the same number.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "whoever speaks with Signal Hub ended before");
        }
    }
}

impl Hub {
    /// Tells and listens, each on its own.
    async fn work(&self, flow: &Flow) {
        let systems: Vec<_> = self.listeners.iter().map(|listener| listener.system().to_owned()).collect();
        configured(flow, self.teller.as_ref().map(Teller::eservice), &systems).await;
        self.listeners.iter().for_each(Listener::begin);
        self.teller.iter().for_each(Teller::begin);
        let telling = async {
            if let Some(teller) = &self.teller {
                forever("signals of ours", || teller.step(flow, &self.api)).await;
            }
        };
        let listening = self.listeners.iter().map(|listener| async move {
            forever(listener.system(), || listener.step(flow, &self.api)).await;
        });
        tokio::join!(telling, join_all(listening));
    }
}

/// Notes what is told and listened to, as this process has it.
async fn configured(flow: &Flow, eservice: Option<&str>, systems: &[String]) {
    if let Err(error) = flow.store.signal_only(eservice, systems).await {
        tracing::warn!(%error, "what is told and listened to no more is still shown");
    }
}

/// The same where nothing is, unless another process is at work.
async fn configured_nothing(flow: &Flow) {
    let now = flow.clock.now();
    match flow.store.take_turn(NAME, now, after(now, TURN)).await {
        Ok(Some(turn)) => {
            configured(flow, None, &[]).await;
            leave(flow, &turn).await;
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "not known whether anybody tells or listens"),
    }
}

/// Takes one step after the other, each after the pause that the one before it said.
async fn forever<F: Future<Output = Result<Duration, FlowError>>>(of: &str, step: impl Fn() -> F) {
    loop {
        let pause = match AssertUnwindSafe(step()).catch_unwind().await {
            Ok(Ok(pause)) => pause.min(LOOK_EVERY),
            Ok(Err(error)) => {
                tracing::warn!(of, error = %chain(&error), "not known what is to be signalled or heard");
                LOOK_EVERY
            }
            Err(_) => {
                tracing::error!(of, "speaking with Signal Hub stopped: it goes on in a moment");
                LOOK_EVERY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Asks to speak with the hub.
async fn enter(flow: &Flow) -> Result<Box<dyn Pass>, Duration> {
    match flow.gates.enter(GATE, AT_ONCE).await {
        Entry::Open(pass) => Ok(pass),
        Entry::Shut(until) => Err(between(flow.clock.now(), until)),
    }
}

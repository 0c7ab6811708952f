//! Listening: the signals of one e-service, page after page, and the system behind it.
//!
//! A signal says which object changed and not how. The system is read from where its last read ended, and
//! what it holds of ours is compared: both find every change, whichever signals were heard. That there is
//! a reason to look is committed with the number of the last signal, so that a process that dies in
//! between leaves the reason.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use canonical::SourceName;
use canonical::values::UtcInstant;
use contract::{Adapter, AdapterError, Advice, ErrorKind, Phase};
use kit::http::Method;
use kit::pdnd::call::{Caller, Outgoing};
use kit::pdnd::settings::Connection;
use kit::pdnd::signal_hub::client::{Pulled, SignalHub};
use kit::pdnd::signal_hub::pseudonym::{GivenSeed, PseudonymRule};
use kit::pdnd::signal_hub::pull::{LARGEST_PAGE, Lag, lag};
use kit::pdnd::signal_hub::{Signal, SignalType};

use super::{LOOK_EVERY, caller, enter};
use crate::chain::chain;
use crate::clock::{after, between};
use crate::config::signal_hub::{About, ListenConfig};
use crate::flow::deliver::gate::Answered;
use crate::flow::exchange::signal::{is_known, is_known_by_pseudonym};
use crate::flow::intake::{self, InTurn};
use crate::flow::{Flow, FlowError, reconcile};
use crate::jobs::turn::TURN;
use crate::storage::Turn;
use crate::storage::signals::{Heard, Listening};

/// Hears the signals behind one system.
#[derive(Debug)]
pub(super) struct Listener {
    system: String,
    source: Option<SourceName>,
    is_compared: bool,
    eservice: String,
    every: Duration,
    about: About,
    pseudonyms: Option<Pseudonyms>,
    next: Mutex<Next>,
}

/// Not before. Whoever has the turn anew begins at once.
#[derive(Debug, Clone, Copy, Default)]
struct Next {
    hear: Option<UtcInstant>,
    look: Option<UtcInstant>,
}

/// How the objects of an e-service are named.
#[derive(Debug)]
struct Pseudonyms {
    rule: PseudonymRule,
    gives_seed: Caller,
    /// As it was last given. Asked for again after a signal that says so; never written anywhere.
    given: Mutex<Option<Arc<GivenSeed>>>,
}

impl Listener {
    /// For a system that is read or compared. What does not work is told as a sentence.
    pub(super) fn new(
        system: &str,
        settings: &ListenConfig,
        adapter: &dyn Adapter,
        client: Option<&Connection>,
    ) -> Result<Self, String> {
        let source = adapter.source().and_then(|_| SourceName::parse(system));
        let is_compared = adapter.target().is_some() && adapter.observer().is_some();
        if source.is_none() && !is_compared {
            return Err(
                "it is neither read nor compared: nothing could be done when something changes there".to_owned()
            );
        }
        let pseudonyms = settings.pseudonyms.as_ref().map(|pseudonyms| {
            let client = client.ok_or("the seed is given to a voucher of [systems.NAME.pdnd]")?;
            let gives_seed = caller(client, &pseudonyms.seed_url, "signal-hub-seed")?;
            Ok::<_, String>(Pseudonyms { rule: pseudonyms.rule, gives_seed, given: Mutex::default() })
        });
        Ok(Self {
            system: system.to_owned(),
            source,
            is_compared,
            eservice: settings.eservice_id.clone(),
            every: Duration::from_secs(settings.every_seconds.get().into()),
            about: settings.about,
            pseudonyms: pseudonyms.transpose()?,
            next: Mutex::default(),
        })
    }

    /// The system.
    pub(super) fn system(&self) -> &str {
        &self.system
    }

    /// Hears what there is, looks if there is a reason, and says how long nothing else is to be done.
    pub(super) async fn step(&self, flow: &Flow, hub: &SignalHub, turn: &Turn) -> Result<Duration, FlowError> {
        let is_due = |at: Option<UtcInstant>| at.is_none_or(|at| at <= flow.clock.now());
        let next = *locked(&self.next);
        if is_due(next.hear) {
            let pause = self.hear(flow, hub).await?.unwrap_or(self.every);
            locked(&self.next).hear = Some(after(flow.clock.now(), pause));
        }
        if let Some(stale_since) = self.state(flow).await?.stale_since.filter(|_| is_due(next.look)) {
            let began = flow.clock.now();
            let looked = self.look(flow, turn).await;
            // Where signals never end, as much time is left to others as a look takes.
            let ended = flow.clock.now();
            locked(&self.next).look = Some(after(ended, between(began, ended).max(self.every)));
            self.note(flow, looked, stale_since).await?;
        }
        Ok(LOOK_EVERY)
    }

    /// Notes how a look ended.
    async fn note(&self, flow: &Flow, looked: Result<(), FlowError>, stale_since: UtcInstant) -> Result<(), FlowError> {
        match looked {
            Ok(()) => flow.store.looked(&self.system, stale_since).await?,
            // What is compared now began before: it is compared again.
            Err(FlowError::UnderWay { .. }) => {}
            Err(error) => {
                tracing::error!(system = self.system, error = %chain(&error), "signals were heard, and it was not looked");
                flow.store.not_heard(&self.system, &self.eservice, code(&error), flow.clock.now()).await?;
            }
        }
        Ok(())
    }

    async fn state(&self, flow: &Flow) -> Result<Listening, FlowError> {
        let state = flow.store.listening(Some(&self.system)).await?.pop();
        Ok(state.filter(|state| state.eservice == self.eservice).unwrap_or_default())
    }

    /// Hears page after page until there is no more. Returns the pause that is asked for where it could not.
    async fn hear(&self, flow: &Flow, hub: &SignalHub) -> Result<Option<Duration>, FlowError> {
        let state = self.state(flow).await?;
        let silent = state.heard_at.map_or(Lag::Fine, |heard_at| lag(between(heard_at, flow.clock.now())));
        if silent == Lag::Lost {
            tracing::error!(
                system = self.system,
                "signals of more than 30 days were not heard, and some are lost: looking at all of it"
            );
        }
        let (mut from, mut is_stale) = (state.heard, silent == Lag::Lost);
        loop {
            let pass = match enter(flow).await {
                Ok(pass) => pass,
                Err(pause) => return Ok(Some(pause)),
            };
            let pulled = hub.pull(&self.eservice, from, LARGEST_PAGE, || flow.clock.now()).await;
            pass.tell(Answered::of(&pulled));
            let heard = match pulled {
                Ok(pulled) => self.judge(flow, pulled, from).await,
                Err(error) => Err(error.into()),
            };
            let heard = match heard {
                Ok(heard) => heard,
                Err(error) => return self.not_heard(flow, &error, silent).await.map(Some),
            };
            is_stale |= heard.is_stale;
            let heard = Heard { is_stale, ..heard };
            if !flow.store.hear(&self.system, &self.eservice, heard, flow.clock.now()).await? {
                return Ok(Some(LOOK_EVERY));
            }
            if heard.is_all {
                return Ok(None);
            }
            from = heard.to;
        }
    }

    /// What a page says to us.
    async fn judge(&self, flow: &Flow, pulled: Pulled, from: i64) -> Result<Heard, FlowError> {
        let page = pulled.page;
        let is_new = |signal: &&Signal| signal.signal_id > from && signal.eservice_id == self.eservice;
        let signals: Vec<Signal> = page.signals.iter().filter(is_new).cloned().collect();
        let to = page.cursor_after(from);
        if pulled.has_more && to <= from {
            let attempted = "signal-hub GET /pull/signals";
            return Err(AdapterError::new(ErrorKind::NotUnderstood, attempted).phase(Phase::Refused).into());
        }
        if !signals.is_empty() {
            tracing::debug!(system = self.system, signals = signals.len(), until = to, "signals heard");
        }
        let is_stale = match (self.about, &self.pseudonyms) {
            (About::Everything, _) => !signals.is_empty(),
            (About::KnownRecords, None) => is_known(flow.store.as_ref(), &signals).await?,
            (About::KnownRecords, Some(pseudonyms)) => pseudonyms.are_known(flow, &signals).await?,
        };
        Ok(Heard { from, to, is_all: !pulled.has_more, is_stale })
    }

    /// Notes that it could not be heard, and says after what pause it is tried again.
    async fn not_heard(&self, flow: &Flow, error: &FlowError, silent: Lag) -> Result<Duration, FlowError> {
        if silent == Lag::Fine {
            tracing::warn!(system = self.system, error = %chain(error), "signals not heard");
        } else {
            tracing::error!(system = self.system, error = %chain(error), "signals not heard for 20 days: after 30 some are lost");
        }
        flow.store.not_heard(&self.system, &self.eservice, code(error), flow.clock.now()).await?;
        let asked = match error {
            FlowError::Adapter(AdapterError { advice: Advice::Retry { after }, .. }) => *after,
            _ => None,
        };
        Ok(asked.map_or(self.every, |asked| asked.max(self.every)))
    }

    /// Reads the system from where its last read ended, and compares what it holds.
    async fn look(&self, flow: &Flow, turn: &Turn) -> Result<(), FlowError> {
        if let Some(source) = &self.source {
            intake::read_in_turn(flow, source, InTurn { turn, holds: TURN }).await?;
        }
        if self.is_compared {
            reconcile::compare(flow, &self.system, false).await?;
        }
        Ok(())
    }
}

impl Pseudonyms {
    /// Whether one of these signals is about something of ours.
    async fn are_known(&self, flow: &Flow, signals: &[Signal]) -> Result<bool, FlowError> {
        // Names from before another seed cannot be told any more: each of them may be ours.
        if signals.iter().any(|signal| signal.signal_type == SignalType::SeedUpdate) {
            locked(&self.given).take();
            return Ok(true);
        }
        if signals.is_empty() {
            return Ok(false);
        }
        let given = self.seed(flow).await?;
        let rule = self.rule.with_hash_of(&given);
        Ok(is_known_by_pseudonym(flow.store.as_ref(), signals, rule, &given.seed).await?)
    }

    async fn seed(&self, flow: &Flow) -> Result<Arc<GivenSeed>, AdapterError> {
        let known = locked(&self.given).clone();
        if let Some(given) = known {
            return Ok(given);
        }
        let asked = Outgoing {
            method: Method::GET,
            path: &[],
            query: &[],
            content_type: None,
            content_encoding: None,
            body: Vec::new().into(),
            user: None,
        };
        let answer = self.gives_seed.send(&asked, || flow.clock.now()).await?.answer;
        if answer.status != 200 {
            return Err(kit::answer::common_error(&answer.attempted, &answer)
                .unwrap_or_else(|| answer.not_understood("an answer that gives no seed")));
        }
        let given: Arc<GivenSeed> = Arc::new(answer.json()?);
        *locked(&self.given) = Some(given.clone());
        Ok(given)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The stable name of what went wrong.
fn code(error: &FlowError) -> &'static str {
    match error {
        FlowError::Adapter(error) => error.kind.code(),
        FlowError::Held(_) => "held",
        _ => "not_done",
    }
}

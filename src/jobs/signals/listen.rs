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
use contract::{Adapter, AdapterError, Advice};
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
use crate::flow::{Flow, FlowError, reconcile};
use crate::jobs::turn::read_in_its_turn;
use crate::pressure::Hold;
use crate::storage::signals::{Heard, Listening};

/// Pages that are heard before it is looked whether there is something else to do.
const PAGES: usize = 100;
/// After so long the seed is asked for again, whatever was heard.
const SEED_GOOD_FOR: Duration = Duration::from_hours(1);

/// Hears the signals behind one system.
#[derive(Debug)]
pub(super) struct Listener {
    system: String,
    source: Option<SourceName>,
    is_compared: bool,
    eservice: String,
    every: Duration,
    compare_every: Duration,
    about: About,
    pseudonyms: Option<Pseudonyms>,
    next: Mutex<Next>,
}

/// Not before. Whoever has the turn anew begins at once.
#[derive(Debug, Default)]
struct Next {
    hear: Option<UtcInstant>,
    look: Option<UtcInstant>,
    compare: Option<UtcInstant>,
    /// Up to which signal the system was read already, where only the comparison is left.
    read_until: Option<i64>,
}

/// What a look came to.
enum Look {
    Done,
    /// The comparison is not due yet.
    Later,
    Incomplete,
}

/// How the objects of an e-service are named.
#[derive(Debug)]
struct Pseudonyms {
    rule: PseudonymRule,
    gives_seed: Caller,
    /// As it was last given, and when. Asked for again after a signal that says so; never written anywhere.
    given: Mutex<Option<(UtcInstant, Arc<GivenSeed>)>>,
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
            compare_every: Duration::from_secs(u64::from(settings.compare_minutes.get()) * 60),
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
    pub(super) async fn step(&self, flow: &Flow, hub: &SignalHub) -> Result<Duration, FlowError> {
        if self.is_due(|next| next.hear, flow) {
            let pause = self.hear(flow, hub).await?.unwrap_or(self.every);
            locked(&self.next).hear = Some(after(flow.clock.now(), pause));
        }
        let state = self.state(flow).await?;
        if state.stale_since.is_some() && self.is_due(|next| next.look, flow) {
            let began = flow.clock.now();
            // Noted before: one that ends the process, or this task, is not begun again at once.
            locked(&self.next).look = Some(after(began, self.every));
            let looked = self.look(flow, state.heard).await;
            // Where signals never end, as much time is left to others as a look takes.
            let ended = flow.clock.now();
            locked(&self.next).look = Some(after(ended, between(began, ended).max(self.every)));
            self.note(flow, looked, state.heard).await?;
        }
        Ok(LOOK_EVERY)
    }

    /// Begins anew: another process may have heard, and looked, since.
    pub(super) fn begin(&self) {
        *locked(&self.next) = Next::default();
        if let Some(pseudonyms) = &self.pseudonyms {
            *locked(&pseudonyms.given) = None;
        }
    }

    fn is_due(&self, what: impl Fn(&Next) -> Option<UtcInstant>, flow: &Flow) -> bool {
        what(&locked(&self.next)).is_none_or(|at| at <= flow.clock.now())
    }

    /// Notes how a look at what was heard up to a number ended.
    async fn note(&self, flow: &Flow, looked: Result<Look, FlowError>, heard: i64) -> Result<(), FlowError> {
        let code = match looked {
            Ok(Look::Done) => {
                // The next reason may come without another signal.
                locked(&self.next).read_until = None;
                flow.store.looked(&self.system, heard).await?;
                return Ok(());
            }
            // What is compared now began before: it is compared again.
            Ok(Look::Later) | Err(FlowError::UnderWay { .. }) => return Ok(()),
            Ok(Look::Incomplete) => {
                tracing::warn!(system = self.system, "signals were heard, and the comparison did not see everything");
                "incomplete"
            }
            Err(error) => {
                tracing::error!(system = self.system, error = %chain(&error), "signals were heard, and it was not looked");
                code(&error)
            }
        };
        flow.store.not_looked(&self.system, code, flow.clock.now()).await?;
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
        let mut from = state.heard;
        // Once there is a reason, which signals follow makes no difference.
        let mut is_stale = silent == Lag::Lost || state.stale_since.is_some();
        for _ in 0..PAGES {
            let pass = match enter(flow).await {
                Ok(pass) => pass,
                Err(pause) => return Ok(Some(pause)),
            };
            let pulled = hub.pull(&self.eservice, from, LARGEST_PAGE, || flow.clock.now()).await;
            pass.tell(Answered::of(&pulled));
            let heard = match pulled {
                Ok(pulled) => self.judge(flow, pulled, from, is_stale).await,
                Err(error) => Err(error.into()),
            };
            let heard = match heard {
                Ok(heard) => heard,
                Err(error) => return self.not_heard(flow, &error, silent).await.map(Some),
            };
            is_stale = heard.is_stale;
            if !flow.store.hear(&self.system, &self.eservice, heard, flow.clock.now()).await? {
                return Ok(Some(LOOK_EVERY));
            }
            if heard.is_all {
                return Ok(None);
            }
            from = heard.to;
        }
        Ok(Some(Duration::ZERO))
    }

    /// What a page says to us, who have a reason to look already or not.
    async fn judge(&self, flow: &Flow, pulled: Pulled, from: i64, is_stale: bool) -> Result<Heard, FlowError> {
        let Pulled { page, has_more } = pulled;
        let (signals, to) = (&page.signals, page.cursor_after(from));
        if !signals.is_empty() {
            tracing::debug!(system = self.system, signals = signals.len(), until = to, "signals heard");
        }
        // Names from before another seed cannot be told any more: each of them may be ours.
        let is_other_seed = signals.iter().any(|signal| signal.signal_type == SignalType::SeedUpdate);
        if let Some(pseudonyms) = self.pseudonyms.as_ref().filter(|_| is_other_seed) {
            *locked(&pseudonyms.given) = None;
        }
        let is_stale = is_stale
            || match (self.about, &self.pseudonyms) {
                (About::Everything, _) => !signals.is_empty(),
                (About::KnownRecords, None) => is_known(flow.store.as_ref(), signals).await?,
                (About::KnownRecords, Some(_)) if is_other_seed => true,
                (About::KnownRecords, Some(pseudonyms)) => pseudonyms.are_known(flow, signals).await?,
            };
        Ok(Heard { from, to, is_all: !has_more, is_stale })
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

    /// Reads the system from where its last read ended, and compares what it holds, the first for every
    /// reason and the second not as often.
    async fn look(&self, flow: &Flow, heard: i64) -> Result<Look, FlowError> {
        let is_read = locked(&self.next).read_until == Some(heard);
        if let Some(source) = self.source.as_ref().filter(|_| !is_read) {
            read_in_its_turn(flow, source, &|_| ()).await?;
            locked(&self.next).read_until = Some(heard);
        }
        if !self.is_compared {
            return Ok(Look::Done);
        }
        if !self.is_due(|next| next.compare, flow) {
            return Ok(Look::Later);
        }
        // What is found must be written; a long queue is no reason not to look.
        if let Some(hold) = flow.hold().await?.filter(|hold| !matches!(hold, Hold::Queue { .. })) {
            return Err(hold.into());
        }
        let began = flow.clock.now();
        locked(&self.next).compare = Some(after(began, self.compare_every));
        let compared = match reconcile::compare(flow, &self.system, false).await {
            // One that was cut short was taken up: what it saw at its beginning is older than the signals.
            Ok(result) if result.started_at < began => reconcile::compare(flow, &self.system, false).await,
            compared => compared,
        };
        if matches!(compared, Err(FlowError::UnderWay { .. })) {
            locked(&self.next).compare = None;
        }
        let result = compared?;
        Ok(if result.complete { Look::Done } else { Look::Incomplete })
    }
}

impl Pseudonyms {
    /// Whether one of these signals is about something of ours.
    async fn are_known(&self, flow: &Flow, signals: &[Signal]) -> Result<bool, FlowError> {
        if signals.is_empty() {
            return Ok(false);
        }
        let given = self.seed(flow).await?;
        let rule = self.rule.with_hash_of(&given);
        Ok(is_known_by_pseudonym(flow.store.as_ref(), signals, rule, &given.seed).await?)
    }

    async fn seed(&self, flow: &Flow) -> Result<Arc<GivenSeed>, AdapterError> {
        let (known, now) = (locked(&self.given).clone(), flow.clock.now());
        if let Some((_, given)) = known.filter(|(given_at, _)| between(*given_at, now) < SEED_GOOD_FOR) {
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
        *locked(&self.given) = Some((now, given.clone()));
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

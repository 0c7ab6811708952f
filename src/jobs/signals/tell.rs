//! Telling: one signal after the other, in the order in which the changes were committed.
//!
//! A signal is on disk before it is sent, and stays until the hub has it: whoever dies between the two
//! sends it again, under the same number and to the byte, and the hub says that it has it.

use std::time::Duration;

use contract::Advice;
use kit::pdnd::signal_hub::Signal;
use kit::pdnd::signal_hub::client::SignalHub;
use kit::pdnd::signal_hub::push::Pushed;

use super::{LOOK_EVERY, MENDED_WITHIN, enter};
use crate::chain::chain;
use crate::clock::{after, between};
use crate::config::ExchangeConfig;
use crate::config::exchange::PartnerConfig;
use crate::flow::deliver::gate::Answered;
use crate::flow::exchange::signal::{self, Behind};
use crate::flow::{Flow, FlowError};
use crate::storage::exchange::Scope;
use crate::storage::signals::{PendingSignal, SignalEnding};

/// Before the same change is told under another number: somebody else may be numbering.
const RENUMBERED: Duration = Duration::from_secs(5);

/// Tells the readers of our e-service.
#[derive(Debug)]
pub(super) struct Teller {
    eservice: String,
    scope: Scope,
}

/// What an answer comes to.
enum Outcome {
    Taken,
    /// The same again.
    Again {
        code: &'static str,
        asked: Option<Duration>,
        needs_person: bool,
    },
    /// The same change under another number.
    Renumber {
        code: &'static str,
    },
}

impl Teller {
    /// Of what at least one partner of the platform may see: nobody else reads the e-service.
    pub(super) fn new(eservice: String, exchange: &ExchangeConfig) -> Self {
        let partners = exchange.partners.values().filter(|partner| partner.consumer_id.is_some());
        let scope = partners.map(PartnerConfig::scope).fold(Scope::default(), Scope::or);
        Self { eservice, scope }
    }

    /// The e-service.
    pub(super) fn eservice(&self) -> &str {
        &self.eservice
    }

    /// Does what is due, and says how long nothing else is.
    pub(super) async fn step(&self, flow: &Flow, hub: &SignalHub) -> Result<Duration, FlowError> {
        let (store, now) = (flow.store.as_ref(), flow.clock.now());
        let state = store.signalling(&self.eservice).await?;
        let pending = if let Some(pending) = state.pending {
            pending
        } else {
            if store.feed_end().await? == state.told {
                return Ok(LOOK_EVERY);
            }
            match signal::behind(store, &self.scope, state.told).await? {
                Behind::Nothing(until) => {
                    store.skip_changes(&self.eservice, state.told, until).await?;
                    return Ok(LOOK_EVERY);
                }
                Behind::Change(changed, until) => {
                    let made = signal::signal(&changed, until, &state, now);
                    if !store.begin_signal(&self.eservice, state.told, made.clone()).await? {
                        return Ok(LOOK_EVERY);
                    }
                    made
                }
            }
        };
        if pending.due_at > now {
            return Ok(between(now, pending.due_at));
        }
        let pass = match enter(flow).await {
            Ok(pass) => pass,
            Err(pause) => return Ok(pause),
        };
        let Some(attempt) = store.attempt_signal(&self.eservice, pending.number).await? else {
            return Ok(LOOK_EVERY);
        };
        let (outcome, answered) = send(flow, hub, &pending, attempt).await;
        pass.tell(answered);
        self.end(flow, &pending, attempt, outcome).await?;
        Ok(Duration::ZERO)
    }

    /// Writes down how an attempt ended.
    async fn end(&self, flow: &Flow, pending: &PendingSignal, attempt: u32, outcome: Outcome) -> Result<(), FlowError> {
        let (now, number) = (flow.clock.now(), pending.number);
        // The hub is nobody's in particular: it is asked again for as long as it takes.
        let pause = |asked| flow.patience.pause(attempt, Duration::ZERO, asked).unwrap_or(MENDED_WITHIN);
        let ending = match outcome {
            Outcome::Taken => {
                tracing::debug!(number, attempt, "change signalled");
                SignalEnding::Taken
            }
            Outcome::Again { code, asked, needs_person } => {
                let due_at = after(now, if needs_person { MENDED_WITHIN } else { pause(asked) });
                if needs_person {
                    tracing::error!(number, attempt, code, next = %due_at, "change not signalled: somebody must look");
                } else {
                    tracing::warn!(number, attempt, code, next = %due_at, "change not signalled");
                }
                SignalEnding::Again { code: code.to_owned(), due_at }
            }
            Outcome::Renumber { code } => {
                let due_at = after(now, RENUMBERED);
                tracing::error!(number, code, next = %due_at, "somebody else numbers signals of this e-service");
                match signal::renumbered(pending, due_at) {
                    Some((number, body)) => SignalEnding::Renumbered { code: code.to_owned(), due_at, number, body },
                    None => SignalEnding::Again { code: code.to_owned(), due_at },
                }
            }
        };
        flow.store.end_signal(&self.eservice, number, attempt, ending, now).await?;
        Ok(())
    }
}

async fn send(flow: &Flow, hub: &SignalHub, pending: &PendingSignal, attempt: u32) -> (Outcome, Answered) {
    let again = |code, asked, needs_person| Outcome::Again { code, asked, needs_person };
    let Ok(said) = serde_json::from_str::<Signal>(&pending.body) else {
        return (again("signal_damaged", None, true), Answered::Well);
    };
    let pushed = hub.push(&said, || flow.clock.now()).await;
    let answered = Answered::of(&pushed);
    match pushed {
        Ok(pushed) => by_answer(pushed, attempt),
        Err(error) => {
            tracing::warn!(error = %chain(&error), "signal not sent, or its answer was lost");
            let asked = if let Advice::Retry { after } = error.advice { after } else { None };
            (again(error.kind.code(), asked, error.advice == Advice::FixConfiguration), answered)
        }
    }
}

/// What an answer to an attempt means.
fn by_answer(pushed: Pushed, attempt: u32) -> (Outcome, Answered) {
    let again = |code, asked, needs_person| Outcome::Again { code, asked, needs_person };
    match pushed {
        Pushed::Queued => (Outcome::Taken, Answered::Well),
        // The answer of an earlier attempt was lost.
        Pushed::NumberTaken if attempt > 1 => (Outcome::Taken, Answered::Well),
        Pushed::NumberTaken => (Outcome::Renumber { code: "number_taken" }, Answered::Well),
        Pushed::NumberPassed => (Outcome::Renumber { code: "number_passed" }, Answered::Well),
        Pushed::Retry { after } => (again("hub_busy", after, false), Answered::Busy("hub_busy", after)),
        Pushed::RenewVoucher => (again("voucher_refused", None, true), Answered::Well),
        Pushed::Stop => (again("eservice_not_enabled", None, true), Answered::Well),
        Pushed::Invalid => (again("signal_refused", None, true), Answered::Well),
    }
}

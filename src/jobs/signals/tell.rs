//! Telling: one signal after the other, in the order in which the changes were committed.
//!
//! A signal is on disk before it is sent, and stays until the hub has it: whoever dies between the two
//! sends it again, under the same number and to the byte, and the hub says that it has it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use contract::{Advice, Phase};
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
use crate::storage::signals::{PendingSignal, SignalAttempt, SignalEnding};

/// What passes only when a person mends it.
const FOR_A_PERSON: [&str; 5] =
    ["voucher_refused", "eservice_not_enabled", "signal_refused", "not_the_hub", "authentication"];
/// Why a change is told under another number.
const NUMBER_TAKEN: &str = "number_taken";
const NUMBER_PASSED: &str = "number_passed";
/// Before the same change is told under another number: somebody else may be numbering.
const RENUMBERED: Duration = Duration::from_secs(5);

/// Tells the readers of our e-service.
#[derive(Debug)]
pub(super) struct Teller {
    eservice: String,
    scope: Scope,
    /// Whether what waits for a person is tried at once: he may have started the program for it.
    has_begun: AtomicBool,
}

/// What an answer comes to.
enum Outcome {
    Taken,
    /// The same again.
    Again {
        code: &'static str,
        asked: Option<Duration>,
        needs_person: bool,
        may_have_arrived: bool,
    },
    /// The same change under another number.
    Renumber {
        code: &'static str,
    },
}

impl Teller {
    /// Of what at least one partner of the platform may see: nobody else reads the e-service.
    pub(super) fn new(eservice: String, exchange: &ExchangeConfig) -> Self {
        let partners = exchange.partners.values().filter(|partner| partner.reads_by_voucher());
        let scope = partners.map(PartnerConfig::scope).fold(Scope::default(), Scope::or);
        Self { eservice, scope, has_begun: AtomicBool::new(false) }
    }

    /// The e-service.
    pub(super) fn eservice(&self) -> &str {
        &self.eservice
    }

    /// Begins anew.
    pub(super) fn begin(&self) {
        self.has_begun.store(true, Ordering::Relaxed);
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
                Behind::Nothing(until, has_more) => {
                    store.skip_changes(&self.eservice, state.told, until).await?;
                    return Ok(if has_more { Duration::ZERO } else { LOOK_EVERY });
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
        let has_begun = self.has_begun.swap(false, Ordering::Relaxed);
        let waits_for_person = state.failed.as_ref().is_some_and(|(_, code)| FOR_A_PERSON.contains(&code.as_str()));
        if pending.due_at > now && !(has_begun && waits_for_person) {
            return Ok(between(now, pending.due_at));
        }
        let pass = match enter(flow).await {
            Ok(pass) => pass,
            Err(pause) => return Ok(pause),
        };
        let Some(attempt) = store.attempt_signal(&self.eservice, pending.number).await? else {
            return Ok(LOOK_EVERY);
        };
        let (outcome, answered) = send(flow, hub, &pending, attempt.in_doubt).await;
        pass.tell(answered);
        let was_refused = state.failed.is_some_and(|(_, code)| [NUMBER_TAKEN, NUMBER_PASSED].contains(&code.as_str()));
        let is_noted = self.end(flow, &pending, attempt, outcome, was_refused).await?;
        Ok(if is_noted { Duration::ZERO } else { LOOK_EVERY })
    }

    /// Writes down how an attempt ended.
    async fn end(
        &self,
        flow: &Flow,
        pending: &PendingSignal,
        SignalAttempt { number: attempt, in_doubt }: SignalAttempt,
        outcome: Outcome,
        was_refused: bool,
    ) -> Result<bool, FlowError> {
        let (now, number) = (flow.clock.now(), pending.number);
        // All signals wait behind this one: it is tried for as long as it takes, and at least every hour.
        let pause = |asked: Option<Duration>| {
            let pause = flow.patience.pause(attempt, Duration::ZERO, asked).unwrap_or(MENDED_WITHIN);
            if asked.is_some() { pause } else { pause.min(MENDED_WITHIN) }
        };
        let ending = match outcome {
            Outcome::Taken => {
                tracing::debug!(number, attempt, "change signalled");
                SignalEnding::Taken
            }
            Outcome::Again { code, asked, needs_person, may_have_arrived } => {
                let due_at = after(now, if needs_person { MENDED_WITHIN } else { pause(asked) });
                if needs_person {
                    tracing::error!(number, attempt, code, next = %due_at, "change not signalled: somebody must look");
                } else {
                    tracing::warn!(number, attempt, code, next = %due_at, "change not signalled");
                }
                SignalEnding::Again { code: code.to_owned(), due_at, in_doubt: in_doubt || may_have_arrived }
            }
            Outcome::Renumber { code } => {
                let code = code.to_owned();
                let renumbered = signal::renumbered(pending, was_refused, after(now, RENUMBERED));
                let due_at = after(now, if renumbered.is_some() { RENUMBERED } else { MENDED_WITHIN });
                tracing::error!(number, code, next = %due_at, "somebody else numbers signals of this e-service");
                match renumbered {
                    Some((number, body)) => SignalEnding::Renumbered { code, due_at, number, body },
                    None => SignalEnding::Again { code, due_at, in_doubt },
                }
            }
        };
        Ok(flow.store.end_signal(&self.eservice, number, attempt, ending, now).await?)
    }
}

async fn send(flow: &Flow, hub: &SignalHub, pending: &PendingSignal, in_doubt: bool) -> (Outcome, Answered) {
    let Ok(said) = serde_json::from_str::<Signal>(&pending.body) else {
        return (again("signal_damaged", None, true), Answered::Well);
    };
    let pushed = hub.push(&said, || flow.clock.now()).await;
    let answered = Answered::of(&pushed);
    match pushed {
        Ok(pushed) => by_answer(pushed, in_doubt),
        Err(error) => {
            tracing::warn!(error = %chain(&error), "signal not sent, or its answer was lost");
            let asked = if let Advice::Retry { after } = error.advice { after } else { None };
            let needs_person = error.advice == Advice::FixConfiguration;
            let (code, may_have_arrived) = (error.kind.code(), error.phase == Phase::Unknown);
            (Outcome::Again { code, asked, needs_person, may_have_arrived }, answered)
        }
    }
}

/// Again, after an answer that says that the hub has it not.
fn again(code: &'static str, asked: Option<Duration>, needs_person: bool) -> Outcome {
    Outcome::Again { code, asked, needs_person, may_have_arrived: false }
}

/// What an answer means to an attempt, before which the hub may have had the signal or not.
fn by_answer(pushed: Pushed, in_doubt: bool) -> (Outcome, Answered) {
    match pushed {
        Pushed::Queued => (Outcome::Taken, Answered::Well),
        // The answer of an earlier attempt was lost.
        Pushed::NumberTaken if in_doubt => (Outcome::Taken, Answered::Well),
        Pushed::NumberTaken => (Outcome::Renumber { code: NUMBER_TAKEN }, Answered::Well),
        Pushed::NumberPassed => (Outcome::Renumber { code: NUMBER_PASSED }, Answered::Well),
        Pushed::Retry { after } => (again("hub_busy", after, false), Answered::Busy("hub_busy", after)),
        Pushed::Unknown { after } => {
            let (code, needs_person, may_have_arrived) = ("unavailable", false, true);
            (Outcome::Again { code, asked: after, needs_person, may_have_arrived }, Answered::Ill(code))
        }
        Pushed::RenewVoucher => (again("voucher_refused", None, true), Answered::Well),
        Pushed::Stop => (again("eservice_not_enabled", None, true), Answered::Well),
        Pushed::Invalid => (again("signal_refused", None, true), Answered::Well),
        Pushed::NotTheHub => (again("not_the_hub", None, true), Answered::Well),
    }
}

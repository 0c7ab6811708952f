//! Tells partners that there are changes for them: one process at a time, each partner on his own.
//!
//! A message is on disk before it is sent, and stays until it was taken (2xx): whoever dies between the
//! two sends it again, under the same name and to the byte. Pauses are those of every other retry, a
//! partner who asks for more gets it, and one who says that he is gone (410), or takes nothing for three
//! days, is told nothing more until a person says so.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use contract::SettingsError;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use kit::webhook::SigningSecrets;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::signed::{self, AT_ONCE, Endpoint, NO_SECRET, Signed, Told};
use super::turn::do_in_turn;
use crate::clock::{after, between};
use crate::config::ExchangeConfig;
use crate::flow::Flow;
use crate::flow::deliver::gate::Entry;
use crate::flow::exchange::webhook::{self, Behind};
use crate::storage::StorageError;
use crate::storage::exchange::{Position, Scope};
use crate::storage::webhooks::{WebhookEnding, WebhookMessage, WebhookStop};

/// The name of the turn.
const NAME: &str = "webhooks";
/// Between two looks for changes.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A partner who wants to be told.
struct Hook {
    partner: String,
    scope: Scope,
    endpoint: Endpoint,
    pause: Duration,
}

/// The partners who want to be told, by a configuration.
pub struct Hooks(Vec<Hook>);

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|hook| &hook.partner)).finish()
    }
}

impl Hooks {
    /// Those of a configuration. Their secrets are read once, so that what is wrong with them is known
    /// at the start; nothing is sent.
    pub fn of(config: &ExchangeConfig) -> Result<Self, SettingsError> {
        let wanted =
            config.partners.iter().filter_map(|(name, partner)| Some((name, partner, partner.webhook.as_ref()?)));
        let hooks = wanted.map(|(name, partner, webhook)| {
            let place = format!("exchange.partners.{name}.webhook");
            Ok(Hook {
                partner: name.clone(),
                scope: partner.scope(),
                endpoint: Endpoint::new(&place, &webhook.http(), &webhook.secret_file)?,
                pause: Duration::from_secs(webhook.pause_seconds.into()),
            })
        });
        hooks.collect::<Result<_, _>>().map(Self)
    }
}

/// Whoever tells partners, running.
#[derive(Debug)]
pub struct Webhooks {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Starts it.
pub fn start(flow: &Flow, hooks: Hooks) -> Webhooks {
    let (stop, stopped) = watch::channel(false);
    let teller = Teller { flow: flow.clone() };
    let task = tokio::spawn(async move {
        if !hooks.0.is_empty() {
            do_in_turn(&teller.flow, NAME, stopped, |_| teller.tell(&hooks.0)).await;
        }
    });
    Webhooks { stop, task }
}

impl Webhooks {
    /// Stops it. A message that is under way is sent again later, under the same name.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "whoever tells partners of changes ended before");
        }
    }
}

struct Teller {
    flow: Flow,
}

impl Teller {
    /// Tells every partner, each on his own.
    async fn tell(&self, hooks: &[Hook]) {
        join_all(hooks.iter().map(|hook| self.watch(hook))).await;
    }

    async fn watch(&self, hook: &Hook) {
        loop {
            let pause = match AssertUnwindSafe(self.step(hook)).catch_unwind().await {
                Ok(Ok(pause)) => pause.min(LOOK_EVERY),
                Ok(Err(error)) => {
                    tracing::warn!(partner = hook.partner, %error, "not known whether a partner is to be told");
                    LOOK_EVERY
                }
                Err(_) => {
                    tracing::error!(partner = hook.partner, "telling a partner stopped: it goes on in a moment");
                    LOOK_EVERY
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Does what is due for a partner, and says how long nothing else is.
    async fn step(&self, hook: &Hook) -> Result<Duration, StorageError> {
        let (store, now) = (&self.flow.store, self.flow.clock.now());
        let state = store.webhooks(Some(&hook.partner)).await?.pop().unwrap_or_default();
        if state.stopped.is_some() {
            return Ok(LOOK_EVERY);
        }
        let message = if let Some(message) = state.message {
            message
        } else {
            let next = state.taken_at.map_or(now, |taken_at| after(taken_at, hook.pause));
            if next > now {
                return Ok(between(now, next));
            }
            let Some(message) = self.look(hook, state.told).await? else { return Ok(LOOK_EVERY) };
            message
        };
        if message.due_at > now {
            return Ok(between(now, message.due_at));
        }
        // A host that is ill is left alone, and the message keeps its attempts.
        let pass = match self.flow.gates.enter(&hook.endpoint.gate, AT_ONCE).await {
            Entry::Open(pass) => pass,
            Entry::Shut(until) => return Ok(between(now, until)),
        };
        let secrets = match SigningSecrets::from_file(&hook.endpoint.secret_file) {
            Ok(secrets) => secrets,
            Err(error) => {
                tracing::error!(partner = hook.partner, %error, "a message to a partner cannot be signed");
                let Some(attempt) = store.attempt_webhook(&hook.partner, &message.id, now).await? else {
                    return Ok(LOOK_EVERY);
                };
                return self.end(hook, &message, attempt, &Told::not_sent(NO_SECRET)).await;
            }
        };
        let attempt = store.attempt_webhook(&hook.partner, &message.id, now).await?;
        let Some(attempt) = attempt else { return Ok(LOOK_EVERY) };
        let signed = Signed { id: &message.id, body: &message.body, correlation: None };
        let told = signed::send(&hook.endpoint.client, &signed, &secrets, self.flow.clock.now()).await;
        pass.tell(told.answered);
        self.end(hook, &message, attempt, &told).await
    }

    /// The message that is due to a partner, if one is.
    async fn look(&self, hook: &Hook, told: Position) -> Result<Option<WebhookMessage>, StorageError> {
        let store = self.flow.store.as_ref();
        if store.feed_end().await? == told {
            return Ok(None);
        }
        match webhook::behind(store, &hook.scope, told).await? {
            Behind::Nothing(until) => {
                store.skip_webhook(&hook.partner, told, until).await?;
                Ok(None)
            }
            Behind::Changes(until) => {
                let message = webhook::message(store, &hook.partner, &hook.scope, until, self.flow.clock.now()).await?;
                let is_begun = store.begin_webhook(&hook.partner, told, message.clone()).await?;
                Ok(is_begun.then_some(message))
            }
        }
    }

    /// Writes down how an attempt ended.
    async fn end(
        &self,
        hook: &Hook,
        message: &WebhookMessage,
        attempt: u32,
        told: &Told,
    ) -> Result<Duration, StorageError> {
        let (partner, now) = (&hook.partner, self.flow.clock.now());
        // Silent is who was asked: while we did not run, or left his host alone, nobody asked him.
        let since = if attempt == 1 { Duration::ZERO } else { between(message.made_at, now) };
        let pause = self.flow.patience.pause(attempt, since, told.asked);
        let code = told.code.clone();
        let ending = match (told.is_taken, told.is_gone, pause) {
            (true, ..) => WebhookEnding::Taken,
            (_, true, _) => WebhookEnding::Stopped { code, why: WebhookStop::Gone },
            (_, _, None) => WebhookEnding::Stopped { code, why: WebhookStop::Silent },
            (_, _, Some(pause)) => WebhookEnding::Again { code, due_at: after(now, pause) },
        };
        let id = &message.id;
        match &ending {
            WebhookEnding::Taken => tracing::info!(partner, message = id, attempt, "partner told of changes"),
            WebhookEnding::Again { code, due_at } => {
                tracing::warn!(partner, message = id, attempt, code, why = told.why, next = %due_at, "partner not told");
            }
            WebhookEnding::Stopped { code, why } => tracing::error!(
                partner,
                message = id,
                attempt,
                code,
                why = why.code(),
                "partner not told any more: see `raccordo webhooks`"
            ),
        }
        self.flow.store.end_webhook(partner, id, attempt, ending, now).await?;
        Ok(Duration::ZERO)
    }
}

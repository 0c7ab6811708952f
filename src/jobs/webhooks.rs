//! Tells partners that there are changes for them: one process at a time, each partner on his own.
//!
//! A message is on disk before it is sent, and stays until it was taken (2xx): whoever dies between the
//! two sends it again, under the same name and to the byte. Pauses are those of every other retry, a
//! partner who asks for more gets it, and one who says that he is gone (410), or takes nothing for three
//! days, is told nothing more until a person says so.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use contract::{AdapterError, SettingsError};
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use kit::http::{Answer, HttpClient, Method, NotAllowed};
use kit::webhook::{ID, SIGNATURE, SigningSecrets, TIMESTAMP};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::{after, between};
use crate::config::ExchangeConfig;
use crate::flow::Flow;
use crate::flow::deliver::gate::{Answered, Entry};
use crate::flow::exchange::webhook::{self, Behind};
use crate::storage::exchange::{Position, Scope};
use crate::storage::webhooks::{WebhookEnding, WebhookMessage, WebhookStop};
use crate::storage::{StorageError, Turn};

/// The name of the turn.
const NAME: &str = "webhooks";
/// How long a turn holds without being held anew: whoever falls silent is replaced after it.
const TURN: Duration = Duration::from_secs(15);
/// Between two looks, at whose turn it is and for changes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Messages under way to one host.
const AT_ONCE: u16 = 4;
/// What a partner is told nothing for, beside the statuses and the kinds of errors.
const NO_SECRET: &str = "secret_unusable";
const NOT_ALLOWED: &str = "address_refused";

/// A partner who wants to be told.
struct Hook {
    partner: String,
    scope: Scope,
    client: HttpClient,
    secret_file: PathBuf,
    pause: Duration,
    gate: String,
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
            let wrong = |problem| SettingsError {
                system: "webhook",
                problem: format!("exchange.partners.{name}.webhook: {problem}"),
            };
            let secrets = SigningSecrets::from_file(&webhook.secret_file);
            secrets.map_err(|error| wrong(format!("secret_file: {error}")))?;
            let settings = webhook.http();
            let client = HttpClient::of_others("webhook", &settings).map_err(|error| wrong(error.problem))?;
            Ok(Hook {
                partner: name.clone(),
                scope: partner.scope(),
                gate: format!("webhook {}", client.host()),
                client,
                secret_file: webhook.secret_file.clone(),
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
    let teller = Teller { flow: flow.clone(), turn: Mutex::default() };
    Webhooks { stop, task: tokio::spawn(teller.run(hooks.0, stopped)) }
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
    /// The turn, while it is ours.
    turn: Mutex<Option<Turn>>,
}

impl Teller {
    async fn run(self, hooks: Vec<Hook>, mut stopped: watch::Receiver<bool>) {
        if hooks.is_empty() {
            return;
        }
        let asked_to_stop = async {
            let _ = stopped.wait_for(|is_asked| *is_asked).await;
        };
        let forever = async {
            loop {
                match self.take_turn().await {
                    Ok(Some(turn)) => self.in_turn(&turn, &hooks).await,
                    Ok(None) => {}
                    Err(error) => tracing::warn!(%error, "turn not taken: partners are not told of changes yet"),
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::select! {
            () = forever => {}
            () = asked_to_stop => {}
        }
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(turn) = turn {
            let now = self.flow.clock.now();
            if let Err(error) = self.flow.store.hold_turn(&turn, now, now).await {
                tracing::warn!(%error, "turn not left: it ends by itself");
            }
        }
    }

    async fn take_turn(&self) -> Result<Option<Turn>, StorageError> {
        let now = self.flow.clock.now();
        self.flow.store.take_turn(NAME, now, after(now, TURN)).await
    }

    /// Tells partners for as long as the turn is ours.
    async fn in_turn(&self, turn: &Turn, hooks: &[Hook]) {
        self.remember(Some(turn.clone()));
        let all = join_all(hooks.iter().map(|hook| self.watch(hook)));
        tokio::select! {
            _ = all => {}
            () = self.until_lost(turn) => {
                self.remember(None);
                tracing::warn!("another process has taken the turn: leaving it to tell partners of changes");
            }
        }
    }

    fn remember(&self, turn: Option<Turn>) {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = turn;
    }

    /// Returns when the turn is lost.
    async fn until_lost(&self, turn: &Turn) {
        loop {
            tokio::time::sleep(TURN / 3).await;
            let now = self.flow.clock.now();
            match self.flow.store.hold_turn(turn, now, after(now, TURN)).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(%error, "turn not held, trying again"),
            }
        }
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
        let message = match state.message {
            Some(message) => message,
            None => {
                let next = state.taken_at.map_or(now, |taken_at| after(taken_at, hook.pause));
                if next > now {
                    return Ok(between(now, next));
                }
                let Some(message) = self.look(hook, state.told).await? else { return Ok(LOOK_EVERY) };
                message
            }
        };
        if message.due_at > now {
            return Ok(between(now, message.due_at));
        }
        // A host that is ill is left alone, and the message keeps its attempts.
        let pass = match self.flow.gates.enter(&hook.gate, AT_ONCE).await {
            Entry::Open(pass) => pass,
            Entry::Shut(until) => return Ok(between(now, until)),
        };
        let secrets = match SigningSecrets::from_file(&hook.secret_file) {
            Ok(secrets) => secrets,
            Err(error) => {
                tracing::error!(partner = hook.partner, %error, "a message to a partner cannot be signed");
                let Some(attempt) = store.attempt_webhook(&hook.partner, &message.id).await? else {
                    return Ok(LOOK_EVERY);
                };
                return self.end(hook, &message, attempt, &Told::not_sent(NO_SECRET)).await;
            }
        };
        let Some(attempt) = store.attempt_webhook(&hook.partner, &message.id).await? else { return Ok(LOOK_EVERY) };
        let told = send(hook, &message, &secrets, self.flow.clock.now().unix_micros() / 1_000_000).await;
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
        let pause = self.flow.patience.pause(attempt, between(message.made_at, now), told.asked);
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

/// What came of sending.
struct Told {
    is_taken: bool,
    is_gone: bool,
    /// A stable code where it was not taken.
    code: String,
    /// The cause, for the log.
    why: String,
    asked: Option<Duration>,
    answered: Answered,
}

impl Told {
    fn not_sent(code: &str) -> Self {
        let (code, why) = (code.to_owned(), String::new());
        Self { is_taken: false, is_gone: false, code, why, asked: None, answered: Answered::Well }
    }

    fn by_answer(answer: &Answer) -> Self {
        let asked = answer.retry_after;
        let answered = match answer.status {
            429 => Answered::Busy("rate_limited", asked),
            503 if asked.is_some() => Answered::Busy("unavailable", asked),
            500.. => Answered::Ill("unavailable"),
            _ => Answered::Well,
        };
        Self {
            is_taken: (200..300).contains(&answer.status),
            is_gone: answer.status == 410,
            code: format!("status_{}", answer.status),
            why: String::new(),
            asked,
            answered,
        }
    }

    fn by_error(error: AdapterError) -> Self {
        let refused = error.source.as_ref().is_some_and(|source| source.downcast_ref::<NotAllowed>().is_some());
        let code = if refused { NOT_ALLOWED } else { error.kind.code() };
        let why = root(&error);
        Self { why, answered: Answered::of(&Err::<(), _>(error)), ..Self::not_sent(code) }
    }
}

/// The innermost cause: of all of them the one without an address.
fn root(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), root)
}

async fn send(hook: &Hook, message: &WebhookMessage, secrets: &SigningSecrets, timestamp: i64) -> Told {
    let body = message.body.clone().into_bytes();
    let request = hook.client.request_base(Method::POST);
    let request = request.header(ID, &message.id).header(TIMESTAMP, &timestamp.to_string());
    let request = request.header(SIGNATURE, &secrets.sign(&message.id, timestamp, &body)).json_body(body);
    match hook.client.notify(request).await {
        Ok(answer) => Told::by_answer(&answer),
        Err(error) => Told::by_error(error),
    }
}

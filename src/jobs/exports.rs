//! Makes exports that nobody waits for, and tells who asked, where he wants it: one process at a time.
//!
//! A result grows in pieces that are on disk, so whoever was killed goes on where the last one ends. It
//! is kept for a day after it is there. The message says where it is, and holds none of it: what it holds
//! is read by whoever proves who he is.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use canonical::values::UtcInstant;
use contract::SettingsError;
use futures_util::FutureExt as _;
use kit::webhook::SigningSecrets;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::signed::{self, AT_ONCE, Endpoint, NO_SECRET, Signed, Told};
use super::turn::do_in_turn;
use crate::clock::{after, between};
use crate::config::ExchangeConfig;
use crate::config::exchange::Role;
use crate::flow::Flow;
use crate::flow::deliver::gate::Entry;
use crate::flow::exchange::cursor::seen;
use crate::flow::exchange::export::ExportRequest;
use crate::flow::exchange::item::item;
use crate::storage::StorageError;
use crate::storage::exchange::Scope;
use crate::storage::exports::{DAMAGED, ExportState, ExportTask, ReplyEnding};

/// For how long a result is kept after it is there.
pub const KEPT_FOR: Duration = Duration::from_hours(24);
/// Where the exports of partners are asked about, below the address of the API.
pub const PATH: &str = "/api/v1/export-tasks";
/// The name of the turn.
const NAME: &str = "exports";
/// Between two looks at what is to be done.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Records read at a time.
const PAGE: u32 = 500;
/// Bytes of a piece, at least, save the last.
const PIECE: usize = 256 * 1024;
/// The longest result, and the most bytes that are kept for a partner. Both stand in the database, and
/// what they take is taken from intake.
const LONGEST: u64 = 1024 * 1024 * 1024;
const MOST_KEPT: u64 = 2 * LONGEST;
/// Why an export could not be made, where it is neither he who asked nor what he asked for.
const BROKEN: &str = "failed";

/// When a result is forgotten.
pub fn expires_at(ended_at: UtcInstant) -> UtcInstant {
    after(ended_at, KEPT_FOR)
}

/// The address of an export.
pub fn link(address: &str, id: &str) -> String {
    format!("{address}{PATH}/{id}")
}

/// A partner who may export.
struct Partner {
    scope: Scope,
    callback: Option<(String, Endpoint)>,
}

/// Whose exports are made, by a configuration.
pub struct Partners {
    address: String,
    partners: BTreeMap<String, Partner>,
}

impl std::fmt::Debug for Partners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.partners.keys()).finish()
    }
}

impl Partners {
    /// Those of a configuration, at the address under which the API is known.
    pub fn of(config: &ExchangeConfig, address: &str) -> Result<Self, SettingsError> {
        let may = config.partners.iter().filter(|(_, partner)| partner.roles.contains(&Role::Export));
        let partners = may.map(|(name, partner)| {
            let place = format!("exchange.partners.{name}.callback");
            let callback = match &partner.callback {
                None => None,
                Some(to) => Some((to.url.clone(), Endpoint::new(&place, &to.http(), &to.secret_file)?)),
            };
            Ok::<_, SettingsError>((name.clone(), Partner { scope: partner.scope(), callback }))
        });
        let partners = partners.collect::<Result<BTreeMap<_, _>, SettingsError>>()?;
        Ok(Self { address: address.to_owned(), partners })
    }
}

/// Whoever makes exports, running.
#[derive(Debug)]
pub struct Exports {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Starts it.
pub fn start(flow: &Flow, partners: Partners) -> Exports {
    let (stop, stopped) = watch::channel(false);
    let maker = Maker { flow: flow.clone(), partners };
    let task = tokio::spawn(async move {
        // Also where nobody may export any more: what was made before is forgotten all the same.
        let both = |_| async {
            tokio::join!(maker.make_all(), maker.tell_all());
        };
        do_in_turn(&maker.flow, NAME, stopped, both).await;
    });
    Exports { stop, task }
}

impl Exports {
    /// Stops it. What is half made goes on where it stands.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "whoever makes exports ended before");
        }
    }
}

struct Maker {
    flow: Flow,
    partners: Partners,
}

impl Maker {
    /// Forgets the old ones, so that there is room, and makes one after the other, each on its own.
    async fn make_all(&self) {
        loop {
            let store = &self.flow.store;
            // The pages of what is forgotten go to the free list of the database, and the next records
            // and results are written there: the file grows no further, and need not be made shorter.
            if let Err(error) = store.forget_exports(before(self.flow.clock.now())).await {
                tracing::warn!(%error, "old exports are not forgotten yet");
            }
            match store.end_damaged_exports(self.flow.clock.now()).await {
                Ok(ended) => {
                    for export in ended {
                        tracing::error!(export, "what is stored of an export is damaged: it is ended");
                    }
                }
                Err(error) => tracing::warn!(%error, "damaged exports are not ended yet"),
            }
            match store.open_exports().await {
                Ok(tasks) => {
                    for task in tasks.iter().filter(|task| task.state == ExportState::Processing) {
                        self.make_or_fail(task).await;
                    }
                }
                Err(error) => tracing::warn!(%error, "not known which exports are to be made"),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// What goes wrong with one export is its own affair: the next is made all the same. It is tried
    /// again, unless that cannot help.
    async fn make_or_fail(&self, task: &ExportTask) {
        let (id, partner) = (&task.asked.id, &task.asked.partner);
        let Some(code) = hopeless(id, partner, self.make(task)).await else { return };
        if let Err(error) = self.flow.store.end_export(id, Some(code), self.flow.clock.now()).await {
            tracing::warn!(export = id, partner, code, %error, "an export that cannot be made is not ended");
        }
    }

    async fn make(&self, task: &ExportTask) -> Result<(), StorageError> {
        let failed = match self.write(task).await? {
            Written::NotByUs => return Ok(()),
            Written::Whole => None,
            Written::Failed(code) => Some(code),
        };
        let (id, partner) = (&task.asked.id, &task.asked.partner);
        if self.flow.store.end_export(id, failed, self.flow.clock.now()).await? {
            match failed {
                None => tracing::info!(export = id, partner, "an export is there"),
                Some(code) => tracing::error!(export = id, partner, code, "an export could not be made"),
            }
        }
        Ok(())
    }

    /// Writes what is not written yet.
    async fn write(&self, task: &ExportTask) -> Result<Written, StorageError> {
        let (asked, store) = (&task.asked, &self.flow.store);
        let Some(partner) = self.partners.partners.get(&asked.partner) else {
            return Ok(Written::Failed("not_allowed"));
        };
        if seen(store.as_ref(), &partner.scope).await? != asked.seen {
            return Ok(Written::Failed("bodies_changed"));
        }
        let request = serde_json::from_str::<ExportRequest>(&asked.request).ok();
        let Some((request, filter)) = request.and_then(|request| Some((request.clone(), request.filter().ok()?)))
        else {
            return Ok(Written::Failed("not_understood"));
        };
        let writer = request.writer();
        let (mut after, mut written) = (task.after, task.bytes);
        // One is made at a time: the others of his do not grow meanwhile.
        let others = store.kept_export_bytes(&asked.partner).await?.saturating_sub(written);
        let mut piece = if written == 0 { writer.heading() } else { Vec::new() };
        loop {
            let Some(page) = store.standing(&partner.scope, filter, after, PAGE).await? else {
                return Ok(Written::Failed("set_back"));
            };
            for item in page.items.iter().filter_map(item) {
                piece.extend(writer.record(&item));
            }
            after = page.next;
            if !piece.is_empty() && (piece.len() >= PIECE || !page.has_more) {
                let bytes = std::mem::take(&mut piece);
                let length = bytes.len() as u64;
                if let Some(code) = self.want_of_room(written + length, others) {
                    return Ok(Written::Failed(code));
                }
                if !store.append_export(&asked.id, written, bytes, after).await? {
                    return Ok(Written::NotByUs);
                }
                written += length;
            }
            if !page.has_more {
                return Ok(Written::Whole);
            }
        }
    }

    /// Why a result may not grow to so many bytes, beside those that others of the same partner have. It
    /// does not wait for room: what it holds meanwhile would be the room that is missing.
    fn want_of_room(&self, bytes: u64, others: u64) -> Option<&'static str> {
        if bytes > LONGEST {
            Some("too_long")
        } else if others.saturating_add(bytes) > MOST_KEPT {
            Some("too_much_kept")
        } else if self.flow.intake_gate.has_room_to_spare() {
            None
        } else {
            Some("no_room")
        }
    }

    /// Tells whoever is owed an answer, one after the other.
    async fn tell_all(&self) {
        loop {
            let now = self.flow.clock.now();
            match self.flow.store.open_exports().await {
                Ok(tasks) => {
                    for task in tasks.iter().filter(|task| task.reply_due_at.is_some_and(|due_at| due_at <= now)) {
                        self.tell_or_leave(task).await;
                    }
                }
                Err(error) => tracing::warn!(%error, "not known who is to be told that an export is there"),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// As with making: one who cannot be told keeps nobody else from it, and is not tried without end.
    async fn tell_or_leave(&self, task: &ExportTask) {
        let (id, partner, store) = (&task.asked.id, &task.asked.partner, &self.flow.store);
        let Some(code) = hopeless(id, partner, self.tell(task)).await else { return };
        let left = async {
            let attempts = store.export(id).await?.map_or(task.reply_attempts, |task| task.reply_attempts);
            store.end_reply(id, attempts, ReplyEnding::GivenUp).await
        };
        if let Err(error) = left.await {
            tracing::warn!(export = id, partner, code, %error, "a partner who cannot be told is tried again");
        }
    }

    async fn tell(&self, task: &ExportTask) -> Result<(), StorageError> {
        let (asked, store) = (&task.asked, &self.flow.store);
        let partner = self.partners.partners.get(&asked.partner);
        let callback = partner.and_then(|partner| partner.callback.as_ref());
        let Some((_, endpoint)) = callback.filter(|(url, _)| asked.reply_to.as_ref() == Some(url)) else {
            tracing::warn!(export = asked.id, partner = asked.partner, "he is no more to be told there");
            return store.end_reply(&asked.id, task.reply_attempts, ReplyEnding::GivenUp).await;
        };
        let Entry::Open(pass) = self.flow.gates.enter(&endpoint.gate, AT_ONCE).await else { return Ok(()) };
        let secrets = SigningSecrets::from_file(&endpoint.secret_file);
        let Some(attempt) = store.attempt_reply(&asked.id).await? else { return Ok(()) };
        let told = match secrets {
            Ok(secrets) => {
                let (id, body) = (format!("msg_{}", asked.id), message(&self.partners.address, task).to_string());
                let signed = Signed { id: &id, body: &body, correlation: Some(&asked.correlation) };
                let told = signed::send(&endpoint.client, &signed, &secrets, self.flow.clock.now()).await;
                pass.tell(told.answered);
                told
            }
            Err(error) => {
                // The path of an address often opens what it leads to: only the host is told.
                let (partner, host) = (&asked.partner, endpoint.client.host());
                tracing::error!(export = asked.id, partner, host, %error, "a message to a partner cannot be signed");
                Told::not_sent(NO_SECRET)
            }
        };
        let now = self.flow.clock.now();
        let pause = self.flow.patience.pause(attempt, between(ended_at(task), now), told.asked);
        let ending = match (told.is_taken, told.is_gone, pause) {
            (true, ..) => ReplyEnding::Taken,
            (false, false, Some(pause)) => ReplyEnding::Again(after(now, pause)),
            _ => ReplyEnding::GivenUp,
        };
        if ending == ReplyEnding::Taken {
            tracing::info!(export = asked.id, attempt, "partner told that his export is there");
        } else {
            let (code, why) = (&told.code, &told.why);
            tracing::warn!(export = asked.id, attempt, code, why, ?ending, "partner not told of his export");
        }
        store.end_reply(&asked.id, attempt, ending).await
    }
}

/// What came of writing.
enum Written {
    Whole,
    /// By a stable code.
    Failed(&'static str),
    /// Somebody else is at it.
    NotByUs,
}

/// Does something for one export; a stable code when doing it again cannot help.
async fn hopeless(
    id: &str,
    partner: &str,
    work: impl Future<Output = Result<(), StorageError>>,
) -> Option<&'static str> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(Ok(())) => None,
        Ok(Err(error @ StorageError::Damaged { .. })) => {
            tracing::error!(export = id, partner, %error, "an export is damaged");
            Some(DAMAGED)
        }
        Ok(Err(error)) => {
            tracing::warn!(export = id, partner, %error, "an export waits");
            None
        }
        Err(_) => {
            tracing::error!(export = id, partner, "work on an export broke off: a bug of this program");
            Some(BROKEN)
        }
    }
}

fn before(now: UtcInstant) -> UtcInstant {
    let micros = i64::try_from(KEPT_FOR.as_micros()).unwrap_or(i64::MAX);
    UtcInstant::from_unix_micros(now.unix_micros().saturating_sub(micros)).unwrap_or(now)
}

fn ended_at(task: &ExportTask) -> UtcInstant {
    match task.state {
        ExportState::Processing => task.made_at,
        ExportState::Done(at) | ExportState::Failed(at, _) => at,
    }
}

/// What whoever asked is told: the same at every attempt.
fn message(address: &str, task: &ExportTask) -> Value {
    let (kind, data) = match &task.state {
        ExportState::Failed(_, code) => ("export.failed", json!({ "code": code })),
        _ => (
            "export.completed",
            json!({
                "result": format!("{}/result", link(address, &task.asked.id)),
                "bytes": task.bytes,
                "expires_at": expires_at(ended_at(task)).to_string(),
            }),
        ),
    };
    let mut data = data;
    data["task"] = link(address, &task.asked.id).into();
    json!({ "type": kind, "timestamp": ended_at(task).to_string(), "data": data })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn of(work: impl Future<Output = Result<(), StorageError>>) -> Option<&'static str> {
        hopeless("e1", "osservatorio", work).await
    }

    #[tokio::test]
    async fn what_cannot_get_better_ends_and_what_may_get_better_waits() {
        let busy = StorageError::Unavailable { attempted: "read", source: "busy".into() };
        let damaged = StorageError::Damaged { attempted: "read", problem: "no number".to_owned() };
        assert_eq!(of(async { Ok(()) }).await, None);
        assert_eq!(of(async { Err(busy) }).await, None);
        assert_eq!(of(async { Err(damaged) }).await, Some("damaged"));
        assert_eq!(of(async { panic!("a bug") }).await, Some("failed"));
    }
}

//! Comparisons with another node: what both hold, by ranges of keys. A session is opened, made ready
//! while nobody waits, and then answers messages until it ends.
//!
//! A session is of one caller, holds what leaves for him and nothing else, and lives in the memory of
//! this process: at most [`MOST_OF_ONE`] for each caller and [`MOST`] in all, each for an hour.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use canonical::identifiers::CodiceFiscale;
use canonical::values::UtcInstant;
use serde::de::DeserializeOwned;

use super::Api;
use super::caller::Caller;
use super::problem::{Code, Problem};
use super::query::{Answered, Query};
use super::records::{json, unavailable};
use crate::clock::{after, between};
use crate::flow::exchange::item::item;
use crate::flow::reconcile::inventory::Completeness;
use crate::flow::reconcile::inventory::ranges::{Index, Reconciler, Salt, SessionLimits, Step};
use crate::flow::reconcile::nodes::holdings::Holdings;
use crate::flow::reconcile::nodes::wire::{
    About, AllGiven, FORM, Given, MESSAGE, MOST_KEYS, Opening, Status, Told, Wanted, hexadecimal, number, salt,
};

/// Sessions of one caller, and of all: an index takes some 60 bytes for each record.
const MOST_OF_ONE: usize = 2;
const MOST: usize = 8;
const LIFE: Duration = Duration::from_hours(1);
/// Seconds after which it is worth asking again.
const SOON: u64 = 1;

/// The sessions of this process.
#[derive(Debug, Default)]
pub(super) struct Comparisons {
    open: Mutex<BTreeMap<String, Arc<Session>>>,
}

#[derive(Debug)]
struct Session {
    partner: String,
    scope: Told,
    expires_at: UtcInstant,
    stage: Mutex<Stage>,
}

#[derive(Debug)]
enum Stage {
    Building,
    Ready { holdings: Arc<Holdings>, reconciler: Box<Reconciler<Arc<Index>>> },
    Failed,
}

impl Comparisons {
    /// One more, unless there are too many. None of them is kept beyond its end.
    fn add(&self, id: &str, session: Arc<Session>, now: UtcInstant) -> Result<(), Problem> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, session| session.expires_at > now);
        let of_caller = open.values().filter(|other| other.partner == session.partner);
        if of_caller.count() >= MOST_OF_ONE {
            // Whoever begins anew has no use for what he began before.
            let oldest = open.iter().filter(|(_, other)| other.partner == session.partner);
            let oldest = oldest.min_by_key(|(_, other)| other.expires_at).map(|(id, _)| id.clone());
            oldest.and_then(|id| open.remove(&id));
        }
        if open.len() >= MOST {
            let first = open.values().map(|other| between(now, other.expires_at)).min().unwrap_or(LIFE);
            return Err(Problem::from(Code::Unavailable).after(first.as_secs().max(1)));
        }
        open.insert(id.to_owned(), session);
        Ok(())
    }

    /// A session of this caller. That of somebody else is not there.
    fn of(&self, caller: &Caller, id: &str, now: UtcInstant) -> Result<Arc<Session>, Problem> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let session = open.get(id).filter(|session| session.partner == caller.who && session.expires_at > now);
        session.cloned().ok_or(Code::NotFound.into())
    }
}

impl Session {
    fn about(&self, id: &str) -> About {
        let stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let (status, records) = match &*stage {
            Stage::Building => (Status::Building, None),
            Stage::Ready { holdings, .. } => (Status::Ready, Some(holdings.len() as u64)),
            Stage::Failed => (Status::Failed, None),
        };
        About { comparison_id: id.to_owned(), status, scope: self.scope.clone(), records, expires_at: self.expires_at }
    }

    fn respond(&self, message: &[u8]) -> Result<Step, Problem> {
        match &mut *self.stage.lock().unwrap_or_else(PoisonError::into_inner) {
            Stage::Ready { reconciler, .. } => reconciler.respond(message).map_err(|refused| {
                tracing::info!(%refused, "a message of a comparison was refused");
                Problem::from(Code::Malformed).at("body", "non è un messaggio di questo confronto")
            }),
            _ => Err(not_ready()),
        }
    }

    fn holdings(&self) -> Result<Arc<Holdings>, Problem> {
        match &*self.stage.lock().unwrap_or_else(PoisonError::into_inner) {
            Stage::Ready { holdings, .. } => Ok(Arc::clone(holdings)),
            _ => Err(not_ready()),
        }
    }
}

fn not_ready() -> Problem {
    Problem::from(Code::UnderWay)
        .after(SOON)
        .detail("Il confronto non è ancora pronto, o la sua preparazione non è riuscita.")
}

pub(super) async fn open(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Arc<Caller>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Answered {
    Query::read(query.as_deref(), &[])?;
    let opening: Opening = read(&headers, &body)?;
    let wrong = |field: &str, why: &str| Problem::from(Code::Malformed).at(format!("body.{field}"), why);
    if opening.form != FORM {
        return Err(wrong("form", "forma dei record non conosciuta"));
    }
    let salt = salt(&opening.salt).ok_or_else(|| wrong("salt", "servono 32 cifre esadecimali"))?;
    let scope = scope(&api, &caller, &opening.bodies).await?;
    let now = api.clock.now();
    let id = format!("{:032x}", fastrand::u128(..));
    let session = Arc::new(Session {
        partner: caller.who.clone(),
        scope,
        expires_at: after(now, LIFE),
        stage: Mutex::new(Stage::Building),
    });
    api.comparisons.add(&id, Arc::clone(&session), now)?;
    let about = session.about(&id);
    tokio::spawn(build(Arc::clone(&api), session, salt));
    let mut response = json(&about)?;
    *response.status_mut() = StatusCode::ACCEPTED;
    let location = format!("{}/api/v1/comparisons/{id}", api.address);
    let location = location.parse().map_err(|_| Problem::from(Code::Failed))?;
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(header::RETRY_AFTER, SOON.into());
    Ok(response)
}

/// Of whose records a session speaks: of those that were asked for, as far as the caller may see them.
async fn scope(api: &Api, caller: &Caller, asked: &[CodiceFiscale]) -> Result<Told, Problem> {
    if caller.scope.everything {
        return Ok(Told { everything: asked.is_empty(), bodies: asked.to_vec() });
    }
    let mut bodies = api.store.bodies(&caller.scope).await.map_err(|error| unavailable(&error))?;
    bodies.retain(|body| asked.is_empty() || asked.contains(body));
    Ok(Told { everything: false, bodies })
}

/// Reads the records of a session, once.
async fn build(api: Arc<Api>, session: Arc<Session>, salt: Salt) {
    let stage = match Holdings::of(api.store.as_ref(), &session.scope.scope(), salt).await {
        Ok(holdings) => {
            let reconciler = Reconciler::new(holdings.index(), &Completeness::Complete, SessionLimits::default());
            Stage::Ready { holdings: Arc::new(holdings), reconciler: Box::new(reconciler) }
        }
        Err(error) => {
            tracing::error!(%error, partner = session.partner, "a comparison could not be made ready");
            Stage::Failed
        }
    };
    *session.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
}

pub(super) async fn status(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Arc<Caller>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Answered {
    Query::read(query.as_deref(), &[])?;
    let session = api.comparisons.of(&caller, &id, api.clock.now())?;
    json(&session.about(&id))
}

pub(super) async fn message(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Arc<Caller>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Answered {
    Query::read(query.as_deref(), &[])?;
    let session = api.comparisons.of(&caller, &id, api.clock.now())?;
    is_of_type(&headers, MESSAGE)?;
    Ok(match session.respond(&body)? {
        Step::Send(answer) => ([(header::CONTENT_TYPE, MESSAGE)], answer).into_response(),
        Step::Done => StatusCode::NO_CONTENT.into_response(),
    })
}

pub(super) async fn records(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Arc<Caller>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Answered {
    Query::read(query.as_deref(), &[])?;
    let session = api.comparisons.of(&caller, &id, api.clock.now())?;
    let wanted: Wanted = read(&headers, &body)?;
    if wanted.keys.len() > MOST_KEYS {
        return Err(Problem::from(Code::Malformed).at("body.keys", "troppe chiavi in una richiesta"));
    }
    let holdings = session.holdings()?;
    // What the caller may see now, not when he opened the session.
    let mut items = Vec::new();
    for (place, text) in wanted.keys.iter().enumerate() {
        let wrong = || Problem::from(Code::Malformed).at(format!("body.keys.{place}"), "servono 32 cifre esadecimali");
        let key = number(text).ok_or_else(wrong)?;
        let Some(record) = holdings.record(key) else { continue };
        let found = api.store.standing_of(&caller.scope, record).await.map_err(|error| unavailable(&error))?;
        let given = found.as_ref().and_then(item).map(|record| Given { hash: hexadecimal(key), record });
        items.extend(given);
    }
    json(&AllGiven { items })
}

fn read<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Problem> {
    is_of_type(headers, "application/json")?;
    serde_json::from_slice(body)
        .map_err(|_| Problem::from(Code::Malformed).at("body", "non è una richiesta di confronto"))
}

fn is_of_type(headers: &HeaderMap, media_type: &str) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if given.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type) {
        return Ok(());
    }
    Err(Problem::from(Code::MediaType).detail(format!("Il Content-Type ammesso è {media_type}.")))
}

//! Comparisons with another node: what both hold, by ranges of keys. A session is opened, made ready
//! while nobody waits, then answers messages until it is closed or forgotten.
//!
//! A session is of one caller, holds what leaves for him and nothing else, and lives in the memory of
//! this process: one for each caller, [`MOST`] in all, of which one is made ready at a time.

mod sessions;

use std::sync::{Arc, TryLockError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use canonical::identifiers::CodiceFiscale;
use serde::de::DeserializeOwned;
use tokio::task::spawn_blocking;

pub(super) use self::sessions::Comparisons;
use self::sessions::{MOST, Ready, Session};
use super::Api;
use super::call::{Call, is_of_type};
use super::caller::Caller;
use super::problem::{Code, Problem};
use super::query::Answered;
use super::records::{json, unavailable};
use crate::chain::chain;
use crate::flow::exchange::item::item;
use crate::flow::reconcile::inventory::ranges::{Salt, Step};
use crate::flow::reconcile::nodes::holdings::Holdings;
use crate::flow::reconcile::nodes::wire::{
    AllGiven, FORM, Given, MESSAGE, MOST_BODIES, MOST_KEYS, Opening, Told, Wanted, hexadecimal, number, salt,
};

/// Seconds after which it is worth asking again.
const SOON: u64 = 1;
/// Between two looks whether a session has ended.
const LOOK_EVERY: Duration = Duration::from_mins(1);

pub(super) async fn open(call: Call, headers: HeaderMap, body: Bytes) -> Answered {
    let (api, caller) = call.alone()?;
    let mut opening: Opening = read(&headers, &body)?;
    let wrong = |field: &str, why: &str| Problem::from(Code::Malformed).at(format!("body.{field}"), why);
    if opening.form != FORM {
        return Err(wrong("form", "forma dei record non conosciuta"));
    }
    let salt = salt(&opening.salt).ok_or_else(|| wrong("salt", "servono 32 cifre esadecimali"))?;
    if opening.bodies.len() > MOST_BODIES || opening.bodies.iter().any(|body| body.is_person()) {
        return Err(wrong("bodies", "servono codici fiscali di enti, al più mille"));
    }
    opening.bodies.sort_unstable();
    opening.bodies.dedup();
    let scope = scope(&api, &caller, opening.bodies).await?;
    let id = format!("{:032x}", u128::from_be_bytes(kit::random::bytes().map_err(|_| Problem::from(Code::Failed))?));
    let session = Arc::new(Session::new(caller.who.clone(), scope, api.clock.now()));
    let making = tokio::spawn(make_ready(Arc::clone(&api), id.clone(), Arc::clone(&session), salt));
    session.is_made_by(making.abort_handle());
    api.comparisons.add(&id, &session, api.clock.now())?;
    let mut response = json(&session.about(&id))?;
    *response.status_mut() = StatusCode::ACCEPTED;
    let location = format!("{}/api/v1/comparisons/{id}", api.address);
    let location = location.parse().map_err(|_| Problem::from(Code::Failed))?;
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(header::RETRY_AFTER, SOON.into());
    Ok(response)
}

/// Of whose records a session speaks: of those that were asked for, as far as the caller may see them.
async fn scope(api: &Api, caller: &Caller, asked: Vec<CodiceFiscale>) -> Result<Told, Problem> {
    if caller.scope.everything {
        return Ok(Told { everything: asked.is_empty(), bodies: asked });
    }
    let mut bodies = api.store.bodies(&caller.scope).await.map_err(|error| unavailable(&error))?;
    // What was asked for is in order.
    bodies.retain(|body| asked.is_empty() || asked.binary_search(body).is_ok());
    Ok(Told { everything: false, bodies })
}

/// Reads the records of a session, once and one session at a time, and forgets it when nobody asks any
/// more. Ended with the session.
async fn make_ready(api: Arc<Api>, id: String, session: Arc<Session>, salt: Salt) {
    let turn = api.comparisons.turn().await;
    let made = Holdings::of(api.store.as_ref(), &session.scope.scope(), salt).await;
    drop(turn);
    let made = made.inspect_err(|error| {
        tracing::error!(error = chain(error), partner = session.partner, "a comparison is not made ready");
    });
    session.is_made(made.ok().map(Ready::of));
    // Nothing is held for a session that only waits to be forgotten.
    let api = Arc::downgrade(&api);
    drop(session);
    while let Some(api) = api.upgrade() {
        if !api.comparisons.keeps(&id, api.clock.now()) {
            return;
        }
        drop(api);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

pub(super) async fn status(call: Call, Path(id): Path<String>) -> Answered {
    let (api, caller) = call.alone()?;
    let session = api.comparisons.of(&caller, &id, api.clock.now())?;
    json(&session.about(&id))
}

pub(super) async fn close(call: Call, Path(id): Path<String>) -> Answered {
    let (api, caller) = call.alone()?;
    api.comparisons.of(&caller, &id, api.clock.now())?;
    api.comparisons.forget(&id);
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn message(call: Call, Path(id): Path<String>, headers: HeaderMap, body: Bytes) -> Answered {
    let (api, caller) = call.alone()?;
    let session = api.comparisons.of(&caller, &id, api.clock.now())?;
    is_of_type(&headers, MESSAGE)?;
    let ready = ready(&session)?;
    // Up to a mebibyte of questions: not on a thread that others wait for.
    let answered = spawn_blocking(move || {
        // One message at a time: whoever sends two at once asks again.
        let mut reconciler = ready.reconciler.try_lock().map_err(|taken| match taken {
            TryLockError::WouldBlock => Problem::from(Code::UnderWay).after(SOON),
            TryLockError::Poisoned(_) => Code::Failed.into(),
        })?;
        reconciler.respond(&body).map_err(|refused| {
            tracing::info!(%refused, "a message of a comparison was refused");
            Problem::from(Code::Malformed).at("body", "non è un messaggio di questo confronto")
        })
    });
    Ok(match answered.await.map_err(|_| Problem::from(Code::Failed))?? {
        Step::Send(answer) => ([(header::CONTENT_TYPE, MESSAGE)], answer).into_response(),
        Step::Done => StatusCode::NO_CONTENT.into_response(),
    })
}

pub(super) async fn records(call: Call, Path(id): Path<String>, headers: HeaderMap, body: Bytes) -> Answered {
    let (api, caller) = call.alone()?;
    let session = api.comparisons.of(&caller, &id, api.clock.now())?;
    let wanted: Wanted = read(&headers, &body)?;
    if wanted.keys.len() > MOST_KEYS {
        return Err(Problem::from(Code::Malformed).at("body.keys", "troppe chiavi in una richiesta"));
    }
    let ready = ready(&session)?;
    // What the caller may see now, not when he opened the session.
    let mut items = Vec::new();
    for (place, text) in wanted.keys.iter().enumerate() {
        let wrong = || Problem::from(Code::Malformed).at(format!("body.keys.{place}"), "servono 32 cifre esadecimali");
        let key = number(text).ok_or_else(wrong)?;
        let Some(record) = ready.holdings.record(key) else { continue };
        let found = api.store.standing_of(&caller.scope, record).await.map_err(|error| unavailable(&error))?;
        let given = found.as_ref().and_then(item).map(|record| Given { hash: hexadecimal(key), record });
        items.extend(given);
    }
    json(&AllGiven { items })
}

/// What a session answers from; what was not made ready never will be.
fn ready(session: &Session) -> Result<Arc<Ready>, Problem> {
    match session.ready() {
        Some(Some(ready)) => Ok(ready),
        Some(None) => {
            Err(Problem::from(Code::Unavailable)
                .detail("I record non si sono potuti leggere: aprire un altro confronto."))
        }
        None => Err(Problem::from(Code::UnderWay).after(SOON).detail("Il confronto non è ancora pronto.")),
    }
}

/// Too many: the first one ends after so many seconds at the latest.
fn too_many(seconds: u64) -> Problem {
    let problem = Problem::from(Code::Unavailable).after(seconds.max(SOON));
    problem.detail(format!("Ci sono già {MOST} confronti aperti: riprovare dopo Retry-After."))
}

fn read<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Problem> {
    is_of_type(headers, "application/json")?;
    serde_json::from_slice(body)
        .map_err(|_| Problem::from(Code::Malformed).at("body", "non è una richiesta di confronto"))
}

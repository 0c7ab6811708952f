//! The change feed, records by CIG, CUP and body, and the versions of one record.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use canonical::Kind;
use canonical::identifiers::{Cig, CodiceFiscale, Cup};
use serde::Serialize;

use super::Api;
use super::call::Call;
use super::caller::Caller;
use super::problem::{Code, Problem};
use super::query::{Answered, HIGHEST_LIMIT, Query, malformed};
use crate::flow::exchange::cursor::{self, CHANGES, Cursor};
use crate::flow::exchange::item::{Item, item};
use crate::storage::exchange::{Position, RecordFilter, VersionPage};
use crate::storage::{RecordId, StorageError};

/// A page as it leaves.
#[derive(Serialize)]
struct Page {
    items: Vec<Item>,
    limit: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    has_more: bool,
}

pub(super) fn json(value: &impl Serialize) -> Answered {
    let text = serde_json::to_string(value).map_err(|_| Problem::from(Code::Failed))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

/// The database did not answer: why is for the log.
pub(super) fn unavailable(error: &StorageError) -> Problem {
    tracing::error!(%error, "a question of the exchange API was not answered");
    Code::Unavailable.into()
}

fn page(found: Option<VersionPage>, question: &str, limit: u32) -> Answered {
    let found = found.ok_or(Problem::from(Code::CursorGone))?;
    let next = found.has_more.then(|| Cursor::from(found.next).write(question));
    let items = found.items.iter().filter_map(item).collect();
    json(&Page { items, limit, next_cursor: next, has_more: found.has_more })
}

pub(super) async fn changes(call: Call) -> Answered {
    let (api, caller, query) = call.with(&["cursor", "limit"])?;
    let (limit, from) = (query.limit(HIGHEST_LIMIT)?, query.cursor(CHANGES)?);
    let seen = seen(&api, &caller).await?;
    if !from.text.is_empty() && from.text != seen {
        return Err(Code::CursorGone.into());
    }
    let found = api.store.changes(&caller.scope, from.position, limit).await.map_err(|error| unavailable(&error))?;
    let found = found.ok_or(Problem::from(Code::CursorGone))?;
    // The feed goes on where it ended: whoever read all of it asks again with the same cursor.
    let next_cursor = Some(Cursor { position: found.next, text: seen }.write(CHANGES));
    let items = found.items.iter().filter_map(item).collect();
    json(&Page { items, limit, next_cursor, has_more: found.has_more })
}

/// Of which bodies the feed speaks to a caller.
pub(super) async fn seen(api: &Api, caller: &Caller) -> Result<String, Problem> {
    cursor::seen(api.store.as_ref(), &caller.scope).await.map_err(|error| unavailable(&error))
}

/// The filters of a query.
pub(super) fn filter(query: &Query) -> Result<RecordFilter, Problem> {
    let filter = RecordFilter {
        kind: query.parsed("kind", Kind::from_name)?,
        cig: query.parsed("cig", |text| Cig::parse(text).ok().filter(|cig| !cig.is_null()))?,
        cup: query.parsed("cup", |text| Cup::parse(text).ok())?,
        ente: query.parsed("ente", |text| CodiceFiscale::parse(text).ok().filter(|code| !code.is_person()))?,
    };
    if filter.cig.is_some() && filter.cup.is_some() {
        return Err(malformed("cup", "cig e cup non si chiedono insieme"));
    }
    Ok(filter)
}

/// What a cursor of a filter is made for.
pub(super) fn question(filter: RecordFilter) -> String {
    let RecordFilter { kind, cig, cup, ente } = filter;
    let kind = kind.map_or("", Kind::name);
    let (cig, cup) = (cig.as_ref().map_or("", Cig::as_str), cup.as_ref().map_or("", Cup::as_str));
    format!("records/{kind}/{cig}/{cup}/{}", ente.as_ref().map_or("", CodiceFiscale::as_str))
}

pub(super) async fn records(call: Call) -> Answered {
    let (api, caller, query) = call.with(&["cursor", "limit", "kind", "cig", "cup", "ente"])?;
    let filter = filter(&query)?;
    let question = question(filter);
    let (limit, from) = (query.limit(HIGHEST_LIMIT)?, query.cursor(&question)?);
    let found = api.store.standing(&caller.scope, filter, from.position, limit).await;
    page(found.map_err(|error| unavailable(&error))?, &question, limit)
}

/// The id of a record in a path.
fn record_id(text: &str) -> Result<RecordId, Problem> {
    let is_number = (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let id = text.parse().ok().filter(|id| is_number && *id > 0).map(RecordId);
    id.ok_or_else(|| Problem::from(Code::Malformed).at("path.record_id", "valore non valido"))
}

pub(super) async fn record(call: Call, Path(id): Path<String>) -> Answered {
    let (api, caller) = call.alone()?;
    let found = api.store.standing_of(&caller.scope, record_id(&id)?).await.map_err(|error| unavailable(&error))?;
    let item = found.as_ref().and_then(item).ok_or(Problem::from(Code::NotFound))?;
    json(&item)
}

pub(super) async fn versions(call: Call, Path(id): Path<String>) -> Answered {
    let (api, caller, query) = call.with(&["cursor", "limit"])?;
    let record = record_id(&id)?;
    let question = format!("versions/{record}");
    let (limit, from) = (query.limit(HIGHEST_LIMIT)?, query.cursor(&question)?);
    let after = u32::try_from(from.position.version).unwrap_or(u32::MAX);
    // One more than is shown: whether there is a next page.
    let found = api.store.versions_of(&caller.scope, record, after, limit + 1).await;
    let mut found = found.map_err(|error| unavailable(&error))?;
    if found.is_empty() && after == 0 {
        return Err(Code::NotFound.into());
    }
    let has_more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let last = found.last().map(|version| Position { version: version.number.into(), ..Position::default() });
    let next_cursor = last.filter(|_| has_more).map(|last| Cursor::from(last).write(&question));
    json(&Page { items: found.iter().filter_map(item).collect(), limit, next_cursor, has_more })
}

/// Whether the API is there: ModI asks for it, without credentials.
pub(super) async fn status(State(api): State<Arc<Api>>) -> Answered {
    api.store.feed_end().await.map_err(|error| unavailable(&error))?;
    let text = r#"{"status":200,"title":"Servizio attivo"}"#;
    Ok(([(header::CONTENT_TYPE, super::problem::MEDIA_TYPE)], text).into_response())
}

/// The description of the API, with our address in it.
pub(super) async fn document(State(api): State<Arc<Api>>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], api.document.clone()).into_response()
}

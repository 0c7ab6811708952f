//! Exports as asynchronous work, by the national patterns: asked for (202), asked about (200, then 303),
//! fetched in as many parts as it takes; and, for whoever names his address, told when they are there.

use std::ops::Range;
use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};

use super::Api;
use super::call::{Call, is_of_type};
use super::caller::Caller;
use super::guard::Correlation;
use super::problem::{Code, Problem};
use super::query::Answered;
use super::records::{seen, unavailable};
use crate::flow::exchange::cursor::{CHANGES, Cursor};
use crate::flow::exchange::export::ExportRequest;
use crate::jobs::exports::{expires_at, link};
use crate::pressure::Hold;
use crate::storage::StorageError;
use crate::storage::exports::{Added, ExportState, ExportTask, NewExport};

/// Where whoever asks wants to be told.
const REPLY_TO: HeaderName = HeaderName::from_static("x-replyto");
/// With which cursor the change feed goes on after what was exported.
const FEED_CURSOR: HeaderName = HeaderName::from_static("feed-cursor");
/// Exports of one partner that are made or kept, without those that failed.
const MOST: u32 = 8;
/// Seconds after which it is worth asking about an export, and asking for one more.
const SOON: u64 = 5;
const LATER: u64 = 3_600;

pub(super) async fn ask(
    call: Call,
    Extension(Correlation(correlation)): Extension<Correlation>,
    headers: HeaderMap,
    body: Bytes,
) -> Answered {
    let (api, caller) = call.alone()?;
    let request = request(&headers, &body)?;
    let reply_to = reply_to(&headers, api.callbacks.get(&caller.who))?;
    // Whoever asked may leave: what was begun is finished all the same.
    let adding = tokio::spawn(async move { add(&api, &caller, &request, correlation, reply_to).await });
    adding.await.unwrap_or_else(|error| {
        tracing::error!(%error, "an export was not taken");
        Err(Code::Failed.into())
    })
}

fn request(headers: &HeaderMap, body: &[u8]) -> Result<ExportRequest, Problem> {
    is_of_type(headers, "application/json")?;
    let request: ExportRequest = serde_json::from_slice(body)
        .map_err(|_| Problem::from(Code::Malformed).at("body", "non è una richiesta di esportazione"))?;
    let wrong = |(field, why): (&str, &str)| Problem::from(Code::Malformed).at(format!("body.{field}"), why);
    request.filter().map_err(wrong)?;
    Ok(request)
}

/// The address where whoever asks wants to be told: the one that was agreed on with him, or none.
fn reply_to(headers: &HeaderMap, agreed: Option<&String>) -> Result<Option<String>, Problem> {
    let mut given = headers.get_all(REPLY_TO).iter();
    match (given.next(), given.next()) {
        (None, _) => Ok(None),
        (Some(value), None) if agreed.is_some_and(|agreed| value.as_bytes() == agreed.as_bytes()) => {
            Ok(agreed.cloned())
        }
        _ => Err(Problem::from(Code::Refused).at("header.X-ReplyTo", "non è l'indirizzo concordato con il chiamante")),
    }
}

async fn add(
    api: &Api,
    caller: &Caller,
    request: &ExportRequest,
    correlation: String,
    reply_to: Option<String>,
) -> Answered {
    let hold = api.flow.hold().await.map_err(|error| unavailable(&error))?;
    if hold.is_some_and(|hold| !matches!(hold, Hold::Queue { .. })) {
        return Err(Code::Unavailable.into());
    }
    let seen = seen(api, caller).await?;
    // Everything that was committed before is in the result; what comes later comes from the feed.
    let end = api.store.feed_end().await.map_err(|error| unavailable(&error))?;
    let feed_cursor = Cursor { position: end, text: seen.clone() }.write(CHANGES);
    let request = serde_json::to_string(request).map_err(|_| Problem::from(Code::Failed))?;
    let id = format!("{:032x}", fastrand::u128(..));
    let partner = caller.who.clone();
    let export = NewExport { id: id.clone(), partner, request, correlation, reply_to, seen, feed_cursor };
    let added = api.store.add_export(export, MOST, api.clock.now()).await.map_err(|error| unavailable(&error))?;
    let id = match added {
        Added::New => id,
        Added::Same(same) => same,
        Added::TooMany => {
            let problem = Problem::from(Code::TooMany).after(LATER);
            return Err(problem.detail(format!("Il chiamante ha già {MOST} esportazioni in corso o conservate.")));
        }
    };
    let task = own(api, caller, &id).await?;
    let mut response = told(StatusCode::ACCEPTED, &about(&task));
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, address(&link(&api.address, &id))?);
    headers.insert(header::RETRY_AFTER, SOON.into());
    Ok(response)
}

/// An export of the caller. That of somebody else is not there.
async fn own(api: &Api, caller: &Caller, id: &str) -> Result<ExportTask, Problem> {
    let task = api.store.export(id).await.map_err(|error| unavailable(&error))?;
    let task = task.filter(|task| task.asked.partner == caller.who).ok_or(Problem::from(Code::NotFound))?;
    match task.state {
        ExportState::Done(at) | ExportState::Failed(at, _) if expires_at(at) <= api.clock.now() => {
            Err(Code::NotFound.into())
        }
        _ => Ok(task),
    }
}

fn about(task: &ExportTask) -> Value {
    let created_at = task.made_at.to_string();
    match &task.state {
        ExportState::Processing => json!({ "status": "processing", "created_at": created_at }),
        ExportState::Done(at) => json!({
            "status": "completed", "created_at": created_at, "ended_at": at.to_string(), "bytes": task.bytes,
            "expires_at": expires_at(*at).to_string(),
        }),
        ExportState::Failed(at, code) => json!({
            "status": "failed", "created_at": created_at, "ended_at": at.to_string(), "code": code,
            "expires_at": expires_at(*at).to_string(),
        }),
    }
}

fn told(status: StatusCode, about: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], about.to_string()).into_response()
}

fn address(text: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::from_str(text).map_err(|_| Problem::from(Code::Failed))
}

pub(super) async fn status(call: Call, Path(id): Path<String>) -> Answered {
    let (api, caller) = call.alone()?;
    let task = own(&api, &caller, &id).await?;
    let is_there = matches!(task.state, ExportState::Done(_));
    let mut response = told(if is_there { StatusCode::SEE_OTHER } else { StatusCode::OK }, &about(&task));
    match task.state {
        ExportState::Processing => drop(response.headers_mut().insert(header::RETRY_AFTER, SOON.into())),
        ExportState::Done(_) => {
            let result = address(&format!("{}/result", link(&api.address, &id)))?;
            response.headers_mut().insert(header::LOCATION, result);
        }
        ExportState::Failed(..) => {}
    }
    Ok(response)
}

pub(super) async fn result(call: Call, Path(id): Path<String>, headers: HeaderMap) -> Answered {
    let (api, caller) = call.alone()?;
    let task = own(&api, &caller, &id).await?;
    if !matches!(task.state, ExportState::Done(_)) {
        return Err(
            Problem::from(Code::NotFound).detail("Il risultato non c'è: lo stato dell'esportazione dice perché.")
        );
    }
    if seen(&api, &caller).await? != task.asked.seen {
        return Err(Problem::from(Code::CursorGone)
            .detail("Sono cambiati gli enti di cui si leggono i record: chiedere una nuova esportazione."));
    }
    let media_type = serde_json::from_str::<ExportRequest>(&task.asked.request).map(|request| request.media_type());
    let media_type = media_type.map_err(|_| Problem::from(Code::Failed))?;
    let etag = format!("\"{id}\"");
    let is_same = |value: &HeaderValue| value.as_bytes() == etag.as_bytes();
    let asked = headers.get(header::RANGE).filter(|_| headers.get(header::IF_RANGE).is_none_or(is_same));
    let part = asked.and_then(|range| part(range.to_str().ok()?, task.bytes));
    let (status, bytes) = match part {
        None => (StatusCode::OK, 0..task.bytes),
        Some(None) => {
            let mut response = Problem::from(Code::NoSuchRange).into_response();
            response.headers_mut().insert(header::CONTENT_RANGE, address(&format!("bytes */{}", task.bytes))?);
            return Ok(response);
        }
        Some(Some(part)) => (StatusCode::PARTIAL_CONTENT, part),
    };
    let length = bytes.end - bytes.start;
    let range = format!("bytes {}-{}/{}", bytes.start, bytes.end.saturating_sub(1), task.bytes);
    let mut response = Response::new(streamed(api, id, bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::ETAG, address(&etag)?);
    headers.insert(FEED_CURSOR, address(&task.asked.feed_cursor)?);
    if status == StatusCode::PARTIAL_CONTENT {
        headers.insert(header::CONTENT_RANGE, address(&range)?);
    }
    Ok(response)
}

/// The one part that a header asks for: none when it asks for several or is not understood, and then
/// all is given; an empty answer when there is nothing there.
#[expect(clippy::option_option, reason = "not asked, not there, and there are three answers")]
fn part(range: &str, total: u64) -> Option<Option<Range<u64>>> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    let part = match (from.trim(), to.trim()) {
        ("", last) => {
            let last = number(last)?;
            total.saturating_sub(last)..if last == 0 { 0 } else { total }
        }
        (from, "") => number(from)?..total,
        (from, to) => {
            let (from, to) = (number(from)?, number(to)?);
            if to < from {
                return None;
            }
            from..to.saturating_add(1).min(total)
        }
    };
    Some((part.start < part.end).then_some(part))
}

fn streamed(api: Arc<Api>, id: String, bytes: Range<u64>) -> Body {
    let pieces = stream::try_unfold((api, id, bytes), |(api, id, bytes)| async move {
        if bytes.start >= bytes.end {
            return Ok(None);
        }
        let piece = api.store.export_bytes(&id, bytes.start).await.and_then(|piece| {
            piece.ok_or_else(|| StorageError::Refused { problem: "the result was forgotten meanwhile".to_owned() })
        });
        let mut piece = piece.inspect_err(|error| tracing::error!(%error, "a result was broken off"))?;
        let left = usize::try_from(bytes.end - bytes.start).unwrap_or(usize::MAX);
        piece.truncate(left);
        let next = bytes.start + piece.len() as u64..bytes.end;
        Ok::<_, StorageError>(Some((Bytes::from(piece), (api, id, next))))
    });
    Body::from_stream(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_part_is_understood_and_anything_else_gives_all() {
        assert_eq!(part("bytes=0-", 10), Some(Some(0..10)));
        assert_eq!(part("bytes=4-6", 10), Some(Some(4..7)));
        assert_eq!(part("bytes=4-600", 10), Some(Some(4..10)));
        assert_eq!(part("bytes=-3", 10), Some(Some(7..10)));
        assert_eq!(part("bytes=-30", 10), Some(Some(0..10)));
        for nothing_there in ["bytes=10-", "bytes=11-12", "bytes=-0"] {
            assert_eq!(part(nothing_there, 10), Some(None), "{nothing_there}");
        }
        for not_understood in ["bytes=1-2,4-5", "bytes=6-4", "bytes=-", "bytes=a-", "bytes=+1-", "items=0-1", "bytes"] {
            assert_eq!(part(not_understood, 10), None, "{not_understood}");
        }
    }
}

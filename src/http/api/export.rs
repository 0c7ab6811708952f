//! Everything at once: records as lines of JSON or as a table, and OCDS release packages.
//!
//! A stream that cannot be read to its end is broken off, so that half of it is never taken for all.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::Api;
use super::call::Call;
use super::caller::Caller;
use super::problem::{Code, Problem};
use super::query::Answered;
use super::records::{filter, json, seen, unavailable};
use crate::flow::exchange::cursor::{CHANGES, Cursor};
use crate::flow::exchange::export::{CSV, NDJSON, Writer};
use crate::flow::exchange::item::{Item, item};
use crate::flow::exchange::ocds;
use crate::flow::exchange::table::Table;
use crate::storage::StorageError;
use crate::storage::exchange::{Position, RecordFilter, Scope};

/// Records read at a time.
const PAGE: u32 = 500;
/// Releases in a package.
const PACKAGE: u32 = 100;
/// With which cursor the change feed goes on after what was exported.
const FEED_CURSOR: HeaderName = HeaderName::from_static("feed-cursor");

/// What a record becomes.
type Write = Box<dyn Fn(&Item) -> Vec<u8> + Send>;

/// Where a stream stands.
struct Reading {
    api: Arc<Api>,
    caller: Arc<Caller>,
    filter: RecordFilter,
    after: Option<Position>,
    heading: Vec<u8>,
    write: Write,
}

impl Reading {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, StorageError> {
        let Some(after) = self.after.take() else { return Ok(None) };
        let page = self.api.store.standing(&self.caller.scope, self.filter, after, PAGE).await?;
        let page = page.ok_or_else(|| StorageError::Refused { problem: "the database was set back".to_owned() })?;
        let mut bytes = std::mem::take(&mut self.heading);
        for item in page.items.iter().filter_map(item) {
            bytes.extend((self.write)(&item));
        }
        self.after = page.has_more.then_some(page.next);
        Ok(Some((bytes.into(), self)))
    }
}

async fn streamed(reading: Reading, media_type: &'static str) -> Answered {
    // Everything that was committed before is in the stream; what comes later comes from the feed.
    let end = feed_end(&reading.api).await?;
    let seen = seen(&reading.api, &reading.caller).await?;
    let cursor = Cursor { position: end, text: seen }.write(CHANGES);
    let body = Body::from_stream(stream::try_unfold(reading, |reading| async move {
        reading.next().await.inspect_err(|error| tracing::error!(%error, "an export was broken off"))
    }));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    if let Ok(cursor) = HeaderValue::from_str(&cursor) {
        headers.insert(FEED_CURSOR, cursor);
    }
    Ok(response)
}

/// Where the feed ends now.
async fn feed_end(api: &Api) -> Result<Position, Problem> {
    api.store.feed_end().await.map_err(|error| unavailable(&error))
}

pub(super) async fn lines(call: Call) -> Answered {
    let (api, caller, query) = call.with(&["kind", "cig", "cup", "ente"])?;
    let filter = filter(&query)?;
    let write: Write = Box::new(|item| Writer::Lines.record(item));
    let reading = Reading { api, caller, filter, after: Some(Position::default()), heading: Vec::new(), write };
    streamed(reading, NDJSON).await
}

pub(super) async fn table(call: Call) -> Answered {
    let (api, caller, query) = call.with(&["kind", "cig", "cup", "ente"])?;
    let filter = filter(&query)?;
    let kind = filter.kind.ok_or_else(|| Problem::from(Code::Malformed).at("query.kind", "parametro obbligatorio"))?;
    let table = Table::of(kind);
    let heading = table.heading();
    let write: Write = Box::new(move |item| table.row(item));
    let reading = Reading { api, caller, filter, after: Some(Position::default()), heading, write };
    streamed(reading, CSV).await
}

pub(super) async fn packages(call: Call) -> Answered {
    const QUESTION: &str = "ocds";
    let (api, caller, query) = call.with(&["cursor", "limit"])?;
    let (limit, from) = (query.limit(PACKAGE)?, query.cursor(QUESTION)?);
    let publication = api.publication.as_ref().ok_or(Problem::from(Code::NotFound))?;
    let (releases, next) = releases(&api, &caller.scope, from.text, limit, publication).await?;
    if releases.is_empty() {
        return Err(Problem::from(Code::NotFound).detail("Nessuna release da qui in avanti."));
    }
    let link = |cursor: Option<String>| {
        let cursor = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        format!("{}{}/ocds/release-packages?limit={limit}{cursor}", api.address, super::PREFIX)
    };
    let here = query.parsed("cursor", |text| Some(text.to_owned()))?;
    let next = next.map(|cig| link(Some(Cursor { position: Position::default(), text: cig }.write(QUESTION))));
    let now = api.clock.now().to_string();
    json(&ocds::package(&link(here), next.as_deref(), &now, &releases, publication)).map(IntoResponse::into_response)
}

/// At least one release where there is any, and after which lot others follow: a package without one
/// is none.
async fn releases(
    api: &Api,
    scope: &Scope,
    from: String,
    limit: u32,
    publication: &ocds::Publication,
) -> Result<(Vec<serde_json::Value>, Option<String>), Problem> {
    let mut from = from;
    let (mut releases, mut last) = (Vec::new(), None);
    loop {
        let page = api.store.cig_families(scope, &from, limit + 1).await.map_err(|error| unavailable(&error))?;
        for family in &page.items {
            let Some(release) = ocds::release(family, publication) else { continue };
            if releases.len() == limit as usize {
                return Ok((releases, last));
            }
            releases.push(release);
            last = Some(family.cig.clone());
        }
        match page.next {
            Some(next) => from = next,
            None => return Ok((releases, None)),
        }
    }
}

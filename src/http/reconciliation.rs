//! The page of reconciliation: is what was compared complete, what disagrees and why, since when, and
//! what to do. Every filter stands in the address; every form of the report takes exactly that filter.
//!
//! Read only: decisions are made by commands.

mod export;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use tokio::sync::Semaphore;

use super::{failed, with_security_headers};
use crate::clock::Clock;
use crate::discrepancy::WorkItem;
use crate::flow::report::gather;
use crate::flow::report::model::About;
use crate::flow::report::standing::standing;
use crate::flow::report::words::Language;
use crate::storage::{AuditChain, ItemFilter, NotAFilter, StorageError, WorkItems};

/// Discrepancies on one page.
const PAGE: u32 = 50;
/// Reports that are made at the same time: each reads all discrepancies of its filter.
const EXPORTS: usize = 2;
/// What an address may hold beside filters.
const AFTER: &str = "after";
/// What is shown to those who ask for nothing: what is new since the last comparison.
const DEFAULT: &str = "/reconciliation?new=last";

/// What the page reads.
struct Desk {
    items: Arc<dyn WorkItems>,
    chain: Arc<dyn AuditChain>,
    clock: Arc<dyn Clock>,
    exports: Arc<Semaphore>,
}

/// The page alone, with the headers of all our pages.
pub fn reconciliation(items: Arc<dyn WorkItems>, chain: Arc<dyn AuditChain>, clock: Arc<dyn Clock>) -> Router {
    let style = Router::new().route("/stile.css", get(super::style));
    let routes = routes(items, chain, clock).merge(style);
    routes.layer(axum::middleware::map_response(with_security_headers))
}

/// The routes, for any router.
pub(super) fn routes<S: Clone + Send + Sync + 'static>(
    items: Arc<dyn WorkItems>,
    chain: Arc<dyn AuditChain>,
    clock: Arc<dyn Clock>,
) -> Router<S> {
    Router::new()
        .route("/reconciliation", get(groups))
        .route("/reconciliation/items", get(items_page))
        .route("/reconciliation/items/{id}", get(item))
        .route("/reconciliation/export/{form}", get(export::export))
        .route("/report.css", get(report_style))
        .with_state(Arc::new(Desk { items, chain, clock, exports: Arc::new(Semaphore::new(EXPORTS)) }))
}

async fn report_style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("ui/report.css"))
}

impl Desk {
    async fn about(&self, filter: &ItemFilter) -> Result<About, StorageError> {
        let sources = (self.items.as_ref(), self.chain.as_ref());
        gather::about(sources, filter, None, Language::Italian, self.clock.now()).await
    }
}

/// The filter of an address, and the number after which the page begins.
fn asked(query: Option<String>) -> Result<(ItemFilter, Option<i64>), NotAFilter> {
    let query = query.unwrap_or_default();
    let filter = ItemFilter::from_query(&query, &[AFTER])?;
    let after = query.split('&').find_map(|part| part.strip_prefix(AFTER)?.strip_prefix('='));
    match after.map(str::parse).transpose() {
        Ok(after) => Ok((filter, after)),
        Err(_) => Err(NotAFilter { name: AFTER.to_owned() }),
    }
}

fn not_understood(error: &NotAFilter) -> Response {
    let sentence = format!(
        "Il filtro «{}» non è compreso, o il suo valore non esiste. Tornare a /reconciliation e scegliere dai \
         collegamenti della pagina.\n",
        crate::flow::report::forms::visible(&error.name)
    );
    (StatusCode::BAD_REQUEST, sentence).into_response()
}

fn answered(page: Result<Result<String, askama::Error>, StorageError>) -> Response {
    match page {
        Ok(Ok(page)) => Html(page).into_response(),
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

async fn groups(State(desk): State<Arc<Desk>>, RawQuery(query): RawQuery) -> Response {
    let (filter, _) = match query.as_deref() {
        // The default stands in the address, so that it can be seen and taken away.
        None | Some("") => return Redirect::to(DEFAULT).into_response(),
        Some(_) => match asked(query) {
            Ok(asked) => asked,
            Err(error) => return not_understood(&error),
        },
    };
    let read = async {
        let (items, everything) = (desk.items.as_ref(), ItemFilter::default());
        let all = standing(items, &everything).await?;
        let filtered = if filter == everything { all } else { standing(items, &filter).await? };
        Ok((desk.about(&filter).await?, desk.items.groups(&filter).await?, (filtered, all)))
    };
    answered(read.await.map(|(about, groups, sums)| view::groups_page(&about, &filter, &groups, sums)))
}

async fn items_page(State(desk): State<Arc<Desk>>, RawQuery(query): RawQuery) -> Response {
    let (filter, after) = match asked(query) {
        Ok(asked) => asked,
        Err(error) => return not_understood(&error),
    };
    let read = async {
        // One more than is shown: whether there is a next page.
        let items = desk.items.items(&filter, after, PAGE + 1).await?;
        Ok((desk.about(&filter).await?, items.iter().map(WorkItem::for_people).collect()))
    };
    answered(read.await.map(|(about, items)| view::items_page(&about, &filter, after, items)))
}

async fn item(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Response {
    let missing = || (StatusCode::NOT_FOUND, "discordanza non trovata\n").into_response();
    let Ok(id) = id.parse() else { return missing() };
    let read = async {
        let Some(item) = desk.items.item(id).await? else { return Ok(None) };
        let filter = ItemFilter { comparison: Some(item.discrepancy.comparison.clone()), ..ItemFilter::default() };
        Ok(Some((desk.about(&filter).await?, item, desk.items.item_history(id).await?)))
    };
    match read.await {
        Ok(None) => missing(),
        Ok(Some((about, item, history))) => answered(Ok(view::item_page(&about, &item.for_people(), &history))),
        Err(error) => answered(Err(error)),
    }
}

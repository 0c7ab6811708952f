//! The pages and the probes: an overview for people, `/healthz` and `/readyz` for machines; and the
//! exchange API for partners (`api`).
//!
//! The pages are read only: nothing there changes a record.

pub mod api;
mod overview;
mod reconciliation;
mod report;
mod report_form;
mod facts;
mod chart;
mod notice;
mod reasons;
mod server;
mod told;
mod signalled;
mod withheld;
mod words;

pub(crate) use overview::italian;
pub(crate) use reasons::{aside, code, document, refused, set_aside, waiting};
pub use reconciliation::reconciliation;
pub use report_form::{Format, report_form};
pub use server::Pages;
pub(crate) use signalled::{SignalState, signal_states};
pub(crate) use told::told;
pub(crate) use withheld::withheld_title;
pub(crate) use words::state;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use self::api::Api;
use self::server::ServerLimits;
use crate::flow::Flow;
use crate::flow::report::standing::standing;
use crate::flow::report::words::Language;
use crate::storage::{ItemFilter, ParkedFilter, ParkedItem, ParkedKind, StorageError, Store};

/// Seconds after which it is worth asking again.
const SOON: &str = "10";
const LATER: &str = "60";
/// Refused documents that the overview names.
const REFUSED_SHOWN: u32 = 50;

/// What every answer carries: only our own styles, no scripts, no frames, no copies.
const SECURITY_HEADERS: [(HeaderName, HeaderValue); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
];

/// Serves the pages and the exchange API until stopped.
pub fn serve(listener: TcpListener, flow: Flow, api: Api) -> Pages {
    let limits = ServerLimits::default();
    let app = server::guarded(router(flow).merge(with_headers(api::routes(api))), &limits);
    server::start(listener, app.layer(axum::middleware::from_fn(api::problem::everywhere)), limits)
}

/// The exchange API alone, with the limits and headers that it has beside the pages.
pub fn exchange(api: Api) -> Router {
    server::guarded(with_headers(api::routes(api)), &ServerLimits::default())
        .layer(axum::middleware::from_fn(api::problem::everywhere))
}

fn with_headers(router: Router) -> Router {
    router.layer(axum::middleware::map_response(with_security_headers))
}

/// The routes.
pub fn router(flow: Flow) -> Router {
    Router::new()
        .route("/", get(overview_page))
        .route("/stile.css", get(style))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .merge(reconciliation::routes(flow.store.clone(), flow.store.clone(), flow.clock.clone()))
        .fallback(|| async { (StatusCode::NOT_FOUND, "non trovato\n") })
        .layer(axum::middleware::map_response(with_security_headers))
        .with_state(Arc::new(flow))
}

async fn overview_page(State(flow): State<Arc<Flow>>) -> Response {
    let facts = async {
        let store = flow.store.as_ref();
        let beside = overview::Beside {
            partners: store.webhooks(None).await?,
            signals: signal_states(store, Language::Italian).await?,
            refused: refused_documents(store).await?,
            standing: standing(store, &ItemFilter::default()).await?,
            hold: flow.hold().await?,
        };
        Ok::<_, StorageError>((store.overview().await?, beside))
    };
    match facts.await.map(|(facts, beside)| overview::page(&facts, &beside, &flow)) {
        Ok(Ok(page)) => Html(page).into_response(),
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

/// Documents that were refused whole and wait for a person: the first of them, and how many there are.
async fn refused_documents(store: &dyn Store) -> Result<(Vec<ParkedItem>, u64), StorageError> {
    let filter = ParkedFilter { kind: Some(ParkedKind::Document), ..ParkedFilter::default() };
    let first = store.parked(&filter, None, REFUSED_SHOWN).await?;
    Ok((first, store.count_parked(&filter).await?))
}

/// Ready means: what is brought is taken. A target that is down is no reason not to be.
async fn ready(State(flow): State<Arc<Flow>>) -> Response {
    let look = async {
        let hold = flow.hold().await?;
        flow.store.next_ready().await?;
        Ok::<_, StorageError>(hold)
    };
    match look.await {
        Ok(None) => "pronto\n".into_response(),
        Ok(Some(hold)) => {
            (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, LATER)], format!("{}\n", notice::of(&hold)))
                .into_response()
        }
        Err(error) => failed(&error),
    }
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("ui/stile.css"))
}

fn failed(error: &dyn std::error::Error) -> Response {
    tracing::error!(%error, "page not served");
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, SOON)], "archivio non disponibile, riprovare\n")
        .into_response()
}

async fn with_security_headers(mut response: Response) -> Response {
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().insert(name, value);
    }
    response
}

//! The pages and the probes: an overview for people, `/healthz` and `/readyz` for machines.
//!
//! Read only: nothing here changes a record.

mod overview;

pub(crate) use overview::withheld_title;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::flow::Flow;

/// How long open connections may hold up the end.
const GRACE: Duration = Duration::from_secs(3);

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

/// The running pages.
#[derive(Debug)]
pub struct Pages {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Serves the pages until stopped.
pub fn serve(listener: TcpListener, flow: Flow) -> Pages {
    let (stop, mut stopped) = watch::channel(false);
    let app = router(flow);
    let task = tokio::spawn(async move {
        let end = async move {
            let _ = stopped.changed().await;
        };
        if let Err(error) = axum::serve(listener, app).with_graceful_shutdown(end).await {
            tracing::error!(%error, "pages ended");
        }
    });
    Pages { stop, task }
}

impl Pages {
    /// Stops them; connections that linger are closed after a moment.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        if tokio::time::timeout(GRACE, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// The routes.
pub fn router(flow: Flow) -> Router {
    Router::new()
        .route("/", get(overview_page))
        .route("/stile.css", get(style))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .fallback(|| async { (StatusCode::NOT_FOUND, "non trovato\n") })
        .layer(axum::middleware::map_response(with_security_headers))
        .with_state(Arc::new(flow))
}

async fn overview_page(State(flow): State<Arc<Flow>>) -> Response {
    match flow.store.overview().await.map(|facts| overview::page(&facts, &flow)) {
        Ok(Ok(page)) => Html(page).into_response(),
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

async fn ready(State(flow): State<Arc<Flow>>) -> Response {
    if let Some(problem) = flow.store.failure() {
        tracing::error!(problem, "not ready");
        return (StatusCode::SERVICE_UNAVAILABLE, "archivio non scrivibile\n").into_response();
    }
    match flow.store.delivery_counts().await {
        Ok(_) => "pronto\n".into_response(),
        Err(error) => failed(&error),
    }
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("ui/stile.css"))
}

fn failed(error: &dyn std::error::Error) -> Response {
    tracing::error!(%error, "page not served");
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "10")], "archivio non disponibile, riprovare\n")
        .into_response()
}

async fn with_security_headers(mut response: Response) -> Response {
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().insert(name, value);
    }
    response
}

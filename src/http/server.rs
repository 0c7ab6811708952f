//! The server: how much a client may ask for, and how long it may take.
//!
//! The listener of axum has no limits, so connections are accepted here and each is given to hyper
//! with a timer. A client that is slow, silent or greedy is closed; the others do not notice.
//! Above the limit of connections the next one waits in the queue of the system until one ends.

#[cfg(test)]
mod tests;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

/// How long open connections may hold up the end.
const GRACE: Duration = Duration::from_secs(3);

/// What a client may ask for.
#[derive(Debug, Clone, Copy)]
pub(super) struct ServerLimits {
    /// Connections at the same time.
    pub(super) connections: usize,
    /// From the beginning of a connection, or from the last answer, to the end of the next header:
    /// a silent client is closed after it too.
    pub(super) header_time: Duration,
    /// From the end of the header to the answer, the body of the request included.
    pub(super) request_time: Duration,
    /// How long a client may leave an answer unread.
    pub(super) unread_time: Duration,
    /// How long a connection may last, whatever it does.
    pub(super) connection_time: Duration,
    /// Bytes of a header, the first line included.
    pub(super) header_bytes: usize,
    /// Bytes of the body of a request.
    pub(super) body_bytes: usize,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 512,
            header_time: Duration::from_secs(10),
            request_time: Duration::from_secs(30),
            unread_time: Duration::from_secs(15),
            connection_time: Duration::from_mins(10),
            header_bytes: 16 * 1024,
            body_bytes: 1024 * 1024,
        }
    }
}

/// The running pages.
#[derive(Debug)]
pub struct Pages {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Pages {
    /// Stops them; connections that linger are closed after a moment.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        if timeout(GRACE, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// The limits that stand on requests; those on connections are kept by [`start`].
pub(super) fn guarded(app: Router, limits: &ServerLimits) -> Router {
    app.layer(RequestBodyLimitLayer::new(limits.body_bytes))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, limits.request_time))
        .layer(middleware::from_fn(with_known_length))
}

/// Refuses a body of unknown length. A request that says both a length and a transfer encoding is
/// read differently by different servers; hyper drops the length before we see it, so that no
/// request with a transfer encoding can be told from such a one.
async fn with_known_length(request: Request, next: Next) -> Response {
    if request.headers().contains_key(header::TRANSFER_ENCODING) {
        return (StatusCode::LENGTH_REQUIRED, [(header::CONNECTION, "close")], "manca Content-Length\n")
            .into_response();
    }
    next.run(request).await
}

/// Serves until stopped.
pub(super) fn start(listener: TcpListener, app: Router, limits: ServerLimits) -> Pages {
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(accept(listener, app, limits, stopped));
    Pages { stop, task }
}

async fn accept(mut listener: TcpListener, app: Router, limits: ServerLimits, mut stopped: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            // Errors of accepting, too many open files among them, are waited out in there.
            let (stream, _) = Listener::accept(&mut listener).await;
            (place, stream)
        };
        let (place, stream) = tokio::select! {
            next = next => next,
            _ = stopped.changed() => break,
        };
        let (app, stopped) = (app.clone(), stopped.clone());
        connections.spawn(async move {
            serve(stream, app, &limits, stopped).await;
            drop(place);
        });
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Serves one connection to its end.
async fn serve(stream: TcpStream, app: Router, limits: &ServerLimits, mut stopped: watch::Receiver<bool>) {
    // Without it answers are only a little later.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.unread_time));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_header_size(limits.header_bytes)
        .max_buf_size(4 * limits.header_bytes)
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(app));
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => {
            // Clients that leave or are closed are not our trouble.
            if let Err(error) = ended {
                tracing::debug!(%error, "connection ended");
            }
            return;
        }
        _ = stopped.changed() => {}
        () = sleep(limits.connection_time) => {}
    }
    connection.as_mut().graceful_shutdown();
    // The request under way is answered; a client that never comes to its end is left.
    let _ = timeout(limits.request_time, connection).await;
}

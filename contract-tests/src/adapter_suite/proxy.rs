//! A proxy between adapter and simulator: records every exchange, and makes things go wrong.
//!
//! It is no part of the product and knows no system: a request goes on as it came, unless a fault
//! was asked for the next ones, or the suite keeps the list that is asked for. Requests that only open
//! a session are never faulty.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use kit::simulator::{Fault, FaultAnswer};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::count;
use super::evidence::Form;
use super::openapi::fits;
use super::shelf::Shelf;

/// The longest body that passes.
const LIMIT: usize = 64 << 20;

/// Words in the path of a request that only opens a session.
const SESSIONS: &[&str] = &["login", "authenticate", "token"];

/// One request and its answer.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// Method.
    pub method: String,
    /// Path, without the query.
    pub path: String,
    /// Query, decoded.
    pub query: Vec<(String, String)>,
    /// Headers of the request.
    pub headers: HeaderMap,
    /// Body of the request.
    pub request: Bytes,
    /// Status of the answer.
    pub status: u16,
    /// Content type of the answer.
    pub content_type: Option<String>,
    /// Body of the answer.
    pub answer: Bytes,
}

#[derive(Debug, Default)]
struct Shared {
    exchanges: Vec<Exchange>,
    fault: Option<Fault>,
    faults_given: usize,
    shelf: Option<Shelf>,
    /// Path and form of documents whose last row is hidden.
    hidden: Option<(String, Form)>,
    /// How many rows were hidden so far.
    rows_hidden: usize,
}

/// A proxy that is running. Dropping it ends it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Way {
    to: SocketAddr,
    client: reqwest::Client,
    shared: Arc<Mutex<Shared>>,
}

impl Proxy {
    /// Starts it on a free port, in front of an address.
    pub async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Mutex::new(Shared::default()));
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
        let way = Way { to, client: client.expect("a client"), shared: Arc::clone(&shared) };
        let router = Router::new().fallback(pass).with_state(way);
        let task = tokio::spawn(async move { drop(axum::serve(listener, router).await) });
        Self { address, shared, task }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on every request but those that open a session is answered so; none: no longer.
    pub fn fail(&self, answer: Option<FaultAnswer>) {
        let after_effect = answer == Some(FaultAnswer::DropAfterEffect);
        let mut shared = lock(&self.shared);
        shared.fault = answer.map(|answer| Fault { answer, after_effect, retry_after: None });
        shared.faults_given = 0;
    }

    /// How many requests were answered with the fault.
    pub fn faults_given(&self) -> usize {
        lock(&self.shared).faults_given
    }

    /// From now on the suite answers for this list; none: the system does again.
    pub(super) fn shelve(&self, list: Option<Shelf>) {
        lock(&self.shared).shelf = list;
    }

    /// Changes the list that the suite keeps. Panics when it keeps none.
    pub(super) fn shelf<T>(&self, change: impl FnOnce(&mut Shelf) -> T) -> T {
        change(lock(&self.shared).shelf.as_mut().expect("a list that the suite keeps"))
    }

    /// From now on the last row of these documents is hidden; none: no longer.
    pub(super) fn hide(&self, documents: Option<(String, Form)>) {
        let mut shared = lock(&self.shared);
        (shared.hidden, shared.rows_hidden) = (documents, 0);
    }

    /// How many rows were hidden.
    pub(super) fn rows_hidden(&self) -> usize {
        lock(&self.shared).rows_hidden
    }

    /// What passed so far; faults and what the suite answered itself excepted.
    pub fn exchanges(&self) -> Vec<Exchange> {
        lock(&self.shared).exchanges.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn pass(State(way): State<Way>, request: Request) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let opens_session = SESSIONS.iter().any(|word| path.to_ascii_lowercase().contains(word));
    let fault = if opens_session { None } else { lock(&way.shared).fault.clone() };
    if let Some(fault) = &fault {
        lock(&way.shared).faults_given += 1;
        if !fault.after_effect {
            return fault.answer().await;
        }
    }
    let query = url_pairs(request.uri().query().unwrap_or_default());
    if let Some(page) = lock(&way.shared).shelf.as_mut().and_then(|shelf| shelf.answer(&path, &query)) {
        return shelved(page);
    }
    let answer = forward(&way, request, path).await;
    match fault {
        Some(fault) => fault.answer().await,
        None => answer,
    }
}

async fn forward(way: &Way, request: Request, path: String) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LIMIT).await else { return bad_gateway() };
    let url = format!("http://{}{}", way.to, parts.uri.path_and_query().map_or("/", |whole| whole.as_str()));
    let mut headers = parts.headers.clone();
    headers.remove("host");
    headers.remove("accept-encoding");
    let sent = way.client.request(parts.method.clone(), url).headers(headers).body(body.clone()).send().await;
    let Ok(answer) = sent else { return bad_gateway() };
    let (status, headers) = (answer.status(), answer.headers().clone());
    // An answer that the simulator itself cut short stays cut short.
    let Ok(bytes) = answer.bytes().await else {
        return Fault { answer: FaultAnswer::Truncate, after_effect: false, retry_after: None }.answer().await;
    };
    let query = url_pairs(parts.uri.query().unwrap_or_default());
    let mut shared = lock(&way.shared);
    let is_hidden = shared.hidden.as_ref().filter(|(document, _)| fits(document, &path));
    if let Some(shorter) = is_hidden.and_then(|(_, form)| count::without_last(&bytes, form)) {
        shared.rows_hidden += 1;
        return whole(status, headers, Bytes::from(shorter));
    }
    shared.exchanges.push(Exchange {
        method: parts.method.to_string(),
        path,
        query,
        headers: parts.headers,
        request: body,
        status: status.as_u16(),
        content_type: headers.get("content-type").and_then(|value| value.to_str().ok()).map(str::to_owned),
        answer: bytes.clone(),
    });
    whole(status, headers, bytes)
}

/// An answer of another length than the one received may have.
fn whole(status: StatusCode, mut headers: HeaderMap, bytes: Bytes) -> Response<Body> {
    headers.remove("transfer-encoding");
    headers.remove("content-length");
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// A page of a list that the suite keeps.
fn shelved(page: Vec<u8>) -> Response<Body> {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    whole(StatusCode::OK, headers, page.into())
}

fn url_pairs(query: &str) -> Vec<(String, String)> {
    let url = reqwest::Url::parse(&format!("http://loopback/?{query}"));
    url.map(|url| url.query_pairs().into_owned().collect()).unwrap_or_default()
}

fn bad_gateway() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

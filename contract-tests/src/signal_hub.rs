//! Signal Hub with the platform that gives vouchers for it, as far as both are documented: numbers that
//! only rise for each e-service, pages that say whether there is more, 25 requests in a second. It fails
//! on request.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use kit::Secret;
use kit::jose::{Compact, SigningKey, sign};
use serde_json::{Value, json};

const KEYS: &str = include_str!("../../adapters/kit/tests/pdnd/keys/keys.json");
/// What the hub takes from an organisation in a second.
const MOST: usize = 25;

/// The private key of this name, of those made for tests.
pub fn pem(name: &str) -> String {
    let keys: Value = serde_json::from_str(KEYS).expect("JSON");
    keys["keys"][name]["private_pem_pkcs8"].as_str().expect("a key").to_owned()
}

/// What happens to the next request of a kind, in place of what should.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// It is answered so, with this code, and not done.
    Says(u16, &'static str),
    /// It is done, and the answer breaks.
    LosesAnswer,
    /// It is done, and answered so by whoever stands before the hub.
    DoesAndSays(u16, &'static str),
    /// It is done, and never answered.
    NeverAnswers,
    /// It is not done, and answered as a proxy answers anything.
    SaysYes,
    /// Nothing: it is as it should be.
    Works,
}

/// What the hub holds, and how it was asked.
#[derive(Debug, Default)]
pub struct Held {
    /// The signals, by e-service and number.
    pub signals: BTreeMap<(String, i64), Value>,
    /// Every push, as it was written, in the order of arrival.
    pub pushes: Vec<String>,
    /// From which numbers pages were asked for.
    pub pulls: Vec<i64>,
    /// What happens to the next pushes.
    pub push_faults: VecDeque<Fault>,
    /// What happens to the next pulls.
    pub pull_faults: VecDeque<Fault>,
    /// What the next pulls are answered, whatever there is.
    pub pages: VecDeque<(u16, Value)>,
    /// The seed of an e-service, and how often it was given.
    pub seed: (String, u32),
    /// The most requests that arrived within a second.
    pub most_in_a_second: usize,
    vouchers: BTreeSet<String>,
    recent: VecDeque<Instant>,
}

impl Held {
    /// Puts a signal of somebody else there.
    pub fn put(&mut self, eservice: &str, number: i64, kind: &str, object: &str) {
        let signal = json!({ "signalId": number, "objectType": "PRATICA", "objectId": object, "eserviceId": eservice,
                             "signalType": kind });
        self.signals.insert((eservice.to_owned(), number), signal);
    }

    /// The signals of an e-service, by number.
    pub fn of(&self, eservice: &str) -> Vec<(i64, &Value)> {
        self.signals.iter().filter(|((of, _), _)| of == eservice).map(|((_, number), it)| (*number, it)).collect()
    }

    fn highest(&self, eservice: &str) -> i64 {
        self.of(eservice).last().map_or(0, |(number, _)| *number)
    }

    /// Whether whoever asks has a voucher, and has not asked too often.
    fn objection(&mut self, headers: &HeaderMap) -> Option<Response> {
        let now = Instant::now();
        self.recent.push_back(now);
        while self.recent.front().is_some_and(|at| now.duration_since(*at) > Duration::from_secs(1)) {
            self.recent.pop_front();
        }
        self.most_in_a_second = self.most_in_a_second.max(self.recent.len());
        if self.recent.len() > MOST {
            return Some(problem(429, "10004"));
        }
        let voucher = headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        (!voucher.is_some_and(|voucher| self.vouchers.contains(voucher))).then(|| problem(401, "0001"))
    }
}

/// The hub, running.
#[derive(Debug, Clone)]
pub struct Hub {
    /// Where it is: host and port.
    pub address: String,
    held: Arc<Mutex<Held>>,
}

impl Hub {
    /// Starts it.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let hub = Self { address, held: Arc::default() };
        let router = Router::new()
            .route("/token.oauth2", post(token))
            .route("/1.0/push/signals", post(push))
            .route("/1.0/pull/signals/{eservice}", get(pull))
            .route("/seme", get(seed))
            .with_state(hub.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        hub
    }

    /// Looks at what it holds, or changes it.
    pub fn held<T>(&self, change: impl FnOnce(&mut Held) -> T) -> T {
        change(&mut self.held.lock().expect("nobody panicked"))
    }
}

fn problem(status: u16, code: &str) -> Response {
    let body = json!({ "title": "no", "status": status, "errors": [{ "code": code, "detail": "no" }] });
    let status = StatusCode::from_u16(status).expect("a status");
    let mut answer = (status, [("content-type", "application/problem+json")], body.to_string()).into_response();
    if matches!(status.as_u16(), 429 | 503) {
        answer.headers_mut().insert("retry-after", axum::http::HeaderValue::from_static("1"));
    }
    answer
}

async fn faulty(fault: Option<Fault>, answer: Response) -> Response {
    match fault {
        None | Some(Fault::Works) => answer,
        Some(Fault::SaysYes) => "<html>OK</html>".into_response(),
        Some(Fault::Says(status, code) | Fault::DoesAndSays(status, code)) => problem(status, code),
        Some(Fault::LosesAnswer) => {
            Body::from_stream(stream::once(async { Err::<Vec<u8>, _>(std::io::Error::other("gone")) })).into_response()
        }
        Some(Fault::NeverAnswers) => std::future::pending().await,
    }
}

/// A voucher for the purpose that was asserted. Whether the assertion is right is looked at elsewhere.
async fn token(State(hub): State<Hub>, form: String) -> Response {
    let form: HashMap<String, String> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let asserted = Compact::parse(&form["client_assertion"]).expect("an assertion");
    let asserted = asserted.unverified_claims();
    let number = hub.held(|held| held.vouchers.len()) + 1;
    let claims = json!({ "client_id": form["client_id"], "jti": format!("00000000-0000-4000-8000-{number:012}"),
                         "purposeId": asserted.get("purposeId") });
    let key = SigningKey::from_pem(&Secret::new(pem("pdndVoucher"))).expect("a key");
    let header = json!({ "alg": "RS256", "typ": "at+jwt", "kid": "platform" });
    let voucher = sign(&key, &header, &claims).expect("a voucher");
    hub.held(|held| held.vouchers.insert(voucher.clone()));
    Json(json!({ "access_token": voucher, "token_type": "Bearer", "expires_in": 600 })).into_response()
}

async fn push(State(hub): State<Hub>, headers: HeaderMap, body: String) -> Response {
    let (fault, answer) = hub.held(|held| {
        if let Some(objection) = held.objection(&headers) {
            return (None, objection);
        }
        let signal: Value = serde_json::from_str(&body).expect("JSON");
        held.pushes.push(body);
        let fault = held.push_faults.pop_front();
        if matches!(fault, Some(Fault::Says(..) | Fault::SaysYes)) {
            return (fault, StatusCode::OK.into_response());
        }
        let key =
            (signal["eserviceId"].as_str().expect("text").to_owned(), signal["signalId"].as_i64().expect("a number"));
        if held.signals.contains_key(&key) {
            return (fault, problem(400, "0002"));
        }
        if key.1 < held.highest(&key.0) {
            return (fault, problem(400, "0005"));
        }
        let number = key.1;
        held.signals.insert(key, signal);
        (fault, Json(json!({ "signalId": number })).into_response())
    });
    faulty(fault, answer).await
}

async fn pull(
    State(hub): State<Hub>,
    Path(eservice): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let (fault, answer) = hub.held(|held| {
        if let Some(objection) = held.objection(&headers) {
            return (None, objection);
        }
        let (after, size): (i64, usize) =
            (query["signalId"].parse().expect("a number"), query["size"].parse().expect("a size"));
        held.pulls.push(after);
        if let Some((status, page)) = held.pages.pop_front() {
            return (None, (StatusCode::from_u16(status).expect("a status"), Json(page)).into_response());
        }
        let fault = held.pull_faults.pop_front();
        let behind: Vec<_> = held.of(&eservice).into_iter().filter(|(number, _)| *number > after).collect();
        let page: Vec<_> = behind.iter().take(size).collect();
        let last = page.last().map(|(number, _)| *number);
        let signals: Vec<_> = page.iter().map(|(_, signal)| signal).collect();
        let status = if behind.len() > size { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
        (fault, (status, Json(json!({ "signals": signals, "lastSignalId": last }))).into_response())
    });
    faulty(fault, answer).await
}

async fn seed(State(hub): State<Hub>, headers: HeaderMap) -> Response {
    hub.held(|held| {
        if let Some(objection) = held.objection(&headers) {
            return objection;
        }
        held.seed.1 += 1;
        Json(json!({ "seed": held.seed.0, "cryptoHashFunction": "sha256" })).into_response()
    })
}

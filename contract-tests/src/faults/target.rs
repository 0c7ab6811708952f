//! The target: the HUB's interface, implemented here and nowhere near the product, with a ledger of
//! every request, every effect and every answer.
//!
//! It honours idempotency keys and nothing else: whatever comes under a new key takes effect, older
//! revisions included, so that the ledger can show a mistake instead of preventing it. What becomes
//! of a request is decided by a script.
//!
//! Like real systems it finishes what it has begun, whether or not whoever asked is still there.
//!
//! [`Target::forget_keys`] makes it a system without keys: every request takes effect, also one that
//! comes again, and only the question what it holds, asked late enough, can prevent that. The product
//! is told by its configuration which of the two it speaks with.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::get;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// What becomes of one publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It takes effect and is answered.
    Take,
    /// After a while it takes effect and is answered.
    TakeAfter(Duration),
    /// It takes effect; the answer is this status all the same.
    TakeThen(u16),
    /// It takes effect; the connection breaks.
    TakeAndBreak,
    /// The connection breaks; after a while it takes effect.
    BreakThenTake(Duration),
    /// It takes no effect; this status and these headers.
    Refuse(u16, Vec<(&'static str, String)>),
    /// It takes no effect; the connection breaks.
    Break,
}

/// What the client was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Nothing, so far or for ever.
    Nothing,
    /// That it was taken.
    Taken,
    /// Something from which it cannot tell whether it took effect.
    Unclear,
    /// That it took no effect.
    Refused,
}

/// One request to publish.
#[derive(Debug, Clone)]
pub struct Put {
    /// When it arrived.
    pub at: Instant,
    /// When the work on it ended.
    pub ended: Option<Instant>,
    /// The unit.
    pub unit: String,
    /// The idempotency key.
    pub key: String,
    /// The revision that its body names.
    pub revision: u64,
    /// Its body.
    pub body: Bytes,
    /// The answer.
    pub told: Told,
    /// What was decided.
    pub fate: Fate,
}

/// One question whether the target holds a unit.
#[derive(Debug, Clone)]
pub struct Look {
    /// When it arrived.
    pub at: Instant,
    /// When it was answered.
    pub ended: Instant,
    /// The unit.
    pub unit: String,
    /// Whether the answer said what is held.
    pub is_answer: bool,
    /// The revision that it showed; none where it said that nothing is held.
    pub shows: Option<u64>,
}

/// One thing that the target did.
#[derive(Debug, Clone)]
pub struct Effect {
    /// The unit.
    pub unit: String,
    /// The revision.
    pub revision: u64,
    /// The key of the request.
    pub key: String,
    /// What it holds from then on.
    pub contenuto: Map<String, Value>,
}

/// Decides, from a request and from how many came before it for the same unit and revision.
pub type Script = Box<dyn FnMut(&Put, usize) -> Fate + Send>;

struct Ledger {
    puts: Vec<Put>,
    effects: Vec<Effect>,
    looked: Vec<Look>,
    honours_keys: bool,
    answered: HashMap<String, (String, Bytes)>,
    held: BTreeMap<String, Effect>,
    script: Script,
    /// How long a unit cannot be seen after it took effect: a copy that lags.
    lag: Duration,
    since: HashMap<String, Instant>,
    /// Every so manieth question about a unit fails.
    bad_looks: Option<u64>,
    looks: u64,
    /// What the target gives to read, by number.
    own: Vec<Value>,
}

/// A target that is running. Dropped, it ends.
pub struct Target {
    ledger: Arc<Mutex<Ledger>>,
    address: SocketAddr,
    runtime: Runtime,
    server: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Target {
    /// Starts it on a free port.
    pub fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let ledger = Ledger {
            puts: Vec::new(),
            effects: Vec::new(),
            looked: Vec::new(),
            honours_keys: true,
            answered: HashMap::new(),
            held: BTreeMap::new(),
            script: Box::new(|_, _| Fate::Take),
            lag: Duration::ZERO,
            since: HashMap::new(),
            bad_looks: None,
            looks: 0,
            own: Vec::new(),
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let target = Self { ledger: Arc::new(Mutex::new(ledger)), address, runtime, server: Mutex::new(None) };
        target.serve(listener)?;
        Ok(target)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on these are the fates.
    pub fn script(&self, script: impl FnMut(&Put, usize) -> Fate + Send + 'static) {
        self.ledger().script = Box::new(script);
    }

    /// From now on keys mean nothing to it: what comes again takes effect again.
    pub fn forget_keys(&self) {
        self.ledger().honours_keys = false;
    }

    /// Whether what comes again under its key has no second effect.
    pub fn honours_keys(&self) -> bool {
        self.ledger().honours_keys
    }

    /// From now on everything goes well, and the door is open.
    pub fn mend(&self) -> Result<()> {
        let mut ledger = self.ledger();
        ledger.script = Box::new(|_, _| Fate::Take);
        (ledger.lag, ledger.bad_looks) = (Duration::ZERO, None);
        drop(ledger);
        self.open()
    }

    /// From now on a unit is seen only so long after it took effect.
    pub fn lag(&self, lag: Duration) {
        self.ledger().lag = lag;
    }

    /// From now on every so manieth question about a unit is answered 500.
    pub fn fail_looks(&self, every: u64) {
        self.ledger().bad_looks = Some(every);
    }

    /// What it gives to read itself.
    pub fn give(&self, id: &str, titolo: &str) {
        let element = json!({ "origine": "hub", "id": id, "tipo": "corso", "titolo": titolo, "ritirata": false });
        self.ledger().own.push(element);
    }

    /// Refuses connections.
    pub fn close(&self) {
        if let Some(server) = self.server.lock().unwrap_or_else(PoisonError::into_inner).take() {
            server.abort();
            // The port is free only when the task is gone.
            let _ = self.runtime.block_on(server);
        }
    }

    /// Admits connections again.
    pub fn open(&self) -> Result<()> {
        if self.server.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            return Ok(());
        }
        self.serve(TcpListener::bind(self.address).context("opening the port of the target again")?)
    }

    /// How many requests there were so far.
    pub fn requests(&self) -> usize {
        self.ledger().puts.len()
    }

    /// Every request so far.
    pub fn puts(&self) -> Vec<Put> {
        self.ledger().puts.clone()
    }

    /// Every question so far whether it holds a unit.
    pub fn looks(&self) -> Vec<Look> {
        self.ledger().looked.clone()
    }

    /// Every effect so far.
    pub fn effects(&self) -> Vec<Effect> {
        self.ledger().effects.clone()
    }

    /// What it holds.
    pub fn held(&self) -> BTreeMap<String, Effect> {
        self.ledger().held.clone()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    fn serve(&self, listener: TcpListener) -> Result<()> {
        listener.set_nonblocking(true)?;
        let _inside = self.runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let router = Router::new()
            .route(
                "/v0/qualificazioni",
                get(async || answer(200, &json!({ "qualificazioni": [], "cursore": "0", "altri": false }))),
            )
            .route("/v0/risorse", get(risorse))
            .route("/v0/pubblicazioni", get(inventory))
            .route("/v0/pubblicazioni/{*chiave}", get(held).put(publish))
            .with_state(Arc::clone(&self.ledger));
        let task = self.runtime.spawn(async move { drop(axum::serve(listener, router).await) });
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        Ok(())
    }
}

type Shared = State<Arc<Mutex<Ledger>>>;

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes down what the client was told: nothing, when it left and the handler was dropped.
struct Ending {
    ledger: Arc<Mutex<Ledger>>,
    number: usize,
    told: Told,
}

impl Drop for Ending {
    fn drop(&mut self) {
        lock(&self.ledger).puts[self.number].told = self.told.clone();
    }
}

async fn publish(State(ledger): Shared, Path(unit): Path<String>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let at = Instant::now();
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default().to_owned();
    let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
    let revision = sent["revisione"].as_u64().unwrap_or_default();
    let put = Put { at, ended: None, unit, key, revision, body, told: Told::Nothing, fate: Fate::Take };
    let (number, fate) = {
        let mut ledger = lock(&ledger);
        let is_same = |before: &&Put| before.unit == put.unit && before.revision == put.revision;
        let before = ledger.puts.iter().filter(is_same).count();
        let fate = (ledger.script)(&put, before);
        ledger.puts.push(Put { fate: fate.clone(), ..put.clone() });
        (ledger.puts.len() - 1, fate)
    };
    let mut ending = Ending { ledger: Arc::clone(&ledger), number, told: Told::Nothing };
    let breaks_first = matches!(fate, Fate::BreakThenTake(_));
    let work = tokio::spawn(work(ledger, number, put, sent, fate));
    if breaks_first {
        return broken();
    }
    let Ok((answer, told)) = work.await else { return broken() };
    ending.told = told;
    answer
}

/// Works on a request to its end. Gives the answer, and what it tells.
async fn work(ledger: Arc<Mutex<Ledger>>, number: usize, put: Put, sent: Value, fate: Fate) -> (Response<Body>, Told) {
    if let Fate::TakeAfter(pause) | Fate::BreakThenTake(pause) = &fate {
        tokio::time::sleep(*pause).await;
    }
    let mut ledger = lock(&ledger);
    let done = match fate {
        Fate::Take | Fate::TakeAfter(_) => {
            let (status, told) = take(&mut ledger, &put, &sent);
            (answer(status, &told), if status < 300 { Told::Taken } else { Told::Refused })
        }
        Fate::TakeThen(status) => {
            take(&mut ledger, &put, &sent);
            (answer(status, &json!({ "status": status, "title": "guasto simulato" })), Told::Unclear)
        }
        Fate::TakeAndBreak | Fate::BreakThenTake(_) => {
            take(&mut ledger, &put, &sent);
            (broken(), Told::Nothing)
        }
        Fate::Refuse(status, headers) => refused(status, headers),
        Fate::Break => (broken(), Told::Nothing),
    };
    ledger.puts[number].ended = Some(Instant::now());
    done
}

fn refused(status: u16, headers: Vec<(&'static str, String)>) -> (Response<Body>, Told) {
    // A failure of theirs says nothing about the effect, unless it asks to come back later.
    let asks = headers.iter().any(|(name, _)| *name == "retry-after");
    let told = if status >= 500 && !(status == 503 && asks) { Told::Unclear } else { Told::Refused };
    let mut refused = answer(status, &json!({ "status": status, "title": "guasto simulato" }));
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            refused.headers_mut().insert(name, value);
        }
    }
    (refused, told)
}

/// Takes a request, once for each key where keys are honoured. Gives the answer.
fn take(ledger: &mut Ledger, put: &Put, sent: &Value) -> (u16, Value) {
    let taken = json!({ "id": format!("P-{}", put.unit), "stato": "pubblicata", "revisione": put.revision });
    if let Some((unit, body)) = ledger.answered.get(&put.key).filter(|_| ledger.honours_keys) {
        return if (unit, body) == (&put.unit, &put.body) {
            (200, taken)
        } else {
            (422, json!({ "codice": "chiave_riusata", "messaggio": "un'altra richiesta aveva questa chiave" }))
        };
    }
    let contenuto = sent["contenuto"].as_object().cloned().unwrap_or_default();
    let effect = Effect { unit: put.unit.clone(), revision: put.revision, key: put.key.clone(), contenuto };
    ledger.answered.insert(put.key.clone(), (put.unit.clone(), put.body.clone()));
    ledger.since.insert(put.unit.clone(), Instant::now());
    ledger.held.insert(put.unit.clone(), effect.clone());
    ledger.effects.push(effect);
    (201, taken)
}

async fn held(State(ledger): Shared, Path(unit): Path<String>) -> Response<Body> {
    let at = Instant::now();
    let mut ledger = lock(&ledger);
    ledger.looks += 1;
    let is_answer = !ledger.bad_looks.is_some_and(|every| ledger.looks.is_multiple_of(every));
    let is_hidden = ledger.since.get(&unit).is_some_and(|since| since.elapsed() < ledger.lag);
    let seen = ledger.held.get(&unit).filter(|_| is_answer && !is_hidden).cloned();
    let shows = seen.as_ref().map(|effect| effect.revision);
    ledger.looked.push(Look { at, ended: Instant::now(), unit, is_answer, shows });
    match seen {
        _ if !is_answer => answer(500, &json!({ "status": 500, "title": "guasto simulato" })),
        Some(effect) => answer(200, &shown(&effect)),
        None => answer(404, &json!({ "codice": "non_trovata", "messaggio": "non c'è" })),
    }
}

async fn inventory(State(ledger): Shared, Query(query): Query<HashMap<String, String>>) -> Response<Body> {
    let limit = query.get("limite").and_then(|limit| limit.parse().ok()).unwrap_or(100);
    let ledger = lock(&ledger);
    let after = query.get("dopo");
    let mut rest = ledger.held.values().filter(|effect| after.is_none_or(|after| effect.unit > *after));
    let page: Vec<_> = rest.by_ref().take(limit).collect();
    let next = rest.next().and(page.last()).map(|last| last.unit.clone());
    let mut body = json!({ "pubblicazioni": page.into_iter().map(shown).collect::<Vec<_>>() });
    if let Some(next) = next {
        body["successiva"] = next.into();
    }
    answer(200, &body)
}

async fn risorse(State(ledger): Shared, Query(query): Query<HashMap<String, String>>) -> Response<Body> {
    let after: usize = query.get("dopo").and_then(|after| after.parse().ok()).unwrap_or(0);
    let ledger = lock(&ledger);
    let page: Vec<_> = ledger.own.iter().skip(after).take(5).cloned().collect();
    let end = after + page.len();
    answer(200, &json!({ "risorse": page, "cursore": end.to_string(), "altri": end < ledger.own.len() }))
}

fn shown(effect: &Effect) -> Value {
    json!({
        "chiave": effect.unit,
        "id": format!("P-{}", effect.unit),
        "stato": "pubblicata",
        "revisione": effect.revision,
        "contenuto": effect.contenuto,
    })
}

fn answer(status: u16, body: &Value) -> Response<Body> {
    let mut answer = Response::new(Body::from(body.to_string()));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    let media = if status < 300 { "application/json" } else { "application/problem+json" };
    headers.insert("content-type", axum::http::HeaderValue::from_static(media));
    // One connection a request: a door that closes is felt by the next one.
    headers.insert("connection", axum::http::HeaderValue::from_static("close"));
    answer
}

/// An answer that never comes: the connection breaks.
fn broken() -> Response<Body> {
    let breaks = async { Err::<Infallible, _>(std::io::Error::from(std::io::ErrorKind::ConnectionAborted)) };
    let body =
        futures_util::stream::once(async move { breaks.await.map(|never| match never {}).map(|(): ()| Bytes::new()) });
    Response::new(Body::from_stream(body))
}

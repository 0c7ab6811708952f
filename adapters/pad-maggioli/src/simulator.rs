//! A stateful stand-in for the platform: its face over HTTP, both versions of the interface.
//!
//! What it holds and by which rules is in [`archive`]; here are the routes, the journal of updates
//! and the faults. `faults` is either a list of the usual rules, for the operations `authenticate`,
//! `list`, `detail`, `awards`, `update`, or an object in the simulator's own words:
//!
//! ```json
//! {
//!   "rules": [{ "operation": "update", "first": 1, "answer": "drop_after_effect" }],
//!   "shifts": { "every_pages": 2, "times": 3 },
//!   "token_requests": 5
//! }
//! ```
//!
//! `shifts` puts a new row before all the others after every so many pages; `token_requests` is how
//! many requests a token lives. There is no clock here.

mod archive;

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use contract::{RunningSimulator, SimulatorOptions};
use kit::Secret;
use kit::simulator::{Faults, Journal, Key, serve};
use serde::Deserialize;
use serde_json::{Value, json};

use archive::{Archive, Effect, Filter, List, No};

/// Starts the simulator; the journal of a state folder is replayed first.
#[expect(clippy::needless_pass_by_value, reason = "the signature is that of every factory")]
pub(crate) fn simulate(options: SimulatorOptions) -> std::io::Result<RunningSimulator> {
    let (journal, remembered) = Journal::open(options.state.as_deref())?;
    let mut archive = Archive::sample()?;
    for effect in remembered {
        archive.apply(effect);
    }
    let words = Words::of(options.faults.as_ref())?;
    let key = Key::open(options.state.as_deref())?;
    let key_file = key.path().to_owned();
    let secret = Secret::from_file(&key_file).map_err(std::io::Error::other)?;
    let simulator = Arc::new(Simulator {
        state: Mutex::new(Platform { archive, journal, tokens: 0, requests: 0, pages: 0, shifted: 0 }),
        faults: Faults::from_json(words.rules.as_ref())?,
        shifts: words.shifts,
        token_requests: words.token_requests,
        secret,
        _key: key,
    });
    let first = Router::new()
        .route("/authenticate", post(authenticate))
        .route("/getElencoBandi/{page}/{size}", get(bandi))
        .route("/getElencoEsiti/{page}/{size}", get(esiti))
        .route("/getElencoAvvisi/{page}/{size}", get(avvisi))
        .route("/trasp/getElencoDati/{page}/{size}", get(dati))
        .route("/trasp/getElencoContrattiEsteso/{page}/{size}", get(contratti))
        .route("/getDettaglioEsito/{*reference}", get(dettaglio_esito))
        .route("/trasp/getDettaglioContrattoEsteso/{*reference}", get(dettaglio_contratto));
    // The second version has all the operations of the first.
    let second =
        first.clone().route("/getDatiAggiudicazione", get(aggiudicazioni)).route("/updateDatiCig", post(update));
    let router = Router::new()
        .nest("/v1.0", first)
        .nest("/v1.1", second)
        .route("/simulatore/contratti", post(add))
        .with_state(simulator);
    serve(&options, router, |address| {
        json!({
            "base_url": format!("http://{address}"), "username_file": key_file, "password_file": key_file,
            "client_key_file": key_file, "client_id_file": key_file,
        })
    })
}

/// The faults, in the simulator's own words.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    rules: Option<Value>,
    shifts: Option<Shifts>,
    token_requests: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shifts {
    every_pages: u64,
    times: u64,
}

impl Words {
    fn of(faults: Option<&Value>) -> std::io::Result<Self> {
        match faults {
            Some(Value::Object(_)) => Self::deserialize(faults.unwrap_or(&Value::Null)).map_err(std::io::Error::other),
            rules => Ok(Self { rules: rules.cloned(), ..Self::default() }),
        }
    }
}

struct Simulator {
    state: Mutex<Platform>,
    faults: Faults,
    shifts: Option<Shifts>,
    token_requests: Option<u64>,
    /// One word for the four credentials.
    secret: Secret,
    _key: Key,
}

struct Platform {
    archive: Archive,
    journal: Journal<Effect>,
    /// Tokens given so far: the last one is good.
    tokens: u64,
    /// Requests made with it.
    requests: u64,
    /// Pages served so far.
    pages: u64,
    /// Rows put before the others so far.
    shifted: u64,
}

type Shared = State<Arc<Simulator>>;
type Answer = Response<Body>;

impl Simulator {
    fn with<T>(&self, act: impl FnOnce(&mut Platform) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the token of a request is the good one and has not ended.
    fn admits(&self, headers: &HeaderMap) -> bool {
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        self.with(|platform| {
            platform.requests += 1;
            let lives = self.token_requests.is_none_or(|most| platform.requests <= most);
            let good = format!("Bearer gettone-{}", platform.tokens);
            platform.tokens > 0 && lives && sent == Some(good.as_str())
        })
    }

    /// Runs an operation behind the gate: the token first, then the faults on request.
    async fn guarded(&self, operation: &str, headers: &HeaderMap, answer: impl AsyncFnOnce() -> Answer) -> Answer {
        if !self.admits(headers) {
            return refuse(StatusCode::UNAUTHORIZED, "Token non valido");
        }
        self.faults.around(operation, answer()).await
    }

    /// A page of a list.
    async fn list(&self, list: List, path: PagePath, headers: &HeaderMap, filter: Filter) -> Answer {
        let listed = async || {
            let Path((page, size)) = path;
            let answer = self.with(|platform| {
                let answer = platform.archive.page(list, page, size, &filter);
                platform.pages += 1;
                if let Some(shifts) = &self.shifts
                    && platform.shifted < shifts.times
                    && platform.pages.is_multiple_of(shifts.every_pages.max(1))
                {
                    platform.shifted += 1;
                    platform.archive.shift(platform.shifted);
                }
                answer
            });
            answered(answer)
        };
        self.guarded("list", headers, listed).await
    }
}

fn answered(answer: Result<Value, No>) -> Answer {
    match answer {
        Ok(value) => Json(value).into_response(),
        Err(No::Absent) => StatusCode::NOT_FOUND.into_response(),
        Err(No::Invalid(message)) => refuse(StatusCode::BAD_REQUEST, &message),
        Err(No::Unknown(message)) => refuse(StatusCode::NOT_FOUND, &message),
        Err(No::Failed) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
    }
}

/// The platform writes a null where it has no details.
fn refuse(status: StatusCode, message: &str) -> Answer {
    (status, Json(json!({"message": message, "details": null}))).into_response()
}

async fn authenticate(State(simulator): Shared, headers: HeaderMap) -> Answer {
    let known = async || {
        let words = ["username", "password", "clientKey", "clientId"].map(|name| headers.get(name));
        let expected = simulator.secret.expose();
        if words.iter().any(Option::is_none) {
            return refuse(StatusCode::BAD_REQUEST, "Error on request");
        }
        if words.iter().flatten().any(|word| word.to_str().ok() != Some(expected)) {
            return refuse(StatusCode::UNAUTHORIZED, "Utente non valido");
        }
        let token = simulator.with(|platform| {
            platform.tokens += 1;
            platform.requests = 0;
            format!("gettone-{}", platform.tokens)
        });
        Json(json!({"jwttoken": token})).into_response()
    };
    simulator.faults.around("authenticate", known()).await
}

type PagePath = Path<(usize, usize)>;

async fn bandi(State(simulator): Shared, path: PagePath, query: Query<Filter>, headers: HeaderMap) -> Answer {
    simulator.list(List::Bandi, path, &headers, query.0).await
}

async fn esiti(State(simulator): Shared, path: PagePath, query: Query<Filter>, headers: HeaderMap) -> Answer {
    simulator.list(List::Esiti, path, &headers, query.0).await
}

async fn avvisi(State(simulator): Shared, path: PagePath, query: Query<Filter>, headers: HeaderMap) -> Answer {
    simulator.list(List::Avvisi, path, &headers, query.0).await
}

async fn dati(State(simulator): Shared, path: PagePath, query: Query<Filter>, headers: HeaderMap) -> Answer {
    simulator.list(List::Dati, path, &headers, query.0).await
}

async fn contratti(State(simulator): Shared, path: PagePath, query: Query<Filter>, headers: HeaderMap) -> Answer {
    simulator.list(List::Contratti, path, &headers, query.0).await
}

async fn dettaglio_esito(State(simulator): Shared, Path(reference): Path<String>, headers: HeaderMap) -> Answer {
    let found = async || answered(simulator.with(|platform| platform.archive.result(&reference)));
    simulator.guarded("detail", &headers, found).await
}

async fn dettaglio_contratto(State(simulator): Shared, Path(reference): Path<String>, headers: HeaderMap) -> Answer {
    let found = async || answered(simulator.with(|platform| platform.archive.contract(&reference)));
    simulator.guarded("detail", &headers, found).await
}

async fn aggiudicazioni(State(simulator): Shared, Query(filter): Query<Filter>, headers: HeaderMap) -> Answer {
    let found = async || answered(simulator.with(|platform| platform.archive.awards(filter.cig.as_deref())));
    simulator.guarded("awards", &headers, found).await
}

async fn update(State(simulator): Shared, Query(asked): Query<archive::Update>, headers: HeaderMap) -> Answer {
    let updated = async || {
        let done = simulator.with(|platform| {
            let effect = platform.archive.update(&asked)?;
            platform.journal.append(&effect).map_err(|_| No::Failed)?;
            platform.archive.apply(effect);
            Ok(())
        });
        match done {
            // The contract answers nothing more than this.
            Ok(()) => StatusCode::OK.into_response(),
            Err(no) => answered(Err(no)),
        }
    };
    simulator.guarded("update", &headers, updated).await
}

/// Of the simulator only: a contract that an officer of the body awards.
async fn add(State(simulator): Shared, headers: HeaderMap, Json(contract): Json<archive::NewContract>) -> Answer {
    let added = async || {
        let done = simulator.with(|platform| {
            let effect = Effect::Contratto(contract);
            platform.journal.append(&effect).map_err(|_| No::Failed)?;
            platform.archive.apply(effect);
            Ok(json!({}))
        });
        answered(done)
    };
    simulator.guarded("add", &headers, added).await
}

#[cfg(test)]
mod tests;

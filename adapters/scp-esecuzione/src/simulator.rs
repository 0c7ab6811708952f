//! A stateful stand-in for the platform: its face over HTTP (contract v0, ASSUMED).
//!
//! The rules are in [`platform`]; here are the routes, the quirks of the answers, the journal and
//! the faults. Operations for faults: `submit`, `look_up`, `state`, `inventory`, `list_cig`,
//! `list_schede`. A draft advances by one state each time somebody asks where it stands; among the
//! faults, `{"bozza": "SA1", "esito": "scartata"}` plans another end for some (`ferma`: it stays).
//! Time is a minute for each change, or what the person who advances a draft says: there is no
//! clock here.

mod platform;
mod legacy;
mod archive;

use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post, put};
use contract::{RunningSimulator, SimulatorOptions};
use kit::simulator::{Faults, Journal, Key, serve};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::wire::{BozzaAccolta, BozzaInviata, Errore, Esito, PaginaBozze};
use platform::{Effect, No, Plan, Platform};

/// Starts the simulator; the journal of a state folder is replayed first.
#[expect(clippy::needless_pass_by_value, reason = "the signature is that of every factory")]
pub(crate) fn simulate(options: SimulatorOptions) -> std::io::Result<RunningSimulator> {
    let (journal, remembered) = Journal::open(options.state.as_deref())?;
    let mut platform = Platform::default();
    for effect in remembered {
        platform.apply(effect);
    }
    let (plans, faults) = plans(options.faults.as_ref())?;
    platform.plans = plans;
    let key = Key::open(options.state.as_deref())?;
    let key_file = key.path().to_owned();
    let simulator = Arc::new(Simulator {
        state: Mutex::new((platform, journal)),
        faults: Faults::from_json(faults.as_ref())?,
        key,
    });
    let router = Router::new()
        .route("/bozze/{cig}/{award}/{phase}/{progressive}", put(submit).get(look_up))
        .route("/bozze/{id}", get(state))
        .route("/bozze", get(inventory))
        .route("/gestioneContratti/getListaCig", get(list_cig))
        .route("/gestioneContratti/getJsonListaSchede", get(list_schede))
        .route("/simulatore/avanza", post(advance))
        .route("/simulatore/gare", post(assign))
        .with_state(simulator);
    serve(&options, router, |address| json!({"base_url": format!("http://{address}"), "key_file": key_file}))
}

/// The ends planned for some drafts, and the other faults.
fn plans(faults: Option<&Value>) -> std::io::Result<(Vec<Plan>, Option<Value>)> {
    let Some(Value::Array(rules)) = faults else { return Ok((Vec::new(), faults.cloned())) };
    let (plans, faults): (Vec<_>, Vec<_>) = rules.iter().cloned().partition(|rule| rule.get("bozza").is_some());
    let plans = plans.into_iter().map(serde_json::from_value).collect::<Result<_, _>>();
    Ok((
        plans.map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidInput, error))?,
        Some(Value::Array(faults)),
    ))
}

struct Simulator {
    state: Mutex<(Platform, Journal<Effect>)>,
    faults: Faults,
    key: Key,
}

type Shared = State<Arc<Simulator>>;
type Answer = Response<Body>;

impl Simulator {
    /// Answers a question to the platform. Nothing is awaited while the state is held, so a client
    /// that leaves never leaves half an effect.
    fn ask<T>(&self, question: impl FnOnce(&Platform) -> T) -> T {
        question(&self.state.lock().unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Decides and, when there is an effect, writes it down before it is had.
    fn decide<T>(&self, decision: impl FnOnce(&Platform) -> Result<(T, Option<Effect>), No>) -> Result<T, No> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (answer, effect) = decision(&state.0)?;
        if let Some(effect) = effect {
            state.1.append(&effect).map_err(|_| No::because("ERRORE_INTERNO"))?;
            state.0.apply(effect);
        }
        Ok(answer)
    }

    /// Runs an operation behind the gateway: the key first, then the faults on request.
    async fn guarded(&self, operation: &str, headers: &HeaderMap, answer: impl AsyncFnOnce() -> Answer) -> Answer {
        if !self.key.admits(headers) {
            return (StatusCode::UNAUTHORIZED, Json(Errore::of(&No::because("NON_AUTORIZZATO")))).into_response();
        }
        self.faults.around(operation, answer()).await
    }
}

impl Errore {
    fn of(no: &No) -> Self {
        Self { esito: false, error_data: no.code.to_owned(), esiti: no.esiti.clone() }
    }
}

/// The quirk of the original: status 500 for every failure. Only a newer draft has its own status.
fn answer<T: Serialize>(result: Result<(StatusCode, T), No>) -> Answer {
    match result {
        Ok((status, data)) => (status, Json(data)).into_response(),
        Err(no) if no.code == platform::NEWER => (StatusCode::CONFLICT, Json(Errore::of(&no))).into_response(),
        Err(no) => (StatusCode::INTERNAL_SERVER_ERROR, Json(Errore::of(&no))).into_response(),
    }
}

type KeyPath = Path<(String, String, String, String)>;

fn key_text(Path((cig, award, phase, progressive)): KeyPath) -> String {
    format!("{cig}/{award}/{phase}/{progressive}")
}

async fn submit(State(simulator): Shared, path: KeyPath, headers: HeaderMap, body: Bytes) -> Answer {
    let submitted = async || {
        let header = headers.get("idempotency-key").and_then(|value| value.to_str().ok());
        let result = simulator.decide(|platform| {
            let idempotency_key = header.ok_or(No::because("BOZZA_NON_VALIDA"))?;
            let draft: BozzaInviata = serde_json::from_slice(&body).map_err(|_| No::because("BOZZA_NON_VALIDA"))?;
            let (is_new, accolta, effect) = platform.submit(&key_text(path), idempotency_key, &body, draft)?;
            let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
            Ok(((status, accolta), effect))
        });
        answer(result)
    };
    simulator.guarded("submit", &headers, submitted).await
}

async fn look_up(State(simulator): Shared, path: KeyPath, headers: HeaderMap) -> Answer {
    let found = async || {
        let draft = simulator.ask(|platform| platform.draft(&key_text(path)));
        answer(draft.map(|draft| (StatusCode::OK, draft)))
    };
    simulator.guarded("look_up", &headers, found).await
}

async fn state(State(simulator): Shared, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let found = async || {
        let stepped = simulator.decide(|platform| Ok(((), platform.step(&id))));
        let accolta = stepped.and_then(|()| simulator.ask(|platform| platform.state(&id)));
        answer(accolta.map(|accolta: BozzaAccolta| (StatusCode::OK, accolta)))
    };
    simulator.guarded("state", &headers, found).await
}

#[derive(Deserialize)]
struct PageQuery {
    dopo: Option<String>,
    limite: Option<usize>,
}

async fn inventory(State(simulator): Shared, Query(query): Query<PageQuery>, headers: HeaderMap) -> Answer {
    let listed = async || {
        let limit = query.limite.unwrap_or(500).clamp(1, 1000);
        let page: PaginaBozze = simulator.ask(|platform| platform.page(query.dopo.as_deref(), limit));
        answer(Ok((StatusCode::OK, page)))
    };
    simulator.guarded("inventory", &headers, listed).await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WindowQuery {
    data_da: Option<String>,
    data_a: Option<String>,
}

async fn list_cig(State(simulator): Shared, Query(query): Query<WindowQuery>, headers: HeaderMap) -> Answer {
    let listed = async || {
        // The quirk of the original: with one bound missing the filter is silently ignored.
        let window = query.data_da.as_deref().zip(query.data_a.as_deref());
        answer(simulator.ask(|platform| legacy::list_cig(platform, window)).map(|data| (StatusCode::OK, data)))
    };
    simulator.guarded("list_cig", &headers, listed).await
}

#[derive(Deserialize)]
struct CigQuery {
    cig: Option<String>,
}

async fn list_schede(State(simulator): Shared, Query(query): Query<CigQuery>, headers: HeaderMap) -> Answer {
    let listed = async || {
        let cig = query.cig.as_deref().unwrap_or_default();
        answer(simulator.ask(|platform| legacy::list_schede(platform, cig)).map(|data| (StatusCode::OK, data)))
    };
    simulator.guarded("list_schede", &headers, listed).await
}

/// Of the simulator only: the person's part. Without `stato`, one step forward.
#[derive(Deserialize)]
struct Advance {
    chiave: String,
    il: String,
    stato: Option<String>,
}

async fn advance(State(simulator): Shared, headers: HeaderMap, Json(step): Json<Advance>) -> Answer {
    let advanced = async || {
        let result = simulator.decide(|platform| {
            let effect = platform.advance(&step.chiave, step.stato.as_deref(), &step.il)?;
            Ok((effect.clone(), Some(effect)))
        });
        answer(result.map(|effect| (StatusCode::OK, effect)))
    };
    simulator.guarded("advance", &headers, advanced).await
}

/// Of the simulator only: puts an award of a CIG into a tender.
#[derive(Deserialize)]
struct Assign {
    cig: String,
    award: u32,
    gara: String,
}

async fn assign(State(simulator): Shared, headers: HeaderMap, Json(assign): Json<Assign>) -> Answer {
    let assigned = async || {
        let effect = Effect::Gara { lane: format!("{}/{}", assign.cig, assign.award), gara: assign.gara };
        let result = simulator.decide(|_| Ok(((StatusCode::OK, effect.clone()), Some(effect))));
        answer(result)
    };
    simulator.guarded("assign", &headers, assigned).await
}

impl Esito {
    fn error(codice: &str, campo: Option<&str>, messaggio: &str) -> Self {
        Self {
            codice: codice.to_owned(),
            tipo: "errore".to_owned(),
            messaggio: messaggio.to_owned(),
            campo: campo.map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests;

//! A stand-in for the HUB: the whole contract v0, as strict as it is written.
//!
//! It knows the qualifications of two Provinces and publishes two resources of its own
//! (`simulator/campione.json`, written by us). What is published to it is kept in a journal and shown in
//! its lists with its origin, as the real one would do for everybody.
//!
//! Operations for faults: `qualificazioni`, `risorse`, `pubblica`, `leggi`, `elenca`.

mod store;

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use axum::routing::get;
use contract::{RunningSimulator, SimulatorOptions};
use kit::simulator::{Faults, Key, problem, serve};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::LONGEST_PAGE;
use crate::wire::{PUBBLICATA, PaginaPubblicazioni, Ricevuta};
use store::{Objection, Store};

struct Simulator {
    key: Key,
    faults: Faults,
    store: Mutex<Store>,
}

type Shared = State<Arc<Simulator>>;

/// Starts the simulator.
pub(crate) fn start(options: &SimulatorOptions) -> std::io::Result<RunningSimulator> {
    let simulator = Arc::new(Simulator {
        key: Key::open(options.state.as_deref())?,
        faults: Faults::from_json(options.faults.as_ref())?,
        store: Mutex::new(Store::open(options.state.as_deref())?),
    });
    let key_file = simulator.key.path().to_owned();
    let router = Router::new()
        .route("/v0/qualificazioni", get(qualificazioni))
        .route("/v0/risorse", get(risorse))
        .route("/v0/pubblicazioni", get(list))
        .route("/v0/pubblicazioni/{*chiave}", get(held).put(publish))
        .layer(middleware::from_fn_with_state(simulator.clone(), authorized))
        .fallback(async || problem(StatusCode::NOT_FOUND, "percorso_sconosciuto", "Percorso sconosciuto", &[]))
        .with_state(simulator);
    serve(options, router, |address| json!({ "base_url": format!("http://{address}/v0"), "key_file": key_file }))
}

impl Simulator {
    fn store(&self) -> std::sync::MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn authorized(State(simulator): Shared, request: Request, next: Next) -> Response<Body> {
    if simulator.key.admits(request.headers()) {
        return next.run(request).await;
    }
    problem(StatusCode::UNAUTHORIZED, "non_autorizzato", "Chiave assente o non valida", &[])
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListQuery {
    codice_fiscale: Option<String>,
    data: Option<String>,
    dopo: Option<String>,
    limite: Option<String>,
}

impl ListQuery {
    fn limit(&self) -> Result<usize, Objection> {
        let limit = self.limite.as_deref().map_or(Some(LONGEST_PAGE), |text| text.parse().ok());
        let limit = limit.filter(|limit| (1..=LONGEST_PAGE).contains(limit));
        limit.map(usize::from).ok_or_else(|| Objection::bad_request("limite non è nei termini del contratto"))
    }
}

async fn qualificazioni(State(simulator): Shared, Query(query): Query<ListQuery>) -> Response<Body> {
    let answer = async {
        answer(query.limit().and_then(|limit| {
            let (ente, data) = (query.codice_fiscale.as_deref(), query.data.as_deref());
            let found = simulator.store().qualificazioni(ente, data)?;
            page("qualificazioni", found, query.dopo.as_deref(), limit)
        }))
    };
    simulator.faults.around("qualificazioni", answer).await
}

async fn risorse(State(simulator): Shared, Query(query): Query<ListQuery>) -> Response<Body> {
    let answer = async {
        answer(query.limit().and_then(|limit| {
            let found = simulator.store().risorse();
            page("risorse", found, query.dopo.as_deref(), limit)
        }))
    };
    simulator.faults.around("risorse", answer).await
}

/// The elements after a cursor, which is the number of the last change seen.
fn page(
    name: &str,
    found: Vec<(u64, Value)>,
    after: Option<&str>,
    limit: usize,
) -> Result<(StatusCode, Value), Objection> {
    let after: u64 = match after {
        None => 0,
        Some(cursor) => cursor.parse().map_err(|_| Objection::bad_request("dopo non è un cursore di questo elenco"))?,
    };
    let mut rest = found.into_iter().filter(|(number, _)| *number > after);
    let taken: Vec<_> = rest.by_ref().take(limit).collect();
    let cursore = taken.last().map_or(after, |(number, _)| *number).to_string();
    let elements: Vec<Value> = taken.into_iter().map(|(_, element)| element).collect();
    Ok((StatusCode::OK, json!({ name: elements, "cursore": cursore, "altri": rest.next().is_some() })))
}

async fn list(State(simulator): Shared, Query(query): Query<ListQuery>) -> Response<Body> {
    let answer = async {
        answer(query.limit().map(|limit| {
            let (pubblicazioni, has_more) = simulator.store().page(query.dopo.as_deref(), limit);
            let last = pubblicazioni.last().map(|one| one.chiave.clone());
            (StatusCode::OK, PaginaPubblicazioni { successiva: last.filter(|_| has_more), pubblicazioni })
        }))
    };
    simulator.faults.around("elenca", answer).await
}

async fn held(State(simulator): Shared, Path(chiave): Path<String>) -> Response<Body> {
    let answer = async {
        let held = simulator.store().get(&chiave);
        answer(held.map(|held| (StatusCode::OK, held)).ok_or_else(Objection::not_found))
    };
    simulator.faults.around("leggi", answer).await
}

async fn publish(
    State(simulator): Shared,
    Path(chiave): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let answer = async {
        let idempotency_key = headers.get("idempotency-key").and_then(|value| value.to_str().ok());
        // Nothing is awaited while the state is held, so a client that leaves interrupts nothing.
        let published = simulator.store().publish(&chiave, idempotency_key, &body);
        answer(published.map(|(id, revisione, is_new)| {
            let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
            (status, Ricevuta { id, stato: PUBBLICATA.to_owned(), revisione })
        }))
    };
    simulator.faults.around("pubblica", answer).await
}

fn answer<T: Serialize>(result: Result<(StatusCode, T), Objection>) -> Response<Body> {
    match result {
        Ok((status, data)) => {
            let body = serde_json::to_string(&data).unwrap_or_default();
            (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Err(objection) => problem(objection.status, objection.codice, &objection.messaggio, &objection.dettagli),
    }
}

#[cfg(test)]
mod tests;

//! A stand-in for both sides: the open data of a region, and the packages of contract v0 (ASSUMED).
//!
//! Operations for faults: `bandi`, `consegna`, `elenco`, `manifesto`, `righe`. It believes no number
//! that it can recompute, and takes no person.

mod store;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use contract::{RunningSimulator, SimulatorOptions};
use kit::simulator::{Faults, Key, problem, serve};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::wire::{Elenco, NDJSON, PackageKey};
use store::{Effect, Store};

/// The open data: small, published under CC0.
const BANDI: &str = include_str!("../../../schemas/samples/osservatorio_regionale/lombardia-bandi.json");
/// The resource under which they are found.
const RESOURCE: &str = "k6cb-4hbm";
/// The largest package that is taken.
const LARGEST_BODY: usize = 64 * 1024 * 1024;
/// The longest page of the list, and the usual one.
const LONGEST_PAGE: usize = 100;

struct Simulator {
    key: Key,
    faults: Faults,
    store: Mutex<Store>,
    bandi: Vec<Value>,
}

type Shared = State<Arc<Simulator>>;
type KeyPath = Path<(String, String)>;

/// Starts the simulator. Must be called inside a runtime.
pub(crate) fn start(options: &SimulatorOptions) -> io::Result<RunningSimulator> {
    let simulator = Arc::new(Simulator {
        key: Key::open(options.state.as_deref())?,
        faults: Faults::from_json(options.faults.as_ref())?,
        store: Mutex::new(Store::open(options.state.as_deref())?),
        bandi: serde_json::from_str(BANDI)?,
    });
    let key_file = simulator.key.path().to_owned();
    let router = Router::new()
        .route("/v0/pacchetti", get(list))
        .route("/v0/pacchetti/{ente}/{periodo}", get(manifest).put(deliver))
        .route("/v0/pacchetti/{ente}/{periodo}/righe", get(rows))
        .layer(middleware::from_fn_with_state(simulator.clone(), authorized))
        .route("/resource/{file}", get(bandi))
        .fallback(async || problem(StatusCode::NOT_FOUND, "percorso_sconosciuto", "Percorso sconosciuto", &[]))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(simulator);
    serve(options, router, |address| {
        let base_url = format!("http://{address}");
        json!({
            "base_url": base_url,
            "resource": RESOURCE,
            "packages": { "base_url": base_url, "key_file": key_file },
        })
    })
}

async fn authorized(State(simulator): Shared, request: Request, next: Next) -> Response<Body> {
    if simulator.key.admits(request.headers()) {
        return next.run(request).await;
    }
    problem(StatusCode::UNAUTHORIZED, "non_autorizzato", "Chiave assente o non valida", &[])
}

#[derive(Deserialize)]
struct PageQuery {
    #[serde(rename = "$limit")]
    limit: Option<usize>,
    #[serde(rename = "$offset")]
    offset: Option<usize>,
}

async fn bandi(State(simulator): Shared, Path(file): Path<String>, Query(query): Query<PageQuery>) -> Response<Body> {
    let page = async {
        if file.strip_suffix(".json") != Some(RESOURCE) {
            let error = json!({ "code": "dataset.missing", "error": true, "message": "Not found" });
            return (StatusCode::NOT_FOUND, Json(error)).into_response();
        }
        let rows = simulator.bandi.iter().skip(query.offset.unwrap_or(0)).take(query.limit.unwrap_or(1000));
        Json(rows.collect::<Vec<_>>()).into_response()
    };
    simulator.faults.around("bandi", page).await
}

async fn deliver(
    State(simulator): Shared,
    Path((ente, periodo)): KeyPath,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let idempotency_key = headers.get("idempotency-key").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let service = simulator.clone();
    let effect = async move {
        // On its own thread: a client that leaves does not interrupt it.
        let delivered = tokio::task::spawn_blocking(move || {
            let effect = Effect::of(&PackageKey { ente, periodo }, idempotency_key, &body)?;
            service.store().deliver(effect)
        });
        match delivered.await {
            Ok(Ok((taken, is_new))) => {
                let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
                (status, Json(taken)).into_response()
            }
            Ok(Err(objection)) => objection.into_response(),
            Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "errore_interno", "Errore interno", &[]),
        }
    };
    simulator.faults.around("consegna", effect).await
}

#[derive(Deserialize)]
struct ListQuery {
    dopo: Option<String>,
    limite: Option<usize>,
}

async fn list(State(simulator): Shared, Query(query): Query<ListQuery>) -> Response<Body> {
    let effect = async {
        let limit = query.limite.unwrap_or(LONGEST_PAGE);
        if !(1..=LONGEST_PAGE).contains(&limit) {
            let message = "limite deve stare fra 1 e 100";
            return problem(StatusCode::BAD_REQUEST, "richiesta_non_valida", message, &[]);
        }
        let (elementi, has_more) = simulator.store().page(query.dopo.as_deref(), limit);
        let last = elementi.last().map(|manifesto| manifesto.key().to_string());
        Json(Elenco { elementi, successivo: last.filter(|_| has_more) }).into_response()
    };
    simulator.faults.around("elenco", effect).await
}

async fn manifest(State(simulator): Shared, path: KeyPath) -> Response<Body> {
    let effect = async {
        match simulator.package(path) {
            Some(held) => Json(held.package.manifesto).into_response(),
            None => not_found(),
        }
    };
    simulator.faults.around("manifesto", effect).await
}

async fn rows(State(simulator): Shared, path: KeyPath) -> Response<Body> {
    let effect = async {
        match simulator.package(path) {
            Some(held) => ([(header::CONTENT_TYPE, NDJSON)], held.package.contenuto).into_response(),
            None => not_found(),
        }
    };
    simulator.faults.around("righe", effect).await
}

impl Simulator {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn package(&self, Path((ente, periodo)): KeyPath) -> Option<Effect> {
        self.store().get(&PackageKey { ente, periodo }).cloned()
    }
}

fn not_found() -> Response<Body> {
    problem(StatusCode::NOT_FOUND, "non_trovato", "Nessun pacchetto con questa chiave", &[])
}

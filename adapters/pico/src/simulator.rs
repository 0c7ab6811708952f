//! A stand-in for Pi.Co.: the whole contract v0, as strict as it is written.
//!
//! It remembers its packages in a journal and has an effect only when something changes. It reads
//! what it is sent for itself and believes no number that it can recompute.

mod checks;
mod store;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use axum::routing::{get, put};
use contract::{RunningSimulator, SimulatorOptions};
use kit::simulator::{Faults, Key, problem, serve};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::wire::{Elenco, NDJSON_FILE, PUBBLICATO, PackageKey, Pubblicato, Pubblicazione};
use checks::Objection;
use store::{Effect, Store};

/// The largest package that is taken.
const LARGEST_BODY: usize = 64 * 1024 * 1024;
/// The longest page of the list, and the usual one.
const LONGEST_PAGE: usize = 100;

struct Simulator {
    key: Key,
    faults: Faults,
    store: Mutex<Store>,
}

type Shared = State<Arc<Simulator>>;
type PackagePath = Path<(String, String, String)>;

/// Starts the simulator. Must be called inside a runtime. Operations that can be made to fail:
/// `pubblica`, `elenco`, `manifesto`, `righe`.
pub(crate) fn start(options: &SimulatorOptions) -> io::Result<RunningSimulator> {
    let simulator = Arc::new(Simulator {
        key: Key::open(options.state.as_deref())?,
        faults: Faults::from_json(options.faults.as_ref())?,
        store: Mutex::new(Store::open(options.state.as_deref())?),
    });
    let key_file = simulator.key.path().to_owned();
    let router = Router::new()
        .route("/v0/pacchetti", get(list))
        .route("/v0/pacchetti/{ente}/{dataset}/{periodo}", get(manifest))
        .route("/v0/pacchetti/{ente}/{dataset}/{periodo}/righe", get(rows))
        .route("/v0/pacchetti/{ente}/{dataset}/{periodo}/{versione}", put(publish))
        .layer(middleware::from_fn_with_state(simulator.clone(), authorized))
        .route("/v0/stato", get(status))
        .fallback(async || problem(StatusCode::NOT_FOUND, "percorso_sconosciuto", "Percorso sconosciuto", &[]))
        .method_not_allowed_fallback(async || {
            problem(StatusCode::METHOD_NOT_ALLOWED, "metodo_non_ammesso", "Metodo non ammesso", &[])
        })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(simulator);
    serve(options, router, |address| json!({ "base_url": format!("http://{address}"), "key_file": key_file }))
}

async fn authorized(State(simulator): Shared, request: Request, next: Next) -> Response<Body> {
    if simulator.key.admits(request.headers()) {
        return next.run(request).await;
    }
    let mut refusal = problem(StatusCode::UNAUTHORIZED, "non_autorizzato", "Chiave assente o non valida", &[]);
    refusal.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    refusal
}

async fn publish(
    State(simulator): Shared,
    Path((ente, dataset, periodo, versione)): Path<(String, String, String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response<Body> {
    let service = simulator.clone();
    let key = PackageKey { ente, dataset, periodo };
    let idempotency_key = headers.get("idempotency-key").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let effect = async move {
        let Ok(body) = body else {
            return problem(StatusCode::PAYLOAD_TOO_LARGE, "troppo_grande", "Pacchetto troppo grande", &[]);
        };
        // On its own thread: a client that leaves does not interrupt it.
        let published = tokio::task::spawn_blocking(move || {
            let effect = checks::effect(&key, &versione, idempotency_key, &body)?;
            service.store().publish(effect)
        });
        match published.await {
            Ok(Ok((effect, is_new))) => {
                let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
                let id = effect.id();
                json_answer(status, &Pubblicazione { id, stato: PUBBLICATO.to_owned(), versione: effect.versione })
            }
            Ok(Err(objection)) => objection.into_response(),
            Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "errore_interno", "Errore interno", &[]),
        }
    };
    simulator.faults.around("pubblica", effect).await
}

#[derive(Deserialize)]
struct ListQuery {
    dopo: Option<String>,
    limite: Option<String>,
}

async fn list(State(simulator): Shared, Query(query): Query<ListQuery>) -> Response<Body> {
    let effect = async {
        let limit = query.limite.map_or(Some(LONGEST_PAGE), |limite| limite.parse().ok());
        let Some(limit) = limit.filter(|limit| (1..=LONGEST_PAGE).contains(limit)) else {
            return Objection::bad_request("limite deve stare fra 1 e 100").into_response();
        };
        let (elementi, has_more) = simulator.store().page(query.dopo.as_deref(), limit);
        let last = elementi.last().map(|elemento| elemento.key().to_string());
        json_answer(StatusCode::OK, &Elenco { elementi, successivo: last.filter(|_| has_more) })
    };
    simulator.faults.around("elenco", effect).await
}

async fn manifest(State(simulator): Shared, path: PackagePath) -> Response<Body> {
    let effect = async {
        let Some(effect) = simulator.package(path) else { return not_found() };
        let id = effect.id();
        json_answer(StatusCode::OK, &Pubblicato { id, stato: PUBBLICATO.to_owned(), manifesto: effect.manifesto })
    };
    simulator.faults.around("manifesto", effect).await
}

async fn rows(State(simulator): Shared, path: PackagePath) -> Response<Body> {
    let effect = async {
        let Some(effect) = simulator.package(path) else { return not_found() };
        ([(header::CONTENT_TYPE, NDJSON_FILE.1)], effect.contenuto).into_response()
    };
    simulator.faults.around("righe", effect).await
}

async fn status() -> Response<Body> {
    let body = json!({ "type": "about:blank", "title": "OK", "status": 200 }).to_string();
    ([(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
}

impl Simulator {
    fn store(&self) -> std::sync::MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn package(&self, Path((ente, dataset, periodo)): PackagePath) -> Option<Effect> {
        self.store().get(&PackageKey { ente, dataset, periodo }).cloned()
    }
}

fn not_found() -> Response<Body> {
    problem(StatusCode::NOT_FOUND, "non_trovato", "Nessun pacchetto con questa chiave", &[])
}

fn json_answer(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    (status, axum::Json(body)).into_response()
}

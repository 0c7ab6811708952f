//! A stand-in for Pi.Co.: the whole contract v0, as strict as it is written.
//!
//! It remembers what it takes in a journal and has an effect only when something changes. It reads
//! what it is sent for itself and believes no number that it can recompute. Its help desk moves a
//! report one step forward each time somebody asks where it stands.

mod checks;
mod requests;
mod settings;
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
use kit::simulator::{Key, problem, serve};
use serde::Serialize;
use serde_json::json;

use crate::unit::{Collection, Unit};
use crate::wire::{Elenco, NDJSON_TYPE, NON_TROVATO, PaginaRisorse, Pubblicato};
use checks::Objection;
use requests::{ListQuery, Sent};
use settings::Behaviour;
use store::{Held, Store};

/// The largest body that is taken.
const LARGEST_BODY: usize = 64 * 1024 * 1024;

struct Simulator {
    key: Key,
    behaviour: Behaviour,
    store: Mutex<Store>,
}

type Shared = State<Arc<Simulator>>;
type PackagePath = Path<(String, String, String)>;

/// Starts the simulator. Must be called inside a runtime. Operations that can be made to fail:
/// `pubblica`, `elenco`, `manifesto`, `righe`, `esito`, `risorse`; what else can be asked of it
/// stands in [`Behaviour`].
pub(crate) fn start(options: &SimulatorOptions) -> io::Result<RunningSimulator> {
    let simulator = Arc::new(Simulator {
        key: Key::open(options.state.as_deref())?,
        behaviour: Behaviour::from_json(options.faults.as_ref())?,
        store: Mutex::new(Store::open(options.state.as_deref())?),
    });
    let key_file = simulator.key.path().to_owned();
    let router = Router::new()
        .route("/v0/pacchetti", get(async |state: Shared, query| list(state, None, query).await))
        .route("/v0/pacchetti/{ente}/{dataset}/{periodo}", get(manifest))
        .route("/v0/pacchetti/{ente}/{dataset}/{periodo}/righe", get(rows))
        .route("/v0/pacchetti/{ente}/{dataset}/{periodo}/{versione}", put(publish_package))
        .route("/v0/vetrina", get(async |state: Shared, query| list(state, Some(Collection::Risorse), query).await))
        .route("/v0/vetrina/{origine}/{id}", get(resource))
        .route("/v0/vetrina/{origine}/{id}/{versione}", put(publish_resource))
        .route(
            "/v0/segnalazioni",
            get(async |state: Shared, query| list(state, Some(Collection::Segnalazioni), query).await),
        )
        .route("/v0/segnalazioni/{id}", get(report))
        .route("/v0/segnalazioni/{id}/esito", get(outcome))
        .route("/v0/segnalazioni/{id}/{versione}", put(publish_report))
        .route("/v0/risorse", get(own_resources))
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

async fn publish_package(
    state: Shared,
    Path((ente, dataset, periodo, versione)): Path<(String, String, String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response<Body> {
    publish(state, Unit::parse(&format!("{ente}/{dataset}/{periodo}")), versione, &headers, body).await
}

async fn publish_resource(
    state: Shared,
    Path((origine, id, versione)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response<Body> {
    publish(state, Unit::sheet(Collection::Risorse, &[&origine, &id]), versione, &headers, body).await
}

async fn publish_report(
    state: Shared,
    Path((id, versione)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response<Body> {
    publish(state, Unit::sheet(Collection::Segnalazioni, &[&id]), versione, &headers, body).await
}

async fn publish(
    State(simulator): Shared,
    unit: Option<Unit>,
    versione: String,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response<Body> {
    let service = simulator.clone();
    let idempotency_key = headers.get("idempotency-key").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let effect = async move {
        let Ok(body) = body else {
            return problem(StatusCode::PAYLOAD_TOO_LARGE, "troppo_grande", "Pacchetto troppo grande", &[]);
        };
        // On its own thread: a client that leaves does not interrupt it.
        let published = tokio::task::spawn_blocking(move || {
            let sent = Sent { unit, versione, idempotency_key, body };
            let held = checks::held(sent, &service.behaviour)?;
            let (held, is_new) = service.store().publish(held)?;
            Ok((service.behaviour.answer(&held), is_new))
        });
        match published.await {
            Ok(Ok((answer, true))) => json_answer(StatusCode::CREATED, &answer),
            Ok(Ok((answer, false))) => json_answer(StatusCode::OK, &answer),
            Ok(Err(objection)) => Objection::into_response(objection),
            Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "errore_interno", "Errore interno", &[]),
        }
    };
    simulator.behaviour.faults.around("pubblica", effect).await
}

async fn list(
    State(simulator): Shared,
    collection: Option<Collection>,
    Query(query): Query<ListQuery>,
) -> Response<Body> {
    let effect = async {
        let Some(limit) = query.limit() else { return requests::bad_limit().into_response() };
        let store = simulator.store();
        let (held, has_more) = store.page(collection, query.dopo.as_deref(), limit);
        let successivo = held.last().map(|held| held.key.clone()).filter(|_| has_more);
        if collection.is_none() {
            let elementi: Vec<_> = held.into_iter().filter_map(Held::element).collect();
            return json_answer(StatusCode::OK, &Elenco { elementi, successivo });
        }
        let elementi: Vec<_> = held.into_iter().filter_map(Held::sheet).collect();
        json_answer(StatusCode::OK, &Elenco { elementi, successivo })
    };
    simulator.behaviour.faults.around("elenco", effect).await
}

async fn manifest(State(simulator): Shared, Path((ente, dataset, periodo)): PackagePath) -> Response<Body> {
    let effect = async {
        let store = simulator.store();
        let Some(held) = store.get(&format!("{ente}/{dataset}/{periodo}")) else { return not_found() };
        let Some(manifesto) = held.manifesto.clone() else { return not_found() };
        json_answer(StatusCode::OK, &Pubblicato { id: held.id(), stato: held.stato.clone(), manifesto })
    };
    simulator.behaviour.faults.around("manifesto", effect).await
}

async fn rows(State(simulator): Shared, Path((ente, dataset, periodo)): PackagePath) -> Response<Body> {
    let effect = async {
        let held = simulator.store().get(&format!("{ente}/{dataset}/{periodo}")).cloned();
        let Some(held) = held else { return not_found() };
        ([(header::CONTENT_TYPE, NDJSON_TYPE)], held.contenuto).into_response()
    };
    simulator.behaviour.faults.around("righe", effect).await
}

async fn resource(state: Shared, Path((origine, id)): Path<(String, String)>) -> Response<Body> {
    sheet(state, &format!("{}{origine}/{id}", Collection::Risorse.prefix())).await
}

async fn report(state: Shared, Path(id): Path<String>) -> Response<Body> {
    sheet(state, &format!("{}{id}", Collection::Segnalazioni.prefix())).await
}

async fn sheet(State(simulator): Shared, key: &str) -> Response<Body> {
    let effect = async {
        let sheet = simulator.store().get(key).and_then(Held::sheet);
        sheet.map_or_else(not_found, |sheet| json_answer(StatusCode::OK, &sheet))
    };
    simulator.behaviour.faults.around("manifesto", effect).await
}

async fn outcome(State(simulator): Shared, Path(id): Path<String>) -> Response<Body> {
    let effect = async {
        let key = format!("{}{id}", Collection::Segnalazioni.prefix());
        let mut store = simulator.store();
        let Some(held) = store.get(&key) else { return not_found() };
        let next = simulator.behaviour.next_state(held);
        match store.advance(&key, next) {
            Ok(held) => json_answer(StatusCode::OK, &simulator.behaviour.answer(&held)),
            Err(objection) => objection.into_response(),
        }
    };
    simulator.behaviour.faults.around("esito", effect).await
}

async fn own_resources(State(simulator): Shared, Query(query): Query<ListQuery>) -> Response<Body> {
    let effect = async {
        let Some(limit) = query.limit() else { return requests::bad_limit().into_response() };
        let Some(after) = query.cursor() else {
            return Objection::bad_request("dopo deve essere un cursore ricevuto prima").into_response();
        };
        let all = &simulator.behaviour.risorse;
        let elementi: Vec<_> = all.iter().skip(after).take(limit).cloned().collect();
        let read = after + elementi.len();
        json_answer(StatusCode::OK, &PaginaRisorse { elementi, cursore: read.to_string(), altri: read < all.len() })
    };
    simulator.behaviour.faults.around("risorse", effect).await
}

async fn status() -> Response<Body> {
    let body = json!({ "type": "about:blank", "title": "OK", "status": 200 }).to_string();
    ([(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
}

impl Simulator {
    fn store(&self) -> std::sync::MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_found() -> Response<Body> {
    problem(StatusCode::NOT_FOUND, NON_TROVATO, "Niente con questa chiave", &[])
}

fn json_answer(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    (status, axum::Json(body)).into_response()
}

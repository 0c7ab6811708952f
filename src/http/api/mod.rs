//! The exchange API under `/api/v1`: what partners read of the ledger, and what they send.
//!
//! Read in this order: `caller` (who), `credentials` (how he proves it), `guard` and `limits` (what
//! stands before every operation), `call` (with what it begins), `messages` (what proves what is sent),
//! `records`, `export`, `intake`, `tasks`, `comparisons` (the operations), `problem`.
//! [`OPERATIONS`] is the one list of them; the published description is compared with it.

pub mod caller;
mod call;
mod comparisons;
pub mod credentials;
mod export;
mod guard;
mod intake;
mod limits;
pub mod messages;
pub(super) mod problem;
mod query;
mod records;
mod tasks;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, on};
use kit::pdnd::counted::Counter;

use self::caller::{Credentials, Role};
use self::comparisons::Comparisons;
use self::guard::Needs;
use self::limits::Limits;
use self::messages::Messages;
use self::problem::{Code, Problem};
use crate::clock::Clock;
use crate::config::ExchangeConfig;
use crate::flow::Flow;
use crate::flow::exchange::ocds::Publication;
use crate::storage::Store;

/// Under which everything but `/status` stands.
pub const PREFIX: &str = "/api/v1";
/// The description, as it is published.
pub const DOCUMENT: &str = include_str!("../../../schemas/api/v1/openapi.json");
/// The address in the description where ours is not known.
const EXAMPLE: &str = "https://scambio.provincia.example";

/// Every operation: method, path, what whoever calls must be allowed to do. None: anybody may.
pub const OPERATIONS: &[(&str, &str, Option<Role>)] = &[
    ("get", "/status", None),
    ("get", "/api/v1/status", None),
    ("get", "/api/v1/openapi.json", None),
    ("get", "/api/v1/changes", Some(Role::Read)),
    ("get", "/api/v1/records", Some(Role::Read)),
    ("get", "/api/v1/records/{record_id}", Some(Role::Read)),
    ("get", "/api/v1/records/{record_id}/versions", Some(Role::Read)),
    ("get", "/api/v1/exports/records.ndjson", Some(Role::Export)),
    ("get", "/api/v1/exports/records.csv", Some(Role::Export)),
    ("get", "/api/v1/ocds/release-packages", Some(Role::Export)),
    ("post", "/api/v1/export-tasks", Some(Role::Export)),
    ("get", "/api/v1/export-tasks/{task_id}", Some(Role::Export)),
    ("get", "/api/v1/export-tasks/{task_id}/result", Some(Role::Export)),
    ("post", "/api/v1/submissions", Some(Role::Contribute)),
    ("post", "/api/v1/comparisons", Some(Role::Read)),
    ("get", "/api/v1/comparisons/{comparison_id}", Some(Role::Read)),
    ("delete", "/api/v1/comparisons/{comparison_id}", Some(Role::Read)),
    ("post", "/api/v1/comparisons/{comparison_id}/messages", Some(Role::Read)),
    ("post", "/api/v1/comparisons/{comparison_id}/records", Some(Role::Read)),
];

/// What the operations work with.
pub struct Api {
    store: Arc<dyn Store>,
    flow: Flow,
    clock: Arc<dyn Clock>,
    credentials: Arc<dyn Credentials>,
    limits: Limits,
    comparisons: Comparisons,
    messages: Messages,
    /// Who counts the calls with vouchers, where somebody does.
    counter: Option<Arc<dyn Counter>>,
    publication: Option<Publication>,
    /// Where each partner may ask to be told, by name.
    callbacks: BTreeMap<String, String>,
    address: String,
    document: String,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Api {
    /// The API of a flow, for whom these credentials let in.
    pub fn new(flow: Flow, config: &ExchangeConfig, credentials: Arc<dyn Credentials>) -> Self {
        let address = address(config).to_owned();
        let publication = config.ocds.as_ref();
        Self {
            store: flow.store.clone(),
            clock: flow.clock.clone(),
            credentials,
            limits: Limits::default(),
            comparisons: Comparisons::default(),
            messages: Messages::none(flow.store.clone(), flow.clock.clone()),
            counter: None,
            publication: publication
                .map(|ocds| Publication { prefix: ocds.prefix.clone(), publisher: ocds.publisher.clone() }),
            callbacks: config
                .partners
                .iter()
                .filter_map(|(name, partner)| Some((name.clone(), partner.callback.as_ref()?.url.clone())))
                .collect(),
            document: DOCUMENT.replace(EXAMPLE, &address),
            address,
            flow,
        }
    }
}

impl Api {
    /// The same API, which verifies messages in this way.
    #[must_use]
    pub fn verifying(self, messages: Messages) -> Self {
        Self { messages, ..self }
    }

    /// The same API, whose calls with vouchers are counted by this one.
    #[must_use]
    pub fn counted_by(self, counter: Arc<dyn Counter>) -> Self {
        Self { counter: Some(counter), ..self }
    }
}

/// The address under which partners know the API.
pub fn address(config: &ExchangeConfig) -> &str {
    config.address.as_deref().unwrap_or(EXAMPLE)
}

/// The routes.
pub fn routes<S: Clone + Send + Sync + 'static>(api: Api) -> Router<S> {
    let api = Arc::new(api);
    let mut router = Router::new();
    let mut seen = BTreeSet::new();
    // Operations at one path ask for the same role.
    for (_, path, role) in OPERATIONS.iter().filter(|(_, path, _)| seen.insert(*path)) {
        let needs = Needs { api: Arc::clone(&api), role: *role };
        let operation = operation(path).fallback(|| async { Problem::from(Code::NoSuchMethod) });
        router = router.route(path, operation.layer(from_fn_with_state(needs, guard::guard)));
    }
    let stranger = Needs { api: Arc::clone(&api), role: None };
    let nothing = (|| async { Problem::from(Code::NotFound) }).layer(from_fn_with_state(stranger, guard::guard));
    router
        .route(PREFIX, axum::routing::any(nothing.clone()))
        .route("/api/v1/{*rest}", axum::routing::any(nothing))
        .with_state(api)
}

/// What is done at a path.
fn operation(path: &str) -> MethodRouter<Arc<Api>> {
    let get = MethodFilter::GET;
    match path {
        "/api/v1/openapi.json" => on(get, records::document),
        "/api/v1/changes" => on(get, records::changes),
        "/api/v1/records" => on(get, records::records),
        "/api/v1/records/{record_id}" => on(get, records::record),
        "/api/v1/records/{record_id}/versions" => on(get, records::versions),
        "/api/v1/exports/records.ndjson" => on(get, export::lines),
        "/api/v1/exports/records.csv" => on(get, export::table),
        "/api/v1/ocds/release-packages" => on(get, export::packages),
        "/api/v1/export-tasks" => on(MethodFilter::POST, tasks::ask),
        "/api/v1/export-tasks/{task_id}" => on(get, tasks::status),
        "/api/v1/export-tasks/{task_id}/result" => on(get, tasks::result),
        "/api/v1/submissions" => on(MethodFilter::POST, intake::submit),
        "/api/v1/comparisons" => on(MethodFilter::POST, comparisons::open),
        "/api/v1/comparisons/{comparison_id}" => on(get, comparisons::status).delete(comparisons::close),
        "/api/v1/comparisons/{comparison_id}/messages" => on(MethodFilter::POST, comparisons::message),
        "/api/v1/comparisons/{comparison_id}/records" => on(MethodFilter::POST, comparisons::records),
        _ => on(get, records::status),
    }
}

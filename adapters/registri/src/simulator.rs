//! A stand-in for the portals: the real tables at the usual paths, and faults on request.
//!
//! Nothing can be written there, so there is no state and no journal. The one operation for faults
//! is `download`; `html` is the page that such portals send in place of a table.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use contract::{RunningSimulator, SimulatorOptions};
use kit::simulator::{Faults, serve};
use serde_json::json;

macro_rules! documents {
    ($( $path:literal = $sample:literal; )+) => {
        &[ $( ($path, include_bytes!(concat!("../../../schemas/samples/", $sample))), )+ ]
    };
}

/// What the simulator serves.
pub(crate) const DOCUMENTS: &[(&str, &[u8])] = documents! {
    "province.csv" = "registry/province.csv";
    "comuni.csv" = "registry/comuni_istat_2026-08.csv";
    "ricodifica.csv" = "registry/comuni_sardegna_ricodifica.csv";
    "enti-ipa.csv" = "registry/enti_ipa_2020.csv";
};

/// Starts the simulator.
#[expect(clippy::needless_pass_by_value, reason = "the signature is that of every factory")]
pub(crate) fn simulate(options: SimulatorOptions) -> std::io::Result<RunningSimulator> {
    let faults = Arc::new(Faults::from_json(options.faults.as_ref())?);
    let router = Router::new().route("/{document}", get(download)).with_state(faults);
    serve(&options, router, |address| json!({"base_url": format!("http://{address}")}))
}

async fn download(State(faults): State<Arc<Faults>>, Path(document): Path<String>) -> Response<Body> {
    let found = DOCUMENTS.iter().find(|(path, _)| *path == document);
    let answer = async {
        match found {
            Some((_, bytes)) => ([(header::CONTENT_TYPE, "text/csv")], *bytes).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    };
    faults.around("download", answer).await
}

//! A stand-in for the portal: small published files, under paths like its own.
//!
//! The portal is read only, so there is nothing to remember. Operation for faults: `scarica`. The
//! fault `html` is the page of its firewall: status 200, "Request Rejected".

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use contract::{RunningSimulator, SimulatorOptions};
use kit::simulator::{FaultAnswer, Faults, serve};
use serde_json::json;

use crate::formats::SCHEDA;

macro_rules! sample {
    ($path:literal) => {
        include_bytes!(concat!("../../../schemas/samples/", $path))
    };
}

/// Dataset, file and content of what is published.
const PUBLISHED: &[(&str, &str, &[u8])] = &[
    ("cig-2023", "anac_cig_sample.csv", sample!("anac_opendata/anac_cig_sample.csv")),
    ("cup", "cup-cig-messina.csv", sample!("anac_opendata/cup-cig-messina.csv")),
    ("cig-messina", "anac-cig-messina.parte1.json", sample!("anac_opendata/anac-cig-messina.parte1.json")),
    ("cig-messina", "cig-918052266A.json", sample!("anac_opendata/cig-918052266A.json")),
    ("ocds", "anac-releases-12.json", sample!("ocds/anac-releases-12.json")),
    ("avvisi", "anac-pvl-avvisi.json", sample!("ocds/anac-pvl-avvisi.json")),
];

/// What the settings of the simulator read: the documents of a CIG, which say most. One source cannot
/// read all that is published here.
const READ: &str = "cig-messina";

const REJECTED: &str = "<html><head><title>Request Rejected</title></head><body>The requested URL was rejected. \
    Please consult with your administrator.</body></html>";

/// Starts the simulator. Must be called inside a runtime.
pub(crate) fn start(options: &SimulatorOptions) -> io::Result<RunningSimulator> {
    let faults = Arc::new(Faults::from_json(options.faults.as_ref())?);
    let router = Router::new()
        .route("/opendata/download/dataset/{dataset}/filesystem/{file}", get(download))
        .fallback(async || (StatusCode::NOT_FOUND, "not found"))
        .with_state(faults);
    let read = PUBLISHED.iter().filter(|(dataset, ..)| *dataset == READ);
    let paths: Vec<String> = read.map(|(dataset, file, _)| path(dataset, file)).collect();
    serve(
        options,
        router,
        |address| json!({ "base_url": format!("http://{address}/opendata"), "formats": [SCHEDA], "paths": paths }),
    )
}

fn path(dataset: &str, file: &str) -> String {
    format!("download/dataset/{dataset}/filesystem/{file}")
}

async fn download(State(faults): State<Arc<Faults>>, Path((dataset, file)): Path<(String, String)>) -> Response<Body> {
    match faults.next("scarica") {
        Some(fault) if fault.answer == FaultAnswer::Html => {
            return ([(header::CONTENT_TYPE, "text/html")], REJECTED).into_response();
        }
        Some(fault) => return fault.answer().await,
        None => {}
    }
    let found = PUBLISHED.iter().find(|(of, name, _)| (*of, *name) == (dataset.as_str(), file.as_str()));
    let Some((_, name, content)) = found else { return (StatusCode::NOT_FOUND, "not found").into_response() };
    let kind = if name.ends_with("csv") { "text/csv" } else { "application/json" };
    ([(header::CONTENT_TYPE, kind)], *content).into_response()
}

//! A stand-in for the portals: fixed tables at their paths, and faults on request.
//!
//! Nothing can be written there, so there is no state and no journal. The one operation for faults
//! is `download`; `html` is the page that such portals send in place of a table.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use contract::{RunningSimulator, SimulatorOptions};
use serde_json::json;

use crate::simulator::{Faults, serve};

/// What is served: the path of each document, and its bytes.
type Documents = &'static [(&'static str, &'static [u8])];

/// Starts a simulator that serves these documents.
pub fn simulate(documents: Documents, options: &SimulatorOptions) -> io::Result<RunningSimulator> {
    let faults = Arc::new(Faults::from_json(options.faults.as_ref())?);
    let router = Router::new().route("/{document}", get(download)).with_state((documents, faults));
    serve(options, router, |address| json!({"base_url": format!("http://{address}")}))
}

async fn download(
    State((documents, faults)): State<(Documents, Arc<Faults>)>,
    Path(document): Path<String>,
) -> Response<Body> {
    let found = documents.iter().find(|(path, _)| *path == document);
    let answer = async {
        match found {
            Some((_, bytes)) => ([(header::CONTENT_TYPE, "text/csv")], *bytes).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    };
    faults.around("download", answer).await
}

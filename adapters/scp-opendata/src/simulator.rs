//! A stand-in for the portal: the daily file, and the part of CKAN that the adapter asks for.
//!
//! It serves the eleven rows of `schemas/samples/scp`, and nothing changes it: what varies are the
//! faults on request, with the operations `csv` and `sql` (`html` is the portal's own habit).

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use contract::{RunningSimulator, SimulatorOptions};
use kit::simulator::{Faults, serve};
use serde_json::{Map, Value, json};

use crate::wire::colonna;

/// The rows.
const BANDI: &str = include_str!("../../../schemas/samples/scp/open-data/scp-bandi-messina.csv");

/// The identifier under which CKAN has them.
pub(crate) const RESOURCE_ID: &str = "e1d07a87-1866-4def-ae77-f1084eac88e6";

/// Starts the simulator. It has no state to remember.
#[expect(clippy::needless_pass_by_value, reason = "the signature is that of every factory")]
pub(crate) fn simulate(options: SimulatorOptions) -> std::io::Result<RunningSimulator> {
    let faults = Arc::new(Faults::from_json(options.faults.as_ref())?);
    let router = Router::new()
        .route("/bandi.csv", get(csv))
        .route("/api/3/action/datastore_search_sql", get(sql))
        .with_state(faults);
    serve(&options, router, |address| json!({"base_url": format!("http://{address}"), "csv_path": "bandi.csv"}))
}

async fn csv(State(faults): State<Arc<Faults>>) -> Response<Body> {
    let served = async || ([(header::CONTENT_TYPE, "text/csv")], BANDI).into_response();
    faults.around("csv", served()).await
}

async fn sql(State(faults): State<Arc<Faults>>, Query(query): Query<HashMap<String, String>>) -> Response<Body> {
    let served = async || {
        let sql = query.get("sql").map_or("", String::as_str);
        let Some(asked) = Asked::of(sql) else {
            let error = json!({"success": false, "error": {"__type": "Validation Error"}});
            return (StatusCode::CONFLICT, Json(error)).into_response();
        };
        if asked.resource_id != RESOURCE_ID {
            let error = json!({"success": false, "error": {"__type": "Not Found Error"}});
            return (StatusCode::NOT_FOUND, Json(error)).into_response();
        }
        let records: Vec<_> = rows().into_iter().filter(|row| asked.admits(row)).take(asked.limit).collect();
        Json(json!({"success": true, "result": {"sql": sql, "records": records, "fields": []}})).into_response()
    };
    faults.around("sql", served()).await
}

/// The rows as CKAN has them: numbered, empty cells as nulls.
fn rows() -> Vec<Map<String, Value>> {
    let mut reader = csv::Reader::from_reader(BANDI.as_bytes());
    let columns = reader.headers().cloned().unwrap_or_default();
    let row = |(number, record): (u64, csv::StringRecord)| {
        let value = |cell: &str| if cell.is_empty() { Value::Null } else { cell.into() };
        let mut row: Map<_, _> = columns.iter().map(str::to_owned).zip(record.iter().map(value)).collect();
        row.insert("_id".to_owned(), number.into());
        row.insert("_full_text".to_owned(), "'parole':1 'indicizzate':2".into());
        row
    };
    (1..).zip(reader.records().filter_map(Result::ok)).map(row).collect()
}

/// The one query that is understood.
struct Asked<'q> {
    resource_id: &'q str,
    after: u64,
    bodies: Option<&'q str>,
    limit: usize,
}

impl<'q> Asked<'q> {
    fn of(sql: &'q str) -> Option<Self> {
        let (resource_id, rest) = sql.strip_prefix("SELECT * FROM \"")?.split_once("\" WHERE _id > ")?;
        let (condition, limit) = rest.split_once(" ORDER BY _id LIMIT ")?;
        let (after, bodies) = match condition.split_once(" AND codice_fiscale_stazione_appaltante IN ") {
            Some((after, bodies)) => (after, Some(bodies)),
            None => (condition, None),
        };
        Some(Self { resource_id, after: after.parse().ok()?, bodies, limit: limit.parse().ok()? })
    }

    fn admits(&self, row: &Map<String, Value>) -> bool {
        let body = row.get(colonna::STAZIONE_APPALTANTE).and_then(Value::as_str).unwrap_or_default();
        row["_id"].as_u64() > Some(self.after) && self.bodies.is_none_or(|bodies| bodies.contains(&format!("'{body}'")))
    }
}

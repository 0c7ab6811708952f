//! A stand-in for the service of the tables. The real values are not published: the few here are
//! invented, save those that the law fixes, and good enough to try with.
//!
//! Nothing changes it: what varies are the faults on request, with the operation `tabella`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use contract::{RunningSimulator, SimulatorOptions};
use kit::simulator::{Faults, serve};
use serde_json::json;

use crate::wire::{OPERAZIONI, TabellatoEntry, TabellatoResult, VALORI};

/// Starts the simulator. It has no state to remember.
#[expect(clippy::needless_pass_by_value, reason = "the signature is that of every factory")]
pub(crate) fn simulate(options: SimulatorOptions) -> std::io::Result<RunningSimulator> {
    let faults = Arc::new(Faults::from_json(options.faults.as_ref())?);
    let router = Router::new().route("/Tabellati/{operation}", get(table)).with_state(faults);
    serve(&options, router, |address| json!({"base_url": format!("http://{address}")}))
}

async fn table(
    State(faults): State<Arc<Faults>>,
    Path(operation): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response<Body> {
    let served = async || {
        let name = match operation.as_str() {
            "Valori" => query.get("cod").map_or("", String::as_str),
            own if OPERAZIONI.contains(&own) => own,
            _ => return StatusCode::NOT_FOUND.into_response(),
        };
        let is_there = VALORI.contains(&name) || OPERAZIONI.contains(&name);
        if !is_there {
            let result = TabellatoResult { error: Some("not-found".to_owned()), data: None };
            return (StatusCode::NOT_FOUND, Json(result)).into_response();
        }
        Json(TabellatoResult { error: None, data: Some(values(name)) }).into_response()
    };
    faults.around("tabella", served()).await
}

pub(crate) fn values(name: &str) -> Vec<TabellatoEntry> {
    let entry = |code: &str, value: String, codistat: Option<&str>| TabellatoEntry {
        code: Some(code.to_owned()),
        value: Some(value),
        codistat: codistat.map(str::to_owned),
    };
    let list =
        |values: &[(&str, &str)]| values.iter().map(|(code, value)| entry(code, (*value).to_owned(), None)).collect();
    match name {
        "SN" => list(&[("1", "Si"), ("2", "No")]),
        "Priorita" => list(&[("1", "Priorità massima"), ("2", "Priorità media"), ("3", "Priorità minima")]),
        "Settore" => list(&[("F", "Forniture"), ("S", "Servizi")]),
        "Causa" => list(&[
            ("a", "Mancanza di fondi"),
            ("b1", "Cause tecniche: circostanze speciali"),
            ("b2", "Cause tecniche: presenza di contenzioso"),
            ("c", "Sopravvenute nuove norme tecniche o disposizioni di legge"),
            ("d", "Fallimento, liquidazione coatta o concordato preventivo dell'impresa"),
            ("e", "Mancato interesse al completamento"),
        ]),
        "StatoRealizzazione" => list(&[
            ("a", "Lavori interrotti oltre il termine contrattuale"),
            ("b", "Lavori interrotti entro il termine contrattuale"),
            ("c", "Lavori ultimati e non collaudati"),
        ]),
        "Regioni" => list(&[("003", "Lombardia"), ("012", "Lazio")]),
        "Province" => list(&[("CO", "Como"), ("RM", "Roma")]),
        "ProvinceIstat" => {
            vec![entry("013", "Como".to_owned(), Some("003")), entry("058", "Roma".to_owned(), Some("012"))]
        }
        _ => ["1", "2"].into_iter().map(|code| entry(code, format!("{name}: valore simulato {code}"), None)).collect(),
    }
}

//! A stateful stand-in for the two services: login, publication, reading back (PUBLIC documents).
//!
//! It is as strict as the documents and keeps their habits: the token travels in the query, a wrong
//! client key is told as an empty one, a first publication sent twice is published twice. The rules
//! are in [`service`]; here are the routes, the journal and the faults. Operations for faults:
//! `login`, `validate`, `publish`, `detail`. `POST /simulatore/scadenza` makes every token expire.

mod service;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{Response, StatusCode, Uri};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use contract::{RunningSimulator, SimulatorOptions};
use kit::Secret;
use kit::simulator::{Faults, Journal, Key, serve};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::wire::{DettaglioResult, Genere, LoginResult, PubblicazioneResult};
use service::{Effect, No, Service};

/// Starts the simulator; the journal of a state folder is replayed first.
#[expect(clippy::needless_pass_by_value, reason = "the signature is that of every factory")]
pub(crate) fn simulate(options: SimulatorOptions) -> std::io::Result<RunningSimulator> {
    let (journal, remembered) = Journal::open(options.state.as_deref())?;
    let mut service = Service::default();
    for effect in remembered {
        service.apply(effect);
    }
    let key = Key::open(options.state.as_deref())?;
    let secret = Secret::from_file(key.path()).map_err(std::io::Error::other)?;
    // One secret stands for the four that the login asks for.
    let file = key.path().to_owned();
    let simulator = Arc::new(Simulator {
        state: Mutex::new((service, journal)),
        tokens: Mutex::new((0, None)),
        faults: Faults::from_json(options.faults.as_ref())?,
        secret,
        _key: key,
    });
    let router = Router::new()
        .route("/Account/LoginPubblica", post(login))
        .route("/Programmi/Version", get(async || "5.2.0"))
        .route("/Programmi/{operation}", post(publish).get(detail))
        .route("/simulatore/scadenza", post(expire))
        .with_state(simulator);
    serve(&options, router, |address| {
        json!({
            "base_url": format!("http://{address}"), "login_url": format!("http://{address}"),
            "username_file": file, "password_file": file, "client_key_file": file, "client_id_file": file,
        })
    })
}

struct Simulator {
    state: Mutex<(Service, Journal<Effect>)>,
    /// How many tokens were given, and the one that is good.
    tokens: Mutex<(u64, Option<String>)>,
    faults: Faults,
    secret: Secret,
    _key: Key,
}

type Shared = State<Arc<Simulator>>;
type Answer = Response<Body>;

impl Simulator {
    fn admits(&self, token: Option<&String>) -> bool {
        let good = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        token.is_some() && token == good.1.as_ref()
    }
}

fn answer(status: StatusCode, body: impl Serialize) -> Answer {
    (status, Json(body)).into_response()
}

fn failed(status: StatusCode, error: &str) -> Answer {
    answer(status, PubblicazioneResult { error: Some(error.to_owned()), ..PubblicazioneResult::default() })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LoginForm {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    client_key: String,
    #[serde(default)]
    client_id: String,
}

async fn login(State(simulator): Shared, body: String) -> Answer {
    // A form is written as a query is.
    let form = format!("/?{body}").parse::<Uri>().ok().and_then(|uri| Query::<LoginForm>::try_from_uri(&uri).ok());
    let Some(Query(form)) = form else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let logged = async || {
        let no = |status, error: &str| {
            answer(status, LoginResult { esito: false, error: Some(error.to_owned()), token: None })
        };
        let secret = simulator.secret.expose();
        if form.username.is_empty() || form.password.is_empty() {
            return no(StatusCode::BAD_REQUEST, "empty-username-password");
        }
        if form.client_key != secret || form.client_id != secret {
            return no(StatusCode::BAD_REQUEST, "empty-clientId-clientKey");
        }
        if form.username != secret || form.password != secret {
            return no(StatusCode::NOT_FOUND, "not-found");
        }
        let mut tokens = simulator.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.0 += 1;
        let token = format!("simulato.{}.{secret}", tokens.0);
        tokens.1 = Some(token.clone());
        answer(StatusCode::OK, LoginResult { esito: true, error: None, token: Some(token) })
    };
    simulator.faults.around("login", logged()).await
}

/// Of the simulator only: an hour has passed.
async fn expire(State(simulator): Shared) -> StatusCode {
    simulator.tokens.lock().unwrap_or_else(PoisonError::into_inner).1 = None;
    StatusCode::NO_CONTENT
}

fn no_token() -> Answer {
    failed(StatusCode::UNAUTHORIZED, "Il token non è valido.")
}

fn genere(operation: &str, name: fn(Genere) -> &'static str) -> Option<Genere> {
    [Genere::Lavori, Genere::FornitureServizi].into_iter().find(|genere| name(*genere) == operation)
}

async fn publish(
    State(simulator): Shared,
    Path(operation): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    body: Bytes,
) -> Answer {
    let mode = query.get("modalitaInvio").map_or("", String::as_str);
    let name = if mode == "1" { "validate" } else { "publish" };
    let published = async || {
        if !simulator.admits(query.get("token")) {
            return no_token();
        }
        let Some(genere) = genere(&operation, Genere::pubblica) else {
            return StatusCode::NOT_FOUND.into_response();
        };
        let mut state = simulator.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (validate, effect) = match state.0.check(genere, &body) {
            Ok(checked) => checked,
            Err(No::Validation(validate)) => {
                let result = PubblicazioneResult { validate: Some(validate), ..PubblicazioneResult::default() };
                return answer(StatusCode::BAD_REQUEST, result);
            }
            Err(No::NotFound) => return failed(StatusCode::NOT_FOUND, "not-found"),
        };
        let validate = (!validate.is_empty()).then_some(validate);
        let id = match mode {
            "1" => None,
            "2" => {
                if state.1.append(&effect).is_err() {
                    return failed(StatusCode::INTERNAL_SERVER_ERROR, "unexpected-error: journal");
                }
                let id = effect.id;
                state.0.apply(effect);
                Some(id)
            }
            _ => return failed(StatusCode::BAD_REQUEST, "modalitaInvio"),
        };
        answer(StatusCode::OK, PubblicazioneResult { error: None, validate, id })
    };
    simulator.faults.around(name, published()).await
}

async fn detail(
    State(simulator): Shared,
    Path(operation): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Answer {
    let read = async || {
        if !simulator.admits(query.get("token")) {
            return no_token();
        }
        let Some(genere) = genere(&operation, Genere::dettaglio) else {
            return StatusCode::NOT_FOUND.into_response();
        };
        let Some(id) = query.get("idRicevuto").and_then(|id| id.parse().ok()) else {
            return failed(StatusCode::BAD_REQUEST, "idRicevuto");
        };
        let state = simulator.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.0.programma(genere, id) {
            Some(programma) => answer(StatusCode::OK, DettaglioResult { error: None, programma: Some(programma) }),
            None => failed(StatusCode::NOT_FOUND, "not-found"),
        }
    };
    simulator.faults.around("detail", read()).await
}

#[cfg(test)]
mod tests;

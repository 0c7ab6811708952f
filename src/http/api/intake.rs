//! Records that a partner sends: canonical records, one a line, into the same path as every other
//! source. A request is known by its `Idempotency-Key`: asked again, it gets the same answer.
//!
//! Whose records somebody may send is looked at before anything is stored; what cannot be used then
//! stands aside as it does for every source.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::IntoResponse;
use canonical::identifiers::{Cig, CodiceFiscale};
use canonical::values::UtcInstant;
use canonical::{Body, Digest, Kind, SourceName};
use serde_json::json;

use super::Api;
use super::call::{Call, is_of_type};
use super::caller::Caller;
use super::problem::{Code, Problem};
use super::query::{Answered, HIGHEST_LIMIT};
use super::records::unavailable;
use crate::flow::{FlowError, intake};
use crate::storage::RunKind;
use crate::storage::exchange::{Asked, KeyedRequest, Position, ProvenMessage, RecordFilter, Scope, StoredVersion};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const LONGEST_KEY: usize = 128;
/// The only form in which records are taken.
const MEDIA_TYPE: &str = "application/x-ndjson";
/// Lines that are told to be wrong, at most.
const TOLD: usize = 50;
/// A request that was begun longer ago and never answered belongs to a process that died.
const ABANDONED_AFTER: Duration = Duration::from_mins(10);

pub(super) async fn submit(call: Call, headers: HeaderMap, body: Bytes) -> Answered {
    let (api, caller) = call.alone()?;
    let request = keyed(&caller, &headers, &body)?;
    // Whoever asked may leave: what was begun is finished all the same.
    let doing = tokio::spawn(async move {
        let proven = api.messages.verify(&caller, &headers, &body).await?;
        answer(&api, &caller, request, proven, &body).await
    });
    doing.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a submission ended unexpectedly");
        Err(Code::Failed.into())
    })
}

/// The request as it will be known.
fn keyed(caller: &Caller, headers: &HeaderMap, body: &[u8]) -> Result<KeyedRequest, Problem> {
    is_of_type(headers, MEDIA_TYPE)?;
    let wrong =
        || Problem::from(Code::Malformed).at("header.Idempotency-Key", "da 1 a 128 caratteri visibili, una volta sola");
    let mut given = headers.get_all(KEY).iter();
    let (Some(key), None) = (given.next(), given.next()) else { return Err(wrong()) };
    let key = key.to_str().ok().filter(|key| (1..=LONGEST_KEY).contains(&key.len()) && !key.contains(' '));
    let key = key.ok_or_else(wrong)?.to_owned();
    Ok(KeyedRequest { client: format!("submission/{}", caller.who), key, digest: Digest::of(body) })
}

async fn answer(
    api: &Api,
    caller: &Caller,
    request: KeyedRequest,
    proven: Option<ProvenMessage>,
    body: &[u8],
) -> Answered {
    let now = api.clock.now();
    let asked = api.store.begin_request(&request, now, before(now)).await.map_err(|error| unavailable(&error))?;
    match asked {
        Asked::New => {}
        Asked::Running => return Err(Code::UnderWay.into()),
        Asked::Other => return Err(Code::OtherContent.into()),
        Asked::Answered { status, body } => return Ok(answered(status, body)),
    }
    let taken = async {
        // What is stored can be led back to what proved it, also where the rest does not come about.
        if let Some(proven) = &proven {
            api.store.note_message(proven, now).await.map_err(|error| unavailable(&error))?;
        }
        take(api, caller, &request, body).await
    };
    match taken.await {
        Ok(text) => {
            let ended = api.store.end_request(&request, now, StatusCode::OK.as_u16(), text.clone()).await;
            ended.map_err(|error| unavailable(&error))?;
            Ok(answered(StatusCode::OK.as_u16(), text))
        }
        Err(problem) => {
            // Nothing was stored, or the same is stored again: he may ask anew under the same key.
            if let Err(error) = api.store.forget_request(&request, now).await {
                tracing::warn!(%error, "a request that failed stays noted as under way");
            }
            Err(problem)
        }
    }
}

fn answered(status: u16, body: String) -> axum::response::Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn before(now: UtcInstant) -> UtcInstant {
    let micros = i64::try_from(ABANDONED_AFTER.as_micros()).unwrap_or(i64::MAX);
    UtcInstant::from_unix_micros(now.unix_micros().saturating_sub(micros)).unwrap_or(now)
}

/// Stores what may be stored, and gives the totals.
async fn take(api: &Api, caller: &Caller, request: &KeyedRequest, body: &[u8]) -> Result<String, Problem> {
    let bodies = if caller.scope.everything {
        None
    } else {
        let bodies = api.store.bodies(&caller.scope).await.map_err(|error| unavailable(&error))?;
        Some(bodies.into_iter().collect())
    };
    let lots = check(body, bodies.as_ref(), &caller.kinds)?;
    if let Some(bodies) = &bodies {
        of_others(api, bodies, lots).await?;
    }
    let source = caller.system.as_deref().and_then(SourceName::parse).ok_or(Problem::from(Code::Refused))?;
    let failed = |error: &dyn std::error::Error| {
        tracing::error!(%error, "a submission could not be taken");
        Problem::from(Code::Unavailable)
    };
    // The name is of our making: by it the document is found again in the ledger.
    let folder = tempfile::Builder::new().prefix("raccordo-invio-").tempdir().map_err(|error| failed(&error))?;
    let name = Digest::of(format!("{}/{}", request.client, request.key).as_bytes()).to_string();
    let file = folder.path().join(format!("invio-{}-{}.ndjson", caller.who, &name[..16]));
    tokio::fs::write(&file, body).await.map_err(|error| failed(&error))?;
    let read = intake::read_source(&api.flow, &source, RunKind::Import, Some(vec![file]), &|_| ()).await;
    let report = read.map_err(|error| match error {
        FlowError::Held(hold) => {
            tracing::warn!(%hold, "a submission waits: intake is held");
            Problem::from(Code::Unavailable).after(60)
        }
        other => failed(&other),
    })?;
    if let Some((_, refusal)) = report.refused.first() {
        return Err(Problem::from(Code::NotValid).at("body", &refusal.code));
    }
    let totals = report.totals;
    let told = json!({
        "read": totals.read, "new": totals.new, "unchanged": totals.unchanged, "quarantined": totals.quarantined,
    });
    Ok(told.to_string())
}

/// Refuses what speaks of a lot that stands under another body, whoever said so: a line that names his
/// own body would take the lot of another from it.
async fn of_others(api: &Api, bodies: &BTreeSet<CodiceFiscale>, lots: BTreeMap<Cig, usize>) -> Result<(), Problem> {
    let everything = Scope { everything: true, ..Scope::default() };
    let mut problem: Option<Problem> = None;
    for (told, (cig, line)) in lots.into_iter().enumerate() {
        let filter = RecordFilter { cig: Some(cig), ..RecordFilter::default() };
        let standing = api.store.standing(&everything, filter, Position::default(), HIGHEST_LIMIT).await;
        let standing = standing.map_err(|error| unavailable(&error))?;
        let is_foreign =
            |version: &StoredVersion| version.content.body.ente().is_some_and(|ente| !bodies.contains(ente));
        if standing.is_some_and(|page| page.items.iter().any(is_foreign)) && told < TOLD {
            let so_far = problem.take().unwrap_or_else(|| Code::Refused.into());
            problem =
                Some(so_far.at(format!("body.line.{line}"), "il CIG è di un ente che il chiamante non rappresenta"));
        }
    }
    problem.map_or(Ok(()), Err)
}

/// Where a record of a kind says of which body it is; none where it belongs to none.
fn ente_field(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::OperatoreEconomico | Kind::Risorsa | Kind::Territorio | Kind::Codice => None,
        Kind::Procedura | Kind::Lotto | Kind::Aggiudicazione | Kind::Contratto | Kind::EventoEsecuzione => {
            Some("stazione_appaltante")
        }
        Kind::Ente => Some("codice_fiscale"),
        Kind::ServizioAssociato => Some("ente_erogatore"),
        Kind::Pagamento
        | Kind::Programma
        | Kind::Intervento
        | Kind::Progetto
        | Kind::CollegamentoCupCig
        | Kind::Qualificazione
        | Kind::Adesione
        | Kind::Rilevazione
        | Kind::Segnalazione => Some("ente"),
    }
}

/// Whether every line is a record of a kind and of a body that he may send. Gives the lots of which the
/// lines speak, each with one of its lines.
fn check(
    text: &[u8],
    bodies: Option<&BTreeSet<CodiceFiscale>>,
    kinds: &BTreeSet<Kind>,
) -> Result<BTreeMap<Cig, usize>, Problem> {
    let text = std::str::from_utf8(text).map_err(|_| Problem::from(Code::NotValid).at("body", "non è UTF-8"))?;
    let (mut unreadable, mut foreign, mut count) = (Vec::new(), Vec::new(), 0_usize);
    let (mut not_taken, mut of_nobody, mut lots) = (Vec::new(), Vec::new(), BTreeMap::new());
    let mut unsaid = Vec::new();
    for (number, line) in (1_usize..).zip(text.trim_start_matches('\u{feff}').lines()) {
        if line.trim().is_empty() {
            continue;
        }
        count += 1;
        match serde_json::from_str::<Body>(line) {
            Err(_) => unreadable.push(number),
            Ok(body) => {
                if !kinds.contains(&body.kind()) {
                    not_taken.push(number);
                }
                lots.extend(body.lots().into_iter().map(|cig| (cig, number)));
                match (bodies, body.ente(), ente_field(body.kind())) {
                    (Some(bodies), Some(ente), _) if !bodies.contains(ente) => foreign.push(number),
                    (Some(_), None, Some(field)) => unsaid.push((number, field)),
                    (Some(_), None, None) => of_nobody.push(number),
                    _ => {}
                }
            }
        }
    }
    let told = |code: Code, lines: Vec<usize>, message: &str| {
        let told = lines.into_iter().take(TOLD);
        told.fold(Problem::from(code), |problem, line| problem.at(format!("body.line.{line}"), message))
    };
    if !not_taken.is_empty() {
        return Err(told(Code::Refused, not_taken, "genere di record che non si accetta dal chiamante"));
    }
    if !foreign.is_empty() {
        return Err(told(Code::Refused, foreign, "record di un ente che il chiamante non rappresenta"));
    }
    if !of_nobody.is_empty() {
        return Err(told(
            Code::Refused,
            of_nobody,
            "genere di record che non è di alcun ente: lo invia solo chi li ha tutti",
        ));
    }
    if !unreadable.is_empty() || !unsaid.is_empty() {
        let problem = told(Code::NotValid, unreadable, "non è un record canonico");
        let unsaid = unsaid.into_iter().take(TOLD);
        return Err(unsaid.fold(problem, |problem, (line, field)| {
            problem.at(format!("body.line.{line}.body.{field}"), "manca: il record deve dire di quale ente è")
        }));
    }
    if count == 0 {
        return Err(Problem::from(Code::NotValid).at("body", "nessun record"));
    }
    Ok(lots)
}

//! Problems as machines read them: `application/problem+json` (RFC 9457), with a stable code and the
//! correlation id. A title is ASCII and short, as the national rules want it; nothing of our insides.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::guard::CORRELATION;

/// The media type.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";
/// Under what every type of problem is named.
const TYPES: &str = "urn:raccordo:problem:";

/// Every code, with its status, its title and its sentence.
const CODES: &[(Code, &str, u16, &str, &str)] = &[
    (Code::NotAuthenticated, "non_autenticato", 401, "Non autenticato", "Serve un token valido per questo servizio."),
    (
        Code::Malformed,
        "richiesta_malformata",
        400,
        "Richiesta malformata",
        "La richiesta non rispetta la descrizione del servizio.",
    ),
    (
        Code::NotProven,
        "firma_non_valida",
        400,
        "Firma non valida",
        "La firma o l'evidenza che accompagna il messaggio manca o non è valida.",
    ),
    (Code::Refused, "non_autorizzato", 403, "Non autorizzato", "Il chiamante non è abilitato a questa operazione."),
    (Code::NotFound, "non_trovato", 404, "Non trovato", "La risorsa non esiste, o non è visibile al chiamante."),
    (Code::NoSuchMethod, "metodo_non_ammesso", 405, "Metodo non ammesso", "Il metodo non è ammesso su questa risorsa."),
    (
        Code::NotAcceptable,
        "formato_non_disponibile",
        406,
        "Formato non disponibile",
        "Il formato chiesto non è disponibile.",
    ),
    (Code::TooSlow, "richiesta_lenta", 408, "Richiesta troppo lenta", "La richiesta non è arrivata in tempo."),
    (
        Code::UnderWay,
        "richiesta_in_corso",
        409,
        "Richiesta in corso",
        "Una richiesta con la stessa Idempotency-Key è ancora in corso.",
    ),
    (
        Code::CursorGone,
        "cursore_scaduto",
        410,
        "Cursore non valido",
        "L'archivio è stato ripristinato, o sono cambiati gli enti di cui si leggono i record: riprendere la lettura \
         senza cursore.",
    ),
    (Code::NoLength, "lunghezza_assente", 411, "Lunghezza assente", "La richiesta deve dichiarare Content-Length."),
    (
        Code::TooLarge,
        "richiesta_troppo_grande",
        413,
        "Richiesta troppo grande",
        "La richiesta supera la dimensione ammessa.",
    ),
    (
        Code::AddressTooLong,
        "indirizzo_troppo_lungo",
        414,
        "Indirizzo troppo lungo",
        "L'indirizzo supera la lunghezza ammessa.",
    ),
    (
        Code::MediaType,
        "tipo_non_ammesso",
        415,
        "Tipo di contenuto non ammesso",
        "Il Content-Type non è tra quelli ammessi.",
    ),
    (
        Code::NoSuchRange,
        "intervallo_non_valido",
        416,
        "Intervallo non valido",
        "Il risultato finisce prima dell'intervallo chiesto.",
    ),
    (Code::NotValid, "contenuto_non_valido", 422, "Contenuto non valido", "Il contenuto è leggibile ma non valido."),
    (
        Code::OtherContent,
        "idempotenza_violata",
        422,
        "Chiave gia usata",
        "La Idempotency-Key è già stata usata con un altro contenuto.",
    ),
    (
        Code::TooMany,
        "troppe_richieste",
        429,
        "Troppe richieste",
        "La soglia di richieste è superata: riprovare dopo Retry-After.",
    ),
    (
        Code::HeaderTooLarge,
        "intestazioni_troppo_grandi",
        431,
        "Intestazioni troppo grandi",
        "Le intestazioni superano la dimensione ammessa.",
    ),
    (
        Code::Unavailable,
        "servizio_non_disponibile",
        503,
        "Servizio non disponibile",
        "Il servizio non risponde ora: riprovare dopo Retry-After.",
    ),
    (Code::Failed, "errore_interno", 500, "Errore interno", "La richiesta non è stata eseguita per un errore interno."),
];

/// What went wrong. Codes never change once released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    NotAuthenticated,
    Malformed,
    NotProven,
    Refused,
    NotFound,
    NoSuchMethod,
    NotAcceptable,
    TooSlow,
    UnderWay,
    CursorGone,
    NoLength,
    TooLarge,
    AddressTooLong,
    MediaType,
    NoSuchRange,
    NotValid,
    OtherContent,
    TooMany,
    HeaderTooLarge,
    Unavailable,
    Failed,
}

/// A problem.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    code: Code,
    detail: Option<String>,
    errors: Vec<Value>,
    retry_after: Option<u64>,
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        let retry_after = match code {
            Code::Unavailable => Some(10),
            Code::UnderWay => Some(5),
            _ => None,
        };
        Self { code, detail: None, errors: Vec::new(), retry_after }
    }
}

impl Problem {
    /// With a sentence of its own.
    pub(super) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With what is wrong at a place.
    pub(super) fn at(mut self, place: impl Into<String>, message: &str) -> Self {
        self.errors.push(json!({ "place": place.into(), "message": message }));
        self
    }

    /// With the seconds after which to ask again.
    pub(super) fn after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

fn row(code: Code) -> (&'static str, u16, &'static str, &'static str) {
    CODES
        .iter()
        .find(|row| row.0 == code)
        .map_or(("errore_interno", 500, "Errore interno", ""), |row| (row.1, row.2, row.3, row.4))
}

/// A problem on its way out: [`everywhere`] writes it once the correlation id is known.
#[derive(Debug, Clone)]
struct Unwritten(Problem);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (_, status, _, _) = row(self.code);
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(Unwritten(self));
        response
    }
}

/// Writes the problems of the API, those of the layers below it among them. Around everything.
pub(crate) async fn everywhere(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    if path != "/status" && path != super::PREFIX && !path.starts_with(&format!("{}/", super::PREFIX)) {
        return next.run(request).await;
    }
    let asked = super::guard::correlation(request.headers());
    let mut response = next.run(request).await;
    let correlation = response.headers().get(CORRELATION).cloned();
    let correlation = correlation.or_else(|| HeaderValue::from_str(&asked).ok());
    if let Some(correlation) = &correlation {
        response.headers_mut().insert(CORRELATION, correlation.clone());
    }
    let status = response.status();
    let is_written = response.headers().get(header::CONTENT_TYPE).is_some_and(|of| of == MEDIA_TYPE);
    if !(status.is_client_error() || status.is_server_error()) || is_written {
        return response;
    }
    let problem =
        response.extensions_mut().remove::<Unwritten>().map_or_else(|| of_layer(status).into(), |known| known.0);
    let correlation = correlation.as_ref().and_then(|value| value.to_str().ok()).unwrap_or_default();
    write(response.headers(), problem, &path, correlation)
}

/// What a layer below the API means by a status.
fn of_layer(status: StatusCode) -> Code {
    let of_status = CODES.iter().find(|row| row.2 == status.as_u16());
    of_status.map_or(if status.is_client_error() { Code::Malformed } else { Code::Failed }, |row| row.0)
}

fn write(headers: &HeaderMap, problem: Problem, instance: &str, correlation: &str) -> Response {
    let (code, status, title, sentence) = row(problem.code);
    let mut text = json!({
        "type": format!("{TYPES}{code}"),
        "title": title,
        "status": status,
        "detail": problem.detail.as_deref().unwrap_or(sentence),
        "instance": instance,
        "code": code,
        "correlation_id": correlation,
    });
    if !problem.errors.is_empty() {
        text["errors"] = problem.errors.into();
    }
    let mut response = Response::new(Body::from(text.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    // What the layers said beside the body stays, save what belongs to the body.
    *response.headers_mut() = headers.clone();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    if let Some(seconds) = problem.retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if status == 401 {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_title_is_short_and_plain() {
        for (_, code, status, title, sentence) in CODES {
            assert!(title.len() <= 64 && title.is_ascii(), "{title}");
            assert!((400..600).contains(status) && !sentence.is_empty());
            assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{code}");
        }
    }
}

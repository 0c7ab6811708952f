//! One function per operation of the services that the adapter uses, and the one table from answer
//! to outcome or error.
//!
//! | answer to a publication | outcome |
//! |---|---|
//! | 200 with an `id`, no `error`, no remark of type `E` | taken; remarks of type `W` are kept in the receipt |
//! | 200 or 400 with remarks of type `E`, no `id` | refused by the rules |
//! | 400 or 404 with an `error` | refused by the rules |
//! | any of these whose words speak of credentials | not permitted: a configuration task |
//! | 401 | log in again and ask once more; then authentication, or not permitted |
//! | anything else, "unexpected-error" included | see [`answer::error_of`]; what it cannot name is in doubt |
//!
//! A check (`modalitaInvio` 1) changes nothing: whatever becomes of it, nothing was sent.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use canonical::Digest;
use canonical::identifiers::without_personal_codes;
use contract::{AdapterError, ErrorKind, Phase, Receipt};
use kit::Secret;
use kit::answer::{self, Answer, Busy};
use kit::http::{HttpClient, Method, Request};

use crate::config::Credentials;
use crate::wire::{DettaglioResult, Genere, LoginResult, Modalita, PubblicazioneResult, ValidateEntry, Voce};

/// Characters kept of the words of a refused login.
const LONGEST_CODE: usize = 1_000;

/// What SCP says to a programme.
#[derive(Debug)]
pub(crate) enum Reply {
    /// It has no objection, or has published it. The identifier is there after a publication.
    Taken { id: Option<i64>, receipt: Receipt, warnings: Vec<ValidateEntry> },
    /// Its rules do not admit it, in its own words, which may still hold names.
    Refused { code: String, message: String },
}

/// A client of the two services.
#[derive(Debug)]
pub(crate) struct Client {
    programmi: HttpClient,
    login: HttpClient,
    credentials: Credentials,
    token: Mutex<Option<Secret>>,
}

impl Client {
    pub(crate) fn new(programmi: HttpClient, login: HttpClient, credentials: Credentials) -> Self {
        Self { programmi, login, credentials, token: Mutex::new(None) }
    }

    /// The pause that either service asked for since the last question.
    pub(crate) fn take_pause(&self) -> Option<Duration> {
        self.programmi.take_pause().max(self.login.take_pause())
    }

    /// `POST /Programmi/Pubblica…?modalitaInvio=`.
    pub(crate) async fn publish(
        &self,
        genere: Genere,
        modalita: Modalita,
        body: Vec<u8>,
    ) -> Result<Reply, AdapterError> {
        let answer = self
            .authorised(|token| {
                let query = [("modalitaInvio", modalita.codice()), ("token", token.expose())];
                let path = ["Programmi", genere.pubblica()];
                self.programmi.request(Method::POST, &path, &query).json_body(body.clone())
            })
            .await;
        let reply = answer.and_then(|answer| reply(&answer, modalita));
        match modalita {
            Modalita::Controllo => reply.map_err(|error| error.phase(Phase::BeforeSending)),
            Modalita::Pubblicazione => reply,
        }
    }

    /// `GET /Programmi/Dettaglio…?idRicevuto=`: a publication by its identifier, if there is one.
    pub(crate) async fn detail(&self, genere: Genere, id: i64) -> Result<Option<(Voce, Answer)>, AdapterError> {
        let id = id.to_string();
        let answer = self
            .authorised(|token| {
                let query = [("idRicevuto", id.as_str()), ("token", token.expose())];
                self.programmi.request(Method::GET, &["Programmi", genere.dettaglio()], &query)
            })
            .await?;
        let result = answer.json::<DettaglioResult>();
        match (answer.status, result) {
            (200, Ok(DettaglioResult { error: None, programma: Some(programma) })) => Ok(Some((programma, answer))),
            (404, Ok(DettaglioResult { error: Some(_), .. })) => Ok(None),
            _ => Err(error_of(&answer)),
        }
    }

    /// Sends a request with the token at hand; when it is no longer good, with a new one, once.
    async fn authorised(&self, request: impl Fn(&Secret) -> Request) -> Result<Answer, AdapterError> {
        let at_hand = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(token) = at_hand {
            let answer = self.programmi.exchange(request(&token)).await?;
            if answer.status != 401 || speaks_of_credentials(&answer) {
                return Ok(answer);
            }
        }
        let token = self.log_in().await?;
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
        self.programmi.exchange(request(&token)).await
    }

    /// `POST /Account/LoginPubblica`. Whatever becomes of it, nothing else was sent.
    ///
    /// | answer | error |
    /// |---|---|
    /// | 200 with `esito` and a token | none |
    /// | 200 without, 400, 404 with an `error` | authentication: the credentials are wrong |
    /// | anything else | see [`answer::error_of`] |
    async fn log_in(&self) -> Result<Secret, AdapterError> {
        let Credentials { username, password, client_key, client_id } = &self.credentials;
        let form = [("username", username), ("password", password), ("clientKey", client_key), ("clientId", client_id)];
        let fields: Vec<_> = form.map(|(name, value)| format!("{name}={}", form_encoded(value.expose()))).into();
        let request = self
            .login
            .request(Method::POST, &["Account", "LoginPubblica"], &[])
            .body("application/x-www-form-urlencoded", fields.join("&"));
        let answer = self.login.exchange(request).await.map_err(|error| error.phase(Phase::BeforeSending))?;
        match (answer.status, answer.json::<LoginResult>()) {
            (200, Ok(LoginResult { esito: true, token: Some(token), .. })) if !token.is_empty() => {
                Ok(Secret::new(token))
            }
            (200 | 400 | 404, Ok(LoginResult { error: Some(error), .. })) => {
                // A code is taken out before the text is cut, or half of it would stay.
                let told: String = impersonal(&error).chars().take(LONGEST_CODE).collect();
                let refused = AdapterError::new(ErrorKind::Authentication, answer.attempted);
                Err(refused.remote_code(told).phase(Phase::BeforeSending))
            }
            _ => Err(error_of(&answer).phase(Phase::BeforeSending)),
        }
    }
}

/// What an answer to a check or to a publication says.
fn reply(answer: &Answer, modalita: Modalita) -> Result<Reply, AdapterError> {
    if !matches!(answer.status, 200 | 400 | 404) || answer.is_html() {
        return Err(error_of(answer));
    }
    let PubblicazioneResult { error, validate, id } = answer.object().map_err(|shape| match answer.status {
        200 => shape,
        _ => error_of(answer),
    })?;
    // A check that passed may say no more than `{}`: other words are not those of the service.
    let fields: Voce = answer.object()?;
    if !fields.is_empty() && !["error", "validate", "id"].iter().any(|name| fields.contains_key(*name)) {
        return Err(error_of(answer));
    }
    let error = error.filter(|error| !error.trim().is_empty());
    let (warnings, errors): (Vec<_>, Vec<_>) =
        validate.unwrap_or_default().into_iter().partition(|entry| entry.tipo.as_deref() == Some("W"));
    if speaks_of_credentials(answer) && (error.is_some() || !errors.is_empty()) {
        return Err(not_permitted(answer));
    }
    match (answer.status, id, error) {
        (200, Some(1..), None) if errors.is_empty() => Ok(taken(answer, id, warnings)),
        // A check needs no identifier: nothing was published.
        (200, None, None) if errors.is_empty() && modalita == Modalita::Controllo => Ok(taken(answer, id, warnings)),
        (200 | 400, None, _) if !errors.is_empty() => {
            let remarks: Vec<_> = errors.iter().map(ValidateEntry::readable).collect();
            Ok(Reply::Refused { code: "validazione".to_owned(), message: impersonal(&remarks.join("; ")) })
        }
        (400 | 404, None, Some(error)) => {
            Ok(Reply::Refused { code: answer.status.to_string(), message: impersonal(&error) })
        }
        (404, ..) => Err(error_of(answer)),
        _ => Err(answer.not_understood("neither published nor refused")),
    }
}

fn taken(answer: &Answer, id: Option<i64>, warnings: Vec<ValidateEntry>) -> Reply {
    Reply::Taken { id, receipt: receipt(answer, id), warnings }
}

/// The receipt of a publication with this identifier.
pub(crate) fn receipt(answer: &Answer, id: Option<i64>) -> Receipt {
    Receipt {
        remote_id: id.map(|id| id.to_string()),
        status: answer.status,
        answer_digest: Digest::of(&answer.body).to_string(),
        warnings: Vec::new(),
    }
}

impl ValidateEntry {
    pub(crate) fn readable(&self) -> String {
        let text = |text: &Option<String>| text.as_deref().unwrap_or("?").trim().to_owned();
        format!("{}: {}", text(&self.nome), text(&self.messaggio))
    }
}

/// The error behind an answer that is neither data nor a refusal.
fn error_of(answer: &Answer) -> AdapterError {
    if speaks_of_credentials(answer) {
        return not_permitted(answer);
    }
    // A publication sent again without its identifier is a second one: only what is certain is safe.
    answer::error_of(answer, Busy::NotSaid)
}

fn not_permitted(answer: &Answer) -> AdapterError {
    AdapterError::new(ErrorKind::Permission, answer.attempted.clone()).remote_code(answer.status.to_string())
}

/// True when the service says no because the programme belongs to somebody else: "Non si possiedono
/// (or dispone delle) credenziali per questo programma". It does so with a 401 too, which no new
/// token would change.
fn speaks_of_credentials(answer: &Answer) -> bool {
    let speaks = |text: &str| text.to_lowercase().contains("credenziali");
    matches!(answer.status, 200 | 400 | 401 | 403 | 404)
        && answer.json::<PubblicazioneResult>().is_ok_and(|result| {
            let mut remarks = result.validate.iter().flatten().filter(|entry| entry.tipo.as_deref() != Some("W"));
            result.error.as_deref().is_some_and(speaks)
                || remarks.any(|entry| entry.messaggio.as_deref().is_some_and(speaks))
        })
}

/// A text of the service without the codes of persons. Who knows the programme takes out their names
/// too, and only then cuts it.
fn impersonal(text: &str) -> String {
    without_personal_codes(text, "[…]").into_owned()
}

/// A value of a form, as `application/x-www-form-urlencoded` writes it.
fn form_encoded(value: &str) -> String {
    use std::fmt::Write;

    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => encoded.push(char::from(byte)),
            b' ' => encoded.push('+'),
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests;

//! One function per operation of the platform that the adapter uses, and the one table from answer
//! to outcome or error.
//!
//! | answer | to a read | to an update |
//! |---|---|---|
//! | 200 with JSON of the right shape | data | in doubt |
//! | 200 with neither body nor content type, its end told | in doubt | taken: the contract answers no more than this |
//! | 200 with anything else | in doubt | in doubt |
//! | 400 with `message` | outside the contract | refused: no value was given, or one is not valid |
//! | 404 with `message` | outside the contract | refused: unknown CIG or authority, or not awarded |
//! | 404 to the question for a detail | not there | |
//! | 401, once | a new token, and the same request again | the same: nothing was done |
//! | anything else, other 404 and 405 included | see [`answer::error_of`] | the same; what it cannot name is in doubt |

use std::time::Duration;

use canonical::Digest;
use canonical::identifiers::without_personal_codes;
use contract::{AdapterError, Outcome, Phase, Receipt};
use kit::Secret;
use kit::answer::{self, Answer, Busy};
use kit::http::{HttpClient, Method, Request};
use serde_json::value::RawValue;
use tokio::sync::Mutex;

use crate::wire::{Aggiornamento, Errore, Gettone, Pagina};

/// Characters kept of a text of the platform.
const LONGEST_TEXT: usize = 500;

/// The four words by which the platform knows us.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) username: Secret,
    pub(crate) password: Secret,
    pub(crate) client_key: Secret,
    pub(crate) client_id: Secret,
}

/// A client of the platform.
#[derive(Debug)]
pub(crate) struct Client {
    http: HttpClient,
    credentials: Credentials,
    /// The token in use. It is held while a new one is asked for, so that only one is.
    token: Mutex<Option<Secret>>,
}

impl Client {
    /// A client without a token yet. Nothing is sent.
    pub(crate) fn new(http: HttpClient, credentials: Credentials) -> Self {
        Self { http, credentials, token: Mutex::new(None) }
    }

    /// The pause that the platform asked for since the last question.
    pub(crate) fn take_pause(&self) -> Option<Duration> {
        self.http.take_pause()
    }

    /// A page of a list, counted from one.
    pub(crate) async fn page(
        &self,
        list: &[&str],
        page: u64,
        size: u16,
        query: &[(&'static str, String)],
    ) -> Result<(Pagina, Answer), AdapterError> {
        let (page, size) = (page.to_string(), size.to_string());
        let segments: Vec<_> = list.iter().copied().chain([page.as_str(), size.as_str()]).collect();
        let query: Vec<_> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = self.exchange(|| self.http.request(Method::GET, &segments, &query)).await?;
        Ok((data(&answer)?, answer))
    }

    /// The detail of a row; none when the platform has none. References may have slashes inside,
    /// which the platform takes as they are.
    pub(crate) async fn detail(&self, path: &[&str], reference: &str) -> Result<Option<Box<RawValue>>, AdapterError> {
        let segments: Vec<_> = path.iter().copied().chain(reference.split('/')).collect();
        let answer = self.exchange(|| self.http.request(Method::GET, &segments, &[])).await?;
        if answer.status == 404 && !answer.is_html() { Ok(None) } else { data(&answer).map(Some) }
    }

    /// `GET /v1.1/getDatiAggiudicazione?cig=`: the awards of a CIG.
    pub(crate) async fn awards(&self, cig: &str) -> Result<Vec<Box<RawValue>>, AdapterError> {
        let segments = ["v1.1", "getDatiAggiudicazione"];
        let answer = self.exchange(|| self.http.request(Method::GET, &segments, &[("cig", cig)])).await?;
        data(&answer)
    }

    /// `POST /v1.1/updateDatiCig`. Everything travels in the query, as the contract wants.
    pub(crate) async fn update(&self, update: &Aggiornamento) -> Result<Outcome, AdapterError> {
        let opzione = update.opzione.to_string();
        let optional = [
            ("importoLiquidato", &update.importo_liquidato),
            ("dataInizio", &update.data_inizio),
            ("dataFine", &update.data_fine),
        ];
        let mut query = vec![("cig", update.cig.as_str()), ("codiceFiscaleSA", update.codice_fiscale_sa.as_str())];
        query.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
        query.push(("opzione", &opzione));
        let answer = self.exchange(|| self.http.request(Method::POST, &["v1.1", "updateDatiCig"], &query)).await?;
        // An empty body that claims to be data is one that was lost on the way, and so may be one
        // that ends where the connection does.
        let is_believed = answer.is_delimited && answer.defect.is_none();
        let is_bare = answer.body.is_empty() && answer.content_type.is_none() && is_believed;
        match answer.status {
            200 if is_bare => Ok(Outcome::Acknowledged(receipt(&answer))),
            400 | 404 => {
                let Errore { message, details, .. } = no(&answer).ok_or_else(|| error_of(&answer))?;
                let message = [message].into_iter().chain(details).collect::<Vec<_>>().join("; ");
                Ok(Outcome::Refused { code: answer.status.to_string(), message: bearable(&message) })
            }
            _ => Err(error_of(&answer)),
        }
    }

    /// Sends a request with the token in use. A token ends without notice: one new one is asked
    /// for, once. What answers 401 has done nothing, so the same request may go again.
    async fn exchange(&self, request: impl Fn() -> Request) -> Result<Answer, AdapterError> {
        let token = self.token(None).await?;
        let answer = self.http.exchange(request().bearer(&token)).await?;
        if answer.status != 401 {
            return Ok(answer);
        }
        let token = self.token(Some(&token)).await?;
        self.http.exchange(request().bearer(&token)).await
    }

    /// The token in use, or a new one when there is none or it was refused.
    async fn token(&self, refused: Option<&Secret>) -> Result<Secret, AdapterError> {
        let mut held = self.token.lock().await;
        if let Some(token) = held.as_ref()
            && Some(token) != refused
        {
            return Ok(token.clone());
        }
        *held = None;
        // Whatever goes wrong here, the request itself was not sent.
        let token = self.authenticate().await.map_err(|error| error.phase(Phase::BeforeSending))?;
        *held = Some(token.clone());
        Ok(token)
    }

    /// `POST /v1.0/authenticate`: the credentials are headers.
    async fn authenticate(&self) -> Result<Secret, AdapterError> {
        let Credentials { username, password, client_key, client_id } = &self.credentials;
        let request = self
            .http
            .request(Method::POST, &["v1.0", "authenticate"], &[])
            .header("username", username.expose())
            .header("password", password.expose())
            .header("clientKey", client_key.expose())
            .header("clientId", client_id.expose());
        let answer = self.http.exchange(request).await?;
        let gettone: Gettone = data(&answer)?;
        let token = gettone.jwttoken.or(gettone.token).filter(|token| !token.trim().is_empty());
        token.map(Secret::new).ok_or_else(|| answer.not_understood("no token in the answer"))
    }
}

/// Proof of an answer.
fn receipt(answer: &Answer) -> Receipt {
    Receipt {
        remote_id: None,
        status: answer.status,
        answer_digest: Digest::of(&answer.body).to_string(),
        warnings: Vec::new(),
    }
}

/// The data of an answer to a read.
fn data<T: serde::de::DeserializeOwned>(answer: &Answer) -> Result<T, AdapterError> {
    match answer.status {
        200 if !answer.is_html() => answer.json(),
        _ => Err(error_of(answer)),
    }
}

/// The no inside an answer, in the platform's own shape and not in that of the server behind it.
fn no(answer: &Answer) -> Option<Errore> {
    answer.object::<Errore>().ok().filter(|errore| errore.path.is_none())
}

/// The error behind an answer that is neither data nor a refusal.
fn error_of(answer: &Answer) -> AdapterError {
    answer::error_of(answer, Busy::NotSaid)
}

/// A text of the platform, without the codes of persons and of bearable length.
fn bearable(text: &str) -> String {
    without_personal_codes(text, "[…]").chars().take(LONGEST_TEXT).collect()
}

#[cfg(test)]
mod tests;

//! The operations of the HUB, one function each, and one table from answer to error.
//!
//! | answer | meaning |
//! |---|---|
//! | 200, 201 to a publication, with our revision and state `pubblicata` | taken |
//! | 400, 409, 413, 422 to a publication, with a problem document | refused, with its code |
//! | 404 to a publication asked for, with code `non_trovata` | nothing there |
//! | 200 to a list | data |
//! | all the rest | see [`error_of`]; what it cannot name is in doubt |

use std::time::Duration;

use canonical::Digest;
use canonical::identifiers::without_personal_codes;
use contract::{AdapterError, Outcome, Receipt, Shipment, UnitKey};
use kit::Secret;
use kit::answer::{self, Answer, Busy};
use kit::http::{HttpClient, Method, Request};

use crate::fields::OMITTED;
use crate::wire::{Elenco, PUBBLICATA, Pagina, PaginaPubblicazioni, Problema, Pubblicazione, Ricevuta};

/// How much of a text of the HUB is told, in characters.
const LONGEST_TOLD: usize = 500;

/// A client of the HUB.
#[derive(Debug)]
pub(crate) struct Client {
    http: HttpClient,
    key: Secret,
    page_size: u16,
}

impl Client {
    pub(crate) fn new(http: HttpClient, key: Secret, page_size: u16) -> Self {
        Self { http, key, page_size }
    }

    /// `GET /qualificazioni?codiceFiscale=&data=&dopo=` and `GET /risorse?dopo=`: one page, with the
    /// bytes it came in.
    pub(crate) async fn list(
        &self,
        elenco: Elenco,
        filter: &[(&str, &str)],
        after: Option<&str>,
    ) -> Result<(Pagina, Answer), AdapterError> {
        let limit = self.page_size.to_string();
        let page = [("limite", limit.as_str())].into_iter().chain(after.map(|after| ("dopo", after)));
        let query: Vec<_> = filter.iter().copied().chain(page).collect();
        let answer = self.http.exchange(self.request(Method::GET, &[elenco.name()], &query)).await?;
        if answer.status != 200 {
            return Err(error_of(&answer));
        }
        Ok((answer.json()?, answer))
    }

    /// The pause that the HUB asked for since the last question.
    pub(crate) fn take_pause(&self) -> Option<Duration> {
        self.http.take_pause()
    }

    /// `PUT /pubblicazioni/{chiave}`
    pub(crate) async fn publish(&self, shipment: &Shipment) -> Result<Outcome, AdapterError> {
        let request = self
            .publication(Method::PUT, &shipment.unit)
            .header("idempotency-key", &shipment.idempotency_key)
            .json_body(shipment.body.clone());
        let answer = self.http.exchange(request).await?;
        match answer.status {
            200 | 201 => {
                let taken: Ricevuta = answer.receipt()?;
                if taken.id.trim().is_empty() {
                    return Err(answer.not_understood("a receipt without an identifier"));
                }
                if taken.revisione != shipment.revision || taken.stato != PUBBLICATA {
                    return Err(answer.not_understood("another revision, or a publication that is not shown"));
                }
                Ok(Outcome::Acknowledged(receipt(&answer, taken.id)))
            }
            400 | 409 | 413 | 422 => {
                let problema: Problema = answer.object()?;
                Ok(Outcome::Refused { code: tellable(&problema.codice), message: tellable(&problema.messaggio) })
            }
            _ => Err(error_of(&answer)),
        }
    }

    /// `GET /pubblicazioni/{chiave}`: what is held under a key, if anything.
    pub(crate) async fn held(&self, unit: &UnitKey) -> Result<Option<(Pubblicazione, Receipt)>, AdapterError> {
        let answer = self.http.exchange(self.publication(Method::GET, unit)).await?;
        match answer.status {
            200 => {
                let held: Pubblicazione = answer.json()?;
                if held.chiave != unit.as_str() {
                    return Err(answer.not_understood("another publication than the one asked for"));
                }
                let receipt = receipt(&answer, held.id.clone());
                Ok(Some((held, receipt)))
            }
            404 if answer.json::<Problema>().is_ok_and(|problema| problema.codice == "non_trovata") => Ok(None),
            _ => Err(error_of(&answer)),
        }
    }

    /// `GET /pubblicazioni?dopo=`: one page of what was published with our key, checked to be in
    /// order and to go on.
    pub(crate) async fn published(&self, after: Option<&str>) -> Result<PaginaPubblicazioni, AdapterError> {
        let limit = self.page_size.to_string();
        let query: Vec<_> = [("limite", limit.as_str())].into_iter().chain(after.map(|key| ("dopo", key))).collect();
        let answer = self.http.exchange(self.request(Method::GET, &["pubblicazioni"], &query)).await?;
        if answer.status != 200 {
            return Err(error_of(&answer));
        }
        let page: PaginaPubblicazioni = answer.json()?;
        let keys: Vec<&str> = page.pubblicazioni.iter().map(|one| one.chiave.as_str()).collect();
        let begins_after = keys.first().is_none_or(|first| after.is_none_or(|after| *first > after));
        if !begins_after || !keys.is_sorted_by(|one, next| one < next) {
            return Err(answer.not_understood("the publications are not in the order of their keys"));
        }
        if page.successiva.is_some() && page.successiva.as_deref() != keys.last().copied() {
            return Err(answer.not_understood("the next page does not begin after the last publication"));
        }
        Ok(page)
    }

    fn publication(&self, method: Method, unit: &UnitKey) -> Request {
        let segments: Vec<&str> = ["pubblicazioni"].into_iter().chain(unit.as_str().split('/')).collect();
        self.request(method, &segments, &[])
    }

    fn request(&self, method: Method, segments: &[&str], query: &[(&str, &str)]) -> Request {
        self.http.request(method, segments, query).bearer(&self.key)
    }
}

fn receipt(answer: &Answer, id: String) -> Receipt {
    let answer_digest = Digest::of(&answer.body).to_string();
    Receipt { remote_id: Some(id), status: answer.status, answer_digest, warnings: Vec::new() }
}

/// A text of the HUB that may be told: no person in it, and no longer than people read.
fn tellable(text: &str) -> String {
    without_personal_codes(text, OMITTED).chars().take(LONGEST_TOLD).collect()
}

/// The contract says of 429 and 503 that nothing was done.
fn error_of(answer: &Answer) -> AdapterError {
    answer::error_of(answer, Busy::DidNothing)
}

#[cfg(test)]
mod tests;

//! The operations of Pi.Co., one function each, and one table from answer to error.
//!
//! | answer | meaning |
//! |---|---|
//! | 200, 201 to a publication, as the contract says | taken |
//! | 400, 409, 413, 422 to a publication, with a problem document | refused, with its code |
//! | 404 to a manifest, with code `non_trovato` | nothing there |
//! | all the rest | the table that every system shares; what it cannot name is in doubt |

use bytes::Bytes;
use canonical::Digest;
use canonical::identifiers::without_personal_codes;
use contract::{AdapterError, Outcome, Receipt};
use kit::Secret;
use kit::answer::{Answer, common_error};
use kit::http::{HttpClient, Method, Request};

use crate::wire::{Elenco, NDJSON_FILE, OMITTED, PUBBLICATO, PackageKey, Problema, Pubblicato, Pubblicazione};

/// How many packages a page of the list has: with their rows, they are in memory together.
pub(crate) const PAGE_LIMIT: &str = "5";
/// How much of a text of Pi.Co. is told, in characters.
const LONGEST_TOLD: usize = 500;

/// A client of Pi.Co.
#[derive(Debug)]
pub(crate) struct Client {
    http: HttpClient,
    key: Secret,
}

impl Client {
    pub(crate) fn new(http: HttpClient, key: Secret) -> Self {
        Self { http, key }
    }

    /// `PUT /v0/pacchetti/{ente}/{dataset}/{periodo}/{versione}`
    pub(crate) async fn publish(
        &self,
        key: &PackageKey,
        versione: u64,
        idempotency_key: &str,
        body: Bytes,
    ) -> Result<Outcome, AdapterError> {
        let request = self
            .request(Method::PUT, &[&key.ente, &key.dataset, &key.periodo, &versione.to_string()], &[])
            .header("idempotency-key", idempotency_key)
            .json_body(body);
        let answer = self.http.exchange(request).await?;
        match answer.status {
            200 | 201 => {
                let taken: Pubblicazione = answer.json()?;
                if taken.versione != versione || taken.stato != PUBBLICATO {
                    return Err(answer.not_understood("another version, or a package that is not published"));
                }
                Ok(Outcome::Acknowledged(receipt(&answer, taken.id)))
            }
            400 | 409 | 413 | 422 => {
                let problema: Problema = answer.json()?;
                Ok(Outcome::Refused { code: tellable(&problema.codice), message: tellable(&problema.messaggio) })
            }
            _ => Err(error_of(&answer)),
        }
    }

    /// `GET /v0/pacchetti/{ente}/{dataset}/{periodo}`: the manifest, when there is a package.
    pub(crate) async fn manifest(&self, key: &PackageKey) -> Result<Option<(Pubblicato, Receipt)>, AdapterError> {
        let answer = self.get(&[&key.ente, &key.dataset, &key.periodo], &[]).await?;
        match answer.status {
            200 => {
                let published: Pubblicato = answer.json()?;
                if published.manifesto.key() != *key {
                    return Err(answer.not_understood("the manifest of another package"));
                }
                let receipt = receipt(&answer, published.id.clone());
                Ok(Some((published, receipt)))
            }
            // Any other 404 is that of a wrong address, not of an absent package.
            404 if answer.json::<Problema>()?.codice == "non_trovato" => Ok(None),
            _ => Err(error_of(&answer)),
        }
    }

    /// `GET /v0/pacchetti`: one page of the list, checked to be in order and to go on.
    pub(crate) async fn list(&self, after: Option<&str>) -> Result<Elenco, AdapterError> {
        let limit = ("limite", PAGE_LIMIT);
        let answer = match after {
            Some(key) => self.get(&[], &[("dopo", key), limit]).await?,
            None => self.get(&[], &[limit]).await?,
        };
        if answer.status != 200 {
            return Err(error_of(&answer));
        }
        let page: Elenco = answer.json()?;
        let keys: Vec<String> = page.elementi.iter().map(|elemento| elemento.key().to_string()).collect();
        let begins_after = keys.first().is_none_or(|first| after.is_none_or(|after| first.as_str() > after));
        if !begins_after || !keys.is_sorted_by(|one, next| one < next) {
            return Err(answer.not_understood("the packages are not in the order of their keys"));
        }
        if page.successivo.is_some() && page.successivo.as_ref() != keys.last() {
            return Err(answer.not_understood("the next page does not begin after the last package"));
        }
        Ok(page)
    }

    /// `GET /v0/pacchetti/{ente}/{dataset}/{periodo}/righe`, understood by `understand`.
    pub(crate) async fn rows<T>(
        &self,
        key: &PackageKey,
        understand: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Result<T, AdapterError> {
        let answer = self.get(&[&key.ente, &key.dataset, &key.periodo, "righe"], &[]).await?;
        // A package without rows is an empty body: the content type tells it from a failure.
        if answer.status == 200 && answer.media_type().as_deref() == Some(NDJSON_FILE.1) {
            return understand(&answer.body).map_err(|problem| answer.not_understood(&problem));
        }
        Err(error_of(&answer))
    }

    async fn get(&self, segments: &[&str], query: &[(&str, &str)]) -> Result<Answer, AdapterError> {
        self.http.exchange(self.request(Method::GET, segments, query)).await
    }

    fn request(&self, method: Method, segments: &[&str], query: &[(&str, &str)]) -> Request {
        let path = [&["v0", "pacchetti"], segments].concat();
        self.http.request(method, &path, query).bearer(&self.key)
    }
}

fn receipt(answer: &Answer, id: String) -> Receipt {
    let answer_digest = Digest::of(&answer.body).to_string();
    Receipt { remote_id: Some(id), status: answer.status, answer_digest }
}

/// A text of Pi.Co. that may be told: no person in it, and no longer than people read.
fn tellable(text: &str) -> String {
    without_personal_codes(text, OMITTED).chars().take(LONGEST_TOLD).collect()
}

fn error_of(answer: &Answer) -> AdapterError {
    common_error(&answer.attempted, answer)
        .unwrap_or_else(|| answer.not_understood("a status that the contract does not have"))
}

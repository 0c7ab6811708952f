//! The operations of both sides, one function each, and one table from answer to error.
//!
//! | answer | meaning |
//! |---|---|
//! | 200 to a page of the open data, with JSON | rows |
//! | 400, 404 to a page of the open data | the address or the resource is wrong |
//! | 200, 201 to a package, with our version and digest | taken |
//! | 400, 409, 413, 422 to a package, with a problem document | refused, with its code |
//! | 404 to a manifest, with code `non_trovato` | nothing there |
//! | all the rest, other 404 and 405 included | see [`error_of`]; what it cannot name is in doubt |

use bytes::Bytes;
use canonical::Digest;
use canonical::identifiers::without_personal_codes;
use contract::{AdapterError, Advice, Outcome, Phase, Receipt};
use kit::Secret;
use kit::answer::{self, Answer, Busy};
use kit::http::{HttpClient, Method, Request};

use crate::wire::{Accolto, Elenco, Manifesto, NDJSON, OMITTED, PackageKey, Problema};

/// How many packages a page of the list has: with their rows, they are in memory together.
pub(crate) const PAGE_LIMIT: &str = "5";
/// How many packages a page of the list has, without their rows.
pub(crate) const DIGESTS_LIMIT: &str = "100";
/// How much of a text of the other side is told, in characters.
const LONGEST_TOLD: usize = 500;

/// The open data of the region.
#[derive(Debug)]
pub(crate) struct OpenData {
    pub(crate) http: HttpClient,
    pub(crate) resource: String,
    pub(crate) page_rows: u32,
}

impl OpenData {
    /// `GET /resource/{id}.json?$limit&$offset&$order`: one page, as received.
    pub(crate) async fn page(&self, offset: u64) -> Result<Answer, AdapterError> {
        let (limit, offset) = (self.page_rows.to_string(), offset.to_string());
        let file = format!("{}.json", self.resource);
        // Pages hang together by the order of the rows: that of the identifiers, which the portal gives
        // once and for all.
        let query = [("$limit", limit.as_str()), ("$offset", offset.as_str()), ("$order", ":id")];
        let answer = self.http.exchange(self.http.request(Method::GET, &["resource", &file], &query)).await?;
        match answer.status {
            200 if answer.is_json() && !answer.is_html() => Ok(answer),
            400 | 404 if !answer.is_html() => {
                let error = answer.not_understood("no such resource at this address");
                Err(error.phase(Phase::Refused).advice(Advice::FixConfiguration))
            }
            _ => Err(error_of(&answer)),
        }
    }
}

/// The side that takes packages.
#[derive(Debug)]
pub(crate) struct Packages {
    pub(crate) http: HttpClient,
    pub(crate) key: Secret,
}

impl Packages {
    /// `PUT /v0/pacchetti/{ente}/{periodo}`
    pub(crate) async fn put(
        &self,
        key: &PackageKey,
        manifesto: &Manifesto,
        idempotency_key: &str,
        body: Bytes,
    ) -> Result<Outcome, AdapterError> {
        let request = self.request(Method::PUT, &[&key.ente, &key.periodo], &[]);
        let request = request.header("idempotency-key", idempotency_key).json_body(body);
        let answer = self.http.exchange(request).await?;
        match answer.status {
            200 | 201 => {
                let taken: Accolto = answer.receipt()?;
                if taken.id.trim().is_empty() {
                    return Err(answer.not_understood("a receipt without an identifier"));
                }
                if (taken.versione, &taken.impronta) != (manifesto.versione, &manifesto.impronta) {
                    return Err(answer.not_understood("another package than the one that was sent"));
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

    /// `GET /v0/pacchetti/{ente}/{periodo}`: the manifest, when there is a package.
    pub(crate) async fn manifest(&self, key: &PackageKey) -> Result<Option<(Manifesto, Receipt)>, AdapterError> {
        let answer = self.http.exchange(self.request(Method::GET, &[&key.ente, &key.periodo], &[])).await?;
        match answer.status {
            200 => {
                let held: Manifesto = answer.json()?;
                if held.key() != *key {
                    return Err(answer.not_understood("another package than the one asked for"));
                }
                let id = format!("{key}/{}", held.versione);
                Ok(Some((held, receipt(&answer, id))))
            }
            // Any other 404 is that of a wrong address, not of an absence.
            404 if is_not_there(&answer) => Ok(None),
            _ => Err(error_of(&answer)),
        }
    }

    /// `GET /v0/pacchetti?dopo&limite`: a page of the list.
    pub(crate) async fn list(&self, from: Option<&str>, limit: &str) -> Result<Elenco, AdapterError> {
        let query: Vec<_> = [("limite", limit)].into_iter().chain(from.map(|from| ("dopo", from))).collect();
        let answer = self.http.exchange(self.request(Method::GET, &[], &query)).await?;
        if answer.status != 200 {
            return Err(error_of(&answer));
        }
        let page: Elenco = answer.json()?;
        let keys: Vec<String> = page.elementi.iter().map(|one| one.key().to_string()).collect();
        if !from.into_iter().chain(keys.iter().map(String::as_str)).is_sorted_by(|one, next| one < next) {
            return Err(answer.not_understood("packages out of order"));
        }
        // Any other place to go on from would lose packages, or read the same ones for ever.
        if page.successivo.is_some() && page.successivo.as_ref() != keys.last() {
            return Err(answer.not_understood("the next page does not begin after the last package"));
        }
        Ok(page)
    }

    /// `GET /v0/pacchetti/{ente}/{periodo}/righe`: the rows that an entry of the list announces.
    pub(crate) async fn rows<T>(
        &self,
        manifesto: &Manifesto,
        understand: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, AdapterError> {
        let request = self.request(Method::GET, &[&manifesto.ente, &manifesto.periodo, "righe"], &[]);
        let answer = self.http.exchange(request).await?;
        if is_not_there(&answer) {
            return Err(answer.not_understood("the package of the list is no longer there"));
        }
        // A package without rows is an empty body: the content type tells it from a failure.
        if answer.status != 200 || answer.media_type().as_deref() != Some(NDJSON) {
            return Err(error_of(&answer));
        }
        if Digest::of(&answer.body).to_string() != manifesto.impronta {
            return Err(answer.not_understood("the rows have another digest than the list"));
        }
        let text = std::str::from_utf8(&answer.body).map_err(|_| answer.not_understood("the rows are not UTF-8"))?;
        understand(text).map_err(|problem| answer.not_understood(&problem))
    }

    fn request(&self, method: Method, segments: &[&str], query: &[(&str, &str)]) -> Request {
        let path = [&["v0", "pacchetti"], segments].concat();
        self.http.request(method, &path, query).bearer(&self.key)
    }
}

/// Whether the other side itself says that it has nothing under a key.
fn is_not_there(answer: &Answer) -> bool {
    answer.status == 404 && answer.json::<Problema>().is_ok_and(|problema| problema.codice == "non_trovato")
}

fn receipt(answer: &Answer, id: String) -> Receipt {
    let answer_digest = Digest::of(&answer.body).to_string();
    Receipt { remote_id: Some(id), status: answer.status, answer_digest, warnings: Vec::new() }
}

/// A text of the other side that may be told: no person in it, and no longer than people read.
fn tellable(text: &str) -> String {
    without_personal_codes(text, OMITTED).chars().take(LONGEST_TOLD).collect()
}

/// The contract says of 429 and 503 that nothing was done.
fn error_of(answer: &Answer) -> AdapterError {
    answer::error_of(answer, Busy::DidNothing)
}

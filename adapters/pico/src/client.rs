//! The operations of Pi.Co., one function each, and one table from answer to outcome or error.
//!
//! | answer | meaning |
//! |---|---|
//! | 200, 201 to a publication, in a state of the contract | taken; a report still open is followed |
//! | 200, 201 to a report, `respinta` | refused, in the words of the help desk |
//! | 400, 409, 413, 422 to a publication, with a problem document | refused, with its code |
//! | 403 with code `adesione_assente` | refused: the body is not a member |
//! | 404 to what is asked by key, with code `non_trovato` | nothing there |
//! | all the rest, other 404 and 405 included | see [`error_of`]; what it cannot name is in doubt |

use std::time::Duration;

use bytes::Bytes;
use canonical::Digest;
use canonical::identifiers::without_personal_codes;
use contract::{AdapterError, Advice, Followed, Outcome, Receipt};
use kit::Secret;
use kit::answer::{self, Answer, Busy};
use kit::http::{HttpClient, Method, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::cell::OMITTED;
use crate::dataset::RISORSA_STATES;
use crate::unit::{Collection, Unit};
use crate::wire::{
    ADESIONE_ASSENTE, Elenco, Keyed, Manifesto, NDJSON_TYPE, NON_TROVATO, PUBBLICATO, PackageKey, PaginaRisorse,
    Problema, Pubblicato, Pubblicazione, SchedaTenuta,
};

/// How many packages a page of the list has: with their rows, they are in memory together.
pub(crate) const PACKAGES_LIMIT: &str = "5";
/// How many packages a page of the list has, without their rows.
pub(crate) const DIGESTS_LIMIT: &str = "100";
/// How many sheets a page of a list has.
pub(crate) const SHEETS_LIMIT: &str = "100";
/// How much of a text of Pi.Co. is told, in characters.
const LONGEST_TOLD: usize = 500;

/// A client of Pi.Co.
#[derive(Debug)]
pub(crate) struct Client {
    http: HttpClient,
    key: Secret,
}

/// What Pi.Co. holds under the key of a unit.
#[derive(Debug)]
pub(crate) struct HeldUnit {
    pub(crate) versione: u64,
    pub(crate) impronta: String,
    pub(crate) receipt: Receipt,
}

impl Client {
    pub(crate) fn new(http: HttpClient, key: Secret) -> Self {
        Self { http, key }
    }

    /// The pause that Pi.Co. asked for since the last question.
    pub(crate) fn take_pause(&self) -> Option<Duration> {
        self.http.take_pause()
    }

    /// `PUT /v0/{unit}/{versione}`
    pub(crate) async fn publish(
        &self,
        unit: &Unit,
        versione: u64,
        idempotency_key: &str,
        body: Bytes,
    ) -> Result<Outcome, AdapterError> {
        let versione_text = versione.to_string();
        let address = [unit.address(), vec![versione_text.as_str()]].concat();
        let request =
            self.request(Method::PUT, &address, &[]).header("idempotency-key", idempotency_key).json_body(body);
        let answer = self.http.exchange(request).await?;
        match answer.status {
            200 | 201 => {
                let taken: Pubblicazione = answer.receipt()?;
                if taken.versione != versione {
                    return Err(answer.not_understood("another version than the one that was sent"));
                }
                outcome_of(unit, &answer, taken)
            }
            400 | 409 | 413 | 422 => Ok(refused(&answer.object()?)),
            403 if problem_code(&answer).as_deref() == Some(ADESIONE_ASSENTE) => Ok(refused(&answer.object()?)),
            _ => Err(error_of(&answer)),
        }
    }

    /// `GET /v0/{unit}`: version and digest of what is held, when there is something.
    pub(crate) async fn held(&self, unit: &Unit) -> Result<Option<HeldUnit>, AdapterError> {
        let held =
            |answer: &Answer, id, versione, impronta| HeldUnit { versione, impronta, receipt: receipt(answer, id) };
        Ok(match unit {
            Unit::Package { .. } => {
                let found = self.published::<Pubblicato>(unit, |it| it.manifesto.key().to_string()).await?;
                found.map(|(it, answer)| held(&answer, it.id, it.manifesto.versione, it.manifesto.impronta))
            }
            Unit::Sheet { .. } => {
                let found = self.published::<SchedaTenuta>(unit, |it| it.chiave.clone()).await?;
                found.map(|(it, answer)| held(&answer, it.chiave, it.versione, it.impronta))
            }
        })
    }

    /// `GET /v0/pacchetti/{ente}/{dataset}/{periodo}`: what a package says of itself.
    pub(crate) async fn manifest(&self, package: &PackageKey) -> Result<Option<Manifesto>, AdapterError> {
        let address = ["pacchetti", &package.ente, &package.dataset, &package.periodo];
        let key = |it: &Pubblicato| it.manifesto.key().to_string();
        let found = self.published_at(&address, &package.to_string(), key).await?;
        Ok(found.map(|(it, _)| it.manifesto))
    }

    /// `GET /v0/vetrina/{origine}/{id}`, `/v0/segnalazioni/{id}`: a sheet with its content.
    pub(crate) async fn sheet(&self, unit: &Unit) -> Result<Option<SchedaTenuta>, AdapterError> {
        Ok(self.published(unit, |it: &SchedaTenuta| it.chiave.clone()).await?.map(|(it, _)| it))
    }

    /// What is held under the key of a unit, with the answer that said so.
    async fn published<T: DeserializeOwned>(
        &self,
        unit: &Unit,
        key: impl FnOnce(&T) -> String,
    ) -> Result<Option<(T, Answer)>, AdapterError> {
        self.published_at(&unit.address(), &unit.to_string(), key).await
    }

    async fn published_at<T: DeserializeOwned>(
        &self,
        address: &[&str],
        expected: &str,
        key: impl FnOnce(&T) -> String,
    ) -> Result<Option<(T, Answer)>, AdapterError> {
        let answer = self.get(address, &[]).await?;
        match answer.status {
            200 => {
                let it: T = answer.json()?;
                if key(&it) != expected {
                    return Err(answer.not_understood("what is held under another key"));
                }
                Ok(Some((it, answer)))
            }
            // Any other 404 is that of a wrong address, not of an absence.
            404 if is_not_there(&answer) => Ok(None),
            _ => Err(error_of(&answer)),
        }
    }

    /// `GET /v0/segnalazioni/{id}/esito`: where a report stands at the help desk.
    pub(crate) async fn follow(&self, unit: &Unit) -> Result<Followed, AdapterError> {
        let address = [unit.address(), vec!["esito"]].concat();
        let answer = self.get(&address, &[]).await?;
        match answer.status {
            200 => {
                let taken: Pubblicazione = answer.json()?;
                if taken.id != unit.to_string() {
                    return Err(answer.not_understood("the outcome of another report"));
                }
                Ok(match outcome_of(unit, &answer, taken)? {
                    Outcome::Submitted { state, .. } => Followed::Pending(state),
                    ended => Followed::Ended(ended),
                })
            }
            404 if is_not_there(&answer) => {
                Err(answer.not_understood("the report is no longer there").advice(Advice::AskPerson))
            }
            _ => Err(error_of(&answer)),
        }
    }

    /// `GET /v0/pacchetti`, `/v0/vetrina`, `/v0/segnalazioni`: one page of a list, checked to be in
    /// order and to go on.
    pub(crate) async fn list<T: Keyed + DeserializeOwned>(
        &self,
        collection: Option<Collection>,
        after: Option<&str>,
        limit: &str,
    ) -> Result<Elenco<T>, AdapterError> {
        let address = collection.map_or("pacchetti", Collection::address);
        let limit = ("limite", limit);
        let answer = match after {
            Some(key) => self.get(&[address], &[("dopo", key), limit]).await?,
            None => self.get(&[address], &[limit]).await?,
        };
        if answer.status != 200 {
            return Err(error_of(&answer));
        }
        let page: Elenco<T> = answer.json()?;
        let keys: Vec<String> = page.elementi.iter().map(Keyed::key).collect();
        let begins_after = keys.first().is_none_or(|first| after.is_none_or(|after| first.as_str() > after));
        if !begins_after || !keys.is_sorted_by(|one, next| one < next) {
            return Err(answer.not_understood("the list is not in the order of its keys"));
        }
        if page.successivo.is_some() && page.successivo.as_ref() != keys.last() {
            return Err(answer.not_understood("the next page does not begin after the last key"));
        }
        Ok(page)
    }

    /// `GET /v0/pacchetti/{ente}/{dataset}/{periodo}/righe`, understood by `understand`.
    pub(crate) async fn rows<T>(
        &self,
        key: &PackageKey,
        understand: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Result<T, AdapterError> {
        let answer = self.get(&["pacchetti", &key.ente, &key.dataset, &key.periodo, "righe"], &[]).await?;
        // A package without rows is an empty body: the content type tells it from a failure.
        if answer.status == 200 && answer.media_type().as_deref() == Some(NDJSON_TYPE) {
            return understand(&answer.body).map_err(|problem| answer.not_understood(&problem));
        }
        if is_not_there(&answer) {
            return Err(answer.not_understood("the package of the list is no longer there"));
        }
        Err(error_of(&answer))
    }

    /// `GET /v0/risorse`: a page of the resources that Pi.Co. publishes, with the digest of its bytes.
    pub(crate) async fn resources(&self, after: Option<&str>) -> Result<(PaginaRisorse, Digest), AdapterError> {
        let limit = ("limite", SHEETS_LIMIT);
        let answer = match after {
            Some(cursor) => self.get(&["risorse"], &[("dopo", cursor), limit]).await?,
            None => self.get(&["risorse"], &[limit]).await?,
        };
        if answer.status != 200 {
            return Err(error_of(&answer));
        }
        let page: PaginaRisorse = answer.json()?;
        if page.altri && after == Some(page.cursore.as_str()) {
            return Err(answer.not_understood("a page that does not go on"));
        }
        let digest = Digest::of(&answer.body);
        Ok((page, digest))
    }

    async fn get(&self, address: &[&str], query: &[(&str, &str)]) -> Result<Answer, AdapterError> {
        self.http.exchange(self.request(Method::GET, address, query)).await
    }

    fn request(&self, method: Method, address: &[&str], query: &[(&str, &str)]) -> Request {
        let path = [&["v0"], address].concat();
        self.http.request(method, &path, query).bearer(&self.key)
    }
}

/// What a state means, for each kind of unit.
fn outcome_of(unit: &Unit, answer: &Answer, taken: Pubblicazione) -> Result<Outcome, AdapterError> {
    let stato = taken.stato.as_str();
    if taken.id.trim().is_empty() {
        return Err(answer.not_understood("a receipt without an identifier"));
    }
    let receipt = receipt(answer, taken.id);
    match unit {
        Unit::Package { .. } if stato == PUBBLICATO => Ok(Outcome::Acknowledged(receipt)),
        Unit::Sheet { collection: Collection::Risorse, .. } if RISORSA_STATES.contains(&stato) => {
            Ok(Outcome::Acknowledged(receipt))
        }
        Unit::Sheet { collection: Collection::Segnalazioni, .. } => match stato {
            "aperta" | "in_lavorazione" => Ok(Outcome::Submitted { receipt, state: taken.stato }),
            "risolta" => Ok(Outcome::Acknowledged(receipt)),
            "respinta" => {
                let message = tellable(taken.parole.as_deref().unwrap_or("respinta senza spiegazioni"));
                Ok(Outcome::Refused { code: taken.stato, message })
            }
            _ => Err(answer.not_understood("a state that the contract does not have")),
        },
        _ => Err(answer.not_understood("a state that the contract does not have")),
    }
}

fn refused(problema: &Problema) -> Outcome {
    Outcome::Refused { code: tellable(&problema.codice), message: tellable(&problema.messaggio) }
}

/// The code of a problem document, when the answer is one.
fn problem_code(answer: &Answer) -> Option<String> {
    #[derive(Deserialize)]
    struct Code {
        codice: String,
    }
    answer.json::<Code>().ok().map(|problem| problem.codice)
}

/// Whether Pi.Co. itself says that it has nothing under a key.
fn is_not_there(answer: &Answer) -> bool {
    answer.status == 404 && problem_code(answer).as_deref() == Some(NON_TROVATO)
}

fn receipt(answer: &Answer, id: String) -> Receipt {
    let answer_digest = Digest::of(&answer.body).to_string();
    Receipt { remote_id: Some(id), status: answer.status, answer_digest, warnings: Vec::new() }
}

/// A text of Pi.Co. that may be told: no person in it, and no longer than people read.
fn tellable(text: &str) -> String {
    without_personal_codes(text, OMITTED).chars().take(LONGEST_TOLD).collect()
}

/// The contract says of 429 and 503 that nothing was done.
fn error_of(answer: &Answer) -> AdapterError {
    answer::error_of(answer, Busy::DidNothing)
}

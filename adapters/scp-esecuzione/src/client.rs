//! One function per operation of the platform that the adapter uses, and the one table from answer
//! to outcome or error.
//!
//! | answer | outcome |
//! |---|---|
//! | 200, 201 with the draft taken in our version, without errors inside | taken, in the state told |
//! | the same in state `scartata` | refused, with the platform's remarks |
//! | the same in a state outside the contract | in doubt |
//! | the same in a later version | a newer draft is told: look before deciding |
//! | 409 with `VERSIONE_SUPERATA` | a newer draft is told: look before deciding |
//! | 500 with a permanent `errorData` | refused by the rules (`NOT_FOUND`: not there) |
//! | 400, 422 with `errorData` | refused by the rules |
//! | anything else | see [`answer::error_of`]; what it cannot name is in doubt |
//!
//! A reason is a code only where it looks like one; texts are told without the persons of the draft.

use canonical::Digest;
use contract::{AdapterError, Outcome, Receipt, Shipment, UnitKey};
use kit::Secret;
use kit::answer::{self, Answer, Busy};
use kit::http::{HttpClient, Method, Request};

use crate::names::Names;
use crate::wire::{BozzaAccolta, BozzaInviata, BozzaTenuta, Errore, Esito, ListaCig, ListaSchede, PaginaBozze};

/// Reasons for which the platform says no for good. Others, known or not, may be passing ones.
const PERMANENT: &[&str] = &[
    NOT_FOUND,
    "CHIAVE_NON_VALIDA",
    "CIG_NON_VALIDO",
    "SMARTCIG",
    "SCHEDA_NON_COERENTE",
    "BOZZA_NON_VALIDA",
    "SEQUENZA",
    "IDEMPOTENCY_MISMATCH",
];
const NOT_FOUND: &str = "NOT_FOUND";
/// The one reason that a 409 may have.
const NEWER: &str = "VERSIONE_SUPERATA";
/// The code of a refusal whose reason is no code.
const WITHOUT_CODE: &str = "reason_without_code";

/// What the platform says to a draft.
#[derive(Debug)]
pub(crate) enum Reply {
    /// It has taken it, and there it stands.
    Taken(Outcome),
    /// It says that it holds a newer one. The error is what stands when a look does not confirm it.
    Newer(AdapterError),
    /// It will never take it.
    Refused {
        /// The platform's own code.
        code: String,
        /// The platform's own words.
        message: String,
    },
}

/// A client of the platform.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) http: HttpClient,
    pub(crate) key: Secret,
}

impl Client {
    /// `PUT /bozze/{cig}/{award}/{phase}/{progressive}`.
    pub(crate) async fn submit(&self, shipment: &Shipment, sent: &BozzaInviata) -> Result<Reply, AdapterError> {
        let request = self
            .draft_request(Method::PUT, &shipment.unit)
            .header("idempotency-key", &shipment.idempotency_key)
            .json_body(shipment.body.clone());
        let answer = self.http.exchange(request).await?;
        match answer.status {
            200 | 201 if !answer.is_html() => taken(&answer, sent.versione, &Names::of(sent)),
            409 if no(&answer).is_some_and(|no| no.error_data == NEWER) => {
                Ok(Reply::Newer(answer.not_understood("refused for a newer draft that is not held")))
            }
            _ => Ok(refused(&refusal(&answer).ok_or_else(|| error_of(&answer))?, &Names::of(sent))),
        }
    }

    /// `GET /bozze/{cig}/{award}/{phase}/{progressive}`: the draft held under a key, if any.
    pub(crate) async fn draft(&self, unit: &UnitKey) -> Result<Option<(BozzaTenuta, Receipt)>, AdapterError> {
        let answer = self.http.exchange(self.draft_request(Method::GET, unit)).await?;
        if refusal(&answer).is_some_and(|refusal| refusal.error_data == NOT_FOUND) {
            return Ok(None);
        }
        let held: BozzaTenuta = data(&answer)?;
        if held.chiave != unit.as_str() {
            return Err(answer.not_understood("another draft than the one asked for"));
        }
        let receipt = receipt(&answer, &held.id_bozza);
        Ok(Some((held, receipt)))
    }

    /// `GET /bozze/{idBozza}`: where a draft stands; none when the platform does not know it.
    pub(crate) async fn state(&self, id_bozza: &str) -> Result<Option<(BozzaAccolta, Answer)>, AdapterError> {
        let request = self.http.request(Method::GET, &["bozze", id_bozza], &[]).bearer(&self.key);
        let answer = self.http.exchange(request).await?;
        if refusal(&answer).is_some_and(|refusal| refusal.error_data == NOT_FOUND) {
            return Ok(None);
        }
        let accolta: BozzaAccolta = data(&answer)?;
        if accolta.id_bozza != id_bozza {
            return Err(answer.not_understood("another draft than the one asked for"));
        }
        Ok(Some((accolta, answer)))
    }

    /// `getListaCig`, always with both bounds: with one missing the filter is silently ignored.
    pub(crate) async fn changed(&self, from: &str, to: &str) -> Result<ListaCig, AdapterError> {
        let query = [("dataDa", from), ("dataA", to)];
        let answer = self.archive("getListaCig", &query).await?;
        let lista: ListaCig = data(&answer)?;
        if lista.esito { Ok(lista) } else { Err(answer.not_understood("a failure told with status 200")) }
    }

    /// `getJsonListaSchede`: the answer as received and what it says; a permanent reason is the
    /// platform's last word on this CIG, and none on the others. Nobody knows which names stand
    /// there: of the reason only a code is kept.
    pub(crate) async fn schede(&self, cig: &str) -> Result<Result<(Answer, ListaSchede), Errore>, AdapterError> {
        let answer = self.archive("getJsonListaSchede", &[("cig", cig)]).await?;
        if let Some(refusal) = refusal(&answer) {
            return Ok(Err(Errore { error_data: code_alone(&refusal.error_data), ..refusal }));
        }
        let lista: ListaSchede = data(&answer)?;
        if lista.esito { Ok(Ok((answer, lista))) } else { Err(answer.not_understood("a failure told with status 200")) }
    }

    async fn archive(&self, operation: &str, query: &[(&str, &str)]) -> Result<Answer, AdapterError> {
        let request = self.http.request(Method::GET, &["gestioneContratti", operation], query).bearer(&self.key);
        self.http.exchange(request).await
    }

    /// `GET /bozze?dopo=&limite=`: a page of the inventory, with the answer it came in.
    pub(crate) async fn drafts(&self, from: Option<&str>, limit: u16) -> Result<(PaginaBozze, Answer), AdapterError> {
        let limit = limit.to_string();
        let query: Vec<_> = [("limite", limit.as_str())].into_iter().chain(from.map(|from| ("dopo", from))).collect();
        let request = self.http.request(Method::GET, &["bozze"], &query).bearer(&self.key);
        let answer = self.http.exchange(request).await?;
        Ok((data(&answer)?, answer))
    }

    fn draft_request(&self, method: Method, unit: &UnitKey) -> Request {
        let segments: Vec<_> = ["bozze"].into_iter().chain(unit.as_str().split('/')).collect();
        self.http.request(method, &segments, &[]).bearer(&self.key)
    }
}

/// What an answer of success says: the draft was really taken when the version is ours and no
/// error stands inside. A later version may have another content: it is not believed unseen.
fn taken(answer: &Answer, versione: u64, names: &Names) -> Result<Reply, AdapterError> {
    let accolta: BozzaAccolta = answer.receipt()?;
    if accolta.id_bozza.trim().is_empty() {
        return Err(answer.not_understood("taken, with no identifier to ask about it"));
    }
    if accolta.versione < versione {
        return Err(answer.not_understood("taken in an older version than the one sent"));
    }
    let is_rejected = accolta.stato == REJECTED;
    if !is_rejected && accolta.esiti.iter().any(|esito| esito.tipo != "avviso") {
        return Err(answer.not_understood("taken with errors inside"));
    }
    if accolta.versione > versione {
        return Ok(Reply::Newer(answer.not_understood("taken in a later version that is not held")));
    }
    standing(&accolta.stato, &accolta.esiti, names, receipt(answer, &accolta.id_bozza))
        .map(Reply::Taken)
        .ok_or_else(|| answer.not_understood("taken in a state outside the contract"))
}

/// The state of a draft that the authority did not take.
const REJECTED: &str = "scartata";
/// The states of a draft on its way.
const ON_ITS_WAY: &[&str] = &["bozza", "in_verifica", "confermata", "trasmessa"];

/// What a state means; none when the contract does not have it.
pub(crate) fn standing(stato: &str, esiti: &[Esito], names: &Names, receipt: Receipt) -> Option<Outcome> {
    match stato {
        "accettata" => Some(Outcome::Acknowledged(receipt)),
        REJECTED => {
            // The remark that decided is the first error; without one, the state is all there is.
            let error = esiti.iter().find(|esito| esito.tipo != "avviso");
            let code = error.and_then(|esito| names.code(&esito.codice)).unwrap_or_else(|| REJECTED.to_owned());
            Some(Outcome::Refused { code, message: remarks(esiti, names) })
        }
        stato if ON_ITS_WAY.contains(&stato) => Some(Outcome::Submitted { receipt, state: stato.to_owned() }),
        _ => None,
    }
}

/// A refusal by the rules. A reason that is no code is one more remark.
fn refused(errore: &Errore, names: &Names) -> Reply {
    let remarks = remarks(&errore.esiti, names);
    if let Some(code) = names.code(&errore.error_data) {
        return Reply::Refused { code, message: remarks };
    }
    let reason = names.bearable(&errore.error_data);
    let message = if remarks.is_empty() { reason } else { format!("{reason}; {remarks}") };
    Reply::Refused { code: WITHOUT_CODE.to_owned(), message }
}

/// The remarks of the platform in one line, without the persons of the draft.
fn remarks(esiti: &[Esito], names: &Names) -> String {
    let remarks: Vec<_> = esiti.iter().map(|esito| format!("{}: {}", esito.codice, esito.messaggio)).collect();
    names.bearable(&remarks.join("; "))
}

pub(crate) fn receipt(answer: &Answer, id_bozza: &str) -> Receipt {
    Receipt {
        remote_id: Some(id_bozza.to_owned()),
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

/// The refusal by the rules that an answer carries, if it does.
fn refusal(answer: &Answer) -> Option<Errore> {
    match answer.status {
        400 | 422 => no(answer),
        500 => no(answer).filter(|errore| PERMANENT.contains(&errore.error_data.as_str())),
        _ => None,
    }
}

/// The no inside an answer, whatever its status.
fn no(answer: &Answer) -> Option<Errore> {
    answer.object::<Errore>().ok().filter(|errore| !errore.esito)
}

/// The error behind an answer that is neither data nor a refusal.
fn error_of(answer: &Answer) -> AdapterError {
    // The platform tells every failure with a 500: another 5xx is not its own.
    let error = answer::error_of(answer, Busy::NotSaid);
    if matches!(answer.status, 404 | 405) {
        return error;
    }
    // With status 500 for every failure, the reason says more than the status.
    match answer.json::<Errore>() {
        Ok(errore) => error.remote_code(code_alone(&errore.error_data)),
        Err(_) => error,
    }
}

/// A reason as a code, where nobody knows which names may stand in it.
fn code_alone(reason: &str) -> String {
    Names::default().code(reason).unwrap_or_else(|| WITHOUT_CODE.to_owned())
}

#[cfg(test)]
mod tests;

//! Signals over HTTP: one operation in each function, with a voucher of a client api interop.
//!
//! Nothing is retried here, save the one call after a voucher that was refused. One sender for each
//! e-service, in the order of its numbers: that is kept by whoever calls.

use bytes::Bytes;
use canonical::values::UtcInstant;
use contract::{AdapterError, Advice, ErrorKind, Phase};
use reqwest::Method;
use serde::Deserialize;

use super::Signal;
use super::pull::{LARGEST_PAGE, Page};
use super::push::{Pushed, outcome};
use crate::answer::common_error;
use crate::pdnd::call::{Caller, Outgoing};

/// The hub, as one client of it.
#[derive(Debug)]
pub struct SignalHub {
    caller: Caller,
}

/// What the hub says of a signal that it has queued.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Taken {
    signal_id: i64,
}

/// A page, and whether more is to be read at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The page.
    pub page: Page,
    /// Whether the hub has more.
    pub has_more: bool,
}

impl SignalHub {
    /// The hub behind this caller, whose address ends with the version of the hub.
    pub fn new(caller: Caller) -> Self {
        Self { caller }
    }

    /// Tells of a change. Taken is queued, not delivered.
    pub async fn push(&self, signal: &Signal, now: impl Fn() -> UtcInstant) -> Result<Pushed, AdapterError> {
        let attempted = "signal-hub POST /push/signals";
        let body = serde_json::to_vec(signal).map_err(|error| {
            AdapterError::new(ErrorKind::Local, attempted).phase(Phase::BeforeSending).caused_by(error)
        })?;
        let outgoing = Outgoing {
            method: Method::POST,
            path: &["push", "signals"],
            query: &[],
            content_type: Some("application/json"),
            content_encoding: None,
            body: Bytes::from(body),
            user: None,
        };
        let answer = self.caller.send(&outgoing, now).await?.answer;
        let pushed = outcome(&answer);
        // A proxy answers 200 too: the hub names the signal that it has.
        let names_it = || answer.json::<Taken>().is_ok_and(|taken| taken.signal_id == signal.signal_id);
        Ok(if pushed == Pushed::Queued && !names_it() { Pushed::NotTheHub } else { pushed })
    }

    /// Reads the signals of an e-service after this number.
    pub async fn pull(
        &self,
        eservice_id: &str,
        after: i64,
        size: u16,
        now: impl Fn() -> UtcInstant,
    ) -> Result<Pulled, AdapterError> {
        let cursor = after;
        let (after, size) = (after.to_string(), size.clamp(1, LARGEST_PAGE).to_string());
        let outgoing = Outgoing {
            method: Method::GET,
            path: &["pull", "signals", eservice_id],
            query: &[("signalId", &after), ("size", &size)],
            content_type: None,
            content_encoding: None,
            body: Bytes::new(),
            user: None,
        };
        let answer = self.caller.send(&outgoing, now).await?.answer;
        match answer.status {
            200 | 206 => {
                let (page, has_more): (Page, _) = (answer.json()?, answer.status == 206);
                if !page.is_of(eservice_id, cursor) || (has_more && page.signals.is_empty()) {
                    return Err(of_the_service(answer.not_understood("a page of other signals than those asked for")));
                }
                Ok(Pulled { page, has_more })
            }
            status => {
                let error = common_error(&answer.attempted, &answer)
                    .unwrap_or_else(|| answer.not_understood("an answer that the hub does not give"));
                Err(if matches!(status, 400 | 404) { of_the_service(error) } else { error })
            }
        }
    }
}

/// What is wrong with one e-service says nothing of the hub: others are heard and told all the same.
fn of_the_service(error: AdapterError) -> AdapterError {
    error.phase(Phase::Refused).advice(Advice::AskPerson)
}

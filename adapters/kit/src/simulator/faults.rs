//! Faults on request: which calls of which operation are answered badly, and how.
//!
//! ```json
//! [
//!   { "operation": "publish", "every": 3, "answer": 503, "retry_after": 2 },
//!   { "operation": "publish", "first": 1, "answer": "drop_after_effect" },
//!   { "operation": "*", "every": 10, "answer": "html", "after_effect": true }
//! ]
//! ```
//!
//! Counters make a run reproducible: there is no chance here.

use std::future::{Future, pending};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;

/// The rules of a simulator; without any, nothing goes wrong.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Vec<Rule>,
}

/// One fault that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is answered in place of the truth.
    pub answer: FaultAnswer,
    /// Whether the operation takes effect all the same.
    pub after_effect: bool,
    /// The pause that the answer asks for.
    pub retry_after: Option<String>,
}

/// What a faulty call is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultAnswer {
    /// The effect takes place and the connection ends without an answer.
    DropAfterEffect,
    /// No answer at all.
    Hang,
    /// 200 with a page for people.
    Html,
    /// 200 with an empty body.
    Empty,
    /// 200 with a body that ends before its announced length.
    Truncate,
    /// This status, with a problem document.
    #[serde(untagged)]
    Status(u16),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    operation: String,
    every: Option<u64>,
    first: Option<u64>,
    answer: FaultAnswer,
    #[serde(default)]
    after_effect: bool,
    retry_after: Option<Pause>,
    #[serde(skip)]
    calls: AtomicU64,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Pause {
    Seconds(u64),
    Text(String),
}

impl Rule {
    /// Counts one call and says whether it is a bad one.
    fn is_due(&self) -> bool {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        self.first.is_none_or(|first| call <= first) && self.every.is_none_or(|every| call.is_multiple_of(every.max(1)))
    }

    fn fault(&self) -> Fault {
        let retry_after = self.retry_after.as_ref().map(|pause| match pause {
            Pause::Seconds(seconds) => seconds.to_string(),
            Pause::Text(text) => text.clone(),
        });
        let after_effect = self.after_effect || self.answer == FaultAnswer::DropAfterEffect;
        Fault { answer: self.answer, after_effect, retry_after }
    }
}

impl Faults {
    /// The rules in a JSON list.
    pub fn from_json(rules: Option<&serde_json::Value>) -> io::Result<Self> {
        let rules = rules.map(Vec::<Rule>::deserialize).transpose();
        rules.map(|rules| Self { rules: rules.unwrap_or_default() }).map_err(io::Error::other)
    }

    /// Counts one call of an operation and gives the fault that is due, of the first rule that has
    /// one. A handler that asks here itself honours [`Fault::after_effect`].
    pub fn next(&self, operation: &str) -> Option<Fault> {
        let of_operation = |rule: &&Rule| rule.operation == operation || rule.operation == "*";
        let due: Vec<&Rule> = self.rules.iter().filter(of_operation).filter(|rule| rule.is_due()).collect();
        due.first().map(|rule| rule.fault())
    }

    /// Runs an operation, or answers the fault that is due: after the effect or in its place.
    pub async fn around(&self, operation: &str, effect: impl Future<Output = Response<Body>>) -> Response<Body> {
        let Some(fault) = self.next(operation) else { return effect.await };
        if fault.after_effect {
            effect.await;
        }
        fault.answer().await
    }
}

impl Fault {
    /// The connection ends without an answer.
    pub(super) fn lost_answer() -> Self {
        Self { answer: FaultAnswer::DropAfterEffect, after_effect: true, retry_after: None }
    }

    /// The bad answer. One that hangs never comes.
    pub async fn answer(&self) -> Response<Body> {
        let mut answer = Response::builder();
        if let Some(pause) = &self.retry_after {
            answer = answer.header(header::RETRY_AFTER, pause);
        }
        let (kind, body) = match self.answer {
            FaultAnswer::Hang => return pending().await,
            FaultAnswer::DropAfterEffect => ("application/json", broken("")),
            FaultAnswer::Truncate => {
                answer = answer.header(header::CONTENT_LENGTH, 4096);
                ("application/json", broken(r#"{"id":""#))
            }
            FaultAnswer::Html => ("text/html", Body::from("<!DOCTYPE html><title>Servizio in manutenzione</title>")),
            FaultAnswer::Empty => ("application/json", Body::empty()),
            FaultAnswer::Status(status) => {
                answer = answer.status(status);
                ("application/problem+json", Body::from(format!(r#"{{"status":{status},"title":"guasto simulato"}}"#)))
            }
        };
        let answer = answer.header(header::CONTENT_TYPE, kind).body(body);
        answer.unwrap_or_else(|_| {
            let mut failure = Response::new(Body::empty());
            *failure.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            failure
        })
    }
}

/// A body that begins and then breaks the connection.
fn broken(beginning: &'static str) -> Body {
    let begins = (!beginning.is_empty()).then(|| Ok(Bytes::from_static(beginning.as_bytes())));
    let breaks = Err(io::Error::from(io::ErrorKind::ConnectionAborted));
    Body::from_stream(stream::iter(begins.into_iter().chain([breaks])))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn statuses(faults: &Faults, operation: &str, calls: usize) -> Vec<Option<u16>> {
        let status = |fault: Fault| match fault.answer {
            FaultAnswer::Status(status) => status,
            _ => 0,
        };
        (0..calls).map(|_| faults.next(operation).map(status)).collect()
    }

    #[test]
    fn rules_count_the_calls_of_their_operation() {
        let rules = json!([
            { "operation": "publish", "first": 1, "answer": 500 },
            { "operation": "publish", "every": 2, "answer": 503 },
        ]);
        let faults = Faults::from_json(Some(&rules)).expect("rules");
        assert_eq!(statuses(&faults, "inventory", 2), [None, None]);
        assert_eq!(statuses(&faults, "publish", 5), [Some(500), Some(503), None, Some(503), None]);
    }

    #[test]
    fn a_lost_answer_comes_after_the_effect() {
        let rules = json!([{ "operation": "*", "answer": "drop_after_effect", "retry_after": "soon" }]);
        let fault = Faults::from_json(Some(&rules)).expect("rules").next("publish").expect("a fault");
        assert!(fault.after_effect);
        assert_eq!(fault.retry_after.as_deref(), Some("soon"));
    }

    #[test]
    fn unknown_words_are_refused() {
        for rule in [
            json!([{ "operation": "x", "answer": "explode" }]),
            json!([{ "operation": "x", "answer": 500, "evry": 2 }]),
        ] {
            assert!(Faults::from_json(Some(&rule)).is_err());
        }
    }
}

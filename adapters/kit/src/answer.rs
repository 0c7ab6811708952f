//! An answer as received, and what every system's answers have in common.
//!
//! [`common_error`] is the shared part of the table from answer to error. Each adapter asks it
//! after the answers that its own contract names. What it cannot name is in doubt: the request may
//! have taken effect, and must be looked up before it is sent again.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use contract::{AdapterError, Advice, ErrorKind, Phase};
use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

/// A complete answer of the other side.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// What was attempted, on what: method and path, never the query.
    pub attempted: String,
    /// The status.
    pub status: u16,
    /// The content type, as received.
    pub content_type: Option<String>,
    /// The place to ask, as received.
    pub location: Option<String>,
    /// The pause that the system asks for in whatever words, never above a day.
    pub retry_after: Option<Duration>,
    /// `Retry-After` as received, also when it could not be understood.
    pub retry_after_raw: Option<String>,
    /// Whether the end of the body was told, by its length or its chunks. Where only the connection
    /// ended, a body that is not complete in itself may have lost its end.
    pub is_delimited: bool,
    /// Why the body cannot be believed whatever is in it, when it cannot.
    pub defect: Option<&'static str>,
    /// All headers as received, where the whole answer was read: what a signature is about.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Never the body, nor headers with the place to ask: they may hold personal data or tokens.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("attempted", &self.attempted)
            .field("status", &self.status)
            .field("content_type", &self.content_type)
            .field("retry_after", &self.retry_after)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Answer {
    /// The body as JSON of this shape. Another content type, or another shape, is an answer
    /// outside the contract.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, AdapterError> {
        if let Some(defect) = self.defect {
            return Err(self.not_understood(defect));
        }
        if !self.is_json() {
            return Err(self.not_understood("content type is not JSON"));
        }
        // A byte order mark is not JSON, but some servers write one.
        let body = self.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.body);
        // Fields that we do not read must be text too: half a character is a sign of damage.
        let body = std::str::from_utf8(body).map_err(|_| self.not_understood("the body is not UTF-8"))?;
        serde_json::from_str(body).map_err(|error| {
            // The words of the parser may repeat received values: only the place is told.
            let what = match error.classify() {
                serde_json::error::Category::Data => "unexpected shape",
                _ => "not complete JSON",
            };
            self.not_understood(&format!("{what} at line {} column {}", error.line(), error.column()))
        })
    }

    /// The body as a receipt of this shape: JSON as by [`Answer::json`] that speaks of no error. A
    /// receipt beside an error is neither.
    pub fn receipt<T: DeserializeOwned>(&self) -> Result<T, AdapterError> {
        let receipt = self.object()?;
        match self.json::<Complaint>() {
            Ok(complaint) if !complaint.is_there() => Ok(receipt),
            _ => Err(self.not_understood("a receipt that speaks of an error")),
        }
    }

    /// The body as a JSON object of this shape. A list of its values in the right order is none.
    pub fn object<T: DeserializeOwned>(&self) -> Result<T, AdapterError> {
        let object = self.json()?;
        let body = self.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.body);
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(self.not_understood("the body is no object"));
        }
        Ok(object)
    }

    /// An error that says why this answer is outside the contract. In doubt, save for a 413: it
    /// refuses by itself, often in a proxy's own words, and asking again would find the same size.
    pub fn not_understood(&self, problem: &str) -> AdapterError {
        let error = AdapterError::new(ErrorKind::NotUnderstood, self.attempted.clone())
            .remote_code(self.status.to_string())
            .caused_by(problem.to_owned());
        if self.status == 413 { error.phase(Phase::Refused).advice(Advice::AskPerson) } else { error }
    }

    /// True when the content type is JSON, or one of its dialects.
    pub fn is_json(&self) -> bool {
        self.media_type().is_some_and(|media| media == "application/json" || media.ends_with("+json"))
    }

    /// True when the body is a page for people, whatever its content type says.
    pub fn is_html(&self) -> bool {
        let declared = self.media_type().is_some_and(|media| media == "text/html" || media == "application/xhtml+xml");
        let start = self.body.trim_ascii_start().get(..14).unwrap_or_else(|| self.body.trim_ascii_start());
        let looks = [&b"<!doctype html"[..], b"<html"]
            .iter()
            .any(|mark| start.len() >= mark.len() && start[..mark.len()].eq_ignore_ascii_case(mark));
        declared || looks
    }

    /// The media type without its parameters, in lower case.
    pub fn media_type(&self) -> Option<String> {
        let essence = self.content_type.as_deref()?.split(';').next()?;
        Some(essence.trim().to_ascii_lowercase())
    }
}

/// The names under which systems tell an error inside an answer of success.
#[derive(Deserialize)]
struct Complaint {
    #[serde(
        default,
        alias = "errors",
        alias = "errore",
        alias = "errori",
        alias = "errorData",
        alias = "errorMessage"
    )]
    error: Option<Told>,
}

impl Complaint {
    fn is_there(&self) -> bool {
        !matches!(&self.error, None | Some(Told::Flag(false)))
            && !matches!(&self.error, Some(Told::Text(text)) if text.trim().is_empty())
            && !matches!(&self.error, Some(Told::List(list)) if list.is_empty())
    }
}

/// What stands under one of them: `false`, no text and no element are no error.
#[derive(Deserialize)]
#[serde(untagged)]
enum Told {
    Flag(bool),
    Text(String),
    List(Vec<IgnoredAny>),
    Other(IgnoredAny),
}

/// The error behind an answer, for the answers that mean the same with every system. None: the
/// adapter's own table decides.
///
/// | answer | error | phase |
/// |---|---|---|
/// | 401 | authentication | refused |
/// | 403 | permission | refused |
/// | 408 | timeout | unknown |
/// | 413 | not understood: too large as it is, a person must look | refused |
/// | 429 | rate limited, with the pause | refused |
/// | 503 with a pause | unavailable | refused |
/// | other 5xx, 503 without a pause | unavailable | unknown: the effect may have come before the failure |
/// | 1xx, 3xx | not understood; redirects are never followed | unknown |
/// | a body that cannot be believed elsewhere | not understood | unknown |
/// | HTML elsewhere | not understood: a portal or a proxy answered | unknown |
/// | 200 or 201 with an empty body | not understood | unknown |
/// | 202 with no place to ask | not understood: taken in charge is not delivered | unknown |
///
/// An adapter whose contract gives a meaning to one of these reads it before asking here.
pub fn common_error(attempted: &str, answer: &Answer) -> Option<AdapterError> {
    let error = |kind| AdapterError::new(kind, attempted).remote_code(answer.status.to_string());
    let not_understood = |problem: &str| Some(error(ErrorKind::NotUnderstood).caused_by(problem.to_owned()));
    let pause = Advice::Retry { after: answer.retry_after };
    match answer.status {
        401 => Some(error(ErrorKind::Authentication)),
        403 => Some(error(ErrorKind::Permission)),
        408 => Some(error(ErrorKind::Timeout).advice(pause)),
        413 => not_understood("too large for the system").map(|it| it.phase(Phase::Refused).advice(Advice::AskPerson)),
        429 => Some(error(ErrorKind::RateLimited).advice(pause)),
        503 if answer.retry_after_raw.is_some() => Some(error(ErrorKind::Unavailable).advice(pause)),
        500..=599 => Some(error(ErrorKind::Unavailable).phase(Phase::Unknown).advice(pause)),
        300..=399 => not_understood("redirect, never followed").map(|error| error.advice(Advice::FixConfiguration)),
        200..=299 | 400..=499 if answer.defect.is_some() => not_understood(answer.defect.unwrap_or_default()),
        200..=299 | 400..=499 if answer.is_html() => not_understood("a page for people instead of data"),
        200 | 201 if answer.body.trim_ascii().is_empty() => not_understood("empty body"),
        202 if answer.location.is_none() => not_understood("taken in charge with no place to ask"),
        200..=499 => None,
        _ => not_understood("status outside the protocol"),
    }
}

/// What the contract of a system says of a 503 that names its pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Busy {
    /// It did nothing: sending again is safe.
    DidNothing,
    /// Nothing, so that it may be a gateway's word about a request that went through.
    NotSaid,
}

/// The end of the table from answer to error of every system that is written to: what its contract
/// does not name. It knows the two answers that [`common_error`] leaves to readers.
///
/// | answer | error | phase |
/// |---|---|---|
/// | 404, 405 | not understood: there is no such operation at the address in the settings | refused |
/// | 503 with a pause, where the contract does not say what it means | unavailable | unknown |
/// | what [`common_error`] names | that | that |
/// | anything else | not understood | unknown |
pub fn error_of(answer: &Answer, busy: Busy) -> AdapterError {
    if matches!(answer.status, 404 | 405) {
        let error = answer.not_understood("no such operation at this address");
        return error.phase(Phase::Refused).advice(Advice::FixConfiguration);
    }
    let error = common_error(&answer.attempted, answer)
        .unwrap_or_else(|| answer.not_understood("an answer that the contract does not have"));
    if answer.status == 503 && busy == Busy::NotSaid { error.phase(Phase::Unknown) } else { error }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde::Deserialize;

    use super::*;

    fn answer(status: u16, content_type: &str, body: &'static str) -> Answer {
        Answer { status, content_type: Some(content_type.to_owned()), body: body.into(), ..Answer::default() }
    }

    #[rstest]
    #[case(401, ErrorKind::Authentication, Phase::Refused)]
    #[case(403, ErrorKind::Permission, Phase::Refused)]
    #[case(408, ErrorKind::Timeout, Phase::Unknown)]
    #[case(413, ErrorKind::NotUnderstood, Phase::Refused)]
    #[case(429, ErrorKind::RateLimited, Phase::Refused)]
    #[case(500, ErrorKind::Unavailable, Phase::Unknown)]
    #[case(502, ErrorKind::Unavailable, Phase::Unknown)]
    #[case(503, ErrorKind::Unavailable, Phase::Unknown)]
    #[case(302, ErrorKind::NotUnderstood, Phase::Unknown)]
    #[case(202, ErrorKind::NotUnderstood, Phase::Unknown)]
    #[case(700, ErrorKind::NotUnderstood, Phase::Unknown)]
    fn a_status_of_the_shared_table(#[case] status: u16, #[case] kind: ErrorKind, #[case] phase: Phase) {
        let error = common_error("PUT /x", &answer(status, "application/json", "{}")).expect("an error");
        assert_eq!((error.kind, error.phase), (kind, phase));
        assert_eq!(error.remote_code, Some(status.to_string()));
    }

    #[rstest]
    #[case(200, "text/html", "<p>ciao")]
    #[case(200, "application/json", " <!DOCTYPE html><title>Accesso</title>")]
    #[case(404, "text/html; charset=utf-8", "<html>")]
    #[case(200, "application/json", " ")]
    #[case(201, "application/json", "")]
    fn what_is_not_data_is_not_understood(#[case] status: u16, #[case] content_type: &str, #[case] body: &'static str) {
        let error = common_error("GET /x", &answer(status, content_type, body)).expect("an error");
        assert_eq!((error.kind, error.phase), (ErrorKind::NotUnderstood, Phase::Unknown));
    }

    #[rstest]
    #[case("text/html", "<html>413 Request Entity Too Large")]
    #[case("application/json", "")]
    fn what_is_too_large_waits_for_a_person_and_not_in_doubt(#[case] content_type: &str, #[case] body: &'static str) {
        let error = common_error("PUT /x", &answer(413, content_type, body)).expect("an error");
        assert_eq!((error.phase, error.advice), (Phase::Refused, Advice::AskPerson));
        // The same for an adapter that reads its problem document first.
        let error = answer(413, content_type, body).json::<Shape>().expect_err("no problem document");
        assert_eq!((error.phase, error.advice), (Phase::Refused, Advice::AskPerson));
    }

    #[rstest]
    #[case(200)]
    #[case(201)]
    #[case(400)]
    #[case(404)]
    #[case(409)]
    #[case(422)]
    fn the_rest_belongs_to_the_adapter(#[case] status: u16) {
        assert!(common_error("GET /x", &answer(status, "application/json", "{}")).is_none());
    }

    #[test]
    fn a_503_that_names_its_pause_did_nothing() {
        let busy = Answer {
            retry_after: Some(Duration::from_secs(7)),
            retry_after_raw: Some("7".to_owned()),
            ..answer(503, "application/json", "{}")
        };
        let error = common_error("PUT /x", &busy).expect("an error");
        assert_eq!(error.phase, Phase::Refused);
        assert_eq!(error.advice, Advice::Retry { after: Some(Duration::from_secs(7)) });
    }

    #[derive(Debug, Deserialize)]
    struct Shape {
        n: u32,
    }

    #[test]
    fn json_needs_its_type_its_shape_and_its_end() {
        assert_eq!(
            answer(200, "application/problem+json; charset=utf-8", r#"{"n":1}"#).json::<Shape>().expect("json").n,
            1
        );
        for (content_type, body) in
            [("text/plain", r#"{"n":1}"#), ("application/json", r#"{"n":"segreto"}"#), ("application/json", r#"{"n":"#)]
        {
            let error = answer(200, content_type, body).json::<Shape>().expect_err("outside the contract");
            assert_eq!(error.kind, ErrorKind::NotUnderstood);
            assert!(!format!("{error:?}").contains("segreto"));
        }
    }

    #[rstest]
    #[case(404, Busy::DidNothing, Phase::Refused, Advice::FixConfiguration)]
    #[case(405, Busy::NotSaid, Phase::Refused, Advice::FixConfiguration)]
    #[case(503, Busy::DidNothing, Phase::Refused, Advice::Retry { after: Some(Duration::from_secs(7)) })]
    #[case(503, Busy::NotSaid, Phase::Unknown, Advice::Retry { after: Some(Duration::from_secs(7)) })]
    #[case(429, Busy::NotSaid, Phase::Refused, Advice::Retry { after: Some(Duration::from_secs(7)) })]
    #[case(200, Busy::DidNothing, Phase::Unknown, Advice::Retry { after: None })]
    #[case(409, Busy::NotSaid, Phase::Unknown, Advice::Retry { after: None })]
    fn the_end_of_every_table(#[case] status: u16, #[case] busy: Busy, #[case] phase: Phase, #[case] advice: Advice) {
        let (retry_after, raw) = (Some(Duration::from_secs(7)), Some("7".to_owned()));
        let answer = Answer { retry_after, retry_after_raw: raw, ..answer(status, "application/json", "{}") };
        let error = error_of(&answer, busy);
        assert_eq!((error.phase, error.advice), (phase, advice));
    }

    #[test]
    fn a_body_that_cannot_be_believed_is_no_json_and_no_refusal_of_ours() {
        let defect = Some("encoded");
        for status in [200, 201, 204, 400, 404, 409, 422] {
            let answer = Answer { defect, ..answer(status, "application/json", r#"{"n":1}"#) };
            assert!(answer.json::<Shape>().is_err() && answer.receipt::<Shape>().is_err());
            let error = common_error("PUT /x", &answer).expect("an error");
            assert_eq!((error.kind, error.phase), (ErrorKind::NotUnderstood, Phase::Unknown), "{status}");
        }
    }

    #[rstest]
    #[case(r#"{"n":1}"#, true)]
    #[case("\u{feff} {\"n\":1}", true)]
    #[case(r#"{"n":1,"error":null,"other":{"error":"deeper"}}"#, true)]
    #[case(r#"{"n":1,"errors":[]}"#, true)]
    #[case(r#"{"n":1,"errore":false}"#, true)]
    #[case(r#"{"n":1,"error":" "}"#, true)]
    #[case(r#"{"n":1,"error":"no"}"#, false)]
    #[case(r#"{"n":1,"errore":true}"#, false)]
    #[case(r#"{"n":1,"errors":["no"]}"#, false)]
    #[case(r#"{"n":1,"errorData":{"code":3}}"#, false)]
    #[case(r#"{"n":1,"error":null,"errors":["no"]}"#, false)]
    #[case("[1]", false)]
    #[case(r#"{"n":1}{"n":1}"#, false)]
    fn a_receipt_is_an_object_that_speaks_of_no_error(#[case] body: &'static str, #[case] expected: bool) {
        assert_eq!(answer(200, "application/json", body).receipt::<Shape>().is_ok(), expected);
    }

    #[test]
    fn half_a_character_spoils_json_wherever_it_stands() {
        let body = Bytes::from_static(b"{\"n\":1,\"nobody reads\":\"\xc3\"}");
        let answer = Answer { body, ..answer(200, "application/json", "") };
        assert!(answer.json::<Shape>().is_err());
    }

    #[test]
    fn nothing_of_the_body_is_shown() {
        assert!(!format!("{:?}", answer(200, "application/json", "segreto")).contains("segreto"));
    }
}

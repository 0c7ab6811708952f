//! An answer as received, and what every system's answers have in common.
//!
//! [`common_error`] is the shared part of the table from answer to error. Each adapter asks it
//! after the answers that its own contract names. What it cannot name is in doubt: the request may
//! have taken effect, and must be looked up before it is sent again.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use contract::{AdapterError, Advice, ErrorKind, Phase};
use serde::de::DeserializeOwned;
use time::PrimitiveDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

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
    /// The pause that the system asks for, never above a day. A date is counted from the date of
    /// the answer itself: both are the system's clock, ours is not needed.
    pub retry_after: Option<Duration>,
    /// The pause as received, also when it could not be understood.
    pub retry_after_raw: Option<String>,
    /// The body.
    pub body: Bytes,
}

/// Never the body, nor the place to ask: both may hold personal data or tokens.
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
        if !self.is_json() {
            return Err(self.not_understood("content type is not JSON"));
        }
        // A byte order mark is not JSON, but some servers write one.
        let body = self.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.body);
        serde_json::from_slice(body).map_err(|error| {
            // The words of the parser may repeat received values: only the place is told.
            let what = match error.classify() {
                serde_json::error::Category::Data => "unexpected shape",
                _ => "not complete JSON",
            };
            self.not_understood(&format!("{what} at line {} column {}", error.line(), error.column()))
        })
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
        200..=299 | 400..=499 if answer.is_html() => not_understood("a page for people instead of data"),
        200 | 201 if answer.body.trim_ascii().is_empty() => not_understood("empty body"),
        202 if answer.location.is_none() => not_understood("taken in charge with no place to ask"),
        200..=499 => None,
        _ => not_understood("status outside the protocol"),
    }
}

/// No system may stop a delivery for longer than this.
const LONGEST_PAUSE: Duration = Duration::from_hours(24);

/// How long a system asks to be left alone: seconds, or a date counted from the date of the answer
/// (`date`). Past dates give zero, what is neither gives none.
pub(crate) fn pause(retry_after: &str, date: Option<&str>) -> Option<Duration> {
    let text = retry_after.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = text.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(LONGEST_PAUSE));
    }
    let pause = http_date(text)? - http_date(date?)?;
    Some(Duration::try_from(pause).unwrap_or_default().min(LONGEST_PAUSE))
}

const HTTP_DATE: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

fn http_date(text: &str) -> Option<PrimitiveDateTime> {
    PrimitiveDateTime::parse(text.trim(), HTTP_DATE).ok()
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

    #[rstest]
    #[case("5", Some(5))]
    #[case(" 0 ", Some(0))]
    #[case("99999999999999999999999", Some(86_400))]
    #[case("Sun, 06 Nov 1994 08:49:47 GMT", Some(10))]
    #[case("Sun, 06 Nov 1994 08:00:00 GMT", Some(0))]
    #[case("Sun, 06 Nov 2044 08:49:37 GMT", Some(86_400))]
    #[case("-3", None)]
    #[case("soon", None)]
    #[case("", None)]
    fn a_pause_is_seconds_or_a_date(#[case] text: &str, #[case] seconds: Option<u64>) {
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(pause(text, date), seconds.map(Duration::from_secs));
    }

    #[test]
    fn a_date_without_a_date_of_the_answer_is_kept_raw() {
        assert_eq!(pause("Sun, 06 Nov 1994 08:49:47 GMT", None), None);
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

    #[test]
    fn nothing_of_the_body_is_shown() {
        assert!(!format!("{:?}", answer(200, "application/json", "segreto")).contains("segreto"));
    }
}

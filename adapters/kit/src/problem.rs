//! Problems as others write them: `application/problem+json` (RFC 7807, RFC 9457) in the dialects of the
//! platform, of gateways and of our own API.
//!
//! A problem is a bonus: the status of the answer decides, and a body that is a page, or of another
//! shape, has none. Nothing of it is shown without passing [`shown`](crate::shown::shown).

use serde_json::Value;

use crate::answer::Answer;

/// A problem, as far as it could be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problem {
    /// The URI of its type; none where it says nothing beyond its status (`about:blank`).
    pub kind: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// The status, as the body repeats it.
    pub status: Option<u16>,
    /// What happened this time.
    pub detail: Option<String>,
    /// The codes of the sender: its own `code`, then those of `errors`.
    pub codes: Vec<String>,
    /// What its support asks for: the name of the exchange.
    pub reference: Option<String>,
}

/// The members under which systems name an exchange.
const REFERENCES: [&str; 4] = ["correlationId", "correlation_id", "govway_id", "traceId"];

impl Problem {
    /// The problem of an answer, when its body is one.
    pub fn read(answer: &Answer) -> Option<Self> {
        if answer.is_html() {
            return None;
        }
        Self::of(&answer.body)
    }

    /// The problem of a body.
    pub fn of(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let member = |name: &str| body.get(name).and_then(text);
        let errors = body.get("errors").and_then(Value::as_array).into_iter().flatten();
        let codes = errors.filter_map(|error| error.get("code").and_then(text));
        let problem = Self {
            kind: member("type").filter(|kind| kind != "about:blank"),
            title: member("title"),
            status: body.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok()),
            detail: member("detail"),
            codes: member("code").into_iter().chain(codes).collect(),
            reference: REFERENCES.into_iter().find_map(member),
        };
        // Any object has a shape; a problem says at least one of these.
        (problem.title.is_some() || problem.status.is_some() || !problem.codes.is_empty()).then_some(problem)
    }

    /// The first of its codes.
    pub fn code(&self) -> Option<&str> {
        self.codes.first().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_problem_is_none_and_a_wrong_type_is_as_if_it_were_absent() {
        for body in ["", "<html>", "[]", "{}", "\"title\"", r#"{"items":[]}"#] {
            assert_eq!(Problem::of(body.as_bytes()), None, "{body}");
        }
        let odd = Problem::of(br#"{"title":"x","status":"400","errors":[{"code":7},{"code":"a"},3],"detail":null}"#);
        let expected = Problem { title: Some("x".to_owned()), codes: vec!["a".to_owned()], ..Problem::default() };
        assert_eq!(odd, Some(expected));
    }
}

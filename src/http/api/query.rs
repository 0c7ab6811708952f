//! The query of an address, read strictly: a parameter that is not known, that comes twice or that is
//! not what it should be is refused with its name.

use std::collections::BTreeMap;

use axum::response::Response;

use super::problem::{Code, Problem};
use crate::flow::exchange::cursor::Cursor;

/// Items on a page, when nothing else is asked for, and at most.
pub(super) const USUAL_LIMIT: u32 = 50;
pub(super) const HIGHEST_LIMIT: u32 = 500;

/// The parameters of one request.
#[derive(Debug)]
pub(super) struct Query {
    given: BTreeMap<String, String>,
}

impl Query {
    /// Reads a query; only these parameters may stand in it.
    pub(super) fn read(query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let mut given = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&name.as_ref()) {
                return Err(Problem::from(Code::Malformed).at("query", "parametro non previsto"));
            }
            if given.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                return Err(malformed(&name, "parametro ripetuto"));
            }
        }
        Ok(Self { given })
    }

    /// A parameter as some type has it.
    pub(super) fn parsed<T>(&self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Problem> {
        match self.given.get(name) {
            None => Ok(None),
            Some(value) => parse(value).map(Some).ok_or_else(|| malformed(name, "valore non valido")),
        }
    }

    /// How many items.
    pub(super) fn limit(&self, highest: u32) -> Result<u32, Problem> {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let limit = self.parsed("limit", |text| text.parse().ok().filter(|_| is_number(text)))?;
        let limit = limit.unwrap_or(USUAL_LIMIT.min(highest));
        if (1..=highest).contains(&limit) { Ok(limit) } else { Err(malformed("limit", "fuori dai limiti")) }
    }

    /// Where the page begins, for this question.
    pub(super) fn cursor(&self, question: &str) -> Result<Cursor, Problem> {
        Ok(self.parsed("cursor", |text| Cursor::read(text, question))?.unwrap_or_default())
    }
}

pub(super) fn malformed(name: &str, message: &str) -> Problem {
    Problem::from(Code::Malformed).at(format!("query.{name}"), message)
}

/// An answer, or the problem in its place.
pub(super) type Answered = Result<Response, Problem>;

//! The daily tracing files, at the platform: sent, asked about, sent again. See
//! [`tracing_file`](super::tracing_file) for what stands in one.
//!
//! A file that is taken is looked at later: what is wrong with it is asked for afterwards. A day is
//! submitted once; then it is recovered (`MISSING`, `ERROR`) or replaced (`COMPLETED`).

use std::fmt;

use bytes::Bytes;
use canonical::values::{CalendarDate, UtcInstant};
use contract::{AdapterError, Advice, ErrorKind, Phase, SettingsError};
use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::call::{Caller, Outgoing};
use super::client::{Quota, VoucherClient, random_name};
use super::preflight::is_uuid;
use super::settings::{Connection, ConnectionKeys};
use crate::answer::{Answer, common_error};
use crate::http::HttpClient;
use crate::problem::Problem;

/// The most rows of a page.
pub const LARGEST_PAGE: u16 = 50;

/// What is done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending<'a> {
    /// The file of a day, for the first time.
    Submit(CalendarDate),
    /// The file of a day that is missing or was refused.
    Recover(&'a str),
    /// The file of a day that was taken.
    Replace(&'a str),
}

/// A file that was taken, and will be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Its name.
    #[serde(rename(deserialize = "tracingId"))]
    pub id: String,
    /// Whether something is wrong with it already.
    #[serde(default, rename(deserialize = "errors"))]
    pub has_errors: bool,
}

/// A day, as the platform has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traced {
    /// Its name.
    #[serde(rename(deserialize = "tracingId"))]
    pub id: String,
    /// The day.
    pub date: String,
    /// `PENDING`, `COMPLETED`, `WARNING`, `ERROR`, `MISSING`.
    pub state: String,
}

/// What is wrong with a row of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TracedError {
    /// The row, as the platform counts.
    #[serde(rename(deserialize = "rowNumber"))]
    pub row: u32,
    /// The purpose.
    #[serde(rename(deserialize = "purposeId"))]
    pub purpose_id: String,
    /// `INVALID` or `WARNING`.
    pub severity: String,
    /// The platform's code.
    #[serde(rename(deserialize = "errorCode"))]
    pub code: String,
    /// In its words.
    pub message: String,
}

/// Rows, and how many there are in all.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Rows<T> {
    /// The rows.
    pub results: Vec<T>,
    /// In all.
    #[serde(rename = "totalCount")]
    pub total: u64,
}

/// The service, as one client of it.
pub struct TracingApi {
    caller: Caller,
}

impl fmt::Debug for TracingApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracingApi").field("caller", &self.caller).finish()
    }
}

impl TracingApi {
    /// The service that a connection reaches at its `tracing_url`. Nothing is sent.
    pub fn new(connection: Connection, keys: ConnectionKeys) -> Result<Self, SettingsError> {
        let unusable = |problem: String| SettingsError { system: "pdnd", problem };
        if !connection.is_api_client {
            return Err(unusable("tracing takes a client api interop alone, with is_api_client = true".to_owned()));
        }
        let Some(url) = &connection.tracing_url else {
            return Err(unusable(
                "tracing_url is missing: the platform tells its address to who takes part".to_owned(),
            ));
        };
        let target = HttpClient::new("pdnd", &connection.http(url))?;
        let quota = Quota::of(&connection);
        let vouchers = VoucherClient::new(connection, keys, quota).map_err(|error| unusable(error.to_string()))?;
        Ok(Self { caller: Caller::new(vouchers, target, None) })
    }

    /// Sends a file.
    pub async fn send(
        &self,
        sending: Sending<'_>,
        file: &[u8],
        now: impl Fn() -> UtcInstant,
    ) -> Result<Taken, AdapterError> {
        let boundary = format!("raccordo-{}", random_name());
        let (path, day) = match sending {
            Sending::Submit(day) => (["tracings", "submit"].to_vec(), Some(day)),
            Sending::Recover(id) => (["tracings", named(id)?, "recover"].to_vec(), None),
            Sending::Replace(id) => (["tracings", named(id)?, "replace"].to_vec(), None),
        };
        let outgoing = Outgoing {
            method: Method::POST,
            path: &path,
            query: &[],
            // No quotes, no folded parameters: the platform reads none.
            content_type: Some(&format!("multipart/form-data; boundary={boundary}")),
            content_encoding: None,
            body: multipart(&boundary, file, day),
            user: None,
        };
        let answer = self.caller.send(&outgoing, now).await?.answer;
        if answer.status == 200 { answer.object() } else { Err(refused(&answer)) }
    }

    /// The days in these states, or in any where none is named.
    pub async fn days(
        &self,
        states: &[String],
        offset: u32,
        now: impl Fn() -> UtcInstant,
    ) -> Result<Rows<Traced>, AdapterError> {
        let states = states.join(",");
        let (offset, limit) = (offset.to_string(), LARGEST_PAGE.to_string());
        let mut query = vec![("offset", offset.as_str()), ("limit", limit.as_str())];
        query.extend((!states.is_empty()).then_some(("states", states.as_str())));
        self.get(&["tracings"], &query, now).await
    }

    /// What is wrong with the file of a day.
    pub async fn errors(
        &self,
        id: &str,
        offset: u32,
        now: impl Fn() -> UtcInstant,
    ) -> Result<Rows<TracedError>, AdapterError> {
        let (offset, limit) = (offset.to_string(), LARGEST_PAGE.to_string());
        self.get(&["tracings", named(id)?, "errors"], &[("offset", &offset), ("limit", &limit)], now).await
    }

    async fn get<T: serde::de::DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        now: impl Fn() -> UtcInstant,
    ) -> Result<T, AdapterError> {
        let outgoing = Outgoing {
            method: Method::GET,
            path,
            query,
            content_type: None,
            content_encoding: None,
            body: Bytes::new(),
            user: None,
        };
        let answer = self.caller.send(&outgoing, now).await?.answer;
        if answer.status == 200 { answer.object() } else { Err(refused(&answer)) }
    }
}

/// The name of a day; what cannot be one is not sent.
fn named(id: &str) -> Result<&str, AdapterError> {
    if is_uuid(id) {
        return Ok(id);
    }
    let error = AdapterError::new(ErrorKind::Local, "name a tracing").phase(Phase::BeforeSending);
    Err(error.advice(Advice::AskPerson).caused_by("the name of a tracing is a UUID".to_owned()))
}

/// A form with a file, and its day. A boundary that is a random name stands in no file.
fn multipart(boundary: &str, file: &[u8], day: Option<CalendarDate>) -> Bytes {
    let mut body = Vec::with_capacity(file.len() + 512);
    if let Some(day) = day {
        let part = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"date\"\r\n\r\n{day}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"tracing.csv\"\r\n\
         Content-Type: text/csv\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(file);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    body.into()
}

/// What the service does not do, by its own code.
fn refused(answer: &Answer) -> AdapterError {
    if let Some(error) = common_error(&answer.attempted, answer) {
        return error;
    }
    let problem = Problem::read(answer).unwrap_or_default();
    let code = problem.code().and_then(crate::showable).unwrap_or_else(|| answer.status.to_string());
    let told = problem
        .detail
        .or(problem.title)
        .and_then(|text| crate::showable(&text))
        .unwrap_or_else(|| "not taken".to_owned());
    let error = AdapterError::new(ErrorKind::NotUnderstood, answer.attempted.clone()).phase(Phase::Refused);
    error.advice(Advice::AskPerson).remote_code(code).caused_by(told)
}

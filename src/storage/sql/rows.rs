//! Between rows and the vocabulary of the traits.

use canonical::values::UtcInstant;
use canonical::{Body, Kind, Provenance, Record};
use serde::Serialize;

use super::connection::Row;
use super::trouble::Trouble;
use crate::delivery::DeliveryState;
use crate::storage::{DeliveryId, JobSubject};

pub(super) fn instant(micros: i64) -> Result<UtcInstant, Trouble> {
    Ok(UtcInstant::from_unix_micros(micros)?)
}

pub(super) fn optional_instant(micros: Option<i64>) -> Result<Option<UtcInstant>, Trouble> {
    micros.map(instant).transpose()
}

/// A count or a revision: never negative by the rules of the schema.
pub(super) fn count(value: i64) -> u64 {
    value.unsigned_abs()
}

/// A count as a database keeps it. More than fits has never been counted.
pub(super) fn stored(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The JSON array under which ids and keys travel into a statement.
pub(super) fn json(values: &impl Serialize) -> Result<String, Trouble> {
    Ok(serde_json::to_string(values)?)
}

pub(super) fn hex(bytes: &[u8; 32]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(64);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// The columns of a state: name, code, message, instant.
pub(super) struct StateColumns<'a> {
    pub(super) name: &'static str,
    pub(super) code: Option<&'a str>,
    pub(super) message: Option<&'a str>,
    pub(super) not_before: Option<i64>,
}

impl<'a> From<&'a DeliveryState> for StateColumns<'a> {
    fn from(state: &'a DeliveryState) -> Self {
        let (code, message, not_before) = match state {
            DeliveryState::Due | DeliveryState::Sent | DeliveryState::Acknowledged => (None, None, None),
            DeliveryState::Refused { code, message } => (Some(code.as_str()), Some(message.as_str()), None),
            DeliveryState::InDoubt { code, at }
            | DeliveryState::Retry { code, at }
            | DeliveryState::Submitted { code, at } => (Some(code.as_str()), None, Some(at.unix_micros())),
            DeliveryState::Held { code, message, at } => {
                (Some(code.as_str()), Some(message.as_str()), Some(at.unix_micros()))
            }
            DeliveryState::Parked { reason, in_doubt } => (in_doubt.then_some("in_doubt"), Some(reason.as_str()), None),
        };
        Self { name: state.name(), code, message, not_before }
    }
}

/// A state from four columns that follow each other, in the order of [`StateColumns`].
pub(super) fn state(row: &Row, first: usize) -> Result<DeliveryState, Trouble> {
    let name: &str = row.try_get(first)?;
    let code = || Ok::<_, Trouble>(row.try_get::<Option<String>>(first + 1)?.unwrap_or_default());
    let message = || Ok::<_, Trouble>(row.try_get::<Option<String>>(first + 2)?.unwrap_or_default());
    let at = || instant(row.try_get::<Option<i64>>(first + 3)?.unwrap_or_default());
    Ok(match name {
        "due" => DeliveryState::Due,
        "sent" => DeliveryState::Sent,
        "acknowledged" => DeliveryState::Acknowledged,
        "refused" => DeliveryState::Refused { code: code()?, message: message()? },
        "in_doubt" => DeliveryState::InDoubt { code: code()?, at: at()? },
        "retry" => DeliveryState::Retry { code: code()?, at: at()? },
        "submitted" => DeliveryState::Submitted { code: code()?, at: at()? },
        "held" => DeliveryState::Held { code: code()?, message: message()?, at: at()? },
        "parked" => DeliveryState::Parked { reason: message()?, in_doubt: !code()?.is_empty() },
        other => return Err(Trouble::Damaged(format!("unknown delivery state {other}"))),
    })
}

pub(super) fn kind(name: &str) -> Result<Kind, Trouble> {
    Kind::from_name(name).ok_or_else(|| Trouble::Damaged(format!("unknown kind {name}")))
}

/// A record from four columns that follow each other: kind, schema version, body, provenance.
pub(super) fn record(row: &Row, first: usize) -> Result<Record, Trouble> {
    let kind = kind(row.try_get(first)?)?;
    let provenance: Provenance = serde_json::from_str(row.try_get(first + 3)?)?;
    Ok(Record {
        schema_version: row.try_get(first + 1)?,
        body: Body::from_json(kind, row.try_get(first + 2)?)?,
        provenance,
    })
}

/// What a job is about, from two columns of which one holds a value.
pub(super) fn subject(delivery: Option<i64>, number: Option<i64>) -> Result<JobSubject, Trouble> {
    match (delivery, number) {
        (Some(delivery), None) => Ok(JobSubject::Deliver(DeliveryId(delivery))),
        (None, Some(number)) => Ok(JobSubject::Nothing(number)),
        _ => Err(Trouble::Damaged("a job about nothing, or about two things".to_owned())),
    }
}

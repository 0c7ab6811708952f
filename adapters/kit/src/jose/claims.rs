//! The claims of a token, and the checks that every token shares: times and audience.
//!
//! An audience is compared whole. Vouchers write several in one text with commas between; others
//! write a list. `exp` has no tolerance; what is ahead of us has one, because clocks differ.

use canonical::values::UtcInstant;
use serde_json::{Map, Value};

use super::{Refusal, seconds};

/// The claims of one token.
#[derive(Debug, Clone, Copy)]
pub struct Claims<'a>(&'a Map<String, Value>);

impl<'a> Claims<'a> {
    pub(super) fn new(claims: &'a Map<String, Value>) -> Self {
        Self(claims)
    }

    /// A claim.
    pub fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name)
    }

    /// Their names.
    pub fn names(self) -> impl Iterator<Item = &'a str> {
        self.0.keys().map(String::as_str)
    }

    /// A claim that is a text and not empty.
    pub fn text(self, name: &str) -> Option<&'a str> {
        self.0.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// A text that must be there.
    pub fn required(self, name: &'static str) -> Result<String, Refusal> {
        let absent = || Refusal::unauthorized("missing_claim", format!("the claim {name} is absent or no text"));
        self.text(name).map(str::to_owned).ok_or_else(absent)
    }

    /// A claim that is a whole number of seconds.
    pub fn number(self, name: &str) -> Option<i64> {
        self.0.get(name)?.as_i64()
    }

    /// The audiences: one text, or a list.
    pub fn audiences(self) -> Vec<&'a str> {
        match self.0.get("aud") {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Refuses a token that is for nobody of these.
    pub fn check_audience(self, ours: &[String]) -> Result<(), Refusal> {
        one_of(self.audiences().into_iter(), ours)
    }

    /// The same for a voucher, whose audiences may stand in one text with commas between.
    pub fn check_voucher_audience(self, ours: &[String]) -> Result<(), Refusal> {
        one_of(self.audiences().into_iter().flat_map(|text| text.split(',')).map(str::trim), ours)
    }

    /// When it expires, refusing one that has. Without tolerance.
    pub fn check_exp(self, now: UtcInstant) -> Result<i64, Refusal> {
        let exp = self.number("exp").ok_or_else(|| Refusal::unauthorized("malformed", "exp is absent or no number"))?;
        if seconds(now) >= exp {
            return Err(Refusal::unauthorized("expired", format!("exp {exp} is not after now {}", seconds(now))));
        }
        Ok(exp)
    }

    /// Refuses a token whose `nbf`, where it has one, is further ahead than the tolerance.
    pub fn check_nbf(self, now: UtcInstant, tolerance: i64) -> Result<(), Refusal> {
        match self.0.get("nbf").map(Value::as_i64) {
            None => Ok(()),
            Some(Some(nbf)) if nbf <= seconds(now).saturating_add(tolerance) => Ok(()),
            Some(Some(nbf)) => {
                Err(Refusal::unauthorized("not_yet_valid", format!("nbf {nbf} is after now {}", seconds(now))))
            }
            Some(None) => Err(Refusal::unauthorized("malformed", "nbf is no number")),
        }
    }

    /// When it was issued, refusing one further ahead than the tolerance.
    pub fn check_iat(self, now: UtcInstant, tolerance: i64) -> Result<i64, Refusal> {
        let iat = self.number("iat").ok_or_else(|| Refusal::unauthorized("malformed", "iat is absent or no number"))?;
        if iat > seconds(now).saturating_add(tolerance) {
            let detail = format!("iat {iat} is after now {}", seconds(now));
            return Err(Refusal::unauthorized("issued_in_future", detail));
        }
        Ok(iat)
    }

    /// Refuses a token issued longer ago than this.
    pub fn check_age(self, now: UtcInstant, longest: i64) -> Result<(), Refusal> {
        match self.number("iat") {
            Some(iat) if seconds(now).saturating_sub(iat) > longest => {
                let detail = format!("iat {iat} is more than {longest} s before now {}", seconds(now));
                Err(Refusal::unauthorized("issued_too_long_ago", detail))
            }
            _ => Ok(()),
        }
    }
}

fn one_of<'a>(mut audiences: impl Iterator<Item = &'a str>, ours: &[String]) -> Result<(), Refusal> {
    if audiences.any(|audience| ours.iter().any(|our| our == audience)) {
        return Ok(());
    }
    Err(Refusal::unauthorized("audience", "aud does not name us"))
}

//! A value of a record, borrowed: to compare two records nothing is copied.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use canonical::Digest;
use canonical::identifiers::{CodiceFiscale, Cup, holds_personal_code, without_personal_codes};
use canonical::kinds::{IdentificativoOperatore, Partecipazione, Persona};
use canonical::values::{CalendarDate, Importo, UtcInstant};
use jiff::Timestamp;
use jiff::tz::TimeZone;

pub(crate) use crate::discrepancy::shown::OMITTED;

/// A value.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    /// An amount.
    Amount(Importo),
    /// A day.
    Date(CalendarDate),
    /// An instant, compared by its day.
    Instant(UtcInstant),
    /// A text.
    Text(&'a str),
    /// A code.
    Code(&'a str),
    /// A number that is no amount.
    Number(i64),
    /// A set of codes.
    Codes(Codes<'a>),
    /// The operators of an award.
    Operators(Operators<'a>),
    /// A person.
    Person(&'a Persona),
}

/// A set of codes.
#[derive(Clone, Copy)]
pub enum Codes<'a> {
    /// CUP.
    Cups(&'a BTreeSet<Cup>),
    /// Any codes.
    Texts(&'a BTreeSet<String>),
    /// One code.
    One(&'a str),
}

impl<'a> Codes<'a> {
    /// The codes.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let (cups, texts, one) = match self {
            Self::Cups(cups) => (Some(cups), None, None),
            Self::Texts(texts) => (None, Some(texts), None),
            Self::One(one) => (None, None, Some(one)),
        };
        let cups = cups.into_iter().flatten().map(Cup::as_str);
        let texts = texts.into_iter().flatten().map(String::as_str);
        cups.chain(texts).chain(one)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }

    /// Whether both hold the same codes. Each is in order, so one pass is enough.
    pub fn is_same(self, other: Self) -> bool {
        self.iter().eq(other.iter())
    }

    /// Whether a code is among these.
    pub fn contains(self, code: &str) -> bool {
        match self {
            Self::Texts(texts) => texts.contains(code),
            _ => self.iter().any(|one| one == code),
        }
    }
}

/// The operators of an award, in the order of their source.
#[derive(Clone, Copy)]
pub enum Operators<'a> {
    /// As an award holds them.
    Parties(&'a [Partecipazione]),
    /// One alone.
    One(&'a IdentificativoOperatore),
}

impl<'a> Operators<'a> {
    /// The operators.
    pub fn iter(self) -> impl Iterator<Item = &'a IdentificativoOperatore> {
        let (parties, one) = match self {
            Self::Parties(parties) => (parties, None),
            Self::One(one) => (&[][..], Some(one)),
        };
        parties.iter().map(|party| &party.operatore).chain(one)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }
}

impl<'a> Value<'a> {
    /// The text of a text or a code.
    pub(super) fn as_text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) | Self::Code(text) | Self::Codes(Codes::One(text)) => Some(text),
            _ => None,
        }
    }

    /// The day, twice for an instant of the night: in UTC and in Rome. Sources that know a day only
    /// write it as midnight, of one or of the other.
    pub(super) fn days(self) -> Option<(CalendarDate, CalendarDate)> {
        match self {
            Self::Date(day) => Some((day, day)),
            Self::Instant(instant) => {
                let utc = CalendarDate::try_from(instant.to_offset_date_time().date()).ok()?;
                let is_day_alone = instant.unix_micros() % 86_400_000_000 == 0;
                let rome = if is_day_alone { None } else { rome_day(instant) };
                Some((rome.unwrap_or(utc), utc))
            }
            _ => None,
        }
    }

    /// The value for people, without personal codes and names.
    pub fn shown(self) -> String {
        match self {
            Self::Amount(amount) => amount.to_string(),
            Self::Date(day) => day.to_string(),
            Self::Instant(instant) => instant.to_string(),
            Self::Text(text) | Self::Code(text) => without_personal_codes(text, OMITTED).into_owned(),
            Self::Number(number) => number.to_string(),
            Self::Codes(codes) => codes.iter().fold(String::new(), |mut shown, code| {
                let comma = if shown.is_empty() { "" } else { "," };
                let _ = write!(shown, "{comma}{}", without_personal_codes(code, OMITTED));
                shown
            }),
            Self::Operators(operators) => {
                let mut shown: Vec<&str> = operators.iter().map(shown_operator).collect();
                shown.sort_unstable();
                shown.join(",")
            }
            Self::Person(_) => OMITTED.to_owned(),
        }
    }
}

impl Value<'_> {
    /// The digest of all that it says, where [`Self::shown`] hides some of it.
    pub fn hidden(self) -> Option<Digest> {
        let parts: Vec<&str> = match self {
            Self::Text(text) | Self::Code(text) => vec![text],
            Self::Codes(codes) => codes.iter().collect(),
            Self::Operators(operators) => {
                if !operators.iter().any(IdentificativoOperatore::may_be_personal) {
                    return None;
                }
                let mut codes: Vec<_> = operators.iter().map(whole_operator).collect();
                codes.sort_unstable();
                return Some(Digest::of_parts(codes.into_iter().map(str::as_bytes)));
            }
            Self::Person(person) => {
                let code = person.codice_fiscale.as_ref().map(CodiceFiscale::as_str);
                let parts = [Some(person.cognome.as_str()), person.nome.as_deref(), code];
                return Some(Digest::of_parts(parts.map(|part| part.unwrap_or_default().as_bytes())));
            }
            Self::Amount(_) | Self::Date(_) | Self::Instant(_) | Self::Number(_) => return None,
        };
        let hides = parts.iter().any(|part| holds_personal_code(part));
        hides.then(|| Digest::of_parts(parts.into_iter().map(str::as_bytes)))
    }
}

fn whole_operator(operator: &IdentificativoOperatore) -> &str {
    match operator {
        IdentificativoOperatore::CodiceFiscale(code) => code.as_str(),
        IdentificativoOperatore::Estero(text) | IdentificativoOperatore::NonValido(text) => text,
        IdentificativoOperatore::Assente => "",
    }
}

/// An operator for people: a company by its code, whatever may be a person not at all.
fn shown_operator(operator: &IdentificativoOperatore) -> &str {
    match operator {
        _ if operator.may_be_personal() => OMITTED,
        IdentificativoOperatore::CodiceFiscale(code) => code.masked(),
        IdentificativoOperatore::Estero(text) | IdentificativoOperatore::NonValido(text) => text,
        IdentificativoOperatore::Assente => OMITTED,
    }
}

fn rome_day(instant: UtcInstant) -> Option<CalendarDate> {
    let zone = TimeZone::get("Europe/Rome").ok()?;
    let day = Timestamp::from_microsecond(instant.unix_micros()).ok()?.to_zoned(zone).date();
    CalendarDate::from_numbers(i32::from(day.year()), day.month().unsigned_abs(), day.day().unsigned_abs()).ok()
}

impl std::fmt::Debug for Value<'_> {
    /// Texts and persons never reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Value(…)")
    }
}

impl std::fmt::Debug for Codes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Codes(…)")
    }
}

impl std::fmt::Debug for Operators<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Operators(…)")
    }
}

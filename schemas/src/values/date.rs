//! Days and instants.
//!
//! A day with legal meaning is a day of the Italian calendar, without an hour and without a zone.
//! An instant is in UTC. The clock is absent on purpose: who needs now receives it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use time::format_description::well_known::Rfc3339;
use time::{Date, Month, OffsetDateTime, Time, UtcOffset};

use super::{Note, Reading};

/// A day from 1900 to 2200.
///
/// ```
/// use canonical::values::CalendarDate;
///
/// let date = CalendarDate::parse("2019-12-17")?;
/// assert_eq!(date.italian(), "17/12/2019");
/// # Ok::<(), canonical::values::date::CalendarDateError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CalendarDate(Date);

/// How the dates of a source are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DateFormat {
    /// Years have four digits, whatever the order.
    #[default]
    Iso,
    /// Years may have two digits, after day and month: `05/10/22`.
    DayFirstShortYear,
}

/// Why a text is not a canonical date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CalendarDateError {
    /// The text is not `YYYY-MM-DD`.
    #[error("a date is a year, a month and a day as YYYY-MM-DD")]
    Structure,
    /// The calendar has no such day.
    #[error("the calendar has no such day")]
    NoSuchDay,
    /// The year is not between 1900 and 2200.
    #[error("the year is not between 1900 and 2200")]
    YearOutOfRange,
}

impl CalendarDate {
    /// The day of a year, month and day number.
    pub fn from_numbers(year: i32, month: u8, day: u8) -> Result<Self, CalendarDateError> {
        if !(1900..=2200).contains(&year) {
            return Err(CalendarDateError::YearOutOfRange);
        }
        let month = Month::try_from(month).map_err(|_| CalendarDateError::NoSuchDay)?;
        Date::from_calendar_date(year, month, day).map(Self).map_err(|_| CalendarDateError::NoSuchDay)
    }

    /// Accepts the canonical spelling only: `2019-12-17`.
    pub fn parse(text: &str) -> Result<Self, CalendarDateError> {
        let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text.as_bytes() else {
            return Err(CalendarDateError::Structure);
        };
        Self::from_digits([*y1, *y2, *y3, *y4], [*m1, *m2], [*d1, *d2]).ok_or(CalendarDateError::Structure)?
    }

    /// The day that these digits write; none when they are no digits.
    fn from_digits(year: [u8; 4], month: [u8; 2], day: [u8; 2]) -> Option<Result<Self, CalendarDateError>> {
        let mut are_digits = true;
        let mut two = |tens: u8, ones: u8| {
            let [tens, ones] = [tens, ones].map(|byte| byte.wrapping_sub(b'0'));
            are_digits &= tens < 10 && ones < 10;
            tens.wrapping_mul(10).wrapping_add(ones)
        };
        let (century, year) = (two(year[0], year[1]), two(year[2], year[3]));
        let (month, day) = (two(month[0], month[1]), two(day[0], day[1]));
        are_digits.then(|| Self::from_numbers(i32::from(century) * 100 + i32::from(year), month, day))
    }

    /// The two spellings that most foreign dates have: `17/12/2019` and `2019-12-17T00:00:00`. What
    /// they mean is what the full reading says.
    fn read_quick(text: &[u8]) -> Option<Reading<Self>> {
        match *text {
            [d1, d2, first @ (b'/' | b'-' | b'.'), m1, m2, second, y1, y2, y3, y4] if first == second => {
                let date = Self::from_digits([y1, y2, y3, y4], [m1, m2], [d1, d2])?.ok()?;
                Some(Reading::adapted(date, Note::DateNotIso))
            }
            [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T' | b' ', h1, h2, b':', n1, n2, b':', s1, s2]
                if [h1, h2, n1, n2, s1, s2].iter().all(u8::is_ascii_digit) =>
            {
                let date = Self::from_digits([y1, y2, y3, y4], [m1, m2], [d1, d2])?.ok()?;
                Some(Reading::adapted(date, Note::DateWithTime))
            }
            _ => None,
        }
    }

    /// Reads a received text, in any of the forms seen in real data.
    ///
    /// An hour or a zone is dropped and the day kept as written: sources print midnight UTC in
    /// local time, so the written day is the right one. A hyphen alone is how some sources write
    /// nothing. A year of two digits belongs to this century.
    pub fn read(text: &str, format: DateFormat) -> Reading<Self> {
        if let Ok(date) = Self::parse(text) {
            return Reading::canonical(date);
        }
        Self::read_quick(text.as_bytes()).unwrap_or_else(|| Self::read_any(text, format))
    }

    fn read_any(text: &str, format: DateFormat) -> Reading<Self> {
        let trimmed = text.trim();
        if matches!(trimmed, "" | "-") {
            return Reading::absent();
        }
        let end =
            trimmed.find(|character: char| !matches!(character, '0'..='9' | '-' | '/' | '.')).unwrap_or(trimmed.len());
        let (written, rest) = trimmed.split_at(end);
        // `2019-12-17-05:00`: the hyphen of a zone is no part of the day.
        let (written, rest) = match (written.get(..10), rest.starts_with(':')) {
            (Some(day), true) => (day, &trimmed[10..]),
            _ => (written, rest),
        };
        let Ok(tail) = tail_note(rest) else {
            return Reading::unreadable(Note::NotADate);
        };
        let (date, note) = match Self::parse(written) {
            Ok(date) => (Some(date), Note::Trimmed),
            Err(_) => (any_order(written, format), Note::DateNotIso),
        };
        match date {
            Some(date) => Reading::adapted(date, tail.unwrap_or(note)),
            None => Reading::unreadable(Note::NotADate),
        }
    }

    /// The day in the Italian order, for people: `17/12/2019`.
    pub fn italian(self) -> String {
        let (year, month, day) = self.0.to_calendar_date();
        format!("{day:02}/{:02}/{year:04}", u8::from(month))
    }

    /// The year.
    pub fn year(self) -> i32 {
        self.0.year()
    }

    /// The days from this day to another, negative when the other comes first.
    pub fn days_until(self, other: Self) -> i64 {
        (other.0 - self.0).whole_days()
    }

    /// The day as the time library sees it.
    pub fn to_date(self) -> Date {
        self.0
    }
}

/// The note that an hour or a zone after the day deserves; anything else makes no date at all.
/// Broken hours such as `17:31:38.793T12:00:00Z` are seen in real data; they are dropped too.
fn tail_note(rest: &str) -> Result<Option<Note>, Note> {
    let is_time = |text: &str| {
        text.starts_with(|character: char| character.is_ascii_digit())
            && text.contains(':')
            && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b':' | b'.' | b'+' | b'-' | b'T' | b'Z' | b' '))
    };
    match rest.as_bytes() {
        [] => Ok(None),
        [b'Z'] => Ok(Some(Note::DateWithZone)),
        [b'+' | b'-', ..] if rest.len() == 6 && is_time(&rest[1..]) => Ok(Some(Note::DateWithZone)),
        [b'T' | b' ', ..] if is_time(rest[1..].trim_start()) => Ok(Some(Note::DateWithTime)),
        _ => Err(Note::NotADate),
    }
}

/// Year first or day first, with `-`, `/` or `.`, with or without leading zeros.
fn any_order(written: &str, format: DateFormat) -> Option<CalendarDate> {
    let separator = written.chars().find(|character| !character.is_ascii_digit())?;
    let mut parts = written.split(separator);
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (year, month, day) = match (first.len(), second.len(), third.len()) {
        (4, 1..=2, 1..=2) => (first.parse().ok()?, second, third),
        (1..=2, 1..=2, 4) => (third.parse().ok()?, second, first),
        (1..=2, 1..=2, 2) if format == DateFormat::DayFirstShortYear => {
            (third.parse::<i32>().ok()? + 2000, second, first)
        }
        _ => return None,
    };
    CalendarDate::from_numbers(year, month.parse().ok()?, day.parse().ok()?).ok()
}

impl TryFrom<Date> for CalendarDate {
    type Error = CalendarDateError;

    fn try_from(date: Date) -> Result<Self, Self::Error> {
        Self::from_numbers(date.year(), u8::from(date.month()), date.day())
    }
}

impl fmt::Display for CalendarDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.0.to_calendar_date();
        write!(f, "{year:04}-{:02}-{day:02}", u8::from(month))
    }
}

impl fmt::Debug for CalendarDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CalendarDate({self})")
    }
}

impl FromStr for CalendarDate {
    type Err = CalendarDateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl serde::Serialize for CalendarDate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for CalendarDate {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for CalendarDate {
    fn schema_name() -> Cow<'static, str> {
        "CalendarDate".into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::CalendarDate").into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "format": "date",
            "description": "Giorno del calendario italiano, AAAA-MM-GG, senza ora e senza fuso.",
        })
    }
}

/// An instant in UTC, to the microsecond, from year 0 to 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcInstant(OffsetDateTime);

/// Why a text or a number is not an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UtcInstantError {
    /// The text is not RFC 3339 in UTC.
    #[error("an instant is RFC 3339 in UTC, with a final Z")]
    Structure,
    /// The instant is before year 0 or after year 9999.
    #[error("the instant is not between the years 0 and 9999")]
    OutOfRange,
}

impl UtcInstant {
    /// An instant from microseconds since 1970.
    pub fn from_unix_micros(micros: i64) -> Result<Self, UtcInstantError> {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000)
            .map_err(|_| UtcInstantError::OutOfRange)
            .and_then(Self::try_from)
    }

    /// Microseconds since 1970.
    pub fn unix_micros(self) -> i64 {
        self.0.unix_timestamp() * 1_000_000 + i64::from(self.0.microsecond())
    }

    /// Accepts RFC 3339 in UTC, with a final `Z`. Digits beyond the microsecond are dropped.
    pub fn parse(text: &str) -> Result<Self, UtcInstantError> {
        if !text.ends_with('Z') {
            return Err(UtcInstantError::Structure);
        }
        let instant = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| UtcInstantError::Structure)?;
        Self::try_from(instant)
    }

    /// Reads a received text: RFC 3339 in any zone. A text without a zone names no instant.
    pub fn read(text: &str) -> Reading<Self> {
        if let Ok(instant) = Self::parse(text) {
            return Reading::canonical(instant);
        }
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Reading::absent();
        }
        match OffsetDateTime::parse(trimmed, &Rfc3339).map(Self::try_from) {
            Ok(Ok(instant)) if trimmed.ends_with(['Z', 'z']) => Reading::adapted(instant, Note::Trimmed),
            Ok(Ok(instant)) => Reading::adapted(instant, Note::DateWithZone),
            _ => Reading::unreadable(Note::NotADate),
        }
    }

    /// The instant as the time library sees it.
    pub fn to_offset_date_time(self) -> OffsetDateTime {
        self.0
    }
}

impl TryFrom<OffsetDateTime> for UtcInstant {
    type Error = UtcInstantError;

    /// Moves the instant to UTC and drops what is below the microsecond.
    fn try_from(instant: OffsetDateTime) -> Result<Self, Self::Error> {
        let utc = instant.checked_to_offset(UtcOffset::UTC).ok_or(UtcInstantError::OutOfRange)?;
        if !(0..=9999).contains(&utc.year()) {
            return Err(UtcInstantError::OutOfRange);
        }
        let (hour, minute, second, micros) = utc.time().as_hms_micro();
        let time = Time::from_hms_micro(hour, minute, second, micros).map_err(|_| UtcInstantError::OutOfRange)?;
        Ok(Self(utc.replace_time(time)))
    }
}

impl fmt::Display for UtcInstant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.0.to_calendar_date();
        let (hour, minute, second, micros) = self.0.time().as_hms_micro();
        write!(f, "{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}", u8::from(month))?;
        if micros != 0 {
            write!(f, ".{micros:06}")?;
        }
        f.write_str("Z")
    }
}

impl fmt::Debug for UtcInstant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UtcInstant({self})")
    }
}

impl FromStr for UtcInstant {
    type Err = UtcInstantError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl serde::Serialize for UtcInstant {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for UtcInstant {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for UtcInstant {
    fn schema_name() -> Cow<'static, str> {
        "UtcInstant".into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::UtcInstant").into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "format": "date-time",
            "pattern": "Z$",
            "description": "Istante in UTC, RFC 3339 con Z finale, al più al microsecondo.",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("2019-12-17", "2019-12-17", None)]
    #[case(" 2019-12-17", "2019-12-17", Some(Note::Trimmed))]
    #[case("2019-12-17+01:00", "2019-12-17", Some(Note::DateWithZone))]
    #[case("2019-12-17-05:00", "2019-12-17", Some(Note::DateWithZone))]
    #[case("2019-12-17Z", "2019-12-17", Some(Note::DateWithZone))]
    #[case("17/12/2019", "2019-12-17", Some(Note::DateNotIso))]
    #[case("7.1.2019", "2019-01-07", Some(Note::DateNotIso))]
    #[case("17-12-2019", "2019-12-17", Some(Note::DateNotIso))]
    #[case("2020-7-28", "2020-07-28", Some(Note::DateNotIso))]
    #[case("2016/06/10", "2016-06-10", Some(Note::DateNotIso))]
    #[case("2022-05-26 02:00:00", "2022-05-26", Some(Note::DateWithTime))]
    #[case("26/05/2022 02:00", "2022-05-26", Some(Note::DateWithTime))]
    #[case("2016-04-10T00:00:00Z", "2016-04-10", Some(Note::DateWithTime))]
    #[case("2025-01-08 17:31:38.793T12:00:00Z", "2025-01-08", Some(Note::DateWithTime))]
    fn a_received_date_is_read(#[case] text: &str, #[case] canonical: &str, #[case] note: Option<Note>) {
        let value = Some(CalendarDate::parse(canonical).unwrap());
        assert_eq!(CalendarDate::read(text, DateFormat::Iso), Reading { value, note });
    }

    #[rstest]
    #[case("05/10/22")]
    #[case("20019-01-01")]
    #[case("12019-01-01")]
    #[case("0019-01-01")]
    #[case("2201-01-01")]
    #[case("31/02/2019")]
    #[case("2019-13-01")]
    #[case("2019-12")]
    #[case("2019-12/17")]
    #[case("2019-12-17 circa")]
    #[case("n.d.")]
    #[case("--")]
    #[case("٢٠١٩-١٢-١٧")]
    #[case("2019-12-1à:00")]
    fn what_is_not_a_date_is_refused(#[case] text: &str) {
        assert_eq!(CalendarDate::read(text, DateFormat::Iso), Reading::unreadable(Note::NotADate));
    }

    proptest! {
        #[test]
        fn a_quick_reading_is_the_full_one(
            text in prop_oneof!["[0-3][0-9][-/.][01][0-9][-/.](19|20|22)[0-9]{2}",
                "(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9][T ][0-9]{2}:[0-9]{2}:[0-9]{2}",
                "[0-9T:./ -]{10}", "2019-1[0-9T:-]{4} [0-9:]{8}"],
        ) {
            if let Some(reading) = CalendarDate::read_quick(text.as_bytes()) {
                prop_assert_eq!(reading, CalendarDate::read_any(&text, DateFormat::Iso));
            }
        }
    }

    #[test]
    fn a_short_year_is_read_only_where_the_source_declares_it() {
        let reading = CalendarDate::read("05/10/22", DateFormat::DayFirstShortYear);
        let date = CalendarDate::parse("2022-10-05").unwrap();
        assert_eq!(reading, Reading::adapted(date, Note::DateNotIso));
    }

    #[test]
    fn a_hyphen_or_nothing_is_absent() {
        for text in ["", " ", "-"] {
            assert_eq!(CalendarDate::read(text, DateFormat::Iso), Reading::absent());
        }
    }

    #[test]
    fn a_date_travels_as_text_and_is_shown_in_the_italian_order() {
        let date = CalendarDate::parse("2019-12-07").unwrap();
        assert_eq!(serde_json::to_string(&date).unwrap(), "\"2019-12-07\"");
        assert_eq!(serde_json::from_str::<CalendarDate>("\"2019-12-07\"").unwrap(), date);
        assert_eq!(date.italian(), "07/12/2019");
        assert_eq!(date.days_until(CalendarDate::parse("2020-01-01").unwrap()), 25);
    }

    #[test]
    fn an_instant_keeps_its_microseconds() {
        let instant = UtcInstant::from_unix_micros(1_736_357_498_793_001).unwrap();
        assert_eq!(instant.to_string(), "2025-01-08T17:31:38.793001Z");
        assert_eq!(UtcInstant::parse("2025-01-08T17:31:38.793001999Z").unwrap(), instant);
        assert_eq!(instant.unix_micros(), 1_736_357_498_793_001);
        assert_eq!(UtcInstant::from_unix_micros(-1).unwrap().unix_micros(), -1);
    }

    #[test]
    fn an_instant_of_another_zone_is_moved_to_utc() {
        let reading = UtcInstant::read("2025-01-08T18:31:38+01:00");
        assert_eq!(reading.value.unwrap().to_string(), "2025-01-08T17:31:38Z");
        assert_eq!(reading.note, Some(Note::DateWithZone));
        assert_eq!(UtcInstant::read("2025-01-08T18:31:38"), Reading::unreadable(Note::NotADate));
    }

    #[test]
    fn an_instant_beyond_the_calendar_is_refused() {
        assert_eq!(UtcInstant::from_unix_micros(i64::MAX), Err(UtcInstantError::OutOfRange));
        assert_eq!(UtcInstant::parse("2025-01-08T18:31:38+01:00"), Err(UtcInstantError::Structure));
    }
}

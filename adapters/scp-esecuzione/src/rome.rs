//! Days and hours of the Italian clock. Pure: there is no clock here.
//!
//! The national schede write a day as its midnight in Italy, with the true offset of that day:
//! `2026-04-30T00:00:00+02:00`. Some platforms write the same instant in UTC, which falls on the day
//! before: the day is the one that Italy had. The reads of the original family take local time
//! without an offset.

use canonical::values::CalendarDate;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, Duration, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset, Weekday};

const LOCAL: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");

/// How a scheda writes a day: its midnight in Italy.
pub(crate) fn midnight(day: CalendarDate) -> String {
    let hours = if is_summer(PrimitiveDateTime::new(day.to_date(), Time::MIDNIGHT)) { 2 } else { 1 };
    format!("{day}T00:00:00+0{hours}:00")
}

/// The day that Italy had at an instant; none when the text is not an instant with its offset.
pub(crate) fn day_of(text: &str) -> Option<CalendarDate> {
    let utc = OffsetDateTime::parse(text.trim(), &Rfc3339).ok()?.to_offset(UtcOffset::UTC);
    let winter = PrimitiveDateTime::new(utc.date(), utc.time()).checked_add(Duration::HOUR)?;
    let local = if is_summer(winter) { winter.checked_add(Duration::HOUR)? } else { winter };
    CalendarDate::parse(&local.date().to_string()).ok()
}

/// Local time as the original family writes it, some hours earlier.
pub(crate) fn hours_before(local: &str, hours: i64) -> Option<String> {
    moved(local, Duration::hours(-hours))
}

/// The same, a minute later.
pub(crate) fn minute_after(local: &str) -> Option<String> {
    moved(local, Duration::MINUTE)
}

fn moved(local: &str, by: Duration) -> Option<String> {
    PrimitiveDateTime::parse(local, LOCAL).ok()?.checked_add(by)?.format(LOCAL).ok()
}

/// Whether summer time is in force, at a local time without it. It begins on the last Sunday of
/// March and ends on that of October; midnight of either day still has the time of the day before.
fn is_summer(time: PrimitiveDateTime) -> bool {
    let change = |month, hour: i64| {
        let last = Date::from_calendar_date(time.year(), month, 31).ok()?;
        let back = i64::from(last.weekday().number_days_from_sunday());
        debug_assert!(last.checked_sub(Duration::days(back)).is_some_and(|day| day.weekday() == Weekday::Sunday));
        Some(PrimitiveDateTime::new(last.checked_sub(Duration::days(back))?, Time::MIDNIGHT) + Duration::hours(hour))
    };
    // Both at 01:00 UTC, which is 02:00 of winter time.
    let (Some(begin), Some(end)) = (change(Month::March, 2), change(Month::October, 2)) else { return false };
    (begin..end).contains(&time)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::winter("2026-02-02", "2026-02-02T00:00:00+01:00")]
    #[case::summer("2026-04-30", "2026-04-30T00:00:00+02:00")]
    #[case::day_summer_begins("2026-03-29", "2026-03-29T00:00:00+01:00")]
    #[case::day_after("2026-03-30", "2026-03-30T00:00:00+02:00")]
    #[case::day_summer_ends("2026-10-25", "2026-10-25T00:00:00+02:00")]
    #[case::day_after_it_ended("2026-10-26", "2026-10-26T00:00:00+01:00")]
    fn a_day_is_its_midnight_in_italy_and_back(#[case] day: &str, #[case] text: &str) {
        let day = CalendarDate::parse(day).unwrap();
        assert_eq!(midnight(day), text);
        assert_eq!(day_of(text), Some(day));
    }

    #[rstest]
    #[case::midnight_written_in_utc("2026-04-29T22:00:00Z", Some("2026-04-30"))]
    #[case::winter_midnight_in_utc("2026-02-01T23:00:00.000+00:00", Some("2026-02-02"))]
    #[case::an_hour_of_the_day("2026-04-30T17:12:05+02:00", Some("2026-04-30"))]
    #[case::utc_midnight("2026-04-30T00:00:00+00:00", Some("2026-04-30"))]
    #[case::no_offset("2026-04-30T00:00:00", None)]
    #[case::a_day_alone("2026-04-30", None)]
    fn the_day_is_the_one_that_italy_had(#[case] text: &str, #[case] day: Option<&str>) {
        assert_eq!(day_of(text).map(|day| day.to_string()).as_deref(), day);
    }

    #[test]
    fn an_hour_earlier_may_be_the_day_before() {
        assert_eq!(hours_before("2026-01-01T00:30:00", 1).as_deref(), Some("2025-12-31T23:30:00"));
        assert_eq!(hours_before("ieri", 1), None);
    }
}

//! The Italian calendar day of an instant. A procedure published in the first minutes of a year in
//! Rome is of that year, though in UTC it is still the one before.
//!
//! Italy is one hour ahead of UTC, two from the last Sunday of March to the last Sunday of October,
//! changing at one in UTC (Directive 2000/84/EC). Instants before 1996, when the end of summer time
//! was another, are not those of procedures that anybody still publishes.

use canonical::values::{CalendarDate, UtcInstant};

const HOUR_IN_MICROS: i64 = 3_600_000_000;

/// The day; none at the far end of the calendar.
pub(crate) fn of(instant: UtcInstant) -> Option<CalendarDate> {
    let hours = if is_summer(instant) { 2 } else { 1 };
    let local = UtcInstant::from_unix_micros(instant.unix_micros().checked_add(hours * HOUR_IN_MICROS)?).ok()?;
    let local = local.to_offset_date_time();
    CalendarDate::from_numbers(local.year(), local.month().into(), local.day()).ok()
}

fn is_summer(instant: UtcInstant) -> bool {
    let utc = instant.to_offset_date_time();
    let month: u8 = utc.month().into();
    // March and October have 31 days.
    let days_left = 31 - utc.day().min(31);
    let last_sunday = 31 - (utc.weekday().number_days_from_sunday() + days_left) % 7;
    let has_changed = (utc.day(), utc.hour()) >= (last_sunday, 1);
    match month {
        3 => has_changed,
        10 => !has_changed,
        _ => (4..=9).contains(&month),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("2025-12-31T22:59:59Z", "2025-12-31")]
    #[case("2025-12-31T23:00:00Z", "2026-01-01")]
    #[case("2025-06-30T21:59:59Z", "2025-06-30")]
    #[case("2025-06-30T22:00:00Z", "2025-07-01")]
    #[case::before_summer("2025-03-29T22:30:00Z", "2025-03-29")]
    #[case::first_day_of_summer("2025-03-30T22:30:00Z", "2025-03-31")]
    #[case::last_day_of_summer("2025-10-25T22:30:00Z", "2025-10-26")]
    #[case::after_summer("2025-10-26T22:30:00Z", "2025-10-26")]
    #[case::march_that_ends_on_sunday("2024-03-31T22:30:00Z", "2024-04-01")]
    fn an_instant_falls_on_an_italian_day(#[case] instant: &str, #[case] day: &str) {
        let instant = UtcInstant::parse(instant).expect("an instant");
        assert_eq!(of(instant).expect("a day").to_string(), day);
    }
}

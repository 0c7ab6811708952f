//! Working days in Italy: Monday to Friday, without the national holidays.
//!
//! The day of the patron saint is absent on purpose: it differs from town to town.

use canonical::values::CalendarDate;
use time::{Date, Month, Weekday};

/// Holidays with a fixed date.
const FIXED: [(Month, u8); 10] = [
    (Month::January, 1),
    (Month::January, 6),
    (Month::April, 25),
    (Month::May, 1),
    (Month::June, 2),
    (Month::August, 15),
    (Month::November, 1),
    (Month::December, 8),
    (Month::December, 25),
    (Month::December, 26),
];
/// Saint Francis is a holiday again since this year: law 151 of 2025.
const SAINT_FRANCIS_SINCE: i32 = 2026;

/// Whether offices work on a day.
pub fn is_working_day(day: CalendarDate) -> bool {
    is_working(day.to_date())
}

/// Working days that have passed since a day: those after it, up to another and with it.
pub fn working_days(since: CalendarDate, until: CalendarDate) -> u32 {
    let (mut day, until) = (since.to_date(), until.to_date());
    let mut count = 0;
    while day < until {
        let Some(next) = day.next_day() else { break };
        day = next;
        count += u32::from(is_working(day));
    }
    count
}

/// The last day since which at least so many working days have passed.
pub fn working_days_before(day: CalendarDate, count: u16) -> CalendarDate {
    let mut date = day.to_date();
    let mut left = count;
    while left > 0 {
        left -= u16::from(is_working(date));
        let Some(previous) = date.previous_day() else { break };
        date = previous;
    }
    CalendarDate::from_numbers(date.year(), u8::from(date.month()), date.day()).unwrap_or(day)
}

fn is_working(date: Date) -> bool {
    let is_weekend = matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
    let is_fixed = FIXED.contains(&(date.month(), date.day()));
    let is_francis = date.year() >= SAINT_FRANCIS_SINCE && (date.month(), date.day()) == (Month::October, 4);
    let is_easter_monday = easter(date.year()).and_then(Date::next_day) == Some(date);
    !(is_weekend || is_fixed || is_francis || is_easter_monday)
}

/// Easter Sunday of a year, by the Gregorian rule of Gauss in the form of Meeus.
fn easter(year: i32) -> Option<Date> {
    let (golden, century) = (year % 19, year / 100);
    let correction = (century - century / 4 - (8 * century + 13) / 25 + 19 * golden + 15) % 30;
    let moon = correction - (correction / 28) * (1 - (29 / (correction + 1)) * ((21 - golden) / 11));
    let weekday = (year + year / 4 + moon + 2 - century + century / 4) % 7;
    let offset = moon - weekday;
    let month = 3 + (offset + 40) / 44;
    let day = offset + 28 - 31 * (month / 4);
    Date::from_calendar_date(year, Month::try_from(u8::try_from(month).ok()?).ok()?, u8::try_from(day).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> CalendarDate {
        CalendarDate::parse(text).expect("a day")
    }

    #[test]
    fn easter_is_where_the_church_has_it() {
        for (year, month, number) in [
            (1818, 3, 22),
            (1943, 4, 25),
            (1954, 4, 18),
            (1981, 4, 19),
            (2000, 4, 23),
            (2008, 3, 23),
            (2019, 4, 21),
            (2024, 3, 31),
            (2025, 4, 20),
            (2026, 4, 5),
            (2027, 3, 28),
            (2038, 4, 25),
        ] {
            let date = easter(year).expect("a day");
            assert_eq!((u8::from(date.month()), date.day()), (month, number), "{year}");
        }
    }

    #[test]
    fn offices_rest_on_weekends_and_national_holidays() {
        for rest in ["2026-11-21", "2026-11-22", "2026-04-06", "2026-12-08", "2026-12-25", "2027-10-04"] {
            assert!(!is_working_day(day(rest)), "{rest}");
        }
        // Saint Francis was an ordinary day until 2025.
        for work in ["2026-11-23", "2026-04-07", "2026-04-03", "2024-10-04", "2026-12-24"] {
            assert!(is_working_day(day(work)), "{work}");
        }
    }

    #[test]
    fn working_days_are_counted_over_easter_and_back() {
        // Maundy Thursday to the Wednesday after Easter: Friday, Tuesday, Wednesday.
        assert_eq!(working_days(day("2026-04-02"), day("2026-04-08")), 3);
        assert_eq!(working_days(day("2026-04-08"), day("2026-04-08")), 0);
        assert_eq!(working_days_before(day("2026-04-08"), 3), day("2026-04-02"));
        for count in 0..60 {
            let today = day("2027-01-11");
            let since = working_days_before(today, count);
            assert_eq!(working_days(since, today), u32::from(count), "{count}: {since}");
        }
    }
}

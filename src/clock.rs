//! The clock, as a parameter: everything that needs the time is given one of these.

use std::sync::{Mutex, Once};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use canonical::values::{CalendarDate, UtcInstant};

/// Tells the time, UTC.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Now.
    fn now(&self) -> UtcInstant;

    /// Hears what a server of ours says the time is. A clock that follows it never lags behind.
    fn hear(&self, _said: UtcInstant) {}
}

/// The clock of the machine, as this process has seen it: it follows jumps forward, never goes back,
/// and never stands still. What was to be done in a second is not to be done in an hour because
/// somebody set the clock back; a start of the program asks the machine anew. Behind a server that
/// it has heard it does not lag.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// What the machine said when it was ahead of us last, and when that was.
static SEEN: Mutex<Option<(i64, Instant)>> = Mutex::new(None);

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock of the machine")]
    fn now(&self) -> UtcInstant {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let said = i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX);
        let mut seen = SEEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (now, is_ahead) = follow(*seen, said, Instant::now());
        if is_ahead {
            *seen = Some((said, Instant::now()));
        }
        instant(now)
    }

    fn hear(&self, said: UtcInstant) {
        static TOLD: Once = Once::new();
        let now = self.now();
        let difference = between(now, said).max(between(said, now));
        if difference > TOLD_ABOVE {
            TOLD.call_once(|| {
                tracing::warn!(
                    here = %now,
                    server = %said,
                    seconds = difference.as_secs(),
                    "the clocks of this machine and of the database server differ: keep both by NTP"
                );
            });
        }
        if said > now {
            let mut seen = SEEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *seen = Some((said.unix_micros(), Instant::now()));
        }
    }
}

/// A difference above this is told: leases and dates go by the clock.
const TOLD_ABOVE: Duration = Duration::from_secs(5);

/// The time, and whether it is what the machine says: the machine, or what it said before and what
/// has passed since, whichever is later.
fn follow(seen: Option<(i64, Instant)>, said: i64, at: Instant) -> (i64, bool) {
    let expected = seen.map_or(i64::MIN, |(before, since)| {
        let passed = at.saturating_duration_since(since).as_micros();
        before.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
    });
    if said >= expected { (said, true) } else { (expected, false) }
}

/// A clock that moves only when it is told to.
#[derive(Debug)]
pub struct ManualClock(Mutex<UtcInstant>);

impl ManualClock {
    /// A clock that stands at an instant.
    pub fn at(instant: UtcInstant) -> Self {
        Self(Mutex::new(instant))
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *now = after(*now, by);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UtcInstant {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The instant that follows another by a duration.
pub fn after(instant: UtcInstant, by: Duration) -> UtcInstant {
    let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    self::instant(instant.unix_micros().saturating_add(micros))
}

/// The instant that lies a duration before another; the first one where there is none.
pub fn before(instant: UtcInstant, by: Duration) -> UtcInstant {
    let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    self::instant(instant.unix_micros().saturating_sub(micros))
}

/// The instant of a count of microseconds; the last one that can be written for counts beyond it.
fn instant(micros: i64) -> UtcInstant {
    const END_OF_9999: i64 = 253_402_300_799_999_999;
    UtcInstant::from_unix_micros(micros.clamp(0, END_OF_9999))
        .unwrap_or_else(|never| unreachable!("between 1970 and 9999: {never}"))
}

/// The day in Italy at an instant.
pub fn italian_day(instant: UtcInstant) -> CalendarDate {
    let day = jiff::Timestamp::from_microsecond(instant.unix_micros())
        .and_then(|timestamp| timestamp.in_tz("Europe/Rome"))
        .ok()
        .and_then(|zoned| {
            let (month, day) = (u8::try_from(zoned.month()).ok()?, u8::try_from(zoned.day()).ok()?);
            CalendarDate::from_numbers(zoned.year().into(), month, day).ok()
        });
    day.unwrap_or_else(|| unreachable!("instants lie between 1970 and 9999, and the zone is part of the program"))
}

/// The day so many days before another; none before those that can be written.
pub fn days_before(day: CalendarDate, days: u16) -> Option<CalendarDate> {
    let earlier = civil(day)?.checked_sub(jiff::Span::new().days(i64::from(days))).ok()?;
    let (month, day) = (u8::try_from(earlier.month()).ok()?, u8::try_from(earlier.day()).ok()?);
    CalendarDate::from_numbers(earlier.year().into(), month, day).ok()
}

fn civil(day: CalendarDate) -> Option<jiff::civil::Date> {
    let date = day.to_date();
    let month = i8::try_from(u8::from(date.month())).ok()?;
    jiff::civil::Date::new(i16::try_from(date.year()).ok()?, month, i8::try_from(date.day()).ok()?).ok()
}

/// The first instant after the end of a day in Italy; none beyond the years that can be written.
pub fn end_of_italian_day(day: CalendarDate) -> Option<UtcInstant> {
    let zoned = civil(day)?.tomorrow().ok()?.in_tz("Europe/Rome").ok()?;
    UtcInstant::from_unix_micros(zoned.timestamp().as_microsecond()).ok()
}

/// The next time, after an instant, that clocks in Italy show an hour and a minute. A time that a
/// day leaves out is an hour later on that day.
pub fn next_italian_time(after: UtcInstant, hour: u8, minute: u8) -> Option<UtcInstant> {
    let now = jiff::Timestamp::from_microsecond(after.unix_micros()).ok()?.in_tz("Europe/Rome").ok()?;
    let time = jiff::civil::Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0).ok()?;
    let on = |date: jiff::civil::Date| date.to_datetime(time).in_tz("Europe/Rome").ok();
    let today = on(now.date()).filter(|at| *at > now);
    let next = today.or_else(|| on(now.date().tomorrow().ok()?))?;
    UtcInstant::from_unix_micros(next.timestamp().as_microsecond()).ok()
}

/// How long it is from one instant to a later one; zero when it is not later.
pub fn between(earlier: UtcInstant, later: UtcInstant) -> Duration {
    Duration::from_micros(u64::try_from(later.unix_micros() - earlier.unix_micros()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_follows_jumps_forward_and_goes_on_when_the_machine_goes_back() {
        const HOUR: i64 = 3_600_000_000;
        let begun = Instant::now();
        let later = begun + Duration::from_secs(1);
        assert_eq!(follow(None, HOUR, begun), (HOUR, true));
        assert_eq!(follow(Some((HOUR, begun)), 2 * HOUR, later), (2 * HOUR, true));
        assert_eq!(follow(Some((2 * HOUR, begun)), HOUR, later), (2 * HOUR + 1_000_000, false));
    }

    #[test]
    fn the_next_time_in_italy_is_found_in_winter_in_summer_and_between() {
        let at = |text| UtcInstant::parse(text).expect("an instant");
        let next = |text| next_italian_time(at(text), 2, 30).expect("a time").to_string();
        assert_eq!(next("2026-01-10T01:29:59Z"), "2026-01-10T01:30:00Z");
        assert_eq!(next("2026-01-10T01:30:00Z"), "2026-01-11T01:30:00Z");
        assert_eq!(next("2026-07-10T12:00:00Z"), "2026-07-11T00:30:00Z");
        // On the last Sunday of March there is no half past two.
        assert_eq!(next("2026-03-28T12:00:00Z"), "2026-03-29T01:30:00Z");
        let day = CalendarDate::parse("2026-07-10").expect("a day");
        assert_eq!(end_of_italian_day(day), Some(at("2026-07-10T22:00:00Z")));
    }

    #[test]
    fn the_clock_does_not_lag_behind_a_server_that_it_has_heard() {
        let said = after(SystemClock.now(), Duration::from_millis(300));
        SystemClock.hear(said);
        assert!(SystemClock.now() >= said);
        SystemClock.hear(instant(0));
        assert!(SystemClock.now() >= said, "an earlier time changes nothing");
    }

    #[test]
    fn the_italian_day_begins_before_that_of_greenwich() {
        let day = |text| italian_day(UtcInstant::parse(text).expect("an instant")).to_string();
        assert_eq!(day("2026-06-30T21:59:59Z"), "2026-06-30");
        assert_eq!(day("2026-06-30T22:00:00Z"), "2026-07-01");
        assert_eq!(day("2026-12-31T22:59:59Z"), "2026-12-31");
        assert_eq!(day("2026-12-31T23:00:00Z"), "2027-01-01");
    }

    #[test]
    fn days_are_counted_back_over_months_and_changes_of_the_clock() {
        let day = |text: &str| CalendarDate::parse(text).expect("a day");
        for (from, days, to) in [
            ("2026-03-30", 1, "2026-03-29"),
            ("2026-10-26", 1, "2026-10-25"),
            ("2028-03-01", 1, "2028-02-29"),
            ("2026-11-30", 90, "2026-09-01"),
        ] {
            assert_eq!(days_before(day(from), days), Some(day(to)), "{days} days before {from}");
        }
    }
}

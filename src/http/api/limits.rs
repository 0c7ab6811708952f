//! How often somebody may ask: in a minute and in a day, for each purpose. Whoever proves nothing is
//! counted with all the others who prove nothing.
//!
//! Counted in this process: several that share a database count each for itself.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use canonical::values::UtcInstant;

use super::caller::Quota;

const MINUTE: i64 = 60;
const DAY: i64 = 24 * 3_600;
/// Counters kept: above, those whose day is over are dropped.
const MOST: usize = 10_000;

/// What all who prove nothing may ask together.
pub(super) const STRANGERS: Quota = Quota { per_minute: 600, per_day: 200_000 };

/// Counters by purpose.
#[derive(Debug, Default)]
pub(super) struct Limits(Mutex<HashMap<String, Counter>>);

#[derive(Debug, Clone, Copy, Default)]
struct Counter {
    minute: (i64, u32),
    day: (i64, u32),
}

/// What is told beside every answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// Requests in the window that is told.
    pub(super) limit: u32,
    /// Those left.
    pub(super) remaining: u32,
    /// Seconds until the window ends.
    pub(super) reset: u64,
    /// Whether this one was too many.
    pub(super) is_above: bool,
}

impl Limits {
    /// Counts a request. Told is the window of which less is left; the day, where both are used up.
    pub(super) fn count(&self, counted_as: &str, quota: Quota, now: UtcInstant) -> Standing {
        let seconds = now.unix_micros() / 1_000_000;
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counters.len() >= MOST && !counters.contains_key(counted_as) {
            counters.retain(|_, counter| counter.day.0 == seconds / DAY);
        }
        let counter = counters.entry(counted_as.to_owned()).or_default();
        let minute = of_window(&mut counter.minute, seconds, MINUTE, quota.per_minute);
        let day = of_window(&mut counter.day, seconds, DAY, quota.per_day);
        let is_above = minute.is_above || day.is_above;
        if !is_above {
            counter.minute.1 += 1;
            counter.day.1 += 1;
        }
        let told = if day.is_above || (!minute.is_above && day.remaining < minute.remaining) { day } else { minute };
        Standing { remaining: told.remaining.saturating_sub(u32::from(!is_above)), is_above, ..told }
    }
}

/// A window before a request is counted in it; a new one begins empty.
fn of_window(window: &mut (i64, u32), seconds: i64, length: i64, limit: u32) -> Standing {
    let number = seconds.div_euclid(length);
    if window.0 != number {
        *window = (number, 0);
    }
    let reset = u64::try_from((number + 1) * length - seconds).unwrap_or_default();
    Standing { limit, remaining: limit.saturating_sub(window.1), reset, is_above: window.1 >= limit }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> UtcInstant {
        UtcInstant::from_unix_micros(seconds * 1_000_000).unwrap()
    }

    #[test]
    fn what_is_left_is_told_and_the_next_minute_begins_anew() {
        let (limits, quota) = (Limits::default(), Quota { per_minute: 2, per_day: 100 });
        let told = |seconds| limits.count("a", quota, at(seconds));
        assert_eq!(told(0), Standing { limit: 2, remaining: 1, reset: 60, is_above: false });
        assert_eq!(told(59), Standing { limit: 2, remaining: 0, reset: 1, is_above: false });
        assert_eq!(told(59), Standing { limit: 2, remaining: 0, reset: 1, is_above: true });
        assert_eq!(told(60), Standing { limit: 2, remaining: 1, reset: 60, is_above: false });
        assert!(!limits.count("b", quota, at(59)).is_above, "another purpose has its own");
    }

    #[test]
    fn the_quota_of_a_day_outlasts_its_minutes_and_refusals_are_not_counted() {
        let (limits, quota) = (Limits::default(), Quota { per_minute: 2, per_day: 3 });
        let told = |seconds| limits.count("a", quota, at(seconds));
        told(0);
        told(0);
        assert!(told(0).is_above);
        assert!(!told(60).is_above);
        assert_eq!(told(60), Standing { limit: 3, remaining: 0, reset: 86_340, is_above: true });
        assert!(!told(86_400).is_above);
    }
}

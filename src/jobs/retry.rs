//! When to try again: the only place that decides it. Pure: time and chance come in.
//!
//! The first attempts spread over ten minutes with full jitter, so that a thousand deliveries that
//! failed together do not come back together. Then the pauses grow from half an hour to ten hours.
//! After three days a person must look.

use std::time::Duration;

/// The longest pause after the first failed attempt; doubled after each further one.
const FIRST: Duration = Duration::from_secs(1);
/// Where doubling ends.
pub const SHORT_CAP: Duration = Duration::from_mins(10);
/// How many attempts make the short phase: 1 s doubled ten times passes the cap.
const SHORT_ATTEMPTS: u32 = 11;
/// The first long pause; doubled after each further attempt.
const LONG_FIRST: Duration = Duration::from_mins(30);
/// The longest pause of all.
const LONG_CAP: Duration = Duration::from_hours(10);
/// From the first attempt to giving up.
const GIVE_UP_AFTER: Duration = Duration::from_hours(72);
/// What a system may ask for at most; what is beyond is not believed.
const RETRY_AFTER_CAP: Duration = Duration::from_hours(24);

/// A number in `[0, 1)`: the drawn number over 2⁶⁴.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chance(pub u64);

impl Chance {
    pub(super) fn of(self, whole: Duration) -> Duration {
        let micros = (whole.as_micros() * u128::from(self.0)) >> 64;
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

/// What to do after an attempt that may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// Try again, not before this long from now.
    For(Duration),
    /// Stand aside until a person acts.
    GiveUp,
}

/// The pause after a failed attempt. `attempt` counts from one; `since_first` is the time since the
/// first attempt began; `asked` is what the system asked for, if it did: it is never undercut.
pub fn pause(attempt: u32, since_first: Duration, asked: Option<Duration>, chance: Chance) -> Pause {
    // To ask for nothing is not to ask: a system that says it again and again is not run at.
    let wanted = match asked.filter(|asked| !asked.is_zero()) {
        Some(asked) => {
            let asked = believed(asked);
            // Everybody was told the same: come back a little apart.
            asked + chance.of(asked / 10 + FIRST)
        }
        None => own_pause(attempt, chance),
    };
    if since_first + wanted > GIVE_UP_AFTER { Pause::GiveUp } else { Pause::For(wanted) }
}

/// The shortest pause between two questions about a shipment that was taken.
const FOLLOW_FIRST: Duration = Duration::from_secs(1);
/// The longest. A person on the other side may take weeks.
const FOLLOW_CAP: Duration = Duration::from_hours(1);

/// The pause before the next question about something taken, or held back, `since`: a quarter of
/// its age, so that a quick answer is seen quickly and a slow one costs little.
pub fn follow(since: Duration) -> Duration {
    (since / 4).clamp(FOLLOW_FIRST, FOLLOW_CAP)
}

/// What of an asked pause is believed.
pub(super) fn believed(asked: Duration) -> Duration {
    asked.min(RETRY_AFTER_CAP)
}

/// How long a target that fails is left alone for the first time; doubled each time that the probe
/// fails too.
const SHUT_FIRST: Duration = Duration::from_secs(10);

/// How long a target that fails is left alone, when it was so `openings` times before without
/// getting well. Half of it is chance, so that several of us do not probe together.
pub(super) fn shut(openings: u32, chance: Chance) -> Duration {
    half_by_chance(doubled(SHUT_FIRST, openings, SHORT_CAP), chance)
}

/// The same after wrong credentials: asking often with them may lock the account.
const LOCKED_FIRST: Duration = Duration::from_mins(1);
const LOCKED_CAP: Duration = Duration::from_mins(30);

/// How long a target that does not accept our credentials is left alone.
pub(super) fn locked(openings: u32, chance: Chance) -> Duration {
    half_by_chance(doubled(LOCKED_FIRST, openings, LOCKED_CAP), chance)
}

fn half_by_chance(ceiling: Duration, chance: Chance) -> Duration {
    ceiling / 2 + chance.of(ceiling / 2)
}

fn doubled(first: Duration, times: u32, cap: Duration) -> Duration {
    2_u32.checked_pow(times).and_then(|factor| first.checked_mul(factor)).unwrap_or(cap).min(cap)
}

fn own_pause(attempt: u32, chance: Chance) -> Duration {
    let failed_before = attempt.saturating_sub(1);
    match failed_before.checked_sub(SHORT_ATTEMPTS) {
        None => chance.of(doubled(FIRST, failed_before, SHORT_CAP)),
        Some(long) => half_by_chance(doubled(LONG_FIRST, long, LONG_CAP), chance),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: Chance = Chance(0);
    const MOST: Chance = Chance(u64::MAX);

    fn most(attempt: u32) -> Duration {
        match pause(attempt, Duration::ZERO, None, MOST) {
            Pause::For(pause) => pause + Duration::from_micros(1),
            Pause::GiveUp => panic!("given up"),
        }
    }

    #[test]
    fn pauses_double_to_ten_minutes_and_then_from_half_an_hour_to_ten_hours() {
        assert_eq!(most(1), Duration::from_secs(1));
        assert_eq!(most(2), Duration::from_secs(2));
        assert_eq!(most(10), Duration::from_secs(512));
        assert_eq!(most(11), Duration::from_mins(10));
        assert_eq!(most(12), Duration::from_mins(30));
        assert_eq!(most(13), Duration::from_hours(1));
        assert_eq!(most(17), Duration::from_hours(10));
        assert_eq!(most(u32::MAX), Duration::from_hours(10));
    }

    #[test]
    fn the_first_pauses_spread_from_nothing() {
        assert_eq!(pause(8, Duration::ZERO, None, LEAST), Pause::For(Duration::ZERO));
        assert_eq!(pause(12, Duration::ZERO, None, LEAST), Pause::For(Duration::from_mins(15)));
    }

    #[test]
    fn what_a_system_asks_for_is_never_undercut_and_never_believed_beyond_a_day() {
        let asked = |seconds| pause(1, Duration::ZERO, Some(Duration::from_secs(seconds)), LEAST);
        assert_eq!(asked(120), Pause::For(Duration::from_mins(2)));
        assert_eq!(asked(0), Pause::For(Duration::ZERO));
        assert_eq!(asked(u64::MAX), Pause::For(Duration::from_hours(24)));
    }

    #[test]
    fn to_ask_for_no_pause_at_all_does_not_end_our_own_pauses() {
        assert_eq!(pause(9, Duration::ZERO, Some(Duration::ZERO), MOST), pause(9, Duration::ZERO, None, MOST));
    }

    #[test]
    fn a_target_is_left_alone_for_longer_and_longer_up_to_ten_minutes_or_half_an_hour() {
        assert_eq!(shut(0, LEAST), Duration::from_secs(5));
        assert_eq!(shut(2, LEAST), Duration::from_secs(20));
        assert_eq!(shut(u32::MAX, LEAST), Duration::from_mins(5));
        assert!(shut(u32::MAX, MOST) <= Duration::from_mins(10));
        assert_eq!(locked(0, LEAST), Duration::from_secs(30));
        assert_eq!(locked(u32::MAX, LEAST), Duration::from_mins(15));
    }

    #[test]
    fn what_was_taken_is_asked_about_at_a_quarter_of_its_age() {
        assert_eq!(follow(Duration::ZERO), Duration::from_secs(1));
        assert_eq!(follow(Duration::from_mins(8)), Duration::from_mins(2));
        assert_eq!(follow(Duration::from_hours(240)), Duration::from_hours(1));
    }

    #[test]
    fn after_three_days_a_person_must_look() {
        let late = Duration::from_hours(72);
        assert_eq!(pause(30, late, None, LEAST), Pause::GiveUp);
        assert_eq!(pause(30, Duration::from_hours(67), None, LEAST), Pause::For(Duration::from_hours(5)));
        assert_eq!(pause(1, Duration::from_secs(72 * 3600 - 1), Some(Duration::from_secs(2)), LEAST), Pause::GiveUp);
    }
}

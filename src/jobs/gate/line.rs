//! The line before a target that has no room: who comes back when. Pure.
//!
//! Those who are sent away are given turns one after another, about as far apart as the target
//! takes calls: they come back when there is room, not all together and not again and again.

use std::time::Duration;

use canonical::values::UtcInstant;

use crate::clock::{after, between};
use crate::jobs::retry::Chance;

/// The closest that two turns stand to each other, and the farthest: a target that gets quick again
/// is not kept waiting by turns that were given while it was slow.
const CLOSEST: Duration = Duration::from_micros(200);
const FARTHEST: Duration = Duration::from_millis(250);
/// How far ahead turns are given one by one. Beyond that, chance spreads them.
const AHEAD: Duration = Duration::from_mins(1);

/// The line.
#[derive(Debug, Default)]
pub(super) struct Line {
    last: Option<UtcInstant>,
}

impl Line {
    /// The next turn, not before an instant, where calls are taken `apart` from each other. The
    /// first turn is that instant itself.
    pub(super) fn turn(
        &mut self,
        now: UtcInstant,
        not_before: UtcInstant,
        apart: Duration,
        chance: Chance,
    ) -> UtcInstant {
        let apart = apart.clamp(CLOSEST, FARTHEST);
        // The longer it is shut, the more room there is to spread out after it.
        let ahead = AHEAD.max(between(now, not_before));
        let end = after(not_before, ahead);
        let next = match self.last {
            Some(last) if last >= not_before && last <= end => after(last, apart),
            _ => not_before,
        };
        if next > end {
            self.last = Some(end);
            return after(not_before, ahead / 2 + chance.of(ahead / 2));
        }
        self.last = Some(next);
        after(next, if next == not_before { Duration::ZERO } else { chance.of(apart) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> UtcInstant {
        UtcInstant::from_unix_micros(1_000_000_000_000 + millis * 1000).expect("a near instant")
    }

    #[test]
    fn turns_follow_each_other_as_the_target_takes_calls() {
        let mut line = Line::default();
        let apart = Duration::from_millis(100);
        let turns: Vec<_> = (0..4).map(|_| line.turn(at(0), at(0), apart, Chance(0))).collect();
        assert_eq!(turns, [at(0), at(100), at(200), at(300)]);
        assert_eq!(line.turn(at(5000), at(5000), apart, Chance(0)), at(5000), "the line has gone");
    }

    #[test]
    fn nobody_comes_before_a_target_that_is_shut_and_the_first_comes_on_time() {
        let mut line = Line::default();
        line.turn(at(0), at(0), FARTHEST, Chance(0));
        assert_eq!(line.turn(at(0), at(30_000), FARTHEST, Chance(7)), at(30_000));
        assert!(line.turn(at(0), at(30_000), FARTHEST, Chance(u64::MAX)) > at(30_000));
    }

    #[test]
    fn a_long_line_is_spread_and_not_given_turns_without_end() {
        let mut line = Line::default();
        let turns: Vec<_> = (0..2000).map(|_| line.turn(at(0), at(0), FARTHEST, Chance(u64::MAX / 3))).collect();
        assert!(turns.iter().all(|turn| *turn <= after(at(0), AHEAD + FARTHEST)), "{:?}", turns.iter().max());
    }
}

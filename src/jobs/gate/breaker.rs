//! The breaker of one target, as a pure state machine: time and chance come in.
//!
//! Closed → open after failures in a row, or after too many among the last calls; open → half-open
//! when its pause has passed; half-open → closed or open again by the answer of **one** probe.
//! What was begun before the last change of state is not listened to any more. Ours and not a
//! library's: those looked at (`failsafe`, `recloser`) let every call through while half-open, read
//! the clock themselves, and know neither a pause that was asked for nor wrong credentials.

use std::time::Duration;

use canonical::values::UtcInstant;

use crate::clock::after;
use crate::flow::deliver::gate::{Answered, HealthState};
use crate::jobs::retry::{self, Chance};

/// Failures in a row that open it.
const IN_A_ROW: u32 = 5;
/// The last calls that are looked at together.
const LOOKED_AT: u32 = 20;
/// Failures among them that open it.
const OF_LOOKED_AT: u32 = 10;

/// The breaker.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    /// Counts the changes of state.
    period: u64,
    since: UtcInstant,
    /// Why it opened last, or why quiet was asked for.
    reason: &'static str,
    /// Until when the target asked to be left alone: from when, and for how long.
    quiet: Option<(UtcInstant, Duration)>,
    /// How often it opened without having been closed in between.
    openings: u32,
    failures_in_a_row: u32,
    /// The last calls, the newest in the lowest bit; a failure is a one.
    last_calls: u32,
    calls: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open { is_locked: bool, from: UtcInstant, pause: Duration },
    HalfOpen { is_locked: bool, is_probe_under_way: bool },
}

/// A call that was admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    period: u64,
    is_probe: bool,
}

/// The answer to who wants to call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Say {
    /// Call.
    Go(Call),
    /// Not before.
    NotBefore(UtcInstant),
    /// A probe is under way: wait for its answer.
    Probing,
}

impl Breaker {
    /// Closed.
    pub(super) fn new(now: UtcInstant) -> Self {
        Self {
            state: State::Closed,
            period: 0,
            since: now,
            reason: "",
            quiet: None,
            openings: 0,
            failures_in_a_row: 0,
            last_calls: 0,
            calls: 0,
        }
    }

    /// Asks to call.
    pub(super) fn ask(&mut self, now: UtcInstant) -> Say {
        if let Some(until) = self.not_before(now) {
            return Say::NotBefore(until);
        }
        let period = self.period;
        match &mut self.state {
            State::Closed => Say::Go(Call { period, is_probe: false }),
            State::Open { is_locked, .. } => {
                self.state = State::HalfOpen { is_locked: *is_locked, is_probe_under_way: true };
                Say::Go(Call { period, is_probe: true })
            }
            State::HalfOpen { is_probe_under_way: true, .. } => Say::Probing,
            State::HalfOpen { is_probe_under_way, .. } => {
                *is_probe_under_way = true;
                Say::Go(Call { period, is_probe: true })
            }
        }
    }

    /// A call has its answer.
    pub(super) fn told(&mut self, call: Call, answered: Answered, now: UtcInstant, chance: Chance) {
        match answered {
            Answered::Busy(code, Some(asked)) => self.keep_quiet(code, retry::believed(asked), now),
            Answered::Spent(asked) => self.keep_quiet("rate_limited", retry::believed(asked), now),
            _ => {}
        }
        if call.period != self.period {
            return;
        }
        let failed = match answered {
            Answered::Busy(_, Some(asked)) if !asked.is_zero() => None,
            Answered::Well | Answered::Spent(_) => None,
            Answered::Busy(code, _) | Answered::Ill(code) => Some((code, false)),
            Answered::Locked(code) => Some((code, true)),
        };
        match (failed, call.is_probe) {
            (None, true) => self.close(now),
            (None, false) => self.count(false),
            (Some((code, is_locked)), true) => self.open(code, is_locked, now, chance),
            (Some((code, is_locked)), false) => {
                self.count(true);
                if is_locked || self.is_too_much() {
                    self.open(code, is_locked, now, chance);
                }
            }
        }
    }

    /// A call was never made: another may take its place.
    pub(super) fn gave_back(&mut self, call: Call) {
        if let (true, State::HalfOpen { is_probe_under_way, .. }) =
            (call.is_probe && call.period == self.period, &mut self.state)
        {
            *is_probe_under_way = false;
        }
    }

    /// When a call may be made, where none may be now. A clock that was set back makes nobody wait
    /// longer than was meant.
    pub(super) fn not_before(&mut self, now: UtcInstant) -> Option<UtcInstant> {
        self.quiet = self.quiet.map(|(from, pause)| (from.min(now), pause)).filter(|quiet| is_left(*quiet, now));
        let open = match &mut self.state {
            State::Open { from, pause, .. } => {
                *from = (*from).min(now);
                Some((*from, *pause)).filter(|open| is_left(*open, now))
            }
            State::Closed | State::HalfOpen { .. } => None,
        };
        let end = |(from, pause)| after(from, pause);
        self.quiet.map(end).max(open.map(end))
    }

    /// State, reason and since when.
    pub(super) fn health(&self, now: UtcInstant) -> (HealthState, Option<&'static str>, UtcInstant) {
        let quiet = self.quiet.filter(|quiet| is_left(*quiet, now));
        match (self.state, quiet) {
            (State::Open { is_locked: true, .. }, _) => (HealthState::Locked, Some(self.reason), self.since),
            (State::Open { .. }, _) => (HealthState::Shut, Some(self.reason), self.since),
            (_, Some((from, _))) => (HealthState::AskedForQuiet, Some(self.reason), from),
            (State::HalfOpen { is_locked: true, .. }, _) => (HealthState::Locked, Some(self.reason), self.since),
            (State::HalfOpen { .. }, _) => (HealthState::Trying, Some(self.reason), self.since),
            (State::Closed, None) => (HealthState::Open, None, self.since),
        }
    }

    /// Of two pauses that were asked for, the one that ends later.
    fn keep_quiet(&mut self, code: &'static str, asked: Duration, now: UtcInstant) {
        let is_longer = self.quiet.is_none_or(|(from, pause)| after(from, pause) < after(now, asked));
        if is_longer && !asked.is_zero() {
            self.quiet = Some((now, asked));
            if self.state == State::Closed {
                self.reason = code;
            }
        }
    }

    fn count(&mut self, is_failure: bool) {
        self.failures_in_a_row = if is_failure { self.failures_in_a_row.saturating_add(1) } else { 0 };
        self.last_calls = (self.last_calls << 1 | u32::from(is_failure)) & ((1 << LOOKED_AT) - 1);
        self.calls = self.calls.saturating_add(1).min(LOOKED_AT);
    }

    fn is_too_much(&self) -> bool {
        let is_often = self.calls == LOOKED_AT && self.last_calls.count_ones() >= OF_LOOKED_AT;
        self.failures_in_a_row >= IN_A_ROW || is_often
    }

    fn open(&mut self, code: &'static str, is_locked: bool, now: UtcInstant, chance: Chance) {
        match self.state {
            State::Closed => self.since = now,
            // Another trouble than before: who mended the credentials is not made to wait for them.
            State::Open { is_locked: was_locked, .. } | State::HalfOpen { is_locked: was_locked, .. }
                if was_locked != is_locked =>
            {
                self.openings = 0;
            }
            State::Open { .. } | State::HalfOpen { .. } => {}
        }
        let pause = if is_locked { retry::locked(self.openings, chance) } else { retry::shut(self.openings, chance) };
        self.openings = self.openings.saturating_add(1);
        self.reason = code;
        self.change(State::Open { is_locked, from: now, pause });
    }

    fn close(&mut self, now: UtcInstant) {
        self.openings = 0;
        self.since = now;
        self.change(State::Closed);
    }

    fn change(&mut self, state: State) {
        self.state = state;
        self.period += 1;
        (self.failures_in_a_row, self.last_calls, self.calls) = (0, 0, 0);
    }
}

/// Whether anything of a pause is left.
fn is_left((from, pause): (UtcInstant, Duration), now: UtcInstant) -> bool {
    now < after(from, pause)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::between;

    const ILL: Answered = Answered::Ill("unavailable");
    const LEAST: Chance = Chance(0);

    fn at(seconds: i64) -> UtcInstant {
        UtcInstant::from_unix_micros((1_000_000 + seconds) * 1_000_000).expect("a near instant")
    }

    fn go(breaker: &mut Breaker, now: UtcInstant) -> Call {
        match breaker.ask(now) {
            Say::Go(call) => call,
            other => panic!("{other:?}"),
        }
    }

    fn answer(breaker: &mut Breaker, answers: &[Answered], now: UtcInstant) {
        for answered in answers {
            let call = go(breaker, now);
            breaker.told(call, *answered, now, LEAST);
        }
    }

    fn opened(now: UtcInstant) -> Breaker {
        let mut breaker = Breaker::new(now);
        answer(&mut breaker, &[ILL; 5], now);
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_refused_record_begins_the_row_anew() {
        let mut breaker = Breaker::new(at(0));
        answer(&mut breaker, &[ILL, ILL, ILL, ILL, Answered::Well, ILL, ILL, ILL, ILL], at(0));
        assert!(matches!(breaker.ask(at(0)), Say::Go(_)));
        answer(&mut breaker, &[ILL], at(0));
        assert!(matches!(breaker.ask(at(0)), Say::NotBefore(until) if until > at(0)));
        assert_eq!(breaker.health(at(1)), (HealthState::Shut, Some("unavailable"), at(0)));
    }

    #[test]
    fn half_of_the_last_calls_open_it_without_a_row() {
        let mut breaker = Breaker::new(at(0));
        let mixed = [ILL, Answered::Well].repeat(9);
        answer(&mut breaker, &mixed, at(0));
        assert!(matches!(breaker.ask(at(0)), Say::Go(_)), "too few calls to judge");
        answer(&mut breaker, &[Answered::Well, ILL], at(0));
        assert!(matches!(breaker.ask(at(0)), Say::NotBefore(_)));
    }

    #[test]
    fn after_its_pause_one_probe_goes_and_its_answer_decides() {
        let mut breaker = opened(at(0));
        let Say::NotBefore(first) = breaker.ask(at(0)) else { panic!("it is open") };
        let probe = go(&mut breaker, first);
        assert_eq!(breaker.ask(first), Say::Probing);
        breaker.told(probe, ILL, first, LEAST);
        let Say::NotBefore(second) = breaker.ask(first) else { panic!("it is open again") };
        assert!(between(first, second) > between(at(0), first), "it waits longer");
        let probe = go(&mut breaker, second);
        breaker.told(probe, Answered::Well, second, LEAST);
        answer(&mut breaker, &[Answered::Well, Answered::Well], second);
        assert_eq!(breaker.health(second), (HealthState::Open, None, second));
    }

    #[test]
    fn a_probe_that_was_never_made_leaves_its_place_to_another() {
        let mut breaker = opened(at(0));
        let probe = go(&mut breaker, at(3600));
        breaker.gave_back(probe);
        assert!(matches!(breaker.ask(at(3600)), Say::Go(_)));
        assert_eq!(breaker.ask(at(3600)), Say::Probing);
    }

    #[test]
    fn what_was_begun_before_it_opened_is_not_listened_to_any_more() {
        let mut breaker = Breaker::new(at(0));
        let (slow, lost) = (go(&mut breaker, at(0)), go(&mut breaker, at(0)));
        answer(&mut breaker, &[ILL; 5], at(0));
        let until = breaker.ask(at(1));
        breaker.told(slow, Answered::Well, at(1), LEAST);
        breaker.told(lost, ILL, at(1), LEAST);
        assert_eq!(breaker.ask(at(1)), until);
    }

    #[test]
    fn wrong_credentials_lock_it_at_once_and_it_is_tried_rarely() {
        let mut breaker = Breaker::new(at(0));
        answer(&mut breaker, &[Answered::Locked("authentication")], at(0));
        assert_eq!(breaker.health(at(0)), (HealthState::Locked, Some("authentication"), at(0)));
        assert!(matches!(breaker.ask(at(29)), Say::NotBefore(_)));
        for minutes in [60, 120, 180] {
            answer(&mut breaker, &[Answered::Locked("authentication")], at(minutes * 60));
        }
        answer(&mut breaker, &[ILL], at(14_400));
        assert_eq!(breaker.ask(at(14_400)), Say::NotBefore(at(14_405)), "another trouble begins anew");
    }

    #[test]
    fn a_pause_that_was_asked_for_is_kept_to_the_second_and_by_everybody() {
        let mut breaker = Breaker::new(at(0));
        let (one, other) = (go(&mut breaker, at(0)), go(&mut breaker, at(0)));
        breaker.told(one, Answered::Busy("rate_limited", Some(Duration::from_secs(90))), at(0), LEAST);
        breaker.told(other, Answered::Busy("rate_limited", Some(Duration::from_secs(10))), at(1), LEAST);
        assert_eq!(breaker.ask(at(89)), Say::NotBefore(at(90)));
        assert_eq!(breaker.health(at(89)), (HealthState::AskedForQuiet, Some("rate_limited"), at(0)));
        assert!(matches!(breaker.ask(at(90)), Say::Go(_)), "and nobody waits longer");
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_wait_longer_than_was_meant() {
        let mut breaker = opened(at(7200));
        let Say::NotBefore(until) = breaker.ask(at(3600)) else { panic!("it is open") };
        assert!(until < at(3660), "{until:?}");
    }

    #[derive(Debug, Clone)]
    enum Step {
        Ask,
        Tell(usize, Answered),
        GiveBack(usize),
        Pass(i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let answered = prop_oneof![
            Just(Answered::Well),
            Just(ILL),
            Just(Answered::Locked("authentication")),
            Just(Answered::Busy("rate_limited", None)),
            (0_u64..100).prop_map(|pause| Answered::Busy("rate_limited", Some(Duration::from_secs(pause)))),
        ];
        prop_oneof![
            3 => Just(Step::Ask),
            3 => (any::<usize>(), answered).prop_map(|(which, answered)| Step::Tell(which, answered)),
            1 => any::<usize>().prop_map(Step::GiveBack),
            2 => (-100_i64..900).prop_map(Step::Pass),
        ]
    }

    proptest! {
        /// At most one probe is under way, nothing goes while it is open, and no pause that was
        /// asked for is undercut, whatever happens in whatever order.
        #[test]
        fn it_never_lets_through_what_it_should_not(steps in prop::collection::vec(step(), 0..200), chance: u64) {
            let mut now = 0;
            let mut breaker = Breaker::new(at(0));
            let mut under_way: Vec<Call> = Vec::new();
            let mut quiet_until = i64::MIN;
            let mut is_clock_honest = true;
            for step in steps {
                match step {
                    Step::Ask => {
                        let not_before = breaker.not_before(at(now));
                        if let Say::Go(call) = breaker.ask(at(now)) {
                            if is_clock_honest {
                                prop_assert!(not_before.is_none_or(|until| until <= at(now)));
                                prop_assert!(now >= quiet_until);
                            }
                            under_way.push(call);
                        }
                    }
                    Step::Tell(which, answered) if !under_way.is_empty() => {
                        let call = under_way.swap_remove(which % under_way.len());
                        breaker.told(call, answered, at(now), Chance(chance));
                        if let Answered::Busy(_, Some(pause)) = answered {
                            quiet_until = quiet_until.max(now + i64::try_from(pause.as_secs()).expect("small"));
                        }
                    }
                    Step::GiveBack(which) if !under_way.is_empty() => {
                        let call = under_way.swap_remove(which % under_way.len());
                        breaker.gave_back(call);
                    }
                    Step::Tell(..) | Step::GiveBack(_) => {}
                    Step::Pass(seconds) => {
                        now += seconds;
                        is_clock_honest &= seconds >= 0;
                    }
                }
                let probes = under_way.iter().filter(|call| call.is_probe && call.period == breaker.period).count();
                prop_assert!(probes <= 1);
                let is_half_open = matches!(breaker.state, State::HalfOpen { is_probe_under_way: true, .. });
                prop_assert_eq!(probes == 1, is_half_open, "a probe that nobody makes would shut it for ever");
            }
        }
    }
}

//! What is to be done about each day, from what the platform says that it has. Pure.

use canonical::values::CalendarDate;
use kit::pdnd::tracing_api::Traced;

use crate::clock::days_before;

/// A day, as the platform has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// Its name there.
    pub(super) id: String,
    /// The day.
    pub(super) day: CalendarDate,
    /// How it stands.
    pub(super) state: State,
}

/// How a day stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// A file was taken, and is being looked at.
    Pending,
    /// A file was accepted; or a state that we do not know, which the platform has come to by itself.
    Taken,
    /// The file was refused.
    Refused,
    /// No file came in time.
    Missing,
}

impl Listed {
    /// None for a day that is no date: what is not understood is not sent again.
    pub(super) fn of(traced: &Traced) -> Option<Self> {
        // A date may come with a time behind it.
        let day = CalendarDate::parse(traced.date.get(..10)?).ok()?;
        let state = match traced.state.as_str() {
            "PENDING" => State::Pending,
            "ERROR" => State::Refused,
            "MISSING" => State::Missing,
            _ => State::Taken,
        };
        Some(Self { id: traced.id.clone(), day, state })
    }
}

/// A day whose file is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due<'l> {
    /// The day.
    pub(super) day: CalendarDate,
    /// Its name at the platform, where the platform misses it.
    pub(super) missing: Option<&'l str>,
}

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan<'l> {
    /// What is to be sent, the last day first.
    pub(super) due: Vec<Due<'l>>,
    /// Days whose file was refused: a person must look.
    pub(super) refused: Vec<&'l Listed>,
    /// Days before the first of ours, which the platform misses or whose file it refused: the last first.
    pub(super) out_of_reach: Vec<&'l Listed>,
    /// How many days the platform neither has nor misses, and are too old to be submitted.
    pub(super) unawaited: usize,
    /// Whether the platform is still looking at a file.
    pub(super) is_pending: bool,
}

/// What is to be done, for the days from the first to the last of which the calls are counted. Before
/// `submitted` only what the platform misses is sent: of days that it does not list it wants nothing.
pub(super) fn plan(listed: &[Listed], first: CalendarDate, last: CalendarDate, submitted: CalendarDate) -> Plan<'_> {
    let mut plan = Plan::default();
    let mut next = (first <= last).then_some(last);
    while let Some(day) = next {
        let of_day = || listed.iter().filter(|listed| listed.day == day);
        let in_state = |state| of_day().find(|listed| listed.state == state);
        if in_state(State::Pending).is_some() {
            plan.is_pending = true;
        } else if in_state(State::Taken).is_some() {
            // Nothing to do.
        } else if let Some(refused) = in_state(State::Refused) {
            plan.refused.push(refused);
        } else if let Some(missing) = in_state(State::Missing) {
            plan.due.push(Due { day, missing: Some(missing.id.as_str()) });
        } else if day >= submitted {
            plan.due.push(Due { day, missing: None });
        } else {
            plan.unawaited += 1;
        }
        next = days_before(day, 1).filter(|day| *day >= first);
    }
    let is_open = |listed: &&Listed| matches!(listed.state, State::Missing | State::Refused);
    plan.out_of_reach = listed.iter().filter(|listed| listed.day < first).filter(is_open).collect();
    plan.out_of_reach.sort_by_key(|listed| std::cmp::Reverse(listed.day));
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> CalendarDate {
        CalendarDate::parse(text).expect("a day")
    }

    fn listed(date: &str, state: &str) -> Listed {
        let traced = Traced { id: format!("{state} {date}"), date: date.to_owned(), state: state.to_owned() };
        Listed::of(&traced).expect("a day")
    }

    #[test]
    fn what_the_platform_lacks_is_sent_and_what_it_refused_is_told() {
        let listed = [
            listed("2026-11-21", "MISSING"),
            listed("2026-11-22", "ERROR"),
            listed("2026-11-23", "MISSING"),
            listed("2026-11-24", "ERROR"),
            listed("2026-11-25", "WARNING"),
            listed("2026-11-26", "ALTRO"),
            listed("2026-11-28T00:00:00.000Z", "COMPLETED"),
            listed("2026-11-30", "MISSING"),
        ];
        let found = plan(&listed, day("2026-11-23"), day("2026-11-29"), day("2026-11-27"));
        let due: Vec<_> = found.due.iter().map(|due| (due.day.to_string(), due.missing)).collect();
        let expected = [("2026-11-29", None), ("2026-11-27", None), ("2026-11-23", Some("MISSING 2026-11-23"))];
        assert_eq!(due, expected.map(|(day, missing)| (day.to_owned(), missing)), "the last day first");
        assert_eq!(found.refused, [&listed[3]]);
        assert_eq!(found.out_of_reach, [&listed[1], &listed[0]], "nothing was counted here yet");
        assert_eq!((found.is_pending, found.unawaited), (false, 0));
    }

    #[test]
    fn a_day_that_nobody_awaits_any_more_is_not_submitted() {
        let missing = [listed("2026-11-23", "MISSING")];
        let found = plan(&missing, day("2026-11-23"), day("2026-11-29"), day("2026-11-28"));
        let due: Vec<_> = found.due.iter().map(|due| (due.day.to_string(), due.missing.is_some())).collect();
        let expected = [("2026-11-29", false), ("2026-11-28", false), ("2026-11-23", true)];
        assert_eq!(due, expected.map(|(day, is_missing)| (day.to_owned(), is_missing)));
        assert_eq!(found.unawaited, 4, "from the 24th to the 27th");
    }

    #[test]
    fn a_day_that_was_taken_after_all_is_not_missing_any_more() {
        let both = [listed("2026-11-29", "MISSING"), listed("2026-11-29", "PENDING"), listed("2026-11-28", "ERROR")];
        let found = plan(&both, day("2026-11-29"), day("2026-11-29"), day("2026-11-29"));
        assert_eq!((found.due.len(), found.is_pending), (0, true));
        let recovered = [listed("2026-11-29", "ERROR"), listed("2026-11-29", "COMPLETED")];
        assert_eq!(plan(&recovered, day("2026-11-29"), day("2026-11-29"), day("2026-11-29")), Plan::default());
    }

    #[test]
    fn before_the_first_day_is_over_there_is_nothing_to_send() {
        assert_eq!(plan(&[], day("2026-11-30"), day("2026-11-29"), day("2026-11-27")), Plan::default());
    }

    #[test]
    fn a_day_that_is_no_date_is_not_understood() {
        for date in ["", "ieri", "29/11/2026", "2026-11-3é"] {
            let traced = Traced { id: "x".to_owned(), date: date.to_owned(), state: "PENDING".to_owned() };
            assert_eq!(Listed::of(&traced), None, "{date}");
        }
    }
}

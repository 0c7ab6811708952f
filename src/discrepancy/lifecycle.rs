//! The life of a work item: what runs see and what people decide, as functions that can refuse.
//!
//! Nobody closes a work item by hand: it ends when a complete run does not see it, or when its comparison
//! is configured no more. A person can live with it, until a day or until its values change.

use canonical::Digest;
use canonical::values::CalendarDate;
use serde::{Deserialize, Serialize};

use super::{Cause, Discrepancy, State};

/// What happened to a work item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// Seen for the first time.
    Opened,
    /// Its values are others than before.
    Changed,
    /// A known cause accounts for all of it.
    Explained,
    /// The cause does not account for it any more.
    Unexplained,
    /// A person lives with it.
    Accepted,
    /// The acceptance ended: its day came, its values changed, or a person ended it.
    AcceptanceEnded,
    /// It is the turn of an office.
    Assigned,
    /// Somebody above was told.
    Escalated,
    /// A complete run did not see it.
    Closed,
    /// It came back after it was closed.
    Reopened,
    /// Its comparison is configured no more.
    Retired,
    /// Its comparison is configured again.
    Restored,
    /// A repair waits for a second person.
    RepairRequested,
    /// A repair was begun.
    Repaired,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 14] = [
        Self::Opened,
        Self::Changed,
        Self::Explained,
        Self::Unexplained,
        Self::Accepted,
        Self::AcceptanceEnded,
        Self::Assigned,
        Self::Escalated,
        Self::Closed,
        Self::Reopened,
        Self::Retired,
        Self::Restored,
        Self::RepairRequested,
        Self::Repaired,
    ];

    /// Stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Changed => "changed",
            Self::Explained => "explained",
            Self::Unexplained => "unexplained",
            Self::Accepted => "accepted",
            Self::AcceptanceEnded => "acceptance_ended",
            Self::Assigned => "assigned",
            Self::Escalated => "escalated",
            Self::Closed => "closed",
            Self::Reopened => "reopened",
            Self::Retired => "retired",
            Self::Restored => "restored",
            Self::RepairRequested => "repair_requested",
            Self::Repaired => "repaired",
        }
    }

    /// The kind with a name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What the life of a work item depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Where it stands.
    pub state: State,
    /// Its cause.
    pub cause: Option<Cause>,
    /// The digest of its values.
    pub values: Digest,
}

/// A decision that the state of a work item does not admit. The words are shown to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecisionRefused {
    /// It has ended.
    #[error("the work item is closed")]
    Closed,
    /// There is no acceptance to end.
    #[error("nobody has accepted the work item")]
    NotAccepted,
    /// Nobody must act, so nobody above is told.
    #[error("the work item is explained or accepted: nobody must act")]
    NobodyMustAct,
    /// The day is not in the future.
    #[error("the last day of an acceptance cannot have passed")]
    DayHasPassed,
    /// Somebody was told already.
    #[error("somebody above was told already")]
    AlreadyEscalated,
    /// No repair waits.
    #[error("no repair of the work item waits for approval")]
    NoRepairWaits,
    /// A repair waits already.
    #[error("a repair of the work item waits for approval already")]
    RepairWaits,
    /// One person may not do both.
    #[error("a repair is approved by somebody else than who asked for it")]
    SamePerson,
}

impl Discrepancy {
    /// The digest of what the sides say: a change of it is news, another day of the data is not.
    pub fn values(&self) -> Digest {
        let parts = self.sides.iter().flat_map(|side| {
            let value = side.value.as_ref().map_or(&b"\0"[..], |value| value.as_bytes());
            let value = side.seen.as_ref().map_or(value, |seen| &seen.as_bytes()[..]);
            [side.system.as_bytes(), value]
        });
        Digest::of_parts(parts)
    }
}

/// The state of what nobody has accepted.
pub fn unaccepted(cause: Option<Cause>) -> State {
    if cause.is_some() { State::Explained } else { State::Open }
}

/// A run has seen it: where it stands now, and what happened. The day is that in Italy.
pub fn seen(standing: Option<&Standing>, found: &Discrepancy, today: CalendarDate) -> (State, Vec<EventKind>) {
    let fresh = unaccepted(found.cause);
    let Some(standing) = standing else {
        let mut events = vec![EventKind::Opened];
        events.extend(found.cause.map(|_| EventKind::Explained));
        return (fresh, events);
    };
    let has_changed = standing.values != found.values();
    let mut events = Vec::new();
    if standing.state == State::Closed {
        events.push(EventKind::Reopened);
    } else if has_changed {
        events.push(EventKind::Changed);
    }
    if let State::Accepted { until } = standing.state {
        if !has_changed && until.is_none_or(|until| until >= today) {
            return (standing.state.clone(), events);
        }
        events.push(EventKind::AcceptanceEnded);
    }
    match (&standing.state, &fresh) {
        (State::Open | State::Closed | State::Accepted { .. }, State::Explained) => events.push(EventKind::Explained),
        (State::Explained, State::Open) => events.push(EventKind::Unexplained),
        _ => {}
    }
    (fresh, events)
}

/// A complete run has not seen it.
pub fn not_seen(state: &State) -> Result<State, DecisionRefused> {
    if *state == State::Closed { Err(DecisionRefused::Closed) } else { Ok(State::Closed) }
}

/// Its comparison is configured no more. What it was is remembered, for [`restored`].
pub fn retired(state: &State) -> Result<State, DecisionRefused> {
    not_seen(state)
}

/// Its comparison is configured again: it stands as it did, until a run sees more.
pub fn restored(before: State, cause: Option<Cause>) -> State {
    if matches!(before, State::Accepted { .. }) { before } else { unaccepted(cause) }
}

/// A person lives with it.
pub fn accept(state: &State, until: Option<CalendarDate>, today: CalendarDate) -> Result<State, DecisionRefused> {
    match state {
        State::Closed => Err(DecisionRefused::Closed),
        _ if until.is_some_and(|until| until < today) => Err(DecisionRefused::DayHasPassed),
        _ => Ok(State::Accepted { until }),
    }
}

/// A person ends an acceptance.
pub fn end_acceptance(state: &State, cause: Option<Cause>) -> Result<State, DecisionRefused> {
    match state {
        State::Accepted { .. } => Ok(unaccepted(cause)),
        State::Closed => Err(DecisionRefused::Closed),
        State::Open | State::Explained => Err(DecisionRefused::NotAccepted),
    }
}

/// Somebody above is told.
pub fn escalate(state: &State, is_escalated: bool) -> Result<(), DecisionRefused> {
    match state {
        State::Open if is_escalated => Err(DecisionRefused::AlreadyEscalated),
        State::Open => Ok(()),
        State::Closed => Err(DecisionRefused::Closed),
        State::Explained | State::Accepted { .. } => Err(DecisionRefused::NobodyMustAct),
    }
}

/// An office is told that it is its turn, or a repair begins: anything that stands admits it.
pub fn act_upon(state: &State) -> Result<(), DecisionRefused> {
    if *state == State::Closed { Err(DecisionRefused::Closed) } else { Ok(()) }
}

/// A second person approves a repair. Names are compared as people write them.
pub fn approve(state: &State, asked_by: Option<&str>, by: &str) -> Result<(), DecisionRefused> {
    act_upon(state)?;
    let name = |name: &str| name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    match asked_by {
        None => Err(DecisionRefused::NoRepairWaits),
        Some(asked_by) if name(asked_by) == name(by) => Err(DecisionRefused::SamePerson),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use canonical::{Rule, Severity};
    use proptest::prelude::*;

    use super::super::{Act, Shape, Side};
    use super::*;

    fn day(text: &str) -> CalendarDate {
        CalendarDate::parse(text).expect("a day")
    }

    fn found(value: &str, cause: Option<Cause>) -> Discrepancy {
        let side = |system: &str, is_owner, value: &str| Side {
            system: system.to_owned(),
            is_owner,
            value: Some(value.to_owned()),
            seen: None,
            as_of: None,
        };
        Discrepancy {
            comparison: "hub".to_owned(),
            unit: "unit".to_owned(),
            row: "row".to_owned(),
            field: Some("importo".to_owned()),
            rule: Rule::R02,
            severity: Severity::Error,
            shape: Shape::Differs,
            against: "hub".to_owned(),
            cause,
            sides: vec![side("pad", true, "1.00"), side("hub", false, value)],
            at_stake: None,
            body: None,
            deadline: None,
            act: Act::SendAgain,
        }
    }

    fn standing(state: State, of: &Discrepancy) -> Standing {
        Standing { state, cause: of.cause, values: of.values() }
    }

    #[test]
    fn an_accepted_one_opens_again_when_its_values_change_or_its_day_has_passed() {
        let before = found("2.00", None);
        let accepted = standing(State::Accepted { until: Some(day("2026-11-30")) }, &before);
        assert_eq!(seen(Some(&accepted), &before, day("2026-11-30")), (accepted.state.clone(), Vec::new()));
        let ended = (State::Open, vec![EventKind::AcceptanceEnded]);
        assert_eq!(seen(Some(&accepted), &before, day("2026-12-01")), ended);
        let changed = seen(Some(&accepted), &found("3.00", None), day("2026-11-29"));
        assert_eq!(changed, (State::Open, vec![EventKind::Changed, EventKind::AcceptanceEnded]));
    }

    #[test]
    fn a_closed_one_that_returns_is_open_again_and_not_new() {
        let again = found("2.00", None);
        let (state, events) = seen(Some(&standing(State::Closed, &again)), &again, day("2026-11-22"));
        assert_eq!((state, events), (State::Open, vec![EventKind::Reopened]));
    }

    #[test]
    fn one_person_does_not_approve_what_the_same_person_asked_for() {
        assert_eq!(approve(&State::Open, Some("Anna  Rossi"), "anna rossi"), Err(DecisionRefused::SamePerson));
        assert_eq!(approve(&State::Open, None, "Ugo Bianchi"), Err(DecisionRefused::NoRepairWaits));
        assert_eq!(approve(&State::Open, Some("Anna Rossi"), "Ugo Bianchi"), Ok(()));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Seen(u8, bool),
        NotSeen,
        Accept(Option<u8>),
        EndAcceptance,
        RetiredAndRestored,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0_u8..3, any::<bool>()).prop_map(|(value, cause)| Step::Seen(value, cause)),
            Just(Step::NotSeen),
            proptest::option::of(1_u8..28).prop_map(Step::Accept),
            Just(Step::EndAcceptance),
            Just(Step::RetiredAndRestored),
        ];
        proptest::collection::vec(step, 1..40)
    }

    proptest! {
        /// Whatever happens: explained means that there is a cause, open that there is none, nothing
        /// is accepted beyond its day or with other values, and only what is not seen stays closed.
        #[test]
        fn no_series_of_events_leads_to_a_state_that_lies(steps in steps()) {
            let today = day("2026-11-15");
            let mut last = found("0", None);
            let mut item = standing(seen(None, &last, today).0, &last);
            for step in steps {
                let before = item.clone();
                match step {
                    Step::Seen(value, has_cause) => {
                        last = found(&value.to_string(), has_cause.then_some(Cause::Rounding));
                        let (state, events) = seen(Some(&before), &last, today);
                        prop_assert_ne!(&state, &State::Closed);
                        if let State::Accepted { until } = &state {
                            prop_assert_eq!(&before.state, &state);
                            prop_assert_eq!(before.values, last.values());
                            prop_assert!(until.is_none_or(|until| until >= today));
                        } else {
                            prop_assert_eq!(&state, &unaccepted(last.cause));
                        }
                        prop_assert_eq!(before.state == State::Closed, events.contains(&EventKind::Reopened));
                        prop_assert!(state == before.state || !events.is_empty(), "a change that nobody is told");
                        item = standing(state, &last);
                    }
                    Step::NotSeen => {
                        if let Ok(state) = not_seen(&before.state) {
                            item.state = state;
                        } else {
                            prop_assert_eq!(&before.state, &State::Closed);
                        }
                    }
                    Step::Accept(until) => {
                        let until = until.map(|number| day(&format!("2026-11-{number:02}")));
                        match accept(&before.state, until, today) {
                            Ok(state) => item.state = state,
                            Err(_) => prop_assert!(
                                before.state == State::Closed || until.is_some_and(|until| until < today)
                            ),
                        }
                    }
                    Step::EndAcceptance => {
                        if let Ok(state) = end_acceptance(&before.state, before.cause) {
                            item.state = state;
                        } else {
                            let is_accepted = matches!(before.state, State::Accepted { .. });
                            prop_assert!(!is_accepted);
                        }
                    }
                    Step::RetiredAndRestored => {
                        if let Ok(ended) = retired(&before.state) {
                            prop_assert_eq!(ended, State::Closed);
                            item.state = restored(before.state.clone(), before.cause);
                            prop_assert_eq!(&item.state, &before.state, "what people decided is lost");
                        } else {
                            prop_assert_eq!(&before.state, &State::Closed);
                        }
                    }
                }
                match &item.state {
                    State::Open => prop_assert_eq!(item.cause, None),
                    State::Explained => prop_assert!(item.cause.is_some()),
                    State::Accepted { until } => prop_assert!(until.is_none_or(|until| until >= today)),
                    State::Closed => {}
                }
            }
        }
    }
}

//! The states of a delivery, and the transitions between them.
//!
//! A delivery is level-triggered: it says which revision a target should hold and which it holds.
//! Its state says what stands between the two. Transitions are functions that can refuse; the
//! schema of each database repeats the list of states.

use canonical::values::UtcInstant;
use serde::{Deserialize, Serialize};

/// Where a delivery stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum DeliveryState {
    /// To be sent.
    Due,
    /// The intent to send is on disk; the outcome is not. After a crash this means in doubt.
    Sent,
    /// The target holds the revision, and gave a receipt.
    Acknowledged,
    /// The target refused it by its own rules. A new revision makes it due again.
    Refused {
        /// The target's code.
        code: String,
        /// The target's words.
        message: String,
    },
    /// The request may have arrived: to be observed, never resent blindly.
    InDoubt {
        /// Stable code of what happened.
        code: String,
        /// When to look again.
        at: UtcInstant,
    },
    /// To be sent again, not before `at`.
    Retry {
        /// Stable code of what happened.
        code: String,
        /// Not before.
        at: UtcInstant,
    },
    /// Taken by the target, which decides later: to be asked again at `at`.
    Submitted {
        /// Where it stands there, in the target's own word.
        code: String,
        /// When to ask again.
        at: UtcInstant,
    },
    /// A step that is not admitted yet: looked at again at `at`, or when its lane changes.
    Held {
        /// Stable code of what is missing.
        code: String,
        /// What is missing, for people.
        message: String,
        /// When to look again.
        at: UtcInstant,
    },
    /// Stands aside until a person acts.
    Parked {
        /// Why.
        reason: String,
        /// Whether an attempt may have arrived: then it must be observed before it is sent again.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        in_doubt: bool,
    },
}

impl DeliveryState {
    /// Stable name, for storage, counts and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Sent => "sent",
            Self::Acknowledged => "acknowledged",
            Self::Refused { .. } => "refused",
            Self::InDoubt { .. } => "in_doubt",
            Self::Retry { .. } => "retry",
            Self::Submitted { .. } => "submitted",
            Self::Held { .. } => "held",
            Self::Parked { .. } => "parked",
        }
    }

    /// Whether work remains that nobody but the broker will do.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Due | Self::Sent | Self::InDoubt { .. } | Self::Retry { .. })
    }

    /// Whether it waits for somebody else: a decision on the other side, or an earlier step. It has
    /// no job meanwhile; a newer revision makes it due at once.
    pub fn is_waiting(&self) -> bool {
        matches!(self, Self::Submitted { .. } | Self::Held { .. })
    }

    /// Whether an attempt may have arrived whose outcome is not known.
    pub fn may_have_arrived(&self) -> bool {
        matches!(self, Self::Sent | Self::InDoubt { .. } | Self::Parked { in_doubt: true, .. })
    }

    /// The state after what a person says of an attempt that may have arrived, where nobody else
    /// knows: it arrived, or it did not and is sent again. An attempt under way is waited for.
    pub fn declared(&self, next: Self) -> Result<Self, TransitionRefused> {
        match (self, next) {
            (Self::InDoubt { .. } | Self::Parked { in_doubt: true, .. }, next @ (Self::Acknowledged | Self::Due)) => {
                Ok(next)
            }
            (_, next) => Err(TransitionRefused { from: self.name(), to: next.name() }),
        }
    }

    /// The state after `next`, or why the transition is not admitted.
    pub fn to(&self, next: Self) -> Result<Self, TransitionRefused> {
        let admitted = match (self, &next) {
            // A new revision, a repair or a person may always ask again, except while an attempt
            // is under way or its outcome unknown: that attempt must be settled first.
            (state, Self::Due) => !state.may_have_arrived(),
            (Self::Parked { in_doubt: true, .. }, Self::InDoubt { .. }) => true,
            // An attempt ends in any of the ways in which the world can answer.
            (Self::Sent, next) => !matches!(next, Self::Sent | Self::Held { .. }),
            // Observation may find it there, or not there, or fail again.
            (Self::InDoubt { .. }, next) => !matches!(next, Self::Parked { in_doubt: false, .. } | Self::Held { .. }),
            // Sent, set aside, not admitted yet, or nothing to send after all: the target already
            // holds the revision.
            (Self::Due | Self::Retry { .. } | Self::Held { .. }, next) => {
                matches!(next, Self::Sent | Self::Parked { .. } | Self::Held { .. } | Self::Acknowledged)
            }
            // It is asked until it ends one way or the other.
            (Self::Submitted { .. }, next) => {
                matches!(
                    next,
                    Self::Submitted { .. }
                        | Self::Acknowledged
                        | Self::Refused { .. }
                        | Self::Parked { in_doubt: false, .. }
                )
            }
            (Self::Acknowledged | Self::Refused { .. } | Self::Parked { .. }, _) => false,
        };
        if admitted { Ok(next) } else { Err(TransitionRefused { from: self.name(), to: next.name() }) }
    }
}

/// A transition that the life of a delivery does not admit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a delivery that is {from} cannot become {to}")]
pub struct TransitionRefused {
    from: &'static str,
    to: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> UtcInstant {
        UtcInstant::from_unix_micros(0).expect("the epoch")
    }

    #[test]
    fn a_delivery_in_doubt_is_never_simply_due_again() {
        let in_doubt = DeliveryState::InDoubt { code: "timeout".into(), at: at() };
        assert!(in_doubt.to(DeliveryState::Due).is_err());
        assert!(DeliveryState::Sent.to(DeliveryState::Due).is_err());
    }

    #[test]
    fn a_doubt_survives_being_set_aside() {
        let in_doubt = DeliveryState::InDoubt { code: "timeout".into(), at: at() };
        assert!(in_doubt.to(DeliveryState::Parked { reason: "x".into(), in_doubt: false }).is_err());
        let parked = in_doubt.to(DeliveryState::Parked { reason: "x".into(), in_doubt: true }).expect("set aside");
        assert!(parked.to(DeliveryState::Due).is_err());
        assert!(parked.to(in_doubt).is_ok());
    }

    #[test]
    fn only_a_doubt_is_ended_by_a_declaration() {
        let parked = |in_doubt| DeliveryState::Parked { reason: "x".into(), in_doubt };
        let in_doubt = DeliveryState::InDoubt { code: "timeout".into(), at: at() };
        for said in [DeliveryState::Acknowledged, DeliveryState::Due] {
            assert_eq!(parked(true).declared(said.clone()), Ok(said.clone()));
            assert_eq!(in_doubt.declared(said.clone()), Ok(said.clone()));
            for other in [parked(false), DeliveryState::Sent, DeliveryState::Due, DeliveryState::Acknowledged] {
                assert!(other.declared(said.clone()).is_err(), "{other:?}");
            }
        }
        assert!(parked(true).declared(parked(false)).is_err());
    }

    #[test]
    fn a_refused_delivery_waits_for_a_new_revision() {
        let refused = DeliveryState::Refused { code: "x".into(), message: String::new() };
        assert!(refused.to(DeliveryState::Sent).is_err());
        assert_eq!(refused.to(DeliveryState::Due), Ok(DeliveryState::Due));
    }

    #[test]
    fn an_acknowledged_delivery_is_not_sent_again_without_a_reason() {
        assert!(DeliveryState::Acknowledged.to(DeliveryState::Sent).is_err());
        assert!(DeliveryState::Acknowledged.to(DeliveryState::Acknowledged).is_err());
    }

    #[test]
    fn an_attempt_ends_in_every_way_in_which_the_world_can_answer() {
        for end in [
            DeliveryState::Acknowledged,
            DeliveryState::Refused { code: "x".into(), message: String::new() },
            DeliveryState::InDoubt { code: "timeout".into(), at: at() },
            DeliveryState::Retry { code: "unavailable".into(), at: at() },
            DeliveryState::Submitted { code: "bozza".into(), at: at() },
            DeliveryState::Parked { reason: "x".into(), in_doubt: false },
        ] {
            assert_eq!(DeliveryState::Sent.to(end.clone()), Ok(end));
        }
    }

    #[test]
    fn a_submitted_delivery_is_followed_to_its_end_and_never_sent_again_as_it_is() {
        let submitted = DeliveryState::Submitted { code: "bozza".into(), at: at() };
        let later = DeliveryState::Submitted { code: "in_verifica".into(), at: at() };
        let refused = DeliveryState::Refused { code: "x".into(), message: String::new() };
        for end in [later, DeliveryState::Acknowledged, refused, DeliveryState::Due] {
            assert_eq!(submitted.to(end.clone()), Ok(end));
        }
        assert!(submitted.to(DeliveryState::Sent).is_err());
        assert!(submitted.to(DeliveryState::InDoubt { code: "timeout".into(), at: at() }).is_err());
    }

    #[test]
    fn a_held_step_is_sent_when_it_is_admitted() {
        let held = DeliveryState::Held { code: "x".into(), message: "y".into(), at: at() };
        assert_eq!(DeliveryState::Due.to(held.clone()), Ok(held.clone()));
        assert_eq!(held.to(DeliveryState::Sent), Ok(DeliveryState::Sent));
        assert!(DeliveryState::Acknowledged.to(held.clone()).is_err());
        assert!(DeliveryState::Sent.to(held).is_err());
    }
}

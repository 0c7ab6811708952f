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
            Self::Parked { .. } => "parked",
        }
    }

    /// Whether work remains that nobody but the broker will do.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Due | Self::Sent | Self::InDoubt { .. } | Self::Retry { .. })
    }

    /// Whether an attempt may have arrived whose outcome is not known.
    pub fn may_have_arrived(&self) -> bool {
        matches!(self, Self::Sent | Self::InDoubt { .. } | Self::Parked { in_doubt: true, .. })
    }

    /// The state after `next`, or why the transition is not admitted.
    pub fn to(&self, next: Self) -> Result<Self, TransitionRefused> {
        let admitted = match (self, &next) {
            // A new revision, a repair or a person may always ask again, except while an attempt
            // is under way or its outcome unknown: that attempt must be settled first.
            (state, Self::Due) => !state.may_have_arrived(),
            (Self::Parked { in_doubt: true, .. }, Self::InDoubt { .. }) => true,
            // An attempt ends in any of the ways in which the world can answer.
            (Self::Sent, next) => !matches!(next, Self::Sent),
            // Observation may find it there, or not there, or fail again.
            (Self::InDoubt { .. }, next) => !matches!(next, Self::Parked { in_doubt: false, .. }),
            // Sent, set aside, or nothing to send after all: the target already holds the revision.
            (Self::Due | Self::Retry { .. }, next) => {
                matches!(next, Self::Sent | Self::Parked { .. } | Self::Acknowledged)
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
            DeliveryState::Parked { reason: "x".into(), in_doubt: false },
        ] {
            assert_eq!(DeliveryState::Sent.to(end.clone()), Ok(end));
        }
    }
}

//! Receipt: turns the answer of a target into the new state of the delivery, with its proof.
//!
//! Comes from: `deliver`, with an outcome or an error.
//! Goes to: the ledger, which writes state, receipt and audit entry in one transaction.
//! Safe to repeat because: it is a pure function; receipts are only ever added.
//! When it fails: it cannot; an answer that is not understood is in doubt, never delivered.

use std::time::Duration;

use canonical::values::UtcInstant;
use contract::{AdapterError, Advice, Followed, NotYet, Outcome, Phase, Receipt};

use super::Patience;
use crate::clock::after;
use crate::delivery::DeliveryState;
use crate::failpoints;

/// What must be known of a delivery to judge an answer: how patient it has been so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// Attempts of this shipment, the judged one included.
    pub attempts: u32,
    /// How long ago the first of them was made.
    pub since: Duration,
    /// Now.
    pub now: UtcInstant,
}

/// A new state, with its proof when the target took the shipment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The new state.
    pub state: DeliveryState,
    /// The proof.
    pub receipt: Option<Receipt>,
}

impl From<DeliveryState> for Judged {
    fn from(state: DeliveryState) -> Self {
        Self { state, receipt: None }
    }
}

/// Judges the answer to an attempt.
pub fn judge(answer: Result<Outcome, AdapterError>, tried: Tried, patience: &dyn Patience) -> Judged {
    match answer {
        Ok(Outcome::Acknowledged(receipt)) => Judged { state: DeliveryState::Acknowledged, receipt: Some(receipt) },
        Ok(Outcome::Submitted { receipt, state }) => {
            let state = submitted(state, Duration::ZERO, tried.now, patience);
            Judged { state, receipt: Some(receipt) }
        }
        Ok(Outcome::Refused { code, message }) => DeliveryState::Refused { code, message }.into(),
        Err(error) if error.phase == Phase::Unknown => in_doubt(&error, tried, patience).into(),
        Err(error) => again_or_parked(&error, tried, patience).into(),
    }
}

/// Judges what the target says of a shipment that it took `tried.since` ago. A question that fails
/// changes nothing: the shipment was taken, and is asked about again.
pub fn judge_followed(
    answer: Result<Followed, AdapterError>,
    before: &str,
    tried: Tried,
    patience: &dyn Patience,
) -> Judged {
    let pending = |state: String| submitted(state, tried.since, tried.now, patience).into();
    match answer {
        Ok(Followed::Pending(state) | Followed::Ended(Outcome::Submitted { state, .. })) => pending(state),
        Ok(Followed::Ended(Outcome::Acknowledged(receipt))) => {
            Judged { state: DeliveryState::Acknowledged, receipt: Some(receipt) }
        }
        Ok(Followed::Ended(Outcome::Refused { code, message })) => DeliveryState::Refused { code, message }.into(),
        Err(error) => match error.advice {
            Advice::AskPerson => aside(format!("{}: a person must look", error.kind.code())).into(),
            Advice::Retry { .. } | Advice::FixConfiguration => pending(before.to_owned()),
        },
    }
}

fn submitted(code: String, since: Duration, now: UtcInstant, patience: &dyn Patience) -> DeliveryState {
    DeliveryState::Submitted { code, at: after(now, patience.follow(since)) }
}

/// The state of a step that the target does not admit yet, looked at for the first time `since`.
pub fn held(not_yet: NotYet, since: Duration, now: UtcInstant, patience: &dyn Patience) -> DeliveryState {
    DeliveryState::Held { code: not_yet.code, message: not_yet.reason, at: after(now, patience.follow(since)) }
}

/// The state of a delivery whose answer was lost, or whose observation failed. Doubt has no limit
/// of attempts: it ends when the target can be asked, or when a person decides.
pub fn in_doubt(error: &AdapterError, tried: Tried, patience: &dyn Patience) -> DeliveryState {
    let pause = match error.advice {
        Advice::Retry { after } => patience.pause(tried.attempts, Duration::ZERO, after),
        Advice::FixConfiguration | Advice::AskPerson => None,
    };
    let at = after(tried.now, pause.unwrap_or_else(|| patience.longest()));
    let code = if failpoints::is_planted("outcome_without_reason") { "" } else { error.kind.code() };
    DeliveryState::InDoubt { code: code.to_owned(), at }
}

fn again_or_parked(error: &AdapterError, tried: Tried, patience: &dyn Patience) -> DeliveryState {
    let code = error.kind.code();
    let pause = match error.advice {
        Advice::AskPerson => return aside(format!("{code}: a person must look")),
        // Nothing is lost by waiting: the records stay where they are until the settings are right.
        Advice::FixConfiguration => Some(patience.longest()),
        Advice::Retry { after } => patience.pause(tried.attempts, tried.since, after),
    };
    match pause {
        Some(pause) => DeliveryState::Retry { code: code.to_owned(), at: after(tried.now, pause) },
        None => aside(format!("{code}: given up after {} attempts", tried.attempts)),
    }
}

/// Set aside with a known outcome: the target did nothing.
fn aside(reason: String) -> DeliveryState {
    DeliveryState::Parked { reason, in_doubt: false }
}

#[cfg(test)]
mod tests {
    use contract::ErrorKind;

    use super::*;

    /// Waits as asked, or one second per attempt, for at most a minute in all.
    struct Simple;

    impl Patience for Simple {
        fn pause(&self, attempts: u32, since: Duration, asked: Option<Duration>) -> Option<Duration> {
            (since < Duration::from_mins(1)).then(|| asked.unwrap_or(Duration::from_secs(attempts.into())))
        }

        fn longest(&self) -> Duration {
            Duration::from_mins(10)
        }

        fn follow(&self, since: Duration) -> Duration {
            since + Duration::from_secs(5)
        }
    }

    fn tried(attempts: u32, since: u64) -> Tried {
        Tried { attempts, since: Duration::from_secs(since), now: UtcInstant::from_unix_micros(0).expect("the epoch") }
    }

    fn state(error: AdapterError, tried: Tried) -> DeliveryState {
        judge(Err(error), tried, &Simple).state
    }

    fn seconds(seconds: i64) -> UtcInstant {
        UtcInstant::from_unix_micros(seconds * 1_000_000).expect("a near instant")
    }

    #[test]
    fn an_acknowledgement_carries_its_proof() {
        let receipt =
            Receipt { remote_id: Some("7".into()), status: 201, answer_digest: "0".repeat(64), warnings: Vec::new() };
        let judged = judge(Ok(Outcome::Acknowledged(receipt.clone())), tried(1, 0), &Simple);
        assert_eq!(judged, Judged { state: DeliveryState::Acknowledged, receipt: Some(receipt) });
    }

    fn proof() -> Receipt {
        Receipt { remote_id: Some("7".into()), status: 201, answer_digest: "0".repeat(64), warnings: Vec::new() }
    }

    #[test]
    fn what_was_taken_and_not_decided_is_asked_about_again() {
        let judged = judge(Ok(Outcome::Submitted { receipt: proof(), state: "bozza".into() }), tried(1, 0), &Simple);
        let state = DeliveryState::Submitted { code: "bozza".into(), at: seconds(5) };
        assert_eq!(judged, Judged { state, receipt: Some(proof()) });
    }

    #[test]
    fn a_followed_shipment_ends_as_the_target_says_and_survives_questions_that_fail() {
        let followed = |answer| judge_followed(answer, "bozza", tried(1, 7), &Simple);
        let pending = |code: &str| Judged::from(DeliveryState::Submitted { code: code.into(), at: seconds(12) });
        assert_eq!(followed(Ok(Followed::Pending("in_verifica".into()))), pending("in_verifica"));
        assert_eq!(followed(Err(AdapterError::new(ErrorKind::Timeout, "test"))), pending("bozza"));
        assert_eq!(followed(Err(AdapterError::new(ErrorKind::Authentication, "test"))), pending("bozza"));
        let ended = followed(Ok(Followed::Ended(Outcome::Acknowledged(proof()))));
        assert_eq!(ended, Judged { state: DeliveryState::Acknowledged, receipt: Some(proof()) });
        let refused = Outcome::Refused { code: "ERR1".into(), message: "no".into() };
        let refused = followed(Ok(Followed::Ended(refused)));
        assert_eq!(refused.state, DeliveryState::Refused { code: "ERR1".into(), message: "no".into() });
    }

    #[test]
    fn an_answer_that_is_not_understood_is_in_doubt_and_never_delivered() {
        for kind in [ErrorKind::NotUnderstood, ErrorKind::Timeout, ErrorKind::Broken] {
            let judged = state(AdapterError::new(kind, "test"), tried(1, 0));
            assert!(matches!(judged, DeliveryState::InDoubt { .. }), "{kind:?} gave {judged:?}");
        }
    }

    #[test]
    fn a_pause_asked_by_the_target_is_obeyed() {
        let error = AdapterError::new(ErrorKind::RateLimited, "test")
            .advice(Advice::Retry { after: Some(Duration::from_secs(17)) });
        assert_eq!(state(error, tried(1, 0)), DeliveryState::Retry { code: "rate_limited".into(), at: seconds(17) });
    }

    #[test]
    fn attempts_end_parked_with_the_reason() {
        let judged = state(AdapterError::new(ErrorKind::Unavailable, "test"), tried(9, 61));
        assert_eq!(judged, aside("unavailable: given up after 9 attempts".into()));
    }

    #[test]
    fn wrong_credentials_make_records_wait_and_lose_none() {
        let judged = state(AdapterError::new(ErrorKind::Authentication, "test"), tried(99, 100_000));
        assert_eq!(judged, DeliveryState::Retry { code: "authentication".into(), at: seconds(600) });
    }

    #[test]
    fn doubt_has_no_limit_of_attempts() {
        let judged = state(AdapterError::new(ErrorKind::Timeout, "test"), tried(99, 100_000));
        assert!(matches!(judged, DeliveryState::InDoubt { .. }));
    }
}

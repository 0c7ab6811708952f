//! Which signal tells the readers of our e-service of a change, and whether a signal of another e-service
//! is a reason to look there.
//!
//! A signal names a record as the exchange API does, and says nothing of it: whoever hears it reads the
//! record, if he may. Records that name a person by their key do not leave, and are not signalled: so
//! nothing of ours needs a pseudonym.

use std::collections::HashSet;

use canonical::identifiers::holds_personal_code;
use canonical::values::UtcInstant;
use kit::Secret;
use kit::pdnd::signal_hub::pseudonym::PseudonymRule;
use kit::pdnd::signal_hub::{Signal, SignalType};

use crate::storage::exchange::{Position, Scope};
use crate::storage::signals::{Changed, PendingSignal, Signalling};
use crate::storage::{Signals, StorageError};

/// The highest number that every reader keeps whole: of a JSON number some keep 53 bits.
const HIGHEST: i64 = (1 << 53) - 1;
/// Keys that are looked through together.
const KEYS: u32 = 1_000;

/// What lies behind a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behind {
    /// Nothing to tell, up to here; and whether something is behind it.
    Nothing(Position, bool),
    /// This, at this place.
    Change(Changed, Position),
}

/// Looks for the next change of which readers are told.
pub async fn behind(store: &(impl Signals + ?Sized), scope: &Scope, from: Position) -> Result<Behind, StorageError> {
    let next = store.next_change(scope, from).await?;
    // The place was written beside the versions, and both are of one ledger.
    let next = next.ok_or_else(|| StorageError::Damaged {
        attempted: "look for a change to tell",
        problem: format!("version {} is not the one that readers were told of", from.version),
    })?;
    Ok(match next.changed {
        Some(changed) if !holds_personal_code(&changed.key) => Behind::Change(changed, next.until),
        _ => Behind::Nothing(next.until, next.has_more),
    })
}

/// The signal of a change, to be put under way.
pub fn signal(changed: &Changed, until: Position, state: &Signalling, now: UtcInstant) -> PendingSignal {
    let said = Signal {
        signal_id: number_after(state.last_number, now),
        object_type: changed.kind.name().to_owned(),
        object_id: changed.record.0.to_string(),
        eservice_id: state.eservice.clone(),
        signal_type: if changed.is_new { SignalType::Create } else { SignalType::Update },
    };
    PendingSignal { number: said.signal_id, until, body: written(&said), attempts: 0, due_at: now }
}

/// The same signal under a higher number. Where one was refused just before, it is a thousand times as high:
/// whoever numbers by smaller parts of a second is left behind. None where there is no higher one.
pub fn renumbered(pending: &PendingSignal, was_refused: bool, now: UtcInstant) -> Option<(i64, String)> {
    let mut said: Signal = serde_json::from_str(&pending.body).ok()?;
    let higher = if was_refused { pending.number.saturating_mul(1_000) } else { pending.number };
    said.signal_id = number_after(higher, now);
    (pending.number + 1..=HIGHEST).contains(&said.signal_id).then(|| (said.signal_id, written(&said)))
}

/// Above every number that was given, and not below the milliseconds since 1970: a database that was set
/// back gives no number twice.
fn number_after(last: i64, now: UtcInstant) -> i64 {
    last.saturating_add(1).max(now.unix_micros() / 1_000)
}

fn written(signal: &Signal) -> String {
    // Numbers, texts and one name of a few: this always has a JSON form.
    serde_json::to_string(signal).unwrap_or_default()
}

/// Whether one of these signals is about something of which we hold a record, by its own name.
pub async fn is_known(store: &(impl Signals + ?Sized), signals: &[Signal]) -> Result<bool, StorageError> {
    // No key holds a character of no text, and a database may not even be asked for one.
    let names = signals.iter().map(|signal| &signal.object_id).filter(|name| !name.contains('\0'));
    let names: Vec<String> = names.cloned().collect();
    if names.is_empty() { Ok(false) } else { store.is_any_known(&names).await }
}

/// Whether one of these signals is about something of which we hold a record, by its pseudonym.
pub async fn is_known_by_pseudonym(
    store: &(impl Signals + ?Sized),
    signals: &[Signal],
    rule: PseudonymRule,
    seed: &Secret,
) -> Result<bool, StorageError> {
    let named: HashSet<&str> = signals.iter().map(|signal| signal.object_id.as_str()).collect();
    let is_named = |name: &str| named.contains(rule.pseudonym(name, seed).as_str());
    let mut after = String::new();
    while !named.is_empty() {
        let keys = store.known_keys(&after, KEYS).await?;
        let Some(last) = keys.last() else { break };
        let is_one = |key: &String| is_named(key) || key.split_once('/').is_some_and(|(begins, _)| is_named(begins));
        if keys.iter().any(is_one) {
            return Ok(true);
        }
        after.clone_from(last);
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use canonical::Kind;

    use super::*;
    use crate::storage::RecordId;

    fn at(millis: i64) -> UtcInstant {
        UtcInstant::from_unix_micros(millis * 1_000).expect("an instant")
    }

    fn standing(last_number: i64) -> Signalling {
        let eservice = "e1".to_owned();
        Signalling {
            eservice,
            told: Position::default(),
            last_number,
            pending: None,
            taken_at: None,
            is_on: true,
            failed: None,
        }
    }

    #[test]
    fn a_signal_names_the_record_as_the_api_does_and_says_nothing_of_it() {
        let changed = Changed { record: RecordId(41), kind: Kind::Lotto, key: "5044003AF1".to_owned(), is_new: true };
        let signal = signal(&changed, Position::default(), &standing(0), at(1_790_000_000_000));
        let said: serde_json::Value = serde_json::from_str(&signal.body).expect("JSON");
        let expected = serde_json::json!({
            "signalId": 1_790_000_000_000_i64, "objectType": "lotto", "objectId": "41", "eserviceId": "e1",
            "signalType": "CREATE",
        });
        assert_eq!(said, expected);
        let (number, body) = renumbered(&signal, false, at(1_790_000_000_000)).expect("a signal");
        assert_eq!(number, signal.number + 1);
        assert_eq!(body, signal.body.replace("1790000000000", "1790000000001"));
        let (number, _) = renumbered(&signal, true, at(1_790_000_000_000)).expect("a signal");
        assert_eq!(number, 1_790_000_000_000_001, "refused again");
        let last = PendingSignal { number, ..signal };
        assert_eq!(renumbered(&last, true, at(0)), None, "beyond what readers keep whole");
        assert!(renumbered(&last, false, at(0)).is_some());
    }

    #[test]
    fn numbers_rise_whatever_the_clock_does_and_a_ledger_that_was_set_back_gives_new_ones() {
        assert_eq!(number_after(0, at(5_000)), 5_000);
        assert_eq!(number_after(5_000, at(5_000)), 5_001, "two in one millisecond");
        assert_eq!(number_after(9_000, at(5_000)), 9_001, "a clock that was set back");
        assert_eq!(number_after(20, at(5_000)), 5_000, "a ledger that was set back");
        assert_eq!(number_after(i64::MAX, at(0)), i64::MAX);
    }
}

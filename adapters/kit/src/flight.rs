//! One flight for many: what was given for a while is kept while it is good, and however many ask for
//! it, one request is under way.
//!
//! Nothing here waits or retries. While whoever gives is silent, what is still valid still serves.

use canonical::values::UtcInstant;
use tokio::sync::Mutex;

use crate::jose::seconds;

/// Nothing is believed to live longer than a day.
const LONGEST_LIFE_SECONDS: i64 = 86_400;

/// How long something is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    renew_at: i64,
    expires_at: i64,
}

impl Life {
    /// A life of so many seconds from now.
    pub(crate) fn of(life: i64, now: UtcInstant) -> Self {
        let life = life.min(LONGEST_LIFE_SECONDS);
        Self { renew_at: seconds(now) + renewal(life), expires_at: seconds(now) + life }
    }

    /// Its end, in seconds since 1970.
    pub(crate) fn expires_at(self) -> i64 {
        self.expires_at
    }

    /// Whether it need not be renewed yet.
    pub(crate) fn is_fresh(self, now: UtcInstant) -> bool {
        seconds(now) < self.renew_at
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_valid(self, now: UtcInstant) -> bool {
        seconds(now) < self.expires_at
    }
}

/// After how many seconds a thing is renewed: at nine tenths of its life, or half a minute before
/// its end, whichever is earlier; one shorter than a minute at half of it.
fn renewal(life: i64) -> i64 {
    (life * 9 / 10).min((life - 30).max(life / 2))
}

/// What is good for a while.
pub(crate) trait Lasting: Clone {
    /// How long.
    fn life(&self) -> Life;

    /// Whether the other is this very one.
    fn is_same(&self, other: &Self) -> bool;
}

/// What the last flight brought.
struct Place<T, E> {
    held: Option<T>,
    /// Why it brought nothing.
    failed: Option<E>,
}

/// The place of one such thing, and the flight that fetches it.
pub(crate) struct Flight<T, E>(Mutex<Place<T, E>>);

impl<T, E> Default for Flight<T, E> {
    fn default() -> Self {
        Self(Mutex::new(Place { held: None, failed: None }))
    }
}

impl<T: Lasting, E: Clone> Flight<T, E> {
    /// What is at hand, or what asking brings: another one than the one that was `refused`.
    pub(crate) async fn held(
        &self,
        refused: Option<&T>,
        now: UtcInstant,
        asking: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let is_second = self.0.try_lock().is_err();
        let mut place = self.0.lock().await;
        if let Some(refused) = refused
            && place.held.as_ref().is_some_and(|held| held.is_same(refused))
        {
            place.held = None;
        }
        if let Some(held) = place.held.as_ref().filter(|held| held.life().is_fresh(now)) {
            return Ok(held.clone());
        }
        // Who waited for a flight that failed shares its failure, instead of flying the same way.
        if is_second && let Some(failed) = &place.failed {
            return place.held.clone().filter(|held| held.life().is_valid(now)).ok_or_else(|| failed.clone());
        }
        // A flight that nobody waits for any more has not failed: who comes next flies.
        place.failed = None;
        match asking.await {
            Ok(held) => {
                place.held = Some(held.clone());
                Ok(held)
            }
            Err(error) => {
                place.failed = Some(error.clone());
                place.held.clone().filter(|held| held.life().is_valid(now)).ok_or(error)
            }
        }
    }

    /// Whether nothing is under way here and nothing at hand is still good.
    pub(crate) fn is_over(&self, now: UtcInstant) -> bool {
        self.0.try_lock().is_ok_and(|place| !place.held.as_ref().is_some_and(|held| held.life().is_valid(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_renewed_before_its_end() {
        assert_eq!([renewal(600), renewal(120), renewal(40), renewal(1)], [540, 90, 20, 0]);
    }

    #[test]
    fn nothing_is_believed_to_live_longer_than_a_day() {
        let now = UtcInstant::from_unix_micros(0).expect("an instant");
        assert_eq!(Life::of(i64::MAX, now).expires_at(), 86_400);
    }
}

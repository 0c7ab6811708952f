//! What the platform is being asked for: a name once at a time, and of the names of which nothing is known
//! only a few for each owner.
//!
//! Anybody can invent a name, and the platform may think long about it. Whoever does holds up neither
//! another name nor another owner: what is one too many is not asked for, and does not wait either.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::memory::Name;

/// How many names of which nothing is known may be asked for at a time as one owner's. A client has one
/// key, or two while it changes it.
const MOST_UNKNOWN: usize = 4;

/// A name that is being asked for.
#[derive(Debug)]
struct Flight {
    owner: String,
    /// Whether nothing was known of it.
    is_unknown: bool,
    /// How many want it.
    wanted: usize,
    /// Held by whoever asks; the others wait for it.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// The names that are being asked for.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<Name, Flight>>);

impl Flights {
    /// A place among those who want a name; none where the owner has too many unknown ones already.
    pub(super) fn join(&self, name: Name, owner: &str, is_unknown: bool) -> Option<Place<'_>> {
        let mut flights = self.flights();
        if !flights.contains_key(&name) {
            let of_owner = flights.values().filter(|flight| flight.is_unknown && flight.owner == owner);
            if is_unknown && of_owner.count() >= MOST_UNKNOWN {
                return None;
            }
            let flight = Flight { owner: owner.to_owned(), is_unknown, wanted: 0, turn: Arc::default() };
            flights.insert(name.clone(), flight);
        }
        let flight = flights.get_mut(&name)?;
        flight.wanted += 1;
        let turn = Arc::clone(&flight.turn);
        Some(Place { flights: self, name, turn })
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Name, Flight>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among those who want a name. The flight ends with the last of them, answered or not.
#[derive(Debug)]
pub(super) struct Place<'a> {
    flights: &'a Flights,
    name: Name,
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Place<'_> {
    /// Held by whoever asks.
    pub(super) fn turn(&self) -> &tokio::sync::Mutex<()> {
        &self.turn
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut flights = self.flights.flights();
        let Some(flight) = flights.get_mut(&self.name) else { return };
        // Counted under the lock: of two who leave at the same time one is the last.
        flight.wanted -= 1;
        if flight.wanted == 0 {
            flights.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::pdnd::api::Register;

    fn name(name: &str) -> Name {
        (Register::Clients, name.to_owned())
    }

    #[test]
    fn an_owner_has_a_few_unknown_names_at_a_time_and_holds_up_nobody_else() {
        let flights = Flights::default();
        let join = |kid: &str, owner, is_unknown| flights.join(name(kid), owner, is_unknown);
        let mut places: Vec<_> = (0..MOST_UNKNOWN).map(|kid| join(&kid.to_string(), "a", true)).collect();
        assert!(places.iter().all(Option::is_some));
        assert!(join("one too many", "a", true).is_none());
        assert!(join("0", "a", true).is_some(), "what is being asked for may be waited for");
        assert!(join("one too many", "b", true).is_some(), "another owner has places of its own");
        assert!(join("known", "a", false).is_some(), "a name that is known was not invented");
        places.pop();
        assert!(join("one too many", "a", true).is_some(), "a place that was left is free");
    }

    #[test]
    fn one_asks_for_a_name_and_the_flight_ends_with_the_last_who_wants_it() {
        let flights = Flights::default();
        let first = flights.join(name("k"), "a", true).expect("a place");
        let second = flights.join(name("k"), "b", true).expect("a place");
        let turn = first.turn().try_lock().expect("nobody asks yet");
        assert!(second.turn().try_lock().is_err());
        drop(turn);
        drop(first);
        assert_eq!(flights.flights().len(), 1);
        drop(second);
        assert!(flights.flights().is_empty());
    }

    #[test]
    fn a_flight_ends_when_the_last_two_leave_at_the_same_time() {
        const ROUNDS: usize = 5_000;
        let (flights, arrived) = (Flights::default(), AtomicUsize::new(0));
        let leave_often = || {
            for round in 1..=ROUNDS {
                let place = flights.join(name(&round.to_string()), "a", false).expect("a place");
                arrived.fetch_add(1, Ordering::SeqCst);
                while arrived.load(Ordering::SeqCst) < 2 * round {
                    std::thread::yield_now();
                }
                drop(place);
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(leave_often);
            scope.spawn(leave_often);
        });
        assert_eq!(flights.flights().len(), 0);
    }
}

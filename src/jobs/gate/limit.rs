//! How many calls a target is given at the same time. Pure.
//!
//! Between one and what the target declares: one more for every round of good answers, half as many
//! when it says or shows that it is too much. Calls that were under way when it was halved do not
//! halve it again.

/// The limit of one target.
#[derive(Debug)]
pub(super) struct Limit {
    most: u32,
    /// In thousandths: a round of good answers adds one.
    now: u32,
    under_way: u32,
    /// The number of the next call.
    next: u64,
    /// Calls before this number have been heard about overload.
    halved_before: u64,
}

const ONE: u32 = 1000;

/// A place that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(u64);

impl Limit {
    /// Begins with as many as there may ever be.
    pub(super) fn new(most: u16) -> Self {
        let most = u32::from(most.max(1));
        Self { most, now: most * ONE, under_way: 0, next: 0, halved_before: 0 }
    }

    /// How many there may be now.
    pub(super) fn allowed(&self) -> u32 {
        (self.now / ONE).clamp(1, self.most)
    }

    /// How many there may ever be.
    pub(super) fn most(&self) -> u32 {
        self.most
    }

    /// Whether another may go.
    pub(super) fn has_room(&self) -> bool {
        self.under_way < self.allowed()
    }

    /// Takes a place, if there is one.
    pub(super) fn take(&mut self) -> Option<Place> {
        self.has_room().then(|| {
            self.under_way += 1;
            self.next += 1;
            Place(self.next - 1)
        })
    }

    /// Gives a place back.
    pub(super) fn give_back(&mut self, _place: Place) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// A call went well.
    pub(super) fn went_well(&mut self) {
        self.now = (self.now + ONE / self.allowed()).min(self.most * ONE);
    }

    /// A call was too much.
    pub(super) fn was_too_much(&mut self, place: Place) {
        if place.0 >= self.halved_before {
            self.now = (self.now / 2).max(ONE);
            self.halved_before = self.next;
        }
    }

    /// Begins again with one: the target was ill.
    pub(super) fn begin_with_one(&mut self) {
        self.now = ONE;
        self.halved_before = self.next;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn overload_halves_it_once_for_all_that_was_under_way() {
        let mut limit = Limit::new(8);
        let places: Vec<_> = std::iter::from_fn(|| limit.take()).collect();
        assert_eq!(places.len(), 8);
        for place in places {
            limit.was_too_much(place);
            limit.give_back(place);
        }
        assert_eq!(limit.allowed(), 4);
        let place = limit.take().expect("there is room");
        limit.was_too_much(place);
        assert_eq!(limit.allowed(), 2, "the next one is heard");
    }

    #[test]
    fn a_round_of_good_answers_adds_one_up_to_what_was_declared() {
        let mut limit = Limit::new(4);
        limit.begin_with_one();
        let rounds: Vec<u32> = (0..12)
            .map(|_| {
                limit.went_well();
                limit.allowed()
            })
            .collect();
        assert_eq!(rounds[0], 2);
        assert!(rounds.is_sorted());
        assert_eq!(rounds.last(), Some(&4));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Take,
        Well(usize),
        TooMuch(usize),
        Dropped(usize),
        Ill,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => Just(Step::Take),
            2 => any::<usize>().prop_map(Step::Well),
            1 => any::<usize>().prop_map(Step::TooMuch),
            1 => any::<usize>().prop_map(Step::Dropped),
            1 => Just(Step::Ill),
        ]
    }

    proptest! {
        /// No more are ever let in than are allowed, and somebody always may go again.
        #[test]
        fn the_limit_is_never_exceeded_and_never_closes(most in 0_u16..12, steps in prop::collection::vec(step(), 0..200)) {
            let mut limit = Limit::new(most);
            let mut taken: Vec<Place> = Vec::new();
            for step in steps {
                match step {
                    Step::Take => {
                        let was_allowed = limit.allowed();
                        if let Some(place) = limit.take() {
                            taken.push(place);
                            prop_assert!(taken.len() <= was_allowed as usize);
                        }
                    }
                    Step::Well(which) | Step::TooMuch(which) | Step::Dropped(which) if !taken.is_empty() => {
                        let place = taken.swap_remove(which % taken.len());
                        match step {
                            Step::Well(_) => limit.went_well(),
                            Step::TooMuch(_) => limit.was_too_much(place),
                            _ => {}
                        }
                        limit.give_back(place);
                    }
                    Step::Well(_) | Step::TooMuch(_) | Step::Dropped(_) => {}
                    Step::Ill => limit.begin_with_one(),
                }
                prop_assert!((1..=limit.most()).contains(&limit.allowed()));
                prop_assert_eq!(limit.under_way as usize, taken.len());
            }
            for place in taken {
                limit.give_back(place);
            }
            prop_assert!(limit.take().is_some());
        }
    }
}

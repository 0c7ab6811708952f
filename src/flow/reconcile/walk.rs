//! Both sides of a comparison with a target, side by side: one pass, one unit of each in memory.
//!
//! Where the other side offers digests, only what may differ is read (`candidates`); otherwise, and
//! where it holds more than ours, all of it is (`pages`). What is found is the same.

mod pages;
mod candidates;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::panic::{AssertUnwindSafe, catch_unwind};

use canonical::values::UtcInstant;
use contract::{Composed, ObservedUnit, Observer, Row, Target, UnitKey};
use serde::{Deserialize, Serialize};

use self::candidates::{Candidates, Step};
use self::pages::{Ours, Tally, Theirs};
use super::listing::{Listing, typed_like};
use super::rows::{Around, compare_rows, sources_of};
use super::why;
use crate::delivery::DeliveryState;
use crate::discrepancy::Discrepancy;
use crate::discrepancy::shown::shown;
use crate::flow::{Flow, FlowError};
use crate::storage::{DeliveryId, ExpectedUnit, ReconciliationCounts};

/// Expected units per page: a unit may hold thousands of records.
pub(super) const PAGE: u32 = 32;

/// Where a walk stands: after a unit, which every page of theirs from this one on comes after.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    after: Option<UnitKey>,
    page: Option<String>,
    /// What was received before that page.
    #[serde(default)]
    received: Tally,
    /// Why their side had ended before its end: whoever goes on from here has not read it either.
    #[serde(default)]
    incomplete_because: Option<String>,
    /// Whether something was listed and not given: that alone ends nothing.
    #[serde(default)]
    lacks_a_unit: bool,
    /// Whether the other side is a list in a file.
    #[serde(default)]
    of_listing: bool,
}

impl Place {
    pub(super) fn is_of_listing(&self) -> bool {
        self.of_listing
    }
}

/// What became of one unit.
#[derive(Debug)]
pub(super) struct Compared {
    pub(super) key: UnitKey,
    /// The delivery behind it, and the revision that the target was seen to hold.
    pub(super) delivery: Option<(DeliveryId, u64)>,
    pub(super) counts: ReconciliationCounts,
    pub(super) found: Vec<Discrepancy>,
    /// Nothing can be said of it now: what is known of it stays.
    pub(super) is_skipped: bool,
}

impl Compared {
    fn new(key: UnitKey) -> Self {
        let counts = ReconciliationCounts::default();
        Self { key, delivery: None, counts, found: Vec::new(), is_skipped: false }
    }
}

/// The other side: the system itself, or a list of what it holds.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) observer: &'a dyn Observer,
    pub(super) is_home_of_others: bool,
    pub(super) listing: Option<&'a Listing>,
}

impl<'a> Side<'a> {
    /// The system itself.
    pub(super) fn of(observer: &'a dyn Observer) -> Self {
        Self { observer, is_home_of_others: observer.holds_more_than_ours(), listing: None }
    }
}

/// What a target should hold for a unit, as far as it is compared.
#[derive(Clone, Copy)]
pub(super) struct Composer<'a> {
    pub(super) target: &'a dyn Target,
    pub(super) listing: Option<&'a Listing>,
}

impl Composer<'_> {
    /// What is sent, or why it cannot be composed.
    pub(super) fn compose(&self, expected: &ExpectedUnit) -> Result<Composed, String> {
        let compose = || self.target.compose(&expected.key, expected.desired_revision, &expected.members);
        // One record that stops a mapping must not end the comparison of all the others.
        let mut composed = catch_unwind(AssertUnwindSafe(compose)).map_err(|_| "the mapping stopped".to_owned())??;
        if let Some(listing) = self.listing {
            listing.keep_listed_fields(&mut composed.rows);
        }
        Ok(composed)
    }
}

/// Both sides of a target.
pub(super) struct Walk<'a> {
    flow: &'a Flow,
    name: &'a str,
    composer: Composer<'a>,
    is_home_of_others: bool,
    has_desk: bool,
    /// Where their side is read by digest, as long as it can be.
    candidates: Option<Candidates<'a>>,
    ours: Ours<'a>,
    theirs: Theirs<'a>,
    mine: Option<ExpectedUnit>,
    other: Option<ObservedUnit>,
    after: Option<UnitKey>,
    lacks_a_unit: bool,
}

impl<'a> Walk<'a> {
    /// Begins, or goes on after a place.
    pub(super) async fn begin(
        flow: &'a Flow,
        name: &'a str,
        target: &'a dyn Target,
        side: Side<'a>,
        place: Place,
    ) -> Result<Self, FlowError> {
        let Side { observer, is_home_of_others, listing } = side;
        let composer = Composer { target, listing };
        // Digests of what is not all ours say nothing of ours.
        let digests = observer.digests().filter(|_| !is_home_of_others && place.incomplete_because.is_none());
        let after = place.after.clone();
        let mut walk = Self {
            flow,
            name,
            composer,
            is_home_of_others,
            has_desk: super::has_desk(&flow.system(name)?.capability()),
            candidates: digests.map(|digests| Candidates::after(flow, name, composer, digests, after.clone())),
            ours: Ours::after(flow, name, after.clone()),
            theirs: Theirs::from(flow, observer, &place),
            mine: None,
            other: None,
            after,
            lacks_a_unit: place.lacks_a_unit,
        };
        if walk.candidates.is_none() {
            walk.mine = walk.ours.next().await?;
            walk.other = walk.theirs.next().await;
        }
        Ok(walk)
    }

    /// Where it stands now.
    pub(super) fn place(&self) -> Place {
        let (page, received) = self.theirs.page();
        Place {
            after: self.after.clone(),
            page,
            received,
            incomplete_because: self.theirs.incomplete_because.clone(),
            lacks_a_unit: self.lacks_a_unit,
            of_listing: self.composer.listing.is_some(),
        }
    }

    /// Why their side was not read completely.
    pub(super) fn incomplete_because(&self) -> Option<String> {
        let listing = || self.composer.listing.and_then(Listing::incomplete_because);
        let not_given = || self.lacks_a_unit.then(|| why::NOT_GIVEN.to_owned());
        self.theirs.incomplete_because.clone().or_else(listing).or_else(not_given)
    }

    /// The next unit; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Compared>, FlowError> {
        let compared = match &mut self.candidates {
            Some(candidates) => match candidates.next().await? {
                None => return Ok(None),
                Some(Step::Unread(because)) => {
                    // What follows cannot be compared; that is said of each of our units.
                    self.candidates = None;
                    self.theirs.incomplete_because = Some(because);
                    self.theirs = Theirs::from(self.flow, self.theirs.observer(), &self.place());
                    self.ours = Ours::after(self.flow, self.name, self.after.clone());
                    self.mine = self.ours.next().await?;
                    self.in_pages().await?
                }
                Some(Step::Same { key, delivery, rows }) => Some(same(key, delivery, rows)),
                Some(Step::Nothing { key } | Step::Differs { key, ours: None, theirs: None, .. }) => {
                    Some(Compared::new(key))
                }
                Some(Step::NotGiven { key, rows }) => {
                    tracing::warn!(target_system = self.name, unit = %shown(key.as_str()), "listed and not given");
                    self.lacks_a_unit = true;
                    Some(not_given(key, rows))
                }
                Some(Step::Differs { ours, theirs, asked, .. }) => {
                    Some(self.unit(ours.map(|ours| *ours), theirs, false, asked).await?)
                }
            },
            None => self.in_pages().await?,
        };
        if let Some(compared) = &compared {
            self.after = Some(compared.key.clone());
        }
        Ok(compared)
    }

    /// The next unit of two sides that are both read in full.
    async fn in_pages(&mut self) -> Result<Option<Compared>, FlowError> {
        let order = match (&self.mine, &self.other) {
            (None, None) => return Ok(None),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(mine), Some(other)) => mine.key.cmp(&other.key),
        };
        // What was not read is not missing: behind the end of their side nothing can be said.
        let is_beyond = order.is_lt() && self.other.is_none() && self.theirs.incomplete_because.is_some();
        // The page that holds their unit, or would hold ours.
        let asked = self.theirs.asked();
        let expected = if order.is_le() { self.mine.take() } else { None };
        let observed = if order.is_ge() { self.other.take() } else { None };
        if order.is_le() {
            self.mine = self.ours.next().await?;
        }
        if order.is_ge() {
            self.other = self.theirs.next().await;
        }
        self.unit(expected, observed, is_beyond, asked).await.map(Some)
    }

    async fn unit(
        &self,
        expected: Option<ExpectedUnit>,
        observed: Option<ObservedUnit>,
        is_beyond: bool,
        asked: UtcInstant,
    ) -> Result<Compared, FlowError> {
        let held = observed.as_ref().and_then(|unit| unit.revision).unwrap_or_default();
        let theirs = observed.as_ref().map_or(&[][..], |unit| &unit.rows);
        let key = expected.as_ref().map(|unit| &unit.key).or(observed.as_ref().map(|unit| &unit.key));
        let key = key.cloned().unwrap_or_else(|| unreachable!("a step of a walk has a unit of one side at least"));
        let mut compared = Compared::new(key.clone());
        // Ours were read first: what was routed and delivered since is known here all the same.
        let expected = match expected {
            None if !self.is_home_of_others => self.known_by_now(&key).await?,
            expected => expected,
        };
        let Some(expected) = expected else {
            if !self.is_home_of_others {
                let around = Around { target: self.name, owner: None, body: None, has_desk: self.has_desk };
                (compared.counts, compared.found) = compare_rows(&key, &[], theirs, &around);
            }
            return Ok(compared);
        };
        if is_withdrawn(&expected) && observed.is_none() {
            return Ok(compared);
        }
        compared.delivery = Some((expected.delivery, held));
        let ours = match self.composer.compose(&expected) {
            Ok(composed) => composed.rows,
            Err(why) => {
                tracing::warn!(target_system = self.name, unit = %shown(expected.key.as_str()), why, "unit not composed");
                skip(&mut compared, &expected, 1, theirs.len());
                return Ok(compared);
            }
        };
        if !is_settled(&expected) {
            skip(&mut compared, &expected, ours.len(), theirs.len());
            return Ok(compared);
        }
        if is_beyond {
            return Ok(Compared { delivery: compared.delivery, ..not_reached(key, ours.len() as u64) });
        }
        let theirs = self.composer.listing.map_or(Cow::Borrowed(theirs), |_| Cow::Owned(typed_like(&ours, theirs)));
        let theirs = if self.is_home_of_others { Cow::Owned(only_ours(&ours, &theirs)) } else { theirs };
        let (owner, body) = sources_of(&expected.members);
        let around =
            Around { target: self.name, owner: owner.as_deref(), body: body.as_deref(), has_desk: self.has_desk };
        let (counts, found) = compare_rows(&expected.key, &ours, &theirs, &around);
        if !found.is_empty() && self.moved_on(&expected, asked).await? {
            skip(&mut compared, &expected, ours.len(), theirs.len());
        } else {
            (compared.counts, compared.found) = (counts, found);
        }
        Ok(compared)
    }

    /// A unit of ours that only theirs seemed to hold. No unit of ours stood between the last one that
    /// was compared and this one, so that what is passed over here was routed meanwhile too.
    async fn known_by_now(&self, key: &UnitKey) -> Result<Option<ExpectedUnit>, FlowError> {
        find(self.flow, self.name, self.after.clone(), key).await
    }

    /// Whether the delivery changed after the other side was asked, or after a list of it was made:
    /// then nothing can be said now. What was acknowledged by then was held by then.
    async fn moved_on(&self, expected: &ExpectedUnit, asked: UtcInstant) -> Result<bool, FlowError> {
        let Some(now) = self.flow.store.load(expected.delivery).await? else { return Ok(true) };
        let is_newer = self.composer.listing.map_or(asked, Listing::as_of).min(asked) < now.state_since;
        Ok(is_newer || now.desired_revision != expected.desired_revision || now.state != expected.state)
    }
}

/// One of our units as it stands now, from a key before it: others may have come between the two.
async fn find(
    flow: &Flow,
    target: &str,
    mut after: Option<UnitKey>,
    key: &UnitKey,
) -> Result<Option<ExpectedUnit>, FlowError> {
    loop {
        let page = flow.store.expected_units(target, after.as_ref(), 1).await?;
        match page.into_iter().next().filter(|unit| unit.key <= *key) {
            Some(unit) if unit.key < *key => after = Some(unit.key),
            unit => return Ok(unit),
        }
    }
}

/// Whether the target took what it should hold.
pub(super) fn is_settled(expected: &ExpectedUnit) -> bool {
    expected.state == DeliveryState::Acknowledged && expected.held_revision == expected.desired_revision
}

/// Whether all that the target held of a unit was taken back.
pub(super) fn is_withdrawn(expected: &ExpectedUnit) -> bool {
    expected.members.is_empty() && expected.state == DeliveryState::Acknowledged
}

/// A unit of which both sides hold the same rows.
fn same(key: UnitKey, delivery: DeliveryId, rows: u64) -> Compared {
    let counts =
        ReconciliationCounts { expected: rows, observed: rows, equal: rows, ..ReconciliationCounts::default() };
    // Which revision they hold matters only where something is sent again.
    Compared { delivery: Some((delivery, 0)), counts, ..Compared::new(key) }
}

/// A unit of ours behind the end of what was read: what is known of it stays.
fn not_reached(key: UnitKey, rows: u64) -> Compared {
    let counts = ReconciliationCounts { expected: rows, not_read: rows, ..ReconciliationCounts::default() };
    Compared { counts, is_skipped: true, ..Compared::new(key) }
}

/// A unit that they list and do not give: what is known of it stays.
fn not_given(key: UnitKey, rows: u64) -> Compared {
    let counts = ReconciliationCounts { observed: rows, not_read: rows, ..ReconciliationCounts::default() };
    Compared { counts, is_skipped: true, ..Compared::new(key) }
}

/// Leaves a unit out of the comparison, and says whether it will arrive by itself.
fn skip(compared: &mut Compared, expected: &ExpectedUnit, ours: usize, theirs: usize) {
    let rows = ours.max(theirs) as u64;
    compared.is_skipped = true;
    compared.counts.expected = ours as u64;
    compared.counts.observed = theirs as u64;
    let state = &expected.state;
    if state.is_open() || state.is_waiting() || *state == DeliveryState::Acknowledged {
        compared.counts.on_its_way = rows;
    } else {
        compared.counts.stopped = rows;
    }
}

/// Their rows and fields, as far as ours speak of the same.
fn only_ours(ours: &[Row], theirs: &[Row]) -> Vec<Row> {
    let common = theirs.iter().filter_map(|theirs| {
        let ours = ours.iter().find(|ours| ours.key == theirs.key)?;
        let fields = theirs.fields.iter().filter(|(name, _)| ours.fields.contains_key(*name));
        let fields = fields.map(|(name, value)| (name.clone(), value.clone())).collect();
        Some(Row { key: theirs.key.clone(), fields })
    });
    common.collect()
}

//! Both sides of a comparison with a target, side by side: one pass, one unit of each in memory.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use contract::{ObservedUnit, Observer, Row, Target, UnitKey};
use serde::{Deserialize, Serialize};

use super::rows::{Around, compare_rows, sources_of};
use super::why;
use crate::delivery::DeliveryState;
use crate::discrepancy::Discrepancy;
use crate::discrepancy::shown::shown;
use crate::flow::{Flow, FlowError};
use crate::storage::{DeliveryId, ExpectedUnit, ReconciliationCounts};

/// Expected units per page: a unit may hold thousands of records.
const PAGE: u32 = 32;

/// Where a walk stands: after a unit, which every page of theirs from this one on comes after.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    after: Option<UnitKey>,
    page: Option<String>,
    /// Why their side had ended before its end: whoever goes on from here has not read it either.
    #[serde(default)]
    incomplete_because: Option<String>,
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

/// Both sides of a target.
pub(super) struct Walk<'a> {
    flow: &'a Flow,
    name: &'a str,
    target: &'a dyn Target,
    is_home_of_others: bool,
    has_desk: bool,
    ours: Ours<'a>,
    theirs: Theirs<'a>,
    mine: Option<ExpectedUnit>,
    other: Option<ObservedUnit>,
    after: Option<UnitKey>,
}

impl<'a> Walk<'a> {
    /// Begins, or goes on after a place.
    pub(super) async fn begin(
        flow: &'a Flow,
        name: &'a str,
        target: &'a dyn Target,
        observer: &'a dyn Observer,
        place: Place,
    ) -> Result<Self, FlowError> {
        let is_home_of_others = observer.holds_more_than_ours();
        let mut ours = Ours { flow, target: name, page: VecDeque::new(), last: place.after.clone(), ended: false };
        let next = if place.incomplete_because.is_some() { NextPage::None } else { NextPage::From(place.page) };
        let mut theirs = Theirs {
            observer,
            page: VecDeque::new(),
            this_page: None,
            next,
            last: None,
            skip_until: place.after.clone(),
            incomplete_because: place.incomplete_because,
        };
        let mine = ours.next().await?;
        let other = theirs.next().await;
        let has_desk = super::has_desk(&flow.system(name)?.capability());
        Ok(Self { flow, name, target, is_home_of_others, has_desk, ours, theirs, mine, other, after: place.after })
    }

    /// Where it stands now.
    pub(super) fn place(&self) -> Place {
        Place {
            after: self.after.clone(),
            page: self.theirs.this_page.clone(),
            incomplete_because: self.theirs.incomplete_because.clone(),
        }
    }

    /// Why their side ended before its end.
    pub(super) fn incomplete_because(&self) -> Option<&str> {
        self.theirs.incomplete_because.as_deref()
    }

    /// The next unit; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Compared>, FlowError> {
        let order = match (&self.mine, &self.other) {
            (None, None) => return Ok(None),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(mine), Some(other)) => mine.key.cmp(&other.key),
        };
        // What was not read is not missing: behind the end of their side nothing can be said.
        let is_beyond = order.is_lt() && self.other.is_none() && self.theirs.incomplete_because.is_some();
        let expected = if order.is_le() { self.mine.take() } else { None };
        let observed = if order.is_ge() { self.other.take() } else { None };
        if order.is_le() {
            self.mine = self.ours.next().await?;
        }
        if order.is_ge() {
            self.other = self.theirs.next().await;
        }
        let compared = self.unit(expected, observed, is_beyond).await?;
        self.after = Some(compared.key.clone());
        Ok(Some(compared))
    }

    async fn unit(
        &self,
        expected: Option<ExpectedUnit>,
        observed: Option<ObservedUnit>,
        is_beyond: bool,
    ) -> Result<Compared, FlowError> {
        let held = observed.as_ref().and_then(|unit| unit.revision).unwrap_or_default();
        let theirs = observed.as_ref().map_or(&[][..], |unit| &unit.rows);
        let key = expected.as_ref().map(|unit| &unit.key).or(observed.as_ref().map(|unit| &unit.key));
        let key = key.cloned().unwrap_or_else(|| unreachable!("a step of a walk has a unit of one side at least"));
        let mut compared = Compared {
            key: key.clone(),
            delivery: None,
            counts: ReconciliationCounts::default(),
            found: Vec::new(),
            is_skipped: false,
        };
        let Some(expected) = expected else {
            if !self.is_home_of_others {
                let around = Around { target: self.name, owner: None, body: None, has_desk: self.has_desk };
                (compared.counts, compared.found) = compare_rows(&key, &[], theirs, &around);
            }
            return Ok(compared);
        };
        if expected.members.is_empty() && observed.is_none() && expected.state == DeliveryState::Acknowledged {
            return Ok(compared);
        }
        compared.delivery = Some((expected.delivery, held));
        let ours = match self.rows(&expected) {
            Ok(rows) => rows,
            Err(why) => {
                tracing::warn!(target_system = self.name, unit = %shown(expected.key.as_str()), why, "unit not composed");
                skip(&mut compared, &expected, 1, theirs.len());
                return Ok(compared);
            }
        };
        let is_settled =
            expected.state == DeliveryState::Acknowledged && expected.held_revision == expected.desired_revision;
        if is_beyond || !is_settled {
            skip(&mut compared, &expected, ours.len(), theirs.len());
            return Ok(compared);
        }
        let theirs = if self.is_home_of_others { Cow::Owned(only_ours(&ours, theirs)) } else { Cow::Borrowed(theirs) };
        let (owner, body) = sources_of(&expected.members);
        let around =
            Around { target: self.name, owner: owner.as_deref(), body: body.as_deref(), has_desk: self.has_desk };
        let (counts, found) = compare_rows(&expected.key, &ours, &theirs, &around);
        if !found.is_empty() && moved_on(self.flow, &expected).await? {
            skip(&mut compared, &expected, ours.len(), theirs.len());
        } else {
            (compared.counts, compared.found) = (counts, found);
        }
        Ok(compared)
    }

    /// The rows that the target should hold, or why they cannot be composed.
    fn rows(&self, expected: &ExpectedUnit) -> Result<Vec<Row>, String> {
        let compose = || self.target.compose(&expected.key, expected.desired_revision, &expected.members);
        // One record that stops a mapping must not end the comparison of all the others.
        let composed = catch_unwind(AssertUnwindSafe(compose)).map_err(|_| "the mapping stopped".to_owned())??;
        Ok(composed.rows)
    }
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

/// Whether the delivery changed while the other side was being read: then nothing can be said now.
async fn moved_on(flow: &Flow, expected: &ExpectedUnit) -> Result<bool, FlowError> {
    let loaded = flow.store.load(expected.delivery).await?;
    Ok(loaded.is_none_or(|now| now.desired_revision != expected.desired_revision || now.state != expected.state))
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

/// Our side, page by page.
struct Ours<'a> {
    flow: &'a Flow,
    target: &'a str,
    page: VecDeque<ExpectedUnit>,
    last: Option<UnitKey>,
    ended: bool,
}

impl Ours<'_> {
    async fn next(&mut self) -> Result<Option<ExpectedUnit>, FlowError> {
        if self.page.is_empty() && !self.ended {
            self.page = self.flow.store.expected_units(self.target, self.last.as_ref(), PAGE).await?.into();
            self.last = self.page.back().map(|unit| unit.key.clone());
            self.ended = self.page.is_empty();
        }
        Ok(self.page.pop_front())
    }
}

/// Which page of the other side comes next.
enum NextPage {
    From(Option<String>),
    None,
}

/// Their side, page by page. An error ends it, and is remembered.
struct Theirs<'a> {
    observer: &'a dyn Observer,
    page: VecDeque<ObservedUnit>,
    /// From where the page in hand was read.
    this_page: Option<String>,
    next: NextPage,
    last: Option<UnitKey>,
    /// What an earlier run has already compared.
    skip_until: Option<UnitKey>,
    incomplete_because: Option<String>,
}

impl Theirs<'_> {
    async fn next(&mut self) -> Option<ObservedUnit> {
        loop {
            let unit = self.next_in_order().await?;
            if self.skip_until.as_ref().is_none_or(|until| *until < unit.key) {
                return Some(unit);
            }
        }
    }

    async fn next_in_order(&mut self) -> Option<ObservedUnit> {
        while self.page.is_empty() {
            let from = match std::mem::replace(&mut self.next, NextPage::None) {
                NextPage::From(cursor) => cursor,
                NextPage::None => return None,
            };
            match self.observer.inventory(from.as_deref()).await {
                Ok(page) => {
                    self.page = page.units.into();
                    self.this_page = from;
                    self.next = page.next.map_or(NextPage::None, |cursor| NextPage::From(Some(cursor)));
                }
                Err(error) => {
                    tracing::warn!(%error, code = error.kind.code(), "inventory not read to its end");
                    self.incomplete_because = Some(why::unread(&error));
                    return None;
                }
            }
        }
        let unit = self.page.pop_front()?;
        if self.last.as_ref().is_some_and(|last| *last >= unit.key) {
            self.incomplete_because = Some(why::NOT_IN_ORDER.to_owned());
            (self.page, self.next) = (VecDeque::new(), NextPage::None);
            return None;
        }
        self.last = Some(unit.key.clone());
        Some(unit)
    }
}

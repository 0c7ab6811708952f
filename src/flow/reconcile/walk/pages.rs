//! Two sides page by page: our units from the ledger, theirs in full from the system.
//!
//! What the pages announce of the whole list is held against what was received: a side that gives more
//! or less than it says was not read to its end, nor was one that changed what it says on the way.

use std::collections::VecDeque;

use canonical::values::UtcInstant;
use contract::{Extent, ObservedUnit, Observer, UnitKey};
use serde::{Deserialize, Serialize};

use super::{PAGE, Place};
use crate::flow::reconcile::inventory::completeness::{Expected, Read};
use crate::flow::reconcile::inventory::{Completeness, Shortfall};
use crate::flow::reconcile::why;
use crate::flow::{Flow, FlowError};
use crate::storage::ExpectedUnit;

/// Our side, page by page.
pub(super) struct Ours<'a> {
    flow: &'a Flow,
    target: &'a str,
    page: VecDeque<ExpectedUnit>,
    last: Option<UnitKey>,
    ended: bool,
}

impl<'a> Ours<'a> {
    /// The units after a key.
    pub(super) fn after(flow: &'a Flow, target: &'a str, last: Option<UnitKey>) -> Self {
        Self { flow, target, page: VecDeque::new(), last, ended: false }
    }

    pub(super) async fn next(&mut self) -> Result<Option<ExpectedUnit>, FlowError> {
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

/// Pages and elements that were received.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    pages: u64,
    elements: u64,
    /// What was announced first, in pages and in elements.
    #[serde(default)]
    pages_announced: Option<u64>,
    #[serde(default)]
    announced: Option<u64>,
}

impl Tally {
    fn plus(self, extent: Option<Extent>) -> Self {
        let elements = self.elements + extent.map_or(0, |extent| extent.elements);
        let pages_announced = self.pages_announced.or(extent.and_then(|extent| extent.pages));
        let announced = self.announced.or(extent.and_then(|extent| extent.total));
        Self { pages: self.pages + 1, elements, pages_announced, announced }
    }

    /// Whether a page announces something else than those before it, or no longer anything.
    fn is_contradicted_by(self, extent: Option<Extent>) -> bool {
        let is_other = |first: Option<u64>, now: Option<u64>| first.is_some() && first != now;
        is_other(self.pages_announced, extent.and_then(|extent| extent.pages))
            || is_other(self.announced, extent.and_then(|extent| extent.total))
    }

    /// What is lacking of what was announced.
    fn lacks(self) -> Option<Shortfall> {
        let expected = Expected { pages: self.pages_announced, records: self.announced, watermark: None };
        let read = Read { pages: self.pages, records: self.elements, ..Read::default() };
        match Completeness::of(&expected, &read) {
            Completeness::Complete => None,
            Completeness::Partial(shortfall) => Some(shortfall),
        }
    }
}

/// Their side, page by page. An error ends it, and is remembered.
pub(super) struct Theirs<'a> {
    flow: &'a Flow,
    observer: &'a dyn Observer,
    page: VecDeque<ObservedUnit>,
    /// When the page in hand was asked for.
    asked: UtcInstant,
    /// From where the page in hand was read, and what was received before it.
    this_page: Option<String>,
    before: Tally,
    received: Tally,
    next: NextPage,
    last: Option<UnitKey>,
    /// What an earlier run has already compared.
    skip_until: Option<UnitKey>,
    pub(super) incomplete_because: Option<String>,
}

impl<'a> Theirs<'a> {
    /// From a place on.
    pub(super) fn from(flow: &'a Flow, observer: &'a dyn Observer, place: &Place) -> Self {
        let is_ended = place.incomplete_because.is_some();
        Self {
            flow,
            observer,
            page: VecDeque::new(),
            asked: flow.clock.now(),
            this_page: None,
            before: place.received,
            received: place.received,
            next: if is_ended { NextPage::None } else { NextPage::From(place.page.clone()) },
            last: None,
            skip_until: place.after.clone(),
            incomplete_because: place.incomplete_because.clone(),
        }
    }

    /// Who is asked.
    pub(super) fn observer(&self) -> &'a dyn Observer {
        self.observer
    }

    /// From where the page in hand was read, and what was received before it.
    pub(super) fn page(&self) -> (Option<String>, Tally) {
        (self.this_page.clone(), self.before)
    }

    /// When the page in hand was asked for.
    pub(super) fn asked(&self) -> UtcInstant {
        self.asked
    }

    pub(super) async fn next(&mut self) -> Option<ObservedUnit> {
        loop {
            let unit = self.next_in_order().await?;
            if self.skip_until.as_ref().is_none_or(|until| *until < unit.key) {
                return Some(unit);
            }
        }
    }

    async fn next_in_order(&mut self) -> Option<ObservedUnit> {
        while self.page.is_empty() {
            let NextPage::From(from) = std::mem::replace(&mut self.next, NextPage::None) else {
                self.end();
                return None;
            };
            self.asked = self.flow.clock.now();
            match self.observer.inventory(from.as_deref()).await {
                Ok(page) => {
                    self.before = self.received;
                    if self.received.is_contradicted_by(page.extent) && self.incomplete_because.is_none() {
                        tracing::warn!(extent = ?page.extent, "the inventory changed while it was being read");
                        self.incomplete_because = Some(why::CHANGED.to_owned());
                    }
                    self.received = self.received.plus(page.extent);
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

    /// At the end of the last page: whether all came that was announced.
    fn end(&mut self) {
        if let Some(lacking) = self.received.lacks().filter(|_| self.incomplete_because.is_none()) {
            tracing::warn!(%lacking, "the inventory is not as long as it says");
            self.incomplete_because = Some(why::short(&lacking));
        }
    }
}

//! Their side by digest: what both sides hold alike is passed over, the rest is read in full.
//!
//! Some hundreds of our units at a time, without their records: each range of them is asked for in few
//! words, only ranges that differ are listed, only units that differ are read. The keys go upwards on
//! both sides, so that units come out in the order of a full walk, and a run goes on after any of them.
//! What was listed is held against the digest of its range (`listed`): what was left out of it is not
//! missing, and a system that tells one thing and lists another is not read any further.

mod listed;

use std::collections::{BTreeMap, VecDeque};

use canonical::Digest;
use canonical::values::UtcInstant;
use contract::{AdapterError, Digests, KeyRange, ObservedUnit, RangeDigest, UnitKey};

use self::listed::{Listed, Piece};
use super::{Composer, PAGE, find, is_settled, is_withdrawn};
use crate::flow::reconcile::why;
use crate::flow::{Flow, FlowError};
use crate::storage::{DeliveryId, ExpectedUnit};

/// Our units that are looked ahead, without their records.
const WINDOW: usize = 512;
/// Our units in a range: where one of them differs, so many are listed.
const RANGE: usize = 64;
/// Units of theirs that are read in full at a time.
const BATCH: usize = 16;
/// How often a range is listed that contradicts itself: it may change while it is being counted.
const TRIES: u32 = 3;

/// What comes next.
#[derive(Debug)]
pub(super) enum Step {
    /// Both sides hold the same rows.
    Same { key: UnitKey, delivery: DeliveryId, rows: u64 },
    /// Nobody holds it, and nobody should.
    Nothing { key: UnitKey },
    /// To be compared in full: ours as it stands now, theirs as it was when they were asked.
    Differs { key: UnitKey, ours: Option<Box<ExpectedUnit>>, theirs: Option<ObservedUnit>, asked: UtcInstant },
    /// They list it and do not give it.
    NotGiven { key: UnitKey, rows: u64 },
    /// Their side cannot be read any further, and why.
    Unread(String),
}

/// One of our units, in few words.
#[derive(Debug)]
struct Mine {
    key: UnitKey,
    /// The unit before it, by which it is found again.
    before: Option<UnitKey>,
    delivery: DeliveryId,
    says: Says,
}

#[derive(Debug)]
enum Says {
    /// The target should hold rows with this digest, so many.
    Rows(Digest, u64),
    /// The target should hold nothing.
    Nothing,
    /// On its way, or not composed: what they hold must be seen in any case.
    Unknown,
}

impl Says {
    /// How many rows the target should hold, at least one where nobody knows.
    fn rows(&self) -> u64 {
        match self {
            Self::Rows(_, rows) => *rows,
            Self::Nothing | Self::Unknown => 1,
        }
    }
}

#[derive(Debug)]
enum Planned {
    Same(Mine, u64),
    Nothing(Mine),
    /// The key, ours, and whether they hold it by a list that was asked for at a moment.
    Ask {
        key: UnitKey,
        mine: Option<Mine>,
        is_theirs: bool,
        asked: UtcInstant,
    },
}

/// A range of the window.
#[derive(Debug)]
struct Range {
    keys: KeyRange,
    is_same: bool,
    /// What they told of it in few words, where they do.
    told: Option<RangeDigest>,
    /// How many units of it are still to be listed, where they said so.
    rest: Option<u64>,
}

/// Why it does not go on.
enum Stop {
    /// Their side cannot be read.
    Unread(String),
    /// Ours cannot.
    Broken(FlowError),
}

impl From<FlowError> for Stop {
    fn from(error: FlowError) -> Self {
        Self::Broken(error)
    }
}

impl From<AdapterError> for Stop {
    fn from(error: AdapterError) -> Self {
        tracing::warn!(%error, code = error.kind.code(), "inventory not read to its end");
        Self::Unread(why::unread(&error))
    }
}

/// The units of both sides that are not alike, in order.
pub(super) struct Candidates<'a> {
    flow: &'a Flow,
    target: &'a str,
    composer: Composer<'a>,
    digests: &'a dyn Digests,
    /// The last of our units that was looked at, and whether it is the last one.
    read_to: Option<UnitKey>,
    ended: bool,
    done: bool,
    ahead: VecDeque<Mine>,
    ranges: VecDeque<Range>,
    planned: VecDeque<Planned>,
    /// What was asked for in full and not yet needed, as far as it was given, and when it was asked.
    observed: BTreeMap<UnitKey, Option<ObservedUnit>>,
    observed_at: UtcInstant,
}

impl<'a> Candidates<'a> {
    /// After a key.
    pub(super) fn after(
        flow: &'a Flow,
        target: &'a str,
        composer: Composer<'a>,
        digests: &'a dyn Digests,
        after: Option<UnitKey>,
    ) -> Self {
        Self {
            flow,
            target,
            composer,
            digests,
            read_to: after,
            ended: false,
            done: false,
            ahead: VecDeque::new(),
            ranges: VecDeque::new(),
            planned: VecDeque::new(),
            observed: BTreeMap::new(),
            observed_at: flow.clock.now(),
        }
    }

    /// The next unit; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Step>, FlowError> {
        match self.step().await {
            Ok(step) => Ok(step),
            Err(Stop::Unread(because)) => Ok(Some(Step::Unread(because))),
            Err(Stop::Broken(error)) => Err(error),
        }
    }

    async fn step(&mut self) -> Result<Option<Step>, Stop> {
        loop {
            match self.planned.pop_front() {
                Some(Planned::Same(Mine { key, delivery, .. }, rows)) => {
                    return Ok(Some(Step::Same { key, delivery, rows }));
                }
                Some(Planned::Nothing(Mine { key, .. })) => return Ok(Some(Step::Nothing { key })),
                Some(Planned::Ask { key, mine, is_theirs: false, asked }) => {
                    let ours = self.again(mine).await?;
                    return Ok(Some(Step::Differs { key, ours, theirs: None, asked }));
                }
                Some(Planned::Ask { key, mine, is_theirs: true, .. }) => {
                    let theirs = self.observe(&key).await?;
                    let rows = mine.as_ref().map_or(1, |mine| mine.says.rows());
                    let ours = self.again(mine).await?;
                    // What we take back may be gone between the list and the question.
                    let may_be_gone = ours.as_ref().is_some_and(|ours| is_withdrawn(ours) || !is_settled(ours));
                    return Ok(Some(match theirs {
                        None if !may_be_gone => Step::NotGiven { key, rows },
                        theirs => Step::Differs { key, ours, theirs, asked: self.observed_at },
                    }));
                }
                None if self.done => return Ok(None),
                None => self.plan().await?,
            }
        }
    }

    /// A unit of theirs in full; those that are needed next come with it. None when it is not given.
    async fn observe(&mut self, key: &UnitKey) -> Result<Option<ObservedUnit>, Stop> {
        if let Some(observed) = self.observed.remove(key) {
            return Ok(observed);
        }
        let needed = self.planned.iter().filter_map(|planned| match planned {
            Planned::Ask { key, is_theirs: true, .. } => Some(key.clone()),
            _ => None,
        });
        let keys: Vec<_> = [key.clone()].into_iter().chain(needed).take(BATCH).collect();
        self.observed_at = self.flow.clock.now();
        let units = self.digests.observe(&keys).await?;
        let is_asked = units.iter().all(|unit| keys.binary_search(&unit.key).is_ok());
        if !is_asked || !units.is_sorted_by(|one, next| one.key < next.key) {
            return Err(Stop::Unread(why::NOT_IN_ORDER.to_owned()));
        }
        self.observed = keys.into_iter().map(|key| (key, None)).collect();
        self.observed.extend(units.into_iter().map(|unit| (unit.key.clone(), Some(unit))));
        Ok(self.observed.remove(key).flatten())
    }

    /// Our unit with its records, as it stands now.
    async fn again(&self, mine: Option<Mine>) -> Result<Option<Box<ExpectedUnit>>, Stop> {
        let Some(Mine { key, before, .. }) = mine else { return Ok(None) };
        Ok(find(self.flow, self.target, before, &key).await?.map(Box::new))
    }

    /// Plans what follows: the next window, or the next range of it, or the next page of that.
    async fn plan(&mut self) -> Result<(), Stop> {
        let Some(range) = self.ranges.front() else { return self.window().await };
        if !range.is_same {
            return self.list().await;
        }
        let range = self.ranges.pop_front().map(|range| range.keys).unwrap_or_default();
        while let Some(mine) = self.ahead.pop_front_if(|mine| range.is_before_end(&mine.key)) {
            self.planned.push_back(match mine.says {
                Says::Rows(_, rows) => Planned::Same(mine, rows),
                Says::Nothing | Says::Unknown => Planned::Nothing(mine),
            });
        }
        self.done = range.up_to.is_none();
        Ok(())
    }

    /// Looks at our next units, cuts them into ranges, and asks which of those are alike.
    async fn window(&mut self) -> Result<(), Stop> {
        let begin = self.read_to.clone();
        while self.ahead.len() < WINDOW && !self.ended {
            let last = self.read_to.as_ref();
            let page = self.flow.store.expected_units(self.target, last, PAGE).await.map_err(FlowError::from)?;
            self.ended = page.is_empty();
            for unit in page {
                let before = self.read_to.replace(unit.key.clone());
                self.ahead.push_back(self.mine(&unit, before));
            }
        }
        let (mut ranges, mut sums) = (Vec::new(), Vec::new());
        let mut after = begin;
        let ahead = self.ahead.make_contiguous();
        let chunks = ahead.len().div_ceil(RANGE).max(1);
        for number in 0..chunks {
            let units = ahead.get(number * RANGE..).unwrap_or_default();
            let units = units.get(..RANGE).unwrap_or(units);
            let is_last = self.ended && number + 1 == chunks;
            let up_to = units.last().filter(|_| !is_last).map(|last| last.key.clone());
            let range = KeyRange { after: after.clone(), up_to };
            after.clone_from(&range.up_to);
            sums.push(sum(units));
            ranges.push(Range { keys: range, is_same: false, told: None, rest: None });
        }
        // Also of those where one of ours must be seen in any case: what is listed is held against it.
        let keys: Vec<_> = ranges.iter().map(|range| range.keys.clone()).collect();
        if let Some(told) = self.told(&keys).await? {
            for ((range, ours), theirs) in ranges.iter_mut().zip(sums).zip(told) {
                range.is_same = ours == Some(theirs);
                range.told = Some(theirs);
            }
        }
        self.ranges = ranges.into();
        Ok(())
    }

    /// Each of these ranges in few words, where they tell it.
    async fn told(&self, ranges: &[KeyRange]) -> Result<Option<Vec<RangeDigest>>, Stop> {
        let told = self.digests.ranges(ranges).await?;
        if told.as_ref().is_some_and(|told| told.len() != ranges.len()) {
            return Err(Stop::Unread(why::NOT_WHOLE.to_owned()));
        }
        Ok(told)
    }

    /// One of our units in few words.
    fn mine(&self, unit: &ExpectedUnit, before: Option<UnitKey>) -> Mine {
        let says = if is_withdrawn(unit) {
            Says::Nothing
        } else if !is_settled(unit) {
            Says::Unknown
        } else {
            match self.composer.compose(unit) {
                Ok(composed) => self
                    .digests
                    .digest_of(&composed)
                    .map_or(Says::Unknown, |digest| Says::Rows(digest, composed.rows.len() as u64)),
                Err(_) => Says::Unknown,
            }
        };
        Mine { key: unit.key.clone(), before, delivery: unit.delivery, says }
    }

    /// Lists the first range, or what can be kept of it, and merges it with ours.
    async fn list(&mut self) -> Result<(), Stop> {
        let Some(Range { keys, told, rest, .. }) = self.ranges.front() else { return Ok(()) };
        let (mut told, mut rest, mut tries) = (*told, *rest, 1);
        let (listed, left) = loop {
            match self.gather(Listed::of(keys.clone(), rest), told).await? {
                Ok(gathered) => break gathered,
                Err(because) if tries == TRIES => return Err(Stop::Unread(because.to_owned())),
                Err(because) => tracing::info!(because, "a range is listed once more"),
            }
            tries += 1;
            told = self.told(std::slice::from_ref(keys)).await?.and_then(|told| told.first().copied());
            rest = rest.filter(|_| told.is_none());
        };
        let listed_range = self.ranges.pop_front();
        self.done = left.is_none() && listed_range.is_some_and(|range| range.keys.up_to.is_none());
        if let Some(left) = left {
            self.ranges.push_front(left);
        }
        for Piece { units, keys, asked } in listed.into_pieces() {
            self.merge(units, &keys, asked);
        }
        Ok(())
    }

    /// Lists a range, as far as it is kept, and holds it against what was told of it. What was not
    /// listed yet is a range of its own.
    async fn gather(
        &self,
        mut listed: Listed,
        told: Option<RangeDigest>,
    ) -> Result<Result<(Listed, Option<Range>), &'static str>, Stop> {
        while let Some(range) = listed.wanted() {
            let asked = self.flow.clock.now();
            if let Err(because) = listed.take(self.digests.list(&range).await?, asked) {
                return Ok(Err(because));
            }
        }
        let (first, left) = listed.parts();
        let Some(left) = left else { return Ok(listed.agrees_with(told).map(|()| (listed, None))) };
        // Where it was cut, both parts are told anew.
        let told = self.told(&[first, left.clone()]).await?;
        let (first, after) = told.map_or((None, None), |told| (told.first().copied(), told.get(1).copied()));
        let rest = listed.rest().filter(|_| after.is_none());
        let left = Range { keys: left, is_same: false, told: after, rest };
        Ok(listed.agrees_with(first).map(|()| (listed, Some(left))))
    }

    /// One pass over ours and theirs of a piece of a range.
    fn merge(&mut self, theirs: Vec<(UnitKey, Digest)>, piece: &KeyRange, asked: UtcInstant) {
        let ask = |key, mine, is_theirs| Planned::Ask { key, mine, is_theirs, asked };
        let mut theirs = theirs.into_iter().peekable();
        loop {
            let mine = self.ahead.front().map(|mine| &mine.key).filter(|key| piece.is_before_end(key));
            let (is_mine, is_theirs) = match (mine, theirs.peek()) {
                (None, None) => return,
                (Some(_), None) => (true, false),
                (None, Some(_)) => (false, true),
                (Some(mine), Some((other, _))) => (mine <= other, other <= mine),
            };
            let mine = if is_mine { self.ahead.pop_front() } else { None };
            let other = if is_theirs { theirs.next() } else { None };
            self.planned.extend(match (mine, other) {
                (Some(mine), None) if matches!(mine.says, Says::Nothing) => Some(Planned::Nothing(mine)),
                (Some(mine), Some((_, digest))) => Some(match mine.says {
                    Says::Rows(ours, rows) if ours == digest => Planned::Same(mine, rows),
                    _ => ask(mine.key.clone(), Some(mine), true),
                }),
                (Some(mine), None) => Some(ask(mine.key.clone(), Some(mine), false)),
                (None, Some((key, _))) => Some(ask(key, None, true)),
                (None, None) => None,
            });
        }
    }
}

/// The sum of our units; none where one of them must be seen in any case.
fn sum(units: &[Mine]) -> Option<RangeDigest> {
    let is_unknown = units.iter().any(|mine| matches!(mine.says, Says::Unknown));
    let held = units.iter().filter_map(|mine| match &mine.says {
        Says::Rows(digest, _) => Some((&mine.key, digest)),
        Says::Nothing | Says::Unknown => None,
    });
    (!is_unknown).then(|| RangeDigest::of(held))
}

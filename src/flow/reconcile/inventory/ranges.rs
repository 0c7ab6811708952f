//! What two nodes hold, compared over a wire by fingerprints of ranges (Meyer, "Range-Based Set
//! Reconciliation", 2023): a range whose fingerprints agree is done, one whose fingerprints differ
//! is cut in sixteen, a short one is sent item by item.
//!
//! Pure: bytes in, bytes out, no clock and no socket. Neither side keeps what it sent, so a message
//! that is lost is asked for again. Whoever serves it must know who asks, because keys of records
//! leave the node and an index costs a pass over all of them.
//!
//! Promised: what the peer says is bounded in length, number and claims, and never panics; two
//! nodes that keep to the protocol find every difference, but for one chance in 2¹²⁸ for each range.
//! Fingerprints are sums, for which who knows the items can compute sets with the same sum. The salt
//! of the session makes the items unknown to whoever wrote the records; the peer knows them, but a
//! peer that wants to hide a difference can simply not tell it.

pub mod index;
mod wire;

use std::collections::BTreeSet;
use std::ops::{Deref, Range};

pub use index::{Index, IndexError, Salt};
pub use wire::{Refused, salt_of_opening};

use self::wire::{Bound, Header, Mode, Reader, Writer};
use super::{Complete, Completeness, Pair, Shortfall};

/// A range that differs is cut in so many.
const FAN_OUT: usize = 16;
/// A range with no more items than this is sent item by item.
const FEW: usize = 24;

/// How much a session may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// A message, in bytes, in both directions; at least [`Self::LEAST_BYTES`].
    pub message_bytes: usize,
    /// Messages that are answered.
    pub messages: u32,
    /// Keys that the peer may name and we have not.
    pub claims: usize,
}

impl SessionLimits {
    /// Less would be no room for progress.
    pub const LEAST_BYTES: usize = 4 * 1024;
}

impl Default for SessionLimits {
    /// A MiB a message, 4,096 messages, four million keys.
    fn default() -> Self {
        Self { message_bytes: 1024 * 1024, messages: 4_096, claims: 4_000_000 }
    }
}

/// What follows a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// This must be sent.
    Send(Vec<u8>),
    /// Both sides know everything.
    Done,
}

/// Keys that one side holds and the other does not, by their hash under the salt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmatched {
    /// The other side is complete: they are missing.
    Missing(Vec<u128>, Complete),
    /// The other side is not complete: they were not seen.
    NotSeen(Vec<u128>),
}

impl Unmatched {
    fn new(keys: Vec<u128>, other: Option<Complete>) -> Self {
        other.map_or(Self::NotSeen(keys.clone()), |proof| Self::Missing(keys, proof))
    }

    /// The keys.
    pub fn keys(&self) -> &[u128] {
        let (Self::Missing(keys, _) | Self::NotSeen(keys)) = self;
        keys
    }
}

/// What a session found, in order of the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// We hold them, the peer does not.
    pub only_ours: Unmatched,
    /// The peer holds them, we do not.
    pub only_theirs: Unmatched,
    /// Both hold them, with different contents.
    pub different: Vec<u128>,
}

/// What is known of an item of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Nothing,
    OnlyOurs,
    Different,
}

/// One side of a session, with an index that it borrows or shares.
#[derive(Debug)]
pub struct Reconciler<I> {
    index: I,
    limits: SessionLimits,
    is_complete: bool,
    is_peer_complete: bool,
    answered: u32,
    /// What is known of each of our items; empty where nothing is remembered.
    known: Vec<Known>,
    remembers: bool,
    only_theirs: BTreeSet<u128>,
}

impl<I: Deref<Target = Index>> Reconciler<I> {
    /// A side that holds what the index says.
    pub fn new(index: I, completeness: &Completeness, limits: SessionLimits) -> Self {
        let message_bytes = limits.message_bytes.max(SessionLimits::LEAST_BYTES);
        let known = vec![Known::Nothing; index.len()];
        Self {
            index,
            limits: SessionLimits { message_bytes, ..limits },
            is_complete: completeness.proof().is_some(),
            is_peer_complete: false,
            answered: 0,
            known,
            remembers: true,
            only_theirs: BTreeSet::new(),
        }
    }

    /// A side that only answers, and keeps nothing of what is found: however much a peer says, it takes
    /// no more memory.
    pub fn answering(index: I, completeness: &Completeness, limits: SessionLimits) -> Self {
        Self { known: Vec::new(), remembers: false, ..Self::new(index, completeness, limits) }
    }

    /// The opening message.
    pub fn initiate(&self) -> Vec<u8> {
        let mut out = self.writer(Some(self.index.salt()));
        self.cut(&mut out, Bound::START, Bound::END);
        out.finish()
    }

    /// Answers a message of the peer.
    pub fn respond(&mut self, message: &[u8]) -> Result<Step, Refused> {
        if message.len() > self.limits.message_bytes {
            return Err(Refused::TooLong);
        }
        self.answered += 1;
        if self.answered > self.limits.messages {
            return Err(Refused::TooMany);
        }
        let (header, mut reader) = Reader::open(message)?;
        if header.salt.is_some_and(|salt| salt != self.index.salt()) {
            return Err(Refused::OtherSalt);
        }
        self.is_peer_complete = header.is_complete;
        let mut out = self.writer(None);
        let mut lower = Bound::START;
        while let Some((upper, mode)) = reader.range(lower)? {
            self.range(lower, upper, mode, &mut out)?;
            lower = upper;
        }
        Ok(if out.says_something() { Step::Send(out.finish()) } else { Step::Done })
    }

    /// What was found. Final after [`Step::Done`], ours or the peer's.
    pub fn outcome(&self) -> Outcome {
        let ours = |wanted| {
            let known = self.known.iter().enumerate().filter(move |(_, known)| **known == wanted);
            known.map(|(n, _)| self.index.item(n).key).collect()
        };
        let theirs = if self.is_peer_complete {
            Completeness::Complete
        } else {
            Completeness::Partial(Shortfall::Interrupted { problem: "the peer says so".to_owned() })
        };
        let here = if self.is_complete { Completeness::Complete.proof() } else { None };
        Outcome {
            only_ours: Unmatched::new(ours(Known::OnlyOurs), theirs.proof()),
            only_theirs: Unmatched::new(self.only_theirs.iter().copied().collect(), here),
            different: ours(Known::Different),
        }
    }

    fn writer(&self, salt: Option<Salt>) -> Writer {
        Writer::new(&Header { salt, is_complete: self.is_complete }, self.limits.message_bytes)
    }

    fn range(&mut self, lower: Bound, upper: Bound, mode: Mode, out: &mut Writer) -> Result<(), Refused> {
        match mode {
            Mode::Skip => out.skip(upper),
            Mode::Fingerprint(theirs) => {
                let ours = self.index.between(lower, upper);
                if self.index.fingerprint(ours) == theirs {
                    out.skip(upper);
                } else {
                    self.cut(out, lower, upper);
                }
            }
            Mode::Items(theirs) => self.compare(&theirs, lower, upper, out)?,
            Mode::Answer { items, lacking } => {
                self.learn(&items, &lacking, self.index.between(lower, upper))?;
                out.skip(upper);
            }
        }
        Ok(())
    }

    /// Says what we hold between two bounds, in more words.
    fn cut(&self, out: &mut Writer, lower: Bound, upper: Bound) {
        let ours = self.index.between(lower, upper);
        if ours.len() <= FEW {
            let items: Vec<_> = ours.clone().map(|n| self.index.item(n)).collect();
            if !out.items(upper, &items) {
                self.rest(out, lower);
            }
            return;
        }
        let mut from = lower;
        for part in 1..=FAN_OUT {
            let end = ours.start + ours.len() * part / FAN_OUT;
            let to = if part == FAN_OUT { upper } else { self.index.bound_before(end) };
            if !out.fingerprint(to, self.index.fingerprint(self.index.between(from, to))) {
                return self.rest(out, from);
            }
            from = to;
        }
    }

    /// No more room: one fingerprint for everything from here on, to go on with next time.
    fn rest(&self, out: &mut Writer, lower: Bound) {
        out.rest(self.index.fingerprint(self.index.between(lower, Bound::END)));
    }

    /// The peer sent all that it holds between two bounds: both sides can know everything about it.
    fn compare(&mut self, theirs: &[Pair], lower: Bound, upper: Bound, out: &mut Writer) -> Result<(), Refused> {
        let ours = self.index.between(lower, upper);
        let (mut items, mut lacking) = (Vec::new(), Vec::new());
        let mut room = out.room();
        let (mut n, mut m) = (ours.start, 0);
        // Where this answer ends, when there is no room for all of it.
        let mut end = upper;
        loop {
            let mine = (n < ours.end).then(|| self.index.item(n));
            let other = theirs.get(m).copied();
            let Some(key) = mine.iter().chain(&other).map(|pair| pair.key).min() else { break };
            if room < wire::MOST_FOR_ONE {
                end = Bound::at(key);
                break;
            }
            let (mine, other) = (mine.filter(|pair| pair.key == key), other.filter(|pair| pair.key == key));
            match (mine, other) {
                (Some(mine), Some(other)) if mine.row == other.row => {}
                (Some(mine), other) => {
                    self.know(n, if other.is_some() { Known::Different } else { Known::OnlyOurs });
                    items.push(mine);
                    room -= wire::MOST_FOR_ONE;
                }
                (None, _) => {
                    self.claim(key)?;
                    lacking.push(m);
                    room -= wire::MOST_FOR_ONE;
                }
            }
            n += usize::from(mine.is_some());
            m += usize::from(other.is_some());
        }
        if items.is_empty() && lacking.is_empty() {
            if end > lower {
                out.skip(end);
            }
        } else {
            out.answer(end, &items, &lacking);
        }
        if end != upper {
            self.rest(out, end);
        }
        Ok(())
    }

    /// The peer answered our items: its own that differ, and the numbers of those it lacks.
    fn learn(&mut self, items: &[Pair], lacking: &[usize], ours: Range<usize>) -> Result<(), Refused> {
        for number in lacking {
            let n = ours.start + number;
            if n >= ours.end {
                return Err(Refused::Malformed("a number beyond the items"));
            }
            self.know(n, Known::OnlyOurs);
        }
        for theirs in items {
            match self.index.find(theirs.key) {
                Some(n) if self.index.item(n).row == theirs.row => {}
                Some(n) => self.know(n, Known::Different),
                None => self.claim(theirs.key)?,
            }
        }
        Ok(())
    }

    fn know(&mut self, number: usize, known: Known) {
        if let Some(place) = self.known.get_mut(number) {
            *place = known;
        }
    }

    fn claim(&mut self, key: u128) -> Result<(), Refused> {
        if !self.remembers {
            return Ok(());
        }
        self.only_theirs.insert(key);
        if self.only_theirs.len() > self.limits.claims { Err(Refused::TooManyClaims) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;

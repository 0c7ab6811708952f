//! Messages between two nodes. Every rule of the form is checked on reading: what does not keep to
//! it is refused as a whole.
//!
//! ```text
//! message = version (1) · flags (bit 0: opening, bit 1: the sender is complete) · salt (16, opening only) · range…
//! range   = bound · mode · payload     from the bound before it (the least key at first) to its own
//! bound   = length (0: no end; 1 to 16) · that many bytes, the first of a key, the last one not 0
//! mode    = 0 nothing to say · 1 fingerprint (16) · 2 items · 3 answer to items
//! items   = how many · key (16) and content (16) each, in order, inside the range
//! answer  = items that differ from those sent · how many are lacking · their numbers, as distances
//! ```
//!
//! Numbers are LEB128 of at most five bytes. Bounds grow; what follows the last one needs no words.

use super::super::Pair;
use super::index::Salt;

const VERSION: u8 = 1;
const OPENING: u8 = 1;
const COMPLETE: u8 = 2;
const PAIR: usize = 32;
/// The most that one more difference adds to an answer: an item, or a number.
pub(super) const MOST_FOR_ONE: usize = PAIR;
/// The most that a range takes beside what it lists: bound, mode, fingerprint or two numbers.
const MOST_FOR_RANGE: usize = 17 + 1 + 16;
/// Room that is kept for a range without words and for the fingerprint of the rest.
const RESERVE: usize = 3 * MOST_FOR_RANGE;

/// Why a message is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It does not keep to the form.
    #[error("the message is malformed: {0}")]
    Malformed(&'static str),
    /// Another version of the form.
    #[error("the message has version {0}, which is not ours")]
    Version(u8),
    /// A session has one salt.
    #[error("the message belongs to another session")]
    OtherSalt,
    /// Longer than a message may be.
    #[error("the message is too long")]
    TooLong,
    /// The session has had enough messages.
    #[error("the session has too many messages")]
    TooMany,
    /// It names more keys than we are ready to keep.
    #[error("the peer names too many keys")]
    TooManyClaims,
}

/// The end of a range: everything before this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bound(BoundKey);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum BoundKey {
    Key(u128),
    End,
}

impl Bound {
    pub(super) const START: Self = Self(BoundKey::Key(0));
    pub(super) const END: Self = Self(BoundKey::End);

    pub(super) fn at(key: u128) -> Self {
        Self(BoundKey::Key(key))
    }

    /// The shortest one after the first key and not after the second, which is greater.
    pub(super) fn between(before: u128, item: u128) -> Self {
        let same = (before ^ item).leading_zeros() / 8;
        let kept = 128 - 8 * (same + 1).min(16);
        Self::at((item >> kept) << kept)
    }

    /// The key; none at the end.
    pub(super) fn key(self) -> Option<u128> {
        match self.0 {
            BoundKey::Key(key) => Some(key),
            BoundKey::End => None,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) salt: Option<Salt>,
    pub(super) is_complete: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Skip,
    Fingerprint(u128),
    Items(Vec<Pair>),
    Answer { items: Vec<Pair>, lacking: Vec<usize> },
}

/// The salt of an opening message, which must be known before there is an index to answer with.
pub fn salt_of_opening(message: &[u8]) -> Result<Salt, Refused> {
    Reader::open(message)?.0.salt.ok_or(Refused::Malformed("no opening message"))
}

pub(super) struct Reader<'m> {
    rest: &'m [u8],
}

impl<'m> Reader<'m> {
    pub(super) fn open(message: &'m [u8]) -> Result<(Header, Self), Refused> {
        let mut reader = Self { rest: message };
        let version = reader.byte()?;
        if version != VERSION {
            return Err(Refused::Version(version));
        }
        let flags = reader.byte()?;
        if flags & !(OPENING | COMPLETE) != 0 {
            return Err(Refused::Malformed("unknown flags"));
        }
        let salt = if flags & OPENING == 0 { None } else { Some(Salt(*reader.array()?)) };
        Ok((Header { salt, is_complete: flags & COMPLETE != 0 }, reader))
    }

    /// The next range, after the one that ended at this bound; none at the end of the message.
    pub(super) fn range(&mut self, lower: Bound) -> Result<Option<(Bound, Mode)>, Refused> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let upper = self.bound()?;
        if upper <= lower {
            return Err(Refused::Malformed("a range that does not come after the one before it"));
        }
        let mode = match self.byte()? {
            0 => Mode::Skip,
            1 => Mode::Fingerprint(u128::from_le_bytes(*self.array()?)),
            2 => Mode::Items(self.items(lower, upper)?),
            3 => Mode::Answer { items: self.items(lower, upper)?, lacking: self.numbers()? },
            _ => return Err(Refused::Malformed("an unknown mode")),
        };
        Ok(Some((upper, mode)))
    }

    fn bound(&mut self) -> Result<Bound, Refused> {
        let length = usize::from(self.byte()?);
        if length == 0 {
            return Ok(Bound::END);
        }
        if length > 16 {
            return Err(Refused::Malformed("a bound longer than a key"));
        }
        let (first, rest) = self.rest.split_at_checked(length).ok_or(ENDS_EARLY)?;
        self.rest = rest;
        if first.last() == Some(&0) {
            return Err(Refused::Malformed("a bound that could be shorter"));
        }
        let mut key = [0; 16];
        key[..length].copy_from_slice(first);
        Ok(Bound::at(u128::from_be_bytes(key)))
    }

    fn items(&mut self, lower: Bound, upper: Bound) -> Result<Vec<Pair>, Refused> {
        let count = self.number()?;
        // Nothing is made ready for more than the message can hold.
        let bytes = count.checked_mul(PAIR).filter(|bytes| *bytes <= self.rest.len()).ok_or(ENDS_EARLY)?;
        let (items, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        let half = |bytes: &[u8; 16]| u128::from_be_bytes(*bytes);
        let halves = items.as_chunks::<16>().0;
        let items: Vec<Pair> =
            halves.as_chunks::<2>().0.iter().map(|[key, row]| Pair { key: half(key), row: half(row) }).collect();
        let is_inside = |key| Bound::at(key) >= lower && Bound::at(key) < upper;
        if !items.iter().all(|item| is_inside(item.key)) {
            return Err(Refused::Malformed("an item outside its range"));
        }
        if items.windows(2).any(|two| two[0].key >= two[1].key) {
            return Err(Refused::Malformed("items in disorder"));
        }
        Ok(items)
    }

    fn numbers(&mut self) -> Result<Vec<usize>, Refused> {
        let count = self.number()?;
        if count > self.rest.len() {
            return Err(ENDS_EARLY);
        }
        let mut numbers = Vec::with_capacity(count);
        let mut next = 0_usize;
        for _ in 0..count {
            let number = next.checked_add(self.number()?).ok_or(Refused::Malformed("a number that is too large"))?;
            numbers.push(number);
            next = number.saturating_add(1);
        }
        Ok(numbers)
    }

    fn number(&mut self) -> Result<usize, Refused> {
        let mut number = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    return Err(Refused::Malformed("a number that could be shorter"));
                }
                return usize::try_from(number).map_err(|_| Refused::Malformed("a number that is too large"));
            }
        }
        Err(Refused::Malformed("a number that is too large"))
    }

    fn byte(&mut self) -> Result<u8, Refused> {
        let (byte, rest) = self.rest.split_first().ok_or(ENDS_EARLY)?;
        self.rest = rest;
        Ok(*byte)
    }

    fn array<const N: usize>(&mut self) -> Result<&'m [u8; N], Refused> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(ENDS_EARLY)?;
        self.rest = rest;
        Ok(array)
    }
}

const ENDS_EARLY: Refused = Refused::Malformed("it ends early");

/// Writes a message that is never longer than allowed. What finds no room is not written, and after
/// it nothing is.
pub(super) struct Writer {
    bytes: Vec<u8>,
    most: usize,
    /// A stretch about which there is nothing to say, not written yet.
    skipped: Option<Bound>,
    says_something: bool,
    is_closed: bool,
}

impl Writer {
    pub(super) fn new(header: &Header, most: usize) -> Self {
        let opening = if header.salt.is_some() { OPENING } else { 0 };
        let complete = if header.is_complete { COMPLETE } else { 0 };
        let mut bytes = vec![VERSION, opening | complete];
        bytes.extend(header.salt.iter().flat_map(|salt| salt.0));
        Self { bytes, most, skipped: None, says_something: false, is_closed: false }
    }

    /// Bytes that a list of items or numbers may still take.
    pub(super) fn room(&self) -> usize {
        let left = self.most.saturating_sub(self.bytes.len() + RESERVE);
        if self.is_closed { 0 } else { left }
    }

    pub(super) fn says_something(&self) -> bool {
        self.says_something
    }

    pub(super) fn skip(&mut self, upper: Bound) {
        if !self.is_closed {
            self.skipped = Some(upper);
        }
    }

    /// False when there was no room.
    pub(super) fn fingerprint(&mut self, upper: Bound, fingerprint: u128) -> bool {
        self.has_room(16) && {
            self.start(upper, 1);
            self.bytes.extend_from_slice(&fingerprint.to_le_bytes());
            true
        }
    }

    /// False when there was no room.
    pub(super) fn items(&mut self, upper: Bound, items: &[Pair]) -> bool {
        self.has_room(PAIR * items.len()) && {
            self.start(upper, 2);
            self.pairs(items);
            true
        }
    }

    /// What it says was measured with [`Self::room`].
    pub(super) fn answer(&mut self, upper: Bound, items: &[Pair], lacking: &[usize]) {
        self.start(upper, 3);
        self.pairs(items);
        self.number(lacking.len());
        let mut next = 0;
        for number in lacking {
            self.number(number - next);
            next = number + 1;
        }
    }

    /// One fingerprint for everything that follows; nothing is written after it.
    pub(super) fn rest(&mut self, fingerprint: u128) {
        if !self.is_closed {
            self.start(Bound::END, 1);
            self.bytes.extend_from_slice(&fingerprint.to_le_bytes());
            self.is_closed = true;
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn has_room(&self, payload: usize) -> bool {
        !self.is_closed && self.bytes.len() + RESERVE + payload <= self.most
    }

    fn start(&mut self, upper: Bound, mode: u8) {
        if let Some(skipped) = self.skipped.take() {
            self.bound(skipped);
            self.bytes.push(0);
        }
        self.bound(upper);
        self.bytes.push(mode);
        self.says_something = true;
    }

    fn bound(&mut self, bound: Bound) {
        let key = bound.key().map_or([0; 16], u128::to_be_bytes);
        let length = key.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        // At most 16.
        self.bytes.push(u8::try_from(length).unwrap_or_default());
        self.bytes.extend_from_slice(&key[..length]);
    }

    fn pairs(&mut self, items: &[Pair]) {
        self.number(items.len());
        for item in items {
            self.bytes.extend_from_slice(&item.key.to_be_bytes());
            self.bytes.extend_from_slice(&item.row.to_be_bytes());
        }
    }

    fn number(&mut self, mut number: usize) {
        loop {
            // Seven bits, always a byte.
            let bits = u8::try_from(number & 0x7f).unwrap_or_default();
            number >>= 7;
            if number == 0 {
                return self.bytes.push(bits);
            }
            self.bytes.push(bits | 0x80);
        }
    }
}

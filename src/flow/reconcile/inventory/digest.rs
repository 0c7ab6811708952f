//! From a record to two hashes: one of its key, one of its normalised fields.
//!
//! Two records are equal here exactly when the comparison of fields finds no difference: amounts to
//! the cent, days without hour, texts in NFC with single blanks. Every field says which one it is,
//! what kind its value has and how long it is, so `ab|c` is not `a|bc` and absent is not empty.
//!
//! The hash is SipHash-1-3 with 128 bits, under a key that is drawn for each run and never leaves
//! the process. Values come from systems that we do not run: whoever could compute the hash could
//! write two values that it takes for one, and so hide a difference. Without the key nobody can
//! search for such a pair, and by chance a million records meet one with probability 2⁻⁸⁹. A fast
//! hash without a secret (xxh3) does not promise that; a cryptographic one costs more than reading.

mod tidy;

use std::cmp::Ordering;
use std::hash::Hasher;

use canonical::values::date::DateFormat;
use canonical::values::importo::NumberFormat;
use canonical::values::{CalendarDate, Importo};
use contract::{FieldValue, Row};
use siphasher::sip128::{Hasher128, SipHasher13};

use self::tidy::{push_tidy, tidy};

/// What is kept of a record: 128 bits of its key and 128 of its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair {
    /// Hash of the key.
    pub key: u128,
    /// Hash of the normalised fields, and of the key.
    pub row: u128,
}

/// The secret of one run. Both sides of a comparison are hashed under the same one.
#[derive(Clone, Copy)]
pub struct RunKey(u64, u64);

impl RunKey {
    /// The key with these bytes, which must come from a generator that nobody can foresee.
    pub fn new(random: [u8; 16]) -> Self {
        let key = u128::from_le_bytes(random);
        // The halves, on purpose.
        #[expect(clippy::cast_possible_truncation)]
        Self((key >> 64) as u64, key as u64)
    }

    /// 128 bits of these bytes under this key.
    pub fn hash(self, bytes: &[u8]) -> u128 {
        let mut hasher = SipHasher13::new_with_keys(self.0, self.1);
        hasher.write(bytes);
        hasher.finish128().as_u128()
    }
}

impl std::fmt::Debug for RunKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RunKey(…)")
    }
}

/// How the values of a field are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Compared to the cent.
    Amount(NumberFormat),
    /// Compared without hour and zone.
    Date(DateFormat),
    /// Compared after normalisation.
    Text,
    /// Compared exactly.
    Code,
}

impl Kind {
    /// Reads a received text. What is not of its kind is a code: compared exactly, never dropped.
    pub fn read(self, text: &str) -> Option<FieldValue> {
        let value = match self {
            Self::Amount(format) => {
                let reading = Importo::read(text, format);
                (reading.value.map(FieldValue::Amount), reading.note)
            }
            Self::Date(format) => {
                let reading = CalendarDate::read(text, format);
                (reading.value.map(FieldValue::Date), reading.note)
            }
            // As it was received: comparing makes it tidy, people see it as it was.
            Self::Text => return tidy(text).map(|_| FieldValue::Text(text.to_owned())),
            Self::Code => (None, None),
        };
        match value {
            (Some(value), _) => Some(value),
            (None, None) if self != Self::Code => None,
            (None, _) => (!text.trim().is_empty()).then(|| FieldValue::Code(text.trim().to_owned())),
        }
    }
}

/// The fields of a comparison. Both sides share it, so a field has the same number on both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    fields: Vec<(String, Kind)>,
}

impl Layout {
    /// These fields; a name that comes twice counts once.
    pub fn new(fields: impl IntoIterator<Item = (String, Kind)>) -> Self {
        let mut fields: Vec<_> = fields.into_iter().collect();
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        fields.dedup_by(|a, b| a.0 == b.0);
        Self { fields }
    }

    /// Name and kind of each field; its place is its number.
    pub fn fields(&self) -> &[(String, Kind)] {
        &self.fields
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.fields.binary_search_by(|field| field.0.as_str().cmp(name)).ok()
    }
}

/// Makes the pairs of one side. Keeps its buffer: a clean record costs no allocation.
#[derive(Debug)]
pub struct Digester<'a> {
    key: RunKey,
    layout: &'a Layout,
    buffer: Vec<u8>,
}

const AMOUNT: u64 = 1;
const DATE: u64 = 2;
const TEXT: u64 = 3;
const CODE: u64 = 4;
const CODES: u64 = 5;
/// An amount that has no room in the head of its field.
const LARGE_AMOUNT: u64 = 6;
/// A name, in place of the number of a field that the layout has not.
const NAME: u64 = 7;
/// In place of a number of a field.
const NAMED: usize = (1 << 21) - 1;
/// The head of a field: 21 bits of number, three of kind, forty of length or value.
const HEAD: usize = 8;
const ROOM: u64 = 1 << 40;

impl<'a> Digester<'a> {
    /// For records with these fields.
    pub fn new(key: RunKey, layout: &'a Layout) -> Self {
        Self { key, layout, buffer: Vec::with_capacity(1024) }
    }

    /// The hash of a key.
    pub fn key(&self, key: &str) -> u128 {
        self.key.hash(key.as_bytes())
    }

    /// The pair of a row.
    pub fn row(&mut self, row: &Row) -> Pair {
        self.buffer.clear();
        for (name, value) in &row.fields {
            let number = self.layout.number(name).unwrap_or(NAMED);
            if number == NAMED {
                self.bytes(NAMED, NAME, name.as_bytes());
            }
            self.value(number, value);
        }
        self.pair(&row.key)
    }

    /// The pair of a record whose fields are received texts, by number of the layout, in order.
    pub fn texts<'t>(&mut self, key: &str, texts: impl IntoIterator<Item = (usize, &'t str)>) -> Pair {
        self.buffer.clear();
        for (number, text) in texts {
            self.text(number, text);
        }
        self.pair(key)
    }

    fn pair(&mut self, key: &str) -> Pair {
        let key = self.key(key);
        // With the key in it: two rows that change places would leave the sum of both as it was.
        self.buffer.extend_from_slice(&key.to_le_bytes());
        Pair { key, row: self.key.hash(&self.buffer) }
    }

    #[inline]
    fn text(&mut self, number: usize, text: &str) {
        match self.layout.fields[number].1 {
            Kind::Code => {
                let code = trimmed(text);
                if !code.is_empty() {
                    self.bytes(number, CODE, code.as_bytes());
                }
            }
            _ if text.is_empty() => {}
            Kind::Text => self.tidy(number, text),
            Kind::Amount(format) if let Some(importo) = Importo::read(text, format).value => {
                self.amount(number, importo);
            }
            Kind::Date(format) if let Some(date) = CalendarDate::read(text, format).value => self.date(number, date),
            kind => {
                if let Some(value) = kind.read(text) {
                    self.value(number, &value);
                }
            }
        }
    }

    fn value(&mut self, number: usize, value: &FieldValue) {
        match value {
            FieldValue::Amount(importo) => self.amount(number, *importo),
            FieldValue::Date(date) => self.date(number, *date),
            // Unlike a received text, one that stands in a row is there even if it says nothing.
            FieldValue::Text(text) => self.bytes(number, TEXT, tidy(text).unwrap_or_default().as_bytes()),
            FieldValue::Code(code) => self.bytes(number, CODE, code.as_bytes()),
            FieldValue::Codes(codes) => {
                self.head(number, CODES, codes.len() as u64);
                for code in codes {
                    self.bytes(number, CODE, code.as_bytes());
                }
            }
        }
    }

    fn amount(&mut self, number: usize, importo: Importo) {
        match u64::try_from(importo.cents()) {
            Ok(cents) if cents < ROOM => self.head(number, AMOUNT, cents),
            _ => self.bytes(number, LARGE_AMOUNT, &importo.cents().to_le_bytes()),
        }
    }

    fn date(&mut self, number: usize, date: CalendarDate) {
        let (year, day) = date.to_date().to_ordinal_date();
        // Years of four digits: never negative.
        self.head(number, DATE, u64::from(year.unsigned_abs()) << 9 | u64::from(day));
    }

    fn tidy(&mut self, number: usize, text: &str) {
        let head = self.buffer.len();
        self.head(number, TEXT, 0);
        match push_tidy(text, &mut self.buffer) {
            0 => self.buffer.truncate(head),
            length => self.buffer[head..head + HEAD].copy_from_slice(&packed(number, TEXT, length as u64)),
        }
    }

    #[inline]
    fn bytes(&mut self, number: usize, kind: u64, bytes: &[u8]) {
        self.head(number, kind, bytes.len() as u64);
        self.buffer.extend_from_slice(bytes);
    }

    #[inline]
    fn head(&mut self, number: usize, kind: u64, value: u64) {
        self.buffer.extend_from_slice(&packed(number, kind, value));
    }
}

#[inline]
fn packed(number: usize, kind: u64, value: u64) -> [u8; HEAD] {
    // A layout has less than two million fields, and no text a thousand billion bytes.
    (number as u64 | kind << 21 | value << 24).to_le_bytes()
}

/// The same as `trim`, which asks a table of Unicode about every end.
#[inline]
fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [b'!'..=b'~'] | [b'!'..=b'~', .., b'!'..=b'~'] => text,
        _ => text.trim(),
    }
}

/// The names of the fields in which two rows differ, in order. It finds one exactly where the hashes
/// differ.
pub fn differing_fields<'r>(ours: &'r Row, theirs: &'r Row) -> Vec<&'r str> {
    let (mut mine, mut other) = (ours.fields.iter().peekable(), theirs.fields.iter().peekable());
    let mut names = Vec::new();
    loop {
        let order = match (mine.peek(), other.peek()) {
            (Some((a, _)), Some((b, _))) => a.cmp(b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return names,
        };
        match (mine.next_if(|_| order.is_le()), other.next_if(|_| order.is_ge())) {
            (Some((name, a)), Some((_, b))) if !is_same(a, b) => names.push(name.as_str()),
            (Some((name, _)), None) | (None, Some((name, _))) => names.push(name.as_str()),
            _ => {}
        }
    }
}

fn is_same(ours: &FieldValue, theirs: &FieldValue) -> bool {
    match (ours, theirs) {
        (FieldValue::Text(ours), FieldValue::Text(theirs)) => ours == theirs || tidy(ours) == tidy(theirs),
        (ours, theirs) => ours == theirs,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn layout() -> Layout {
        let named = |name: &str, kind| (name.to_owned(), kind);
        Layout::new([
            named("oggetto", Kind::Text),
            named("importo", Kind::Amount(NumberFormat::Undeclared)),
            named("data", Kind::Date(DateFormat::Iso)),
            named("cup", Kind::Code),
        ])
    }

    fn digest(values: [&str; 4]) -> Pair {
        let layout = layout();
        Digester::new(RunKey::new([7; 16]), &layout).texts("k", values.into_iter().enumerate())
    }

    #[test]
    fn two_spellings_of_the_same_values_have_the_same_hash() {
        // The layout is in order of name: cup, data, importo, oggetto.
        let clean = digest(["J31B2", "2019-12-17", "1234.50", "Qualità dell'aria"]);
        assert_eq!(clean, digest([" J31B2", "17/12/2019", "1.234,50", "Qualit&agrave;  dell'aria "]));
        assert_ne!(clean.row, digest(["J31B2", "2019-12-17", "1234.51", "Qualità dell'aria"]).row);
    }

    #[test]
    fn where_a_field_ends_makes_a_difference() {
        assert_ne!(digest(["ab", "", "", "c"]).row, digest(["a", "", "", "bc"]).row);
        assert_ne!(digest(["", "", "", "a"]).row, digest(["a", "", "", ""]).row);
    }

    #[test]
    fn what_cannot_be_read_is_compared_as_it_stands() {
        assert_ne!(digest(["", "domani", "", ""]).row, digest(["", "oggi", "", ""]).row);
        assert_ne!(digest(["", "domani", "", ""]).row, digest(["", "", "", ""]).row);
    }

    #[test]
    fn another_run_has_other_hashes() {
        let layout = layout();
        let [one, other] =
            [1, 2].map(|byte| Digester::new(RunKey::new([byte; 16]), &layout).texts("k", [(3, "scuola")]));
        assert!(one.key != other.key && one.row != other.row);
    }

    fn received() -> impl Strategy<Value = String> {
        prop_oneof![
            "[ -~]{0,12}",
            "[a-cà ]{0,4}",
            "[À-ſ ¿\u{300}]{0,6}",
            "[0-9]{1,4}([.,][0-9]{1,2})?",
            "20[0-2][0-9]-0[1-9]-1[0-9]( 10:00)?",
            Just("citt&agrave;".to_owned()),
            Just("a\u{0}\u{a0} b".to_owned()),
            any::<String>(),
        ]
    }

    proptest! {
        #[test]
        fn hashes_are_equal_exactly_where_the_values_are(
            a in prop::collection::vec(received(), 4),
            b in prop::collection::vec(received(), 4),
            common in prop::collection::vec(any::<bool>(), 4),
        ) {
            let layout = layout();
            let b: Vec<_> = (0..4).map(|n| if common[n] { format!(" {}", a[n]) } else { b[n].clone() }).collect();
            let row = |texts: &[String]| {
                texts.iter().zip(layout.fields()).fold(Row::new("k"), |row, (text, (name, kind))| {
                    row.with(name, kind.read(text))
                })
            };
            let mut digester = Digester::new(RunKey::new([3; 16]), &layout);
            let [from_texts, others] =
                [&a, &b].map(|texts| digester.texts("k", texts.iter().map(String::as_str).enumerate()));
            prop_assert_eq!(from_texts, digester.row(&row(&a)));
            prop_assert_eq!(from_texts == others, differing_fields(&row(&a), &row(&b)).is_empty());
        }
    }
}

//! Digests: what a system holds, in few words first. Where two sides agree on the words nothing more
//! is asked; only what may differ is read in full.
//!
//! Ranges are cut in the order of the keys, which both sides know, so the digest of a range is a
//! plain hash of what stands in it: no secret is needed, and nobody can prepare two contents with one
//! digest.

use std::borrow::Cow;

use async_trait::async_trait;
use canonical::Digest;

use crate::{AdapterError, Composed, FieldValue, ObservedUnit, Row, UnitKey};

/// A part of the inventory: the keys after one, up to another and with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyRange {
    /// It begins after this key; without it, at the first one.
    pub after: Option<UnitKey>,
    /// It ends with this key; without it, with the last one.
    pub up_to: Option<UnitKey>,
}

impl KeyRange {
    /// Whether a key stands in it.
    pub fn contains(&self, key: &UnitKey) -> bool {
        self.after.as_ref().is_none_or(|after| after < key) && self.is_before_end(key)
    }

    /// Whether a key stands before its end, or is its end.
    pub fn is_before_end(&self, key: &UnitKey) -> bool {
        self.up_to.as_ref().is_none_or(|end| key <= end)
    }
}

/// A unit in few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitDigest {
    /// The unit.
    pub key: UnitKey,
    /// The digest of what the system holds for it.
    pub digest: Digest,
}

/// A range in few words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeDigest {
    /// How many units it has.
    pub units: u64,
    /// SHA-256 over their keys and digests, in ascending order of key.
    pub digest: Digest,
}

impl RangeDigest {
    /// The digest of these units, which stand in ascending order.
    ///
    /// ```
    /// use canonical::Digest;
    /// use contract::{RangeDigest, UnitKey};
    ///
    /// let (key, digest) = (UnitKey("lotto/B000001279".to_owned()), Digest::of(b"rows"));
    /// let one = RangeDigest::of([(&key, &digest)]);
    /// assert_eq!(one.units, 1);
    /// assert_ne!(one.digest, RangeDigest::of([]).digest);
    /// ```
    pub fn of<'a>(units: impl IntoIterator<Item = (&'a UnitKey, &'a Digest)>) -> Self {
        let mut count = 0;
        let parts = units.into_iter().flat_map(|(key, digest)| {
            count += 1;
            [key.as_str().as_bytes(), &digest.as_bytes()[..]]
        });
        let digest = Digest::of_parts(parts);
        Self { units: count, digest }
    }
}

/// The units of a range, or the first of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DigestPage {
    /// In strictly ascending order of their keys. Units beyond the end of the range may stand here:
    /// they are not looked at.
    pub units: Vec<UnitDigest>,
    /// After which key the next page begins; none when nothing more stands in the range.
    pub next: Option<UnitKey>,
    /// The range that was asked for in few words, when the system says it: what was listed is held
    /// against it.
    pub whole: Option<RangeDigest>,
}

/// What an observer can do for those who ask for digests first.
///
/// Equal digests promise that comparing the rows finds nothing. Different ones promise nothing: the
/// unit is read in full and compared as always.
#[async_trait]
pub trait Digests: Send + Sync {
    /// The digest that the system would give for what was composed, if it held just that. None when
    /// that cannot be said: the unit is then read in full. Pure.
    fn digest_of(&self, composed: &Composed) -> Option<Digest> {
        Some(rows_digest(&composed.rows))
    }

    /// Each range in few words, in the order in which they were asked for; none when the system only
    /// lists.
    async fn ranges(&self, ranges: &[KeyRange]) -> Result<Option<Vec<RangeDigest>>, AdapterError> {
        let _ = ranges;
        Ok(None)
    }

    /// The units of a range, from its beginning, as many as the system gives at a time.
    async fn list(&self, range: &KeyRange) -> Result<DigestPage, AdapterError>;

    /// These units in full, in ascending order of their keys; without those that it does not hold.
    async fn observe(&self, keys: &[UnitKey]) -> Result<Vec<ObservedUnit>, AdapterError>;
}

/// The digest of rows, for systems that keep none of their own: SHA-256 over their keys, fields and
/// values as they are written. In which order the rows came makes no difference.
///
/// The type of a value is no part of it: a field has one type, by its name, on both sides.
pub fn rows_digest(rows: &[Row]) -> Digest {
    let mut rows: Vec<&Row> = rows.iter().collect();
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    let mut parts: Vec<Cow<'_, [u8]>> = Vec::new();
    for row in rows {
        parts.push(Cow::Borrowed(row.key.as_bytes()));
        parts.push(Cow::Owned(row.fields.len().to_be_bytes().to_vec()));
        for (name, value) in &row.fields {
            parts.push(Cow::Borrowed(name.as_bytes()));
            match value {
                FieldValue::Codes(codes) => {
                    // Several texts, and how many: never one text with commas in it.
                    parts.push(Cow::Owned(codes.len().to_be_bytes().to_vec()));
                    parts.extend(codes.iter().map(|code| Cow::Borrowed(code.as_bytes())));
                }
                FieldValue::Text(text) | FieldValue::Code(text) => {
                    parts.push(Cow::Borrowed(b"="));
                    parts.push(Cow::Borrowed(text.as_bytes()));
                }
                FieldValue::Amount(_) | FieldValue::Date(_) => {
                    parts.push(Cow::Borrowed(b"="));
                    parts.push(Cow::Owned(value.to_string().into_bytes()));
                }
            }
        }
    }
    Digest::of_parts(parts.iter().map(AsRef::as_ref))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use canonical::values::Importo;

    use super::*;

    fn row(key: &str, value: FieldValue) -> Row {
        Row::new(key).with("campo", Some(value))
    }

    fn codes(codes: &[&str]) -> FieldValue {
        FieldValue::Codes(codes.iter().map(ToString::to_string).collect::<BTreeSet<_>>())
    }

    fn code(code: &str) -> FieldValue {
        FieldValue::Code(code.to_owned())
    }

    #[test]
    fn what_is_written_counts_and_the_order_of_the_rows_does_not() {
        let [a, b] = [row("a", code("1")), row("b", code("2"))];
        let digest = rows_digest(&[a.clone(), b.clone()]);
        assert_eq!(digest, rows_digest(&[b.clone(), a.clone()]));
        assert_ne!(digest, rows_digest(std::slice::from_ref(&a)));
        assert_ne!(digest, rows_digest(&[a.clone(), row("b", code("3"))]));
        assert_ne!(digest, rows_digest(&[a, Row::new("b")]));
        let amount = FieldValue::Amount(Importo::from_cents(68_300_000));
        assert_eq!(rows_digest(&[row("a", code(&amount.to_string()))]), rows_digest(&[row("a", amount)]));
    }

    #[test]
    fn where_a_value_ends_makes_a_difference() {
        assert_ne!(rows_digest(&[row("a", codes(&["1", "2"]))]), rows_digest(&[row("a", code("1,2"))]));
        assert_ne!(rows_digest(&[row("a", codes(&["1", "2"]))]), rows_digest(&[row("a", codes(&["12"]))]));
        assert_ne!(rows_digest(&[row("ab", code("c"))]), rows_digest(&[row("a", code("bc"))]));
        assert_ne!(rows_digest(&[row("a", codes(&[]))]), rows_digest(&[row("a", code(""))]));
    }

    #[test]
    fn a_range_begins_after_its_first_key_and_ends_with_its_last() {
        let key = |key: &str| UnitKey(key.to_owned());
        let range = KeyRange { after: Some(key("b")), up_to: Some(key("d")) };
        let within: Vec<_> = ["a", "b", "c", "d", "e"].into_iter().filter(|one| range.contains(&key(one))).collect();
        assert_eq!(within, ["c", "d"]);
        assert!(KeyRange::default().contains(&key("")));
    }
}

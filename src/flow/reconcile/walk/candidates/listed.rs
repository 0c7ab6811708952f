//! A range of theirs as they list it, page after page. Each page is held against what it says of
//! itself, and the whole against what was told of the range in few words: whoever tells one thing and
//! lists another is not read. Pure.

use canonical::Digest;
use canonical::values::UtcInstant;
use contract::{DigestPage, KeyRange, RangeDigest, UnitKey};

use crate::flow::reconcile::why;

/// Units, or pages, that are kept until their range is known to be what was told: of a longer one, a part.
const KEPT: usize = 8_192;

/// The units of one page, in order.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) units: Vec<(UnitKey, Digest)>,
    /// The part of the range that it speaks of.
    pub(super) keys: KeyRange,
    /// When it was asked for.
    pub(super) asked: UtcInstant,
}

/// A range, as far as it was listed.
#[derive(Debug)]
pub(super) struct Listed {
    keys: KeyRange,
    pieces: Vec<Piece>,
    units: usize,
    /// After which key the next page begins; none before the first and after the last.
    next: Option<UnitKey>,
    /// How many units must follow, where they said so.
    rest: Option<u64>,
    /// What the first page that says it says of the range from there on: after so many units.
    announced: Option<(usize, RangeDigest)>,
}

impl Listed {
    /// Nothing yet. How many units the range has is known where an earlier part said it.
    pub(super) fn of(keys: KeyRange, rest: Option<u64>) -> Self {
        Self { keys, pieces: Vec::new(), units: 0, next: None, rest, announced: None }
    }

    /// What is to be asked for next; none when the range was listed to its end, or as far as it is kept.
    pub(super) fn wanted(&self) -> Option<KeyRange> {
        match (&self.next, self.pieces.is_empty()) {
            (None, true) => Some(self.keys.clone()),
            (Some(next), _) if self.units.max(self.pieces.len()) < KEPT => Some(self.after(next)),
            _ => None,
        }
    }

    /// What was listed, and what was not: none when all was.
    pub(super) fn parts(&self) -> (KeyRange, Option<KeyRange>) {
        match &self.next {
            Some(next) => {
                let first = KeyRange { after: self.keys.after.clone(), up_to: Some(next.clone()) };
                (first, Some(self.after(next)))
            }
            None => (self.keys.clone(), None),
        }
    }

    /// How many units must follow, where they said so.
    pub(super) fn rest(&self) -> Option<u64> {
        self.rest
    }

    /// The pages.
    pub(super) fn into_pieces(self) -> Vec<Piece> {
        self.pieces
    }

    /// Takes the page that was asked for: in order, and as many units as were announced.
    pub(super) fn take(&mut self, page: DigestPage, asked: UtcInstant) -> Result<(), &'static str> {
        let after = self.next.take().or_else(|| self.keys.after.clone());
        let keys = after.iter().chain(page.units.iter().map(|unit| &unit.key));
        let next_is_behind = page.next.as_ref().is_some_and(|next| {
            after.as_ref().is_some_and(|after| next <= after) || page.units.last().is_some_and(|last| *next < last.key)
        });
        if !keys.is_sorted_by(|one, next| one < next) || next_is_behind {
            return Err(why::NOT_IN_ORDER);
        }
        let next = page.next.filter(|next| self.keys.up_to.as_ref().is_none_or(|up_to| next < up_to));
        let keys = KeyRange { after, up_to: next.clone().or_else(|| self.keys.up_to.clone()) };
        let units: Vec<_> = page.units.into_iter().filter(|unit| keys.is_before_end(&unit.key)).collect();
        let count = units.len() as u64;
        if let Some(whole) = page.whole {
            let is_another = self.rest.is_some_and(|rest| rest != whole.units);
            let is_whole = if next.is_some() { count <= whole.units } else { count == whole.units };
            if is_another || !is_whole {
                return Err(why::NOT_WHOLE);
            }
            self.announced.get_or_insert((self.units, whole));
        } else if next.is_none() && self.rest.is_some_and(|rest| rest != count) {
            return Err(why::NOT_WHOLE);
        }
        let rest = page.whole.map(|whole| whole.units).or(self.rest);
        self.rest = rest.map(|rest| rest.saturating_sub(count));
        self.units += units.len();
        self.next = next;
        let units = units.into_iter().map(|unit| (unit.key, unit.digest)).collect();
        self.pieces.push(Piece { units, keys, asked });
        Ok(())
    }

    /// Whether what was listed is what was told of it, by the page that announced it and in few words.
    pub(super) fn agrees_with(&self, told: Option<RangeDigest>) -> Result<(), &'static str> {
        let announced = self.announced.filter(|_| self.next.is_none());
        let is_same = |(before, said): (usize, RangeDigest)| self.sum(before) == said;
        if announced.is_none_or(is_same) && told.is_none_or(|told| is_same((0, told))) {
            Ok(())
        } else {
            Err(why::NOT_AS_TOLD)
        }
    }

    fn after(&self, next: &UnitKey) -> KeyRange {
        KeyRange { after: Some(next.clone()), up_to: self.keys.up_to.clone() }
    }

    /// The units after the first ones, in few words.
    fn sum(&self, before: usize) -> RangeDigest {
        let units = self.pieces.iter().flat_map(|piece| &piece.units).skip(before);
        RangeDigest::of(units.map(|(key, digest)| (key, digest)))
    }
}

#[cfg(test)]
mod tests {
    use contract::UnitDigest;

    use super::*;

    fn key(key: &str) -> UnitKey {
        UnitKey(key.to_owned())
    }

    fn digest(name: &str) -> Digest {
        Digest::of(name.as_bytes())
    }

    fn sum(keys: &[&str]) -> RangeDigest {
        let units: Vec<_> = keys.iter().map(|name| (key(name), digest(name))).collect();
        RangeDigest::of(units.iter().map(|(key, digest)| (key, digest)))
    }

    fn page(keys: &[&str], next: Option<&str>, whole: Option<&[&str]>) -> DigestPage {
        let units = keys.iter().map(|name| UnitDigest { key: key(name), digest: digest(name) }).collect();
        DigestPage { units, next: next.map(key), whole: whole.map(sum) }
    }

    fn now() -> UtcInstant {
        UtcInstant::parse("2026-11-20T08:00:00Z").unwrap()
    }

    /// Lists a range in these pages; how many units it has, when it is what was told.
    fn list(
        range: (Option<&str>, Option<&str>),
        pages: impl IntoIterator<Item = DigestPage>,
        told: Option<&[&str]>,
    ) -> Result<usize, &'static str> {
        let mut listed = Listed::of(KeyRange { after: range.0.map(key), up_to: range.1.map(key) }, None);
        for page in pages {
            assert!(listed.wanted().is_some(), "more is given than was asked for");
            listed.take(page, now())?;
        }
        assert_eq!((listed.wanted(), listed.parts().1), (None, None), "the last page");
        listed.agrees_with(told.map(sum))?;
        Ok(listed.into_pieces().iter().map(|piece| piece.units.len()).sum())
    }

    const ALL: (Option<&str>, Option<&str>) = (None, None);

    #[test]
    fn what_was_listed_is_held_against_what_was_announced() {
        assert_eq!(list(ALL, [page(&["a", "b"], None, Some(&["a", "b"]))], None), Ok(2));
        assert_eq!(list(ALL, [page(&["a", "b"], None, None)], None), Ok(2), "a system that only lists");
        let beyond = page(&["b", "c", "d"], None, Some(&["b", "c"]));
        assert_eq!(list((Some("a"), Some("c")), [beyond], None), Ok(2));
        assert_eq!(list(ALL, [page(&["a"], None, Some(&["a", "b"]))], None), Err(why::NOT_WHOLE));
        assert_eq!(list(ALL, [page(&["a", "b"], None, Some(&["a", "c"]))], None), Err(why::NOT_AS_TOLD));
        let two = |last: &[&str], whole: Option<&[&str]>| {
            [page(&["a", "b"], Some("b"), Some(&["a", "b", "c"])), page(last, None, whole)]
        };
        assert_eq!(list(ALL, two(&["c"], Some(&["c"])), None), Ok(3));
        assert_eq!(list(ALL, two(&["c"], None), None), Ok(3), "a page that says nothing of itself");
        assert_eq!(list(ALL, two(&["c", "d"], Some(&["c", "d"])), None), Err(why::NOT_WHOLE));
        assert_eq!(list(ALL, two(&[], None), None), Err(why::NOT_WHOLE), "one was left out at the end");
        assert_eq!(list(ALL, two(&["d"], Some(&["d"])), None), Err(why::NOT_AS_TOLD), "another one in its place");
    }

    #[test]
    fn what_was_told_of_a_range_before_is_held_against_all_its_pages() {
        let pages = || [page(&["a", "b"], Some("b"), None), page(&["c"], None, None)];
        assert_eq!(list(ALL, pages(), Some(&["a", "b", "c"])), Ok(3));
        assert_eq!(list(ALL, pages(), Some(&["a", "b"])), Err(why::NOT_AS_TOLD));
        assert_eq!(list(ALL, pages(), Some(&["a", "b", "d"])), Err(why::NOT_AS_TOLD));
        let page = page(&["a"], None, Some(&["a"]));
        assert_eq!(list(ALL, [page], Some(&["b"])), Err(why::NOT_AS_TOLD), "what is told twice must be the same");
    }

    #[test]
    fn a_list_that_goes_back_is_no_list() {
        let first = |page: DigestPage, after: Option<&str>| {
            Listed::of(KeyRange { after: after.map(key), up_to: None }, None).take(page, now())
        };
        let disorder = Err(why::NOT_IN_ORDER);
        assert_eq!(first(page(&["b", "a"], None, None), None), disorder);
        assert_eq!(first(page(&["a", "a"], None, None), None), disorder);
        assert_eq!(first(page(&["a"], None, None), Some("a")), disorder);
        assert_eq!(first(page(&["a", "b"], Some("a"), None), None), disorder);
        assert_eq!(first(page(&[], Some("a"), None), Some("a")), disorder, "it would never end");
    }

    #[test]
    fn of_a_range_without_end_only_a_part_is_kept() {
        let names: Vec<_> = (0..KEPT).map(|number| format!("{number:05}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut listed = Listed::of(KeyRange::default(), None);
        listed.take(page(&names, names.last().copied(), None), now()).unwrap();
        assert_eq!(listed.wanted(), None);
        let last = names.last().map(|last| key(last));
        let (first, rest) = listed.parts();
        assert_eq!((first.up_to, rest), (last.clone(), Some(KeyRange { after: last, up_to: None })));
        assert_eq!(listed.agrees_with(Some(sum(&names))), Ok(()));
        assert_eq!(listed.agrees_with(Some(sum(&names[1..]))), Err(why::NOT_AS_TOLD));
    }
}

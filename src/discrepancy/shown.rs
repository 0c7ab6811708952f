//! What people may see of a discrepancy: everything but persons. Values are compared as they are and
//! kept without names and personal codes; a digest tells whether what is hidden has changed.
//!
//! Every page, list, report and log takes texts from here. Keys stay whole inside, because units are
//! found again by them, and are cleaned on their way to people.

use std::borrow::Cow;

use canonical::Digest;
use canonical::identifiers::without_personal_codes;

use super::{Discrepancy, WorkItem};

/// What stands in place of a personal code or name.
pub const OMITTED: &str = "[omesso]";

/// A text without personal codes.
pub fn shown(text: &str) -> Cow<'_, str> {
    without_personal_codes(text, OMITTED)
}

/// A value without personal codes, or without anything where it is a person as a whole; and, where
/// something is hidden, the digest of what it really says.
pub fn said(value: &str, is_person: bool) -> (String, Option<Digest>) {
    let digest = || Some(Digest::of(value.as_bytes()));
    if is_person {
        return (OMITTED.to_owned(), digest());
    }
    match shown(value) {
        Cow::Borrowed(value) => (value.to_owned(), None),
        Cow::Owned(shown) => (shown, digest()),
    }
}

impl Discrepancy {
    /// The same without any personal code: in its place, its keys and its values.
    #[must_use]
    pub fn for_people(&self) -> Self {
        let mut shown = self.clone();
        for text in [&mut shown.unit, &mut shown.row] {
            clean(text);
        }
        for value in shown.sides.iter_mut().filter_map(|side| side.value.as_mut()) {
            clean(value);
        }
        shown
    }
}

impl WorkItem {
    /// The same without any personal code.
    #[must_use]
    pub fn for_people(&self) -> Self {
        Self { discrepancy: self.discrepancy.for_people(), ..self.clone() }
    }
}

fn clean(text: &mut String) {
    if let Cow::Owned(shown) = shown(text) {
        *text = shown;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_told_apart_and_what_is_not_needs_no_digest() {
        let (one, first) = said("RSSMRA85T10A562S", false);
        let (other, second) = said("VRDLGI60A01H501R, 80098765433", false);
        assert_eq!((one.as_str(), other.as_str()), (OMITTED, "[omesso], 80098765433"));
        assert!(first.is_some() && second.is_some() && first != second);
        assert_eq!(said("638000.00", false), ("638000.00".to_owned(), None));
        let (name, digest) = said("Anna Bianchi", true);
        assert!(name == OMITTED && digest.is_some() && digest != said("Ugo Bianchi", true).1);
    }
}

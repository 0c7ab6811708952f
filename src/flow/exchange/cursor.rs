//! Cursors: where the next page begins, opaque to whoever holds them.
//!
//! A cursor says its version, what it was made for, a position and a check of all that: one that was
//! changed, or made for another question, is refused. It gives no right: whose records somebody may
//! see is asked anew with every page.

use canonical::identifiers::CodiceFiscale;
use kit::jose::{base64url, from_base64url};
use xxhash_rust::xxh3::xxh3_64;

use crate::storage::exchange::{Position, Scope};
use crate::storage::{Exchange, StorageError};

/// The question of the feed, which has no filter.
pub(crate) const CHANGES: &str = "changes";

const VERSION: u8 = 1;
/// Version, position, anchor, text; then the check.
const HEAD: usize = 1 + 8 + 4;
const CHECK: usize = 8;
/// The longest text in a cursor: a CIG.
const LONGEST: usize = 32;

/// What stands in a cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) position: Position,
    pub(crate) text: String,
}

impl From<Position> for Cursor {
    fn from(position: Position) -> Self {
        Self { position, text: String::new() }
    }
}

impl Cursor {
    /// As it leaves, for a question.
    pub(crate) fn write(&self, question: &str) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(self.position.version.to_be_bytes());
        bytes.extend(self.position.anchor);
        bytes.extend(self.text.as_bytes());
        bytes.extend(check(&bytes, question));
        base64url(&bytes)
    }

    /// As it came back, for the same question.
    pub(crate) fn read(text: &str, question: &str) -> Option<Self> {
        if text.len() > 2 * (HEAD + CHECK + LONGEST) {
            return None;
        }
        let bytes = from_base64url(text)?;
        let (said, checked) = bytes.split_last_chunk::<CHECK>()?;
        let (&[VERSION, ref rest @ ..], true) = (said, *checked == check(said, question)) else { return None };
        let (version, rest) = rest.split_first_chunk::<8>()?;
        let (anchor, text) = rest.split_first_chunk::<4>()?;
        let version = i64::from_be_bytes(*version);
        let text = std::str::from_utf8(text).ok()?.to_owned();
        (version >= 0).then_some(Self { position: Position { version, anchor: *anchor }, text })
    }
}

/// Of which bodies the feed speaks to somebody, in a few signs. When one more is among them, its older
/// versions lie behind every cursor: they would be missed, so the feed is read anew.
pub(crate) async fn seen(store: &(impl Exchange + ?Sized), scope: &Scope) -> Result<String, StorageError> {
    if scope.everything {
        return Ok("E".to_owned());
    }
    let bodies = store.bodies(scope).await?;
    let bodies: Vec<_> = bodies.iter().map(CodiceFiscale::as_str).collect();
    Ok(format!("{:016X}", xxh3_64(bodies.join(",").as_bytes())))
}

fn check(said: &[u8], question: &str) -> [u8; CHECK] {
    let mut all = said.to_vec();
    all.extend(question.as_bytes());
    xxh3_64(&all).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_comes_back_as_it_left_and_only_for_its_question(
            version in 0..i64::MAX, anchor: [u8; 4], text in "[A-Z0-9]{0,10}",
        ) {
            let cursor = Cursor { position: Position { version, anchor }, text };
            let written = cursor.write("changes");
            prop_assert_eq!(Cursor::read(&written, "changes"), Some(cursor));
            prop_assert_eq!(Cursor::read(&written, "records?kind=lotto"), None);
        }

        #[test]
        fn a_changed_cursor_is_none(place in 0usize..28, by in 1u8..63) {
            const SIGNS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let written = Cursor::from(Position { version: 77, anchor: [1, 2, 3, 4] }).write("changes");
            let mut bytes = written.clone().into_bytes();
            let old = SIGNS.iter().position(|sign| *sign == bytes[place]).unwrap();
            bytes[place] = SIGNS[(old + usize::from(by)) % 64];
            prop_assert_eq!(Cursor::read(std::str::from_utf8(&bytes).unwrap(), "changes"), None);
        }

        #[test]
        fn any_text_is_read_without_panic(text in ".{0,200}") {
            let _ = Cursor::read(&text, "changes");
        }
    }
}

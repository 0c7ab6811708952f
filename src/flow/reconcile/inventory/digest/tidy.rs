//! A text as it is compared. Most texts are tidy already, and seeing that is all that they cost.

use std::borrow::Cow;

use canonical::values::text::read_text;

/// The text as it is compared; none when there is nothing.
pub(super) fn tidy(text: &str) -> Option<Cow<'_, str>> {
    if !is_plain(text.as_bytes()) {
        return read_text(text).value.map(Cow::Owned);
    }
    let text = text.trim_matches(' ');
    if doubled_blank(text.as_bytes()).is_some() {
        let mut tidy = Vec::with_capacity(text.len());
        push_single_blanks(text.as_bytes(), &mut tidy);
        return String::from_utf8(tidy).ok().map(Cow::Owned);
    }
    (!text.is_empty()).then_some(Cow::Borrowed(text))
}

/// Adds what [`tidy`] gives; the length of it.
pub(super) fn push_tidy(text: &str, buffer: &mut Vec<u8>) -> usize {
    let before = buffer.len();
    if is_plain(text.as_bytes()) {
        push_single_blanks(without_blanks_around(text.as_bytes()), buffer);
    } else if let Some(text) = read_text(text).value {
        buffer.extend_from_slice(text.as_bytes());
    }
    buffer.len() - before
}

fn without_blanks_around(mut text: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' '] = text {
        text = rest;
    }
    text
}

fn push_single_blanks(text: &[u8], buffer: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(doubled) = doubled_blank(rest) {
        buffer.extend_from_slice(&rest[..=doubled]);
        rest = &rest[doubled + 1..];
        while let [b' ', after @ ..] = rest {
            rest = after;
        }
    }
    buffer.extend_from_slice(rest);
}

/// Eight bytes as a number, looked at together.
mod word {
    pub(super) const ONES: u64 = u64::from_le_bytes([1; 8]);
    /// The mark of a byte is its highest bit.
    pub(super) const MARKS: u64 = ONES << 7;

    /// Marks the bytes that are this one. The lowest mark is right; above it some may be too many.
    #[inline]
    pub(super) fn marks(word: u64, byte: u8) -> u64 {
        let zero_where_same = word ^ (ONES * u64::from(byte));
        zero_where_same.wrapping_sub(ONES) & !zero_where_same & MARKS
    }
}

/// True where reading changes nothing but blanks: printable ASCII without entities, and the letters
/// from U+00C0 to U+017F, which NFC leaves alone.
fn is_plain(text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks::<8>();
    let are_plain = |bytes: &[u8]| bytes.iter().all(|byte| is_plain_byte(*byte));
    words.iter().all(|bytes| {
        let word = u64::from_le_bytes(*bytes);
        let controls = word.wrapping_sub(word::ONES * u64::from(b' ')) & word::MARKS;
        let others = controls | word::marks(word, b'&') | word::marks(word, 0x7f) | (word & word::MARKS);
        others == 0 || are_plain(bytes)
    }) && are_plain(rest)
}

#[inline]
fn is_plain_byte(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | 0x80..=0xbf | 0xc3..=0xc5) && byte != b'&'
}

/// Where the first blank stands that another one follows.
fn doubled_blank(text: &[u8]) -> Option<usize> {
    let (words, _) = text.as_chunks::<8>();
    let mut before = 0;
    for (number, bytes) in words.iter().enumerate() {
        let blanks = word::marks(u64::from_le_bytes(*bytes), b' ');
        if blanks & (blanks << 8 | before) != 0 {
            // A mark may be one too many: the bytes themselves say.
            let from = (number * 8).saturating_sub(1);
            return first_doubled(&text[from..]).map(|position| from + position);
        }
        before = blanks >> 56;
    }
    let from = (words.len() * 8).saturating_sub(1);
    first_doubled(&text[from..]).map(|position| from + position)
}

fn first_doubled(text: &[u8]) -> Option<usize> {
    text.windows(2).position(|pair| pair == b"  ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn received() -> impl Strategy<Value = String> {
        prop_oneof![
            "[ -~]{0,50}",
            "[a-cà ]{0,50}",
            "[a-z]{10,40}[ ]{0,3}[a-z]{0,20}[ ]{0,3}",
            "[À-ſ ¿\u{300}]{0,20}",
            Just("citt&agrave;".to_owned()),
            Just("a\u{0}\u{a0} b".to_owned()),
            any::<String>(),
        ]
    }

    proptest! {
        #[test]
        fn a_tidy_text_is_what_reading_gives_back(text in received()) {
            let read = read_text(&text).value;
            let mut pushed = b"before".to_vec();
            let length = push_tidy(&text, &mut pushed);
            prop_assert_eq!(&pushed[6..], read.as_deref().unwrap_or_default().as_bytes());
            prop_assert_eq!(length, pushed.len() - 6);
            prop_assert_eq!(tidy(&text).map(Cow::into_owned), read);
        }
    }
}

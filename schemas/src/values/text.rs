//! Texts written by people: objects, names, descriptions.
//!
//! Received texts carry the scars of the systems they crossed: HTML entities, also doubled;
//! bytes of Windows-1252 taken for control characters; `¿` where an apostrophe was.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::{Note, Reading};

/// How many times an entity may have been escaped again: `&amp;amp;egrave;` has two.
const MOST_ESCAPES: usize = 3;

/// Reads a text: NFC, single blanks, entities resolved, control characters removed.
///
/// ```
/// use canonical::values::{Note, text::read_text};
///
/// let reading = read_text("Qualit&amp;agrave;  dell¿aria");
/// assert_eq!(reading.value.as_deref(), Some("Qualità dell'aria"));
/// assert_eq!(reading.note, Some(Note::TextRepaired));
/// ```
pub fn read_text(text: &str) -> Reading<String> {
    let without_entities = resolve_entities(text);
    let (tidy, was_repaired) = tidy(&without_entities);
    if tidy.is_empty() {
        return Reading::absent();
    }
    let value = if is_nfc(&tidy) { tidy } else { tidy.nfc().collect() };
    let note = if was_repaired || matches!(without_entities, Cow::Owned(_)) {
        Some(Note::TextRepaired)
    } else {
        (value != text).then_some(Note::Trimmed)
    };
    Reading { value: Some(value), note }
}

/// True when the text holds an HTML entity: named, decimal or hexadecimal, with its semicolon.
pub fn has_html_entity(text: &str) -> bool {
    matches!(html_escape::decode_html_entities(text), Cow::Owned(_))
}

fn resolve_entities(text: &str) -> Cow<'_, str> {
    let mut resolved = Cow::Borrowed(text);
    for _ in 0..MOST_ESCAPES {
        if !resolved.contains('&') {
            break;
        }
        match html_escape::decode_html_entities(resolved.as_ref()) {
            Cow::Borrowed(_) => break,
            Cow::Owned(text) => resolved = Cow::Owned(text),
        }
    }
    resolved
}

/// Blanks, control characters and apostrophes; true when more than blanks was changed.
fn tidy(text: &str) -> (String, bool) {
    let mut tidy = String::with_capacity(text.len());
    let mut was_repaired = false;
    let mut blank_is_due = false;
    for received in text.chars() {
        if received.is_whitespace() && received != '\u{85}' {
            blank_is_due = !tidy.is_empty();
            continue;
        }
        let character = match received {
            '\u{80}'..='\u{9f}' => windows_1252(received),
            '¿' if !blank_is_due && tidy.ends_with(char::is_alphabetic) => Some('\''),
            _ if received.is_control() || matches!(received, '\u{feff}' | '\u{fffe}') => None,
            _ => Some(received),
        };
        was_repaired |= character != Some(received);
        if let Some(character) = character {
            if blank_is_due {
                tidy.push(' ');
                blank_is_due = false;
            }
            tidy.push(character);
        }
    }
    (tidy, was_repaired)
}

/// What a byte of Windows-1252 meant, when it was taken for a control character of Unicode.
fn windows_1252(control: char) -> Option<char> {
    const MEANINGS: [Option<char>; 32] = [
        Some('€'),
        None,
        Some('‚'),
        Some('ƒ'),
        Some('„'),
        Some('…'),
        Some('†'),
        Some('‡'),
        Some('ˆ'),
        Some('‰'),
        Some('Š'),
        Some('‹'),
        Some('Œ'),
        None,
        Some('Ž'),
        None,
        None,
        Some('‘'),
        Some('’'),
        Some('“'),
        Some('”'),
        Some('•'),
        Some('–'),
        Some('—'),
        Some('˜'),
        Some('™'),
        Some('š'),
        Some('›'),
        Some('œ'),
        None,
        Some('ž'),
        Some('Ÿ'),
    ];
    let index = u32::from(control).checked_sub(0x80)?;
    MEANINGS.get(usize::try_from(index).ok()?).copied().flatten()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("Servizio di pulizia", "Servizio di pulizia", None)]
    #[case("  Servizio \t di\u{a0}pulizia\r\n", "Servizio di pulizia", Some(Note::Trimmed))]
    #[case("citta\u{300}", "città", Some(Note::Trimmed))]
    #[case("citt&agrave;", "città", Some(Note::TextRepaired))]
    #[case("citt&amp;agrave;", "città", Some(Note::TextRepaired))]
    #[case("citt&#224; &#xE8;", "città è", Some(Note::TextRepaired))]
    #[case("a&nbsp;&nbsp;b", "a b", Some(Note::TextRepaired))]
    #[case("dell¿impianto", "dell'impianto", Some(Note::TextRepaired))]
    #[case("dell\u{92}impianto", "dell’impianto", Some(Note::TextRepaired))]
    #[case("dell&#146;impianto", "dell’impianto", Some(Note::TextRepaired))]
    #[case("a\u{0}b\u{7}c", "abc", Some(Note::TextRepaired))]
    #[case("a \u{0} b", "a b", Some(Note::TextRepaired))]
    #[case("ROSSI & FIGLI; R&D", "ROSSI & FIGLI; R&D", None)]
    #[case("¿Que?", "¿Que?", None)]
    fn a_received_text_is_tidied(#[case] text: &str, #[case] tidy: &str, #[case] note: Option<Note>) {
        assert_eq!(read_text(text), Reading { value: Some(tidy.to_owned()), note });
    }

    #[rstest]
    #[case("")]
    #[case(" \n")]
    #[case("&nbsp;")]
    fn nothing_is_absent(#[case] text: &str) {
        assert_eq!(read_text(text), Reading::absent());
    }

    #[test]
    fn an_entity_needs_its_semicolon() {
        assert!(has_html_entity("l&#39;acqua") && has_html_entity("&egrave;"));
        assert!(!has_html_entity("ROSSI & FIGLI") && !has_html_entity("a&egrave b"));
        assert!(!has_html_entity("&nosuch;"));
    }
}

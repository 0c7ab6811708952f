//! What may be shown of a received text: little of it, and nothing when it names a person.

use std::borrow::Cow;

use canonical::identifiers::holds_personal_code;
use canonical::values::Note;
use canonical::{Finding, Rule};

/// How much of a text is shown, in characters.
const LONGEST_SHOWN: usize = 40;

/// The beginning of a text for a finding; none when the text holds the tax code of a person.
pub fn showable(text: &str) -> Option<String> {
    if holds_personal_code(text) {
        return None;
    }
    let mut shown: String = text
        .chars()
        .take(LONGEST_SHOWN)
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    if text.chars().nth(LONGEST_SHOWN).is_some() {
        shown.pop();
        shown.push('…');
    }
    Some(shown)
}

/// A name from a stranger, for the middle of a message.
pub fn shown(name: &str) -> Cow<'static, str> {
    showable(name).map_or(Cow::Borrowed("…"), Cow::Owned)
}

/// The finding that a note deserves, with the received text where it can name nobody.
///
/// A code that could not be read may be the code of a person that lost a character, or a name typed
/// in its column: the text of a malformed code is never shown, that of a repaired or masked one only
/// when it has no letters.
pub fn note_finding(note: Note, received: &str) -> Finding {
    let has_letters = received.chars().any(char::is_alphabetic);
    let is_hidden = match note {
        Note::Malformed | Note::CheckDigit => true,
        Note::ZeroPadded | Note::Masked => has_letters,
        _ => note.rule() == Rule::N04,
    };
    with_received(Finding::from(note), showable(received).filter(|_| !is_hidden))
}

/// The text of a CIG or of a CUP for a finding, whatever it turned out to be. None when it may be
/// something else: three letters in a row, as names and the codes of persons have, or no digit
/// beside its letters.
pub fn showable_code(text: &str) -> Option<String> {
    let letters: Vec<_> = text.chars().map(char::is_alphabetic).collect();
    let is_word = letters.windows(3).any(|three| three == [true; 3]);
    let has_digits = text.chars().any(|character| character.is_ascii_digit());
    if is_word || (letters.contains(&true) && !has_digits) { None } else { showable(text) }
}

/// The finding with the received text, if there is one to show.
pub fn with_received(finding: Finding, shown: Option<String>) -> Finding {
    match shown {
        Some(text) => finding.received(text),
        None => finding,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_may_be_a_person_is_not_shown() {
        for text in ["RSSMRA85T10A56", "RSSMRA85T10A562", "ROSSI MARIO", "00606750132"] {
            for note in [Note::Malformed, Note::CheckDigit] {
                let finding = note_finding(note, text);
                assert_eq!((finding.rule, finding.received), (Rule::N04, None), "{text}");
            }
        }
        assert_eq!(note_finding(Note::Masked, "ROSSI M****").received, None);
        assert_eq!(note_finding(Note::ZeroPadded, "606750131").received.as_deref(), Some("606750131"));
        assert_eq!(note_finding(Note::Masked, "****").received.as_deref(), Some("****"));
        assert_eq!(note_finding(Note::DateNotIso, "17/12/2019").received.as_deref(), Some("17/12/2019"));
    }

    #[test]
    fn a_cig_or_a_cup_is_shown_unless_it_looks_like_something_else() {
        for text in ["G13120000000001", "????", "B12C18000160001;B13C18000160001", "9424886DF6"] {
            assert_eq!(showable_code(text).as_deref(), Some(text));
        }
        for text in ["RSSMRA85T10A56", "RSS MRA 85T10 A56", "Rossi Mario", "LI WU", "ÀÈÌ1"] {
            assert_eq!(showable_code(text), None, "{text}");
        }
    }

    #[test]
    fn a_text_is_shown_up_to_forty_characters() {
        let forty = "à".repeat(40);
        assert_eq!(showable("12,5\n€"), Some("12,5 €".to_owned()));
        assert_eq!(showable(&forty).as_ref(), Some(&forty));
        let cut = showable(&format!("{forty}b")).unwrap();
        assert_eq!((cut.chars().count(), cut.ends_with("à…")), (40, true));
        assert_eq!(showable(&cut), Some(cut));
    }

    #[test]
    fn a_text_that_names_a_person_is_not_shown() {
        let after_the_cut = format!("{} RSS MRA 85T10 A562S", "x ".repeat(30));
        for text in ["RSSMRA85T10A562S", "rss\u{85}mra\n85t10-a562s", &after_the_cut] {
            assert_eq!((showable(text), shown(text)), (None, Cow::Borrowed("…")), "{text}");
        }
    }
}

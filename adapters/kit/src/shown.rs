//! What may be shown of a received text: little of it, and nothing when it names a person.

use std::borrow::Cow;

use canonical::identifiers::holds_personal_code;

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

#[cfg(test)]
mod tests {
    use super::*;

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

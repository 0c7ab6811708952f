//! Whether two names may be of one person: four eyes are four only when they are not.
//!
//! A name is a text. What a person can do to it without becoming somebody else is undone here: capitals,
//! accents, blanks and other signs, the order of name and surname, letters that only look like others.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Letters and digits of a name without accents, word by word.
fn words(name: &str) -> Vec<String> {
    let plain: String = name.nfkd().filter(|sign| !is_combining_mark(*sign)).collect();
    let plain = plain.to_lowercase();
    let mut words: Vec<String> =
        plain.split(|sign: char| !sign.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    words.sort();
    words
}

/// Whether every letter is one of the alphabet, under its accents: no letter of another alphabet that
/// looks the same, and nothing that cannot be seen.
pub(super) fn is_plain(name: &str) -> bool {
    let mut signs = name.nfkd().filter(|sign| !is_combining_mark(*sign));
    signs.all(|sign| sign.is_ascii() && !sign.is_ascii_control()) && !words(name).is_empty()
}

/// Whether two names may be of one person. A name that may be is not another.
pub(super) fn may_be_one(one: &str, other: &str) -> bool {
    let joined = |name: &str| {
        let plain: String = name.nfkd().filter(|sign| !is_combining_mark(*sign)).collect();
        plain.to_lowercase().chars().filter(|sign| sign.is_alphanumeric()).collect::<String>()
    };
    words(one) == words(other) || joined(one) == joined(other) || joined(one).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_under_another_spelling_is_one_person() {
        for other in
            ["anna rossi", " Anna  ROSSI", "Rossi Anna", "anna.rossi", "ＡＮＮＡ ＲＯＳＳＩ", "Ànna Róssi", "annarossi"]
        {
            assert!(may_be_one("Anna Rossi", other), "{other}");
        }
        for other in ["ugo", "Anna Russo", "uid 1000"] {
            assert!(!may_be_one("Anna Rossi", other), "{other}");
        }
        assert!(!may_be_one("uid 1000", "uid 1001"));
    }

    #[test]
    fn letters_that_only_look_like_ours_are_not_taken() {
        for name in ["arossi", "Anna Rossi", "uid 1000", "Nicolò", "m.rossi-2"] {
            assert!(is_plain(name), "{name}");
        }
        // A Cyrillic a, a blank without width, nothing at all.
        for name in ["\u{430}nna", "an\u{200b}na", "", " ", "\u{7}anna"] {
            assert!(!is_plain(name), "{name:?}");
        }
    }
}

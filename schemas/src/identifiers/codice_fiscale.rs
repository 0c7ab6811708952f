//! `CodiceFiscale`: the tax code of a body, a company or a person.
//!
//! The code of a person is personal data: `Debug` and [`CodiceFiscale::masked`] never show it.
//! `Display` and JSON give it in full, because that is what a delivery needs; logs use the others.

use std::fmt;

use crate::values::{Note, Reading};

use super::{ascii_text, eleven_digits, note_check_digit, read_tidied, zero_padded};

/// A tax code: eleven digits for bodies and companies, sixteen characters for persons.
///
/// A few persons hold a provisional code of eleven digits; it cannot be told from a company's.
///
/// ```
/// use canonical::identifiers::CodiceFiscale;
///
/// let person = CodiceFiscale::parse("RSSMRA85T10A562S")?;
/// assert!(person.is_person() && person.is_verified());
/// assert!(!format!("{person:?}").contains("RSSMRA"));
/// # Ok::<(), canonical::identifiers::CodiceFiscaleError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodiceFiscale {
    /// The characters, followed by NUL up to sixteen.
    characters: [u8; 16],
}

/// Why a text is not a tax code. The messages never repeat the text, which can be personal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodiceFiscaleError {
    /// The text has neither 11 nor 16 characters.
    #[error("a codice fiscale has 11 or 16 characters")]
    Length,
    /// The characters are not those of a tax code.
    #[error("the characters are not those of a codice fiscale")]
    Structure,
    /// The text is made of zeros.
    #[error("a codice fiscale of zeros belongs to nobody")]
    Zeros,
}

const MASK: &str = "****************";

impl CodiceFiscale {
    /// Accepts the canonical spelling only: eleven digits, or sixteen characters in upper case.
    /// In a person's code the letters `LMNPQRSTUV` may stand for digits (omocodia).
    pub fn parse(text: &str) -> Result<Self, CodiceFiscaleError> {
        let text = text.as_bytes();
        let has_structure = match text.len() {
            11 => eleven_digits::has_shape(text),
            16 => is_person_shape(text),
            _ => return Err(CodiceFiscaleError::Length),
        };
        if has_structure {
            let mut characters = [0; 16];
            characters[..text.len()].copy_from_slice(text);
            Ok(Self { characters })
        } else if text.iter().all(|digit| *digit == b'0') {
            Err(CodiceFiscaleError::Zeros)
        } else {
            Err(CodiceFiscaleError::Structure)
        }
    }

    /// Reads a received text: blanks, letter case and a `C.F.` before the code are undone, lost
    /// leading zeros are restored only when the check digit of the result is right. Asterisks
    /// stand for a masked person: there is no value, and that is not an error.
    pub fn read(text: &str) -> Reading<Self> {
        if let Ok(codice_fiscale) = Self::parse(text) {
            let canonical = Reading::canonical(codice_fiscale);
            return note_check_digit(canonical, |value| value.is_verified());
        }
        if text.contains('*') {
            return Reading::unreadable(Note::Masked);
        }
        let without_blanks: String = text.split_whitespace().collect();
        let code = without_prefix(&without_blanks);
        let padded = zero_padded::<11>(code)
            .and_then(|digits| Self::parse(ascii_text(&digits)).ok())
            .filter(|codice_fiscale| codice_fiscale.is_verified());
        if let Some(codice_fiscale) = padded {
            return Reading::adapted(codice_fiscale, Note::ZeroPadded);
        }
        let reading = read_tidied(code, Self::parse);
        let note = if reading.value.is_some() { Some(Note::Trimmed) } else { reading.note };
        note_check_digit(Reading { note, ..reading }, |value| value.is_verified())
    }

    /// True for the sixteen characters of a person.
    pub fn is_person(self) -> bool {
        self.characters[15] != 0
    }

    /// True when the check digit, or the control character of a person, is right.
    pub fn is_verified(self) -> bool {
        if self.is_person() {
            control_character(&self.characters[..15]) == self.characters[15]
        } else {
            eleven_digits::is_verified(&self.characters[..11])
        }
    }

    /// A text that is safe in a log: a person becomes asterisks, a body or company is itself.
    pub fn masked(&self) -> &str {
        if self.is_person() { MASK } else { self.as_str() }
    }

    /// The code as text, in full. Not for logs: see [`CodiceFiscale::masked`].
    pub fn as_str(&self) -> &str {
        let length = if self.is_person() { 16 } else { 11 };
        ascii_text(&self.characters[..length])
    }
}

impl fmt::Debug for CodiceFiscale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CodiceFiscale").field(&self.masked()).finish()
    }
}

identifier!(
    CodiceFiscale,
    CodiceFiscaleError,
    "^([0-9]{11}|[A-Z]{6}[0-9LMNP-V]{2}[ABCDEHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z])$",
    "Codice fiscale: undici cifre per enti e imprese, sedici caratteri per le persone (dato personale)."
);

/// Removes a `C.F.`, `CF:` or similar from a text without blanks. A code that begins with the
/// letters `CF` by itself is left alone, because it has the length of a person's code.
fn without_prefix(text: &str) -> &str {
    if text.len() == 16 && !text.contains(['.', ':']) {
        return text;
    }
    let mut rest = text;
    for letter in ['C', 'F'] {
        let Some(after) = rest.strip_prefix([letter, letter.to_ascii_lowercase()]) else {
            return text;
        };
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    rest.strip_prefix(':').unwrap_or(rest)
}

fn is_person_shape(text: &[u8]) -> bool {
    text.iter().enumerate().all(|(index, character)| match index {
        6 | 7 | 9 | 10 | 12..=14 => matches!(character, b'0'..=b'9' | b'L'..=b'N' | b'P'..=b'V'),
        8 => b"ABCDEHLMPRST".contains(character),
        _ => character.is_ascii_uppercase(),
    })
}

/// The control character of the first fifteen characters, from the decree of 23 December 1976.
fn control_character(characters: &[u8]) -> u8 {
    /// What a character is worth in an odd place, by its digit or by its letter's index.
    const ODD_PLACES: [u8; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let sum: u32 = characters
        .iter()
        .enumerate()
        .map(|(index, character)| {
            let rank = match character {
                b'0'..=b'9' => character - b'0',
                _ => character.wrapping_sub(b'A') % 26,
            };
            // Places count from one, so the first is odd.
            u32::from(if index % 2 == 0 { ODD_PLACES[usize::from(rank)] } else { rank })
        })
        .sum();
    b'A' + u8::try_from(sum % 26).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("RSSMRA85T10A562S", true)]
    #[case("80004650133", false)]
    #[case("00606750131", false)]
    fn a_published_code_is_verified(#[case] text: &str, #[case] is_person: bool) {
        let reading = CodiceFiscale::read(text);
        let codice_fiscale = reading.value.unwrap();
        assert!(codice_fiscale.is_verified());
        assert_eq!((codice_fiscale.is_person(), reading.note), (is_person, None));
        assert_eq!(codice_fiscale.to_string(), text);
    }

    #[rstest]
    #[case("C.F. 80004650133", "80004650133")]
    #[case("c.f.:80004650133", "80004650133")]
    #[case("CF80004650133", "80004650133")]
    #[case(" 800 046 501 33", "80004650133")]
    #[case("rssmra85t10a562s", "RSSMRA85T10A562S")]
    #[case("RSS MRA 85T10 A562S", "RSSMRA85T10A562S")]
    #[case("C.F. RSSMRA85T10A562S", "RSSMRA85T10A562S")]
    fn blanks_case_and_prefix_are_undone(#[case] text: &str, #[case] canonical: &str) {
        let expected = CodiceFiscale::parse(canonical).unwrap();
        assert_eq!(CodiceFiscale::read(text), Reading::adapted(expected, Note::Trimmed));
    }

    #[test]
    fn lost_zeros_are_restored_only_when_the_check_agrees() {
        let reading = CodiceFiscale::read("1894100302");
        assert_eq!(reading.value.unwrap().as_str(), "01894100302");
        assert_eq!(reading.note, Some(Note::ZeroPadded));
        assert_eq!(CodiceFiscale::read("1894100303"), Reading::unreadable(Note::Malformed));
    }

    #[rstest]
    #[case("****************")]
    #[case("  **** ")]
    fn asterisks_are_a_masked_person(#[case] text: &str) {
        assert_eq!(CodiceFiscale::read(text), Reading::unreadable(Note::Masked));
    }

    #[rstest]
    #[case("00000000000")]
    #[case("0")]
    #[case("GB123456789")]
    #[case("RSSMRA85F10A562S")]
    #[case("RSSMRA8OT10A562S")]
    fn a_malformed_code_is_refused(#[case] text: &str) {
        assert_eq!(CodiceFiscale::read(text), Reading::unreadable(Note::Malformed));
    }

    #[rstest]
    #[case("\u{a0} ")]
    #[case("C.F. ")]
    fn nothing_is_absent(#[case] text: &str) {
        assert_eq!(CodiceFiscale::read(text), Reading::absent());
    }

    #[test]
    fn a_wrong_control_character_is_kept_and_doubtful() {
        let reading = CodiceFiscale::read("RSSMRA85T10A562T");
        assert!(reading.value.is_some());
        assert_eq!(reading.note, Some(Note::CheckDigit));
    }

    #[test]
    fn debug_and_mask_never_show_a_person() {
        let person = CodiceFiscale::parse("RSSMRA85T10A562S").unwrap();
        assert_eq!(format!("{person:?}"), "CodiceFiscale(\"****************\")");
        assert_eq!(person.masked(), MASK);
        let body = CodiceFiscale::parse("80004650133").unwrap();
        assert_eq!(format!("{body:?}"), "CodiceFiscale(\"80004650133\")");
    }

    #[test]
    fn an_error_never_repeats_the_code() {
        let error = serde_json::from_str::<CodiceFiscale>("\"RSSMRA85T10A562\"").unwrap_err();
        assert!(!error.to_string().contains("RSSMRA"));
    }

    #[test]
    fn a_code_that_begins_with_cf_keeps_its_letters() {
        let mut characters = *b"CFRMRA85T10A562A";
        characters[15] = control_character(&characters[..15]);
        let text = ascii_text(&characters);
        assert_eq!(CodiceFiscale::read(&text.to_lowercase()).value.unwrap().as_str(), text);
    }

    proptest! {
        #[test]
        fn omocodia_keeps_the_code_verified_with_its_new_control_character(places in 0_usize..128) {
            let mut characters = *b"RSSMRA85T10A562S";
            for (bit, index) in [6, 7, 9, 10, 12, 13, 14].into_iter().enumerate() {
                if places >> bit & 1 == 1 {
                    characters[index] = b"LMNPQRSTUV"[usize::from(characters[index] - b'0')];
                }
            }
            characters[15] = control_character(&characters[..15]);
            let codice_fiscale = CodiceFiscale::parse(ascii_text(&characters)).unwrap();
            prop_assert!(codice_fiscale.is_verified());
        }

        #[test]
        fn any_other_control_character_is_doubtful(letter in b'A'..=b'Z') {
            let text = format!("RSSMRA85T10A562{}", char::from(letter));
            let codice_fiscale = CodiceFiscale::parse(&text).unwrap();
            prop_assert_eq!(codice_fiscale.is_verified(), letter == b'S');
        }
    }
}

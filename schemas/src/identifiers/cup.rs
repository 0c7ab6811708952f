//! `Cup`: the code of a public investment project. It has no public check digit.

use crate::values::Reading;

use super::{ascii_text, read_tidied};

/// The code of an investment project: a letter, two digits, a letter, eleven digits.
///
/// Projects and lots are many-to-many: a CUP alone never joins two records.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cup([u8; 15]);

/// Why a text is not a CUP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CupError {
    /// The text has another number of characters.
    #[error("a CUP has 15 characters")]
    Length,
    /// The letters and digits are not in their places.
    #[error("a CUP is a letter, two digits, a letter and eleven digits")]
    Structure,
}

impl Cup {
    /// Accepts the canonical spelling only: fifteen characters, upper case.
    pub fn parse(text: &str) -> Result<Self, CupError> {
        let characters: [u8; 15] = text.as_bytes().try_into().map_err(|_| CupError::Length)?;
        let has_structure = characters.iter().enumerate().all(|(index, character)| match index {
            0 | 3 => character.is_ascii_uppercase(),
            _ => character.is_ascii_digit(),
        });
        if has_structure { Ok(Self(characters)) } else { Err(CupError::Structure) }
    }

    /// Reads a received text: blanks around it and letter case are undone.
    pub fn read(text: &str) -> Reading<Self> {
        read_tidied(text, Self::parse)
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        ascii_text(&self.0)
    }
}

identifier!(Cup, CupError, "^[A-Z][0-9]{2}[A-Z][0-9]{11}$", "Codice unico di progetto: quindici caratteri.");
identifier_debug!(Cup);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::Note;

    #[test]
    fn a_cup_is_read_in_any_letter_case() {
        let cup = Cup::parse("F41B21000000001").unwrap();
        assert_eq!(Cup::read("F41B21000000001"), Reading::canonical(cup));
        assert_eq!(Cup::read(" f41b21000000001"), Reading::adapted(cup, Note::Trimmed));
    }

    #[test]
    fn a_cup_that_lost_a_character_is_malformed() {
        assert_eq!(Cup::parse("F41B2100000001"), Err(CupError::Length));
        assert_eq!(Cup::parse("F41021000000001"), Err(CupError::Structure));
        assert_eq!(Cup::read("F41B2100000001"), Reading::unreadable(Note::Malformed));
    }
}

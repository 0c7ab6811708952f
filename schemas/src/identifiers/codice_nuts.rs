//! `CodiceNuts`: the European code of a territory.

use crate::values::Reading;

use super::{ascii_text, read_tidied};

/// A NUTS code of level one to three: two letters of the country, then one to three characters.
///
/// The third level does not correspond to Italian Provinces one to one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodiceNuts {
    /// The characters, followed by NUL up to five.
    characters: [u8; 5],
}

/// Why a text is not a NUTS code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodiceNutsError {
    /// The text has fewer than three or more than five characters.
    #[error("a NUTS code has from 3 to 5 characters")]
    Length,
    /// The text does not begin with two letters, or holds something else than letters and digits.
    #[error("a NUTS code is two letters followed by letters and digits")]
    Structure,
}

impl CodiceNuts {
    /// Accepts the canonical spelling only: upper case.
    pub fn parse(text: &str) -> Result<Self, CodiceNutsError> {
        let text = text.as_bytes();
        if !(3..=5).contains(&text.len()) {
            return Err(CodiceNutsError::Length);
        }
        let has_structure = text
            .iter()
            .enumerate()
            .all(|(index, character)| character.is_ascii_uppercase() || (index > 1 && character.is_ascii_digit()));
        if !has_structure {
            return Err(CodiceNutsError::Structure);
        }
        let mut characters = [0; 5];
        characters[..text.len()].copy_from_slice(text);
        Ok(Self { characters })
    }

    /// Reads a received text: blanks around it and letter case are undone.
    pub fn read(text: &str) -> Reading<Self> {
        read_tidied(text, Self::parse)
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        let length = self.characters.iter().take_while(|character| **character != 0).count();
        ascii_text(&self.characters[..length])
    }
}

identifier!(
    CodiceNuts,
    CodiceNutsError,
    "^[A-Z]{2}[0-9A-Z]{1,3}$",
    "Codice NUTS del territorio: due lettere dello Stato e da uno a tre caratteri."
);
identifier_debug!(CodiceNuts);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::Note;

    #[test]
    fn every_level_below_the_country_is_read() {
        for text in ["ITG", "ITG1", "ITG13", "ITC4C"] {
            assert_eq!(CodiceNuts::read(text).value.unwrap().as_str(), text);
        }
        assert_eq!(CodiceNuts::read("itg13 ").note, Some(Note::Trimmed));
    }

    #[test]
    fn another_shape_is_malformed() {
        assert_eq!(CodiceNuts::parse("IT"), Err(CodiceNutsError::Length));
        assert_eq!(CodiceNuts::parse("1TG13"), Err(CodiceNutsError::Structure));
    }
}

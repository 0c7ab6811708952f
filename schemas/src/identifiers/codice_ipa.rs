//! `CodiceIpa`: the code of a body in the index of public administrations (IPA).

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use crate::values::{Note, Reading};

/// The code of a public body, `p_` and the plate for a Province.
///
/// It circulates in mixed case (`p_PU`, `p_pu`): two spellings are the same code, and the
/// received one is kept for display.
#[derive(Clone)]
pub struct CodiceIpa(Box<str>);

/// Why a text is not an IPA code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodiceIpaError {
    /// The text is empty or longer than twenty characters.
    #[error("an IPA code has from 1 to 20 characters")]
    Length,
    /// The text holds something else than letters, digits, `_` and `-`.
    #[error("an IPA code is made of letters, digits, underscores and hyphens")]
    Structure,
}

impl CodiceIpa {
    /// Accepts letters in either case, digits, underscores and hyphens.
    pub fn parse(text: &str) -> Result<Self, CodiceIpaError> {
        if !(1..=20).contains(&text.len()) {
            return Err(CodiceIpaError::Length);
        }
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if !text.bytes().all(is_allowed) {
            return Err(CodiceIpaError::Structure);
        }
        Ok(Self(text.into()))
    }

    /// Reads a received text: blanks around it are undone, letter case is kept.
    pub fn read(text: &str) -> Reading<Self> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Reading::absent();
        }
        match Self::parse(trimmed) {
            Ok(codice_ipa) if trimmed.len() == text.len() => Reading::canonical(codice_ipa),
            Ok(codice_ipa) => Reading::adapted(codice_ipa, Note::Trimmed),
            Err(_) => Reading::unreadable(Note::Malformed),
        }
    }

    /// The code as text, in the spelling it was received in.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn lower_case(&self) -> impl Iterator<Item = u8> {
        self.0.bytes().map(|byte| byte.to_ascii_lowercase())
    }
}

impl PartialEq for CodiceIpa {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for CodiceIpa {}

impl PartialOrd for CodiceIpa {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for CodiceIpa {
    fn cmp(&self, other: &Self) -> Ordering {
        self.lower_case().cmp(other.lower_case())
    }
}

impl Hash for CodiceIpa {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.lower_case().for_each(|byte| state.write_u8(byte));
        state.write_u8(0xff);
    }
}

identifier!(
    CodiceIpa,
    CodiceIpaError,
    "^[0-9A-Za-z_-]{1,20}$",
    "Codice dell'ente nell'Indice delle pubbliche amministrazioni; maiuscole e minuscole si equivalgono."
);
identifier_debug!(CodiceIpa);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn letter_case_is_kept_and_does_not_count() {
        let (mixed, lower) = (CodiceIpa::parse("p_PU").unwrap(), CodiceIpa::parse("p_pu").unwrap());
        assert_eq!(mixed, lower);
        assert_eq!(mixed.cmp(&lower), Ordering::Equal);
        assert_eq!(mixed.to_string(), "p_PU");
        assert_eq!(HashSet::from([mixed, lower]).len(), 1);
    }

    #[test]
    fn blanks_inside_are_malformed() {
        assert_eq!(CodiceIpa::read("p PU"), Reading::unreadable(Note::Malformed));
        assert_eq!(CodiceIpa::read(" p_PU").note, Some(Note::Trimmed));
    }
}

//! `Cui`: the code of an item of a triennial programme. It has no check digit of its own; the
//! tax code inside it has one.

use crate::values::Reading;

use super::{CodiceFiscale, read_tidied};

/// The code of a programme item: `L` (works), `F` (supplies), `S` (services) or `I` (property),
/// the tax code of the authority, the year and a progressive.
///
/// The progressive has five digits by decree; the publication service accepts up to nine.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cui(Box<str>);

/// Why a text is not a CUI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CuiError {
    /// The text has fewer than 21 or more than 25 characters.
    #[error("a CUI has from 21 to 25 characters")]
    Length,
    /// The letter is missing or the rest is not made of digits.
    #[error("a CUI is one of the letters L, F, S, I and digits")]
    Structure,
    /// Every digit is zero.
    #[error("a CUI of zeros names nothing")]
    Zeros,
}

impl Cui {
    /// Accepts the canonical spelling only: the letter in upper case and the digits.
    pub fn parse(text: &str) -> Result<Self, CuiError> {
        let [letter, digits @ ..] = text.as_bytes() else {
            return Err(CuiError::Length);
        };
        if !(20..=24).contains(&digits.len()) {
            return Err(CuiError::Length);
        }
        if !matches!(letter, b'L' | b'F' | b'S' | b'I') || !digits.iter().all(u8::is_ascii_digit) {
            return Err(CuiError::Structure);
        }
        if digits.iter().all(|digit| *digit == b'0') {
            return Err(CuiError::Zeros);
        }
        Ok(Self(text.into()))
    }

    /// Reads a received text: blanks around it and letter case are undone. Zeros alone, with or
    /// without the letter, are absent; a lost letter is never invented.
    pub fn read(text: &str) -> Reading<Self> {
        let reading = read_tidied(text, Self::parse);
        if reading.value.is_none() && is_zeros(text.trim()) {
            return Reading::absent();
        }
        reading
    }

    /// `L` works, `F` supplies, `S` services, `I` property.
    pub fn letter(&self) -> char {
        char::from(self.0.as_bytes()[0])
    }

    /// The tax code of the authority inside the code; none when that part is all zeros.
    pub fn codice_fiscale(&self) -> Option<CodiceFiscale> {
        CodiceFiscale::parse(&self.0[1..12]).ok()
    }

    /// The year of the programme in which the item first appeared.
    pub fn year(&self) -> u16 {
        self.0[12..16].parse().unwrap_or_default()
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

identifier!(
    Cui,
    CuiError,
    "^[LFSI][0-9]{20,24}$",
    "Codice unico di intervento della programmazione triennale: lettera, codice fiscale dell'ente, anno, progressivo."
);
identifier_debug!(Cui);

fn is_zeros(text: &str) -> bool {
    let digits = text.strip_prefix(['L', 'F', 'S', 'I', 'l', 'f', 's', 'i']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|digit| digit == b'0')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::values::Note;

    #[test]
    fn a_cui_names_authority_and_year() {
        let cui = Cui::read("L80004650133202400012").value.unwrap();
        assert_eq!(cui.codice_fiscale().unwrap().as_str(), "80004650133");
        assert_eq!((cui.letter(), cui.year()), ('L', 2024));
    }

    #[rstest]
    #[case("80004650133202400012")]
    #[case("01234567890123456789")]
    #[case("L80004650133-2024-00012")]
    #[case("L80004650133/2024/12")]
    #[case("X80004650133202400012")]
    #[case("à80004650133202400012")]
    fn a_letter_is_never_invented_and_separators_are_never_removed(#[case] text: &str) {
        assert_eq!(Cui::read(text), Reading::unreadable(Note::Malformed));
    }

    #[rstest]
    #[case("00000000000000000000")]
    #[case("L00000000000000000000")]
    #[case("")]
    fn zeros_are_absent(#[case] text: &str) {
        assert_eq!(Cui::read(text), Reading::absent());
    }

    #[test]
    fn an_authority_of_zeros_is_absent() {
        let cui = Cui::parse("S00000000000202400012").unwrap();
        assert_eq!(cui.codice_fiscale(), None);
    }
}

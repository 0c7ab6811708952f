//! `CodiceIstat`: the code of a territory given by the national statistics institute.

use crate::values::Reading;

use super::{ascii_text, read_tidied};

/// The code of a supra-municipal unit (three digits) or of a municipality (six).
///
/// Codes change when territories do, as in Sardinia in 2026: one is good on a date only. Lost
/// leading zeros are not restored, because the length tells the two kinds apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodiceIstat {
    /// The digits, followed by NUL up to six.
    digits: [u8; 6],
}

/// Why a text is not an ISTAT code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodiceIstatError {
    /// The text is not made of three or six digits.
    #[error("an ISTAT code has 3 digits for a unit or 6 for a municipality")]
    Structure,
}

impl CodiceIstat {
    /// Accepts three or six digits.
    pub fn parse(text: &str) -> Result<Self, CodiceIstatError> {
        let text = text.as_bytes();
        if !matches!(text.len(), 3 | 6) || !text.iter().all(u8::is_ascii_digit) {
            return Err(CodiceIstatError::Structure);
        }
        let mut digits = [0; 6];
        digits[..text.len()].copy_from_slice(text);
        Ok(Self { digits })
    }

    /// Reads a received text: blanks around it are undone.
    pub fn read(text: &str) -> Reading<Self> {
        read_tidied(text, Self::parse)
    }

    /// True for the six digits of a municipality.
    pub fn is_municipality(self) -> bool {
        self.digits[5] != 0
    }

    /// The supra-municipal unit of this territory: itself, or the first three digits.
    #[must_use]
    pub fn unit(self) -> Self {
        let [first, second, third, ..] = self.digits;
        Self { digits: [first, second, third, 0, 0, 0] }
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        ascii_text(&self.digits[..if self.is_municipality() { 6 } else { 3 }])
    }
}

identifier!(
    CodiceIstat,
    CodiceIstatError,
    "^([0-9]{3}|[0-9]{6})$",
    "Codice ISTAT del territorio: tre cifre per l'unità sovracomunale, sei per il comune."
);
identifier_debug!(CodiceIstat);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::Note;

    #[test]
    fn a_municipality_lies_in_its_unit() {
        let messina = CodiceIstat::parse("083048").unwrap();
        assert!(messina.is_municipality());
        assert_eq!(messina.unit().as_str(), "083");
        assert_eq!(messina.unit().unit(), CodiceIstat::parse("083").unwrap());
    }

    #[test]
    fn lost_zeros_are_not_restored() {
        assert_eq!(CodiceIstat::read("83048"), Reading::unreadable(Note::Malformed));
    }
}

//! `PartitaIva`: the VAT number, eleven digits with a check digit.

use crate::values::{Note, Reading};

use super::{ascii_text, eleven_digits, note_check_digit, read_tidied, zero_padded};

/// A VAT number: eleven digits, leading zeros included.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitaIva([u8; 11]);

/// Why a text is not a VAT number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PartitaIvaError {
    /// The text is not made of eleven digits.
    #[error("a partita IVA has 11 digits")]
    Structure,
    /// The text is made of zeros.
    #[error("a partita IVA of zeros belongs to nobody")]
    Zeros,
}

impl PartitaIva {
    /// Accepts the canonical spelling only: eleven digits, not all zeros.
    pub fn parse(text: &str) -> Result<Self, PartitaIvaError> {
        let digits: [u8; 11] = text.as_bytes().try_into().map_err(|_| PartitaIvaError::Structure)?;
        if eleven_digits::has_shape(&digits) {
            Ok(Self(digits))
        } else if digits == [b'0'; 11] {
            Err(PartitaIvaError::Zeros)
        } else {
            Err(PartitaIvaError::Structure)
        }
    }

    /// Reads a received text. Lost leading zeros are restored only when the check digit of the
    /// result is right.
    pub fn read(text: &str) -> Reading<Self> {
        let padded = zero_padded::<11>(text.trim())
            .and_then(|digits| Self::parse(ascii_text(&digits)).ok())
            .filter(|partita_iva| partita_iva.is_verified());
        match padded {
            Some(partita_iva) => Reading::adapted(partita_iva, Note::ZeroPadded),
            None => note_check_digit(read_tidied(text, Self::parse), |value| value.is_verified()),
        }
    }

    /// True when the check digit is right.
    pub fn is_verified(self) -> bool {
        eleven_digits::is_verified(&self.0)
    }

    /// The number as text.
    pub fn as_str(&self) -> &str {
        ascii_text(&self.0)
    }
}

identifier!(PartitaIva, PartitaIvaError, "^[0-9]{11}$", "Partita IVA: undici cifre.");
identifier_debug!(PartitaIva);

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("00606750131")]
    #[case("01894100302")]
    fn a_published_partita_iva_is_verified(#[case] text: &str) {
        assert_eq!(PartitaIva::read(text), Reading::canonical(PartitaIva::parse(text).unwrap()));
    }

    #[test]
    fn lost_zeros_are_restored_when_the_check_agrees() {
        let reading = PartitaIva::read("606750131");
        assert_eq!(reading.value.unwrap().as_str(), "00606750131");
        assert_eq!(reading.note, Some(Note::ZeroPadded));
        assert_eq!(PartitaIva::read("606750132"), Reading::unreadable(Note::Malformed));
    }

    #[test]
    fn a_wrong_check_is_kept_and_doubtful() {
        let reading = PartitaIva::read("00606750132");
        assert!(reading.value.is_some());
        assert_eq!(reading.note, Some(Note::CheckDigit));
    }

    #[test]
    fn zeros_belong_to_nobody() {
        assert_eq!(PartitaIva::parse("00000000000"), Err(PartitaIvaError::Zeros));
        assert_eq!(PartitaIva::read("0"), Reading::unreadable(Note::Malformed));
    }
}

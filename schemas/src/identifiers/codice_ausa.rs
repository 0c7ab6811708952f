//! `CodiceAusa`: the number of a contracting authority in ANAC's register (AUSA).

use crate::values::{Note, Reading};

use super::{ascii_text, read_tidied, zero_padded};

/// The number of a contracting authority: ten digits, leading zeros included.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodiceAusa([u8; 10]);

/// Why a text is not an AUSA code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodiceAusaError {
    /// The text is not made of ten digits.
    #[error("an AUSA code has 10 digits")]
    Structure,
    /// The text is made of zeros.
    #[error("an AUSA code of zeros belongs to nobody")]
    Zeros,
}

impl CodiceAusa {
    /// Accepts the canonical spelling only: ten digits, not all zeros.
    pub fn parse(text: &str) -> Result<Self, CodiceAusaError> {
        let digits: [u8; 10] = text.as_bytes().try_into().map_err(|_| CodiceAusaError::Structure)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            Err(CodiceAusaError::Structure)
        } else if digits == [b'0'; 10] {
            Err(CodiceAusaError::Zeros)
        } else {
            Ok(Self(digits))
        }
    }

    /// Reads a received text. Open data drop the leading zeros: they are restored.
    pub fn read(text: &str) -> Reading<Self> {
        match zero_padded::<10>(text.trim()).map(|digits| Self::parse(ascii_text(&digits))) {
            Some(Ok(codice_ausa)) => Reading::adapted(codice_ausa, Note::ZeroPadded),
            Some(Err(_)) => Reading::unreadable(Note::Malformed),
            None => read_tidied(text, Self::parse),
        }
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        ascii_text(&self.0)
    }
}

identifier!(
    CodiceAusa,
    CodiceAusaError,
    "^[0-9]{10}$",
    "Codice della stazione appaltante nell'Anagrafe unica (AUSA): dieci cifre."
);
identifier_debug!(CodiceAusa);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_zeros_are_restored() {
        let codice_ausa = CodiceAusa::parse("0000158676").unwrap();
        assert_eq!(CodiceAusa::read("0000158676"), Reading::canonical(codice_ausa));
        assert_eq!(CodiceAusa::read("158676"), Reading::adapted(codice_ausa, Note::ZeroPadded));
    }

    #[test]
    fn zeros_and_letters_are_malformed() {
        for text in ["0", "0000000000", "00001586A6", "00000158676"] {
            assert_eq!(CodiceAusa::read(text), Reading::unreadable(Note::Malformed));
        }
    }
}

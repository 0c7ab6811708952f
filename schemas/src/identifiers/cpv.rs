//! `Cpv`: the European code of what is bought. Only the shape is checked: the regulation
//! publishes the check digits in its list and no rule to compute them.

use crate::values::Reading;

use super::{ascii_text, read_tidied};

/// A code of the Common Procurement Vocabulary: eight digits, with or without `-` and the check
/// digit. The spelling is kept; [`Cpv::digits`] is what two sources can be compared by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpv {
    /// The eight digits, then `-` and the check digit, or two NUL.
    characters: [u8; 10],
}

/// Why a text is not a CPV code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CpvError {
    /// The text is not eight digits, nor eight digits, a hyphen and one digit.
    #[error("a CPV code is 8 digits, with or without a hyphen and a check digit")]
    Structure,
}

impl Cpv {
    /// Accepts the canonical spelling only: `45000000` or `45000000-7`.
    pub fn parse(text: &str) -> Result<Self, CpvError> {
        let text = text.as_bytes();
        let has_structure = match text {
            [digits @ .., b'-', check] if digits.len() == 8 => {
                check.is_ascii_digit() && digits.iter().all(u8::is_ascii_digit)
            }
            digits => digits.len() == 8 && digits.iter().all(u8::is_ascii_digit),
        };
        if !has_structure {
            return Err(CpvError::Structure);
        }
        let mut characters = [0; 10];
        characters[..text.len()].copy_from_slice(text);
        Ok(Self { characters })
    }

    /// Reads a received text: blanks around it are undone.
    pub fn read(text: &str) -> Reading<Self> {
        read_tidied(text, Self::parse)
    }

    /// The eight digits, without the check digit.
    pub fn digits(&self) -> &str {
        ascii_text(&self.characters[..8])
    }

    /// The code as text, in the spelling it was received in.
    pub fn as_str(&self) -> &str {
        let length = if self.characters[9] == 0 { 8 } else { 10 };
        ascii_text(&self.characters[..length])
    }
}

identifier!(
    Cpv,
    CpvError,
    "^[0-9]{8}(-[0-9])?$",
    "Codice del vocabolario comune per gli appalti: otto cifre, con o senza cifra di controllo."
);
identifier_debug!(Cpv);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_digit_is_kept_and_left_out_of_comparison() {
        let (long, short) = (Cpv::parse("45000000-7").unwrap(), Cpv::parse("45000000").unwrap());
        assert_eq!((long.as_str(), short.as_str()), ("45000000-7", "45000000"));
        assert_eq!(long.digits(), short.digits());
    }

    #[test]
    fn another_shape_is_malformed() {
        for text in ["4500000", "450000007", "45000000-", "45000000-77", "45-7", "-7"] {
            assert_eq!(Cpv::parse(text), Err(CpvError::Structure));
        }
    }
}

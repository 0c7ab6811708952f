//! `Cig`: the code that ANAC gives to a lot.
//!
//! Three generations live together, told apart by the first character, so the class of a code is
//! never ambiguous: digits were given by SIMOG, `A` to `U` by later SIMOG and by the PCP, `X` to
//! `Z` by `SmartCIG`. The check is the one of ANAC's published validation algorithm.

use crate::values::Reading;

use super::{ascii_text, note_check_digit, read_tidied};

/// The identifier of a lot: ten characters, upper case.
///
/// ```
/// use canonical::identifiers::{Cig, CigClass};
///
/// let cig = Cig::parse("918052266A")?;
/// assert_eq!(cig.class(), CigClass::Ordinary);
/// assert!(cig.is_verified());
/// # Ok::<(), canonical::identifiers::CigError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cig([u8; Cig::LENGTH]);

/// The generation of a CIG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CigClass {
    /// Seven digits and three hexadecimal check digits, from SIMOG.
    Ordinary,
    /// A letter from `A` to `U`, six hexadecimal digits and three check digits: later SIMOG, PCP.
    Pcp,
    /// `X`, `Y` or `Z`, two check digits and seven hexadecimal digits, until 2023.
    SmartCig,
    /// `0000000000`: no lot at all. It needs a reason and is never a key.
    Null,
}

/// Why a text is not a CIG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CigError {
    /// The text has another number of characters.
    #[error("a CIG has 10 characters")]
    Length,
    /// The characters follow none of the published structures.
    #[error("the characters follow no published structure of a CIG")]
    Structure,
}

impl Cig {
    /// Characters in a CIG.
    pub const LENGTH: usize = 10;

    /// `0000000000`, written where a lot has no CIG.
    pub const NULL: Self = Self([b'0'; Self::LENGTH]);

    /// Accepts the canonical spelling only: ten characters, upper case.
    pub fn parse(text: &str) -> Result<Self, CigError> {
        let characters: [u8; Self::LENGTH] = text.as_bytes().try_into().map_err(|_| CigError::Length)?;
        let [first, middle @ .., _, _, _] = characters;
        let has_structure = is_upper_hex(&characters[7..])
            && match first {
                b'0'..=b'9' => middle.iter().all(u8::is_ascii_digit),
                b'A'..=b'U' | b'X'..=b'Z' => is_upper_hex(&middle),
                _ => false,
            };
        if has_structure { Ok(Self(characters)) } else { Err(CigError::Structure) }
    }

    /// Reads a received text: blanks around it and letter case are undone, nothing is corrected.
    /// The null CIG is read without a note: whether it needs a reason depends on the record.
    pub fn read(text: &str) -> Reading<Self> {
        note_check_digit(read_tidied(text, Self::parse), |cig| cig.is_verified())
    }

    /// The generation of this code.
    pub fn class(self) -> CigClass {
        match self.0[0] {
            b'A'..=b'U' => CigClass::Pcp,
            b'X'..=b'Z' => CigClass::SmartCig,
            _ if self.is_null() => CigClass::Null,
            _ => CigClass::Ordinary,
        }
    }

    /// True for `0000000000`.
    pub fn is_null(self) -> bool {
        self == Self::NULL
    }

    /// True when the check digits are right. The null CIG has none to be wrong: ask `is_null`.
    pub fn is_verified(self) -> bool {
        match self.class() {
            CigClass::Null => true,
            CigClass::Ordinary => {
                let number = number(&self.0[..7], 10);
                number != 0 && number * 211 % 4091 == number_hex(&self.0[7..])
            }
            CigClass::Pcp => {
                let ordinal = u64::from(self.0[0] - b'A') + 1;
                let number = number_hex(&self.0[1..7]) + ordinal;
                number * 211 % 4091 == number_hex(&self.0[7..])
            }
            CigClass::SmartCig => {
                let number = number_hex(&self.0[3..]);
                number != 0 && number * 211 % 251 == number_hex(&self.0[1..3])
            }
        }
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        ascii_text(&self.0)
    }
}

identifier!(
    Cig,
    CigError,
    "^([0-9]{7}[0-9A-F]{3}|[A-UX-Z][0-9A-F]{9})$",
    "Codice identificativo di gara: dieci caratteri maiuscoli, rilasciati da SIMOG, SmartCIG o PCP."
);
identifier_debug!(Cig);

fn is_upper_hex(characters: &[u8]) -> bool {
    characters.iter().all(|character| matches!(character, b'0'..=b'9' | b'A'..=b'F'))
}

fn number_hex(digits: &[u8]) -> u64 {
    number(digits, 16)
}

fn number(digits: &[u8], radix: u64) -> u64 {
    digits.iter().fold(0, |number, digit| {
        let value = match digit {
            b'A'..=b'F' => digit - b'A' + 10,
            _ => digit - b'0',
        };
        number * radix + u64::from(value)
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::values::Note;

    #[rstest]
    #[case("918052266A", CigClass::Ordinary)]
    #[case("9179733B4E", CigClass::Ordinary)]
    #[case("A000081B44", CigClass::Pcp)]
    #[case("B26C19915E", CigClass::Pcp)]
    #[case("Z002245F84", CigClass::SmartCig)]
    #[case("0000000000", CigClass::Null)]
    fn a_published_cig_is_verified(#[case] text: &str, #[case] class: CigClass) {
        let reading = Cig::read(text);
        let cig = reading.value.unwrap();
        assert_eq!((cig.class(), cig.is_verified(), reading.note), (class, true, None));
        assert_eq!(cig.as_str(), text);
    }

    #[test]
    fn the_letter_of_a_pcp_cig_counts_from_one() {
        // (0x000001 + 1) * 211 mod 4091 = 0x1A6, and B adds two.
        assert!(Cig::parse("A0000011A6").unwrap().is_verified());
        assert!(Cig::parse("B000001279").unwrap().is_verified());
        assert!(!Cig::parse("B0000011A6").unwrap().is_verified());
    }

    #[test]
    fn a_smartcig_with_a_wrong_check_is_kept_and_doubtful() {
        // 1 * 211 mod 251 = 0xD3.
        assert_eq!(Cig::read("ZD30000001").note, None);
        let reading = Cig::read("ZD40000001");
        let cig = reading.value.unwrap();
        assert_eq!((cig.class(), reading.note), (CigClass::SmartCig, Some(Note::CheckDigit)));
    }

    #[test]
    fn a_number_of_zeros_is_never_verified() {
        assert!(!Cig::parse("Z000000000").unwrap().is_verified());
        assert!(!Cig::parse("0000000001").unwrap().is_verified());
    }

    #[rstest]
    #[case("NOCIG14587")]
    #[case("76E0B83FA5")]
    #[case("V000000000")]
    #[case("W000000000")]
    #[case("918052266")]
    #[case("91805 266A")]
    #[case("ààààà")]
    fn a_malformed_cig_is_refused(#[case] text: &str) {
        assert_eq!(Cig::read(text), Reading::unreadable(Note::Malformed));
    }

    #[test]
    fn parse_accepts_the_canonical_spelling_only() {
        assert_eq!(Cig::parse("918052266a"), Err(CigError::Structure));
        assert_eq!(Cig::parse(" 918052266A"), Err(CigError::Length));
    }

    #[test]
    fn blanks_and_letter_case_are_undone_with_a_note() {
        let reading = Cig::read("\t918052266a ");
        assert_eq!(reading, Reading::adapted(Cig::parse("918052266A").unwrap(), Note::Trimmed));
        assert_eq!(Cig::read("  "), Reading::absent());
    }

    #[test]
    fn a_cig_travels_as_text() {
        let cig = Cig::parse("918052266A").unwrap();
        assert_eq!(serde_json::to_string(&cig).unwrap(), "\"918052266A\"");
        assert_eq!(serde_json::from_str::<Cig>("\"918052266A\"").unwrap(), cig);
        assert!(serde_json::from_str::<Cig>("\"NOCIG14587\"").is_err());
    }
}

//! The check digit of the 11-digit codes of bodies and companies, shared by `CodiceFiscale` and
//! `PartitaIva`: digits in odd places as they are, digits in even places doubled and reduced by
//! nine when above nine; the last digit brings the sum to a multiple of ten.

/// True when the last digit is the check of the ten before it.
pub(super) fn is_verified(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .enumerate()
        .map(|(index, digit)| {
            let value = u32::from(digit.wrapping_sub(b'0'));
            match (index % 2, value) {
                (0, value) => value,
                (_, value @ 0..=4) => value * 2,
                (_, value) => value * 2 - 9,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// True for eleven digits that are not all zeros: the code of nobody.
pub(super) fn has_shape(text: &[u8]) -> bool {
    text.len() == 11 && text.iter().all(u8::is_ascii_digit) && text.iter().any(|digit| *digit != b'0')
}

//! The spellings that nearly all amounts have, read in one pass and without an allocation. What they
//! mean is what the full reading says; whatever is not plainly one of them is left to it.

use super::{Note, NumberFormat};

/// More digits are left to the full reading.
const MOST_DIGITS: usize = 15;

/// The cents of `1234`, `1234.5`, `1234,50` and `1.234,50`, where the format leaves no doubt.
pub(super) fn read(text: &[u8], format: NumberFormat) -> Option<(i64, Option<Note>)> {
    let (euro, separator, decimals) = match text {
        [euro @ .., separator @ (b'.' | b','), tenths, cents] => (euro, *separator, number(&[*tenths, *cents])?),
        [euro @ .., separator @ (b'.' | b','), tenths] => (euro, *separator, number(&[*tenths])? * 10),
        [] => return None,
        euro => return Some((number(euro)? * 100, None)),
    };
    match (separator, format) {
        (b'.', NumberFormat::Undeclared | NumberFormat::Point) => Some((number(euro)? * 100 + decimals, None)),
        (b',', NumberFormat::Undeclared | NumberFormat::Comma) if !euro.is_empty() => {
            let (euro, note) = match number(euro) {
                Some(euro) => (euro, Note::DecimalComma),
                None => (grouped(euro)?, Note::ThousandsSeparator),
            };
            Some((euro * 100 + decimals, Some(note)))
        }
        _ => None,
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    if digits.len() > MOST_DIGITS {
        return None;
    }
    let (mut number, mut are_digits) = (0_i64, true);
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        are_digits &= digit < 10;
        number = number * 10 + i64::from(digit);
    }
    are_digits.then_some(number)
}

/// `1.234.567`: one to three digits, then groups of three.
fn grouped(euro: &[u8]) -> Option<i64> {
    let (first, groups) = euro.split_at(euro.iter().position(|byte| *byte == b'.')?);
    if first.is_empty() || first.len() > 3 || groups.len() > 4 * 4 {
        return None;
    }
    let mut euro = number(first)?;
    for group in groups.chunks(4) {
        let [b'.', a, b, c] = group else { return None };
        euro = euro * 1_000 + number(&[*a, *b, *c])?;
    }
    Some(euro)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::values::Reading;
    use crate::values::importo::read_any;

    proptest! {
        #[test]
        fn a_quick_reading_is_the_full_one(
            text in prop_oneof!["[0-9]{0,4}[.,]?[0-9]{0,3}", "[0-9]{1,4}([.,][0-9]{3}){0,3}[.,][0-9]{1,3}", "[0-9.,]{0,20}"],
            format in prop::sample::select(vec![NumberFormat::Undeclared, NumberFormat::Point, NumberFormat::Comma]),
        ) {
            if let Some((cents, note)) = read(text.as_bytes(), format) {
                let full = read_any(&text, format);
                prop_assert_eq!(Reading { value: full.value.map(super::super::Importo::cents), note: full.note },
                    Reading { value: Some(cents), note }, "{}", text);
            }
        }
    }

    #[test]
    fn what_files_are_full_of_is_read_quickly() {
        for text in ["1234", "1234.5", "1234.50", "1234,50", "1234,5", "1.234,50", "12.345.678,90", "0,00"] {
            assert!(read(text.as_bytes(), NumberFormat::Undeclared).is_some(), "{text}");
        }
        for text in ["", "1.234", "1,234", "12.34,50", ",50", ".50", "-1.00", " 1.00", "1.2345,00"] {
            let is_point = text == ".50";
            assert_eq!(read(text.as_bytes(), NumberFormat::Undeclared).is_some(), is_point, "{text}");
        }
    }
}

//! Properties that hold for every identifier, amount and date, not only for the published ones.

use canonical::identifiers::{Cig, CigClass, CodiceAusa, CodiceFiscale, Cui, Cup, PartitaIva};
use canonical::values::date::DateFormat;
use canonical::values::importo::NumberFormat;
use canonical::values::{CalendarDate, Importo, Note, UtcInstant};
use proptest::prelude::*;

fn ordinary_cig(number: u64) -> String {
    format!("{number:07}{:03X}", number * 211 % 4091)
}

fn pcp_cig(letter: u8, number: u64) -> String {
    let ordinal = u64::from(letter - b'A') + 1;
    format!("{}{number:06X}{:03X}", char::from(letter), (number + ordinal) * 211 % 4091)
}

fn smartcig(letter: char, number: u64) -> String {
    format!("{letter}{:02X}{number:07X}", number * 211 % 251)
}

/// Ten digits and their check digit.
fn eleven_digits(number: u64) -> String {
    let body = format!("{number:010}");
    let sum: u32 = body
        .chars()
        .enumerate()
        .map(|(index, digit)| {
            let value = digit.to_digit(10).unwrap_or_default() * if index % 2 == 0 { 1 } else { 2 };
            value / 10 + value % 10
        })
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

fn replaced(text: &str, place: usize, character: char) -> String {
    text.chars().enumerate().map(|(index, kept)| if index == place { character } else { kept }).collect()
}

proptest! {
    #[test]
    fn a_cig_built_with_its_check_is_verified(number in 1_u64..10_000_000) {
        let cig = Cig::parse(&ordinary_cig(number)).unwrap();
        prop_assert_eq!((cig.class(), cig.is_verified()), (CigClass::Ordinary, true));
    }

    #[test]
    fn a_pcp_cig_built_with_its_check_is_verified(letter in b'A'..=b'U', number in 0_u64..0x100_0000) {
        let cig = Cig::parse(&pcp_cig(letter, number)).unwrap();
        prop_assert_eq!((cig.class(), cig.is_verified()), (CigClass::Pcp, true));
    }

    #[test]
    fn a_smartcig_built_with_its_check_is_verified(letter in "[XYZ]", number in 1_u64..0x1000_0000) {
        let cig = Cig::parse(&smartcig(letter.chars().next().unwrap(), number)).unwrap();
        prop_assert_eq!((cig.class(), cig.is_verified()), (CigClass::SmartCig, true));
    }

    // 4091 and 251 are prime and never divide the change that one wrong digit makes: it is always
    // seen. Two wrong digits may hide each other.
    #[test]
    fn one_wrong_digit_of_a_cig_is_seen(number in 1_u64..10_000_000, place in 0_usize..7, digit in "[0-9]") {
        let text = ordinary_cig(number);
        let wrong = replaced(&text, place, digit.chars().next().unwrap());
        prop_assert_eq!(Cig::parse(&wrong).unwrap().is_verified(), wrong == text);
    }

    #[test]
    fn one_wrong_digit_of_a_smartcig_is_seen(number in 1_u64..0x1000_0000, place in 1_usize..10, digit in "[0-9A-F]") {
        let text = smartcig('Z', number);
        let wrong = replaced(&text, place, digit.chars().next().unwrap());
        prop_assert_eq!(Cig::parse(&wrong).unwrap().is_verified(), wrong == text);
    }

    #[test]
    fn one_wrong_digit_of_a_company_is_seen(number in 1_u64..10_000_000_000, place in 0_usize..11, digit in "[0-9]") {
        let text = eleven_digits(number);
        prop_assert!(PartitaIva::parse(&text).unwrap().is_verified());
        prop_assert!(CodiceFiscale::parse(&text).unwrap().is_verified());
        let wrong = replaced(&text, place, digit.chars().next().unwrap());
        if let Ok(partita_iva) = PartitaIva::parse(&wrong) {
            prop_assert_eq!(partita_iva.is_verified(), wrong == text);
        }
    }

    #[test]
    fn lost_zeros_come_back(number in 1_u64..1_000_000_000) {
        let text = eleven_digits(number);
        let reading = CodiceFiscale::read(text.trim_start_matches('0'));
        prop_assert_eq!(reading.value.unwrap().to_string(), text);
        prop_assert_eq!(reading.note, Some(Note::ZeroPadded));
    }

    #[test]
    fn reading_what_was_parsed_changes_nothing(
        cig in "([0-9]{7}[0-9A-F]{3}|[A-UX-Z][0-9A-F]{9})",
        codice_fiscale in "([1-9][0-9]{10}|[A-Z]{6}[0-9LMNP-V]{2}[ABCDEHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z])",
        cup in "[A-Z][0-9]{2}[A-Z][0-9]{11}",
        cui in "[LFSI][1-9][0-9]{19,23}",
        codice_ausa in "[0-9]{9}[1-9]",
    ) {
        prop_assert_eq!(Cig::read(&cig).value.unwrap().to_string(), cig);
        prop_assert_eq!(CodiceFiscale::read(&codice_fiscale).value.unwrap().to_string(), codice_fiscale);
        prop_assert_eq!(Cup::read(&cup).value.unwrap().to_string(), cup);
        prop_assert_eq!(Cui::read(&cui).value.unwrap().to_string(), cui);
        prop_assert_eq!(CodiceAusa::read(&codice_ausa).value.unwrap().to_string(), codice_ausa);
    }

    #[test]
    fn an_amount_survives_the_journey(cents: i64) {
        let importo = Importo::from_cents(cents);
        prop_assert_eq!(Importo::parse(&importo.to_string()), Ok(importo));
        prop_assert_eq!(Importo::from_decimal(importo.to_decimal()), Some(importo));
    }

    #[test]
    fn every_writing_of_an_amount_is_the_same_amount(cents in 0_i64..10_000_000_000_000) {
        let importo = Importo::from_cents(cents);
        let canonical = importo.to_string();
        let comma = canonical.replace('.', ",");
        for (text, format) in [
            (canonical.clone(), NumberFormat::Undeclared),
            (format!("{canonical}000"), NumberFormat::Undeclared),
            (comma.clone(), NumberFormat::Undeclared),
            (comma.clone(), NumberFormat::Comma),
            (format!("€ {comma}"), NumberFormat::Undeclared),
            (format!("{cents}E-2"), NumberFormat::Undeclared),
        ] {
            prop_assert_eq!(Importo::read(&text, format).value, Some(importo), "{}", text);
        }
    }

    #[test]
    fn a_date_survives_the_journey(year in 1900_i32..=2200, month in 1_u8..=12, day in 1_u8..=28) {
        let date = CalendarDate::from_numbers(year, month, day).unwrap();
        prop_assert_eq!(CalendarDate::read(&date.to_string(), DateFormat::Iso).value, Some(date));
        prop_assert_eq!(CalendarDate::read(&date.italian(), DateFormat::Iso).value, Some(date));
    }

    #[test]
    fn an_instant_survives_the_journey(micros in -62_167_219_200_000_000_i64..253_402_300_800_000_000) {
        let instant = UtcInstant::from_unix_micros(micros).unwrap();
        prop_assert_eq!(instant.unix_micros(), micros);
        prop_assert_eq!(UtcInstant::parse(&instant.to_string()), Ok(instant));
    }

    #[test]
    fn no_received_text_breaks_a_reader(text in any::<String>(), tail in "[0-9./,:+TZE€ C*F-]{0,24}") {
        for text in [text.as_str(), tail.as_str()] {
            let _ = Cig::read(text);
            let _ = CodiceFiscale::read(text);
            let _ = PartitaIva::read(text);
            let _ = Cup::read(text);
            let _ = Cui::read(text);
            let _ = CodiceAusa::read(text);
            let _ = UtcInstant::read(text);
            let _ = canonical::values::text::read_text(text);
            for format in [DateFormat::Iso, DateFormat::DayFirstShortYear] {
                let _ = CalendarDate::read(text, format);
            }
            for format in [NumberFormat::Undeclared, NumberFormat::Point, NumberFormat::Comma] {
                let _ = Importo::read(text, format);
            }
        }
    }
}

//! `Importo`: an amount in euro, exact to the cent.
//!
//! Held as a whole number of cents, so an amount that exists is right: no scale to keep, no
//! rounding to remember. `Decimal` stands at the border, for rates and for texts with more
//! decimals. Floating point is absent on purpose.

mod quick;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use rust_decimal::{Decimal, RoundingStrategy};

use super::{Note, Reading};

/// An amount in euro with two decimals, up to about 92 million billions.
///
/// ```
/// use canonical::values::Importo;
///
/// let importo = Importo::parse("910.00")?;
/// assert_eq!(importo.cents(), 91_000);
/// assert_eq!(importo.checked_add(Importo::from_cents(5)).unwrap().to_string(), "910.05");
/// # Ok::<(), canonical::values::importo::ImportoError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Importo {
    cents: i64,
}

/// How the numbers of a source are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NumberFormat {
    /// Nobody said: what may mean two amounts is refused.
    #[default]
    Undeclared,
    /// Decimal point; a comma separates thousands.
    Point,
    /// Decimal comma; a point separates thousands.
    Comma,
}

/// Why a text is not a canonical amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImportoError {
    /// The text is not digits, a point and two digits.
    #[error("an amount is digits, a point and two digits")]
    Structure,
    /// The amount has too many digits.
    #[error("the amount is too large")]
    TooLarge,
}

impl Importo {
    /// No euro.
    pub const ZERO: Self = Self { cents: 0 };

    /// An amount from its cents.
    pub const fn from_cents(cents: i64) -> Self {
        Self { cents }
    }

    /// The amount in cents.
    pub const fn cents(self) -> i64 {
        self.cents
    }

    /// True for no euro.
    pub const fn is_zero(self) -> bool {
        self.cents == 0
    }

    /// The amount as a decimal number with two decimals.
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.cents, 2)
    }

    /// The amount nearest to a decimal number, half cents away from zero; none when too large.
    pub fn from_decimal(decimal: Decimal) -> Option<Self> {
        let mut cents = decimal.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
        cents.rescale(2);
        // Rescaling gives up silently when the mantissa has no room.
        if cents.scale() != 2 {
            return None;
        }
        i64::try_from(cents.mantissa()).ok().map(Self::from_cents)
    }

    /// The sum; none when too large.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.cents.checked_add(other.cents) {
            Some(cents) => Some(Self { cents }),
            None => None,
        }
    }

    /// The difference; none when too large.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.cents.checked_sub(other.cents) {
            Some(cents) => Some(Self { cents }),
            None => None,
        }
    }

    /// The sum of many amounts, zero for none of them; none when too large.
    pub fn checked_sum(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
        amounts.into_iter().try_fold(Self::ZERO, Self::checked_add)
    }

    /// Accepts the canonical spelling only: `910.00`, with a minus where the amount is negative.
    pub fn parse(text: &str) -> Result<Self, ImportoError> {
        let (is_negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let Some((euro, decimals)) = digits.split_once('.') else {
            return Err(ImportoError::Structure);
        };
        let is_canonical = decimals.len() == 2
            && !euro.is_empty()
            && euro.bytes().chain(decimals.bytes()).all(|byte| byte.is_ascii_digit())
            && (euro == "0" || !euro.starts_with('0'));
        if !is_canonical {
            return Err(ImportoError::Structure);
        }
        let sign = if is_negative { -1 } else { 1 };
        let cents = euro
            .bytes()
            .chain(decimals.bytes())
            .try_fold(0_i64, |cents, digit| cents.checked_mul(10)?.checked_add(sign * i64::from(digit - b'0')))
            .ok_or(ImportoError::TooLarge)?;
        if is_negative && cents == 0 {
            return Err(ImportoError::Structure);
        }
        Ok(Self { cents })
    }

    /// Reads a received text.
    ///
    /// A format that was not declared leaves two refusals: one separator with three digits after
    /// it may part thousands or decimals, so `1.234` is ambiguous, and so is `1,234`. Decimals
    /// beyond the cent are rounded, half cents up, with a note unless they are zeros.
    #[inline]
    pub fn read(text: &str, format: NumberFormat) -> Reading<Self> {
        match quick::read(text.as_bytes(), format) {
            Some((cents, note)) => Reading { value: Some(Self { cents }), note },
            None => read_any(text, format),
        }
    }
}

/// The digits of an amount, without signs, symbols and thousands separators.
struct Digits<'a> {
    euro: Cow<'a, str>,
    decimals: &'a str,
    note: Option<Note>,
}

fn read_any(text: &str, format: NumberFormat) -> Reading<Importo> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Reading::absent();
    }
    let (is_negative, number, has_symbol) = without_sign_and_symbol(trimmed);
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        None => (number, None),
        Some((mantissa, exponent)) => match exponent.parse::<i32>() {
            Ok(exponent) if (-30..=30).contains(&exponent) => (mantissa, Some(exponent)),
            _ => return Reading::unreadable(Note::NotAnAmount),
        },
    };
    let digits = if exponent.is_some() { Ok(scientific_digits(mantissa)) } else { separated_digits(mantissa, format) };
    let digits = match digits {
        Ok(digits) => digits,
        Err(note) => return Reading::unreadable(note),
    };
    let Some((cents, is_exact)) = to_cents(&digits.euro, digits.decimals, exponent.unwrap_or(0)) else {
        return Reading::unreadable(Note::NotAnAmount);
    };
    if is_negative {
        return Reading::unreadable(Note::NegativeAmount);
    }
    // One note, the weightiest: what changed the value first, then what changed the writing.
    let note = if !is_exact {
        Some(Note::ExtraDecimals)
    } else if has_symbol {
        Some(Note::CurrencySymbol)
    } else if exponent.is_some() {
        Some(Note::Exponent)
    } else {
        digits.note.or((trimmed.len() != text.len()).then_some(Note::Trimmed))
    };
    Reading { value: Some(Importo { cents }), note }
}

/// Takes a sign and `€` or `EUR` or `euro` off either end of a number.
fn without_sign_and_symbol(text: &str) -> (bool, &str, bool) {
    let (mut is_negative, mut number, mut has_symbol) = (false, text, false);
    // A sign may stand before or after the symbol: look twice.
    for _ in 0..2 {
        for (sign, negative) in [('-', true), ('\u{2212}', true), ('+', false)] {
            if let Some(rest) = number.strip_prefix(sign) {
                (is_negative, number) = (is_negative || negative, rest.trim_start());
            }
        }
        for symbol in ["€", "euro", "eur"] {
            let length = symbol.len();
            let is_symbol = |part: Option<&str>| part.is_some_and(|part| part.eq_ignore_ascii_case(symbol));
            if is_symbol(number.get(..length)) {
                (number, has_symbol) = (number[length..].trim_start(), true);
            } else if let Some(start) = number.len().checked_sub(length)
                && is_symbol(number.get(start..))
            {
                (number, has_symbol) = (number[..start].trim_end(), true);
            }
        }
    }
    (is_negative, number, has_symbol)
}

/// With an exponent there are no thousands: whichever the separator, it is decimal.
fn scientific_digits(mantissa: &str) -> Digits<'_> {
    let (euro, decimals) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, ""));
    Digits { euro: Cow::Borrowed(euro), decimals, note: None }
}

fn separated_digits(number: &str, format: NumberFormat) -> Result<Digits<'_>, Note> {
    let decimal = match format {
        NumberFormat::Point => Some('.'),
        NumberFormat::Comma => Some(','),
        NumberFormat::Undeclared => guess_decimal_separator(number)?,
    };
    let (euro, decimals) = match decimal {
        Some(decimal) => number.split_once(decimal).unwrap_or((number, "")),
        None => (number, ""),
    };
    let has_groups = euro.contains(['.', ',']);
    let euro = if has_groups {
        let group = if euro.contains('.') { '.' } else { ',' };
        if decimal == Some(group) {
            return Err(Note::NotAnAmount);
        }
        Cow::Owned(without_groups(euro, group).ok_or(Note::NotAnAmount)?)
    } else {
        Cow::Borrowed(euro)
    };
    let note = if has_groups {
        Some(Note::ThousandsSeparator)
    } else {
        (decimal == Some(',') && number.contains(',')).then_some(Note::DecimalComma)
    };
    Ok(Digits { euro, decimals, note })
}

/// The decimal separator of a number whose format nobody declared, where only one is possible.
fn guess_decimal_separator(number: &str) -> Result<Option<char>, Note> {
    let (points, commas) = (number.matches('.').count(), number.matches(',').count());
    match (points, commas) {
        (0 | 2.., 0) | (0, 2..) => Ok(None),
        (1, 0) | (0, 1) => {
            let separator = if points == 1 { '.' } else { ',' };
            let (euro, decimals) = number.split_once(separator).unwrap_or((number, ""));
            // A thousand never begins with a zero, and never with nothing.
            let may_be_thousands = decimals.len() == 3 && euro.bytes().any(|byte| byte != b'0');
            let is_number = euro.bytes().chain(decimals.bytes()).all(|byte| byte.is_ascii_digit());
            match (is_number, may_be_thousands) {
                (false, _) => Err(Note::NotAnAmount),
                (true, true) => Err(Note::AmbiguousAmount),
                (true, false) => Ok(Some(separator)),
            }
        }
        // Both occur: the last one is decimal, and occurs once.
        _ => Ok(number.chars().rev().find(|character| matches!(character, '.' | ','))),
    }
}

/// Removes thousands separators, when the groups are those of a number.
fn without_groups(euro: &str, separator: char) -> Option<String> {
    let groups_are_right = euro.split(separator).enumerate().all(|(index, group)| {
        let length_is_right = if index == 0 { (1..=3).contains(&group.len()) } else { group.len() == 3 };
        length_is_right && group.bytes().all(|byte| byte.is_ascii_digit())
    });
    groups_are_right.then(|| euro.replace(separator, ""))
}

/// The cents nearest to a number, and whether they are exactly that number.
fn to_cents(euro: &str, decimals: &str, exponent: i32) -> Option<(i64, bool)> {
    let is_number = euro.bytes().chain(decimals.bytes()).all(|byte| byte.is_ascii_digit());
    if !is_number || (euro.is_empty() && decimals.is_empty()) {
        return None;
    }
    let euro = euro.trim_start_matches('0');
    let significant = decimals.trim_end_matches('0');
    if euro.len() + significant.len() > 28 {
        return None;
    }
    let number =
        euro.bytes().chain(significant.bytes()).fold(0_i128, |number, digit| number * 10 + i128::from(digit - b'0'));
    let scale = i32::try_from(significant.len()).ok()? - exponent - 2;
    let power = 10_i128.checked_pow(scale.unsigned_abs())?;
    let (cents, rest) = if scale > 0 {
        let (cents, rest) = (number / power, number % power);
        // Half a cent goes up; the amount is never negative here.
        (if rest >= power - rest { cents + 1 } else { cents }, rest)
    } else {
        (number.checked_mul(power)?, 0)
    };
    Some((i64::try_from(cents).ok()?, rest == 0))
}

impl fmt::Display for Importo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.cents < 0 { "-" } else { "" };
        let cents = self.cents.unsigned_abs();
        write!(f, "{sign}{}.{:02}", cents / 100, cents % 100)
    }
}

impl fmt::Debug for Importo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Importo({self})")
    }
}

impl FromStr for Importo {
    type Err = ImportoError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl serde::Serialize for Importo {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Importo {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Importo {
    fn schema_name() -> Cow<'static, str> {
        "Importo".into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::Importo").into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": r"^-?(0|[1-9][0-9]{0,16})\.[0-9]{2}$",
            "description": "Importo in euro con due decimali e punto decimale, per esempio 910.00.",
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use NumberFormat::{Comma, Point, Undeclared};

    fn check(text: &str, format: NumberFormat, canonical: &str, note: Option<Note>) {
        let reading = Importo::read(text, format);
        assert_eq!(reading.value.map(|importo| importo.to_string()).as_deref(), Some(canonical));
        assert_eq!(reading.note, note);
    }

    #[rstest]
    #[case("910.00", "910.00", None)]
    #[case("910.5", "910.50", None)]
    #[case("910", "910.00", None)]
    #[case("910.", "910.00", None)]
    #[case(".00", "0.00", None)]
    #[case("0.0", "0.00", None)]
    #[case("00910.00", "910.00", None)]
    #[case("23569628.59000", "23569628.59", None)]
    #[case("0.000", "0.00", None)]
    #[case("910,00", "910.00", Some(Note::DecimalComma))]
    #[case("€ 910,00", "910.00", Some(Note::CurrencySymbol))]
    #[case("910.00 euro", "910.00", Some(Note::CurrencySymbol))]
    #[case("EUR 910", "910.00", Some(Note::CurrencySymbol))]
    #[case("1.234,56", "1234.56", Some(Note::ThousandsSeparator))]
    #[case("1,234.56", "1234.56", Some(Note::ThousandsSeparator))]
    #[case("1.234.567", "1234567.00", Some(Note::ThousandsSeparator))]
    #[case("1.0E+06", "1000000.00", Some(Note::Exponent))]
    #[case("1.234E3", "1234.00", Some(Note::Exponent))]
    #[case("9.1e-1", "0.91", Some(Note::Exponent))]
    #[case("0E0", "0.00", Some(Note::Exponent))]
    #[case("10.0049", "10.00", Some(Note::ExtraDecimals))]
    #[case("10.0050", "10.01", Some(Note::ExtraDecimals))]
    #[case("0.125", "0.13", Some(Note::ExtraDecimals))]
    #[case(" 910.00\n", "910.00", Some(Note::Trimmed))]
    fn a_received_amount_is_read(#[case] text: &str, #[case] canonical: &str, #[case] note: Option<Note>) {
        check(text, Undeclared, canonical, note);
    }

    #[rstest]
    #[case("1.234")]
    #[case("1,234")]
    #[case("€ 1.234")]
    #[case("1234.567")]
    fn one_separator_and_three_digits_are_ambiguous(#[case] text: &str) {
        assert_eq!(Importo::read(text, Undeclared), Reading::unreadable(Note::AmbiguousAmount));
    }

    #[test]
    fn a_declared_format_settles_the_ambiguity() {
        check("1.234", Comma, "1234.00", Some(Note::ThousandsSeparator));
        check("1.234", Point, "1.23", Some(Note::ExtraDecimals));
        check("1,234", Point, "1234.00", Some(Note::ThousandsSeparator));
        check("1,234", Comma, "1.23", Some(Note::ExtraDecimals));
        check("910", Comma, "910.00", None);
        check("1.234,5", Comma, "1234.50", Some(Note::ThousandsSeparator));
    }

    #[rstest]
    #[case("910.00", Comma)]
    #[case("910,00", Point)]
    #[case("1.234.567", Point)]
    #[case("12.34,56", Undeclared)]
    #[case("1,2,3.4.5", Undeclared)]
    #[case("1.234,567,89", Undeclared)]
    #[case("abc", Undeclared)]
    #[case(".", Undeclared)]
    #[case("€", Undeclared)]
    #[case("-", Undeclared)]
    #[case("E+06", Undeclared)]
    #[case("1.0E+99", Undeclared)]
    #[case("99999999999999999999", Undeclared)]
    #[case("1 234", Undeclared)]
    #[case("١٢", Undeclared)]
    fn what_is_not_an_amount_is_refused(#[case] text: &str, #[case] format: NumberFormat) {
        assert_eq!(Importo::read(text, format), Reading::unreadable(Note::NotAnAmount));
    }

    #[rstest]
    #[case("-1.0")]
    #[case("€ -910,00")]
    #[case("-€ 910,00")]
    fn a_negative_amount_is_refused(#[case] text: &str) {
        assert_eq!(Importo::read(text, Undeclared), Reading::unreadable(Note::NegativeAmount));
    }

    #[test]
    fn nothing_is_absent_and_zero_is_not() {
        assert_eq!(Importo::read(" ", Undeclared), Reading::absent());
        assert_eq!(Importo::read("0", Undeclared), Reading::canonical(Importo::ZERO));
    }

    #[test]
    fn parse_accepts_the_canonical_spelling_only() {
        for text in ["910", "910.0", "0910.00", ".00", "-0.00", "+1.00", "1.000", "1,00", "1.0٣"] {
            assert_eq!(Importo::parse(text), Err(ImportoError::Structure), "{text}");
        }
        assert_eq!(Importo::parse("100000000000000000.00"), Err(ImportoError::TooLarge));
        assert_eq!(Importo::parse("-12.30").unwrap().cents(), -1230);
    }

    #[test]
    fn sums_refuse_to_overflow() {
        let most = Importo::from_cents(i64::MAX);
        assert_eq!(most.checked_add(Importo::from_cents(1)), None);
        assert_eq!(Importo::checked_sum([most, Importo::from_cents(-1)]).unwrap().cents(), i64::MAX - 1);
        assert_eq!(Importo::checked_sum([]), Some(Importo::ZERO));
    }

    #[test]
    fn a_decimal_is_rounded_half_away_from_zero() {
        let importo = Importo::from_decimal(Decimal::new(10_005, 3)).unwrap();
        assert_eq!(importo.to_string(), "10.01");
        assert_eq!(Importo::from_decimal(Decimal::new(-10_005, 3)).unwrap().cents(), -1001);
        assert_eq!(Importo::from_decimal(Decimal::MAX), None);
        assert_eq!(Importo::from_cents(i64::MIN).to_decimal().mantissa(), i128::from(i64::MIN));
    }

    #[test]
    fn an_amount_travels_as_text() {
        let importo = Importo::from_cents(91_000);
        assert_eq!(serde_json::to_string(&importo).unwrap(), "\"910.00\"");
        assert_eq!(serde_json::from_str::<Importo>("\"910.00\"").unwrap(), importo);
        assert!(serde_json::from_str::<Importo>("910.0").is_err());
    }
}

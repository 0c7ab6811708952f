//! Values in the form that people or programs read: cells that know their type, Italian spellings,
//! and the texts that must not be taken for something else.

use std::borrow::Cow;
use std::fmt::Write as _;

use canonical::Rule;
use canonical::values::{CalendarDate, Importo, UtcInstant};
use jiff::tz::TimeZone;

use super::words::Language;

/// What stands in place of a number that nobody knows.
pub const NOT_KNOWN: &str = "–";

/// A value that knows its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// A text, never a formula.
    Text(String),
    /// A count.
    Whole(u64),
    /// An amount of euro.
    Amount(Importo),
    /// A day.
    Day(CalendarDate),
    /// An instant, shown on the Italian clock.
    Instant(UtcInstant),
}

impl Cell {
    /// A text, or nothing.
    pub fn text_of(text: Option<&str>) -> Self {
        text.map_or(Self::Empty, |text| Self::Text(text.to_owned()))
    }

    /// As a person reads it.
    pub fn text(&self, language: Language) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) => visible(text).into_owned(),
            Self::Whole(count) => whole(*count, language),
            Self::Amount(amount) => self::amount(*amount, language),
            Self::Day(day) => self::day(*day, language),
            Self::Instant(instant) => self::instant(*instant, language),
        }
    }

    /// Whether it stands on the right.
    pub const fn is_number(&self) -> bool {
        matches!(self, Self::Whole(_) | Self::Amount(_))
    }
}

/// What a side says, with the type that the rule gives it: amounts are numbers, days are days.
pub fn value(rule: Rule, text: &str) -> Cell {
    let typed = match rule {
        Rule::R02 | Rule::R08 | Rule::R17 | Rule::R18 => Importo::parse(text).ok().map(Cell::Amount),
        Rule::R03 | Rule::R25 => CalendarDate::parse(text).ok().map(Cell::Day),
        _ => None,
    };
    typed.unwrap_or_else(|| Cell::Text(text.to_owned()))
}

/// A count with the separator of thousands.
pub fn whole(count: u64, language: Language) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push_str(language.of(".", ","));
        }
        text.push(digit);
    }
    text
}

/// A count, where it is known.
pub fn known(count: Option<u64>, language: Language) -> String {
    count.map_or_else(|| NOT_KNOWN.to_owned(), |count| whole(count, language))
}

/// An amount with its separators.
pub fn amount(amount: Importo, language: Language) -> String {
    let cents = amount.cents().unsigned_abs();
    let sign = if amount.cents() < 0 { "-" } else { "" };
    format!("{sign}{}{}{:02}", whole(cents / 100, language), language.of(",", "."), cents % 100)
}

/// A day: gg/mm/aaaa, or the international order.
pub fn day(day: CalendarDate, language: Language) -> String {
    match language {
        Language::Italian => day.italian(),
        Language::English => day.to_string(),
    }
}

/// Year, month, day, hour and minute on the Italian clock.
pub fn on_the_italian_clock(instant: UtcInstant) -> jiff::Zoned {
    let zone = TimeZone::get("Europe/Rome").unwrap_or(TimeZone::UTC);
    jiff::Timestamp::from_microsecond(instant.unix_micros()).unwrap_or_default().to_zoned(zone)
}

/// An instant on the Italian clock.
pub fn instant(instant: UtcInstant, language: Language) -> String {
    on_the_italian_clock(instant).strftime(language.of("%d/%m/%Y %H:%M", "%Y-%m-%d %H:%M")).to_string()
}

/// The same text with the characters seen that would change how the others are read: controls, and
/// those that turn the direction of writing.
pub fn visible(text: &str) -> Cow<'_, str> {
    let hides = |character: char| {
        matches!(character, '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{9f}')
            || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            || matches!(character, '\u{fffe}' | '\u{ffff}')
    };
    if !text.contains(hides) {
        return Cow::Borrowed(text);
    }
    let mut seen = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if hides(character) {
            let _ = write!(seen, "⟨U+{:04X}⟩", u32::from(character));
        } else {
            seen.push(character);
        }
    }
    Cow::Owned(seen)
}

/// A text for a spreadsheet that reads a file of plain text: what could be taken for a formula has an
/// apostrophe before it.
pub fn never_a_formula(text: &str) -> Cow<'_, str> {
    const STARTS: [char; 13] = ['=', '+', '-', '@', '|', '\t', '\r', '\n', '＝', '＋', '－', '＠', '｜'];
    let is_blank = |character: char| {
        character == ' '
            || matches!(character, '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{180e}' | '\u{ad}')
            || character.is_whitespace() && !matches!(character, '\t' | '\r' | '\n')
    };
    if text.trim_start_matches(is_blank).starts_with(STARTS) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_compute_gets_an_apostrophe() {
        for text in
            ["=1+1", "+39", "-2", "@x", "|x", "\tx", "\rx", "\nx", "  =1", "\u{feff}=1", "\u{200b}\u{a0}-1", "＝1"]
        {
            assert_eq!(never_a_formula(text), format!("'{text}"), "{text:?}");
        }
        for text in ["", "Comune", "a=b", "1-2", "'x", " x"] {
            assert_eq!(never_a_formula(text), text);
        }
    }

    #[test]
    fn what_turns_or_hides_a_text_is_seen() {
        assert_eq!(visible("a\u{202e}b\u{0}"), "a⟨U+202E⟩b⟨U+0000⟩");
        assert_eq!(visible("È già\tqui"), "È già\tqui");
    }

    #[test]
    fn amounts_and_days_are_written_as_in_italy() {
        let cents = |cents| amount(Importo::from_cents(cents), Language::Italian);
        assert_eq!(cents(123_456_789), "1.234.567,89");
        assert_eq!(cents(-5), "-0,05");
        assert_eq!(amount(Importo::from_cents(123_456), Language::English), "1,234.56");
        let summer = UtcInstant::parse("2026-07-15T11:00:00Z").unwrap();
        assert_eq!(instant(summer, Language::Italian), "15/07/2026 13:00");
    }

    #[test]
    fn a_value_has_the_type_that_its_rule_gives_it() {
        assert_eq!(value(Rule::R02, "910.00"), Cell::Amount(Importo::from_cents(91_000)));
        assert_eq!(value(Rule::R12, "910.00"), Cell::Text("910.00".into()));
        assert_eq!(value(Rule::R02, "n.d."), Cell::Text("n.d.".into()));
        assert!(matches!(value(Rule::R03, "2026-01-02"), Cell::Day(_)));
    }
}

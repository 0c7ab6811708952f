//! Values: amounts, days, instants and texts, read once at the edge.
//!
//! A received text is never trusted and never lost: reading it gives a [`Reading`], which says
//! what was made of the text and, where the text was not already canonical, why. The text itself
//! stays with the caller, who keeps it as provenance.

pub mod importo;
pub mod date;
pub mod text;

pub use date::{CalendarDate, UtcInstant};
pub use importo::Importo;

/// What was made of one received text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading<T> {
    /// The value, when the text could be read.
    pub value: Option<T>,
    /// Why the text is not already canonical, or why it could not be read.
    pub note: Option<Note>,
}

impl<T> Reading<T> {
    /// The text was already canonical.
    pub fn canonical(value: T) -> Self {
        Self { value: Some(value), note: None }
    }

    /// The text could be read, but in a form that deserves a note.
    pub fn adapted(value: T, note: Note) -> Self {
        Self { value: Some(value), note: Some(note) }
    }

    /// The text could not be read.
    pub fn unreadable(note: Note) -> Self {
        Self { value: None, note: Some(note) }
    }

    /// There was nothing to read.
    pub fn absent() -> Self {
        Self { value: None, note: None }
    }
}

/// Why a received text differs from its canonical form. The code never changes once released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Note {
    /// An amount with a decimal comma: `910,00`.
    DecimalComma,
    /// An amount with thousands separators: `1.234,56`.
    ThousandsSeparator,
    /// An amount with a currency symbol: `€ 910,00`.
    CurrencySymbol,
    /// An amount with an exponent: `1.0E+06`.
    Exponent,
    /// An amount with more than two decimals, rounded to cents.
    ExtraDecimals,
    /// An amount with one point and three digits after it: `1.234` may be a thousand or one.
    AmbiguousAmount,
    /// A negative amount where the source admits none.
    NegativeAmount,
    /// A text that is not an amount.
    NotAnAmount,
    /// A date with a time zone: `2019-12-17+01:00`.
    DateWithZone,
    /// A date with an hour, dropped: `2022-05-26 02:00:00`.
    DateWithTime,
    /// A date in another order or with other separators: `17/12/2019`, `2020-7-28`.
    DateNotIso,
    /// A text that is not a date, or a year out of range.
    NotADate,
    /// Blanks or letter case changed.
    Trimmed,
    /// Leading zeros restored: `1894100302` became `01894100302`.
    ZeroPadded,
    /// HTML entities or control characters resolved in a text.
    TextRepaired,
    /// A masked value: asterisks in place of a person.
    Masked,
    /// The shape is not the one of the identifier.
    Malformed,
    /// The shape is right and the check digit is not.
    CheckDigit,
}

impl Note {
    /// The stable code of this note.
    pub fn code(self) -> &'static str {
        match self {
            Self::DecimalComma => "decimal_comma",
            Self::ThousandsSeparator => "thousands_separator",
            Self::CurrencySymbol => "currency_symbol",
            Self::Exponent => "exponent",
            Self::ExtraDecimals => "extra_decimals",
            Self::AmbiguousAmount => "ambiguous_amount",
            Self::NegativeAmount => "negative_amount",
            Self::NotAnAmount => "not_an_amount",
            Self::DateWithZone => "date_with_zone",
            Self::DateWithTime => "date_with_time",
            Self::DateNotIso => "date_not_iso",
            Self::NotADate => "not_a_date",
            Self::Trimmed => "trimmed",
            Self::ZeroPadded => "zero_padded",
            Self::TextRepaired => "text_repaired",
            Self::Masked => "masked",
            Self::Malformed => "malformed",
            Self::CheckDigit => "check_digit",
        }
    }
}

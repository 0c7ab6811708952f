//! What may stand in a row of Pi.Co., by type: codes of bodies and of contracts, amounts, days,
//! counts, words of ours, and texts from which the fiscal codes of persons were taken out.
//!
//! A person has no way in. [`Cell`] has no variant for one, and only types that are [`Impersonal`]
//! become a cell: `Persona`, `CodiceFiscale` and plain texts are not. Names of people written
//! inside a text cannot be recognised, and nobody pretends so.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use canonical::code_lists::SceltaContraente;
use canonical::identifiers::{
    Cig, CodiceAusa, CodiceFiscale, Cpv, Cui, Cup, holds_personal_code, without_personal_codes,
};
use canonical::kinds::{CodiceIndicatore, Periodo};
use canonical::values::{CalendarDate, Importo, UtcInstant};
use canonical::{Kind, Rule, SourceName};
use contract::FieldValue;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// What stands where the fiscal code of a person was.
pub(crate) const OMITTED: &str = "[codice fiscale omesso]";

/// The fiscal code of a body. That of a person is never one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BodyCode(CodiceFiscale);

impl BodyCode {
    /// The code, unless it is a person's.
    pub(crate) fn of(codice_fiscale: CodiceFiscale) -> Option<Self> {
        (!codice_fiscale.is_person()).then_some(Self(codice_fiscale))
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        CodiceFiscale::parse(text).ok().and_then(Self::of)
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// A text without the fiscal codes of persons.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CleanText(String);

impl CleanText {
    /// The text, and whether something was taken out of it.
    pub(crate) fn of(text: &str) -> (Self, bool) {
        match without_personal_codes(text, OMITTED) {
            Cow::Borrowed(text) => (Self(text.to_owned()), false),
            Cow::Owned(text) => (Self(text), true),
        }
    }
}

/// A code: only typed codes and words of ours become one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Code(String);

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Body(BodyCode),
    Code(Code),
    Codes(BTreeSet<Code>),
    Amount(Importo),
    Date(CalendarDate),
    Instant(UtcInstant),
    Number(u64),
    Text(CleanText),
}

/// A word of ours, written in the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Word(pub(crate) &'static str);

/// A type whose values may leave towards Pi.Co., because none of them can be a person.
pub(crate) trait Impersonal {
    fn cell(self) -> Cell;
}

macro_rules! cells {
    ($( $type:ty => |$value:ident| $cell:expr; )+) => {
        $( impl Impersonal for $type {
            fn cell(self) -> Cell {
                let $value = self;
                $cell
            }
        } )+
    };
}

cells! {
    BodyCode => |code| Cell::Body(code);
    Cig => |code| Cell::Code(Code(code.as_str().to_owned()));
    Cup => |code| Cell::Code(Code(code.as_str().to_owned()));
    Cui => |code| Cell::Code(Code(code.as_str().to_owned()));
    Cpv => |code| Cell::Code(Code(code.as_str().to_owned()));
    CodiceAusa => |code| Cell::Code(Code(code.as_str().to_owned()));
    SceltaContraente => |code| Cell::Code(Code(code.as_str().to_owned()));
    CodiceIndicatore => |code| Cell::Code(Code(code.as_str().to_owned()));
    Periodo => |period| Cell::Code(Code(period.as_str().to_owned()));
    SourceName => |name| Cell::Code(Code(name.as_str().to_owned()));
    Rule => |rule| Cell::Code(Code(rule.code().to_owned()));
    Kind => |kind| Cell::Code(Code(kind.name().to_owned()));
    Word => |word| Cell::Code(Code(word.0.to_owned()));
    BTreeSet<Cup> => |codes| Cell::Codes(codes.iter().map(|code| Code(code.as_str().to_owned())).collect());
    BTreeSet<Cig> => |codes| Cell::Codes(codes.iter().map(|code| Code(code.as_str().to_owned())).collect());
    BTreeSet<Word> => |words| Cell::Codes(words.iter().map(|word| Code(word.0.to_owned())).collect());
    Importo => |importo| Cell::Amount(importo);
    CalendarDate => |date| Cell::Date(date);
    UtcInstant => |instant| Cell::Instant(instant);
    u64 => |number| Cell::Number(number);
    CleanText => |text| Cell::Text(text);
}

/// The shape of the values of a column: how they are written, read back and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Fiscal code of a body.
    Body,
    Cig,
    Cup,
    Cui,
    Cpv,
    /// Any other code.
    Code,
    /// One of these words. Another one is read and compared all the same.
    Word(&'static [&'static str]),
    /// CIG, or CUP, or words, in their order.
    Cigs,
    Cups,
    Words(&'static [&'static str]),
    Amount,
    Date,
    Instant,
    Number,
    /// A text compared as it is.
    Label,
    /// A text compared after normalisation.
    Text,
}

impl Shape {
    /// Reads a value as Pi.Co. gives it; none when it has not this shape.
    pub(crate) fn read(self, value: &Value) -> Option<Cell> {
        let text = value.as_str();
        match self {
            Self::Body => BodyCode::parse(text?).map(Impersonal::cell),
            Self::Cig => Cig::parse(text?).ok().map(Impersonal::cell),
            Self::Cup => Cup::parse(text?).ok().map(Impersonal::cell),
            Self::Cui => Cui::parse(text?).ok().map(Impersonal::cell),
            Self::Cpv => Cpv::parse(text?).ok().map(Impersonal::cell),
            Self::Code | Self::Word(_) => code(text?).map(Cell::Code),
            Self::Cigs => codes(value, |text| Cig::parse(text).is_ok()),
            Self::Cups => codes(value, |text| Cup::parse(text).is_ok()),
            Self::Words(_) => codes(value, |text| !text.is_empty()),
            Self::Amount => Importo::parse(text?).ok().map(Cell::Amount),
            Self::Date => CalendarDate::parse(text?).ok().map(Cell::Date),
            Self::Instant => UtcInstant::parse(text?).ok().map(Cell::Instant),
            Self::Number => value.as_u64().map(Cell::Number),
            Self::Label | Self::Text => Some(Cell::Text(CleanText::of(text?).0)),
        }
    }

    /// True when a cell has only words that the contract knows.
    pub(crate) fn admits(self, cell: &Cell) -> bool {
        match (self, cell) {
            (Self::Word(words), Cell::Code(code)) => words.contains(&code.0.as_str()),
            (Self::Words(words), Cell::Codes(codes)) => codes.iter().all(|code| words.contains(&code.0.as_str())),
            _ => true,
        }
    }

    /// The value by which two sides are compared.
    pub(crate) fn field(self, cell: &Cell) -> FieldValue {
        match cell {
            Cell::Amount(importo) => FieldValue::Amount(*importo),
            Cell::Date(date) => FieldValue::Date(*date),
            Cell::Codes(codes) => FieldValue::Codes(codes.iter().map(|code| code.0.clone()).collect()),
            Cell::Text(text) if self == Self::Text => FieldValue::Text(text.0.clone()),
            other => FieldValue::Code(other.to_string()),
        }
    }
}

fn code(text: &str) -> Option<Code> {
    (!text.is_empty() && !holds_personal_code(text)).then(|| Code(text.to_owned()))
}

fn codes(value: &Value, is_code: impl Fn(&str) -> bool) -> Option<Cell> {
    let texts = value.as_array()?.iter().map(|text| text.as_str().filter(|text| is_code(text)).and_then(code));
    texts.collect::<Option<BTreeSet<Code>>>().map(Cell::Codes)
}

impl Cell {
    /// Whether a spreadsheet could take it for a formula: only texts and received codes can.
    pub(crate) fn is_free(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Code(_))
    }
}

/// The text of a cell, as in the CSV: sets are separated by blanks.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(code) => f.write_str(code.as_str()),
            Self::Code(code) => f.write_str(&code.0),
            Self::Codes(codes) => {
                let texts: Vec<&str> = codes.iter().map(|code| code.0.as_str()).collect();
                f.write_str(&texts.join(" "))
            }
            Self::Amount(importo) => importo.fmt(f),
            Self::Date(date) => date.fmt(f),
            Self::Instant(instant) => instant.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(&text.0),
        }
    }
}

/// The value of a cell, as in the NDJSON: counts are numbers, sets are lists, all the rest is text.
impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Codes(codes) => serializer.collect_seq(codes.iter().map(|code| &code.0)),
            other => serializer.collect_str(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use canonical::kinds::{IdentificativoOperatore, Partecipazione, Persona};
    use serde_json::json;

    use super::*;

    /// Compiles only for types that are not [`Impersonal`]: for one that is, the compiler finds
    /// two functions with the same name and refuses to choose.
    macro_rules! never_impersonal {
        ($($type:ty),+ $(,)?) => { $({
            trait EitherWay<A> { fn chosen() {} }
            impl<T: ?Sized> EitherWay<()> for T {}
            struct IsImpersonal;
            impl<T: ?Sized + Impersonal> EitherWay<IsImpersonal> for T {}
            <$type as EitherWay<_>>::chosen();
        })+ };
    }

    #[test]
    fn a_person_cannot_become_a_cell() {
        never_impersonal!(
            Persona,
            Option<Persona>,
            CodiceFiscale,
            IdentificativoOperatore,
            Partecipazione,
            String,
            &str
        );
    }

    #[test]
    fn the_fiscal_code_of_a_person_is_not_that_of_a_body() {
        assert_eq!(BodyCode::parse("RSSMRA85T10A562S"), None);
        assert!(BodyCode::parse("00606750131").is_some());
        assert_eq!(Shape::Body.read(&json!("RSSMRA85T10A562S")), None);
        assert_eq!(Shape::Code.read(&json!("RSSMRA85T10A562S")), None);
        assert_eq!(Shape::Words(&[]).read(&json!(["rssmra85t10a562s"])), None);
    }

    #[test]
    fn a_text_loses_the_codes_of_persons_and_says_so() {
        let (text, was_cleaned) = CleanText::of("geom. RSSMRA85T10A562S");
        assert_eq!((text.cell().to_string().as_str(), was_cleaned), ("geom. [codice fiscale omesso]", true));
        assert!(!CleanText::of("geom. Rossi").1);
        let read = Shape::Text.read(&json!("rss mra 85t10 a562s")).expect("a text");
        assert_eq!(read.to_string(), OMITTED);
    }

    #[test]
    fn an_unknown_word_is_read_but_not_admitted() {
        let shape = Shape::Word(&["pubblicato"]);
        let (known, unknown) = (shape.read(&json!("pubblicato")), shape.read(&json!("in_volo")));
        assert!(known.is_some_and(|cell| shape.admits(&cell)));
        assert!(unknown.is_some_and(|cell| !shape.admits(&cell)));
    }
}

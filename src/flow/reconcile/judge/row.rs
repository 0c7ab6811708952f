//! Two values of one field of a target's row, judged as the values of two records are.
//!
//! A row says what shape a value has, not what it means: the name of the field, in the target's own
//! vocabulary, tells the rest.

use contract::FieldValue;

use super::{Around, Codes, FieldKind, Judgement, Value, judge};
use crate::discrepancy::Cause;

/// Causes that leave what is said as it is.
const FORMS: &[Cause] = &[
    Cause::Rounding,
    Cause::SamePerson,
    Cause::SameOperator,
    Cause::ZeroPadding,
    Cause::MaskedValue,
    Cause::RecodedTerritory,
    Cause::Crosswalk,
    Cause::NullAgainstZero,
];

/// Words of a name that say: a person.
const PERSONS: &[&str] = &[
    "rup",
    "referente",
    "responsabile",
    "cognome",
    "nominativo",
    "direttore",
    "progettista",
    "collaudatore",
    "firmatario",
];

/// Judges what we hold and what a target holds of one field; none when they say the same.
pub fn of_row_field(field: &str, ours: Option<&FieldValue>, theirs: Option<&FieldValue>) -> Option<Judgement> {
    if ours == theirs {
        return None;
    }
    let kind = kind_of(field, ours.or(theirs)?);
    // A target takes over what it is sent: nothing is published later there, and nothing is empty
    // that should be zero unless the target says so.
    let around = Around { is_same_system: true, ..Around::default() };
    let found = judge(kind, ours.map(value_of), theirs.map(value_of), &around)?;
    // A source may know one CUP of many, or write an amount with VAT. A target was sent a value, and
    // holds it in another form at most: whatever else it holds is not what it was sent.
    let is_form = found.cause.is_none_or(|cause| FORMS.contains(&cause));
    Some(if is_form { found } else { Judgement::unexplained(found.rule) })
}

fn value_of(value: &FieldValue) -> Value<'_> {
    match value {
        FieldValue::Amount(amount) => Value::Amount(*amount),
        FieldValue::Date(day) => Value::Date(*day),
        FieldValue::Text(text) => Value::Text(text),
        FieldValue::Code(code) => Value::Code(code),
        FieldValue::Codes(codes) => Value::Codes(Codes::Texts(codes)),
    }
}

/// What a field of a row means, by the shape of its value and the words of its name.
pub fn kind_of(field: &str, value: &FieldValue) -> FieldKind {
    match value {
        FieldValue::Amount(_) => return FieldKind::Amount,
        FieldValue::Date(_) => return FieldKind::Date,
        FieldValue::Text(_) | FieldValue::Code(_) | FieldValue::Codes(_) => {}
    }
    let last = field.rsplit(['.', '/']).next().unwrap_or(field);
    let names = |word: &str| words(last).any(|one| one.eq_ignore_ascii_case(word));
    let any = |words: &[&str]| words.iter().any(|word| names(word));
    let is_many = matches!(value, FieldValue::Codes(_));
    let is_text = matches!(value, FieldValue::Text(_));
    if any(&["cup"]) {
        FieldKind::Cups
    } else if is_many {
        FieldKind::CodeSet
    } else if is_text && any(PERSONS) {
        FieldKind::Person
    } else if is_text {
        FieldKind::Text
    } else if any(&["cui"]) {
        FieldKind::Cui
    } else if any(&["istat"]) {
        FieldKind::Territory
    } else if any(&["ausa", "ipa"]) {
        FieldKind::Identifier
    } else if names("fiscale") || any(&["cf", "piva"]) {
        FieldKind::Operator
    } else {
        FieldKind::Code
    }
}

/// The words of a name such as `codiceFiscaleSA`, `cup_list` or `CUP`.
fn words(name: &str) -> impl Iterator<Item = &str> {
    let mut rest = name;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|one: char| !one.is_alphanumeric());
        let mut before = rest.chars().next()?;
        let mut end = rest.len();
        for (at, one) in rest.char_indices().skip(1) {
            if !one.is_alphanumeric() || (one.is_uppercase() && !before.is_uppercase()) {
                end = at;
                break;
            }
            before = one;
        }
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(word)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use canonical::Rule;
    use canonical::values::{CalendarDate, Importo};

    use super::*;

    fn text(text: &str) -> FieldValue {
        FieldValue::Text(text.to_owned())
    }

    fn code(code: &str) -> FieldValue {
        FieldValue::Code(code.to_owned())
    }

    fn check(field: &str, ours: &FieldValue, theirs: &FieldValue) -> Option<(Rule, Option<Cause>)> {
        of_row_field(field, Some(ours), Some(theirs)).map(|found| (found.rule, found.cause))
    }

    #[test]
    fn the_shape_of_a_value_and_the_name_of_its_field_choose_the_rule() {
        let [net, gross] = [100_000, 122_000].map(|cents| FieldValue::Amount(Importo::from_cents(cents)));
        assert_eq!(check("importo", &net, &gross), Some((Rule::R02, None)));
        let [one, other] = ["2024-03-01", "2024-03-05"].map(|day| FieldValue::Date(CalendarDate::parse(day).unwrap()));
        assert_eq!(check("dataPubblicazione", &one, &other), Some((Rule::R03, None)));
        assert_eq!(check("oggetto", &text("una  scuola "), &text("una scuola")), None);
        assert_eq!(check("oggetto", &text("scuola"), &text("ponte")), Some((Rule::R12, None)));
        assert_eq!(
            check("rup", &text("Ing. Bianchi Anna"), &text("ANNA BIANCHI")),
            Some((Rule::R10, Some(Cause::SamePerson)))
        );
        assert_eq!(
            check("codiceFiscaleSA", &code("01894100302"), &code("1894100302")),
            Some((Rule::R26, Some(Cause::ZeroPadding)))
        );
        assert_eq!(check("modalita", &code("01"), &code("1")), Some((Rule::R14, None)));
        assert_eq!(check("stato", &code("4"), &code("5")), Some((Rule::R14, None)));
        let [few, many] = [&["F41B20000460001"][..], &["F41B20000460001", "G34E21000230001"]]
            .map(|codes| FieldValue::Codes(codes.iter().map(ToString::to_string).collect::<BTreeSet<_>>()));
        assert_eq!(check("cup", &few, &many), Some((Rule::R13, None)));
        assert_eq!(check("lotti", &few, &many), Some((Rule::R14, None)));
    }

    #[test]
    fn a_field_on_one_side_only_is_a_difference_of_its_rule() {
        assert_eq!(of_row_field("oggetto", Some(&text("x")), None).unwrap().rule, Rule::R12);
        assert_eq!(of_row_field("oggetto", None, None), None);
        let zero = FieldValue::Amount(Importo::ZERO);
        assert_eq!(of_row_field("importo", None, Some(&zero)).unwrap().cause, Some(Cause::NullAgainstZero));
    }
}

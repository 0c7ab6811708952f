//! The rows of one unit, ours and theirs. Pure: discrepancies come in order of row and field.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use canonical::values::Importo;
use canonical::{Record, Rule};
use contract::{FieldValue, Row, UnitKey};

use super::judge;
use super::judge::FieldKind;
use crate::discrepancy::shown::said;
use crate::discrepancy::{Act, Discrepancy, NO_SOURCE, Shape, Side};
use crate::storage::ReconciliationCounts;

/// What stands around the rows.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// The target, which is the name of the comparison too.
    pub target: &'a str,
    /// Whose value ours is; none when nobody here knows the unit.
    pub owner: Option<&'a str>,
    /// Tax code of the body concerned.
    pub body: Option<&'a str>,
    /// Whether the target has a desk at which a Segnalazione is opened.
    pub has_desk: bool,
}

/// The sources of some records, and the body that all of them are about.
pub(super) fn sources_of(members: &[Record]) -> (Option<String>, Option<String>) {
    let sources: BTreeSet<_> = members.iter().map(|record| record.provenance.source.as_str()).collect();
    let owner = (!sources.is_empty()).then(|| sources.into_iter().collect::<Vec<_>>().join("+"));
    let bodies: BTreeSet<_> = members
        .iter()
        .filter_map(|record| record.body.ente())
        .map(canonical::identifiers::CodiceFiscale::masked)
        .collect();
    let body = if bodies.len() == 1 { bodies.first().map(|body| (*body).to_owned()) } else { None };
    (owner, body)
}

/// Compares the rows of one unit. A row that differs for known causes only is counted as explained.
pub fn compare_rows(
    unit: &UnitKey,
    ours: &[Row],
    theirs: &[Row],
    around: &Around<'_>,
) -> (ReconciliationCounts, Vec<Discrepancy>) {
    let mut counts = ReconciliationCounts {
        expected: ours.len() as u64,
        observed: theirs.len() as u64,
        ..ReconciliationCounts::default()
    };
    let mut found = Vec::new();
    let (ours, theirs) = (sorted(ours), sorted(theirs));
    let (mut i, mut j) = (0, 0);
    loop {
        let order = match (ours.get(i), theirs.get(j)) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(mine), Some(other)) => mine.key.cmp(&other.key),
        };
        match order {
            Ordering::Less => {
                counts.missing_there += 1;
                found.push(missing(unit, ours[i], Shape::MissingThere, around));
            }
            Ordering::Greater => {
                counts.missing_here += 1;
                found.push(missing(unit, theirs[j], Shape::MissingHere, around));
            }
            Ordering::Equal => {
                let differing = compare_fields(unit, ours[i], theirs[j], around);
                if differing.is_empty() {
                    counts.equal += 1;
                } else if differing.iter().all(|found| found.cause.is_some()) {
                    counts.explained += 1;
                } else {
                    counts.different += 1;
                }
                found.extend(differing);
            }
        }
        i += usize::from(order.is_le());
        j += usize::from(order.is_ge());
    }
    (counts, found)
}

fn sorted(rows: &[Row]) -> Vec<&Row> {
    let mut rows: Vec<&Row> = rows.iter().collect();
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    rows
}

fn missing(unit: &UnitKey, row: &Row, shape: Shape, around: &Around<'_>) -> Discrepancy {
    let is_ours = shape == Shape::MissingThere;
    let shown = Some(row.key.as_str());
    let amounts = row.fields.values().filter_map(|value| match value {
        FieldValue::Amount(amount) => Some(*amount),
        _ => None,
    });
    Discrepancy {
        comparison: around.target.to_owned(),
        unit: unit.0.clone(),
        row: row.key.clone(),
        field: None,
        rule: Rule::R01,
        severity: Rule::R01.severity(),
        shape,
        against: around.target.to_owned(),
        cause: None,
        sides: sides(around, false, shown.filter(|_| is_ours), shown.filter(|_| !is_ours)),
        // Amounts of one row stand inside one another: the largest is what is in question.
        at_stake: amounts.max(),
        body: around.body.map(str::to_owned),
        deadline: None,
        act: match (is_ours, around.has_desk) {
            (true, _) => Act::SendAgain,
            (false, true) => Act::OpenSegnalazione,
            (false, false) => Act::AskPartner,
        },
    }
}

/// What both sides say, without persons: by the kind of the field where it is a person as a whole, by
/// the text where it holds the code of one.
fn sides(around: &Around<'_>, is_person: bool, ours: Option<&str>, theirs: Option<&str>) -> Vec<Side> {
    let side = |system: &str, is_owner, value: Option<&str>| {
        let (value, seen) = value.map(|value| said(value, is_person)).unzip();
        Side { system: system.to_owned(), is_owner, value, seen: seen.flatten(), as_of: None }
    };
    vec![side(around.owner.unwrap_or(NO_SOURCE), true, ours), side(around.target, false, theirs)]
}

fn compare_fields(unit: &UnitKey, ours: &Row, theirs: &Row, around: &Around<'_>) -> Vec<Discrepancy> {
    let names: BTreeSet<&String> = ours.fields.keys().chain(theirs.fields.keys()).collect();
    let differing = names.into_iter().filter_map(|name| {
        let (mine, other) = (ours.fields.get(name), theirs.fields.get(name));
        let judged = judge::of_row_field(name, mine, other)?;
        let is_person = judge::kind_of_row_field(name, mine.or(other)?) == FieldKind::Person;
        let text = |value: Option<&FieldValue>| value.map(ToString::to_string);
        Some(Discrepancy {
            comparison: around.target.to_owned(),
            unit: unit.0.clone(),
            row: ours.key.clone(),
            field: Some(name.clone()),
            rule: judged.rule,
            severity: judged.severity,
            shape: Shape::Differs,
            against: around.target.to_owned(),
            cause: judged.cause,
            sides: sides(around, is_person, text(mine).as_deref(), text(other).as_deref()),
            at_stake: at_stake(mine, other),
            body: around.body.map(str::to_owned),
            deadline: None,
            act: if judged.cause.is_some() { Act::Nothing } else { Act::SendAgain },
        })
    });
    differing.collect()
}

/// By how much two amounts differ.
fn at_stake(mine: Option<&FieldValue>, other: Option<&FieldValue>) -> Option<Importo> {
    let cents = |value: Option<&FieldValue>| match value {
        Some(FieldValue::Amount(amount)) => Some(Some(amount.cents())),
        Some(_) => None,
        None => Some(None),
    };
    match (cents(mine)?, cents(other)?) {
        (None, None) => None,
        (mine, other) => {
            let difference = mine.unwrap_or(0).saturating_sub(other.unwrap_or(0)).saturating_abs();
            Some(Importo::from_cents(difference))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, object: &str) -> Row {
        Row::new(key).with("oggetto", Some(FieldValue::Text(object.to_owned())))
    }

    fn unit() -> UnitKey {
        UnitKey("unit".to_owned())
    }

    fn compare(ours: &[Row], theirs: &[Row]) -> (ReconciliationCounts, Vec<Discrepancy>) {
        let around = Around { target: "hub", owner: Some("pad"), body: None, has_desk: false };
        compare_rows(&unit(), ours, theirs, &around)
    }

    fn values(found: &Discrepancy) -> (Option<&str>, Option<&str>) {
        (found.sides[0].value.as_deref(), found.sides[1].value.as_deref())
    }

    #[test]
    fn rows_are_matched_by_key_in_any_order() {
        let (counts, found) = compare(&[row("b", "x"), row("a", "y")], &[row("a", "y"), row("b", "x")]);
        assert_eq!((counts.equal, found), (2, Vec::new()));
    }

    #[test]
    fn a_row_on_one_side_only_is_missing_on_the_other() {
        let (counts, found) = compare(&[row("a", "x")], &[row("b", "x")]);
        assert_eq!((counts.missing_there, counts.missing_here), (1, 1));
        assert_eq!(
            found.iter().map(|found| found.shape).collect::<Vec<_>>(),
            [Shape::MissingThere, Shape::MissingHere]
        );
    }

    #[test]
    fn what_only_a_target_with_a_help_desk_has_is_reported_there() {
        let around = Around { target: "pico", owner: None, body: None, has_desk: true };
        let (_, found) = compare_rows(&unit(), &[], &[row("a", "x")], &around);
        assert_eq!(found[0].act, Act::OpenSegnalazione);
    }

    #[test]
    fn a_difference_names_field_rule_and_both_values() {
        let (counts, found) = compare(&[row("a", "scuola")], &[row("a", "ponte")]);
        assert_eq!(counts.different, 1);
        assert_eq!(found[0].rule, Rule::R12);
        assert_eq!(values(&found[0]), (Some("scuola"), Some("ponte")));
    }

    #[test]
    fn texts_that_differ_in_blanks_only_are_equal() {
        let (counts, _) = compare(&[row("a", "una  scuola ")], &[row("a", "una scuola")]);
        assert_eq!(counts.equal, 1);
    }

    #[test]
    fn a_field_on_one_side_only_is_a_difference() {
        let (counts, found) = compare(&[row("a", "x")], &[Row::new("a")]);
        assert_eq!((counts.different, found.len()), (1, 1));
        assert_eq!(values(&found[0]), (Some("x"), None));
    }

    #[test]
    fn the_amount_in_question_is_the_difference() {
        let row = |cents| Row::new("a").with("importo", Some(FieldValue::Amount(Importo::from_cents(cents))));
        let (_, found) = compare(&[row(68_300_000)], &[row(63_800_000)]);
        assert_eq!(found[0].at_stake, Some(Importo::from_cents(4_500_000)));
        let (_, found) = compare(&[row(68_300_000)], &[]);
        assert_eq!(found[0].at_stake, Some(Importo::from_cents(68_300_000)));
    }

    #[test]
    fn a_person_stands_in_no_side_and_another_person_is_another_value() {
        let rup = |name: &str| row("a", "x").with("rup", Some(FieldValue::Text(name.to_owned())));
        let code = |code: &str| row("a", "x").with("codice_fiscale", Some(FieldValue::Code(code.to_owned())));
        for (mine, others) in [
            (rup("Anna Bianchi"), [rup("Ugo Verdi"), rup("Pia Neri")]),
            (code("80098765433"), [code("RSSMRA80A01H501U"), code("VRDLGI60A01H501R")]),
        ] {
            let [one, other] = others.map(|theirs| compare(std::slice::from_ref(&mine), &[theirs]).1.remove(0));
            assert_eq!(values(&one), values(&other), "nothing tells one from the other");
            assert_eq!(values(&one).1, Some("[omesso]"));
            assert_ne!(one.values(), other.values(), "and yet they are two");
        }
    }
}

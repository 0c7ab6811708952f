//! The one table of discrepancies: which columns, in which order, and the cells of a row. Spreadsheet,
//! text and page all take them from here, so they say the same.

use super::forms::{self, Cell};
use super::model::About;
use super::words::{self, Headings, Language, headings};
use crate::discrepancy::{State, WorkItem};

/// A column: its heading and its width in characters, for those who draw it.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// The heading.
    pub heading: &'static str,
    /// The width.
    pub width: u8,
}

/// How many columns there are.
pub const COUNT: usize = 29;

/// The columns, in order.
pub fn columns(language: Language) -> [Column; COUNT] {
    let Headings {
        number,
        comparison,
        unit,
        row,
        field,
        rule,
        severity,
        shape,
        owner,
        owner_value,
        against,
        against_value,
        other_sides,
        at_stake,
        cause,
        causes_codes,
        why,
        act,
        state,
        until,
        body,
        deadline,
        days,
        office,
        first_seen,
        last_seen,
        reopened,
        escalated_at,
        changed_at,
        ..
    } = *headings(language);
    [
        (number, 8),
        (comparison, 14),
        (unit, 24),
        (row, 24),
        (field, 20),
        (rule, 26),
        (severity, 12),
        (shape, 18),
        (owner, 16),
        (owner_value, 22),
        (against, 16),
        (against_value, 22),
        (other_sides, 28),
        (at_stake, 16),
        (cause, 24),
        (causes_codes, 18),
        (why, 60),
        (act, 24),
        (state, 12),
        (until, 14),
        (body, 16),
        (deadline, 12),
        (days, 12),
        (office, 20),
        (first_seen, 18),
        (last_seen, 18),
        (changed_at, 18),
        (reopened, 11),
        (escalated_at, 18),
    ]
    .map(|(heading, width)| Column { heading, width })
}

/// The cells of a discrepancy, one for each column.
pub fn cells(item: &WorkItem, about: &About) -> [Cell; COUNT] {
    let language = about.language;
    let found = &item.discrepancy;
    let text = |text: &str| Cell::Text(text.to_owned());
    let said = |value: Option<&str>| value.map_or(Cell::Empty, |value| forms::value(found.rule, value));
    let owner = found.sides.iter().find(|side| side.is_owner);
    let against = found.sides.iter().find(|side| !side.is_owner && side.system == found.against);
    let others: Vec<String> = found
        .sides
        .iter()
        .filter(|side| !side.is_owner && side.system != found.against)
        .map(|side| format!("{}: {}", words::side_name(side, language), said(side.value.as_deref()).text(language)))
        .collect();
    let cause = found.cause.map_or_else(|| words::unexplained(language), |cause| words::cause(cause, language));
    let until = match item.state {
        State::Accepted { until: Some(until) } => Cell::Day(until),
        _ => Cell::Empty,
    };
    [
        Cell::Whole(u64::try_from(item.id).unwrap_or_default()),
        text(&found.comparison),
        text(&found.unit),
        text(&found.row),
        text(found.field.as_deref().unwrap_or(headings(language).whole_row)),
        Cell::Text(format!("{} {}", found.rule.code(), words::rule(found.rule, language))),
        text(words::severity(found.severity, language)),
        text(words::shape(found.shape, language)),
        Cell::text_of(owner.map(|side| words::side_name(side, language))),
        said(owner.and_then(|side| side.value.as_deref())),
        text(&found.against),
        said(against.and_then(|side| side.value.as_deref())),
        if others.is_empty() { Cell::Empty } else { Cell::Text(others.join("; ")) },
        found.at_stake.map_or(Cell::Empty, Cell::Amount),
        text(cause.title),
        Cell::text_of(found.cause.map(crate::discrepancy::Cause::code)),
        text(cause.sentence),
        text(words::act(found.act, language)),
        text(words::state(&item.state, language)),
        until,
        Cell::text_of(found.body.as_deref()),
        found.deadline.map_or(Cell::Empty, Cell::Day),
        Cell::Whole(about.age(item)),
        Cell::text_of(item.office.as_deref()),
        Cell::Instant(item.first_seen),
        Cell::Instant(item.last_seen),
        Cell::Instant(item.changed_at),
        Cell::Whole(item.reopened.into()),
        item.escalated_at.map_or(Cell::Empty, Cell::Instant),
    ]
}

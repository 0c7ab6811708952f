//! What the page of reconciliation and the printed report say alike: completeness first, the rows
//! by what came of them, the groups, the trend. Texts are ready; the templates only place them.

use canonical::Severity;
use canonical::values::{CalendarDate, Importo};

use super::chart::{Chart, chart};
use crate::clock::italian_day;
use crate::discrepancy::{Group, SOURCES, State, WorkItem};
use crate::flow::report::forms::{self, Cell, amount, day, instant, whole};
use crate::flow::report::model::{About, RowNumbers, RunFacts};
use crate::flow::report::words::{self, Headings, Language, headings};

/// The facts that stand above the discrepancies.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) words: &'static Headings,
    pub(super) here: &'static str,
    pub(super) there: &'static str,
    /// Why what follows is not the whole truth.
    pub(super) warning: Option<&'static str>,
    pub(super) runs: Vec<RunRow>,
    pub(super) numbers: Vec<NumberTile>,
    /// How the rows add up.
    pub(super) sum: String,
    /// What a row is where the sources are among the comparisons.
    pub(super) of_sources: Option<&'static str>,
    pub(super) chart: Option<Chart>,
}

/// How many rows there are of which something came.
#[derive(Debug)]
pub(super) struct NumberTile {
    pub(super) name: &'static str,
    pub(super) rows: String,
    /// Why there is no number, and the amounts.
    pub(super) notes: Vec<String>,
    /// Whether it calls for somebody, or nobody knows.
    pub(super) class: &'static str,
}

/// A run.
#[derive(Debug)]
pub(super) struct RunRow {
    pub(super) comparison: String,
    pub(super) id: i64,
    pub(super) finished_at: String,
    pub(super) rows_here: String,
    pub(super) rows_there: String,
    pub(super) is_complete: bool,
    pub(super) because: String,
}

/// All discrepancies with one cause.
#[derive(Debug)]
pub(super) struct GroupRow {
    /// Where they are told one by one.
    pub(super) link: Option<String>,
    pub(super) cause: &'static str,
    pub(super) sentence: &'static str,
    pub(super) rule: String,
    pub(super) comparison: String,
    pub(super) field: String,
    pub(super) against: String,
    pub(super) shape: &'static str,
    pub(super) severity: &'static str,
    pub(super) is_error: bool,
    pub(super) count: String,
    pub(super) new: String,
    pub(super) at_stake: String,
    pub(super) oldest: String,
    pub(super) deadline: String,
    pub(super) is_overdue: bool,
}

/// One discrepancy, with everything that is said of it.
#[derive(Debug)]
pub(super) struct ItemRow {
    pub(super) words: &'static Headings,
    /// Where it stands alone.
    pub(super) link: Option<String>,
    pub(super) id: i64,
    pub(super) comparison: String,
    pub(super) unit: String,
    pub(super) row: String,
    pub(super) field: String,
    pub(super) rule: String,
    pub(super) severity: &'static str,
    pub(super) is_error: bool,
    pub(super) shape: &'static str,
    pub(super) against: String,
    pub(super) sides: Vec<SideRow>,
    pub(super) happened: String,
    pub(super) cause: &'static str,
    pub(super) why: &'static str,
    pub(super) act: &'static str,
    pub(super) to_do: &'static str,
    pub(super) at_stake: String,
    pub(super) body: String,
    pub(super) office: String,
    pub(super) deadline: String,
    pub(super) is_overdue: bool,
    pub(super) state: &'static str,
    pub(super) until: String,
    pub(super) first_seen: String,
    pub(super) last_seen: String,
    pub(super) changed_at: String,
    pub(super) age: String,
    pub(super) reopened: String,
    pub(super) escalated_at: String,
}

/// What one system says.
#[derive(Debug)]
pub(super) struct SideRow {
    pub(super) system: String,
    pub(super) is_owner: bool,
    pub(super) value: Option<String>,
    pub(super) as_of: String,
    pub(super) is_number: bool,
}

impl Facts {
    pub(super) fn of(about: &About, rows: &RowNumbers) -> Self {
        let language = about.language;
        let words = headings(language);
        let warning = match (about.runs.is_empty(), about.is_complete()) {
            (true, _) => Some(words.no_runs),
            (false, false) => Some(words.incomplete),
            (false, true) => None,
        };
        // The rows are those of the comparisons, the amounts those of the filter.
        let of_amounts = if about.filter.is_empty() { words.at_stake } else { words.at_stake_chosen };
        let why_not_known = |may_be_missing: bool| match (about.runs.is_empty(), rows.counts_missing) {
            (true, _) => None,
            (false, false) if may_be_missing => Some(words.not_counted.to_owned()),
            (false, _) => Some(words.not_known.to_owned()),
        };
        let number = |name, rows: Option<u64>, at_stake: Importo, may_be_missing| {
            let amount = some_amount(at_stake, language).map(|amount| format!("{of_amounts}: €\u{a0}{amount}"));
            let why = if rows.is_none() { why_not_known(may_be_missing) } else { None };
            let class = match rows {
                None => " unknown",
                Some(0) => "",
                Some(_) => " alarm",
            };
            NumberTile {
                name,
                rows: forms::known(rows, language),
                notes: why.into_iter().chain(amount).collect(),
                class,
            }
        };
        // What is equal or explained calls for nobody.
        let calm =
            |tile: NumberTile| NumberTile { class: tile.class.strip_prefix(" alarm").unwrap_or(tile.class), ..tile };
        let (different, explained) = (rows.different, rows.explained);
        let skipped = rows
            .skipped
            .iter()
            .map(|(reason, count)| format!("{}: {}", whole(*count, language), words::skipped(reason, language)));
        Self {
            words,
            here: language.of("qui", "here"),
            there: language.of("là", "there"),
            warning,
            runs: about.runs.iter().map(|run| run_row(run, language)).collect(),
            numbers: vec![
                calm(number(words.equal, rows.equal, Importo::default(), false)),
                number(words.different, different.0, different.1, false),
                calm(number(words.explained, explained.0, explained.1, false)),
                number(words.only_here, rows.only_here.0, rows.only_here.1, true),
                number(words.only_there, rows.only_there.0, rows.only_there.1, true),
                NumberTile {
                    name: words.skipped,
                    rows: whole(rows.all_skipped(), language),
                    notes: skipped.collect(),
                    class: "",
                },
            ],
            sum: sum_of(rows, words, language),
            of_sources: about.runs.iter().any(|run| run.comparison == SOURCES).then_some(words.rows_of_sources),
            chart: chart(&about.trend(), language),
        }
    }
}

/// An amount; none where nothing with an amount is in question.
fn some_amount(at_stake: Importo, language: Language) -> Option<String> {
    (at_stake != Importo::default()).then(|| amount(at_stake, language))
}

/// All rows, and the numbers that add up to them: those that are known.
fn sum_of(rows: &RowNumbers, words: &Headings, language: Language) -> String {
    let parts = [
        (rows.equal, words.equal),
        (rows.different.0, words.different),
        (rows.explained.0, words.explained),
        (rows.only_here.0, words.only_here),
        (rows.only_there.0, words.only_there),
        (Some(rows.all_skipped()), words.skipped),
    ];
    let parts = parts
        .into_iter()
        .filter_map(|(count, name)| Some(format!("{} {}", whole(count?, language), name.to_lowercase())));
    let parts = parts.collect::<Vec<_>>().join(" + ");
    format!("{}: {} = {parts}", words.rows_in_all, whole(rows.all(), language))
}

fn run_row(run: &RunFacts, language: Language) -> RunRow {
    RunRow {
        comparison: run.comparison.clone(),
        id: run.id,
        finished_at: run.finished_at.map(|at| instant(at, language)).unwrap_or_default(),
        rows_here: whole(run.rows_here, language),
        rows_there: whole(run.rows_there, language),
        is_complete: run.is_complete,
        because: forms::visible(words::because(run, language).unwrap_or_default()).into_owned(),
    }
}

impl GroupRow {
    /// Whether its deadline has passed is said of the day that is given.
    pub(super) fn of(group: &Group, language: Language, today: Option<CalendarDate>, link: Option<String>) -> Self {
        let unexplained = words::unexplained(language);
        let cause = group.cause.map_or(unexplained, |cause| words::cause(cause, language));
        Self {
            link,
            cause: cause.title,
            sentence: cause.sentence,
            rule: format!("{} {}", group.rule.code(), words::rule(group.rule, language)),
            comparison: group.comparison.clone(),
            field: group.field.clone().unwrap_or_else(|| headings(language).whole_row.to_owned()),
            against: group.against.clone(),
            shape: words::shape(group.shape, language),
            severity: words::severity(group.severity, language),
            is_error: group.severity == Severity::Error,
            count: whole(group.count, language),
            new: whole(group.new, language),
            at_stake: some_amount(group.at_stake, language).unwrap_or_default(),
            oldest: day(italian_day(group.oldest), language),
            deadline: group.deadline.map(|by| day(by, language)).unwrap_or_default(),
            is_overdue: group.is_overdue(today),
        }
    }
}

impl ItemRow {
    pub(super) fn of(item: &WorkItem, about: &About, link: Option<String>) -> Self {
        let language = about.language;
        let found = &item.discrepancy;
        let words = headings(language);
        let seen = |text: &str| forms::visible(text).into_owned();
        let message = words::message(found, language);
        let cause = found.cause.map_or_else(|| words::unexplained(language), |cause| words::cause(cause, language));
        let until = match item.state {
            State::Accepted { until: Some(until) } => day(until, language),
            _ => String::new(),
        };
        let sides = found.sides.iter().map(|side| {
            let value = side.value.as_deref().map(|value| forms::value(found.rule, value));
            SideRow {
                system: words::side_name(side, language).to_owned(),
                is_owner: side.is_owner && !side.is_of_nobody(),
                is_number: value.as_ref().is_some_and(Cell::is_number),
                value: value.map(|value| value.text(language)),
                as_of: side.as_of.map(|as_of| day(as_of, language)).unwrap_or_default(),
            }
        });
        Self {
            words,
            link,
            id: item.id,
            comparison: found.comparison.clone(),
            unit: seen(&found.unit),
            row: seen(&found.row),
            field: found.field.clone().unwrap_or_else(|| words.whole_row.to_owned()),
            rule: format!("{} {}", found.rule.code(), words::rule(found.rule, language)),
            severity: words::severity(found.severity, language),
            is_error: found.severity == Severity::Error,
            shape: words::shape(found.shape, language),
            against: found.against.clone(),
            sides: sides.collect(),
            happened: seen(&message.happened),
            cause: cause.title,
            why: message.why,
            act: words::act(found.act, language),
            to_do: message.to_do,
            at_stake: found.at_stake.map(|at_stake| amount(at_stake, language)).unwrap_or_default(),
            body: found.body.as_deref().map(seen).unwrap_or_default(),
            office: item.office.as_deref().map(seen).unwrap_or_default(),
            deadline: found.deadline.map(|by| day(by, language)).unwrap_or_default(),
            is_overdue: item.is_overdue(about.today()),
            state: words::state(&item.state, language),
            until,
            first_seen: instant(item.first_seen, language),
            last_seen: instant(item.last_seen, language),
            changed_at: instant(item.changed_at, language),
            age: whole(about.age(item), language),
            reopened: whole(item.reopened.into(), language),
            escalated_at: item.escalated_at.map(|at| instant(at, language)).unwrap_or_default(),
        }
    }
}

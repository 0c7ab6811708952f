//! The facts of a report of discrepancies, fed page by page: what every form of it says, in the words
//! of none.
//!
//! [`About`] is known at the beginning: which runs, which filter, which head of the audit chain.
//! [`Totals`] grow with every page. Nothing here knows a form, a file or a database.

mod rows;

use std::collections::BTreeMap;

use canonical::Rule;
use canonical::values::{CalendarDate, Importo, UtcInstant};

pub use self::rows::RowNumbers;
use super::standing::Standing;
use super::words::Language;
use crate::clock::italian_day;
use crate::discrepancy::working_days::working_days;
use crate::discrepancy::{Cause, Group, Shape, State, WorkItem};

/// Why a row was not compared that was not read, or not there to be read.
pub const NOT_READ: &str = "not_read";

/// What is known before the first page.
#[derive(Debug, Clone)]
pub struct About {
    /// The language of the words.
    pub language: Language,
    /// When it was made.
    pub made_at: UtcInstant,
    /// The filter, as it stands in the address of the page.
    pub filter: String,
    /// Number and hash of the last entry of the audit chain.
    pub chain_head: String,
    /// The last run of each comparison that the filter admits.
    pub runs: Vec<RunFacts>,
    /// The runs before and with them, for the trend.
    pub history: Vec<RunFacts>,
    /// The periods that were signed off, the newest first.
    pub sign_offs: Vec<SignOffFacts>,
}

/// A run of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFacts {
    /// Its number.
    pub id: i64,
    /// Which comparison.
    pub comparison: String,
    /// When it began.
    pub started_at: UtcInstant,
    /// When it ended; none while it is under way.
    pub finished_at: Option<UtcInstant>,
    /// Rows on our side.
    pub rows_here: u64,
    /// Rows on the other side.
    pub rows_there: u64,
    /// Whether both sides were read completely.
    pub is_complete: bool,
    /// Why not.
    pub incomplete_because: Option<String>,
    /// Rows equal in every field.
    pub equal: u64,
    /// Rows that differ.
    pub different: u64,
    /// Of these, the ones that known causes account for.
    pub different_explained: u64,
    /// Rows that only we have.
    pub only_here: u64,
    /// Rows that only the other side has.
    pub only_there: u64,
    /// Rows not compared, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Discrepancies that were open when it ended.
    pub open: u64,
    /// Those with a known cause.
    pub explained: u64,
    /// Those that somebody lives with.
    pub accepted: u64,
}

/// A period that somebody signed off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignOffFacts {
    /// The period.
    pub period: String,
    /// Who.
    pub who: String,
    /// What was written with it.
    pub note: String,
    /// When.
    pub at: UtcInstant,
    /// Discrepancies that were open then.
    pub open: u64,
}

/// Where matters stood at the end of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrendPoint {
    /// The day, in Italy.
    pub day: CalendarDate,
    /// Open discrepancies.
    pub open: u64,
    /// Explained ones.
    pub explained: u64,
    /// Accepted ones.
    pub accepted: u64,
}

/// A count of discrepancies and the sum of their amounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub count: u64,
    /// Of these, open.
    pub open: u64,
    /// The sum of the amounts in question.
    pub at_stake: Importo,
}

/// The upper ends of the classes of age in working days; the last class has none.
pub const AGES: [u64; 4] = [5, 10, 20, 40];

/// What the pages add up to.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    /// All of them.
    pub all: Sum,
    /// By tax code of the body.
    pub by_body: BTreeMap<Option<String>, Sum>,
    /// By office whose turn it is.
    pub by_office: BTreeMap<Option<String>, Sum>,
    /// By the system that disagrees.
    pub by_system: BTreeMap<String, Sum>,
    /// By shape.
    pub by_shape: BTreeMap<Shape, Sum>,
    /// By state.
    pub by_state: BTreeMap<&'static str, Sum>,
    /// By age: one class more than [`AGES`] has ends.
    pub by_age: [Sum; AGES.len() + 1],
    groups: BTreeMap<GroupKey, Group>,
}

type GroupKey = (String, Rule, Option<Cause>, Option<String>, String, Shape);

impl RunFacts {
    /// Whether everything was read, and there was nothing on either side.
    pub fn is_empty(&self) -> bool {
        let rows = [self.rows_here, self.rows_there, self.only_here, self.only_there];
        self.is_complete && rows.into_iter().chain(self.skipped.values().copied()).all(|count| count == 0)
    }

    /// Whether all that could be read was: otherwise a zero is no number, because nobody knows.
    pub fn is_whole(&self) -> bool {
        self.is_complete && self.skipped.get(NOT_READ).is_none_or(|count| *count == 0)
    }
}

impl About {
    /// The day it was made, in Italy.
    pub fn today(&self) -> CalendarDate {
        italian_day(self.made_at)
    }

    /// Working days since it was seen first; of what is closed, until it was seen last.
    pub fn age(&self, item: &WorkItem) -> u64 {
        let until = if item.state == State::Closed { italian_day(item.last_seen) } else { self.today() };
        working_days(italian_day(item.first_seen), until).into()
    }

    /// Whether the last run of its comparison saw it first.
    pub fn is_new(&self, item: &WorkItem) -> bool {
        let run = self.runs.iter().find(|run| run.comparison == item.discrepancy.comparison);
        run.is_some_and(|run| item.first_seen >= run.started_at)
    }

    /// Whether both sides of every run were read completely. Where nothing was compared, nothing is.
    pub fn is_complete(&self) -> bool {
        !self.runs.is_empty() && self.runs.iter().all(|run| run.is_complete)
    }

    /// Where matters stood at the end of each day with a run: comparisons without one on that day
    /// stand as they did before.
    pub fn trend(&self) -> Vec<TrendPoint> {
        let mut runs: Vec<_> = self.history.iter().filter_map(|run| Some((run.finished_at?, run))).collect();
        runs.sort_by_key(|(finished_at, run)| (*finished_at, run.id));
        let mut standing: BTreeMap<&str, &RunFacts> = BTreeMap::new();
        let mut points: Vec<TrendPoint> = Vec::new();
        for (finished_at, run) in runs {
            standing.insert(&run.comparison, run);
            let sum = |of: fn(&RunFacts) -> u64| standing.values().map(|run| of(run)).sum();
            let day = italian_day(finished_at);
            let point = TrendPoint {
                day,
                open: sum(|run| run.open),
                explained: sum(|run| run.explained),
                accepted: sum(|run| run.accepted),
            };
            match points.last_mut() {
                Some(last) if last.day == day => *last = point,
                _ => points.push(point),
            }
        }
        points
    }
}

impl Sum {
    fn add(&mut self, item: &WorkItem) {
        self.count += 1;
        self.open += u64::from(item.state == State::Open);
        self.at_stake = plus(self.at_stake, item.discrepancy.at_stake);
    }
}

/// The sum; the sum before where it is too large for any amount of Italian money.
pub fn plus(sum: Importo, amount: Option<Importo>) -> Importo {
    sum.checked_add(amount.unwrap_or_default()).unwrap_or(sum)
}

impl Totals {
    /// Adds one discrepancy.
    pub fn add(&mut self, item: &WorkItem, about: &About) {
        let discrepancy = &item.discrepancy;
        let age = about.age(item);
        let class = AGES.iter().position(|end| age <= *end).unwrap_or(AGES.len());
        self.all.add(item);
        self.by_body.entry(discrepancy.body.clone()).or_default().add(item);
        self.by_office.entry(item.office.clone()).or_default().add(item);
        self.by_system.entry(discrepancy.against.clone()).or_default().add(item);
        self.by_shape.entry(discrepancy.shape).or_default().add(item);
        self.by_state.entry(item.state.name()).or_default().add(item);
        self.by_age[class].add(item);
        self.add_to_group(item, about.is_new(item));
    }

    fn add_to_group(&mut self, item: &WorkItem, is_new: bool) {
        let found = &item.discrepancy;
        let key = (
            found.comparison.clone(),
            found.rule,
            found.cause,
            found.field.clone(),
            found.against.clone(),
            found.shape,
        );
        let group = self.groups.entry(key).or_insert_with(|| Group {
            comparison: found.comparison.clone(),
            rule: found.rule,
            cause: found.cause,
            field: found.field.clone(),
            against: found.against.clone(),
            shape: found.shape,
            severity: found.severity,
            count: 0,
            new: 0,
            at_stake: Importo::default(),
            oldest: item.first_seen,
            deadline: None,
        });
        group.count += 1;
        group.new += u64::from(is_new);
        group.severity = group.severity.max(found.severity);
        group.at_stake = plus(group.at_stake, found.at_stake);
        group.oldest = group.oldest.min(item.first_seen);
        group.deadline = [group.deadline, found.deadline].into_iter().flatten().min();
    }

    /// One line for each cause: the gravest first, then the largest amount.
    pub fn groups(&self) -> Vec<&Group> {
        let mut groups: Vec<_> = self.groups.values().collect();
        groups.sort_by(|left, right| {
            let order = |group: &Group| (group.severity, group.at_stake, group.count);
            order(right).cmp(&order(left))
        });
        groups
    }

    /// The rows of the runs, with the amounts of these discrepancies.
    pub fn row_numbers(&self, runs: &[RunFacts]) -> RowNumbers {
        RowNumbers::of(runs, self.groups.values())
    }

    /// These discrepancies by state.
    pub fn standing(&self) -> Standing {
        let of = |state: &State| self.by_state.get(state.name()).map_or(0, |sum| sum.count);
        Standing {
            open: of(&State::Open),
            explained: of(&State::Explained),
            accepted: of(&State::Accepted { until: None }),
            closed: of(&State::Closed),
        }
    }
}

/// The words of a class of age.
pub fn age_class(class: usize) -> String {
    let from = if class == 0 { 0 } else { AGES[class - 1] + 1 };
    match AGES.get(class) {
        Some(end) => format!("{from}–{end}"),
        None => format!("> {}", from - 1),
    }
}

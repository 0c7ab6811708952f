//! Reconcile: compares what a target should hold with what it holds, row by row, field by field.
//!
//! Comes from: the schedule or a person; it takes no input and reads everything.
//! Goes to: the ledger, which keeps the result; with repair, to `deliver` through reopened deliveries.
//! Safe to repeat because: it changes nothing on either side; a repair only makes a delivery due once more.
//! When it fails: a side that was not read completely is said to be so, and nothing is called missing.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use canonical::Rule;
use canonical::values::UtcInstant;
use canonical::values::text::read_text;
use contract::{FieldValue, ObservedUnit, Observer, Row, Target, UnitKey};

use super::{Flow, FlowError};
use crate::delivery::DeliveryState;
use crate::storage::{
    DeliveryId, Discrepancy, DiscrepancyKind, ExpectedUnit, Reconciliation, ReconciliationCounts, StorageError,
};

/// Expected units per page: a unit may hold thousands of records.
const PAGE: u32 = 32;

/// Compares the ledger with one target and keeps the result. With `repair`, every unit that the
/// target lacks, holds differently, or did not take, is made due again.
pub async fn reconcile(flow: &Flow, name: &str, repair: bool) -> Result<Reconciliation, FlowError> {
    let no_role = |role| FlowError::NoRole { system: name.to_owned(), role };
    let adapter = Arc::clone(flow.system(name)?);
    let target = adapter.target().ok_or_else(|| no_role("target"))?;
    let observer = adapter.observer().ok_or_else(|| no_role("observer"))?;

    let mut comparison = Comparison::new(name, target, observer.holds_more_than_ours(), flow.clock.now());
    let mut ours = Ours { flow, target: name, page: VecDeque::new(), last: None, ended: false };
    let mut theirs = Theirs { observer, page: VecDeque::new(), next: NextPage::First, last: None };

    // Both sides come in the same order: one pass, one unit of each side in memory.
    let mut mine = ours.next().await?;
    let mut other = theirs.next(&mut comparison).await;
    loop {
        let order = match (&mine, &other) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(mine), Some(other)) => mine.key.cmp(&other.key),
        };
        let expected = if order.is_le() { mine.take() } else { None };
        let found = if order.is_ge() { other.take() } else { None };
        if order.is_le() {
            mine = ours.next().await?;
        }
        if order.is_ge() {
            other = theirs.next(&mut comparison).await;
        }
        comparison.unit(flow, expected, found).await?;
    }

    let (result, to_repair) = comparison.finish(flow.clock.now());
    flow.store.save_reconciliation(&result).await?;
    if repair {
        for (delivery, above) in to_repair {
            match flow.store.reopen(delivery, above, "reconciliation", flow.clock.now()).await {
                Ok(()) => {}
                // It moved meanwhile: its next step, or the next comparison, takes care of it.
                Err(StorageError::Refused { problem }) => tracing::info!(%delivery, problem, "not reopened"),
                Err(error) => return Err(error.into()),
            }
        }
    }
    let verdict = result.counts.verdict(result.complete);
    tracing::info!(
        target_system = name,
        ?verdict,
        expected = result.counts.expected,
        equal = result.counts.equal,
        "reconciled"
    );
    Ok(result)
}

/// Our side, page by page.
struct Ours<'a> {
    flow: &'a Flow,
    target: &'a str,
    page: VecDeque<ExpectedUnit>,
    last: Option<UnitKey>,
    ended: bool,
}

impl Ours<'_> {
    async fn next(&mut self) -> Result<Option<ExpectedUnit>, FlowError> {
        if self.page.is_empty() && !self.ended {
            self.page = self.flow.store.expected_units(self.target, self.last.as_ref(), PAGE).await?.into();
            self.last = self.page.back().map(|unit| unit.key.clone());
            self.ended = self.page.is_empty();
        }
        Ok(self.page.pop_front())
    }
}

/// Which page of the other side comes next.
enum NextPage {
    First,
    From(String),
    None,
}

/// Their side, page by page. An error ends it, and is written into the comparison.
struct Theirs<'a> {
    observer: &'a dyn Observer,
    page: VecDeque<ObservedUnit>,
    next: NextPage,
    last: Option<UnitKey>,
}

impl Theirs<'_> {
    async fn next(&mut self, comparison: &mut Comparison<'_>) -> Option<ObservedUnit> {
        while self.page.is_empty() {
            let from = match std::mem::replace(&mut self.next, NextPage::None) {
                NextPage::First => None,
                NextPage::From(cursor) => Some(cursor),
                NextPage::None => return None,
            };
            match self.observer.inventory(from.as_deref()).await {
                Ok(page) => {
                    self.page = page.units.into();
                    self.next = page.next.map_or(NextPage::None, NextPage::From);
                }
                Err(error) => {
                    comparison.incomplete_because = Some(error.to_string());
                    return None;
                }
            }
        }
        let unit = self.page.pop_front()?;
        if self.last.as_ref().is_some_and(|last| *last >= unit.key) {
            comparison.incomplete_because = Some("the inventory is not in ascending order".to_owned());
            (self.page, self.next) = (VecDeque::new(), NextPage::None);
            return None;
        }
        self.last = Some(unit.key.clone());
        Some(unit)
    }
}

struct Comparison<'a> {
    name: String,
    target: &'a dyn Target,
    is_home_of_others: bool,
    started_at: UtcInstant,
    incomplete_because: Option<String>,
    counts: ReconciliationCounts,
    discrepancies: Vec<Discrepancy>,
    /// Deliveries to send again, each with the revision that the target was seen to hold.
    to_repair: Vec<(DeliveryId, u64)>,
}

impl<'a> Comparison<'a> {
    fn new(name: &str, target: &'a dyn Target, is_home_of_others: bool, started_at: UtcInstant) -> Self {
        Self {
            name: name.to_owned(),
            target,
            is_home_of_others,
            started_at,
            incomplete_because: None,
            counts: ReconciliationCounts::default(),
            discrepancies: Vec::new(),
            to_repair: Vec::new(),
        }
    }

    async fn unit(
        &mut self,
        flow: &Flow,
        expected: Option<ExpectedUnit>,
        observed: Option<ObservedUnit>,
    ) -> Result<(), FlowError> {
        let held = observed.as_ref().and_then(|unit| unit.revision).unwrap_or_default();
        let theirs = observed.as_ref().map_or(&[][..], |unit| &unit.rows);
        let Some(expected) = expected else {
            if self.is_home_of_others {
                return Ok(());
            }
            let key = observed.as_ref().map(|unit| &unit.key);
            let Some(key) = key else { return Ok(()) };
            let (counts, found) = compare_rows(key, &[], theirs);
            self.add(counts, found, None);
            return Ok(());
        };
        if expected.members.is_empty() && observed.is_none() && expected.state == DeliveryState::Acknowledged {
            return Ok(());
        }
        let ours = match self.rows(&expected) {
            Ok(rows) => rows,
            Err(why) => {
                tracing::warn!(target_system = self.name, unit = %expected.key, why, "unit not composed");
                self.skip(&expected, held, 1, theirs.len());
                return Ok(());
            }
        };
        if expected.state != DeliveryState::Acknowledged || expected.held_revision != expected.desired_revision {
            self.skip(&expected, held, ours.len(), theirs.len());
            return Ok(());
        }
        let theirs = if self.is_home_of_others { Cow::Owned(only_ours(&ours, theirs)) } else { Cow::Borrowed(theirs) };
        let (counts, found) = compare_rows(&expected.key, &ours, &theirs);
        if !found.is_empty() && moved_on(flow, &expected).await? {
            self.skip(&expected, held, ours.len(), theirs.len());
        } else {
            self.add(counts, found, Some((expected.delivery, held)));
        }
        Ok(())
    }

    /// The rows that the target should hold, or why they cannot be composed.
    fn rows(&self, expected: &ExpectedUnit) -> Result<Vec<Row>, String> {
        let compose = || self.target.compose(&expected.key, expected.desired_revision, &expected.members);
        // One record that stops a mapping must not end the comparison of all the others.
        let composed = catch_unwind(AssertUnwindSafe(compose)).map_err(|_| "the mapping stopped".to_owned())??;
        Ok(composed.rows)
    }

    /// Leaves a unit out of the comparison, and says whether it will arrive by itself.
    fn skip(&mut self, expected: &ExpectedUnit, held: u64, ours: usize, theirs: usize) {
        let rows = ours.max(theirs) as u64;
        self.counts.expected += ours as u64;
        self.counts.observed += theirs as u64;
        let state = &expected.state;
        if state.is_open() || state.is_waiting() || *state == DeliveryState::Acknowledged {
            self.counts.on_its_way += rows;
        } else {
            self.counts.stopped += rows;
            self.to_repair.push((expected.delivery, held));
        }
    }

    fn add(&mut self, counts: ReconciliationCounts, found: Vec<Discrepancy>, delivery: Option<(DeliveryId, u64)>) {
        let total = &mut self.counts;
        total.expected += counts.expected;
        total.observed += counts.observed;
        total.equal += counts.equal;
        total.different += counts.different;
        total.missing_there += counts.missing_there;
        total.missing_here += counts.missing_here;
        if !found.is_empty() {
            self.to_repair.extend(delivery);
        }
        self.discrepancies.extend(found);
    }

    fn finish(mut self, finished_at: UtcInstant) -> (Reconciliation, Vec<(DeliveryId, u64)>) {
        let complete = self.incomplete_because.is_none();
        if !complete {
            // What was not read is not missing.
            self.discrepancies.retain(|found| found.kind != DiscrepancyKind::MissingThere);
            self.counts.on_its_way += std::mem::take(&mut self.counts.missing_there);
            self.to_repair.clear();
        }
        let result = Reconciliation {
            target: self.name,
            started_at: self.started_at,
            finished_at,
            complete,
            incomplete_because: self.incomplete_because,
            counts: self.counts,
            discrepancies: self.discrepancies,
        };
        (result, self.to_repair)
    }
}

/// Whether the delivery changed while the other side was being read: then nothing can be said now.
async fn moved_on(flow: &Flow, expected: &ExpectedUnit) -> Result<bool, FlowError> {
    let loaded = flow.store.load(expected.delivery).await?;
    Ok(loaded.is_none_or(|now| now.desired_revision != expected.desired_revision || now.state != expected.state))
}

/// Their rows and fields, as far as ours speak of the same.
fn only_ours(ours: &[Row], theirs: &[Row]) -> Vec<Row> {
    let common = theirs.iter().filter_map(|theirs| {
        let ours = ours.iter().find(|ours| ours.key == theirs.key)?;
        let fields = theirs.fields.iter().filter(|(name, _)| ours.fields.contains_key(*name));
        let fields = fields.map(|(name, value)| (name.clone(), value.clone())).collect();
        Some(Row { key: theirs.key.clone(), fields })
    });
    common.collect()
}

/// Compares the rows of one unit. Pure; discrepancies come in order of row and field.
pub fn compare_rows(unit: &UnitKey, ours: &[Row], theirs: &[Row]) -> (ReconciliationCounts, Vec<Discrepancy>) {
    let mut counts = ReconciliationCounts {
        expected: ours.len() as u64,
        observed: theirs.len() as u64,
        ..ReconciliationCounts::default()
    };
    let mut found = Vec::new();
    let missing = |row: &Row, kind| Discrepancy {
        rule: Rule::R01,
        kind,
        unit: unit.clone(),
        row: row.key.clone(),
        field: None,
        ours: None,
        theirs: None,
    };
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
                found.push(missing(ours[i], DiscrepancyKind::MissingThere));
            }
            Ordering::Greater => {
                counts.missing_here += 1;
                found.push(missing(theirs[j], DiscrepancyKind::MissingHere));
            }
            Ordering::Equal => {
                let differing = compare_fields(unit, ours[i], theirs[j]);
                if differing.is_empty() {
                    counts.equal += 1;
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

fn compare_fields(unit: &UnitKey, ours: &Row, theirs: &Row) -> Vec<Discrepancy> {
    let mut names: Vec<&String> = ours.fields.keys().chain(theirs.fields.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter_map(|name| {
            let (mine, other) = (ours.fields.get(name), theirs.fields.get(name));
            if equal(mine, other) {
                return None;
            }
            Some(Discrepancy {
                rule: rule_of(mine.or(other)?),
                kind: DiscrepancyKind::Differs,
                unit: unit.clone(),
                row: ours.key.clone(),
                field: Some(name.clone()),
                ours: mine.map(ToString::to_string),
                theirs: other.map(ToString::to_string),
            })
        })
        .collect()
}

fn equal(mine: Option<&FieldValue>, other: Option<&FieldValue>) -> bool {
    match (mine, other) {
        (Some(FieldValue::Text(mine)), Some(FieldValue::Text(other))) => {
            mine == other || read_text(mine).value == read_text(other).value
        }
        (mine, other) => mine == other,
    }
}

/// The rule under which a difference of such a value is counted.
fn rule_of(value: &FieldValue) -> Rule {
    match value {
        FieldValue::Amount(_) => Rule::R02,
        FieldValue::Date(_) => Rule::R03,
        FieldValue::Text(_) => Rule::R12,
        FieldValue::Code(_) => Rule::R14,
        FieldValue::Codes(_) => Rule::R13,
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

    #[test]
    fn rows_are_matched_by_key_in_any_order() {
        let (counts, found) = compare_rows(&unit(), &[row("b", "x"), row("a", "y")], &[row("a", "y"), row("b", "x")]);
        assert_eq!((counts.equal, found), (2, Vec::new()));
    }

    #[test]
    fn a_row_on_one_side_only_is_missing_on_the_other() {
        let (counts, found) = compare_rows(&unit(), &[row("a", "x")], &[row("b", "x")]);
        assert_eq!((counts.missing_there, counts.missing_here), (1, 1));
        assert_eq!(
            found.iter().map(|found| found.kind).collect::<Vec<_>>(),
            [DiscrepancyKind::MissingThere, DiscrepancyKind::MissingHere]
        );
    }

    #[test]
    fn a_difference_names_field_rule_and_both_values() {
        let (counts, found) = compare_rows(&unit(), &[row("a", "scuola")], &[row("a", "ponte")]);
        assert_eq!(counts.different, 1);
        assert_eq!(found[0].rule, Rule::R12);
        assert_eq!((found[0].ours.as_deref(), found[0].theirs.as_deref()), (Some("scuola"), Some("ponte")));
    }

    #[test]
    fn texts_that_differ_in_blanks_only_are_equal() {
        let (counts, _) = compare_rows(&unit(), &[row("a", "una  scuola ")], &[row("a", "una scuola")]);
        assert_eq!(counts.equal, 1);
    }

    #[test]
    fn a_field_on_one_side_only_is_a_difference() {
        let (counts, found) = compare_rows(&unit(), &[row("a", "x")], &[Row::new("a")]);
        assert_eq!((counts.different, found.len()), (1, 1));
        assert_eq!(found[0].theirs, None);
    }
}

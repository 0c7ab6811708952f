//! The statements that read work items by a filter: only the conditions that a filter has stand in
//! them, so that each is answered from an index, with a hundred thousand work items too.
//!
//! What stands and what is closed have indexes of their own: a history of many years costs a list of
//! what is open nothing. Texts are put together from pieces that stand here; values are only bound.

use super::notes::severity_number;
use crate::storage::sql::connection::{Query, Text, Value, query};
use crate::storage::{CauseFilter, FieldFilter, ItemFilter, NewIn, StateFilter};

/// Lists up to this length are for a screen: few of many, found through the index of the groups. Who
/// asks for more reads all, page by page, in the order of the numbers.
const SCREEN: u32 = 100;

/// The work items that one index holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Standing,
    Closed,
}

impl Part {
    /// Those that a filter speaks of.
    pub(super) fn of(filter: &ItemFilter) -> &'static [Self] {
        match filter.state {
            StateFilter::Closed => &[Self::Closed],
            StateFilter::Any => &[Self::Standing, Self::Closed],
            StateFilter::Standing | StateFilter::Open | StateFilter::Explained | StateFilter::Accepted => {
                &[Self::Standing]
            }
        }
    }

    /// What a partial index asks to be said.
    fn condition(self) -> &'static str {
        match self {
            Self::Standing => "d.state <> 'closed'",
            Self::Closed => "d.state = 'closed'",
        }
    }

    /// The index that holds whatever a filter or a group needs.
    fn by_group(self) -> &'static str {
        match self {
            Self::Standing => "discrepancy_group",
            Self::Closed => "discrepancy_group_closed",
        }
    }

    /// The index in the order of the numbers.
    fn by_number(self) -> &'static str {
        match self {
            Self::Standing => "discrepancy_standing",
            Self::Closed => "discrepancy_closed",
        }
    }
}

/// Conditions with their values. `$?` stands for the place of the value.
struct Conditions<'q> {
    text: String,
    values: Vec<Value<'q>>,
}

impl<'q> Conditions<'q> {
    fn of(part: Part, filter: &'q ItemFilter) -> Self {
        let mut all = Self { text: part.condition().to_owned(), values: Vec::new() };
        all.equal("d.comparison = $?", filter.comparison.as_ref());
        if let Some(rule) = filter.rule {
            all.and("d.rule = $?", rule.code());
        }
        match filter.cause {
            CauseFilter::Any => {}
            CauseFilter::Explained => all.only("d.cause is not null"),
            // Said so that SQLite still sees the order of the groups in its index: `is null` hides it.
            CauseFilter::Unexplained => all.only("coalesce(d.cause, '') = ''"),
            CauseFilter::Is(cause) => all.and("d.cause = $?", cause.code()),
        }
        match &filter.field {
            None => {}
            Some(FieldFilter::WholeRow) => all.only("coalesce(d.field, '') = ''"),
            Some(FieldFilter::Is(field)) => all.and("d.field = $?", field),
        }
        all.equal("d.against = $?", filter.against.as_ref());
        if let Some(shape) = filter.shape {
            all.and("d.shape = $?", shape.name());
        }
        all.equal("d.body = $?", filter.body.as_ref());
        all.equal("d.office = $?", filter.office.as_ref());
        match filter.state {
            StateFilter::Standing | StateFilter::Closed | StateFilter::Any => {}
            StateFilter::Open => all.and("d.state = $?", "open"),
            StateFilter::Explained => all.and("d.state = $?", "explained"),
            StateFilter::Accepted => all.and("d.state = $?", "accepted"),
        }
        if let Some(severity) = filter.severity {
            all.and("d.severity >= $?", severity_number(severity));
        }
        match filter.new_in {
            None => {}
            Some(NewIn::Last) => all.only(concat!("d.first_run in ", last_runs!())),
            Some(NewIn::Run(run)) => all.and("d.first_run = $?", run),
        }
        if let Some(key) = &filter.key {
            all.and(
                "d.id in (select k.id from discrepancy k indexed by discrepancy_of_unit
                           where instr(k.unit_key, $?) > 0 or instr(k.row_key, $?) > 0)",
                key,
            );
        }
        if filter.to_approve {
            all.only("d.repair_by is not null");
        }
        if let Some(before) = filter.opened_before {
            all.and("d.opened_at < $?", before.unix_micros());
        }
        if filter.not_escalated {
            all.only("d.escalated_at is null");
        }
        all
    }

    fn only(&mut self, condition: &str) {
        self.text.push_str(" and ");
        self.text.push_str(condition);
    }

    fn and(&mut self, condition: &str, value: impl Into<Value<'q>>) {
        let place = self.place_of(value);
        self.only(&condition.replace("$?", &place));
    }

    fn equal(&mut self, condition: &str, value: Option<&'q String>) {
        if let Some(value) = value {
            self.and(condition, value);
        }
    }

    fn place_of(&mut self, value: impl Into<Value<'q>>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    fn into_query(self, text: String) -> Query<'q> {
        self.values.into_iter().fold(query(Text::Made(text.into())), Query::bind)
    }
}

/// One line for each cause.
pub(super) fn groups(part: Part, filter: &ItemFilter) -> Query<'_> {
    let conditions = Conditions::of(part, filter);
    let text = format!(
        "select d.comparison, d.rule, d.cause, d.field, d.against, d.shape, max(d.severity), count(*),
                cast(sum(case when d.first_run in {} then 1 else 0 end) as bigint),
                cast(coalesce(sum(d.at_stake / 100000000), 0) as bigint),
                cast(coalesce(sum(d.at_stake % 100000000), 0) as bigint), min(d.first_seen), min(d.deadline)
           from discrepancy d indexed by {} where {}
          group by d.comparison, d.rule, d.cause, d.field, d.against, d.shape",
        last_runs!(),
        part.by_group(),
        conditions.text
    );
    conditions.into_query(text)
}

/// Work items in the order of their numbers.
pub(super) fn items(part: Part, filter: &ItemFilter, after: i64, limit: u32) -> Query<'_> {
    let mut conditions = Conditions::of(part, filter);
    let chooses = chooses(filter);
    let after = conditions.place_of(after);
    let limit_place = conditions.place_of(limit);
    let text = if chooses && limit <= SCREEN {
        // The sum keeps PostgreSQL from walking all numbers in order, hoping to find the few soon.
        format!(
            "{} where d.id in (select d.id from discrepancy d indexed by {}
                                where {} and d.id > {after} order by d.id + 0 limit {limit_place}) order by d.id",
            item_columns!(),
            part.by_group(),
            conditions.text
        )
    } else {
        format!(
            "{} indexed by {} where {} and d.id > {after} order by d.id limit {limit_place}",
            item_columns!(),
            part.by_number(),
            conditions.text
        )
    };
    conditions.into_query(text)
}

/// How many there are.
pub(super) fn count(part: Part, filter: &ItemFilter) -> Query<'_> {
    let conditions = Conditions::of(part, filter);
    let index = if chooses(filter) { part.by_group() } else { part.by_number() };
    let text = format!("select count(*) from discrepancy d indexed by {index} where {}", conditions.text);
    conditions.into_query(text)
}

/// Whether a filter says more than which part.
fn chooses(filter: &ItemFilter) -> bool {
    let states = [StateFilter::Standing, StateFilter::Closed, StateFilter::Any];
    let is_plain =
        states.contains(&filter.state) && *filter == ItemFilter { state: filter.state, ..ItemFilter::default() };
    !is_plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::sqlite;

    /// Every filter that an address can hold.
    const FILTERS: &[&str] = &[
        "",
        "state=closed",
        "state=any",
        "state=open",
        "new=last",
        "new=7",
        "rule=R02",
        "comparison=hub&rule=R02&cause=unexplained&field=importo&against=hub&shape=differs",
        "cause=rounding&field=-",
        "body=80098765433&office=gare",
        "severity=warning&to_approve=yes&not_escalated=yes",
        "opened_before=2026-11-02T07:00:00Z&state=accepted",
        "key=7400",
        "key=7400&state=any",
    ];

    #[tokio::test]
    async fn every_list_by_every_filter_is_answered_from_an_index() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = sqlite::open(folder.path().join("raccordo.db")).await.expect("opens");
        for text in FILTERS {
            let filter = ItemFilter::from_query(text, &[]).expect("a filter");
            for part in Part::of(&filter) {
                let lists = [
                    groups(*part, &filter),
                    count(*part, &filter),
                    items(*part, &filter, 0, SCREEN),
                    items(*part, &filter, 0, SCREEN * 10),
                ];
                for (number, list) in lists.into_iter().enumerate() {
                    let mut reader = store.readers.acquire().await.expect("a reader");
                    let rows = list.explained().fetch_all(&mut reader).await.expect("explained");
                    let plan: Vec<String> = rows.iter().map(|row| row.try_get(3).expect("a detail")).collect();
                    let is_answered = |line: &String| {
                        let by_index = line.contains("INDEX discrepancy_") || line.contains("comparison_run");
                        !line.starts_with("SCAN") || by_index
                    };
                    assert!(plan.iter().all(is_answered), "a walk through a table: {text}, {number}: {plan:#?}");
                    let covers = |line: &String| line.contains("COVERING INDEX discrepancy_group");
                    let by_number = |line: &String| {
                        line.contains("INDEX discrepancy_standing") || line.contains("INDEX discrepancy_closed")
                    };
                    let is_found = match (number, chooses(&filter)) {
                        (0, _) | (1 | 2, true) => plan.iter().any(covers),
                        _ => plan.iter().any(by_number),
                    };
                    assert!(is_found, "{text}, {number}: {plan:#?}");
                }
            }
        }
    }
}

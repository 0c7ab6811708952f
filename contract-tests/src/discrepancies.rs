//! Discrepancies as no run ever found them: as many as one likes, the same for the same numbers, with
//! every kind of difficulty that a report can meet. For reports and pages; a database has its own suite.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use canonical::values::{CalendarDate, Importo, UtcInstant};
use canonical::{Digest, Rule, Severity};
use raccordo::discrepancy::{Act, Cause, Discrepancy, Group, SOURCES, Shape, Side, State, WorkItem};
use raccordo::flow::report::model::{About, RunFacts, Totals};
use raccordo::flow::report::words::Language;
use raccordo::storage::{
    AuditChain, AuditHead, AuditReport, BegunRepair, CauseFilter, Changes, Chosen, ComparisonRun, DecidedItems,
    Decision, EventKind, FieldFilter, ItemEvent, ItemFilter, KeptHead, NewIn, Person, ReconciliationCounts,
    ReconciliationId, RunResult, RunSummary, SignOff, StateFilter, StorageError, WorkItems,
};

/// When the synthetic reports are made: a Friday.
pub const NOW: &str = "2026-11-20T09:30:00Z";
const COMPARISONS: [&str; 3] = ["hub", "pico", SOURCES];
const BODIES: [&str; 3] = ["00246180590", "80002650580", "80001670266"];
const OFFICES: [&str; 2] = ["Ragioneria", "Viabilità"];
const DAY: i64 = 86_400_000_000;

/// The instant of a text.
pub fn at(text: &str) -> UtcInstant {
    UtcInstant::parse(text).expect("an instant")
}

/// So many days before now.
fn ago(days: i64) -> UtcInstant {
    UtcInstant::from_unix_micros(at(NOW).unix_micros() - days * DAY).expect("an instant")
}

/// What a clerk may find written: harmless, hostile, long.
fn text(n: i64) -> String {
    match n % 7 {
        0 => "=CMD|' /C calc'!A0".to_owned(),
        1 => "+39 0773 401".to_owned(),
        2 => "<script>alert(1)</script> & \"virgolette\"; punto e virgola".to_owned(),
        3 => "rovesciato \u{202e}otset".to_owned(),
        4 => "@SUM(A1)\nseconda riga".to_owned(),
        5 => "Lavori di manutenzione straordinaria della S.P. 21 «Appia–Frassineta», tratto km 3+200".to_owned(),
        _ => "Comune di Terracina".to_owned(),
    }
}

/// The discrepancy with a number. Neighbours have other rules, causes, sides and ages.
pub fn item(id: i64) -> WorkItem {
    let n = id;
    let pick = |length: usize| usize::try_from(n).expect("a positive number") % length;
    let comparison = COMPARISONS[pick(3)];
    let cents = 100_000 + n * 37;
    let amount = |cents: i64| Importo::from_cents(cents).to_string();
    let day = |number: i64| CalendarDate::from_numbers(2026, 3, u8::try_from(number % 28 + 1).expect("a day"));
    let day = |number: i64| day(number).expect("a day").to_string();
    let (rule, cause, shape, field, ours, theirs) = match n % 6 {
        0 => (Rule::R02, Some(Cause::Vat22), Shape::Differs, Some("importo"), amount(cents), amount(cents * 122 / 100)),
        1 => (Rule::R03, None, Shape::Differs, Some("data_stipula"), day(n), day(n + 3)),
        2 => (Rule::R12, Some(Cause::SimilarText), Shape::Differs, Some("oggetto"), text(n), text(n + 1)),
        3 => (Rule::R01, None, Shape::MissingThere, None, "presente".to_owned(), String::new()),
        4 => (Rule::R02, None, Shape::Differs, Some("importo"), amount(cents), amount(cents * 10)),
        _ => (Rule::R17, None, Shape::Breaks, Some("liquidato"), amount(cents * 2), amount(cents)),
    };
    let against = if comparison == SOURCES { "anac-opendata" } else { comparison };
    let as_of = CalendarDate::from_numbers(2026, 11, 13).ok();
    let side = |system: &str, is_owner, value: String| Side {
        system: system.to_owned(),
        is_owner,
        value: Some(value).filter(|value| !value.is_empty()),
        seen: None,
        as_of,
    };
    let state = match (n % 6, n % 11) {
        (0 | 2, _) => State::Explained,
        (_, 3) => State::Accepted { until: CalendarDate::from_numbers(2026, 12, 31).ok() },
        _ => State::Open,
    };
    let at_stake = matches!(rule, Rule::R02 | Rule::R17).then(|| Importo::from_cents(cents * 22 / 100));
    WorkItem {
        id,
        discrepancy: Discrepancy {
            comparison: comparison.to_owned(),
            unit: if comparison == SOURCES { format!("contratto/Z{n:09X}") } else { format!("Z{n:09X}") },
            row: format!("Z{n:09X}"),
            field: field.map(str::to_owned),
            rule,
            severity: if cause.is_some() { Severity::Info } else { rule.severity() },
            shape,
            against: against.to_owned(),
            cause,
            sides: vec![side("contabilita", true, ours), side(against, false, theirs)],
            at_stake,
            body: Some(BODIES[pick(3)].to_owned()).filter(|_| n % 13 != 0),
            deadline: CalendarDate::from_numbers(2026, 12, 15).ok().filter(|_| n % 5 == 0),
            act: if cause.is_some() { Act::Nothing } else { Act::CorrectAtSource },
        },
        state,
        first_seen: ago(n % 90),
        last_seen: ago(0),
        changed_at: ago(n % 90),
        reopened: u32::try_from(n % 3).expect("small"),
        office: Some(OFFICES[pick(2)].to_owned()).filter(|_| n % 4 != 0),
        escalated_at: Some(ago(2)).filter(|_| n % 17 == 0),
    }
}

/// The run of a comparison so many days ago.
pub fn run(id: i64, comparison: &str, days: i64) -> RunSummary {
    let open = u64::try_from(200 + days * 9 + id % 40).expect("positive");
    let complete = comparison != SOURCES;
    RunSummary {
        id: ReconciliationId(id),
        comparison: comparison.to_owned(),
        started_at: UtcInstant::from_unix_micros(ago(days).unix_micros() - 60_000_000).expect("an instant"),
        finished_at: Some(ago(days)),
        complete,
        incomplete_because: (!complete).then(|| "anac-opendata: la pagina 7 di 12 non ha risposto".to_owned()),
        counts: ReconciliationCounts {
            expected: 12_400,
            observed: 12_380,
            equal: 11_900,
            different: 250,
            explained: 60,
            missing_there: 90,
            missing_here: 20,
            on_its_way: 45,
            stopped: 7,
            not_read: 0,
        },
        changes: Changes::default(),
        open,
        explained: 120,
        accepted: 14,
        evidence: None,
    }
}

/// Discrepancies that nobody changes, with their runs.
#[derive(Debug)]
pub struct Standing {
    items: i64,
    /// Groups that were counted, by the address of their filter.
    counted: Mutex<BTreeMap<String, Vec<Group>>>,
    /// How many there are, by the address of their filter.
    counts: Mutex<BTreeMap<String, u64>>,
    /// The runs, the newest first.
    pub runs: Vec<RunSummary>,
}

impl Standing {
    /// So many discrepancies, and the runs of twelve days.
    pub fn of(items: i64) -> Self {
        let days = 0..12;
        let runs =
            days.flat_map(|day| (1..).zip(COMPARISONS).map(move |(n, name)| run((12 - day) * 10 + n, name, day)));
        Self { items, counted: Mutex::default(), counts: Mutex::default(), runs: runs.collect() }
    }

    /// What a report of them begins with.
    pub fn about(&self, language: Language) -> About {
        let history: Vec<RunFacts> = self.runs.iter().map(RunFacts::from).collect();
        About {
            language,
            made_at: at(NOW),
            filter: "state=any".to_owned(),
            chain_head: head().to_string(),
            runs: history.iter().take(COMPARISONS.len()).cloned().collect(),
            history,
            sign_offs: Vec::new(),
        }
    }

    /// All of them, in order.
    pub fn all(&self) -> impl Iterator<Item = WorkItem> {
        (1..=self.items).map(item)
    }

    fn last_run(&self, comparison: &str) -> UtcInstant {
        let run = self.runs.iter().find(|run| run.comparison == comparison);
        run.expect("a run of each comparison").started_at
    }

    fn is_in(&self, item: &WorkItem, filter: &ItemFilter) -> bool {
        let found = &item.discrepancy;
        let is = |wanted: &Option<String>, value: Option<&str>| wanted.is_none() || wanted.as_deref() == value;
        let cause = match filter.cause {
            CauseFilter::Any => true,
            CauseFilter::Explained => found.cause.is_some(),
            CauseFilter::Unexplained => found.cause.is_none(),
            CauseFilter::Is(cause) => found.cause == Some(cause),
        };
        let state = match filter.state {
            StateFilter::Standing => item.state != State::Closed,
            StateFilter::Any => true,
            StateFilter::Open => item.state.name() == "open",
            StateFilter::Explained => item.state.name() == "explained",
            StateFilter::Accepted => item.state.name() == "accepted",
            StateFilter::Closed => item.state.name() == "closed",
        };
        let field = match &filter.field {
            None => true,
            Some(FieldFilter::WholeRow) => found.field.is_none(),
            Some(FieldFilter::Is(field)) => found.field.as_ref() == Some(field),
        };
        let new = match filter.new_in {
            None => true,
            Some(NewIn::Last) => item.first_seen >= self.last_run(&found.comparison),
            Some(NewIn::Run(_)) => false,
        };
        cause
            && state
            && field
            && new
            && is(&filter.comparison, Some(&found.comparison))
            && is(&filter.against, Some(&found.against))
            && is(&filter.body, found.body.as_deref())
            && is(&filter.office, item.office.as_deref())
            && filter.rule.is_none_or(|rule| rule == found.rule)
            && filter.shape.is_none_or(|shape| shape == found.shape)
    }
}

fn head() -> AuditHead {
    AuditHead { entries: 4_711, head: Digest::of(b"the last entry").to_string() }
}

#[async_trait]
impl AuditChain for Standing {
    async fn verify_audit(&self, _: Option<KeptHead>) -> Result<AuditReport, StorageError> {
        Ok(AuditReport { entries: head().entries, head: head().head, broken: None })
    }

    async fn audit_head(&self) -> Result<AuditHead, StorageError> {
        Ok(head())
    }
}

#[async_trait]
impl WorkItems for Standing {
    async fn begin_comparison(&self, _: &str, _: UtcInstant) -> Result<ComparisonRun, StorageError> {
        unreachable!("pages and reports only read")
    }

    async fn note_discrepancies(
        &self,
        _: &ComparisonRun,
        _: &[Discrepancy],
        _: &str,
        _: UtcInstant,
    ) -> Result<Changes, StorageError> {
        unreachable!("pages and reports only read")
    }

    async fn rest_on(&self, _: &ComparisonRun, _: &str, _: UtcInstant) -> Result<(), StorageError> {
        unreachable!("pages and reports only read")
    }

    async fn keep_units(&self, _: &ComparisonRun, _: &[String], _: UtcInstant) -> Result<(), StorageError> {
        unreachable!("pages and reports only read")
    }

    async fn finish_comparison(
        &self,
        _: &ComparisonRun,
        _: &RunResult,
        _: UtcInstant,
    ) -> Result<RunSummary, StorageError> {
        unreachable!("pages and reports only read")
    }

    async fn retire_all_but(
        &self,
        _: &[String],
        _: UtcInstant,
        _: UtcInstant,
    ) -> Result<BTreeMap<String, u64>, StorageError> {
        unreachable!("pages and reports only read")
    }

    async fn groups(&self, filter: &ItemFilter) -> Result<Vec<Group>, StorageError> {
        let mut counted = self.counted.lock().expect("nobody panicked with it");
        if let Some(groups) = counted.get(&filter.to_query()) {
            return Ok(groups.clone());
        }
        let about = self.about(Language::Italian);
        let mut totals = Totals::default();
        self.all().filter(|item| self.is_in(item, filter)).for_each(|item| totals.add(&item, &about));
        let groups: Vec<Group> = totals.groups().into_iter().cloned().collect();
        counted.insert(filter.to_query(), groups.clone());
        Ok(groups)
    }

    async fn items(&self, filter: &ItemFilter, after: Option<i64>, limit: u32) -> Result<Vec<WorkItem>, StorageError> {
        let after = (after.unwrap_or(0) + 1..=self.items).map(item);
        Ok(after.filter(|item| self.is_in(item, filter)).take(limit as usize).collect())
    }

    async fn count_items(&self, filter: &ItemFilter) -> Result<u64, StorageError> {
        let mut counts = self.counts.lock().expect("nobody panicked with it");
        let count = counts.entry(filter.to_query());
        Ok(*count.or_insert_with(|| self.all().filter(|item| self.is_in(item, filter)).count() as u64))
    }

    async fn item(&self, id: i64) -> Result<Option<WorkItem>, StorageError> {
        Ok((1..=self.items).contains(&id).then(|| item(id)))
    }

    async fn item_history(&self, id: i64) -> Result<Vec<ItemEvent>, StorageError> {
        let seen = item(id);
        let sides = serde_json::to_string(&seen.discrepancy.sides).expect("JSON");
        let event = |kind, at, who: Option<&str>, detail| ItemEvent {
            at,
            kind,
            run: who.is_none().then_some(ReconciliationId(121)),
            who: who.map(str::to_owned),
            reason: who.map(|_| "segue <b>la pratica</b>".to_owned()),
            detail,
        };
        Ok(vec![
            event(EventKind::Opened, seen.first_seen, None, Some(sides)),
            event(EventKind::Assigned, seen.last_seen, Some("A. Bianchi"), Some("Ragioneria".to_owned())),
        ])
    }

    async fn decide(&self, _: &Decision, _: &Chosen, _: UtcInstant) -> Result<DecidedItems, StorageError> {
        unreachable!("pages and reports only read")
    }

    async fn begun_repairs(&self, _: Option<i64>, _: u32) -> Result<Vec<BegunRepair>, StorageError> {
        unreachable!("pages and reports only read")
    }

    async fn end_repairs(&self, _: &[i64], _: &str, _: UtcInstant) -> Result<(), StorageError> {
        unreachable!("pages and reports only read")
    }

    async fn runs(&self, comparison: Option<&str>, limit: u32) -> Result<Vec<RunSummary>, StorageError> {
        let runs = self.runs.iter().filter(|run| comparison.is_none_or(|comparison| run.comparison == comparison));
        Ok(runs.take(limit as usize).cloned().collect())
    }

    async fn sign_off(&self, _: &str, _: &Person, _: UtcInstant) -> Result<SignOff, StorageError> {
        unreachable!("pages and reports only read")
    }

    async fn sign_offs(&self, _: u32) -> Result<Vec<SignOff>, StorageError> {
        Ok(vec![SignOff {
            period: "2026-10".to_owned(),
            who: "Maria Rossi".to_owned(),
            reason: "con riserva sulle date di stipula".to_owned(),
            at: ago(15),
            open: 212,
            explained: 120,
            accepted: 14,
        }])
    }
}

//! Reconcile: compares what a target should hold with what it holds, row by row, field by field, and
//! what all sources say of one thing.
//!
//! Comes from: the schedule or a person; it takes no input and reads everything.
//! Goes to: work items, in batches; with repair, to `deliver` through reopened deliveries.
//! Safe to repeat because: it changes nothing on either side; a repair only makes a delivery due once more.
//! When it fails: it goes on where it stopped; a side that was not read completely is said to be so, nothing is
//! called missing and nothing is closed.

pub mod judge;
pub mod sides;
pub mod inventory;
pub mod rows;
pub mod repair;
pub mod sources;
pub mod listing;
pub mod nodes;
mod lines;
mod walk;
mod retire;
mod why;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

use canonical::Kind;
use canonical::values::UtcInstant;
use contract::{Capability, Observer};
use serde::{Deserialize, Serialize};

use self::listing::Listing;
use self::sides::{SourcePolicy, Thresholds};
use self::walk::{Place, Side, Walk};
use super::report::words::open_for;
use super::{Flow, FlowError};
use crate::chain::chain;
use crate::clock::{after, italian_day};
use crate::discrepancy::shown::shown;
use crate::discrepancy::{Discrepancy, SOURCES, Shape, working_days};
use crate::storage::work_items::{Act, SILENCE};
use crate::storage::{
    Chosen, ComparisonRun, Decision, DeliveryId, ItemFilter, Person, Reconciliation, ReconciliationCounts, RunResult,
    RunSummary, StandingCounts, StateFilter, StorageError,
};

/// Discrepancies that are noted together.
const BATCH: usize = 500;
/// Units after which it is noted how far the run has come, whatever was found.
const UNITS: usize = 200;
/// Runs among which the last complete one is looked for.
const LOOKED_BACK: u32 = 1_000;
/// Why a run ended that was killed, and that the next one cannot go on with.
const OTHER_EVIDENCE: &str = "il confronto era stato interrotto, e quello che segue guarda altrove";
/// Discrepancies that a result names; all stand among the work items.
pub const NAMED: usize = 100;

/// What is done about discrepancies that nobody takes care of, who repairs, and what is expected of the
/// sources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Working days after which somebody above is told of what is open; never when absent.
    pub escalate_after_working_days: Option<u16>,
    /// Whether a repair needs a second person.
    pub four_eyes: bool,
    /// What is expected of sources, by their names.
    pub sources: Arc<BTreeMap<String, SourcePolicy>>,
    /// From which amounts which qualification is needed.
    pub thresholds: Arc<Thresholds>,
}

/// How far a run has come: all that is needed to go on.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Progress<P> {
    /// Whether the other side is a list in a file.
    #[serde(default)]
    is_listed: bool,
    place: P,
    counts: ReconciliationCounts,
    rules: BTreeMap<String, u64>,
    /// Of these, what is missing there: it is so only at the end of a run that saw everything.
    #[serde(default)]
    missing: BTreeMap<String, u64>,
}

/// What a run has gathered and not yet noted.
struct Notebook<'a> {
    flow: &'a Flow,
    run: &'a ComparisonRun,
    counts: ReconciliationCounts,
    rules: BTreeMap<String, u64>,
    missing: BTreeMap<String, u64>,
    is_listed: bool,
    /// The list that the run rests on, if it is one.
    evidence: Option<String>,
    found: Vec<Discrepancy>,
    /// Units of which nothing can be said now.
    kept: Vec<String>,
    units: usize,
    named: Vec<Discrepancy>,
}

impl<'a> Notebook<'a> {
    /// A new one, and where the run is to go on.
    fn open<P: Default + for<'de> Deserialize<'de>>(flow: &'a Flow, run: &'a ComparisonRun) -> (Self, P) {
        let progress = run.progress.as_deref().and_then(|text| serde_json::from_str::<Progress<P>>(text).ok());
        let Progress { is_listed, place, counts, rules, missing } = progress.unwrap_or_default();
        let (found, kept, named, evidence) = (Vec::new(), Vec::new(), Vec::new(), None);
        (Self { flow, run, counts, rules, missing, is_listed, evidence, found, kept, units: 0, named }, place)
    }

    /// Begins with the evidence that the run rests on, so that whoever takes it up has the same.
    async fn begin(&mut self, is_listed: bool) -> Result<(), FlowError> {
        self.is_listed = is_listed;
        self.note(Place::default()).await
    }

    fn add(&mut self, counts: ReconciliationCounts, found: Vec<Discrepancy>) {
        self.counts = self.counts.plus(counts);
        self.units += 1;
        for discrepancy in &found {
            let rule = discrepancy.rule.code();
            *self.rules.entry(rule.to_owned()).or_default() += 1;
            if discrepancy.shape == Shape::MissingThere {
                *self.missing.entry(rule.to_owned()).or_default() += 1;
            }
        }
        self.named.extend(found.iter().take(NAMED.saturating_sub(self.named.len())).map(Discrepancy::for_people));
        self.found.extend(found);
    }

    fn is_full(&self) -> bool {
        self.found.len() >= BATCH || self.kept.len() >= BATCH || self.units >= UNITS
    }

    /// Notes what was gathered, with the place after it.
    async fn note<P: Serialize>(&mut self, place: P) -> Result<(), FlowError> {
        let (rules, missing) = (self.rules.clone(), self.missing.clone());
        let progress = Progress { is_listed: self.is_listed, place, counts: self.counts, rules, missing };
        // Numbers, texts and maps with texts as keys: this always has a JSON form.
        let progress = serde_json::to_string(&progress).unwrap_or_default();
        let now = self.flow.clock.now();
        if !self.kept.is_empty() {
            self.flow.store.keep_units(self.run, &std::mem::take(&mut self.kept), now).await?;
        }
        let found = std::mem::take(&mut self.found);
        for batch in found.chunks(BATCH) {
            self.flow.store.note_discrepancies(self.run, batch, "", now).await?;
        }
        self.flow.store.note_discrepancies(self.run, &[], &progress, now).await?;
        self.units = 0;
        Ok(())
    }

    /// Ends the run.
    async fn finish(mut self, incomplete_because: Option<String>) -> Result<Reconciliation, FlowError> {
        if incomplete_because.is_some() {
            // What was not read is not missing, and not on its way either.
            self.counts.not_read += std::mem::take(&mut self.counts.missing_there);
            self.named.retain(|found| found.shape != Shape::MissingThere);
            for (rule, withdrawn) in std::mem::take(&mut self.missing) {
                if let Some(count) = self.rules.get_mut(&rule) {
                    *count = count.saturating_sub(withdrawn);
                }
            }
            self.rules.retain(|_, count| *count > 0);
        }
        let result = RunResult { counts: self.counts, incomplete_because, evidence: self.evidence };
        let now = self.flow.clock.now();
        let summary = self.flow.store.finish_comparison(self.run, &result, now).await?;
        escalate(self.flow, &summary.comparison, now).await?;
        Ok(result_of(summary, now, self.rules, self.named))
    }
}

/// Whether a system has a help desk that takes a Segnalazione.
fn has_desk(capability: &Capability) -> bool {
    capability.accepts.contains(&Kind::Segnalazione)
}

fn result_of(
    summary: RunSummary,
    now: UtcInstant,
    rules: BTreeMap<String, u64>,
    discrepancies: Vec<Discrepancy>,
) -> Reconciliation {
    let result = Reconciliation {
        target: summary.comparison,
        started_at: summary.started_at,
        finished_at: summary.finished_at.unwrap_or(now),
        complete: summary.complete,
        incomplete_because: summary.incomplete_because,
        counts: summary.counts,
        changes: summary.changes,
        standing: StandingCounts { open: summary.open, explained: summary.explained, accepted: summary.accepted },
        rules,
        discrepancies,
    };
    let verdict = result.verdict();
    tracing::info!(
        comparison = result.target,
        ?verdict,
        expected = result.counts.expected,
        equal = result.counts.equal,
        open = result.standing.open,
        opened = result.changes.opened,
        closed = result.changes.closed,
        "reconciled"
    );
    result
}

/// The names of the comparisons that can be made: the targets that can be observed, other nodes, then the
/// sources.
pub fn comparisons(flow: &Flow) -> Vec<String> {
    let can = |adapter: &dyn contract::Adapter| adapter.target().is_some() && adapter.observer().is_some();
    let targets = flow.systems.iter().filter(|(_, adapter)| can(adapter.as_ref())).map(|(name, _)| name.clone());
    targets.chain(flow.nodes.keys().cloned()).chain([SOURCES.to_owned()]).collect()
}

/// Makes one comparison, by its name. Only what targets hold is repaired in passing. What stands of
/// comparisons that are configured no more ends before.
pub async fn compare(flow: &Flow, comparison: &str, repair: bool) -> Result<Reconciliation, FlowError> {
    if let Err(error) = retire::retire_others(flow).await {
        tracing::warn!(error = %chain(&error), "what is compared no more still stands: the next comparison ends it");
    }
    if comparison == SOURCES {
        return sources::reconcile_sources(flow).await;
    }
    match flow.nodes.get(comparison) {
        Some(node) => nodes::reconcile_node(flow, comparison, node).await,
        None if !flow.systems.contains_key(comparison) => {
            let known = flow.systems.keys().chain(flow.nodes.keys()).map(String::as_str).chain([SOURCES]);
            let (system, known) = (comparison.to_owned(), known.collect::<Vec<_>>().join(", "));
            Err(FlowError::UnknownSystem { system, known })
        }
        None => reconcile(flow, comparison, repair).await,
    }
}

/// Compares the ledger with one target and keeps what is found. With `repair`, every unit that the
/// target lacks, holds differently, or did not take, is made due again.
pub async fn reconcile(flow: &Flow, name: &str, repair: bool) -> Result<Reconciliation, FlowError> {
    compare_with(flow, name, None, repair).await
}

/// Compares the ledger with a list of what one target holds, as its operators or another office wrote
/// it, and keeps what is found. The target need not be one that can be asked.
pub async fn reconcile_listed(flow: &Flow, name: &str, listing: &Listing) -> Result<Reconciliation, FlowError> {
    compare_with(flow, name, Some(listing), false).await
}

async fn compare_with(
    flow: &Flow,
    name: &str,
    listing: Option<&Listing>,
    repair: bool,
) -> Result<Reconciliation, FlowError> {
    let no_role = |role| FlowError::NoRole { system: name.to_owned(), role };
    let adapter = Arc::clone(flow.system(name)?);
    let target = adapter.target().ok_or_else(|| no_role("target"))?;
    let observer = adapter.observer();
    let is_home_of_others = observer.is_some_and(Observer::holds_more_than_ours);
    let observer = listing.map(|listing| listing as &dyn Observer).or(observer).ok_or_else(|| no_role("observer"))?;
    let side = Side { observer, is_home_of_others, listing };
    if let Some(listing) = listing {
        let runs = flow.store.runs(Some(name), LOOKED_BACK).await?;
        listing.fits(flow.clock.now(), &runs)?;
        listing.learn_fields(flow, name, target).await?;
    }
    let run = begin_with(flow, name, listing.is_some()).await?;
    let (result, to_repair) = alone(flow, &run, async {
        let (mut notebook, place) = Notebook::open::<Place>(flow, &run);
        notebook.evidence = listing.map(Listing::evidence);
        if run.progress.is_none() {
            if let Some(evidence) = &notebook.evidence {
                flow.store.rest_on(&run, evidence, flow.clock.now()).await?;
            }
            notebook.begin(listing.is_some()).await?;
        }
        let mut walk = Walk::begin(flow, name, target, side, place).await?;
        // Deliveries to send again, each with the revision that the target was seen to hold and its unit.
        let mut to_repair: Vec<(DeliveryId, u64, String)> = Vec::new();
        while let Some(compared) = walk.next().await? {
            let is_wrong = compared.counts.stopped > 0 || compared.found.iter().any(|found| found.cause.is_none());
            let wrong = compared.delivery.filter(|_| repair && is_wrong);
            to_repair.extend(wrong.map(|(delivery, above)| (delivery, above, compared.key.0.clone())));
            if compared.is_skipped {
                notebook.kept.push(compared.key.0);
            }
            notebook.add(compared.counts, compared.found);
            if notebook.is_full() {
                notebook.note(walk.place()).await?;
            }
        }
        notebook.note(walk.place()).await?;
        let incomplete_because = walk.incomplete_because();
        Ok((notebook.finish(incomplete_because).await?, to_repair))
    })
    .await?;
    if result.complete {
        let accepted = if to_repair.is_empty() { BTreeSet::new() } else { accepted_units(flow, name).await? };
        for (delivery, above, unit) in to_repair {
            if accepted.contains(&unit) {
                tracing::info!(target_system = name, unit = %shown(&unit), "not sent again: somebody accepted what differs there");
                continue;
            }
            send_again(flow, delivery, above, "reconciliation").await?;
        }
    }
    Ok(result)
}

/// Units of a target about which somebody decided to live with what differs: sending one again would
/// undo that.
async fn accepted_units(flow: &Flow, comparison: &str) -> Result<BTreeSet<String>, FlowError> {
    let filter =
        ItemFilter { comparison: Some(comparison.to_owned()), state: StateFilter::Accepted, ..ItemFilter::default() };
    let mut units = BTreeSet::new();
    let mut after = None;
    loop {
        let items = flow.store.items(&filter, after, 1_000).await?;
        let Some(last) = items.last() else { return Ok(units) };
        after = Some(last.id);
        units.extend(items.into_iter().map(|item| item.discrepancy.unit));
    }
}

/// Makes a delivery due again. False when it moved meanwhile: its next step, or the next comparison,
/// takes care of it.
async fn send_again(flow: &Flow, delivery: DeliveryId, above: u64, reason: &str) -> Result<bool, FlowError> {
    match flow.store.reopen(delivery, above, reason, flow.clock.now()).await {
        Ok(()) => Ok(true),
        Err(StorageError::Refused { problem }) => {
            tracing::info!(%delivery, problem, "not reopened");
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Opens a run, or takes up the one that was killed, if it rests on the same evidence: what a list said
/// is neither missing nor there in the system, nor in another list.
async fn begin_with(flow: &Flow, comparison: &str, is_listed: bool) -> Result<ComparisonRun, FlowError> {
    let run = begin(flow, comparison).await?;
    let (notebook, place) = Notebook::open::<Place>(flow, &run);
    if run.progress.is_none() || !(is_listed || notebook.is_listed || place.is_of_listing()) {
        return Ok(run);
    }
    notebook.finish(Some(OTHER_EVIDENCE.to_owned())).await?;
    begin(flow, comparison).await
}

/// Opens a run, or takes up the one that was killed.
async fn begin(flow: &Flow, comparison: &str) -> Result<ComparisonRun, FlowError> {
    match flow.store.begin_comparison(comparison, flow.clock.now()).await {
        Ok(run) => Ok(run),
        Err(StorageError::Refused { .. }) => Err(FlowError::UnderWay { comparison: comparison.to_owned() }),
        Err(error) => Err(error.into()),
    }
}

/// Does the work of a run for as long as its turn is ours, and holds the turn meanwhile.
async fn alone<T>(
    flow: &Flow,
    run: &ComparisonRun,
    work: impl Future<Output = Result<T, FlowError>>,
) -> Result<T, FlowError> {
    let held = async {
        loop {
            tokio::time::sleep(SILENCE / 3).await;
            let now = flow.clock.now();
            match flow.store.hold_turn(&run.turn, now, after(now, SILENCE)).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(%error, comparison = run.comparison, "turn not held, trying again"),
            }
        }
    };
    let done = tokio::select! {
        done = work => done,
        () = held => Err(FlowError::UnderWay { comparison: run.comparison.clone() }),
    };
    if done.is_err() {
        // Whoever comes next need not wait for the silence to end. An error here changes nothing.
        let _ = flow.store.hold_turn(&run.turn, flow.clock.now(), flow.clock.now()).await;
    }
    done
}

/// Tells somebody above of what has been open for too many working days.
async fn escalate(flow: &Flow, comparison: &str, now: UtcInstant) -> Result<(), FlowError> {
    let Some(days) = flow.reconciliation.escalate_after_working_days else { return Ok(()) };
    // What was opened on that day, or before, has waited for so many days since.
    let day = working_days::working_days_before(italian_day(now), days);
    let Some(opened_before) = crate::clock::end_of_italian_day(day) else { return Ok(()) };
    let filter = ItemFilter {
        comparison: Some(comparison.to_owned()),
        state: StateFilter::Open,
        opened_before: Some(opened_before),
        not_escalated: true,
        ..ItemFilter::default()
    };
    let by = Person { name: "raccordo".to_owned(), reason: open_for(days) };
    let decision = Decision { act: Act::Escalate, by };
    let told = flow.store.decide(&decision, &Chosen::Filter(Box::new(filter)), now).await?;
    if !told.changed.is_empty() {
        tracing::warn!(comparison, items = told.changed.len(), days, "discrepancies have been open for too long");
    }
    Ok(())
}

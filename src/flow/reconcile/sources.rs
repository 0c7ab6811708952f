//! All that the sources say of one thing, side by side.
//!
//! Two walks through the ledger, page by page: what speaks of a lot, CIG by CIG; then all other things,
//! key by key. What is compared, and what a difference means, is said by pure functions; here they are
//! told what stands around the records. At the end, what a source lacked that was not read to its end
//! this time is left as it was.

mod pages;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use canonical::{Body, Kind, Record, Rule};
use serde::{Deserialize, Serialize};

use self::pages::Beside;
use super::sides::{
    Context, Registry, SourceFacts, compare_family, compare_links, compare_sides, context_of, stale_sources, units_of,
};
use super::{Notebook, alone, begin, has_desk};
use crate::clock::italian_day;
use crate::discrepancy::{Discrepancy, SOURCES};
use crate::flow::{Flow, FlowError};
use crate::storage::{Family, ItemFilter, Reconciliation, ReconciliationCounts, StateFilter, Things};

/// Families in memory at a time, at most.
const FAMILIES: u32 = 64;
/// Other records in memory at a time.
const RECORDS: u32 = 1_000;

/// Where a comparison of the sources stands.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Place {
    walk: Stage,
    /// The last CIG, or the last key.
    after: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    #[default]
    Lots,
    Things,
    Unread,
}

/// Compares what all sources say, and keeps what is found.
pub async fn reconcile_sources(flow: &Flow) -> Result<Reconciliation, FlowError> {
    let run = begin(flow, SOURCES).await?;
    alone(flow, &run, async {
        let sources = facts(flow).await?;
        let known = codes(flow).await?;
        let mut context = Context::new(italian_day(flow.clock.now()), &sources, &flow.ownership);
        context.known = &known;
        context.thresholds = std::borrow::Cow::Borrowed(&flow.reconciliation.thresholds);
        let (mut notebook, mut place) = Notebook::open::<Place>(flow, &run);
        if place.walk == Stage::Lots && place.after.is_none() {
            notebook.add(ReconciliationCounts::default(), stale_sources(&context));
        }
        if place.walk == Stage::Lots {
            lots(flow, &mut context, &mut notebook, &mut place).await?;
            place = Place { walk: Stage::Things, after: None };
            notebook.note(&place).await?;
        }
        if place.walk == Stage::Things {
            things(flow, &mut context, &mut notebook, &mut place).await?;
            place = Place { walk: Stage::Unread, after: None };
            notebook.note(&place).await?;
        }
        unread(flow, &sources, &mut notebook).await?;
        notebook.note(&place).await?;
        notebook.finish(None).await
    })
    .await
}

/// What speaks of each lot.
async fn lots(
    flow: &Flow,
    context: &mut Context<'_>,
    notebook: &mut Notebook<'_>,
    place: &mut Place,
) -> Result<(), FlowError> {
    loop {
        let families = flow.store.families(place.after.as_deref(), FAMILIES).await?;
        let Some(last) = families.last() else { return Ok(()) };
        place.after = Some(last.cig.clone());
        let beside = Beside::of(flow, &families, context).await?;
        for family in families {
            if !family.too_many.is_empty() {
                tracing::warn!(cig = family.cig, records = family.too_many.len(), "family not compared: too large");
                leave_alone(notebook, &family);
                continue;
            }
            context.repeated.clone_from(&family.repeated);
            // One record that stops a rule must not end the comparison of all the others.
            if let Ok(found) = catch_unwind(AssertUnwindSafe(|| of_family(&family, &beside, context))) {
                notebook.add(counts_of(&found), found);
            } else {
                tracing::error!(cig = family.cig, "family not compared: a rule stopped");
                leave_alone(notebook, &family);
            }
        }
        notebook.note(&*place).await?;
    }
}

/// What is no lot, and hangs on none: each kind and key by itself.
async fn things(
    flow: &Flow,
    context: &mut Context<'_>,
    notebook: &mut Notebook<'_>,
    place: &mut Place,
) -> Result<(), FlowError> {
    loop {
        let Things { last, records, repeated } = flow.store.things(place.after.as_deref(), RECORDS).await?;
        let Some(last) = last else { return Ok(()) };
        place.after = Some(last);
        context.repeated = repeated;
        for records in records.chunk_by(is_one_thing) {
            if let Ok(found) = catch_unwind(AssertUnwindSafe(|| compare_sides(records, context))) {
                notebook.add(counts_of(&found), found);
            } else {
                let unit = format!("{}/{}", records[0].kind(), records[0].key());
                tracing::error!(unit, "not compared: a rule stopped");
                notebook.kept.push(unit);
                notebook.add(stopped(), Vec::new());
            }
        }
        for records in records.chunk_by(is_of_one_project) {
            if let Ok(found) = catch_unwind(AssertUnwindSafe(|| compare_links(records, context))) {
                notebook.add(ReconciliationCounts::default(), found);
            }
        }
        notebook.note(&*place).await?;
    }
}

/// Of a source that was not read to its end nothing new is missing, and what was missing there is not
/// settled: it is noted again as it was seen last.
async fn unread(
    flow: &Flow,
    sources: &BTreeMap<String, SourceFacts>,
    notebook: &mut Notebook<'_>,
) -> Result<(), FlowError> {
    if sources.values().all(|facts| facts.is_complete) {
        return Ok(());
    }
    let filter = ItemFilter {
        comparison: Some(SOURCES.to_owned()),
        rule: Some(Rule::R01),
        state: StateFilter::Standing,
        ..ItemFilter::default()
    };
    let mut after = None;
    loop {
        let items = flow.store.items(&filter, after, RECORDS).await?;
        let Some(last) = items.last() else { return Ok(()) };
        after = Some(last.id);
        let is_unread = |found: &Discrepancy| {
            let mut lacking = found.sides.iter().filter(|side| side.value.is_none());
            lacking.any(|side| sources.get(&side.system).is_some_and(|facts| !facts.is_complete))
        };
        let kept: Vec<_> = items.into_iter().map(|item| item.discrepancy).filter(is_unread).collect();
        flow.store.note_discrepancies(notebook.run, &kept, "", flow.clock.now()).await?;
    }
}

/// What is known of each source.
async fn facts(flow: &Flow) -> Result<BTreeMap<String, SourceFacts>, FlowError> {
    let mut states = flow.store.source_states().await?;
    let sources = flow.systems.iter().filter(|(_, adapter)| adapter.source().is_some());
    let facts = sources.map(|(name, adapter)| {
        let capability = adapter.capability();
        let policy = flow.reconciliation.sources.get(name);
        let state = states.remove(name).unwrap_or_default();
        let facts = SourceFacts::of_source(capability.system, capability.reads, policy, &state);
        (name.clone(), SourceFacts { has_desk: has_desk(&capability), ..facts })
    });
    Ok(facts.collect())
}

/// Which codes stand for one body, operator or territory. Only those with several are kept.
async fn codes(flow: &Flow) -> Result<Registry, FlowError> {
    let mut registry = Registry::default();
    let mut after = None;
    loop {
        let page = flow.store.registers(after, RECORDS).await?;
        let Some((last, _)) = page.last() else { return Ok(registry) };
        after = Some(*last);
        for (_, record) in &page {
            registry.add(record);
        }
    }
}

fn is_one_thing(one: &Record, other: &Record) -> bool {
    one.kind() == other.kind() && one.key() == other.key()
}

/// Links of one project stand behind each other: their keys begin with its CUP, and a page holds them all.
fn is_of_one_project(one: &Record, other: &Record) -> bool {
    match (&one.body, &other.body) {
        (Body::CollegamentoCupCig(one), Body::CollegamentoCupCig(other)) => one.cup == other.cup,
        _ => false,
    }
}

/// What the records of one CIG say of each kind and key, and together. They come in order of key,
/// kind and source. What has another key is compared by it, in the second walk.
fn of_family(family: &Family, beside: &Beside, context: &Context<'_>) -> Vec<Discrepancy> {
    let context = context_of(&family.records, &beside.around(&family.records, context));
    let is_of_lot = |records: &&[Record]| records[0].key().as_str().starts_with(&family.cig);
    let mut found: Vec<_> = family
        .records
        .chunk_by(is_one_thing)
        .filter(is_of_lot)
        .flat_map(|records| compare_sides(records, &context))
        .collect();
    let qualifications = beside.qualifications(&family.records);
    found.extend(compare_family(family.records.iter().chain(qualifications), &context));
    found
}

/// One family is one row: equal, explained or different as a whole.
fn counts_of(found: &[Discrepancy]) -> ReconciliationCounts {
    let mut counts = ReconciliationCounts { expected: 1, observed: 1, ..ReconciliationCounts::default() };
    if found.iter().any(|found| found.cause.is_none()) {
        counts.different = 1;
    } else if found.is_empty() {
        counts.equal = 1;
    } else {
        counts.explained = 1;
    }
    counts
}

fn stopped() -> ReconciliationCounts {
    ReconciliationCounts { expected: 1, observed: 1, stopped: 1, ..ReconciliationCounts::default() }
}

/// A family of which nothing can be said: what is known of it stays.
fn leave_alone(notebook: &mut Notebook<'_>, family: &Family) {
    let read = family.records.iter().map(|record| (record.kind(), record.key()));
    let keys: Vec<(Kind, _)> = read.chain(family.too_many.iter().cloned()).collect();
    notebook.kept.extend(units_of(&family.cig, keys.iter().map(|(kind, key)| (*kind, key.as_str()))));
    notebook.add(stopped(), Vec::new());
}

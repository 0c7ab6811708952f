//! All that the sources say of one thing: the records of a CIG, side by side.
//!
//! The walk goes through the ledger in the order of the CIGs, a few families at a time. What is
//! compared, and what a difference means, is said by pure functions; here they are told what stands
//! around the records.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use canonical::{Kind, Record};

use super::sides::{Context, Registry, SourceFacts, compare_family, compare_sides, context_of, stale_sources};
use super::{Notebook, alone, begin};
use crate::clock::italian_day;
use crate::discrepancy::{Discrepancy, SOURCES};
use crate::flow::{Flow, FlowError};
use crate::storage::{Family, Reconciliation, ReconciliationCounts};

/// Families in memory at a time.
const FAMILIES: u32 = 64;
/// Records read at a time where codes are looked for.
const RECORDS: u32 = 1_000;

/// Compares what all sources say, and keeps what is found.
pub async fn reconcile_sources(flow: &Flow) -> Result<Reconciliation, FlowError> {
    let run = begin(flow, SOURCES).await?;
    alone(flow, &run, async {
        let sources = facts(flow).await?;
        let known = codes(flow).await?;
        let mut context = Context::new(italian_day(flow.clock.now()), &sources, &flow.ownership);
        context.known = &known;
        let (mut notebook, mut place) = Notebook::open::<Option<String>>(flow, &run);
        if place.is_none() {
            notebook.add(ReconciliationCounts::default(), stale_sources(&context));
        }
        loop {
            let families = flow.store.families(place.as_deref(), FAMILIES).await?;
            let Some(last) = families.last() else { break };
            place = Some(last.cig.clone());
            for family in families {
                // One record that stops a rule must not end the comparison of all the others.
                match catch_unwind(AssertUnwindSafe(|| of_family(&family.records, &context))) {
                    Ok(found) => notebook.add(counts_of(&found), found),
                    Err(_) => leave_alone(&mut notebook, &family),
                }
            }
            notebook.note(&place).await?;
        }
        notebook.note(&place).await?;
        notebook.finish(None).await
    })
    .await
}

/// What is known of each source: an incomplete reading makes nothing missing.
async fn facts(flow: &Flow) -> Result<BTreeMap<String, SourceFacts>, FlowError> {
    let overview = flow.store.overview().await?;
    let is_complete = |name: &str| overview.runs.iter().any(|run| run.source == name && run.finished_at.is_some());
    let sources = flow.systems.iter().filter(|(_, adapter)| adapter.source().is_some());
    let facts = sources.map(|(name, adapter)| {
        let facts =
            SourceFacts { is_complete: is_complete(name), ..SourceFacts::of_adapter(adapter.capability().system) };
        (name.clone(), facts)
    });
    Ok(facts.collect())
}

/// Which codes stand for one body, operator or territory.
async fn codes(flow: &Flow) -> Result<Registry, FlowError> {
    let mut records: Vec<Record> = Vec::new();
    let mut after = None;
    loop {
        let page = flow.store.current_records(after, RECORDS).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.record);
        let tells_codes = |kind| matches!(kind, Kind::Ente | Kind::OperatoreEconomico | Kind::Territorio);
        records.extend(page.into_iter().map(|(_, record)| record).filter(|record| tells_codes(record.kind())));
    }
    Ok(Registry::of(&records))
}

/// What the records of one CIG say of each kind and key, and together. They come in order of key,
/// kind and source.
fn of_family(records: &[Record], context: &Context<'_>) -> Vec<Discrepancy> {
    let same = |one: &Record, other: &Record| one.kind() == other.kind() && one.key() == other.key();
    let context = context_of(records, context);
    let mut found: Vec<_> = records.chunk_by(same).flat_map(|records| compare_sides(records, &context)).collect();
    found.extend(compare_family(records, &context));
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

/// A family of which nothing can be said: what is known of it stays.
fn leave_alone(notebook: &mut Notebook<'_>, family: &Family) {
    tracing::error!(cig = family.cig, "family not compared: a rule stopped");
    let units = family.records.iter().map(|record| format!("{}/{}", record.kind(), record.key()));
    notebook.kept.extend(units.chain([format!("{}/{}", Kind::Lotto, family.cig)]));
    let counts = ReconciliationCounts { expected: 1, observed: 1, stopped: 1, ..ReconciliationCounts::default() };
    notebook.add(counts, Vec::new());
}

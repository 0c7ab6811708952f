//! Where the facts of a report come from: the runs, the head of the chain, and the discrepancies page
//! by page, whatever their number.

use std::collections::BTreeMap;

use canonical::values::UtcInstant;

use super::model::{About, NOT_READ, RunFacts, SignOffFacts};
use super::print::{Report, ReportError};
use super::words::Language;
use crate::storage::{AuditChain, ItemFilter, RunSummary, StorageError, WorkItems};

/// Discrepancies in memory at the same time.
pub const PAGE: u32 = 1_000;
/// Runs that the trend looks back over.
pub const RUNS: u32 = 400;
/// Periods that are shown as signed.
const SIGN_OFFS: u32 = 12;

/// Why a report was not made.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// The database.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The form.
    #[error(transparent)]
    Report(#[from] ReportError),
}

/// What is known before the first page: the last run of each comparison that the filter admits, or the
/// one that was asked for.
pub async fn about(
    (items, chain): (&dyn WorkItems, &dyn AuditChain),
    filter: &ItemFilter,
    run: Option<i64>,
    language: Language,
    made_at: UtcInstant,
) -> Result<About, StorageError> {
    let all = items.runs(filter.comparison.as_deref(), RUNS).await?;
    let history: Vec<RunFacts> = all.iter().filter(|run| run.finished_at.is_some()).map(RunFacts::from).collect();
    // The newest stands first: the first of each comparison is its last one.
    let mut last: BTreeMap<&str, &RunFacts> = BTreeMap::new();
    for finished in history.iter().filter(|finished| run.is_none_or(|run| finished.id == run)) {
        last.entry(&finished.comparison).or_insert(finished);
    }
    // What is configured no more is no part of what is compared; who asks for a run of it has it.
    let is_retired = |name: &str| {
        all.iter()
            .find(|run| run.comparison == name && run.finished_at.is_some())
            .is_some_and(RunSummary::is_retirement)
    };
    last.retain(|name, _| run.is_some() || !is_retired(name));
    let runs: Vec<RunFacts> = last.into_values().cloned().collect();
    let until = run.and_then(|_| runs.first()?.finished_at);
    let history = history.into_iter().filter(|past| until.is_none_or(|until| past.finished_at <= Some(until)));
    let sign_offs = items.sign_offs(SIGN_OFFS).await?.into_iter().map(|signed| SignOffFacts {
        period: signed.period,
        who: signed.who,
        note: signed.reason,
        at: signed.at,
        open: signed.open,
    });
    Ok(About {
        language,
        made_at,
        filter: filter.to_query(),
        chain_head: chain.audit_head().await?.to_string(),
        history: history.collect(),
        runs,
        sign_offs: sign_offs.collect(),
    })
}

/// Gives a report its pages: all that match, or those of them that one run saw.
pub async fn feed(
    report: &mut Report,
    items: &dyn WorkItems,
    filter: &ItemFilter,
    seen_by: Option<&RunFacts>,
) -> Result<(), GatherError> {
    let mut after = None;
    loop {
        let mut page = items.items(filter, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        if let Some(run) = seen_by {
            page.retain(|item| item.last_seen >= run.started_at && Some(item.first_seen) <= run.finished_at);
        }
        report.add(&page)?;
    }
}

impl From<&RunSummary> for RunFacts {
    fn from(run: &RunSummary) -> Self {
        let counts = run.counts;
        let skipped = [("on_its_way", counts.on_its_way), ("stopped", counts.stopped), (NOT_READ, counts.not_read)];
        Self {
            id: run.id.0,
            comparison: run.comparison.clone(),
            started_at: run.started_at,
            finished_at: run.finished_at,
            rows_here: counts.expected,
            rows_there: counts.observed,
            is_complete: run.complete,
            incomplete_because: run.incomplete_because.clone(),
            equal: counts.equal,
            different: counts.different + counts.explained,
            different_explained: counts.explained,
            only_here: counts.missing_there,
            only_there: counts.missing_here,
            skipped: skipped.map(|(reason, count)| (reason.to_owned(), count)).into(),
            open: run.open,
            explained: run.explained,
            accepted: run.accepted,
        }
    }
}

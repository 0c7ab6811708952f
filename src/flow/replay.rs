//! Replay: what stands in quarantine is understood again, with today's mappings.
//!
//! Comes from: a person, who names raw records.
//! Goes to: `normalize`, `route` and `version`, as from `intake`, with the text and the document that were kept.
//! Safe to repeat because: what was understood stands aside no longer, and what was not says today's reason.
//! When it fails: what was stored stays; the run stays open, and the rest stays in quarantine.

use std::collections::BTreeMap;
use std::sync::Arc;

use canonical::SourceName;
use contract::SetAside;

use super::route::membership::Members;
use super::{Flow, FlowError, normalize, route, version};
use crate::storage::{KeptRecord, Person, RunKind, Stored};

/// What a raw record turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// Its number.
    pub number: i64,
    /// What came of it.
    pub stored: Stored,
    /// Why it still stands aside.
    pub set_aside: Option<SetAside>,
}

/// What today's mappings would make of raw records: why each still stands aside, or none where it is
/// understood. Nothing is stored. Those that stand in quarantine no more are left out of the answer.
pub async fn preview_records(flow: &Flow, numbers: &[i64]) -> Result<Vec<(i64, Option<SetAside>)>, FlowError> {
    let mut previews = Vec::new();
    for number in numbers {
        let Some(KeptRecord { source: name, raw, .. }) = flow.store.kept_record(*number).await? else { continue };
        let adapter = flow.system(name.as_str())?;
        let source = adapter.source().ok_or_else(|| no_source(&name))?;
        previews.push((*number, normalize::understand(source, &name, &raw, flow.clock.now()).set_aside));
    }
    Ok(previews)
}

fn no_source(name: &SourceName) -> FlowError {
    FlowError::NoRole { system: name.to_string(), role: "source" }
}

/// Understands raw records again, in one run for each source. Those that stand in quarantine no
/// more are left out of the answer. The sources must be configured.
pub async fn replay_records(flow: &Flow, numbers: &[i64], by: &Person) -> Result<Vec<Replayed>, FlowError> {
    let mut sources: BTreeMap<SourceName, Vec<(i64, KeptRecord)>> = BTreeMap::new();
    for number in numbers {
        if let Some(kept) = flow.store.kept_record(*number).await? {
            sources.entry(kept.source.clone()).or_default().push((*number, kept));
        }
    }
    let mut replayed = Vec::new();
    for (name, kept) in sources {
        replayed.extend(replay_source(flow, &name, kept, by).await?);
    }
    if !replayed.is_empty() {
        // A membership may have been among them.
        route::route_again(flow).await?;
    }
    Ok(replayed)
}

async fn replay_source(
    flow: &Flow,
    name: &SourceName,
    kept: Vec<(i64, KeptRecord)>,
    by: &Person,
) -> Result<Vec<Replayed>, FlowError> {
    let adapter = Arc::clone(flow.system(name.as_str())?);
    let source = adapter.source().ok_or_else(|| no_source(name))?;
    let now = flow.clock.now();
    let routes = route::Routes::of(flow, name, Arc::new(Members::load(flow).await?));
    let run = flow.store.begin_run(RunKind::Import, name, now).await?;
    let arrivals: Vec<_> = kept
        .into_iter()
        .map(|(number, KeptRecord { document, raw, .. })| {
            let understood = normalize::understand(source, name, &raw, now);
            let arrival = version::arrival(document, raw, understood, |record| {
                (routes.rank(record.kind()), routes.of_record(record, now))
            });
            (number, arrival)
        })
        .collect();
    let asides: Vec<_> = arrivals.iter().map(|(number, arrival)| (*number, arrival.set_aside.clone())).collect();
    let stored = flow.store.replay_records(run, arrivals, by, now).await?;
    flow.store.finish_run(run, flow.clock.now()).await?;
    let replayed = asides.into_iter().zip(stored);
    Ok(replayed.map(|((number, set_aside), stored)| Replayed { number, stored, set_aside }).collect())
}

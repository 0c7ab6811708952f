//! Route: decides which targets should hold a record, and in which unit.
//!
//! Comes from: `normalize`, record by record.
//! Goes to: `version`, which writes the deliveries in the transaction of the version.
//! Safe to repeat because: it is a pure function of the record, the configured systems and the memberships.
//! When it fails: it cannot; a target that will not take a record says why, and the reason is stored.

pub mod ownership;
pub mod membership;
pub mod filter;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use canonical::values::UtcInstant;
use canonical::{Kind, Record, SourceName};
use contract::{Adapter, Placement};

use self::filter::Filter;
use self::membership::{Members, WITHOUT_MEMBERSHIP};
use super::{Flow, FlowError};
use crate::clock::after;
use crate::storage::{Destination, Route, StandingId};

/// Standing records per transaction when all are routed again.
const PAGE: u32 = 500;

/// Routes every standing record again when the targets, or the rules of this program, are not those
/// by which they were routed last: a target that is added later must hold what the others hold.
/// Returns how many records moved.
pub async fn route_again(flow: &Flow) -> Result<u64, FlowError> {
    again(flow, None).await
}

/// As [`route_again`], after a read that went by these memberships. Where another process has
/// stored others meanwhile, it has routed all that stood then, and not what this read has stored since.
pub async fn route_again_after(flow: &Flow, used: &Members) -> Result<u64, FlowError> {
    again(flow, Some(used)).await
}

async fn again(flow: &Flow, used: Option<&Members>) -> Result<u64, FlowError> {
    let members = Arc::new(Members::load(flow).await?);
    let today = routing(flow, &members);
    let is_behind = used.is_some_and(|used| *used != *members);
    if !is_behind && flow.store.routing().await?.as_deref() == Some(&today) {
        return route_vacated(flow, &members, &mut KnownRoutes::default()).await;
    }
    // First who is believed, for all; then where each record goes.
    let ranks = flow.store.kinds_and_sources().await?.into_iter().map(|(kind, source)| {
        let rank = rank(flow, kind, &source);
        (kind, source, rank)
    });
    flow.store.rank(ranks.collect(), flow.clock.now()).await?;
    let mut known = KnownRoutes::default();
    let (mut moved, mut after) = (0, None);
    loop {
        let page = flow.store.current_records(after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.record);
        let now = flow.clock.now();
        moved += flow.store.reroute(known.of_page(flow, &members, page, now), now).await?;
    }
    moved += route_vacated(flow, &members, &mut known).await?;
    flow.store.save_routing(&today, flow.clock.now()).await?;
    if moved > 0 {
        tracing::info!(records = moved, "standing records routed again");
    }
    Ok(moved)
}

/// Routes the records that may take a place which another source has left.
async fn route_vacated(flow: &Flow, members: &Arc<Members>, known: &mut KnownRoutes) -> Result<u64, FlowError> {
    let mut moved = 0;
    loop {
        let page = flow.store.records_to_route(PAGE).await?;
        if page.is_empty() {
            return Ok(moved);
        }
        let now = flow.clock.now();
        moved += flow.store.reroute(known.of_page(flow, members, page, now), now).await?;
    }
}

/// The routes of the sources met so far.
#[derive(Debug, Default)]
struct KnownRoutes(BTreeMap<SourceName, Routes>);

impl KnownRoutes {
    fn of_page(
        &mut self,
        flow: &Flow,
        members: &Arc<Members>,
        page: Vec<(StandingId, Record)>,
        now: UtcInstant,
    ) -> Vec<(StandingId, Vec<Route>)> {
        page.into_iter()
            .map(|(id, record)| {
                let source = record.provenance.source.clone();
                let routes =
                    self.0.entry(source).or_insert_with_key(|source| Routes::of(flow, source, Arc::clone(members)));
                (id, routes.of_record(&record, now))
            })
            .collect()
    }
}

/// The targets and the rules by which records are routed, as one text.
fn routing(flow: &Flow, members: &Members) -> String {
    let targets = flow.systems.iter().filter(|(_, adapter)| adapter.target().is_some()).map(|(name, adapter)| {
        let capability = adapter.capability();
        let filter = flow.filters.get(name).map(Filter::describe).unwrap_or_default();
        format!("{name}={} {} {filter}", capability.system, capability.contract)
    });
    let targets: Vec<_> = targets.collect();
    let (version, ownership) = (env!("CARGO_PKG_VERSION"), flow.ownership.describe());
    format!("raccordo {version}; {}; {ownership}; {}", targets.join("; "), members.describe())
}

/// Who is believed about a kind: the smallest.
fn rank(flow: &Flow, kind: Kind, source: &SourceName) -> u16 {
    let adapter = flow.systems.get(source.as_str()).map_or("", |adapter| adapter.capability().system);
    flow.ownership.rank(kind, source.as_str(), adapter)
}

/// A target that records may be routed to.
struct Candidate {
    name: String,
    collapse: Duration,
    adapter: Arc<dyn Adapter>,
    filter: Filter,
}

/// The targets of the records of one source.
pub struct Routes {
    targets: Vec<Candidate>,
    ranks: BTreeMap<Kind, u16>,
    members: Arc<Members>,
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.targets.iter().map(|target| &target.name)).finish()
    }
}

impl Routes {
    /// Every configured target, except the system that the records come from.
    pub fn of(flow: &Flow, source: &SourceName, members: Arc<Members>) -> Self {
        let targets = flow
            .systems
            .iter()
            .filter(|(name, adapter)| name.as_str() != source.as_str() && adapter.target().is_some())
            .map(|(name, adapter)| {
                let asked = Duration::from_secs(adapter.capability().collapse_seconds.into());
                Candidate {
                    name: name.clone(),
                    collapse: flow.collapse.unwrap_or(asked),
                    adapter: Arc::clone(adapter),
                    filter: flow.filters.get(name).cloned().unwrap_or_default(),
                }
            })
            .collect();
        let ranks = Kind::ALL.iter().map(|kind| (*kind, rank(flow, *kind, source))).collect();
        Self { targets, ranks, members }
    }

    /// Who is believed about a kind when other sources speak of the same thing: the smallest.
    pub fn rank(&self, kind: Kind) -> u16 {
        self.ranks.get(&kind).copied().unwrap_or(u16::MAX)
    }

    /// Where one record goes, target by target.
    pub fn of_record(&self, record: &Record, now: UtcInstant) -> Vec<Route> {
        self.targets
            .iter()
            .filter_map(|Candidate { name, collapse, adapter, filter }| {
                let target = adapter.target()?;
                if !filter.admits(record) {
                    return Some(Route { target: name.clone(), destination: Destination::Nowhere });
                }
                // One record that stops a mapping must not end the read of all the others.
                let placed = catch_unwind(AssertUnwindSafe(|| target.place(record)));
                let destination = match placed.unwrap_or(Placement::Withheld { code: "mapping_stopped" }) {
                    Placement::Elsewhere => Destination::Nowhere,
                    Placement::Withheld { code } => Destination::Withheld { code },
                    Placement::Unit(_) if self.is_gated(adapter.as_ref(), record) => {
                        Destination::HeldBack { code: WITHOUT_MEMBERSHIP }
                    }
                    Placement::Unit(unit) => {
                        Destination::Unit { key: unit.key, lane: unit.lane, due_at: after(now, *collapse) }
                    }
                };
                Some(Route { target: name.clone(), destination })
            })
            .collect()
    }
    /// Whether the target asks for a membership that the body of the record has not.
    fn is_gated(&self, adapter: &dyn Adapter, record: &Record) -> bool {
        adapter.capability().requires_adesione && !self.members.admit_record(record)
    }
}

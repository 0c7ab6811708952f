//! Route: decides which targets should hold a record, and in which unit.
//!
//! Comes from: `normalize`, record by record.
//! Goes to: `version`, which writes the deliveries in the transaction of the version.
//! Safe to repeat because: it is a pure function of the record and of the configured systems.
//! When it fails: it cannot; a target that will not take a record says why, and the reason is stored.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use canonical::values::UtcInstant;
use canonical::{Record, SourceName};
use contract::{Adapter, Placement};

use super::{Flow, FlowError, Systems};
use crate::clock::after;
use crate::storage::{Destination, Route};

/// Standing records per transaction when all are routed again.
const PAGE: u32 = 500;

/// Routes every standing record again when the targets, or the rules of this program, are not those
/// by which they were routed last: a target that is added later must hold what the others hold.
/// Returns how many records moved.
pub async fn route_again(flow: &Flow) -> Result<u64, FlowError> {
    let today = routing(&flow.systems);
    if flow.store.routing().await?.as_deref() == Some(&today) {
        return Ok(0);
    }
    let (mut moved, mut after) = (0, None);
    loop {
        let page = flow.store.current_records(after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        let now = flow.clock.now();
        let routed = page
            .into_iter()
            .map(|(id, record)| {
                let routes = Routes::of(&flow.systems, &record.provenance.source, flow.collapse);
                (id, routes.of_record(&record, now))
            })
            .collect();
        moved += flow.store.reroute(routed, now).await?;
    }
    flow.store.save_routing(&today, flow.clock.now()).await?;
    if moved > 0 {
        tracing::info!(records = moved, "standing records routed again");
    }
    Ok(moved)
}

/// The targets and the rules by which records are routed, as one text.
fn routing(systems: &Systems) -> String {
    let targets = systems.iter().filter(|(_, adapter)| adapter.target().is_some()).map(|(name, adapter)| {
        let capability = adapter.capability();
        format!("{name}={} {}", capability.system, capability.contract)
    });
    let targets: Vec<_> = targets.collect();
    format!("raccordo {}; {}", env!("CARGO_PKG_VERSION"), targets.join("; "))
}

/// The targets of the records of one source.
pub struct Routes {
    targets: Vec<(String, Duration, Arc<dyn Adapter>)>,
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.targets.iter().map(|(name, ..)| name)).finish()
    }
}

impl Routes {
    /// Every configured target, except the system that the records come from. `collapse` stands in
    /// place of the pause that each system asks for.
    pub fn of(systems: &Systems, source: &SourceName, collapse: Option<Duration>) -> Self {
        let targets = systems
            .iter()
            .filter(|(name, adapter)| name.as_str() != source.as_str() && adapter.target().is_some())
            .map(|(name, adapter)| {
                let asked = Duration::from_secs(adapter.capability().collapse_seconds.into());
                (name.clone(), collapse.unwrap_or(asked), Arc::clone(adapter))
            })
            .collect();
        Self { targets }
    }

    /// Where one record goes, target by target.
    pub fn of_record(&self, record: &Record, now: UtcInstant) -> Vec<Route> {
        self.targets
            .iter()
            .filter_map(|(name, collapse, adapter)| {
                let target = adapter.target()?;
                // One record that stops a mapping must not end the read of all the others.
                let placed = catch_unwind(AssertUnwindSafe(|| target.place(record)));
                let destination = match placed.unwrap_or(Placement::Withheld { code: "mapping_stopped" }) {
                    Placement::Elsewhere => Destination::Nowhere,
                    Placement::Withheld { code } => Destination::Withheld { code },
                    Placement::Unit(unit) => {
                        Destination::Unit { key: unit.key, lane: unit.lane, due_at: after(now, *collapse) }
                    }
                };
                Some(Route { target: name.clone(), destination })
            })
            .collect()
    }
}

//! Route: decides which targets should hold a record, and in which unit.
//!
//! Comes from: `normalize`, record by record.
//! Goes to: `version`, which writes the deliveries in the transaction of the version.
//! Safe to repeat because: it is a pure function of the record and of the configured systems.
//! When it fails: it cannot; a target that will not take a record says why, and the reason is stored.

use std::sync::Arc;
use std::time::Duration;

use canonical::values::UtcInstant;
use canonical::{Record, SourceName};
use contract::{Adapter, Placement};

use super::Systems;
use crate::clock::after;
use crate::storage::{Destination, Route};

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

    /// Where one record goes.
    pub fn of_record(&self, record: &Record, now: UtcInstant) -> Vec<Route> {
        self.targets
            .iter()
            .filter_map(|(name, collapse, adapter)| {
                let destination = match adapter.target()?.place(record) {
                    Placement::Elsewhere => return None,
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

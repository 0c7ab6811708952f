//! Which fields a list speaks of, and which of them a target has: what a list lacks is not compared and
//! makes it incomplete, what nobody here knows is not compared either, and is told once.
//!
//! A field is known when a row of ours has it, or when the mapping of one of our units can leave it empty.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use contract::{Row, Target, UnitKey};

use crate::discrepancy::shown::shown;
use crate::flow::reconcile::inventory::InventoryError;
use crate::flow::reconcile::walk::{Composer, PAGE};
use crate::flow::{Flow, FlowError};

/// Different fields of one list, at most.
const MOST: usize = 1_000;
/// Names of a notice.
const NAMED: usize = 20;

/// The fields of a list.
#[derive(Debug, Clone, Default)]
pub(super) struct Columns {
    /// Those that it has, whether it announces them or not.
    names: BTreeSet<String>,
    /// Whether it announces them: then it has no others, and lacks what is not there.
    are_announced: bool,
    /// Fields of ours for which it has none.
    lacking: Arc<Mutex<BTreeSet<String>>>,
    /// Those that nobody here knows.
    unknown: Arc<Mutex<BTreeSet<String>>>,
}

impl Columns {
    /// Notes the fields of a row.
    pub(super) fn note(&mut self, row: &Row) -> Result<(), InventoryError> {
        for name in row.fields.keys() {
            if !self.names.contains(name) {
                self.names.insert(name.clone());
            }
        }
        self.are_not_too_many()
    }

    /// Notes the fields that the list announces, if it does.
    pub(super) fn be_announced(&mut self, names: Option<BTreeSet<String>>) -> Result<(), InventoryError> {
        self.are_announced = names.is_some();
        self.names.extend(names.into_iter().flatten());
        self.are_not_too_many()
    }

    fn are_not_too_many(&self) -> Result<(), InventoryError> {
        let problem = || format!("its rows have more than {MOST} different fields");
        if self.names.len() > MOST { Err(InventoryError::Format { problem: problem() }) } else { Ok(()) }
    }

    /// Their names, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Looks for each of them among ours, until all are found. Where nothing is held, nothing is known.
    pub(super) async fn learn(&self, flow: &Flow, name: &str, target: &dyn Target) -> Result<(), FlowError> {
        let (mut unknown, mut after) = (self.names.clone(), None::<UnitKey>);
        while !unknown.is_empty() {
            let page = flow.store.expected_units(name, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            for unit in &page {
                // One record that stops a mapping must not end the comparison of all the others.
                let explained = catch_unwind(AssertUnwindSafe(|| target.explain(&unit.key, &unit.members)));
                for explanation in explained.into_iter().flatten() {
                    unknown.remove(&explanation.field);
                }
                let composed = Composer { target, listing: None }.compose(unit);
                for row in composed.into_iter().flat_map(|composed| composed.rows) {
                    unknown.retain(|name| !row.fields.contains_key(name));
                }
            }
        }
        if after.is_none() {
            unknown.clear();
        }
        if !unknown.is_empty() {
            let names: Vec<_> = unknown.iter().take(NAMED).map(|name| shown(name)).collect();
            tracing::warn!(
                target_system = name,
                fields = unknown.len(),
                ?names,
                "fields of a list that the target has not are not compared"
            );
        }
        *self.unknown.lock().unwrap_or_else(PoisonError::into_inner) = unknown;
        Ok(())
    }

    /// Whether all of them are compared.
    pub(super) fn are_all_known(&self) -> bool {
        self.unknown.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// What people must know: how many fields were not compared, and which.
    pub(super) fn notice(&self) -> Option<String> {
        let unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        let names: Vec<_> = unknown.iter().take(NAMED).map(|name| shown(name)).collect();
        let more = if unknown.len() > NAMED { ", …" } else { "" };
        let told = || match unknown.len() {
            1 => "1 campo del file che il destinatario non ha".to_owned(),
            count => format!("{count} campi del file che il destinatario non ha"),
        };
        (!unknown.is_empty()).then(|| format!("non confrontato: {}: {}{more}", told(), names.join(", ")))
    }

    /// Their rows without the fields that nobody here knows.
    pub(super) fn of_known_fields(&self, mut rows: Vec<Row>) -> Vec<Row> {
        let unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        if !unknown.is_empty() {
            for row in &mut rows {
                row.fields.retain(|name, _| !unknown.contains(name));
            }
        }
        rows
    }

    /// Leaves of our rows what the list has columns for, and remembers what it has not.
    pub(super) fn keep_listed(&self, rows: &mut [Row]) {
        if !self.are_announced {
            return;
        }
        for row in rows {
            row.fields.retain(|name, _| {
                let is_listed = self.names.contains(name);
                if !is_listed {
                    self.lacking.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
                }
                is_listed
            });
        }
    }

    /// Why a comparison with the list cannot be complete, in the words of people.
    pub(super) fn lacking(&self) -> Option<String> {
        let lacking = self.lacking.lock().unwrap_or_else(PoisonError::into_inner);
        let names: Vec<_> = lacking.iter().map(String::as_str).collect();
        (!names.is_empty()).then(|| format!("il file non ha colonne per {}", names.join(", ")))
    }
}

//! What a repair would change, and nothing else: a unit is sent as a whole, so every field of it that
//! differs now is shown, also those that nobody chose.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::chosen::Pages;
use super::sending::{Look, is_beyond, look};
use super::{Change, NAMED, Repairs};
use crate::discrepancy::{Act, Discrepancy, WorkItem};
use crate::flow::reconcile::walk::{Place, Side, Walk};
use crate::flow::{Flow, FlowError};
use crate::storage::Chosen;

/// Chosen work items by their unit.
type Units = BTreeMap<String, Vec<WorkItem>>;

/// What repairing these work items would change. Nothing is written; targets are looked at.
pub async fn preview(flow: &Flow, about: &Chosen) -> Result<Repairs, FlowError> {
    let mut repairs = Repairs::default();
    let mut targets: BTreeMap<String, Units> = BTreeMap::new();
    let mut pages = Pages::of(about);
    while let Some(items) = pages.next(flow).await? {
        for item in items {
            if !repairs.count(&item) {
                continue;
            }
            if item.discrepancy.act == Act::SendAgain {
                let units = targets.entry(item.discrepancy.comparison.clone()).or_default();
                units.entry(item.discrepancy.unit.clone()).or_default().push(item);
            } else {
                name(&mut repairs, &item.discrepancy, Some(item.id), false);
            }
        }
    }
    for (target, units) in targets {
        look_at(flow, &target, units, &mut repairs).await?;
    }
    Ok(repairs)
}

async fn look_at(flow: &Flow, target_name: &str, mut units: Units, repairs: &mut Repairs) -> Result<(), FlowError> {
    let adapter = Arc::clone(flow.system(target_name)?);
    let (Some(target), Some(observer)) = (adapter.target(), adapter.observer()) else {
        repairs.refuse("the target cannot be observed", units.len() as u64);
        return Ok(());
    };
    let mut walk = Walk::begin(flow, target_name, target, Side::of(observer), Place::default()).await?;
    while let Some(compared) = walk.next().await? {
        if is_beyond(&walk, &compared) {
            continue;
        }
        let Some(items) = units.remove(compared.key.as_str()) else { continue };
        match look(&compared) {
            Look::Send(..) => {
                repairs.units += 1;
                let ids: HashMap<_, _> = items.iter().map(|item| (identity(&item.discrepancy), item.id)).collect();
                for found in &compared.found {
                    name(repairs, found, ids.get(&identity(found)).copied(), true);
                }
            }
            Look::Leave(why) => repairs.refuse(why, 1),
        }
        if units.is_empty() {
            return Ok(());
        }
    }
    if walk.incomplete_because().is_some() {
        repairs.refuse("the target was not read so far", units.len() as u64);
        for item in units.into_values().flatten() {
            name(repairs, &item.discrepancy, Some(item.id), false);
        }
    } else {
        repairs.refuse("the unit is gone", units.len() as u64);
    }
    Ok(())
}

fn identity(found: &Discrepancy) -> [u8; 32] {
    *found.identity().as_bytes()
}

/// Counts a change, and keeps the first ones.
fn name(repairs: &mut Repairs, found: &Discrepancy, item: Option<i64>, seen_now: bool) {
    repairs.changes_in_all += 1;
    repairs.not_chosen += u64::from(item.is_none());
    if repairs.changes.len() >= NAMED {
        return;
    }
    let found = found.for_people();
    let of = |is_owner| {
        found.sides.iter().find(|side| side.is_owner == is_owner && (is_owner || side.system == found.against))
    };
    let holds = of(false).and_then(|side| side.value.clone());
    let would_hold = of(true).and_then(|side| side.value.clone());
    repairs.changes.push(Change {
        item,
        comparison: found.comparison,
        unit: found.unit,
        row: found.row,
        field: found.field,
        // Also what is explained, or somebody else's to settle, goes with the unit.
        act: if seen_now { Act::SendAgain } else { found.act },
        holds,
        would_hold,
        seen_now,
    });
}

//! Units that are sent again, each as a whole, after the target was looked at once more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Repairs;
use crate::failpoints;
use crate::flow::reconcile::send_again;
use crate::flow::reconcile::walk::{Compared, Place, Side, Walk};
use crate::flow::{Flow, FlowError};
use crate::storage::Person;

/// Units, each with the work items for whose sake it is sent.
pub(super) type Units = BTreeMap<String, Vec<i64>>;

/// What can be said of a unit after a look at the target.
pub(super) enum Look {
    /// It is sent: the delivery behind it, and the revision that the target holds.
    Send(crate::storage::DeliveryId, u64),
    /// It is not, for this reason.
    Leave(&'static str),
}

pub(super) fn look(compared: &Compared) -> Look {
    // What was given up is not looked at: whatever the target holds, it is sent.
    let is_seen = !compared.is_skipped || compared.counts.stopped > 0;
    let is_wrong = compared.counts.stopped > 0 || !compared.found.is_empty();
    match compared.delivery {
        Some((delivery, above)) if is_seen && is_wrong => Look::Send(delivery, above),
        Some(_) if is_seen => Look::Leave("both sides agree by now"),
        Some(_) => Look::Leave("the unit is on its way"),
        None => Look::Leave("nobody here knows the unit"),
    }
}

/// Whether a unit lies behind the place where the target could not be read further.
pub(super) fn is_beyond(walk: &Walk<'_>, compared: &Compared) -> bool {
    compared.is_skipped && compared.counts.stopped == 0 && walk.incomplete_because().is_some()
}

/// A unit that waits for the end of the walk: the delivery behind it, the revision that the target
/// holds, and the work items for whose sake it is sent.
type Waiting = (crate::storage::DeliveryId, u64, Vec<i64>);

/// Sends units again that the target is still seen to hold otherwise. What lies behind the place where
/// the target could not be read further stays begun, and so does what is missing there unless the
/// target was read completely.
pub(super) async fn send(flow: &Flow, name: &str, mut units: Units, repairs: &mut Repairs) -> Result<(), FlowError> {
    let count = units.values().map(|items| items.len() as u64).sum();
    let Ok(adapter) = flow.system(name).map(Arc::clone) else {
        repairs.refuse("the target is not configured", count);
        repairs.postponed += count;
        return Ok(());
    };
    let (Some(target), Some(observer)) = (adapter.target(), adapter.observer()) else {
        repairs.refuse("the target cannot be observed", count);
        return end(flow, &units, "the target cannot be observed").await;
    };
    let mut missing: Vec<Waiting> = Vec::new();
    let mut walk = Walk::begin(flow, name, target, Side::of(observer), Place::default()).await?;
    // At the end it is known whether what was not seen is missing.
    while !units.is_empty() || !missing.is_empty() {
        let Some(compared) = walk.next().await? else { break };
        if is_beyond(&walk, &compared) {
            continue;
        }
        let Some(items) = units.remove(compared.key.as_str()) else { continue };
        match look(&compared) {
            Look::Send(delivery, above) if compared.counts.missing_there > 0 => missing.push((delivery, above, items)),
            Look::Send(delivery, above) => send_one(flow, (delivery, above, items), repairs).await?,
            Look::Leave(why) => {
                repairs.refuse(why, 1);
                failpoints::pass("repair.sent").await?;
                flow.store.end_repairs(&items, why, flow.clock.now()).await?;
            }
        }
    }
    if walk.incomplete_because().is_some() {
        repairs.refuse("the target was not read so far", (units.len() + missing.len()) as u64);
        let items = units.values().chain(missing.iter().map(|(_, _, items)| items));
        repairs.postponed += items.map(|items| items.len() as u64).sum::<u64>();
        return Ok(());
    }
    for waiting in missing {
        send_one(flow, waiting, repairs).await?;
    }
    repairs.refuse("the unit is gone", units.len() as u64);
    end(flow, &units, "the unit is gone").await
}

async fn send_one(flow: &Flow, (delivery, above, items): Waiting, repairs: &mut Repairs) -> Result<(), FlowError> {
    let why = if send_again(flow, delivery, above, "repair").await? {
        repairs.sent_again += 1;
        "sent again"
    } else {
        repairs.refuse("the delivery moved meanwhile", 1);
        "the delivery moved meanwhile"
    };
    failpoints::pass("repair.sent").await?;
    Ok(flow.store.end_repairs(&items, why, flow.clock.now()).await?)
}

async fn end(flow: &Flow, units: &Units, why: &str) -> Result<(), FlowError> {
    let items: Vec<i64> = units.values().flatten().copied().collect();
    if !items.is_empty() {
        flow.store.end_repairs(&items, why, flow.clock.now()).await?;
    }
    Ok(())
}

/// Sends what the target refused, or what was given up: no work item speaks of it. Who wanted it stands
/// in the chain with each delivery.
pub(super) async fn send_stopped(
    flow: &Flow,
    name: &str,
    accepted: &BTreeSet<String>,
    by: &Person,
    repairs: &mut Repairs,
) -> Result<(), FlowError> {
    let adapter = Arc::clone(flow.system(name)?);
    let (Some(target), Some(observer)) = (adapter.target(), adapter.observer()) else { return Ok(()) };
    let reason = format!("{}, by {}", by.reason, by.name);
    let mut stopped = Vec::new();
    let mut walk = Walk::begin(flow, name, target, Side::of(observer), Place::default()).await?;
    while let Some(compared) = walk.next().await? {
        if compared.counts.stopped > 0 && !accepted.contains(compared.key.as_str()) {
            stopped.extend(compared.delivery);
        }
    }
    if walk.incomplete_because().is_some() {
        // On half a view nothing is sent that nobody chose.
        return Ok(());
    }
    for (delivery, above) in stopped {
        repairs.sent_again += u64::from(send_again(flow, delivery, above, &reason).await?);
    }
    Ok(())
}

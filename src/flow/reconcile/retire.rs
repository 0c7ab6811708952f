//! Comparisons that are configured no more: nobody would ever close what they found.

use std::time::Duration;

use crate::clock::before;
use crate::discrepancy::SOURCES;
use crate::flow::{Flow, FlowError};

/// A comparison is made every day: one of which nobody has heard for so long is configured nowhere.
const SILENT_FOR: Duration = Duration::from_hours(48);

/// Ends what stands of comparisons that are configured no more, in no process that shares the database. It is
/// closed and not forgotten: it stands again as it did when such a comparison begins once more.
pub(super) async fn retire_others(flow: &Flow) -> Result<(), FlowError> {
    // A target that cannot be asked is compared with lists.
    let targets = flow.systems.iter().filter(|(_, adapter)| adapter.target().is_some()).map(|(name, _)| name);
    let names = targets.chain(flow.nodes.keys()).cloned().chain([SOURCES.to_owned()]);
    let now = flow.clock.now();
    let silent_since = before(now, SILENT_FOR);
    let retired = flow.store.retire_all_but(&names.collect::<Vec<_>>(), silent_since, now).await?;
    for (comparison, items) in retired {
        tracing::warn!(comparison, items, "closed: the comparison is configured no more");
    }
    Ok(())
}

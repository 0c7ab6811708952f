//! Comparisons that are configured no more: nobody would ever close what they found.

use crate::discrepancy::SOURCES;
use crate::flow::{Flow, FlowError};

/// Ends what stands of comparisons that are configured no more. It is closed and not forgotten: it stands
/// again as it did when such a comparison begins once more.
pub(super) async fn retire_others(flow: &Flow) -> Result<(), FlowError> {
    // A target that cannot be asked is compared with lists.
    let targets = flow.systems.iter().filter(|(_, adapter)| adapter.target().is_some()).map(|(name, _)| name);
    let names = targets.chain(flow.nodes.keys()).cloned().chain([SOURCES.to_owned()]);
    let retired = flow.store.retire_all_but(&names.collect::<Vec<_>>(), flow.clock.now()).await?;
    for (comparison, items) in retired {
        tracing::warn!(comparison, items, "closed: the comparison is configured no more");
    }
    Ok(())
}

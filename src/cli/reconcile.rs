//! `raccordo reconcile`: compares with what the targets hold, and the sources with each other, now.

use super::output::Output;
use super::{Exit, cycle, discrepancies};
use crate::flow::reconcile::comparisons;
use crate::node::Node;
use crate::storage::{Reconciliation, Verdict};

/// Compare with what the targets hold, and the sources with each other, now.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The target, or fonti for the sources; all of them when absent
    system: Option<String>,
    /// Make due again what the target lacks, holds differently or did not take
    #[arg(long)]
    repair: bool,
    /// With --repair: show what would be changed, field by field, and send nothing
    #[arg(long, requires = "repair")]
    dry_run: bool,
}

pub(super) async fn run(node: Node, arguments: &Arguments, output: &Output) -> anyhow::Result<Exit> {
    let names = match &arguments.system {
        Some(system) => vec![system.clone()],
        None => comparisons(&node.flow),
    };
    let results = if arguments.repair {
        discrepancies::reconcile_and_repair(&node, &names, arguments.dry_run, output).await?
    } else {
        cycle::compare(&node, &names, false, output).await?
    };
    if output.is_json() {
        for result in &results {
            output.json(result);
        }
    } else {
        cycle::show_comparison(&results, output);
    }
    if results.iter().any(|result| result.counts.on_its_way > 0) {
        output.note(output.words.not_yet);
    }
    node.close().await;
    Ok(exit_of(&results))
}

/// What a machine must know of several comparisons: the gravest verdict wins.
fn exit_of(results: &[Reconciliation]) -> Exit {
    let verdicts: Vec<_> = results.iter().map(Reconciliation::verdict).collect();
    if verdicts.contains(&Verdict::Incomplete) {
        Exit::Unavailable
    } else if verdicts.contains(&Verdict::Differ) {
        Exit::Differences
    } else if verdicts.contains(&Verdict::NotYet) {
        Exit::Unavailable
    } else {
        Exit::Done
    }
}

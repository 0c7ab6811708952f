//! `raccordo reconcile`: compares with what the targets hold, now.

use super::output::Output;
use super::{Exit, cycle};
use crate::node::Node;
use crate::storage::{Reconciliation, Verdict};

/// Compare with what the targets hold, now.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The target; all of them when absent
    system: Option<String>,
    /// Make due again what the target lacks, holds differently or did not take
    #[arg(long)]
    repair: bool,
}

pub(super) async fn run(node: Node, arguments: &Arguments, output: &Output) -> anyhow::Result<Exit> {
    let targets = match &arguments.system {
        Some(system) => vec![system.clone()],
        None => cycle::names(&node.flow.systems, |adapter| adapter.target().is_some() && adapter.observer().is_some()),
    };
    let results = cycle::compare(&node, &targets, arguments.repair, output).await?;
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
    let verdicts: Vec<_> = results.iter().map(|result| result.counts.verdict(result.complete)).collect();
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

//! `raccordo reconcile`: compares with what the targets hold, now.

use super::output::Output;
use super::{Exit, cycle};
use crate::node::Node;

/// Compare with what the targets hold, now.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The target; all of them when absent
    system: Option<String>,
    /// Make due again what the target lacks or holds differently
    #[arg(long)]
    repair: bool,
}

pub(super) async fn run(node: Node, arguments: &Arguments, output: &Output) -> anyhow::Result<Exit> {
    let targets = match &arguments.system {
        Some(system) => vec![system.clone()],
        None => {
            cycle::names(&node.flow.systems, |adapter| adapter.target().is_some() && adapter.observer().is_some())
        }
    };
    let results = cycle::compare(&node, &targets, arguments.repair, output).await?;
    if output.is_json() {
        for result in &results {
            output.json(result);
        }
    } else {
        cycle::show_comparison(&results, output);
    }
    node.close().await;
    let incomplete = results.iter().any(|result| !result.complete);
    let differing = results.iter().any(|result| !result.discrepancies.is_empty());
    Ok(match (incomplete, differing) {
        (true, _) => Exit::Unavailable,
        (false, true) => Exit::Differences,
        (false, false) => Exit::Done,
    })
}

//! `raccordo import`: reads files once. What they change is delivered by `sync` or by the daemon.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::output::Output;
use super::{Exit, cycle};
use crate::node::Node;
use crate::storage::RunKind;

/// Read files once.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The system, as named in the configuration
    system: String,
    /// The files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(super) async fn run(node: Node, arguments: &Arguments, output: &Output) -> anyhow::Result<Exit> {
    let files = Some(arguments.files.clone());
    let report = cycle::read(&node, &arguments.system, RunKind::Import, files, output).await?;
    if output.is_json() {
        let totals = report.totals;
        let refused: Vec<_> = report
            .refused
            .iter()
            .map(|(document, refusal)| serde_json::json!({ "document": document, "refusal": refusal }))
            .collect();
        output.json(&serde_json::json!({
            "source": arguments.system,
            "read": totals.read,
            "new": totals.new,
            "unchanged": totals.unchanged,
            "quarantined": totals.quarantined,
            "refused": totals.refused,
            "balanced": totals.balanced(),
            "refused_documents": refused,
        }));
    } else {
        cycle::show_intake(&BTreeMap::from([(arguments.system.clone(), report.totals)]), output);
        cycle::show_refused(&report, output);
        cycle::show_aside(&node, report.totals, output).await?;
    }
    node.close().await;
    Ok(if report.refused.is_empty() { Exit::Done } else { Exit::Failed })
}

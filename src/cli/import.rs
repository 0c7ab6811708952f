//! `raccordo import`: reads files once. What they change is delivered by `sync` or by the daemon.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

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

/// Whether all of them are files that can be read. What is misspelt is no document that was refused:
/// it is told before anything is opened, and leaves nothing behind.
pub(super) fn are_files(arguments: &Arguments, output: &Output) -> bool {
    let problems: Vec<_> = arguments.files.iter().filter_map(|file| Some((file, problem(file)?))).collect();
    for (file, problem) in &problems {
        output.problem(&anyhow::anyhow!("{}: {problem}; nothing was read", file.display()));
    }
    problems.is_empty()
}

fn problem(file: &Path) -> Option<String> {
    match File::open(file).and_then(|file| file.metadata()) {
        Ok(metadata) if metadata.is_dir() => Some("is a folder: name the files in it".to_owned()),
        Ok(_) => None,
        Err(error) if error.kind() == ErrorKind::NotFound => Some("there is no such file".to_owned()),
        Err(error) => Some(format!("cannot be read: {error}")),
    }
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

//! `raccordo sync`: reads the sources and delivers what is due, now.

use std::collections::BTreeMap;
use std::time::Duration;

use super::cycle::Decisions;
use super::exit::is_of_settings;
use super::output::Output;
use super::{Exit, cycle};
use crate::flow::FlowError;
use crate::flow::report::Cycle;
use crate::node::Node;
use crate::storage::RunKind;

/// Read the sources and deliver now.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The source to read; all of them when absent. Deliveries go to every target
    system: Option<String>,
    /// Seconds to wait for deliveries
    #[arg(long, default_value_t = 300, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=604_800))]
    wait: u64,
}

pub(super) async fn run(mut node: Node, arguments: &Arguments, output: &Output) -> anyhow::Result<Exit> {
    if node.flow.systems.is_empty() {
        output.note(output.words.no_systems);
    }
    let sources = match &arguments.system {
        Some(system) => {
            node.flow.system(system)?;
            vec![system.clone()]
        }
        None => cycle::names(&node.flow.systems, |adapter| adapter.source().is_some()),
    };
    node.start_work().await?;
    let mut totals = BTreeMap::new();
    let (mut refused, mut unread, mut misconfigured) = (false, false, false);
    for source in sources {
        let report = match cycle::read(&node, &source, RunKind::Sync, None, output).await {
            Ok(report) => report,
            // One source that cannot be read holds up neither the others nor the deliveries.
            Err(FlowError::Adapter(error)) => {
                let is_of_settings = is_of_settings(&error);
                output.problem(&error.into());
                *(if is_of_settings { &mut misconfigured } else { &mut unread }) = true;
                continue;
            }
            // What holds this one holds the others too; to deliver is what makes it pass.
            Err(error @ FlowError::Held(_)) => {
                output.problem(&error.into());
                unread = true;
                break;
            }
            Err(error) => return Err(error.into()),
        };
        if !output.is_json() {
            cycle::show_refused(&report, output);
        }
        refused |= !report.refused.is_empty();
        totals.insert(source, report.totals);
    }
    let quiet =
        cycle::deliver_until_quiet(&node, Duration::from_secs(arguments.wait), Decisions::Later, output).await?;
    let facts = Cycle::of_sources(totals).with_deliveries(&node.flow).await?;
    if output.is_json() {
        output.json(&facts);
    } else {
        cycle::show_intake(&facts.sources, output);
        cycle::show_aside(&node, facts.totals, output).await?;
        cycle::show_deliveries(&facts, output);
        cycle::show_withheld(&node, output).await?;
        cycle::note_what_remains(&facts, output);
    }
    node.close().await;
    let stopped =
        facts.deliveries.values().any(|states| states.contains_key("refused") || states.contains_key("parked"));
    if unread || misconfigured {
        // What passes by itself is worth another try, whatever else must be corrected.
        return Ok(if unread { Exit::Unavailable } else { Exit::Configuration });
    }
    Ok(match (quiet, refused, stopped) {
        (false, ..) => Exit::Unavailable,
        (true, true, _) => Exit::Failed,
        (true, false, true) => Exit::Differences,
        (true, false, false) => Exit::Done,
    })
}

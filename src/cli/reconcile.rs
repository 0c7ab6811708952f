//! `raccordo reconcile`: compares with what the targets hold, and the sources with each other, now.

mod expected;

use std::path::PathBuf;

use canonical::values::UtcInstant;

use super::exit::Misused;
use super::output::Output;
use super::{Exit, cycle, discrepancies};
use crate::flow::reconcile::comparisons;
use crate::flow::reconcile::listing::{Listing, Said};
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
    /// Compare with this list of what the target holds, CSV or one JSON object a line, and ask nobody
    #[arg(long, value_name = "FILE", requires = "system", conflicts_with = "repair")]
    inventory: Option<PathBuf>,
    /// The moment of which the list is, where it does not say it: 2026-11-20T08:00:00Z
    #[arg(long, value_name = "INSTANT", requires = "inventory", value_parser = UtcInstant::parse)]
    as_of: Option<UtcInstant>,
    /// How many rows the list must have
    #[arg(long, value_name = "NUMBER", requires = "inventory")]
    rows: Option<u64>,
    /// Write such a list of what the target should hold by what is known here, and compare nothing: a table
    /// where the name ends in .csv, one JSON object a line otherwise
    #[arg(long, value_name = "FILE", requires = "system", conflicts_with_all = ["repair", "inventory"])]
    expected: Option<PathBuf>,
}

/// Reads the list that is to be compared, when there is one. What is no list is told before anything is
/// opened.
pub(super) async fn listing(arguments: &Arguments, output: &Output) -> Result<Option<Listing>, Exit> {
    let Some(file) = &arguments.inventory else { return Ok(None) };
    let said = Said { as_of: arguments.as_of, rows: arguments.rows };
    Listing::read(file, said).await.map(Some).map_err(|error| {
        output.problem(&anyhow::Error::new(error).context(format!("{}: nothing was compared", file.display())));
        Exit::Usage
    })
}

pub(super) async fn run(
    node: Node,
    arguments: &Arguments,
    listing: Option<&Listing>,
    output: &Output,
) -> anyhow::Result<Exit> {
    let is_for_systems = arguments.repair || listing.is_some() || arguments.expected.is_some();
    if let Some(name) = arguments.system.as_ref().filter(|name| is_for_systems && node.flow.nodes.contains_key(*name)) {
        let problem = format!(
            "`{name}` is another node: nothing is repaired there from here, and lists are for systems; take --repair, \
             --inventory or --expected away"
        );
        return Err(Misused(problem).into());
    }
    if let (Some(file), Some(name)) = (&arguments.expected, &arguments.system) {
        let written = expected::write(&node, name, file, output).await;
        node.close().await;
        return written;
    }
    let names = match &arguments.system {
        Some(system) => vec![system.clone()],
        None => comparisons(&node.flow),
    };
    let results = if let (Some(listing), Some(name)) = (listing, &arguments.system) {
        vec![cycle::compare_listed(&node, name, listing, output).await?]
    } else if arguments.repair {
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
        cycle::show_first(&results.iter().collect::<Vec<_>>(), output);
    }
    if let Some(notice) = listing.and_then(Listing::notice) {
        output.note(&notice);
    }
    note_what_was_left_out(&results, listing.is_some(), output);
    node.close().await;
    Ok(exit_of(&results))
}

/// Says why rows were not compared. By a list nothing is sent, so that no delivery helps it.
fn note_what_was_left_out(results: &[Reconciliation], is_listed: bool, output: &Output) {
    let words = output.words;
    let sum = |of: fn(&Reconciliation) -> u64| results.iter().map(of).sum::<u64>();
    let not_read = sum(|result| result.counts.not_read);
    if not_read > 0 {
        let why = if is_listed { words.list_is_incomplete } else { words.side_is_incomplete };
        output.note(&format!("{}: {not_read}. {why}", words.rows_not_compared));
    }
    if sum(|result| result.counts.on_its_way) > 0 {
        output.note(if is_listed { words.not_yet_in_list } else { words.not_yet });
    }
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

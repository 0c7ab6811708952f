//! `raccordo demo`: everything on loopback, on real data: read, deliver, compare, show.
//!
//! The folder it works in is an ordinary one: after it, `sync`, `reconcile`, `trace` and `serve`
//! work there too, with the same simulators, which remember what they received.

mod data;
mod planted;

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::cycle::Decisions;
use super::exit::{Misused, listen};
use super::output::Output;
use super::serve::stop_signal;
use super::table::{name, sentence, value};
use super::{Exit, cycle};
use crate::config::Config;
use crate::discrepancy::SOURCES;
use crate::flow::FlowError;
use crate::flow::reconcile::comparisons;
use crate::flow::report::Cycle;
use crate::flow::report::standing::Standing;
use crate::http;
use crate::http::api::Api;
use crate::http::api::caller::Nobody;
use crate::node::{Node, Parts};
use crate::storage::{Reconciliation, RunKind, Verdict};

/// Run everything on loopback: simulators, real data, a full cycle, a page.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// End after the cycle; exit code 0 only if nothing was lost and every target holds what it should. What
    /// the sources say differently of each other, in these real data, is told and changes no code
    #[arg(long)]
    once: bool,
    /// Seconds to wait for deliveries
    #[arg(long, default_value_t = 300, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=604_800))]
    wait: u64,
}

pub(super) async fn run(
    parts: &Parts,
    folder: Option<&Path>,
    arguments: &Arguments,
    output: &Output,
) -> anyhow::Result<Exit> {
    // Removed when it goes out of scope, after the node is closed.
    let temporary;
    let folder = if let Some(folder) = folder {
        folder
    } else {
        temporary = tempfile::tempdir().context("making a temporary folder")?;
        temporary.path()
    };
    if data::is_somebodys(folder) {
        output.note(&format!("{}: {}", folder.display(), output.words.not_a_demo));
        return Ok(Exit::Configuration);
    }
    data::prepare(folder).map_err(|error| unprepared(folder, error))?;
    let mut node = Node::open(parts, Config::load(folder)?).await?;
    node.start_work().await?;
    let exit = work(&node, arguments, output).await?;
    if !arguments.once {
        show_page(&node, folder, output).await?;
    }
    node.close().await;
    Ok(exit)
}

/// The folder stands on the command line: that it cannot be there is a mistake there, and a full disk is none.
fn unprepared(folder: &Path, error: io::Error) -> anyhow::Error {
    let told = format!("preparing the folder {}", folder.display());
    let is_misnamed =
        matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied);
    if is_misnamed { Misused(format!("{told}: {error}")).into() } else { anyhow::Error::new(error).context(told) }
}

/// Reads, delivers and compares; then lets somebody else change three things, finds them and
/// mends them. Done when everything balanced, and exactly what was planted was found.
async fn work(node: &Node, arguments: &Arguments, output: &Output) -> anyhow::Result<Exit> {
    let wait = Duration::from_secs(arguments.wait);
    let mut totals = BTreeMap::new();
    for source in cycle::names(&node.flow.systems, |adapter| adapter.source().is_some()) {
        let report = cycle::read(node, &source, RunKind::Sync, None, output).await?;
        if !output.is_json() {
            cycle::show_refused(&report, output);
        }
        totals.insert(source, report.totals);
    }
    let mut is_quiet = cycle::deliver_until_quiet(node, wait, Decisions::Now, output).await?;
    // What a target tells back, once it has what was delivered.
    for source in BOTH_WAYS {
        if let Some(totals) = totals.get_mut(*source) {
            *totals = totals.plus(cycle::read(node, source, RunKind::Sync, None, output).await?.totals);
        }
    }
    is_quiet &= cycle::deliver_until_quiet(node, wait, Decisions::Now, output).await?;
    let targets =
        cycle::names(&node.flow.systems, |adapter| adapter.target().is_some() && adapter.observer().is_some());
    if Stage::of(node) == Stage::Planting {
        // An earlier demo ended between planting and mending: what it left is mended first.
        cycle::compare(node, &targets, true, output).await?;
        is_quiet &= cycle::deliver_until_quiet(node, wait, Decisions::Now, output).await?;
        Stage::Mended.note(node)?;
    }
    let results = cycle::compare(node, &comparisons(&node.flow), false, output).await?;
    let mut facts = Cycle::of_sources(totals).with_deliveries(&node.flow).await?;
    for result in &results {
        facts.add(result);
    }
    if !output.is_json() {
        cycle::show_intake(&facts.sources, output);
        cycle::show_deliveries(&facts, output);
        cycle::show_withheld(node, output).await?;
        output.line(&format!("\n{}", output.words.before_planting));
        cycle::show_comparison(&results, output);
        // What the sources say differently is much, and told at the end.
        let of_targets: Vec<_> = results.iter().filter(|result| result.target != SOURCES).collect();
        cycle::show_first(&of_targets, output);
        show_not_compared(node, &targets, output);
        cycle::note_what_remains(&facts, output);
    }
    // What was not delivered in time can be neither altered nor found.
    let planted = if is_quiet { find_and_mend(node, &targets, wait, output).await? } else { FoundAndMended::default() };
    let ending = Ending::of(is_quiet, &facts, &planted);
    if output.is_json() {
        let withheld = node.flow.store.overview().await.map_err(FlowError::from)?.withheld;
        output.json(&Facts { cycle: facts, withheld, planted: planted.planted, mended: planted.is_well });
    } else {
        say_how_it_ended(ending, &results, output);
    }
    Ok(ending.exit())
}

/// How a cycle ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Well,
    /// Deliveries did not end in time, or a side was not read to its end.
    Incomplete,
    NotWell,
}

impl Ending {
    fn of(is_quiet: bool, facts: &Cycle, planted: &FoundAndMended) -> Self {
        let is_read = facts.reconciliation.values().all(|agreement| agreement.complete);
        if !(is_quiet && planted.is_quiet && is_read) {
            Self::Incomplete
        } else if facts.is_clean() && planted.is_well {
            Self::Well
        } else {
            Self::NotWell
        }
    }

    fn exit(self) -> Exit {
        match self {
            Self::Well => Exit::Done,
            Self::Incomplete => Exit::Unavailable,
            Self::NotWell => Exit::Failed,
        }
    }
}

fn say_how_it_ended(ending: Ending, results: &[Reconciliation], output: &Output) {
    let words = output.words;
    output.line("");
    output.paragraph(match ending {
        Ending::Well => words.clean,
        Ending::Incomplete => words.not_in_time,
        Ending::NotWell => words.not_clean,
    });
    for sources in results.iter().filter(|result| result.target == SOURCES && ending == Ending::Well) {
        if sources.verdict() == Verdict::Agree {
            output.paragraph(words.sources_agree);
        } else {
            let sum = Standing::from(sources.standing).sentence(words.language());
            output.paragraph(&format!("{}: {sum}. {}", words.sources_differ, words.where_they_stand));
        }
    }
    output.paragraph(words.assumed_note);
}

/// Systems that are told something and then tell something back, by their names in the
/// configuration.
const BOTH_WAYS: &[&str] = &["scp-esecuzione", "pico", "hub"];

/// What machines are told of a demo.
#[derive(Debug, serde::Serialize)]
struct Facts {
    #[serde(flatten)]
    cycle: Cycle,
    /// What was not given, by target and reason.
    withheld: BTreeMap<String, BTreeMap<String, u64>>,
    planted: Vec<planted::Planted>,
    mended: bool,
}

/// How far the planting of discrepancies has come in a folder; told before each step, so that a
/// demo that is killed leaves the next one to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    NotYet,
    Planting,
    Mended,
}

impl Stage {
    const FILE: &str = "simulators/discordanze-piantate";
    const MENDED: &str = "corrette";

    fn of(node: &Node) -> Self {
        match std::fs::read_to_string(node.config.folder.join(Self::FILE)) {
            Err(_) => Self::NotYet,
            Ok(text) if text.trim() == Self::MENDED => Self::Mended,
            Ok(_) => Self::Planting,
        }
    }

    fn note(self, node: &Node) -> anyhow::Result<()> {
        let text = if self == Self::Mended { Self::MENDED } else { "piantate" };
        data::write_private(&node.config.folder.join(Self::FILE), text.as_bytes())
            .context("noting how far the demo has come")
    }
}

#[derive(Debug, Default)]
struct FoundAndMended {
    planted: Vec<planted::Planted>,
    /// Whether what mends it was delivered in time.
    is_quiet: bool,
    is_well: bool,
}

async fn find_and_mend(
    node: &Node,
    targets: &[String],
    wait: Duration,
    output: &Output,
) -> anyhow::Result<FoundAndMended> {
    if Stage::of(node) == Stage::Mended {
        // A second demo on the same folder changes nothing.
        return Ok(FoundAndMended { planted: Vec::new(), is_quiet: true, is_well: true });
    }
    Stage::Planting.note(node)?;
    let mut planted = planted::plant(node).await?;
    let results = cycle::compare(node, targets, true, output).await?;
    let are_found = planted::mark_found(&mut planted, &results);
    let is_quiet = cycle::deliver_until_quiet(node, wait, Decisions::Now, output).await?;
    let mended = cycle::compare(node, targets, false, output).await?;
    let are_mended = mended.iter().all(|result| result.verdict() == Verdict::Agree);
    if is_quiet {
        Stage::Mended.note(node)?;
    }
    if !output.is_json() {
        output.line(&format!("\n{}", output.words.after_planting));
        cycle::show_comparison(&results, output);
        cycle::show_first(&results.iter().collect::<Vec<_>>(), output);
        let words = output.words;
        let yes_or_no = |is_so| if is_so { words.yes } else { words.no };
        let rows: Vec<_> = planted
            .iter()
            .map(|planted| {
                let rule = planted.rule.code().to_owned();
                let found = yes_or_no(planted.found).to_owned();
                let (unit, field) = (planted.unit.to_owned(), planted.field.to_owned());
                vec![
                    planted.target.to_owned(),
                    unit,
                    field,
                    rule,
                    words.language().of(planted.story, planted.english).to_owned(),
                    found,
                ]
            })
            .collect();
        let columns = [
            name(words.target),
            name(words.unit),
            value(words.field),
            name(words.rule),
            sentence(words.what_happened),
            name(words.found),
        ];
        output.table(words.planted, &columns, &rows);
        output.paragraph(if are_mended { words.mended } else { words.not_mended });
    }
    Ok(FoundAndMended { planted, is_quiet, is_well: are_found && are_mended })
}

/// Names the targets that cannot be asked what they hold.
fn show_not_compared(node: &Node, compared: &[String], output: &Output) {
    let all = cycle::names(&node.flow.systems, |adapter| adapter.target().is_some());
    let others: Vec<_> = all.into_iter().filter(|name| !compared.contains(name)).collect();
    if !others.is_empty() {
        output.paragraph(&format!("{}: {}", output.words.not_compared, others.join(", ")));
    }
}

async fn show_page(node: &Node, folder: &Path, output: &Output) -> anyhow::Result<()> {
    let listener = listen(node.config.http.listen).await?;
    let address = listener.local_addr().context("asking for the own address")?;
    let api = Api::new(node.flow.clone(), &node.config.exchange, Arc::new(Nobody));
    let pages = http::serve(listener, node.flow.clone(), api);
    output.note(&format!("\n{}: {}", output.words.folder, folder.display()));
    output.note(&format!("{} http://{address}/ – {}", output.words.page_at, output.words.stop_hint));
    stop_signal().await?;
    pages.stop().await;
    Ok(())
}

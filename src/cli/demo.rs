//! `raccordo demo`: everything on loopback, on real data: read, deliver, compare, show.
//!
//! The folder it works in is an ordinary one: after it, `sync`, `reconcile`, `trace` and `serve`
//! work there too, with the same simulators, which remember what they received.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;

use super::output::Output;
use super::serve::stop_signal;
use super::{Exit, cycle};
use crate::config::{Config, FILE_NAME};
use crate::flow::report::Cycle;
use crate::http;
use crate::node::{Node, Parts};
use crate::storage::RunKind;

/// Real data, as their bodies publish them, and one invented story of an execution.
const SAMPLES: &[(&str, &[u8])] = &[
    ("terracina-2013.xml", include_bytes!("../../schemas/samples/l190/terracina-2013.xml")),
    ("sito-2022-200lotti.xml", include_bytes!("../../schemas/samples/l190/sito-2022-200lotti.xml")),
    ("messina-2020.xml", include_bytes!("../../schemas/samples/l190/ricostruito-2020-messina.xml")),
    ("monza-2020.xml", include_bytes!("../../schemas/samples/l190/ricostruito-2020-monza.xml")),
    ("storia-esecuzione.ndjson", include_bytes!("../../schemas/samples/esecuzione/storia.ndjson")),
];

/// The folder where the sources are read from.
const INBOX: &str = "in-arrivo";

const CONFIGURATION: &str = "\
# Written by `raccordo demo`: everything stays on this machine.

[http]
listen = \"127.0.0.1:0\"

[work]
collapse_seconds = 1

[systems.file-drop]
settings = { folder = \"in-arrivo\" }

[systems.pico]
simulated = true

[systems.scp-esecuzione]
simulated = true
";

/// Run everything on loopback: simulators, real data, a full cycle, a page.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// End after the cycle; exit code 0 only if everything balanced
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
    if is_somebodys(folder) {
        output.note(&format!("{}: {}", folder.display(), output.words.not_a_demo));
        return Ok(Exit::Configuration);
    }
    prepare(folder).with_context(|| format!("preparing the folder {}", folder.display()))?;
    let mut node = Node::open(parts, Config::load(folder)?).await?;
    node.start_work().await?;
    let cycle = work(&node, arguments, output).await?;
    if !arguments.once {
        show_page(&node, folder, output).await?;
    }
    node.close().await;
    Ok(if cycle.is_clean() { Exit::Done } else { Exit::Failed })
}

/// Whether the folder belongs to a real installation: the demo brings invented and foreign records,
/// which must never reach one.
fn is_somebodys(folder: &Path) -> bool {
    match std::fs::read(folder.join(FILE_NAME)) {
        Ok(bytes) => bytes != CONFIGURATION.as_bytes(),
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

/// Writes configuration and data where they are not yet: a second run finds its own work.
fn prepare(folder: &Path) -> std::io::Result<()> {
    let inbox = folder.join(INBOX);
    std::fs::create_dir_all(&inbox)?;
    let mut files = vec![(folder.join(FILE_NAME), CONFIGURATION.as_bytes())];
    files.extend(SAMPLES.iter().map(|(name, bytes)| (inbox.join(name), *bytes)));
    for (path, bytes) in files {
        if !path.exists() {
            // Written aside and renamed: a run that is killed here leaves no half file behind.
            let aside = path.with_extension("part");
            std::fs::write(&aside, bytes)?;
            std::fs::rename(&aside, &path)?;
        }
    }
    Ok(())
}

async fn work(node: &Node, arguments: &Arguments, output: &Output) -> anyhow::Result<Cycle> {
    let mut totals = BTreeMap::new();
    for source in cycle::names(&node.flow.systems, |adapter| adapter.source().is_some()) {
        let report = cycle::read(node, &source, RunKind::Sync, None, output).await?;
        if !output.is_json() {
            cycle::show_refused(&report, output);
        }
        totals.insert(source, report.totals);
    }
    let quiet = cycle::deliver_until_quiet(node, Duration::from_secs(arguments.wait), output).await?;
    let targets =
        cycle::names(&node.flow.systems, |adapter| adapter.target().is_some() && adapter.observer().is_some());
    let results = cycle::compare(node, &targets, false, output).await?;
    let mut facts = Cycle::of_sources(totals).with_deliveries(&node.flow).await?;
    for result in &results {
        facts.add(result);
    }
    if output.is_json() {
        output.json(&facts);
        return Ok(facts);
    }
    cycle::show_intake(&facts.sources, output);
    cycle::show_deliveries(&facts, output);
    cycle::show_comparison(&results, output);
    if !quiet {
        output.note(output.words.still_open);
    }
    output.line("");
    output.line(if facts.is_clean() { output.words.clean } else { output.words.not_clean });
    output.line(output.words.assumed_note);
    Ok(facts)
}

async fn show_page(node: &Node, folder: &Path, output: &Output) -> anyhow::Result<()> {
    let listener = TcpListener::bind(node.config.http.listen).await.context("listening for the overview page")?;
    let address = listener.local_addr().context("asking for the own address")?;
    let pages = http::serve(listener, node.flow.clone());
    output.note(&format!("\n{}: {}", output.words.folder, folder.display()));
    output.note(&format!("{} http://{address}/ – {}", output.words.page_at, output.words.stop_hint));
    stop_signal().await?;
    pages.stop().await;
    Ok(())
}

//! The commands. Data go to standard output, everything else to standard error.
//!
//! Every command answers with one of the exit codes of [`Exit`]; with `--json` it prints what a
//! machine needs and nothing else.

mod adapters;
mod audit;
mod cycle;
mod demo;
mod exit;
mod import;
mod map;
mod inspect;
mod output;
mod parked;
mod pdnd;
mod reconcile;
mod report;
mod discrepancies;
mod serve;
mod signals;
mod simulate;
mod sync;
mod table;
mod trace;
mod webhooks;
mod words;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Error;
use clap::{Parser, Subcommand, ValueEnum};

use crate::config::{Config, ConfigError};
use crate::node::{Node, NodeError, Parts};
use crate::storage::Store;
pub use exit::Exit;
use exit::{EXIT_CODES, exit_of};
use output::Output;

const EXAMPLES: &str = "\
Examples:
  raccordo demo --once                      a whole cycle on real data, on this machine only
  raccordo inspect dataset.xml              what is this file, what would be read from it
  raccordo import file-drop dataset.xml     read it into the records of this folder
  raccordo sync                             read the sources, deliver what is due
  raccordo reconcile pico                   compare with what Pi.Co. holds
  raccordo trace 5044003AF1                 the life of a CIG across systems
  raccordo map explain --target pico 5044003AF1   why each field there has its value
  raccordo parked list                      what waits for a person, and what can be done
  raccordo parked replay --all --system pico --dry-run   what would be sent again
  raccordo audit verify                     nothing was changed behind our back";

/// Keeps the records of Italian public contracts in step between platforms.
#[derive(Debug, Parser)]
#[command(name = "raccordo", version, after_help = EXIT_CODES, before_help = EXAMPLES, propagate_version = true)]
struct Arguments {
    /// Folder that holds raccordo.toml, or the file itself [default: the current folder; for demo,
    /// a temporary one]
    #[arg(short = 'C', long, global = true, env = "RACCORDO_FOLDER", value_name = "PATH")]
    folder: Option<PathBuf>,
    /// Print JSON for machines
    #[arg(long, global = true)]
    json: bool,
    /// Language of tables and messages; pages are Italian
    #[arg(long, global = true, env = "RACCORDO_LANG", default_value = "it", value_name = "LANG")]
    lang: Language,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    /// Italian
    It,
    /// English
    En,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything on loopback: simulators, real data, a full cycle, a page
    Demo(demo::Arguments),
    /// Run the daemon: sources, deliveries, reconciliations, pages
    Serve,
    /// Say what a file is and what would be read from it; no database
    Inspect(inspect::Arguments),
    /// Read files once
    Import(import::Arguments),
    /// Read the sources and deliver now
    Sync(sync::Arguments),
    /// Compare with what the targets hold, now
    Reconcile(reconcile::Arguments),
    /// Show what does not agree, decide about it, repair it
    #[command(subcommand)]
    Discrepancies(Box<discrepancies::Command>),
    /// Write discrepancies as a report: page, spreadsheet, table or JSON
    #[command(after_help = report::EXAMPLES)]
    Report(report::Arguments),
    /// Show the life of a record across systems, with every attempt
    Trace(trace::Arguments),
    /// Explain and test the mappings between systems
    #[command(subcommand)]
    Map(map::Command),
    /// Show what waits for a person, try it again, or close it with a reason
    #[command(subcommand)]
    Parked(parked::Command),
    /// Show which partners were told of changes, and tell again whom nobody told any more
    #[command(subcommand)]
    Webhooks(webhooks::Command),
    /// Show how it stands with Signal Hub: what was told there, and what was heard
    Signals,
    /// Recompute the audit chain, or show its head
    #[command(subcommand)]
    Audit(audit::Command),
    /// Speak with the national platform as one of its clients
    #[command(subcommand)]
    Pdnd(pdnd::Command),
    /// Show the systems: roles, contract, and whether the contract is PUBLIC or ASSUMED
    Adapters(adapters::Arguments),
    /// Run the simulator of a system until stopped
    Simulate(simulate::Arguments),
}

/// Runs the command line and returns its exit code.
pub fn main(parts: &Parts) -> ExitCode {
    let arguments = Arguments::parse();
    start_logging(&arguments.command);
    let output = Output::new(arguments.json, arguments.lang);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output.problem(&Error::new(error).context("starting the runtime"));
            return ExitCode::from(Exit::Failed as u8);
        }
    };
    let exit = match runtime.block_on(run(parts, &arguments, &output)) {
        Ok(exit) => exit,
        Err(error) => {
            output.problem(&error);
            exit_of(&error)
        }
    };
    // Blocking reads of files that nobody waits for any more must not hold the exit.
    runtime.shutdown_background();
    ExitCode::from(exit as u8)
}

async fn run(parts: &Parts, arguments: &Arguments, output: &Output) -> anyhow::Result<Exit> {
    match &arguments.command {
        Command::Demo(demo) => demo::run(parts, arguments.folder.as_deref(), demo, output).await,
        Command::Inspect(inspect) => Ok(inspect::run(parts, inspect, output)),
        Command::Pdnd(command) => pdnd::run(parts, arguments.folder.as_deref(), command, arguments.lang, output).await,
        Command::Adapters(adapters) => Ok(adapters::run(parts, adapters, output)),
        Command::Simulate(simulate) => simulate::run(parts, simulate, output).await,
        Command::Serve => serve::run(open(parts, arguments).await?, output).await,
        Command::Import(import) if !import::are_files(import, output) => Ok(Exit::Usage),
        Command::Import(import) => import::run(open(parts, arguments).await?, import, output).await,
        Command::Sync(sync) => sync::run(open(parts, arguments).await?, sync, output).await,
        Command::Reconcile(reconcile) => match reconcile::listing(reconcile, output).await {
            Ok(listing) => reconcile::run(open(parts, arguments).await?, reconcile, listing.as_ref(), output).await,
            Err(exit) => Ok(exit),
        },
        Command::Discrepancies(command) => match command.as_ref() {
            discrepancies::Command::List(list) => {
                discrepancies::list(open_store(parts, arguments).await?, list, output).await
            }
            discrepancies::Command::Show(show) => {
                discrepancies::show(open_store(parts, arguments).await?, show, output).await
            }
            discrepancies::Command::Repair(repair) => {
                discrepancies::repair(open(parts, arguments).await?, repair, false, output).await
            }
            discrepancies::Command::Approve(approve) => {
                discrepancies::repair(open(parts, arguments).await?, approve, true, output).await
            }
            decision => discrepancies::decide(open_store(parts, arguments).await?, decision, output).await,
        },
        Command::Report(report) => report::run(open_store(parts, arguments).await?, report, output).await,
        Command::Map(map::Command::Test(test)) => Ok(map::test(parts, test, output)),
        Command::Map(map::Command::Explain(explain)) => {
            map::explain(open(parts, arguments).await?, explain, output).await
        }
        Command::Trace(trace) => trace::run(open(parts, arguments).await?, trace, output).await,
        Command::Parked(parked::Command::List(list)) => {
            parked::list(open_store(parts, arguments).await?, &config(arguments)?, list, output).await
        }
        Command::Parked(parked::Command::Replay(replay)) => {
            parked::replay(open(parts, arguments).await?, replay, output).await
        }
        Command::Parked(parked::Command::Discard(discard)) => {
            parked::discard(open_store(parts, arguments).await?, discard, output).await
        }
        Command::Webhooks(command) => webhooks::run(open_store(parts, arguments).await?, command, output).await,
        Command::Signals => signals::run(open_store(parts, arguments).await?, output).await,
        Command::Audit(audit) => audit::run(open_store(parts, arguments).await?, audit, output).await,
    }
}

/// The records alone: nothing is built, taken back or written.
async fn open_store(parts: &Parts, arguments: &Arguments) -> anyhow::Result<Arc<dyn Store>> {
    Ok((parts.open_store)(config(arguments)?.storage).await.map_err(NodeError::Storage)?)
}

async fn open(parts: &Parts, arguments: &Arguments) -> anyhow::Result<Node> {
    Ok(Node::open(parts, config(arguments)?).await?)
}

fn config(arguments: &Arguments) -> Result<Config, ConfigError> {
    Config::load(arguments.folder.as_deref().unwrap_or(Path::new(".")))
}

/// Logs go to standard error: JSON lines for the daemon, short lines for a person.
fn start_logging(command: &Command) {
    let is_daemon = matches!(command, Command::Serve);
    let default = if is_daemon { "info" } else { "error" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("RACCORDO_LOG").unwrap_or_else(|_| default.into());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A reader of the log that has left must not end the daemon.
    let builder = builder.log_internal_errors(false);
    if is_daemon {
        builder.json().flatten_event(true).init();
    } else {
        builder.with_target(false).init();
    }
    // A panic is caught where it belongs to one record; its message may hold received data, its
    // place may not.
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }
}

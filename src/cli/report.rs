//! `raccordo report`: the discrepancies of a filter, or of one comparison, as a report for people or
//! programs.

mod sign_off;

use std::io::Seek;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::ValueEnum;

use super::Exit;
use super::exit::Misused;
use super::output::Output;
use crate::clock::{Clock as _, SystemClock};
use crate::flow::report::file::{Unfinished, private_folder};
use crate::flow::report::print::Report;
use crate::flow::report::{gather, words};
use crate::http::{Format, report_form};
use crate::storage::{ItemFilter, StateFilter, Store};

pub(super) const EXAMPLES: &str = "\
Examples:
  raccordo report --format xlsx --output novembre.xlsx      all that is not closed
  raccordo report --filter 'rule=R02&cause=unexplained' --output importi.html
  raccordo report 42 --format json                          what comparison number 42 saw
  raccordo report sign-off 2026-11 --by \"Anna Rossi\" --reason \"verificato\"

The filter is what stands in the address of the page of reconciliation after the question mark.";

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatName {
    /// A page for reading and printing
    Html,
    /// A spreadsheet
    Xlsx,
    /// One table, with semicolons
    Csv,
    /// For programs
    Json,
}

/// Write the discrepancies of a filter, or of one comparison, as a report.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The number of a comparison: what it saw, as it stands now
    #[arg(conflicts_with = "filter")]
    run: Option<i64>,
    /// Which discrepancies, as in the address of the page [default: all that are not closed]
    #[arg(long, value_name = "QUERY")]
    filter: Option<String>,
    /// The form [default: as the name of the file ends; html where it has no ending]
    #[arg(long, value_enum)]
    format: Option<FormatName>,
    /// The file [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
    /// CSV without the mark by which spreadsheets know UTF-8
    #[arg(long)]
    no_bom: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    SignOff(sign_off::SignOff),
}

impl Arguments {
    fn format(&self) -> Result<Format, Misused> {
        Ok(match self.format.map_or_else(|| self.format_by_name(), Ok)? {
            FormatName::Html => Format::Html,
            FormatName::Xlsx => Format::Xlsx,
            FormatName::Csv => Format::Csv { with_mark: !self.no_bom },
            FormatName::Json => Format::Json,
        })
    }

    /// The form that the name of the file ends in. An ending that is none would hold what nobody expects.
    fn format_by_name(&self) -> Result<FormatName, Misused> {
        let Some(ending) = self.output.as_deref().and_then(Path::extension) else { return Ok(FormatName::Html) };
        let ending = ending.to_string_lossy();
        FormatName::from_str(&ending, true).map_err(|_| {
            let known: Vec<_> = FormatName::value_variants().iter().filter_map(ValueEnum::to_possible_value).collect();
            let known = known.iter().map(|form| format!(".{}", form.get_name())).collect::<Vec<_>>().join(", ");
            Misused(format!("no report is written as .{ending}: end the name in {known}, or say --format"))
        })
    }
}

pub(super) async fn run(store: Arc<dyn Store>, arguments: &Arguments, output: &Output) -> anyhow::Result<Exit> {
    if let Some(Command::SignOff(signed)) = &arguments.command {
        return sign_off::run(store, signed, output).await;
    }
    let written = write(store.as_ref(), arguments, output).await;
    store.close().await;
    written.map(|()| Exit::Done)
}

async fn write(store: &dyn Store, arguments: &Arguments, output: &Output) -> anyhow::Result<()> {
    let format = arguments.format()?;
    let mut filter = ItemFilter::from_query(arguments.filter.as_deref().unwrap_or_default(), &[])?;
    if let Some(run) = arguments.run {
        let runs = store.runs(None, gather::RUNS).await?;
        let found = runs.into_iter().find(|found| found.id.0 == run && found.finished_at.is_some());
        let Some(found) = found else { bail!("no comparison that ended has the number {run}") };
        filter.comparison = Some(found.comparison);
        filter.state = StateFilter::Any;
    }
    let language = output.words.language();
    let now = SystemClock.now();
    let about = gather::about((store, store), &filter, arguments.run, language, now).await?;
    let seen_by = arguments.run.and_then(|_| about.runs.first().cloned());

    let unfinished = match &arguments.output {
        Some(path) => Some(Unfinished::begin(path, arguments.force)?),
        None if format == Format::Xlsx => {
            return Err(Misused("a spreadsheet is no text for a terminal: give --output FILE".to_owned()).into());
        }
        None => None,
    };
    let (mut file, folder) = match &unfinished {
        Some(unfinished) => (unfinished.handle()?, unfinished.folder()?),
        None => (tempfile::tempfile()?, private_folder(None)?),
    };
    let form = report_form(format, file.try_clone()?, &about, folder)?;
    let mut report = Report::begin(about, form);
    gather::feed(&mut report, store, &filter, seen_by.as_ref()).await?;
    let totals = report.finish()?;
    let Some(unfinished) = unfinished else {
        file.rewind()?;
        output.copy(&mut file);
        return Ok(());
    };
    unfinished.finish().context("giving the report its name")?;
    let path = arguments.output.as_deref().map(|path| path.display().to_string()).unwrap_or_default();
    if output.is_json() {
        output.json(&serde_json::json!({ "file": path, "discrepancies": totals.all.count }));
    } else {
        output.note(&format!("{path}: {} {}", totals.all.count, words::headings(language).items.to_lowercase()));
    }
    Ok(())
}

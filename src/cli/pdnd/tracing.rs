//! `raccordo pdnd tracing`: the daily files of calls, written from what was counted, checked here and sent
//! to the platform.
//!
//! The platform takes a file and looks at it later. What it would refuse is found before sending, by its
//! own codes; what it found itself is asked for with `errors`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use canonical::values::CalendarDate;
use contract::{AdapterError, Advice, ErrorKind, Phase};
use kit::pdnd::tracing_api::{Rows, Sending, Taken, TracingApi};
use kit::pdnd::tracing_file;
use serde::Serialize;

use super::chosen::{chosen, clients};
use super::counted::Counts;
use crate::cli::Exit;
use crate::cli::output::Output;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::config::tracing::may_send;
use crate::node::Parts;

/// Write the daily files of calls, send them to the platform, and ask what it says of them.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The client api interop that sends, as named in `[pdnd.NAME]`; not needed when one alone has a `tracing_url`
    #[arg(long, value_name = "NAME", global = true)]
    by: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print the file of a day, from the calls that were counted; nothing is sent
    File {
        /// The day, YYYY-MM-DD [default: yesterday, in Italy]
        day: Option<CalendarDate>,
    },
    /// Send the file of a day for the first time
    Submit {
        /// The day, YYYY-MM-DD [default: yesterday, in Italy]
        day: Option<CalendarDate>,
        #[command(flatten)]
        file: File,
    },
    /// Send the file of a day that is MISSING or in ERROR
    Recover(Again),
    /// Send the file of a day that is COMPLETED, in place of the one that was taken
    Replace(Again),
    /// The days as the platform has them
    Days {
        /// Only days in this state; may be given more than once
        #[arg(long, value_name = "STATE", value_parser = ["PENDING", "COMPLETED", "MISSING", "ERROR", "WARNING"])]
        state: Vec<String>,
        /// How many of them to leave out
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        offset: u32,
    },
    /// What the platform found in the file of a day
    Errors {
        /// The name of the day, as `days` says it
        id: String,
        /// How many of them to leave out
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        offset: u32,
    },
}

#[derive(Debug, clap::Args)]
struct File {
    /// The file [default: made from the calls that were counted]
    #[arg(value_name = "FILE")]
    path: Option<PathBuf>,
    /// Only check the file; nothing is sent
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, clap::Args)]
struct Again {
    /// The name of the day, as `days` says it
    id: String,
    /// The day, YYYY-MM-DD
    day: CalendarDate,
    #[command(flatten)]
    file: File,
}

/// What the platform is asked for, by a command that was understood.
enum Asked<'a> {
    Send(Sending<'a>, Vec<u8>),
    Days(&'a [String], u32),
    Errors(&'a str, u32),
}

pub(super) async fn run(
    parts: &Parts,
    config: &Config,
    arguments: &Arguments,
    output: &Output,
) -> anyhow::Result<Exit> {
    let counts = Counts::of(parts, &config.storage);
    let (sending, day, file) = match &arguments.command {
        Command::File { day } => return counts.show(day.map_or_else(|| counts.usual_day(), Ok)?, output).await,
        Command::Days { state, offset } => return ask(config, arguments, Asked::Days(state, *offset), output).await,
        Command::Errors { id, offset } => return ask(config, arguments, Asked::Errors(id, *offset), output).await,
        Command::Submit { day, file } => {
            let day = day.map_or_else(|| counts.usual_day(), Ok)?;
            (Sending::Submit(day), day, file)
        }
        Command::Recover(Again { id, day, file }) => (Sending::Recover(id), *day, file),
        Command::Replace(Again { id, day, file }) => (Sending::Replace(id), *day, file),
    };
    // Whoever names a client wants to know that it is the right one, before anything is sent too.
    let named = clients(config);
    if let (Some(_), Err(unclear)) = (&arguments.by, chosen(&named, arguments.by.as_deref(), may_send)) {
        unclear.tell(output.words.client_that_traces, output);
        return Ok(Exit::Usage);
    }
    let bytes = match &file.path {
        Some(path) => read(path)?,
        None => counts.file(day).await?.into_bytes(),
    };
    match checked(&bytes, day, file, output) {
        Some(exit) => Ok(exit),
        None => ask(config, arguments, Asked::Send(sending, bytes), output).await,
    }
}

async fn ask(config: &Config, arguments: &Arguments, asked: Asked<'_>, output: &Output) -> anyhow::Result<Exit> {
    let clients = clients(config);
    let (name, connection) = match chosen(&clients, arguments.by.as_deref(), may_send) {
        Ok(found) => found,
        Err(unclear) => {
            unclear.tell(output.words.client_that_traces, output);
            return Ok(Exit::Usage);
        }
    };
    let keys = connection.keys().map_err(anyhow::Error::new);
    let api = keys.and_then(|keys| TracingApi::new(connection.clone(), keys).map_err(anyhow::Error::new));
    let api = match api {
        Ok(api) => api,
        Err(error) => {
            output.problem(&error.context(format!("reaching the platform as the client {name}")));
            return Ok(Exit::Configuration);
        }
    };
    let now = || SystemClock.now();
    Ok(match asked {
        Asked::Send(sending, bytes) => told_taken(api.send(sending, &bytes, now).await, output),
        Asked::Days(states, offset) => told_rows(api.days(states, offset, now).await, offset, output, |day| {
            (format!("{}  {:<9}  {}", day.date, day.state, day.id), false)
        }),
        Asked::Errors(id, offset) => told_rows(api.errors(id, offset, now).await, offset, output, |error| {
            (
                format!(
                    "{:>6}  {:<7}  {}  {}  {}",
                    error.row, error.severity, error.code, error.purpose_id, error.message
                ),
                true,
            )
        }),
    })
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("reading the tracing file {}", path.display()))
}

/// How the command ends without anything being sent, when it does.
fn checked(bytes: &[u8], day: CalendarDate, file: &File, output: &Output) -> Option<Exit> {
    let (mistakes, words) = (tracing_file::check(bytes, day), output.words);
    let is_good = mistakes.is_empty();
    if is_good && !file.dry_run {
        return None;
    }
    let totals = is_good.then(|| tracing_file::totals(bytes));
    if output.is_json() {
        let told = |it: &tracing_file::RowError| serde_json::json!({ "line": it.line, "code": it.code });
        output.json(&serde_json::json!({
            "date": day,
            "mistakes": mistakes.iter().map(told).collect::<Vec<_>>(),
            "rows": totals.map(|totals| totals.rows),
            "requests": totals.map(|totals| totals.requests),
            "is_sent": false,
        }));
    }
    for mistake in &mistakes {
        output.note(&format!("{} {}: {}", words.line, mistake.line, mistake.code));
    }
    match totals {
        Some(totals) if !output.is_json() => output.line(&format!(
            "{} {day}: {} {}, {} {}. {}",
            words.file_checked, words.rows_of_it, totals.rows, words.calls_of_it, totals.requests, words.nothing_sent
        )),
        Some(_) => {}
        None => output.note(words.nothing_sent),
    }
    Some(if is_good { Exit::Done } else { Exit::Failed })
}

fn told_taken(taken: Result<Taken, AdapterError>, output: &Output) -> Exit {
    let taken = match taken {
        Ok(taken) => taken,
        Err(error) => return failed(error, output),
    };
    if output.is_json() {
        output.json(&taken);
    } else {
        output.line(&taken.id.replace(char::is_control, " "));
        output.note(if taken.has_errors { output.words.taken_with_errors } else { output.words.taken });
    }
    if taken.has_errors { Exit::Differences } else { Exit::Done }
}

/// Rows, and whether one of them is something wrong.
fn told_rows<T: Serialize>(
    rows: Result<Rows<T>, AdapterError>,
    offset: u32,
    output: &Output,
    line: impl Fn(&T) -> (String, bool),
) -> Exit {
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => return failed(error, output),
    };
    if output.is_json() {
        output.json(&serde_json::json!({ "total": rows.total, "rows": rows.results }));
    }
    let shown = u64::from(offset) + rows.results.len() as u64;
    if shown < rows.total {
        output.note(&format!("{}–{shown} / {}: --offset {shown}", offset + 1, rows.total));
    }
    let mut exit = Exit::Done;
    for row in &rows.results {
        let (line, is_wrong) = line(row);
        if is_wrong {
            exit = Exit::Differences;
        }
        if !output.is_json() {
            // What others wrote moves no cursor of ours.
            output.line(&line.replace(char::is_control, " "));
        }
    }
    exit
}

fn failed(error: AdapterError, output: &Output) -> Exit {
    let is_refused = error.kind == ErrorKind::NotUnderstood && error.phase == Phase::Refused;
    let exit = match error.advice {
        Advice::FixConfiguration => Exit::Configuration,
        _ if is_refused || error.kind == ErrorKind::Local => Exit::Failed,
        _ => Exit::Unavailable,
    };
    output.problem(&anyhow::Error::new(error).context("asking the platform about tracing"));
    exit
}

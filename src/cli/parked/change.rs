//! Changing what waits: choose, show, ask, do, tell.

use std::collections::HashMap;
use std::io::{BufRead as _, IsTerminal as _};

use serde::Serialize;

use super::{Discard, Filter, Replay, all, who};
use crate::cli::Exit;
use crate::cli::output::Output;
use crate::clock::{Clock as _, SystemClock};
use crate::delivery::DeliveryState;
use crate::flow::{Flow, replay as station};
use crate::storage::{self, DeliveryId, ParkedFilter, ParkedId, ParkedItem, ParkedKind, Person, Store, Stored};

/// Decisions in one transaction.
const BATCH: usize = 200;
/// How many are shown before a person is asked.
const SHOWN: usize = 20;

/// Which things, and how carefully.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each of them is a flag of the command line")]
pub(super) struct Change {
    /// Numbers as `parked list` gives them: C12, R7, D3
    #[arg(value_name = "ID", required_unless_present = "all")]
    ids: Vec<ParkedId>,
    /// All that the filters choose; everything without filters
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    #[command(flatten)]
    filter: Filter,
    /// Show what would be done and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Never wait for an answer: with --all, nothing is changed without --yes; about what is named by its
    /// number nobody is asked
    #[arg(long)]
    no_input: bool,
    /// Who decides, for the audit chain [default: the user that runs the command]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

impl Change {
    fn person(&self, reason: &str) -> Person {
        Person { name: self.by.clone().unwrap_or_else(who::name), reason: reason.to_owned() }
    }
}

/// What came of one of them.
#[derive(Debug, Serialize)]
struct Told {
    id: ParkedId,
    system: String,
    key: String,
    /// Stable name.
    result: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(skip)]
    words: &'static str,
}

impl Told {
    fn of(item: &ParkedItem, result: &'static str, words: &'static str, message: impl Into<String>) -> Self {
        let (system, key) = (item.system.clone(), item.key.clone());
        Self { id: item.id, system, key, result, message: message.into(), words }
    }
}

const NOT_DONE: &str = "not_done";

/// What was chosen, once a person has agreed; or how the command ends without it.
enum Chosen {
    Agreed(Vec<ParkedItem>, Vec<Told>),
    Ended(Exit),
}

async fn choose(
    store: &dyn Store,
    change: &Change,
    would: impl Fn(&ParkedItem) -> (&'static str, &'static str),
    output: &Output,
) -> anyhow::Result<Chosen> {
    let words = output.words;
    let filter = ParkedFilter::from(&change.filter);
    if !change.all && filter != ParkedFilter::default() {
        output.note(words.filter_needs_all);
        return Ok(Chosen::Ended(Exit::Usage));
    }
    let (mut items, mut absent) = (Vec::new(), Vec::new());
    if change.all {
        items = all(store, &filter).await?;
        if items.is_empty() {
            output.note(words.nothing_chosen);
            return Ok(Chosen::Ended(Exit::Done));
        }
    }
    for id in &change.ids {
        match store.parked_item(*id).await? {
            Some(item) if items.contains(&item) => {}
            Some(item) => items.push(item),
            None => {
                let (system, key, message) = (String::new(), String::new(), words.not_waiting.to_owned());
                absent.push(Told { id: *id, system, key, result: NOT_DONE, message, words: words.not_done });
            }
        }
    }
    if change.dry_run || (change.all && !change.yes) {
        let told = items.iter().map(|item| {
            let (result, words) = would(item);
            Told::of(item, result, words, "")
        });
        if change.dry_run {
            let told: Vec<_> = told.chain(absent).collect();
            show(words.would_do, &told, output);
            let is_absent = told.iter().any(|told| told.result == NOT_DONE && told.system.is_empty());
            return Ok(Chosen::Ended(if is_absent { Exit::Failed } else { Exit::Done }));
        }
        let told: Vec<_> = told.collect();
        if !output.is_json() {
            show(words.will_do, &told, output);
        }
        match ask(change, output)? {
            Answer::Yes => {}
            Answer::No => return Ok(Chosen::Ended(Exit::Done)),
            Answer::Nobody => return Ok(Chosen::Ended(Exit::Usage)),
        }
    }
    Ok(Chosen::Agreed(items, absent))
}

enum Answer {
    Yes,
    No,
    Nobody,
}

fn ask(change: &Change, output: &Output) -> anyhow::Result<Answer> {
    if change.no_input || output.is_json() || !std::io::stdin().is_terminal() {
        output.note(output.words.nobody_answers);
        return Ok(Answer::Nobody);
    }
    output.note(output.words.proceed);
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    if matches!(line.trim().to_lowercase().as_str(), "s" | "sì" | "si" | "y" | "yes") {
        return Ok(Answer::Yes);
    }
    output.note(output.words.left_alone);
    Ok(Answer::No)
}

/// One line for each, for machines; for people the first of them, and how many there are.
fn show(title: &str, told: &[Told], output: &Output) {
    if output.is_json() {
        for told in told {
            output.json(told);
        }
        return;
    }
    let words = output.words;
    let shown = |told: &Told| {
        let result =
            if told.message.is_empty() { told.words.to_owned() } else { format!("{}: {}", told.words, told.message) };
        vec![told.id.to_string(), told.system.clone(), told.key.clone(), result]
    };
    // What did not go well is shown first: it must not hide behind what did.
    let (bad, good): (Vec<_>, Vec<_>) = told.iter().partition(|told| told.result == NOT_DONE);
    let rows: Vec<_> = bad.iter().chain(&good).take(SHOWN.max(bad.len())).map(|told| shown(told)).collect();
    let title = format!("{title} ({} / {})", rows.len(), told.len());
    output.narrow_table(&title, &[words.number, words.system, words.key_or_unit, words.result], rows);
}

pub(super) async fn replay(flow: &Flow, arguments: &Replay, output: &Output) -> anyhow::Result<Exit> {
    let words = output.words;
    let decision = match (arguments.sent, arguments.not_sent) {
        (true, _) => storage::Replay::Arrived,
        (_, true) => storage::Replay::NotArrived,
        _ => storage::Replay::Again,
    };
    let would = |item: &ParkedItem| match (item.kind, decision) {
        (ParkedKind::Document, _) => (NOT_DONE, words.document_read_again),
        (ParkedKind::Record, _) if !flow.systems.contains_key(&item.system) => (NOT_DONE, words.not_configured),
        (ParkedKind::Record, storage::Replay::Again) => ("read_again", words.read_again),
        (ParkedKind::Delivery, storage::Replay::Again) if item.in_doubt => ("in_doubt", words.will_be_asked),
        (ParkedKind::Delivery, storage::Replay::Again) => ("due", words.will_be_sent),
        (ParkedKind::Delivery, storage::Replay::Arrived) if item.in_doubt => ("acknowledged", words.declared),
        (ParkedKind::Delivery, storage::Replay::NotArrived) if item.in_doubt => ("due", words.same_bytes),
        _ => (NOT_DONE, words.only_doubtful),
    };
    let (items, mut told) = match choose(flow.store.as_ref(), &arguments.change, would, output).await? {
        Chosen::Agreed(items, told) => (items, told),
        Chosen::Ended(exit) => return Ok(exit),
    };
    let by = arguments.change.person(arguments.reason.as_deref().unwrap_or("replay"));
    let (mut deliveries, mut records) = (Vec::new(), Vec::new());
    for item in items {
        match (would(&item), item.kind) {
            ((NOT_DONE, why), _) => told.push(Told::of(&item, NOT_DONE, words.not_done, why)),
            (_, ParkedKind::Record) => records.push(item),
            _ => deliveries.push(item),
        }
    }
    for batch in deliveries.chunks(BATCH) {
        let ids: Vec<_> = batch.iter().map(|item| DeliveryId(item.id.number)).collect();
        let answers = flow.store.replay_deliveries(&ids, decision, &by, flow.clock.now()).await?;
        told.extend(batch.iter().zip(answers).map(|(item, answer)| match answer {
            Ok(DeliveryState::Acknowledged) => Told::of(item, "acknowledged", words.declared, ""),
            Ok(DeliveryState::InDoubt { .. }) => Told::of(item, "in_doubt", words.will_be_asked, ""),
            Ok(_) if decision == storage::Replay::NotArrived => Told::of(item, "due", words.same_bytes, ""),
            Ok(_) => Told::of(item, "due", words.will_be_sent, ""),
            Err(why) => Told::of(item, NOT_DONE, words.not_done, why),
        }));
    }
    let mut is_understood = true;
    for batch in records.chunks(BATCH) {
        let numbers: Vec<_> = batch.iter().map(|item| item.id.number).collect();
        let replayed = station::replay_records(flow, &numbers, &by).await?;
        let mut replayed: HashMap<_, _> = replayed.into_iter().map(|replayed| (replayed.number, replayed)).collect();
        for item in batch {
            told.push(match replayed.remove(&item.id.number) {
                None => Told::of(item, NOT_DONE, words.not_done, words.not_waiting),
                Some(station::Replayed { stored: Stored::Quarantined, set_aside, .. }) => {
                    is_understood = false;
                    let why = set_aside.map(|aside| format!("[{}] {}", aside.rule.code(), aside.reason));
                    Told::of(item, "quarantined", words.still_aside, why.unwrap_or_default())
                }
                Some(station::Replayed { stored: Stored::New, .. }) => Told::of(item, "new", words.understood_new, ""),
                Some(_) => Told::of(item, "unchanged", words.understood_same, ""),
            });
        }
    }
    show(words.was_done, &told, output);
    if told.iter().any(|told| matches!(told.result, "due" | "in_doubt" | "new")) {
        output.note(words.then_sync);
    }
    Ok(match told.iter().any(|told| told.result == NOT_DONE) {
        true => Exit::Failed,
        false if is_understood => Exit::Done,
        false => Exit::Differences,
    })
}

pub(super) async fn discard(store: &dyn Store, arguments: &Discard, output: &Output) -> anyhow::Result<Exit> {
    let words = output.words;
    let would = |item: &ParkedItem| match item.state {
        Some("in_doubt") => (NOT_DONE, words.say_first),
        _ => ("discarded", words.discarded),
    };
    let (items, mut told) = match choose(store, &arguments.change, would, output).await? {
        Chosen::Agreed(items, told) => (items, told),
        Chosen::Ended(exit) => return Ok(exit),
    };
    let by = arguments.change.person(&arguments.reason);
    for batch in items.chunks(BATCH) {
        let ids: Vec<_> = batch.iter().map(|item| item.id).collect();
        let answers = store.discard(&ids, &by, SystemClock.now()).await?;
        told.extend(batch.iter().zip(answers).map(|(item, answer)| match answer {
            Ok(()) => Told::of(item, "discarded", words.discarded, ""),
            Err(why) => Told::of(item, NOT_DONE, words.not_done, why),
        }));
    }
    show(words.was_done, &told, output);
    Ok(if told.iter().any(|told| told.result == NOT_DONE) { Exit::Failed } else { Exit::Done })
}

//! Changing what waits: choose, show, ask, do, tell.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead as _, IsTerminal as _};

use contract::SetAside;
use serde::Serialize;

use super::{Discard, Filter, Replay, all, document, who};
use crate::cli::Exit;
use crate::cli::cycle::reason_aside;
use crate::cli::output::Output;
use crate::cli::table::{name, sentence};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
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
const STILL_ASIDE: &str = "quarantined";

/// What was chosen: by its number, or by the filters.
struct Choice {
    items: Vec<ParkedItem>,
    /// Numbers of which nothing waits.
    absent: Vec<Told>,
}

impl Choice {
    /// All that was chosen; none when the command ends without it.
    async fn of(store: &dyn Store, change: &Change, output: &Output) -> anyhow::Result<Result<Self, Exit>> {
        let words = output.words;
        let filter = ParkedFilter::from(&change.filter);
        if !change.all && filter != ParkedFilter::default() {
            output.note(words.filter_needs_all);
            return Ok(Err(Exit::Usage));
        }
        let (mut items, mut absent) = (Vec::new(), Vec::new());
        if change.all {
            items = all(store, &filter).await?;
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
        if items.is_empty() && absent.is_empty() {
            output.note(words.nothing_chosen);
            return Ok(Err(Exit::Done));
        }
        Ok(Ok(Self { items, absent }))
    }

    /// Shows what would be done, and asks where somebody must agree. None: go on.
    fn agreed(self, change: &Change, told: Vec<Told>, output: &Output) -> anyhow::Result<Result<Self, Exit>> {
        if change.dry_run {
            let told: Vec<_> = told.into_iter().chain(self.absent).collect();
            show(output.words.would_do, &told, output);
            return Ok(Err(exit_of(&told)));
        }
        if !change.all || change.yes {
            return Ok(Ok(self));
        }
        if !output.is_json() {
            show(output.words.will_do, &told, output);
        }
        Ok(match ask(change, output)? {
            Answer::Yes => Ok(self),
            Answer::No => Err(Exit::Done),
            Answer::Nobody => Err(Exit::Usage),
        })
    }
}

/// How the command ends: the same for what would be done and for what was done.
fn exit_of(told: &[Told]) -> Exit {
    let has = |result: &str| told.iter().any(|told| told.result == result);
    match (has(NOT_DONE), has(STILL_ASIDE)) {
        (true, _) => Exit::Failed,
        (false, true) => Exit::Differences,
        (false, false) => Exit::Done,
    }
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
    let columns = [name(words.number), name(words.system), name(words.key_or_unit), sentence(words.result)];
    output.table(&title, &columns, &rows);
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for told in told {
        *sums.entry(told.words).or_default() += 1;
    }
    for (words, count) in sums {
        output.line(&format!("{count}: {words}"));
    }
}

/// What is decided about an item: its result, and the words of it.
type Verdict = (&'static str, &'static str);

pub(super) async fn replay(flow: &Flow, config: &Config, arguments: &Replay, output: &Output) -> anyhow::Result<Exit> {
    let words = output.words;
    let decision = match (arguments.sent, arguments.not_sent) {
        (true, _) => storage::Replay::Arrived,
        (_, true) => storage::Replay::NotArrived,
        _ => storage::Replay::Again,
    };
    let has_source = |item: &ParkedItem| flow.systems.get(&item.system).is_some_and(|system| system.source().is_some());
    let would = |item: &ParkedItem| -> Verdict {
        match (item.kind, decision) {
            (ParkedKind::Document, _) => (NOT_DONE, words.a_document),
            (ParkedKind::Record, storage::Replay::Again) if has_source(item) => ("read_again", words.read_again),
            (ParkedKind::Record, storage::Replay::Again) => (NOT_DONE, words.not_configured),
            (ParkedKind::Delivery, storage::Replay::Again) if item.in_doubt => ("in_doubt", words.will_be_asked),
            (ParkedKind::Delivery, storage::Replay::Again) => ("due", words.will_be_sent),
            (ParkedKind::Delivery, storage::Replay::Arrived) if item.in_doubt => ("acknowledged", words.declared),
            (ParkedKind::Delivery, storage::Replay::NotArrived) if item.in_doubt => ("due", words.same_bytes),
            _ => (NOT_DONE, words.only_doubtful),
        }
    };
    let mut choice = match Choice::of(flow.store.as_ref(), &arguments.change, output).await? {
        Ok(choice) => choice,
        Err(exit) => return Ok(exit),
    };
    if arguments.change.all && arguments.change.filter.kind != Some(ParkedKind::Document) {
        // They are in nobody's way here: only the file itself can be read again.
        let before = choice.items.len();
        choice.items.retain(|item| item.kind != ParkedKind::Document);
        let left_out = before - choice.items.len();
        if left_out > 0 {
            output.note(&format!("{left_out} {}", words.documents_left_out));
        }
        if choice.items.is_empty() {
            output.note(words.nothing_chosen);
            return Ok(Exit::Done);
        }
    }
    let cannot = |item: &ParkedItem, why: &str| {
        let why =
            if item.kind == ParkedKind::Document { document::remedy(config, item, words) } else { why.to_owned() };
        Told::of(item, NOT_DONE, words.not_done, why)
    };
    let previews = if arguments.change.dry_run || (arguments.change.all && !arguments.change.yes) {
        previews(flow, choice.items.iter().filter(|item| would(item).0 == "read_again")).await?
    } else {
        HashMap::new()
    };
    let planned = choice.items.iter().map(|item| match (would(item), previews.get(&item.id.number)) {
        ((NOT_DONE, why), _) => cannot(item, why),
        ((_, _), Some(Some(aside))) if item.kind == ParkedKind::Record => {
            Told::of(item, STILL_ASIDE, words.still_aside, told_of(aside, output))
        }
        ((_, _), Some(None)) if item.kind == ParkedKind::Record => Told::of(item, "understood", words.understood, ""),
        ((result, words), _) => Told::of(item, result, words, ""),
    });
    let planned = planned.collect();
    let Choice { items, absent: mut told } = match choice.agreed(&arguments.change, planned, output)? {
        Ok(choice) => choice,
        Err(exit) => return Ok(exit),
    };
    let by = arguments.change.person(arguments.reason.as_deref().unwrap_or("replay"));
    let (mut deliveries, mut records) = (Vec::new(), Vec::new());
    for item in items {
        match (would(&item), item.kind) {
            ((NOT_DONE, why), _) => told.push(cannot(&item, why)),
            (_, ParkedKind::Record) => records.push(item),
            _ => deliveries.push(item),
        }
    }
    told.extend(send_again(flow, &deliveries, decision, &by, output).await?);
    told.extend(read_again(flow, &records, &by, output).await?);
    show(words.was_done, &told, output);
    if told.iter().any(|told| matches!(told.result, "due" | "in_doubt" | "new")) {
        output.note(words.then_sync);
    }
    Ok(exit_of(&told))
}

async fn send_again(
    flow: &Flow,
    deliveries: &[ParkedItem],
    decision: storage::Replay,
    by: &Person,
    output: &Output,
) -> anyhow::Result<Vec<Told>> {
    let words = output.words;
    let mut told = Vec::new();
    for batch in deliveries.chunks(BATCH) {
        let ids: Vec<_> = batch.iter().map(|item| DeliveryId(item.id.number)).collect();
        let answers = flow.store.replay_deliveries(&ids, decision, by, flow.clock.now()).await?;
        told.extend(batch.iter().zip(answers).map(|(item, answer)| match answer {
            Ok(DeliveryState::Acknowledged) => Told::of(item, "acknowledged", words.declared, ""),
            Ok(DeliveryState::InDoubt { .. }) => Told::of(item, "in_doubt", words.will_be_asked, ""),
            Ok(_) if decision == storage::Replay::NotArrived => Told::of(item, "due", words.same_bytes, ""),
            Ok(_) => Told::of(item, "due", words.will_be_sent, ""),
            Err(why) => Told::of(item, NOT_DONE, words.not_done, why),
        }));
    }
    Ok(told)
}

async fn read_again(flow: &Flow, records: &[ParkedItem], by: &Person, output: &Output) -> anyhow::Result<Vec<Told>> {
    let words = output.words;
    let mut told = Vec::new();
    for batch in records.chunks(BATCH) {
        let numbers: Vec<_> = batch.iter().map(|item| item.id.number).collect();
        let replayed = station::replay_records(flow, &numbers, by).await?;
        let mut replayed: HashMap<_, _> = replayed.into_iter().map(|replayed| (replayed.number, replayed)).collect();
        told.extend(batch.iter().map(|item| match replayed.remove(&item.id.number) {
            None => Told::of(item, NOT_DONE, words.not_done, words.not_waiting),
            Some(station::Replayed { stored: Stored::Quarantined, set_aside, .. }) => {
                let why = set_aside.map(|aside| told_of(&aside, output)).unwrap_or_default();
                Told::of(item, STILL_ASIDE, words.still_aside, why)
            }
            Some(station::Replayed { stored: Stored::New, .. }) => Told::of(item, "new", words.understood_new, ""),
            Some(_) => Told::of(item, "unchanged", words.understood_same, ""),
        }));
    }
    Ok(told)
}

/// What today's mappings would make of records, by their numbers.
async fn previews(
    flow: &Flow,
    items: impl Iterator<Item = &ParkedItem>,
) -> anyhow::Result<HashMap<i64, Option<SetAside>>> {
    let numbers: Vec<_> = items.map(|item| item.id.number).collect();
    Ok(station::preview_records(flow, &numbers).await?.into_iter().collect())
}

/// Why a record stands aside: for people in their language, for machines as it was told.
fn told_of(aside: &SetAside, output: &Output) -> String {
    let code = aside.rule.code();
    let is_for_people = !output.is_json();
    let why = if is_for_people { reason_aside(code, &aside.reason, output) } else { aside.reason.clone() };
    format!("[{code}] {why}")
}

pub(super) async fn discard(store: &dyn Store, arguments: &Discard, output: &Output) -> anyhow::Result<Exit> {
    let words = output.words;
    let choice = match Choice::of(store, &arguments.change, output).await? {
        Ok(choice) => choice,
        Err(exit) => return Ok(exit),
    };
    let planned = choice.items.iter().map(|item| match item.state {
        Some("in_doubt") => Told::of(item, NOT_DONE, words.not_done, words.say_first),
        _ => Told::of(item, "discarded", words.discarded, ""),
    });
    let planned = planned.collect();
    let Choice { items, absent: mut told } = match choice.agreed(&arguments.change, planned, output)? {
        Ok(choice) => choice,
        Err(exit) => return Ok(exit),
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
    Ok(exit_of(&told))
}

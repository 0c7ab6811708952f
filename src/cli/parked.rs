//! `raccordo parked`: what waits for a person, and what a person can do about it.
//!
//! Nothing is deleted by any of these commands, and every change leaves an entry in the audit
//! chain: who, and why.

mod change;
mod document;
pub(super) mod who;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Exit;
use super::output::Output;
use crate::config::Config;
use crate::http::{italian, waiting};
use crate::node::Node;
use crate::storage::{ParkedFilter, ParkedId, ParkedItem, ParkedKind, StorageError, Store};

use change::Change;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show everything that waits for a person
    #[command(after_help = LIST_EXAMPLES)]
    List(List),
    /// Try again: send a delivery, read a quarantined record with today's mappings
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(Replay),
    /// Close with a reason what nobody will use; nothing is deleted
    #[command(after_help = DISCARD_EXAMPLES)]
    Discard(Discard),
}

const LIST_EXAMPLES: &str = "\
Examples:
  raccordo parked list                                   everything
  raccordo parked list --system pico --kind delivery     what Pi.Co. did not take
  raccordo parked list --reason R05                      records without a CIG
  raccordo parked list --json | jq -r .id                for other programs";

const REPLAY_EXAMPLES: &str = "\
Examples:
  raccordo parked replay R7                              read it again with today's mappings
  raccordo parked replay --all --system pico --dry-run   what would be sent again
  raccordo parked replay C12 --sent --reason \"visto in piattaforma, prot. 4411\"
  raccordo parked replay C12 --not-sent --reason \"non risulta, verificato con l'assistenza\"

A delivery in doubt without --sent or --not-sent is not sent: its target is asked again.";

const DISCARD_EXAMPLES: &str = "\
Examples:
  raccordo parked discard R7 --reason \"riga di prova\"
  raccordo parked discard --all --code R05 --system file-drop --reason \"CIG assente anche agli atti\"

A delivery that was discarded comes back with the next change of its records, a document when it is
refused after it was read once, or for another reason.";

/// Items read at once.
const PAGE: u32 = 2_000;

/// Which of them.
#[derive(Debug, Clone, Default, clap::Args)]
struct Filter {
    /// Those of this target or source
    #[arg(long, value_name = "SYSTEM")]
    system: Option<String>,
    /// Those of this kind: delivery, record or document
    #[arg(long, value_name = "KIND", value_parser = kind)]
    kind: Option<ParkedKind>,
    /// Those with this code, for instance R05, `not_xml`, unavailable
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// Those with this CIG, CUP, fiscal code or text in their key, text or file name
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

fn kind(text: &str) -> Result<ParkedKind, String> {
    ParkedKind::ALL
        .into_iter()
        .find(|kind| kind.name() == text)
        .ok_or_else(|| "the kinds are delivery, record and document".to_owned())
}

impl From<&Filter> for ParkedFilter {
    fn from(filter: &Filter) -> Self {
        let Filter { system, kind, code, key } = filter.clone();
        Self { system, kind, code, key }
    }
}

/// Show everything that waits for a person.
#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    filter: Filter,
    /// The same as --code
    #[arg(long, value_name = "CODE", conflicts_with = "code")]
    reason: Option<String>,
    /// How many to show; the count is of all
    #[arg(long, value_name = "NUMBER", default_value_t = 200)]
    limit: usize,
}

/// Try again.
#[derive(Debug, clap::Args)]
pub(super) struct Replay {
    #[command(flatten)]
    change: Change,
    /// A delivery in doubt arrived: mark it as delivered, by declaration
    #[arg(long, conflicts_with = "not_sent", requires = "reason")]
    sent: bool,
    /// A delivery in doubt did not arrive: send the same bytes under the same key
    #[arg(long, requires = "reason")]
    not_sent: bool,
    /// Why, for the audit chain
    #[arg(long, value_name = "TEXT", value_parser = some_words)]
    reason: Option<String>,
}

/// Close with a reason.
#[derive(Debug, clap::Args)]
pub(super) struct Discard {
    #[command(flatten)]
    change: Change,
    /// Why, for the audit chain
    #[arg(long, value_name = "TEXT", value_parser = some_words)]
    reason: String,
}

/// A reason is for somebody who reads it in a year: blanks are none.
fn some_words(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() { Err("write why, in a few words".to_owned()) } else { Ok(text.to_owned()) }
}

pub(super) async fn list(
    store: Arc<dyn Store>,
    config: &Config,
    arguments: &List,
    output: &Output,
) -> anyhow::Result<Exit> {
    let mut filter = ParkedFilter::from(&arguments.filter);
    filter.code = filter.code.or_else(|| arguments.reason.clone());
    // For machines all of them, one a line; for people the first, and how many there are.
    let (mut shown, mut count, mut after) = (Vec::new(), 0, None);
    loop {
        let page = store.parked(&filter, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        let is_last = page.len() < PAGE as usize;
        count += page.len();
        for item in page {
            if output.is_json() {
                output.json(&item);
            } else if shown.len() < arguments.limit {
                shown.push(item);
            }
        }
        if is_last {
            break;
        }
    }
    if count == 0 {
        output.note(output.words.nothing_waits);
    } else if !output.is_json() {
        show(&shown, count, config, output);
    }
    store.close().await;
    Ok(Exit::Done)
}

/// Two lines for each, or more where the reason is long: a table has no room for reasons.
fn show(items: &[ParkedItem], count: usize, config: &Config, output: &Output) {
    let words = output.words;
    output.line(&format!("\n{} ({} / {count}, {})\n", words.waits_for_a_person, items.len(), words.italian_time));
    let widest = items.iter().map(|item| item.id.to_string().len()).max().unwrap_or_default();
    for item in items {
        let waiting = waiting(item, words.language());
        let head = [what(item, output), &item.system, &item.key, &format!("{} {}", words.since, italian(item.since))];
        let lines = match item.kind {
            ParkedKind::Document => {
                let remedy = document::remedy(config, item, words);
                vec![head.join(" · "), waiting.reason, format!("→ {remedy}")]
            }
            _ => vec![head.join(" · "), format!("{} → {}", waiting.reason, waiting.verbs)],
        };
        output.item(&item.id.to_string(), widest, &lines);
    }
    output.line("");
    let remedies: BTreeSet<_> = items.iter().map(|item| waiting(item, words.language()).remedy).collect();
    for remedy in remedies {
        output.paragraph(remedy);
    }
    if words.are_italian() {
        output.paragraph(words.told_in_english);
    }
}

fn what(item: &ParkedItem, output: &Output) -> &'static str {
    match item.kind {
        ParkedKind::Delivery if item.in_doubt => output.words.a_doubtful_delivery,
        ParkedKind::Delivery => output.words.a_delivery,
        ParkedKind::Record => output.words.a_record,
        ParkedKind::Document => output.words.a_document,
    }
}

pub(super) async fn replay(node: Node, arguments: &Replay, output: &Output) -> anyhow::Result<Exit> {
    let exit = change::replay(&node.flow, &node.config, arguments, output).await;
    node.close().await;
    exit
}

pub(super) async fn discard(store: Arc<dyn Store>, arguments: &Discard, output: &Output) -> anyhow::Result<Exit> {
    let exit = change::discard(store.as_ref(), arguments, output).await;
    store.close().await;
    exit
}

/// All that a filter chooses.
async fn all(store: &dyn Store, filter: &ParkedFilter) -> Result<Vec<ParkedItem>, StorageError> {
    let mut items: Vec<ParkedItem> = Vec::new();
    loop {
        let after: Option<ParkedId> = items.last().map(|item| item.id);
        let page = store.parked(filter, after, PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        items.extend(page);
        if is_last {
            return Ok(items);
        }
    }
}

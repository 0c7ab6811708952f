//! Changing discrepancies: choose, show, ask, do, tell.

use std::io::{BufRead as _, IsTerminal as _};

use super::{Decide, identity, show};
use crate::cli::Exit;
use crate::cli::output::Output;
use crate::cli::parked::who;
use crate::clock::{Clock as _, SystemClock};
use crate::discrepancy::WorkItem;
use crate::flow::reconcile::repair;
use crate::node::Node;
use crate::storage::{Chosen, Decision, Person, Store};

/// How many are shown before a person is asked.
const SHOWN: u32 = 20;

/// Decides what changes nothing but the work items.
pub(super) async fn decide(
    store: &dyn Store,
    arguments: &Decide,
    decision: &Decision,
    output: &Output,
) -> anyhow::Result<Exit> {
    let about = arguments.chosen()?;
    let (items, count) = chosen(store, &about).await?;
    if count == 0 {
        output.note(output.words.none_chosen);
        return Ok(if arguments.all { Exit::Done } else { Exit::Failed });
    }
    if arguments.dry_run || (arguments.all && !arguments.yes) {
        if output.is_json() {
            for item in &items {
                output.json(item);
            }
        } else {
            show::items(&items, count, SystemClock.now(), output);
        }
        if arguments.dry_run {
            return Ok(Exit::Done);
        }
        if let Some(exit) = ask(count, output)? {
            return Ok(exit);
        }
    }
    let decided = store.decide(decision, &about, SystemClock.now()).await?;
    if output.is_json() {
        output.json(&decided);
    } else {
        output.line(&format!("{} {}", decided.changed.len(), output.words.items_updated));
        show::refused(&decided.refused, output);
    }
    Ok(if decided.refused.is_empty() { Exit::Done } else { Exit::Failed })
}

/// The first of what was chosen, and how many there are.
async fn chosen(store: &dyn Store, about: &Chosen) -> anyhow::Result<(Vec<WorkItem>, u64)> {
    match about {
        Chosen::Filter(filter) => {
            let items = store.items(filter, None, SHOWN).await?;
            Ok((items.iter().map(WorkItem::for_people).collect(), store.count_items(filter).await?))
        }
        Chosen::Ids(ids) => {
            let mut items = Vec::new();
            for id in ids {
                items.extend(store.item(*id).await?.map(|item| item.for_people()));
            }
            let count = items.len() as u64;
            Ok((items, count))
        }
    }
}

/// Repairs, or approves repairs.
pub(super) async fn repair(node: &Node, arguments: &Decide, approves: bool, output: &Output) -> anyhow::Result<Exit> {
    if node.flow.reconciliation.four_eyes && arguments.by.is_some() && !arguments.dry_run {
        output.note(output.words.no_by_with_four_eyes);
        return Ok(Exit::Usage);
    }
    let mut about = arguments.chosen()?;
    if let Chosen::Filter(filter) = &mut about {
        filter.to_approve |= approves;
    }
    let flow = &node.flow;
    if arguments.dry_run || (arguments.all && !arguments.yes) {
        let preview = repair::preview(flow, &about).await?;
        tell(&preview, output);
        if arguments.dry_run {
            return Ok(Exit::Done);
        }
        if let Some(exit) = ask(preview.acts.values().sum(), output)? {
            return Ok(exit);
        }
    }
    let mut by = arguments.person();
    if flow.reconciliation.four_eyes {
        by.name = identity::who_logged_in();
    }
    // What somebody decided before, and a process that died did not do, comes first.
    let before = repair::resume(flow).await?;
    if before.sent_again + before.read_again + before.segnalazioni > 0 {
        output.note(output.words.halves_done);
    }
    let repairs =
        if approves { repair::approve(flow, &about, &by).await? } else { repair::repair(flow, &about, &by).await? };
    tell(&repairs, output);
    Ok(if repairs.refused.is_empty() { Exit::Done } else { Exit::Failed })
}

/// Sends again what is open of one target, or shows what that would change.
pub(super) async fn of_target(node: &Node, name: &str, dry_run: bool, output: &Output) -> anyhow::Result<()> {
    let repairs = if dry_run {
        repair::preview(&node.flow, &Chosen::Filter(Box::new(repair::of_target(name)))).await?
    } else {
        let by = Person { name: who_decides(node), reason: "reconcile --repair".to_owned() };
        repair::repair_target(&node.flow, name, &by).await?
    };
    // The one JSON value of a comparison is its result.
    if !output.is_json() {
        show::repairs(&repairs, output);
    }
    Ok(())
}

/// Who runs the command; with four eyes, who logged in, whatever he became since.
fn who_decides(node: &Node) -> String {
    if node.flow.reconciliation.four_eyes { identity::who_logged_in() } else { who::name() }
}

fn tell(repairs: &repair::Repairs, output: &Output) {
    if output.is_json() {
        output.json(repairs);
    } else {
        show::repairs(repairs, output);
    }
}

/// Asks a person. None: go on; otherwise how the command ends.
fn ask(count: u64, output: &Output) -> anyhow::Result<Option<Exit>> {
    if !std::io::stdin().is_terminal() {
        output.note(output.words.nobody_to_ask);
        return Ok(Some(Exit::Usage));
    }
    output.note(&format!("{} {count}", output.words.proceed_with));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    let is_yes = matches!(answer.trim().to_lowercase().as_str(), "s" | "si" | "sì" | "y" | "yes");
    Ok((!is_yes).then_some(Exit::Done))
}

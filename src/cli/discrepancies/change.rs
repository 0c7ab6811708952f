//! Changing discrepancies: choose, show, ask, do, tell.

use std::io::{BufRead as _, IsTerminal as _};

use super::{Decide, show};
use crate::cli::Exit;
use crate::cli::output::Output;
use crate::cli::parked::who;
use crate::clock::{Clock as _, SystemClock};
use crate::discrepancy::WorkItem;
use crate::flow::reconcile::repair;
use crate::node::Node;
use crate::storage::{Chosen, Decision, ItemFilter, Person, StateFilter, Store};

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
        output.note("Nessuna discordanza scelta");
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
        output.line(&format!("{} discordanze aggiornate", decided.changed.len()));
        show::refused(&decided.refused, output);
    }
    Ok(if decided.refused.is_empty() { Exit::Done } else { Exit::Failed })
}

/// The first of what was chosen, and how many there are.
async fn chosen(store: &dyn Store, about: &Chosen) -> anyhow::Result<(Vec<WorkItem>, u64)> {
    match about {
        Chosen::Filter(filter) => Ok((store.items(filter, None, SHOWN).await?, store.count_items(filter).await?)),
        Chosen::Ids(ids) => {
            let mut items = Vec::new();
            for id in ids {
                items.extend(store.item(*id).await?);
            }
            let count = items.len() as u64;
            Ok((items, count))
        }
    }
}

/// Repairs, or approves repairs.
pub(super) async fn repair(node: &Node, arguments: &Decide, approves: bool, output: &Output) -> anyhow::Result<Exit> {
    if node.flow.reconciliation.four_eyes && arguments.by.is_some() && !arguments.dry_run {
        output.note("Con four_eyes decide chi esegue il comando: --by non è ammesso, ognuno usa la propria utenza");
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
    let by = arguments.person();
    let repairs =
        if approves { repair::approve(flow, &about, &by).await? } else { repair::repair(flow, &about, &by).await? };
    tell(&repairs, output);
    Ok(if repairs.refused.is_empty() { Exit::Done } else { Exit::Failed })
}

/// Repairs what is open of one comparison, or shows what that would change.
pub(super) async fn of_comparison(node: &Node, name: &str, dry_run: bool, output: &Output) -> anyhow::Result<()> {
    let filter = ItemFilter { comparison: Some(name.to_owned()), state: StateFilter::Open, ..ItemFilter::default() };
    let about = Chosen::Filter(Box::new(filter));
    let repairs = if dry_run {
        repair::preview(&node.flow, &about).await?
    } else {
        let by = Person { name: who::name(), reason: "reconcile --repair".to_owned() };
        repair::repair(&node.flow, &about, &by).await?
    };
    // The one JSON value of a comparison is its result.
    if !output.is_json() {
        show::repairs(&repairs, output);
    }
    Ok(())
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
        output.note("Nessuno a cui chiedere: aggiungere --yes, oppure --dry-run per vedere soltanto");
        return Ok(Some(Exit::Usage));
    }
    output.note(&format!("Procedere con {count} discordanze? [s/N]"));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    let is_yes = matches!(answer.trim().to_lowercase().as_str(), "s" | "si" | "sì" | "y" | "yes");
    Ok((!is_yes).then_some(Exit::Done))
}

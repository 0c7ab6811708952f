//! Repair: for each work item the act that was proposed, shown first, done when a person says so.
//!
//! What a person decides is written as begun in the transaction of the decision, and as ended when it
//! was done: what a process that died had begun is taken up by the next. A unit is sent again, as a
//! whole, only after the target was looked at once more: its revision, and whether the deliveries on
//! their way have not mended it meanwhile. Where four eyes are asked for, the first person only asks,
//! and the second approves.

mod chosen;
mod preview;
mod segnalazioni;
mod sending;

use std::collections::{BTreeMap, BTreeSet};

use canonical::SourceName;
use serde::Serialize;

use self::chosen::Pages;
pub use self::preview::preview;
use crate::discrepancy::{Act, SOURCES, WorkItem};
use crate::failpoints;
use crate::flow::{Flow, FlowError};
use crate::storage::work_items::Act as Decided;
use crate::storage::{BegunRepair, Chosen, Decision, ItemFilter, Person, StateFilter};

/// Work items in memory at a time.
const PAGE: u32 = 500;
/// Changes that a preview names; the counts are of all.
const NAMED: usize = 200;

/// What a repair would change, field by field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The work item; none for what no run has noted, or what was not chosen.
    pub item: Option<i64>,
    /// The comparison.
    pub comparison: String,
    /// The unit.
    pub unit: String,
    /// The row.
    pub row: String,
    /// The field; none for a whole row.
    pub field: Option<String>,
    /// What is to be done.
    pub act: Act,
    /// What the system that disagrees holds.
    pub holds: Option<String>,
    /// What it would hold.
    pub would_hold: Option<String>,
    /// Whether it was looked at just now; otherwise it is what the last comparison saw.
    pub seen_now: bool,
}

/// What a repair is about, or what came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Repairs {
    /// Work items that were chosen.
    pub chosen: u64,
    /// By act, those that a program can repair.
    pub acts: BTreeMap<&'static str, u64>,
    /// Those that only people can settle.
    pub for_people: u64,
    /// The first changes.
    pub changes: Vec<Change>,
    /// All changes: those of units too that were not chosen, because a unit is sent as a whole.
    pub changes_in_all: u64,
    /// Of these, the ones that nobody chose.
    pub not_chosen: u64,
    /// Units that would be sent, each as a whole.
    pub units: u64,
    /// Those that wait for a second person now.
    pub to_approve: u64,
    /// Deliveries made due again.
    pub sent_again: u64,
    /// Sources that will be read from their beginning.
    pub read_again: u64,
    /// Segnalazioni opened.
    pub segnalazioni: u64,
    /// Those that stay begun, because the target could not be read so far: they are taken up later.
    pub postponed: u64,
    /// What could not be done, by reason.
    pub refused: BTreeMap<String, u64>,
}

impl Repairs {
    fn refuse(&mut self, why: impl Into<String>, count: u64) {
        if count > 0 {
            *self.refused.entry(why.into()).or_default() += count;
        }
    }

    /// Counts a work item. False when only people can settle it.
    fn count(&mut self, item: &WorkItem) -> bool {
        let found = &item.discrepancy;
        self.chosen += 1;
        let is_ours = match found.act {
            Act::SendAgain => found.comparison != SOURCES,
            Act::ReadAgain | Act::OpenSegnalazione => true,
            Act::Nothing | Act::CorrectAtSource | Act::AskPartner => false,
        };
        if is_ours {
            *self.acts.entry(found.act.name()).or_default() += 1;
        } else {
            self.for_people += 1;
        }
        is_ours
    }
}

/// Repairs, or asks for the approval of a second person where four eyes are asked for.
pub async fn repair(flow: &Flow, about: &Chosen, by: &Person) -> Result<Repairs, FlowError> {
    decide_and_do(flow, about, first_act(flow), by, |_| true).await
}

/// Approves repairs that somebody else asked for, and begins them.
pub async fn approve(flow: &Flow, about: &Chosen, by: &Person) -> Result<Repairs, FlowError> {
    decide_and_do(flow, about, Decided::ApproveRepair, by, |_| true).await
}

/// Sends again whatever is open of one target, and what the target did not take. What somebody
/// accepted is left as it is, with all of its unit.
pub async fn repair_target(flow: &Flow, target: &str, by: &Person) -> Result<Repairs, FlowError> {
    let accepted = super::accepted_units(flow, target).await?;
    let is_sent =
        |item: &WorkItem| item.discrepancy.act == Act::SendAgain && !accepted.contains(item.discrepancy.unit.as_str());
    let about = Chosen::Filter(Box::new(of_target(target)));
    let mut repairs = decide_and_do(flow, &about, first_act(flow), by, is_sent).await?;
    if !flow.reconciliation.four_eyes {
        sending::send_stopped(flow, target, &accepted, by, &mut repairs).await?;
    }
    Ok(repairs)
}

/// What [`repair_target`] is about.
pub fn of_target(target: &str) -> ItemFilter {
    ItemFilter { comparison: Some(target.to_owned()), state: StateFilter::Open, ..ItemFilter::default() }
}

/// Does what was begun and never ended: a process died, or a target could not be read.
pub async fn resume(flow: &Flow) -> Result<Repairs, FlowError> {
    let mut repairs = Repairs::default();
    let begun = begun(flow, None).await?;
    if !begun.is_empty() {
        tracing::info!(count = begun.len(), "taking up repairs that were begun");
        perform(flow, begun, &mut repairs).await?;
    }
    Ok(repairs)
}

fn first_act(flow: &Flow) -> Decided {
    if flow.reconciliation.four_eyes { Decided::RequestRepair } else { Decided::Repair }
}

async fn decide_and_do(
    flow: &Flow,
    about: &Chosen,
    act: Decided,
    by: &Person,
    admits: impl Fn(&WorkItem) -> bool,
) -> Result<Repairs, FlowError> {
    let mut repairs = Repairs::default();
    let mut decided_now = BTreeSet::new();
    let mut pages = Pages::of(about);
    let decision = Decision { act, by: by.clone() };
    while let Some(items) = pages.next(flow).await? {
        let repairable = items.iter().filter(|item| admits(item) && repairs.count(item));
        let ids: Vec<i64> = repairable.map(|item| item.id).collect();
        if ids.is_empty() {
            continue;
        }
        // The decision stands in the chain, and what it begins beside it, before anything is done.
        let decided = flow.store.decide(&decision, &Chosen::Ids(ids), flow.clock.now()).await?;
        for (why, count) in decided.refused {
            repairs.refuse(why, count);
        }
        if decision.act == Decided::RequestRepair {
            repairs.to_approve += decided.changed.len() as u64;
        } else {
            decided_now.extend(decided.changed);
        }
    }
    failpoints::pass("repair.decided").await?;
    if !decided_now.is_empty() {
        let begun = begun(flow, Some(&decided_now)).await?;
        perform(flow, begun, &mut repairs).await?;
    }
    Ok(repairs)
}

/// What was begun, of these or of all work items.
async fn begun(flow: &Flow, of: Option<&BTreeSet<i64>>) -> Result<Vec<BegunRepair>, FlowError> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = flow.store.begun_repairs(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(all) };
        after = Some(last.item.id);
        all.extend(page.into_iter().filter(|begun| of.is_none_or(|of| of.contains(&begun.item.id))));
    }
}

/// Does what was decided, and writes that it ended. Done twice, the second time finds it done.
async fn perform(flow: &Flow, begun: Vec<BegunRepair>, repairs: &mut Repairs) -> Result<(), FlowError> {
    let mut units: BTreeMap<String, sending::Units> = BTreeMap::new();
    let mut sources: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let mut segnalazioni = Vec::new();
    for begun in begun {
        let found = &begun.item.discrepancy;
        match found.act {
            Act::SendAgain => {
                let units = units.entry(found.comparison.clone()).or_default();
                units.entry(found.unit.clone()).or_default().push(begun.item.id);
            }
            Act::ReadAgain => sources.entry(found.against.clone()).or_default().push(begun.item.id),
            _ => segnalazioni.push(begun),
        }
    }
    for (target, units) in units {
        sending::send(flow, &target, units, repairs).await?;
    }
    for (source, items) in sources {
        match SourceName::parse(&source) {
            Some(source) => {
                flow.store.forget_cursor(&source, flow.clock.now()).await?;
                repairs.read_again += 1;
            }
            None => repairs.refuse("the system that disagrees is no source", items.len() as u64),
        }
        flow.store.end_repairs(&items, "read again", flow.clock.now()).await?;
    }
    if !segnalazioni.is_empty() {
        let ended = segnalazioni::open(flow, segnalazioni, repairs).await?;
        for (outcome, items) in ended {
            flow.store.end_repairs(&items, outcome, flow.clock.now()).await?;
        }
    }
    Ok(())
}

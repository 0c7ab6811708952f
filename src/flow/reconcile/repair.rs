//! Repair: for each work item the act that was proposed, shown first, done when a person says so.
//!
//! A unit is sent again only after the target was looked at once more: its revision, and whether the
//! deliveries on their way have not mended it meanwhile. Where four eyes are asked for, the first
//! person only asks, and the second approves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use canonical::identifiers::CodiceFiscale;
use canonical::kinds::{Segnalazione, StatoSegnalazione};
use canonical::{Body, Digest, Kind, Provenance, Record, RecordKey, SourceName};
use contract::DocumentHeader;
use serde::Serialize;

use super::send_again;
use super::walk::{Place, Walk};
use crate::discrepancy::{Act, SOURCES, WorkItem};
use crate::flow::route::Routes;
use crate::flow::route::membership::Members;
use crate::flow::{Flow, FlowError};
use crate::storage::work_items::Act as Decided;
use crate::storage::{Arrival, Chosen, Decision, ItemFilter, Person, RoutedRecord, RunKind, StateFilter};

/// Work items in memory at a time.
const PAGE: u32 = 500;
/// Changes that a preview names; the counts are of all.
const NAMED: usize = 200;
/// The source of the records that we make ourselves.
const OURSELVES: &str = "raccordo";

/// What a repair would change, field by field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The work item.
    pub item: i64,
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
    /// Those that wait for a second person now.
    pub to_approve: u64,
    /// Deliveries made due again.
    pub sent_again: u64,
    /// Sources that will be read from their beginning.
    pub read_again: u64,
    /// Segnalazioni opened.
    pub segnalazioni: u64,
    /// What could not be done, by reason.
    pub refused: BTreeMap<String, u64>,
}

impl Repairs {
    fn refuse(&mut self, why: impl Into<String>, count: u64) {
        if count > 0 {
            *self.refused.entry(why.into()).or_default() += count;
        }
    }
}

/// What a repair has gathered to do.
#[derive(Default)]
struct Work {
    units: BTreeMap<String, BTreeSet<String>>,
    sources: BTreeSet<String>,
    segnalazioni: Vec<WorkItem>,
}

/// What repairing these work items would change. Nothing is written.
pub async fn preview(flow: &Flow, about: &Chosen) -> Result<Repairs, FlowError> {
    let mut repairs = Repairs::default();
    let mut pages = Pages::of(about);
    while let Some(items) = pages.next(flow).await? {
        for item in &items {
            see(&mut repairs, item);
        }
    }
    Ok(repairs)
}

/// Repairs, or asks for the approval of a second person where four eyes are asked for.
pub async fn repair(flow: &Flow, about: &Chosen, by: &Person) -> Result<Repairs, FlowError> {
    let act = if flow.reconciliation.four_eyes { Decided::RequestRepair } else { Decided::Repair };
    decide_and_do(flow, about, act, by).await
}

/// Approves repairs that somebody else asked for, and begins them.
pub async fn approve(flow: &Flow, about: &Chosen, by: &Person) -> Result<Repairs, FlowError> {
    decide_and_do(flow, about, Decided::ApproveRepair, by).await
}

async fn decide_and_do(flow: &Flow, about: &Chosen, act: Decided, by: &Person) -> Result<Repairs, FlowError> {
    let mut repairs = Repairs::default();
    let mut work = Work::default();
    let mut pages = Pages::of(about);
    let decision = Decision { act, by: by.clone() };
    while let Some(items) = pages.next(flow).await? {
        let repairable: Vec<_> = items.iter().filter(|item| see(&mut repairs, item)).collect();
        if repairable.is_empty() {
            continue;
        }
        let ids = repairable.iter().map(|item| item.id).collect();
        // The decision stands in the chain before anything is done about it.
        let decided = flow.store.decide(&decision, &Chosen::Ids(ids), flow.clock.now()).await?;
        for (why, count) in decided.refused {
            repairs.refuse(why, count);
        }
        if decision.act == Decided::RequestRepair {
            repairs.to_approve += decided.changed.len() as u64;
            continue;
        }
        let changed: BTreeSet<_> = decided.changed.into_iter().collect();
        for item in repairable.into_iter().filter(|item| changed.contains(&item.id)) {
            let found = &item.discrepancy;
            match found.act {
                Act::SendAgain => {
                    work.units.entry(found.comparison.clone()).or_default().insert(found.unit.clone());
                }
                Act::ReadAgain => {
                    work.sources.insert(found.against.clone());
                }
                _ => work.segnalazioni.push(item.clone()),
            }
        }
    }
    for (target, units) in work.units {
        send_units(flow, &target, units, &mut repairs).await?;
    }
    for source in work.sources {
        match SourceName::parse(&source) {
            Some(source) => {
                flow.store.forget_cursor(&source, flow.clock.now()).await?;
                repairs.read_again += 1;
            }
            None => repairs.refuse("the system that disagrees is no source", 1),
        }
    }
    open_segnalazioni(flow, work.segnalazioni, &mut repairs).await?;
    Ok(repairs)
}

/// Counts a work item and names its change. False when only people can settle it.
fn see(repairs: &mut Repairs, item: &WorkItem) -> bool {
    let found = &item.discrepancy;
    repairs.chosen += 1;
    let is_ours = match found.act {
        Act::SendAgain => found.comparison != SOURCES,
        Act::ReadAgain | Act::OpenSegnalazione => true,
        Act::Nothing | Act::CorrectAtSource | Act::AskPartner => false,
    };
    if !is_ours {
        repairs.for_people += 1;
        return false;
    }
    *repairs.acts.entry(found.act.name()).or_default() += 1;
    if repairs.changes.len() < NAMED {
        let of = |is_owner| {
            found.sides.iter().find(|side| side.is_owner == is_owner && (is_owner || side.system == found.against))
        };
        repairs.changes.push(Change {
            item: item.id,
            comparison: found.comparison.clone(),
            unit: found.unit.clone(),
            row: found.row.clone(),
            field: found.field.clone(),
            act: found.act,
            holds: of(false).and_then(|side| side.value.clone()),
            would_hold: of(true).and_then(|side| side.value.clone()),
        });
    }
    true
}

/// Sends units again that the target is still seen to hold otherwise.
async fn send_units(
    flow: &Flow,
    name: &str,
    mut units: BTreeSet<String>,
    repairs: &mut Repairs,
) -> Result<(), FlowError> {
    let adapter = Arc::clone(flow.system(name)?);
    let (Some(target), Some(observer)) = (adapter.target(), adapter.observer()) else {
        repairs.refuse("the target cannot be observed", units.len() as u64);
        return Ok(());
    };
    let mut walk = Walk::begin(flow, name, target, observer, Place::default()).await?;
    while let Some(compared) = walk.next().await? {
        if !units.contains(compared.key.as_str()) {
            continue;
        }
        // Behind the end of a side that broke off nothing is known of the target.
        let is_seen = !compared.is_skipped || compared.counts.stopped > 0;
        let is_wrong = compared.counts.stopped > 0 || !compared.found.is_empty();
        units.remove(compared.key.as_str());
        match compared.delivery {
            Some((delivery, above)) if is_seen && is_wrong => {
                let is_sent = send_again(flow, delivery, above, "repair").await?;
                repairs.sent_again += u64::from(is_sent);
                repairs.refuse("the delivery moved meanwhile", u64::from(!is_sent));
            }
            Some(_) if is_seen => repairs.refuse("both sides agree by now", 1),
            Some(_) => repairs.refuse("the unit is on its way", 1),
            None => repairs.refuse("nobody here knows the unit", 1),
        }
        if units.is_empty() {
            break;
        }
    }
    let why = if walk.incomplete_because().is_some() { "the target was not read so far" } else { "the unit is gone" };
    repairs.refuse(why, units.len() as u64);
    Ok(())
}

/// Opens a Segnalazione for each work item, which goes where the routes of that kind lead.
async fn open_segnalazioni(flow: &Flow, items: Vec<WorkItem>, repairs: &mut Repairs) -> Result<(), FlowError> {
    let source = SourceName::parse(OURSELVES).ok_or(FlowError::Interrupted { task: "opening a Segnalazione" })?;
    let mut records = Vec::new();
    for item in items {
        match segnalazione(&item, flow.clock.now()) {
            Ok(body) => records.push((item.id, body)),
            Err(why) => repairs.refuse(why, 1),
        }
    }
    if records.is_empty() {
        return Ok(());
    }
    let now = flow.clock.now();
    let routes = Routes::of(flow, &source, Arc::new(Members::load(flow).await?));
    let run = flow.store.begin_run(RunKind::Sync, &source, now).await?;
    for (item, body) in records {
        let text = Body::Segnalazione(body.clone()).to_json();
        let digest = Digest::of(text.as_bytes()).to_string();
        let remote_id = format!("discordanza/{item}");
        let header = DocumentHeader {
            remote_id: remote_id.clone(),
            digest: digest.clone(),
            format: "segnalazione".to_owned(),
            version: "1".to_owned(),
            as_of: None,
            context: serde_json::Value::Null,
        };
        let document = flow.store.register_document(run, &source, &header, now).await?;
        let provenance = Provenance {
            source: source.clone(),
            remote_id,
            document_digest: digest,
            line: Some(1),
            as_of: None,
            read_at: now,
            raw: BTreeMap::new(),
        };
        let record = Record::new(Body::Segnalazione(body), provenance);
        let places = routes.of_record(&record, now);
        let goes_somewhere =
            places.iter().any(|route| matches!(route.destination, crate::storage::Destination::Unit { .. }));
        if !goes_somewhere {
            repairs.refuse("no configured system takes the Segnalazione", 1);
            continue;
        }
        let said = RoutedRecord { rank: routes.rank(Kind::Segnalazione), record, routes: places };
        let arrival = Arrival {
            document,
            line: 1,
            occurrence: 0,
            text,
            records: vec![said],
            findings: Vec::new(),
            set_aside: None,
        };
        flow.store.store(run, vec![arrival], now).await?;
        repairs.segnalazioni += 1;
    }
    flow.store.finish_run(run, now).await?;
    Ok(())
}

fn segnalazione(item: &WorkItem, now: canonical::values::UtcInstant) -> Result<Segnalazione, &'static str> {
    let found = &item.discrepancy;
    let body = found.body.as_deref().and_then(|code| CodiceFiscale::parse(code).ok());
    let ente = body.filter(|code| !code.is_person()).ok_or("the body concerned is not known")?;
    let (kind, key) = found.unit.split_once('/').ok_or("the record concerned is not known")?;
    let tipo_record = Kind::from_name(kind).ok_or("the record concerned is not known")?;
    let campo = found.field.as_deref().map_or_else(String::new, |field| format!(", campo {field}"));
    Ok(Segnalazione {
        id: format!("discordanza-{}", item.id),
        ente,
        tipo_record,
        chiave_record: RecordKey::from_stored(key.to_owned()),
        regola: found.rule,
        campo: found.field.clone(),
        descrizione: format!("Discordanza n. {} con {}{campo}: regola {}.", item.id, found.against, found.rule.code()),
        aperta_il: now,
        stato: StatoSegnalazione::Aperta,
    })
}

/// The chosen work items, page by page.
enum Pages {
    Ids(std::vec::IntoIter<i64>),
    Filter(Box<ItemFilter>, Option<i64>),
}

impl Pages {
    fn of(about: &Chosen) -> Self {
        match about {
            Chosen::Ids(ids) => Self::Ids(ids.clone().into_iter()),
            Chosen::Filter(filter) => {
                let mut filter = filter.clone();
                // What is closed needs no repair.
                if matches!(filter.state, StateFilter::Closed | StateFilter::Any) {
                    filter.state = StateFilter::Standing;
                }
                Self::Filter(filter, None)
            }
        }
    }

    async fn next(&mut self, flow: &Flow) -> Result<Option<Vec<WorkItem>>, FlowError> {
        match self {
            Self::Ids(ids) => {
                let mut items = Vec::new();
                for id in ids.by_ref().take(PAGE as usize) {
                    items.extend(flow.store.item(id).await?);
                }
                Ok((!items.is_empty()).then_some(items))
            }
            Self::Filter(filter, after) => {
                let items = flow.store.items(filter, *after, PAGE).await?;
                *after = items.last().map(|item| item.id).or(*after);
                Ok((!items.is_empty()).then_some(items))
            }
        }
    }
}

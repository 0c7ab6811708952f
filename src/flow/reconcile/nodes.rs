//! What this node and another one hold, by ranges of keys: ten differences in a million cost kilobytes.
//!
//! The other node tells of whose records it speaks; what we hold of other bodies is not missing there.
//! Both sides write their records as they leave, without persons, and hash them under a salt that is
//! drawn for the session. Keys that differ are asked for, and compared field by field.

pub mod holdings;
pub mod remote;
pub mod row;
pub mod wire;

use std::collections::{BTreeMap, HashMap};

use canonical::identifiers::CodiceFiscale;
use canonical::values::UtcInstant;
use contract::{AdapterError, ErrorKind, UnitKey};

use self::holdings::{Holdings, HoldingsError, name_of};
use self::remote::RemoteNode;
use self::row::row_of;
use self::wire::{MOST_KEYS, TheirRecord};
use super::inventory::Completeness;
use super::inventory::ranges::{Reconciler, Salt, SessionLimits, Step};
use super::rows::{Around, compare_rows};
use super::{Notebook, OTHER_EVIDENCE, alone, begin, why};
use crate::discrepancy::{Act, Discrepancy};
use crate::flow::exchange::item::item;
use crate::flow::{Flow, FlowError};
use crate::storage::exchange::{Scope, StoredVersion};
use crate::storage::{ComparisonRun, Reconciliation, ReconciliationCounts, StorageError};

/// The other nodes, by a name of ours.
pub type Nodes = BTreeMap<String, RemoteNode>;

/// Why a comparison ended before its end.
enum Ended {
    /// The other node: nothing more can be said.
    There(AdapterError),
    /// Our own database.
    Here(FlowError),
}

impl From<AdapterError> for Ended {
    fn from(error: AdapterError) -> Self {
        Self::There(error)
    }
}

impl From<StorageError> for Ended {
    fn from(error: StorageError) -> Self {
        Self::Here(error.into())
    }
}

impl From<FlowError> for Ended {
    fn from(error: FlowError) -> Self {
        Self::Here(error)
    }
}

impl From<HoldingsError> for Ended {
    fn from(error: HoldingsError) -> Self {
        match error {
            HoldingsError::Storage(error) => error.into(),
            problem => Self::There(AdapterError::new(ErrorKind::Local, "read our own records").caused_by(problem)),
        }
    }
}

/// Compares what this node and another one hold, and keeps what is found. Nothing is sent there but
/// hashes, and nothing is changed on either side.
pub async fn reconcile_node(flow: &Flow, name: &str, node: &RemoteNode) -> Result<Reconciliation, FlowError> {
    let run = begin_anew(flow, name).await?;
    alone(flow, &run, async {
        let (mut notebook, ()) = Notebook::open::<()>(flow, &run);
        notebook.note(()).await?;
        let incomplete_because = match compare(flow, name, node, &mut notebook).await {
            Ok(()) => None,
            Err(Ended::Here(error)) => return Err(error),
            Err(Ended::There(error)) => {
                tracing::warn!(node = name, %error, "the other node was not compared to its end");
                Some(why::unread(&error))
            }
        };
        notebook.note(()).await?;
        // They come in an order of the session; people read them in one that stays.
        notebook
            .named
            .sort_by(|one, other| (&one.unit, &one.row, &one.field).cmp(&(&other.unit, &other.row, &other.field)));
        notebook.finish(incomplete_because).await
    })
    .await
}

/// Opens a run. A session cannot be taken up by another process: one that was killed ends incomplete.
async fn begin_anew(flow: &Flow, name: &str) -> Result<ComparisonRun, FlowError> {
    let run = begin(flow, name).await?;
    if run.progress.is_none() {
        return Ok(run);
    }
    Notebook::open::<()>(flow, &run).0.finish(Some(OTHER_EVIDENCE.to_owned())).await?;
    begin(flow, name).await
}

async fn compare(flow: &Flow, name: &str, node: &RemoteNode, notebook: &mut Notebook<'_>) -> Result<(), Ended> {
    let salt = Salt(kit::random::bytes()?);
    let about = node.open(salt).await?;
    let scope = node.scope(&about.scope);
    let ours = Holdings::of(flow.store.as_ref(), &scope, salt).await?;
    let mut session = Reconciler::new(ours.index(), &Completeness::Complete, SessionLimits::default());
    let mut message = session.initiate();
    while let Some(answer) = node.tell(&about.comparison_id, &message).await? {
        let not_understood =
            |refused| AdapterError::new(ErrorKind::NotUnderstood, "compare with the other node").caused_by(refused);
        match session.respond(&answer).map_err(not_understood)? {
            Step::Send(next) => message = next,
            Step::Done => break,
        }
    }
    let found = session.outcome();
    let (only_ours, only_theirs) = (found.only_ours.keys(), found.only_theirs.keys());
    tracing::info!(
        node = name,
        ours = ours.len(),
        theirs = about.records.unwrap_or_default(),
        only_ours = only_ours.len(),
        only_theirs = only_theirs.len(),
        different = found.different.len(),
        "two nodes told each other what they hold"
    );
    let same = ours.len().saturating_sub(only_ours.len() + found.different.len()) as u64;
    notebook.add(
        ReconciliationCounts { expected: same, observed: same, equal: same, ..ReconciliationCounts::default() },
        Vec::new(),
    );
    let judge = Judge { flow, name, scope: &scope, ours: &ours, fresh_since: fresh_since(flow, node) };
    for keys in only_ours.chunks(MOST_KEYS) {
        judge.note(keys, &HashMap::new(), notebook).await?;
    }
    for keys in found.different.chunks(MOST_KEYS).chain(only_theirs.chunks(MOST_KEYS)) {
        let theirs = node.records(&about.comparison_id, keys).await?;
        let theirs = theirs.into_iter().filter_map(|one| Some((wire::number(&one.hash)?, one.record)));
        // Only what was asked for, and only under its own name: another answer would close what is open.
        let is_asked = |hash: &u128, record: &TheirRecord| {
            keys.contains(hash) && salt.key(&name_of(record.kind, &record.key)) == *hash
        };
        let theirs = theirs.filter(|(hash, record)| is_asked(hash, record)).collect();
        judge.note(keys, &theirs, notebook).await?;
    }
    Ok(())
}

/// What was stored later is not expected on the other side yet.
fn fresh_since(flow: &Flow, node: &RemoteNode) -> UtcInstant {
    let now = flow.clock.now();
    let grace = i64::try_from(node.grace().as_micros()).unwrap_or(i64::MAX);
    UtcInstant::from_unix_micros(now.unix_micros().saturating_sub(grace)).unwrap_or(now)
}

/// What keys that differ mean.
struct Judge<'a> {
    flow: &'a Flow,
    name: &'a str,
    scope: &'a Scope,
    ours: &'a Holdings,
    fresh_since: UtcInstant,
}

impl Judge<'_> {
    async fn note(
        &self,
        keys: &[u128],
        theirs: &HashMap<u128, TheirRecord>,
        notebook: &mut Notebook<'_>,
    ) -> Result<(), Ended> {
        for key in keys {
            let ours = match self.ours.record(*key) {
                Some(record) => self.flow.store.standing_of(self.scope, record).await?,
                None => None,
            };
            self.one(ours.as_ref(), self.ours.record(*key).is_some(), theirs.get(key), notebook);
            if notebook.is_full() {
                notebook.note(()).await?;
            }
        }
        Ok(())
    }

    /// One key that differs, by what both sides hold under it now.
    fn one(
        &self,
        ours: Option<&StoredVersion>,
        is_ours: bool,
        theirs: Option<&TheirRecord>,
        notebook: &mut Notebook<'_>,
    ) {
        let mine = ours.and_then(|version| Some((version, item(version)?)));
        let unit = match (&mine, theirs) {
            (Some((_, item)), _) => name_of(item.kind, &item.key),
            (None, Some(record)) => name_of(record.kind, &record.key),
            (None, None) => return,
        };
        let rows = |is_there: bool| u64::from(is_there);
        let is_fresh = |at: UtcInstant| at > self.fresh_since;
        let moves = ours.is_some_and(|version| is_fresh(version.stored_at))
            || theirs.is_some_and(|record| is_fresh(record.stored_at))
            || (is_ours && mine.is_none());
        if moves {
            notebook.add(
                ReconciliationCounts {
                    expected: rows(mine.is_some()),
                    observed: rows(theirs.is_some()),
                    on_its_way: 1,
                    ..ReconciliationCounts::default()
                },
                Vec::new(),
            );
            return notebook.kept.push(unit);
        }
        let owner = mine.as_ref().map(|(version, _)| version.content.provenance.source.as_str());
        let body = mine.as_ref().and_then(|(version, _)| version.content.body.ente()).map(CodiceFiscale::masked);
        let body = body.or_else(|| theirs.and_then(body_of));
        let around = Around { target: self.name, owner, body, has_desk: false };
        let row_of_theirs = theirs.map(|record| row_of(&record.key, &record.body));
        let row_of_mine = mine.as_ref().map(|(_, item)| row_of(&item.key, &item.body));
        let (counts, found) = compare_rows(&UnitKey(unit), row_of_mine.as_slice(), row_of_theirs.as_slice(), &around);
        notebook.add(counts, found.into_iter().map(of_partners).collect());
    }
}

/// Nothing of ours is delivered to another node: what differs there is settled with whoever runs it.
fn of_partners(found: Discrepancy) -> Discrepancy {
    let act = if found.act == Act::SendAgain { Act::AskPartner } else { found.act };
    Discrepancy { act, ..found }
}

/// The body that a record of theirs is about, unless its code is that of a person.
fn body_of(record: &TheirRecord) -> Option<&str> {
    let text = ["stazione_appaltante", "codice_fiscale", "ente"].iter().find_map(|name| record.body[*name].as_str())?;
    CodiceFiscale::parse(text).is_ok_and(|code| !code.is_person()).then_some(text)
}

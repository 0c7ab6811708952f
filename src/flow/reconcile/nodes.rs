//! What this node and another one hold, by ranges of keys: ten differences in a million cost kilobytes.
//!
//! The other node tells of whose records it speaks; what we hold of other bodies is not missing there.
//! Both sides write their records as they leave, without persons, and hash them under a salt that is
//! drawn for the session. Keys that differ are asked for, and compared field by field.

pub mod holdings;
pub mod remote;
pub mod row;
pub mod wire;
mod judge;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use canonical::values::UtcInstant;
use contract::{AdapterError, ErrorKind};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use self::holdings::{Holdings, HoldingsError, MOST};
use self::judge::{Judge, TheirRow};
use self::remote::RemoteNode;
use self::wire::{About, MOST_KEYS};
use super::inventory::Completeness;
use super::inventory::ranges::{Outcome, Reconciler, Salt, SessionLimits, Step, Unmatched};
use super::{Notebook, OTHER_EVIDENCE, alone, begin, why};
use crate::chain::chain;
use crate::flow::exchange::item::item;
use crate::flow::{Flow, FlowError};
use crate::storage::exchange::Scope;
use crate::storage::{ComparisonRun, Reconciliation, ReconciliationCounts, StorageError};

/// The other nodes, by a name of ours.
pub type Nodes = BTreeMap<String, RemoteNode>;

/// The longest that a comparison may last: no session of the other node lasts longer.
const LONGEST: Duration = Duration::from_mins(55);

/// Why a comparison ended before its end.
enum Ended {
    /// The other node: nothing more can be said.
    There(AdapterError),
    /// Our own database.
    Here(FlowError),
    /// There are more records than are compared at a time.
    TooMany,
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
            HoldingsError::TooMany => Self::TooMany,
            problem @ HoldingsError::Interrupted => {
                Self::There(AdapterError::new(ErrorKind::Local, "read our own records").caused_by(problem))
            }
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
        let too_long = || AdapterError::new(ErrorKind::Timeout, "compare with the other node");
        let compared = timeout(LONGEST, compare(flow, name, node, &mut notebook)).await;
        let incomplete_because = match compared.unwrap_or_else(|_| Err(too_long().into())) {
            Ok(incomplete_because) => incomplete_because,
            Err(Ended::Here(error)) => return Err(error),
            Err(Ended::TooMany) => Some(why::TOO_MANY.to_owned()),
            Err(Ended::There(error)) => {
                tracing::error!(node = name, error = chain(&error), "the other node was not compared to its end");
                Some(why::unread(&error))
            }
        };
        notebook.note(()).await?;
        // They come in an order of the session; those that are named are shown in one of their own.
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

/// Compares, and says why that was not all, where it was not.
async fn compare(
    flow: &Flow,
    name: &str,
    node: &RemoteNode,
    notebook: &mut Notebook<'_>,
) -> Result<Option<String>, Ended> {
    // What is stored from now on may be in one index and not in the other.
    let asked = flow.clock.now();
    let salt = Salt(kit::random::bytes()?);
    let about = node.open(salt).await?;
    let compared = compare_in(flow, name, node, &about, Session { salt, asked }, notebook).await;
    node.close(&about.comparison_id).await;
    compared
}

/// What both sides know of a session.
#[derive(Clone, Copy)]
struct Session {
    salt: Salt,
    asked: UtcInstant,
}

async fn compare_in(
    flow: &Flow,
    name: &str,
    node: &RemoteNode,
    about: &About,
    session: Session,
    notebook: &mut Notebook<'_>,
) -> Result<Option<String>, Ended> {
    let not_understood = |problem: &str| {
        AdapterError::new(ErrorKind::NotUnderstood, "compare with the other node").caused_by(problem.to_owned())
    };
    let mut incomplete_because = node.not_told(&about.scope)?;
    let theirs = about.records.ok_or_else(|| not_understood("it does not say how many records it has"))?;
    if theirs > MOST as u64 {
        return Err(not_understood("it has more records than are compared at a time").into());
    }
    let scope = about.scope.scope();
    let ours = Holdings::of(flow.store.as_ref(), &scope, session.salt).await?;
    let found = tell_each_other(node, about, &ours).await?;
    let (only_ours, only_theirs) = (found.only_ours.keys(), found.only_theirs.keys());
    tracing::info!(
        node = name,
        ours = ours.len(),
        theirs,
        only_ours = only_ours.len(),
        only_theirs = only_theirs.len(),
        different = found.different.len(),
        "two nodes told each other what they hold"
    );
    let common = ours.len().saturating_sub(only_ours.len());
    let is_same = about.fingerprint.as_deref() == Some(&wire::hexadecimal(ours.index().whole()));
    let is_found_same = only_ours.is_empty() && only_theirs.is_empty() && found.different.is_empty();
    if (common + only_theirs.len()) as u64 != theirs || is_same != is_found_same {
        incomplete_because.get_or_insert_with(|| why::NOT_WHOLE.to_owned());
    } else if matches!(found.only_ours, Unmatched::NotSeen(_)) && !only_ours.is_empty() {
        incomplete_because.get_or_insert_with(|| why::INTERRUPTED_THERE.to_owned());
    }
    let same = common.saturating_sub(found.different.len()) as u64;
    notebook.add(
        ReconciliationCounts { expected: same, observed: same, equal: same, ..ReconciliationCounts::default() },
        Vec::new(),
    );
    let (asked, fresh_since) = (session.asked, before(session.asked, node.grace()));
    let judge = Judge { name, asked, fresh_since };
    let course = Course { flow, scope: &scope, ours: &ours, judge };
    let mut all_are_given = true;
    for keys in found.different.chunks(MOST_KEYS).chain(only_theirs.chunks(MOST_KEYS)) {
        let given = node.records(&about.comparison_id, keys).await?.into_iter();
        let given: HashMap<_, _> = given.filter_map(|one| Some((wire::number(&one.hash)?, one.record))).collect();
        for key in keys {
            let record = given.get(key).and_then(|record| TheirRow::read(record, &scope));
            // What is not given, or under another name, is not missing: they have just listed it.
            let record = record.filter(|record| session.salt.key(&record.unit) == *key);
            all_are_given &= match record {
                Some(record) => course.note(*key, Some(&record), notebook).await?,
                None => not_given(notebook),
            };
        }
    }
    // Of these nothing is asked there, which may take longer than a session that is silent lasts.
    for key in only_ours {
        all_are_given &= course.note(*key, None, notebook).await?;
    }
    if !all_are_given {
        incomplete_because.get_or_insert_with(|| why::NOT_GIVEN.to_owned());
    }
    Ok(incomplete_because)
}

/// A key that was listed and not given.
fn not_given(notebook: &mut Notebook<'_>) -> bool {
    let counts = ReconciliationCounts { observed: 1, not_read: 1, ..ReconciliationCounts::default() };
    notebook.add(counts, Vec::new());
    false
}

/// Messages go to and fro until both sides know everything.
async fn tell_each_other(node: &RemoteNode, about: &About, ours: &Holdings) -> Result<Outcome, Ended> {
    let attempted = "compare with the other node";
    let limits = SessionLimits { claims: MOST, ..SessionLimits::default() };
    let mut session = Reconciler::new(ours.index(), &Completeness::Complete, limits);
    let mut message = session.initiate();
    while let Some(answer) = node.tell(&about.comparison_id, &message).await? {
        // Up to a mebibyte of questions: not on a thread that others wait for.
        let answered = spawn_blocking(move || {
            let step = session.respond(&answer);
            (session, step)
        });
        let step;
        (session, step) = answered.await.map_err(|_| FlowError::Interrupted { task: "a comparison of two nodes" })?;
        let refused = |refused| AdapterError::new(ErrorKind::NotUnderstood, attempted).caused_by(refused);
        match step.map_err(refused)? {
            Step::Send(next) => message = next,
            Step::Done => break,
        }
    }
    Ok(session.outcome())
}

/// What was stored later is not expected on the other side yet.
fn before(asked: UtcInstant, grace: Duration) -> UtcInstant {
    let grace = i64::try_from(grace.as_micros()).unwrap_or(i64::MAX);
    UtcInstant::from_unix_micros(asked.unix_micros().saturating_sub(grace)).unwrap_or(asked)
}

/// Where a comparison stands between what both sides told each other and what is noted.
struct Course<'a> {
    flow: &'a Flow,
    scope: &'a Scope,
    ours: &'a Holdings,
    judge: Judge<'a>,
}

impl Course<'_> {
    /// Notes what a key that differs means. False where ours is there no more: then nobody knows what it was.
    async fn note(&self, key: u128, theirs: Option<&TheirRow>, notebook: &mut Notebook<'_>) -> Result<bool, Ended> {
        let record = self.ours.record(key);
        let ours = match record {
            Some(record) => self.flow.store.standing_of(self.scope, record).await?,
            None => None,
        };
        let mine = ours.as_ref().and_then(|version| Some((version, item(version)?)));
        if record.is_some() && mine.is_none() {
            return Ok(not_given(notebook));
        }
        let mine = mine.as_ref().map(|(version, item)| (*version, item));
        let Some(judged) = self.judge.of(mine, theirs) else { return Ok(false) };
        notebook.add(judged.counts, judged.found);
        notebook.kept.extend(judged.kept);
        if notebook.is_full() {
            notebook.note(()).await?;
        }
        Ok(true)
    }
}

//! Intake: reads a source and carries its raw records, in order and in batches, to the ledger.
//!
//! Comes from: the schedule, `sync` or `import`, which name a system and perhaps some files.
//! Goes to: `normalize`, then `route`, then `version`, batch by batch.
//! Safe to repeat because: a document is known by its digest and a version by its own, so reading again says "unchanged".
//! When it fails: what was stored stays; the run stays open, the cursor where it was, and the next read begins there.
//! So it ends too when the pressure does not fall while it waits between two batches.

use std::sync::Arc;
use std::time::Duration;

use canonical::SourceName;
use contract::{RawRecord, ReadRequest, Received, Source};
use tokio::sync::mpsc;

use super::route::membership::Members;
use super::{Flow, FlowError, normalize, route, version};
use crate::clock::after;
use crate::failpoints;
use crate::storage::{DocumentId, RunId, RunKind, RunTotals, Stored, Turn};

/// Raw records per transaction.
pub const BATCH: usize = 500;

/// Raw records that may wait between the source and the ledger.
const CHANNEL: usize = 2 * BATCH;

/// What a read came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntakeReport {
    /// The totals, which balance.
    pub totals: RunTotals,
    /// Documents refused whole, with the reason.
    pub refused: Vec<(String, contract::Refusal)>,
}

/// The turn in which a source is read, where several processes share the ledger.
#[derive(Debug, Clone, Copy)]
pub struct InTurn<'a> {
    /// The turn.
    pub turn: &'a Turn,
    /// How long it holds when it is held anew.
    pub holds: Duration,
}

/// Reads one source to its end.
pub async fn read_source(
    flow: &Flow,
    name: &SourceName,
    kind: RunKind,
    files: Option<Vec<std::path::PathBuf>>,
    progress: &(dyn Fn(RunTotals) + Send + Sync),
) -> Result<IntakeReport, FlowError> {
    read(flow, name, kind, files, progress, None).await
}

/// Reads one source to its end, as long as it is our turn: a process that was asleep saves no cursor
/// over that of the one which went on. Records are stored whoever's turn it is: to read them twice
/// says nothing new.
pub async fn read_in_turn(
    flow: &Flow,
    name: &SourceName,
    progress: &(dyn Fn(RunTotals) + Send + Sync),
    turn: InTurn<'_>,
) -> Result<IntakeReport, FlowError> {
    read(flow, name, RunKind::Sync, None, progress, Some(turn)).await
}

async fn read(
    flow: &Flow,
    name: &SourceName,
    kind: RunKind,
    files: Option<Vec<std::path::PathBuf>>,
    progress: &(dyn Fn(RunTotals) + Send + Sync),
    turn: Option<InTurn<'_>>,
) -> Result<IntakeReport, FlowError> {
    let no_role = || FlowError::NoRole { system: name.to_string(), role: "source" };
    let adapter = Arc::clone(flow.system(name.as_str())?);
    adapter.source().ok_or_else(no_role)?;
    if let Some(hold) = flow.hold().await? {
        return Err(hold.into());
    }

    let run = flow.store.begin_run(kind, name, flow.clock.now()).await?;
    // Named files are read whole whatever was read before; the cursor belongs to the schedule.
    let cursor = if files.is_none() { flow.store.cursor(name).await? } else { None };
    let (sender, receiver) = mpsc::channel(CHANNEL);
    let reading = {
        let adapter = Arc::clone(&adapter);
        tokio::spawn(async move {
            match adapter.source() {
                Some(source) => source.read(ReadRequest { files, cursor }, sender).await,
                None => Ok(()),
            }
        })
    };
    let source = adapter.source().ok_or_else(no_role)?;
    let members = Arc::new(Members::load(flow).await?);
    let mut intake = Intake {
        flow,
        name,
        source,
        run,
        routes: route::Routes::of(flow, name, Arc::clone(&members)),
        document: None,
        batch: Vec::with_capacity(BATCH),
        report: IntakeReport { totals: RunTotals::default(), refused: Vec::new() },
        progress,
        turn,
    };
    intake.drain(receiver).await?;
    reading.await.map_err(|_| FlowError::Interrupted { task: "reading a source" })??;
    intake.report.totals = flow.store.finish_run(run, flow.clock.now()).await?;
    // A membership that came, or ended, moves what was stored before it.
    route::route_again_after(flow, &members).await?;
    let RunTotals { read, new, unchanged, quarantined, refused } = intake.report.totals;
    tracing::info!(source = %name, run = %run, read, new, unchanged, quarantined, refused, "source read");
    Ok(intake.report)
}

struct Intake<'a> {
    flow: &'a Flow,
    name: &'a SourceName,
    source: &'a dyn Source,
    run: RunId,
    routes: route::Routes,
    document: Option<DocumentId>,
    batch: Vec<RawRecord>,
    report: IntakeReport,
    progress: &'a (dyn Fn(RunTotals) + Send + Sync),
    turn: Option<InTurn<'a>>,
}

impl Intake<'_> {
    async fn drain(&mut self, mut receiver: mpsc::Receiver<Received>) -> Result<(), FlowError> {
        while let Some(received) = receiver.recv().await {
            match received {
                Received::Begin(header) => {
                    self.flush().await?;
                    let now = self.flow.clock.now();
                    let document = self.flow.store.register_document(self.run, self.name, &header, now).await?;
                    self.document = Some(document);
                }
                Received::Record(raw) => {
                    self.batch.push(raw);
                    if self.batch.len() >= BATCH {
                        self.flush().await?;
                    }
                }
                Received::End => {
                    self.flush().await?;
                    self.document = None;
                }
                Received::Refused { remote_id, refusal } => {
                    self.flush().await?;
                    self.document = None;
                    tracing::warn!(source = %self.name, document = remote_id, code = refusal.code, "document refused");
                    let now = self.flow.clock.now();
                    self.flow.store.refuse_document(self.run, self.name, &remote_id, &refusal, now).await?;
                    self.report.totals.read += 1;
                    self.report.totals.refused += 1;
                    self.report.refused.push((remote_id, refusal));
                }
                Received::Cursor(cursor) => {
                    self.flush().await?;
                    failpoints::pass("cursor.before").await?;
                    self.check_turn().await?;
                    self.flow.store.save_cursor(self.name, &cursor, self.flow.clock.now()).await?;
                    failpoints::pass("cursor.after").await?;
                }
            }
        }
        self.flush().await
    }

    /// Whether it is our turn still. Between this look and the cursor lies one transaction.
    async fn check_turn(&self) -> Result<(), FlowError> {
        let Some(InTurn { turn, holds }) = self.turn else { return Ok(()) };
        let now = self.flow.clock.now();
        if self.flow.store.hold_turn(turn, now, after(now, holds)).await? {
            return Ok(());
        }
        Err(FlowError::Interrupted { task: "a read whose turn another process has taken" })
    }

    async fn flush(&mut self) -> Result<(), FlowError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        // What waits here holds up the channel, and the channel holds up the source.
        self.flow.intake_gate.pass(self.flow.store.as_ref(), self.flow.clock.as_ref()).await??;
        let document =
            self.document.ok_or(FlowError::Interrupted { task: "a source that gave records of no document" })?;
        let now = self.flow.clock.now();
        let arrivals: Vec<_> = self
            .batch
            .drain(..)
            .map(|raw| {
                let understood = normalize::understand(self.source, self.name, &raw, now);
                version::arrival(document, raw, understood, |record| {
                    (self.routes.rank(record.kind()), self.routes.of_record(record, now))
                })
            })
            .collect();
        if failpoints::is_planted("answer_before_commit") {
            let (store, run) = (Arc::clone(&self.flow.store), self.run);
            tokio::spawn(async move {
                tokio::time::sleep(std::time::Duration::from_millis(300)).await;
                store.store(run, arrivals, now).await
            });
            return Ok(());
        }
        for stored in version::store(self.flow.store.as_ref(), self.run, arrivals, now).await? {
            let totals = &mut self.report.totals;
            totals.read += 1;
            match stored {
                Stored::New => totals.new += 1,
                Stored::Unchanged => totals.unchanged += 1,
                Stored::Quarantined => totals.quarantined += 1,
            }
        }
        (self.progress)(self.report.totals);
        Ok(())
    }
}

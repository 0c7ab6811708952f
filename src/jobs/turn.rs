//! Something that one process at a time does without end, of all that share the database.

use std::future::Future;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use canonical::SourceName;
use tokio::sync::watch;

use crate::clock::after;
use crate::flow::intake::{self, InTurn, IntakeReport};
use crate::flow::{Flow, FlowError};
use crate::storage::{RunTotals, Turn};

/// How long a turn holds without being held anew: whoever falls silent is replaced after it.
pub(super) const TURN: Duration = Duration::from_secs(24);
/// Between two looks at whose turn it is.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Does it whenever it is our turn, until it is stopped. What is under way then, or when the turn is
/// lost, is dropped: it must be such that it can be done again.
pub(super) async fn do_in_turn<F: Future<Output = ()>>(
    flow: &Flow,
    name: &'static str,
    mut stopped: watch::Receiver<bool>,
    act: impl Fn(Turn) -> F,
) {
    let ours: Mutex<Option<Turn>> = Mutex::default();
    let remember = |turn: Option<Turn>| *ours.lock().unwrap_or_else(PoisonError::into_inner) = turn;
    let forever = async {
        loop {
            let now = flow.clock.now();
            match flow.store.take_turn(name, now, after(now, TURN)).await {
                Ok(Some(turn)) => {
                    remember(Some(turn.clone()));
                    tokio::select! {
                        () = act(turn.clone()) => {}
                        () = until_lost(flow, &turn) => {
                            tracing::warn!(turn = name, "another process has taken the turn: leaving the work to it");
                            remember(None);
                        }
                    }
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, turn = name, "turn not taken, trying again"),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let asked_to_stop = async {
        let _ = stopped.wait_for(|is_asked| *is_asked).await;
    };
    tokio::select! {
        () = forever => {}
        () = asked_to_stop => {}
    }
    let left = ours.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(turn) = left {
        leave(flow, &turn).await;
    }
}

/// Leaves a turn to whoever wants it.
pub(super) async fn leave(flow: &Flow, turn: &Turn) {
    let now = flow.clock.now();
    if let Err(error) = flow.store.hold_turn(turn, now, now).await {
        tracing::warn!(%error, turn = turn.name, "turn not left: it ends by itself");
    }
}

/// Reads a source to its end as soon as nobody else does. Two who read it at once would save each other's
/// cursors, and the slower one would store an older answer behind a newer one.
pub async fn read_in_its_turn(
    flow: &Flow,
    source: &SourceName,
    progress: &(dyn Fn(RunTotals) + Send + Sync),
) -> Result<IntakeReport, FlowError> {
    let name = format!("source {source}");
    let turn = loop {
        let now = flow.clock.now();
        match flow.store.take_turn(&name, now, after(now, TURN)).await? {
            Some(turn) => break turn,
            None => tokio::time::sleep(LOOK_EVERY).await,
        }
    };
    let read = tokio::select! {
        read = intake::read_in_turn(flow, source, progress, InTurn { turn: &turn, holds: TURN }) => read,
        () = until_lost(flow, &turn) => Err(FlowError::Interrupted { task: "a read whose turn another process has taken" }),
    };
    leave(flow, &turn).await;
    read
}

/// Returns when the turn is lost.
async fn until_lost(flow: &Flow, turn: &Turn) {
    loop {
        tokio::time::sleep(TURN / 3).await;
        let now = flow.clock.now();
        match flow.store.hold_turn(turn, now, after(now, TURN)).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::warn!(%error, turn = turn.name, "turn not held, trying again"),
        }
    }
}

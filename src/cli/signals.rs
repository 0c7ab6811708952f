//! `raccordo signals`: how it stands with Signal Hub, on both sides.

use std::sync::Arc;

use super::Exit;
use super::output::Output;
use super::table::{name, sentence};
use crate::http::{SignalState, signal_states};
use crate::storage::Store;
use crate::storage::signals::{Listening, Signalling};

pub(super) async fn run(store: Arc<dyn Store>, output: &Output) -> anyhow::Result<Exit> {
    let states = signal_states(store.as_ref(), output.words.language()).await?;
    if output.is_json() {
        for state in store.all_signalling().await? {
            output.json(&facts_of_ours(&state));
        }
        for state in store.listening(None).await? {
            output.json(&facts_of_others(&state));
        }
    } else if states.is_empty() {
        output.note(output.words.no_signals);
    } else {
        let rows = states.into_iter().map(|SignalState { name, sentence, .. }| vec![name, sentence]);
        let columns = [name(output.words.signals_of), sentence(output.words.result)];
        output.table(output.words.signals, &columns, &rows.collect::<Vec<_>>());
    }
    store.close().await;
    Ok(Exit::Done)
}

fn facts_of_ours(state: &Signalling) -> serde_json::Value {
    serde_json::json!({
        "told": state.eservice,
        "is_on": state.is_on,
        "until": state.told.version,
        "last_number": state.last_number,
        "pending": state.pending.as_ref().map(|pending| serde_json::json!({
            "number": pending.number, "until": pending.until.version, "attempts": pending.attempts,
            "due_at": pending.due_at.to_string(),
        })),
        "taken_at": state.taken_at.map(|at| at.to_string()),
        "failed_at": state.failed.as_ref().map(|(at, _)| at.to_string()),
        "failed_code": state.failed.as_ref().map(|(_, code)| code),
    })
}

fn facts_of_others(state: &Listening) -> serde_json::Value {
    serde_json::json!({
        "heard": state.system,
        "eservice": state.eservice,
        "last_number": state.heard,
        "heard_at": state.heard_at.map(|at| at.to_string()),
        "stale_since": state.stale_since.map(|at| at.to_string()),
        "failed_at": state.failed.as_ref().map(|(at, _)| at.to_string()),
        "failed_code": state.failed.as_ref().map(|(_, code)| code),
        "not_looked_at": state.not_looked.as_ref().map(|(at, _)| at.to_string()),
        "not_looked_code": state.not_looked.as_ref().map(|(_, code)| code),
    })
}

//! `raccordo serve`: the daemon.

use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use super::Exit;
use super::exit::listen;
use super::output::Output;
use crate::http;
use crate::http::api::messages::Messages;
use crate::http::api::{self, Api, credentials};
use crate::jobs::{exports, schedule, signals, tracing_files, webhooks};
use crate::node::Node;

/// How often to look whether the database still answers and takes writes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long it may think about the simplest question.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn run(mut node: Node, output: &Output) -> anyhow::Result<Exit> {
    let listener = listen(node.config.http.listen).await?;
    let address = listener.local_addr().context("asking for the own address")?;
    let exchange = &node.config.exchange;
    let credentials = credentials::of(exchange, &node.flow.store, &node.flow.clock);
    let hooks = webhooks::Hooks::of(exchange).context("making the webhooks of partners")?;
    let partners = exports::Partners::of(exchange, api::address(exchange)).context("making exports for partners")?;
    let hub = signals::Hub::of(&node.config, &node.flow.systems).context("making what speaks with Signal Hub")?;
    let sender = tracing_files::Sender::of(&node.config).context("making what sends the tracing files")?;
    let messages = Messages::of(&node.config, node.flow.store.clone(), node.flow.clock.clone());
    let api = Api::new(node.flow.clone(), exchange, credentials.context("making the exchange API")?)
        .verifying(messages.context("making the exchange API")?)
        .counted_by(node.tally.clone());
    if let Some(hub) = &hub {
        hub.mark(&node.flow).await?;
    }
    node.start_work().await?;
    let scheduled = schedule::start(&node.flow, &node.config.schedule, &node.config.reconciliation);
    let told = webhooks::start(&node.flow, hooks);
    let signalled = signals::start(&node.flow, hub);
    let exported = exports::start(&node.flow, partners);
    let sent = tracing_files::start(&node.flow, sender);
    let pages = http::serve(listener, node.flow.clone(), api);
    tracing::info!(%address, "serving");
    if output.is_json() {
        output.json(&serde_json::json!({ "page": format!("http://{address}/") }));
    } else {
        output.note(&format!("{} http://{address}/ – {}", output.words.page_at, output.words.stop_hint));
    }
    tokio::select! {
        stopped = stop_signal() => stopped?,
        () = storage_failed(&node) => {
            node.give_up().await;
            return Ok(Exit::Unavailable);
        }
    }
    tracing::info!("stopping");
    let closing = async {
        tokio::join!(scheduled.stop(), told.stop(), signalled.stop(), exported.stop(), sent.stop(), pages.stop());
        node.close().await;
    };
    // Asked twice, it stops at once: what was under way is found again at the next start.
    tokio::select! {
        () = closing => Ok(Exit::Done),
        again = stop_signal() => again.map(|()| Exit::Failed),
    }
}

/// Returns some time after the database could no longer be written, or answered no more: only a new
/// start finds out what reached the disk. Until then nothing is read and nothing is sent, and the
/// page says why. A server that answers again in time is no reason to end.
async fn storage_failed(node: &Node) {
    let seconds = node.config.storage.exit_after_failure_seconds;
    let patience = Duration::from_secs(seconds.into());
    let mut silent_since: Option<Instant> = None;
    loop {
        let begun = Instant::now();
        if let Some(problem) = node.flow.store.failure() {
            tracing::error!(
                problem,
                seconds,
                "the database can no longer be written: ending soon, to be started again"
            );
            let since = silent_since.unwrap_or(begun);
            tokio::time::sleep(patience.saturating_sub(since.elapsed())).await;
            break;
        }
        if answers(node).await {
            if silent_since.take().is_some() {
                tracing::info!("the database answers again");
            }
        } else {
            if silent_since.is_none() {
                tracing::error!(seconds, "the database does not answer: ending soon, unless it answers again");
            }
            if silent_since.get_or_insert(begun).elapsed() >= patience {
                break;
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    tracing::error!("ending, to be started again");
}

/// Whether the database answers, and takes writes: one of those who read says so, or, where all of them
/// are busy, the one who settles jobs does it.
async fn answers(node: &Node) -> bool {
    let store = &node.flow.store;
    let reads = async {
        store.next_ready().await?;
        // A server that became read-only, or a copy in its place, says so here.
        store.time().await
    };
    let reads = tokio::time::timeout(ANSWERS_WITHIN, reads).await;
    matches!(reads, Ok(Ok(_))) || matches!(tokio::time::timeout(ANSWERS_WITHIN, store.release(&[])).await, Ok(Ok(())))
}

/// Waits for Ctrl+C or for the service manager.
pub(super) async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("listening for Ctrl+C"),
        _ = terminate.recv() => Ok(()),
    }
}

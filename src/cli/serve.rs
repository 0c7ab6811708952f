//! `raccordo serve`: the daemon.

use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::Exit;
use super::output::Output;
use crate::http;
use crate::jobs::schedule;
use crate::node::Node;

/// How often to look whether the database still takes writes.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(super) async fn run(mut node: Node, output: &Output) -> anyhow::Result<Exit> {
    let listen = node.config.http.listen;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("listening on {listen}"))?;
    let address = listener.local_addr().context("asking for the own address")?;
    node.start_work().await?;
    let scheduled = schedule::start(node.flow.clone(), &node.config.schedule);
    let pages = http::serve(listener, node.flow.clone());
    tracing::info!(%address, "serving");
    if output.is_json() {
        output.json(&serde_json::json!({ "page": format!("http://{address}/") }));
    } else {
        output.note(&format!("{} http://{address}/ – {}", output.words.page_at, output.words.stop_hint));
    }
    tokio::select! {
        stopped = stop_signal() => stopped?,
        () = storage_failed(&node) => return Ok(Exit::Unavailable),
    }
    tracing::info!("stopping");
    let closing = async {
        tokio::join!(scheduled.stop(), pages.stop());
        node.close().await;
    };
    // Asked twice, it stops at once: what was under way is found again at the next start.
    tokio::select! {
        () = closing => Ok(Exit::Done),
        again = stop_signal() => again.map(|()| Exit::Failed),
    }
}

/// Returns some time after the database could no longer be written: only a new start finds out what
/// reached the disk. Until then nothing is read and nothing is sent, and the page says why.
async fn storage_failed(node: &Node) {
    let problem = loop {
        if let Some(problem) = node.flow.store.failure() {
            break problem;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let seconds = node.config.storage.exit_after_failure_seconds;
    tracing::error!(problem, seconds, "the database can no longer be written: ending soon, to be started again");
    tokio::time::sleep(Duration::from_secs(seconds.into())).await;
    tracing::error!("ending, to be started again");
}

/// Waits for Ctrl+C or for the service manager.
pub(super) async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("listening for Ctrl+C"),
        _ = terminate.recv() => Ok(()),
    }
}

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
        problem = storage_failed(&node) => {
            tracing::error!(problem, "the database can no longer be written: ending, to be started again");
            return Ok(Exit::Unavailable);
        }
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

/// Returns when the database can no longer be written: only a new start finds out what reached the
/// disk.
async fn storage_failed(node: &Node) -> String {
    loop {
        if let Some(problem) = node.flow.store.failure() {
            return problem;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits for Ctrl+C or for the service manager.
pub(super) async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("listening for Ctrl+C"),
        _ = terminate.recv() => Ok(()),
    }
}
